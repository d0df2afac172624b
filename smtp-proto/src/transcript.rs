//! The dialogue as it was, secrets redacted: the only log of the wire (R133).

use std::{collections::VecDeque, fmt, time::Instant};

/// Who spoke, or what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// The client: `C:`.
    Client,
    /// The server: `S:`.
    Server,
    /// Neither: a handshake, a loss, a decision: `*:`.
    Note,
}

/// One line of the dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// When.
    pub at: Instant,
    /// Who.
    pub direction: Direction,
    /// The line without its end, escaped, secrets redacted.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.direction {
            Direction::Client => "C:",
            Direction::Server => "S:",
            Direction::Note => "*:",
        };
        write!(f, "{mark} {}", self.text)
    }
}

/// Lines kept for a driver that does not fetch them; then the oldest go.
pub(crate) const KEPT: usize = 4096;

/// The recorder; records nothing unless enabled.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    enabled: bool,
    lines: VecDeque<Line>,
    content: u64,
}

impl Transcript {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled, ..Self::default() }
    }

    pub(crate) fn note(&mut self, at: Instant, text: impl FnOnce() -> String) {
        self.push(at, Direction::Note, text);
    }

    /// Records a command line: all of it, or `redacted` in its place.
    pub(crate) fn client(&mut self, at: Instant, line: &[u8], redacted: Option<&str>) {
        self.push(at, Direction::Client, || {
            redacted.map_or_else(|| crate::reply::escape(line.trim_ascii_end()), str::to_owned)
        });
    }

    pub(crate) fn server(&mut self, at: Instant, reply: &crate::reply::Reply) {
        if !self.enabled {
            return;
        }
        let mut wire = Vec::new();
        reply.write_to(&mut wire);
        for line in wire.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            self.push(at, Direction::Server, || crate::reply::escape(line.trim_ascii_end()));
        }
    }

    pub(crate) fn content(&mut self, octets: usize) {
        self.content += octets as u64;
    }

    /// The octets of a chunk, as their number only.
    pub(crate) fn end_of_chunk(&mut self, at: Instant) {
        let octets = std::mem::take(&mut self.content);
        if octets > 0 {
            self.push(at, Direction::Client, || format!("[{octets} octets of content]"));
        }
    }

    /// Content is recorded as its length only.
    pub(crate) fn end_of_content(&mut self, at: Instant) {
        let octets = std::mem::take(&mut self.content);
        self.push(at, Direction::Client, || format!("[{octets} octets of content]"));
        self.push(at, Direction::Client, || ".".to_owned());
    }

    pub(crate) fn poll(&mut self) -> Option<Line> {
        self.lines.pop_front()
    }

    fn push(&mut self, at: Instant, direction: Direction, text: impl FnOnce() -> String) {
        if !self.enabled {
            return;
        }
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { at, direction, text: text() });
    }
}
