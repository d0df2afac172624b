//! What is told about a message that was sent.

use std::{
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
    time::Duration,
};

use smtp_config::diagnostic::Diagnostics;
use smtp_proto::{
    Attempt, Error, Outcome, Report,
    address::{ForwardPath, ReversePath},
};

use crate::{
    cli::Format,
    exit::{Failure, Status},
    progress,
};

/// Why a message was given up.
const INTERRUPTED: &str = "interrupted";

pub(crate) mod json;
mod text;

pub(crate) use text::{BAD, GOOD, MIDDLING, printable, tls_words};

/// Everything that is told about one message.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) name: String,
    /// Octets of the source; `None` where it could not be read.
    pub(crate) size: Option<u64>,
    pub(crate) sender: Option<ReversePath>,
    /// The field the sender is from; `None`: the command line.
    pub(crate) sender_field: Option<&'static str>,
    /// The fields the recipients are from; empty: the command line.
    pub(crate) recipient_fields: Vec<&'static str>,
    pub(crate) report: Report,
    /// Where the embedded capture server put it.
    pub(crate) stored: Option<PathBuf>,
    pub(crate) elapsed: Duration,
    /// The source failed.
    pub(crate) failure: Option<Failure>,
    /// It was not taken before the program was interrupted.
    pub(crate) untried: bool,
}

impl Told {
    /// About an input that gave no message.
    pub(crate) const fn unread(name: String, report: Report, failure: Failure) -> Self {
        Self {
            name,
            size: None,
            sender: None,
            sender_field: None,
            recipient_fields: Vec::new(),
            report,
            stored: None,
            elapsed: Duration::ZERO,
            failure: Some(failure),
            untried: false,
        }
    }

    /// About a message that was not taken before the program was interrupted.
    pub(crate) const fn untried(name: String, report: Report) -> Self {
        Self {
            name,
            size: None,
            sender: None,
            sender_field: None,
            recipient_fields: Vec::new(),
            report,
            stored: None,
            elapsed: Duration::ZERO,
            failure: None,
            untried: true,
        }
    }

    /// The outcome in one word. Nothing is delivered where there is nobody to deliver to.
    fn outcome(&self) -> &'static str {
        match self.report.recipients.is_empty() {
            true if self.untried => Outcome::Deferred.name(),
            true => Outcome::Rejected.name(),
            false => self.report.outcome().name(),
        }
    }

    /// The attempt that counts, if a session came of it.
    fn session(&self) -> Option<&Attempt> {
        self.report.decisive_attempt().filter(|attempt| attempt.usable)
    }
}

/// An attempt's phase, as far as it came: a session that ended as it should came to its end.
fn phase(attempt: &Attempt) -> &'static str {
    if attempt.usable && attempt.error.is_none() { "quit" } else { attempt.phase.name() }
}

/// An error in words. Only an interruption cancels a delivery of this program.
fn words(error: &Error) -> String {
    if let Error::Cancelled = error { INTERRUPTED.to_owned() } else { error.full_text() }
}

/// A sender as the command line takes it: `a@example.org` or `<>`.
pub(crate) fn sender(path: &ReversePath) -> String {
    path.mailbox().map_or_else(|| "<>".to_owned(), ToString::to_string)
}

/// A recipient as the command line takes it.
pub(crate) fn recipient(path: &ForwardPath) -> String {
    match path {
        ForwardPath::Postmaster(name) => name.to_string(),
        ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
    }
}

/// Writes reports to standard output.
#[derive(Debug)]
pub(crate) struct Printer {
    format: Format,
    /// Whoever read the output has gone: there is nobody to tell, which is no reason to stop sending.
    closed: bool,
    printed: usize,
}

impl Printer {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format, closed: false, printed: 0 }
    }

    pub(crate) fn print(&mut self, told: &Told) -> Result<(), Failure> {
        if let Some(failure) = &told.failure {
            complain(failure);
        }
        let result = match self.format {
            Format::Json => {
                if let Some(path) = &told.stored {
                    say(format_args!("captured {}", printable(&path.display().to_string())));
                }
                beside_bar(|| json::write(&mut io::stdout().lock(), told))
            }
            Format::Text if told.untried => {
                say(format_args!("{MIDDLING}not tried:{MIDDLING:#} {}", printable(&told.name)));
                Ok(())
            }
            // Said already, on standard error.
            Format::Text if told.failure.is_some() && told.report.attempts.is_empty() => Ok(()),
            Format::Text => {
                let mut text = String::new();
                if self.printed > 0 {
                    text.push('\n');
                }
                self.printed += 1;
                text::write(&mut text, told);
                // One piece, so that the stream of colours is looked at once.
                beside_bar(|| anstream::stdout().lock().write_all(text.as_bytes()))
            }
        };
        self.settle(result)
    }

    /// Prints it where programs read; people are told in another way.
    pub(crate) fn print_for_programs(&mut self, told: &Told) -> Result<(), Failure> {
        if self.format == Format::Json { self.print(told) } else { Ok(()) }
    }

    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        let result = io::stdout().flush();
        self.settle(result)
    }

    fn settle(&mut self, result: io::Result<()>) -> Result<(), Failure> {
        match result {
            Ok(()) => Ok(()),
            Err(_) if self.closed => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::because(Status::Deferred, "standard output", &error)),
        }
    }
}

/// Writes to standard output. Only on a terminal is the bar in the way; elsewhere somebody who does not read must not hold up who writes to
/// standard error.
fn beside_bar<R>(write: impl FnOnce() -> R) -> R {
    if io::stdout().is_terminal() { progress::beside(write) } else { write() }
}

/// An error for the user, on standard error.
pub(crate) fn complain(failure: &Failure) {
    match failure.rendered() {
        Some(text) => say(format_args!("{}", text.trim_end_matches('\n'))),
        None => say(format_args!("{BAD}error:{BAD:#} {}", printable(&failure.to_string()))),
    }
}

/// What is wrong or doubtful about a configuration, on standard error.
pub(crate) fn diagnose(diagnostics: &Diagnostics) {
    if !diagnostics.is_empty() {
        // The stream takes the colours out where they are not wanted.
        say(format_args!("{}", diagnostics.render(true).trim_end_matches('\n')));
    }
}

/// A line on standard error. Where nobody reads that, there is nobody to tell.
pub(crate) fn say(text: std::fmt::Arguments<'_>) {
    let _ = progress::beside(|| writeln!(anstream::stderr().lock(), "{text}"));
}
