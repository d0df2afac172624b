//! Against OpenSMTPD.

use smtp_proto::sasl::Mechanism;

use crate::{
    Sections,
    host::Host,
    mail::lf,
    matrix::Server,
    way::{Way, rfc3848},
};

const SERVER: Server = Server {
    ways: &[Way::Plain, Way::StartTls, Way::Implicit],
    mechanisms: &[Mechanism::Plain, Mechanism::Login],
    recipients: &[
        ("nobody@test.example", "rejected 550 5.0.0 rcpt"),
        ("alice@test.example", "delivered 250 2.0.0"),
        ("blocked@test.example", "rejected 550 5.7.1 rcpt"),
        ("deferred@test.example", "deferred 450 4.2.0 rcpt"),
        ("bob+tag@test.example", "delivered 250 2.0.0"),
        ("full@test.example", "deferred 452 4.2.2 rcpt"),
        ("grace@example.net", "delivered 250 2.0.0"),
    ],
    elsewhere: Some(("x@elsewhere.example", "rejected 550 5.0.0 rcpt")),
    senders: &[
        ("refused@example.org", "rejected 550 5.7.1 mail"),
        ("later@example.org", "deferred 451 4.7.1 mail"),
    ],
    wrong_password: "535 Authentication failed",
    too_large: None,
    content_refused: None,
    smtputf8: false,
    with: rfc3848,
    copies: 2,
    stores,
    limits,
    settled,
};

pub(crate) fn run(host: &Host) {
    let mut sections = Sections::new(host);
    SERVER.run(&mut sections, host);
    sections.end();
}

/// What stands for the values of the fields that are added, which are other ones each time.
const DATE: &[u8] = b"Date: (added)\n";
const MESSAGE_ID: &[u8] = b"Message-ID: (added)\n";
/// Octets without the line end.
const LONGEST_LINE: usize = 65533;
/// Fields `Received`; with more, a loop is assumed.
const HOPS: usize = 98;

/// What OpenSMTPD makes of a content with CRLF line ends, as `tests/servers/README.md` describes.
fn stores(content: &[u8]) -> Result<Vec<u8>, &'static str> {
    let text = lf(content);
    let (header, rest) = text.split_at(header_end(&text));
    let lines = || header.split_inclusive(|octet| *octet == b'\n');
    if text.split(|octet| *octet == b'\n').any(|line| line.len() > LONGEST_LINE) {
        return Err("rejected 500 5.0.0 end");
    }
    if lines().any(|line| !is_folded(line) && !line.contains(&b':')) {
        return Err("rejected 550 5.7.1 end");
    }
    if lines().filter(|line| is_named(line, "Received")).count() > HOPS {
        return Err("rejected 500 5.4.6 end");
    }
    let mut out = Vec::with_capacity(text.len() + 100);
    let mut dropped = false;
    for line in lines() {
        dropped = if is_folded(line) { dropped } else { is_named(line, "Bcc") };
        if !dropped {
            out.extend_from_slice(line);
        }
    }
    if !lines().any(|line| is_named(line, "Date")) {
        out.extend_from_slice(DATE);
    }
    if !lines().any(|line| is_named(line, "Message-ID")) {
        out.extend_from_slice(MESSAGE_ID);
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn limits() -> Vec<String> {
    let mut contents = vec![
        "Subject: x\r\nno field\r\n\r\nbody\r\n".to_owned(),
        "not quite a field: x\r\n\r\nbody\r\n".to_owned(),
        "Bcc: bob@test.example,\r\n grace@example.net\r\nSubject: x\r\n\r\nBcc: body\r\n".to_owned(),
        "Message-ID: <1@example.org>\r\n\r\nDate: body\r\n".to_owned(),
        "Date: Thu, 01 Jan 2026 12:00:00 +0000\r\n\r\nbody\r\n".to_owned(),
    ];
    contents.extend(
        [LONGEST_LINE, LONGEST_LINE + 1]
            .map(|length| format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(length))),
    );
    contents.extend([HOPS, HOPS + 1].map(|hops| format!("{}\r\nbody\r\n", "Received: x\r\n".repeat(hops))));
    contents
}

fn is_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// Where the empty line is which ends the header; else the end.
fn header_end(text: &[u8]) -> usize {
    if text.starts_with(b"\n") {
        return 0;
    }
    text.windows(2).position(|pair| pair == b"\n\n").map_or(text.len(), |at| at + 1)
}

fn is_named(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        && line.get(name.len()) == Some(&b':')
}

/// The two fields at the end of the header, if they are OpenSMTPD's.
fn settled(stored: Vec<u8>) -> Vec<u8> {
    let (header, rest) = stored.split_at(header_end(&stored));
    let mut lines: Vec<&[u8]> = header.split_inclusive(|octet| *octet == b'\n').collect();
    let mut last = lines.len();
    if let Some(line) = lines.last_mut()
        && line.starts_with(b"Message-ID: <")
        && line.ends_with(b"@opensmtpd.test.example>\n")
    {
        *line = MESSAGE_ID;
        last -= 1;
    }
    if let Some(line) = last.checked_sub(1).and_then(|at| lines.get_mut(at))
        && line.starts_with(b"Date: ")
        && line.ends_with(b" (UTC)\n")
    {
        *line = DATE;
    }
    [lines.concat().as_slice(), rest].concat()
}
