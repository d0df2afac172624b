//! From options to a plan: targets, TLS, authentication, time limits.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use smtp_proto::{
    Config, Endpoint, Failover, Plan, Secret,
    config::{Chunking, Protocol, TlsMode},
    sasl::{AuthPolicy, Credentials, Mechanism},
    tls_options::{TlsOptions, TlsOptionsError},
};
use tracing::warn;

use crate::{
    certificates, cli,
    exit::{Failure, Status},
    files, hostname,
};

/// The variable the password can be in.
const PASSWORD_VARIABLE: &str = "SMTP_FORWARD_PASSWORD";

/// What `--auth` takes.
const MECHANISMS: &str = "plain, login, external, scram-sha-256, cram-md5, xoauth2, oauthbearer or auto";

/// The plan for the targets of the command line.
pub(crate) fn of(connect: &cli::Connect, transcript: bool) -> Result<Plan, Failure> {
    let mut config = base(connect, transcript)?;
    config.security.client = client_tls(connect)?;
    if let Some(name) = &connect.server_name {
        let name = ServerName::try_from(name.clone()).map_err(|_| {
            Failure::usage(format!("--server-name {name:?}: neither a DNS name nor an IP address"))
        })?;
        config.security.server_name = Some(name);
    }
    config.auth = auth(connect)?;
    build(connect.target.clone(), &config)
}

/// The plan for the one server that `ca_pem` vouches for, at this address: the embedded one.
pub(crate) fn of_embedded(
    connect: &cli::Connect,
    transcript: bool,
    endpoint: Endpoint,
    server_name: &'static str,
    ca_pem: &str,
) -> Result<Plan, Failure> {
    let mut config = base(connect, transcript)?;
    // It does offer STARTTLS: going on without would hide a defect.
    config.security.required |= connect.tls.is_none();
    let options = TlsOptions::new().root_ca_pem(ca_pem.as_bytes());
    let client = options.and_then(|options| options.build(certificates::provider()));
    config.security.client =
        Some(client.map_err(|error| {
            Failure::because(Status::Config, "the embedded server's certificate", &error)
        })?);
    config.security.server_name = ServerName::try_from(server_name).ok();
    build(vec![endpoint], &config)
}

impl From<cli::Failover> for Failover {
    fn from(choice: cli::Failover) -> Self {
        match choice {
            cli::Failover::UntilUsable => Self::UntilUsable,
            cli::Failover::UntilDecided => Self::UntilDecided,
        }
    }
}

impl From<cli::Chunking> for Chunking {
    fn from(choice: cli::Chunking) -> Self {
        match choice {
            cli::Chunking::Auto => Self::Auto,
            cli::Chunking::Yes => Self::Yes,
            cli::Chunking::No => Self::No,
        }
    }
}

/// Changes what all targets have in common.
pub(crate) fn for_each_target(plan: &mut Plan, mut change: impl FnMut(&mut Config)) {
    for target in &mut plan.targets {
        change(Arc::make_mut(&mut target.config));
    }
}

/// What the option says, or what it defaults to (M10).
fn tls_choice(connect: &cli::Connect) -> cli::Tls {
    connect.tls.unwrap_or(if connect.lmtp { cli::Tls::Off } else { cli::Tls::Opportunistic })
}

fn base(connect: &cli::Connect, transcript: bool) -> Result<Config, Failure> {
    let mut config = Config::new(connect.hostname.clone().unwrap_or_else(hostname::own));
    config.transcript = transcript;
    if connect.lmtp {
        config.protocol = Protocol::Lmtp;
    }
    let choice = tls_choice(connect);
    config.security.mode = if choice == cli::Tls::Off { TlsMode::Off } else { TlsMode::StartTls };
    config.security.required = choice == cli::Tls::Required;
    // D4: the word of whoever said so; that LMTP does without is none.
    config.security.secrets_in_clear = connect.tls == Some(cli::Tls::Off);
    let limits = &mut config.timeouts;
    limits.connect = connect.connect_timeout.unwrap_or(limits.connect);
    limits.submission = connect.submission_timeout.unwrap_or(limits.submission);
    if let Some(limit) = connect.command_timeout {
        limits.greeting = limit;
        limits.command = limit;
    }
    Ok(config)
}

fn build(targets: Vec<Endpoint>, config: &Config) -> Result<Plan, Failure> {
    Plan::new(targets, config).map_err(|error| Failure::because(Status::Usage, "--target", &error))
}

/// `None` where no target can use TLS.
fn client_tls(connect: &cli::Connect) -> Result<Option<Arc<ClientConfig>>, Failure> {
    let implicit = connect.target.iter().any(|target| matches!(target, Endpoint::Tls { .. }));
    let choice = tls_choice(connect);
    if choice == cli::Tls::Off && !implicit {
        return Ok(None);
    }
    let mut options = TlsOptions::new();
    options = match &connect.ca {
        // M49: in place of the platform's.
        Some(file) => options
            .root_ca_pem(&files::read("--ca", file)?)
            .map_err(|error| Failure::because(Status::Config, format!("--ca {}", file.display()), &error))?,
        None => options.roots(certificates::platform_roots()),
    };
    if let (Some(cert), Some(key)) = (&connect.cert, &connect.key) {
        let (chain, private) = (files::read("--cert", cert)?, files::read("--key", key)?);
        options = options.client_identity_pem(&chain, &private).map_err(|error| {
            Failure::because(Status::Config, files::pair("--cert", cert, "--key", key), &error)
        })?;
    }
    match options.build(certificates::provider()) {
        Ok(config) => Ok(Some(config)),
        Err(TlsOptionsError::NoRoots) if choice != cli::Tls::Required && !implicit => {
            warn!("the platform has no root certificates: no server can be verified; give --ca");
            trusting_nobody().map(Some)
        }
        Err(TlsOptionsError::NoRoots) => {
            Err(Failure::config("TLS is required, and the platform has no root certificates: give --ca FILE"))
        }
        Err(error) => Err(Failure::because(Status::Config, "TLS", &error)),
    }
}

