//! The command line itself.

use super::support::{command, finish, run, send, welcome};

#[test]
fn the_first_command_of_the_readme_shows_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let done = finish(command().current_dir(folder.path()).arg("send").arg(welcome()), b"");
    assert_eq!(done.code, 0, "{done:?}");
    for expected in [
        "STARTTLS: TLSv1.3",
        "X25519MLKEM768",
        "certificate verified",
        "stored  ./captured/new/",
        "from the message's Return-Path",
        "from the message's To, Cc, Bcc",
        "✓ delivered grace@example.net",
        "✓ delivered alan@example.net",
        "✓ delivered edsger@example.net",
        "3 of 3 delivered",
        " round trip",
    ] {
        assert!(done.out.contains(expected), "{expected}: {}", done.out);
    }
    // No terminal, no colour.
    assert!(!done.out.contains('\u{1b}'), "{}", done.out);
    assert_eq!(done.err, "");
    let stored = std::fs::read_dir(folder.path().join("captured/new")).unwrap().next().unwrap().unwrap();
    assert_eq!(std::fs::read(stored.path()).unwrap(), std::fs::read(welcome()).unwrap());
}

#[test]
fn the_embedded_server_in_plaintext_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let done = finish(
        command().current_dir(folder.path()).args(["send", "--tls", "off", "--format", "json", &welcome()]),
        b"",
    );
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.object()["tls"].is_null());
    assert!(done.err.starts_with("captured ./captured/new/"), "{}", done.err);
}

#[test]
fn help_and_version_are_no_errors_and_mistakes_are_64() {
    for arguments in
        [&["--help"][..], &["help"], &["--version"], &["send", "--help"], &["help", "sink"], &["check", "-h"]]
    {
        let done = run(arguments);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(!done.out.is_empty() && done.err.is_empty(), "{done:?}");
    }
    for arguments in [
        &[][..],
        &["sned"],
        &["send", "--no-such-option"],
        &["send", "--target"],
        &["send", "--target", "127.0.0.1:25"],
        &["send", "--target", "smtp://x:25"],
        &["send", "--lmtp"],
        &["send", "--tls", "maybe"],
        &["send", "--ca", "x"],
        &["send", "--target", "tcp://127.0.0.1:24", "--cert", "x"],
        &["send", "--from", ""],
        &["send", "--to", ""],
        &["send", "--hostname", "not a name"],
        &["send", "--connect-timeout", "5"],
        &["send", "--connect-timeout", "-1s"],
        &["send", "--target", "tcp://127.0.0.1:25", "--lmtp"], // R78
        &["send", "--target", "tcp://127.0.0.1:24", "--auth", "plain"],
        &["send", "--target", "tcp://127.0.0.1:24", "--auth", "plain", "--user", "u"],
        &["send", "--target", "tcp://127.0.0.1:24", "--auth", "external"],
        &["send", "--target", "tcp://127.0.0.1:24", "--auth", "nonsense", "--user", "u"],
        &["send", "--target", "tcp://127.0.0.1:24", "--auth", "scram-sha-1", "--user", "u"],
        &["send", "--target", "tcp://127.0.0.1:24", "--auth", "scram-sha-256", "--user", "u"],
        &["send", "--target", "tcp://127.0.0.1:24", "--auth", "XOAUTH2", "--user", "u"],
        &["send", "--input", "mbox"],
        &["send", "-", "-"],
        &["send", "--connections", "0"],
        &["send", "--connections", "many"],
        &["check"],
        &["sink", "--reply", "rcpt=45"],
        &["sink", "--listen", "tls://127.0.0.1:0"],
        &["sink", "--auth", "nofile"],
        &["completions", "nosuchshell"],
    ] {
        let done = run(arguments);
        assert_eq!(done.code, 64, "{arguments:?} {done:?}");
        assert!(done.out.is_empty() && !done.err.is_empty(), "{arguments:?} {done:?}");
    }
}

#[test]
fn what_is_not_built_says_so() {
    let done = run(["serve", "file"]);
    assert_eq!(done.code, 64, "{done:?}");
    assert!(done.err.contains("not built yet"), "{done:?}");
}

#[test]
fn no_address_can_smuggle_a_command() {
    // R1, R22
    for address in [
        "a@b\r\nRCPT TO:<x@y>",
        "a@b\nDATA",
        "a\r@b",
        "u@example.org> SIZE=1",
        "<a@b",
        "a@b>",
        "a b",
        "@",
        "a@",
        "a@-b",
    ] {
        for option in ["--from", "--to"] {
            let done = run(["send", option, address]);
            assert_eq!(done.code, 64, "{option} {address:?}: {done:?}");
            // Nor forge a line of the error.
            assert!(
                !done.err.contains('\r') && !done.err.contains("\nRCPT") && !done.err.contains("\nDATA"),
                "{done:?}"
            );
        }
    }
    let done = send("tcp://127.0.0.1:1", &["--server-name", "a\r\nb"]);
    assert_eq!(done.code, 64, "{done:?}");
}

#[test]
fn completions_and_the_manual() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(["completions", shell]);
        assert_eq!(done.code, 0);
        assert!(done.out.contains("smtp-forward"));
    }
    let man = run(["man"]);
    assert_eq!(man.code, 0);
    for expected in [
        ".TH",
        "capture\\-dir",
        "until\\-decided",
        "tls\\-self\\-signed",
        "\\-connections",
        "no\\-progress",
        "\\-config",
        "\\-use",
        "\\-syntax",
        "Ctrl",
    ] {
        assert!(man.out.contains(expected), "{expected}");
    }
}
