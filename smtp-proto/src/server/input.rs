//! Input not read yet, and lines in it.

use std::fmt;

use zeroize::Zeroize as _;

use super::command::Verb;

/// A buffer this small is worth keeping.
const KEPT: usize = 1024;

/// Octets received, in order; read from the front.
#[derive(Default)]
pub(super) struct Input {
    octets: Vec<u8>,
    read: usize,
    /// In a line too long, of this verb: the rest of it is dropped as it comes.
    skipping: Option<Option<Verb>>,
}

/// What the front of the input is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// No whole line yet.
    Partial,
    /// `text` octets of a line, with a line end `total` of them.
    Whole { text: usize, total: usize, bare_lf: bool },
    /// The last of a line that was too long is gone now; what its verb was.
    TooLong(Option<Verb>),
}

impl Input {
    pub(super) fn push(&mut self, data: &[u8]) {
        self.fill(|octets| octets.extend_from_slice(data));
    }

    /// Lets `append` add to the end.
    pub(super) fn fill<T>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        if self.read > 0 && self.read * 2 >= self.octets.len() {
            self.octets.drain(..self.read);
            self.read = 0;
        }
        append(&mut self.octets)
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.octets.get(self.read..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.octets.len() - self.read
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn consume(&mut self, len: usize) {
        self.read = (self.read + len).min(self.octets.len());
        if self.is_empty() {
            self.octets.clear();
            self.read = 0;
        }
    }

    /// As [`Self::consume`], of octets that may hold a secret (R133).
    pub(super) fn wipe(&mut self, len: usize) {
        let end = (self.read + len).min(self.octets.len());
        if let Some(octets) = self.octets.get_mut(self.read..end) {
            octets.zeroize();
        }
        self.consume(len);
    }

    pub(super) fn clear(&mut self) {
        self.wipe(self.len());
        *self = Self::default();
    }

    /// Gives back room that is not needed now.
    pub(super) fn trim(&mut self) {
        if self.is_empty() && self.octets.capacity() > KEPT {
            self.octets = Vec::new();
        }
    }

    /// The line in front; one of more than `limit` octets with its end is dropped whole. LF ends a line here, with CR or without:
    /// the caller tells by `bare_lf`.
    pub(super) fn line(&mut self, limit: usize) -> Line {
        let rest = self.rest();
        let Some(found) = memchr::memchr(b'\n', rest) else {
            if self.skipping.is_some() || rest.len() >= limit {
                let verb = Verb::of(rest);
                self.skipping.get_or_insert(verb);
                self.wipe(self.len());
            }
            return Line::Partial;
        };
        let total = found + 1;
        let too_long = self.skipping.or_else(|| (total > limit).then(|| Verb::of(rest)));
        if let Some(verb) = too_long {
            self.skipping = None;
            self.wipe(total);
            return Line::TooLong(verb);
        }
        let bare_lf = !self.rest().get(..found).is_some_and(|line| line.ends_with(b"\r"));
        Line::Whole { text: if bare_lf { found } else { found - 1 }, total, bare_lf }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_long_is_dropped_as_it_comes() {
        let mut input = Input::default();
        for _ in 0..100 {
            input.push(&[b'x'; 600]);
            assert_eq!(input.line(512), Line::Partial);
            assert!(input.is_empty());
        }
        input.push(b"xx\r\nNOOP\r\n");
        assert_eq!(input.line(512), Line::TooLong(None));
        assert_eq!(input.line(512), Line::Whole { text: 4, total: 6, bare_lf: false });
    }

    #[test]
    fn the_limit_counts_the_line_end() {
        // R27
        for (length, fits) in [(510, true), (511, false)] {
            let mut whole = Input::default();
            whole.push(&[vec![b'x'; length], b"\r\n".to_vec()].concat());
            assert_eq!(whole.line(512) != Line::TooLong(None), fits);
            let mut split = Input::default();
            for octet in [vec![b'x'; length], b"\r\n".to_vec()].concat() {
                split.push(&[octet]);
                if split.line(512) == Line::TooLong(None) {
                    assert!(!fits);
                }
            }
            assert_eq!(split.is_empty(), !fits);
        }
    }
}
