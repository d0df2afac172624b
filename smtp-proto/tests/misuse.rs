//! What a driver or a peer may do to the machines without harm: calls that nobody asked for, huge settings, long replies.

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use smtp_proto::{
    Action, Config, Connection, Delivery, Disposition, Endpoint, Envelope, Error, Event, Notice, Phase, Plan,
    Recipient, Secret, Sender, TransactionId, TransactionReport,
    body::Facts,
    config::Protocol,
    error::BodyError,
    sasl::{AuthPolicy, Credentials, Mechanism},
};

fn config() -> Config {
    Config::new("client.example".parse().unwrap())
}

fn with_auth(mut config: Config, mechanism: Mechanism) -> Config {
    let password = Credentials::Password { user: "test".to_owned(), password: Secret::from("correct-horse") };
    config.auth = AuthPolicy::Mechanism(mechanism, password);
    config.security.secrets_in_clear = true;
    config
}

fn envelope(recipients: usize) -> Envelope {
    let recipients = (0..recipients)
        .map(|number| Recipient::new(format!("r{number}@example.org").parse().unwrap()))
        .collect();
    Envelope::new(Sender::new("s@example.org".parse().unwrap()), recipients)
}

fn plan(endpoints: &[&str], config: &Config) -> Arc<Plan> {
    let endpoints = endpoints.iter().map(|text| text.parse::<Endpoint>().unwrap());
    Arc::new(Plan::new(endpoints, config).unwrap().with_reuse(None))
}

fn send_all(connection: &mut Connection, now: Instant) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        let octets = connection.transmit().to_vec();
        if octets.is_empty() {
            return sent;
        }
        connection.handle_transmitted(now, octets.len());
        sent.extend(octets);
    }
}

/// A connection that has read the reply to EHLO.
fn connected(now: Instant, config: Config, hello: &str) -> Connection {
    let mut connection = Connection::new(now, Arc::new(config));
    connection.handle_input(now, b"220 hello\r\n");
    send_all(&mut connection, now);
    connection.handle_input(now, hello.as_bytes());
    connection
}

fn done(connection: &mut Connection) -> TransactionReport {
    std::iter::from_fn(|| connection.poll_event())
        .find_map(|event| if let Event::Done(_, report) = event { Some(report) } else { None })
        .expect("the transaction has ended")
}

#[test]
fn debug_shows_no_secret_on_its_way() {
    // R133
    let octets = format!("{:?}", b"AHRlc3QAY29ycmVjdC1ob3JzZQ==");
    let secret = octets.trim_matches(['[', ']']);
    let now = Instant::now();
    let mut connection = connected(now, with_auth(config(), Mechanism::Plain), "250-x\r\n250 AUTH PLAIN\r\n");
    assert!(!format!("{connection:?}").contains(secret), "queued");
    let length = connection.transmit().len();
    assert!(length > 30, "AUTH and its initial response");
    assert!(!format!("{connection:?}").contains(secret), "handed over");
    connection.handle_transmitted(now, length);
    assert!(!format!("{connection:?}").contains(secret), "sent");
    connection.handle_input(now, b"235 yes\r\n");
    connection.submit(now, envelope(1)).unwrap();
    assert_eq!(send_all(&mut connection, now), b"MAIL FROM:<s@example.org>\r\n");
}

#[test]
fn durations_beyond_the_clock_are_long_and_harmless() {
    let now = Instant::now();
    let mut config = config();
    let timeouts = &mut config.timeouts;
    for timeout in [
        &mut timeouts.connect,
        &mut timeouts.greeting,
        &mut timeouts.command,
        &mut timeouts.body,
        &mut timeouts.submission,
        &mut timeouts.reset,
        &mut timeouts.quit,
    ] {
        *timeout = Duration::MAX;
    }
    let plan = Plan::clone(&plan(&["tcp://10.0.0.1:25"], &config)).with_total_timeout(Duration::MAX);
    let mut delivery = Delivery::new(now, Arc::new(plan), envelope(1));
    let an_hour = now + Duration::from_secs(3600);
    assert!(delivery.poll_timeout().unwrap() > an_hour, "to connect");
    delivery.handle_connected(now, Ok(()));
    assert!(delivery.poll_timeout().unwrap() > an_hour, "to greet");
    delivery.handle_closed(now, None);
    assert!(matches!(
        std::iter::from_fn(|| delivery.poll_action()).last(),
        Some(Action::Finish(report)) if report.attempts.len() == 1
    ));
}

