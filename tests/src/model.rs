//! A server that is drawn, not written: what it says to each command comes from a [`Table`], and [`Table::oracle`] says in the
//! plainest possible way what must become of every recipient.

use std::time::Instant;

use smtp_proto::config::Protocol;

use crate::server::{HangUp, Peer, announced, decode};

/// What the server does when its turn has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Replies with this code, in so many lines.
    Reply(u16, usize),
    /// Says something that is no reply.
    Garbage(&'static str),
    /// Ends the connection.
    Close,
    /// Resets the connection.
    Reset,
    /// Says nothing more, ever.
    Silence,
}

/// A server's behaviour.
#[derive(Clone, Debug)]
pub struct Table {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Keywords of the hello reply.
    pub offers: Vec<&'static str>,
    /// On connect.
    pub greeting: Act,
    /// To EHLO or LHLO.
    pub hello: Act,
    /// To HELO.
    pub helo: Act,
    /// To MAIL.
    pub mail: Act,
    /// To each RCPT.
    pub rcpt: Vec<Act>,
    /// To DATA.
    pub data: Act,
    /// To each chunk but the last.
    pub chunk: Act,
    /// To the content: one for SMTP; for LMTP one for each RCPT, used if that was accepted.
    pub end: Vec<Act>,
    /// The first of `end` comes as soon as content arrives, before it is complete.
    pub early: bool,
    /// To QUIT.
    pub quit: Act,
}

/// What must become of a recipient, or of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// 2yz after the end mark.
    Delivered,
    /// Known not to be delivered; may be tried again.
    Deferred,
    /// Refused for good.
    Rejected,
    /// Nobody knows.
    Uncertain,
}

impl Fate {
    /// The name of the disposition.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
        }
    }
}

/// What an act means to somebody who waits for yes or no.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Yes,
    Later,
    Never,
    /// The dialogue is over.
    Over,
}

fn meaning(act: &Act, yes: impl Fn(u16) -> bool) -> Meaning {
    match act {
        Act::Reply(421, _) => Meaning::Over,
        Act::Reply(code, _) if yes(*code) => Meaning::Yes,
        Act::Reply(400..=499, _) => Meaning::Later,
        Act::Reply(500..=599, _) => Meaning::Never,
        _ => Meaning::Over,
    }
}

fn success(code: u16) -> bool {
    (200..300).contains(&code)
}

/// How the client sends content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By DATA, after all replies to the envelope.
    Data,
    /// In one chunk, after all replies to the envelope.
    OneChunk,
    /// In two, after all replies to the envelope and both before their own.
    TwoChunks,
    /// In more than one, the last when all the others are answered.
    Chunks,
    /// In one chunk, which is out before any reply.
    OneFlight,
}

impl Table {
    /// A server that takes everything for so many recipients.
    #[must_use]
    pub fn kind(protocol: Protocol, recipients: usize) -> Self {
        Self {
            protocol,
            offers: vec!["PIPELINING", "8BITMIME", "SIZE", "SMTPUTF8"],
            greeting: Act::Reply(220, 1),
            hello: Act::Reply(250, 1),
            helo: Act::Reply(250, 1),
            mail: Act::Reply(250, 1),
            rcpt: vec![Act::Reply(250, 1); recipients],
            data: Act::Reply(354, 1),
            chunk: Act::Reply(250, 1),
            end: vec![Act::Reply(250, 1); recipients.max(1)],
            early: false,
            quit: Act::Reply(221, 1),
        }
    }

    /// Whether the session becomes usable.
    #[must_use]
    pub fn usable(&self) -> bool {
        let hello = |act| meaning(act, success);
        self.greeting.is(220)
            && match (&self.hello, hello(&self.hello)) {
                (_, Meaning::Yes) => true,
                // D21: these, in SMTP, lead to HELO.
                (Act::Reply(500 | 501 | 502 | 504 | 550, _), _) => {
                    self.protocol == Protocol::Smtp && hello(&self.helo) == Meaning::Yes
                }
                _ => false,
            }
    }

    /// What must become of each recipient of the first message, one command after the other; `None` if no message is sent.
    ///
    /// Not for `early` servers: there it depends on how far the content has come.
    #[must_use]
    pub fn oracle(&self) -> Option<Vec<Fate>> {
        self.oracle_for(Way::Data)
    }

