//! The server machine against arbitrary octets, splits, clock steps and an application that answers when and how it likes.
//!
//! Laws: its replies are in step, a message is claimed when it is complete and octet for octet, the last event is the last, what it holds
//! is bounded, and it never forgets a question. [`Witness`] knows what it may say.
#![no_main]

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use smtp_fuzz::{
    pieces,
    witness::{Kind, Witness},
};
use smtp_proto::{
    Phase,
    config::Protocol,
    reply::{Code, Reply},
    sasl::Mechanism,
    server::{Config, Connection, Decisions, Event},
};

/// What a client is likely to say; the rest is arbitrary.
const LINES: [&[u8]; 32] = [
    b"EHLO c\r\n",
    b"MAIL FROM:<a@x>\r\n",
    b"RCPT TO:<b@x>\r\n",
    b"DATA\r\n",
    b".\r\n",
    b"content\r\n",
    b"..\r\n.a\r\n",
    b"x\r\n.\r\n",
    b"\n.\n\r.\r\r\n.\n",
    b"BDAT 5\r\n.\r\n.\r",
    b"BDAT 2 LAST\r\n\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 70000\r\n",
    b"BDAT 5 LAST\n.\r\n.\r",
    b"bdat 99999999999999999999 last\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"QUIT\r\n",
    b"LHLO c\r\n",
    b"HELO c\r\n",
    b"AUTH PLAIN AHUAcA==\r\n",
    b"AUTH LOGIN\r\n",
    b"dQ==\r\n",
    b"*\r\n",
    b"MAIL FROM:<> SIZE=200 BODY=8BITMIME\r\n",
    b"MAIL FROM:<a@x> BODY=BINARYMIME SMTPUTF8\r\n",
    b"RCPT TO:<\"b c\"@x>\r\nRCPT TO:<d@x>\r\n",
    b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n",
    b"STARTTLS\r\n",
    b"NOOP\n",
    b"VRFY x\r\nHELP\r\n",
    b"\r",
];

/// What the application is likely to answer; the first ones are good for content, too.
const CODES: [u16; 12] = [250, 250, 550, 450, 552, 251, 421, 354, 235, 535, 299, 334];

/// What may wait, and what one read brings beyond.
const INPUT: usize = 64 * 1024;
const CONTENT: usize = 64 * 1024;
const OUTPUT: usize = 16 * 1024;

// Two octets of configuration; then steps, each an octet that says what, and what it needs.
fuzz_target!(|data: &[u8]| {
    let [choice, more, steps @ ..] = data else { return };
    let config = config(*choice, *more);
    let mut world = World::new(config);
    let mut steps = steps.iter();
    while let Some(step) = steps.next() {
        let mut operand = || steps.next().copied().unwrap_or_default();
        match step % 16 {
            0..=4 => {
                // The usual course: everything answered, then a line.
                world.settle();
                world.say(LINES[usize::from(operand() % 32)], 255);
                world.settle();
            }
            5 => world.say(LINES[usize::from(operand() % 32)], operand()),
            6 => {
                let (len, seed) = (usize::from(operand()), operand());
                let octets: Vec<u8> = steps.by_ref().take(len).copied().collect();
                world.say(&octets, seed);
            }
            7 => world.transmit(usize::from(operand())),
            8 => world.take(usize::from(operand()) * 8),
            9 | 10 => world.answer(CODES[usize::from(operand() % 12)], None),
            11 => world.answer(CODES[usize::from(operand() % 12)], Some(usize::from(operand() % 4))),
            12 => world.wait(Duration::from_secs(4 * u64::from(operand()))),
            13 => world.settle(),
            14 => {
                let (line, count) = (LINES[usize::from(operand() % 32)], usize::from(operand()) * 2);
                world.say(&line.repeat(count), 255);
            }
            _ => {
                let (now, server) = (world.now, &mut world.server);
                match operand() % 12 {
                    0 => world.hang_up(None),
                    1 => world.hang_up(Some(&io::ErrorKind::ConnectionReset.into())),
                    2 => server.shutdown(now),
                    3 => server.abort(now),
                    4..=6 => {
                        let code = CODES[usize::from(operand() % 12)];
                        let refused = server.refuse_content(now, reply(code, "enough")).is_ok();
                        assert!(!refused || code >= 400, "content is refused by a refusal");
                    }
                    7 => server.handle_transmitted(now, 0),
                    _ => {}
                }
            }
        }
        world.listen();
    }
    world.settle();
    assert!(world.closed || !world.witness.is_waiting(), "a question without an answer");
    world.hang_up(None);
    world.settle();
    assert!(world.closed, "nothing is open when both have ended");
    assert_eq!(world.server.poll_timeout(), None, "nothing to wait for");
});

struct World {
    now: Instant,
    server: Connection,
    witness: Witness,
    /// Taken of the content that is coming in.
    content: Vec<u8>,
    /// What the replies to the content that waits for them have to say.
    claim: Option<String>,
    recipients: usize,
    /// Handed in while a question waited.
    unread: usize,
    hung_up: bool,
    closed: bool,
}

impl World {
    fn new((config, kind): (Config, Kind)) -> Self {
        let now = Instant::now();
        let recipients = config.limits.recipients;
        let server = Connection::new(now, Arc::new(config));
        let witness = Witness::new(kind);
        let mut world = Self {
            now,
            server,
            witness,
            content: Vec::new(),
            claim: None,
            recipients,
            unread: 0,
            hung_up: false,
            closed: false,
        };
        world.listen();
        world
    }

