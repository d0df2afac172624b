//! Reading the words of directives: how many there may be, what they are, what is said otherwise (SPEC 1.2).

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{
    diagnostic::{Diagnostic, Diagnostics, Severity, Span, did_you_mean},
    tree::{Node, Word},
    value::{Value, ValueError, path_in},
};

/// Calls `read` for each directive of a block: known ones, each once. `known` pairs spellings with the names they stand for. Gives back the
/// names that misspelt ones were probably meant to be: nothing is missing because it is misspelt.
pub(super) fn each(
    nodes: &[Node],
    block: &str,
    known: &[(&'static str, &'static str)],
    out: &mut Diagnostics,
    mut read: impl FnMut(&'static str, &Node, &mut Diagnostics),
) -> Vec<&'static str> {
    let mut misspelt = Vec::new();
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for node in nodes {
        let name = node.name.text.as_str();
        if name == "..." && node.args.is_empty() && node.block.is_none() {
            // Examples have it, those of the language's own documentation among them.
            out.push(node.name.warning("`...` stands for what an example leaves out; here it says nothing"));
            continue;
        }
        let Some(&(_, canonical)) = known.iter().find(|(spelling, _)| *spelling == name) else {
            if out.is_full() {
                out.omit(); // To look for what was meant takes its time.
                continue;
            }
            let (error, meant) = unknown(&node.name, block, known);
            out.push(error);
            misspelt.extend(meant);
            continue;
        };
        if let Some(first) = seen.get(canonical) {
            out.push_with(Severity::Error, || {
                let twice = node.name.error(format!("duplicate directive: {canonical} may be given once"));
                let twice = twice.related(first, "first given here");
                match LISTS.contains(&canonical) {
                    true => twice.help(format!("write everything behind one: `{name} A B`")),
                    false => twice,
                }
            });
            continue;
        }
        seen.insert(canonical, node.name.span.clone());
        read(canonical, node, out);
    }
    misspelt
}

/// Directives with as many arguments as one likes.
const LISTS: [&str; 4] = ["targets", "tls_client.root_ca", "tls_client.ciphers", "tls_client.curves"];

/// Directives that other versions of the language have for the same thing.
const ELSEWHERE: [(&str, &str); 1] = [("starttls", "attempt_starttls")];

/// The error, and the directive that was probably meant.
fn unknown(
    name: &Word,
    block: &str,
    known: &[(&'static str, &'static str)],
) -> (Diagnostic, Option<&'static str>) {
    let error = name.error(format!("unknown directive {} in {block}", quoted(name)));
    let canonical =
        |meant: &str| known.iter().find(|(spelling, _)| *spelling == meant).map(|(_, name)| *name);
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(name_there, _)| *name_there == name.text) {
        return (error.help(format!("write {meant}")), canonical(meant));
    }
    let spellings: Vec<_> = known.iter().map(|(spelling, _)| *spelling).collect();
    match did_you_mean(&name.text, spellings.iter().copied()) {
        Some(meant) => (error.help(format!("did you mean {meant}?")), canonical(meant)),
        None => (error.help(format!("known here: {}", spellings.join(", "))), None),
    }
}

/// A word as it may be shown: what a variable holds is not.
pub(super) fn quoted(word: &Word) -> String {
    format!("{:?}", word.written())
}

/// `a boolean`, `an endpoint`.
fn article(what: &str) -> String {
    format!("{} {what}", if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

/// That a directive without a block has none; an empty one is none (M31).
pub(super) fn no_block(node: &Node, out: &mut Diagnostics) -> bool {
    let clean = node.block.as_ref().is_none_or(Vec::is_empty);
    if !clean {
        out.push(
            node.name
                .error(format!("{} has no block", node.name.text))
                .help("remove the braces and what is in them"),
        );
    }
    clean
}

/// Exactly one argument.
pub(super) fn single<'n>(node: &'n Node, what: &str, out: &mut Diagnostics) -> Option<&'n Word> {
    if !no_block(node, out) {
        return None;
    }
    match node.args.as_slice() {
        [word] => Some(word),
        [] => {
            out.push(node.name.error(format!("{} needs an argument: {}", node.name.text, article(what))));
            None
        }
        [_, second, ..] => {
            out.push(second.error(format!("{} has one argument, {}", node.name.text, article(what))));
            None
        }
    }
}

