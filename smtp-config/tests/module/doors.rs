//! Three ways in, one plan: text, serde, and the core's builder.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use smtp_config::{
    loader::Memory,
    settings::{Settings, Tls},
};
use smtp_proto::{
    Failover, Plan, Secret,
    body::{BareCr, LineBreaks},
    config::{Chunking, Protocol},
    pool::Limits,
    sasl::{AuthPolicy, Credentials, Mechanism},
    tls_options::{TlsOptions, TlsVersion, cipher_suite, group},
};

use crate::support::{assert_same, client, plan_with, platform, provider};

const TEXT: &str = "
    hostname тест.invalid
    target.lmtp inbound {
        debug yes
        targets tls://mx.example.org:24 tcp://[::1]:2424 unix:///run/lmtp
        attempt_starttls yes
        auth plain ann file:/pw
        tls_client {
            root_ca /ca.pem
            protocols tls1.2 tls1.3
            ciphers ECDHE-ECDSA-WITH-AES256-GCM-SHA384
            curves p384
        }
        connect_timeout 1s
        greeting_timeout 2s
        command_timeout 3s
        submission_timeout 1m 4s
        total_timeout 10m
        failover until_decided
        chunking no
        connection_reuse 5
        server_name mail.example.org
        line_breaks crlf
        mail_auth_param yes
    }
";

const TOML: &str = r#"
    protocol = "lmtp"
    debug = true
    hostname = "тест.invalid"
    targets = ["tls://mx.example.org:24", "tcp://[::1]:2424", "unix:///run/lmtp"]
    attempt_starttls = true
    auth = { plain = { user = "ann", password = { file = "/pw" } } }
    connect_timeout = "1s"
    greeting_timeout = "2s"
    command_timeout = "3s"
    submission_timeout = "1m4s"
    total_timeout = "10m"
    failover = "until_decided"
    chunking = "no"
    connection_reuse = 5
    server_name = "mail.example.org"
    line_breaks = "crlf"
    mail_auth_param = true

    [tls_client]
    root_ca = ["/ca.pem"]
    protocols = ["tls1.2", "tls1.3"]
    ciphers = ["ECDHE-ECDSA-WITH-AES256-GCM-SHA384"]
    curves = ["p384"]
"#;

fn built(ca: &str) -> Plan {
    let tls = TlsOptions::new()
        .root_ca_pem(ca.as_bytes())
        .and_then(|tls| tls.versions(TlsVersion::V1_2, TlsVersion::V1_3))
        .unwrap()
        .cipher_suites([cipher_suite("ECDHE-ECDSA-WITH-AES256-GCM-SHA384").unwrap()])
        .groups([group("p384").unwrap()]);
    let account = Credentials::Password { user: "ann".into(), password: Secret::from("secret") };
    let mut limits = Limits::default();
    limits.messages = 5;
    let mut line_breaks = LineBreaks::default();
    line_breaks.bare_cr = BareCr::Crlf;
    Plan::builder("тест.invalid".parse().unwrap())
        .protocol(Protocol::Lmtp)
        .target("tls://mx.example.org:24".parse().unwrap())
        .target("tcp://[::1]:2424".parse().unwrap())
        .target("unix:///run/lmtp".parse().unwrap())
        .tls(tls.build(provider()).unwrap())
        .attempt_starttls(true)
        .auth(AuthPolicy::Mechanism(Mechanism::Plain, account))
        .connect_timeout(Duration::from_secs(1))
        .greeting_timeout(Duration::from_secs(2))
        .command_timeout(Duration::from_secs(3))
        .submission_timeout(Duration::from_secs(64))
        .total_timeout(Some(Duration::from_secs(600)))
        .failover(Failover::UntilDecided)
        .chunking(Chunking::No)
        .reuse(Some(limits))
        .server_name(ServerName::try_from("mail.example.org").unwrap())
        .line_breaks(line_breaks)
        .mail_auth_param(true)
        .transcript(true)
        .build()
        .unwrap()
}

