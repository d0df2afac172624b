//! Kept connections: how long, for whom, and when they die.

use std::collections::BTreeSet;

use smtp_proto::{
    Notice, Secret,
    config::TlsMode,
    pool::Limits,
    sasl::{AuthPolicy, Credentials},
};
use smtp_testkit::{Certificates, HangUp, Script, Secure, healthy::Recovering};

use super::*;

const BODY: &[u8] = b"Subject: s\r\n\r\nbody\r\n";

async fn send(time: &Time, far: &Far, client: &Client, number: usize) -> Report {
    wholly(time, far, client.send(None, numbered(number), bytes(BODY))).await
}

fn connections(log: &Log) -> Vec<usize> {
    log.taken().iter().map(|taken| taken.connection).collect()
}

fn replaced(report: &Report) -> bool {
    report
        .attempts
        .iter()
        .any(|attempt| attempt.notices.iter().any(|notice| matches!(notice, Notice::Replaced)))
}

#[test]
fn a_connection_goes_with_quit_when_it_was_idle_for_too_long() {
    // N13
    run(async |time| {
        let (far, log) = servers(|server| server);
        let client = Client::new(one(), &far, &time);
        for _ in 0..3 {
            send(&time, &far, &client, 0).await;
            pass(&time, &far, Duration::from_secs(59)).await;
            assert_eq!(far.open(), 1);
        }
        pass(&time, &far, Duration::from_secs(2)).await;
        assert_eq!((far.open(), log.quits()), (0, vec![0]));
        // And the watch begins anew.
        send(&time, &far, &client, 0).await;
        pass(&time, &far, Duration::from_secs(61)).await;
        assert_eq!((far.open(), log.quits()), (0, vec![0, 1]));
        assert_eq!(connections(&log), [0, 0, 0, 1]);
        nobody_objects(&far);
    });
}

