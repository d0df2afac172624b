//! A plan, one typed method a setting.

use std::{sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};

use super::{Plan, PlanError};
use crate::{
    Endpoint, Failover,
    address::ClientName,
    body::LineBreaks,
    config::{Chunking, Config, Protocol, TlsMode},
    pool::Limits,
    sasl::AuthPolicy,
};

/// Makes a [`Plan`]: [`Plan::builder`] begins one.
///
/// It reads no file and picks neither roots nor a crypto provider: TLS comes as a finished `rustls` configuration, which
/// [`TlsOptions`](crate::tls_options::TlsOptions) makes from PEM octets. The name to give in EHLO is an argument of `builder`, so that
/// none can be forgotten (M77). Every other setting has a default, the same as the directive of that name; only reuse differs,
/// see [`PlanBuilder::reuse`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ca = rcgen::generate_simple_self_signed(["ca.example".to_owned()])?.cert.pem();
/// use std::sync::Arc;
///
/// use smtp_proto::{
///     Plan,
///     sasl::{AuthPolicy, Credentials, Mechanism},
///     tls_options::TlsOptions,
/// };
///
/// let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
/// let account = Credentials::Password { user: "ann".into(), password: "secret".into() };
/// let plan = Plan::builder("client.example".parse()?)
///     .target("tls://mx1.example.org:465".parse()?)
///     .target("tcp://mx2.example.org:587".parse()?)
///     .tls(TlsOptions::new().root_ca_pem(ca.as_bytes())?.build(provider)?)
///     .require_tls(true)
///     .auth(AuthPolicy::Mechanism(Mechanism::Plain, account))
///     .build()?;
/// assert_eq!(plan.targets.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing comes of a builder until `build` is called"]
pub struct PlanBuilder {
    config: Config,
    endpoints: Vec<Endpoint>,
    attempt_starttls: Option<bool>,
    failover: Failover,
    total_timeout: Option<Duration>,
    reuse: Option<Limits>,
}

impl Plan {
    /// Begins a plan; `client_name` is what EHLO, HELO or LHLO will say (M74).
    pub fn builder(client_name: ClientName) -> PlanBuilder {
        PlanBuilder {
            config: Config::new(client_name),
            endpoints: Vec::new(),
            attempt_starttls: None,
            failover: Failover::default(),
            total_timeout: None,
            reuse: Some(Limits::default()),
        }
    }
}

impl PlanBuilder {
    /// SMTP, the default, or LMTP.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.config.protocol = protocol;
        self
    }

    /// Adds an endpoint behind those there are: they are tried in order (M38).
    pub fn target(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Adds endpoints.
    pub fn targets(mut self, endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        self.endpoints.extend(endpoints);
        self
    }

    /// The TLS client configuration for `tls://` endpoints and for STARTTLS: roots, versions, client certificate.
    pub fn tls(mut self, client: Arc<ClientConfig>) -> Self {
        self.config.security.client = Some(client);
        self
    }

    /// Whether STARTTLS is used where it is offered. By default it is for SMTP, and is not for LMTP (M10).
    ///
    /// `false` is the operator's word that TLS is not wanted, so that secrets may go in clear, too (D4); that LMTP does without
    /// by default is nobody's word.
    pub fn attempt_starttls(mut self, attempt: bool) -> Self {
        self.attempt_starttls = Some(attempt);
        self
    }

    /// Whether a message and its credentials go by TLS or not at all (M11). Default `false`: what cannot be sent by TLS goes in clear.
    pub fn require_tls(mut self, required: bool) -> Self {
        self.config.security.required = required;
        self
    }

    /// The name or address that the certificates of all targets must be for, in place of each endpoint's host.
    pub fn server_name(mut self, name: ServerName<'static>) -> Self {
        self.config.security.server_name = Some(name);
        self
    }

    /// How to authenticate. Default: not at all (M12).
    pub fn auth(mut self, policy: AuthPolicy) -> Self {
        self.config.auth = policy;
        self
    }

    /// Time for name lookup and TCP to all addresses of a target together (M14). Default 5 minutes, which zero means as well (D11).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.timeouts.connect = timeout;
        self
    }

    /// Time for the server's greeting (M42). Default 5 minutes, which zero means as well.
    pub fn greeting_timeout(mut self, timeout: Duration) -> Self {
        self.config.timeouts.greeting = timeout;
        self
    }

    /// Time for each command with its reply, and for the TLS handshake (M15). Default 5 minutes, which zero means as well.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.config.timeouts.command = timeout;
        self
    }

    /// Time from the end of the content to each reply to it (M16). Default 12 minutes, which zero means as well (D5).
    pub fn submission_timeout(mut self, timeout: Duration) -> Self {
        self.config.timeouts.submission = timeout;
        self
    }

    /// Time for a whole delivery, all attempts together; `None`, the default: only its phases have limits.
    pub fn total_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.total_timeout = timeout;
        self
    }

    /// What moves on to the next target (D25). Default: only what happens before a target is usable.
    pub fn failover(mut self, failover: Failover) -> Self {
        self.failover = failover;
        self
    }

    /// Whether content goes by BDAT (D27). Default: where it saves a round trip.
    pub fn chunking(mut self, chunking: Chunking) -> Self {
        self.config.chunking = chunking;
        self
    }

    /// How far connections are kept for later messages; `None`: one connection a message, which is what the directive form
    /// defaults to (M41). Default: [`Limits::default`] (D28).
    pub fn reuse(mut self, limits: Option<Limits>) -> Self {
        self.reuse = limits;
        self
    }

    /// How the line ends of content are made fit for the wire (W18-W20).
    pub fn line_breaks(mut self, line_breaks: LineBreaks) -> Self {
        self.config.line_breaks = line_breaks;
        self
    }

    /// Whether MAIL says `AUTH=<>` after authenticating (D23). Default `false`.
    pub fn mail_auth_param(mut self, send: bool) -> Self {
        self.config.mail_auth_param = send;
        self
    }

    /// Whether dialogues are recorded, secrets redacted. Default `false`.
    pub fn transcript(mut self, record: bool) -> Self {
        self.config.transcript = record;
        self
    }

    /// Changes what has no method here, such as [`Config::pipelining`]. What [`PlanBuilder::attempt_starttls`] decides is decided
    /// in `build`, after this.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// The plan.
    ///
    /// # Errors
    /// As [`Plan::new`], and TLS required of Unix sockets alone (D22). In particular, STARTTLS and `tls://` want a TLS configuration: give [`PlanBuilder::tls`], or say
    /// `attempt_starttls(false)`.
    pub fn build(self) -> Result<Plan, PlanError> {
        let Self { mut config, endpoints, attempt_starttls, failover, total_timeout, reuse } = self;
        let all_unix = !endpoints.is_empty() && endpoints.iter().all(|it| matches!(it, Endpoint::Unix(_)));
        if config.security.required && all_unix {
            return Err(PlanError::TlsOnUnixSockets); // D22
        }
        let attempt = attempt_starttls.unwrap_or(config.protocol == Protocol::Smtp); // M10
        config.security.mode = if attempt { TlsMode::StartTls } else { TlsMode::Off };
        config.security.secrets_in_clear = attempt_starttls == Some(false); // D4a
        let plan = Plan::new(endpoints, &config)?;
        Ok(Plan { failover, total_timeout, reuse, ..plan })
    }
}
