//! The content on its way to the wire: line ends, dot-stuffing, end mark (RFC 5321 §4.1.1.4, §4.5.2; SPEC W1-W27).

/// What to do with a CR that no LF follows (W19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BareCr {
    /// one blank in its place
    #[default]
    Space,
    /// a line end
    Crlf,
    /// refuse the message
    Reject,
    /// leave it: enables smuggling, never the default
    Pass,
}

/// What to do with an LF that no CR precedes (W18, W20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BareLf {
    /// a line end
    #[default]
    Crlf,
    /// refuse
    Reject,
}

/// What to do with NUL octets (W16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nul {
    #[default]
    Reject,
    Pass,
}

/// Lines over 998 octets (W17)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LongLine {
    #[default]
    Pass,
    Reject,
}

/// How content is made fit for the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineBreaks {
    pub bare_cr: BareCr,
    pub bare_lf: BareLf,
    pub nul: Nul,
    pub long_line: LongLine,
}

/// Content that the policy refuses; offsets are raw octets from the start of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentError {
    BareCr { offset: u64 },
    BareLf { offset: u64 },
    Nul { offset: u64 },
    LongLine { offset: u64 },
}

/// DATA or BDAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// dot-stuffed, ended by `.` CRLF
    Dot,
    /// octets as they are after line-end normalisation, missing last CRLF added by finish
    Counted,
}

/// The one state machine that every content octet passes through.
#[derive(Debug)]
pub struct Encoder {}

impl Encoder {
    pub fn new(_policy: LineBreaks, _framing: Framing) -> Self {
        todo!()
    }
    /// Appends the wire form of all of `input` to `out`. After an error the encoder is poisoned: every later call returns the same error.
    pub fn encode(&mut self, _input: &[u8], _out: &mut Vec<u8>) -> Result<(), ContentError> {
        todo!()
    }
    /// Ends the content: the missing CRLF if any, then (Dot) the end mark.
    pub fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), ContentError> {
        todo!()
    }
    /// What has been seen so far (streaming content of unknown kind)
    pub fn facts(&self) -> &Facts {
        todo!()
    }
}

/// What is known about a message's content before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Raw octets of the source.
    pub octets: u64,
    /// Octets after line-end normalisation, without dot-stuffing and end mark: what SIZE declares (R161, W21).
    pub size: u64,
    /// Some octet >= 0x80 anywhere / in the header.
    pub eight_bit: bool,
    pub eight_bit_header: bool,
    /// Longest line in octets without its line end.
    pub longest_line: u64,
    pub bare_cr: u64,
    pub bare_lf: u64,
    pub nul: u64,
}

/// Reads content once and reports its [`Facts`], under a policy.
#[derive(Debug)]
pub struct Scanner {}

impl Scanner {
    pub fn new(_policy: LineBreaks) -> Self {
        todo!()
    }
    pub fn update(&mut self, _input: &[u8]) -> Result<(), ContentError> {
        todo!()
    }
    pub fn finish(self) -> Result<Facts, ContentError> {
        todo!()
    }
}
