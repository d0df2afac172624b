//! The ways to a server, and what goes over them.

use smtp_proto::{Config, Plan, config::Chunking};

use crate::{
    client::{Tls, config, lmtp, plan},
    host::Host,
};

/// How to get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    StartTls,
    Implicit,
    Lmtp,
    LmtpStartTls,
    LmtpSocket,
}

impl Way {
    pub(crate) const fn is_lmtp(self) -> bool {
        matches!(self, Self::Lmtp | Self::LmtpStartTls | Self::LmtpSocket)
    }

    pub(crate) const fn is_tls(self) -> bool {
        matches!(self, Self::StartTls | Self::Implicit | Self::LmtpStartTls)
    }

    pub(crate) fn endpoint(self, host: &Host, auth: bool) -> String {
        match self {
            // Where there is TLS, AUTH is offered behind it only.
            Self::Plain if auth => host.tcp("NOTLS_PORT"),
            Self::Plain | Self::StartTls => host.tcp("PLAIN_PORT"),
            Self::Implicit => host.by_name("tls", "SMTPS_PORT"),
            Self::Lmtp | Self::LmtpStartTls => host.tcp("LMTP_PORT"),
            Self::LmtpSocket => format!("unix://{}", host.value("LMTP_SOCKET")),
        }
    }

    pub(crate) fn config(self, host: &Host, chunking: Chunking) -> Config {
        let mut config = config(host, if self.is_tls() { Tls::Must } else { Tls::Off });
        config.chunking = chunking;
        if self.is_lmtp() { lmtp(config) } else { config }
    }

    pub(crate) fn plan(self, host: &Host, chunking: Chunking) -> Plan {
        plan(&[self.endpoint(host, false)], &self.config(host, chunking))
    }
}

/// What RFC 3848 has it called.
pub(crate) fn rfc3848(way: Way, auth: bool) -> &'static str {
    match (way.is_lmtp(), way.is_tls(), auth) {
        (false, false, false) => "ESMTP",
        (false, true, false) => "ESMTPS",
        (false, false, true) => "ESMTPA",
        (false, true, true) => "ESMTPSA",
        (true, false, false) => "LMTP",
        (true, true, false) => "LMTPS",
        (true, false, true) => "LMTPA",
        (true, true, true) => "LMTPSA",
    }
}
