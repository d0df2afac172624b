//! Deadlines: every phase has one, no octet extends it, and the total time is above all of them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use smtp_proto::{
    Error, Failover, Phase, Timeouts,
    config::{Protocol, TlsMode},
    sasl::{AuthPolicy, Credentials},
};
use smtp_testkit::{
    Certificates, Script, Secure, Transcript,
    far::Shared,
    healthy::Recovering,
    transcript::{Played, Server, Session},
};

use super::*;

const BODY: &[u8] = b"Subject: s\r\n\r\nThis is a body of some lines,\r\nof which the line takes\r\na few octets at a time.\r\n";

/// No two alike.
fn timeouts() -> Timeouts {
    let mut timeouts = Timeouts::default();
    timeouts.connect = Duration::from_secs(11);
    timeouts.greeting = Duration::from_secs(22);
    timeouts.command = Duration::from_secs(33);
    timeouts.body = Duration::from_secs(17);
    timeouts.submission = Duration::from_secs(55);
    timeouts.reset = Duration::from_secs(6);
    timeouts.quit = Duration::from_secs(7);
    timeouts
}

/// A client with all the phases there are, and its server.
fn elaborate(time: &Time, protocol: Protocol, total: Option<Duration>) -> (Far, Log, Client) {
    let certificates = Certificates::for_name("mx.example");
    let mut config = config();
    config.protocol = protocol;
    config.timeouts = timeouts();
    let lmtp = protocol == Protocol::Lmtp;
    // In clear, its replies come one by one.
    if !lmtp {
        config.security.mode = TlsMode::StartTls;
        config.security.required = true;
        config.security.client = Some(certificates.client(rustls::DEFAULT_VERSIONS));
        config.security.server_name = Some("mx.example".try_into().unwrap());
        config.auth =
            AuthPolicy::Auto(Credentials::Password { user: "user".to_owned(), password: "password".into() });
    }
    let log = Log::default();
    let far = Far::in_pieces(40, 40, {
        let (log, tls) = (log.clone(), certificates.server(rustls::DEFAULT_VERSIONS));
        move |index, _| {
            let healthy = Healthy::new(index, &log, lmtp).without("PIPELINING").offering_starttls();
            let secure = Secure::starttls(healthy, Arc::clone(&tls), lmtp);
            Dialled::server(secure, Judge::new(lmtp, false))
        }
    });
    let mut plan = plan(&["tcp://192.0.2.1:2525"], &config);
    plan.total_timeout = total;
    (far.clone(), log, Client::new(plan, &far, time))
}

fn two_recipients() -> Envelope {
    let mut envelope = envelope();
    envelope.recipients.push(Recipient::from(mailbox("carol@example.net")));
    envelope
}

/// The server and the line to it stop at the so-manyth poll; whether it was over before, what is told, and after how many seconds.
async fn stops_at(time: &Time, protocol: Protocol, total: Option<u64>, polls: usize) -> (bool, Report, u64) {
    let (far, log, client) = elaborate(time, protocol, total.map(Duration::from_secs));
    let began = time.now();
    let mut sending = Box::pin(client.send(None, two_recipients(), bytes(BODY)));
    let (over, report) = match by_hand(time, &far, sending.as_mut(), &mut polls.clone()).await {
        Ok(report) => (true, report),
        Err(_) => {
            far.freeze();
            let report = wholly(time, &far, sending).await;
            // The last reply was on the line already.
            (report.recipients.iter().all(|one| one.disposition.name() == "delivered"), report)
        }
    };
    let elapsed = seconds_since(time, began);
    if !over {
        assert_eq!(far.open(), 0, "{polls} polls");
        // The same client goes on as if nothing had been.
        let before = log.taken().len();
        far.thaw();
        let next = wholly(time, &far, client.send(None, two_recipients(), bytes(BODY))).await;
        assert!(confirms(&next, &log.taken()[before]), "{polls} polls: {next:?}");
    }
    wholly(time, &far, client.close()).await;
    nobody_objects(&far);
    (over, report, elapsed)
}

/// At every poll; how often which phase was met, and with what for the recipients.
fn everywhere(
    protocol: Protocol,
    total: Option<u64>,
    check: impl Fn(usize, &Error, u64),
) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for polls in 1.. {
        let (over, report, elapsed) = run(async |time| stops_at(&time, protocol, total, polls).await);
        if over {
            break;
        }
        let failed: Vec<_> = report.recipients.iter().filter_map(|one| one.disposition.failure()).collect();
        let Some(failure) = failed.last() else { panic!("{polls} polls: {report:?}") };
        check(polls, &failure.cause, elapsed);
        let names: Vec<_> = report.recipients.iter().map(|one| one.disposition.name()).collect();
        *seen.entry(format!("{}: {}", failure.phase, names.join(", "))).or_default() += 1;
    }
    seen
}

