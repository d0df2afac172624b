//! What is told about a message that was sent.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use smtp_proto::{
    Attempt, Report,
    address::{ForwardPath, ReversePath},
};

use crate::{
    cli::Format,
    exit::{Failure, Status},
};

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
    pub(crate) stored: Vec<PathBuf>,
    pub(crate) elapsed: Duration,
    /// The source failed.
    pub(crate) failure: Option<Failure>,
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
            stored: Vec::new(),
            elapsed: Duration::ZERO,
            failure: Some(failure),
        }
    }

    /// The outcome in one word. Nothing is delivered where there is nobody to deliver to.
    fn outcome(&self) -> &'static str {
        if self.report.recipients.is_empty() { "rejected" } else { self.report.outcome().name() }
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
                for path in &told.stored {
                    say(format_args!("captured {}", printable(&path.display().to_string())));
                }
                json::write(&mut io::stdout().lock(), told)
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
                anstream::stdout().lock().write_all(text.as_bytes())
            }
        };
        self.settle(result)
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

/// An error for the user, on standard error.
pub(crate) fn complain(failure: &Failure) {
    say(format_args!("{BAD}error:{BAD:#} {}", printable(&failure.to_string())));
}

/// A line on standard error. Where nobody reads that, there is nobody to tell.
pub(crate) fn say(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
