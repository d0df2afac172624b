use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use smtp_config::{
    diagnostic::{Diagnostic, Diagnostics, Severity},
    loader::Memory,
    module::{self, Configuration, Options},
    settings::{Settings, Tls},
    tree,
};
use smtp_proto::Plan;

/// Reads a text as the file `/etc/mail/mail.conf`.
pub(crate) fn read_with(loader: &Memory, text: &str) -> Result<Configuration, Diagnostics> {
    let tree = tree::read_text(loader, Path::new("/etc/mail/mail.conf"), text)?;
    module::read(&tree.nodes, &Options::default())
}

pub(crate) fn read(text: &str) -> Result<Configuration, Diagnostics> {
    read_with(&Memory::new(), text)
}

/// A text without error or warning.
pub(crate) fn clean(text: &str) -> Configuration {
    let configuration = read(text).unwrap_or_else(|wrong| panic!("{text}\n{wrong}"));
    assert!(configuration.warnings.is_empty(), "{text}\n{}", configuration.warnings);
    configuration
}

/// A block of `target.smtp` that lacks nothing but these directives; warnings are nobody's business here.
pub(crate) fn block(directives: &str) -> String {
    let targets = if directives.contains("targets") { "" } else { "targets tcp://127.0.0.1:25\n" };
    format!("hostname mx.example.org\ntarget.smtp x {{\n{targets}{directives}\n}}\n")
}

pub(crate) fn settings(directives: &str) -> Settings {
    let text = block(directives);
    let configuration = read(&text).unwrap_or_else(|wrong| panic!("{text}\n{wrong}"));
    configuration.select(None).unwrap().settings.clone()
}

/// All that is said about a text.
pub(crate) fn said(text: &str) -> Vec<Diagnostic> {
    match read(text) {
        Ok(configuration) => configuration.warnings.into_iter().collect(),
        Err(wrong) => wrong.into_iter().collect(),
    }
}

/// The one error of a text, with its place as `LINE:COLUMN`, and what it says, help included.
pub(crate) fn error(text: &str) -> String {
    one(text, Severity::Error)
}

pub(crate) fn warning(text: &str) -> String {
    one(text, Severity::Warning)
}

fn one(text: &str, severity: Severity) -> String {
    let said: Vec<_> = said(text).into_iter().filter(|it| it.severity == severity).collect();
    let [only] = said.as_slice() else { panic!("{text}\none {severity:?}, not these: {said:#?}") };
    line(only)
}

pub(crate) fn line(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.span.as_ref().map(|span| format!("{}:{}: ", span.line(), span.column()));
    let help = diagnostic.help.as_ref().map(|help| format!(" ({help})"));
    format!("{}{}{}", place.unwrap_or_default(), diagnostic.message, help.unwrap_or_default())
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A platform that trusts one authority nobody has.
pub(crate) fn platform() -> RootCertStore {
    let authority = rcgen::generate_simple_self_signed(["platform.invalid".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.cert.der().clone()).unwrap();
    roots
}

/// The plan of the one target of a text.
pub(crate) fn plan_with(loader: &Memory, text: &str) -> Result<(Plan, Diagnostics), Diagnostics> {
    let configuration = read_with(loader, text)?;
    configuration.select(None).unwrap().plan(loader, &Tls::new(provider(), &platform))
}

pub(crate) fn plan(text: &str) -> Plan {
    plan_with(&Memory::new(), text).unwrap_or_else(|wrong| panic!("{text}\n{wrong}")).0
}

pub(crate) fn client(plan: &Plan) -> Arc<ClientConfig> {
    plan.targets[0].config.security.client.clone().expect("TLS is configured")
}

/// Everything about two plans that can be compared: TLS configurations cannot, beyond being there.
pub(crate) fn assert_same(one: &Plan, other: &Plan) {
    assert_eq!(one.failover, other.failover);
    assert_eq!(one.total_timeout, other.total_timeout);
    assert_eq!(one.reuse, other.reuse);
    assert_eq!(one.targets.len(), other.targets.len());
    for (one, other) in one.targets.iter().zip(&other.targets) {
        assert_eq!(one.endpoint, other.endpoint);
        let (mut a, mut b) =
            (smtp_proto::Config::clone(&one.config), smtp_proto::Config::clone(&other.config));
        // `Debug` hides credentials.
        assert_eq!(a.auth, b.auth);
        assert_eq!(a.security.client.take().is_some(), b.security.client.take().is_some());
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }
}
