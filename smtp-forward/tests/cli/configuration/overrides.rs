//! What the command line may say beside a configuration, and what it may not.

use super::super::{
    support::{Folder, command, finish, silent, welcome},
    wire::{Rules, Wire},
};
use super::{play, says, smtp};

#[test]
fn what_the_file_says_about_tls_and_authentication_is_not_said_again() {
    let folder = Folder::new(&smtp("").replace("PORT", "2525"), &[("x", "x")]);
    for (arguments, words) in [
        (&["--target", "tcp://127.0.0.1:25"][..], &["--target"][..]),
        (&["--lmtp"], &["--lmtp", "target.lmtp"]),
        (&["--tls", "required"], &["--tls", "attempt_starttls", "require_tls"]),
        (&["--ca", "x"], &["--ca", "root_ca"]),
        (&["--cert", "x", "--key", "x"], &["--cert", "--key", "tls_client"]),
        (&["--server-name", "x.example"], &["--server-name", "server_name"]),
        (&["--auth", "plain", "--user", "u", "--password-file", "x"], &["--auth"]),
        (&["--tls", "off", "--ca", "x"], &["--tls", "--ca"]),
    ] {
        for command in ["send", "check"] {
            let mut all = vec![command, "--config", "mail.conf"];
            all.extend(arguments);
            let done = folder.run(&all);
            assert_eq!((done.code, done.out.as_str()), (64, ""), "{all:?} {done:?}");
            for word in words {
                assert!(done.err.contains(word), "{word}: {done:?}");
            }
        }
    }
    assert_eq!(folder.run(&["send", "--config", "mail.conf", "--capture-dir", "x"]).code, 64);
    assert_eq!(folder.run(&["send", "--use", "x"]).code, 64);
    for command in ["send", "check"] {
        let done = folder.run(&[command, "--use", "x", "--target", "tcp://127.0.0.1:25"]);
        assert!(done.code == 64 && done.err.contains("--config"), "{done:?}");
    }
    assert_eq!(folder.run(&["check", "--syntax"]).code, 64);
    assert_eq!(folder.run(&["check", "--syntax", "--target", "tcp://127.0.0.1:25"]).code, 64);
}

#[test]
fn the_name_in_ehlo() {
    // M8, M74, M75, T11: in the file, over it, and in place of one.
    let own = "deliver_to smtp tcp://127.0.0.1:PORT\n";
    let machine = gethostname();
    for (text, arguments, name) in [
        ("hostname тест.invalid\n", &[][..], "xn--e1aybc.invalid"),
        ("hostname mx.example.org\n", &["--hostname", "other.example"], "other.example"),
        ("", &["--hostname", "other.example"], "other.example"),
        ("", &[], machine.as_str()),
    ] {
        let wire = Wire::start(Rules::default());
        let folder = Folder::new(&format!("{text}{own}").replace("PORT", &wire.port.to_string()), &[]);
        let done = folder.send(arguments);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(says(&wire.finish()[0], &format!("C: EHLO {name}")), "{text} {arguments:?}");
    }
}

/// What `send` says of this machine without a file.
fn gethostname() -> String {
    let wire = Wire::start(Rules::default());
    let target = format!("tcp://127.0.0.1:{}", wire.port);
    let arguments = ["send", "--target", &target, "--from", "a@example.org", "--to", "b@example.org"];
    assert_eq!(finish(command().args(arguments).arg(welcome()), b"").code, 0);
    wire.finish()[0].iter().find_map(|line| line.strip_prefix("C: EHLO ")).unwrap().to_owned()
}

#[test]
fn timeouts_are_those_of_the_command_line_where_it_has_some() {
    // M14-M16: each hour of the file would outlast the test.
    let hours = "greeting_timeout 1h\ncommand_timeout 1h\nsubmission_timeout 1h\ntotal_timeout 1h";
    let silent = silent();
    let text = smtp(hours).replace("tcp://127.0.0.1:PORT", &silent);
    let folder = Folder::new(&text, &[]);
    for option in ["--command-timeout", "--total-timeout"] {
        let done = folder.send(&[option, "50ms"]);
        assert_eq!(done.code, 75, "{option}: {done:?}");
        assert_eq!(done.object()["attempts"][0]["phase"], "greeting", "{option}");
    }
    // And those of the file where it has none.
    let text = text.replace("greeting_timeout 1h", "greeting_timeout 50ms");
    assert_eq!(Folder::new(&text, &[]).send(&[]).object()["attempts"][0]["kind"], "timeout");
    let text = text.replace("total_timeout 1h", "total_timeout 50ms").replace("greeting_timeout 50ms", "");
    assert_eq!(Folder::new(&text, &[]).send(&[]).code, 75);
}

