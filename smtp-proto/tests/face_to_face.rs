//! The client machine against the server machine over a bad network: what the client says became of a message is what the server knows
//! (laws 1, 2, 9; D26, D33, D36).

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use smtp_proto::{
    Config, Connection, Disposition, Envelope, Event, Recipient, Sender, TransactionId,
    body::{Facts, LineBreaks, Scanner},
    config::{Chunking, Protocol, TlsMode},
    reply::{Code, Reply},
    server,
    tls_options::TlsOptions,
};

/// 1,000 cases, or as many as `PROPTEST_CASES` asks for.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 1_000;
    }
    config
}

struct Certificates {
    client: Arc<rustls::ClientConfig>,
    server: Arc<rustls::ServerConfig>,
}

fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["mx.example".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client =
            TlsOptions::new().root_ca_pem(made.cert.pem().as_bytes()).unwrap().build(Arc::clone(&provider));
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Certificates { client: client.unwrap(), server: Arc::new(server) }
    })
}

/// One message to send: its content, and how the server answers each recipient and the end.
#[derive(Clone, Debug)]
struct Message {
    content: Vec<u8>,
    facts_known: bool,
    rcpt: Vec<u16>,
    end: Vec<u16>,
    /// The source fails after this many octets.
    source_fails: Option<usize>,
}

#[derive(Clone, Debug)]
struct Setting {
    lmtp: bool,
    pipelining: bool,
    offers_pipelining: bool,
    chunking: Chunking,
    offers_chunking: bool,
    tls: TlsMode,
    split: usize,
    /// The network is cut after this many octets from client to server, or from server to client.
    cut_up: Option<usize>,
    cut_down: Option<usize>,
    messages: Vec<Message>,
}

/// What the server took, for whom.
#[derive(Debug, Default)]
struct Taken {
    content: Vec<u8>,
    accepted: Vec<usize>,
}

struct ServerSide {
    machine: server::Connection,
    messages: Vec<Message>,
    current: usize,
    recipients: Vec<usize>,
    content: Vec<u8>,
    seen: usize,
    taken: Vec<(usize, Taken)>,
}

impl ServerSide {
    fn pump(&mut self, now: Instant) {
        loop {
            let len = self.machine.content().len();
            self.content.extend_from_slice(self.machine.content());
            self.machine.take_content(now, len);
            let Some(event) = self.machine.poll_event() else { return };
            match event {
                server::Event::Mail { path, .. } => {
                    // The sender's address says which message it is.
                    self.current =
                        path.to_string().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
                    (self.recipients, self.content, self.seen) = (Vec::new(), Vec::new(), 0);
                    self.machine.accept(now).unwrap();
                }
                server::Event::Recipient { .. } => {
                    let code = self.messages[self.current].rcpt[self.seen];
                    if code < 300 {
                        self.recipients.push(self.seen);
                    }
                    self.seen += 1;
                    self.machine.reply(now, reply(code)).unwrap();
                }
                server::Event::EndOfContent { .. } => self.answer(now),
                server::Event::Closed(_) => return,
                _ => {}
            }
        }
    }

    fn answer(&mut self, now: Instant) {
        let message = &self.messages[self.current];
        let mut taken = Taken { content: std::mem::take(&mut self.content), accepted: Vec::new() };
        let lmtp = message.end.len() > 1;
        for (nth, recipient) in self.recipients.iter().enumerate() {
            let code = message.end[if lmtp { nth } else { 0 }];
            if code < 300 {
                taken.accepted.push(*recipient);
            }
            if lmtp {
                self.machine.reply_recipient(now, nth, reply(code)).unwrap();
            }
        }
        if !lmtp {
            self.machine.reply(now, reply(message.end[0])).unwrap();
        }
        self.taken.push((self.current, taken));
    }
}

fn reply(code: u16) -> Reply {
    Reply::new(Code::new(code).unwrap(), "as told")
}

fn facts(content: &[u8]) -> Option<Facts> {
    let mut scanner = Scanner::new(LineBreaks::default());
    scanner.update(content).ok()?;
    scanner.finish().ok()
}

