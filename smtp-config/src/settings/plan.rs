//! From settings to a plan: files are read, everything else has been decided.

use std::{cell::OnceCell, io, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use smtp_proto::{
    Endpoint, Plan, PlanError, Secret,
    pool::Limits,
    sasl::{AuthPolicy, Credentials, Mechanism},
    tls_options::{PemInput, TlsOptions, TlsOptionsError},
};

use super::{Account, Auth, Password, Problem, Problems, Settings, problem::chain};
use crate::{diagnostic::Severity, loader::Loader};

/// Larger is no certificate or key, in octets.
const LARGEST_PEM: u64 = 16 * 1024 * 1024;

/// Larger is no password, in octets.
const LARGEST_PASSWORD: u64 = 64 * 1024;

/// What TLS is made of and settings cannot say: the cryptography, and whom the platform trusts.
pub struct Tls<'a> {
    provider: Arc<CryptoProvider>,
    platform_roots: &'a dyn Fn() -> RootCertStore,
    /// What that answered: it takes its time.
    asked: OnceCell<RootCertStore>,
}

impl<'a> Tls<'a> {
    /// With this crypto provider, and these roots wherever no `root_ca` is given. The roots are asked for only if needed, and once; none at all is an
    /// answer.
    pub fn new(provider: Arc<CryptoProvider>, platform_roots: &'a dyn Fn() -> RootCertStore) -> Self {
        Self { provider, platform_roots, asked: OnceCell::new() }
    }

    fn platform_roots(&self) -> RootCertStore {
        self.asked.get_or_init(self.platform_roots).clone()
    }
}

impl std::fmt::Debug for Tls<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// A plan, and what is doubtful about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Warnings.
    pub warnings: Vec<Problem>,
}

impl Settings {
    /// Makes the plan: reads certificates, keys and password files, and builds the TLS configuration, once for all targets.
    ///
    /// # Errors
    /// Everything that [`Settings::check`] has to object to, a file that cannot be read or does not hold what it should, a key that does not
    /// belong to its certificate.
    pub fn plan(&self, loader: &dyn Loader, tls: &Tls<'_>) -> Result<Planned, Problems> {
        let mut problems = self.check();
        let planned = self.plan_unchecked(loader, tls, &mut problems);
        match planned {
            Some(plan) if !problems.iter().any(Problem::is_error) => Ok(Planned { plan, warnings: problems }),
            _ => Err(Problems(problems)),
        }
    }

