//! A server that plays a written dialogue.
//!
//! ```
//! use smtp_testkit::Script;
//!
//! let script = Script::new(
//!     "S: 220 mx
//!      C: EHLO client.example
//!      S: 250 mx
//!      C: QUIT
//!      S: 221 bye",
//! );
//! # let _ = script;
//! ```
//! One step a line, in the order of the dialogue; blanks in front are ignored.
//!
//! | line | meaning |
//! |---|---|
//! | `S: text` | the server says this line (CRLF is added) |
//! | `S\| text` | the server says these octets; `\r`, `\n`, `\0`, `\xNN` are escapes |
//! | `C: text` | the client must say exactly this line |
//! | `C~ text` | the client must say a line that starts like this |
//! | `C\| text` | the client must say exactly these octets |
//! | `*: content` | the client sends content up to and including the end mark; kept in [`Script::contents`] |
//! | `*: wait 90s` | the server does nothing for so long |
//! | `*: nap 90s` | the same, and it reads nothing meanwhile |
//! | `*: tls` | TLS begins ([`Secure`](crate::Secure) takes it from there) |
//! | `*: stall` | the server reads no more |
//! | `*: silence` | the server says no more; the client must leave without another octet |
//! | `*: close`, `*: reset` | the server goes |
//! | `*: gone` | the client must have gone without another octet |

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How a peer left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// End of file.
    Close,
    /// Connection reset.
    Reset,
}

/// The other end of the line: a server, or TLS around one.
pub trait Peer {
    /// Octets from the client arrived.
    fn receive(&mut self, now: Instant, octets: &[u8]);
    /// What it says now.
    fn speak(&mut self, now: Instant) -> Vec<u8>;
    /// When it wants to say something on its own account.
    fn wakeup(&self) -> Option<Instant> {
        None
    }
    /// It has left, once everything it said is read.
    fn hung_up(&self) -> Option<HangUp> {
        None
    }
    /// Whether it takes octets from the client.
    fn reads(&self) -> bool {
        true
    }
    /// A TLS handshake comes next.
    fn wants_tls(&self) -> bool {
        false
    }
    /// The handshake is through.
    fn tls_established(&mut self) {}
    /// The client has gone. What is amiss with how the dialogue ended, if anything.
    fn client_gone(&mut self) -> Vec<String> {
        Vec::new()
    }
}

impl<P: Peer + ?Sized> Peer for &mut P {
    fn receive(&mut self, now: Instant, octets: &[u8]) {
        (**self).receive(now, octets);
    }
    fn speak(&mut self, now: Instant) -> Vec<u8> {
        (**self).speak(now)
    }
    fn wakeup(&self) -> Option<Instant> {
        (**self).wakeup()
    }
    fn hung_up(&self) -> Option<HangUp> {
        (**self).hung_up()
    }
    fn reads(&self) -> bool {
        (**self).reads()
    }
    fn wants_tls(&self) -> bool {
        (**self).wants_tls()
    }
    fn tls_established(&mut self) {
        (**self).tls_established();
    }
    fn client_gone(&mut self) -> Vec<String> {
        (**self).client_gone()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Say(Vec<u8>),
    Line(Vec<u8>),
    Prefix(Vec<u8>),
    Octets(Vec<u8>),
    Content,
    Wait(Duration),
    Nap(Duration),
    Tls,
    Stall,
    Silence,
    Close,
    Reset,
    Gone,
}

/// A written dialogue, and how far it has come.
#[derive(Debug)]
pub struct Script {
    steps: VecDeque<Step>,
    done: usize,
    buffer: Vec<u8>,
    waiting: Option<Instant>,
    wake: Option<Instant>,
    hung_up: Option<HangUp>,
    stalled: bool,
    failed: Vec<String>,
    /// Every content received, decoded: dots undone, end mark removed.
    pub contents: Vec<Vec<u8>>,
}

impl Script {
    /// The dialogue.
    ///
    /// # Panics
    /// On a line that is none of those above.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            steps: text.lines().map(str::trim_start).filter(|line| !line.is_empty()).map(step).collect(),
            done: 0,
            buffer: Vec::new(),
            waiting: None,
            wake: None,
            hung_up: None,
            stalled: false,
            failed: Vec::new(),
            contents: Vec::new(),
        }
    }

    fn fail(&mut self, what: String) {
        self.failed.push(format!("step {}: {what}", self.done + 1));
        self.steps.clear();
        self.hung_up = Some(HangUp::Close);
    }

    /// Takes `expected` from what was received; false: wait for more.
    fn take(&mut self, expected: &[u8], whole_line: bool) -> bool {
        let have = self.buffer.len().min(expected.len());
        if self.buffer[..have] != expected[..have] {
            let line = self.buffer.split_inclusive(|octet| *octet == b'\n').next().unwrap_or_default();
            self.fail(format!("expected \"{}\", got \"{}\"", expected.escape_ascii(), line.escape_ascii()));
            return false;
        }
        if have < expected.len() {
            return false;
        }
        let end = if whole_line {
            match self.buffer.iter().position(|octet| *octet == b'\n') {
                Some(at) => at + 1,
                None => return false,
            }
        } else {
            have
        };
        self.buffer.drain(..end);
        true
    }

    fn take_content(&mut self) -> bool {
        let Some((octets, content)) = decode(&self.buffer) else { return false };
        self.buffer.drain(..octets);
        self.contents.push(content);
        true
    }

    /// Plays one step; false: it has to wait.
    fn play(&mut self, now: Instant, said: &mut Vec<u8>) -> bool {
        let Some(step) = self.steps.front().cloned() else { return false };
        let done = match step {
            Step::Say(octets) => {
                said.extend_from_slice(&octets);
                true
            }
            Step::Line(line) | Step::Octets(line) => self.take(&line, false),
            Step::Prefix(prefix) => self.take(&prefix, true),
            Step::Content => self.take_content(),
            Step::Wait(duration) | Step::Nap(duration) => {
                self.stalled = matches!(step, Step::Nap(_));
                let until = *self.waiting.get_or_insert(now + duration);
                self.wake = (until > now).then_some(until);
                if until <= now {
                    (self.waiting, self.stalled) = (None, false);
                }
                until <= now
            }
            Step::Tls | Step::Silence | Step::Gone => {
                if !self.buffer.is_empty() && step != Step::Tls {
                    let said = self.buffer.escape_ascii().to_string();
                    self.fail(format!("the client should be gone, but said \"{said}\""));
                }
                false
            }
            Step::Stall => {
                self.stalled = true;
                true
            }
            Step::Close | Step::Reset => {
                self.hung_up = Some(if step == Step::Close { HangUp::Close } else { HangUp::Reset });
                true
            }
        };
        if done {
            self.steps.pop_front();
            self.done += 1;
        }
        done
    }
}