#[test]
fn every_phase_has_its_deadline_and_no_octet_extends_it() {
    // R65-R72, N1 (the body's is in the transcripts, B17): whatever has come of a reply or was taken of a command before.
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        let seen = everywhere(protocol, None, |polls, cause, elapsed| {
            let Error::Timeout(phase) = cause else { panic!("{polls} polls: {cause:?}") };
            assert_eq!(elapsed, timeouts().duration(*phase).as_secs(), "{polls} polls: {phase}");
        });
        let lmtp = protocol == Protocol::Lmtp;
        let secure = if lmtp { &[][..] } else { &["starttls", "tls", "auth"] };
        for phase in ["greeting", "hello", "mail", "rcpt", "data"].iter().chain(secure) {
            assert!(seen.contains_key(&format!("{phase}: deferred, deferred")), "{phase}: {seen:?}");
        }
        let end = if lmtp { "end: delivered, uncertain" } else { "end: uncertain, uncertain" };
        assert!(seen.contains_key(end), "{seen:?}");
    }
}

#[test]
fn the_total_time_is_above_every_phase() {
    // N14
    let seen = everywhere(Protocol::Smtp, Some(5), |polls, cause, elapsed| {
        assert!(matches!(cause, Error::Deadline(_)), "{polls} polls: {cause:?}");
        assert_eq!(elapsed, 5, "{polls} polls");
    });
    assert!(seen.len() >= 9, "{seen:?}");
}

#[test]
fn a_reply_in_drops_is_a_reply_too_late() {
    // N1: an octet every 9 seconds, and 20 seconds for the greeting.
    run(async |time| {
        let log = Log::default();
        let text = "220 mx.example".chars().map(|octet| {
            format!("S| {}\n*: wait 9s\n", if octet == ' ' { "\\x20".to_owned() } else { octet.to_string() })
        });
        let text = text.collect::<String>();
        let far = Far::new({
            let log = log.clone();
            move |index, _| {
                let slow = Recovering::new(Script::new(&text), Healthy::new(index, &log, false));
                Dialled::server(slow, Judge::new(false, false))
            }
        });
        let mut config = config();
        config.timeouts = timeouts();
        let client = Client::new(plan(&["tcp://192.0.2.1:25"], &config), &far, &time);
        let began = time.now();
        let report = wholly(&time, &far, client.send(None, envelope(), bytes(BODY))).await;
        let failure = report.recipients[0].disposition.failure().unwrap();
        assert!(matches!(failure.cause, Error::Timeout(Phase::Greeting)), "{failure:?}");
        assert_eq!(seconds_since(&time, began), 22);
        assert_eq!(far.open(), 0);
    });
}

#[test]
fn black_holes_cost_their_share_and_the_next_target_is_tried() {
    // M14
    run(async |time| {
        let log = Log::default();
        let far = Far::new({
            let log = log.clone();
            move |index, address| match address.to_string().as_str() {
                "192.0.2.9:2525" => server(Healthy::new(index, &log, false)),
                _ => Dialled::Hangs,
            }
        });
        let targets = plan(&["tcp://mx.example:25", "tcp://192.0.2.9:2525"], &config());
        let addresses = vec!["192.0.2.1:25".parse().unwrap(), "192.0.2.2:25".parse().unwrap()];
        let client = Client::with_addresses(targets, &far, &time, addresses);
        let began = time.now();
        let report = wholly(&time, &far, client.send(None, envelope(), bytes(BODY))).await;
        assert_eq!((name(&report), seconds_since(&time, began)), ("delivered", 300));
        assert_eq!(report.attempts.len(), 3);
        for attempt in &report.attempts[..2] {
            assert!(matches!(attempt.error, Some(Error::Timeout(Phase::Connect))), "{attempt:?}");
        }
    });
}

