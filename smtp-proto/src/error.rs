//! What went wrong, by whose fault (ARCHITECTURE.md: results are values).

use std::{io, sync::Arc};

use crate::{
    Phase,
    address::AddressError,
    body::ContentError,
    reply::{Code, EnhancedCode, Reply, ReplyError, Severity},
    sasl::SaslError,
};

/// The server broke the protocol. The connection is closed and sends nothing more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The octets are no reply (R30-R36, D32, N30-N33).
    #[error("the server's reply is malformed")]
    Malformed(#[source] ReplyError),
    /// A well-formed reply whose code has no meaning here (R36, D31).
    #[error("the server answered {phase} with {reply}, which means nothing there")]
    UnexpectedCode {
        /// What was answered.
        phase: Phase,
        /// The reply.
        reply: Reply,
    },
    /// A reply, or part of one, where nothing had been asked, or before the command it would answer had been handed over (R45, D33, N37).
    #[error("the server sent {reply} before anything was asked of it")]
    Unsolicited {
        /// The reply.
        reply: Reply,
    },
    /// Plaintext between the reply to STARTTLS and the TLS handshake: somebody injects commands (R86, D3).
    #[error(
        "plaintext was found between the reply to STARTTLS and the TLS handshake: injected, or a broken server"
    )]
    InjectedPlaintext,
}

/// TLS was wanted and is not there.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The handshake failed, or TLS broke later; the text names the failed check.
    #[error("TLS failed: {}", tls_words(.0))]
    Failed(rustls::Error),
    /// TLS is required and the server does not offer STARTTLS (M63, M105).
    #[error("the server does not offer STARTTLS, but `require_tls` is set")]
    NotOffered,
    /// TLS is required and STARTTLS is switched off on a plaintext target (M61).
    #[error("`require_tls` is set, but `attempt_starttls` is off and the target is not `tls://`")]
    SwitchedOff,
    /// No name to verify the certificate against, as for a Unix socket (M54, M70).
    #[error(
        "there is no server name to verify a certificate against; set `server_name` or switch STARTTLS off"
    )]
    NoServerName,
}

/// Authentication did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The server refused the credentials (R107).
    #[error("the server refused the credentials: {reply}{}", of_challenge(.complaint))]
    Refused {
        /// Its reply.
        reply: Reply,
        /// They were the submitting client's own (`auth forward`), so the verdict is for that client (D20).
        forwarded: bool,
        /// What it said against them in a challenge before, by OAUTHBEARER or XOAUTH2: a plain word such as `invalid_token` (R131).
        complaint: Option<Arc<str>>,
    },
    /// Could not begin or go on: mechanism missing, secret not confidential, nothing to forward, bad challenge.
    #[error("authentication failed")]
    Sasl(#[from] SaslError),
}

fn of_challenge(complaint: &Option<Arc<str>>) -> String {
    complaint.as_ref().map(|word| format!(" ({word})")).unwrap_or_default()
}

