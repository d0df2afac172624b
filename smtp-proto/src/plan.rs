//! Where messages go: targets in order, and the configuration each connection to them gets.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    Random,
    config::{Config, Protocol, TlsMode},
    endpoint::{Endpoint, HostError},
    policy::Failover,
    pool::Limits,
};

mod builder;
#[cfg(test)]
mod tests;

pub use builder::PlanBuilder;

/// One server: where it is, and how to speak with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How a connection to it behaves.
    pub config: Arc<Config>,
}

/// A transport address to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket; a leading `@` names an abstract one.
    Unix(PathBuf),
}

impl Peer {
    /// On this machine: where D4 may allow a secret in clear.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Everything a delivery needs to know but the message: made once, shared by all deliveries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// In the order they are tried (M38).
    pub targets: Vec<Target>,
    /// What moves on to the next target.
    pub failover: Failover,
    /// Time for a whole delivery, all attempts together; `None`: only the phases have limits.
    pub total_timeout: Option<Duration>,
    /// How far connections are kept for later messages (D28); `None`: one connection a message (M41).
    pub reuse: Option<Limits>,
}

/// Why settings make no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// M9.
    #[error("there is no target: name at least one endpoint, such as tcp://127.0.0.1:25")]
    NoTargets,
    /// RFC 2033 §5 (R78).
    #[error(
        "{endpoint}: LMTP must not be used on TCP port 25; use the LMTP port, often 24, or a Unix socket"
    )]
    LmtpOnPort25 {
        /// The endpoint.
        endpoint: String,
    },
    /// TLS is wanted, and there is no TLS configuration.
    #[error(
        "{endpoint}: TLS is asked for but no TLS client configuration is given: give one, or switch STARTTLS off"
    )]
    NoTlsConfiguration {
        /// The endpoint.
        endpoint: String,
    },
    /// D22; [`PlanBuilder::build`] alone says so.
    #[error(
        "TLS is required, and every target is a Unix socket, where there is no TLS to be had: do not require it, or use tls:// or tcp://"
    )]
    TlsOnUnixSockets,
    /// The endpoint's host cannot be used.
    #[error("{endpoint}: unusable host")]
    Host {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        cause: HostError,
    },
}

impl Plan {
    /// A plan over endpoints that share one configuration.
    ///
    /// Per endpoint, `tls://` sets implicit TLS, and the name to verify is the endpoint's host unless `config.security.server_name` is set.
    ///
    /// # Errors
    /// No endpoint, LMTP on port 25, TLS without a client configuration, a host that is no name.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>, config: &Config) -> Result<Self, PlanError> {
        let targets = endpoints
            .into_iter()
            .map(|endpoint| Target::new(endpoint, config.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            return Err(PlanError::NoTargets);
        }
        Ok(Self {
            targets,
            failover: Failover::default(),
            total_timeout: None,
            reuse: Some(Limits::default()),
        })
    }

    /// Sets what moves on to the next target.
    #[must_use]
    pub const fn with_failover(mut self, failover: Failover) -> Self {
        self.failover = failover;
        self
    }

    /// Sets the time for a whole delivery.
    #[must_use]
    pub const fn with_total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    /// Sets how far connections are kept for later messages; `None`: one connection a message (M41).
    #[must_use]
    pub const fn with_reuse(mut self, limits: Option<Limits>) -> Self {
        self.reuse = limits;
        self
    }

    /// Gives every target that has none a source of randomness ([`Config::random`]). The clients of the runtimes do so with the
    /// operating system's.
    #[must_use]
    pub fn with_random(mut self, random: &Random) -> Self {
        for target in self.targets.iter_mut().filter(|target| target.config.random.is_none()) {
            Arc::make_mut(&mut target.config).random = Some(random.clone());
        }
        self
    }
}

impl Target {
    /// A target with a configuration of its own.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn new(endpoint: Endpoint, mut config: Config) -> Result<Self, PlanError> {
        let name = || endpoint.to_string();
        if config.protocol == Protocol::Lmtp && endpoint.port() == Some(25) {
            return Err(PlanError::LmtpOnPort25 { endpoint: name() });
        }
        let security = &mut config.security;
        security.mode = match (&endpoint, security.mode) {
            (Endpoint::Tls { .. }, _) => TlsMode::Implicit,
            (_, TlsMode::Off) => TlsMode::Off,
            (_, TlsMode::StartTls | TlsMode::Implicit) => TlsMode::StartTls,
        };
        if security.mode != TlsMode::Off && security.client.is_none() {
            return Err(PlanError::NoTlsConfiguration { endpoint: name() });
        }
        if security.server_name.is_none() {
            security.server_name =
                endpoint.server_name().map_err(|cause| PlanError::Host { endpoint: name(), cause })?;
        }
        Ok(Self { endpoint, config: Arc::new(config) })
    }

    /// How to speak with it without STARTTLS: for the one retry of M65.
    pub(crate) fn without_starttls(&self) -> Arc<Config> {
        let mut config = Config::clone(&self.config);
        config.security.mode = TlsMode::Off;
        Arc::new(config)
    }
}
