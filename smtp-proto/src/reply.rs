//! Replies: what a server says, and how it is read (RFC 5321 §4.2).
//!
//! A [`Parser`] turns octets into [`Reply`] values and nothing else: what a reply *means* depends on the
//! command it answers and is decided elsewhere. Decisions rest on [`Reply::code`] alone, never on the text
//! (SPEC R33).
//!
//! ```
//! use smtp_proto::reply::{Limits, Parser, Severity};
//!
//! let mut parser = Parser::new();
//! let input = b"550-5.1.1 No such user\r\n550 5.1.1 Ask the postmaster\r\n220 next";
//! let (used, reply) = parser.parse(input, &Limits::NORMAL)?;
//! let reply = reply.expect("the reply is complete");
//! assert_eq!(used, input.len() - "220 next".len());
//! assert_eq!(reply.severity(), Severity::Permanent);
//! assert_eq!(reply.text(), "No such user\nAsk the postmaster");
//! assert_eq!(reply.to_string(), r"550 5.1.1 No such user\nAsk the postmaster");
//! # Ok::<(), smtp_proto::reply::ReplyError>(())
//! ```

mod code;
mod parser;
#[cfg(test)]
mod tests;
mod text;

use std::{fmt, sync::Arc};

pub use code::{Code, EnhancedCode, Severity};
pub use parser::{Limits, Parser, ReplyError};

/// Octets from outside as one line of text: UTF-8 kept, controls and other octets escaped, cut where too long (N34).
pub(crate) fn escape(octets: &[u8]) -> String {
    text::render(octets.split(|octet| *octet == b'\n'), "\\n")
}

/// Octets of a reply that a report keeps.
const MAX_KEPT: usize = 4096;

/// One complete reply.
///
/// Its text holds neither CR nor NUL, whoever made it: the parser refuses them and the constructors
/// escape them, so that no text can pass for a second reply. Other controls are kept as received and
/// escaped on the way out (SPEC R44).
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    bare_lf: bool,
    /// The lines' texts as received (enhanced code included), joined by LF.
    ///
    /// Shared: one refusal of MAIL is the answer for every recipient, and must not cost its length for each.
    text: Arc<[u8]>,
}

impl Reply {
    /// A reply made here (tests, the server side).
    ///
    /// `text` may hold several lines joined by `\n` or `\r\n`, enhanced codes included; any other CR, and
    /// NUL, is kept visible as `\x0d` or `\x00`.
    pub fn new(code: Code, text: impl Into<Vec<u8>>) -> Self {
        Self { code, bare_lf: false, text: text::without_line_breaks(text.into()).into() }
    }

    /// A reply made here whose every line starts with `enhanced` (RFC 2034 §4); `text` as in [`Reply::new`].
    ///
    /// The class written is the first digit of `code`, whatever `enhanced.class` says, because the two must
    /// agree. A 3yz code carries no enhanced code (RFC 2034 §3), so there it is left out.
    pub fn with_enhanced(code: Code, enhanced: EnhancedCode, text: impl Into<Vec<u8>>) -> Self {
        let plain = Self::new(code, text);
        if code.severity() == Severity::Intermediate {
            return plain;
        }
        let prefix = EnhancedCode { class: code.class(), ..enhanced }.to_string();
        let mut marked = Vec::with_capacity(plain.text.len() + prefix.len() + 1);
        for (index, line) in plain.lines().enumerate() {
            if index > 0 {
                marked.push(b'\n');
            }
            marked.extend_from_slice(prefix.as_bytes());
            marked.push(b' ');
            marked.extend_from_slice(line);
        }
        Self { code, bare_lf: false, text: marked.into() }
    }

