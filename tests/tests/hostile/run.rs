//! Each case against both runtimes, and what must be true of all of them.

use std::{
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use smtp_proto::{
    Attempt, Config, Disposition, Endpoint, Envelope, Error, Failover, Phase, Plan, Report, Target,
    address::Mailbox,
    body::{Facts, LineBreaks, Scanner},
    config::TlsMode,
    error::{AuthError, Kind, TlsError},
    sasl::SaslError,
};

use crate::{
    WATCHDOG,
    case::{Case, PASSWORD, USER},
    healthy::{Taken, healthy},
    server::{Heard, hostile},
};

/// Cases at a time.
const AT_A_TIME: usize = 8;
/// Octets on the heap that a delivery may have at most, whatever the servers do: output (N40), the reply being read (N33), what the
/// server offers (N39), and TLS. At the worst of these servers 200 KiB are in use.
const HEAP: u64 = 320 * 1024;
/// The same for each recipient.
const HEAP_RECIPIENT: u64 = 1024;
/// What the report keeps of a server's words (N34), a recipient and an attempt.
const KEPT: i64 = 8 * 1024;

const SMALL: &[u8] = b"Subject: hostile\r\n\r\nbody\r\n";

/// More than the buffers between client and server hold, which are 4 MiB at most unless the system was told otherwise.
static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    line.repeat(8 * 1024)
});
/// What a look at it tells, taken once.
static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    let mut scanner = Scanner::new(LineBreaks::default());
    scanner.update(&LARGE).and_then(|()| scanner.finish()).expect("good content")
});

/// What came of a delivery: the report, and the octets on the heap at most, not counted what the test had before.
struct Sent {
    report: Report,
    peak: u64,
}

type Send = fn(Plan, Envelope, &'static [u8]) -> Result<Sent, String>;

/// A runtime: a name and how it sends.
const RUNTIMES: [(&str, Send); 2] = [("tokio", on_tokio), ("async-std", on_async_std)];

fn measured(send: impl FnOnce() -> Result<Report, String>) -> Result<Sent, String> {
    let mut sent = None;
    let heap = allocation_counter::measure(|| sent = Some(send()));
    let report = sent.ok_or("nothing was sent")??;
    Ok(Sent { report, peak: heap.bytes_max })
}

fn on_tokio(plan: Plan, envelope: Envelope, message: &'static [u8]) -> Result<Sent, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    measured(|| {
        let client = smtp_client_tokio::Client::new(plan);
        let message = smtp_client_tokio::Message::from_bytes(message);
        let sending = async { tokio::time::timeout(WATCHDOG, client.send(envelope, message)).await };
        let sent = runtime.block_on(sending).map_err(|_| format!("no report within {WATCHDOG:?}"))?;
        sent.map_err(|error| error.to_string())
    })
}

fn on_async_std(plan: Plan, envelope: Envelope, message: &'static [u8]) -> Result<Sent, String> {
    measured(|| {
        let client = smtp_client_async_std::Client::new(plan);
        let message = smtp_client_async_std::Message::from_bytes(message);
        let sending = async_std::future::timeout(WATCHDOG, client.send(envelope, message));
        let sent =
            async_std::task::block_on(sending).map_err(|_| format!("no report within {WATCHDOG:?}"))?;
        sent.map_err(|error| error.to_string())
    })
}

