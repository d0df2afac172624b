//! M7-M16, D4a-D6, D11, D12, D23-D30; T19, T21.

use std::{path::Path, time::Duration};

use smtp_config::settings::{Auth, LineBreaks, Settings};
use smtp_proto::{
    Failover, Phase,
    body::{BareCr, BareLf},
    config::{Chunking, Protocol, TlsMode},
};

use crate::support::{block, clean, error, plan, read, said, settings};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_defaults_are_the_seeds() {
    let mut expected = Settings::default();
    expected.hostname = Some("mx.example.org".parse().unwrap());
    expected.targets = vec!["tcp://127.0.0.1:25".parse().unwrap()];
    let seed = settings("");
    assert_eq!(seed, expected);
    assert_eq!((seed.debug, seed.require_tls, seed.auth.clone()), (false, false, Auth::Off)); // M7, M11, M12
    assert!(seed.attempts_starttls()); // M10
    assert_eq!(seed.connect_timeout, 5 * MINUTE); // M14
    assert_eq!(seed.command_timeout, 5 * MINUTE); // M15
    assert_eq!(seed.submission_timeout, 12 * MINUTE); // M16, D5
    assert_eq!(seed.connection_reuse, 0); // D28

    let lmtp = clean("hostname h.example\ndeliver_to lmtp unix:///l");
    assert!(!lmtp.deliveries[0].block.settings.attempts_starttls()); // M10
}

#[test]
fn the_seeds_own_block_means_its_defaults() {
    let text = "debug no
        tls_client {
        }
        require_tls no
        auth off
        targets tcp://127.0.0.1:25
        connect_timeout 5m
        command_timeout 5m
        submission_timeout 12m";
    assert_eq!(settings(text), settings(""));
    let mut explicit = settings(&format!(
        "{text}
attempt_starttls yes"
    ));
    assert_eq!(explicit.attempt_starttls.take(), Some(true));
    assert_eq!(explicit, settings(""));
}

#[test]
fn debug_hostname_and_tls_client_are_inherited() {
    // M7, M8, M13, D6; T19 InheritGlobal, _Override, _DefaultValue
    let read = |globals: &str, directives: &str| {
        let text = format!("{globals}\ntarget.smtp x {{\n targets tcp://h:25\n{directives}\n}}");
        read(&text).unwrap_or_else(|wrong| panic!("{text}\n{wrong}")).select(None).unwrap().settings.clone()
    };
    let global = "debug yes\nhostname global.example\ntls_client {\n root_ca /global.pem\n curves p256\n}";
    let inherited = read(global, "");
    assert!(inherited.debug);
    assert_eq!(inherited.hostname.unwrap().as_str(), "global.example");
    assert_eq!(inherited.tls_client.root_ca, [Path::new("/global.pem")]);

    let own = read(global, "debug no\nhostname own.example\ntls_client {\n root_ca /own.pem\n}");
    assert!(!own.debug);
    assert_eq!(own.hostname.unwrap().as_str(), "own.example");
    assert_eq!(own.tls_client.root_ca, [Path::new("/own.pem")]);
    assert!(own.tls_client.curves.is_empty(), "the one block or the other, no mixture");

    // A global that comes later in the file counts as well.
    let later = clean("target.smtp x {\n targets tcp://h:25\n}\nhostname late.example");
    assert_eq!(later.select(None).unwrap().settings.hostname.as_ref().unwrap().as_str(), "late.example");
}

#[test]
fn a_hostname_is_required_unless_the_caller_has_one() {
    // M8; T19 MissingRequired, InheritGlobal_MissingRequired
    let text = "target.smtp x {\n targets tcp://h:25\n}";
    let said = error(text);
    assert!(said.starts_with("1:1: target.smtp: missing required directive"), "{said}");
    // However many lack it: one line at the top mends them all.
    assert_eq!(error(&format!("{text}\n{}", text.replace(" x ", " y "))), said);
    let tree =
        smtp_config::tree::read_text(&smtp_config::loader::Memory::new(), Path::new("f"), text).unwrap();
    let mut options = smtp_config::module::Options::default();
    options.hostname = Some("given.example".parse().unwrap());
    let given = smtp_config::module::read(&tree.nodes, &options).unwrap();
    assert_eq!(given.select(None).unwrap().settings.hostname.as_ref().unwrap().as_str(), "given.example");
}

