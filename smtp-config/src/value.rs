//! Values of directives: how each is written, and what is said about one that is not (M17-M21).

use std::{borrow::Cow, path::Path, time::Duration};

use rustls::{CipherSuite, NamedGroup, pki_types::ServerName};
use smtp_proto::{
    Endpoint, Failover,
    address::ClientName,
    config::{Chunking, Protocol},
    endpoint::EndpointErrorKind,
    tls_options::{self, TlsOptionsError, TlsVersion},
};

use crate::settings::LineBreaks;

pub mod duration;

/// Why text is no such value.
///
/// Neither part shows the text where `Value::PRIVATE` or the caller's knowledge forbids it: then `message` is replaced by
/// [`ValueError::veiled`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueError {
    /// What is wrong; may quote the text.
    pub(crate) message: String,
    /// What to write instead; never quotes it.
    pub(crate) help: Option<Cow<'static, str>>,
    /// The value meant, perhaps.
    pub(crate) suggestion: Option<String>,
    /// The character of the text, from 0, at which it goes wrong; 0: all of it.
    pub(crate) at: usize,
}

impl ValueError {
    fn new(message: impl Into<String>, help: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), help: Some(help.into()), suggestion: None, at: 0 }
    }

    fn suggesting(self, suggestion: Option<String>) -> Self {
        Self { suggestion, ..self }
    }

    /// The same without a trace of the text; `whose` stands for it.
    pub(crate) fn veiled<T: Value>(self, whose: &str) -> Self {
        Self { message: format!("{whose} is no {}", T::WHAT), suggestion: None, at: 0, ..self }
    }

    /// What is wrong, where its place in the text is not shown.
    pub(crate) fn placed_message(&self) -> Cow<'_, str> {
        match self.at {
            0 => Cow::Borrowed(&self.message),
            at => Cow::Owned(format!("{} (from its character {} on)", self.message, at + 1)),
        }
    }

    /// What to do instead, in one line.
    pub(crate) fn advice(&self) -> Option<String> {
        match (&self.suggestion, &self.help) {
            (Some(suggestion), _) => Some(format!("did you mean {suggestion}?")),
            (None, help) => help.as_ref().map(|help| help.clone().into_owned()),
        }
    }
}

impl std::fmt::Display for ValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.placed_message())?;
        self.advice().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

/// A value that is one word, in the language as by serde.
pub(crate) trait Value: Sized {
    /// What it is called.
    const WHAT: &'static str;

    fn read(text: &str) -> Result<Self, ValueError>;

    /// As `read` reads it.
    #[cfg_attr(
        not(feature = "serde"),
        expect(dead_code, reason = "text is read alone; settings are written by serde")
    )]
    fn write(&self) -> Cow<'_, str>;
}

/// The spellings of M17; letter case does not count.
const TRUE: [&str; 4] = ["1", "true", "on", "yes"];
const FALSE: [&str; 4] = ["0", "false", "off", "no"];

impl Value for bool {
    const WHAT: &'static str = "boolean";

    fn read(text: &str) -> Result<Self, ValueError> {
        let is_among = |spellings: [&str; 4]| spellings.iter().any(|it| it.eq_ignore_ascii_case(text));
        if is_among(TRUE) {
            Ok(true)
        } else if is_among(FALSE) {
            Ok(false)
        } else {
            Err(ValueError::new(
                format!("{text:?} is neither yes nor no"),
                "write yes, on, true or 1, or no, off, false or 0; nothing at all means yes",
            ))
        }
    }

    fn write(&self) -> Cow<'_, str> {
        Cow::Borrowed(if *self { "yes" } else { "no" })
    }
}

impl Value for Duration {
    const WHAT: &'static str = "duration";

    fn read(text: &str) -> Result<Self, ValueError> {
        duration::parse(text).map_err(|error| ValueError {
            message: error.to_string(),
            help: None,
            suggestion: None,
            at: 0,
        })
    }

    fn write(&self) -> Cow<'_, str> {
        Cow::Owned(duration::text(*self))
    }
}

impl Value for Endpoint {
    const WHAT: &'static str = "endpoint";

