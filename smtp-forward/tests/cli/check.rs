//! `check`: findings and statuses.

use super::support::{Run, Sink, file, refusing, run};

fn check(targets: &[&str], arguments: &[&str]) -> Run {
    let targets = targets.iter().flat_map(|target| ["--target", target]);
    run(["check", "--format", "json"].into_iter().chain(targets).chain(arguments.iter().copied()))
}

#[test]
fn a_usable_target() {
    let sink = Sink::start(&["--tls-self-signed", "--hostname", "mx.example.org"]);
    let done = check(&[&sink.endpoint], &["--ca", sink.ca.as_deref().unwrap()]);
    assert_eq!(done.code, 0, "{done:?}");
    let object = done.object();
    assert_eq!(object["target"], sink.endpoint);
    assert_eq!((&object["reachable"], &object["usable"]), (&true.into(), &true.into()));
    assert!(object["greeting"].as_str().unwrap().starts_with("mx.example.org"));
    assert_eq!(object["tls"]["version"], "TLSv1.3");
    assert_eq!(object["certificate"], "verified");
    assert!(object["capabilities"].as_array().unwrap().iter().any(|it| it == "PIPELINING"), "{object}");
    assert_eq!(object["send"], "deliver over TLS");
    assert!(object["error"].is_null());
    assert!(sink.is_empty());
}

#[test]
fn some_and_none_usable() {
    let sink = Sink::start(&["--discard"]);
    assert_eq!(check(&[&sink.endpoint, &refusing()], &[]).code, 75);
    let done = check(&[&refusing(), &refusing()], &[]);
    assert_eq!(done.code, 69, "{done:?}");
    assert_eq!(done.json()[1]["error"]["kind"], "network");
    // M40: behind the last target there is none to try.
    assert_eq!(done.json()[0]["send"], "try the next target");
    assert_eq!(done.json()[1]["send"], "defer the message");
}

#[test]
fn why_a_certificate_is_not_verified() {
    let sink = Sink::start(&["--tls-self-signed"]);
    let (_folder, ca) = file(super::tls::some_ca());
    let done = check(&[&sink.endpoint], &["--ca", &ca, "--tls", "required"]);
    assert_eq!(done.code, 77, "{done:?}");
    let object = done.object();
    assert!(object["certificate"].as_str().unwrap().contains("UnknownIssuer"), "{object}");
    assert_eq!(object["usable"], false);

    let done = check(&[&sink.endpoint], &["--ca", &ca]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.object()["send"], "connect again and deliver in plaintext");

    let done = run(["check", "--target", &sink.endpoint, "--ca", &ca]);
    assert!(done.out.contains("usable in plaintext only"), "{}", done.out);
    assert_eq!(done.out.matches("UnknownIssuer").count(), 1, "said once: {}", done.out);
}

#[test]
fn whether_auth_works() {
    let (_folder, password) = file("secret");
    let (_other, wrong) = file("wrong");
    let sink = Sink::start(&["--auth", &format!("ann:{password}")]);
    for (file, code) in [(&password, 0), (&wrong, 77)] {
        let done = check(&[&sink.endpoint], &["--auth", "auto", "--user", "ann", "--password-file", file]);
        assert_eq!(done.code, code, "{done:?}");
        let object = done.object();
        assert_eq!(object["mechanisms"], serde_json::json!(["PLAIN", "LOGIN"]));
        assert_eq!(object["auth"] == "ok", code == 0, "{object}");
    }
}

#[test]
fn the_text_for_people() {
    let sink = Sink::start(&["--tls-self-signed"]);
    let done = run([
        "check",
        "--target",
        &sink.endpoint,
        "--ca",
        sink.ca.as_deref().unwrap(),
        "--target",
        &refusing(),
    ]);
    assert_eq!(done.code, 75, "{done:?}");
    for expected in
        ["usable", "not usable", "greeting", "offers", "X25519MLKEM768", "send would", "Connection refused"]
    {
        assert!(done.out.contains(expected), "{expected}: {}", done.out);
    }
    let done = check(&["tcp://127.0.0.1:1"], &["--ca", "/nonexistent"]);
    assert_eq!(done.code, 78);
    assert!(done.err.contains("--ca /nonexistent"), "{}", done.err);
}
