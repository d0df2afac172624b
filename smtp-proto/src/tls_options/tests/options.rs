use super::*;
use crate::tls_options::{PemFault, cipher_suite, group};

/// DER as a PEM section with one line of text.
fn pem(label: &str, der: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

/// The key inside PKCS#8 (RFC 5958 §2): the OCTET STRING behind version and algorithm. For RSA it is
/// PKCS#1, for elliptic curves SEC1.
fn inner_key(pkcs8: &[u8]) -> &[u8] {
    fn split(der: &[u8]) -> (&[u8], &[u8]) {
        let (header, len) = match der[1] {
            short @ ..=0x7f => (2, usize::from(short)),
            0x81 => (3, usize::from(der[2])),
            _ => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        };
        (&der[header..header + len], &der[header + len..])
    }
    let (fields, _) = split(pkcs8);
    let (_version, rest) = split(fields);
    let (_algorithm, rest) = split(rest);
    split(rest).0
}

fn build_with(cert: &str, key: &str) -> Result<Arc<ClientConfig>, Error> {
    Ca::new("ca").trusted().client_identity_pem(cert.as_bytes(), key.as_bytes())?.build(provider())
}

fn self_signed(key: rcgen::KeyPair) -> Leaf {
    let cert = params("client", &["client.example"]).self_signed(&key).unwrap();
    Leaf { cert, key }
}

#[test]
fn no_roots_is_an_error_that_says_what_to_give() {
    let error = TlsOptions::new().build(provider()).unwrap_err();
    assert!(matches!(error, Error::NoRoots));
    assert_eq!(error.to_string(), "no trusted root certificate: give the platform's roots or a root CA file");
    assert!(matches!(TlsOptions::new().roots(RootCertStore::empty()).build(provider()), Err(Error::NoRoots)));
}

#[test]
fn root_pem_needs_a_certificate_and_skips_other_sections() {
    let ca = Ca::new("ca"); // M49, SPEC 1.7 (c)
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for text in ["", "text\n", &key] {
        let error = TlsOptions::new().root_ca_pem(text.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::NoCertificate(PemInput::RootCa)), "{text}");
        assert!(error.to_string().contains("root CA PEM"));
    }
    let mixed = format!("a comment\n{key}{}{}", pem("TRUST NOTE", b"x"), ca.pem());
    assert!(TlsOptions::new().root_ca_pem(mixed.as_bytes()).unwrap().build(provider()).is_ok());
}

#[test]
fn broken_root_pem_is_an_error_even_behind_a_good_certificate() {
    let good = Ca::new("ca").pem();
    let cases = [
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", PemFault::NoEnd),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", PemFault::Base64),
        ("-----BEGIN CERTIFICATE\n", PemFault::BadBegin),
    ];
    for (bad, fault) in cases {
        let error = TlsOptions::new().root_ca_pem((good.clone() + bad).as_bytes()).unwrap_err();
        assert!(matches!(error, Error::Pem(PemInput::RootCa, found) if found == fault), "{error:?}");
        // A source has its own line.
        assert!(!error.to_string().contains(&error.source().unwrap().to_string()));
    }
    let error =
        TlsOptions::new().root_ca_pem((good + &pem("CERTIFICATE", b"not DER")).as_bytes()).unwrap_err();
    assert!(matches!(error, Error::Root { nth: 2, .. }), "{error:?}");
}