#[test]
fn chunking_is_that_of_the_file_unless_the_command_line_says_otherwise() {
    // D27
    const OFFERS: &[&str] = &["PIPELINING", "CHUNKING"];
    for (directive, arguments, verb) in [
        ("", &[][..], "C: BDAT"),
        ("chunking no", &[], "C: DATA"),
        ("chunking no", &["--chunking", "yes"], "C: BDAT"),
        ("chunking yes", &["--chunking", "no"], "C: DATA"),
    ] {
        // The content of BDAT is taken for commands here: only the first one is of interest.
        let wire = Wire::start(Rules::offering(OFFERS).saying("BDAT", "HANGUP"));
        let folder = Folder::new(&smtp(directive).replace("PORT", &wire.port.to_string()), &[]);
        folder.send(arguments);
        let sessions = wire.finish();
        assert!(says(&sessions[0], verb), "{directive} {arguments:?}: {sessions:?}");
    }
}

#[test]
fn failover_is_that_of_the_file_unless_the_command_line_says_otherwise() {
    // D25, M39
    for (directive, arguments, delivered) in [
        ("", &[][..], false),
        ("failover until_decided", &[], true),
        ("failover until_decided", &["--failover", "until-usable"], false),
        ("failover until_usable", &["--failover", "until-decided"], true),
    ] {
        let one = Wire::start(Rules::default().saying("MAIL", "451 4.3.0 not now"));
        let two = Wire::start(Rules::default());
        let targets = format!("targets tcp://127.0.0.1:{}\n{directive}", two.port);
        let folder = Folder::new(&smtp(&targets).replace("PORT", &one.port.to_string()), &[]);
        let done = folder.send(arguments);
        assert_eq!(done.code, if delivered { 0 } else { 75 }, "{directive} {arguments:?} {done:?}");
        assert_eq!((one.finish().len(), two.finish().len()), (1, usize::from(delivered)));
    }
}

#[test]
fn connections_serve_as_many_messages_as_the_file_says() {
    // D28, M41
    for (directive, sessions) in
        [("", 4), ("connection_reuse 0", 4), ("connection_reuse 2", 2), ("connection_reuse 100", 1)]
    {
        let wire = Wire::start(Rules::default());
        let folder = Folder::new(&smtp(directive).replace("PORT", &wire.port.to_string()), &[]);
        let message = welcome();
        let done = folder.send(&["--connections", "1", &message, &message, &message]);
        assert_eq!(done.code, 0, "{done:?}");
        let said = wire.finish();
        assert_eq!(said.len(), sessions, "{directive}");
        let messages = said.iter().flatten().filter(|line| *line == "C: DATA").count();
        assert_eq!(messages, 4, "{directive}");
        // Each ends as it should.
        assert!(said.iter().all(|session| says(session, "C: QUIT")), "{said:?}");
    }
}

#[test]
fn debug_logs_the_dialogue_and_no_secret() {
    // M7
    let secret = ["AHRlc3QAdGVzdHBhc3M=", "testpass"];
    for (text, is_verbose) in [
        (smtp("auth plain test testpass\ndebug yes"), true),
        (format!("debug\n{}", smtp("auth plain test testpass")), true),
        (format!("debug yes\n{}", smtp("auth plain test testpass\ndebug no")), false),
        (smtp("auth plain test testpass"), false),
    ] {
        let (done, sessions) = play(&text, &[], Rules::offering(&["AUTH PLAIN"]));
        assert_eq!(done.code, 0, "{done:?}");
        assert!(says(&sessions[0], "C: AUTH PLAIN AHRlc3QAdGVzdHBhc3M="), "M44, T12: {sessions:?}");
        assert_eq!(done.err.contains("C: AUTH PLAIN ***"), is_verbose, "{text}{done:?}");
        assert_eq!(done.err.contains("S: 250 2.0.0 taken"), is_verbose, "{text}{done:?}");
        for secret in secret {
            assert!(!done.err.contains(secret) && !done.out.contains(secret), "{done:?}");
        }
    }
}

#[test]
fn the_transcript_has_the_dialogue_of_a_configured_target() {
    // R133: and no secret.
    let wire = Wire::start(Rules::offering(&["AUTH PLAIN"]));
    let text = smtp("auth plain test testpass").replace("PORT", &wire.port.to_string());
    let folder = Folder::new(&text, &[]);
    let done = folder.send(&["--transcript", "dialogue"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(says(&wire.finish()[0], "C: AUTH PLAIN AHRlc3QAdGVzdHBhc3M="));
    let dialogue = std::fs::read_to_string(folder.path().join("dialogue")).unwrap();
    assert!(dialogue.contains(" C: AUTH PLAIN ***") && dialogue.contains(" S: 235 "), "{dialogue}");
    assert!(!dialogue.contains("AHRl") && !done.err.contains("AUTH"), "{dialogue}{done:?}");
}