/// What arrives: SPEC W18, W19 (bare LF and CR), W5 (the missing last line end).
fn normalised(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = content.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' if octets.peek() == Some(&b'\n') => {
                octets.next();
                out.extend_from_slice(b"\r\n");
            }
            b'\r' => out.push(b' '),
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(other),
        }
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

struct World {
    now: Instant,
    client: Connection,
    server: ServerSide,
    up: VecDeque<u8>,
    down: VecDeque<u8>,
    moved_up: usize,
    moved_down: usize,
}

/// Per message, the client's report; and what the server took of which message.
type Account = (Vec<Option<Vec<Disposition>>>, Vec<(usize, Taken)>);

fn run(setting: &Setting) -> Account {
    let now = Instant::now();
    let protocol = if setting.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    let mut config = Config::new("client.example".parse().unwrap());
    config.protocol = protocol;
    config.pipelining = setting.pipelining;
    config.chunking = setting.chunking;
    config.security.mode = setting.tls;
    config.security.required = setting.tls != TlsMode::Off;
    config.security.client = Some(Arc::clone(&certificates().client));
    config.security.server_name = Some(ServerName::try_from("mx.example").unwrap());
    let mut server_config = server::Config::new("mx.example".parse().unwrap());
    server_config.protocol = protocol;
    server_config.extensions.pipelining = setting.offers_pipelining;
    server_config.extensions.chunking = setting.offers_chunking;
    server_config.strict_pipelining = true; // law 7
    server_config.decisions = server::Decisions::ALL;
    server_config.decisions.data = false;
    server_config.tls = match setting.tls {
        TlsMode::Off => server::Tls::Off,
        TlsMode::StartTls => server::Tls::StartTls(Arc::clone(&certificates().server)),
        TlsMode::Implicit => server::Tls::Implicit(Arc::clone(&certificates().server)),
    };
    let mut world = World {
        now,
        client: Connection::new(now, Arc::new(config)),
        server: ServerSide {
            machine: server::Connection::new(now, Arc::new(server_config)),
            messages: setting.messages.clone(),
            current: 0,
            recipients: Vec::new(),
            content: Vec::new(),
            seen: 0,
            taken: Vec::new(),
        },
        up: VecDeque::new(),
        down: VecDeque::new(),
        moved_up: 0,
        moved_down: 0,
    };
    let outcomes = drive(&mut world, setting);
    (outcomes, world.server.taken)
}

fn drive(world: &mut World, setting: &Setting) -> Vec<Option<Vec<Disposition>>> {
    let mut outcomes: Vec<Option<Vec<Disposition>>> = vec![None; setting.messages.len()];
    let mut ids: Vec<TransactionId> = Vec::new();
    let mut sending: Option<(usize, usize)> = None; // message, octets given
    let mut cut = false;
    let mut told = false;
    for _ in 0..200_000 {
        let mut moved = false;
        // The application.
        while let Some(event) = world.client.poll_event() {
            moved = true;
            match event {
                Event::Done(id, report) => {
                    let index = ids.iter().position(|known| *known == id).unwrap();
                    assert!(
                        outcomes[index].replace(report.dispositions).is_none(),
                        "a transaction ends once"
                    );
                    if sending.is_some_and(|(message, _)| message == index) {
                        sending = None;
                    }
                }
                Event::Closed(_) => return outcomes,
                _ => {}
            }
        }
        if ids.len() < setting.messages.len() && world.client.can_begin() {
            moved = true;
            let index = ids.len();
            let id = world.client.submit(world.now, envelope(index, &setting.messages[index])).unwrap();
            ids.push(id);
            sending = Some((index, 0));
        } else if ids.len() == setting.messages.len() && sending.is_none() {
            world.client.quit(world.now);
        }
        if let Some((index, given)) = sending
            && world.client.body_credit() > 0
        {
            moved = true;
            sending = feed(world, &setting.messages[index], index, given, setting.split);
        }
        // The network.
        moved |= world.carry(setting, &mut cut, &mut told);
        if !moved {
            let Some(deadline) = world.client.poll_timeout() else { panic!("nobody moves, nobody waits") };
            world.now = deadline.max(world.now + Duration::from_millis(1));
            world.client.handle_timeout(world.now);
        }
    }
    panic!("no end in sight");
}

