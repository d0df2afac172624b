//! What is wrong with a configuration, said so that it can be put right.
//!
//! A [`Diagnostic`] says what, where and what to do instead; [`Diagnostics`] is all of them, as one error. Each is
//! printed as `FILE:LINE:COL: error: REASON`, then the line of the file with a caret under the place, then other
//! places that have to do with it, each as `FILE:LINE:COL: note: WHY`.
//!
//! The text shown is the file's own: the value of an environment variable is in no file, so it is in no diagnostic.

mod private;
mod render;

use std::{
    fmt,
    ops::Range,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// Diagnostics that are kept; the others are counted.
const MAX_KEPT: usize = 100;

/// Characters of a word beyond which it resembles nothing, and is cut in a message.
const MAX_RESEMBLING: usize = 64;

/// Candidates among which one is looked for that a word resembles.
const MAX_CANDIDATES: usize = 300;

/// A file that was read.
#[non_exhaustive]
pub struct Source {
    /// As it was named.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The `import` that first asked for it.
    pub imported: Option<Span>,
    /// Where its lines start; made when somebody asks.
    lines: OnceLock<Vec<usize>>,
    /// What of its text is shown to nobody; likewise.
    private: OnceLock<Vec<Range<usize>>>,
}

impl Source {
    /// A file that nobody imports.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            imported: None,
            lines: OnceLock::new(),
            private: OnceLock::new(),
        }
    }

    /// A file that is imported `by` this place.
    #[must_use]
    pub fn imported(mut self, by: Span) -> Self {
        self.imported = Some(by);
        self
    }

    /// Whether one of these octets may be a part of a user or a password.
    fn is_private(&self, octets: &Range<usize>) -> bool {
        let ranges = self.private.get_or_init(|| private::ranges(&self.text));
        let before = ranges.partition_point(|range| range.start < octets.end);
        before.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|range| octets.start < range.end)
    }

    /// The line that holds this octet, from 1, and the octet at which that line starts.
    fn line_of(&self, octet: usize) -> (usize, usize) {
        let lines = self.lines.get_or_init(|| {
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect()
        });
        let line = lines.partition_point(|start| *start <= octet);
        (line.max(1), line.checked_sub(1).and_then(|at| lines.get(at)).copied().unwrap_or(0))
    }
}

/// The name only: the text may be long, and private.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A place in a file.
#[derive(Clone)]
#[non_exhaustive]
pub struct Span {
    /// The file.
    pub source: Arc<Source>,
    /// Octets of its text.
    pub range: Range<usize>,
}

impl Span {
    /// These octets of `source`'s text.
    pub fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        Self { source: Arc::clone(source), range }
    }

    /// The line on which it starts, from 1.
    pub fn line(&self) -> usize {
        self.source.line_of(self.range.start).0
    }

    /// The column at which it starts, from 1, in characters.
    pub fn column(&self) -> usize {
        let (_, start) = self.source.line_of(self.range.start);
        self.source.text.get(start..self.range.start).map_or(0, |before| before.chars().count()) + 1
    }

    /// The text as written there; empty if the octets are not in the file.
    pub fn text(&self) -> &str {
        self.source.text.get(self.range.clone()).unwrap_or_default()
    }

    /// As messages quote it, and whether that is all of it: of a long one, how it begins.
    fn quoted(&self) -> [(String, bool); 4] {
        let head = beginning(self.text(), 2 * MAX_RESEMBLING);
        let written = head.trim_matches('"').replace("\\\"", "\"");
        let debug = |word: &str| {
            let begins = beginning(word, MAX_RESEMBLING);
            let is_whole = begins.len() == word.len();
            let form = format!("{begins:?}");
            (if is_whole { form } else { form.trim_end_matches('"').to_owned() }, is_whole)
        };
        [(quote(head), true), debug(head), (quote(&written), true), debug(&written)]
    }

    /// Whether it may hold a user or a password: what `auth` is told.
    pub(crate) fn is_private(&self) -> bool {
        self.source.is_private(&self.range)
    }

    /// The same place of the same reading of a file.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.range == other.range
    }
}

/// `FILE:LINE:COL`; a file of which nothing could be read has no lines. Controls in the name are made visible.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = render::visible(&self.source.path.to_string_lossy());
        match self.source.text.is_empty() {
            true => f.write_str(&path),
            false => write!(f, "{path}:{}:{}", self.line(), self.column()),
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Span({self})")
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl Diagnostic {
    /// Something that cannot be used: one line, without a full stop.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// Something that works, but perhaps not as meant: one line, without a full stop.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        Self { severity, message, span: None, label: None, related: Vec::new(), help: None }
    }

    /// Where.
    #[must_use]
    pub fn at(mut self, span: &Span) -> Self {
        self.span = Some(span.clone());
        self
    }

    /// What is said beside the caret; it does not repeat the message.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Another place that has to do with it, and why.
    #[must_use]
    pub fn related(mut self, span: &Span, why: impl Into<String>) -> Self {
        self.related.push((span.clone(), why.into()));
        self
    }

    /// What to do instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Without the words it quotes from a place that is private: by quotes that are wrong, what `auth` is told may be taken for anything.
    fn concealed(mut self) -> Self {
        let places = self.span.iter().chain(self.related.iter().map(|(span, _)| span));
        let mut forms: Vec<_> = places.filter(|span| span.is_private()).flat_map(Span::quoted).collect();
        // A brace or nothing at all tells nothing, and a help may mean another one.
        forms.retain(|(form, _)| form.contains(char::is_alphanumeric));
        let texts = [&mut self.message].into_iter().chain(&mut self.label).chain(&mut self.help);
        for text in texts.chain(self.related.iter_mut().map(|(_, why)| why)) {
            for (form, is_whole) in &forms {
                if *is_whole && text.contains(form) {
                    *text = text.replace(form, "***");
                } else if let Some(at) = text.find(form) {
                    text.replace_range(at.., "***…");
                }
            }
        }
        self
    }

    /// As text, ending with a line end; `color` puts ANSI sequences in.
    pub fn render(&self, color: bool) -> String {
        render::diagnostic(self, color)
    }
}