#[test]
fn the_hostname_becomes_a_labels() {
    // M8, M74, M75, T11
    let own = settings("hostname тест.invalid");
    assert_eq!(own.hostname.unwrap().as_str(), "xn--e1aybc.invalid");
    for (directive, expected) in [
        ("hostname", "4:1: hostname needs an argument"),
        ("hostname a b", "4:12: hostname has one argument"),
        ("hostname a..b", "4:10: \"a..b\" is not a host name"),
        ("hostname x { y }", "hostname has no block"),
    ] {
        let said = error(&block(directive));
        assert!(said.contains(expected), "{directive}: {said}");
    }
}

#[test]
fn targets_are_needed_and_every_bad_one_is_reported() {
    // M9
    assert!(error(&block("targets")).starts_with("3:1: targets needs at least one argument: an endpoint"));
    let none = error("hostname h.example\ndeliver_to smtp");
    assert_eq!(none, "2:12: target.smtp: at least one endpoint is needed (write `targets tcp://HOST:PORT`)");
    assert_eq!(said(&block("targets tcp://a h:25 tcp://ok:25 smtp://x:25")).len(), 3);
    assert!(error(&block("targets tcp://a:25 { b }")).contains("targets has no block"));
}

#[test]
fn only_an_explicit_no_lets_secrets_go_in_clear() {
    // D4a, M10
    let security = |text: &str| plan(text).targets[0].config.security.clone();
    let smtp = |directives: &str| security(&block(directives));
    assert_eq!((smtp("").mode, smtp("").secrets_in_clear), (TlsMode::StartTls, false));
    let off = smtp("attempt_starttls no");
    assert_eq!((off.mode, off.secrets_in_clear), (TlsMode::Off, true));
    let lmtp = security("hostname h.example\ndeliver_to lmtp tcp://h:24");
    assert_eq!((lmtp.mode, lmtp.secrets_in_clear), (TlsMode::Off, false));
}

#[test]
fn a_timeout_of_zero_is_the_default_and_never_none() {
    // D11
    let plan = plan(&block(
        "connect_timeout 0\ncommand_timeout 0s\nsubmission_timeout 0\ngreeting_timeout 0\ntotal_timeout 0",
    ));
    let timeouts = plan.targets[0].config.timeouts;
    for (phase, minutes) in [(Phase::Connect, 5), (Phase::Mail, 5), (Phase::End, 12), (Phase::Greeting, 5)] {
        assert_eq!(timeouts.duration(phase), minutes * MINUTE, "{phase}");
    }
    assert_eq!(plan.total_timeout, None);
}

#[test]
fn every_directive_reaches_the_plan() {
    // M14-M16, D23, D25, D27, D28, D30
    let plan = plan(&block(
        "debug
        connect_timeout 1s
        greeting_timeout 2s
        command_timeout 3s
        submission_timeout 4s
        total_timeout 5s
        failover until_decided
        chunking no
        connection_reuse 7
        server_name mx.example.net
        line_breaks reject
        mail_auth_param yes
        require_tls yes",
    ));
    let config = &plan.targets[0].config;
    let seconds = |duration: Duration| duration.as_secs();
    assert_eq!(seconds(config.timeouts.connect), 1);
    assert_eq!(seconds(config.timeouts.greeting), 2);
    assert_eq!(seconds(config.timeouts.command), 3);
    assert_eq!(seconds(config.timeouts.submission), 4);
    assert_eq!(plan.total_timeout.map(seconds), Some(5));
    assert_eq!(plan.failover, Failover::UntilDecided);
    assert_eq!(config.chunking, Chunking::No);
    assert_eq!(plan.reuse.unwrap().messages, 7);
    assert_eq!(config.security.server_name.as_ref().unwrap().to_str(), "mx.example.net");
    assert_eq!((config.line_breaks.bare_cr, config.line_breaks.bare_lf), (BareCr::Reject, BareLf::Reject));
    assert!(config.mail_auth_param && config.security.required && config.transcript);
    assert_eq!(config.protocol, Protocol::Smtp);
    assert_eq!(config.client_name.as_str(), "mx.example.org");
}

