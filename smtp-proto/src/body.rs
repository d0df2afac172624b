//! The content on its way to the wire: line ends, dot-stuffing, end mark (RFC 5321 §4.1.1.4, §4.5.2).
//!
//! [`Encoder`] turns the octets of a message into what DATA or BDAT carries; [`Scanner`] reads a message
//! beforehand and tells what a server has to support to take it. Both are the same small machine, so what the
//! one declares (`SIZE=`) the other sends. Neither holds more of the message than one undecided CR, and every
//! split of the content into calls gives the same result.
//!
//! Whatever the source says, the encoded stream has no bare LF, no bare CR (unless [`BareCr::Pass`] asks for
//! it) and, with [`Framing::Dot`], the end mark exactly once: at the end of the content. This is what keeps a
//! message from smuggling a second one past servers that disagree about line ends.
//!
//! Normalising changes octets, and a changed octet breaks a DKIM signature that was made before (W22). Content
//! whose lines already end in CRLF is sent as it is. Header, empty line and body are one stream here: the
//! empty line between them is the source's to write, even if the body is empty (W27).
//!
//! ```
//! use smtp_proto::body::{Encoder, Framing, LineBreaks};
//!
//! let mut wire = Vec::new();
//! let mut encoder = Encoder::new(LineBreaks::default(), Framing::Dot);
//! encoder.encode(b"Subject: dots\r\n\r\n.hid", &mut wire)?;
//! encoder.encode(b"den\nend", &mut wire)?;
//! encoder.finish(&mut wire)?;
//! assert_eq!(wire, b"Subject: dots\r\n\r\n..hidden\r\nend\r\n.\r\n");
//! # Ok::<(), smtp_proto::body::ContentError>(())
//! ```

use self::machine::{Discard, Machine};

mod machine;
mod survey;
mod utf8;

#[cfg(test)]
mod tests;

/// The longest line of text in octets, without CRLF and without a stuffed dot (RFC 5321 §4.5.3.1.6, N16).
pub const MAX_LINE: u64 = 998;

/// What to do with a CR that no LF follows (W19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BareCr {
    /// One blank in its place: keeps the length, ends no line.
    #[default]
    Space,
    /// A line end: what follows starts a line, and a dot there is doubled.
    Crlf,
    /// Refuse the message.
    Reject,
    /// Leave it. Servers that take a CR for a line end can then be tricked into seeing an end mark inside the
    /// content, because a dot behind a bare CR is not doubled (W10, W11): only for peers known to be strict.
    Pass,
}

/// What to do with an LF that no CR precedes (W18, W20). There is no way to pass it on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BareLf {
    /// A line end, as in the files of most systems.
    #[default]
    Crlf,
    /// Refuse the message.
    Reject,
}

/// What to do with NUL octets (W16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nul {
    /// Refuse the message: text has no NUL (RFC 5321 §2.3.8, RFC 2045 §2.7).
    #[default]
    Reject,
    /// Leave it.
    Pass,
}

/// What to do with lines of more than [`MAX_LINE`] octets (W17, R180). They are never folded: that would break
/// signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LongLine {
    /// Leave it; [`Facts::has_long_line`] tells.
    #[default]
    Pass,
    /// Refuse the message.
    Reject,
}

/// How content is made fit for the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineBreaks {
    /// A CR that no LF follows.
    pub bare_cr: BareCr,
    /// An LF that no CR precedes.
    pub bare_lf: BareLf,
    /// An octet of value 0.
    pub nul: Nul,
    /// A line of more than [`MAX_LINE`] octets.
    pub long_line: LongLine,
}

/// Why content cannot be sent as the policy stands.
///
/// Every `offset` counts raw octets of the source from the start of the message and names the first octet
/// refused. If one octet breaks several rules, what it is counts before the line it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// A CR that no LF follows, under [`BareCr::Reject`].
    #[error(
        "content has a CR without LF at octet {offset}; end its lines with CRLF or choose another bare-CR policy"
    )]
    BareCr {
        /// Raw octets before it.
        offset: u64,
    },
    /// An LF that no CR precedes, under [`BareLf::Reject`].
    #[error(
        "content has an LF without CR at octet {offset}; end its lines with CRLF or choose another bare-LF policy"
    )]
    BareLf {
        /// Raw octets before it.
        offset: u64,
    },
    /// A NUL, under [`Nul::Reject`].
    #[error("content has a NUL at octet {offset}; encode it (base64) before it is sent")]
    Nul {
        /// Raw octets before it.
        offset: u64,
    },
    /// The first octet beyond [`MAX_LINE`] in a line, under [`LongLine::Reject`].
    #[error(
        "content has a line of more than 998 octets, passed at octet {offset}; encode it with shorter lines"
    )]
    LongLine {
        /// Raw octets before it.
        offset: u64,
    },
    /// An octet >= 0x80 after [`Encoder::forbid_eight_bit`] (no 8BITMIME, RFC 6152).
    #[error(
        "content has an 8-bit octet at octet {offset}, and the server takes only 7 bits; encode it (quoted-printable, base64)"
    )]
    EightBit {
        /// Raw octets before it.
        offset: u64,
    },
    /// An octet >= 0x80 in the header after [`Encoder::forbid_eight_bit_header`] (no SMTPUTF8, D10).
    #[error(
        "header has an 8-bit octet at octet {offset}, and the server has no SMTPUTF8; encode the field (RFC 2047)"
    )]
    EightBitHeader {
        /// Raw octets before it.
        offset: u64,
    },
    /// The encoder was used after [`Encoder::finish`]: the content has ended at `offset`.
    #[error("content was ended at octet {offset}; use a new encoder for the next message")]
    Finished {
        /// Raw octets of the content.
        offset: u64,
    },
}