fn envelope(index: usize, message: &Message) -> Envelope {
    let mut sender = Sender::new(format!("m{index}@example.org").parse().unwrap());
    if message.facts_known
        && let Some(facts) = facts(&message.content)
    {
        sender = sender.with_content(facts);
    }
    let recipients = (0..message.rcpt.len())
        .map(|number| Recipient::new(format!("r{number}@example.net").parse().unwrap()))
        .collect();
    Envelope::new(sender, recipients)
}

fn feed(
    world: &mut World,
    message: &Message,
    index: usize,
    given: usize,
    split: usize,
) -> Option<(usize, usize)> {
    let limit = message.source_fails.unwrap_or(usize::MAX);
    let rest = &message.content[given..];
    if given >= limit {
        world.client.fail_body(world.now, &std::io::ErrorKind::UnexpectedEof.into());
        return None;
    }
    if rest.is_empty() {
        let _ = world.client.finish_body(world.now);
        return None;
    }
    let len = rest.len().min(world.client.body_credit()).min(split).min(limit - given);
    match world.client.write_body(world.now, &rest[..len]) {
        Ok(()) => Some((index, given + len)),
        Err(_) => None,
    }
}

impl World {
    /// Moves octets both ways, at most `split` at a time; after a cut nothing moves, and both sides learn of it.
    fn carry(&mut self, setting: &Setting, cut: &mut bool, told: &mut bool) -> bool {
        let split = setting.split;
        let mut moved = false;
        if !*cut {
            let len = self.client.transmit().len().min(split);
            if len > 0 {
                let octets = self.client.transmit()[..len].to_vec();
                self.up.extend(octets);
                self.client.handle_transmitted(self.now, len);
                moved = true;
            }
            let len = self.server.machine.transmit().len().min(split);
            if len > 0 {
                let octets = self.server.machine.transmit()[..len].to_vec();
                self.down.extend(octets);
                self.server.machine.handle_transmitted(self.now, len);
                moved = true;
            }
            if !self.up.is_empty() && self.server.machine.wants_input() {
                let left = setting.cut_up.map_or(usize::MAX, |cut| cut.saturating_sub(self.moved_up));
                let octets: Vec<u8> = {
                    let len = self.up.len().min(split).min(left);
                    self.up.drain(..len).collect()
                };
                self.moved_up += octets.len();
                *cut |= octets.is_empty();
                self.server.machine.handle_input(self.now, &octets);
                self.server.pump(self.now);
                moved = true;
            }
            if !self.down.is_empty() {
                let left = setting.cut_down.map_or(usize::MAX, |cut| cut.saturating_sub(self.moved_down));
                let octets: Vec<u8> = {
                    let len = self.down.len().min(split).min(left);
                    self.down.drain(..len).collect()
                };
                self.moved_down += octets.len();
                *cut |= octets.is_empty();
                self.client.handle_input(self.now, &octets);
                moved = true;
            } else if self.server.machine.is_closed() && self.server.machine.transmit().is_empty() && !*told {
                *told = true;
                self.client.handle_closed(self.now, None);
                moved = true;
            }
            self.server.pump(self.now);
        } else if !*told {
            *told = true;
            // What was on its way up still arrives, as after a reset that overtakes nothing.
            self.client.handle_closed(self.now, Some(std::io::ErrorKind::ConnectionReset.into()));
            moved = true;
        }
        moved
    }
}

