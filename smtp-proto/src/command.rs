//! Commands, from parsed types only: nothing here can carry a CR or LF (RFC 5321 §4.1.1; R1-R3, R16-R27).
use crate::address::{ClientName, ForwardPath, ReversePath};

/// BODY= (RFC 6152 §2, RFC 3030 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyType {
    SevenBit,
    EightBitMime,
    BinaryMime,
}

/// MAIL's parameters, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailParameters {
    pub size: Option<u64>,
    pub body: Option<BodyType>,
    pub smtputf8: bool,
    pub require_tls: bool,
    /// AUTH=<> (R113, D23)
    pub auth: Option<ReversePath>,
}

/// One command line.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Command<'a> {
    Ehlo(&'a ClientName),
    Helo(&'a ClientName),
    Lhlo(&'a ClientName),
    StartTls,
    /// Mechanism name and initial response: raw octets, base64 is done here; Some(empty) is `=` (R101)
    Auth {
        mechanism: &'a str,
        initial: Option<&'a [u8]>,
    },
    /// raw octets, base64 here; empty = empty line (R102)
    AuthResponse(&'a [u8]),
    /// `*`
    AuthCancel,
    Mail {
        path: &'a ReversePath,
        parameters: &'a MailParameters,
    },
    Rcpt {
        path: &'a ForwardPath,
    },
    Data,
    Bdat {
        octets: u64,
        last: bool,
    },
    Reset,
    Noop,
    Quit,
}

/// The line would be longer than RFC 5321 §4.5.3.1.4 and the used extensions allow (R27, N14, N41).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    pub length: usize,
    pub limit: usize,
}

impl Command<'_> {
    /// Appends the line with CRLF to `out`; writes nothing on error.
    pub fn encode(&self, _out: &mut Vec<u8>) -> Result<(), TooLong> {
        todo!()
    }
    /// verb for transcripts/logs
    pub fn verb(&self) -> &'static str {
        todo!()
    }
}