    fn say(&mut self, octets: &[u8], seed: u8) {
        let whole = (seed == 255).then_some(octets);
        let split = (seed != 255).then(|| pieces(octets, seed)).into_iter().flatten();
        for piece in whole.into_iter().chain(split) {
            if !self.server.wants_input() || self.hung_up {
                return;
            }
            self.witness.sent(piece);
            self.server.handle_input(self.now, piece);
            self.unread = if self.server.is_asking() { self.unread + piece.len() } else { 0 };
            assert!(self.unread <= INPUT + 2 * octets.len(), "law 6: input behind a question");
            self.listen();
        }
    }

    fn hang_up(&mut self, cause: Option<&io::Error>) {
        self.hung_up = true;
        self.server.handle_closed(self.now, cause);
        self.listen();
    }

    fn transmit(&mut self, most: usize) {
        let octets = self.server.transmit();
        let len = octets.len().min(most);
        assert!(octets.len() <= OUTPUT + 256 * (self.recipients + 2), "law 6: {}", octets.len());
        self.witness.heard(&octets[..len]);
        self.server.handle_transmitted(self.now, len);
    }

    fn take(&mut self, most: usize) {
        let content = self.server.content();
        assert!(content.len() <= CONTENT, "law 6: {}", content.len());
        let len = content.len().min(most);
        self.content.extend_from_slice(&content[..len]);
        self.server.take_content(self.now, len);
        self.listen();
    }

    /// Answers what is asked, if anything is.
    fn answer(&mut self, code: u16, recipient: Option<usize>) {
        let text = self.claim.clone().unwrap_or_else(|| "as told".to_owned());
        let asked = self.server.is_asking();
        let result = match recipient {
            Some(index) => self.server.reply_recipient(self.now, index, reply(code, &text)),
            None => self.server.reply(self.now, reply(code, &text)),
        };
        assert!(asked || result.is_err(), "only what is asked has an answer");
        if !self.server.is_asking() {
            self.claim = None;
        }
        self.listen();
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.server.handle_timeout(self.now);
        assert!(self.server.poll_timeout().is_none_or(|next| next > self.now), "law 3");
        self.listen();
    }

    /// Goes on as far as it goes by itself.
    fn settle(&mut self) {
        loop {
            self.listen();
            if self.server.is_asking() {
                // Whichever of them is fit.
                [250, 354, 235].into_iter().for_each(|code| self.answer(code, None));
            }
            let (len, content) = (self.server.transmit().len(), self.server.content().len());
            self.transmit(len);
            self.take(content);
            if len == 0 && content == 0 && !self.server.is_asking() {
                return;
            }
        }
    }

    fn listen(&mut self) {
        while let Some(event) = self.server.poll_event() {
            assert!(!self.closed, "`Closed` is the last event");
            match event {
                Event::Data => self.content.clear(),
                Event::Recipient { index, .. } => assert!(index < self.recipients, "R29"),
                Event::EndOfContent { octets, .. } => {
                    assert_eq!(octets, self.content.len() as u64, "all of it has been taken");
                    self.claim = Some(self.witness.claimed(std::mem::take(&mut self.content)));
                }
                Event::Closed(_) => self.closed = true,
                _ => {}
            }
        }
        assert_eq!(self.closed, self.server.is_closed());
        if self.closed {
            assert!(!self.server.is_asking() && !self.server.in_transaction() && !self.server.wants_input());
        }
    }
}

fn reply(code: u16, text: &str) -> Reply {
    Reply::new(Code::new(code).unwrap(), text)
}

fn config(choice: u8, more: u8) -> (Config, Kind) {
    let mut config = Config::new("mx.example".parse().unwrap());
    let kind = Kind { lmtp: choice & 1 != 0, chunking: choice & 4 == 0, bare_lf: more & 8 != 0 };
    config.protocol = if kind.lmtp { Protocol::Lmtp } else { Protocol::Smtp };
    config.extensions.pipelining = choice & 2 == 0;
    config.extensions.chunking = kind.chunking;
    config.strict_pipelining = choice & 8 != 0;
    // A message is always asked about: whoever says yes to it has it.
    config.decisions = if choice & 16 == 0 { Decisions::END } else { Decisions::ALL };
    if choice & 32 != 0 {
        config.auth.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
        config.auth.in_clear = true;
        config.auth.required = choice & 64 != 0;
    }
    config.refuse_bare_line_ends = choice & 64 != 0;
    config.refuse_early_talkers = choice & 128 == 0;
    config.limits.message = [Some(1 << 20), None, Some(10), Some(300)][usize::from(more & 3)];
    config.limits.errors = if more & 4 == 0 { 1000 } else { 3 };
    config.bare_lf_commands = kind.bare_lf;
    config.limits.recipients = if more & 16 == 0 { 3 } else { 1 };
    let row = [
        None,
        Some(Phase::Greeting),
        Some(Phase::Hello),
        Some(Phase::Mail),
        Some(Phase::Rcpt),
        Some(Phase::Data),
        Some(Phase::End),
        Some(Phase::Auth),
    ][usize::from(more >> 5)];
    if let Some(phase) = row {
        config.replies.insert(phase, reply(if choice & 16 == 0 { 550 } else { 450 }, "not today"));
    }
    (config, kind)
}
