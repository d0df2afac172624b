//! The texts of `sink`'s options as values.

use std::{path::PathBuf, str::FromStr};

use clap::ValueEnum;
use smtp_proto::{
    Endpoint, Phase,
    endpoint::EndpointError,
    reply::{Code, Reply},
    server::Extensions,
};

/// Where to listen: an endpoint whose port may be 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    endpoint: Endpoint,
    any_port: bool,
}

impl Listen {
    /// The endpoint; its port means nothing where [`port`](Self::port) is 0.
    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// 0: any free one.
    pub(crate) fn port(&self) -> u16 {
        if self.any_port { 0 } else { self.endpoint.port().unwrap_or_default() }
    }
}

impl FromStr for Listen {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        // Port 0 is nothing to connect to, but a fine thing to bind.
        let scheme = text.get(..4).unwrap_or_default();
        if (scheme.eq_ignore_ascii_case("tcp:") || scheme.eq_ignore_ascii_case("tls:"))
            && let Some(host) = text.strip_suffix(":0")
        {
            let endpoint = format!("{host}:1").parse()?;
            return Ok(Self { endpoint, any_port: true });
        }
        Ok(Self { endpoint: text.parse()?, any_port: false })
    }
}

/// `USER:PASSFILE`. The user can hold a colon only where the file's name does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) password_file: PathBuf,
}

impl FromStr for Account {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((user, file)) if !user.is_empty() && !file.is_empty() => {
                Ok(Self { user: user.to_owned(), password_file: file.into() })
            }
            _ => Err("write USER:PASSFILE, the user's name and the file with the password"),
        }
    }
}

/// `PHASE=CODE[:TEXT]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CannedReply {
    pub(crate) phase: Phase,
    pub(crate) reply: Reply,
}

/// The phases a server answers, and the positive code that fits each.
const PHASES: [(Phase, u16); 8] = [
    (Phase::Greeting, 220),
    (Phase::Hello, 250),
    (Phase::StartTls, 220),
    (Phase::Auth, 235),
    (Phase::Mail, 250),
    (Phase::Rcpt, 250),
    (Phase::Data, 354),
    (Phase::End, 250),
];

impl FromStr for CannedReply {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = "write PHASE=CODE or PHASE=CODE:TEXT, as in rcpt=450:busy";
        let (phase, rest) = text.split_once('=').ok_or(usage)?;
        let (code, text) = rest.split_once(':').unwrap_or((rest, ""));
        let Some((phase, positive)) = PHASES.into_iter().find(|(known, _)| known.name() == phase) else {
            let known: Vec<_> = PHASES.iter().map(|(phase, _)| phase.name()).collect();
            return Err(format!(
                "{phase:?} is not a phase that is answered; the phases are {}",
                known.join(", ")
            ));
        };
        let number = code.parse().ok().filter(|_| code.len() == 3).and_then(Code::new).ok_or(usage)?;
        let fits = matches!(number.get(), 400..=599) || (number.get() / 100 == positive / 100);
        if !fits {
            return Err(format!("{code} cannot answer {phase}; use {positive}, 4yz or 5yz"));
        }
        if text.chars().any(char::is_control) {
            return Err("a reply's text holds no control characters".to_owned());
        }
        let text = match (text, number.get()) {
            ("", 0..=399) => "ok",
            ("", _) => "refused, as the sink was told to",
            (text, _) => text,
        };
        Ok(Self { phase, reply: Reply::new(number, text) })
    }
}

/// What the sink can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Extension {
    Pipelining,
    Size,
    #[value(name = "8bitmime")]
    EightBitMime,
    Smtputf8,
    Enhancedstatuscodes,
    Chunking,
    Binarymime,
}

impl Extension {
    pub(crate) const fn take_from(self, offered: &mut Extensions) {
        match self {
            Self::Pipelining => offered.pipelining = false,
            Self::Size => offered.size = false,
            Self::EightBitMime => offered.eight_bit_mime = false,
            Self::Smtputf8 => offered.smtputf8 = false,
            Self::Enhancedstatuscodes => offered.enhanced_status_codes = false,
            Self::Chunking => offered.chunking = false,
            Self::Binarymime => offered.binary_mime = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_is_any_port() {
        assert_eq!("tcp://127.0.0.1:0".parse::<Listen>().unwrap().port(), 0);
        assert_eq!("tls://[::1]:0".parse::<Listen>().unwrap().port(), 0);
        assert_eq!("tcp://127.0.0.1:2525".parse::<Listen>().unwrap().port(), 2525);
        let unix: Listen = "unix:/run/x:0".parse().unwrap();
        assert_eq!(unix.endpoint(), &Endpoint::Unix("/run/x:0".into()));
        assert!("127.0.0.1:0".parse::<Listen>().is_err());
    }

    #[test]
    fn replies_by_phase() {
        let reply: CannedReply = "rcpt=450:busy: really".parse().unwrap();
        assert_eq!((reply.phase, reply.reply.to_string().as_str()), (Phase::Rcpt, "450 busy: really"));
        assert!("data=354".parse::<CannedReply>().is_ok());
        for bad in [
            "",
            "rcpt",
            "rcpt=",
            "rcpt=45",
            "rcpt=4500",
            "rcpt=354",
            "body=450",
            "quit=500",
            "mail=250:a\r\nb",
            "RCPT=450",
        ] {
            assert!(bad.parse::<CannedReply>().is_err(), "{bad}");
        }
    }
}
