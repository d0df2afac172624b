//! Failover against a model of targets that fail at chosen points, in simulated time (SPEC section 6; laws 2, 3, 5, 9).

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{prelude::*, test_runner::FileFailurePersistence};
use smtp_proto::{
    Action, Config, Delivery, Disposition, Endpoint, Envelope, Failover, Peer, Plan, Recipient, Report,
    ResolveError, Sender, address::ForwardPath, body::Scanner, config::Protocol, error::Kind, pool::Idle,
};

/// Where a target fails, or that it does not.
#[derive(Clone, Debug, PartialEq)]
enum Fault {
    None,
    ConnectRefused,
    ConnectHangs,
    Greeting(u16),
    GreetingNever,
    GreetingClose,
    GreetingGarbage,
    Hello(u16),
    Mail(u16),
    MailClose,
    /// One code per recipient number; missing ones are accepted.
    Rcpt(Vec<u16>),
    RcptClose,
    Data(u16),
    DataClose,
    /// A reply, or a close, after this many octets of content.
    BodyReply(u16, usize),
    BodyClose(usize),
    /// One reply for all (SMTP) or one each (LMTP; missing ones are 250).
    End(Vec<u16>),
    EndClose,
    EndPartial,
    EndGarbage,
    EndNever,
    /// LMTP: so many replies, then the connection is closed.
    EndSome(usize),
    QuitClose,
}

/// A server that speaks well but for one fault.
struct Server {
    fault: Fault,
    lmtp: bool,
    offers: Offers,
    input: Vec<u8>,
    output: Vec<u8>,
    close: bool,
    /// Octets of a chunk that are to come.
    chunk: Option<usize>,
    /// `Some`: content is being received.
    content: Option<Vec<u8>>,
    offered: Vec<usize>,
    accepted: Vec<usize>,
    took: Vec<usize>,
    received: Vec<Vec<u8>>,
}

impl Server {
    fn new(fault: Fault, lmtp: bool, offers: Offers) -> Self {
        let mut server = Self {
            fault,
            lmtp,
            offers,
            chunk: None,
            input: Vec::new(),
            output: Vec::new(),
            close: false,
            content: None,
            offered: Vec::new(),
            accepted: Vec::new(),
            took: Vec::new(),
            received: Vec::new(),
        };
        match server.fault {
            Fault::Greeting(code) => server.say(code),
            Fault::GreetingNever => {}
            Fault::GreetingClose => server.close = true,
            Fault::GreetingGarbage => server.output.extend_from_slice(b"HTTP/1.0 400 what\r\n"),
            _ => server.say(220),
        }
        server
    }

    fn say(&mut self, code: u16) {
        self.output.extend_from_slice(format!("{code} said\r\n").as_bytes());
    }

    fn take(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        while !self.close
            && match (self.chunk, &self.content) {
                (Some(octets), _) => self.take_chunk(octets),
                (None, Some(_)) => self.take_content(),
                (None, None) => self.take_line(),
            }
        {}
    }

    /// The message is small, and so there is one chunk. Whatever fails in the content or at DATA fails behind it.
    fn take_chunk(&mut self, octets: usize) -> bool {
        if self.input.len() < octets {
            return false;
        }
        self.chunk = None;
        let content: Vec<u8> = self.input.drain(..octets).collect();
        match self.fault.clone() {
            _ if self.accepted.is_empty() => self.say(503),
            Fault::Data(code) | Fault::BodyReply(code @ 400.., _) => {
                let replies = if self.lmtp { self.accepted.len() } else { 1 };
                (0..replies).for_each(|_| self.say(code));
            }
            Fault::DataClose | Fault::BodyClose(_) => self.close = true,
            _ => {
                self.received.push(content);
                self.answer_content();
            }
        }
        true
    }

    fn take_content(&mut self) -> bool {
        let so_far = self.input.len();
        match self.fault {
            Fault::BodyReply(code, after) if so_far > after => {
                self.say(code);
                self.close = true;
                return false;
            }
            Fault::BodyClose(after) if so_far > after => {
                self.close = true;
                return false;
            }
            _ => {}
        }
        let end = if self.input.starts_with(b".\r\n") {
            Some(0)
        } else {
            self.input.windows(5).position(|window| window == b"\r\n.\r\n").map(|at| at + 2)
        };
        let Some(end) = end else { return false };
        let content = self.input[..end].to_vec();
        self.input.drain(..end + 3);
        self.content = None;
        self.received.push(content);
        self.answer_content();
        true
    }

