//! Addresses: what parses can be written, reads back the same, and cannot leave its angle brackets (R16-R26).
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_proto::{
    address::{ClientName, Domain, ForwardPath, Host, Mailbox, ReversePath},
    command::{Command, MailParameters},
};

fuzz_target!(|text: &str| {
    if let Ok(domain) = text.parse::<Domain>() {
        assert_plain(domain.as_str());
        assert!(!domain.as_str().is_empty() && !domain.as_str().ends_with('.'), "R23");
        assert_eq!(domain.as_str().parse().as_ref(), Ok(&domain));
        if let Ok(ascii) = domain.to_ascii() {
            assert!(ascii.is_ascii() && ascii.as_str().len() <= 255, "R25");
            assert_eq!(ascii.to_ascii().as_ref(), Ok(&ascii));
        }
    }
    if let Ok(Host::Literal(literal)) = text.parse() {
        assert_plain(literal.as_str());
    }
    if let Ok(name) = text.parse::<ClientName>() {
        assert_plain(name.as_str());
        assert!(name.as_str().is_ascii() && !name.as_str().is_empty(), "R11, R172");
    }
    if let Ok(mailbox) = text.parse::<Mailbox>() {
        let written = mailbox.to_string();
        assert!(!written.chars().any(char::is_control), "R21: {written:?}");
        assert_eq!(written.parse().as_ref(), Ok(&mailbox), "{written:?}");
        assert_eq!(mailbox.is_ascii(), written.is_ascii());
        if let Ok(ascii) = mailbox.to_ascii() {
            assert!(ascii.is_ascii(), "M80");
            assert_eq!(ascii.to_ascii().as_ref(), Ok(&ascii));
        }
    }
    if let Ok(path) = text.parse::<ReversePath>() {
        let parameters = MailParameters::default();
        if let Some(written) = written(&Command::Mail { path: &path, parameters: &parameters }, "MAIL FROM:")
        {
            assert_eq!(written.parse().as_ref(), Ok(&path), "{written:?}");
        }
    }
    if let Ok(path) = text.parse::<ForwardPath>() {
        if let Some(written) = written(&Command::Rcpt { path: &path }, "RCPT TO:") {
            assert_eq!(written.parse().as_ref(), Ok(&path), "{written:?}");
        }
    }
});

/// The path as it stands on the wire, brackets included, once it is certain that it ends where the line does.
fn written(command: &Command<'_>, verb: &str) -> Option<String> {
    let mut line = Vec::new();
    command.encode(&mut line).ok()?;
    let line = String::from_utf8(line).expect("addresses are text");
    let path = line.strip_prefix(verb).and_then(|rest| rest.strip_suffix("\r\n")).expect("R16");
    assert!(!path.chars().any(char::is_control), "{path:?}");
    assert_eq!(path_end(path), Some(path.len()), "R22: the path ends early: {path:?}");
    Some(path.to_owned())
}

/// Where a server that knows quoted strings and address literals sees the path end.
fn path_end(path: &str) -> Option<usize> {
    let (mut quoted, mut escaped, mut literal) = (false, false, false);
    for (at, c) in path.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !literal => quoted = !quoted,
            '[' if !quoted => literal = true,
            ']' if !quoted => literal = false,
            '>' if !quoted && !literal => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn assert_plain(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() || c == ' '), "{text:?}");
}