#[test]
fn nothing_follows_content_that_is_refused() {
    // R54: not even what was written before
    let now = Instant::now();
    let mut connection = connected(now, config(), "250-x\r\n250 PIPELINING\r\n");
    connection.submit(now, envelope(1)).unwrap();
    send_all(&mut connection, now);
    connection.handle_input(now, b"250 ok\r\n250 ok\r\n354 go\r\n");
    connection.write_body(now, b"Subject: x\r\n\r\nhello\r\n").unwrap();
    let length = connection.transmit().len();
    connection.handle_transmitted(now, length - 3);
    assert!(matches!(connection.write_body(now, b"a\0b"), Err(BodyError::Content(_))));
    assert_eq!(connection.transmit(), b"");
}

#[test]
fn content_that_nobody_wanted_was_not_taken() {
    // Law 5: `Rewind` only where octets were taken.
    let now = Instant::now();
    let mut delivery =
        Delivery::new(now, plan(&["tcp://10.0.0.1:25", "tcp://10.0.0.2:25"], &config()), envelope(1));
    assert!(matches!(delivery.poll_action(), Some(Action::Connect(_))));
    assert_eq!(delivery.write_body(now, b"x"), Err(BodyError::NotWanted));
    assert_eq!(delivery.finish_body(now), Err(BodyError::NotWanted));
    delivery.handle_connected(now, Err(io::ErrorKind::ConnectionRefused.into()));
    assert!(matches!(delivery.poll_action(), Some(Action::Connect(_))));
}

#[test]
fn an_attempt_has_no_address_of_the_target_before() {
    let now = Instant::now();
    let mut delivery =
        Delivery::new(now, plan(&["tcp://10.0.0.1:25", "tcp://mx.example:25"], &config()), envelope(1));
    delivery.handle_connected(now, Err(io::ErrorKind::ConnectionRefused.into()));
    delivery.cancel(now);
    let Some(Action::Finish(report)) = std::iter::from_fn(|| delivery.poll_action()).last() else {
        panic!("cancelled")
    };
    let peers: Vec<bool> = report.attempts.iter().map(|attempt| attempt.peer.is_some()).collect();
    assert_eq!(peers, [true, false]);
}

#[test]
fn who_gives_up_does_not_wait_until_the_last_words_are_out() {
    // R76, R140: nobody was accepted and the server wants content all the same, so the end mark is all that is still to be written.
    let now = Instant::now();
    let mut config = config();
    config.protocol = Protocol::Lmtp;
    for way in ["cancelled", "written", "late"] {
        let mut delivery = Delivery::new(now, plan(&["tcp://127.0.0.1:24"], &config), envelope(1));
        while let Some(action) = delivery.poll_action() {
            if let Action::Connect(_) = action {
                delivery.handle_connected(now, Ok(()));
            }
        }
        for said in ["220 mx\r\n", "250-mx\r\n250 PIPELINING\r\n", "250 ok\r\n550 no\r\n354 go\r\n"] {
            delivery.handle_input(now, said.as_bytes());
            if !said.contains("354") {
                let len = delivery.transmit().len();
                delivery.handle_transmitted(now, len);
            }
        }
        assert_eq!(delivery.transmit(), b".\r\n");
        while let Some(action) = delivery.poll_action() {
            assert!(matches!(action, Action::Answer(..)), "{action:?}");
        }
        let until = delivery.poll_timeout().expect("a deadline");
        delivery.handle_timeout(now);
        assert!(until > now && !delivery.has_action(), "it is not over yet");
        match way {
            "cancelled" => delivery.cancel(now),
            "written" => delivery.handle_transmitted(now, 3),
            _ => delivery.handle_timeout(until),
        }
        assert!(matches!(delivery.poll_action(), Some(Action::Disconnect)));
        let Some(Action::Finish(report)) = delivery.poll_action() else { panic!("it is over") };
        assert!(matches!(report.recipients[0].disposition, Disposition::Rejected(_)), "{report:?}");
    }
}