    fn answer_content(&mut self) {
        let accepted = std::mem::take(&mut self.accepted);
        let count = if self.lmtp { accepted.len() } else { 1 };
        for nth in 0..count {
            let code = match &self.fault {
                Fault::End(codes) => codes.get(nth).copied().unwrap_or(250),
                Fault::EndSome(some) if nth >= *some => {
                    self.close = true;
                    return;
                }
                Fault::EndClose => {
                    self.close = true;
                    return;
                }
                Fault::EndPartial => {
                    self.output.extend_from_slice(b"250-half\r\n25");
                    self.close = true;
                    return;
                }
                Fault::EndGarbage => {
                    self.output.extend_from_slice(b"okay then\r\n");
                    return;
                }
                Fault::EndNever => return,
                _ => 250,
            };
            self.say(code);
            if code == 250 {
                if self.lmtp {
                    self.took.push(accepted[nth]);
                } else {
                    self.took.extend(&accepted);
                }
            }
        }
    }

    fn take_line(&mut self) -> bool {
        let Some(end) = self.input.windows(2).position(|window| window == b"\r\n") else { return false };
        let line = String::from_utf8(self.input[..end].to_vec()).unwrap();
        self.input.drain(..end + 2);
        let fault = self.fault.clone();
        match line.split([' ', ':']).next().unwrap() {
            "EHLO" | "LHLO" => match fault {
                Fault::Hello(code) => self.say(code),
                _ => {
                    let Offers { pipelining, chunking, .. } = self.offers;
                    self.output.extend_from_slice(b"250-model\r\n");
                    self.output.extend_from_slice(if pipelining { b"250-PIPELINING\r\n" } else { b"" });
                    self.output.extend_from_slice(if chunking { b"250-CHUNKING\r\n" } else { b"" });
                    self.output.extend_from_slice(b"250 HELP\r\n");
                }
            },
            "HELO" => self.say(250),
            "MAIL" => match fault {
                Fault::Mail(code) => self.say(code),
                Fault::MailClose => self.close = true,
                _ => self.say(250),
            },
            "RCPT" => {
                let number = line
                    .trim_start_matches("RCPT TO:<r")
                    .split('@')
                    .next()
                    .unwrap()
                    .parse::<usize>()
                    .unwrap();
                self.offered.push(number);
                let code = match &fault {
                    Fault::Mail(_) => 503,
                    Fault::Rcpt(codes) => codes.get(number).copied().unwrap_or(250),
                    Fault::RcptClose => {
                        self.close = true;
                        return false;
                    }
                    _ => 250,
                };
                if code == 250 {
                    self.accepted.push(number);
                }
                self.say(code);
            }
            "DATA" => match fault {
                Fault::Data(code) => self.say(code),
                Fault::DataClose => self.close = true,
                _ if self.accepted.is_empty() => self.say(503),
                _ => {
                    self.say(354);
                    self.content = Some(Vec::new());
                }
            },
            "BDAT" => {
                assert!(line.ends_with(" LAST"), "{line}");
                self.chunk = line.split(' ').nth(1).unwrap().parse().ok();
            }
            "QUIT" => {
                if fault != Fault::QuitClose {
                    self.say(221);
                }
                self.close = true;
            }
            "RSET" => self.say(250),
            other => panic!("unexpected command {other:?}"),
        }
        true
    }
}

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\n.dot\r\nlast line";
const CHUNKED: &[u8] = b"Subject: hello\r\n\r\n.dot\r\nlast line\r\n";
const ON_THE_WIRE: &[u8] = b"Subject: hello\r\n\r\n..dot\r\nlast line\r\n";

/// What a server offers, and whether the client knows the content beforehand.
#[derive(Clone, Copy, Debug)]
struct Offers {
    pipelining: bool,
    chunking: bool,
    known: bool,
}

struct World {
    faults: Vec<Fault>,
    lmtp: bool,
    offers: Offers,
    split: usize,
    failover: Failover,
    recipients: usize,
}

struct Seen {
    report: Report,
    /// One entry per connection made: target number and the server at its end.
    sessions: Vec<(usize, Server)>,
    rewinds: usize,
    contents_begun: usize,
    elapsed: Duration,
}

fn plan(world: &World) -> Plan {
    let mut config = Config::new("client.example".parse().unwrap());
    config.protocol = if world.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    let endpoints = (0..world.faults.len())
        .map(|target| format!("tcp://10.0.0.{}:2525", target + 1).parse::<Endpoint>().unwrap());
    Plan::new(endpoints, &config).unwrap().with_reuse(None).with_failover(world.failover)
}

fn known(mut envelope: Envelope) -> Envelope {
    let mut scanner = Scanner::new(Default::default());
    scanner.update(MESSAGE).unwrap();
    envelope.sender.content = Some(scanner.finish().unwrap());
    envelope
}

