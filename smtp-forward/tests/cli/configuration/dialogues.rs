//! What directives do on the wire, and what the report says of it: D1-D4, D9-D11, D20-D24, D30.

use super::super::{
    certificates::Authority,
    support::{Folder, Sink, run},
    wire::{Rules, Wire},
};
use super::{commands, lmtp, play, says, smtp};

const OFFERS_AUTH: &[&str] = &["AUTH PLAIN LOGIN EXTERNAL"];

#[test]
fn after_a_failed_handshake_the_same_address_gets_the_message_in_plaintext() {
    // D1, M65, M72: the certificate is for another name.
    let authority = Authority::new();
    let server = authority.issue("other.example").server();
    let files = [("ca.pem", &*authority.pem())];
    let text = smtp("tls_client {\n root_ca ca.pem\n}");
    let (done, sessions) = play(&text, &files, Rules::tls(&server));
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.object()["fell_back_to_plaintext"], true);
    let [first, second] = sessions.as_slice() else { panic!("{sessions:?}") };
    assert_eq!(commands(first), ["EHLO client.example", "STARTTLS"]);
    assert!(says(first, "TLS failed"), "{first:?}");
    assert!(says(second, "C: MAIL FROM:<a@example.org>") && !says(second, "C: STARTTLS"), "{second:?}");

    // M66: unless TLS is required.
    let (done, sessions) =
        play(&text.replace("tls_client", "require_tls\ntls_client"), &files, Rules::tls(&server));
    assert_eq!((done.code, sessions.len()), (77, 1), "{done:?}");
    assert!(!says(&sessions[0], "C: MAIL"));
    let recipient = &done.object()["recipients"][0];
    assert_eq!((&recipient["code"], &recipient["enhanced"]), (&451.into(), &"4.7.5".into()), "M103");
}

#[test]
fn a_refused_starttls_goes_on_in_plaintext_in_the_same_session() {
    // D2, M67
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1").server();
    let text = |more: &str| smtp(&format!("{more}\ntls_client {{\n root_ca ca.pem\n}}"));
    let files = [("ca.pem", &*authority.pem())];
    let rules = || Rules::tls(&server).saying("STARTTLS", "454 4.7.0 not now");
    let (done, sessions) = play(&text(""), &files, rules());
    assert_eq!((done.code, sessions.len()), (0, 1), "{done:?}");
    assert!(says(&sessions[0], "C: STARTTLS") && says(&sessions[0], "C: DATA"));
    assert!(done.err.contains("454 4.7.0 not now"), "{done:?}");
    // M68: required, its answer decides.
    let (done, sessions) = play(&text("require_tls"), &files, rules());
    assert_eq!((done.code, sessions.len()), (75, 1), "{done:?}");
    assert!(!says(&sessions[0], "C: MAIL"));
    assert!(done.out.contains("454 4.7.0 not now"), "{done:?}");
}

#[test]
fn starttls_is_used_as_told() {
    // M10, M11, M60-M64
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1").server();
    let plain = || Rules::default();
    let starttls = || Rules::tls(&server);
    for (directives, rules, code, encrypted) in [
        ("attempt_starttls no", starttls(), 0, false), // M60
        ("attempt_starttls no\nrequire_tls yes", starttls(), 77, false), // M61
        ("", plain(), 0, false),                       // M62
        ("require_tls", plain(), 77, false),           // M63
        ("", starttls(), 0, true),                     // M64
        ("require_tls yes", starttls(), 0, true),      // M64
    ] {
        let text = smtp(&format!("{directives}\ntls_client {{\n root_ca ca.pem\n}}"));
        let (done, sessions) = play(&text, &[("ca.pem", &authority.pem())], rules);
        assert_eq!((done.code, sessions.len()), (code, 1), "{directives}: {done:?}");
        assert_eq!(says(&sessions[0], "TLSv1_3"), encrypted, "{directives}: {sessions:?}");
        assert_eq!(says(&sessions[0], "C: DATA"), code == 0, "{directives}: {sessions:?}");
        assert_eq!(done.object()["tls"].is_null(), !encrypted, "{directives}: {done:?}");
    }
}