#[test]
fn one_long_reply_is_not_kept_once_a_recipient() {
    // Law 6
    let now = Instant::now();
    let mut connection = connected(now, config(), "250 x\r\n");
    connection.submit(now, envelope(100)).unwrap();
    send_all(&mut connection, now);
    let line = "x".repeat(4000);
    connection.handle_input(now, format!("550-{line}\r\n").repeat(10).as_bytes());
    connection.handle_input(now, b"550 end\r\n");
    let mut texts = Vec::new();
    for disposition in done(&mut connection).dispositions {
        let Disposition::Rejected(failure) = disposition else { panic!("{disposition:?}") };
        let reply = failure.cause.reply().unwrap();
        assert!(reply.lines().map(<[u8]>::len).sum::<usize>() <= 4096);
        assert!(reply.text().ends_with("[truncated]"));
        texts.push(reply.lines().next().unwrap().as_ptr());
    }
    texts.dedup();
    assert_eq!((texts.len(), done_notices(&mut connection)), (1, 0), "all share one text");
}

fn done_notices(connection: &mut Connection) -> usize {
    std::iter::from_fn(|| connection.poll_event())
        .filter(|event| matches!(event, Event::Notice(Notice::BareLfInReply)))
        .count()
}

#[test]
fn a_server_that_ends_lines_in_bare_lf_is_noticed_once() {
    // R43
    let now = Instant::now();
    let mut connection = connected(now, config(), "250 x\n");
    connection.submit(now, envelope(20)).unwrap();
    for _ in 0..10 {
        send_all(&mut connection, now);
        connection.handle_input(now, b"250 ok\n");
    }
    assert_eq!(done_notices(&mut connection), 1);
}

/// Numbers that only look random, the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

const GARBAGE: [&str; 10] = [
    "250 ok\r\n",
    "354 x\r\n",
    "421 x\r\n",
    "x",
    "250-",
    "550 no\r\n",
    "334 AAAA\r\n",
    "221 x\r\n",
    "235 x\r\n",
    "2",
];

fn answer(phase: Phase, dice: &mut Dice) -> &'static str {
    if dice.below(8) == 0 {
        return dice.one_of(&GARBAGE);
    }
    match phase {
        Phase::Greeting => "220 hi\r\n",
        Phase::Hello => dice.one_of(&[
            "250-x\r\n250 PIPELINING\r\n",
            "250 x\r\n",
            "250-x\r\n250-PIPELINING\r\n250-LIMITS RCPTMAX=2\r\n250 AUTH PLAIN LOGIN\r\n",
            "502 no\r\n",
        ]),
        Phase::Auth => {
            dice.one_of(&["235 ok\r\n", "334 \r\n", "334 VXNlcm5hbWU6\r\n", "535 no\r\n", "235 ok\r\n"])
        }
        Phase::Data => dice.one_of(&["354 go\r\n", "354 go\r\n", "451 no\r\n"]),
        Phase::Quit => "221 bye\r\n",
        Phase::Body => "",
        _ => dice.one_of(&["250 ok\r\n", "250 ok\r\n", "550 no\r\n", "452 no\r\n", "250-a\r\n250 b\n"]),
    }
}

/// A connection, and what it owes.
struct Owed {
    connection: Connection,
    open: Vec<(TransactionId, usize)>,
    closed: bool,
}

impl Owed {
    /// Any call at all, at any time.
    fn act(&mut self, now: Instant, dice: &mut Dice) {
        let connection = &mut self.connection;
        match dice.below(14) {
            0..=4 => {
                let text = answer(connection.phase(), dice);
                if dice.below(2) == 0 {
                    send_all(connection, now);
                }
                connection.handle_input(now, text.as_bytes());
            }
            5 | 6 => {
                let length = connection.transmit().len();
                connection.handle_transmitted(now, dice.below(length + 2));
            }
            7 => {
                let recipients = dice.below(4);
                let id = connection.submit(now, envelope(recipients));
                self.open.extend(id.map(|id| (id, recipients)));
            }
            8 => self.open.extend(connection.begin(now, Sender::null()).map(|id| (id, 0))),
            9 => {
                if connection.recipient(now, Recipient::new("a@b".parse().unwrap())).is_ok() {
                    self.open.last_mut().unwrap().1 += 1;
                }
            }
            10 => drop(connection.data(now)),
            11 => drop(connection.write_body(now, b"hello\r\n.x\r\n")),
            12 => drop(connection.finish_body(now)),
            _ => match dice.below(12) {
                0 => connection.handle_write_failed(now, io::ErrorKind::BrokenPipe.into()),
                1 => connection.handle_closed(now, None),
                2 => {
                    let now = connection.poll_timeout().unwrap_or(now).max(now);
                    connection.handle_timeout(now);
                    assert!(connection.poll_timeout().is_none_or(|next| next > now), "law 3");
                }
                3 => connection.quit(now),
                4 => connection.abort(now, Error::Cancelled),
                5 => connection.fail_body(now, &io::Error::other("gone")),
                _ => connection.handle_timeout(now),
            },
        }
    }

