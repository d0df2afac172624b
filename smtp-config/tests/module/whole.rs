//! Errors as people see them.

use smtp_config::loader::Memory;

use crate::support::read_with;

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
        "$(a) = plain ann hunter2 extra\ntarget.smtp x {\n auth $(a)\n}\n",
    ] {
        let wrong = read_with(&Memory::new(), text).unwrap_err().render(false);
        assert!(!wrong.contains("hunter2"), "{wrong}");
    }
}
