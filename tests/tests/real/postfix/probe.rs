//! A look at a target, which sends nothing.

use smtp_client_tokio::Client;
use smtp_proto::{capability::SizeLimit, error::Kind};

use crate::{
    client::{Tls, config, plan, with_auth},
    host::Host,
};

pub(super) async fn finds_what_is_there(host: &Host) {
    let config = with_auth(config(host, Tls::Must), None, host.value("USER"), host.value("PASSWORD"));
    let client = Client::new(plan(&[host.tcp("PLAIN_PORT"), host.by_name("tls", "SMTPS_PORT")], &config));
    for target in [0, 1] {
        let probe = client.probe(target).await;
        assert!(probe.usable && probe.error.is_none(), "{probe:?}");
        assert_eq!(probe.greeting.as_deref(), Some("mx.test.example ESMTP"));
        assert_eq!(probe.tls.as_ref().map(|tls| tls.version), Some("TLSv1.3"));
        // What is offered under TLS (R87).
        let offered = &probe.capabilities;
        assert!(offered.pipelining() && offered.smtputf8() && offered.chunking() && !offered.starttls());
        assert_eq!(offered.size(), Some(SizeLimit::Max(33_554_432)));
        assert_eq!(
            offered.auth_mechanisms().collect::<Vec<_>>(),
            ["PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5"]
        );
    }
    host.mail().assert_nothing().await;
}

pub(super) async fn finds_what_is_wrong(host: &Host) {
    // Also where a message would go in plaintext: finding out is what a probe is for.
    for tls in [Tls::May, Tls::Must] {
        let client = Client::new(plan(&[host.by_name("tcp", "WRONGNAME_PORT")], &config(host, tls)));
        let probe = client.probe(0).await;
        assert!(!probe.usable && probe.tls.is_none(), "{probe:?}");
        let error = probe.error.unwrap();
        assert_eq!(error.kind(), Kind::Tls);
        assert!(error.full_text().contains("wrong.example"), "names the failed check: {}", error.full_text());
    }
    let refused = with_auth(config(host, Tls::Must), None, host.value("USER"), "wrong");
    let probe = Client::new(plan(&[host.tcp("PLAIN_PORT")], &refused)).probe(0).await;
    assert!(!probe.usable && probe.tls.is_some(), "{probe:?}");
    assert_eq!(probe.error.unwrap().kind(), Kind::Auth);
}
