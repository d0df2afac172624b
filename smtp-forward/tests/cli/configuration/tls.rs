//! `tls_client` in real handshakes: D6-D8, D19, M13, M46, M49-M57.

use rustls::version::{TLS12, TLS13};

use super::super::{
    certificates::{Authority, Issued},
    support::Run,
    wire::{Rules, Session},
};
use super::{play, says, smtp};

/// TLS is required, with this `tls_client`, of a server that shows this certificate.
fn required(tls_client: &str, files: &[(&str, &str)], rules: Rules) -> (Run, Vec<Session>) {
    play(&smtp(&format!("require_tls yes\ntls_client {{\n{tls_client}\n}}")), files, rules)
}

/// An authority with the server's certificate for the address that is used.
fn authority() -> (Authority, Issued) {
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1");
    (authority, server)
}

#[test]
fn a_private_authority_is_trusted_by_whom_it_is_told_to() {
    // M49 (a), M54: the address is in the certificate.
    let (ours, server) = authority();
    let (done, sessions) =
        required("root_ca ca.pem", &[("ca.pem", &ours.pem())], Rules::tls(&server.server()));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(says(&sessions[0], "TLSv1_3"), "{sessions:?}");
    assert_eq!(done.object()["tls"]["verified"], true);
    // D7: and not by another block; nor, without a word, by anybody.
    let stranger = [("ca.pem", &*Authority::new().pem())];
    for text in [
        smtp("require_tls yes\ntls_client {\n root_ca ca.pem\n}"),
        format!("tls_client {{\n root_ca ca.pem\n}}\n{}", smtp("require_tls yes")),
    ] {
        let (done, sessions) = play(&text, &stranger, Rules::tls(&server.server()));
        assert_eq!(done.code, 77, "{done:?}");
        assert!(says(&sessions[0], "TLS failed") && !says(&sessions[0], "C: MAIL"), "{sessions:?}");
        assert!(done.out.contains("UnknownIssuer"), "{done:?}");
    }
}

#[test]
fn a_global_tls_client_holds_where_a_target_has_none() {
    // D6, M13
    let (ours, server) = authority();
    let global = format!("tls_client {{\n root_ca ca.pem\n}}\n{}", smtp("require_tls yes"));
    let (done, _) = play(&global, &[("ca.pem", &ours.pem())], Rules::tls(&server.server()));
    assert_eq!(done.code, 0, "{done:?}");
    // The target's own is not mixed with it.
    let both = global.replace("require_tls yes", "require_tls yes\ntls_client {\n root_ca other.pem\n}");
    let files = [("ca.pem", &*ours.pem()), ("other.pem", &*Authority::new().pem())];
    let (done, _) = play(&both, &files, Rules::tls(&server.server()));
    assert_eq!(done.code, 77, "{done:?}");
}

#[test]
fn two_authorities_are_both_trusted() {
    // M49 (b): in two files, or in one.
    let ((one, first), (two, second)) = (authority(), authority());
    let together = format!("{}{}", one.pem(), two.pem());
    let files = [("one.pem", &*one.pem()), ("two.pem", &*two.pem()), ("both.pem", &*together)];
    for roots in ["root_ca one.pem two.pem", "root_ca both.pem"] {
        for server in [&first, &second] {
            let (done, _) = required(roots, &files, Rules::tls(&server.server()));
            assert_eq!(done.code, 0, "{roots}: {done:?}");
        }
    }
    let (done, _) = required("root_ca one.pem", &files, Rules::tls(&second.server()));
    assert_eq!(done.code, 77, "{done:?}");
}

#[test]
fn a_certificate_is_shown_to_a_server_that_demands_one() {
    // M50 (d), M46
    let (ours, server) = authority();
    let (clients, client) = (Authority::new(), Authority::new());
    let (right, wrong) = (clients.issue("client.example"), client.issue("client.example"));
    let rules =
        || Rules { offers: &["AUTH EXTERNAL"], ..Rules::tls(&server.server_for_clients_of(&clients)) };
    let files = |issued: &Issued| [ours.pem(), issued.pem(), issued.key_pem()];
    let named = |pems: &[String; 3]| {
        [("ca.pem", pems[0].clone()), ("c.pem", pems[1].clone()), ("k.pem", pems[2].clone())]
    };
    let identity = "root_ca ca.pem\n cert c.pem\n key k.pem";
    for (issued, tls_client, code) in
        [(&right, identity, 0), (&right, "root_ca ca.pem", 77), (&wrong, identity, 77)]
    {
        let files = named(&files(issued));
        let files: Vec<_> = files.iter().map(|(name, pem)| (*name, pem.as_str())).collect();
        let text = smtp(&format!("require_tls yes\nauth external\ntls_client {{\n{tls_client}\n}}"));
        let (done, sessions) = play(&text, &files, rules());
        assert_eq!(done.code, code, "{tls_client}: {done:?}");
        let lines = ["TLSv1_3 with a client certificate", "C: AUTH EXTERNAL =", "C: DATA"];
        for line in lines {
            assert_eq!(says(&sessions[0], line), code == 0, "{line}: {sessions:?}");
        }
    }
}

