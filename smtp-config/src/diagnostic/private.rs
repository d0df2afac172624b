//! What of a file may be a user or a password: no excerpt shows it.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::did_you_mean;

/// First arguments of `auth`.
pub(super) const MECHANISMS: [&str; 10] = [
    "off",
    "plain",
    "login",
    "forward",
    "external",
    "xoauth2",
    "oauthbearer",
    "scram-sha-256",
    "cram-md5",
    "auto",
];

/// What stands in the place of a blank behind a name where somebody writes another language.
const GLUE: [char; 3] = ['=', ':', ','];

/// Octets that may be read once more for each octet of a text, where one `auth` stands in what follows another.
const AFRESH: usize = 8;

/// What `auth` is told, or a directive that was probably meant to be it, on however many lines; and the values of the macros in that.
/// In the order of the text, apart from one another.
pub(super) fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut macros: HashMap<&str, Vec<Range<usize>>> = HashMap::new();
    let mut used: Vec<&str> = Vec::new();
    let mut scanner = Scanner { text, at: 0 };
    while let Some(words) = scanner.directive() {
        if let (Some(first), Some(last)) = (words.first(), words.last())
            && let Some((name, values)) = definition(text, first, last.end)
        {
            macros.entry(name).or_default().push(values);
        }
        // Also behind a macro's name: `=` may be missing between that and a line that it continues on.
        if let Some(args) = args_of_auth(text, &words) {
            used.extend(args.iter().flat_map(|arg| references(word(text, arg))));
            out.extend(told(text, args));
        }
    }
    out.extend(told_afresh(text));
    let mut seen: HashSet<&str> = HashSet::new();
    while let Some(name) = used.pop() {
        if !seen.insert(name) {
            continue;
        }
        for values in macros.remove(name).into_iter().flatten() {
            used.extend(references(word(text, &values)));
            out.push(values);
        }
    }
    merged(out)
}

/// The same octets, in the order of the text, no octet twice.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut out: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// What follows `auth`, wherever in a line that stands: a brace or a line's end may be missing before it.
fn args_of_auth<'w>(text: &str, words: &'w [Range<usize>]) -> Option<&'w [Range<usize>]> {
    let name = word(text, words.first()?).trim_start_matches('"');
    let name = name.split(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_')).next()?;
    let is_meant = did_you_mean(name, ["auth"]).is_some();
    let at = if is_meant { 0 } else { words.iter().position(|range| word(text, range) == "auth")? };
    words.get(at + 1..)
}

/// The arguments of `auth`, except what stands for a mechanism: it resembles one, or a user and a password follow.
fn told(text: &str, args: &[Range<usize>]) -> Option<Range<usize>> {
    let (kind, rest) = args.split_first()?;
    let is_kind = did_you_mean(word(text, kind).trim_matches('"'), MECHANISMS).is_some() || rest.len() > 1;
    let first = if is_kind { rest.first()? } else { kind };
    Some(first.start..args.last()?.end)
}

/// What follows any `auth` at all: to the end of its line, whatever braces, quotes and `#` make of that, and on to the end of the
/// directive, with quotes read as if the text started there, for one that is missing before it turns everything inside out.
fn told_afresh(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut left = AFRESH * text.len();
    let mut line_end = 0;
    for (at, auth) in text.to_ascii_lowercase().match_indices("auth") {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let behind = text.get(at + auth.len()..).unwrap_or_default();
        let is_name = before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'));
        let ends = |c: char| c.is_whitespace() || GLUE.contains(&c);
        if is_name || !behind.trim_start_matches('"').starts_with(ends) {
            continue;
        }
        let mut scanner = Scanner { text, at };
        let words = scanner.directive().unwrap_or_default();
        let Some(after) = left.checked_sub(scanner.at - at) else {
            // Directives in directives: nobody needs to see what this is.
            out.push(at..text.len());
            break;
        };
        left = after;
        out.extend(words.get(1..).and_then(|args| told(text, args)));
        if line_end <= at {
            line_end = text.len() - behind.len() + behind.find('\n').unwrap_or(behind.len());
        }
        let line = text.get(at + auth.len()..line_end).unwrap_or_default();
        out.extend(told_in_line(line).map(|told| line_end - told.len()..line_end));
    }
    out
}

/// As [`told`], of all that is behind `auth` on its line.
fn told_in_line(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(|c: char| c == '"' || c.is_whitespace() || GLUE.contains(&c));
    let kind = line.split_whitespace().next()?;
    let rest = line.get(kind.len()..)?.trim_start();
    let is_kind = did_you_mean(kind.trim_matches('"'), MECHANISMS).is_some()
        || rest.split_whitespace().nth(1).is_some();
    Some(if is_kind { rest } else { line })
}

/// `$(name) = VALUE...`: the name, and where the values are.
fn definition<'t>(text: &'t str, first: &Range<usize>, end: usize) -> Option<(&'t str, Range<usize>)> {
    let (name, behind) = text.get(first.start..end)?.strip_prefix("$(")?.split_once(')')?;
    let values = behind.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    Some((name, end - values.len()..end))
}

/// The names in `$(name)`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("$(").skip(1).filter_map(|behind| behind.split_once(')')).map(|(name, _)| name)
}

fn word<'t>(text: &'t str, range: &Range<usize>) -> &'t str {
    text.get(range.clone()).unwrap_or_default()
}

enum Part {
    /// Quotes included.
    Word(Range<usize>),
    /// A brace that stands alone.
    Brace,
    LineEnd,
}

/// The language's words as far as it matters where a directive ends, of text that need not follow the grammar.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    /// The words up to the end of a directive: a line's end that no `\` is before (M27), or a brace; `None` at the end of the text.
    fn directive(&mut self) -> Option<Vec<Range<usize>>> {
        let mut words: Vec<Range<usize>> = Vec::new();
        let mut is_end = false;
        loop {
            let is_continued =
                words.len() > 1 && words.last().is_some_and(|last| word(self.text, last) == "\\");
            match self.next() {
                Some(Part::Word(range)) => words.push(range),
                Some(Part::LineEnd) if is_continued => {}
                Some(_) => break,
                None => {
                    is_end = true;
                    break;
                }
            }
        }
        words.retain(|range| word(self.text, range) != "\\");
        (!is_end || !words.is_empty()).then_some(words)
    }

    fn next(&mut self) -> Option<Part> {
        loop {
            let rest = self.text.get(self.at..)?;
            let first = rest.chars().next()?;
            match first {
                '\n' => {
                    self.at += 1;
                    return Some(Part::LineEnd);
                }
                _ if first.is_whitespace() => self.at += first.len_utf8(),
                '#' => self.at += rest.find('\n').unwrap_or(rest.len()),
                '"' => return Some(Part::Word(self.take(quoted(rest)))),
                _ => {
                    let len = rest.find(char::is_whitespace).unwrap_or(rest.len());
                    let range = self.take(len);
                    return Some(match word(self.text, &range) {
                        "{" | "}" => Part::Brace,
                        _ => Part::Word(range),
                    });
                }
            }
        }
    }

    fn take(&mut self, len: usize) -> Range<usize> {
        let start = self.at;
        self.at += len;
        start..self.at
    }
}

/// Octets of the quoted word at the start of `text`; all of it if the quote is never closed.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            // Of two backslashes neither escapes what follows (M25).
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}
