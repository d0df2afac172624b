//! What is wrong with a configuration, said so that it can be put right.

use std::{ops::Range, path::PathBuf, sync::Arc};

/// A file that was read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Source {
    /// As it was named.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Span {
    /// The file.
    pub source: Arc<Source>,
    /// Octets of its text.
    pub range: Range<usize>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, but perhaps not as meant.
    Warning,
    /// Cannot be used.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line, without a full stop.
    pub message: String,
    /// Where; `None`: nowhere in particular.
    pub span: Option<Span>,
    /// What is said beside the caret.
    pub label: Option<String>,
    /// Other places that have to do with it ("first set here", "imported here").
    pub related: Vec<(Span, String)>,
    /// What to do instead, valid alternatives, "did you mean".
    pub help: Option<String>,
}