/// The message cannot be sent as it is to this server; made here, nothing of it was sent or its content was cut off without end mark.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsendable {
    /// Larger than the server's declared limit (R162).
    #[error("the message has {size} octets, the server takes {limit}")]
    TooLarge {
        /// Octets of the message with CRLF line ends.
        size: u64,
        /// The server's limit in octets.
        limit: u64,
    },
    /// 8-bit content, and the server does not offer 8BITMIME (R166, R167).
    #[error("the content has 8-bit octets and the server does not offer 8BITMIME")]
    EightBit,
    /// 8-bit header fields, and the server does not offer SMTPUTF8 (D10).
    #[error("the header has 8-bit octets and the server does not offer SMTPUTF8")]
    EightBitHeader,
    /// The same, found when the content was already on its way (D10).
    #[error("the header turned out to have 8-bit octets, which SMTPUTF8 was not asked for")]
    EightBitHeaderInData,
    /// The sender's address needs SMTPUTF8, which the server does not offer (M80).
    #[error("the sender's address needs SMTPUTF8, which the server does not offer")]
    Sender(#[source] AddressError),
    /// The recipient's address needs SMTPUTF8, which the server does not offer (M81).
    #[error("the recipient's address needs SMTPUTF8, which the server does not offer")]
    Recipient(#[source] AddressError),
    /// REQUIRETLS was asked for, and this session cannot keep it (R196).
    #[error("the message demands REQUIRETLS, which this session does not give: {reason}")]
    RequireTls {
        /// What is missing.
        reason: &'static str,
        /// STARTTLS was refused, rather than missing.
        refused: bool,
    },
    /// The content has octets that the line-break policy refuses (W16-W20).
    #[error("the content is refused by policy")]
    Content(#[source] ContentError),
    /// A command would be longer than the server must accept (R27).
    #[error("the {verb} command would have {length} octets, more than the {limit} allowed")]
    CommandTooLong {
        /// The command.
        verb: &'static str,
        /// Octets it would have.
        length: usize,
        /// Octets allowed.
        limit: usize,
    },
    /// More recipients than the server's RCPTMAX (R201).
    #[error("the server takes {limit} recipients a transaction")]
    TooManyRecipients {
        /// The server's limit.
        limit: u32,
    },
}

/// Why something could not be done. Refusals of single recipients are dispositions, never this.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of a target does not exist (M101) or could not be looked up (M102).
    #[error("the name could not be resolved: {}", printable(.message))]
    Resolve {
        /// The name does not exist; otherwise the lookup may work later.
        not_found: bool,
        /// The resolver's words.
        message: Arc<str>,
    },
    /// The connection could not be made, or was lost; `None` is a clean end of file (D24).
    #[error("{}", gone(.phase))]
    Lost {
        /// What was waited for or done.
        phase: Phase,
        /// The operating system's reason.
        #[source]
        cause: Option<Arc<io::Error>>,
    },
    /// A phase took too long.
    #[error("timed out{}", lost(.0))]
    Timeout(Phase),
    /// The deadline for the whole delivery passed.
    #[error("the total time for the delivery was over{}", lost(.0))]
    Deadline(Phase),
    /// The server said no to the session or the transaction.
    #[error("the server refused {phase}: {reply}")]
    Refused {
        /// What it refused.
        phase: Phase,
        /// Its words.
        reply: Reply,
    },
    /// TLS failed or is missing.
    #[error(transparent)]
    Tls(TlsError),
    /// Authentication failed.
    #[error(transparent)]
    Auth(AuthError),
    /// The server broke the protocol.
    #[error(transparent)]
    Peer(PeerError),
    /// The message cannot be sent as it is.
    #[error(transparent)]
    Unsendable(Unsendable),
    /// The message's source failed or was not as long as it said; the content was cut off without end mark (R54).
    #[error("the message's source failed: {}", printable(.message))]
    Source {
        /// The source's words.
        message: Arc<str>,
    },
    /// The caller gave up.
    #[error("cancelled")]
    Cancelled,
}

/// Words of others, which must not forge a line of the log: a certificate names what its owner likes.
fn printable(words: &impl std::fmt::Display) -> String {
    crate::reply::escape(words.to_string().as_bytes())
}

/// rustls's words, and plainer ones where they are meant for programmers.
fn tls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError::{ExpiredContext, UnknownIssuer};
    match error {
        rustls::Error::InvalidCertificate(UnknownIssuer) => {
            format!("{error}: its issuer is not among the trusted roots")
        }
        rustls::Error::InvalidCertificate(ExpiredContext { time, not_after }) => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            format!("invalid peer certificate: expired {days} days ago")
        }
        other => printable(other),
    }
}

fn gone(phase: &Phase) -> String {
    match phase {
        Phase::Connect => "no connection could be made".to_owned(),
        phase => format!("the connection was lost{}", lost(phase)),
    }
}

fn lost(phase: &Phase) -> &'static str {
    match phase {
        Phase::Connect => " while connecting",
        Phase::Greeting => " while waiting for the greeting",
        Phase::Hello => " while waiting for the reply to EHLO",
        Phase::StartTls => " while waiting for the reply to STARTTLS",
        Phase::Tls => " in the TLS handshake",
        Phase::Auth => " while authenticating",
        Phase::Mail => " while waiting for the reply to MAIL",
        Phase::Rcpt => " while waiting for the reply to RCPT",
        Phase::Data => " while waiting for the reply to DATA",
        Phase::Body => " while sending the content",
        Phase::End => " while waiting for the reply to the content",
        Phase::Reset => " while waiting for the reply to RSET",
        Phase::Quit => " while waiting for the reply to QUIT",
    }
}