/// Plays a table. Every failure is told.
pub(crate) fn play(table: &str, cases: &[Case]) {
    let wanted = std::env::var("HOSTILE").unwrap_or_default();
    let mut runs = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&wanted)) {
        for (runtime, send) in RUNTIMES {
            for failover in [Failover::UntilDecided, Failover::UntilUsable] {
                runs.push((case, runtime, send, failover));
            }
        }
    }
    let (began, next) = (Instant::now(), AtomicUsize::new(0));
    let (failures, most) = (Mutex::new(Vec::new()), Mutex::new((0, String::new())));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((case, runtime, send, failover)) =
                    runs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let (peak, amiss) = one(case, *send, *failover);
                    if let Some(amiss) = amiss {
                        let failure = format!("{} ({runtime}, {failover:?}):{amiss}", case.name);
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                    }
                    let mut most = most.lock().unwrap_or_else(PoisonError::into_inner);
                    if peak > most.0 {
                        *most = (peak, case.name.clone());
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (peak, worst) = most.into_inner().unwrap_or_else(PoisonError::into_inner);
    eprintln!(
        "{table}: {} servers, {} deliveries, {} wrong, {:?}, at most {} KiB on the heap ({worst})",
        cases.len(),
        runs.len(),
        failures.len(),
        began.elapsed(),
        peak / 1024,
    );
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// One delivery: the heap it took at most, and what was wrong.
fn one(case: &Case, send: Send, failover: Failover) -> (u64, Option<String>) {
    let (hostile, healthy) = (hostile(&case.scripts), healthy());
    let scheme = if case.config.security.mode == TlsMode::Implicit { "tls" } else { "tcp" };
    let endpoint = |text: String| text.parse::<Endpoint>().expect("an endpoint");
    let first = endpoint(format!("{scheme}://{}", hostile.address));
    let second = endpoint(format!("tcp://{}", healthy.address));
    let mut plan = Plan::new([first], &case.config).expect("a plan").with_failover(failover).with_reuse(None);
    plan.total_timeout = case.total;
    // The same but for TLS and secrets, which are not what it is for.
    let mut config = Config::new(case.config.client_name.clone());
    config.protocol = case.config.protocol;
    plan.targets.push(Target::new(second, config).expect("a target"));

    let mailbox = |text: String| text.parse::<Mailbox>().expect("a mailbox");
    let recipients = (0..case.recipients).map(|number| mailbox(format!("r{number}@example.net")).into());
    let mut envelope = Envelope::new(mailbox("alice@example.org".to_owned()).into(), recipients.collect());
    let message = if case.large { LARGE.as_slice() } else { SMALL };
    envelope.sender.content = case.large.then(|| *FACTS);

    let sent = send(plan, envelope, message);
    let (sessions, taken) = (hostile.finish(), healthy.finish());
    let sent = match sent {
        Ok(sent) => sent,
        Err(amiss) => return (0, Some(format!("\n    {amiss}"))),
    };
    let mut amiss = outcomes(case, &sent.report, &taken, failover, message.len());
    amiss.extend(dialogue(case, &sent.report, &sessions));
    amiss.extend(secrets(&sessions, &taken));
    let shown = |said: &[u8]| said.get(..said.len().min(600)).unwrap_or_default().escape_ascii().to_string();
    let said = sessions.iter().map(|session| format!("  said: {}", shown(&session.said)));
    let errors = sent.report.attempts.iter().filter_map(|attempt| attempt.error.as_ref());
    let told: Vec<String> =
        said.chain(errors.map(|error| format!("  error: {}", error.full_text()))).collect();
    let peak = sent.peak;
    amiss.extend(bounds(case, sent));
    if amiss.is_empty() {
        return (peak, None);
    }
    (peak, Some([amiss, told].concat().iter().map(|line| format!("\n    {line}")).collect()))
}

/// Class and phase of what ended each attempt at the hostile server.
fn attempts(report: &Report) -> String {
    let told =
        report.attempts.iter().filter(|attempt| attempt.target == 0).map(|attempt| match attempt.kind() {
            Some(kind) => format!("{} {}", kind.name(), attempt.phase),
            None => "ok".to_owned(),
        });
    told.collect::<Vec<_>>().join(", ")
}

/// Laws 2, 5 and 9: who ended how, and who was offered to the healthy server.
fn outcomes(case: &Case, report: &Report, taken: &[Taken], failover: Failover, octets: usize) -> Vec<String> {
    let mut amiss = Vec::new();
    let mut must = |what: &str, is: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
        let (is, expected) = (format!("{is:?}"), format!("{expected:?}"));
        if is != expected {
            amiss.push(format!("{what}: {is}, expected {expected}"));
        }
    };
    let told = attempts(report);
    let expected = case.attempts.split('|').find(|expected| *expected == told).unwrap_or(&case.attempts);
    must("attempts", &told, &expected);
    let last = report.attempts.iter().rfind(|attempt| attempt.target == 0);
    let moves = failover == Failover::UntilDecided || last.is_some_and(moves_on);
    let fates: Vec<&str> = match case.fates.split_once('*') {
        Some((fate, _)) => vec![fate; case.recipients],
        None => case.fates.split_whitespace().collect(),
    };
    let mut offered = Vec::new();
    let mut expected = Vec::new();
    for (number, fate) in fates.iter().enumerate() {
        expected.push(match *fate {
            "deferred" if moves => {
                offered.push(format!("<r{number}@example.net>"));
                "delivered by another"
            }
            "kept" => "deferred",
            fate => fate,
        });
    }
    let told: Vec<&str> = report
        .recipients
        .iter()
        .map(|one| {
            let by = one.attempt.and_then(|attempt| report.attempts.get(attempt)).map_or(0, |by| by.target);
            match (&one.disposition, by) {
                (Disposition::Delivered(_), 1) => "delivered by another",
                (disposition, _) => disposition.name(),
            }
        })
        .collect();
    must("recipients", &told, &expected);
    let (sessions, octets) = if offered.is_empty() { (0, 0) } else { (1, octets) };
    must("connections to the healthy server", &taken.len(), &sessions);
    must("offered to it", &taken.iter().flat_map(|taken| &taken.recipients).collect::<Vec<_>>(), &offered);
    must("octets it took", &taken.iter().map(|taken| taken.octets).sum::<usize>(), &octets);
    amiss
}