#[test]
fn plaintext_behind_the_reply_to_starttls_is_fatal() {
    // D3, R86
    let server = Authority::new().issue("127.0.0.1").server();
    let rules = Rules::tls(&server).saying("STARTTLS", "220 go ahead\r\n250 injected");
    let (done, sessions) = play(&smtp(""), &[], rules);
    assert_eq!((done.code, sessions.len()), (76, 1), "{done:?}");
    assert_eq!(commands(&sessions[0]), ["EHLO client.example", "STARTTLS"]);
}

#[test]
fn a_password_never_follows_into_plaintext() {
    // D4: the server is on this machine, where it might go in clear had TLS not failed.
    let server = Authority::new().issue("127.0.0.1").server();
    let text = smtp("auth plain test testpass\ntls_client {\n root_ca ca.pem\n}");
    let mut rules = Rules::tls(&server);
    rules.offers = OFFERS_AUTH;
    let (done, sessions) = play(&text, &[("ca.pem", &Authority::new().pem())], rules.clone());
    assert_eq!(done.code, 77, "{done:?}");
    assert!(
        !sessions.iter().any(|session| says(session, "C: AUTH") || says(session, "C: MAIL")),
        "{sessions:?}"
    );
    // D4a: by the operator's word it goes in clear, and D4b: where STARTTLS is not to be had, on this machine.
    for (directives, rules) in [("attempt_starttls no\n", rules), ("", Rules::offering(OFFERS_AUTH))] {
        let (done, sessions) = play(&smtp(&format!("{directives}auth plain test testpass")), &[], rules);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(says(&sessions[0], "C: AUTH PLAIN AHRlc3QAdGVzdHBhc3M="), "{sessions:?}");
        assert!(done.err.contains("without TLS"), "{directives}: {done:?}");
    }
}

#[test]
fn authentication_comes_after_hello_and_before_mail() {
    // M12, M44, M48, T12
    let (done, sessions) = play(&smtp("auth plain test testpass"), &[], Rules::offering(OFFERS_AUTH));
    assert_eq!(done.code, 0, "{done:?}");
    let expected = [
        "EHLO client.example",
        "AUTH PLAIN AHRlc3QAdGVzdHBhc3M=",
        "MAIL FROM:<a@example.org>",
        "RCPT TO:<b@example.org>",
        "DATA",
    ];
    assert_eq!(commands(&sessions[0]), expected);
    let (done, sessions) = play(&smtp("auth off"), &[], Rules::offering(OFFERS_AUTH));
    assert_eq!((done.code, says(&sessions[0], "C: AUTH")), (0, false));
}

#[test]
fn refused_credentials_of_our_own_are_temporary_and_final() {
    // D20, M47, T13: the message is not to blame, and no other server is asked.
    let rules = Rules::offering(OFFERS_AUTH).saying("AUTH", "535 5.7.8 no such user");
    let other = Wire::start(Rules::default());
    let directives = format!("targets tcp://127.0.0.1:{}\nauth plain test testpass", other.port);
    let (done, sessions) = play(&smtp(&directives), &[], rules);
    assert_eq!(done.code, 77, "{done:?}");
    assert!(says(&sessions[0], "C: QUIT") && !says(&sessions[0], "C: MAIL"));
    assert_eq!(other.finish().len(), 0);
    let recipient = &done.object()["recipients"][0];
    assert_eq!((&recipient["status"], &recipient["phase"]), (&"deferred".into(), &"auth".into()));
    assert!(done.out.contains("535 5.7.8 no such user"), "{done:?}");
}

#[test]
fn auth_forward_has_nobodys_credentials_and_says_so() {
    // M45, M108, T15
    let (done, sessions) = play(&smtp("auth forward"), &[], Rules::offering(OFFERS_AUTH));
    assert_eq!(done.code, 77, "{done:?}");
    assert!(done.err.contains("auth forward") && done.err.contains("530"), "{done:?}");
    let recipient = &done.object()["recipients"][0];
    assert_eq!((&recipient["code"], &recipient["enhanced"]), (&530.into(), &"5.7.0".into()));
    assert_eq!((&recipient["status"], &recipient["local"]), (&"rejected".into(), &true.into()));
    assert_eq!(commands(&sessions[0]), ["EHLO client.example", "QUIT"]);
}

