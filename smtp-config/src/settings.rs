//! Everything a target can be told, as plain data.
//!
//! [`Settings`] is what a `target.smtp` block means, whichever way it came in: from text ([`module`](crate::module)), by serde (feature
//! `serde`), or set field by field. [`Settings::plan`] makes of it what connections are driven by. Who wants no configuration file at
//! all needs none of this: [`smtp_proto::Plan::builder`] makes the same plans.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustls::{CipherSuite, NamedGroup, pki_types::ServerName};
use smtp_proto::{
    Endpoint, Failover, Secret, Timeouts,
    address::ClientName,
    body::{self, BareCr, BareLf},
    config::{Chunking, Protocol},
    tls_options::TlsVersion,
};

use crate::value;

mod check;
mod plan;
mod problem;
#[cfg(feature = "serde")]
mod serde;

pub use plan::{Planned, Tls};
pub use problem::{Problem, Problems};

/// Where relative socket paths are, unless `runtime_dir` says otherwise (M20).
pub const RUNTIME_DIR: &str = "/run/maddy";

/// Everything a target can be told. Every field is the directive of its name, and defaults to what that defaults to.
///
/// ```
/// use smtp_config::settings::{Account, Auth, Password, Settings};
///
/// let mut settings = Settings::default();
/// settings.hostname = Some("client.example".parse()?);
/// settings.targets.push("tls://mx.example.org:465".parse()?);
/// settings.auth = Auth::Plain(Account::new("ann", Password::File("/etc/mail/password".into())));
/// assert!(settings.check().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(::serde::Serialize, ::serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Settings {
    /// SMTP or LMTP. In text, the name of the module says so (M1).
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub protocol: Protocol,
    /// Verbose logs: dialogues are recorded, secrets redacted (M7). Default no.
    pub debug: bool,
    /// What is said in EHLO, HELO or LHLO (M8, M74). Required.
    #[cfg_attr(feature = "serde", serde(with = "serde::optional", skip_serializing_if = "Option::is_none"))]
    pub hostname: Option<ClientName>,
    /// The servers, in the order in which they are tried (M9). At least one.
    #[cfg_attr(feature = "serde", serde(with = "serde::words"))]
    pub targets: Vec<Endpoint>,
    /// Where relative socket paths of `targets` are (M20). Default [`RUNTIME_DIR`].
    pub runtime_dir: PathBuf,
    /// TLS beyond whether it is used (M13).
    pub tls_client: TlsClient,
    /// Whether STARTTLS is used where it is offered; `None`: it is for SMTP and is not for LMTP (M10).
    ///
    /// An explicit `Some(false)` is the operator's word that secrets may go in clear (D4a). The default is none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub attempt_starttls: Option<bool>,
    /// Whether messages go by TLS or not at all (M11). Default no.
    pub require_tls: bool,
    /// How to authenticate (M12). Default: not at all.
    pub auth: Auth,
    /// Name lookup and TCP to all addresses of a target together (M14). Default 5 minutes; so is zero (D11).
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub connect_timeout: Duration,
    /// The greeting (M42, B20). Default 5 minutes; so is zero.
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub greeting_timeout: Duration,
    /// Each command and its reply, and the TLS handshake (M15). Default 5 minutes; so is zero.
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub command_timeout: Duration,
    /// From the end of the content to each reply to it (M16, D5). Default 12 minutes; so is zero.
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub submission_timeout: Duration,
    /// A whole delivery, all attempts together. Default zero: only its phases have limits.
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub total_timeout: Duration,
    /// What moves on to the next target (D25).
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub failover: Failover,
    /// Whether content goes by BDAT (D27).
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub chunking: Chunking,
    /// Messages over one connection; 0, the default: a connection a message (D28, M41).
    pub connection_reuse: u32,
    /// The name or address that certificates must be for, in place of each target's host.
    #[cfg_attr(feature = "serde", serde(with = "serde::optional", skip_serializing_if = "Option::is_none"))]
    pub server_name: Option<ServerName<'static>>,
    /// What becomes of a CR or LF that stands alone in content (W18-W20).
    #[cfg_attr(feature = "serde", serde(with = "serde::word"))]
    pub line_breaks: LineBreaks,
    /// Whether MAIL says `AUTH=<>` after authenticating (D23). Default no.
    pub mail_auth_param: bool,
}