fn check(setting: &Setting) {
    let (outcomes, taken) = run(setting);
    for (index, message) in setting.messages.iter().enumerate() {
        let acceptances: Vec<&Taken> =
            taken.iter().filter(|(number, _)| *number == index).map(|(_, taken)| taken).collect();
        assert!(acceptances.len() <= 1, "message {index} was taken twice");
        let server_has =
            |recipient: usize| acceptances.iter().any(|taken| taken.accepted.contains(&recipient));
        for taken in &acceptances {
            assert_eq!(taken.content, normalised(&message.content), "octet for octet");
        }
        let Some(dispositions) = &outcomes[index] else {
            assert!(acceptances.is_empty(), "message {index} was never begun");
            continue;
        };
        assert_eq!(dispositions.len(), message.rcpt.len(), "law 2");
        for (recipient, disposition) in dispositions.iter().enumerate() {
            match disposition {
                Disposition::Delivered(_) => assert!(server_has(recipient), "law 9: delivered, says who?"),
                Disposition::Deferred(_) | Disposition::Rejected(_) => {
                    assert!(!server_has(recipient), "the server has what the client calls undelivered");
                }
                Disposition::Uncertain(_) => {
                    assert!(
                        setting.cut_up.is_some() || setting.cut_down.is_some(),
                        "uncertain for no reason"
                    );
                }
            }
        }
        let whole = setting.cut_up.is_none() && setting.cut_down.is_none() && message.source_fails.is_none();
        let earlier_failed = setting.messages[..index].iter().any(|earlier| earlier.source_fails.is_some());
        let sendable = !message.content.contains(&0);
        if whole
            && sendable
            && !earlier_failed
            && setting.messages[..index].iter().all(|m| !m.content.contains(&0))
        {
            for (recipient, disposition) in dispositions.iter().enumerate() {
                let accepted = message.rcpt[recipient] < 300;
                assert_eq!(
                    matches!(disposition, Disposition::Delivered(_)),
                    accepted && server_has(recipient),
                    "{disposition:?}"
                );
            }
        }
    }
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b".",
        b"..",
        b"\r\n.\r\n",
        b"\n.\n",
        b"a",
        b"line of text\r\n",
        b"\xc3\xa4",
    ]);
    // Now and then it is more than a chunk.
    let times = prop_oneof![9 => Just(1), 1 => Just(1_000)];
    (prop::collection::vec(piece, 0..30), times).prop_map(|(pieces, times)| {
        let mut content = b"Subject: x\r\n\r\n".to_vec();
        content.extend(pieces.concat().repeat(times));
        content
    })
}

fn message(lmtp: bool) -> impl Strategy<Value = Message> {
    let rcpt = prop::sample::select(vec![250u16, 250, 250, 450, 550]);
    let end = prop::sample::select(vec![250u16, 250, 250, 451, 554]);
    (
        content(),
        any::<bool>(),
        prop::collection::vec(rcpt, 1..4),
        // LMTP: one code for each possible recipient; SMTP: exactly one.
        prop::collection::vec(end, if lmtp { 3..4 } else { 1..2 }),
        prop_oneof![9 => Just(None), 1 => (0usize..40).prop_map(Some)],
    )
        .prop_map(|(content, facts_known, rcpt, end, source_fails)| Message {
            source_fails: source_fails.filter(|at| *at < content.len()),
            content,
            facts_known,
            rcpt,
            end,
        })
}

