//! The language seen from the wire: D13-D18. `tests/language.rs` of `smtp-config` has it row by row.

use super::super::{
    support::Folder,
    wire::{Rules, Wire},
};
use super::{play, says, smtp};

const OFFERS_AUTH: &[&str] = &["AUTH PLAIN"];

#[test]
fn a_password_is_what_is_in_the_quotes() {
    // D13, M25, M37: `{` is data in quotes, a blank is part of it, and what a variable holds is never language.
    for (password, encoded) in [
        ("\"{\"", "AHRlc3QAew=="),
        ("\"a b\"", "AHRlc3QAYSBi"),
        ("\"a#b\"", "AHRlc3QAYSNi"),
        ("\"a\\\"b\"", "AHRlc3QAYSJi"),
        ("{env:BRACES}", "AHRlc3QAeyB9"),
        // D16: an unset variable takes nothing with it.
        ("{env:UNSET}-{env:UNSET}", "AHRlc3QALQ=="),
    ] {
        let wire = Wire::start(Rules::offering(OFFERS_AUTH));
        let text = smtp(&format!("auth plain test {password}")).replace("PORT", &wire.port.to_string());
        let message = super::super::support::welcome();
        let folder = Folder::new(&text, &[]);
        let mut command =
            folder.command(&["send", "--config", "mail.conf", "--to", "b@example.org", &message]);
        let done = super::super::support::finish(command.env("BRACES", "{ }").env_remove("UNSET"), b"");
        assert_eq!(done.code, 0, "{password}: {done:?}");
        let sessions = wire.finish();
        assert!(says(&sessions[0], &format!("C: AUTH PLAIN {encoded}")), "{password}: {sessions:?}");
    }
}

#[test]
fn what_would_cut_a_password_short_is_an_error_that_does_not_show_it() {
    // D14, D15
    for (directive, reason) in [("auth plain test hunter#2", "#"), ("auth plain test \"hunter2", "quote")] {
        let (done, sessions) = play(&smtp(directive), &[], Rules::default());
        assert_eq!((done.code, sessions.len()), (78, 0), "{directive}: {done:?}");
        assert!(done.err.starts_with("mail.conf:3:"), "{done:?}");
        assert!(done.err.contains(reason) && !done.err.contains("hunter"), "{done:?}");
    }
}

#[test]
fn imports_are_beside_the_file_or_absolute() {
    // D17, M36, M35, M34: and so are the files that what is imported names.
    let elsewhere = tempfile::tempdir().unwrap();
    let absolute = elsewhere.path().join("auth.conf");
    std::fs::write(&absolute, "auth plain test file:password\n").unwrap();
    std::fs::write(elsewhere.path().join("password"), "testpass\n").unwrap();
    let text = format!(
        "import site\n$(server) = tcp://127.0.0.1:PORT\n(sender) {{\n import {}\n}}\ndeliver_to smtp $(server) {{\n import sender\n}}\n",
        absolute.display()
    );
    let files = [("site.conf", "hostname imported.example\n")];
    let (done, sessions) = play(&text, &files, Rules::offering(OFFERS_AUTH));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(says(&sessions[0], "C: EHLO imported.example"));
    assert!(says(&sessions[0], "C: AUTH PLAIN AHRlc3QAdGVzdHBhc3M="));
}

#[test]
fn an_endpoint_with_something_left_over_is_refused_by_its_name() {
    // D18
    for (endpoint, surplus) in [
        ("tcp://user:hunter2@127.0.0.1:PORT", "user name"),
        ("tcp://127.0.0.1:PORT/path", "path"),
        ("tcp://127.0.0.1:PORT?x", "query"),
    ] {
        let text = smtp("").replace("tcp://127.0.0.1:PORT", endpoint);
        let (done, sessions) = play(&text, &[], Rules::default());
        assert_eq!((done.code, sessions.len()), (78, 0), "{endpoint}: {done:?}");
        assert!(done.err.starts_with("mail.conf:2:") && done.err.contains(surplus), "{done:?}");
    }
}
