//! Whatever is written: no panic, an error has a place, and no report shows a secret.

use std::path::Path;

use proptest::prelude::*;
use rustls::RootCertStore;
use smtp_config::{
    loader::Memory,
    module::{Options, load_telling_all},
    settings::Tls,
};

use crate::support::{platform, provider, read_with};

/// Words that mean something somewhere.
const WORDS: [&str; 60] = [
    "hostname",
    "debug",
    "tls_client",
    "runtime_dir",
    "deliver_to",
    "target.smtp",
    "target.lmtp",
    "target.queue",
    "smtp",
    "lmtp",
    "&x",
    "&y",
    "x",
    "y",
    "targets",
    "attempt_starttls",
    "require_tls",
    "auth",
    "connect_timeout",
    "total_timeout",
    "failover",
    "chunking",
    "connection_reuse",
    "server_name",
    "line_breaks",
    "mail_auth_param",
    "root_ca",
    "cert",
    "key",
    "protocols",
    "ciphers",
    "curves",
    "curve",
    "tcp://h:25",
    "tls://h:465",
    "unix:///s",
    "unix:rel",
    "tcp://h",
    "h:25",
    "yes",
    "no",
    "0",
    "5m",
    "until_decided",
    "mx.example.org",
    "/ca.pem",
    "tls1.2",
    "tls1.3",
    "p256",
    "p521",
    "{env:S}",
    "$(m)",
    "off",
    "external",
    "frobnicate",
    "import",
    "\"\"",
    "file:/pw",
    "é",
    "\\",
];

/// Lines, among them ones with a secret where one may stand.
fn lines() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS.to_vec());
    let plain = prop::collection::vec(word, 1..4).prop_map(|words| words.join(" "));
    let line = prop_oneof![
        6 => plain.clone(),
        2 => plain.prop_map(|line| format!("{line} {{")),
        3 => Just("}".to_owned()),
        1 => prop::sample::select(vec!["hostname h.example", "targets tcp://127.0.0.1:25", "target.smtp x {", "$(m) = plain"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec![
            "auth plain ann hunter2", "auth login ann {env:S}", "auth ann hunter2", "auth hunter2", "auth plain ann hunter2 {", "auth off hunter2",
            "auth plain ann \\\nhunter2", "auth plain ann \\\nhunter#2", "auth plain ann \"x\nhunter2\"y",
            "$(m) \\\nauth plain ann \"x\nhunter2\"y", "$(m) auth plain ann hunter2", "auth plain $(m) \\\n\\\nhunter2", "\\\nauth plain ann hunter2",
            "auth plain #hunter2", "auth #hunter2", "auth plain { ann hunter2 }", "auth { plain ann hunter2 }", "auth } plain ann hunter2",
            "auth=hunter2", "auth:plain:ann:hunter2", "AUTH plain ann hunter2",
            "auth \"plain\" ann \"hunter2", "\"x\ny\"auth plain ann hunter2", "auth plain ann \"\\\"hunter2\" {",
            "auth plain ann \"x\nhunter2 y\"", "auth plain ann \"x\nhunter2{ {\"", "auth plain ann \"x\nimport hunter2 {\"", "auth plain ann \"x\nimport hunter2\n\"", "auth plain ann \"x\ndeliver_to hunter2\"",
            "auth plain ann \"x\n(hunter2) {\"", "auth plain ann \"x\ntargets hunter2\"",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"))
}

/// What is open is closed: a text that does not parse says little about what it means.
fn closed(text: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::new();
    for line in text.lines() {
        if line == "}" {
            if depth == 0 {
                continue;
            }
            depth -= 1;
        } else if line.ends_with('{') {
            depth += 1;
        }
        out.push_str(line);
        out.push('\n');
    }
    out + &"}\n".repeat(depth)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 1000 }))]

    #[test]
    fn nothing_panics_and_no_report_shows_a_secret(text in lines(), inside: bool) {
        let mut text = closed(&text);
        if inside {
            text = format!("hostname h.example\ndeliver_to smtp tcp://127.0.0.1:25 {{\n{text}}}\n");
        }
        let loader = Memory::new().variable("S", "hunter2").file("/ca.pem", "no certificate").file("/pw", "hunter2\n");
        match read_with(&loader, &text) {
            Err(wrong) => {
                prop_assert!(wrong.has_errors());
                prop_assert!(!wrong.render(false).contains("hunter2"), "{text}\n{wrong}");
                // With what is wrong with files it is no less, and no more of a secret.
                let loader = loader.file("/etc/mail/mail.conf", text.as_str());
                let tls = Tls::new(provider(), &RootCertStore::empty);
                let all = load_telling_all(&loader, Path::new("/etc/mail/mail.conf"), &Options::default(), &tls);
                let all = all.unwrap_err();
                prop_assert!(all.len() + all.omitted() >= wrong.len() + wrong.omitted(), "{text}\n{all}");
                prop_assert!(!all.render(false).contains("hunter2"), "{text}\n{all}");
            }
            Ok(configuration) => {
                prop_assert!(!configuration.warnings.has_errors());
                let named = configuration.named.iter().map(|named| &named.block);
                for block in named.chain(configuration.deliveries.iter().map(|delivery| &delivery.block)) {
                    if let Err(wrong) = block.plan(&loader, &Tls::new(provider(), &platform)) {
                        prop_assert!(wrong.has_errors(), "{text}");
                        prop_assert!(!wrong.render(false).contains("hunter2"), "{text}\n{wrong}");
                    }
                }
            }
        }
    }
}
