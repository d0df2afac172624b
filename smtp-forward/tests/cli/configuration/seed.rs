//! The two examples of the page that the directives come from, as they stand there.

use std::net::TcpListener;

use super::super::{
    support::Folder,
    wire::{Rules, Wire},
};

const PIPELINE: &str = "\
deliver_to smtp tcp://127.0.0.1:5353
# or
deliver_to smtp tcp://127.0.0.1:5353 {
  # Other settings, see below.
}
";

const DIRECTIVES: &str = "\
target.smtp {
    debug no
    tls_client {
        ...
    }
    attempt_starttls yes
    require_tls no
    auth off
    targets tcp://127.0.0.1:2525
    connect_timeout 5m
    command_timeout 5m
    submission_timeout 12m
}
";

#[test]
fn both_examples_run_as_they_stand() {
    for (example, port, warnings) in [(PIPELINE, 5353, 0), (DIRECTIVES, 2525, 1)] {
        let folder = Folder::new(example, &[]);
        let done = folder.run(&["check", "--config", "mail.conf", "--syntax"]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.out.contains(&format!("target.smtp: tcp://127.0.0.1:{port}")), "{done:?}");
        // That there is something where the page has dots.
        assert_eq!(done.err.matches("warning: ").count(), warnings, "{done:?}");

        // Where somebody else has the port, another one has to do.
        let listener = TcpListener::bind(("127.0.0.1", port)).or_else(|_| TcpListener::bind("127.0.0.1:0"));
        let wire = Wire::on(listener.unwrap(), Rules::default());
        let folder = Folder::new(&example.replace(&port.to_string(), &wire.port.to_string()), &[]);
        let done = folder.send(&[]);
        assert_eq!(done.code, 0, "{done:?}");
        let sessions = wire.finish();
        assert_eq!(sessions.len(), 1, "M41");
        assert!(sessions[0].contains(&"C: RCPT TO:<b@example.org>".to_owned()), "{sessions:?}");
        assert!(sessions[0].contains(&"S: 250 2.0.0 taken".to_owned()), "{sessions:?}");
    }
}
