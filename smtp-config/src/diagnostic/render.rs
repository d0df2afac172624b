//! Diagnostics as text.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use super::{Diagnostic, Diagnostics, Severity, Span};

/// Characters shown of a line before and behind the place that is meant.
const AROUND: usize = 60;
/// Characters of the place itself that are underlined.
const UNDERLINED: usize = 60;
/// Characters of a message, a label or a help.
const MAX_SAID: usize = 2000;

pub(super) fn all(diagnostics: &Diagnostics, color: bool) -> String {
    let mut out = diagnostics.iter().map(|one| diagnostic(one, color)).collect::<Vec<_>>().join("\n");
    if diagnostics.omitted() > 0 {
        out.push_str(&format!("\n{} more are not shown\n", diagnostics.omitted()));
    }
    out
}

pub(super) fn diagnostic(diagnostic: &Diagnostic, color: bool) -> String {
    let (word, level, hue) = match diagnostic.severity {
        Severity::Error => ("error", Level::ERROR, AnsiColor::BrightRed),
        Severity::Warning => ("warning", Level::WARNING, AnsiColor::Yellow),
    };
    let mut out = place(
        diagnostic.span.as_ref(),
        (word, level, hue),
        (&diagnostic.message, diagnostic.label.as_deref(), diagnostic.help.as_deref()),
        color,
    );
    let mut note = |span: &Span, why: &str| {
        let note = ("note", Level::NOTE, AnsiColor::BrightGreen);
        out.push_str(&place(Some(span), note, (why, None, None), color));
    };
    for (span, why) in &diagnostic.related {
        note(span, why);
    }
    // How the file came to be read at all. Chains end: an import cycle is refused.
    let mut importer = diagnostic.span.as_ref().and_then(|span| span.source.imported.as_ref());
    for _ in 0..4 {
        let Some(span) = importer else { break };
        if !diagnostic.related.iter().any(|(related, _)| related.is(span)) {
            note(span, "imported here");
        }
        importer = span.source.imported.as_ref();
    }
    out
}

/// `FILE:LINE:COL: WORD: MESSAGE`, the line of the file, the caret, the help.
fn place(
    span: Option<&Span>,
    (word, level, hue): (&str, Level<'_>, AnsiColor),
    (message, label, help): (&str, Option<&str>, Option<&str>),
    color: bool,
) -> String {
    let (bold, loud) = match color {
        true => (Style::new().bold(), hue.on_default().bold()),
        false => (Style::new(), Style::new()),
    };
    let mut out = match span {
        Some(span) => format!("{bold}{span}:{bold:#} "),
        None => String::new(),
    };
    out.push_str(&format!("{loud}{word}:{loud:#} {bold}{}{bold:#}\n", visible(&shortened(message))));

    let mut group = Group::with_level(level);
    if let Some(span) = span.filter(|span| !span.source.text.is_empty()) {
        let Excerpt { text, underlined } = excerpt(span);
        let mut annotation = AnnotationKind::Primary.span(underlined);
        if let Some(label) = label {
            annotation = annotation.label(visible(&shortened(label)));
        }
        group = group.element(Snippet::source(text).line_start(span.line()).annotation(annotation));
    }
    if let Some(help) = help {
        let help = shortened(help).split('\n').map(visible).collect::<Vec<_>>().join("\n");
        group = group.element(Level::HELP.message(help));
    }
    if !group.is_empty() {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        out.push_str(&renderer.term_width(2 * AROUND + UNDERLINED + 40).render(&[group]));
        out.push('\n');
    }
    out
}

/// A line, or the part of it around a place.
struct Excerpt {
    text: String,
    underlined: std::ops::Range<usize>,
}

/// The first line of a place, trimmed where it is long, controls made visible.
fn excerpt(span: &Span) -> Excerpt {
    let source = span.source.text.as_str();
    let (_, line) = span.source.line_of(span.range.start);
    let start = span.range.start.min(source.len());
    let before = source.get(line..start).unwrap_or_default();
    let behind = source.get(start..).unwrap_or_default();
    let behind = behind.split('\n').next().unwrap_or_default();
    let behind = behind.strip_suffix('\r').unwrap_or(behind);
    let (meant, rest) = behind.split_at_checked(span.range.len().min(behind.len())).unwrap_or((behind, ""));

    let open = source.get(line..start + behind.len()).unwrap_or_default();
    let near = before.char_indices().nth_back(AROUND).map_or(0, |(at, _)| at);
    let mut passwords = passwords_of_urls(open);
    passwords.retain(|it| it.end > near && it.start < before.len() + 4 * (UNDERLINED + AROUND + 2));
    // No more than is shown, and one character to know that there is more: a line may be a whole file.
    let shown_from = |part: &str, at: usize, most: usize| -> Vec<char> {
        part.char_indices()
            .take(most + 1)
            .map(|(i, c)| {
                let is_private = passwords.iter().any(|it| it.contains(&(at + i)))
                    || span.source.is_private(&(line + at + i..line + at + i + 1));
                if is_private && !c.is_whitespace() { '*' } else { shown(c) }
            })
            .collect()
    };
    let before_shown = shown_from(before.get(near..).unwrap_or_default(), near, AROUND);
    let meant_shown = shown_from(meant, before.len(), UNDERLINED);
    let rest_shown = shown_from(rest, before.len() + meant.len(), AROUND);

    let mut text = String::new();
    match before_shown.len().checked_sub(AROUND).filter(|more| *more > 0) {
        Some(more) => {
            text.push('…');
            text.extend(before_shown.iter().skip(more));
        }
        None => text.extend(&before_shown),
    }
    let from = text.len();
    text.extend(meant_shown.iter().take(UNDERLINED));
    let underlined = from..text.len();
    if meant_shown.len() > UNDERLINED {
        text.push('…');
    } else {
        text.extend(rest_shown.iter().take(AROUND));
        if rest_shown.len() > AROUND {
            text.push('…');
        }
    }
    Excerpt { text, underlined }
}

/// Where passwords stand in a line that has them as URLs do, `tcp://USER:PASSWORD@HOST`. It is an error (D18), and shown as one.
fn passwords_of_urls(line: &str) -> Vec<std::ops::Range<usize>> {
    let mut next = 0;
    line.split_inclusive(char::is_whitespace)
        .filter_map(|word| {
            let start = next;
            next += word.len();
            let user = word.find("://")? + 3;
            let password = user + word.get(user..)?.find(':')? + 1;
            let end = word.rfind('@')?;
            (password <= end).then_some(start + password..start + end)
        })
        .collect()
}

fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(MAX_SAID) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()).into(),
        None => text.into(),
    }
}

/// Text that cannot steer a terminal, forge a second line, or be shown in another order than it has.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c == '\t' { ' ' } else { shown(c) }).collect()
}

/// A character in one cell: controls have pictures, and what has none, or would move its neighbours, is replaced.
fn shown(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        _ if c.is_control() => '\u{fffd}',
        '\u{061c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => '\u{fffd}',
        _ => c,
    }
}