fn envelope(recipients: usize) -> Envelope {
    let recipients = (0..recipients)
        .map(|number| Recipient::new(format!("r{number}@example.org").parse::<ForwardPath>().unwrap()))
        .collect();
    Envelope::new(Sender::new("s@example.org".parse().unwrap()), recipients)
}

fn target_of(peer: &Peer) -> usize {
    let Peer::Tcp(address) = peer else { panic!("{peer:?}") };
    usize::from(match address {
        SocketAddr::V4(address) => address.ip().octets()[3],
        SocketAddr::V6(_) => unreachable!(),
    }) - 1
}

fn run(world: &World) -> Seen {
    let start = Instant::now();
    let mut now = start;
    let envelope = envelope(world.recipients);
    let envelope = if world.offers.known { known(envelope) } else { envelope };
    let mut delivery = Delivery::new(now, Arc::new(plan(world)), envelope);
    let mut sessions: Vec<(usize, Server)> = Vec::new();
    let (mut open, mut closed_told, mut taken, mut rewinds, mut begun) = (false, false, 0, 0, 0);
    let mut pending: Option<usize> = None;
    for _ in 0..100_000 {
        // Early, which is harmless whatever is going on.
        delivery.handle_timeout(now);
        while delivery.has_action() {
            match delivery.poll_action().expect("it said so") {
                Action::Acquire(_) | Action::Keep(_) => panic!("the plan keeps nothing"),
                Action::Resolve { .. } => panic!("addresses need no lookup"),
                Action::Connect(peer) => {
                    assert!(!open, "one transport at a time");
                    pending = Some(target_of(&peer));
                }
                Action::Disconnect => {
                    open = false;
                    pending = None;
                }
                Action::Rewind => {
                    rewinds += 1;
                    taken = 0;
                    delivery.handle_rewound(now, Ok(()));
                }
                Action::Answer(..) => {}
                Action::Finish(report) => {
                    assert_eq!(delivery.poll_timeout(), None, "a finished delivery waits for nothing");
                    delivery.handle_timeout(now);
                    delivery.cancel(now);
                    assert!(!delivery.has_action(), "nor has it anything more to do");
                    return Seen { report, sessions, rewinds, contents_begun: begun, elapsed: now - start };
                }
            }
        }
        assert!(delivery.poll_action().is_none(), "it said that there was none");
        if let Some(target) = pending {
            match world.faults[target] {
                Fault::ConnectRefused => {
                    pending = None;
                    delivery.handle_connected(now, Err(io::ErrorKind::ConnectionRefused.into()));
                    continue;
                }
                Fault::ConnectHangs => {}
                ref fault => {
                    pending = None;
                    sessions.push((target, Server::new(fault.clone(), world.lmtp, world.offers)));
                    (open, closed_told) = (true, false);
                    delivery.handle_connected(now, Ok(()));
                    continue;
                }
            }
        }
        // A target that fails in mid-content must get to see the middle before the end.
        let in_pieces =
            open && sessions.last().is_some_and(|(_, server)| {
                matches!(server.fault, Fault::BodyReply(..) | Fault::BodyClose(_))
            }) && !delivery.transmit().is_empty();
        let credit = delivery.body_credit();
        if credit > 0
            && !in_pieces
            && sessions.last().is_none_or(|(_, server)| server.output.is_empty() && !server.close)
        {
            let rest = &MESSAGE[taken..];
            begun += usize::from(taken == 0);
            if rest.is_empty() {
                delivery.finish_body(now).unwrap();
            } else {
                let piece = &rest[..rest.len().min(credit).min(world.split).min(4)];
                delivery.write_body(now, piece).unwrap();
                taken += piece.len();
            }
            continue;
        }
        if open && let Some((_, server)) = sessions.last_mut() {
            let octets = delivery.transmit();
            let len = octets.len().min(world.split);
            if len > 0 {
                let octets = octets[..len].to_vec();
                delivery.handle_transmitted(now, len);
                server.take(&octets);
                continue;
            }
            if !server.output.is_empty() {
                let len = server.output.len().min(world.split);
                let octets: Vec<u8> = server.output.drain(..len).collect();
                delivery.handle_input(now, &octets);
                continue;
            }
            if server.close && !closed_told {
                closed_told = true;
                delivery.handle_closed(now, None);
                continue;
            }
        }
        let deadline = delivery.poll_timeout().expect("nothing to do and nothing to wait for");
        assert!(deadline > now, "law 3");
        now = deadline;
        delivery.handle_timeout(now);
        assert!(delivery.poll_timeout().is_none_or(|next| next > now), "law 3");
    }
    panic!("no end in sight");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Delivered,
    Deferred,
    Rejected,
    Uncertain,
}