#[test]
fn too_many_recipients_is_temporary_and_a_full_disk_is_not() {
    // D9
    for (rules, code, status) in [
        (Rules::default().saying("RCPT", "552 too many"), 75, "deferred"),
        (Rules::default().saying("RCPT", "552 5.3.4 too big"), 69, "rejected"),
        (Rules::default().saying(".", "552 5.3.4 too big"), 69, "rejected"),
        (Rules::default().saying("MAIL", "552 too big"), 69, "rejected"),
    ] {
        let (done, _) = play(&smtp(""), &[], rules);
        assert_eq!(done.code, code, "{done:?}");
        assert_eq!(done.object()["recipients"][0]["status"], status);
    }
}

#[test]
fn addresses_become_a_labels_where_the_server_knows_no_other() {
    // D10, M79, M80
    for (offers, expected, code) in [
        (&[][..], "C: RCPT TO:<b@xn--e1aybc.example>", 0),
        (&["SMTPUTF8", "8BITMIME"], "C: RCPT TO:<b@тест.example>", 0),
    ] {
        let wire = Wire::start(Rules::offering(offers));
        let text = smtp("").replace("PORT", &wire.port.to_string());
        let folder = Folder::new(&text, &[("message", "Subject: x\r\n\r\nx\r\n")]);
        let arguments =
            ["send", "--config", "mail.conf", "--from", "a@example.org", "--to", "b@тест.example", "message"];
        let done = folder.run(&arguments);
        assert_eq!(done.code, code, "{done:?}");
        let sessions = wire.finish();
        assert!(says(&sessions[0], expected), "{sessions:?}");
    }
}

#[test]
fn a_header_that_the_server_cannot_take_is_not_sent() {
    // D10
    for (offers, code) in [(&["8BITMIME"][..], 65), (&["8BITMIME", "SMTPUTF8"], 0)] {
        let wire = Wire::start(Rules::offering(offers));
        let text = smtp("").replace("PORT", &wire.port.to_string());
        let folder = Folder::new(&text, &[("message", "Subject: \u{fc}\r\n\r\nx\r\n")]);
        let done = folder.run(&[
            "send",
            "--config",
            "mail.conf",
            "--from",
            "a@example.org",
            "--to",
            "b@example.org",
            "message",
        ]);
        assert_eq!(done.code, code, "{done:?}");
        assert_eq!(says(&wire.finish()[0], "C: Subject"), code == 0);
    }
}

#[test]
fn zero_is_the_default_and_not_no_time_at_all() {
    // D11
    let zeros =
        "connect_timeout 0\ncommand_timeout 0s\nsubmission_timeout 0m\ngreeting_timeout 0\ntotal_timeout 0";
    let (done, _) = play(&smtp(zeros), &[], Rules::default());
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn helo_is_tried_where_ehlo_is_not_known_and_nowhere_else() {
    // D21
    for (reply, tried) in [
        ("502 what?", true),
        ("500 what?", true),
        ("550 what?", true),
        ("421 later", false),
        ("451 later", false),
    ] {
        let (done, sessions) = play(&smtp(""), &[], Rules::default().saying("EHLO", reply));
        assert_eq!(done.code, if tried { 0 } else { 75 }, "{reply}: {done:?}");
        assert_eq!(says(&sessions[0], "C: HELO client.example"), tried, "{reply}");
    }
    let (done, sessions) = play(&lmtp(""), &[], Rules::default().saying("LHLO", "502 what?"));
    assert_eq!(done.code, 75, "{done:?}");
    assert!(!says(&sessions[0], "C: HELO"), "{sessions:?}");
}

#[test]
fn the_auth_parameter_is_given_on_request_alone() {
    // D23
    for (directives, line) in [
        ("auth plain test testpass", "C: MAIL FROM:<a@example.org>"),
        ("auth plain test testpass\nmail_auth_param yes", "C: MAIL FROM:<a@example.org> AUTH=<>"),
        ("mail_auth_param yes", "C: MAIL FROM:<a@example.org>"),
    ] {
        let (done, sessions) = play(&smtp(directives), &[], Rules::offering(OFFERS_AUTH));
        assert_eq!(done.code, 0, "{done:?}");
        assert!(sessions[0].iter().any(|said| said == line), "{directives}: {sessions:?}");
    }
}

#[test]
fn a_connection_that_ends_in_mid_dialogue_is_temporary() {
    // D24, M106
    for line in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let (done, sessions) = play(&smtp(""), &[], Rules::default().saying(line, "HANGUP"));
        assert_eq!((done.code, sessions.len()), (75, 1), "{line}: {done:?}");
        let recipient = &done.object()["recipients"][0];
        assert_eq!(
            (&recipient["code"], &recipient["enhanced"], &recipient["local"]),
            (&450.into(), &"4.4.2".into(), &true.into()),
            "{line}"
        );
    }
}