    fn read(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|error: smtp_proto::endpoint::EndpointError| {
            let wrong = ValueError::new(
                error.kind().to_string(),
                "write tcp://HOST:PORT, tls://HOST:PORT, unix:///PATH, unix://RELATIVE/PATH or unix:@ABSTRACT",
            );
            let at = error.column().saturating_sub(1);
            // What is missing is nowhere.
            let at = if at < text.chars().count() { at } else { 0 };
            ValueError { at, ..wrong.suggesting(endpoint_meant(text, error.kind(), at)) }
        })
    }

    fn write(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

/// What the author of the text may have meant, if it makes an endpoint. Never with an `@`: before it may stand a password.
fn endpoint_meant(text: &str, kind: EndpointErrorKind, at: usize) -> Option<String> {
    if text.contains('@') {
        return None;
    }
    // A bare word is a slip of another kind.
    let is_like_one = text.contains(['.', ':', '/']) || text == "localhost";
    let candidates = match kind {
        EndpointErrorKind::Scheme if is_like_one => {
            let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
            let scheme = match scheme.to_ascii_lowercase().as_str() {
                "smtp" | "lmtp" | "smtp+tcp" | "lmtp+tcp" | "" => "tcp",
                "smtps" | "ssl" | "smtp+tls" | "lmtps" => "tls",
                "lmtp+unix" | "smtp+unix" => "unix",
                _ => return None,
            };
            let scheme = if rest.starts_with('/') { "unix" } else { scheme };
            vec![format!("{scheme}://{rest}"), format!("{scheme}://{rest}:{}", port_of(scheme, text))]
        }
        EndpointErrorKind::PortMissing => {
            let text = text.trim_end_matches(':');
            vec![format!("{text}:{}", port_of(text, text))]
        }
        EndpointErrorKind::Extra(_) => vec![text.chars().take(at).collect()],
        EndpointErrorKind::Brackets => {
            let (scheme, rest) = text.split_once("://")?;
            let (host, port) = rest.rsplit_once(':')?;
            vec![format!("{scheme}://[{host}]:{port}")]
        }
        _ => return None,
    };
    candidates.into_iter().find(|candidate| candidate.parse::<Endpoint>().is_ok())
}

/// The port to propose where none is written. LMTP has none of its own, and is not spoken on port 25 (R78).
fn port_of(scheme: &str, text: &str) -> u16 {
    let starts =
        |text: &str, with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if starts(text, "lmtp") {
        24
    } else if starts(scheme, "tls") {
        465
    } else {
        25
    }
}

impl Value for ClientName {
    const WHAT: &'static str = "host name";

    fn read(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(|error: smtp_proto::address::AddressError| {
            ValueError::new(
                format!("{text:?} is not a host name: {}", error.problem()),
                "write a name such as mx.example.org, or an IP address",
            )
        })
    }

    fn write(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}

impl Value for ServerName<'static> {
    const WHAT: &'static str = "server name";

    fn read(text: &str) -> Result<Self, ValueError> {
        let error = || {
            ValueError::new(
                format!("{text:?} is neither a DNS name nor an IP address"),
                "write the name that the server's certificate is for, such as mx.example.org",
            )
        };
        // What an endpoint of that host would be verified against (M21, M54).
        let host = Endpoint::Tls { host: text.to_owned(), port: 465 };
        host.server_name().ok().flatten().ok_or_else(error)
    }

    fn write(&self) -> Cow<'_, str> {
        self.to_str()
    }
}

impl Value for TlsVersion {
    const WHAT: &'static str = "TLS version";

    fn read(text: &str) -> Result<Self, ValueError> {
        match text {
            "tls1.2" => Ok(Self::V1_2),
            "tls1.3" => Ok(Self::V1_3),
            // D19
            "tls1.0" | "tls1.1" => Err(ValueError::new(
                format!("{text} is not spoken here: it is too old to be safe"),
                "write `protocols tls1.2 tls1.3`, or leave `protocols` out, which means the same",
            )),
            _ => Err(unknown::<Self>(text, &["tls1.2", "tls1.3"])),
        }
    }

    fn write(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::V1_2 => "tls1.2",
            Self::V1_3 => "tls1.3",
        })
    }
}

impl Value for CipherSuite {
    const WHAT: &'static str = "cipher suite";

    fn read(text: &str) -> Result<Self, ValueError> {
        tls_options::cipher_suite(text).map_err(|error| named(text, error))
    }