#[test]
fn a_kept_connection_that_does_not_answer_rset_is_replaced_when_its_time_is_up() {
    // N11, D28
    run(async |time| {
        let log = Log::default();
        let far = Far::new({
            let log = log.clone();
            move |index, _| {
                let healthy = Healthy::new(index, &log, false);
                let refuses = "S: 220 mx\nC~ EHLO\nS: 250 mx\nC~ MAIL\nS: 250 ok\nC~ RCPT\nS: 550 5.1.1 who\nC: RSET\n*: silence\n";
                match index {
                    0 => Dialled::server(
                        Recovering::new(Script::new(refuses), healthy),
                        Judge::new(false, false),
                    ),
                    _ => server(healthy),
                }
            }
        });
        let mut config = config();
        config.timeouts = timeouts();
        let client = Client::new(plan(&["tcp://192.0.2.1:25"], &config), &far, &time);
        let refused = wholly(&time, &far, client.send(None, numbered(0), bytes(BODY))).await;
        assert_eq!((name(&refused), far.open()), ("rejected", 1));
        let began = time.now();
        let report = wholly(&time, &far, client.send(None, numbered(1), bytes(BODY))).await;
        assert_eq!((name(&report), seconds_since(&time, began)), ("delivered", 6));
        assert_eq!((far.open(), log.taken()[0].connection), (1, 1));
        nobody_objects(&far);
    });
}

#[test]
fn a_goodbye_that_is_not_answered_takes_no_longer_than_its_time() {
    // N12
    run(async |time| {
        let (far, _) = servers(|server| server);
        let client = Client::new(one(), &far, &time);
        wholly(&time, &far, client.send(None, numbered(0), bytes(BODY))).await;
        far.freeze();
        let began = time.now();
        wholly(&time, &far, client.close()).await;
        assert_eq!((far.open(), seconds_since(&time, began)), (0, 5));
    });
}

/// Plays a transcript as the conformance suite does, in simulated time.
async fn play(time: &Time, transcript: &Transcript) -> Played {
    let sessions: Arc<Mutex<Vec<Option<Shared<Server>>>>> = Arc::default();
    let far = Far::new({
        let (transcript, sessions) = (transcript.clone(), Arc::clone(&sessions));
        move |index, _| {
            let lmtp = transcript.config.protocol == Protocol::Lmtp;
            let judge = match transcript.config.security.mode {
                TlsMode::Implicit => Judge::blind(),
                _ => Judge::new(lmtp, false),
            };
            let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let (session, dialled) = match transcript.sessions.get(index) {
                Some(Session::Dialogue(steps)) => {
                    let server = Shared::new(transcript.server(steps));
                    (Some(server.clone()), Dialled::server(server, judge))
                }
                Some(Session::Hangs) => (None, Dialled::Hangs),
                _ => (None, Dialled::Refused),
            };
            sessions.push(session);
            dialled
        }
    });
    let message = &transcript.messages[0];
    let mut envelope = message.envelope();
    let mut played = Played::default();
    let began = time.now();
    match message.facts(&transcript.config) {
        Ok(facts) => {
            envelope.sender.content = facts;
            let failover = transcript.failover.unwrap_or(Failover::UntilUsable);
            let client = Client::new(transcript.plan(2525, failover, None), &far, time);
            let sending = client.send(transcript.forwarded.clone(), envelope, cancel::source(message));
            match by_hand(time, &far, Box::pin(sending).as_mut(), &mut 1_000_000).await {
                Ok(report) => played.report(&report),
                Err(left) => played.amiss.push(format!("{left:?}")),
            }
        }
        Err(error) => played.report(&Report::refused(&envelope, Phase::Body, &error)),
    }
    played.elapsed = Some(Duration::from_secs(seconds_since(time, began)));
    settle(time, &far).await;
    let lines = far.lines();
    let mut lines = lines.iter();
    for session in sessions.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let mut said = session.as_ref().map(|server| server.with(Server::said)).unwrap_or_default();
        if session.is_some() {
            said.amiss.extend(lines.next().into_iter().flat_map(|line| line.objections.clone()));
        }
        played.sessions.push(said);
    }
    played
}

#[test]
fn the_transcripts_come_out_the_same_in_simulated_time() {
    // Those that take time among them, which no real socket can be asked for.
    let wanted = std::env::var("CONFORMANCE").unwrap_or_default();
    let list = Transcript::all(&wanted).unwrap_or_else(|amiss| panic!("{amiss:#?}"));
    let gives_up = |transcript: &Transcript| transcript.simulated_only() == Some("the application gives up");
    let one: Vec<_> =
        list.iter().filter(|transcript| transcript.messages.len() == 1 && !gives_up(transcript)).collect();
    let timed = one.iter().filter(|transcript| transcript.simulated_only().is_some()).count();
    eprintln!("{} transcripts, {timed} of them in simulated time only", one.len());
    let failures: Vec<_> = one
        .iter()
        .filter_map(|transcript| transcript.compare(&run(async |time| play(&time, transcript).await)).err())
        .collect();
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n"));
}
