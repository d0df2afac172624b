//! Errors as people see them.

use std::path::Path;

use smtp_config::{
    loader::Memory,
    module::{Options, load, load_telling_all},
    settings::Tls,
};

use crate::support::{platform, provider, read_with};

#[test]
fn an_error_shows_the_place_the_line_and_the_alternative() {
    let text = "hostname mx.example.org\ntarget.smtp outbound {\n    targets smtp://mx.example.net:25\n}\n";
    let wrong = read_with(&Memory::new(), text).unwrap_err().render(false);
    assert!(
        wrong.starts_with("/etc/mail/mail.conf:3:13: error: the endpoint does not start with tcp:"),
        "{wrong}"
    );
    assert!(wrong.contains("    targets smtp://mx.example.net:25"), "{wrong}");
    assert!(wrong.contains("did you mean tcp://mx.example.net:25?"), "{wrong}");
}

#[test]
fn no_line_of_a_report_shows_a_password() {
    for text in [
        "target.smtp x { auth plain ann hunter2 }\n",
        "target.smtp x {\n auth plain ann hunter2 extra\n}\n",
        "hostname h.example\ntarget.smtp x {\n targets tcp://h:25\n auth plain ann hunter2\n auth off\n}\n",
        "hostname h.example\ntarget.smtp x {\n targets tcp://mx.example:25\n auth plain ann hunter2\n attempt_starttls no\n frob\n}\n",
        "target.smtp x {\n auth hunter2\n}\n",
        "target.smtp x {\n auth ann hunter2\n}\n",
        "target.smtp x {\n auth plain \"ann b\" \"hunter2\n}\n",
        "target.smtp x {\n auth plain ann hunter2#x\n}\n",
        "target.smtp x {\n auth plain ann \\\n hunter2#x\n}\n",
        "target.smtp x {\n auth plain ann \"x\nhunter2\"y\n}\n",
        "target.smtp x {\n connect_timeout \\\n auth plain ann hunter2\n}\n",
        "target.smtp x {\n connect_timeout \\\n auth plain \\\n ann hunter2\n}\n",
        "target.smtp x {\n tls_client {\n  curves \\\n }\n auth plain ann hunter2 }\n}\n",
        "target.smtp x {\n targets tcp://ann:hunter2@h:25 tls://a:1:hunter2@b@h:465\n frob tcp://h:25 smtp://ann:hunter2@h\n}\n",
        "target.smtp x {\n auht plain ann hunter2\n}\n",
        "target.smtp x {\n auth: plain ann hunter2\n}\n",
        "$(p) = hunter2#x\ntarget.smtp x {\n auth plain ann $(p)\n}\n",
        "$(p) = hunter2 x\ntarget.smtp x {\n auth plain ann x$(p)\n}\n",
        "target.smtp x {\n auth plain ann $(p)\n}\n$(p) = hunter2\n",
        "$(a) = plain ann hunter2 extra\ntarget.smtp x {\n auth $(a)\n}\n",
        // Quotes that are inside out make names of it, which are looked for and suggested.
        "x \"\nauth plain ann \"\nimport hunter2\nw \"\n\"\n",
        "x \"\nauth plain ann \"\n(hunter2) {\n}\nimport hunter3\nw \"\n\"\n",
        "x \"\nauth plain ann \"\n(hunter2)\nimport hunter3\nw \"\n\"\n",
        "x \"\nauth plain ann \"\n$(hunter2) = 1\ny $(hunter3)\nw \"\n\"\ntarget.smtp x {\n frob\n}\n",
    ] {
        let loader = Memory::new().file("mail.conf", text);
        let wrong = load(&loader, Path::new("mail.conf"), &Options::default()).unwrap_err().render(false);
        assert!(!wrong.contains("hunter2"), "{wrong}");
    }
}

/// The places of all errors, by a run that looks at files as well.
fn places(text: &str) -> Vec<String> {
    let loader = Memory::new().file("mail.conf", text).file("ca.pem", "nothing");
    let tls = Tls::new(provider(), &platform);
    let wrong = load_telling_all(&loader, Path::new("mail.conf"), &Options::default(), &tls).unwrap_err();
    let errors = wrong.iter().filter(|it| it.severity == smtp_config::diagnostic::Severity::Error);
    errors.map(|it| it.span.as_ref().map_or(String::new(), ToString::to_string)).collect()
}

