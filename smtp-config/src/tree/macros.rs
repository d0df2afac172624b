//! `$(name)`: text for arguments, as it was defined above (M34).

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::Arc,
};

use super::{Budget, Exceeded, Word, lexer::Lexeme};
use crate::diagnostic::{Diagnostic, Diagnostics, Source, Span, did_you_mean, quote};

/// The macros of a file up to the line that is read.
pub(super) struct Macros<'s> {
    source: &'s Arc<Source>,
    /// In the order of their names, so that the same one is proposed each time.
    defined: BTreeMap<String, Definition>,
    /// Uses of what is not defined, the first of each name: said at the end, when it is known whether it is defined below.
    undefined: Vec<(String, Diagnostic)>,
    /// Their names.
    told: HashSet<String>,
}

struct Definition {
    values: Vec<Word>,
    name: Span,
}

impl<'s> Macros<'s> {
    pub(super) fn new(source: &'s Arc<Source>) -> Self {
        Self { source, defined: BTreeMap::new(), undefined: Vec::new(), told: HashSet::new() }
    }

    pub(super) fn define(&mut self, name: &str, values: Vec<Word>, at: Span) {
        self.defined.insert(name.to_owned(), Definition { values, name: at });
    }

    /// Words with the macros in them replaced. What a macro holds is not looked at again.
    pub(super) fn expand(
        &mut self,
        lexemes: Vec<Lexeme<'s>>,
        budget: &mut Budget,
        diagnostics: &mut Diagnostics,
    ) -> Result<Vec<Word>, Exceeded> {
        let mut words = Vec::with_capacity(lexemes.len());
        for lexeme in lexemes {
            let span = Span::new(self.source, lexeme.range);
            match reference(&lexeme.text, 0) {
                None => {
                    budget.word(lexeme.text.len())?;
                    words.push(Word::new(lexeme.text, span));
                }
                Some(whole) if whole == (0..lexeme.text.len()) => {
                    let name = named(&lexeme.text, &whole);
                    let Some(definition) = self.defined.get(name) else {
                        self.undefined(name, &span, "arguments");
                        continue;
                    };
                    for value in &definition.values {
                        budget.word(value.text.len())?;
                        words.push(Word { span: span.clone(), ..from(value) });
                    }
                }
                Some(first) => words.push(self.inside(&lexeme.text, first, span, budget, diagnostics)?),
            }
        }
        Ok(words)
    }

    /// A word with macros in it, of which the first is at `next`.
    fn inside(
        &mut self,
        text: &str,
        next: Range<usize>,
        span: Span,
        budget: &mut Budget,
        diagnostics: &mut Diagnostics,
    ) -> Result<Word, Exceeded> {
        let mut out = String::new();
        let mut origin = None;
        let mut done = 0;
        let mut next = Some(next);
        budget.word(text.len())?;
        while let Some(range) = next {
            out.push_str(text.get(done..range.start).unwrap_or_default());
            let name = named(text, &range);
            match self.defined.get(name).map(|definition| (&definition.values[..], definition)) {
                None => self.undefined(name, &span, "text"),
                Some(([], _)) => {}
                Some(([value], _)) => {
                    budget.word(value.text.len())?;
                    out.push_str(&value.text);
                    origin = from(value).origin;
                }
                Some((values, definition)) => diagnostics.push(
                    Diagnostic::error(format!(
                        "the macro {} has {} values and cannot stand inside a word",
                        quote(&format!("$({name})")),
                        values.len()
                    ))
                    .at(&span)
                    .label("only a macro of one value can")
                    .related(&definition.name, "defined here")
                    .help("write it as an argument of its own"),
                ),
            }
            done = range.end;
            next = reference(text, done);
        }
        out.push_str(text.get(done..).unwrap_or_default());
        Ok(Word { origin, ..Word::new(out, span) })
    }

    fn undefined(&mut self, name: &str, span: &Span, what: &str) {
        if self.told.contains(name) || self.told.len() >= 100 {
            return;
        }
        self.told.insert(name.to_owned());
        let warning = Diagnostic::warning(format!(
            "the macro {} is not defined up to here; it stands for no {what}",
            quote(&format!("$({name})"))
        ))
        .at(span);
        self.undefined.push((name.to_owned(), warning));
    }

    /// The warnings, with what became known since.
    pub(super) fn finish(self) -> impl Iterator<Item = Diagnostic> {
        let Self { defined, undefined, .. } = self;
        undefined.into_iter().map(move |(name, warning)| match defined.get(&name) {
            Some(definition) => warning
                .related(&definition.name, "defined here, which is too late")
                .help("a macro holds from the line below its definition on, in the same file"),
            None => match did_you_mean(&name, told(&defined)) {
                Some(meant) => warning.help(format!("did you mean `$({meant})`?")),
                None => warning.help("define it above, in this file: `$(name) = VALUE`"),
            },
        })
    }
}

/// The names that may be told: with wrong quotes around it, a password can stand where a name does.
fn told(defined: &BTreeMap<String, Definition>) -> impl Iterator<Item = &str> {
    defined.iter().filter(|(_, definition)| !definition.name.is_private()).map(|(name, _)| name.as_str())
}

/// A value where it is used: it knows where it was written.
fn from(value: &Word) -> Word {
    let origin = value.origin.clone().unwrap_or_else(|| Box::new(value.span.clone()));
    Word { origin: Some(origin), ..Word::new(value.text.clone(), value.span.clone()) }
}

/// The next `$(name)` at or behind `from`. The name is not empty and holds neither `$` nor a parenthesis.
pub(super) fn reference(text: &str, mut from: usize) -> Option<Range<usize>> {
    loop {
        // Not `find("$(")`, which for words of a few octets takes longer to begin than to end.
        let start = from + text.get(from..)?.find('$')?;
        let Some(name) = text.get(start + 1..)?.strip_prefix('(') else {
            from = start + 1;
            continue;
        };
        let len = name.find(['$', '(', ')'])?;
        if len > 0 && name.get(len..)?.starts_with(')') {
            return Some(start..start + 2 + len + 1);
        }
        from = start + 2;
    }
}

/// The name in a reference.
pub(super) fn named<'t>(text: &'t str, reference: &Range<usize>) -> &'t str {
    text.get(reference.start + 2..reference.end.saturating_sub(1)).unwrap_or_default()
}
