//! Reading replies.
//!
//! There are two readers. [`whole`] takes a reply that lies complete and faultless in one input, which is
//! nearly every reply: one search per line, one allocation. Whatever it does not like, it leaves untouched
//! to [`Parser::octet`], which goes octet by octet (text in runs), survives any splitting and is the only
//! one to name errors. So an error never depends on how the octets arrived.

#[cfg(test)]
mod tests;

use std::fmt;

use memchr::memchr3;

use super::{Code, Reply};

/// Bounds on one reply (SPEC N30-N33, N35).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets per line, code and line end included.
    pub line: usize,
    /// Lines per reply.
    pub lines: usize,
    /// Octets per reply, all lines.
    pub octets: usize,
}

impl Limits {
    /// Greetings and ordinary replies: 4096 / 128 / 64 KiB (N30, N32, N33, N35).
    ///
    /// RFC 5321 §4.5.3.1.5 asks for 512 octets a line; servers send more (R42).
    pub const NORMAL: Self = Self { line: 4096, lines: 128, octets: 65536 };
    /// EHLO and LHLO: 256 lines (N32).
    pub const HELLO: Self = Self { line: 4096, lines: 256, octets: 65536 };
    /// AUTH challenges: 16384 octets a line (N31).
    pub const CHALLENGE: Self = Self { line: 16384, lines: 128, octets: 65536 };
}

/// Why the octets are no reply: the server's fault, and the end of the dialogue.
///
/// Lines are counted from 1 within the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// A line does not start with three digits, the first of them 2 to 5 (R30, R35).
    #[error(
        "line {line} of the reply has '{}' where the reply code, 200 to 599, was expected; \
         check that the server speaks SMTP or LMTP on this port", octet.escape_ascii()
    )]
    Code {
        /// The line.
        line: usize,
        /// The first octet that does not fit.
        octet: u8,
    },
    /// Behind the code comes neither a blank nor a hyphen nor the line's end (R30, R31).
    #[error(
        "line {line} of the reply has '{}' behind its code, where a blank or '-' was expected",
        octet.escape_ascii()
    )]
    Separator {
        /// The line.
        line: usize,
        /// The octet found.
        octet: u8,
    },
    /// The lines of one reply carry different codes (R32, RFC 5321 §4.2.1).
    #[error(
        "the reply begins with code {first}, but its line {line} has code {then}; all lines must have the same"
    )]
    MixedCodes {
        /// The line.
        line: usize,
        /// The code of the first line.
        first: Code,
        /// The code of this line.
        then: Code,
    },
    /// A CR that no LF follows (D32).
    #[error("line {line} of the reply has a CR not followed by LF; lines must end in CRLF")]
    BareCr {
        /// The line.
        line: usize,
    },
    /// A NUL in the text (D32).
    #[error("line {line} of the reply contains a NUL; text without NUL was expected")]
    Nul {
        /// The line.
        line: usize,
    },
    /// A line is longer than [`Limits::line`] (N30, N31).
    #[error("a line of the reply is longer than {limit} octets; raise the limit if the server is trusted")]
    LineTooLong {
        /// The limit, in octets.
        limit: usize,
    },
    /// There are more lines than [`Limits::lines`] (N32).
    #[error("the reply has more than {limit} lines; raise the limit if the server is trusted")]
    TooManyLines {
        /// The limit, in lines.
        limit: usize,
    },
    /// The reply is longer than [`Limits::octets`] (N33).
    #[error("the reply is longer than {limit} octets; raise the limit if the server is trusted")]
    TooLong {
        /// The limit, in octets.
        limit: usize,
    },
}

/// The incremental reply parser.
///
/// It allocates nothing until a reply is complete when all its octets are in one input; otherwise it keeps
/// the text so far, never more than the limits allow. Between replies it holds no heap.
#[derive(Clone, Default)]
pub struct Parser {
    /// Why it stopped for good.
    error: Option<ReplyError>,
    /// Octets of the reply read so far.
    octets: usize,
    /// Complete lines of the reply read so far.
    lines: usize,
    /// Octets of the current line read so far.
    line: usize,
    /// The digits of the current line's code.
    digits: [u8; 3],
    /// The code of the first line.
    code: Option<Code>,
    /// The current line has a hyphen behind its code: another one follows.
    more: bool,
    /// The last octet was a CR, which only LF may follow.
    cr: bool,
    bare_lf: bool,
    text: Vec<u8>,
}