    /// The code all its lines carry.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the first digit of the code says (RFC 5321 §4.2.1).
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// The first enhanced code in the text (RFC 2034 §4).
    ///
    /// Only one of class 2, 4 or 5 that equals the first digit of the code counts (SPEC R190, R191). Lines
    /// without one are passed over, so that a code given only on the last line is not lost; where lines
    /// differ the first one is taken (R192). Greetings and hello replies carry none; do not ask them.
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.lines().find_map(|line| self.split_enhanced(line).0)
    }

    /// The enhanced code, or `X.0.0` with X the first digit of the code where the server gave none.
    ///
    /// It is synthetic exactly when [`Reply::enhanced`] is `None` (SPEC M97).
    #[must_use]
    pub fn enhanced_or_generic(&self) -> EnhancedCode {
        self.enhanced().unwrap_or_else(|| EnhancedCode::new(self.code.class(), 0, 0))
    }

    /// The lines as received, without code, separator and line end; enhanced codes left in.
    ///
    /// At least one, possibly empty. May hold any octet but CR, LF and NUL: escape before logging.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|octet| *octet == b'\n')
    }

    /// The text for people: enhanced codes stripped from each line, lines joined by LF.
    ///
    /// Valid UTF-8 is kept; other octets, controls and characters that reorder or break lines are escaped
    /// as `\x1b` or `\u{202e}`. Cut, with a mark, at 20 lines or 2 KiB (SPEC N34, R44, M98).
    #[must_use]
    pub fn text(&self) -> String {
        self.render("\n")
    }

    /// Whether a line ended in LF without CR, which is tolerated but worth a notice (SPEC R43).
    ///
    /// Part of equality: the same words with other line ends are another reply.
    #[must_use]
    pub fn bare_lf(&self) -> bool {
        self.bare_lf
    }

    /// This reply to RCPT read as "too many recipients", which is temporary: `452 4.5.3` (RFC 5321 §4.5.3.1.10).
    ///
    /// Only a 552 whose enhanced code is absent or X.5.3 is rewritten, for an oversize `552 5.3.4` must stay
    /// permanent; `None` where the rule does not apply (SPEC D9). To be asked for replies to RCPT alone.
    #[must_use]
    pub fn too_many_recipients(&self) -> Option<Self> {
        if self.code != Code::EXCEEDED_STORAGE {
            return None;
        }
        if self.enhanced().is_some_and(|code| (code.subject, code.detail) != (5, 3)) {
            return None;
        }
        let mut bare = Vec::with_capacity(self.text.len());
        for (index, line) in self.plain_lines().enumerate() {
            if index > 0 {
                bare.push(b'\n');
            }
            bare.extend_from_slice(line);
        }
        let rewritten = Self::with_enhanced(Code::INSUFFICIENT_STORAGE, EnhancedCode::new(4, 5, 3), bare);
        Some(Self { bare_lf: self.bare_lf, ..rewritten })
    }

    /// Appends the wire form, `250-first CRLF 250 last CRLF`, to `out` (server side, tests).
    ///
    /// Controls other than HTAB are written as `\x1b` (RFC 5321 §4.2 allows none; SPEC R44), so reading
    /// the octets back gives an equal reply unless its text held such controls. An empty last line keeps
    /// its blank.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let mut lines = self.lines().peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { b'-' } else { b' ' };
            out.extend_from_slice(&self.code.digits());
            out.push(separator);
            text::write_without_controls(line, out);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// As much as outlives the dialogue: a report has a reply for every recipient, and people are shown less than this (N34).
    pub(crate) fn shortened(self) -> Self {
        match self.text.get(..MAX_KEPT) {
            Some(kept) if self.text.len() > MAX_KEPT => Self { text: kept.into(), ..self },
            _ => self,
        }
    }

    /// For the parser alone, whose `text` holds no CR and no NUL.
    fn parsed(code: Code, bare_lf: bool, text: Arc<[u8]>) -> Self {
        Self { code, bare_lf, text }
    }

    /// The lines without their enhanced codes.
    fn plain_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines().map(|line| self.split_enhanced(line).1)
    }

    /// A line's enhanced code, if it agrees with the reply's code (R190), and the rest of the line.
    fn split_enhanced<'a>(&self, line: &'a [u8]) -> (Option<EnhancedCode>, &'a [u8]) {
        match EnhancedCode::split_from(line) {
            Some((enhanced, rest)) if enhanced.class == self.code.class() => (Some(enhanced), rest),
            _ => (None, line),
        }
    }

    fn render(&self, line_break: &str) -> String {
        text::render(self.plain_lines(), line_break)
    }
}

/// `250 2.1.0 text` on one line, lines joined by a written `\n`, escaped and cut as [`Reply::text`] is:
/// it cannot forge log lines.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced() {
            write!(f, " {enhanced}")?;
        }
        let text = self.render("\\n");
        if text.is_empty() { Ok(()) } else { write!(f, " {text}") }
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
