//! TLS as the operator wants it, or plaintext where that is allowed (M58-M71).

use smtp_proto::{
    Report,
    error::Kind,
    tls_options::{TlsOptions, TlsVersion},
};

use crate::{
    client::{Sent, Tls, config, config_with, envelope, plan, send},
    host::Host,
    mail::Stored,
};

const HELLO: &str = "Subject: hello\r\n\r\n.A line with a dot\r\n";

/// One message for Alice; what came of it on both sides.
async fn hello(host: &Host, endpoint: String, config: &smtp_proto::Config) -> (Sent, Vec<Stored>) {
    let sent = send(plan(&[endpoint], config), envelope(["alice@test.example"]), HELLO.to_owned()).await;
    (sent, host.mail().arrivals().await)
}

/// Delivered, and stored as it was sent.
fn assert_delivered(sent: &Sent, stored: &[Stored], with: &str) {
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"], "{:#?}", sent.dialogue);
    let [message] = stored else { panic!("one message: {stored:?}") };
    assert_eq!((message.user.as_str(), message.with()), ("alice", with));
    assert_eq!(message.content, HELLO.replace("\r\n", "\n").as_bytes());
}

fn kinds(report: &Report) -> Vec<Option<Kind>> {
    report.attempts.iter().map(smtp_proto::Attempt::kind).collect()
}

pub(super) async fn plaintext(host: &Host) {
    let (sent, stored) = hello(host, host.tcp("PLAIN_PORT"), &config(host, Tls::Off)).await;
    assert_delivered(&sent, &stored, "ESMTP");
    assert_eq!(sent.said("STARTTLS"), 0); // M60
    assert_eq!(sent.report.round_trips, 1, "MAIL, RCPT and the content are one flight (R135, R153)");
    assert!(sent.report.attempts[0].tls.is_none());
    assert_eq!(kinds(&sent.report), [None]);
    assert!(stored[0].top.starts_with("Return-Path: <ada@example.org>\n"), "{}", stored[0].top);
    // B18, R161: what is in the content, with CRLF line ends, without the doubled dot.
    let mail = format!("C: MAIL FROM:<ada@example.org> SIZE={}", HELLO.len());
    assert!(sent.dialogue.iter().any(|line| line.starts_with(&mail)), "{:#?}", sent.dialogue);

    let (sent, stored) = hello(host, host.tcp("NOTLS_PORT"), &config(host, Tls::May)).await;
    assert_delivered(&sent, &stored, "ESMTP"); // M62
    assert!(!sent.report.attempts[0].fell_back_to_plaintext);

    let mut lock_step = config(host, Tls::Off);
    lock_step.pipelining = false;
    let (sent, stored) = hello(host, host.tcp("PLAIN_PORT"), &lock_step).await;
    assert_delivered(&sent, &stored, "ESMTP");
    assert_eq!(sent.report.round_trips, 4, "MAIL, RCPT, DATA, content");
}

pub(super) async fn starttls(host: &Host) {
    for tls in [Tls::May, Tls::Must] {
        // By address and by name: the certificate has both (R93).
        for endpoint in [host.tcp("PLAIN_PORT"), host.by_name("tcp", "PLAIN_PORT")] {
            let (sent, stored) = hello(host, endpoint, &config(host, tls)).await;
            assert_delivered(&sent, &stored, "ESMTPS"); // M64
            let attempt = sent.report.attempts.last().unwrap();
            let facts = attempt.tls.as_ref().unwrap();
            assert_eq!(facts.version, "TLSv1.3");
            assert!(facts.verified && !attempt.fell_back_to_plaintext && attempt.error.is_none());
            assert_eq!((sent.said("STARTTLS"), sent.said("EHLO")), (1, 2)); // R87
            assert_eq!(sent.report.round_trips, 1);
        }
    }
}

pub(super) async fn implicit(host: &Host) {
    for tls in [Tls::Off, Tls::May, Tls::Must] {
        let (sent, stored) = hello(host, host.by_name("tls", "SMTPS_PORT"), &config(host, tls)).await;
        assert_delivered(&sent, &stored, "ESMTPS"); // M58
        assert_eq!((sent.said("STARTTLS"), sent.said("EHLO")), (0, 1));
    }
}

pub(super) async fn old_version(host: &Host) {
    let options = TlsOptions::new().root_ca_pem(&host.pem("ca.pem")).unwrap();
    let options = options.versions(TlsVersion::V1_2, TlsVersion::V1_2).unwrap();
    let (sent, stored) = hello(host, host.tcp("PLAIN_PORT"), &config_with(options, Tls::Must)).await;
    assert_delivered(&sent, &stored, "ESMTPS");
    assert_eq!(sent.report.attempts[0].tls.as_ref().unwrap().version, "TLSv1.2"); // M51
}

/// Each with a name that would be right, but for what is wrong with it.
const BAD: [&str; 3] = ["EXPIRED_PORT", "WRONGNAME_PORT", "SELFSIGNED_PORT"];

pub(super) async fn bad_certificates_fall_back(host: &Host) {
    for port in BAD {
        let (sent, stored) = hello(host, host.by_name("tcp", port), &config(host, Tls::May)).await;
        assert_delivered(&sent, &stored, "ESMTP"); // M65
        // The name may have had an address where nobody listens.
        let used: Vec<_> =
            sent.report.attempts.iter().filter(|it| it.kind() != Some(Kind::Network)).collect();
        let [failed, plain] = used[..] else { panic!("two attempts: {used:#?}") };
        assert_eq!((failed.kind(), failed.fell_back_to_plaintext), (Some(Kind::Tls), false), "{port}");
        assert_eq!((plain.kind(), plain.fell_back_to_plaintext), (None, true), "{port}");
        assert_eq!(failed.peer, plain.peer, "the same address once more");
        assert!(plain.tls.is_none());
        assert_eq!(sent.said("STARTTLS"), 1, "not tried again: {:#?}", sent.dialogue);
    }
}

pub(super) async fn bad_certificates_stop(host: &Host) {
    for port in BAD {
        let (sent, stored) = hello(host, host.by_name("tcp", port), &config(host, Tls::Must)).await;
        assert_eq!(sent.verdicts(), ["deferred 451 4.7.5 tls local"], "{port}"); // M66, M103
        let attempt = sent.report.attempts.last().unwrap();
        assert_eq!(
            (attempt.kind(), attempt.usable, attempt.fell_back_to_plaintext),
            (Some(Kind::Tls), false, false)
        );
        assert_eq!(sent.said("MAIL"), 0);
        assert!(stored.is_empty(), "{stored:?}");
    }
}

pub(super) async fn missing_starttls_stops(host: &Host) {
    let (sent, stored) = hello(host, host.tcp("NOTLS_PORT"), &config(host, Tls::Must)).await;
    assert_eq!(sent.verdicts(), ["deferred 451 4.7.4 tls local"]); // M63, M105
    assert_eq!(kinds(&sent.report), [Some(Kind::Tls)]);
    assert_eq!((sent.said("MAIL"), sent.said("QUIT")), (0, 1));
    assert!(stored.is_empty(), "{stored:?}");
}

pub(super) async fn client_certificate(host: &Host) {
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let options = TlsOptions::new()
            .root_ca_pem(&host.pem("ca.pem"))
            .and_then(|options| options.client_identity_pem(&host.pem("client.pem"), &host.pem("client.key")))
            .and_then(|options| options.versions(version, version))
            .unwrap();
        let (sent, stored) = hello(host, host.tcp("MTLS_PORT"), &config_with(options, Tls::Must)).await;
        assert_delivered(&sent, &stored, "ESMTPS"); // M50
    }
}

pub(super) async fn no_client_certificate(host: &Host) {
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        for tls in [Tls::Must, Tls::May] {
            let options = TlsOptions::new().root_ca_pem(&host.pem("ca.pem")).unwrap();
            let options = options.versions(version, version).unwrap();
            let (sent, stored) = hello(host, host.tcp("MTLS_PORT"), &config_with(options, tls)).await;
            // Postfix completes the handshake and then says why it goes; a reply is no failure of TLS, so no plaintext either (M69).
            assert_eq!(sent.verdicts(), ["deferred 421 4.7.1 hello"], "{:#?}", sent.dialogue); // D34
            assert_eq!(kinds(&sent.report), [Some(Kind::Refused)]);
            assert!(sent.report.attempts[0].tls.is_some());
            assert!(stored.is_empty(), "{stored:?}");
        }
    }
}