/// As [`Diagnostic::render`] without colour, and without the last line end.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end_matches('\n'))
    }
}

/// Everything that is wrong with a configuration, as one error.
///
/// No more than 100 are kept; the others are counted, an error displacing a warning.
#[derive(Clone, Debug, Default, thiserror::Error)]
#[error("{}", render::all(self, false).trim_end_matches('\n'))]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    /// How many of them are warnings.
    warnings: usize,
    omitted: usize,
}

impl Diagnostics {
    /// Nothing is wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.push_with(diagnostic.severity, || diagnostic);
    }

    /// Adds one of this severity, which is made only if it is kept: a long text may have something wrong in every word.
    pub(crate) fn push_with(&mut self, severity: Severity, make: impl FnOnce() -> Diagnostic) {
        if self.kept.len() < MAX_KEPT {
            self.warnings += usize::from(severity == Severity::Warning);
            self.kept.push(make().concealed());
            return;
        }
        self.omitted += 1;
        if severity == Severity::Error && self.warnings > 0 {
            self.warnings -= 1;
            if let Some(last) = self.kept.iter_mut().rev().find(|kept| kept.severity == Severity::Warning) {
                *last = make().concealed();
            }
        }
    }

    /// Adds another's, those that it counts included.
    pub(crate) fn append(&mut self, other: Self) {
        self.omitted += other.omitted;
        self.extend(other);
    }

    /// Counts an error that is not worth making: [`is_full`](Self::is_full).
    pub(crate) fn omit(&mut self) {
        self.omitted += 1;
    }

    /// True if one more error would be counted and not kept.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= MAX_KEPT && self.warnings == 0
    }

    /// True if nothing is wrong, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// How many more there were.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// True if one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.kept.len() > self.warnings
    }

    /// Those that are kept, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.kept.iter()
    }

    /// Puts those of one file in the order of their places; the files stay in the order in which they came up.
    pub fn sort(&mut self) {
        let mut files: Vec<*const Source> = Vec::new();
        for span in self.kept.iter().filter_map(|diagnostic| diagnostic.span.as_ref()) {
            let file = Arc::as_ptr(&span.source);
            if !files.contains(&file) {
                files.push(file);
            }
        }
        self.kept.sort_by_key(|diagnostic| {
            diagnostic.span.as_ref().map(|span| {
                let file = Arc::as_ptr(&span.source);
                (files.iter().position(|known| *known == file), span.range.start)
            })
        });
    }

    /// As text, ending with a line end, an empty line between two; `color` puts ANSI sequences in.
    pub fn render(&self, color: bool) -> String {
        render::all(self, color)
    }

    /// How many errors there are; where not all are kept, at most.
    pub(crate) fn errors(&self) -> usize {
        self.omitted + self.kept.len() - self.warnings
    }

    /// True if there is an error about the place that `other` is about.
    pub(crate) fn has_error_at(&self, other: &Diagnostic) -> bool {
        let start = |span: &Span| (Arc::as_ptr(&span.source), span.range.start);
        let Some(place) = other.span.as_ref().map(start) else { return false };
        let mut errors = self.kept.iter().filter(|kept| kept.severity == Severity::Error);
        errors.any(|kept| kept.span.as_ref().map(start) == Some(place))
    }

    /// Keeps those for which `keep` holds.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.kept.retain(keep);
        self.warnings = self.kept.iter().filter(|kept| kept.severity == Severity::Warning).count();
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<T: IntoIterator<Item = Diagnostic>>(&mut self, more: T) {
        more.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut one = Self::new();
        one.push(diagnostic);
        one
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A word in backticks for a message, cut where it is long.
pub fn quote(word: &str) -> String {
    match word.char_indices().nth(MAX_RESEMBLING) {
        Some((at, _)) => format!("`{}…`", word.get(..at).unwrap_or_default()),
        None => format!("`{word}`"),
    }
}

/// So many characters, if there are that many.
fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// The candidate that `word` was probably meant to be: at most a third of its characters differ, letter case and two
/// that changed places apart.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().nth(MAX_RESEMBLING).is_some() {
        return None;
    }
    let word = word.to_lowercase();
    let len = word.chars().count();
    let most = |other: usize| len.max(other).max(3) / 3;
    let length = |candidate: &str| match candidate.is_ascii() {
        true => candidate.len(),
        false => candidate.to_lowercase().chars().count(),
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 4 * MAX_RESEMBLING)
        .map(|candidate| (candidate, length(candidate)))
        // As many characters as that are missing at least.
        .filter(|(_, other)| len.abs_diff(*other) <= most(*other))
        .take(MAX_CANDIDATES)
        .filter_map(|(candidate, other)| {
            let distance = strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
            (distance <= most(other) && distance < len.max(other)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests;