    /// The same, without what [`Settings::check`] says.
    pub(crate) fn plan_unchecked(
        &self,
        loader: &dyn Loader,
        tls: &Tls<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<Plan> {
        let client = self.client(loader, tls, problems);
        let auth = self.auth_policy(loader, problems);
        if problems.iter().any(Problem::is_error) {
            return None;
        }
        let mut limits = Limits::default();
        limits.messages = self.connection_reuse;
        let mut builder = Plan::builder(self.hostname.clone()?)
            .protocol(self.protocol)
            .targets(self.targets.iter().map(|target| target.with_runtime_dir(&self.runtime_dir)))
            .require_tls(self.require_tls)
            .auth(auth?)
            .connect_timeout(self.connect_timeout)
            .greeting_timeout(self.greeting_timeout)
            .command_timeout(self.command_timeout)
            .submission_timeout(self.submission_timeout)
            .total_timeout(Some(self.total_timeout).filter(|timeout| !timeout.is_zero()))
            .failover(self.failover)
            .chunking(self.chunking)
            .reuse((self.connection_reuse > 0).then_some(limits))
            .line_breaks(self.line_breaks.into())
            .mail_auth_param(self.mail_auth_param)
            .transcript(self.debug);
        if let Some(attempt) = self.attempt_starttls {
            builder = builder.attempt_starttls(attempt);
        }
        if let Some(name) = &self.server_name {
            builder = builder.server_name(name.clone());
        }
        if let Some(client) = client {
            builder = builder.tls(client);
        }
        builder.build().map_err(|error| problems.push(of_plan(&error))).ok()
    }

    /// What is wrong with the files that these settings name.
    pub(crate) fn problems_of_files(&self, loader: &dyn Loader, tls: &Tls<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.client(loader, tls, &mut problems);
        self.auth_policy(loader, &mut problems);
        problems
    }

    /// Whether any connection may use TLS.
    fn uses_tls(&self) -> bool {
        self.attempts_starttls() || self.targets.iter().any(|it| matches!(it, Endpoint::Tls { .. }))
    }

    /// The TLS configuration. It is built where nobody uses it, too, if files are named: they are looked at before they are needed.
    fn client(
        &self,
        loader: &dyn Loader,
        tls: &Tls<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<Arc<ClientConfig>> {
        let own = &self.tls_client;
        if !self.uses_tls() && own.root_ca.is_empty() && own.cert.is_none() {
            return None;
        }
        let before = problems.len();
        let mut options = self.roots(loader, tls, problems);
        if let (Some(cert), Some(key)) = (&own.cert, &own.key) {
            options = identity(options, loader, cert, key, problems);
        }
        if let Some(versions) = own.protocols {
            match options.clone().versions(versions.min, versions.max) {
                Ok(limited) => options = limited,
                Err(_) => return None, // `check` has said it
            }
        }
        if !own.ciphers.is_empty() {
            options = options.cipher_suites(own.ciphers.iter().copied());
        }
        if !own.curves.is_empty() {
            options = options.groups(own.curves.iter().copied());
        }
        if problems.iter().skip(before).any(Problem::is_error) {
            return None;
        }
        match options.build(Arc::clone(&tls.provider)) {
            Ok(client) => Some(client),
            Err(TlsOptionsError::NoRoots) => self.without_roots(tls, problems),
            Err(error) => {
                problems.push(self.of_tls(&error));
                None
            }
        }
    }

    /// The roots: those of the files (M49), else the platform's.
    fn roots(&self, loader: &dyn Loader, tls: &Tls<'_>, problems: &mut Vec<Problem>) -> TlsOptions {
        const KEY: &str = "tls_client.root_ca";
        let mut options = TlsOptions::new();
        if self.tls_client.root_ca.is_empty() {
            return options.roots(tls.platform_roots());
        }
        for (at, file) in self.tls_client.root_ca.iter().enumerate() {
            let read = loader.read(file, LARGEST_PEM).map_err(|error| unreadable(KEY, "the file", &error));
            let added = read.and_then(|pem| {
                options.clone().root_ca_pem(&pem).map_err(|error| Problem::error(KEY, chain(&error)))
            });
            match added {
                Ok(more) => options = more,
                Err(problem) => problems.push(problem.at(at).in_file(file)),
            }
        }
        options
    }

    /// The platform trusts nobody. Where TLS is optional every handshake fails, as it should, and what follows is what follows a failed
    /// handshake: in particular no secret goes in clear (D4), which switching TLS off would allow.
    fn without_roots(&self, tls: &Tls<'_>, problems: &mut Vec<Problem>) -> Option<Arc<ClientConfig>> {
        const HELP: &str = "name a root_ca file in tls_client, or install the platform's certificates";
        let implicit = self.targets.iter().any(|it| matches!(it, Endpoint::Tls { .. }));
        if self.require_tls || implicit {
            let message = "TLS is required, and the platform has no root certificates";
            problems.push(Problem::error("tls_client", message).help(HELP));
            return None;
        }
        let message = "the platform has no root certificates: no server can be verified";
        problems.push(Problem::warning("tls_client", message).help(HELP));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&tls.provider));
        match builder.with_safe_default_protocol_versions() {
            Ok(builder) => {
                Some(Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
            }
            Err(error) => {
                problems.push(Problem::error("tls_client", chain(&error)));
                None
            }
        }
    }

    /// Which directive an error of the TLS options is about.
    fn of_tls(&self, error: &TlsOptionsError) -> Problem {
        let own = &self.tls_client;
        match error {
            TlsOptionsError::IdentityMismatch => {
                let problem = Problem::error("tls_client.key", "the key does not belong to the certificate");
                let problem = problem
                    .help("the certificate of this key must be the first in the file that `cert` names");
                own.key.iter().fold(problem, Problem::in_file)
            }
            TlsOptionsError::Identity(_) => {
                own.cert.iter().fold(Problem::error("tls_client.cert", chain(error)), Problem::in_file)
            }
            TlsOptionsError::NoSuite(suite) => {
                let at = own.ciphers.iter().position(|it| it == suite);
                at.into_iter().fold(Problem::error("tls_client.ciphers", chain(error)), Problem::at)
            }
            TlsOptionsError::NoGroup(group) => {
                let at = own.curves.iter().position(|it| it == group);
                at.into_iter().fold(Problem::error("tls_client.curves", chain(error)), Problem::at)
            }
            _ => Problem::error("tls_client", chain(error)),
        }
    }

    fn auth_policy(&self, loader: &dyn Loader, problems: &mut Vec<Problem>) -> Option<AuthPolicy> {
        let mechanism = match &self.auth {
            Auth::Off => return Some(AuthPolicy::Off),
            Auth::Forward => return Some(AuthPolicy::Forward),
            Auth::External => {
                let credentials = Credentials::External { identity: String::new() };
                return Some(AuthPolicy::Mechanism(Mechanism::External, credentials));
            }
            Auth::Plain(_) => Some(Mechanism::Plain),
            Auth::Login(_) => Some(Mechanism::Login),
            Auth::ScramSha256(_) => Some(Mechanism::ScramSha256),
            Auth::CramMd5(_) => Some(Mechanism::CramMd5),
            Auth::XOAuth2(_) => Some(Mechanism::XOAuth2),
            Auth::OAuthBearer(_) => Some(Mechanism::OAuthBearer),
            Auth::Auto(_) => None,
        };
        let account = self.auth.account()?;
        let secret = password(account, self.auth.secret(), loader);
        let secret = secret.map_err(|problem| problems.push(problem)).ok()?;
        let user = account.user.clone();
        let credentials = match mechanism {
            Some(Mechanism::XOAuth2 | Mechanism::OAuthBearer) => Credentials::Token { user, token: secret },
            _ => Credentials::Password { user, password: secret },
        };
        Some(match mechanism {
            Some(mechanism) => AuthPolicy::Mechanism(mechanism, credentials),
            None => AuthPolicy::Auto(credentials),
        })
    }
}

/// Adds certificate and key, with blame for the right one of two files.
fn identity(
    options: TlsOptions,
    loader: &dyn Loader,
    cert: &Path,
    key: &Path,
    problems: &mut Vec<Problem>,
) -> TlsOptions {
    let mut read = |directive, file: &Path| {
        let read = loader.read(file, LARGEST_PEM);
        read.map_err(|error| problems.push(unreadable(directive, "the file", &error).in_file(file))).ok()
    };
    let (chain_pem, key_pem) = (read("tls_client.cert", cert), read("tls_client.key", key).map(Secret::from));
    let (Some(chain_pem), Some(key_pem)) = (chain_pem, key_pem) else { return options };
    options.clone().client_identity_pem(&chain_pem, key_pem.expose()).unwrap_or_else(|error| {
        let of_cert = matches!(
            error,
            TlsOptionsError::NoCertificate(_) | TlsOptionsError::Pem(PemInput::ClientCert, _)
        );
        let (directive, file) = if of_cert { ("tls_client.cert", cert) } else { ("tls_client.key", key) };
        problems.push(Problem::error(directive, chain(&error)).in_file(file));
        options
    })
}

fn password(account: &Account, what: &str, loader: &dyn Loader) -> Result<Secret, Problem> {
    match &account.password {
        Password::Literal(secret) => Ok(secret.clone()),
        Password::Variable(name) => {
            let value = loader.variable(name).filter(|value| !value.is_empty());
            value.map(Secret::from).ok_or_else(|| {
                Problem::error(
                    "auth",
                    format!("the variable that should hold the {what} is not set, or empty"),
                )
            })
        }
        Password::File(file) => {
            let octets = loader.read(file, LARGEST_PASSWORD);
            let octets = octets
                .map_err(|error| unreadable("auth", &format!("the {what} file"), &error).in_file(file))?;
            first_line(octets).ok_or_else(|| {
                let message = format!("the first line of the file is empty, and should be the {what}");
                Problem::error("auth", message).in_file(file)
            })
        }
    }
}

/// The first line without its end; `None`: it is empty.
fn first_line(mut octets: Vec<u8>) -> Option<Secret> {
    if let Some(end) = octets.iter().position(|octet| *octet == b'\n') {
        // The rest is wiped with the secret: truncating leaves it in the same buffer.
        octets.truncate(end);
    }
    if octets.last() == Some(&b'\r') {
        octets.pop();
    }
    (!octets.is_empty()).then(|| Secret::from(octets))
}

fn unreadable(directive: &'static str, what: &str, error: &io::Error) -> Problem {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is none".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::FileTooLarge => "it is too large to be what it should be".to_owned(),
        io::ErrorKind::PermissionDenied => "permission is denied".to_owned(),
        _ => error.to_string(),
    };
    Problem::error(directive, format!("{what} cannot be read: {why}"))
}

fn of_plan(error: &PlanError) -> Problem {
    let directive = if matches!(error, PlanError::TlsOnUnixSockets) { "require_tls" } else { "targets" };
    Problem { severity: Severity::Error, ..Problem::error(directive, chain(error)) }
}
