//! `check --config`: what would happen to a message, and why.

use super::super::{
    certificates::Authority,
    support::{Folder, Run, refusing},
    wire::{Rules, Wire},
};
use super::{says, smtp};

/// What is found with these directives at a server of these rules, as people see it and as programs do.
fn check(directives: &str, files: &[(&str, &str)], rules: &Rules) -> (Run, Run) {
    let run = |arguments: &[&str]| {
        let wire = Wire::start(rules.clone());
        let folder = Folder::new(&smtp(directives).replace("PORT", &wire.port.to_string()), files);
        let done = folder.run(&[&["check", "--config", "mail.conf"], arguments].concat());
        assert!(!wire.finish().iter().any(|session| says(session, "C: MAIL")), "nothing is sent");
        done
    };
    (run(&[]), run(&["--format", "json"]))
}

#[test]
fn what_would_happen_and_why() {
    let authority = Authority::new();
    let (good, other) = (authority.issue("127.0.0.1").server(), authority.issue("other.example").server());
    let pem = authority.pem();
    let files = [("ca.pem", pem.as_str())];
    let trusting = |more: &str| format!("{more}\ntls_client {{\n root_ca ca.pem\n}}");
    let auth = |rules: Rules| Rules { offers: &["AUTH PLAIN"], ..rules };
    for (directives, rules, code, would, because) in [
        (trusting(""), Rules::tls(&good), 0, "deliver over TLS", Some("the server offers STARTTLS")),
        (trusting(""), Rules::default(), 0, "deliver in plaintext", Some("the server offers no STARTTLS")),
        (
            trusting(""),
            Rules::tls(&good).saying("STARTTLS", "454 no"),
            0,
            "deliver in plaintext",
            Some("the server refuses STARTTLS"),
        ),
        (
            "attempt_starttls no".to_owned(),
            Rules::tls(&good),
            0,
            "deliver in plaintext",
            Some("STARTTLS is off"),
        ),
        (
            trusting(""),
            Rules::tls(&other),
            0,
            "connect again and deliver in plaintext",
            Some("the TLS handshake fails, and TLS is not required"),
        ),
        (trusting("require_tls yes"), Rules::tls(&other), 77, "defer the message", None),
        (trusting("require_tls yes"), Rules::default(), 77, "defer the message", None),
        (
            "auth plain a b".to_owned(),
            auth(Rules::default()),
            0,
            "deliver in plaintext",
            Some("the server offers no STARTTLS"),
        ),
        (
            "auth plain a b".to_owned(),
            auth(Rules::default().saying("AUTH", "535 5.7.8 no")),
            77,
            "defer the message: the credentials do not work",
            None,
        ),
        (
            "auth forward".to_owned(),
            auth(Rules::default()),
            77,
            "refuse the message with 530: `auth forward` needs a client that submits it, and `send` has none",
            None,
        ),
    ] {
        let (text, json) = check(&directives, &files, &rules);
        assert_eq!((text.code, json.code), (code, code), "{directives}: {text:?} {json:?}");
        let object = json.object();
        assert_eq!((&object["send"], &object["because"]), (&would.into(), &because.into()), "{directives}");
        assert_eq!(
            object["error"].is_null(),
            code == 0 && !would.contains("again"),
            "{directives}: {object}"
        );
        assert!(text.out.starts_with("mail.conf:2:1: deliver_to target.smtp\n\n"), "{text:?}");
        let expected = because
            .map_or_else(|| format!("send would  {would}\n"), |why| format!("send would  {would}: {why}\n"));
        assert!(text.out.contains(&expected), "{directives}: {text:?}");
    }
}

#[test]
fn every_target_of_the_block_is_looked_at() {
    let other = Wire::start(Rules::default());
    let directives = format!("targets {} tcp://127.0.0.1:{}", refusing(), other.port);
    let (_, json) = check(&directives, &[], &Rules::default());
    assert_eq!(json.code, 75, "{json:?}");
    let objects = json.json();
    let usable: Vec<_> = objects.iter().map(|object| object["usable"].as_bool().unwrap()).collect();
    assert_eq!(usable, [true, false, true]);
    assert_eq!(objects[1]["send"], "try the next target");
    assert_eq!(other.finish().len(), 2);
}

#[test]
fn syntax_alone_connects_to_nobody_and_opens_no_other_file() {
    let text = "\
target.smtp out relay {
    targets tcp://127.0.0.1:1 tls://h:465
    tls_client {
        root_ca missing.pem
    }
}
target.lmtp {
    targets unix:///l
}
deliver_to &relay
deliver_to lmtp tcp://h:24
";
    let folder = Folder::new(text, &[]);
    let done = folder.run(&["check", "--config", "mail.conf", "--syntax"]);
    let expected = "\
mail.conf: the syntax is right; 3 targets
  target.smtp out relay: tcp://127.0.0.1:1, tls://h:465  (deliver_to leads here)
  target.lmtp: unix:///l
  target.lmtp: tcp://h:24  (deliver_to leads here)
";
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (0, expected, ""), "{done:?}");

    let done = folder.run(&["check", "--config", "mail.conf", "--syntax", "--format", "json"]);
    let objects = done.json();
    assert_eq!(objects.len(), 3);
    assert_eq!(
        objects[0],
        serde_json::json!({
            "names": ["out", "relay"],
            "module": "target.smtp",
            "targets": ["tcp://127.0.0.1:1", "tls://h:465"],
            "delivered_to": true,
        })
    );
    assert_eq!(folder.run(&["check", "--config", "mail.conf", "--syntax", "--use", "out"]).code, 0);
    assert_eq!(folder.run(&["check", "--config", "mail.conf", "--syntax", "--use", "x"]).code, 78);
    let empty =
        Folder::new("hostname mx.example.org\n", &[]).run(&["check", "--config", "mail.conf", "--syntax"]);
    assert_eq!(empty.code, 0, "{empty:?}");
    assert!(empty.out.contains("no target"), "{empty:?}");
}