#[test]
fn one_connection_a_message_is_the_default_of_the_directive() {
    assert_eq!(plan(&block("")).reuse, None); // D28, M41
    assert_eq!(plan(&block("connection_reuse 0")).reuse, None);
    for value in ["-1", "1.5", "many", "4294967296", "+1"] {
        assert!(error(&block(&format!("connection_reuse {value}"))).contains("is no number"), "{value}");
    }
}

#[test]
fn words_of_our_own_directives() {
    // D25, D27, D30
    for (word, value) in [
        ("space", LineBreaks::Space),
        ("crlf", LineBreaks::Crlf),
        ("reject", LineBreaks::Reject),
        ("pass", LineBreaks::Pass),
    ] {
        assert_eq!(settings(&format!("line_breaks {word}")).line_breaks, value);
    }
    for (directive, expected) in [
        ("failover until_usabel", "did you mean until_usable?"),
        ("failover never", "use until_usable or until_decided"),
        ("chunking maybe", "\"maybe\" is no chunking policy (use auto, yes or no)"),
        ("chunking", "chunking needs an argument"),
        ("line_breaks lf", "use space, crlf, reject or pass"),
        ("server_name a..b", "neither a DNS name nor an IP address"),
    ] {
        let said = error(&block(directive));
        assert!(said.contains(expected), "{directive}: {said}");
    }
    let idn = settings("server_name тест.invalid").server_name.unwrap();
    assert_eq!(idn.to_str(), "xn--e1aybc.invalid");
    assert_eq!(settings("server_name 192.0.2.1").server_name.unwrap().to_str(), "192.0.2.1");
}

#[test]
fn unknown_and_repeated_directives_are_errors() {
    // T19 Unexpected, Duplicate
    let said = error(&block("atempt_starttls yes"));
    assert_eq!(
        said,
        "4:1: unknown directive \"atempt_starttls\" in target.smtp (did you mean attempt_starttls?)"
    );
    assert!(error(&block("starttls yes")).contains("write attempt_starttls"));
    assert!(error(&block("frobnicate yes")).contains("known here: debug, hostname"));
    let twice = read(&block("auth off\nauth off")).unwrap_err();
    let twice = twice.iter().next().unwrap();
    assert!(twice.message.contains("duplicate directive: auth"), "{twice}");
    assert_eq!(twice.related[0].0.line(), 4);
    assert!(error("debug\ndebug").contains("duplicate directive: debug"));
}

#[test]
fn everything_wrong_is_said_at_once() {
    // T21: each directive is looked at once, whatever became of the others.
    let said = said(&block("frob x\ndebug maybe\nconnect_timeout 5\nauth basic\ntargets tcp://a"));
    assert_eq!(said.len(), 5, "{said:#?}");
    // What is missing because it was wrong is not missing.
    assert!(said.iter().all(|it| !it.message.contains("at least one")), "{said:#?}");
}

#[test]
fn an_empty_block_is_no_block_and_another_one_is_an_error() {
    // M31, SPEC 1.2
    assert!(settings("debug yes { }").debug);
    for directive in ["debug yes", "connect_timeout 1s", "auth off", "require_tls", "failover until_usable"] {
        let said = error(&block(&format!("{directive} {{\n a b\n}}")));
        assert!(said.contains("has no block"), "{directive}: {said}");
    }
}

#[test]
fn what_is_wrong_is_in_the_order_of_the_text() {
    let text = "deliver_to &nobody\ntarget.smtp x {\n frob\n targets tcp://h:25\n}\nhostname a b\n";
    let lines: Vec<_> = said(text).iter().map(|it| it.span.as_ref().unwrap().line()).collect();
    assert_eq!(lines, [1, 3, 6]);
}

#[test]
fn a_file_is_loaded_with_what_it_imports() {
    let loader = smtp_config::loader::Memory::new()
        .file("/etc/mail/mail.conf", "hostname h.example\nimport targets.conf\n")
        .file(
            "/etc/mail/targets.conf",
            "deliver_to smtp tcp://h:25 {\n auth plain u file:pw\n}\nfrobnicate\n",
        );
    let options = smtp_config::module::Options::default();
    let loaded = smtp_config::module::load(&loader, Path::new("/etc/mail/mail.conf"), &options).unwrap();
    assert_eq!(loaded.deliveries.len(), 1);
    assert_eq!(loaded.warnings.len(), 1);
}
