//! Text to tokens: words, braces, line ends (M23-M26).

use std::{borrow::Cow, ops::Range, sync::Arc};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Source, Span};

/// Said of a quoted word of several lines where quotes look wrong.
const LONG_QUOTE: &str = "this quoted word goes on over the end of its line: is its closing quote missing?";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    Word(Lexeme<'s>),
    /// `{` as a whole unquoted word (M26, D13).
    Open(Range<usize>),
    /// `}` likewise.
    Close(Range<usize>),
    /// The end of a line outside quotes.
    Newline,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lexeme<'s> {
    pub(super) text: Cow<'s, str>,
    /// Octets of the source, quotes included.
    pub(super) range: Range<usize>,
    pub(super) quoted: bool,
}

impl Lexeme<'_> {
    /// A `\` that continues the line if it is the last word of it (M27). Quoted it cannot be written.
    pub(super) fn continues(&self) -> bool {
        !self.quoted && self.text == "\\"
    }
}

pub(super) struct Lexer<'s> {
    source: &'s Arc<Source>,
    at: usize,
    /// Where the last quoted word ended.
    quote_end: Option<usize>,
    /// The first quoted word that goes on over a line's end: suspect if the quotes do not come out even.
    long_quote: Option<Range<usize>>,
    /// Quotes did not come out even: why, and from where on the text was misread.
    pub(super) misread: Option<(Diagnostic, usize)>,
    /// Errors about words that are whole all the same.
    pub(super) slips: usize,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s Arc<Source>) -> Self {
        Self { source, at: 0, quote_end: None, long_quote: None, misread: None, slips: 0 }
    }

    pub(super) fn next(&mut self, diagnostics: &mut Diagnostics) -> Option<Token<'s>> {
        loop {
            let rest = self.rest();
            let first = rest.chars().next()?;
            match first {
                '\n' => {
                    self.at += 1;
                    return Some(Token::Newline);
                }
                // Unicode's white space, NBSP among it (M23).
                _ if first.is_whitespace() => self.at += first.len_utf8(),
                '#' => self.at += rest.find('\n').unwrap_or(rest.len()),
                '"' => return self.quoted(rest, diagnostics).map(Token::Word),
                _ => return Some(self.unquoted(rest, diagnostics)),
            }
        }
    }

    /// Octets that were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'s str {
        self.source.text.get(self.at..).unwrap_or_default()
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.source, range)
    }

    /// From a `"` to the next that is not escaped (M25).
    fn quoted(&mut self, rest: &'s str, diagnostics: &mut Diagnostics) -> Option<Lexeme<'s>> {
        let start = self.at;
        let body = rest.get(1..).unwrap_or_default();
        let mut text = Cow::Borrowed("");
        let mut copied = 0; // Octets of `body` that are in `text`.
        let mut at = 0;
        let end = loop {
            let Some(found) = body.get(at..).and_then(|body| body.find(['"', '\\'])) else {
                self.unclosed(start);
                self.at = self.source.text.len();
                return None;
            };
            at += found;
            let mut chars = body.get(at..).unwrap_or_default().chars();
            if chars.next() == Some('"') {
                break at;
            }
            // `\"` is a quote; any other backslash stays, with what is behind it, another backslash included.
            let next = chars.next();
            if next == Some('"') {
                text.to_mut().push_str(body.get(copied..at).unwrap_or_default());
                copied = at + 1;
            }
            at += 1 + next.map_or(0, char::len_utf8);
        };
        let tail = body.get(copied..end).unwrap_or_default();
        match copied {
            0 => text = Cow::Borrowed(tail),
            _ => text.to_mut().push_str(tail),
        }
        let range = start..start + end + 2;
        self.glued(&range, diagnostics);
        self.at = range.end;
        self.quote_end = Some(range.end);
        if self.long_quote.is_none() && body.get(..end).is_some_and(|body| body.contains('\n')) {
            self.long_quote = Some(range.clone());
        }
        Some(Lexeme { text, range, quoted: true })
    }

    /// To the next white space; CR is no part of a word, and does not end it (M23).
    fn unquoted(&mut self, rest: &'s str, diagnostics: &mut Diagnostics) -> Token<'s> {
        let len = rest.find(|c: char| c.is_whitespace() && c != '\r').unwrap_or(rest.len());
        let raw = rest.get(..len).unwrap_or_default();
        let written = raw.trim_end_matches('\r');
        let range = self.at..self.at + written.len();
        let text = match written.contains('\r') {
            true => Cow::Owned(written.replace('\r', "")),
            false => Cow::Borrowed(written),
        };
        match &*text {
            "{" => {
                self.at += len;
                return Token::Open(range);
            }
            "}" => {
                self.at += len;
                return Token::Close(range);
            }
            _ => {}
        }
        self.glued(&range, diagnostics);
        if let Some(hash) = written.find('#') {
            // D14
            let hash = range.start + hash;
            self.slips += 1;
            diagnostics.push_with(Severity::Error, || {
                Diagnostic::error("unquoted # inside a word; quote it")
                    .at(&self.span(hash..hash + 1))
                    .label("neither part of the word nor a comment")
                    .help("put the whole word in quotes, or a blank before the # if it starts a comment")
            });
        }
        self.at += len;
        Token::Word(Lexeme { text, range, quoted: false })
    }

    fn glued(&self, range: &Range<usize>, diagnostics: &mut Diagnostics) {
        if self.quote_end != Some(range.start) {
            return;
        }
        diagnostics.push_with(Severity::Warning, || {
            let warning = Diagnostic::warning("a new word starts right behind a closing quote")
                .at(&self.span(range.clone()))
                .label("a word of its own")
                .help("put a blank before it, or all of it inside the quotes; a quote inside quotes is written \\\"");
            match self.long_quote.as_ref().filter(|long| long.end == range.start) {
                Some(long) => warning.related(&self.span(long.start..long.start + 1), LONG_QUOTE),
                None => warning,
            }
        });
    }

    /// D15. If an earlier quoted word runs over a line's end, its closing quote is the likelier one to be missing, and
    /// everything behind it was read inside out.
    fn unclosed(&mut self, start: usize) {
        let mut diagnostic = Diagnostic::error("this quote is never closed")
            .at(&self.span(start..start + 1))
            .label("the quoted word runs to the end of the file")
            .help("close it with another \"; a quote inside quotes is written \\\"");
        let mut from = start;
        if let Some(long) = &self.long_quote {
            diagnostic = diagnostic.related(&self.span(long.start..long.start + 1), LONG_QUOTE);
            from = long.start;
        }
        self.misread = Some((diagnostic, from));
    }
}

#[cfg(test)]
mod tests;
