//! How a connection to one target behaves.

use std::sync::Arc;

use rustls::{ClientConfig, pki_types::ServerName};

use crate::{Random, address::ClientName, body::LineBreaks, sasl::AuthPolicy, timer::Timeouts};

/// SMTP or LMTP: the same machine with another hello and one final reply per accepted recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// What to do with 8-bit octets a server has not offered to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EightBit {
    /// Refuse the message (R166, D10).
    #[default]
    Strict,
    /// Send it all the same.
    Send,
}

/// Whether content goes by BDAT (RFC 3030) or by DATA (D27).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Chunking {
    /// BDAT where the server offers CHUNKING and PIPELINING: it saves a round trip.
    #[default]
    Auto,
    /// BDAT wherever the server offers CHUNKING.
    Yes,
    /// Always DATA.
    No,
}

/// When TLS is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Plaintext; STARTTLS is not tried.
    #[default]
    Off,
    /// STARTTLS where offered (RFC 3207).
    StartTls,
    /// TLS from the first octet (RFC 8314 §3.3).
    Implicit,
}

/// TLS as the operator wants it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Security {
    /// When TLS is used (`attempt_starttls`, `tls://`).
    pub mode: TlsMode,
    /// No message and no secret without TLS (`require_tls`).
    pub required: bool,
    /// The operator has switched TLS off and means it: secrets may go in clear (D4a). Counts only where `mode` is [`TlsMode::Off`];
    /// that a mode is off by default is nobody's word.
    pub secrets_in_clear: bool,
    /// rustls's configuration: roots, versions, suites, client certificate. The core picks neither roots nor provider.
    pub client: Option<Arc<ClientConfig>>,
    /// The name or address the certificate must be for: what the operator configured, never a DNS-derived name (R93, R209).
    pub server_name: Option<ServerName<'static>>,
}

/// Everything a [`Connection`](crate::Connection) needs to know before it starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// The name given in EHLO, HELO or LHLO.
    pub client_name: ClientName,
    /// TLS.
    pub security: Security,
    /// Authentication.
    pub auth: AuthPolicy,
    /// What nonces are made of. SCRAM cannot do without; the runtimes' clients see to it ([`Plan::with_random`](
    /// crate::Plan::with_random)).
    pub random: Option<Random>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Line ends, NUL and long lines in content.
    pub line_breaks: LineBreaks,
    /// 8-bit content towards a server without 8BITMIME.
    pub eight_bit_body: EightBit,
    /// 8-bit header fields towards a server without SMTPUTF8.
    pub eight_bit_header: EightBit,
    /// Use PIPELINING where offered. Off: one command at a time.
    pub pipelining: bool,
    /// Use CHUNKING where offered (D27).
    pub chunking: Chunking,
    /// Send `AUTH=<>` with MAIL after authenticating (D23).
    pub mail_auth_param: bool,
    /// Record the dialogue, secrets redacted, for `poll_transcript`.
    pub transcript: bool,
}

impl Config {
    /// A configuration with the defaults: SMTP, no TLS, no authentication.
    #[must_use]
    pub fn new(client_name: ClientName) -> Self {
        Self {
            protocol: Protocol::Smtp,
            client_name,
            security: Security::default(),
            auth: AuthPolicy::Off,
            random: None,
            timeouts: Timeouts::DEFAULT,
            line_breaks: LineBreaks::default(),
            eight_bit_body: EightBit::Strict,
            eight_bit_header: EightBit::Strict,
            pipelining: true,
            chunking: Chunking::default(),
            mail_auth_param: false,
            transcript: false,
        }
    }
}

/// What is known about the one transport a connection runs over; decides about secrets in clear (D4).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Link {
    /// A Unix socket or a loopback address.
    pub local: bool,
    /// TLS to this peer has just failed, and this is the plaintext retry (M65): no secret may be sent.
    pub after_tls_failure: bool,
    /// The submitting client's own credentials, for `auth forward` (M45).
    pub forwarded: Option<crate::sasl::Credentials>,
    /// The name or address and the port by which the server is known, for OAUTHBEARER, which tells them (R130).
    pub server: Option<(String, u16)>,
}
