//! M17-M21, D18; T18, T20.

use std::time::Duration;

use smtp_config::{loader::Memory, settings::RUNTIME_DIR};

use crate::support::{block, clean, error, plan, read_with, settings};

#[test]
fn every_spelling_of_a_boolean() {
    // M17, T20 TestMapBool
    for (spelling, value) in [
        ("", true),
        ("1", true),
        ("true", true),
        ("on", true),
        ("yes", true),
        ("YES", true),
        ("On", true),
        ("0", false),
        ("false", false),
        ("off", false),
        ("no", false),
        ("FALSE", false),
    ] {
        assert_eq!(settings(&format!("require_tls {spelling}")).require_tls, value, "{spelling}");
    }
    for spelling in ["y", "t", "2", "enable", "\"\"", "n"] {
        let said = error(&block(&format!("require_tls {spelling}")));
        assert!(said.starts_with("4:13: ") && said.contains("is neither yes nor no"), "{said}");
    }
    assert!(error(&block("require_tls yes no")).contains("has one argument, a boolean"));
}

#[test]
fn arguments_of_a_duration_are_concatenated() {
    // M18
    for (text, seconds) in
        [("1h 2m", 3720), ("1m1h", 3660), ("1 h", 3600), ("+5s", 5), ("1.5 m", 90), ("-0s", 0)]
    {
        let own = settings(&format!("connect_timeout {text}")).connect_timeout;
        assert_eq!(own, Duration::from_secs(seconds), "{text}");
    }
    for (text, expected) in [
        ("", "connect_timeout needs a duration"),
        ("\"\"", "a duration is missing"),
        ("5", "the unit is missing"),
        ("1d", "is not a unit of time"),
        ("1H", "is not a unit of time"),
        ("\"5 m\"", "is not a unit of time"),
        ("1e3s", "is not a unit of time"),
        ("-1s", "cannot be negative"),
        ("300000000h", "longer than 292 years"),
    ] {
        let said = error(&block(&format!("connect_timeout {text}")));
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn every_form_of_an_endpoint() {
    // M19, M21, T18 TestStandardizeAddress
    for (text, printed) in [
        ("tcp://0.0.0.0:10025", "tcp://0.0.0.0:10025"),
        ("tcp://[::]:10025", "tcp://[::]:10025"),
        ("tcp:127.0.0.1:10025", "tcp://127.0.0.1:10025"),
        ("unix://path", "unix://path"),
        ("unix:path", "unix://path"),
        ("unix:/path", "unix:///path"),
        ("unix:///path", "unix:///path"),
        ("unix://also/path", "unix://also/path"),
        ("unix:///also/path", "unix:///also/path"),
        ("tls://0.0.0.0:10025", "tls://0.0.0.0:10025"),
        ("tls:0.0.0.0:10025", "tls://0.0.0.0:10025"),
        ("TCP://Host.Example:25", "tcp://Host.Example:25"),
        ("tcp://:25", "tcp://:25"),
        ("tcp://тест.example:25", "tcp://тест.example:25"),
    ] {
        assert_eq!(settings(&format!("targets {text}")).targets[0].to_string(), printed, "{text}");
    }
}

#[test]
fn what_is_no_endpoint_and_what_was_meant() {
    // M19, M20, D18
    for (text, expected) in [
        ("h:25", "did you mean tcp://h:25?"),
        ("127.0.0.1:25", "did you mean tcp://127.0.0.1:25?"),
        ("mx.example.org", "did you mean tcp://mx.example.org:25?"),
        ("localhost", "did you mean tcp://localhost:25?"),
        ("require_tls", "write tcp://HOST:PORT"),
        ("smtp://h:25", "did you mean tcp://h:25?"),
        ("smtps://h:465", "did you mean tls://h:465?"),
        ("smtps://h", "did you mean tls://h:465?"),
        ("SMTPS://h", "did you mean tls://h:465?"),
        ("TLS://h", "did you mean TLS://h:465?"),
        ("lmtp://h", "did you mean tcp://h:24?"),
        ("lmtp+unix:///run/l", "did you mean unix:///run/l?"),
        ("/run/l.sock", "did you mean unix:///run/l.sock?"),
        ("tcp://h", "did you mean tcp://h:25?"),
        ("tls://h:", "did you mean tls://h:465?"),
        ("tcp://::1:25", "an IPv6 address needs brackets (did you mean tcp://[::1]:25?)"),
        ("tcp://h:0", "not a decimal number from 1 to 65535"),
        ("tcp://h:65536", "not a decimal number from 1 to 65535"),
        ("tcp://h:-1", "not a decimal number"),
        ("tcp://user:pw@h:25", "a user name (before @) has no place in an endpoint"),
        ("tcp://h:25/path", "a path (from /) has no place"),
        ("tcp://h:25?query", "a query (from ?) has no place"),
        ("\"tcp://h:25#fragment\"", "a fragment (from #) has no place"),
        ("unix://", "the socket path is empty"),
        ("unix://@name", "an abstract socket is written without slashes"),
    ] {
        let said = error(&block(&format!("targets {text}")));
        assert!(said.starts_with("3:") && said.contains(expected), "{text}: {said}");
        assert!(!said.contains("user:pw"), "{said}");
    }
}

#[test]
fn relative_socket_paths_are_in_the_runtime_directory() {
    // M20
    let endpoint = |globals: &str, target: &str| {
        let plan = plan(&format!("hostname h.example\n{globals}\ndeliver_to lmtp {target}"));
        plan.targets[0].endpoint.to_string()
    };
    assert_eq!(endpoint("", "unix://lmtp.sock"), format!("unix://{RUNTIME_DIR}/lmtp.sock"));
    assert_eq!(endpoint("runtime_dir /run/x", "unix://lmtp.sock"), "unix:///run/x/lmtp.sock");
    assert_eq!(endpoint("runtime_dir /run/x", "unix:///abs"), "unix:///abs");
    assert_eq!(endpoint("runtime_dir /run/x", "unix:@name"), "unix:@name");
    assert_eq!(endpoint("", "unix://a%20b"), format!("unix://{RUNTIME_DIR}/a%20b"));
    assert!(error("runtime_dir run/x").contains("not an absolute path"));
}

#[test]
fn what_a_variable_holds_is_not_shown() {
    let loader = Memory::new().variable("X", "hunter2:25").variable("T", "hunter2");
    for (directive, expected) in [
        ("targets {env:X}", "does not start with tcp:"),
        ("connect_timeout {env:T}", "the value of a variable is no duration"),
        ("require_tls {env:T}", "the value of a variable is no boolean"),
        ("hostname ..{env:T}", "the value of a variable is no host name"),
        ("failover {env:T}", "the value of a variable is no failover policy"),
        ("auth {env:T}", "is no way to authenticate"),
        ("tls_client {\n ciphers {env:T}\n}", "the value of a variable is no cipher suite"),
        ("tls_client {\n curves {env:T}\n}", "the value of a variable is no key exchange group"),
        ("tls_client {\n protocols {env:T}\n}", "the value of a variable is no TLS version"),
    ] {
        let wrong = read_with(&loader, &block(directive)).unwrap_err();
        let shown = wrong.render(false);
        assert!(shown.contains(expected) || directive.starts_with("targets"), "{directive}: {shown}");
        assert!(!shown.contains("hunter2"), "{directive}: {shown}");
    }
    // The same for names.
    let wrong =
        read_with(&loader, "hostname h.example\ndeliver_to {env:T}\ndeliver_to &{env:T}\n").unwrap_err();
    assert!(wrong.len() == 2 && !wrong.render(false).contains("hunter2"), "{wrong}");
    // And they do hold.
    assert_eq!(clean("hostname h.example\ndeliver_to smtp tcp://h:25").deliveries.len(), 1);
}
