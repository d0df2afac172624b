//! Tokens to directives, one file at a time; imports and variables are left in them (M27-M35).
//!
//! After an error the parser goes on where a person would: a stray brace still opens or closes a block, so that the
//! rest of the file is read as it was meant.

mod header;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{
    Budget, Exceeded, MAX_NESTING, Node, Word,
    lexer::{Lexeme, Lexer, Token},
    macros::Macros,
};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span};

/// A file as it is written.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) nodes: Vec<Node>,
    /// By name, without the parentheses.
    pub(super) snippets: BTreeMap<String, Arc<Snippet>>,
    /// False if a part of the file could not be made out: what it would import and define is not known.
    pub(super) complete: bool,
    /// True if, whatever is wrong, every directive is there with its words and its block.
    pub(super) sound: bool,
}

/// Directives to import (M35).
#[derive(Debug, Default)]
pub(super) struct Snippet {
    pub(super) body: Vec<Node>,
    /// Where it has its name from.
    pub(super) name: Option<Span>,
}

/// Reads a file; what is wrong goes to `diagnostics`.
pub(super) fn parse(source: &Arc<Source>, budget: &mut Budget, diagnostics: &mut Diagnostics) -> Parsed {
    let mut own = Diagnostics::new();
    let mut parser = Parser {
        source,
        lexer: Lexer::new(source),
        macros: Macros::new(source),
        budget,
        diagnostics: &mut own,
        blocks: Vec::new(),
        top: Vec::new(),
        snippets: BTreeMap::new(),
        defined: BTreeMap::new(),
        line: Line::at(source, 0),
        closed: None,
        suspect: None,
        glued_brace: None,
        too_deep: false,
        slips: 0,
    };
    let within = parser.lines();
    let misread = parser.lexer.misread.take();
    let complete = match within {
        Ok(()) => misread.is_none() && parser.end() && !parser.too_deep,
        Err(Exceeded(message)) => {
            let at = parser.lexer.position();
            let at = parser.span(&(at..at));
            parser.report(Diagnostic::error(message).at(&at).label("reading stopped here"));
            false
        }
    };
    let Parser { macros, top, snippets, lexer, slips, .. } = parser;
    let sound = complete && own.errors() == lexer.slips + slips;
    if complete {
        own.extend(macros.finish());
    }
    if let Some((unclosed, from)) = misread {
        // What was made of the text behind a missing quote is not worth reading.
        own.retain(|one| one.span.as_ref().is_none_or(|span| span.range.start < from));
        own.push(unclosed);
    }
    diagnostics.append(own);
    Parsed { nodes: top, snippets, complete, sound }
}

struct Parser<'s, 'a> {
    source: &'s Arc<Source>,
    lexer: Lexer<'s>,
    macros: Macros<'s>,
    budget: &'a mut Budget,
    diagnostics: &'a mut Diagnostics,
    /// Those that are open, outermost first.
    blocks: Vec<Block>,
    top: Vec<Node>,
    snippets: BTreeMap<String, Arc<Snippet>>,
    /// Where the snippets got their names.
    defined: BTreeMap<String, Span>,
    /// The line that is read.
    line: Line,
    /// The `}` on this line, behind which nothing may follow (M29).
    closed: Option<Range<usize>>,
    /// A `}` whose indentation is not that of the line it closes, and the `{` of that line.
    suspect: Option<(Range<usize>, Range<usize>)>,
    /// A word that ends with a brace and so did not open a block (M26).
    glued_brace: Option<Range<usize>>,
    too_deep: bool,
    /// Errors that leave the directives what they are.
    slips: usize,
}

struct Block {
    owner: Owner,
    open: Range<usize>,
    line: Line,
    nodes: Vec<Node>,
}

/// Where a line starts, and how many blanks it starts with.
#[derive(Clone, Copy)]
struct Line {
    start: usize,
    indent: usize,
}

impl Line {
    fn at(source: &Source, start: usize) -> Self {
        let line = source.text.get(start..).unwrap_or_default();
        Self { start, indent: line.len() - line.trim_start_matches([' ', '\t']).len() }
    }
}

