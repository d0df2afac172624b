use rustls::{
    CertificateError, HandshakeKind, ProtocolVersion,
    server::{Acceptor, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};

use super::*;

/// The verdict on a certificate for `san`, shown to a client that trusts its issuer and wants `name`.
fn verdict(san: &[&str], name: &str) -> Result<(), rustls::Error> {
    verdict_on(params("mx", san), name)
}

fn verdict_on(params: rcgen::CertificateParams, name: &str) -> Result<(), rustls::Error> {
    let ca = Ca::new("ca");
    let server = ca.issue(params).server(|_| ());
    let config = ca.trusted().build(provider()).unwrap();
    connect(&config, &server, name).map(|_| ())
}

#[track_caller]
fn assert_wrong_name(verdict: Result<(), rustls::Error>) {
    assert!(
        matches!(
            verdict,
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            ))
        ),
        "{verdict:?}"
    );
}

#[test]
fn a_private_ca_is_trusted_when_given_and_only_then() {
    let (ours, other) = (Ca::new("ours"), Ca::new("other")); // SPEC 1.7 (a)
    let server = ours.issue(params("mx", &["mx.example"])).server(|_| ());
    assert!(connect(&ours.trusted().build(provider()).unwrap(), &server, "mx.example").is_ok());
    assert!(matches!(
        connect(&other.trusted().build(provider()).unwrap(), &server, "mx.example"),
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
    ));
}

#[test]
fn roots_add_up_over_calls_and_texts() {
    let cas = [Ca::new("a"), Ca::new("b"), Ca::new("c"), Ca::new("d")]; // SPEC 1.7 (b)
    let two = cas[0].pem() + &cas[1].pem();
    let config = TlsOptions::new()
        .root_ca_pem(two.as_bytes())
        .and_then(|options| options.root_ca_pem(cas[2].pem().as_bytes()))
        .unwrap()
        .roots(cas[3].roots())
        .build(provider())
        .unwrap();
    for ca in &cas {
        let server = ca.issue(params("mx", &["mx.example"])).server(|_| ());
        assert!(connect(&config, &server, "mx.example").is_ok());
    }
}

#[test]
fn the_certificate_must_name_the_server() {
    assert_eq!(verdict(&["mx.example"], "mx.example"), Ok(())); // SPEC 1.7 (g)
    assert_eq!(verdict(&["mx.example"], "MX.Example"), Ok(()));
    assert_wrong_name(verdict(&["mx.example"], "mx2.example"));
    assert_wrong_name(verdict(&["mx.example"], "example"));
    assert_eq!(verdict(&["xn--bcher-kva.example"], "xn--bcher-kva.example"), Ok(())); // R213
}

#[test]
fn addresses_match_address_entries_only() {
    assert_eq!(verdict(&["127.0.0.1"], "127.0.0.1"), Ok(())); // M54, R215
    assert_eq!(verdict(&["::1"], "::1"), Ok(()));
    assert_wrong_name(verdict(&["127.0.0.2"], "127.0.0.1"));
    let mut text = params("mx", &[]);
    text.subject_alt_names = vec![rcgen::SanType::DnsName("127.0.0.1".try_into().unwrap())];
    assert!(verdict_on(text, "127.0.0.1").is_err());
}

#[test]
fn the_common_name_is_never_consulted() {
    assert_wrong_name(verdict_on(params("mx.example", &[]), "mx.example")); // R210
    assert_wrong_name(verdict_on(params("mx.example", &["other.example"]), "mx.example"));
}

#[test]
fn a_wildcard_stands_for_one_whole_leftmost_label() {
    assert_eq!(verdict(&["*.ex.org"], "a.ex.org"), Ok(())); // R211
    assert_wrong_name(verdict(&["*.ex.org"], "a.b.ex.org"));
    assert_wrong_name(verdict(&["*.ex.org"], "ex.org"));
    for odd in ["f*.ex.org", "*f.ex.org", "mx.*.org"] {
        assert!(verdict(&[odd], "foo.ex.org").is_err(), "{odd}");
        assert!(verdict(&[odd], "mx.ex.org").is_err(), "{odd}");
    }
}