fn word(disposition: &Disposition) -> Word {
    match disposition {
        Disposition::Delivered(_) => Word::Delivered,
        Disposition::Deferred(_) => Word::Deferred,
        Disposition::Rejected(_) => Word::Rejected,
        Disposition::Uncertain(_) => Word::Uncertain,
    }
}

fn by_code(code: u16) -> Word {
    match code / 100 {
        2 => Word::Delivered,
        4 => Word::Deferred,
        _ => Word::Rejected,
    }
}

/// What one target makes of recipients; `None`: it never was usable.
fn one_target(fault: &Fault, lmtp: bool, offers: Offers, offered: &[usize]) -> Option<BTreeMap<usize, Word>> {
    let chunked = offers.pipelining && offers.chunking;
    let all = |word| Some(offered.iter().map(|number| (*number, word)).collect());
    match fault {
        Fault::ConnectRefused
        | Fault::ConnectHangs
        | Fault::Greeting(_)
        | Fault::GreetingNever
        | Fault::GreetingClose
        | Fault::GreetingGarbage => None,
        // D21: HELO works on this server, but never in LMTP.
        Fault::Hello(500 | 501 | 502 | 504 | 550) if !lmtp => all(Word::Delivered),
        Fault::Hello(_) => None,
        Fault::None | Fault::QuitClose => all(Word::Delivered),
        Fault::Mail(code) | Fault::Data(code) | Fault::BodyReply(code, _) => {
            // Mid-content 2yz is no verdict (D33).
            if matches!(fault, Fault::BodyReply(..)) && *code < 400 {
                // A chunk is complete when this server answers it.
                all(if chunked { Word::Delivered } else { Word::Deferred })
            } else {
                all(by_code(*code))
            }
        }
        // The content was out with the envelope, or in one piece behind it (row 23).
        Fault::MailClose | Fault::RcptClose if chunked && offers.known => all(Word::Uncertain),
        Fault::DataClose | Fault::BodyClose(_) if chunked => all(Word::Uncertain),
        Fault::MailClose | Fault::RcptClose | Fault::DataClose | Fault::BodyClose(_) => all(Word::Deferred),
        Fault::Rcpt(codes) => Some(
            offered
                .iter()
                .map(|number| (*number, by_code(codes.get(*number).copied().unwrap_or(250))))
                .collect(),
        ),
        Fault::End(codes) => Some(
            offered
                .iter()
                .enumerate()
                .map(|(nth, number)| {
                    let nth = if lmtp { nth } else { 0 };
                    (*number, by_code(codes.get(nth).copied().unwrap_or(250)))
                })
                .collect(),
        ),
        Fault::EndSome(some) => Some(
            offered
                .iter()
                .enumerate()
                .map(|(nth, number)| {
                    let answered = if lmtp { nth < *some } else { *some > 0 };
                    (*number, if answered { Word::Delivered } else { Word::Uncertain })
                })
                .collect(),
        ),
        Fault::EndClose | Fault::EndPartial | Fault::EndGarbage | Fault::EndNever => all(Word::Uncertain),
    }
}

/// SPEC section 6 in a dozen lines: who is offered where, and what becomes of whom.
fn oracle(world: &World) -> (Vec<Word>, Vec<Vec<usize>>) {
    let mut words = vec![None; world.recipients];
    let mut offers = Vec::new();
    for fault in &world.faults {
        let open: Vec<usize> = (0..world.recipients)
            .filter(|number| match words[*number] {
                None => true,
                Some(Word::Deferred) => world.failover == Failover::UntilDecided,
                Some(_) => false,
            })
            .collect();
        if open.is_empty() {
            break;
        }
        if let Some(outcome) = one_target(fault, world.lmtp, world.offers, &open) {
            for (number, word) in outcome {
                words[number] = Some(word);
            }
            offers.push(open);
            if world.failover == Failover::UntilUsable {
                break;
            }
        }
    }
    (words.into_iter().map(|word| word.unwrap_or(Word::Deferred)).collect(), offers)
}