/// An error by class, for reports and logs; [`Kind::name`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Connection refused, unreachable, reset, closed.
    Network,
    /// A deadline passed.
    Timeout,
    /// Name lookup.
    Dns,
    /// TLS.
    Tls,
    /// Authentication.
    Auth,
    /// The server broke the protocol.
    Protocol,
    /// The server said no.
    Refused,
    /// Made here: unsendable, source failed, cancelled.
    Local,
}

impl Kind {
    /// The stable lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
            Self::Local => "local",
        }
    }
}

/// An SMTP status for an outcome: the server's own, or one made here (SPEC 1.12, R194).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The three-digit code.
    pub code: Code,
    /// The enhanced status code; X.0.0 where the server gave none (M97).
    pub enhanced: EnhancedCode,
    /// The enhanced code was made up here because the server gave none.
    pub synthetic: bool,
    /// The whole status was made here.
    pub local: bool,
    /// Escaped text. The lines of a server's reply are divided by LF, which is the only control in it: write them on one line of a log.
    pub text: String,
}

impl Status {
    pub(crate) fn of(reply: &Reply) -> Self {
        let own = reply.enhanced();
        Self {
            code: reply.code(),
            enhanced: own.unwrap_or_else(|| EnhancedCode::new((reply.code().get() / 100) as u8, 0, 0)),
            synthetic: own.is_none(),
            local: false,
            text: reply.text(),
        }
    }
}

impl Error {
    /// The class.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Resolve { .. } => Kind::Dns,
            Self::Lost { .. } => Kind::Network,
            Self::Timeout(_) | Self::Deadline(_) => Kind::Timeout,
            Self::Refused { .. } => Kind::Refused,
            Self::Tls(_) => Kind::Tls,
            Self::Auth(_) => Kind::Auth,
            Self::Peer(_) => Kind::Protocol,
            Self::Unsendable(_) | Self::Source { .. } | Self::Cancelled => Kind::Local,
        }
    }

    /// The server's reply, where the error is one.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Refused { reply, .. }
            | Self::Auth(AuthError::Refused { reply, .. })
            | Self::Peer(PeerError::UnexpectedCode { reply, .. } | PeerError::Unsolicited { reply }) => {
                Some(reply)
            }
            _ => None,
        }
    }

    /// The SMTP status this error has, after SPEC 1.12.
    #[must_use]
    pub fn status(&self) -> Status {
        if let Self::Refused { reply, .. }
        | Self::Auth(AuthError::Refused { reply, forwarded: true, .. })
        | Self::Peer(PeerError::UnexpectedCode { reply, .. }) = self
            && matches!(reply.severity(), Severity::Transient | Severity::Permanent)
        {
            return Status::of(reply);
        }
        let (code, subject, detail) = self.local_code();
        Status {
            code: Code::new(code).unwrap_or(Code::LOCAL_ERROR),
            enhanced: EnhancedCode::new((code / 100) as u8, subject, detail),
            synthetic: false,
            local: true,
            text: self.full_text(),
        }
    }

    const fn local_code(&self) -> (u16, u16, u16) {
        match self {
            Self::Resolve { not_found: true, .. } => (550, 4, 4), // M101
            Self::Resolve { .. } => (450, 4, 4),                  // M102, B16
            Self::Lost { phase: Phase::Connect, .. } | Self::Timeout(Phase::Connect) => (450, 4, 1), // M100
            Self::Lost { .. } | Self::Timeout(_) | Self::Deadline(_) => (450, 4, 2), // M100, M106, D24
            Self::Tls(TlsError::NotOffered | TlsError::SwitchedOff) => (451, 7, 4), // M105
            Self::Tls(_) => (451, 7, 5),                          // M103, M104
            Self::Auth(AuthError::Sasl(SaslError::NothingToForward)) => (530, 7, 0), // M45, M108
            Self::Auth(_) => (454, 7, 8),                         // D20
            Self::Peer(_) | Self::Refused { .. } => (451, 5, 0),  // M107
            Self::Source { .. } | Self::Cancelled => (451, 3, 0),
            Self::Unsendable(unsendable) => match unsendable {
                Unsendable::TooLarge { .. } => (552, 3, 4), // R162
                Unsendable::EightBit => (554, 6, 3),        // R166
                Unsendable::EightBitHeader | Unsendable::Sender(_) => (550, 6, 7), // M80, D10, R171
                Unsendable::EightBitHeaderInData => (554, 6, 9), // D10
                Unsendable::Recipient(_) => (553, 6, 7),    // M81
                Unsendable::RequireTls { refused: true, .. } => (550, 7, 10), // R196
                Unsendable::RequireTls { .. } => (550, 7, 30), // R196
                Unsendable::Content(_) => (554, 6, 0),      // W17, W20
                Unsendable::CommandTooLong { .. } => (500, 5, 2),
                Unsendable::TooManyRecipients { .. } => (452, 5, 3), // R201
            },
        }
    }

    /// The same attempt later would end the same way (R60). Refused sessions are not verdicts about the message (D34).
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { phase: Phase::Greeting | Phase::Hello | Phase::StartTls, .. } => false,
            _ => self.status().code.severity() == Severity::Permanent,
        }
    }

    /// The message with the messages of its causes, one line.
    #[must_use]
    pub fn full_text(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&crate::reply::escape(cause.to_string().as_bytes()));
            source = cause.source();
        }
        text
    }

    /// Where in the dialogue it happened, as far as the error itself knows.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        match self {
            Self::Resolve { .. } => Some(Phase::Connect),
            Self::Lost { phase, .. }
            | Self::Timeout(phase)
            | Self::Deadline(phase)
            | Self::Refused { phase, .. }
            | Self::Peer(PeerError::UnexpectedCode { phase, .. }) => Some(*phase),
            Self::Tls(_) => Some(Phase::Tls),
            Self::Auth(_) => Some(Phase::Auth),
            Self::Peer(PeerError::InjectedPlaintext) => Some(Phase::StartTls),
            _ => None,
        }
    }
}

