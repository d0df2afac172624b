//! Commands, from parsed types only: nothing here can carry a CR or LF (RFC 5321 §4.1.1; R1-R3, R16-R27).

use std::{fmt, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

use crate::{
    address::{ClientName, ForwardPath, ReversePath, xtext::Xtext},
    sasl::Mechanism,
};

/// Octets of a command line with its CRLF, before extensions (RFC 5321 §4.5.3.1.4, R27).
const MAX_LINE: usize = 512;
/// No command line is longer, whatever its parameters allow (N41).
const MAX_EXTENDED_LINE: usize = 4096;
/// Octets of a line in an AUTH exchange with its CRLF (RFC 4954 §4, D35).
const MAX_AUTH_RESPONSE: usize = 12_288;

/// BODY= (RFC 6152 §2, RFC 3030 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyType {
    /// `7BIT`
    SevenBit,
    /// `8BITMIME`
    EightBitMime,
    /// `BINARYMIME`
    BinaryMime,
}

impl BodyType {
    /// The value as it goes on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

/// MAIL's parameters, in the order written; each can be there once only (R17).
///
/// Whether the server offers them is not asked here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailParameters {
    /// SIZE=, in octets (R161, N24).
    pub size: Option<u64>,
    /// BODY= (R165).
    pub body: Option<BodyType>,
    /// SMTPUTF8 (R168). Paths with octets of 0x80 and above need it (R3); encoding does not look.
    pub smtputf8: bool,
    /// REQUIRETLS (R196).
    pub require_tls: bool,
    /// AUTH=, the submitter's mailbox in xtext or `<>` (R113, D23).
    pub auth: Option<ReversePath>,
}

impl MailParameters {
    /// Octets that the parameters in use add to the limit of the line (N14).
    fn allowance(&self) -> usize {
        [
            (self.size.is_some(), 26),  // RFC 1870 §3
            (self.body.is_some(), 17),  // RFC 6152 §2
            (self.smtputf8, 10),        // RFC 6531 §3.1
            (self.require_tls, 11),     // RFC 8689 §4
            (self.auth.is_some(), 500), // RFC 4954 §3
        ]
        .into_iter()
        .filter_map(|(used, octets)| used.then_some(octets))
        .sum()
    }
}

/// Each parameter with a blank before it.
impl fmt::Display for MailParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        if let Some(body) = self.body {
            write!(f, " BODY={}", body.name())?;
        }
        if self.smtputf8 {
            f.write_str(" SMTPUTF8")?;
        }
        if self.require_tls {
            f.write_str(" REQUIRETLS")?;
        }
        match &self.auth {
            None => Ok(()),
            Some(ReversePath::Null) => f.write_str(" AUTH=<>"),
            Some(ReversePath::Mailbox(mailbox)) => {
                write!(f, " AUTH={}", Xtext(mailbox.to_string().as_bytes()))
            }
        }
    }
}