/// Every handshake fails, as it should, and what follows is what follows a failed handshake: in particular no secret goes in clear (D4),
/// which switching TLS off would allow.
fn trusting_nobody() -> Result<Arc<ClientConfig>, Failure> {
    let builder =
        ClientConfig::builder_with_provider(certificates::provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::because(Status::Config, "TLS", &error))?;
    Ok(Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

fn auth(connect: &cli::Connect) -> Result<AuthPolicy, Failure> {
    let Some(name) = &connect.auth else { return Ok(AuthPolicy::Off) };
    let lower = name.to_ascii_lowercase();
    if lower == "auto" {
        // A certificate alone can say who we are.
        let credentials = if connect.user.is_none() && connect.cert.is_some() {
            external(connect)?
        } else {
            password(connect)?
        };
        return Ok(AuthPolicy::Auto(credentials));
    }
    match Mechanism::from_name(&lower) {
        Some(Mechanism::External) => Ok(AuthPolicy::Mechanism(Mechanism::External, external(connect)?)),
        Some(mechanism @ (Mechanism::XOAuth2 | Mechanism::OAuthBearer)) => {
            let (user, token) = account(connect)?;
            Ok(AuthPolicy::Mechanism(mechanism, Credentials::Token { user, token }))
        }
        Some(mechanism) => Ok(AuthPolicy::Mechanism(mechanism, password(connect)?)),
        None => Err(Failure::usage(format!("--auth {name:?}: unknown; use {MECHANISMS}"))),
    }
}

fn password(connect: &cli::Connect) -> Result<Credentials, Failure> {
    account(connect).map(|(user, password)| Credentials::Password { user, password })
}

fn external(connect: &cli::Connect) -> Result<Credentials, Failure> {
    if connect.cert.is_none() {
        return Err(Failure::usage("--auth external needs a client certificate: give --cert and --key"));
    }
    Ok(Credentials::External { identity: connect.user.clone().unwrap_or_default() })
}

/// The user with the password, or with the token.
fn account(connect: &cli::Connect) -> Result<(String, Secret), Failure> {
    let user = connect.user.clone().ok_or_else(|| Failure::usage("--auth needs --user"))?;
    let secret = match &connect.password_file {
        Some(file) => files::password("--password-file", file)?,
        None => {
            use std::os::unix::ffi::OsStringExt as _;
            let value = std::env::var_os(PASSWORD_VARIABLE).filter(|value| !value.is_empty());
            let missing = || {
                Failure::usage(format!("--auth needs --password-file or the variable {PASSWORD_VARIABLE}"))
            };
            Secret::from(value.ok_or_else(missing)?.into_vec())
        }
    };
    Ok((user, secret))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn connect(options: &[&str]) -> cli::Connect {
        let words = ["smtp-forward", "send", "--target", "tcp://192.0.2.1:24"].iter().chain(options);
        let Command::Send(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
        args.connect
    }

    fn secrets_in_clear(options: &[&str]) -> bool {
        base(&connect(options), false).unwrap().security.secrets_in_clear
    }

    #[test]
    fn every_mechanism_has_its_name_and_its_kind_of_credentials() {
        // D30
        let file = files::temporary("secret", "", b"hunter2\nrest").unwrap();
        let file = file.path().to_str().unwrap();
        let password = || Credentials::Password { user: "ann".into(), password: "hunter2".into() };
        let token = || Credentials::Token { user: "ann".into(), token: "hunter2".into() };
        for (name, policy) in [
            ("plain", AuthPolicy::Mechanism(Mechanism::Plain, password())),
            ("LOGIN", AuthPolicy::Mechanism(Mechanism::Login, password())),
            ("scram-sha-256", AuthPolicy::Mechanism(Mechanism::ScramSha256, password())),
            ("cram-md5", AuthPolicy::Mechanism(Mechanism::CramMd5, password())),
            ("xoauth2", AuthPolicy::Mechanism(Mechanism::XOAuth2, token())),
            ("oauthbearer", AuthPolicy::Mechanism(Mechanism::OAuthBearer, token())),
            ("auto", AuthPolicy::Auto(password())),
        ] {
            let options = connect(&["--auth", name, "--user", "ann", "--password-file", file]);
            assert_eq!(auth(&options).unwrap(), policy, "{name}");
            assert!(MECHANISMS.contains(&name.to_lowercase()));
        }
        for mechanism in Mechanism::ALL {
            assert!(MECHANISMS.contains(&mechanism.name().to_lowercase()), "{mechanism} is not told of");
        }
    }

    #[test]
    fn only_who_says_tls_off_allows_a_secret_in_clear() {
        // D4: that LMTP does without TLS by default is nobody's word.
        assert!(secrets_in_clear(&["--tls", "off"]));
        assert!(secrets_in_clear(&["--lmtp", "--tls", "off"]));
        assert!(!secrets_in_clear(&["--lmtp"]));
        assert!(!secrets_in_clear(&[]));
        assert!(!secrets_in_clear(&["--tls", "opportunistic"]));
    }
}