#[test]
fn text_serde_and_builder_give_the_same_plan() {
    let ca = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap().cert.pem();
    let loader = Memory::new().file("/ca.pem", ca.as_str()).file("/pw", "secret\n");
    let (from_text, warnings) = plan_with(&loader, TEXT).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(warnings.is_empty(), "{warnings}");
    let settings: Settings = toml::from_str(TOML).unwrap();
    let from_serde = settings.plan(&loader, &Tls::new(provider(), &platform)).unwrap().plan;
    let from_builder = built(&ca);
    assert_same(&from_text, &from_serde);
    assert_same(&from_text, &from_builder);

    // TLS by what can be seen of it.
    for plan in [&from_serde, &from_builder] {
        let (one, other) = (client(&from_text), client(plan));
        let offers = |config: &Arc<rustls::ClientConfig>| {
            let provider = config.crypto_provider();
            format!("{:?} {:?}", provider.cipher_suites, provider.kx_groups)
        };
        assert_eq!(offers(&one), offers(&other));
    }
}

#[test]
fn text_and_serde_give_the_same_settings() {
    let from_text = crate::support::clean(TEXT).select(None).unwrap().settings.clone();
    assert_eq!(from_text, toml::from_str(TOML).unwrap());
    let minimal = crate::support::clean("hostname h.example\ndeliver_to smtp tcp://h:25");
    let by_json = r#"{"hostname": "h.example", "targets": ["tcp://h:25"]}"#;
    assert_eq!(minimal.select(None).unwrap().settings, serde_json::from_str(by_json).unwrap());
}

#[test]
fn the_defaults_of_the_builder_are_those_of_the_directives() {
    let text = "hostname h.example\ndeliver_to smtp tcp://h:25 {\n attempt_starttls no\n}";
    let from_text = plan_with(&Memory::new(), text).unwrap().0;
    let builder = Plan::builder("h.example".parse().unwrap()).target("tcp://h:25".parse().unwrap());
    // D28: a library keeps connections unless told otherwise.
    assert_same(&from_text, &builder.attempt_starttls(false).reuse(None).build().unwrap());
}

#[test]
fn every_way_to_authenticate_comes_in_by_every_door() {
    // D30
    let loader = Memory::new().file("/pw", "secret\n");
    let password = || Credentials::Password { user: "ann".into(), password: Secret::from("secret") };
    let token = || Credentials::Token { user: "ann".into(), token: Secret::from("secret") };
    for (word, policy) in [
        ("plain", AuthPolicy::Mechanism(Mechanism::Plain, password())),
        ("login", AuthPolicy::Mechanism(Mechanism::Login, password())),
        ("scram-sha-256", AuthPolicy::Mechanism(Mechanism::ScramSha256, password())),
        ("cram-md5", AuthPolicy::Mechanism(Mechanism::CramMd5, password())),
        ("xoauth2", AuthPolicy::Mechanism(Mechanism::XOAuth2, token())),
        ("oauthbearer", AuthPolicy::Mechanism(Mechanism::OAuthBearer, token())),
        ("auto", AuthPolicy::Auto(password())),
    ] {
        let text = format!(
            "hostname h.example\ndeliver_to smtp tcp://127.0.0.1:25 {{\n attempt_starttls no\n auth {word} ann file:/pw\n}}"
        );
        let toml = format!(
            "hostname = 'h.example'\ntargets = ['tcp://127.0.0.1:25']\nattempt_starttls = false\nauth.{word} = {{ user = 'ann', password = {{ file = '/pw' }} }}"
        );
        let from_text = plan_with(&loader, &text).unwrap_or_else(|wrong| panic!("{wrong}")).0;
        let settings: Settings = toml::from_str(&toml).unwrap();
        let from_serde = settings.plan(&loader, &Tls::new(provider(), &platform)).unwrap().plan;
        let from_builder = Plan::builder("h.example".parse().unwrap())
            .target("tcp://127.0.0.1:25".parse().unwrap())
            .attempt_starttls(false)
            .auth(policy)
            .reuse(None)
            .build()
            .unwrap();
        assert_same(&from_text, &from_serde);
        assert_same(&from_text, &from_builder);
    }
}
