//! A server that takes everything, and each of whose replies is said once in its life: an answer that was meant for somebody else
//! cannot pass for its own.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::server::{HangUp, Peer, Script, decode};

/// A message that a healthy server took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Over which connection, as its server was called.
    pub connection: usize,
    /// The command.
    pub mail: String,
    /// The commands.
    pub rcpts: Vec<String>,
    /// Decoded.
    pub content: Vec<u8>,
    /// The texts of the replies to it.
    pub replies: Vec<String>,
    /// Who was logged in: the lines of the exchange.
    pub auth: Vec<String>,
    /// Over TLS, as far as the server knows.
    pub tls: bool,
}

/// What the servers of a test noted down.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    taken: Vec<Taken>,
    quits: Vec<usize>,
}

impl Log {
    fn note<R>(&self, note: impl FnOnce(&mut Notes) -> R) -> R {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The messages, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.note(|notes| notes.taken.clone())
    }

    /// The connections that were ended with QUIT.
    #[must_use]
    pub fn quits(&self) -> Vec<usize> {
        self.note(|notes| notes.quits.clone())
    }
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Greeting,
    Command,
    Content,
    /// So many octets of a chunk, and whether it is the last.
    Chunk(usize, bool),
    /// So many lines of an exchange.
    Auth(usize),
    Tls,
}

/// The server.
#[derive(Debug)]
pub struct Healthy {
    connection: usize,
    log: Log,
    lmtp: bool,
    offers: Vec<&'static str>,
    starttls: bool,
    tls: bool,
    next: Next,
    buffer: Vec<u8>,
    replies: usize,
    mail: String,
    rcpts: Vec<String>,
    chunks: Vec<u8>,
    auth: Vec<String>,
    hung_up: Option<HangUp>,
    /// Goes of its own accord, with these words, after so many messages.
    goes: Option<(usize, &'static str)>,
}

impl Healthy {
    /// A server, called by a number.
    #[must_use]
    pub fn new(connection: usize, log: &Log, lmtp: bool) -> Self {
        Self {
            connection,
            log: log.clone(),
            lmtp,
            offers: vec![
                "PIPELINING",
                "8BITMIME",
                "SMTPUTF8",
                "SIZE",
                "ENHANCEDSTATUSCODES",
                "AUTH PLAIN LOGIN EXTERNAL CRAM-MD5 XOAUTH2 OAUTHBEARER",
            ],
            starttls: false,
            tls: false,
            next: Next::Greeting,
            buffer: Vec::new(),
            replies: 0,
            mail: String::new(),
            rcpts: Vec::new(),
            chunks: Vec::new(),
            auth: Vec::new(),
            hung_up: None,
            goes: None,
        }
    }

    /// The same, which offers STARTTLS; the TLS itself is [`Secure`](crate::Secure)'s.
    #[must_use]
    pub const fn offering_starttls(mut self) -> Self {
        self.starttls = true;
        self
    }

    /// The same, which takes content by BDAT as well.
    #[must_use]
    pub fn offering_chunking(mut self) -> Self {
        self.offers.push("CHUNKING");
        self
    }

    /// The same, inside TLS from the beginning.
    #[must_use]
    pub const fn inside_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// The same, without this extension.
    #[must_use]
    pub fn without(mut self, extension: &str) -> Self {
        self.offers.retain(|offer| *offer != extension);
        self
    }

    /// The same, which takes so many messages, says this and goes.
    #[must_use]
    pub const fn going_after(mut self, messages: usize, words: &'static str) -> Self {
        self.goes = Some((messages, words));
        self
    }

    /// The same, in a session that is usable already.
    #[must_use]
    pub const fn in_session(mut self) -> Self {
        self.next = Next::Command;
        self
    }

    /// A reply that nobody else says, and not twice.
    fn say(&mut self, out: &mut Vec<u8>, code: &str, what: &str) -> String {
        self.replies += 1;
        let text = format!("{what}, connection {} reply {}", self.connection, self.replies);
        out.extend_from_slice(format!("{code} {text}\r\n").as_bytes());
        text
    }

    fn hello(&self, out: &mut Vec<u8>, extended: bool) {
        let mut offers = if extended { self.offers.clone() } else { Vec::new() };
        if extended && self.tls {
            offers.push("REQUIRETLS");
        }
        if extended && self.starttls && !self.tls {
            offers.push("STARTTLS");
        }
        let separator = if offers.is_empty() { ' ' } else { '-' };
        out.extend_from_slice(format!("250{separator}mx{}.example\r\n", self.connection).as_bytes());
        for (index, offer) in offers.iter().enumerate() {
            let separator = if index + 1 == offers.len() { ' ' } else { '-' };
            out.extend_from_slice(format!("250{separator}{offer}\r\n").as_bytes());
        }
    }