impl Parser {
    /// A parser at the start of a reply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads at most one reply from the front of `input`: octets consumed, and the reply once complete.
    ///
    /// Consumes all of `input` when the reply is not complete; octets behind a complete reply are left.
    /// Text lacking its line end when the stream closes is no reply (SPEC D32).
    ///
    /// # Errors
    ///
    /// [`ReplyError`] as soon as the octets so far cannot become a reply within `limits`, without waiting
    /// for the line's end. The stream is then out of step for good: every later call returns the same.
    pub fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Option<Reply>), ReplyError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.octets == 0
            && let Some((used, reply)) = whole(input, limits)
        {
            return Ok((used, Some(reply)));
        }
        self.resume(input, limits).inspect_err(|error| {
            *self = Self { error: Some(*error), ..Self::default() };
        })
    }

    /// No part of a reply is held, and none was broken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets == 0 && self.error.is_none()
    }

    fn resume(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Option<Reply>), ReplyError> {
        let mut rest = input;
        loop {
            rest = self.run(rest, limits);
            let Some((octet, behind)) = rest.split_first() else { return Ok((input.len(), None)) };
            rest = behind;
            if let Some(reply) = self.octet(*octet, limits)? {
                return Ok((input.len() - rest.len(), Some(reply)));
            }
        }
    }

    /// Takes the plain text in front, as far as the limits reach; returns what is left.
    fn run<'a>(&mut self, input: &'a [u8], limits: &Limits) -> &'a [u8] {
        if self.line <= self.digits.len() || self.cr {
            return input;
        }
        let room = limits.line.saturating_sub(self.line).min(limits.octets.saturating_sub(self.octets));
        let window = input.get(..room).unwrap_or(input);
        let length = memchr3(b'\r', b'\n', b'\0', window).unwrap_or(window.len());
        let (text, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
        self.keep(text, limits);
        self.line += text.len();
        self.octets += text.len();
        rest
    }

    /// Takes one octet; the reply if it was the last one.
    fn octet(&mut self, octet: u8, limits: &Limits) -> Result<Option<Reply>, ReplyError> {
        if self.line == 0 && self.lines >= limits.lines {
            return Err(ReplyError::TooManyLines { limit: limits.lines });
        }
        if self.line >= limits.line {
            return Err(ReplyError::LineTooLong { limit: limits.line });
        }
        if self.octets >= limits.octets {
            return Err(ReplyError::TooLong { limit: limits.octets });
        }
        let line = self.lines + 1;
        let position = self.line;
        self.line += 1;
        self.octets += 1;
        if let Some(digit) = self.digits.get_mut(position) {
            // R35: what the first digit says must be known.
            let fits = if position == 0 { matches!(octet, b'2'..=b'5') } else { octet.is_ascii_digit() };
            if !fits {
                return Err(ReplyError::Code { line, octet });
            }
            *digit = octet;
            if position == 2 {
                self.code_read(limits)?;
            }
            return Ok(None);
        }
        match octet {
            b'\n' => {
                self.bare_lf |= !self.cr; // R43
                return Ok(self.line_read());
            }
            _ if self.cr => return Err(ReplyError::BareCr { line }),
            b'\r' => self.cr = true, // its meaning waits for the next octet
            b'\0' => return Err(ReplyError::Nul { line }),
            b'-' if position == 3 => self.more = true,
            b' ' if position == 3 => {}
            _ if position == 3 => return Err(ReplyError::Separator { line, octet }),
            _ => self.keep(&[octet], limits),
        }
        Ok(None)
    }

    /// The three digits of a line are there.
    fn code_read(&mut self, limits: &Limits) -> Result<(), ReplyError> {
        let Some(then) = Code::from_digits(self.digits) else {
            // Unreachable: the digits were checked one by one.
            return Err(ReplyError::Code { line: self.lines + 1, octet: self.digits[2] });
        };
        match self.code {
            None => self.code = Some(then),
            Some(first) if first != then => {
                return Err(ReplyError::MixedCodes { line: self.lines + 1, first, then }); // R32
            }
            Some(_) => self.keep(b"\n", limits),
        }
        Ok(())
    }

    /// The end of a line is there; the reply if it was the last line.
    fn line_read(&mut self) -> Option<Reply> {
        if !self.more {
            let Self { code, bare_lf, text, .. } = std::mem::take(self);
            return code.map(|code| Reply::parsed(code, bare_lf, text.into()));
        }
        self.lines += 1;
        self.line = 0;
        self.more = false;
        self.cr = false;
        None
    }

    /// Appends to the text, doubling its room but never beyond what the limits let it need.
    fn keep(&mut self, text: &[u8], limits: &Limits) {
        let needed = self.text.len() + text.len();
        if needed > self.text.capacity() {
            let target = (self.text.capacity() * 2).max(64).min(limits.octets).max(needed);
            self.text.reserve_exact(target - self.text.len());
        }
        self.text.extend_from_slice(text);
    }
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("error", &self.error)
            .field("octets", &self.octets)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

