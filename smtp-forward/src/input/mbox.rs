//! Where the messages of an mbox are.
//!
//! A message begins behind a separator line, at the start or after an empty line, and ends before the empty line in front of the next
//! one. Quoting (`>From `) differs between the dialects and cannot be told from text that is meant so: octets are left as they are.

use std::io::{self, BufRead, Read as _};

/// A separator has a sender and a date; longer lines are text, in octets.
pub(super) const LONGEST_SEPARATOR: u64 = 1024;

const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// `From sender Thu Jan  1 00:00:00 2026`: text such as `From here on` is none.
pub(super) fn is_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_time =
        |word: &[u8]| word.len() >= 5 && word.get(2) == Some(&b':') && word.iter().any(u8::is_ascii_digit);
    // The sender can be missing or have blanks; the day is followed by month, date and time.
    let words: Vec<&[u8]> = words.by_ref().take(32).collect();
    words
        .iter()
        .position(|word| DAYS.contains(word))
        .is_some_and(|day| words.get(day + 3).is_some_and(|word| is_time(word)))
}

/// First and last+1 octet of each message, read on as they are asked for.
#[derive(Debug)]
pub(super) struct Pieces<R> {
    source: R,
    line: Vec<u8>,
    at: u64,
    /// Octets of the empty line just before, if there is one.
    empty_line: u64,
    after_empty: bool,
    begun: Option<u64>,
}

impl<R: BufRead> Pieces<R> {
    pub(super) const fn new(source: R) -> Self {
        Self { source, line: Vec::new(), at: 0, empty_line: 0, after_empty: true, begun: None }
    }

    /// Reads up to the end of the next message; `None`: there is none.
    fn read(&mut self) -> io::Result<Option<(u64, u64)>> {
        loop {
            self.line.clear();
            // The rest of a longer line is no separator and no empty line: it need not be kept.
            let read = (&mut self.source).take(LONGEST_SEPARATOR).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                let last = self.end();
                self.begun = None;
                return Ok(last);
            }
            let mut length = read as u64;
            if !self.line.ends_with(b"\n") && length == LONGEST_SEPARATOR {
                length += skip_line(&mut self.source)?;
            }
            if let Some(piece) = self.take_line(length) {
                return Ok(Some(piece));
            }
        }
    }

    /// The message that ended with this line, if one did.
    fn take_line(&mut self, length: u64) -> Option<(u64, u64)> {
        if self.after_empty && is_separator(&self.line) {
            let ended = self.end();
            self.at += length;
            self.begun = Some(self.at);
            self.after_empty = false;
            self.empty_line = 0;
            return ended;
        }
        self.after_empty = matches!(self.line.as_slice(), b"\n" | b"\r\n");
        self.empty_line = if self.after_empty { length } else { 0 };
        self.at += length;
        None
    }

    fn end(&self) -> Option<(u64, u64)> {
        self.begun.map(|start| (start, self.at.saturating_sub(self.empty_line).max(start)))
    }
}

impl<R: BufRead> Iterator for Pieces<R> {
    type Item = io::Result<(u64, u64)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn skip_line(source: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = source.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let (used, ended) = match buffer.iter().position(|octet| *octet == b'\n') {
            Some(found) => (found + 1, true),
            None => (buffer.len(), false),
        };
        source.consume(used);
        skipped += used as u64;
        if ended {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        let pieces = Pieces::new(text.as_bytes()).map(Result::unwrap);
        pieces.map(|(start, end)| &text[start as usize..end as usize]).collect()
    }

    const SEPARATOR: &str = "From a@b Thu Jan  1 00:00:00 2026\n";

    #[test]
    fn messages_are_found_and_the_empty_line_between_them_is_nobodys() {
        let text = format!("{SEPARATOR}A: 1\n\none\n\n{SEPARATOR}A: 2\n\ntwo\nFrom here on\n\nFrom me\n\n\n");
        assert_eq!(split(&text), ["A: 1\n\none\n", "A: 2\n\ntwo\nFrom here on\n\nFrom me\n\n"]);
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(
            split(&crlf),
            ["A: 1\r\n\r\none\r\n", "A: 2\r\n\r\ntwo\r\nFrom here on\r\n\r\nFrom me\r\n\r\n"]
        );
    }

    #[test]
    fn a_separator_needs_an_empty_line_in_front() {
        let text = format!("{SEPARATOR}A: 1\n\none\n{SEPARATOR}two");
        assert_eq!(split(&text).len(), 1);
    }

    #[test]
    fn lines_beyond_the_limit_are_counted() {
        let long = "x".repeat(200_000);
        let text = format!("{SEPARATOR}A: 1\n\n{long}\n\n{SEPARATOR}B: 2\n");
        assert_eq!(split(&text), [format!("A: 1\n\n{long}\n"), "B: 2\n".to_owned()]);
    }

    #[test]
    fn an_empty_file_has_no_message() {
        assert_eq!(split(""), Vec::<&str>::new());
        assert_eq!(split(SEPARATOR), [""]);
    }

    #[test]
    fn what_is_a_separator() {
        for (line, is) in [
            (SEPARATOR, true),
            ("From MAILER-DAEMON Thu Jan 01 00:00:00 2026 +0000", true),
            ("From - Mon Feb  2 10:11:12 2026", true),
            ("From here on Mon", false),
            ("From a@b", false),
            (">From a@b Thu Jan  1 00:00:00 2026", false),
            ("From: a@b", false),
            ("", false),
        ] {
            assert_eq!(is_separator(line.as_bytes()), is, "{line}");
        }
    }
}