    /// The same, for content sent like that. What is out before any reply may have been taken whenever the dialogue breaks off; but 421
    /// in the place of an earlier reply says that it was not.
    #[must_use]
    pub fn oracle_for(&self, way: Way) -> Option<Vec<Fate>> {
        let out = |act: &Act| match way {
            Way::OneFlight if !act.is(421) => Fate::Uncertain,
            _ => Fate::Deferred,
        };
        if !self.usable() {
            return None;
        }
        let count = self.rcpt.len();
        match meaning(&self.mail, success) {
            Meaning::Yes => {}
            Meaning::Never => return Some(vec![Fate::Rejected; count]),
            Meaning::Later => return Some(vec![Fate::Deferred; count]),
            Meaning::Over => return Some(vec![out(&self.mail); count]),
        }
        let mut fates = vec![Fate::Deferred; count]; // what it is if the dialogue ends here
        let mut accepted = Vec::new();
        for (index, act) in self.rcpt.iter().enumerate() {
            match meaning(act, success) {
                Meaning::Yes => accepted.push(index),
                // D9: 552 without an enhanced code is "too many recipients".
                Meaning::Never if !act.is(552) => fates[index] = Fate::Rejected,
                Meaning::Never | Meaning::Later => {}
                Meaning::Over => {
                    accepted.iter().copied().chain(index..count).for_each(|index| fates[index] = out(act));
                    return Some(fates);
                }
            }
        }
        if accepted.is_empty() {
            return Some(fates);
        }
        let mut all = |accepted: &[usize], fate| accepted.iter().for_each(|index| fates[*index] = fate);
        let go = match way {
            Way::Data => meaning(&self.data, |code| code == 354),
            Way::TwoChunks | Way::Chunks => meaning(&self.chunk, |code| success(code) && code != 221),
            Way::OneChunk | Way::OneFlight => Meaning::Yes,
        };
        match go {
            Meaning::Yes => {}
            Meaning::Never => {
                all(&accepted, Fate::Rejected);
                return Some(fates);
            }
            Meaning::Over if way == Way::TwoChunks && !self.chunk.is(421) => {
                all(&accepted, Fate::Uncertain);
                return Some(fates);
            }
            Meaning::Later | Meaning::Over => return Some(fates),
        }
        let verdicts: Vec<(Vec<usize>, &Act)> = match self.protocol {
            Protocol::Smtp => vec![(accepted, &self.end[0])],
            Protocol::Lmtp => accepted.iter().map(|index| (vec![*index], &self.end[*index])).collect(),
        };
        let mut over = None;
        for (who, act) in verdicts {
            let fate = over.unwrap_or_else(|| match meaning(act, |code| success(code) && code != 221) {
                Meaning::Yes => Fate::Delivered,
                Meaning::Later => Fate::Deferred,
                Meaning::Never => Fate::Rejected,
                Meaning::Over => {
                    // M91, law 9: 421 is an answer, but only for this one.
                    over = Some(Fate::Uncertain);
                    if act.is(421) { Fate::Deferred } else { Fate::Uncertain }
                }
            });
            all(&who, fate);
        }
        Some(fates)
    }

    /// The recipients the content is for, if it is asked for.
    #[must_use]
    pub fn accepted(&self) -> Vec<usize> {
        let is_yes = |index: &usize| meaning(&self.rcpt[*index], success) == Meaning::Yes;
        (0..self.rcpt.len()).filter(is_yes).collect()
    }
}

impl Act {
    fn is(&self, code: u16) -> bool {
        matches!(self, Self::Reply(own, _) if *own == code)
    }
}

/// The server of a [`Table`]. Whatever the table says goes for every message of the session.
#[derive(Debug)]
pub struct Model {
    table: Table,
    buffer: Vec<u8>,
    out: Vec<u8>,
    greeted: bool,
    data: bool,
    early_said: bool,
    /// Octets of the chunk that are still to come, and whether it is the last.
    chunk: Option<(usize, bool)>,
    chunked: Vec<u8>,
    /// A chunk was refused.
    dead: bool,
    rcpts: usize,
    accepted: Vec<usize>,
    mail_taken: bool,
    silent: bool,
    starttls: Act,
    wants_tls: bool,
    hung_up: Option<HangUp>,
    /// The messages taken, decoded, each with the recipients it was accepted for when it came.
    pub messages: Vec<(Vec<usize>, Vec<u8>)>,
}

