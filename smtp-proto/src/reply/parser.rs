use super::Reply;

/// Bounds on one reply (N30-N33).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Octets per line, line end included.
    pub line: usize,
    /// Lines per reply.
    pub lines: usize,
    /// Octets per reply, all lines.
    pub octets: usize,
}

impl Limits {
    /// Ordinary replies: 4096 / 128 / 64 KiB (N30, N32, N33).
    pub const NORMAL: Self = Self { line: 4096, lines: 128, octets: 65536 };
    /// EHLO and LHLO: 256 lines (N32).
    pub const HELLO: Self = Self { line: 4096, lines: 256, octets: 65536 };
    /// AUTH challenges: 16384 octets a line (N31).
    pub const CHALLENGE: Self = Self { line: 16384, lines: 128, octets: 65536 };
}

/// Why the octets are no reply (thiserror; each says what was expected; sticky in the connection).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// e.g. variants: Code (not three digits 2-5/0-5/0-9), Separator, MixedCodes{first, then}, LineTooLong{limit}, TooManyLines{limit},
    /// TooLong{limit}, BareCr, Nul
    Placeholder,
}

/// The incremental reply parser.
///
/// Allocates nothing until a reply is complete when all its octets are in one input; otherwise keeps only what the limits allow.
#[derive(Debug, Default)]
pub struct Parser {}

impl Parser {
    /// A parser at the start of a reply.
    pub fn new() -> Self {
        Self::default()
    }
    /// Reads at most one reply from the front of `input`: octets consumed, and the reply once complete.
    /// Consumes all of `input` when the reply is not complete.
    pub fn parse(&mut self, _input: &[u8], _limits: &Limits) -> Result<(usize, Option<Reply>), ReplyError> {
        todo!()
    }
    /// No part of a reply is held.
    pub fn is_empty(&self) -> bool {
        todo!()
    }
}
