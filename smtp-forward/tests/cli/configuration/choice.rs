//! Which target of a configuration is meant (M1-M6).

use super::super::{
    support::{Folder, Run},
    wire::{Rules, Session, Wire},
};
use super::{commands, lmtp, play, says, smtp};

/// Two servers at ONE and TWO; how many connections each got.
fn which(configuration: &str, arguments: &[&str]) -> (Run, [Vec<Session>; 2]) {
    let (one, two) = (Wire::start(Rules::default()), Wire::start(Rules::default()));
    let text = configuration.replace("ONE", &format!("tcp://127.0.0.1:{}", one.port));
    let text = text.replace("TWO", &format!("tcp://127.0.0.1:{}", two.port));
    let run = Folder::new(&format!("hostname client.example\n{text}"), &[]).send(arguments);
    (run, [one.finish(), two.finish()])
}

const BOTH: &str = "\
target.smtp outbound relay {
    targets ONE
}
target.lmtp local {
    targets TWO
}
";

#[test]
fn a_name_an_alias_a_reference_or_the_line_of_deliver_to() {
    // M4, M5
    let by_line = format!("{BOTH}deliver_to &local\n");
    let inline = format!("{BOTH}deliver_to smtp TWO\n");
    for (text, arguments, expected) in [
        (BOTH, &["--use", "outbound"][..], [1, 0]),
        (BOTH, &["--use", "relay"], [1, 0]),
        (BOTH, &["--use", "&local"], [0, 1]),
        (&by_line, &[], [0, 1]),
        // Who is asked for by name is meant, whatever deliver_to says.
        (&by_line, &["--use", "outbound"], [1, 0]),
        (&inline, &[], [0, 1]),
        ("target.smtp {\n targets ONE\n}\n", &[], [1, 0]),
        ("target.smtp {\n targets ONE\n}\n", &["--use", "target.smtp"], [1, 0]),
    ] {
        let (done, sessions) = which(text, arguments);
        assert_eq!(done.code, 0, "{text}{arguments:?} {done:?}");
        assert_eq!(sessions.each_ref().map(Vec::len), expected, "{text}{arguments:?}");
    }
}

#[test]
fn what_is_not_clear_is_78_and_names_what_there_is() {
    let two_lines = "deliver_to smtp ONE\ndeliver_to smtp TWO\n";
    for (text, arguments, words) in [
        (BOTH, &[][..], &["more than one target", "\"outbound\", \"local\"", "--use NAME"][..]),
        (BOTH, &["--use", "lokal"], &["no target \"lokal\"", "\"local\"", "--use NAME"]),
        (two_lines, &[], &["more than one target", "none has a name"]),
        ("\n", &[], &["no target", "target.smtp NAME"]),
        ("target.smtp {\n targets ONE\n}\n", &["--use", "x"], &["no target \"x\"", "\"target.smtp\""]),
    ] {
        let (done, sessions) = which(text, arguments);
        assert_eq!((done.code, done.out.as_str()), (78, ""), "{text}{arguments:?} {done:?}");
        assert!(done.err.starts_with("error: mail.conf: "), "{done:?}");
        for word in words {
            assert!(done.err.contains(word), "{word}: {done:?}");
        }
        assert_eq!(sessions.each_ref().map(Vec::len), [0, 0]);
    }
}

#[test]
fn the_name_of_the_module_decides_the_protocol_on_the_wire() {
    // M1, M10: LMTP does without STARTTLS unless it is told to.
    for (text, hello) in [
        (smtp(""), "EHLO client.example"),
        (lmtp(""), "LHLO client.example"),
        (smtp("").replace("deliver_to smtp", "deliver_to target.smtp"), "EHLO client.example"),
        (lmtp("").replace("deliver_to lmtp", "deliver_to target.lmtp"), "LHLO client.example"),
    ] {
        let (done, sessions) =
            play(&text, &[], Rules::offering(&["STARTTLS"]).saying("STARTTLS", "454 not now"));
        assert_eq!(done.code, 0, "{done:?}");
        let commands = commands(&sessions[0]);
        assert_eq!(commands[0], hello);
        assert_eq!(commands.contains(&"STARTTLS"), hello.starts_with("EHLO"), "{commands:?}");
    }
}

#[test]
fn endpoints_of_the_line_are_tried_before_those_of_the_block() {
    // M3, M9, M38, D12
    let (done, [one, two]) = which("deliver_to smtp ONE {\n targets TWO\n}\n", &[]);
    assert_eq!((done.code, one.len(), two.len()), (0, 1, 0), "{done:?}");
    let text = "deliver_to smtp tcp://127.0.0.1:1 TWO {\n targets ONE\n}\n";
    let (done, [one, two]) = which(text, &[]);
    assert_eq!((done.code, one.len(), two.len()), (0, 0, 1), "{done:?}");
    assert_eq!(done.object()["attempts"][0]["target"], "tcp://127.0.0.1:1");
}

#[test]
fn a_configuration_of_a_whole_mail_server_is_read_for_its_targets() {
    let text = "\
$(primary_domain) = example.org
tls off
auth.pass_table local_authdb {
    table sql_table { driver sqlite3 }
}
smtp tcp://0.0.0.0:25 {
    limits { all rate 20 1s }
    source $(primary_domain) {
        deliver_to &outbound
    }
}
target.queue later { target &outbound }
target.smtp outbound {
    targets ONE
    attempt_starttls no
}
";
    let (done, [one, _]) = which(text, &[]);
    assert_eq!((done.code, one.len()), (0, 1), "{done:?}");
    assert!(says(&one[0], "C: EHLO client.example"));
    assert_eq!(done.err, "");
}