/// Why one recipient was not delivered: where it was decided, and by what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Where the fate was decided.
    pub phase: Phase,
    /// What decided it.
    pub cause: Error,
}

impl Failure {
    pub(crate) const fn new(phase: Phase, cause: Error) -> Self {
        Self { phase, cause }
    }

    /// The SMTP status of it.
    #[must_use]
    pub fn status(&self) -> Status {
        self.cause.status()
    }
}

/// What became of one recipient (D26).
#[derive(Clone, Debug)]
pub enum Disposition {
    /// The server took responsibility: a 2yz received after the end mark was handed over (law 9).
    Delivered(Reply),
    /// Not delivered, may be tried again later.
    Deferred(Failure),
    /// Not delivered, and trying again unchanged will not help.
    Rejected(Failure),
    /// The whole content was handed over and no complete answer came: delivered or not, nobody here knows (R63).
    Uncertain(Failure),
}

impl Disposition {
    /// The stable lower-case name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delivered(_) => "delivered",
            Self::Deferred(_) => "deferred",
            Self::Rejected(_) => "rejected",
            Self::Uncertain(_) => "uncertain",
        }
    }

    /// Deferred or rejected, as the failure's cause says.
    pub(crate) fn failed(failure: Failure) -> Self {
        if failure.cause.is_permanent() { Self::Rejected(failure) } else { Self::Deferred(failure) }
    }

    /// The failure, where there is one.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Delivered(_) => None,
            Self::Deferred(failure) | Self::Rejected(failure) | Self::Uncertain(failure) => Some(failure),
        }
    }

    /// The SMTP status: the server's, or one made here.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Delivered(reply) => Status::of(reply),
            Self::Deferred(failure) | Self::Rejected(failure) | Self::Uncertain(failure) => failure.status(),
        }
    }
}

/// `begin` or `submit` where no transaction can start; look at `can_begin` first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no transaction can begin now: wait for `Ready` and for the current one to be sent")]
pub struct NotReady;

/// A transaction's verb without a transaction that wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no open transaction; call `begin` first")]
pub struct NoTransaction;

/// Misuse of the body verbs, or content that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// No content is wanted now; look at `body_credit` first.
    #[error("no content is wanted now; wait for `body_credit`")]
    NotWanted,
    /// The source gave another number of octets than the envelope declared; the transport must be dropped (R54).
    #[error("the source gave {given} octets, the envelope says {declared}")]
    SizeMismatch {
        /// Octets declared.
        declared: u64,
        /// Octets given, or the first count over the declared.
        given: u64,
    },
    /// The content is refused by policy; the transport must be dropped.
    #[error("the content is refused by policy")]
    Content(#[source] ContentError),
}
