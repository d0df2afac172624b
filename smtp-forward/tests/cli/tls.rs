//! TLS: verified or not at all, and what opportunistic means.

use super::{
    certificates::Authority,
    support::{Sink, file, run, send, serve, welcome},
};

/// An authority, and a server certificate and its key.
struct Pki {
    ca: String,
    cert: String,
    key: String,
}

fn pki(name: &str, expired: bool) -> Pki {
    let authority = Authority::new();
    let server = if expired { authority.issue_expired(name) } else { authority.issue(name) };
    Pki { ca: authority.pem(), cert: server.pem(), key: server.key_pem() }
}

pub(crate) fn some_ca() -> String {
    Authority::new().pem()
}

/// A sink with that certificate, and what keeps its files.
fn sink(pki: &Pki, more: &[&str]) -> (Sink, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
    std::fs::write(&cert, &pki.cert).unwrap();
    std::fs::write(&key, &pki.key).unwrap();
    let mut arguments = vec!["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    arguments.extend(more);
    (Sink::start(&arguments), folder)
}

#[test]
fn a_bad_certificate_with_tls_required_is_77_and_nothing_is_sent() {
    let (good, other) = (pki("localhost", false), pki("localhost", false));
    let cases = [
        ("expired", pki("localhost", true), None),
        ("name", pki("other.example", false), None),
        ("UnknownIssuer", good, Some(&other.ca)),
    ];
    for (word, pki, ca) in &cases {
        let (sink, _files) = sink(pki, &[]);
        let (_folder, ca) = file(ca.unwrap_or(&pki.ca));
        let target = sink.endpoint.replace("127.0.0.1", "localhost");
        let done = send(&target, &["--tls", "required", "--ca", &ca]);
        assert_eq!(done.code, 77, "{word}: {done:?}");
        let object = done.object();
        for attempt in object["attempts"].as_array().unwrap() {
            assert_eq!(attempt["kind"], "tls", "{word}: {done:?}");
        }
        let detail = object["attempts"][0]["detail"].as_str().unwrap();
        assert!(detail.to_lowercase().contains(&word.to_lowercase()), "{word}: {detail}");
        assert!(object["target"].is_null());
        assert!(sink.is_empty());

        // M65: opportunistic goes on in plaintext, and says so.
        let done = send(&target, &["--tls", "opportunistic", "--ca", &ca]);
        assert_eq!(done.code, 0, "{word}: {done:?}");
        let object = done.object();
        assert_eq!(object["fell_back_to_plaintext"], true, "{word}: {done:?}");
        assert!(object["tls"].is_null());
        assert!(object["attempts"].as_array().unwrap().iter().any(|attempt| attempt["kind"] == "tls"));
        assert!(done.err.contains("plaintext"), "{done:?}");
        assert!(sink.record()["tls"].is_null());
    }
}

#[test]
fn the_text_report_says_that_it_fell_back() {
    let pki = pki("other.example", false);
    let (sink, _files) = sink(&pki, &[]);
    let (_folder, ca) = file(&pki.ca);
    let done = run([
        "send",
        "--target",
        &sink.endpoint,
        "--ca",
        &ca,
        "--from",
        "a@x.org",
        "--to",
        "b@x.org",
        &welcome(),
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("in plaintext, because TLS failed"), "{}", done.out);
    assert!(done.out.contains("trying once more without TLS"), "{}", done.out);
    assert!(done.out.contains(" tls: TLS failed"), "{}", done.out);
}

#[test]
fn starttls_and_implicit_tls_verified() {
    for scheme in ["tcp", "tls"] {
        let sink = Sink::listening(&format!("{scheme}://127.0.0.1:0"), &["--tls-self-signed"]);
        assert!(sink.endpoint.starts_with(scheme));
        let done = send(&sink.endpoint, &["--tls", "required", "--ca", sink.ca.as_deref().unwrap()]);
        assert_eq!(done.code, 0, "{done:?}");
        let tls = &done.object()["tls"];
        assert_eq!(
            (&tls["version"], &tls["group"], &tls["verified"]),
            (&"TLSv1.3".into(), &"X25519MLKEM768".into(), &true.into())
        );
        let record = sink.record();
        assert_eq!(record["tls"]["version"], "TLSv1.3");
        assert_eq!(record["tls"]["cipher"], tls["cipher"]);
    }
}

#[test]
fn the_server_name_overrides_the_host() {
    let pki = pki("mx.example.org", false);
    let (sink, _files) = sink(&pki, &[]);
    let (_folder, ca) = file(&pki.ca);
    let done = send(&sink.endpoint, &["--tls", "required", "--ca", &ca, "--server-name", "mx.example.org"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(sink.record()["tls"]["server_name"], "mx.example.org");
}

#[test]
fn implicit_tls_never_falls_back() {
    let sink = Sink::listening("tls://127.0.0.1:0", &["--tls-self-signed"]);
    let (_folder, ca) = file(some_ca());
    let done = send(&sink.endpoint, &["--ca", &ca]);
    assert_eq!(done.code, 77, "{done:?}");
    assert!(sink.is_empty());
}

#[test]
fn octets_behind_the_reply_to_starttls_are_fatal() {
    // R86, D3
    let target = serve(|mut stream| {
        use std::io::{Read as _, Write as _};
        let mut buffer = [0; 1024];
        for said in ["220 x\r\n", "250-x\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"] {
            if stream.write_all(said.as_bytes()).is_err() || stream.read(&mut buffer).unwrap_or(0) == 0 {
                return;
            }
        }
    });
    let (_folder, ca) = file(some_ca());
    let done = send(&target, &["--ca", &ca]);
    assert_eq!(done.code, 76, "{done:?}");
    assert_eq!(done.object()["attempts"].as_array().unwrap().len(), 1, "no second try in plaintext");
}

#[test]
fn platform_roots_are_used_and_their_absence_matters_only_to_who_needs_them() {
    let sink = Sink::start(&["--tls-self-signed"]);
    let message = welcome();
    let arguments = |tls: &'static str| {
        let mut command = super::support::command();
        command.args([
            "send",
            "--format",
            "json",
            "--tls",
            tls,
            "--target",
            &sink.endpoint,
            "--from",
            "a@x.org",
            "--to",
            "b@x.org",
            &message,
        ]);
        command
    };
    // The platform is told by the environment where its roots are.
    let done =
        super::support::finish(arguments("required").env("SSL_CERT_FILE", sink.ca.as_deref().unwrap()), b"");
    assert_eq!(done.code, 0, "{done:?}");
    for (tls, code) in [("required", 78), ("opportunistic", 0), ("off", 0)] {
        let done = super::support::finish(arguments(tls).env("SSL_CERT_FILE", "/dev/null"), b"");
        assert_eq!(done.code, code, "{tls}: {done:?}");
    }
}