impl Settings {
    /// The defaults of `target.smtp` or `target.lmtp`.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            debug: false,
            hostname: None,
            targets: Vec::new(),
            runtime_dir: RUNTIME_DIR.into(),
            tls_client: TlsClient::default(),
            attempt_starttls: None,
            require_tls: false,
            auth: Auth::Off,
            connect_timeout: Timeouts::DEFAULT.connect,
            greeting_timeout: Timeouts::DEFAULT.greeting,
            command_timeout: Timeouts::DEFAULT.command,
            submission_timeout: Timeouts::DEFAULT.submission,
            total_timeout: Duration::ZERO,
            failover: Failover::default(),
            chunking: Chunking::default(),
            connection_reuse: 0,
            server_name: None,
            line_breaks: LineBreaks::default(),
            mail_auth_param: false,
        }
    }

    /// Whether STARTTLS is used where it is offered, as set or by default (M10).
    #[must_use]
    pub fn attempts_starttls(&self) -> bool {
        self.attempt_starttls.unwrap_or(self.protocol == Protocol::Smtp)
    }
}

impl Default for Settings {
    /// Those of `target.smtp`.
    fn default() -> Self {
        Self::new(Protocol::Smtp)
    }
}

/// `tls_client` (M49-M53): files by their paths, everything else parsed. Relative paths are relative to the working directory; the text
/// form has made them relative to the file in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(::serde::Serialize, ::serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct TlsClient {
    /// PEM files of the roots to trust, in place of the platform's. Empty: the platform's (M49).
    pub root_ca: Vec<PathBuf>,
    /// The PEM file of our certificate, and of those between it and its root (M50).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub cert: Option<PathBuf>,
    /// The PEM file of our certificate's key.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub key: Option<PathBuf>,
    /// The oldest and the newest version; `None`: all that are spoken here (M51).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub protocols: Option<Versions>,
    /// TLS 1.2 cipher suites, most preferred first. Empty: those of the crypto provider (M52, M56).
    #[cfg_attr(feature = "serde", serde(with = "serde::words"))]
    pub ciphers: Vec<CipherSuite>,
    /// Key exchange groups, most preferred first. Empty: those of the crypto provider, post-quantum ones among them (M53, D8).
    #[cfg_attr(feature = "serde", serde(with = "serde::words", alias = "curve"))]
    pub curves: Vec<NamedGroup>,
}

/// The TLS versions allowed; as text, `MIN MAX`, or one for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Versions {
    /// The oldest.
    pub min: TlsVersion,
    /// The newest.
    pub max: TlsVersion,
}

/// How to authenticate (M43-M46).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(::serde::Serialize, ::serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Auth {
    /// Not at all.
    #[default]
    Off,
    /// By PLAIN (RFC 4616).
    Plain(Account),
    /// By LOGIN, for servers that have nothing better.
    Login(Account),
    /// By PLAIN, as whoever submitted the message (M45).
    Forward,
    /// By EXTERNAL: the TLS client certificate says who we are (M46).
    External,
    /// By SCRAM-SHA-256 (RFC 7677): the password is proven and not said, and the server proves that it knows it.
    #[cfg_attr(feature = "serde", serde(rename = "scram-sha-256"))]
    ScramSha256(Account),
    /// By CRAM-MD5 (RFC 2195), for servers that have nothing else and no TLS.
    #[cfg_attr(feature = "serde", serde(rename = "cram-md5"))]
    CramMd5(Account),
    /// By XOAUTH2, with a token in place of the password.
    #[cfg_attr(feature = "serde", serde(rename = "xoauth2"))]
    XOAuth2(Account),
    /// By OAUTHBEARER (RFC 7628), with a token in place of the password.
    #[cfg_attr(feature = "serde", serde(rename = "oauthbearer"))]
    OAuthBearer(Account),
    /// By the strongest of SCRAM-SHA-256, PLAIN and LOGIN that is offered (R134).
    Auto(Account),
}