#[test]
fn a_server_that_refuses_is_passed_over_until_one_is_usable() {
    // M38-M40, M42
    let other = Wire::start(Rules::default());
    let directives = format!("targets tcp://127.0.0.1:{}", other.port);
    let (done, _) = play(&smtp(&directives), &[], Rules::default().saying("GREETING", "554 not for you"));
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(other.finish().len(), 1);
    assert_eq!(done.object()["attempts"].as_array().unwrap().len(), 2);
    // M39: a refusal of the usable one is final.
    let other = Wire::start(Rules::default());
    let directives = format!("targets tcp://127.0.0.1:{}", other.port);
    let (done, _) = play(&smtp(&directives), &[], Rules::default().saying("MAIL", "550 5.1.2 no"));
    assert_eq!((done.code, other.finish().len()), (69, 0), "{done:?}");
}

#[test]
fn lmtp_gives_each_recipient_its_own_answer_over_a_unix_socket_as_well() {
    // M20, M89, M95, T27, T28: a relative path is in runtime_dir.
    let folder = Folder::new("", &[]);
    let socket = folder.path().join("lmtp.sock");
    let sink = Sink::listening(&format!("unix://{}", socket.display()), &["--lmtp", "--discard"]);
    let text = format!(
        "hostname client.example\nruntime_dir {}\ntarget.lmtp local {{\n targets unix://lmtp.sock\n}}\ndeliver_to &local\n",
        folder.path().display()
    );
    let folder = Folder::new(&text, &[]);
    let done = folder.send(&["--to", "c@example.org"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.object()["recipients"].as_array().unwrap().len(), 2);
    assert_eq!(sink.record()["envelope"]["to"].as_array().map(Vec::len), Some(2));
    // T29: a bounce, of which nobody is known who submitted it.
    let bounce = [
        "send",
        "--config",
        "mail.conf",
        "--format",
        "json",
        "--from",
        "<>",
        "--to",
        "b@example.org",
        &super::super::support::welcome(),
    ];
    assert_eq!(folder.run(&bounce).code, 0);
    assert_eq!(sink.record()["envelope"]["from"], "<>");
    // D22
    let text = format!("deliver_to smtp unix://{} {{\n require_tls yes\n}}\n", socket.display());
    let done = Folder::new(&text, &[]).send(&[]);
    assert_eq!(done.code, 78, "{done:?}");
    assert!(done.err.starts_with("mail.conf:2:14: error: "), "{done:?}");
}

#[test]
fn a_file_or_a_variable_can_hold_the_password() {
    // D30
    let wire = Wire::start(Rules::offering(OFFERS_AUTH));
    let port = wire.port.to_string();
    let by_file = smtp("auth plain test file:password").replace("PORT", &port);
    assert_eq!(Folder::new(&by_file, &[("password", "testpass\n")]).send(&[]).code, 0);
    let by_variable = smtp("auth plain test {env:TEST_PASSWORD}").replace("PORT", &port);
    let folder = Folder::new(&by_variable, &[]);
    let message = super::super::support::welcome();
    let arguments = ["send", "--config", "mail.conf", "--to", "b@example.org", &message];
    let mut command = folder.command(&arguments);
    let done = super::super::support::finish(command.env("TEST_PASSWORD", "testpass"), b"");
    assert_eq!(done.code, 0, "{done:?}");
    for session in wire.finish() {
        assert!(says(&session, "C: AUTH PLAIN AHRlc3QAdGVzdHBhc3M="), "{session:?}");
    }
    let missing = run(["check", "--config", "/nonexistent/mail.conf"]);
    assert_eq!(missing.code, 78, "{missing:?}");
}
