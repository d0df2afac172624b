//! The report for programs. Keys and their order are a contract.

use std::io::{self, Write};

use serde::Serialize;
use smtp_proto::{Attempt, Disposition, RecipientReport, TlsFacts};

use super::{Told, phase, recipient, words};

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
    size: Option<u64>,
    outcome: &'a str,
    target: Option<String>,
    tls: Option<Tls<'a>>,
    fell_back_to_plaintext: bool,
    recipients: Vec<Recipient>,
    attempts: Vec<Try>,
    round_trips: u32,
    elapsed_ms: u128,
}

#[derive(Serialize)]
pub(crate) struct Tls<'a> {
    version: &'a str,
    cipher: &'a str,
    group: Option<&'a str>,
    verified: bool,
}

#[derive(Serialize)]
struct Recipient {
    address: String,
    status: &'static str,
    phase: &'static str,
    code: u16,
    enhanced: String,
    text: String,
    local: bool,
}

#[derive(Serialize)]
struct Try {
    target: String,
    address: Option<String>,
    phase: &'static str,
    kind: &'static str,
    detail: String,
}

impl<'a> From<&'a TlsFacts> for Tls<'a> {
    fn from(facts: &'a TlsFacts) -> Self {
        Self {
            version: facts.version,
            cipher: &facts.cipher,
            group: facts.group.as_deref(),
            verified: facts.verified,
        }
    }
}

impl From<&RecipientReport> for Recipient {
    fn from(report: &RecipientReport) -> Self {
        let status = report.disposition.status();
        let phase = match &report.disposition {
            Disposition::Delivered(_) => smtp_proto::Phase::End,
            Disposition::Deferred(failure)
            | Disposition::Rejected(failure)
            | Disposition::Uncertain(failure) => failure.phase,
        };
        Self {
            address: recipient(&report.recipient.path),
            status: report.disposition.name(),
            phase: phase.name(),
            code: status.code.get(),
            enhanced: status.enhanced.to_string(),
            text: match report.disposition.failure() {
                Some(failure) if status.local => words(&failure.cause),
                _ => status.text,
            },
            local: status.local,
        }
    }
}

impl From<&Attempt> for Try {
    fn from(attempt: &Attempt) -> Self {
        let notices: Vec<_> = attempt.notices.iter().map(ToString::to_string).collect();
        Self {
            target: attempt.endpoint.to_string(),
            address: attempt.peer.as_ref().map(ToString::to_string),
            phase: phase(attempt),
            kind: attempt.kind().map_or("usable", smtp_proto::error::Kind::name),
            detail: attempt.error.as_ref().map_or_else(|| notices.join("; "), words),
        }
    }
}

/// One object, one line.
pub(super) fn write(out: &mut impl Write, told: &Told) -> io::Result<()> {
    let session = told.session();
    let message = Message {
        message: &told.name,
        size: told.size,
        outcome: told.outcome(),
        target: session.map(|attempt| attempt.endpoint.to_string()),
        tls: session.and_then(|attempt| attempt.tls.as_ref()).map(Tls::from),
        fell_back_to_plaintext: session.is_some_and(|attempt| attempt.fell_back_to_plaintext),
        recipients: told.report.recipients.iter().map(Recipient::from).collect(),
        attempts: told.report.attempts.iter().map(Try::from).collect(),
        round_trips: told.report.round_trips,
        elapsed_ms: told.elapsed.as_millis(),
    };
    let mut line = serde_json::to_vec(&message)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}
