//! Against Exim.

use smtp_proto::sasl::Mechanism;

use crate::{
    Sections,
    host::Host,
    mail::{is_field, lf},
    matrix::{Server, unchanged},
    way::{Way, rfc3848},
};

const SERVER: Server = Server {
    ways: &[Way::Plain, Way::StartTls, Way::Implicit],
    mechanisms: &[Mechanism::Plain, Mechanism::Login],
    recipients: &[
        ("nobody@test.example", "rejected 550 5.1.1 rcpt"),
        ("alice@test.example", "delivered 250 2.0.0"),
        ("blocked@test.example", "rejected 550 5.7.1 rcpt"),
        ("deferred@test.example", "deferred 450 4.2.0 rcpt"),
        ("bob+tag@test.example", "delivered 250 2.0.0"),
        ("full@test.example", "deferred 452 4.2.2 rcpt"),
        ("grace@example.net", "delivered 250 2.0.0"),
    ],
    elsewhere: Some(("x@elsewhere.example", "rejected 554 5.7.1 rcpt")),
    senders: &[
        ("refused@example.org", "rejected 550 5.7.1 mail"),
        ("later@example.org", "deferred 451 4.7.1 mail"),
    ],
    wrong_password: "535 Incorrect authentication data",
    too_large: Some("rejected 552 5.0.0"),
    content_refused: Some("rejected 550 5.7.1 end"),
    smtputf8: true,
    with: rfc3848,
    copies: 1,
    stores,
    limits: || vec!["Subject: x\r\nno field\r\n\r\nbody\r\n".to_owned()],
    settled: unchanged,
};

pub(crate) fn run(host: &Host) {
    let mut sections = Sections::new(host);
    SERVER.run(&mut sections, host);
    sections.end();
}

/// What Exim stores of a content with CRLF line ends: a header, an empty line, a body, and so an empty line where there was none.
#[expect(clippy::unnecessary_wraps, reason = "other servers refuse some")]
fn stores(content: &[u8]) -> Result<Vec<u8>, &'static str> {
    let text = lf(content);
    let mut header = 0;
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        if line == b"\n" {
            return Ok(text);
        }
        let continuation = header > 0 && matches!(line[0], b' ' | b'\t');
        if !continuation && !is_field(line) {
            break;
        }
        header += line.len();
    }
    Ok([&text[..header], b"\n", &text[header..]].concat())
}
