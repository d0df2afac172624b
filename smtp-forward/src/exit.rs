//! How the program ends.

use std::{fmt, process::ExitCode};

use smtp_config::diagnostic::Diagnostics;
use smtp_proto::{
    Disposition, Error, Report,
    error::{Kind, Unsendable},
};

/// The exit statuses, weakest first: where several apply, the greatest is the one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// Every recipient of every message was delivered.
    #[default]
    Success,
    /// Some recipient was deferred or is uncertain.
    Deferred,
    /// Some recipient was rejected; or no target is usable.
    Rejected,
    /// Every target broke the protocol.
    Protocol,
    /// Authentication or TLS policy refused.
    Policy,
    /// A message is unreadable, or cannot be sent as it is.
    Unsendable,
    /// An input was not found.
    NotFound,
    /// The command line makes no sense.
    Usage,
    /// The configuration, or another file that the command line names, makes no sense.
    Config,
}

impl Status {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Deferred => 75,
            Self::Rejected => 69,
            Self::Protocol => 76,
            Self::Policy => 77,
            Self::Unsendable => 65,
            Self::NotFound => 66,
            Self::Usage => 64,
            Self::Config => 78,
        }
    }

    /// Of one message.
    pub(crate) fn of(report: &Report) -> Self {
        let sessions = Self::of_sessions(report);
        report
            .recipients
            .iter()
            .map(|recipient| match &recipient.disposition {
                Disposition::Delivered(_) => Self::Success,
                Disposition::Rejected(failure) => {
                    Self::of_cause(&failure.cause).unwrap_or(Self::Rejected).max(sessions)
                }
                Disposition::Deferred(failure) => {
                    Self::of_cause(&failure.cause).unwrap_or(Self::Deferred).max(sessions)
                }
                // The content was handed over: whatever ended the session then was no refusal.
                Disposition::Uncertain(_) => Self::Deferred,
            })
            .max()
            .unwrap_or_default()
    }

    /// What the fate of one recipient says beyond deferred and rejected.
    fn of_cause(cause: &Error) -> Option<Self> {
        match cause {
            Error::Unsendable(Unsendable::RequireTls { .. }) => Some(Self::Policy),
            // The server's limit for one transaction says nothing about the message.
            Error::Unsendable(Unsendable::TooManyRecipients { .. }) => None,
            Error::Unsendable(_) | Error::Source { .. } => Some(Self::Unsendable),
            Error::Tls(_) | Error::Auth(_) => Some(Self::Policy),
            _ => None,
        }
    }

    /// What the attempts say where none of them came to a transaction.
    fn of_sessions(report: &Report) -> Self {
        let attempts = &report.attempts;
        if !attempts.is_empty() && attempts.iter().all(|attempt| attempt.kind() == Some(Kind::Protocol)) {
            return Self::Protocol;
        }
        if attempts.iter().any(|attempt| attempt.usable) {
            return Self::Success;
        }
        let refused_by_policy = attempts.iter().enumerate().any(|(at, attempt)| {
            let retried = attempts
                .get(at + 1)
                .is_some_and(|next| next.target == attempt.target && next.fell_back_to_plaintext);
            matches!(attempt.error, Some(Error::Tls(_) | Error::Auth(_))) && !retried
        });
        if refused_by_policy { Self::Policy } else { Self::Success }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        status.code().into()
    }
}

/// What ends the whole run, or spoils one input: a status and a line for the user, or all that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Line(String),
    /// Lines with colours.
    Rendered(String),
}

impl Failure {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, said: Said::Line(message.into()) }
    }

    /// A configuration that cannot be used.
    pub(crate) fn diagnosed(diagnostics: &Diagnostics) -> Self {
        Self { status: Status::Config, said: Said::Rendered(diagnostics.render(true)) }
    }

    /// All that is wrong with the configuration, with colours, if that is what it is about.
    pub(crate) fn rendered(&self) -> Option<&str> {
        match &self.said {
            Said::Line(_) => None,
            Said::Rendered(text) => Some(text),
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Status::Usage, message)
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(Status::Config, message)
    }

    /// With the messages of the error's causes.
    pub(crate) fn because(status: Status, what: impl fmt::Display, error: &dyn std::error::Error) -> Self {
        Self::new(status, format!("{what}: {}", chain(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said {
            Said::Line(text) | Said::Rendered(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}

/// An error with its causes, one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_several_apply_the_first_of_the_order_is_taken() {
        // CLI: 78, 64, 66, 65, 77, 76, 69, 75
        use Status::{Config, Deferred, NotFound, Policy, Protocol, Rejected, Success, Unsendable, Usage};
        let order = [Config, Usage, NotFound, Unsendable, Policy, Protocol, Rejected, Deferred, Success];
        assert_eq!(order.map(Status::code), [78, 64, 66, 65, 77, 76, 69, 75, 0]);
        assert!(order.is_sorted_by(|a, b| a > b));
    }
}
