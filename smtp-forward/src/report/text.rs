//! The report for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use smtp_proto::{
    Attempt, Disposition, Error, PeerError, RecipientReport, TlsFacts,
    error::{AuthError, TlsError},
};

use super::{Told, phase, recipient, sender, words};
use crate::durations;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const MIDDLING: Style = AnsiColor::Yellow.on_default().bold();
const FAINT: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// Text from outside on one line: controls are escaped, so that it can forge nothing on a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// `TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768, certificate verified`
pub(crate) fn tls_words(tls: &TlsFacts) -> String {
    let mut words = vec![tls.version, tls.cipher.as_str()];
    words.extend(tls.group.as_deref());
    words.push(if tls.verified { "certificate verified" } else { "certificate not verified" });
    words.join(", ")
}

/// Appends the report on one message.
pub(super) fn write(out: &mut String, told: &Told) {
    let name = if told.name == "-" { "standard input" } else { &told.name };
    let size = told.size.map(|size| format!(" ({})", octets(size))).unwrap_or_default();
    line(out, format_args!("{}{}", styled(STRONG, &printable(name)), styled(FAINT, &size)));
    if let Some(path) = &told.sender {
        let from =
            told.sender_field.map(|field| format!(" (from the message's {field})")).unwrap_or_default();
        line(out, format_args!("  from    {}{}", printable(&sender(path)), styled(FAINT, &from)));
    }
    if !told.recipient_fields.is_empty() {
        let count = told.report.recipients.len();
        let mut fields = told.recipient_fields.join(", ");
        if told.recipient_fields.contains(&"Bcc") {
            // The message is sent as it is: whoever gets it can read this.
            fields.push_str("; Bcc stays in the message");
        }
        let plural = if count == 1 { "" } else { "s" };
        line(
            out,
            format_args!(
                "  to      {count} recipient{plural}{}",
                styled(FAINT, &format!(" (from the message's {fields})"))
            ),
        );
    }
    for (at, attempt) in told.report.attempts.iter().enumerate() {
        write_attempt(out, attempt, told.report.attempts.get(at + 1));
    }
    if let Some(path) = &told.stored {
        line(out, format_args!("  stored  {}", printable(&path.display().to_string())));
    }
    for report in &told.report.recipients {
        write_recipient(out, report);
    }
    write_sum(out, told);
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn write_attempt(out: &mut String, attempt: &Attempt, next: Option<&Attempt>) {
    let address = attempt
        .peer
        .as_ref()
        .map(ToString::to_string)
        .filter(|peer| !attempt.endpoint.to_string().ends_with(peer));
    let address = address.map(|address| styled(FAINT, &format!(" ({address})"))).unwrap_or_default();
    let target = format!("{}{address}", attempt.endpoint);
    if attempt.usable {
        line(out, format_args!("  via     {target}"));
        match &attempt.tls {
            Some(tls) => {
                let how = if matches!(attempt.endpoint, smtp_proto::Endpoint::Tls { .. }) {
                    "TLS"
                } else {
                    "STARTTLS"
                };
                line(out, format_args!("  secured {}", styled(GOOD, &format!("{how}: {}", tls_words(tls)))));
            }
            None if attempt.fell_back_to_plaintext => {
                line(
                    out,
                    format_args!("  {}", styled(MIDDLING, "in plaintext, because TLS failed or was refused")),
                );
            }
            None => line(out, format_args!("  {}", styled(FAINT, "in plaintext"))),
        }
    } else {
        line(out, format_args!("  tried   {target}"));
    }
    for notice in &attempt.notices {
        line(out, format_args!("          {}", styled(MIDDLING, &one_line(&notice.to_string()))));
    }
    if let Some(error) = &attempt.error {
        let phase = phase(attempt);
        // `tls, tls` says no more than `tls`.
        let kind = attempt.kind().map(smtp_proto::error::Kind::name).filter(|kind| *kind != phase);
        let place = kind.map_or_else(|| phase.to_owned(), |kind| format!("{kind}, {phase}"));
        let text = format!("{place}: {}", one_line(&words(error)));
        line(out, format_args!("          {}", styled(MIDDLING, &text)));
        if next.is_some_and(|next| next.target == attempt.target && next.fell_back_to_plaintext) {
            line(out, format_args!("          {}", styled(MIDDLING, "trying once more without TLS")));
        }
    }
}

fn write_recipient(out: &mut String, report: &RecipientReport) {
    let (style, mark) = match report.disposition {
        Disposition::Delivered(_) => (GOOD, "✓"),
        Disposition::Deferred(_) => (MIDDLING, "…"),
        Disposition::Rejected(_) => (BAD, "✗"),
        Disposition::Uncertain(_) => (MIDDLING, "?"),
    };
    let status = report.disposition.status();
    let word = format!("{mark} {:<9}", report.disposition.name());
    let code = match status.synthetic {
        true => status.code.to_string(),
        false => format!("{} {}", status.code, status.enhanced),
    };
    let place =
        report.disposition.failure().map(|failure| format!(" [{}]", failure.phase)).unwrap_or_default();
    // What an attempt's line has just said need not be said for everybody.
    let cause = report.disposition.failure().filter(|_| report.attempt.is_some()).map(|it| &it.cause);
    let text = match cause {
        Some(Error::Resolve { .. }) => "the name could not be resolved".to_owned(),
        Some(Error::Tls(TlsError::Failed(_))) => "TLS failed".to_owned(),
        Some(Error::Auth(AuthError::Refused { forwarded: false, .. })) => {
            "the server refused the credentials".to_owned()
        }
        Some(
            cause @ (Error::Lost { .. }
            | Error::Timeout(_)
            | Error::Deadline(_)
            | Error::Peer(PeerError::Malformed(_))),
        ) => cause.to_string(),
        Some(cause @ Error::Cancelled) => words(cause),
        _ => status.text,
    };
    line(
        out,
        format_args!(
            "  {} {}  {}",
            styled(style, &word),
            printable(&recipient(&report.recipient.path)),
            styled(FAINT, &format!("{code} {}{place}", one_line(&text)))
        ),
    );
}

fn write_sum(out: &mut String, told: &Told) {
    let all = told.report.recipients.len();
    let delivered = told
        .report
        .recipients
        .iter()
        .filter(|report| matches!(report.disposition, Disposition::Delivered(_)))
        .count();
    let style = match told.outcome() {
        "delivered" => GOOD,
        "rejected" => BAD,
        _ => MIDDLING,
    };
    let trips = match told.report.round_trips {
        0 => String::new(),
        1 => ", 1 round trip".to_owned(),
        trips => format!(", {trips} round trips"),
    };
    let sum = format!("{}: {delivered} of {all} delivered", told.outcome());
    line(out, format_args!("{} in {}{trips}", styled(style, &sum), durations::human(told.elapsed)));
}

/// Several lines of a reply on one.
fn one_line(text: &str) -> String {
    printable(&text.replace('\n', " / "))
}

fn octets(count: u64) -> String {
    match count {
        1 => "1 octet".to_owned(),
        0..10_240 => format!("{count} octets"),
        10_240..10_485_760 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / (1024 * 1024)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        assert_eq!(printable("a\r\nb\x1b[2Jc\u{202e}d"), "a\\r\\nb\\u{1b}[2Jc\\u{202e}d");
        assert_eq!(printable("grün"), "grün");
    }
}
