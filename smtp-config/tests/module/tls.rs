//! M49-M57, D6-D8, D19: what `tls_client` says, and that it says it in a handshake.

use std::sync::Arc;

use rustls::{ClientConnection, NamedGroup, ServerConfig, ServerConnection, pki_types::PrivateKeyDer};
use smtp_config::{loader::Memory, settings::Versions};
use smtp_proto::{Plan, tls_options::TlsVersion};

use crate::support::{block, client, error, plan_with, provider, settings, warning};

type Issuer = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

fn authority() -> Issuer {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    Issuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for this name or address, and its key, as PEM.
fn issue(authority: &Issuer, name: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

fn server(authority: &Issuer, clients: Option<&Issuer>) -> Arc<ServerConfig> {
    let (certificate, key) = issue(authority, "127.0.0.1");
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
}

/// The plan's first target shakes hands with this server, by the name that the plan has for it.
fn handshake(
    plan: &Plan,
    server: &Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = plan.targets[0].config.security.server_name.clone().unwrap();
    let mut client = ClientConnection::new(client(plan), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn tls(directives: &str) -> String {
    block(&format!("tls_client {{\n{directives}\n}}"))
}

fn planned(loader: &Memory, directives: &str) -> Plan {
    plan_with(loader, &tls(directives)).unwrap_or_else(|wrong| panic!("{wrong}")).0
}

fn refused(loader: &Memory, directives: &str) -> String {
    plan_with(loader, &tls(directives)).unwrap_err().render(false)
}

#[test]
fn a_local_tls_client_works_and_its_roots_stand_in_place_of_the_platforms() {
    // M49, M57, D7
    let (ours, other) = (authority(), authority());
    let loader = Memory::new().file("/etc/mail/ca.pem", ours.pem()).file("/other.pem", other.pem());
    let server = server(&ours, None);
    assert!(handshake(&planned(&loader, "root_ca ca.pem"), &server).is_ok());
    assert!(handshake(&planned(&loader, "root_ca /other.pem /etc/mail/ca.pem"), &server).is_ok());
    assert!(handshake(&planned(&loader, "root_ca /other.pem"), &server).is_err());
    assert!(handshake(&planned(&loader, ""), &server).is_err(), "the platform's");
}

#[test]
fn a_global_tls_client_works_as_well() {
    // D6
    let ours = authority();
    let loader = Memory::new().file("/etc/mail/ca.pem", ours.pem());
    let text = "hostname h.example\ntls_client {\n root_ca ca.pem\n}\ndeliver_to smtp tcp://127.0.0.1:25";
    let plan = plan_with(&loader, text).unwrap().0;
    assert!(handshake(&plan, &server(&ours, None)).is_ok());
}

#[test]
fn post_quantum_key_exchange_stays_offered_by_default() {
    // M53
    let ours = authority();
    let loader = Memory::new().file("/ca.pem", ours.pem());
    let groups = |directives: &str| {
        let client = client(&planned(&loader, &format!("root_ca /ca.pem\n{directives}")));
        client.crypto_provider().kx_groups.iter().map(|group| group.name()).collect::<Vec<_>>()
    };
    assert!(groups("").contains(&NamedGroup::X25519MLKEM768));
    for spelling in ["curves", "curve"] {
        // D8
        assert_eq!(groups(&format!("{spelling} p384 X25519")), [NamedGroup::secp384r1, NamedGroup::X25519]);
    }
    let twice = error(&tls("curves p384\ncurve p256"));
    assert!(twice.contains("duplicate directive"), "{twice}");
    let p521 = error(&tls("curves X25519 p521"));
    assert!(p521.starts_with("5:15: p521 is not available") && p521.contains("X25519, p256, p384"), "{p521}");
    assert!(error(&tls("curves x25519")).contains("did you mean X25519?"));
}

#[test]
fn a_client_certificate_is_shown_to_who_asks() {
    // M46, M50
    let ours = authority();
    let (certificate, key) = issue(&ours, "client.example");
    let loader = Memory::new()
        .file("/ca.pem", ours.pem())
        .file("/etc/mail/c.pem", certificate.pem())
        .file("/etc/mail/k.pem", key.serialize_pem());
    let server = server(&ours, Some(&ours));
    let plan = planned(&loader, "root_ca /ca.pem\ncert c.pem\nkey k.pem");
    let (_, server_side) = handshake(&plan, &server).unwrap();
    assert_eq!(server_side.peer_certificates().unwrap()[0], *certificate.der());
    assert!(handshake(&planned(&loader, "root_ca /ca.pem"), &server).is_err());
}

#[test]
fn certificates_and_keys_that_cannot_be_used() {
    // M49, M50
    let ours = authority();
    let (certificate, key) = issue(&ours, "client.example");
    let (_, other_key) = issue(&ours, "client.example");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let loader = Memory::new()
        .file("/ca", ours.pem())
        .file("/c", certificate.pem())
        .file("/k", key.serialize_pem())
        .file("/other", other_key.serialize_pem())
        .file("/encrypted", encrypted)
        .file("/empty", "")
        .file("/broken", "-----BEGIN CERTIFICATE-----\n!\n");
    for (directives, place, expected) in [
        ("root_ca /ca /missing", "5:13", "/missing: the file cannot be read"),
        ("root_ca /ca /empty", "5:13", "/empty: the root CA PEM holds no certificate"),
        ("root_ca /k", "5:9", "/k: the root CA PEM holds no certificate"),
        ("root_ca /broken", "5:9", "is not well-formed PEM"),
        ("cert /c", "5:6", "a certificate without its key"),
        ("key /k", "5:5", "a key without its certificate"),
        ("cert /c\nkey /other", "6:5", "the key does not belong to the certificate"),
        ("cert /c\nkey /encrypted", "6:5", "openssl pkey"),
        ("cert /c\nkey /empty", "6:5", "holds no private key"),
        ("cert /k\nkey /k", "5:6", "holds no certificate"),
        ("cert /missing\nkey /k", "5:6", "/missing: the file cannot be read"),
    ] {
        let said = refused(&loader, directives);
        let place_ok = said.contains(&format!("mail.conf:{place}: error:"));
        assert!(said.contains(expected) && place_ok, "{directives}: {said}");
        assert_eq!(said.matches("error:").count(), 1, "{said}");
    }
    // One wrong file does not hide another.
    assert_eq!(
        refused(&loader, "root_ca /empty /missing\ncert /c\nkey /encrypted").matches("error:").count(),
        3
    );
}

#[test]
fn files_are_looked_at_even_where_tls_is_off() {
    let text = block("attempt_starttls no\ntls_client {\n root_ca /missing\n}");
    assert!(plan_with(&Memory::new(), &text).is_err());
}

#[test]
fn versions_are_pinned() {
    // M51
    let pinned = |min, max| Some(Versions { min, max });
    use TlsVersion::{V1_2, V1_3};
    for (text, expected) in [
        ("tls1.2", pinned(V1_2, V1_2)),
        ("tls1.3", pinned(V1_3, V1_3)),
        ("tls1.2 tls1.3", pinned(V1_2, V1_3)),
        ("\"\"", None),
        ("\"\" tls1.2", pinned(V1_2, V1_2)),
        ("tls1.3 \"\"", pinned(V1_3, V1_3)),
    ] {
        let text = format!("tls_client {{\nprotocols {text}\n}}");
        assert_eq!(settings(&text).tls_client.protocols, expected, "{text}");
    }
    let ours = authority();
    let loader = Memory::new().file("/ca", ours.pem());
    let server = server(&ours, None);
    for (versions, spoken) in [
        ("tls1.2", rustls::ProtocolVersion::TLSv1_2),
        ("tls1.3", rustls::ProtocolVersion::TLSv1_3),
        ("tls1.2 tls1.3", rustls::ProtocolVersion::TLSv1_3),
    ] {
        let plan = planned(&loader, &format!("root_ca /ca\nprotocols {versions}"));
        assert_eq!(handshake(&plan, &server).unwrap().0.protocol_version(), Some(spoken));
    }
}

#[test]
fn versions_that_cannot_be() {
    // M51, D19
    for (text, expected) in [
        (
            "tls1.0 tls1.3",
            "5:11: tls1.0 is not spoken here: it is too old to be safe (write `protocols tls1.2 tls1.3`",
        ),
        ("tls1.2 tls1.1", "5:18: tls1.1 is not spoken here"),
        ("tls1.3 tls1.2", "the oldest version is newer than the newest"),
        ("tls1.2 tls1.2 tls1.3", "5:25: protocols has one argument, or two"),
        ("", "protocols needs at least one argument"),
        ("TLS1.2", "did you mean tls1.2?"),
        ("ssl3", "use tls1.2 or tls1.3"),
    ] {
        let said = error(&tls(&format!("protocols {text}")));
        assert!(said.contains(expected), "{text}: {said}");
    }
}

/// The 16 suites of SPEC 1.7 that no TLS library of this kind has, and the nearest that it has.
const UNAVAILABLE: [(&str, &str); 16] = [
    ("RSA-WITH-AES128-GCM-SHA256", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
    ("RSA-WITH-AES256-GCM-SHA384", "ECDHE-RSA-WITH-AES256-GCM-SHA384"),
    ("RSA-WITH-RC4128-SHA", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
    ("RSA-WITH-3DES-EDE-CBC-SHA", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
    ("RSA-WITH-AES128-CBC-SHA", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
    ("RSA-WITH-AES256-CBC-SHA", "ECDHE-RSA-WITH-AES256-GCM-SHA384"),
    ("RSA-WITH-AES128-CBC-SHA256", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
    ("ECDHE-RSA-WITH-RC4128-SHA", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
    ("ECDHE-ECDSA-WITH-RC4128-SHA", "ECDHE-ECDSA-WITH-CHACHA20-POLY1305"),
    ("ECDHE-RSA-WITH-3DES-EDE-CBC-SHA", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
    ("ECDHE-RSA-WITH-AES128-CBC-SHA", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
    ("ECDHE-RSA-WITH-AES256-CBC-SHA", "ECDHE-RSA-WITH-AES256-GCM-SHA384"),
    ("ECDHE-ECDSA-WITH-AES128-CBC-SHA", "ECDHE-ECDSA-WITH-AES128-GCM-SHA256"),
    ("ECDHE-ECDSA-WITH-AES256-CBC-SHA", "ECDHE-ECDSA-WITH-AES256-GCM-SHA384"),
    ("ECDHE-RSA-WITH-AES128-CBC-SHA256", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
    ("ECDHE-ECDSA-WITH-AES128-CBC-SHA256", "ECDHE-ECDSA-WITH-AES128-GCM-SHA256"),
];

#[test]
fn suites_that_are_not_to_be_had_are_told_from_those_nobody_knows() {
    // M52, M55: even where others of the list are usable.
    for (name, instead) in UNAVAILABLE {
        let said = error(&tls(&format!("ciphers ECDHE-RSA-WITH-AES128-GCM-SHA256 {name}")));
        assert!(said.starts_with(&format!("5:42: {name} is not available: ")), "{said}");
        assert!(said.ends_with(&format!("(use {instead})")), "{said}");
    }
    let said = error(&tls("ciphers FOO"));
    assert!(said.starts_with("5:9: \"FOO\" is no cipher suite (use one of ECDHE-RSA"), "{said}");
    let said = error(&tls("ciphers ECDHE-RSA-WITH-AES128-GCM-SHA265"));
    assert!(said.contains("did you mean ECDHE-RSA-WITH-AES128-GCM-SHA256?"), "{said}");
    assert!(error(&tls("ciphers")).contains("ciphers needs at least one argument"));
}

#[test]
fn suites_limit_tls_1_2_alone() {
    // M52, M56
    let ours = authority();
    let loader = Memory::new().file("/ca", ours.pem());
    let only = "root_ca /ca\nciphers ECDHE-ECDSA-WITH-CHACHA20-POLY1305\nprotocols";
    let server = server(&ours, None);
    let suite = |versions: &str| {
        let plan = planned(&loader, &format!("{only} {versions}"));
        handshake(&plan, &server).unwrap().0.negotiated_cipher_suite().unwrap().suite()
    };
    assert_eq!(suite("tls1.2"), rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
    assert!(format!("{:?}", suite("tls1.2 tls1.3")).starts_with("TLS13"));
    let said = warning(&tls("ciphers ECDHE-ECDSA-WITH-CHACHA20-POLY1305\nprotocols tls1.3"));
    assert!(said.starts_with("5:9: no effect: `ciphers` is about TLS 1.2"), "{said}");
}

#[test]
fn what_a_tls_client_must_not_be() {
    for (directive, expected) in [
        ("tls_client", "4:1: tls_client needs a block"),
        ("tls_client off {\n}", "tls_client has no arguments"),
        ("tls_client {\n rootca /x\n}", "did you mean root_ca?"),
        ("tls_client {\n root_ca\n}", "root_ca needs at least one argument: a PEM file"),
        ("tls_client {\n root_ca \"\"\n}", "the name of the file is empty"),
        ("tls_client {\n cert /a /b\n key /k\n}", "cert has one argument"),
        ("tls_client {\n}\ntls_client {\n}", "duplicate directive: tls_client"),
    ] {
        let said = error(&block(directive));
        assert!(said.contains(expected), "{directive}: {said}");
    }
}

#[test]
fn a_platform_without_roots_trusts_nobody_and_never_means_that_tls_is_off() {
    use smtp_config::settings::{Settings, Tls};
    let none = rustls::RootCertStore::empty;
    let mut settings = Settings::default();
    settings.hostname = Some("h.example".parse().unwrap());
    settings.targets = vec!["tcp://127.0.0.1:25".parse().unwrap()];
    let planned = settings.plan(&Memory::new(), &Tls::new(provider(), &none)).unwrap();
    assert_eq!(planned.warnings.len(), 1);
    assert!(planned.warnings[0].to_string().contains("no root certificates"), "{:?}", planned.warnings);
    assert!(handshake(&planned.plan, &server(&authority(), None)).is_err());
    settings.require_tls = true;
    assert!(settings.plan(&Memory::new(), &Tls::new(provider(), &none)).is_err());
}
