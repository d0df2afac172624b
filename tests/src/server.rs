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
//! | `*: chunk` | the client sends as many octets as its last BDAT announced; with LAST, all chunks go to [`Script::contents`] |
//! | `*: cut off` | content comes in part or not at all, without end mark, and the client goes |
//! | `*: wait 90s` | the server does nothing for so long; `5m` are minutes |
//! | `*: nap 90s` | the same, and it reads nothing meanwhile |
//! | `*: tls` | TLS begins ([`Secure`](crate::Secure) takes it from there) |
//! | `*: tls fails` | the client begins TLS, and it must not come about |
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
    /// What a judge inside objects to.
    fn objections(&self) -> Vec<String> {
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
    fn objections(&self) -> Vec<String> {
        (**self).objections()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Say(Vec<u8>),
    Line(Vec<u8>),
    Prefix(Vec<u8>),
    Octets(Vec<u8>),
    Content,
    Chunk,
    CutOff,
    Wait(Duration),
    Nap(Duration),
    Tls,
    TlsFails,
    Stall,
    Silence,
    Close,
    Reset,
    Gone,
}

/// Where the client did something else than the dialogue says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Index of the step that did not come about.
    pub step: usize,
    /// What came in its place, in the notation of a dialogue.
    pub got: String,
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
    /// What the last BDAT announced, and whether it is the last of its message.
    announced: (usize, bool),
    chunks: Vec<u8>,
    /// The first departure from the dialogue.
    pub mismatch: Option<Mismatch>,
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
        let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty());
        Self::of_lines(lines).unwrap_or_else(|amiss| panic!("{amiss}"))
    }

    /// The dialogue of these lines, each of them a step.
    ///
    /// # Errors
    /// The line that is none of those above.
    pub fn of_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        Ok(Self {
            steps: lines.into_iter().map(step).collect::<Result<_, _>>()?,
            done: 0,
            buffer: Vec::new(),
            waiting: None,
            wake: None,
            hung_up: None,
            stalled: false,
            failed: Vec::new(),
            announced: (0, false),
            chunks: Vec::new(),
            mismatch: None,
            contents: Vec::new(),
        })
    }

    /// Every step has come about: what the client said behind them, taken out.
    pub fn played(&mut self) -> Option<Vec<u8>> {
        let played = self.steps.is_empty() && self.mismatch.is_none() && self.hung_up.is_none();
        played.then(|| std::mem::take(&mut self.buffer))
    }

    fn fail(&mut self, what: String, got: String) {
        self.mismatch.get_or_insert(Mismatch { step: self.done, got });
        self.failed.push(format!("step {}: {what}", self.done + 1));
        self.steps.clear();
        self.hung_up = Some(HangUp::Close);
    }

    /// Takes `expected` from what was received; false: wait for more.
    fn take(&mut self, expected: &[u8], whole_line: bool) -> bool {
        let have = self.buffer.len().min(expected.len());
        if self.buffer[..have] != expected[..have] {
            let line = self.buffer.split_inclusive(|octet| *octet == b'\n').next().unwrap_or_default();
            let got = notation(line);
            self.fail(
                format!("expected \"{}\", got \"{}\"", expected.escape_ascii(), line.escape_ascii()),
                got,
            );
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
        let line: Vec<u8> = self.buffer.drain(..end).collect();
        if let Some(announced) = announced(&line) {
            self.announced = announced;
        }
        true
    }

    fn take_chunk(&mut self) -> bool {
        let (octets, last) = self.announced;
        if self.buffer.len() < octets {
            return false;
        }
        self.chunks.extend(self.buffer.drain(..octets));
        if last {
            self.contents.push(std::mem::take(&mut self.chunks));
        }
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
            Step::Chunk => self.take_chunk(),
            Step::Wait(duration) | Step::Nap(duration) => {
                self.stalled = matches!(step, Step::Nap(_));
                let until = *self.waiting.get_or_insert(now + duration);
                self.wake = (until > now).then_some(until);
                if until <= now {
                    (self.waiting, self.stalled) = (None, false);
                }
                until <= now
            }
            Step::Tls | Step::TlsFails | Step::Silence | Step::Gone => {
                if !self.buffer.is_empty() && matches!(step, Step::Silence | Step::Gone) {
                    let said = self.buffer.escape_ascii().to_string();
                    let got = notation(&self.buffer);
                    self.fail(format!("the client should be gone, but said \"{said}\""), got);
                }
                false
            }
            Step::CutOff => {
                if decode(&self.buffer).is_some() || self.buffer.ends_with(b"QUIT\r\n") {
                    let got = notation(&self.buffer);
                    self.fail("the content should be cut off, without end mark and QUIT".to_owned(), got);
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
        matches!(self.steps.front(), Some(Step::Tls | Step::TlsFails))
    }

    fn tls_established(&mut self) {
        if self.steps.front() == Some(&Step::TlsFails) {
            self.fail("TLS came about".to_owned(), "*: tls".to_owned());
        } else if self.wants_tls() {
            self.steps.pop_front();
            self.done += 1;
        }
    }

    fn client_gone(&mut self) -> Vec<String> {
        let left_first = self.hung_up.is_some();
        let mut said = Vec::new();
        while self.hung_up.is_none() && self.play(Instant::now(), &mut said) {}
        if self.steps.front() == Some(&Step::CutOff) {
            self.buffer.clear();
        }
        let endings = [Step::CutOff, Step::Gone, Step::Silence, Step::Close, Step::Reset, Step::TlsFails];
        self.steps.retain(|step| !endings.contains(step));
        if let Some(step) = self.steps.front().filter(|_| self.failed.is_empty()).cloned() {
            self.fail(format!("the client left where {step:?} was due"), "*: gone".to_owned());
        }
        if !self.buffer.is_empty() && self.failed.is_empty() && !left_first {
            let said = self.buffer.escape_ascii().to_string();
            let got = notation(&self.buffer);
            self.fail(format!("left over from the client: \"{said}\""), got);
        }
        std::mem::take(&mut self.failed)
    }
}

/// `BDAT`'s octets, and whether it is the last.
#[must_use]
pub fn announced(line: &[u8]) -> Option<(usize, bool)> {
    let line = std::str::from_utf8(line).ok()?.trim_ascii_end();
    let mut words = line.strip_prefix("BDAT ")?.split(' ');
    let octets = words.next()?.parse().ok()?;
    Some((octets, words.next() == Some("LAST")))
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

/// Octets of the client's as steps.
fn notation(octets: &[u8]) -> String {
    let line = |line: &[u8]| match line.strip_suffix(b"\r\n") {
        Some(text) if text.iter().all(|octet| (b' '..=b'~').contains(octet)) => {
            format!("C: {}", text.escape_ascii())
        }
        _ => format!("C| {}", line.escape_ascii()),
    };
    let lines: Vec<String> = octets.split_inclusive(|octet| *octet == b'\n').map(line).collect();
    lines.join("\n")
}

fn step(line: &str) -> Result<Step, String> {
    let (mark, text) = line.split_at_checked(2).ok_or_else(|| format!("not a step: {line}"))?;
    let text = text.strip_prefix(' ').unwrap_or(text);
    let with_end = |text: &str| [text.as_bytes(), b"\r\n"].concat();
    Ok(match (mark, text.split_whitespace().next().unwrap_or_default()) {
        ("S:", _) => Step::Say(with_end(text)),
        ("S|", _) => Step::Say(unescape(text)),
        ("C:", _) => Step::Line(with_end(text)),
        ("C~", _) => Step::Prefix(text.as_bytes().to_vec()),
        ("C|", _) => Step::Octets(unescape(text)),
        ("*:", "content") => Step::Content,
        ("*:", "chunk") => Step::Chunk,
        ("*:", "cut") => Step::CutOff,
        ("*:", "wait") => Step::Wait(step_duration(text)?),
        ("*:", "nap") => Step::Nap(step_duration(text)?),
        ("*:", "tls") if text.trim_end() == "tls fails" => Step::TlsFails,
        ("*:", "tls") => Step::Tls,
        ("*:", "stall") => Step::Stall,
        ("*:", "silence") => Step::Silence,
        ("*:", "close") => Step::Close,
        ("*:", "reset") => Step::Reset,
        ("*:", "gone") => Step::Gone,
        _ => return Err(format!("not a step: {line}")),
    })
}

fn step_duration(text: &str) -> Result<Duration, String> {
    text.split_whitespace().nth(1).and_then(duration).ok_or_else(|| format!("not a time: {text}"))
}

/// `90s`, `5m`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()? * unit))
}

/// `\r`, `\n`, `\0`, `\\` and `\xNN`.
#[must_use]
pub fn unescape(text: &str) -> Vec<u8> {
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
