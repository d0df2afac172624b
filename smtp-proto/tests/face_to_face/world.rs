//! Two machines, the line between them, and what has to be true of them in the end. No TLS here: whoever runs it may add some.
//!
//! Also compiled into the fuzz target `face_to_face`.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use smtp_proto::{
    Config, Connection, Disposition, Envelope, Event, Recipient, Sender, TransactionId,
    body::{Facts, LineBreaks, Scanner},
    config::{Chunking, Protocol},
    reply::{Code, Reply},
    server,
};

/// One message to send: its content, and how the server answers each recipient and the end.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) content: Vec<u8>,
    pub(crate) facts_known: bool,
    pub(crate) rcpt: Vec<u16>,
    pub(crate) end: Vec<u16>,
    /// The source fails after this many octets.
    pub(crate) source_fails: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) lmtp: bool,
    pub(crate) pipelining: bool,
    pub(crate) offers_pipelining: bool,
    pub(crate) chunking: Chunking,
    pub(crate) offers_chunking: bool,
    pub(crate) split: usize,
    /// The network is cut after this many octets from client to server, or from server to client.
    pub(crate) cut_up: Option<usize>,
    pub(crate) cut_down: Option<usize>,
    /// The line goes dead without a word: both sides are left to their clocks.
    pub(crate) silent: bool,
    /// How the first turns go: who moves how much, or that time runs out (see [`Turn`]). Then everything moves as it can.
    pub(crate) turns: Vec<Turn>,
    pub(crate) messages: Vec<Message>,
}

/// One turn of the line: 4 low bits say which of its four places move (out of the client, out of the server, into the server, into
/// the client), the others how much, from an octet to all there is. [`Turn::LATE`]: whoever waits has waited too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn(pub(crate) u8);

impl Turn {
    pub(crate) const LATE: Self = Self(255);
    const FREE: Self = Self(0b1111);

    fn moves(self, place: u8, split: usize) -> usize {
        let most = match self.0 >> 4 {
            0 => usize::MAX,
            power => 1 << (power - 1),
        };
        if self.0 & (1 << place) == 0 { 0 } else { most.min(split) }
    }
}

/// What the server took, for whom.
#[derive(Debug, Default)]
pub(crate) struct Taken {
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
    fn is_gone(&mut self) -> bool {
        self.machine.is_closed() && self.machine.transmit().is_empty()
    }

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
    cut: bool,
    /// The client knows of the end of the line.
    told: bool,
}

/// Per message, the client's report; and what the server took of which message.
pub(crate) type Account = (Vec<Option<Vec<Disposition>>>, Vec<(usize, Taken)>);

/// Runs it to its end; `secure` is told both configurations before they are used.
pub(crate) fn run(setting: &Setting, secure: impl FnOnce(&mut Config, &mut server::Config)) -> Account {
    let now = Instant::now();
    let protocol = if setting.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    let mut config = Config::new("client.example".parse().unwrap());
    config.protocol = protocol;
    config.pipelining = setting.pipelining;
    config.chunking = setting.chunking;
    let mut server_config = server::Config::new("mx.example".parse().unwrap());
    server_config.protocol = protocol;
    server_config.extensions.pipelining = setting.offers_pipelining;
    server_config.extensions.chunking = setting.offers_chunking;
    server_config.strict_pipelining = true; // law 7
    server_config.decisions = server::Decisions::ALL;
    server_config.decisions.data = false;
    secure(&mut config, &mut server_config);
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
        cut: false,
        told: false,
    };
    let outcomes = drive(&mut world, setting);
    // What the client had sent by its end still arrives.
    while world.arrive_up(setting, usize::MAX) {}
    (outcomes, world.server.taken)
}

fn drive(world: &mut World, setting: &Setting) -> Vec<Option<Vec<Disposition>>> {
    let mut outcomes: Vec<Option<Vec<Disposition>>> = vec![None; setting.messages.len()];
    let mut ids: Vec<TransactionId> = Vec::new();
    let mut sending: Option<(usize, usize)> = None; // message, octets given
    let mut turns = setting.turns.iter().copied();
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
        // The network; or the clock.
        let turn = turns.next();
        if turn != Some(Turn::LATE) {
            moved |= world.carry(setting, turn.unwrap_or(Turn::FREE)) || turn.is_some();
        }
        if !moved || turn == Some(Turn::LATE) {
            let Some(deadline) = world.client.poll_timeout() else {
                // Where it is the application's turn, no clock runs.
                assert!(moved, "nobody moves, nobody waits: {:?}", world.client);
                continue;
            };
            world.now = deadline.max(world.now + Duration::from_millis(1));
            world.client.handle_timeout(world.now);
            world.server.machine.handle_timeout(world.now);
            world.server.pump(world.now);
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
    /// Moves octets both ways; after a cut nothing moves, and the client learns of it, unless the line is silent about it.
    fn carry(&mut self, setting: &Setting, turn: Turn) -> bool {
        let split = setting.split;
        let len = self.client.transmit().len().min(turn.moves(0, split));
        if len > 0 {
            let octets = self.client.transmit()[..len].to_vec();
            self.up.extend(octets);
            self.client.handle_transmitted(self.now, len);
        }
        if self.cut {
            if setting.silent || std::mem::replace(&mut self.told, true) {
                return len > 0;
            }
            self.client.handle_closed(self.now, Some(std::io::ErrorKind::ConnectionReset.into()));
            return true;
        }
        let mut moved = len > 0;
        let len = self.server.machine.transmit().len().min(turn.moves(1, split));
        if len > 0 {
            let octets = self.server.machine.transmit()[..len].to_vec();
            self.down.extend(octets);
            self.server.machine.handle_transmitted(self.now, len);
            moved = true;
        }
        moved |= self.arrive_up(setting, turn.moves(2, split));
        let most = turn.moves(3, split);
        if !self.down.is_empty() && most > 0 {
            let left = setting.cut_down.map_or(usize::MAX, |cut| cut.saturating_sub(self.moved_down));
            let len = self.down.len().min(most).min(left);
            let octets: Vec<u8> = self.down.drain(..len).collect();
            self.moved_down += len;
            self.cut |= len == 0;
            self.client.handle_input(self.now, &octets);
            moved = true;
        } else if self.down.is_empty() && self.server.is_gone() && !self.told {
            self.told = true;
            self.client.handle_closed(self.now, None);
            moved = true;
        }
        self.server.pump(self.now);
        moved
    }

    /// Hands at most so many of the octets on their way up to the server.
    fn arrive_up(&mut self, setting: &Setting, most: usize) -> bool {
        if self.up.is_empty() || most == 0 || !self.server.machine.wants_input() {
            return false;
        }
        let left = setting.cut_up.map_or(usize::MAX, |cut| cut.saturating_sub(self.moved_up));
        let len = self.up.len().min(most).min(left);
        let octets: Vec<u8> = self.up.drain(..len).collect();
        self.moved_up += len;
        self.cut |= len == 0;
        self.server.machine.handle_input(self.now, &octets);
        self.server.pump(self.now);
        len > 0
    }
}

/// What the client says became of each message is what the server knows.
pub(crate) fn check(setting: &Setting, secure: impl FnOnce(&mut Config, &mut server::Config)) {
    let disturbed =
        setting.cut_up.is_some() || setting.cut_down.is_some() || setting.turns.contains(&Turn::LATE);
    let (outcomes, taken) = run(setting, secure);
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
                    assert!(disturbed, "uncertain for no reason");
                }
            }
        }
        let whole = !disturbed && message.source_fails.is_none();
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