/// The reply in front of `input` and its length, if it is complete and without fault.
fn whole(input: &[u8], limits: &Limits) -> Option<(usize, Reply)> {
    let first = Line::split_from(input, limits)?;
    if !first.more {
        let used = input.len() - first.rest.len();
        let within = used <= limits.octets && limits.lines > 0;
        return within.then(|| (used, Reply::parsed(first.code, first.bare_lf, first.text.into())));
    }
    // Where the lines are is remembered for as many as most replies have; the others are found again.
    let mut texts = [&[] as &[u8]; REMEMBERED];
    let mut beyond = None;
    let mut size = 0;
    let mut lines = 0;
    let mut bare_lf = false;
    let mut line = first;
    loop {
        match texts.get_mut(lines) {
            Some(text) => *text = line.text,
            None => beyond = beyond.or(Some(line)),
        }
        size += line.text.len() + 1;
        lines += 1;
        bare_lf |= line.bare_lf;
        if !line.more {
            break;
        }
        line = Line::split_from(line.rest, limits).filter(|next| next.code == first.code)?;
    }
    let used = input.len() - line.rest.len();
    if used > limits.octets || lines > limits.lines {
        return None;
    }
    let mut text = Vec::with_capacity(size - 1);
    text.extend_from_slice(first.text);
    for line in texts.iter().take(lines).skip(1) {
        text.push(b'\n');
        text.extend_from_slice(line);
    }
    while let Some(line) = beyond {
        text.push(b'\n');
        text.extend_from_slice(line.text);
        beyond = if line.more { Line::split_from(line.rest, limits) } else { None };
    }
    Some((used, Reply::parsed(first.code, bare_lf, text.into())))
}

/// Lines of a reply whose places [`whole`] remembers.
const REMEMBERED: usize = 16;

/// One complete line and what follows it.
#[derive(Clone, Copy)]
struct Line<'a> {
    code: Code,
    more: bool,
    bare_lf: bool,
    text: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Line<'a> {
    #[inline]
    fn split_from(input: &'a [u8], limits: &Limits) -> Option<Self> {
        let (digits, behind) = input.split_first_chunk::<3>()?;
        let code = Code::from_digits(*digits)?;
        let (more, tail) = match behind {
            [b'-', tail @ ..] => (true, tail),
            [b' ', tail @ ..] => (false, tail),
            [b'\r' | b'\n', ..] => (false, behind), // R31
            _ => return None,
        };
        let (text, end) = tail.split_at_checked(memchr3(b'\r', b'\n', b'\0', tail)?)?;
        let (bare_lf, rest) = match end {
            [b'\r', b'\n', rest @ ..] => (false, rest),
            [b'\n', rest @ ..] => (true, rest),
            _ => return None,
        };
        let within = input.len() - rest.len() <= limits.line;
        within.then_some(Self { code, more, bare_lf, text, rest })
    }
}
