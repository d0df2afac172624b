//! Whom the certificate must be for: SPEC 1.7 and RFC 7817, 9525.

use smtp_proto::{Error, error::TlsError};

use crate::{
    certs,
    server::Script,
    world::{Seen, World, require},
};

/// What comes of `endpoint` showing a certificate for `names`.
fn verdict(endpoint: &str, names: &[&str]) -> Seen {
    World::new(&require(), &[endpoint]).run([Script::starttls(&certs::named(names))])
}

#[test]
fn the_certificate_must_be_for_the_configured_host() {
    // R209, R93: not for where the name leads; R210, R211, R213, R214, R215, M54, M21
    let rows: &[(&str, &[&str], bool)] = &[
        ("tcp://mx.example:25", &["mx.example"], true),
        ("tcp://mx.example:25", &["MX.Example"], true),
        ("tcp://mx.example:25", &["other.example"], false),
        ("tcp://mx.example:25", &["10.0.0.1"], false),
        ("tcp://mx.example:25", &[], false),
        ("tcp://mx.example.:25", &["mx.example"], true),
        ("tcp://bücher.example:25", &["xn--bcher-kva.example"], true),
        ("tcp://a.ex.org:25", &["*.ex.org"], true),
        ("tcp://a.b.ex.org:25", &["*.ex.org"], false),
        ("tcp://ex.org:25", &["*.ex.org"], false),
        ("tcp://foo.ex.org:25", &["f*.ex.org"], false),
        ("tcp://10.0.0.1:25", &["10.0.0.1"], true),
        ("tcp://10.0.0.1:25", &["10.0.0.2"], false),
        ("tcp://[::1]:25", &["::1"], true),
        ("tcp://[::1]:25", &["::2"], false),
    ];
    for (endpoint, names, passes) in rows {
        let seen = verdict(endpoint, names);
        let expected = if *passes { "delivered" } else { "deferred 451 4.7.5" };
        assert_eq!(seen.result(), expected, "{endpoint} shows {names:?}");
    }
}

#[test]
fn the_name_is_sent_and_an_address_is_not() {
    // R217, R215, M54
    let sni = |endpoint: &str| verdict(endpoint, &certs::GOOD).sessions.remove(0).1.sni;
    assert_eq!(sni("tcp://mx.example.:25").as_deref(), Some("mx.example"));
    assert_eq!(sni("tcp://bücher.example:25").as_deref(), Some("xn--bcher-kva.example"));
    assert_eq!(sni("tcp://10.0.0.1:25"), None);
    assert_eq!(sni("tcp://[::1]:25"), None);
}

#[test]
fn chain_dates_and_usage_are_checked_and_the_error_names_the_check() {
    // R216, M103
    use rcgen::{BasicConstraints, DnType, ExtendedKeyUsagePurpose, IsCa, OtherNameValue, SanType};
    let srv_name = SanType::OtherName((
        vec![1, 3, 6, 1, 5, 5, 7, 8, 7],
        OtherNameValue::Utf8String("_smtp.mx.example".to_owned()),
    ));
    let rows = [
        (certs::server(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)), "expired"),
        (certs::server(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1)), "not valid yet"),
        (
            certs::server(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "CaUsedAsEndEntity",
        ),
        (certs::server(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]), ""),
        (certs::self_signed(), ""),
        (certs::of_another_ca(), "UnknownIssuer"),
        // R210: the common name is not consulted; R212: nor are SRV names
        (
            certs::server(|params| {
                params.subject_alt_names.clear();
                params.distinguished_name.push(DnType::CommonName, "mx.example");
            }),
            "mx.example",
        ),
        (certs::server(|params| params.subject_alt_names = vec![srv_name]), "mx.example"),
    ];
    for (server, word) in rows {
        let seen = World::new(&require(), &["tcp://mx.example:25"]).run([Script::starttls(&server)]);
        assert_eq!(seen.result(), "deferred 451 4.7.5");
        let text = seen.status().text;
        assert!(text.contains(word), "{word}: {text}");
        assert!(matches!(seen.report.attempts[0].error, Some(Error::Tls(TlsError::Failed(_)))));
    }
}

#[test]
fn a_certificate_cannot_forge_a_line_of_the_log() {
    // M103, R44
    let evil = "evil.example\r\n250 2.0.0 delivered";
    let server = certs::server(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName(evil.try_into().unwrap())];
    });
    let seen = World::new(&require(), &["tcp://mx.example:25"]).run([Script::starttls(&server)]);
    assert_eq!(seen.result(), "deferred 451 4.7.5");
    for text in [seen.status().text, seen.report.attempts[0].error.as_ref().unwrap().to_string()] {
        assert!(text.contains("evil.example") && !text.contains(['\r', '\n']), "{text:?}");
    }
}
