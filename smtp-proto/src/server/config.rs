//! How a server behaves.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use rustls::ServerConfig;

use crate::{Phase, address::ClientName, config::Protocol, reply::Reply, sasl::Mechanism};

/// When TLS is used. The core picks neither certificate nor provider.
#[derive(Clone, Default)]
pub enum Tls {
    /// Plaintext only.
    #[default]
    Off,
    /// Offered by STARTTLS (RFC 3207).
    StartTls(Arc<ServerConfig>),
    /// From the first octet (RFC 8314 §3.3).
    Implicit(Arc<ServerConfig>),
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::StartTls(_) => "StartTls",
            Self::Implicit(_) => "Implicit",
        })
    }
}

/// What AUTH offers (RFC 4954).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Auth {
    /// The mechanisms, in the order offered; none: AUTH is not offered. EXTERNAL is offered only to clients that have shown a
    /// certificate. PLAIN, LOGIN and EXTERNAL are played here; any other is never offered.
    pub mechanisms: Vec<Mechanism>,
    /// Take passwords without TLS too. Otherwise mechanisms that reveal them are offered under TLS alone (RFC 4954 §4).
    pub in_clear: bool,
    /// MAIL only after a successful AUTH: 530 before (RFC 4954 §6).
    pub required: bool,
}

/// Which extensions are offered. STARTTLS and AUTH follow from [`Config::tls`] and [`Config::auth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extensions {
    /// PIPELINING (RFC 2920). Without it pipelined commands are answered all the same, unless [`Config::strict_pipelining`].
    pub pipelining: bool,
    /// SIZE (RFC 1870), with [`Limits::message`].
    pub size: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034); also whether this server's own replies carry them.
    pub enhanced_status_codes: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030 §3); offered together with CHUNKING only.
    pub binary_mime: bool,
    /// REQUIRETLS (RFC 8689); offered under TLS only. Off by default: whoever offers it promises to hand on over TLS.
    pub require_tls: bool,
}

impl Extensions {
    /// Nothing is offered.
    pub const NONE: Self = Self {
        pipelining: false,
        size: false,
        eight_bit_mime: false,
        smtputf8: false,
        enhanced_status_codes: false,
        chunking: false,
        binary_mime: false,
        require_tls: false,
    };
}

/// Everything but REQUIRETLS.
impl Default for Extensions {
    fn default() -> Self {
        Self {
            pipelining: true,
            size: true,
            eight_bit_mime: true,
            smtputf8: true,
            enhanced_status_codes: true,
            chunking: true,
            binary_mime: true,
            require_tls: false,
        }
    }
}

/// What a client may ask of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Recipients accepted in a transaction; `452 4.5.3` beyond (RFC 5321 §4.5.3.1.10). Default 1000.
    pub recipients: usize,
    /// Octets of a message, as SIZE counts them; `552 5.3.4` beyond, at MAIL and at the end of the content (RFC 1870 §6).
    /// `None`: no limit. Default 32 MiB.
    pub message: Option<u64>,
    /// Octets of a command line with its CRLF, before what the extensions offered add (RFC 5321 §4.5.3.1.4). Default 512.
    pub command_line: usize,
    /// Commands that are malformed or out of order before the server closes with `421 4.7.0`. Default 20.
    pub errors: u32,
    /// AUTH attempts refused before the server closes with `421 4.7.0` (RFC 4954 §4 wants three allowed). Default 3.
    pub auth_failures: u32,
    /// How long the client may say and read nothing before `421 4.4.2` (RFC 5321 §4.5.3.2.7). Default 5 minutes. A TLS
    /// handshake has this long in all.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            recipients: 1000,
            message: Some(32 * 1024 * 1024),
            command_line: 512,
            errors: 20,
            auth_failures: 3,
            idle: Duration::from_secs(5 * 60),
        }
    }
}

/// Which decisions the application makes; the machine makes the others itself (see [`Config::replies`]).
///
/// AUTH is not among them: unless `replies` has a row for it, the application is always asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decisions {
    /// [`Event::Mail`](super::Event::Mail) waits for an answer.
    pub mail: bool,
    /// [`Event::Recipient`](super::Event::Recipient) waits for an answer.
    pub recipient: bool,
    /// [`Event::Data`](super::Event::Data) waits for an answer.
    pub data: bool,
    /// [`Event::EndOfContent`](super::Event::EndOfContent) waits for an answer.
    pub end: bool,
}

impl Decisions {
    /// The application decides nothing: every command in order is accepted.
    pub const NONE: Self = Self { mail: false, recipient: false, data: false, end: false };
    /// The application decides about the content alone, as a server that stores messages must.
    pub const END: Self = Self { mail: false, recipient: false, data: false, end: true };
    /// The application decides everything.
    pub const ALL: Self = Self { mail: true, recipient: true, data: true, end: true };
}

/// Everything a server connection needs to know before it starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// The name in the greeting and in the reply to the client's hello.
    pub host_name: ClientName,
    /// TLS.
    pub tls: Tls,
    /// MAIL and AUTH only under TLS: 530 before (RFC 3207 §4).
    pub tls_required: bool,
    /// Authentication.
    pub auth: Auth,
    /// Extensions.
    pub extensions: Extensions,
    /// Limits.
    pub limits: Limits,
    /// What the application decides.
    pub decisions: Decisions,
    /// Replies in place of the machine's own, for the phases greeting, hello, starttls, auth, mail, rcpt, data and end.
    ///
    /// A negative one refuses, and the application is not asked. A positive one (220, 235, 250, 354 where each belongs) is what is
    /// said when the machine, or [`accept`](super::Connection::accept), accepts; at hello and starttls it changes nothing.
    pub replies: BTreeMap<Phase, Reply>,
    /// Octets that arrive before the greeting has left mean `554` and the end (RFC 5321 §4.3.1). Default true.
    pub refuse_early_talkers: bool,
    /// Refuse, with `554 5.5.0` and the end, input behind a command that has to end a group (RFC 2920 §3.1), or behind any command
    /// where PIPELINING is not offered. Noticed only when it arrives before the command has been read. Default false.
    pub strict_pipelining: bool,
    /// Take commands that end in LF without CR. Never applies to content. Default false.
    pub bare_lf_commands: bool,
    /// Refuse content that has a CR or an LF by itself, with `550 5.6.0`. Otherwise they are passed on as they are; they end neither
    /// line nor content in any case. Default false.
    pub refuse_bare_line_ends: bool,
}

impl Config {
    /// A configuration with the defaults: SMTP, no TLS, no authentication, every extension, every command in order accepted.
    #[must_use]
    pub fn new(host_name: ClientName) -> Self {
        Self {
            protocol: Protocol::Smtp,
            host_name,
            tls: Tls::Off,
            tls_required: false,
            auth: Auth::default(),
            extensions: Extensions::default(),
            limits: Limits::default(),
            decisions: Decisions::NONE,
            replies: BTreeMap::new(),
            refuse_early_talkers: true,
            strict_pipelining: false,
            bare_lf_commands: false,
            refuse_bare_line_ends: false,
        }
    }
}