fn check(world: &World) -> Seen {
    let seen = run(world);
    let (words, offers) = oracle(world);
    let got: Vec<Word> =
        seen.report.recipients.iter().map(|recipient| word(&recipient.disposition)).collect();
    assert_eq!(got, words, "dispositions");
    let usable = seen.report.attempts.iter().filter(|attempt| attempt.usable).count();
    assert_eq!(usable, offers.len(), "usable targets");
    // Law 2: nobody is offered again once decided. (A refused MAIL or a loss may leave some unasked.)
    let mut deliveries = BTreeMap::new();
    let mut decided = BTreeSet::new();
    for (_, server) in &seen.sessions {
        for number in &server.offered {
            assert!(!decided.contains(number), "r{number} was offered again after it was decided");
        }
        for number in &server.took {
            *deliveries.entry(*number).or_insert(0) += 1;
            decided.insert(*number);
        }
        for content in &server.received {
            assert!(content == ON_THE_WIRE || content == CHUNKED, "octet for octet, or just the end mark");
        }
    }
    for (number, word) in words.iter().enumerate() {
        let times = deliveries.get(&number).copied().unwrap_or(0);
        match word {
            Word::Delivered => assert_eq!(times, 1, "r{number}"),
            Word::Deferred | Word::Rejected => assert_eq!(times, 0, "r{number}"),
            Word::Uncertain => assert!(times <= 1, "r{number}"),
        }
    }
    // Law 5.
    assert!(seen.contents_begun <= seen.rewinds + 1);
    if world.failover == Failover::UntilUsable {
        assert_eq!(seen.rewinds, 0);
    }
    // Law 3: connect, greeting, hello, MAIL … end, QUIT for each target.
    assert!(seen.elapsed <= Duration::from_secs(60 * 60) * u32::try_from(world.faults.len()).unwrap());
    seen
}

fn world(faults: Vec<Fault>, failover: Failover) -> World {
    let offers = Offers { pipelining: true, chunking: false, known: false };
    World { faults, lmtp: false, offers, split: usize::MAX, failover, recipients: 2 }
}

#[test]
fn the_first_usable_target_gets_it_and_no_other_is_contacted() {
    // T1, M38
    let seen = check(&world(vec![Fault::None, Fault::None], Failover::UntilUsable));
    assert_eq!(seen.sessions.len(), 1);
    assert_eq!(seen.report.round_trips, 2, "one for the envelope, one for the content");
}

#[test]
fn a_refused_connect_leads_to_the_next_target() {
    // T4
    let seen = check(&world(vec![Fault::ConnectRefused, Fault::None], Failover::UntilUsable));
    assert_eq!(seen.report.attempts[0].kind(), Some(Kind::Network));
    assert_eq!(seen.report.attempts[1].kind(), None);
}

#[test]
fn a_black_hole_costs_the_connect_timeout_and_no_more() {
    // M14, N1
    let seen = check(&world(vec![Fault::ConnectHangs, Fault::None], Failover::UntilUsable));
    assert_eq!(seen.report.attempts[0].kind(), Some(Kind::Timeout));
    assert_eq!(seen.elapsed, Duration::from_secs(300));
}

#[test]
fn what_fails_after_usable_is_final_by_default() {
    // M39, T5
    let seen = check(&world(vec![Fault::Mail(550), Fault::None], Failover::UntilUsable));
    assert_eq!(seen.sessions.len(), 1);
    let failure = seen.report.recipients[0].disposition.failure().unwrap();
    assert_eq!(failure.status().code.get(), 550);
    let seen = check(&world(vec![Fault::EndClose, Fault::None], Failover::UntilUsable));
    assert_eq!(seen.sessions.len(), 1);
}

#[test]
fn uncertain_recipients_are_never_offered_elsewhere() {
    // Law 9, SPEC section 6 rows 14-16
    for fault in [Fault::EndClose, Fault::EndPartial, Fault::EndGarbage, Fault::EndNever] {
        let seen = check(&world(vec![fault, Fault::None], Failover::UntilDecided));
        assert_eq!(seen.sessions.len(), 1);
    }
}

#[test]
fn until_decided_moves_on_recipient_by_recipient() {
    // D25, rows 7, 27
    let seen = check(&world(vec![Fault::Rcpt(vec![450, 250]), Fault::None], Failover::UntilDecided));
    assert_eq!(seen.sessions.len(), 2);
    assert_eq!(seen.sessions[1].1.offered, [0]);
    assert_eq!(seen.rewinds, 1);
}

#[test]
fn all_targets_failing_keeps_every_cause_and_lets_the_last_decide() {
    // M40
    let seen = check(&world(vec![Fault::Greeting(554), Fault::ConnectRefused], Failover::UntilUsable));
    let kinds: Vec<_> = seen.report.attempts.iter().map(|attempt| attempt.kind().unwrap()).collect();
    assert_eq!(kinds, [Kind::Refused, Kind::Network]);
    let status = seen.report.recipients[0].disposition.status();
    assert_eq!((status.code.get(), status.local), (450, true)); // M100
}