fn setting() -> impl Strategy<Value = Setting> {
    any::<bool>().prop_flat_map(|lmtp| {
        (
            (any::<bool>(), any::<bool>()),
            (prop::sample::select(vec![Chunking::Auto, Chunking::Yes, Chunking::No]), any::<bool>()),
            prop::sample::select(vec![TlsMode::Off, TlsMode::Off, TlsMode::StartTls, TlsMode::Implicit]),
            prop_oneof![Just(usize::MAX), 1usize..5, 5usize..200],
            prop_oneof![3 => Just(None), 1 => (0usize..3000).prop_map(Some), 1 => (0usize..300_000).prop_map(Some)],
            prop_oneof![3 => Just(None), 1 => (0usize..3000).prop_map(Some)],
            prop::collection::vec(message(lmtp), 1..4),
        )
            .prop_map(
                move |((pipelining, offers_pipelining), (chunking, offers_chunking), tls, split, cut_up, cut_down, mut messages)| {
                    if split < 100 {
                        // Octet by octet, small ones do.
                        messages.iter_mut().for_each(|message: &mut Message| message.content.truncate(400));
                        messages.iter_mut().for_each(|message| message.source_fails = message.source_fails.filter(|at| *at < message.content.len()));
                    }
                    Setting {
                    lmtp,
                    pipelining,
                    offers_pipelining,
                    chunking,
                    offers_chunking,
                    tls,
                    split,
                    cut_up,
                    cut_down,
                    messages,
                }},
            )
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_the_client_says_is_what_the_server_knows(setting in setting()) {
        check(&setting);
    }
}

#[test]
fn the_next_envelope_rides_behind_the_content() {
    // RFC 2920 §3.1; ARCHITECTURE.md, speed: many messages take one round trip each
    let message = Message {
        content: b"Subject: x\r\n\r\nhello\r\n".to_vec(),
        facts_known: true,
        rcpt: vec![250, 250],
        end: vec![250],
        source_fails: None,
    };
    let setting = Setting {
        lmtp: false,
        pipelining: true,
        offers_pipelining: true,
        chunking: Chunking::Auto,
        offers_chunking: false,
        tls: TlsMode::Off,
        split: usize::MAX,
        cut_up: None,
        cut_down: None,
        messages: vec![message; 5],
    };
    let (outcomes, taken) = run(&setting);
    assert_eq!(taken.len(), 5);
    assert!(
        outcomes
            .iter()
            .flatten()
            .flatten()
            .all(|disposition| matches!(disposition, Disposition::Delivered(_)))
    );
}

#[test]
fn a_tls_record_without_an_answer_is_no_turn_of_the_line() {
    // The report's round trips: input after output, and a key update or a ticket is no answer.
    let now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    config.security.mode = TlsMode::Implicit;
    config.security.client = Some(Arc::clone(&certificates().client));
    config.security.server_name = Some(ServerName::try_from("mx.example").unwrap());
    let mut client = Connection::new(now, Arc::new(config));
    let mut server = rustls::ServerConnection::new(Arc::clone(&certificates().server)).unwrap();
    // Carries what waits on either side, and returns what the client said.
    let carry = |client: &mut Connection, server: &mut rustls::ServerConnection| {
        let mut heard = Vec::new();
        loop {
            let wire = client.transmit().to_vec();
            client.handle_transmitted(now, wire.len());
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            let _ = std::io::Read::read_to_end(&mut server.reader(), &mut heard);
            let mut back = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut back).unwrap();
            }
            client.handle_input(now, &back);
            if wire.is_empty() && back.is_empty() {
                return String::from_utf8(heard).unwrap();
            }
        }
    };
    carry(&mut client, &mut server);
    let mut heard = String::new();
    for said in ["220 mx", "250 mx", "250 ok", "250 ok", "354 go", "250 taken"] {
        server.refresh_traffic_keys().unwrap();
        carry(&mut client, &mut server);
        std::io::Write::write_all(&mut server.writer(), format!("{said}\r\n").as_bytes()).unwrap();
        heard += &carry(&mut client, &mut server);
        if client.can_begin() && said == "250 mx" {
            let sender = Sender::new("a@example.org".parse().unwrap());
            let to = vec![Recipient::new("b@example.net".parse().unwrap())];
            client.submit(now, Envelope::new(sender, to)).unwrap();
        }
        if client.body_credit() > 0 {
            client.write_body(now, b"x\r\n").unwrap();
            client.finish_body(now).unwrap();
        }
        heard += &carry(&mut client, &mut server);
    }
    assert_eq!(
        heard,
        "EHLO client.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\n"
    );
    let report = std::iter::from_fn(|| client.poll_event())
        .find_map(|event| if let Event::Done(_, report) = event { Some(report) } else { None });
    assert_eq!(report.unwrap().round_trips, 4);
}