impl Peer for Script {
    fn receive(&mut self, _now: Instant, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    fn speak(&mut self, now: Instant) -> Vec<u8> {
        let mut said = Vec::new();
        while self.hung_up.is_none() && self.play(now, &mut said) {}
        said
    }

    fn wakeup(&self) -> Option<Instant> {
        self.wake
    }

    fn hung_up(&self) -> Option<HangUp> {
        self.hung_up
    }

    fn reads(&self) -> bool {
        !self.stalled
    }

    fn wants_tls(&self) -> bool {
        self.steps.front() == Some(&Step::Tls)
    }

    fn tls_established(&mut self) {
        if self.wants_tls() {
            self.steps.pop_front();
            self.done += 1;
        }
    }

    fn client_gone(&mut self) -> Vec<String> {
        let left_first = self.hung_up.is_some();
        let mut said = Vec::new();
        while self.hung_up.is_none() && self.play(Instant::now(), &mut said) {}
        self.steps.retain(|step| !matches!(step, Step::Gone | Step::Silence | Step::Close | Step::Reset));
        if let Some(step) = self.steps.front().filter(|_| self.failed.is_empty()).cloned() {
            self.fail(format!("the client left where {step:?} was due"));
        }
        if !self.buffer.is_empty() && self.failed.is_empty() && !left_first {
            let said = self.buffer.escape_ascii().to_string();
            self.fail(format!("left over from the client: \"{said}\""));
        }
        std::mem::take(&mut self.failed)
    }
}

/// The content in front of `wire`: octets up to and including the end mark, and what a receiver makes of it.
#[must_use]
pub fn decode(wire: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut content = Vec::new();
    let mut rest = wire;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let (line, behind) = rest.split_at(end);
        if line == b".\r\n" {
            return Some((wire.len() - behind.len(), content));
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = behind;
    }
}

fn step(line: &str) -> Step {
    let (mark, text) = line.split_at(2);
    let text = text.strip_prefix(' ').unwrap_or(text);
    let with_end = |text: &str| [text.as_bytes(), b"\r\n"].concat();
    match (mark, text.split_whitespace().next().unwrap_or_default()) {
        ("S:", _) => Step::Say(with_end(text)),
        ("S|", _) => Step::Say(unescape(text)),
        ("C:", _) => Step::Line(with_end(text)),
        ("C~", _) => Step::Prefix(text.as_bytes().to_vec()),
        ("C|", _) => Step::Octets(unescape(text)),
        ("*:", "content") => Step::Content,
        ("*:", "wait") => Step::Wait(duration(text)),
        ("*:", "nap") => Step::Nap(duration(text)),
        ("*:", "tls") => Step::Tls,
        ("*:", "stall") => Step::Stall,
        ("*:", "silence") => Step::Silence,
        ("*:", "close") => Step::Close,
        ("*:", "reset") => Step::Reset,
        ("*:", "gone") => Step::Gone,
        _ => panic!("not a step: {line}"),
    }
}

fn duration(text: &str) -> Duration {
    let seconds =
        text.split(' ').nth(1).and_then(|text| text.trim().strip_suffix('s')).and_then(|n| n.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("not a time: {text}")))
}

/// `\r`, `\n`, `\0`, `\\` and `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match (octet, octet == b'\\') {
            (_, true) => match rest.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b'0') => 0,
                Some(b'x') => {
                    let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                    u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap_or_default()
                }
                other => other.unwrap_or(b'\\'),
            },
            (octet, false) => octet,
        });
    }
    octets
}