#[test]
fn names_are_looked_up_and_all_their_addresses_tried() {
    // M14, M101, M102
    let now = Instant::now();
    let config = Config::new("client.example".parse().unwrap());
    let plan = Arc::new(
        Plan::new(["tcp://mx.example:25".parse::<Endpoint>().unwrap()], &config).unwrap().with_reuse(None),
    );
    let mut delivery = Delivery::new(now, Arc::clone(&plan), envelope(1));
    assert!(
        matches!(delivery.poll_action(), Some(Action::Resolve { host, port: 25 }) if host == "mx.example")
    );
    delivery.handle_timeout(now);
    assert!(!delivery.has_action(), "there is time left");
    let addresses = vec!["192.0.2.1:25".parse().unwrap(), "[2001:db8::1]:25".parse().unwrap()];
    delivery.handle_resolved(now, Ok(addresses.clone()));
    for address in &addresses {
        assert!(matches!(delivery.poll_action(), Some(Action::Connect(Peer::Tcp(peer))) if peer == *address));
        delivery.handle_connected(now, Err(io::ErrorKind::ConnectionRefused.into()));
    }
    assert!(matches!(delivery.poll_action(), Some(Action::Finish(report)) if report.attempts.len() == 2));

    // One that answers nothing costs its share of the time; when all of that has passed, nobody else is asked.
    for late in [false, true] {
        let mut delivery = Delivery::new(now, Arc::clone(&plan), envelope(1));
        let _ = delivery.poll_action();
        delivery.handle_resolved(now, Ok(addresses.clone()));
        assert!(matches!(delivery.poll_action(), Some(Action::Connect(_))));
        let until = if late { now + config.timeouts.connect } else { delivery.poll_timeout().unwrap() };
        delivery.handle_timeout(until);
        assert!(matches!(delivery.poll_action(), Some(Action::Disconnect)));
        let asks_the_next =
            matches!(delivery.poll_action(), Some(Action::Connect(Peer::Tcp(peer))) if peer == addresses[1]);
        assert_eq!(asks_the_next, !late);
    }

    for (not_found, code) in [(true, 550), (false, 450)] {
        let mut delivery = Delivery::new(now, Arc::clone(&plan), envelope(1));
        let _ = delivery.poll_action();
        delivery.handle_resolved(now, Err(ResolveError::new(not_found, "no such host")));
        let Some(Action::Finish(report)) = delivery.poll_action() else { panic!("not finished") };
        let status = report.recipients[0].disposition.status();
        assert_eq!((status.code.get(), status.enhanced.subject, status.enhanced.detail), (code, 4, 4));
    }
}

#[test]
fn the_total_deadline_ends_everything() {
    let now = Instant::now();
    let config = Config::new("client.example".parse().unwrap());
    let plan = Plan::new(["tcp://10.0.0.1:25".parse::<Endpoint>().unwrap()], &config)
        .unwrap()
        .with_reuse(None)
        .with_total_timeout(Duration::from_secs(7));
    let mut delivery = Delivery::new(now, Arc::new(plan), envelope(1));
    assert!(matches!(delivery.poll_action(), Some(Action::Connect(_))));
    let deadline = delivery.poll_timeout().unwrap();
    assert_eq!(deadline, now + Duration::from_secs(7));
    delivery.handle_timeout(deadline);
    assert!(matches!(delivery.poll_action(), Some(Action::Disconnect)));
    let Some(Action::Finish(report)) = delivery.poll_action() else { panic!("not finished") };
    assert_eq!(report.attempts[0].kind(), Some(Kind::Timeout));
    assert_eq!(word(&report.recipients[0].disposition), Word::Deferred);
}

#[test]
fn a_probe_stops_before_mail() {
    let now = Instant::now();
    let config = Config::new("client.example".parse().unwrap());
    let endpoints = ["tcp://10.0.0.1:25", "tcp://10.0.0.2:25"].map(|text| text.parse::<Endpoint>().unwrap());
    let mut probe =
        Delivery::probe(now, Arc::new(Plan::new(endpoints, &config).unwrap().with_reuse(None)), 1);
    assert!(matches!(probe.poll_action(), Some(Action::Connect(ref peer)) if target_of(peer) == 1));
    probe.handle_connected(now, Ok(()));
    let mut wrote = Vec::new();
    for said in ["220 mx at your service\r\n", "250-mx\r\n250 SIZE 1000\r\n", "221 bye\r\n"] {
        probe.handle_input(now, said.as_bytes());
        wrote.push(String::from_utf8(probe.transmit().to_vec()).unwrap());
        probe.handle_transmitted(now, wrote.last().unwrap().len());
    }
    assert_eq!(wrote, ["EHLO client.example\r\n", "QUIT\r\n", ""]);
    assert!(matches!(probe.poll_action(), Some(Action::Disconnect)));
    let Some(Action::Finish(report)) = probe.poll_action() else { panic!("not finished") };
    assert!(report.attempts[0].usable && report.attempts[0].error.is_none());
    let found = report.found.unwrap();
    assert_eq!(found.greeting.unwrap().text(), "mx at your service");
    assert_eq!(found.capabilities.get("SIZE"), Some("1000"));
}