impl ContentError {
    /// Raw octets of the source before the one refused.
    pub fn offset(&self) -> u64 {
        match *self {
            Self::BareCr { offset }
            | Self::BareLf { offset }
            | Self::Nul { offset }
            | Self::LongLine { offset }
            | Self::EightBit { offset }
            | Self::EightBitHeader { offset }
            | Self::Finished { offset } => offset,
        }
    }
}

/// DATA or BDAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Dot-stuffed, ended by `.` CRLF (RFC 5321 §4.5.2).
    Dot,
    /// The octets as they are after line-end normalisation; a missing last CRLF is added by
    /// [`Encoder::finish`], so that BDAT delivers what DATA delivers (RFC 3030, W23, W24).
    Counted,
}

/// The one state machine that every content octet passes through.
///
/// Its speed is a pass over memory: content whose lines end in CRLF is checked in blocks and copied in runs.
#[derive(Debug)]
pub struct Encoder {
    machine: Machine,
    framing: Framing,
}

impl Encoder {
    /// An encoder at the start of a message.
    pub fn new(policy: LineBreaks, framing: Framing) -> Self {
        // Lines within the limit are of no interest here: see `facts`.
        Self { machine: Machine::new(policy, framing == Framing::Dot, MAX_LINE), framing }
    }

    /// Refuses any octet >= 0x80 with [`ContentError::EightBit`], before it is appended: for a server without
    /// 8BITMIME (RFC 6152).
    #[must_use]
    pub fn forbid_eight_bit(mut self) -> Self {
        self.machine.forbid_eight_bit = true;
        self
    }

    /// Refuses any octet >= 0x80 before the first empty line with [`ContentError::EightBitHeader`], before it
    /// is appended: for a server without SMTPUTF8 (RFC 6531, D10). In the header it goes before
    /// [`Self::forbid_eight_bit`].
    #[must_use]
    pub fn forbid_eight_bit_header(mut self) -> Self {
        self.machine.forbid_eight_bit_header = true;
        self
    }

    /// Appends the wire form of all of `input` to `out`, except for a last CR: what it is, the next octet tells.
    ///
    /// # Errors
    ///
    /// The first octet that the policy refuses. What came before it may have been appended, nothing of it or
    /// behind it is. From then on every call returns the same error, so that the end mark cannot follow cut
    /// content (R54).
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), ContentError> {
        out.reserve(input.len());
        self.machine.feed(input, out)
    }

    /// Ends the content: the missing CRLF if any, then ([`Framing::Dot`]) the end mark.
    ///
    /// Content that already ends in CRLF, or is empty, gets no CRLF (R53). From then on every call returns
    /// [`ContentError::Finished`].
    ///
    /// # Errors
    ///
    /// As [`Self::encode`], for a CR at the very end; nothing is appended then.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ContentError> {
        self.machine.finish(out)?;
        if self.framing == Framing::Dot {
            out.extend_from_slice(b".\r\n");
        }
        Ok(())
    }

    /// What has been seen so far: for content whose kind is not known before it is sent.
    ///
    /// After a refusal it describes the content before the octet refused. `longest_line` is followed only
    /// above [`MAX_LINE`]: it is 0 as long as every line is within the limit.
    pub fn facts(&self) -> &Facts {
        self.machine.facts()
    }
}

/// What is known about a message's content before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Raw octets of the source.
    pub octets: u64,
    /// Octets after line-end normalisation, without dot-stuffing and end mark: what SIZE declares (R161, W21).
    /// The missing last CRLF is in it once the content has been finished.
    pub size: u64,
    /// Some octet >= 0x80 anywhere: the message needs 8BITMIME.
    pub eight_bit: bool,
    /// Some octet >= 0x80 before the first empty line: the message needs SMTPUTF8.
    pub eight_bit_header: bool,
    /// The header is not well-formed UTF-8 (overlong, surrogate, stray octet), so SMTPUTF8 does not help
    /// (RFC 6532 §3.1, R175).
    pub malformed_header: bool,
    /// Longest line in octets (not characters, R176), without its line end and without a stuffed dot; exact
    /// from [`Scanner`], see [`Encoder::facts`].
    pub longest_line: u64,
    /// CRs that no LF follows.
    pub bare_cr: u64,
    /// LFs that no CR precedes.
    pub bare_lf: u64,
    /// NUL octets.
    pub nul: u64,
}

impl Facts {
    /// Whether some line has more than [`MAX_LINE`] octets (W17, R180).
    pub fn has_long_line(&self) -> bool {
        self.longest_line > MAX_LINE
    }
}

/// Reads content once and reports its [`Facts`], under a policy.
#[derive(Debug)]
pub struct Scanner {
    machine: Machine,
}

impl Scanner {
    /// A scanner at the start of a message.
    pub fn new(policy: LineBreaks) -> Self {
        Self { machine: Machine::new(policy, false, 0) }
    }

    /// Reads the next octets of the message.
    ///
    /// # Errors
    ///
    /// The first octet that the policy refuses; from then on every call returns the same error.
    pub fn update(&mut self, input: &[u8]) -> Result<(), ContentError> {
        self.machine.feed(input, &mut Discard)
    }

    /// Ends the content.
    ///
    /// # Errors
    ///
    /// The error of an earlier [`Self::update`], or a CR at the very end that the policy refuses.
    pub fn finish(mut self) -> Result<Facts, ContentError> {
        self.machine.finish(&mut Discard)?;
        Ok(*self.machine.facts())
    }
}
