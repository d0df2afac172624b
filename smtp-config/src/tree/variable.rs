//! `{env:NAME}`: the environment's text (M37, D16).

use std::{collections::HashSet, ops::Range};

use super::{Budget, Exceeded, Word};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, quote},
    loader::Loader,
};

const OPEN: &str = "{env:";

/// Replaces the variables of a word. Values are text: they are not split, not searched for macros, not shown.
pub(super) fn replace(
    word: &mut Word,
    loader: &dyn Loader,
    budget: &mut Budget,
    said: &mut Said,
    diagnostics: &mut Diagnostics,
) -> Result<(), Exceeded> {
    let text = &word.text;
    let mut out = String::new();
    let mut done = 0;
    let mut at = 0;
    while let Some((range, name)) = reference(text, at) {
        at = range.end;
        let value = loader.variable(name);
        if value.is_none() && name.contains('$') {
            continue; // M37: such a one stays, if it is not set.
        }
        out.push_str(text.get(done..range.start).unwrap_or_default());
        done = range.end;
        match value {
            Some(value) => {
                budget.word(value.len())?;
                if push_value(&mut out, &value) {
                    said.removed(word, name, diagnostics);
                }
            }
            None => said.unset(word, name, diagnostics),
        }
    }
    if done == 0 {
        return Ok(());
    }
    out.push_str(text.get(done..).unwrap_or_default());
    word.written = Some(std::mem::replace(&mut word.text, out).into_boxed_str());
    word.secret = true;
    Ok(())
}

/// What looks like a variable inside a value is removed, not replaced (M37). True if there was such a thing.
fn push_value(out: &mut String, value: &str) -> bool {
    let mut done = 0;
    let mut at = 0;
    while let Some((range, name)) = reference(value, at) {
        at = range.end;
        if !name.contains('$') {
            out.push_str(value.get(done..range.start).unwrap_or_default());
            done = range.end;
        }
    }
    out.push_str(value.get(done..).unwrap_or_default());
    done > 0
}

/// The next `{env:NAME}` at or behind `from`: to the nearest `}` (D16). The name is not empty and holds no brace.
fn reference(text: &str, mut from: usize) -> Option<(Range<usize>, &str)> {
    loop {
        let start = from + text.get(from..)?.find('{')?;
        let Some(inside) = text.get(start..)?.strip_prefix(OPEN) else {
            from = start + 1;
            continue;
        };
        let len = inside.find(['{', '}'])?;
        let name = inside.get(..len)?;
        if len > 0 && inside.get(len..)?.starts_with('}') {
            return Some((start..start + OPEN.len() + len + 1, name));
        }
        from = start + OPEN.len();
    }
}

/// What was said about variables: once for each.
#[derive(Debug, Default)]
pub(super) struct Said(HashSet<String>);

impl Said {
    fn first(&mut self, name: &str) -> bool {
        self.0.len() < 100 && !self.0.contains(name) && self.0.insert(name.to_owned())
    }

    fn unset(&mut self, word: &Word, name: &str, diagnostics: &mut Diagnostics) {
        if self.first(name) {
            let message = format!("the environment variable {} is not set; it counts as empty", quote(name));
            diagnostics.push(Diagnostic::warning(message).at(&word.span));
        }
    }

    fn removed(&mut self, word: &Word, name: &str, diagnostics: &mut Diagnostics) {
        if self.first(name) {
            let message = format!(
                "the value of {} holds something like `{{env:...}}`, which is removed from it",
                quote(name)
            );
            diagnostics.push(Diagnostic::warning(message).at(&word.span).help(
                "a variable cannot refer to another; if the text is meant as it is, write it in the file",
            ));
        }
    }
}