#[test]
fn versions_must_meet() {
    // M51 (e), D19
    let (ours, server) = authority();
    for (version, protocols, code) in [
        (&TLS12, "protocols tls1.3", 77),
        (&TLS12, "protocols tls1.2", 0),
        (&TLS12, "protocols tls1.2 tls1.3", 0),
        (&TLS12, "", 0),
        (&TLS13, "protocols tls1.2", 77),
        (&TLS13, "protocols tls1.3", 0),
        (&TLS13, "protocols \"\" tls1.3", 0),
        (&TLS13, "", 0),
    ] {
        let (done, _) = required(
            &format!("root_ca ca.pem\n{protocols}"),
            &[("ca.pem", &ours.pem())],
            Rules::tls(&server.server_of(version)),
        );
        assert_eq!(done.code, code, "{protocols:?} with {version:?}: {done:?}");
        if code == 0 {
            let expected = if version.version == TLS12.version { "TLSv1.2" } else { "TLSv1.3" };
            assert_eq!(done.object()["tls"]["version"], expected);
        }
    }
    let (done, sessions) = required("protocols tls1.0 tls1.3", &[], Rules::default());
    assert_eq!((done.code, sessions.len()), (78, 0), "{done:?}");
    assert!(done.err.contains("protocols tls1.2 tls1.3"), "{done:?}");
}

#[test]
fn ciphers_and_curves_are_those_of_the_list() {
    // M52, M53 (f), M56, D8
    let (ours, server) = authority();
    for (version, directive, key, value) in [
        (&TLS13, "curves p384", "group", "secp384r1"),
        (&TLS13, "curve p384", "group", "secp384r1"),
        (&TLS13, "", "group", "X25519MLKEM768"),
        (
            &TLS12,
            "ciphers ECDHE-ECDSA-WITH-CHACHA20-POLY1305",
            "cipher",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ),
    ] {
        let (done, _) = required(
            &format!("root_ca ca.pem\n{directive}"),
            &[("ca.pem", &ours.pem())],
            Rules::tls(&server.server_of(version)),
        );
        assert_eq!(done.code, 0, "{directive}: {done:?}");
        assert_eq!(done.object()["tls"][key], value, "{directive}");
    }
    // TLS 1.3 has its own suites, whatever `ciphers` says.
    let only = "root_ca ca.pem\nciphers ECDHE-RSA-WITH-AES128-GCM-SHA256";
    for (version, code) in [(&TLS13, 0), (&TLS12, 77)] {
        let (done, _) = required(only, &[("ca.pem", &ours.pem())], Rules::tls(&server.server_of(version)));
        assert_eq!(done.code, code, "{done:?}");
    }
}

#[test]
fn the_name_and_the_time_must_be_right() {
    // M54 (g)
    let ours = Authority::new();
    let (address, other) = (ours.issue("127.0.0.1"), ours.issue("mx.example.org"));
    let expired = ours.issue_expired("127.0.0.1");
    let files = [("ca.pem", &*ours.pem())];
    for (issued, reason) in [(&address, None), (&other, Some("name")), (&expired, Some("expired"))] {
        for implicit in [false, true] {
            let text = smtp("require_tls yes\ntls_client {\n root_ca ca.pem\n}");
            let text = if implicit { text.replace("tcp://", "tls://") } else { text };
            let (done, sessions) = play(&text, &files, Rules { implicit, ..Rules::tls(&issued.server()) });
            assert_eq!(done.code, if reason.is_none() { 0 } else { 77 }, "{reason:?}: {done:?}");
            assert_eq!(says(&sessions[0], "C: MAIL"), reason.is_none());
            let detail = done.object()["attempts"][0]["detail"].as_str().unwrap().to_lowercase();
            assert!(detail.contains(reason.unwrap_or_default()), "{reason:?}: {detail}");
        }
    }
    // `server_name` is the name to verify in place of the host.
    let named = smtp("require_tls yes\nserver_name mx.example.org\ntls_client {\n root_ca ca.pem\n}");
    let (done, _) = play(&named, &files, Rules::tls(&other.server()));
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn implicit_tls_never_falls_back() {
    // M58, M59, M96
    let (ours, server) = authority();
    let implicit = |certificate: &Issued| Rules { implicit: true, ..Rules::tls(&certificate.server()) };
    let text = super::lmtp("tls_client {\n root_ca ca.pem\n}").replace("tcp://", "tls://");
    let (done, sessions) = play(&text, &[("ca.pem", &ours.pem())], implicit(&server));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(sessions[0][0].starts_with("TLSv1_3") && says(&sessions[0], "C: LHLO"), "{sessions:?}");
    let (done, sessions) = play(&text, &[("ca.pem", &Authority::new().pem())], implicit(&server));
    assert_eq!((done.code, sessions.len()), (77, 1), "{done:?}");
}
