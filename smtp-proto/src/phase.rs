use std::fmt;

/// Where in a delivery something happened.
///
/// One list of names serves errors, timeouts, logs and JSON alike; [`Phase::name`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Name lookup and the transport's own connection setup (SPEC N1).
    Connect,
    /// Waiting for the server's greeting (RFC 5321 §3.1).
    Greeting,
    /// EHLO, HELO or LHLO (RFC 5321 §4.1.1.1, RFC 2033 §4.1).
    Hello,
    /// The STARTTLS command and its reply (RFC 3207 §4).
    StartTls,
    /// The TLS handshake, implicit or after STARTTLS.
    Tls,
    /// The AUTH exchange (RFC 4954).
    Auth,
    /// MAIL FROM (RFC 5321 §4.1.1.2).
    Mail,
    /// RCPT TO (RFC 5321 §4.1.1.3).
    Rcpt,
    /// The DATA command and its 354 (RFC 5321 §4.1.1.4).
    Data,
    /// Sending the content.
    Body,
    /// From the end mark to its reply (RFC 5321 §4.5.3.2.6).
    End,
    /// RSET (RFC 5321 §4.1.1.5).
    Reset,
    /// QUIT (RFC 5321 §4.1.1.10).
    Quit,
}

impl Phase {
    /// Every phase, in the order a delivery passes through them.
    pub const ALL: [Self; 13] = [
        Self::Connect,
        Self::Greeting,
        Self::Hello,
        Self::StartTls,
        Self::Tls,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Body,
        Self::End,
        Self::Reset,
        Self::Quit,
    ];

    /// The stable lower-case name used in errors, logs, transcripts and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Hello => "hello",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Body => "body",
            Self::End => "end",
            Self::Reset => "reset",
            Self::Quit => "quit",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
