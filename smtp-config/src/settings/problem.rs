//! What is wrong with settings, by directive: whoever has the text knows where that is.

use std::{fmt, path::PathBuf};

use crate::diagnostic::Severity;

/// One thing that is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The directive at fault, such as `targets` or `tls_client.root_ca`.
    pub directive: &'static str,
    /// Which of its values, from 0; `None`: the directive, or that it is missing.
    pub value: Option<usize>,
    /// The file at fault.
    pub file: Option<PathBuf>,
    /// What is wrong, in one line. Never with a secret, a user name or a path.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
}

impl Problem {
    pub(crate) fn error(directive: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            directive,
            value: None,
            file: None,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn warning(directive: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(directive, message) }
    }

    pub(crate) fn at(self, value: usize) -> Self {
        Self { value: Some(value), ..self }
    }

    pub(crate) fn in_file(self, file: impl Into<PathBuf>) -> Self {
        Self { file: Some(file.into()), ..self }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Whether nothing can come of the settings.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.directive)?;
        if let Some(file) = &self.file {
            write!(f, "{file:?}: ")?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl std::error::Error for Problem {}

/// Everything that is wrong with settings, warnings included; at least one error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self.0.iter().filter(|problem| problem.is_error());
        if let Some(first) = errors.next() {
            first.fmt(f)?;
        }
        errors.try_for_each(|problem| write!(f, "; {problem}"))
    }
}

impl std::error::Error for Problems {}

/// An error with its sources, in one line.
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