    fn command(&mut self, out: &mut Vec<u8>, line: String) {
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default().to_owned();
        match verb.as_str() {
            "EHLO" | "LHLO" => self.hello(out, true),
            "HELO" => self.hello(out, false),
            "STARTTLS" => {
                self.say(out, "220", "2.0.0 go ahead");
                self.next = Next::Tls;
            }
            "AUTH" => {
                let lines = match (words.next().unwrap_or_default(), words.next().is_some()) {
                    ("LOGIN", initial) => 2 - usize::from(initial),
                    (_, initial) => 1 - usize::from(initial),
                };
                self.auth = vec![line];
                self.ask(out, lines);
            }
            "MAIL" => {
                self.mail = line;
                self.say(out, "250", "2.1.0 sender");
            }
            "RCPT" => {
                self.rcpts.push(line);
                self.say(out, "250", "2.1.5 recipient");
            }
            "DATA" => {
                self.say(out, "354", "go");
                self.next = Next::Content;
            }
            "BDAT" => {
                let octets = words.next().and_then(|octets| octets.parse().ok()).unwrap_or_default();
                self.next = Next::Chunk(octets, words.next() == Some("LAST"));
            }
            "RSET" => {
                (self.mail, self.rcpts, self.chunks) = (String::new(), Vec::new(), Vec::new());
                self.say(out, "250", "2.0.0 forgotten");
            }
            "QUIT" => {
                self.say(out, "221", "2.0.0 bye");
                self.log.note(|notes| notes.quits.push(self.connection));
                self.hung_up = Some(HangUp::Close);
            }
            _ => {
                self.say(out, "500", "5.5.1 what");
            }
        }
    }

    fn ask(&mut self, out: &mut Vec<u8>, lines: usize) {
        if lines == 0 {
            self.next = Next::Command;
            self.say(out, "235", "2.7.0 welcome");
        } else {
            self.next = Next::Auth(lines);
            out.extend_from_slice(b"334 VXNlcm5hbWU6\r\n");
        }
    }

    fn content(&mut self, out: &mut Vec<u8>) -> bool {
        let Some((octets, content)) = decode(&self.buffer) else { return false };
        self.buffer.drain(..octets);
        self.take(out, content);
        true
    }

    fn chunk(&mut self, out: &mut Vec<u8>, octets: usize, last: bool) -> bool {
        if self.buffer.len() < octets {
            return false;
        }
        self.chunks.extend(self.buffer.drain(..octets));
        if last {
            let content = mem::take(&mut self.chunks);
            self.take(out, content);
        } else {
            self.say(out, "250", "2.0.0 more");
            self.next = Next::Command;
        }
        true
    }

    /// A message is complete.
    fn take(&mut self, out: &mut Vec<u8>, content: Vec<u8>) {
        self.next = Next::Command;
        let rcpts = mem::take(&mut self.rcpts);
        let answers = if self.lmtp { rcpts.len() } else { 1 };
        let replies = (0..answers).map(|_| self.say(out, "250", "2.0.0 taken")).collect();
        let taken = Taken {
            connection: self.connection,
            mail: mem::take(&mut self.mail),
            rcpts,
            content,
            replies,
            auth: self.auth.clone(),
            tls: self.tls,
        };
        self.log.note(|notes| notes.taken.push(taken));
        if let Some((messages, words)) = self.goes.as_mut() {
            *messages -= 1;
            if *messages == 0 {
                out.extend_from_slice(words.as_bytes());
                self.hung_up = Some(HangUp::Close);
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|octet| *octet == b'\n')?;
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

impl Peer for Healthy {
    fn receive(&mut self, _: Instant, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    fn speak(&mut self, _: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        while self.hung_up.is_none() {
            match self.next {
                Next::Greeting => {
                    self.say(&mut out, "220", "mx.example");
                    self.next = Next::Command;
                }
                Next::Tls => break,
                Next::Content => {
                    if !self.content(&mut out) {
                        break;
                    }
                }
                Next::Chunk(octets, last) => {
                    if !self.chunk(&mut out, octets, last) {
                        break;
                    }
                }
                Next::Command => {
                    let Some(line) = self.line() else { break };
                    self.command(&mut out, line);
                }
                Next::Auth(lines) => {
                    let Some(line) = self.line() else { break };
                    self.auth.push(line);
                    self.ask(&mut out, lines - 1);
                }
            }
        }
        out
    }

    fn hung_up(&self) -> Option<HangUp> {
        self.hung_up
    }

    fn wants_tls(&self) -> bool {
        self.next == Next::Tls
    }

    fn tls_established(&mut self) {
        self.tls = true;
        if self.next == Next::Tls {
            self.next = Next::Command;
        }
    }
}

/// A written dialogue, whose place a healthy server takes once it is played to its end.
#[derive(Debug)]
pub struct Recovering {
    script: Script,
    healthy: Healthy,
    recovered: bool,
}

impl Recovering {
    /// One after the other. The dialogue need not end in QUIT.
    #[must_use]
    pub const fn new(script: Script, healthy: Healthy) -> Self {
        Self { script, healthy: healthy.in_session(), recovered: false }
    }

    fn now(&mut self) -> &mut dyn Peer {
        if self.recovered { &mut self.healthy } else { &mut self.script }
    }
}

impl Peer for Recovering {
    fn receive(&mut self, now: Instant, octets: &[u8]) {
        self.now().receive(now, octets);
    }

    fn speak(&mut self, now: Instant) -> Vec<u8> {
        let mut said = self.now().speak(now);
        if !self.recovered
            && let Some(rest) = self.script.played()
        {
            self.recovered = true;
            self.healthy.receive(now, &rest);
            said.extend(self.healthy.speak(now));
        }
        said
    }

    fn wakeup(&self) -> Option<Instant> {
        if self.recovered { None } else { self.script.wakeup() }
    }

    fn hung_up(&self) -> Option<HangUp> {
        if self.recovered { self.healthy.hung_up() } else { self.script.hung_up() }
    }

    fn reads(&self) -> bool {
        self.recovered || self.script.reads()
    }

    fn wants_tls(&self) -> bool {
        if self.recovered { self.healthy.wants_tls() } else { self.script.wants_tls() }
    }

    fn tls_established(&mut self) {
        self.healthy.tls_established();
        if !self.recovered {
            self.script.tls_established();
        }
    }
}
