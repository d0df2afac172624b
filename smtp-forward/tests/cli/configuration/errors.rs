//! What is wrong with a configuration, as the program says it. The wording of each error is in `smtp-config/tests/golden`.

use std::{fs, path::Path};

use super::super::{
    certificates::Authority,
    support::{Folder, finish},
    wire::Rules,
};
use super::{play, smtp};

#[test]
fn an_error_has_its_place_its_line_a_caret_and_the_alternative_and_nothing_is_sent() {
    for command in ["send", "check"] {
        let folder = Folder::new("hostname mx.example.org\ntarget.smtp x {\n    target tcp://h:25\n}\n", &[]);
        let done = folder.run(&[command, "--config", "mail.conf", "--format", "json"]);
        assert_eq!((done.code, done.out.as_str()), (78, ""), "{done:?}");
        let expected = "\
mail.conf:3:5: error: unknown directive \"target\" in target.smtp
  |
3 |     target tcp://h:25
  |     ^^^^^^
  |
  = help: did you mean targets?
";
        assert_eq!(done.err, expected);
    }
}

#[test]
fn everything_wrong_is_said_in_one_run_that_of_the_files_included() {
    let text = "\
target.smtp one {
    targets smtp://h:25
    connect_timeout 5
    tls_client {
        root_ca missing.pem
        ciphers RSA-WITH-RC4128-SHA
    }
    auth plain ann file:missing
}
target.lmtp two {
    targets tcp://h:25
    tls_client {
        cert client.pem
    }
}
deliver_to &three
";
    let folder = Folder::new(text, &[]);
    let done = folder.send(&[]);
    assert_eq!(done.code, 78, "{done:?}");
    let places: Vec<_> =
        done.err.lines().filter_map(|line| line.split_once(": error: ")).map(|it| it.0).collect();
    let expected = ["2:13", "3:21", "5:17", "6:17", "8:5", "11:13", "13:14", "16:12"];
    assert_eq!(places, expected.map(|place| format!("mail.conf:{place}")), "{}", done.err);
}

#[test]
fn files_of_another_target_are_nobodys_business() {
    let text = format!(
        "{}target.smtp other {{\n targets tcp://h:25\n tls_client {{\n root_ca missing.pem\n }}\n}}\n",
        smtp("attempt_starttls no")
    );
    let (done, _) = play(&text, &[], Rules::default());
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    let folder = Folder::new(&text.replace("PORT", "2525"), &[]);
    let done = folder.send(&["--use", "other"]);
    assert_eq!(done.code, 78, "{done:?}");
    assert!(
        done.err.starts_with("mail.conf:8:10: error: missing.pem: the file cannot be read: "),
        "{done:?}"
    );
}

#[test]
fn a_warning_is_shown_and_hinders_nobody() {
    let text = smtp("attempt_starttls no").replace("hostname", "frobnicate yes\nhostname");
    let (done, sessions) = play(&text, &[], Rules::default());
    assert_eq!((done.code, sessions.len()), (0, 1), "{done:?}");
    assert!(done.err.starts_with("mail.conf:1:1: warning: "), "{done:?}");
    assert!(!done.out.contains("warning"), "{done:?}");
}

#[test]
fn files_that_are_none() {
    let folder = Folder::new("", &[]);
    for (path, words) in
        [("missing.conf", "there is no file"), (".", "is a folder"), ("latin1.conf", "UTF-8")]
    {
        fs::write(folder.path().join("latin1.conf"), b"hostname m\xfcller.example\n").unwrap();
        for command in ["send", "check"] {
            let done = folder.run(&[command, "--config", path]);
            assert_eq!((done.code, done.out.as_str()), (78, ""), "{path}: {done:?}");
            assert!(done.err.contains(words), "{path}: {done:?}");
        }
    }
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let folder = Folder::new("frob {\n", &[]);
    let done = folder.run(&["check", "--config", "mail.conf"]);
    assert!(!done.err.contains('\u{1b}'), "{done:?}");
    let mut command = folder.command(&["check", "--config", "mail.conf"]);
    let done = finish(command.env("CLICOLOR_FORCE", "1"), b"");
    assert!(done.err.contains('\u{1b}'), "{done:?}");
}

#[test]
fn no_error_shows_what_auth_is_told() {
    // R133
    for directives in [
        "auth plain ann hunter2 extra",
        "auth hunter2",
        "auth plain ann hunter2\nfrob",
        "auth plain ann hunter2\nauth off",
    ] {
        let folder = Folder::new(&smtp(directives).replace("PORT", "2525"), &[]);
        let done = folder.run(&["send", "-vv", "--config", "mail.conf"]);
        assert_eq!(done.code, 78, "{done:?}");
        assert!(!done.err.contains("hunter2") && !done.out.contains("hunter2"), "{done:?}");
    }
}

#[test]
fn the_golden_files_are_what_people_see_to_the_letter() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../smtp-config/tests/golden");
    let authority = Authority::new();
    let (client, other) = (authority.issue("client.example"), authority.issue("client.example"));
    let folder = Folder::new(
        "",
        &[
            ("ca.pem", &authority.pem()),
            ("client.pem", &client.pem()),
            ("client.key", &client.key_pem()),
            ("other.key", &other.key_pem()),
            (
                "encrypted.key",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            ),
            ("empty.pem", ""),
        ],
    );
    fs::create_dir(folder.path().join("folder")).unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(&golden).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::copy(&path, folder.path().join(name)).unwrap();
    }
    for entry in fs::read_dir(&golden).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "conf") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut command = folder.command(&["check", "--config", name]);
        let done = finish(command.env_remove("RELAY_PASSWORD"), b"");
        assert_eq!((done.code, done.out.as_str()), (78, ""), "{name}: {done:?}");
        assert_eq!(done.err, fs::read_to_string(path.with_extension("txt")).unwrap(), "{name}");
        seen += 1;
    }
    assert!(seen >= 25, "{seen}");
}
