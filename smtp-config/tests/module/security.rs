//! What TLS settings and endpoints must not be together: D22, M54, M61, R78.

use crate::support::{error, line, said, warning};

fn delivery(module: &str, endpoints: &str, directives: &str) -> String {
    format!("hostname h.example\ndeliver_to {module} {endpoints} {{\n{directives}\n}}")
}

#[test]
fn tls_cannot_be_required_of_unix_sockets() {
    // D22
    let said = error(&delivery("smtp", "unix:///s", "require_tls yes"));
    assert!(said.starts_with("3:13: there is no TLS on Unix sockets"), "{said}");
    let said = error(&delivery("lmtp", "unix:///s unix:///t", "attempt_starttls yes\nrequire_tls yes"));
    assert!(said.starts_with("4:13: there is no TLS on Unix sockets"), "{said}");
    let said = warning(&delivery("smtp", "tls://h:465 unix:///s", "require_tls yes"));
    assert!(said.starts_with("2:29: never used: TLS is required"), "{said}");
}

#[test]
fn required_tls_that_nobody_attempts_is_warned_of() {
    // M61
    let said = warning(&delivery("smtp", "tcp://h:25", "attempt_starttls no\nrequire_tls yes"));
    assert!(
        said.starts_with("4:13: nothing can be sent: TLS is required, STARTTLS is switched off"),
        "{said}"
    );
    let said = warning(&delivery("lmtp", "tcp://h:24", "require_tls yes"));
    assert!(said.contains("LMTP does not use STARTTLS unless told to"), "{said}");
    assert!(
        crate::support::said(&delivery("smtp", "tls://h:465", "attempt_starttls no\nrequire_tls yes"))
            .is_empty()
    );
}

#[test]
fn starttls_on_a_unix_socket_is_warned_of() {
    // M54, M70
    let said = warning(&delivery("smtp", "tcp://h:25 unix:///s", "debug no"));
    assert!(said.starts_with("2:28: STARTTLS cannot succeed on a Unix socket"), "{said}");
    assert!(warning(&delivery("lmtp", "unix:///s", "attempt_starttls yes")).contains("no name to verify"));
    for directives in ["attempt_starttls no", "server_name mx.example"] {
        assert!(crate::support::said(&delivery("smtp", "unix:///s", directives)).is_empty(), "{directives}");
    }
    assert!(crate::support::said(&delivery("lmtp", "unix:///s", "debug no")).is_empty());
}

#[test]
fn lmtp_is_not_spoken_on_port_25() {
    // R78
    let said: Vec<_> =
        said(&delivery("lmtp", "tcp://h:24 tcp://h:25 tls://h:25", "debug no")).iter().map(line).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("2:28: LMTP must not be spoken on TCP port 25"), "{said:?}");
}