/// Whether the plan's default moves on: where the server never was usable, and the secret was not refused by it.
fn moves_on(attempt: &Attempt) -> bool {
    match &attempt.error {
        Some(Error::Auth(AuthError::Sasl(SaslError::NotConfidential(_)))) => true,
        Some(_) => !attempt.usable && attempt.phase != Phase::Auth,
        None => false,
    }
}

/// What the client said to the hostile server, and what it did not.
fn dialogue(case: &Case, report: &Report, sessions: &[Heard]) -> Vec<String> {
    let mut amiss: Vec<String> = sessions.iter().filter_map(|session| session.amiss.clone()).collect();
    if sessions.len() != case.scripts.len() {
        amiss.push(format!("{} connections, expected {}", sessions.len(), case.scripts.len()));
    }
    let contains = |said: &[u8], text: &[u8]| said.windows(text.len()).any(|some| some == text);
    for text in &case.never {
        let text = smtp_testkit::server::unescape(text);
        if sessions.iter().any(|session| contains(&session.said, &text)) {
            amiss.push(format!("the client said {}", text.escape_ascii()));
        }
    }
    let ended = report.attempts.iter().filter(|attempt| attempt.target == 0);
    for (attempt, session) in ended.zip(sessions) {
        let kind = attempt.kind();
        // R54: content that did not end well ends without end mark.
        if attempt.phase == Phase::Body && session.end_mark {
            amiss.push("an end mark behind content that was broken off".to_owned());
        }
        // Law 10: after an error of security or protocol not a word.
        let wordless = matches!(kind, Some(Kind::Protocol | Kind::Timeout | Kind::Network | Kind::Tls));
        let in_step = matches!(&attempt.error, Some(Error::Tls(TlsError::NotOffered)));
        let allowed: &[&[u8]] = if wordless && !in_step { &[b""] } else { &[b"", b"QUIT\r\n"] };
        // Its last words may be an alert, or a ClientHello that nobody read; what stands in those is not SMTP.
        let record = matches!(session.tail.as_slice(), [0x15 | 0x16, 3, ..]);
        let tls = record && (kind == Some(Kind::Tls) || attempt.phase == Phase::StartTls);
        if !case.any_tail && !tls && !allowed.contains(&session.tail.as_slice()) {
            amiss.push(format!("last words: {}", session.tail.escape_ascii()));
        }
        // Server text forges no line of a log, and is not kept at length (R44, N34).
        let text = attempt.error.as_ref().map(Error::full_text).unwrap_or_default();
        if text.chars().any(char::is_control) || text.len() > 4096 {
            amiss.push(format!("an error's text: {}", text.escape_debug()));
        }
        if case.text.as_ref().is_some_and(|expected| !text.contains(expected.as_str())) {
            amiss.push(format!("an error that does not tell {:?}", case.text));
        }
    }
    for status in report.recipients.iter().map(|one| one.disposition.status()) {
        // Its lines are divided by LF, as the server's were.
        let control = |character: char| character.is_control() && character != '\n';
        if status.text.chars().any(control) || status.text.len() > 4096 {
            amiss.push(format!("a status's text: {}", status.text.escape_debug()));
        }
    }
    amiss
}

/// Law 4, D4: the password passed no wire in clear, to nobody, in no form that PLAIN or LOGIN gives it.
fn secrets(sessions: &[Heard], taken: &[Taken]) -> Vec<String> {
    let forms = [
        PASSWORD.as_bytes().to_vec(),
        STANDARD.encode(PASSWORD).into_bytes(),
        STANDARD.encode(format!("\0{USER}\0{PASSWORD}")).into_bytes(),
    ];
    let wires = sessions.iter().map(|session| &session.wire).chain(taken.iter().map(|taken| &taken.said));
    let shown = wires.filter(|wire| {
        forms.iter().any(|form| wire.windows(form.len()).any(|octets| octets == form.as_slice()))
    });
    shown.map(|_| "the password passed a wire in clear".to_owned()).collect()
}

/// Law 6, N30-N41.
fn bounds(case: &Case, sent: Sent) -> Vec<String> {
    let attempts = sent.report.attempts.len();
    let mut amiss = Vec::new();
    let recipients = case.recipients as u64;
    let bound = HEAP + recipients * HEAP_RECIPIENT;
    if sent.peak > bound {
        amiss.push(format!("{} octets on the heap, {bound} allowed", sent.peak));
    }
    // What is given back when it goes is what it kept.
    let kept = -allocation_counter::measure(|| drop(sent.report)).bytes_current;
    let bound = KEPT * (case.recipients + attempts) as i64;
    if kept > bound {
        amiss.push(format!("the report keeps {kept} octets, {bound} allowed"));
    }
    amiss
}