#[test]
fn what_is_wrong_with_files_is_told_with_what_is_wrong_with_the_text_and_once() {
    // M49, M50: the global block is that of two targets.
    let text = "\
hostname h.example
tls_client {
    root_ca ca.pem
}
target.smtp one {
    targets tcp://h:25
    auth plain ann file:missing
}
target.smtp two {
    targets tcp://h:25
    frob
}
target.smtp three {
    targets tcp://h:25
    tls_client {
        cert missing.pem
        key missing.key
        protocols tls9
    }
}
";
    assert_eq!(
        places(text),
        ["3:13", "7:5", "11:5", "16:14", "17:13", "18:19"].map(|at| format!("mail.conf:{at}"))
    );
    // Where the text is right, files are the business of who uses them.
    let loader = Memory::new().file("mail.conf", text.replace("frob", "").replace("tls9", "tls1.3"));
    assert!(load(&loader, Path::new("mail.conf"), &Options::default()).is_ok());
    let tls = Tls::new(provider(), &platform);
    assert!(load_telling_all(&loader, Path::new("mail.conf"), &Options::default(), &tls).is_ok());
}

#[test]
fn what_is_wrong_with_words_hides_nothing_that_is_wrong_with_what_they_mean() {
    assert_eq!(
        places(
            "hostname h.example\ntarget.smtp x {\n targets: tcp://h:25\n auth plain ann x#y\n debug maybe\n}\n\
             target.smtp y {\n targets tcp://h:25#z tcp://h\n frob\n tls_client {\n  root_ca ca.pem\n }\n} debug no\n"
        ),
        ["3:2", "4:18", "5:8", "8:20", "8:23", "9:2", "11:11", "13:3"]
            .map(|place| format!("mail.conf:{place}"))
    );
    // Unless something may be missing on account of it: then it would be about what is not missing at all.
    for text in [
        "hostname h.example\nimport nowhere\ntarget.smtp x {\n debug maybe\n}\n",
        "hostname h.example\n$(t)= tcp://h:25\ntarget.smtp x {\n targets $(t)\n}\n",
        "hostname h.example\ntarget.smtp x\n{\n targets tcp://h:25\n}\n",
    ] {
        assert_eq!(places(text).len(), 1, "{text}");
    }
}

#[test]
fn nothing_is_missing_because_it_is_misspelt() {
    for (directives, expected) in [
        ("target tcp://h:25", &["3:1"][..]),
        ("targets tcp://h:25\ntls_client {\ncert c\nkye k\n}", &["6:1"]),
        // What is wrong all the same is said.
        ("frobnicate", &["2:1", "3:1"]),
        ("targets tcp://h:25\ntls_client {\ncert c\nfrobnicate\n}", &["5:6", "6:1"]),
        ("targets unix:///s\nrequire_tls\nfrobnicate", &["4:1", "5:1"]),
    ] {
        let text = format!("hostname h.example\ntarget.smtp x {{\n{directives}\n}}\n");
        let wrong = read_with(&Memory::new(), &text).unwrap_err();
        let errors = wrong.iter().map(|it| it.span.as_ref().unwrap());
        let places: Vec<_> = errors.map(|span| format!("{}:{}", span.line(), span.column())).collect();
        assert_eq!(places, expected, "{directives}\n{wrong}");
    }
}

#[test]
fn dots_of_an_example_are_passed_over_and_hide_nothing() {
    // The language's first documentation has them in its examples.
    let text = |more: &str| {
        format!(
            "hostname h.example\ntarget.smtp x {{\ntargets tcp://h:25\ntls_client {{\n...\n{more}}}\n...\n}}\n"
        )
    };
    let configuration = read_with(&Memory::new(), &text("")).unwrap();
    assert_eq!(configuration.warnings.len(), 2, "{}", configuration.warnings);
    let wrong = read_with(&Memory::new(), &text("cert c\n")).unwrap_err();
    assert!(wrong.to_string().contains("a certificate without its key"), "{wrong}");
    assert!(read_with(&Memory::new(), &text("... x\n")).is_err());
}

#[test]
fn an_endpoint_is_underlined_from_where_it_goes_wrong() {
    // D18, M19: unless it is not in the file as it is read.
    let at = |endpoint: &str| {
        let text = format!("$(m) = tcp://h:25/x\nhostname h.example\ndeliver_to smtp {endpoint}\n");
        let wrong = read_with(&Memory::new(), &text).unwrap_err();
        let first = wrong.iter().next().unwrap();
        (first.span.as_ref().unwrap().column(), first.message.contains("character"))
    };
    assert_eq!(at("tcp://h:25/x"), (27, false));
    assert_eq!(at("tcp://тест:25/x"), (30, false));
    assert_eq!(at("\"tcp://h:25/x\""), (17, true));
    assert_eq!(at("$(m)"), (17, true));
    assert_eq!(at("tcp://h"), (17, false));
}