enum Owner {
    Directive(Node),
    Snippet(String, Span),
    /// Nobody who counts: an error was reported, the content is read for its own errors.
    Nobody,
}

impl<'s> Parser<'s, '_> {
    fn span(&self, range: &Range<usize>) -> Span {
        Span::new(self.source, range.clone())
    }

    fn next(&mut self) -> Option<Token<'s>> {
        let token = self.lexer.next(self.diagnostics);
        if let Some(Token::Newline) = token {
            self.line = Line::at(self.source, self.lexer.position());
        }
        token
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The same for what may be wrong in every line: the error is made only if it is kept.
    fn report_with(&mut self, make: impl FnOnce(&Self) -> Diagnostic) {
        match self.diagnostics.is_full() {
            true => self.diagnostics.omit(),
            false => self.report(make(self)),
        }
    }

    fn lines(&mut self) -> Result<(), Exceeded> {
        while let Some(token) = self.next() {
            if let Token::Newline = token {
                self.closed = None;
                continue;
            }
            self.after_brace(&token);
            match token {
                Token::Newline => {}
                Token::Close(range) => self.close(range),
                Token::Open(range) => {
                    self.stray_open(&range);
                    self.open(Owner::Nobody, range);
                }
                Token::Word(name) => self.directive(name)?,
            }
        }
        Ok(())
    }

    /// A line that starts with a word, up to and with its brace.
    fn directive(&mut self, name: Lexeme<'s>) -> Result<(), Exceeded> {
        self.budget.parsed()?;
        let mut args: Vec<Lexeme<'s>> = Vec::new();
        loop {
            match self.next() {
                Some(Token::Word(word)) => {
                    self.note_glued_brace(&word);
                    args.push(word);
                }
                end @ (Some(Token::Newline) | None) => {
                    // M27: joins the next line that is not empty; at the end of the file it is ignored.
                    let continued = args.pop_if(|last| last.continues()).is_some();
                    if end.is_none() || !continued {
                        return self.header(name, args, None);
                    }
                    match self.skip_newlines() {
                        Some(Token::Word(word)) => {
                            self.note_glued_brace(&word);
                            args.push(word);
                        }
                        Some(Token::Open(range)) => return self.header(name, args, Some(range)),
                        Some(Token::Close(range)) => return self.last_of_block(name, args, range),
                        Some(Token::Newline) | None => return self.header(name, args, None),
                    }
                }
                Some(Token::Open(range)) => return self.header(name, args, Some(range)),
                Some(Token::Close(range)) => return self.last_of_block(name, args, range),
            }
        }
    }

    /// `}` at the end of a child's line closes the block around it (M29).
    fn last_of_block(
        &mut self,
        name: Lexeme<'s>,
        args: Vec<Lexeme<'s>>,
        range: Range<usize>,
    ) -> Result<(), Exceeded> {
        self.header(name, args, None)?;
        self.close(range);
        Ok(())
    }

    fn skip_newlines(&mut self) -> Option<Token<'s>> {
        loop {
            match self.next() {
                Some(Token::Newline) => {}
                other => return other,
            }
        }
    }

    fn open(&mut self, owner: Owner, range: Range<usize>) {
        if self.blocks.len() >= MAX_NESTING && !self.too_deep {
            // M32: said once; the blocks are still matched with their ends.
            self.too_deep = true;
            self.report(
                Diagnostic::error(format!("there are more than {MAX_NESTING} blocks in one another"))
                    .at(&self.span(&range)),
            );
        }
        let owner = if self.too_deep { Owner::Nobody } else { owner };
        self.blocks.push(Block { owner, open: range, line: self.line, nodes: Vec::new() });
    }

    fn close(&mut self, range: Range<usize>) {
        self.closed = Some(range.clone());
        let Some(block) = self.blocks.pop() else {
            return self.extra_close(&range);
        };
        self.compare_indents(block.line, &block.open, &range);
        match block.owner {
            Owner::Directive(node) => self.push(Node { block: Some(block.nodes), ..node }),
            Owner::Snippet(name, at) => {
                self.defined.insert(name.clone(), at.clone());
                self.snippets.insert(name, Arc::new(Snippet { body: block.nodes, name: Some(at) }));
            }
            Owner::Nobody => {}
        }
    }

    fn push(&mut self, node: Node) {
        match self.blocks.last_mut() {
            Some(block) => block.nodes.push(node),
            None => self.top.push(node),
        }
    }

    fn words(&mut self, lexemes: Vec<Lexeme<'s>>) -> Result<Vec<Word>, Exceeded> {
        self.macros.expand(lexemes, self.budget, self.diagnostics)
    }

    /// Says once a line that nothing may follow a `}` (M29).
    fn after_brace(&mut self, token: &Token<'_>) {
        let Some(closed) = self.closed.take() else { return };
        let (range, help) = match token {
            Token::Close(range) => (range, "close each block on a line of its own"),
            Token::Open(range) => (range, "a `{` stands at the end of the line of its directive"),
            Token::Word(word) => (&word.range, "start a new line behind the brace"),
            Token::Newline => return,
        };
        self.slips += 1;
        self.report_with(|parser| {
            Diagnostic::error("nothing may follow a closing brace on its line")
                .at(&parser.span(range))
                .related(&parser.span(&closed), "the brace")
                .help(help)
        });
    }

    fn stray_open(&mut self, range: &Range<usize>) {
        self.report_with(|parser| {
            let nodes = parser.blocks.last().map_or(&parser.top, |block| &block.nodes);
            let diagnostic = Diagnostic::error("this block belongs to no directive")
                .at(&parser.span(range))
                .label("a block opens at the end of a directive's line");
            match nodes.last().filter(|node| node.block.is_none()) {
                Some(above) => diagnostic
                    .related(&above.name.span, "if the block is of this directive, put the `{` on its line"),
                None => diagnostic,
            }
        });
    }

    fn extra_close(&mut self, range: &Range<usize>) {
        self.report_with(|parser| {
            let diagnostic = Diagnostic::error("this brace closes nothing")
                .at(&parser.span(range))
                .label("no block is open here")
                .help("a brace that is meant as text is written in quotes: \"}\"");
            match &parser.glued_brace {
                Some(glued) => diagnostic.related(
                    &parser.span(glued),
                    "this is one word: a blank before its brace would open a block",
                ),
                None => diagnostic,
            }
        });
    }

    fn note_glued_brace(&mut self, word: &Lexeme<'_>) {
        if !word.quoted && word.text.ends_with('{') {
            self.glued_brace = Some(word.range.clone());
        }
    }

    /// Notes the first `}` that stands elsewhere than the line it closes: there, rather than at the end of the file, a
    /// brace is likely to be missing.
    fn compare_indents(&mut self, line: Line, open: &Range<usize>, close: &Range<usize>) {
        let first = close.start == self.line.start + self.line.indent;
        if first && self.suspect.is_none() && line.start != self.line.start && line.indent != self.line.indent
        {
            self.suspect = Some((close.clone(), open.clone()));
        }
    }

    /// What is left open at the end (M33). True if nothing is.
    fn end(&mut self) -> bool {
        let Some((last, outer)) = self.blocks.split_last() else { return true };
        let mut diagnostic = Diagnostic::error("this block is never closed")
            .at(&self.span(&last.open))
            .label("its } is missing")
            .help("a } stands on a line of its own, or at the end of the last line of its block");
        match &self.suspect {
            Some((close, open)) => {
                diagnostic = diagnostic
                    .related(&self.span(close), "this brace is indented unlike the block that it closes,")
                    .related(&self.span(open), "which is opened here");
            }
            None => {
                for block in outer.iter().rev().take(3) {
                    diagnostic = diagnostic.related(&self.span(&block.open), "nor is this one");
                }
            }
        }
        self.report(diagnostic);
        false
    }
}
