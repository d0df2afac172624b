//! Every example of `docs/configuration.md` and of `README.md` does what the page says: it makes a plan, without a warning.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use smtp_config::{
    loader::Memory,
    module::{self, Options},
    settings::{Settings, Tls},
};

fn page() -> String {
    read("docs/configuration.md")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The fenced blocks of this language, each with the number of its first line.
fn examples(page: &str, language: &str) -> Vec<(usize, String)> {
    let fence = format!("```{language}");
    let lines: Vec<_> = page.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| **line == fence).map(|(at, _)| at + 1);
    let example = |at: usize| {
        let body: Vec<_> = lines[at..].iter().take_while(|line| **line != "```").copied().collect();
        (at + 1, body.join("\n") + "\n")
    };
    starts.map(example).collect()
}

/// The files and variables that the examples name.
fn world() -> Memory {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Memory::new()
        .file("/etc/mail/ca.pem", certificate.pem())
        .file("/etc/mail/client.pem", certificate.pem())
        .file("/etc/mail/client.key", key.serialize_pem())
        .file("/etc/mail/relay-password", "secret\n")
        .variable("RELAY_PASSWORD", "secret")
}

fn roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    let authority = rcgen::generate_simple_self_signed(["platform.invalid".to_owned()]).unwrap();
    roots.add(authority.cert.der().clone()).unwrap();
    roots
}

fn tls() -> Tls<'static> {
    Tls::new(Arc::new(rustls::crypto::aws_lc_rs::default_provider()), &roots)
}

#[test]
fn every_example_makes_a_plan() {
    let mut count = 0;
    for name in ["docs/configuration.md", "README.md"] {
        for (line, text) in examples(&read(name), "maddy") {
            makes_a_plan(&format!("{name}:{line}"), text);
            count += 1;
        }
    }
    assert!(count > 20, "the pages' fences have changed");
}

fn makes_a_plan(place: &str, text: String) {
    let is_whole = text.contains("target.") || text.contains("deliver_to");
    let targets = if text.contains("targets ") { "" } else { "targets tcp://127.0.0.1:25\n" };
    let text = if is_whole { text } else { format!("target.smtp x {{\n{targets}{text}}}\n") };
    let loader = world().file("/etc/mail/mail.conf", text.as_str());
    let mut options = Options::default();
    options.hostname = Some("mx.example.org".parse().unwrap());
    let configuration = module::load(&loader, Path::new("/etc/mail/mail.conf"), &options)
        .unwrap_or_else(|wrong| panic!("{place}\n{wrong}"));
    assert!(configuration.warnings.is_empty(), "{place}\n{}", configuration.warnings);
    let named = configuration.named.iter().map(|named| &named.block);
    let blocks: Vec<_> = named.chain(configuration.deliveries.iter().map(|it| &it.block)).collect();
    assert!(!blocks.is_empty(), "{place}: no target");
    for block in blocks {
        let planned = block.plan(&loader, &tls());
        let (_, warnings) = planned.unwrap_or_else(|wrong| panic!("{place}\n{wrong}"));
        assert!(warnings.is_empty(), "{place}\n{warnings}");
    }
}

#[test]
fn the_toml_example_makes_a_plan() {
    for (line, text) in examples(&page(), "toml") {
        let settings: Settings =
            toml::from_str(&text).unwrap_or_else(|wrong| panic!("docs/configuration.md:{line}\n{wrong}"));
        settings
            .plan(&world(), &tls())
            .unwrap_or_else(|wrong| panic!("docs/configuration.md:{line}: {wrong}"));
    }
}

#[test]
fn every_directive_has_its_section_and_every_section_its_directive() {
    let page = page();
    let described: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    // What a block knows, as it says itself when it is asked for something else.
    let loader =
        Memory::new().file("f", "hostname h.example\ndeliver_to smtp tcp://h:25 {\n frobnicate\n}\n");
    let wrong = module::load(&loader, Path::new("f"), &Options::default()).unwrap_err();
    let help = wrong.iter().next().and_then(|it| it.help.clone()).unwrap();
    let known = help.strip_prefix("known here: ").unwrap();
    for directive in known.split(", ") {
        assert!(described.contains(directive), "docs/configuration.md does not describe {directive}");
    }
    for section in described {
        let elsewhere = ["deliver_to", "runtime_dir"].contains(&section) || section.contains("target.");
        assert!(elsewhere || known.split(", ").any(|it| it == section), "there is no directive {section}");
    }
}
