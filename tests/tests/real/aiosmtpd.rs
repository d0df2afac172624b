//! Against aiosmtpd's SMTP and LMTP classes.

use smtp_proto::sasl::Mechanism;

use crate::{
    Sections,
    host::Host,
    matrix::{Server, unchanged},
    way::{Way, rfc3848},
};

const SMTP: Server = Server {
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
    wrong_password: "535 5.7.8 Authentication credentials invalid",
    too_large: Some("rejected 552 5.0.0"),
    content_refused: Some("rejected 550 5.7.1 end"),
    smtputf8: true,
    with: rfc3848,
    copies: 1,
    stores,
    limits: || [999, 1000].map(|length| format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(length))).to_vec(),
    settled: unchanged,
};

const LMTP: Server = Server {
    ways: &[Way::Lmtp, Way::LmtpStartTls, Way::LmtpSocket],
    mechanisms: &[],
    recipients: &[
        ("nobody@test.example", "rejected 550 5.1.1 rcpt"),
        ("alice@test.example", "delivered 250 2.0.0"),
        ("full@test.example", "rejected 552 5.2.2 end"),
        ("blocked@test.example", "rejected 550 5.7.1 rcpt"),
        ("fulltemp@test.example", "deferred 452 4.2.2 end"),
        ("bob+tag@test.example", "delivered 250 2.0.0"),
        ("grace@example.net", "delivered 250 2.0.0"),
    ],
    too_large: None,
    // One reply for all recipients there, where LMTP has one for each: the client would wait for the others.
    limits: Vec::new,
    ..SMTP
};

pub(crate) fn run(host: &Host) {
    let mut sections = Sections::new(host);
    SMTP.run(&mut sections, host);
    LMTP.run(&mut sections, host);
    sections.end();
}

/// Nothing is changed, line ends are CRLF still; a line of more than 999 characters is refused with all that it is in.
fn stores(content: &[u8]) -> Result<Vec<u8>, &'static str> {
    if content.split_inclusive(|octet| *octet == b'\n').any(|line| line.len() > 1001) {
        return Err("rejected 500 5.0.0 end");
    }
    Ok(content.to_vec())
}
