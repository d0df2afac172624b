//! Text to a tree of directives: lexer, parser, macros, snippets, imports, variables (M22-M37, D13-D17).
//!
//! ```text
//! $(relay) = tcp://mx1.example.org:25 tcp://mx2.example.org:25   # a macro: text for arguments, from here on
//! (secure) {                                                     # a snippet: directives to import
//!     require_tls yes
//! }
//! target.smtp outbound {
//!     targets $(relay)
//!     auth plain forwarder {env:PASSWORD}                        # a variable: text, never read as language
//!     import secure                                              # a snippet, or a file beside this one
//! }
//! ```
//!
//! A directive is a line: a name, arguments, perhaps a `{` at its end that opens a block. `"` quotes; in quotes `\"`
//! is a quote and every other character is itself, line ends included. `\` at the end of a line continues it.
//!
//! # What has no spelling
//! A word that needs quotes (it is empty, or holds white space, `#` or a CR, or begins with `"`, or is a brace) cannot
//! hold an odd number of backslashes before a `"` or at its end, because `\"` is the only escape (M25). A lone `\`
//! cannot be the last argument of a directive without a block (M27). `$(x)` and `{env:X}` cannot be had as text.
//! Macros can put such words together nonetheless; [`Node::is_writable`] tells.
//!
//! # Limits
//! A file has at most 1 MiB, all files together 4 MiB; there are at most 100,000 directives, written or
//! expanded (an import counts as one), 256 imports of files, 255 imports in a chain, 256 blocks in one another, and
//! 16 MiB of words (N29, N44). Text that multiplies itself ends in an error, not in lost memory.

mod expand;
mod lexer;
mod macros;
mod parser;
mod print;
mod variable;

use std::{fmt, path::Path, sync::Arc};

use crate::{
    diagnostic::{Diagnostic, Diagnostics, Source, Span, did_you_mean},
    loader::Loader,
};

/// Octets of a file.
pub const MAX_FILE: u64 = 1024 * 1024;
/// Octets of all files together.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;
/// Directives: once as they are written, once more as they are expanded.
pub const MAX_NODES: usize = 100_000;
/// Files imported, each as often as it is.
pub const MAX_IMPORTS: usize = 256;
/// Imports in one another.
pub const MAX_CHAIN: usize = 255;
/// Blocks in one another.
pub const MAX_NESTING: usize = 256;
/// Octets of words, as they are written and as they are expanded, with 16 more for each.
pub const MAX_WORDS: usize = 16 * 1024 * 1024;

/// A configuration that was read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tree {
    /// Its directives.
    pub nodes: Vec<Node>,
    /// What works, but perhaps not as meant.
    pub warnings: Diagnostics,
}

/// One argument, after macros and variables.
///
/// `Debug` and `Display` show what was written, not what a variable holds.
#[derive(Clone)]
#[non_exhaustive]
pub struct Word {
    /// Its text.
    pub text: String,
    /// Where it was written; for a word out of a macro, where the macro is used.
    pub span: Span,
    /// True if a variable has a part in it: its text is shown to nobody.
    pub secret: bool,
    /// For a word out of a macro: where its text was written.
    pub origin: Option<Box<Span>>,
    /// The text with variables still in it, if there are any.
    written: Option<Box<str>>,
}

impl Word {
    /// A word that holds no variable.
    pub fn new(text: impl Into<String>, span: Span) -> Self {
        Self { text: text.into(), span, secret: false, origin: None, written: None }
    }

    /// Its text with variables unreplaced: what may be shown.
    pub fn written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }

    /// An error about this word; where its text comes from a macro, that place as well.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.placed(Diagnostic::error(message))
    }

    /// A warning about this word.
    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        self.placed(Diagnostic::warning(message))
    }

    fn placed(&self, diagnostic: Diagnostic) -> Diagnostic {
        let diagnostic = diagnostic.at(&self.span);
        match &self.origin {
            Some(origin) => diagnostic.related(origin, "the text comes from here"),
            None => diagnostic,
        }
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.written(), self.span)
    }
}

/// A directive: a name, its arguments, perhaps a block.
///
/// `Debug` does not show what `auth` is told.
#[derive(Clone)]
#[non_exhaustive]
pub struct Node {
    /// Its name.
    pub name: Word,
    /// Its arguments.
    pub args: Vec<Word>,
    /// Its block; an empty one is not none (M31).
    pub block: Option<Vec<Self>>,
}

impl Node {
    /// A directive.
    pub fn new(name: Word, args: Vec<Word>, block: Option<Vec<Self>>) -> Self {
        Self { name, args, block }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut node = f.debug_struct("Node");
        node.field("name", &self.name);
        // Also where it is misspelt.
        match did_you_mean(self.name.written(), ["auth"]) {
            Some(_) => node.field("args", &format_args!("[{}, not shown]", self.args.len())),
            None => node.field("args", &self.args),
        };
        node.field("block", &self.block).finish()
    }
}

/// Reads a file and what it imports.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn read(loader: &dyn Loader, path: &Path) -> Result<Tree, Diagnostics> {
    expand::Reader::new(loader).main_file(path)
}

/// As [`read`]. Where what is wrong leaves every directive what it is, the tree is given, and errors are among its warnings: there may
/// be more to say.
pub(crate) fn read_leniently(loader: &dyn Loader, path: &Path) -> Result<Tree, Diagnostics> {
    expand::Reader::new(loader).lenient().main_file(path)
}

/// Reads `text` as if it were a file named `name`: what it imports is looked for beside it.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn read_text(loader: &dyn Loader, name: &Path, text: &str) -> Result<Tree, Diagnostics> {
    expand::Reader::new(loader).main_text(name, text)
}

/// What a whole reading may still use; every file and every expansion draws on it.
#[derive(Debug, Default)]
struct Budget {
    text: usize,
    parsed: usize,
    expanded: usize,
    words: usize,
}

impl Budget {
    /// Room for so much more text of files.
    fn text(&mut self, octets: usize) -> Result<(), Exceeded> {
        draw(&mut self.text, octets, MAX_TEXT, "there are more than 4 MiB of text in all files together")
    }

    /// Room for one more directive as it is written.
    fn parsed(&mut self) -> Result<(), Exceeded> {
        draw(&mut self.parsed, 1, MAX_NODES, "there are more than 100,000 directives")
    }

    /// Room for one more directive in the tree.
    fn expanded(&mut self) -> Result<(), Exceeded> {
        draw(
            &mut self.expanded,
            1,
            MAX_NODES,
            "there are more than 100,000 directives once imports are expanded",
        )
    }

    /// Room for a word of so many octets. Asked before it is made.
    fn word(&mut self, octets: usize) -> Result<(), Exceeded> {
        let more = octets.saturating_add(16);
        draw(
            &mut self.words,
            more,
            MAX_WORDS,
            "there are more than 16 MiB of words once macros and variables are expanded",
        )
    }
}

/// A limit that was reached, in words.
#[derive(Clone, Copy, Debug)]
struct Exceeded(&'static str);

fn draw(used: &mut usize, more: usize, limit: usize, message: &'static str) -> Result<(), Exceeded> {
    *used = used.saturating_add(more);
    if *used > limit { Err(Exceeded(message)) } else { Ok(()) }
}

/// Text of a file in a form that places can be found in; one leading BOM is no part of it (M22).
fn source(path: &Path, text: &str, imported: Option<&Span>) -> Arc<Source> {
    let source = Source::new(path, text.strip_prefix('\u{feff}').unwrap_or(text));
    Arc::new(match imported {
        Some(by) => source.imported(by.clone()),
        None => source,
    })
}