#[test]
fn a_probe_opens_a_connection_of_its_own_and_asks_no_other_target() {
    let now = Instant::now();
    let config = Config::new("client.example".parse().unwrap());
    let endpoints = ["tcp://10.0.0.1:25", "tcp://10.0.0.2:25"].map(|text| text.parse::<Endpoint>().unwrap());
    let plan = Arc::new(Plan::new(endpoints, &config).unwrap());
    assert!(plan.reuse.is_some(), "a message would ask for one that was kept");
    let mut probe = Delivery::probe(now, plan, 0);
    assert!(matches!(probe.poll_action(), Some(Action::Connect(ref peer)) if target_of(peer) == 0));
    probe.handle_connected(now, Err(io::ErrorKind::ConnectionRefused.into()));
    assert!(matches!(probe.poll_action(), Some(Action::Finish(report)) if report.attempts.len() == 1));
}

#[test]
fn a_write_that_fails_is_not_waited_for() {
    let began = Instant::now();
    let config = Config::new("client.example".parse().unwrap());
    let endpoint = "tcp://10.0.0.1:25".parse::<Endpoint>().unwrap();
    let plan = Plan::new([endpoint], &config).unwrap().with_reuse(None);
    let mut delivery = Delivery::new(began, Arc::new(plan), envelope(1));
    assert!(matches!(delivery.poll_action(), Some(Action::Connect(_))));
    delivery.handle_connected(began, Ok(()));
    delivery.handle_input(began, b"220 mx\r\n");
    assert!(!delivery.transmit().is_empty());
    delivery.handle_write_failed(began, io::ErrorKind::BrokenPipe.into());
    let mut now = began;
    let report = loop {
        match delivery.poll_action() {
            Some(Action::Finish(report)) => break report,
            Some(_) => {}
            None => {
                now = delivery.poll_timeout().expect("a deadline");
                delivery.handle_timeout(now);
            }
        }
    };
    assert_eq!(report.attempts[0].kind(), Some(Kind::Network));
    assert!(now - began <= Duration::from_secs(5), "only for a reply that was on its way: {:?}", now - began);
}

/// Answers whatever a delivery asks over a connection that stays open; what it wrote, and the connection if it keeps it.
fn converse(delivery: &mut Delivery, now: Instant, replies: &[&str]) -> (String, Option<Idle>) {
    let (mut wrote, mut kept, mut replies) = (String::new(), None, replies.iter());
    loop {
        while let Some(action) = delivery.poll_action() {
            match action {
                Action::Acquire(_) => delivery.handle_acquired(now, None),
                Action::Connect(_) => delivery.handle_connected(now, Ok(())),
                Action::Keep(idle) => kept = Some(idle),
                _ => {}
            }
        }
        if delivery.body_credit() > 0 {
            delivery.write_body(now, MESSAGE).unwrap();
            delivery.finish_body(now).unwrap();
        }
        let octets = String::from_utf8(delivery.transmit().to_vec()).unwrap();
        delivery.handle_transmitted(now, octets.len());
        wrote += &octets;
        let Some(reply) = replies.next() else { return (wrote, kept) };
        delivery.handle_input(now, reply.as_bytes());
    }
}

#[test]
fn a_message_that_never_left_is_no_sign_of_life() {
    // D28, R153: over a connection that has said nothing for more than a second, no message leaves whole.
    for (unsendable, whole) in [(false, true), (true, false)] {
        let mut now = Instant::now();
        let config = Config::new("client.example".parse().unwrap());
        let endpoint = "tcp://10.0.0.1:25".parse::<Endpoint>().unwrap();
        let plan = Arc::new(Plan::new([endpoint], &config).unwrap());
        let mut first = Delivery::new(now, Arc::clone(&plan), known(envelope(1)));
        let hello = "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n";
        let answers = "250 ok\r\n250 ok\r\n250 ok\r\n";
        let (wrote, kept) = converse(&mut first, now, &["220 mx\r\n", hello, answers]);
        assert!(wrote.contains("BDAT") && kept.is_some(), "{wrote}");

        now += Duration::from_millis(700);
        let mut second = known(envelope(1));
        second.sender.require_tls = unsendable;
        let mut second = Delivery::new(now, Arc::clone(&plan), second);
        assert!(matches!(second.poll_action(), Some(Action::Acquire(_))));
        second.handle_acquired(now, kept);
        let replies: &[&str] = if unsendable { &[] } else { &[answers] };
        let (wrote, kept) = converse(&mut second, now, replies);
        assert_eq!(wrote.is_empty(), unsendable, "{wrote}");

        now += Duration::from_millis(700);
        let mut third = Delivery::new(now, plan, known(envelope(1)));
        assert!(matches!(third.poll_action(), Some(Action::Acquire(_))) && kept.is_some());
        third.handle_acquired(now, kept);
        let (wrote, _) = converse(&mut third, now, &[]);
        assert_eq!(wrote.contains("BDAT"), whole, "{unsendable}: {wrote}");
    }
}