    fn check(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            assert!(!self.closed, "{event:?} after the last event");
            match event {
                Event::Done(id, report) => {
                    let at = self.open.iter().position(|(open, _)| *open == id).expect("one end each");
                    assert_eq!(report.dispositions.len(), self.open.remove(at).1, "law 2");
                }
                Event::Closed(_) => self.closed = true,
                _ => {}
            }
        }
        if self.closed {
            assert!(self.open.is_empty(), "every transaction ends");
            assert_eq!(self.connection.poll_timeout(), None);
        } else if self.connection.poll_timeout().is_none() {
            // Nobody but the application is waited for.
            assert!(matches!(self.connection.phase(), Phase::Mail | Phase::Body), "no deadline");
        }
    }
}

#[test]
fn any_call_at_any_time_keeps_the_account() {
    for seed in 1..=2000 {
        let dice = &mut Dice::new(seed);
        let mut now = Instant::now();
        let mut config = config();
        config.protocol = dice.one_of(&[Protocol::Smtp, Protocol::Lmtp]);
        config.transcript = dice.below(2) == 0;
        config.pipelining = dice.below(4) != 0;
        if dice.below(3) == 0 {
            config = with_auth(config, dice.one_of(&[Mechanism::Plain, Mechanism::Login]));
        }
        let connection = Connection::new(now, Arc::new(config));
        let mut owed = Owed { connection, open: Vec::new(), closed: false };
        for _ in 0..dice.below(120) {
            now += Duration::from_millis(dice.below(2000) as u64);
            owed.act(now, dice);
            owed.check();
        }
    }
}

/// Of six octets each.
const LINES: u64 = 40_000;

/// Content under way: so much has been taken, by DATA or in a chunk, and the server has it.
fn in_content(now: Instant, chunking: bool) -> Connection {
    let offered = if chunking { "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n" } else { "250 x\r\n" };
    let mut connection = connected(now, config(), offered);
    let mut envelope = envelope(1);
    if chunking {
        let mut facts = Facts::default();
        (facts.octets, facts.size) = (LINES * 6, LINES * 6);
        envelope.sender = envelope.sender.with_content(facts);
    }
    connection.submit(now, envelope).unwrap();
    let replies: &[&str] =
        if chunking { &["250 ok\r\n250 ok\r\n"] } else { &["250 ok\r\n", "250 ok\r\n", "354 go\r\n"] };
    for reply in replies {
        send_all(&mut connection, now);
        connection.handle_input(now, reply.as_bytes());
    }
    assert!(connection.body_credit() > 0);
    connection.write_body(now, &b"line\r\n".repeat(100)).unwrap();
    assert!(!send_all(&mut connection, now).is_empty());
    connection
}

#[test]
fn a_reply_that_begins_in_content_and_never_ends_holds_up_nothing() {
    // Law 3, N9, N10: the content goes on, and its end has its deadline.
    for chunking in [false, true] {
        let now = Instant::now();
        let mut connection = in_content(now, chunking);
        connection.handle_input(now, b"45");
        let content = b"line\r\n".repeat(LINES as usize - 100);
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(connection.body_credit().min(rest.len()));
            assert!(!piece.is_empty(), "no content is wanted any more: {connection:?}");
            connection.write_body(now, piece).unwrap();
            send_all(&mut connection, now);
            rest = others;
        }
        connection.finish_body(now).unwrap();
        send_all(&mut connection, now);
        let deadline = connection.poll_timeout().expect("a deadline");
        connection.handle_timeout(deadline);
        let report = done(&mut connection);
        assert!(matches!(report.dispositions[0], Disposition::Uncertain(_)), "{chunking}: {report:?}");
        assert!(connection.is_closed());
    }
}
