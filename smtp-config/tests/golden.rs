//! What people see of each thing that can be wrong: `golden/NAME.conf`, and beside it `golden/NAME.txt`, which is what is said of it.
//!
//! With `GOLDEN=write` in the environment the second is written in place of compared. Then read it: does it say what is wrong, where, and
//! what to do instead?

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use smtp_config::{
    diagnostic::Diagnostics,
    loader::Memory,
    module::{self, Options},
    settings::Tls,
};

/// What must be among them.
const NEEDED: [&str; 25] = [
    "unknown-directive",
    "duplicate-directive",
    "missing-argument",
    "too-many-arguments",
    "block-not-allowed",
    "unclosed-brace",
    "unclosed-quote",
    "import-cycle",
    "missing-file",
    "directory",
    "not-utf8",
    "unset-variable",
    "bad-duration",
    "bad-boolean",
    "bad-endpoint",
    "bad-cipher",
    "bad-curve",
    "bad-protocol",
    "cert-without-key",
    "mismatched-key",
    "encrypted-key",
    "empty-ca",
    "no-targets",
    "lmtp-on-port-25",
    "require-tls-on-unix-sockets",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The files of the folder, and those that they name.
fn world() -> Memory {
    let issue = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ((certificate, key), (_, other)) = (issue(), issue());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let world = Memory::new()
        .file("client.pem", certificate.as_str())
        .file("client.key", key)
        .file("ca.pem", certificate)
        .file("other.key", other)
        .file("encrypted.key", encrypted)
        .file("empty.pem", "")
        .file("folder/file", "");
    files().fold(world, |world, file| {
        let octets = fs::read(&file).unwrap();
        world.file(file.file_name().unwrap(), octets)
    })
}

fn files() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path())
}

fn names() -> BTreeSet<String> {
    let configurations = files().filter(|file| file.extension().is_some_and(|it| it == "conf"));
    configurations.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// All that is said of a configuration, as a program that is about to use it does.
fn said(world: &Memory, file: &str) -> Diagnostics {
    let platform = || {
        let mut roots = rustls::RootCertStore::empty();
        let authority = rcgen::generate_simple_self_signed(["platform.invalid".to_owned()]).unwrap();
        roots.add(authority.cert.der().clone()).unwrap();
        roots
    };
    let tls = Tls::new(Arc::new(rustls::crypto::aws_lc_rs::default_provider()), &platform);
    let configuration = match module::load_telling_all(world, Path::new(file), &Options::default(), &tls) {
        Ok(configuration) => configuration,
        Err(wrong) => return wrong,
    };
    let mut said = configuration.warnings.clone();
    said.extend(match configuration.select(None).unwrap().plan(world, &tls) {
        Ok((_, warnings)) => warnings,
        Err(wrong) => wrong,
    });
    said
}

#[test]
fn everything_that_can_be_wrong_reads_as_it_should() {
    let world = world();
    let mut changed = Vec::new();
    for name in names() {
        let said = said(&world, &format!("{name}.conf"));
        assert!(said.has_errors(), "{name}: nothing is wrong with it");
        let (file, said) = (folder().join(format!("{name}.txt")), said.render(false));
        if std::env::var_os("GOLDEN").is_some_and(|it| it == "write") {
            fs::write(&file, &said).unwrap();
        }
        if fs::read_to_string(&file).ok().as_deref() != Some(said.as_str()) {
            changed.push(format!("{}\n{said}", file.display()));
        }
    }
    assert!(changed.is_empty(), "if this reads well, run with GOLDEN=write:\n{}", changed.join("\n"));
}

#[test]
fn every_mistake_of_the_list_has_its_file_and_every_file_its_mistake() {
    let names = names();
    for needed in NEEDED {
        assert!(names.contains(needed), "{needed}");
    }
    for file in files().filter(|file| file.extension().is_some_and(|it| it == "txt")) {
        assert!(names.contains(file.file_stem().unwrap().to_str().unwrap()), "{}", file.display());
    }
}

#[test]
fn no_golden_file_shows_a_secret() {
    // R133: `too-many-arguments` has one.
    for file in files().filter(|file| file.extension().is_some_and(|it| it == "txt")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("correct") && !text.contains("horse"), "{}", file.display());
    }
}