impl Model {
    /// A server that behaves like that.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            table,
            buffer: Vec::new(),
            out: Vec::new(),
            greeted: false,
            data: false,
            early_said: false,
            chunk: None,
            chunked: Vec::new(),
            dead: false,
            rcpts: 0,
            accepted: Vec::new(),
            mail_taken: false,
            silent: false,
            starttls: Act::Reply(502, 1),
            wants_tls: false,
            hung_up: None,
            messages: Vec::new(),
        }
    }

    /// The same server, which answers STARTTLS like that; the TLS itself is [`Secure`](crate::Secure)'s.
    #[must_use]
    pub fn answering_starttls(mut self, act: Act) -> Self {
        self.starttls = act;
        self
    }

    fn act(&mut self, act: &Act) -> bool {
        if self.silent || self.hung_up.is_some() {
            return false;
        }
        match act {
            Act::Reply(code, lines) => {
                for line in 1..=*lines.max(&1) {
                    let separator = if line == *lines.max(&1) { ' ' } else { '-' };
                    self.out.extend_from_slice(format!("{code}{separator}line {line}\r\n").as_bytes());
                }
            }
            Act::Garbage(text) => {
                self.out.extend_from_slice(text.as_bytes());
                self.silent = true;
            }
            Act::Close => self.hung_up = Some(HangUp::Close),
            Act::Reset => self.hung_up = Some(HangUp::Reset),
            Act::Silence => self.silent = true,
        }
        if act.is(421) {
            self.hung_up = Some(HangUp::Close);
        }
        matches!(act, Act::Reply(200..=399, _))
    }

    fn hello(&mut self) {
        let act = self.table.hello.clone();
        let Act::Reply(250, _) = act else {
            self.act(&act);
            return;
        };
        let lines: Vec<&str> = std::iter::once("mx").chain(self.table.offers.iter().copied()).collect();
        for (index, line) in lines.iter().enumerate() {
            let separator = if index + 1 == lines.len() { ' ' } else { '-' };
            self.out.extend_from_slice(format!("250{separator}{line}\r\n").as_bytes());
        }
    }

    fn command(&mut self, line: &[u8]) {
        match line.split(|octet| *octet == b' ' || *octet == b'\r').next().unwrap_or_default() {
            b"EHLO" | b"LHLO" => self.hello(),
            b"HELO" => {
                self.act(&self.table.helo.clone());
            }
            b"MAIL" => {
                (self.rcpts, self.accepted) = (0, Vec::new());
                (self.chunked, self.dead) = (Vec::new(), false);
                self.mail_taken = self.act(&self.table.mail.clone());
            }
            b"RCPT" => {
                let act = self.table.rcpt.get(self.rcpts).cloned().unwrap_or(Act::Reply(550, 1));
                if self.act(&act) && self.mail_taken {
                    self.accepted.push(self.rcpts);
                }
                self.rcpts += 1;
            }
            b"DATA" => {
                let act = self.table.data.clone();
                self.act(&act);
                self.data = act.is(354) && !self.silent;
                self.early_said = false;
            }
            b"BDAT" => {
                self.chunk = announced(line);
                self.early_said = false;
            }
            b"QUIT" => {
                self.act(&self.table.quit.clone());
                if !self.silent {
                    self.hung_up.get_or_insert(HangUp::Close);
                }
            }
            b"STARTTLS" => {
                let act = self.starttls.clone();
                self.act(&act);
                self.wants_tls = act.is(220);
            }
            b"AUTH" => {
                self.act(&Act::Reply(235, 1));
            }
            b"RSET" => {
                self.act(&Act::Reply(250, 1));
            }
            _ => {
                self.act(&Act::Reply(500, 1));
            }
        }
    }

    fn content(&mut self) -> bool {
        if self.table.early && !self.early_said && !self.buffer.is_empty() {
            self.early_said = true;
            self.act(&self.table.end[0].clone());
        }
        let Some((octets, content)) = decode(&self.buffer) else { return false };
        self.buffer.drain(..octets);
        self.data = false;
        let accepted = std::mem::take(&mut self.accepted);
        let acts: Vec<Act> = match self.table.protocol {
            Protocol::Smtp if accepted.is_empty() => vec![Act::Reply(554, 1)],
            Protocol::Smtp => vec![self.table.end[0].clone()],
            Protocol::Lmtp => accepted.iter().map(|index| self.table.end[*index].clone()).collect(),
        };
        self.messages.push((accepted, content));
        for act in acts.iter().skip(usize::from(self.early_said)) {
            self.act(act);
        }
        true
    }
}

impl Model {
    fn take_chunk(&mut self, octets: usize, last: bool) -> bool {
        if self.table.early && !self.early_said && !self.buffer.is_empty() && octets > 0 {
            self.early_said = true;
            self.act(&self.table.end[0].clone());
        }
        if self.buffer.len() < octets {
            return false;
        }
        self.chunk = None;
        self.chunked.extend(self.buffer.drain(..octets));
        if self.accepted.is_empty() || self.dead {
            self.act(&Act::Reply(503, 1)); // R154, R152
            return true;
        }
        let acts: Vec<Act> = match self.table.protocol {
            _ if !last => vec![self.table.chunk.clone()],
            Protocol::Smtp => vec![self.table.end[0].clone()],
            Protocol::Lmtp => self.accepted.iter().map(|index| self.table.end[*index].clone()).collect(),
        };
        if last {
            self.messages.push((std::mem::take(&mut self.accepted), std::mem::take(&mut self.chunked)));
        }
        for act in acts.iter().skip(usize::from(self.early_said)) {
            let taken = self.act(act);
            self.dead = !last && !taken;
        }
        true
    }
}

impl Peer for Model {
    fn receive(&mut self, _now: Instant, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    fn speak(&mut self, _now: Instant) -> Vec<u8> {
        if !std::mem::replace(&mut self.greeted, true) {
            self.act(&self.table.greeting.clone());
        }
        while self.hung_up.is_none() && !self.wants_tls {
            if let Some((octets, last)) = self.chunk {
                if !self.take_chunk(octets, last) {
                    break;
                }
                continue;
            }
            if self.data {
                if !self.content() {
                    break;
                }
                continue;
            }
            let Some(end) = self.buffer.iter().position(|octet| *octet == b'\n') else { break };
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.command(&line);
        }
        std::mem::take(&mut self.out)
    }

    fn hung_up(&self) -> Option<HangUp> {
        self.hung_up
    }

    fn wants_tls(&self) -> bool {
        self.wants_tls
    }

    fn tls_established(&mut self) {
        self.wants_tls = false;
        self.greeted = self.greeted && self.starttls.is(220);
    }
}
