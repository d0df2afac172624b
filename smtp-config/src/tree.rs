//! Text to a tree of directives: lexer, parser, macros, snippets, imports, variables (M22-M37, D13-D17).

use crate::diagnostic::Span;

/// One argument, after macros and variables.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Word {
    /// Its text.
    pub text: String,
    /// Where it was written.
    pub span: Span,
}

/// A directive: a name, its arguments, perhaps a block.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node {
    /// Its name.
    pub name: Word,
    /// Its arguments.
    pub args: Vec<Word>,
    /// Its block; an empty one is not none (M31).
    pub block: Option<Vec<Node>>,
}