#[test]
fn srv_and_uri_names_do_not_count() {
    let mut params = params("mx", &[]); // R212
    params.subject_alt_names = vec![
        rcgen::SanType::OtherName((vec![1, 3, 6, 1, 5, 5, 7, 8, 7], "_smtp.mx.example".to_owned().into())),
        rcgen::SanType::URI("smtp://mx.example".try_into().unwrap()),
    ];
    assert!(verdict_on(params, "mx.example").is_err());
}

#[test]
fn dates_and_key_usage_are_checked() {
    let with = |change: fn(&mut rcgen::CertificateParams)| {
        let mut params = params("mx", &["mx.example"]); // R216
        change(&mut params);
        match verdict_on(params, "mx.example") {
            Err(rustls::Error::InvalidCertificate(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let expired = with(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    assert!(matches!(expired, CertificateError::Expired | CertificateError::ExpiredContext { .. }));
    let early = with(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1));
    assert!(matches!(early, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }));
    let usage = with(|params| params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth]);
    assert!(matches!(
        usage,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }
    ));
    with(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
}

#[test]
fn a_server_that_demands_a_client_certificate_sees_ours() {
    let ca = Ca::new("ca"); // SPEC 1.7 (d), M50
    let leaf = ca.issue(params("mx", &["mx.example"]));
    let ours = ca.issue(params("client", &["client.example"]));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(ca.roots()), provider()).build().unwrap();
    let server = Arc::new(
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![leaf.cert.der().clone()], leaf.key_der())
            .unwrap(),
    );
    let options = ca.trusted();
    let with = options
        .clone()
        .client_identity_pem(ours.cert.pem().as_bytes(), ours.key.serialize_pem().as_bytes())
        .unwrap();
    let (_, seen) = connect(&with.build(provider()).unwrap(), &server, "mx.example").unwrap();
    assert_eq!(seen.peer_certificates().unwrap(), [ours.cert.der().clone()]);

    let without = connect(&options.build(provider()).unwrap(), &server, "mx.example");
    assert_eq!(without.err(), Some(rustls::Error::NoCertificatesPresented));
}

#[test]
fn versions_are_pinned_at_both_ends() {
    use TlsVersion::{V1_2, V1_3};
    let ca = Ca::new("ca"); // SPEC 1.7 (e), M51, R218
    let leaf = ca.issue(params("mx", &["mx.example"]));
    let only_12 = leaf.server_with(&[&TLS12], |_| ());
    let only_13 = leaf.server_with(&[&TLS13], |_| ());
    let both = leaf.server(|_| ());
    let (v12, v13) = (Some(ProtocolVersion::TLSv1_2), Some(ProtocolVersion::TLSv1_3));
    let cases =
        [(V1_2, V1_2, [v12, None, v12]), (V1_3, V1_3, [None, v13, v13]), (V1_2, V1_3, [v12, v13, v13])];
    for (min, max, want) in cases {
        let config = ca.trusted().versions(min, max).unwrap().build(provider()).unwrap();
        for (server, want) in [&only_12, &only_13, &both].into_iter().zip(want) {
            let got = connect(&config, server, "mx.example").ok().and_then(|(c, _)| c.protocol_version());
            assert_eq!(got, want, "{min} to {max}");
        }
    }
}

#[test]
fn chosen_suites_and_groups_are_negotiated() {
    let ca = Ca::new("ca"); // M52, M53, M56
    let server = ca.issue(params("mx", &["mx.example"])).server(|_| ());
    let options = ca
        .trusted()
        .cipher_suites([super::super::cipher_suite("ECDHE-ECDSA-WITH-CHACHA20-POLY1305").unwrap()])
        .groups([super::super::group("p384").unwrap()]);
    for (max, suite) in [
        (TlsVersion::V1_2, CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        (TlsVersion::V1_3, CipherSuite::TLS13_AES_256_GCM_SHA384),
    ] {
        let config = options.clone().versions(TlsVersion::V1_2, max).unwrap().build(provider()).unwrap();
        let (client, _) = connect(&config, &server, "mx.example").unwrap();
        assert_eq!(client.negotiated_cipher_suite().unwrap().suite(), suite);
        assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), NamedGroup::secp384r1);
    }
}

