//! A tree as text that reads back as the same tree.

use std::fmt;

use super::{Node, Tree, Word, macros};

/// What reads back as the same directives, given the same variables: those are written as such, so that their values
/// stay where they are. Exact for everything that [`Node::is_writable`].
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| writeln!(f, "{node}"))
    }
}

/// As [`Tree`] is written, without the last line end.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

/// With quotes where they are needed.
impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.written();
        match needs_quotes(text) {
            true => write!(f, "\"{}\"", text.replace('"', "\\\"")),
            false => f.write_str(text),
        }
    }
}

impl Node {
    /// True if the printed directive reads back as the same one. The few words that have no spelling are told in the
    /// documentation of [`crate::tree`].
    pub fn is_writable(&self) -> bool {
        let last = self.args.last().is_some_and(|word| word.written() == "\\") && self.block.is_none();
        !last
            && self.args.iter().all(Word::is_writable)
            && self.block.as_ref().is_none_or(|block| block.iter().all(Self::is_writable))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:width$}{}", "", self.name, width = 4 * depth)?;
        self.args.iter().try_for_each(|word| write!(f, " {word}"))?;
        match self.block.as_deref() {
            None => Ok(()),
            Some([]) => f.write_str(" { }"),
            Some(block) => {
                f.write_str(" {\n")?;
                for node in block {
                    node.write(f, depth + 1)?;
                    f.write_str("\n")?;
                }
                write!(f, "{:width$}}}", "", width = 4 * depth)
            }
        }
    }
}

impl Word {
    fn is_writable(&self) -> bool {
        let text = self.written();
        macros::reference(text, 0).is_none() && (!needs_quotes(text) || quotable(text))
    }
}

/// White space, `#`, `"` and braces have a meaning outside quotes (D13, D14, M23-M26).
fn needs_quotes(text: &str) -> bool {
    matches!(text, "" | "{" | "}")
        || text.starts_with('"')
        || text.contains(|c: char| c.is_whitespace() || c == '#')
}

/// In quotes a backslash is one of a pair, or part of `\"`, or before something else (M25): it cannot stand alone before
/// a quote, that of the word's end included.
fn quotable(text: &str) -> bool {
    let mut odd = false;
    for c in text.chars() {
        match c {
            '\\' => odd = !odd,
            '"' if odd => return false,
            _ => odd = false,
        }
    }
    !odd
}