    fn write(&self) -> Cow<'_, str> {
        tls_options::cipher_suite_name(*self).map_or_else(|| Cow::Owned(format!("{self:?}")), Cow::Borrowed)
    }
}

impl Value for NamedGroup {
    const WHAT: &'static str = "key exchange group";

    fn read(text: &str) -> Result<Self, ValueError> {
        tls_options::group(text).map_err(|error| named(text, error))
    }

    fn write(&self) -> Cow<'_, str> {
        tls_options::group_name(*self).map_or_else(|| Cow::Owned(format!("{self:?}")), Cow::Borrowed)
    }
}

/// M55: what maddy knows and this does not is told apart from what nobody knows.
fn named(text: &str, error: TlsOptionsError) -> ValueError {
    match error {
        TlsOptionsError::Unavailable { name, reason, instead } => {
            ValueError::new(format!("{name} is not available: {reason}"), format!("use {instead}"))
        }
        TlsOptionsError::UnknownName { what, known, .. } => {
            let names: Vec<_> = known.split(", ").collect();
            let error = ValueError::new(format!("{text:?} is no {what}"), format!("use one of {known}"));
            error.suggesting(crate::diagnostic::did_you_mean(text, names).map(str::to_owned))
        }
        other => ValueError { message: other.to_string(), help: None, suggestion: None, at: 0 },
    }
}

/// A value that is one of a few words.
macro_rules! words {
    ($type:ty, $what:literal, $($word:literal => $value:expr),+) => {
        impl Value for $type {
            const WHAT: &'static str = $what;

            fn read(text: &str) -> Result<Self, ValueError> {
                let known = [$(($word, $value)),+];
                let found = known.iter().find(|(word, _)| *word == text);
                found.map(|(_, value)| *value).ok_or_else(|| unknown::<Self>(text, &known.map(|(word, _)| word)))
            }

            fn write(&self) -> Cow<'_, str> {
                let known = [$(($word, $value)),+];
                let found = known.iter().find(|(_, value)| value == self);
                found.map_or_else(|| Cow::Owned(format!("{self:?}")), |(word, _)| Cow::Borrowed(*word))
            }
        }
    };
}

words!(Protocol, "protocol", "smtp" => Self::Smtp, "lmtp" => Self::Lmtp);
words!(
    Failover, "failover policy",
    "until_usable" => Self::UntilUsable, "until_decided" => Self::UntilDecided
);
words!(Chunking, "chunking policy", "auto" => Self::Auto, "yes" => Self::Yes, "no" => Self::No);
words!(
    LineBreaks, "policy for line breaks",
    "space" => Self::Space, "crlf" => Self::Crlf, "reject" => Self::Reject, "pass" => Self::Pass
);

fn unknown<T: Value>(text: &str, words: &[&'static str]) -> ValueError {
    ValueError::new(format!("{text:?} is no {}", T::WHAT), format!("use {}", crate::suggest::list(words)))
        .suggesting(crate::diagnostic::did_you_mean(text, words.iter().copied()).map(str::to_owned))
}

/// A count: decimal digits alone.
impl Value for u32 {
    const WHAT: &'static str = "number";

    fn read(text: &str) -> Result<Self, ValueError> {
        let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().ok_or_else(|| {
            ValueError::new(
                format!("{text:?} is no number from 0 to {}", Self::MAX),
                "write decimal digits, such as 100",
            )
        })
    }

    fn write(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

/// A boolean as a directive has it: no argument means yes (M17).
///
/// ```
/// assert_eq!(smtp_config::value::boolean(&["on"]), Some(true));
/// assert_eq!(smtp_config::value::boolean(&[]), Some(true));
/// assert_eq!(smtp_config::value::boolean(&["enable"]), None);
/// ```
#[must_use]
pub fn boolean(arguments: &[&str]) -> Option<bool> {
    match arguments {
        [] => Some(true),
        [one] => bool::read(one).ok(),
        _ => None,
    }
}

/// A path as it was written, seen from the directory that relative paths are relative to.
pub(crate) fn path_in(directory: Option<&Path>, text: &str) -> std::path::PathBuf {
    directory.map_or_else(|| text.into(), |directory| directory.join(text))
}
