//! Secrets: used, and never seen.

use super::support::{Sink, command, file, finish, send, welcome};

const PASSWORD: &str = "correct-horse-battery";

#[test]
fn no_secret_in_any_output_at_the_highest_verbosity() {
    // R133
    let (_folder, password) = file(format!("{PASSWORD}\n"));
    let account = format!("ann:{password}");
    let base64 = |text: &str| {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let octets = text.as_bytes();
        octets
            .chunks_exact(3)
            .flat_map(|three| {
                let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
                [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize]))
            })
            .collect::<String>()
    };
    for (mechanism, shown) in [
        ("plain", base64(&format!("\0ann\0{PASSWORD}"))),
        ("login", base64(PASSWORD)),
        ("auto", base64(PASSWORD)),
    ] {
        for wrong in [false, true] {
            let sink = Sink::start(&["--auth", &account, "--tls-self-signed"]);
            let folder = tempfile::tempdir().unwrap();
            let transcript = folder.path().join("transcript");
            let (_other, other) = file(format!("{PASSWORD}-not"));
            let mut command = command();
            command.args(["send", "-vv", "--transcript"]).arg(&transcript);
            command.args([
                "--target",
                &sink.endpoint,
                "--ca",
                sink.ca.as_deref().unwrap(),
                "--tls",
                "required",
            ]);
            command.args([
                "--auth",
                mechanism,
                "--user",
                "ann",
                "--password-file",
                if wrong { &other } else { &password },
            ]);
            command.args(["--from", "a@x.org", "--to", "b@x.org", &welcome()]);
            let done = finish(&mut command, b"");
            assert_eq!(done.code, if wrong { 77 } else { 0 }, "{done:?}");
            let transcript = std::fs::read_to_string(transcript).unwrap();
            for (place, text) in [("stdout", &done.out), ("stderr", &done.err), ("transcript", &transcript)] {
                assert!(
                    !text.contains(PASSWORD) && !text.contains(&shown[..shown.len() - 4]),
                    "{place}: {text}"
                );
            }
            assert!(transcript.contains("C: AUTH "), "{transcript}");
            assert!(done.err.contains("C: AUTH "), "the dialogue is in the log: {}", done.err);
            if !wrong {
                assert_eq!(sink.record()["auth"], "ann");
            }
        }
    }
}

#[test]
fn the_transcript_has_both_directions_and_times() {
    let sink = Sink::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transcript");
    let mut text = String::new();
    for (chunking, content) in [("no", ["C: DATA", "C: ."]), ("auto", ["C: BDAT ", " LAST"])] {
        send(
            &sink.endpoint,
            &["--tls", "off", "--chunking", chunking, "--transcript", path.to_str().unwrap()],
        );
        text = std::fs::read_to_string(&path).unwrap();
        for expected in [
            "S: 220 ",
            "C: EHLO ",
            "S: 250 ",
            "C: MAIL FROM:<a@example.org>",
            "C: RCPT TO:<b@example.org>",
            content[0],
            "octets of content]",
            content[1],
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
    for line in text.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
        assert!(["C: ", "S: ", "*: "].iter().any(|mark| rest.starts_with(mark)), "{line}");
    }
    // Content is nobody's business.
    assert!(!text.contains("Hello Grace"));
}

#[test]
fn the_password_from_the_environment() {
    let (_folder, password) = file(PASSWORD);
    let sink = Sink::start(&["--auth", &format!("ann:{password}")]);
    let mut command = command();
    command.args([
        "send",
        "--target",
        &sink.endpoint,
        "--auth",
        "plain",
        "--user",
        "ann",
        "--from",
        "a@x.org",
        "--to",
        "b@x.org",
        &welcome(),
    ]);
    // Loopback without STARTTLS: D4 allows it and tells.
    let done = finish(command.env("SMTP_FORWARD_PASSWORD", PASSWORD), b"");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("without TLS") || done.out.contains("without TLS"), "{done:?}");
    assert!(!done.out.contains(PASSWORD) && !done.err.contains(PASSWORD));
    let help = finish(
        super::support::command().args(["send", "--help"]).env("SMTP_FORWARD_PASSWORD", PASSWORD),
        b"",
    );
    assert!(!help.out.contains(PASSWORD));
}

#[test]
fn no_secret_follows_into_plaintext_after_a_failed_handshake() {
    // D4
    let (_folder, password) = file(PASSWORD);
    let sink = Sink::start(&["--tls-self-signed"]);
    let (_other, ca) = file(super::tls::some_ca());
    let done = send(
        &sink.endpoint,
        &["--ca", &ca, "--auth", "plain", "--user", "ann", "--password-file", &password],
    );
    assert_eq!(done.code, 77, "{done:?}");
    assert!(sink.is_empty());
}

#[test]
fn logs_as_json() {
    let sink = Sink::start(&[]);
    let done = send(&sink.endpoint, &["-v", "--log-format", "json"]);
    assert_eq!(done.code, 0);
    assert!(!done.err.is_empty());
    for line in done.err.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["level"].is_string(), "{line}");
    }
}
