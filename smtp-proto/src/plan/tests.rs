use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};

use super::*;
use crate::{
    PlanBuilder,
    address::ClientName,
    body::{BareLf, LineBreaks},
    config::Chunking,
    sasl::AuthPolicy,
};

fn tls() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn begin(endpoint: &str) -> PlanBuilder {
    let name: ClientName = "client.example".parse().unwrap();
    Plan::builder(name).target(endpoint.parse().unwrap())
}

fn security(builder: PlanBuilder) -> crate::config::Security {
    builder.build().unwrap().targets[0].config.security.clone()
}

#[test]
fn starttls_is_attempted_by_smtp_alone_unless_somebody_says_otherwise() {
    // M10, D4a
    let smtp = security(begin("tcp://h:25").tls(tls()));
    assert_eq!((smtp.mode, smtp.secrets_in_clear), (TlsMode::StartTls, false));
    let off = security(begin("tcp://h:25").attempt_starttls(false));
    assert_eq!((off.mode, off.secrets_in_clear), (TlsMode::Off, true));
    let lmtp = security(begin("tcp://h:24").protocol(Protocol::Lmtp));
    assert_eq!((lmtp.mode, lmtp.secrets_in_clear), (TlsMode::Off, false));
    let asked = security(begin("tcp://h:24").protocol(Protocol::Lmtp).attempt_starttls(true).tls(tls()));
    assert_eq!((asked.mode, asked.secrets_in_clear), (TlsMode::StartTls, false));
    let implicit = security(begin("tls://h:465").attempt_starttls(false).tls(tls()));
    assert_eq!(implicit.mode, TlsMode::Implicit);
}

#[test]
fn what_makes_no_plan() {
    let name: ClientName = "client.example".parse().unwrap();
    assert_eq!(Plan::builder(name).build().unwrap_err(), PlanError::NoTargets); // M9
    assert!(matches!(begin("tcp://h:25").build().unwrap_err(), PlanError::NoTlsConfiguration { .. }));
    let lmtp = begin("tcp://h:25").protocol(Protocol::Lmtp).build();
    assert!(matches!(lmtp.unwrap_err(), PlanError::LmtpOnPort25 { .. })); // R78
}

#[test]
fn tls_is_not_required_of_unix_sockets_alone() {
    // D22
    let unix = begin("unix:///run/s").tls(tls()).require_tls(true);
    assert_eq!(unix.clone().build().unwrap_err(), PlanError::TlsOnUnixSockets);
    assert!(unix.target("tls://h:465".parse().unwrap()).build().is_ok());
}

#[test]
fn a_builder_says_what_a_plan_says() {
    let plan = begin("tcp://h:25")
        .attempt_starttls(false)
        .total_timeout(Some(Duration::from_secs(9)))
        .failover(Failover::UntilDecided)
        .reuse(None)
        .configure(|config| config.pipelining = false)
        .build()
        .unwrap();
    assert_eq!(plan.total_timeout, Some(Duration::from_secs(9)));
    assert_eq!(plan.failover, Failover::UntilDecided);
    assert_eq!(plan.reuse, None);
    assert!(!plan.targets[0].config.pipelining);
}

#[test]
fn each_option_is_the_setting_of_its_name() {
    let (seconds, name) = (Duration::from_secs, ServerName::try_from("other.example").unwrap());
    let line_breaks = LineBreaks { bare_lf: BareLf::Reject, ..LineBreaks::default() };
    let more = ["unix:///run/s", "tcp://i:25"].map(|endpoint| endpoint.parse().unwrap());
    let plan = begin("tcp://h:25")
        .targets(more)
        .tls(tls())
        .server_name(name.clone())
        .auth(AuthPolicy::Forward)
        .connect_timeout(seconds(1))
        .greeting_timeout(seconds(2))
        .command_timeout(seconds(3))
        .submission_timeout(seconds(4))
        .chunking(Chunking::No)
        .line_breaks(line_breaks)
        .mail_auth_param(true)
        .transcript(true)
        .build()
        .unwrap();
    let endpoints: Vec<String> = plan.targets.iter().map(|target| target.endpoint.to_string()).collect();
    assert_eq!(endpoints, ["tcp://h:25", "unix:///run/s", "tcp://i:25"]); // M38
    for target in &plan.targets {
        let config = &target.config;
        let times = [
            config.timeouts.connect,
            config.timeouts.greeting,
            config.timeouts.command,
            config.timeouts.submission,
        ];
        assert_eq!(times, [1, 2, 3, 4].map(seconds));
        assert_eq!(config.security.server_name.as_ref(), Some(&name));
        assert!(matches!(config.auth, AuthPolicy::Forward) && config.mail_auth_param && config.transcript);
        assert_eq!((config.chunking, config.line_breaks.bare_lf), (Chunking::No, BareLf::Reject));
    }
    let plain = begin("tcp://h:25").tls(tls()).build().unwrap();
    assert!(matches!(plain.targets[0].config.auth, AuthPolicy::Off)); // M12
    assert!(!plain.targets[0].config.mail_auth_param && !plain.targets[0].config.transcript);
}