/// One command line.
///
/// `Display` prints the line without its CRLF for logs and transcripts, with `…` in place of what authenticates (R133);
/// `Debug` shows no more than that.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `EHLO name` (RFC 5321 §4.1.1.1)
    Ehlo(&'a ClientName),
    /// `HELO name` (RFC 5321 §4.1.1.1)
    Helo(&'a ClientName),
    /// `LHLO name` (RFC 2033 §4.1)
    Lhlo(&'a ClientName),
    /// `STARTTLS` (RFC 3207 §4)
    StartTls,
    /// `AUTH mechanism [initial response]` (RFC 4954 §4)
    Auth {
        /// What to authenticate with.
        mechanism: Mechanism,
        /// Octets before base64, which is done here; Some(empty) is sent as `=` (R101).
        initial: Option<&'a [u8]>,
    },
    /// The answer to a challenge: octets before base64; empty is an empty line (R102).
    AuthResponse(&'a [u8]),
    /// `*`: gives an AUTH exchange up (RFC 4954 §4).
    AuthCancel,
    /// `MAIL FROM:<path> parameters` (RFC 5321 §4.1.1.2)
    Mail {
        /// The sender.
        path: &'a ReversePath,
        /// Written in the order of the struct's fields.
        parameters: &'a MailParameters,
    },
    /// `RCPT TO:<path>` (RFC 5321 §4.1.1.3)
    Rcpt {
        /// The recipient.
        path: &'a ForwardPath,
    },
    /// `DATA` (RFC 5321 §4.1.1.4)
    Data,
    /// `BDAT octets [LAST]` (RFC 3030 §2)
    Bdat {
        /// Octets of the chunk that follows the line.
        octets: u64,
        /// The chunk ends the message.
        last: bool,
    },
    /// `RSET` (RFC 5321 §4.1.1.5)
    Reset,
    /// `NOOP` (RFC 5321 §4.1.1.9)
    Noop,
    /// `QUIT` (RFC 5321 §4.1.1.10)
    Quit,
}

/// The line would be longer than RFC 5321 §4.5.3.1.4 and the used extensions allow (R27, N14, N41); lengths are octets with
/// the CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the command line has {length} octets, and {limit} are allowed; shorten its argument or leave parameters out"
)]
pub struct TooLong {
    /// What it would have.
    pub length: usize,
    /// What it may have.
    pub limit: usize,
}

impl Command<'_> {
    /// Appends the line with CRLF to `out`; writes nothing on error.
    ///
    /// Base64 of secrets goes straight into `out`, room for which is made first; wiping `out`, and what it may leave behind
    /// when it grows, is its owner's part.
    ///
    /// # Errors
    /// [`TooLong`]. For AUTH with an initial response, send AUTH without one and answer the empty challenge (R100).
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        match *self {
            Self::Auth { mechanism, initial } => encode_auth(mechanism.name(), initial, out),
            Self::AuthResponse(response) => encode_secret("", response, MAX_AUTH_RESPONSE, out),
            _ => self.encode_open(out),
        }
    }

    /// A line without secrets is what it displays as.
    fn encode_open(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let start = out.len();
        // A Vec takes every octet: this write cannot fail.
        let _infallible = write!(out, "{self}\r\n");
        let (length, limit) = (out.len() - start, self.limit());
        if length > limit {
            out.truncate(start);
            return Err(TooLong { length, limit });
        }
        Ok(())
    }

    fn limit(&self) -> usize {
        match self {
            Self::Mail { parameters, .. } => (MAX_LINE + parameters.allowance()).min(MAX_EXTENDED_LINE),
            Self::AuthResponse(_) => MAX_AUTH_RESPONSE,
            _ => MAX_LINE,
        }
    }

    /// The command's verb, for logs; the lines of an AUTH exchange have AUTH's.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Ehlo(_) => "EHLO",
            Self::Helo(_) => "HELO",
            Self::Lhlo(_) => "LHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth { .. } | Self::AuthResponse(_) | Self::AuthCancel => "AUTH",
            Self::Mail { .. } => "MAIL",
            Self::Rcpt { .. } => "RCPT",
            Self::Data => "DATA",
            Self::Bdat { .. } => "BDAT",
            Self::Reset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
        }
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb();
        match self {
            Self::Ehlo(name) | Self::Helo(name) | Self::Lhlo(name) => write!(f, "{verb} {name}"),
            Self::Auth { mechanism, initial: None } => write!(f, "{verb} {}", mechanism.name()),
            Self::Auth { mechanism, initial: Some(_) } => write!(f, "{verb} {} …", mechanism.name()),
            Self::AuthResponse(_) => f.write_str("…"),
            Self::AuthCancel => f.write_str("*"),
            // R16: no blank around the colon
            Self::Mail { path, parameters } => write!(f, "{verb} FROM:{path}{parameters}"),
            Self::Rcpt { path } => write!(f, "{verb} TO:{path}"),
            Self::Bdat { octets, last } => write!(f, "{verb} {octets}{}", if *last { " LAST" } else { "" }),
            Self::StartTls | Self::Data | Self::Reset | Self::Noop | Self::Quit => f.write_str(verb),
        }
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({self})")
    }
}

fn encode_auth(mechanism: &str, initial: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), TooLong> {
    match initial {
        None => encode_secret(&format!("AUTH {mechanism}"), b"", MAX_LINE, out),
        Some(b"") => encode_secret(&format!("AUTH {mechanism} ="), b"", MAX_LINE, out), // R101
        Some(octets) => encode_secret(&format!("AUTH {mechanism} "), octets, MAX_LINE, out),
    }
}

/// Appends `prefix`, then `secret` in base64 without a copy in between, then CRLF.
fn encode_secret(prefix: &str, secret: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), TooLong> {
    // Known before anything is written, so that no error leaves part of a secret behind.
    let encoded = base64::encoded_len(secret.len(), true).unwrap_or(usize::MAX);
    let length = encoded.saturating_add(prefix.len() + "\r\n".len());
    if length > limit {
        return Err(TooLong { length, limit });
    }
    out.reserve(length);
    out.extend_from_slice(prefix.as_bytes());
    let start = out.len();
    out.resize(start + encoded, 0);
    if let Some(room) = out.get_mut(start..) {
        let written = STANDARD.encode_slice(secret, room);
        debug_assert_eq!(written, Ok(encoded), "the room is as long as the text");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests;
