//! Replies: what a server says, and how it is read (RFC 5321 §4.2).

mod parser;

use std::fmt;

pub use parser::{Limits, Parser, ReplyError};

/// A three-digit reply code, 200 to 599 (RFC 5321 §4.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(u16);

impl Code {
    /// A code from its number: first digit 2-5, second digit 0-5... (R30, R35).
    #[must_use]
    pub const fn new(_number: u16) -> Option<Self> {
        todo!()
    }
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
    /// The meaning of its first digit (R34).
    #[must_use]
    pub const fn severity(self) -> Severity {
        todo!()
    }
}
// Debug + Display print the number.

/// What the first digit says (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// 2yz
    Positive,
    /// 3yz
    Intermediate,
    /// 4yz
    Transient,
    /// 5yz
    Permanent,
}

/// An enhanced status code, `class.subject.detail` (RFC 3463 §2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnhancedCode {
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

impl EnhancedCode {
    pub const fn new(_class: u8, _subject: u16, _detail: u16) -> Self {
        todo!()
    }
}

/// One complete reply.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    text: Box<[u8]>, // the lines' texts as received (enhanced code included), joined by LF
}

impl Reply {
    /// A reply made here (tests, the server side): `text` may hold several lines joined by `\n`.
    pub fn new(_code: Code, _text: impl Into<Vec<u8>>) -> Self {
        todo!()
    }
    pub fn code(&self) -> Code {
        self.code
    }
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
    /// First line's enhanced code; only class 2/4/5 and equal to the first digit of the code (R190-R192).
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        todo!()
    }
    /// The lines as received, without code and separator; enhanced codes left in.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|b| *b == b'\n')
    }
    /// Human text: enhanced code stripped from each line, lines joined by LF, non-ASCII kept if valid UTF-8 else escaped,
    /// controls escaped, cut at 20 lines / 2 KiB with a mark (N34, R44, M98).
    pub fn text(&self) -> String {
        todo!()
    }
    /// 552 to RCPT with no enhanced code or X.5.3 becomes 452 (4.5.3) (D9); None where the rule does not apply
    pub fn too_many_recipients(&self) -> Option<Self> {
        todo!()
    }
    /// The wire form: `250-first CRLF 250 last CRLF` (server side, tests)
    pub fn write_to(&self, _out: &mut Vec<u8>) {
        todo!()
    }
}
// Debug/Display: "250 2.1.0 text" one line, escaped, cannot forge log lines.

impl fmt::Debug for Reply {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