impl Auth {
    /// Whether it shows a secret to whoever reads the connection.
    pub(crate) const fn reveals_secret(&self) -> bool {
        match self {
            Self::Off | Self::External | Self::ScramSha256(_) | Self::CramMd5(_) => false,
            Self::Plain(_) | Self::Login(_) | Self::Forward => true,
            // What will be offered is not known, and PLAIN may be all of it.
            Self::XOAuth2(_) | Self::OAuthBearer(_) | Self::Auto(_) => true,
        }
    }

    /// What the secret of its account is called.
    pub(crate) const fn secret(&self) -> &'static str {
        match self {
            Self::XOAuth2(_) | Self::OAuthBearer(_) => "token",
            _ => "password",
        }
    }

    /// The user and the password, or the token, where there are any.
    pub(crate) const fn account(&self) -> Option<&Account> {
        match self {
            Self::Off | Self::Forward | Self::External => None,
            Self::Plain(account)
            | Self::Login(account)
            | Self::ScramSha256(account)
            | Self::CramMd5(account)
            | Self::XOAuth2(account)
            | Self::OAuthBearer(account)
            | Self::Auto(account) => Some(account),
        }
    }
}

/// A user with a password, or with a token, where the mechanism wants one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Account {
    /// Whose it is; not empty.
    pub user: String,
    /// The password or token, or where it is.
    pub password: Password,
}

impl Account {
    /// An account.
    #[must_use]
    pub fn new(user: impl Into<String>, password: Password) -> Self {
        Self { user: user.into(), password }
    }
}

/// A password, or where it is (D30).
///
/// By serde: `{ file = "PATH" }`, `{ env = "NAME" }`, or text as the language has it: the password, or `file:PATH`. A password itself is
/// read and never written: to write settings that hold one is an error.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Password {
    /// This.
    Literal(Secret),
    /// The first line of a file, without its end.
    File(PathBuf),
    /// The value of an environment variable.
    Variable(String),
}

/// What a word starts with that names the file of a password (D30).
const FILE: &str = "file:";

impl Password {
    /// As the language has it: the password, or `file:PATH`, where a relative path is relative to `directory`.
    #[must_use]
    pub fn from_word(text: &str, directory: Option<&Path>) -> Self {
        match text.strip_prefix(FILE) {
            Some(path) => Self::File(value::path_in(directory, path)),
            None => Self::Literal(Secret::from(text)),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(secret) => secret.fmt(f),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Variable(name) => f.debug_tuple("Variable").field(name).finish(),
        }
    }
}

/// What becomes of a CR that no LF follows (W19), and of an LF that no CR precedes (W18).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LineBreaks {
    /// The CR becomes a blank, the LF a line end.
    #[default]
    Space,
    /// Both become line ends.
    Crlf,
    /// The message is refused for either (W20).
    Reject,
    /// The CR stays, the LF becomes a line end: see the warning at [`BareCr::Pass`].
    Pass,
}

impl From<LineBreaks> for body::LineBreaks {
    fn from(choice: LineBreaks) -> Self {
        let mut line_breaks = Self::default();
        (line_breaks.bare_cr, line_breaks.bare_lf) = match choice {
            LineBreaks::Space => (BareCr::Space, BareLf::Crlf),
            LineBreaks::Crlf => (BareCr::Crlf, BareLf::Crlf),
            LineBreaks::Reject => (BareCr::Reject, BareLf::Reject),
            LineBreaks::Pass => (BareCr::Pass, BareLf::Crlf),
        };
        line_breaks
    }
}