/// One argument that is such a value.
pub(super) fn one<T: Value>(node: &Node, out: &mut Diagnostics) -> Option<T> {
    let word = single(node, T::WHAT, out)?;
    value(word, out)
}

/// A word that is such a value.
pub(super) fn value<T: Value>(word: &Word, out: &mut Diagnostics) -> Option<T> {
    T::read(&word.text).map_err(|error| out.push_with(Severity::Error, || wrong::<T>(word, error))).ok()
}

fn wrong<T: Value>(word: &Word, error: ValueError) -> Diagnostic {
    let error = if word.secret {
        error.veiled::<T>("the value of a variable")
    } else if word.span.is_private() {
        // Where a line goes on that should not, it may be what `auth` is told.
        error.veiled::<T>("this")
    } else {
        error
    };
    let diagnostic = match part(word, error.at) {
        Some(span) => Diagnostic::error(&error.message).at(&span),
        None => word.error(error.placed_message()),
    };
    match error.advice() {
        Some(advice) => diagnostic.help(advice),
        None => diagnostic,
    }
}

/// Where a word goes wrong, if it is in the file as it is read: not out of a macro, without quotes.
fn part(word: &Word, at: usize) -> Option<Span> {
    let (from, _) = word.text.char_indices().nth(at).filter(|(from, _)| *from > 0)?;
    let mut span = word.span.clone();
    span.range.start += from;
    (word.origin.is_none() && word.span.text() == word.text).then_some(span)
}

/// A boolean: no argument means yes (M17).
pub(super) fn boolean(node: &Node, out: &mut Diagnostics) -> Option<bool> {
    if node.args.is_empty() { no_block(node, out).then_some(true) } else { one(node, out) }
}

/// A duration: arguments are concatenated (M18).
pub(super) fn duration(node: &Node, out: &mut Diagnostics) -> Option<Duration> {
    if !no_block(node, out) {
        return None;
    }
    let Some(first) = node.args.first() else {
        out.push(
            node.name
                .error(format!("{} needs a duration", node.name.text))
                .help("write one such as 30s, 1m30s or 2h"),
        );
        return None;
    };
    let text: String = node.args.iter().map(|word| word.text.as_str()).collect();
    let mut word = node.args.iter().find(|word| word.span.is_private()).unwrap_or(first).clone();
    word.secret = node.args.iter().any(|word| word.secret);
    Duration::read(&text).map_err(|error| out.push(wrong::<Duration>(&word, error))).ok()
}

/// One or more arguments that are such values; `None` if any is not, after all have been looked at.
pub(super) fn many<T: Value>(words: &[Word], out: &mut Diagnostics) -> Option<Vec<T>> {
    let values: Vec<_> = words.iter().map(|word| value(word, out)).collect();
    values.into_iter().collect()
}

/// That there are arguments, and no block.
pub(super) fn some<'n>(node: &'n Node, what: &str, out: &mut Diagnostics) -> Option<&'n [Word]> {
    if !no_block(node, out) {
        return None;
    }
    if node.args.is_empty() {
        out.push(node.name.error(format!(
            "{} needs at least one argument: {}",
            node.name.text,
            article(what)
        )));
        return None;
    }
    Some(&node.args)
}

/// A path; a relative one is relative to the file it is written in, as imports are.
pub(super) fn path(word: &Word, out: &mut Diagnostics) -> Option<PathBuf> {
    if word.text.is_empty() {
        out.push(word.error("the name of the file is empty"));
        return None;
    }
    Some(path_beside(word, &word.text))
}

/// `text`, which is in `word`, as a path.
pub(super) fn path_beside(word: &Word, text: &str) -> PathBuf {
    path_in(directory(word), text)
}

/// The directory of the file a word is written in. Macros do not leave their file, so this holds for a word out of one, too.
pub(super) fn directory(word: &Word) -> Option<&std::path::Path> {
    word.span.source.path.parent()
}