#[test]
fn a_server_without_our_only_suite_is_refused() {
    let ca = Ca::new("ca");
    // The server has an ECDSA certificate.
    let server = ca.issue(params("mx", &["mx.example"])).server(|_| ());
    let config = ca
        .trusted()
        .versions(TlsVersion::V1_2, TlsVersion::V1_2)
        .unwrap()
        .cipher_suites([CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256])
        .build(provider())
        .unwrap();
    assert!(connect(&config, &server, "mx.example").is_err());
}

#[test]
fn the_hello_names_the_server_and_asks_for_nothing_extra() {
    let config = Ca::new("ca").trusted().groups([NamedGroup::secp384r1]).build(provider()).unwrap();
    for (name, sni) in
        [("mx.example", Some("mx.example")), ("MX.Example", Some("mx.example")), ("127.0.0.1", None)]
    {
        let mut client = client(&config, name);
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut wire.as_slice()).unwrap();
        let Ok(Some(accepted)) = acceptor.accept() else { panic!("no whole hello") };
        let hello = accepted.client_hello();
        assert_eq!(hello.server_name(), sni); // R217, M54
        assert!(hello.alpn().is_none()); // R224
        assert_eq!(hello.named_groups(), Some(&[NamedGroup::secp384r1][..])); // M53
        assert!(client.early_data().is_none()); // R223
    }
    assert!(!config.enable_early_data); // R223
    assert!(!config.key_log.will_log("CLIENT_RANDOM")); // R226
}

#[test]
fn a_second_connection_resumes_and_another_name_does_not() {
    let ca = Ca::new("ca"); // R222
    let leaf = ca.issue(params("mx", &["mx.example", "mx2.example"]));
    for version in [&TLS12, &TLS13] {
        let server = leaf.server_with(&[version], |_| ());
        let config = ca.trusted().build(provider()).unwrap();
        let kind = |config, name| connect(config, &server, name).unwrap().0.handshake_kind();
        assert_eq!(kind(&config, "mx.example"), Some(HandshakeKind::Full));
        assert_eq!(kind(&config, "mx.example"), Some(HandshakeKind::Resumed));
        assert_eq!(kind(&config, "mx2.example"), Some(HandshakeKind::Full));
        let another = ca.trusted().build(provider()).unwrap();
        assert_eq!(kind(&another, "mx.example"), Some(HandshakeKind::Full));
    }
}

#[test]
fn one_server_may_have_256_connections_resume_at_once() {
    let ca = Ca::new("ca"); // 256 tickets a target, not 8
    let server = ca.issue(params("mx", &["mx.example"])).server(|config| {
        config.send_tls13_tickets = 300;
        config.session_storage = rustls::server::ServerSessionMemoryCache::new(1000);
    });
    let config = ca.trusted().build(provider()).unwrap();
    connect(&config, &server, "mx.example").unwrap();
    // No new tickets from here on: they would push the old ones out of the server's memory.
    let mut server = ServerConfig::clone(&server);
    server.send_tls13_tickets = 0;
    let server = Arc::new(server);
    // A connection takes its ticket when it is made.
    let mut clients: Vec<_> = (0..257).map(|_| client(&config, "mx.example")).collect();
    let kinds = clients.iter_mut().map(|client| {
        finish(client, &server).unwrap();
        client.handshake_kind().unwrap()
    });
    assert_eq!(kinds.filter(|kind| *kind == HandshakeKind::Resumed).count(), 256);
}

#[test]
fn a_client_that_meets_many_names_forgets_the_oldest() {
    let ca = Ca::new("ca");
    let names: Vec<String> = (0..65).map(|n| format!("mx{n}.ex.org")).collect();
    let server = ca.issue(params("mx", &["*.ex.org"])).server_with(&[&TLS12], |_| ());
    let config = ca.trusted().build(provider()).unwrap();
    let kind = |name: &str| connect(&config, &server, name).unwrap().0.handshake_kind();
    for name in &names {
        assert_eq!(kind(name), Some(HandshakeKind::Full));
    }
    assert_eq!(kind(&names[1]), Some(HandshakeKind::Resumed));
    assert_eq!(kind(&names[0]), Some(HandshakeKind::Full));
}