#[test]
fn pkcs8_pkcs1_and_sec1_keys_are_read() {
    let ec = self_signed(rcgen::KeyPair::generate().unwrap()); // M50
    let p384 = self_signed(rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap());
    let ed25519 = self_signed(rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    let rsa = self_signed(rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap());
    for leaf in [&ec, &p384, &ed25519, &rsa] {
        build_with(&leaf.cert.pem(), &leaf.key.serialize_pem()).unwrap();
    }
    build_with(&ec.cert.pem(), &pem("EC PRIVATE KEY", inner_key(&ec.key.serialize_der()))).unwrap();
    build_with(&rsa.cert.pem(), &pem("RSA PRIVATE KEY", inner_key(&rsa.key.serialize_der()))).unwrap();
    // Both in one text, as some tools write them.
    let both = ec.key.serialize_pem() + &ec.cert.pem();
    build_with(&both, &both).unwrap();
}

#[test]
fn encrypted_keys_name_the_command_that_decrypts_them() {
    let cert = self_signed(rcgen::KeyPair::generate().unwrap()).cert.pem(); // M50
    let modern = pem("ENCRYPTED PRIVATE KEY", b"secret");
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
                  -----END RSA PRIVATE KEY-----\n";
    for key in [modern.as_str(), legacy] {
        let error = build_with(&cert, key).unwrap_err();
        assert!(matches!(error, Error::EncryptedKey));
        assert!(error.to_string().contains("openssl pkey"));
    }
}

#[test]
fn identity_errors_are_told_apart() {
    let leaf = self_signed(rcgen::KeyPair::generate().unwrap());
    let other = self_signed(rcgen::KeyPair::generate().unwrap());
    let (cert, key) = (leaf.cert.pem(), leaf.key.serialize_pem());
    let rsa_cert = self_signed(rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap()).cert.pem();

    assert!(matches!(build_with(&other.cert.pem(), &key), Err(Error::IdentityMismatch)));
    assert!(matches!(build_with(&rsa_cert, &key), Err(Error::IdentityMismatch)));
    assert!(matches!(build_with(&key, &key), Err(Error::NoCertificate(PemInput::ClientCert))));
    assert!(matches!(build_with(&cert, &cert), Err(Error::NoKey)));
    assert!(matches!(build_with(&cert, ""), Err(Error::NoKey)));
    assert!(matches!(build_with(&cert, &pem("PRIVATE KEY", b"x")), Err(Error::Identity(_))));
    let cut = &key[..key.len() / 2];
    assert!(matches!(build_with(&cert, cut), Err(Error::Pem(PemInput::ClientKey, PemFault::NoEnd))));
}

#[test]
fn nothing_printed_holds_key_material() {
    let leaf = self_signed(rcgen::KeyPair::generate().unwrap());
    let options = TlsOptions::new()
        .client_identity_pem(leaf.cert.pem().as_bytes(), leaf.key.serialize_pem().as_bytes())
        .unwrap();
    let shown = format!("{:?}", options.identity.unwrap().key);
    assert!(shown.contains("elided"), "{shown}");

    // A key line where the PEM reader would quote it.
    let error = build_with(&leaf.cert.pem(), "-----BEGIN PRIVATE KEY hunter2\n").unwrap_err();
    assert!(matches!(error, Error::Pem(PemInput::ClientKey, PemFault::BadBegin)));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn an_empty_range_of_versions_is_refused() {
    let error = TlsOptions::new().versions(TlsVersion::V1_3, TlsVersion::V1_2).unwrap_err(); // M51
    assert_eq!(
        error.to_string(),
        "the oldest version allowed, TLS 1.3, is newer than the newest, TLS 1.2: swap them"
    );
}

#[test]
fn what_the_provider_lacks_is_an_error() {
    let ca = Ca::new("ca");
    let build = |options: TlsOptions| options.build(provider());
    let cbc = CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA;
    // M55: never dropped in silence, even when others work.
    let usable = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    assert!(matches!(
        build(ca.trusted().cipher_suites([usable, cbc])),
        Err(Error::NoSuite(suite)) if suite == cbc
    ));
    assert!(matches!(
        build(ca.trusted().groups([NamedGroup::X25519, NamedGroup::secp521r1])),
        Err(Error::NoGroup(NamedGroup::secp521r1))
    ));
    assert!(matches!(build(ca.trusted().cipher_suites([])), Err(Error::EmptyList("cipher suites"))));
    assert!(matches!(build(ca.trusted().groups([])), Err(Error::EmptyList("key exchange groups"))));
    let mut tls13_only = (*provider()).clone();
    tls13_only.cipher_suites.retain(|suite| suite.tls13().is_some());
    let options = ca.trusted().versions(TlsVersion::V1_2, TlsVersion::V1_2).unwrap();
    assert!(matches!(options.build(Arc::new(tls13_only)), Err(Error::Provider(_))));
}

#[test]
fn a_suite_list_limits_the_versions_it_names() {
    let suites = |list: &[CipherSuite]| -> Vec<CipherSuite> {
        let config = Ca::new("ca").trusted().cipher_suites(list.iter().copied()).build(provider()).unwrap();
        config.crypto_provider().cipher_suites.iter().map(|suite| suite.suite()).collect()
    };
    let all: Vec<_> = provider().cipher_suites.iter().map(|suite| suite.suite()).collect();
    let (tls13, tls12): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|suite| format!("{suite:?}").starts_with("TLS13"));
    let (a, b) = (
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    );
    assert_eq!(suites(&[a, b]), [&tls13[..], &[a, b]].concat()); // M52: order is preference; M56
    assert_eq!(suites(&[b, a]), [&tls13[..], &[b, a]].concat());
    let c = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
    assert_eq!(suites(&[c]), [&[c], &tls12[..]].concat());
    assert_eq!(suites(&[a, c]), [c, a]);
}

#[test]
fn groups_keep_the_given_order() {
    let order = [NamedGroup::secp384r1, NamedGroup::X25519]; // M53
    let config = Ca::new("ca").trusted().groups(order).build(provider()).unwrap();
    let names: Vec<_> = config.crypto_provider().kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(names, order);
}

#[test]
fn all_of_maddys_suite_names_are_known() {
    let usable = [
        "ECDHE-RSA-WITH-AES128-GCM-SHA256",
        "ECDHE-RSA-WITH-AES256-GCM-SHA384",
        "ECDHE-RSA-WITH-CHACHA20-POLY1305",
        "ECDHE-ECDSA-WITH-AES128-GCM-SHA256",
        "ECDHE-ECDSA-WITH-AES256-GCM-SHA384",
        "ECDHE-ECDSA-WITH-CHACHA20-POLY1305",
    ];
    for name in usable {
        // rustls spells AES128 as AES_128 and names the hash of ChaCha20.
        let spelled = format!("{:?}", cipher_suite(name).unwrap());
        let spelled = spelled.replace("TLS_", "").replace("AES_", "AES").replace('_', "-");
        assert!(spelled == name || spelled == format!("{name}-SHA256"), "{name}: {spelled}");
        Ca::new("ca").trusted().cipher_suites([cipher_suite(name).unwrap()]).build(provider()).unwrap();
    }
    let unusable = [
        ("RSA-WITH-RC4128-SHA", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
        ("RSA-WITH-3DES-EDE-CBC-SHA", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
        ("RSA-WITH-AES128-CBC-SHA", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
        ("RSA-WITH-AES256-CBC-SHA", "ECDHE-RSA-WITH-AES256-GCM-SHA384"),
        ("RSA-WITH-AES128-CBC-SHA256", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
        ("RSA-WITH-AES128-GCM-SHA256", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
        ("RSA-WITH-AES256-GCM-SHA384", "ECDHE-RSA-WITH-AES256-GCM-SHA384"),
        ("ECDHE-ECDSA-WITH-RC4128-SHA", "ECDHE-ECDSA-WITH-CHACHA20-POLY1305"),
        ("ECDHE-ECDSA-WITH-AES128-CBC-SHA", "ECDHE-ECDSA-WITH-AES128-GCM-SHA256"),
        ("ECDHE-ECDSA-WITH-AES256-CBC-SHA", "ECDHE-ECDSA-WITH-AES256-GCM-SHA384"),
        ("ECDHE-RSA-WITH-RC4128-SHA", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
        ("ECDHE-RSA-WITH-3DES-EDE-CBC-SHA", "ECDHE-RSA-WITH-CHACHA20-POLY1305"),
        ("ECDHE-RSA-WITH-AES128-CBC-SHA", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
        ("ECDHE-RSA-WITH-AES256-CBC-SHA", "ECDHE-RSA-WITH-AES256-GCM-SHA384"),
        ("ECDHE-ECDSA-WITH-AES128-CBC-SHA256", "ECDHE-ECDSA-WITH-AES128-GCM-SHA256"),
        ("ECDHE-RSA-WITH-AES128-CBC-SHA256", "ECDHE-RSA-WITH-AES128-GCM-SHA256"),
    ];
    for (given, nearest) in unusable {
        let error = cipher_suite(given).unwrap_err(); // M55
        assert!(
            matches!(error, Error::Unavailable { name, instead, .. } if name == given && instead == nearest),
            "{error}"
        );
        assert!(cipher_suite(nearest).is_ok());
    }
    let Err(Error::UnknownName { known, .. }) = cipher_suite("FOO") else { panic!("FOO is no suite") };
    assert_eq!(known.split(", ").collect::<Vec<_>>(), usable);
    assert!(cipher_suite("ecdhe-rsa-with-aes128-gcm-sha256").is_err());
    assert_eq!(
        cipher_suite("RSA-WITH-AES128-GCM-SHA256").unwrap_err().to_string(),
        "RSA-WITH-AES128-GCM-SHA256 is not available: RSA key exchange has no forward secrecy; \
         use ECDHE-RSA-WITH-AES128-GCM-SHA256"
    );
}

#[test]
fn all_of_maddys_group_names_are_known() {
    assert_eq!(group("X25519").unwrap(), NamedGroup::X25519); // M53
    assert_eq!(group("p256").unwrap(), NamedGroup::secp256r1);
    assert_eq!(group("p384").unwrap(), NamedGroup::secp384r1);
    assert!(group("p521").unwrap_err().to_string().ends_with("use X25519, p256, p384"));
    assert_eq!(
        group("a\r\nb").unwrap_err().to_string(),
        r#"unknown key exchange group "a\r\nb": use one of X25519, p256, p384"#
    );
}