#[test]
fn a_target_that_speaks_out_of_turn_behind_its_hello_was_never_usable() {
    // R45, D33: found by fuzzing
    let now = Instant::now();
    let config = Config::new("client.example".parse().unwrap());
    let endpoints = ["tcp://10.0.0.1:25", "tcp://10.0.0.2:25"].map(|text| text.parse::<Endpoint>().unwrap());
    let mut delivery =
        Delivery::new(now, Arc::new(Plan::new(endpoints, &config).unwrap().with_reuse(None)), envelope(1));
    assert!(matches!(delivery.poll_action(), Some(Action::Connect(_))));
    delivery.handle_connected(now, Ok(()));
    delivery.handle_input(now, b"220 mx\r\n");
    let len = delivery.transmit().len();
    delivery.handle_transmitted(now, len);
    delivery.handle_input(now, b"250 mx\r\n250 and more\r\n");
    assert!(matches!(delivery.poll_action(), Some(Action::Disconnect)));
    let next = delivery.poll_action();
    assert!(matches!(next, Some(Action::Connect(ref peer)) if target_of(peer) == 1), "{next:?}");
}

fn fault() -> impl Strategy<Value = Fault> {
    let code = prop::sample::select(vec![450u16, 451, 452, 550, 552, 554]);
    let rcpt = prop::sample::select(vec![250u16, 250, 251, 450, 550]);
    prop_oneof![
        3 => Just(Fault::None),
        5 => prop::sample::select(vec![
            Fault::ConnectRefused, Fault::ConnectHangs, Fault::GreetingNever, Fault::GreetingClose,
            Fault::GreetingGarbage, Fault::MailClose, Fault::RcptClose, Fault::DataClose, Fault::EndClose,
            Fault::EndPartial, Fault::EndGarbage, Fault::EndNever, Fault::QuitClose,
        ]),
        1 => prop::sample::select(vec![421u16, 450, 554, 521]).prop_map(Fault::Greeting),
        1 => prop::sample::select(vec![421u16, 451, 500, 502, 550, 554]).prop_map(Fault::Hello),
        1 => code.clone().prop_map(Fault::Mail),
        1 => code.clone().prop_map(Fault::Data),
        1 => (code, 0usize..20).prop_map(|(code, after)| Fault::BodyReply(code, after)),
        1 => (0usize..20).prop_map(|after| Fault::BodyReply(250, after)),
        1 => (0usize..20).prop_map(Fault::BodyClose),
        1 => prop::collection::vec(rcpt, 0..4).prop_map(|codes| Fault::Rcpt(
            codes.into_iter().map(|code| if code == 251 { 250 } else { code }).collect()
        )),
        1 => prop::collection::vec(prop::sample::select(vec![250u16, 250, 450, 550, 554]), 0..4)
            .prop_map(Fault::End),
        1 => (0usize..4).prop_map(Fault::EndSome),
    ]
}

/// 1,000 cases, or as many as `PROPTEST_CASES` asks for.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 1_000;
    }
    // Seeds of cases that have failed are kept, and run first.
    let seeds = FileFailurePersistence::Direct("tests/proptest-regressions/delivery.txt");
    config.failure_persistence = Some(Box::new(seeds));
    config
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn delivery_is_the_decision_table(
        faults in prop::collection::vec(fault(), 1..4),
        lmtp in any::<bool>(),
        (pipelining, chunking, known) in any::<(bool, bool, bool)>(),
        split in prop_oneof![Just(usize::MAX), 1usize..40],
        decided in any::<bool>(),
        recipients in 1usize..4,
    ) {
        // Laws 2, 3, 5, 9; SPEC section 6
        let failover = if decided { Failover::UntilDecided } else { Failover::UntilUsable };
        let offers = Offers { pipelining, chunking, known };
        check(&World { faults, lmtp, offers, split, failover, recipients });
    }
}