#[test]
fn one_task_looks_at_the_time_however_many_messages_there_are() {
    // D28
    run(async |time| {
        let (far, log) = servers(|server| server);
        let client = Client::new(one(), &far, &time);
        for _ in 0..10 {
            // Under way, nothing is idle, and whoever has noticed has its turn.
            let mut sending = std::pin::pin!(client.send(None, numbered(0), bytes(BODY)));
            assert!(sending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            time.sleep_until(time.now() + Duration::from_millis(1)).await;
            assert_eq!(name(&wholly(&time, &far, sending).await), "delivered");
        }
        assert_eq!(client.tasks(), 1);
        // It sees the connection off by another, and is gone before long.
        pass(&time, &far, Duration::from_secs(200)).await;
        assert_eq!((client.tasks(), log.quits()), (2, vec![0]));
        send(&time, &far, &client, 0).await;
        assert_eq!(client.tasks(), 3);
        // Who closes waits for none.
        client.close().await;
        assert_eq!((client.tasks(), far.open()), (4, 0));
        nobody_objects(&far);
    });
}

#[test]
fn a_connection_goes_with_quit_when_it_is_old() {
    // D28
    run(async |time| {
        let (far, log) = servers(|server| server);
        let client = Client::new(one(), &far, &time);
        for _ in 0..12 {
            send(&time, &far, &client, 0).await;
            pass(&time, &far, Duration::from_secs(50)).await;
        }
        // At 300 seconds the first one is too old to be kept; the message it has then is its last.
        assert_eq!(connections(&log), [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
        assert_eq!(log.quits(), [0]);
        nobody_objects(&far);
    });
}

#[test]
fn a_connection_goes_with_quit_after_its_last_message() {
    // D28
    run(async |time| {
        let (far, log) = servers(|server| server);
        let mut limits = Limits::connections(1);
        limits.messages = 3;
        let client = Client::new(one().with_reuse(Some(limits)), &far, &time);
        for _ in 0..7 {
            assert_eq!(name(&send(&time, &far, &client, 0).await), "delivered");
        }
        assert_eq!(connections(&log), [0, 0, 0, 1, 1, 1, 2]);
        assert_eq!((log.quits(), far.open(), far.most()), (vec![0, 1], 1, 1));
        nobody_objects(&far);
    });
}

#[test]
fn the_last_clone_that_is_dropped_says_goodbye() {
    run(async |time| {
        let (far, log) = servers(|server| server);
        let client = Client::new(one(), &far, &time);
        send(&time, &far, &client, 0).await;
        client.abandon();
        drop(client);
        settle(&time, &far).await;
        assert_eq!((far.open(), log.quits()), (0, vec![0]));
        nobody_objects(&far);
    });
}

#[test]
fn a_connection_that_died_idle_is_replaced_silently() {
    // D28
    for how in [Some(HangUp::Close), Some(HangUp::Reset), None] {
        for words in
            ["", "421 4.4.2 idle for too long\r\n", "421-4.3.2 going\r\n421 4.3.2 down\r\n", "250 what\r\n"]
        {
            if how.is_none() && words.is_empty() {
                continue; // it lives
            }
            run(async |time| {
                let (far, log) = servers(|server| server);
                let client = Client::new(one(), &far, &time);
                send(&time, &far, &client, 0).await;
                far.say(words);
                settle(&time, &far).await;
                if let Some(how) = how {
                    far.hang_up(how);
                }
                let before = far.lines()[0].sent.clone();
                let report = send(&time, &far, &client, 1).await;
                assert!(far.lines()[0].sent == before, "it is looked at before anything is said on it");
                let taken = log.taken();
                assert_eq!((name(&report), taken.len()), ("delivered", 2), "{how:?} {words:?}: {report:?}");
                assert!(confirms(&report, &taken[1]));
                assert_eq!(connections(&log), [0, 1]);
                assert!(report.attempts.len() == 1 && replaced(&report), "{report:?}");
                nobody_objects(&far);
            });
        }
    }
}

#[test]
fn a_connection_that_says_421_while_the_next_message_is_on_its_way_is_replaced() {
    // D28: it is seen only in the place of the reply to MAIL.
    run(async |time| {
        let log = Log::default();
        let far = Far::new({
            let log = log.clone();
            move |index, _| {
                let healthy = Healthy::new(index, &log, false);
                server(if index == 0 { healthy.going_after(1, "") } else { healthy })
            }
        });
        let client = Client::new(one(), &far, &time);
        send(&time, &far, &client, 0).await;
        far.say("421 4.4.2 idle for too long\r\n");
        let report = send(&time, &far, &client, 1).await;
        assert_eq!((name(&report), connections(&log)), ("delivered", vec![0, 1]));
        assert!(report.attempts.len() == 1 && replaced(&report), "{report:?}");
        nobody_objects(&far);
    });
}

/// A message that this server cannot take, and of which it hears nothing.
async fn send_unsendable(time: &Time, far: &Far, client: &Client) {
    let recipient = vec![Recipient::from(mailbox("jürgen@example.net"))];
    let envelope = Envelope::new(Sender::from(mailbox("alice@example.org")), recipient);
    let report = wholly(time, far, client.send(None, envelope, bytes(BODY))).await;
    assert!(name(&report) == "rejected" && report.attempts[0].reused, "{report:?}");
}

#[test]
fn a_message_of_which_nothing_is_sent_reads_nothing_and_is_no_sign_of_life() {
    // D28, N13
    run(async |time| {
        let (far, log) = servers(|server| server.without("SMTPUTF8"));
        let client = Client::new(one(), &far, &time);
        send(&time, &far, &client, 0).await;
        pass(&time, &far, Duration::from_secs(20)).await;
        far.say("421 4.4.2 idle for too long\r\n");
        settle(&time, &far).await;
        send_unsendable(&time, &far, &client).await;
        let report = send(&time, &far, &client, 1).await;
        assert_eq!((name(&report), connections(&log)), ("delivered", vec![0, 1]));
        assert!(report.attempts.len() == 1 && replaced(&report), "{report:?}");

        pass(&time, &far, Duration::from_secs(50)).await;
        send_unsendable(&time, &far, &client).await;
        assert_eq!(far.open(), 1);
        pass(&time, &far, Duration::from_secs(11)).await;
        assert_eq!((far.open(), log.quits()), (0, vec![1]));
        nobody_objects(&far);
    });
}

/// How a second message leaves over a kept connection, whose end comes in the middle of it.
#[derive(Clone, Copy, Debug)]
struct Second {
    /// The server takes BDAT.
    chunking: bool,
    /// The message is in memory; otherwise it comes in pieces.
    known: bool,
    /// Seconds after the first.
    pause: u64,
}

/// At its so-manyth poll the connection ends.
async fn dies_at(time: &Time, how: HangUp, second: Second, polls: usize) -> (bool, Report, usize) {
    let log = Log::default();
    let far = Far::in_pieces(9, 9, {
        let log = log.clone();
        move |index, _| {
            let healthy = Healthy::new(index, &log, false);
            server(if second.chunking { healthy.offering_chunking() } else { healthy })
        }
    });
    let client = Client::new(one(), &far, time);
    send(time, &far, &client, 0).await;
    pass(time, &far, Duration::from_secs(second.pause)).await;
    // So many pieces that it is cut between two of them.
    let body = BODY.repeat(10);
    let message = if second.known {
        bytes(&body)
    } else {
        reader(smtp_testkit::far::Trickle::new(&body, 4, smtp_testkit::transcript::Ending::Complete))
    };
    let mut sending = Box::pin(client.send(None, numbered(1), message));
    let mut left = polls;
    let report = match by_hand(time, &far, sending.as_mut(), &mut left).await {
        Ok(report) => (true, report),
        Err(_) => {
            far.hang_up(how);
            (false, wholly(time, &far, sending).await)
        }
    };
    nobody_objects(&far);
    let taken = log.taken();
    if name(&report.1) == "delivered" {
        assert!(confirms(&report.1, &taken[1]) && taken[1].content == body, "{polls} polls: {report:?}");
    }
    (report.0, report.1, taken.len() - 1)
}

#[test]
fn a_kept_connection_may_die_at_any_time_and_nothing_is_lost_or_doubled() {
    // D28, R153, law 2, law 5, law 9
    let ways = [(false, true, 0), (false, false, 0), (true, true, 0), (true, true, 2), (true, false, 0)];
    for (chunking, known, pause) in ways {
        let second = Second { chunking, known, pause };
        for how in [HangUp::Close, HangUp::Reset] {
            let mut seen: BTreeSet<(&str, bool)> = BTreeSet::new();
            for polls in 0.. {
                let (over, report, taken) = run(async |time| dies_at(&time, how, second, polls).await);
                let fate = name(&report);
                seen.insert((fate, replaced(&report)));
                assert_eq!(report.attempts.len(), 1, "{polls} polls: {report:?}");
                assert!(taken <= 1, "{polls} polls: taken {taken} times");
                match fate {
                    "delivered" => assert_eq!(taken, 1),
                    "uncertain" => assert!(!replaced(&report)),
                    // Content that was taken may not be asked for again.
                    "deferred" => assert!(taken == 0 && !replaced(&report), "{polls} polls: {report:?}"),
                    other => panic!("{polls} polls: {other}"),
                }
                if over {
                    break;
                }
            }
            let mut fates = BTreeSet::from([("delivered", false), ("delivered", true), ("uncertain", false)]);
            // What is in memory leaves with its end mark in one write.
            fates.extend((!known).then_some(("deferred", false)));
            assert_eq!(seen, fates, "{how:?} {second:?}");
        }
    }
}

#[test]
fn an_answer_that_comes_too_late_is_nobodys() {
    // Law 8: the server wakes up when the client has long gone; the next message hears its own answers.
    let heads = [
        "",
        "S: 220 mx\n",
        "S: 220 mx\nC~ EHLO\nS: 250-mx\nS: 250 PIPELINING\n",
        "S: 220 mx\nC~ EHLO\nS: 250-mx\nS: 250 PIPELINING\nC~ MAIL\nS: 250 ok\n",
        "S: 220 mx\nC~ EHLO\nS: 250-mx\nS: 250 PIPELINING\nC~ MAIL\nC~ RCPT\nC~ DATA\nS: 250 ok\nS: 250 ok\n",
        "S: 220 mx\nC~ EHLO\nS: 250 mx\nC~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ DATA\nS: 354 go\n*: content\n",
    ];
    for head in heads {
        run(async |time| {
            let log = Log::default();
            let far = Far::new({
                let log = log.clone();
                move |index, _| {
                    let healthy = Healthy::new(index, &log, false);
                    let late =
                        format!("{head}*: wait 15m\nS: 250 late\nS: 250 late\nS: 354 late\nS: 250 late\n");
                    match index {
                        0 => Dialled::server(
                            Recovering::new(Script::new(&late), healthy),
                            Judge::new(false, false),
                        ),
                        _ => server(healthy),
                    }
                }
            });
            let mut limits = Limits::connections(1);
            limits.idle = DAY;
            let client = Client::new(one().with_reuse(Some(limits)), &far, &time);
            let first = send(&time, &far, &client, 0).await;
            let fate = if head.ends_with("content\n") { "uncertain" } else { "deferred" };
            assert_eq!((name(&first), far.open()), (fate, 0), "after {head:?}");
            let early = send(&time, &far, &client, 1).await;
            pass(&time, &far, Duration::from_secs(16 * 60)).await;
            let late = send(&time, &far, &client, 2).await;
            let taken = log.taken();
            assert!(
                taken.len() == 2 && confirms(&early, &taken[0]) && confirms(&late, &taken[1]),
                "{taken:?}"
            );
            assert_eq!(connections(&log), [1, 1]);
        });
    }
}

#[test]
fn dead_addresses_come_first_and_the_living_one_is_kept() {
    run(async |time| {
        let log = Log::default();
        let far = Far::new({
            let log = log.clone();
            move |index, address| match address.to_string().as_str() {
                "192.0.2.1:25" => Dialled::Hangs,
                "192.0.2.2:25" => Dialled::Refused,
                _ => server(Healthy::new(index, &log, false)),
            }
        });
        let addresses = (1..=3).map(|last| format!("192.0.2.{last}:25").parse().unwrap()).collect();
        let plan = plan(&["tcp://mx.example:25"], &config());
        let client = Client::with_addresses(plan, &far, &time, addresses);
        let began = time.now();
        let report = send(&time, &far, &client, 0).await;
        // M14: a third of five minutes for the one that never answers.
        assert_eq!(
            (name(&report), report.attempts.len(), seconds_since(&time, began)),
            ("delivered", 3, 100)
        );
        let report = send(&time, &far, &client, 1).await;
        assert_eq!(
            (name(&report), report.attempts.len(), seconds_since(&time, began)),
            ("delivered", 1, 100)
        );
        assert!(report.attempts[0].reused && far.dialled().len() == 3);
    });
}

#[test]
fn different_credentials_never_share_a_connection() {
    // D28, M45
    for most in [1, 2, 20] {
        run(async |time| {
            let (far, log) = servers(|server| server);
            let mut config = config();
            config.auth = AuthPolicy::Forward;
            config.security.secrets_in_clear = true;
            let plan = plan(&["tcp://127.0.0.1:25"], &config).with_reuse(Some(Limits::connections(most)));
            let client = Client::new(plan, &far, &time);
            let users = ["anna", "bert", "anna", "anna", "carl", "bert", "anna"];
            for (number, user) in users.iter().enumerate() {
                let credentials =
                    Credentials::Password { user: (*user).to_owned(), password: Secret::from("password") };
                let sending = client.send(Some(credentials), numbered(number), bytes(BODY));
                assert_eq!(name(&wholly(&time, &far, sending).await), "delivered");
            }
            let taken = log.taken();
            // base64 of NUL user NUL password
            let initial = |user: &str| match user {
                "anna" => "AGFubmEAcGFzc3dvcmQ=",
                "bert" => "AGJlcnQAcGFzc3dvcmQ=",
                _ => "AGNhcmwAcGFzc3dvcmQ=",
            };
            for (taken, user) in taken.iter().zip(users) {
                assert_eq!(taken.auth, [format!("AUTH PLAIN {}", initial(user))]);
            }
            let dialled = match most {
                1 => 6,
                2 => 5,
                _ => 3,
            };
            assert_eq!((far.dialled().len(), far.most()), (dialled, most.min(3)));
            nobody_objects(&far);
        });
    }
}

#[test]
fn what_requires_tls_never_goes_over_a_kept_plaintext_connection() {
    // R196
    for most in [1, 20] {
        run(async |time| {
            let certificates = Certificates::for_name("mx.example");
            let mut config = config();
            config.security.mode = TlsMode::StartTls;
            config.security.client = Some(certificates.client(rustls::DEFAULT_VERSIONS));
            config.security.server_name = Some("mx.example".try_into().unwrap());
            let log = Log::default();
            let far = Far::new({
                let (log, tls) = (log.clone(), certificates.server(rustls::DEFAULT_VERSIONS));
                move |index, _| match (index, Healthy::new(index, &log, false)) {
                    // TLS is optional, and the first one has none.
                    (0, healthy) => server(healthy),
                    (_, healthy) => Dialled::server(
                        Secure::starttls(healthy.offering_starttls(), Arc::clone(&tls), false),
                        Judge::new(false, false),
                    ),
                }
            });
            let plan = plan(&["tcp://192.0.2.1:25"], &config).with_reuse(Some(Limits::connections(most)));
            let client = Client::new(plan, &far, &time);
            let requiring = |number| {
                let mut envelope = numbered(number);
                envelope.sender = envelope.sender.with_require_tls();
                envelope
            };
            assert_eq!(name(&send(&time, &far, &client, 0).await), "delivered");
            let report = wholly(&time, &far, client.send(None, requiring(1), bytes(BODY))).await;
            assert_eq!(name(&report), "delivered", "{report:?}");
            let report = wholly(&time, &far, client.send(None, requiring(2), bytes(BODY))).await;
            assert_eq!(name(&report), "delivered", "{report:?}");
            let taken = log.taken();
            assert_eq!(taken.iter().map(|taken| taken.tls).collect::<Vec<_>>(), [false, true, true]);
            assert_eq!((connections(&log), far.most()), (vec![0, 1, 1], most.min(2)));
            nobody_objects(&far);
        });
    }
}
