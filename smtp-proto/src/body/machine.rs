//! The machine behind `Encoder` and `Scanner`.
//!
//! Content is taken in blocks that fit the first-level cache. A block in which every line ends in CRLF and
//! nothing needs a decision (almost every block of almost every message) is surveyed by passes that
//! compare many octets at once, and copied in runs that end only where a dot has to be doubled. Every other
//! block goes through [`Machine::step`], which stops at each CR, LF and NUL. Both paths leave the same state;
//! only `step` knows policy.

use memchr::{memchr3, memmem};

use super::{
    BareCr, BareLf, ContentError, Facts, LineBreaks, LongLine, MAX_LINE, Nul,
    survey::{Lines, Survey},
    utf8::Utf8Check,
};

/// Small enough for the cache, large enough to make the passes worth their start.
const BLOCK: usize = 8 * 1024;
const CRLF: &[u8] = b"\r\n";

/// Where normalised octets go.
pub(super) trait Sink {
    fn put(&mut self, run: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, run: &[u8]) {
        self.extend_from_slice(run);
    }
}

/// Counting is all that is wanted.
pub(super) struct Discard;

impl Sink for Discard {
    #[inline]
    fn put(&mut self, _run: &[u8]) {}
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) forbid_eight_bit: bool,
    pub(super) forbid_eight_bit_header: bool,
    policy: LineBreaks,
    /// Double the dot that starts a line (R52).
    stuff: bool,
    /// Finds the dots to be doubled inside a run.
    dots: memmem::Finder<'static>,
    lines: Lines,
    /// The last octet was a CR; its meaning is open and nothing of it is written.
    held_cr: bool,
    in_header: bool,
    header_utf8: Utf8Check,
    facts: Facts,
    /// Refused or finished.
    end: Option<ContentError>,
}

impl Machine {
    /// `line_floor`: lines up to this length in octets need not be told apart.
    pub(super) fn new(policy: LineBreaks, stuff: bool, line_floor: u64) -> Self {
        Self {
            forbid_eight_bit: false,
            forbid_eight_bit_header: false,
            policy,
            stuff,
            dots: memmem::Finder::new(b"\n."),
            lines: Lines::new(line_floor), // the first octet starts a line (W15)
            held_cr: false,
            in_header: true,
            header_utf8: Utf8Check::default(),
            facts: Facts::default(),
            end: None,
        }
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn feed(&mut self, input: &[u8], out: &mut impl Sink) -> Result<(), ContentError> {
        if let Some(end) = self.end {
            return Err(end);
        }
        let fed = input.chunks(BLOCK).try_for_each(|block| self.block(block, out));
        self.note(fed)
    }

    /// Settles a CR at the very end and adds the missing last CRLF (R53). The end mark is the caller's.
    pub(super) fn finish(&mut self, out: &mut impl Sink) -> Result<(), ContentError> {
        if let Some(end) = self.end {
            return Err(end);
        }
        if self.held_cr {
            self.held_cr = false;
            let settled = self.bare_cr(out); // W5
            self.note(settled)?;
        }
        if self.lines.open > 0 {
            self.line_break(out); // W2; not for empty content (W1)
        }
        self.note(Ok(()))?;
        self.end = Some(ContentError::Finished { offset: self.facts.octets });
        Ok(())
    }

    /// Brings the facts up to date; an error is kept for every later call.
    fn note(&mut self, result: Result<(), ContentError>) -> Result<(), ContentError> {
        self.facts.longest_line = self.lines.longest();
        self.facts.malformed_header = self.header_utf8.malformed();
        if let Err(error) = result {
            self.facts.octets = error.offset();
            self.end = Some(error);
        }
        result
    }

    fn block(&mut self, block: &[u8], out: &mut impl Sink) -> Result<(), ContentError> {
        let block = self.settle_cr(block, out)?;
        let (run, ends_in_cr) = match block {
            [run @ .., b'\r'] => (run, true),
            run => (run, false),
        };
        let survey = Survey::of(run);
        if !self.copy_clean(run, &survey, out) {
            return self.step(block, survey.high, out);
        }
        self.held_cr = ends_in_cr;
        self.facts.octets += u64::from(ends_in_cr);
        Ok(())
    }

    /// The fast path. Returns false, with nothing done, if the run holds something to decide.
    fn copy_clean(&mut self, run: &[u8], survey: &Survey, out: &mut impl Sink) -> bool {
        let forbidden = survey.high && self.forbid_eight_bit;
        let in_question = self.in_header && (survey.high || self.header_utf8.open());
        if survey.decide || forbidden || in_question {
            return false;
        }
        let lines = self.lines.after(run);
        if lines.longest() > MAX_LINE && self.policy.long_line == LongLine::Reject {
            return false;
        }
        if self.in_header {
            let empty_first = self.lines.open == 0 && run.starts_with(CRLF);
            self.in_header = !empty_first && memmem::find(run, b"\n\r\n").is_none();
        }
        if self.stuff {
            self.put_stuffed(run, survey.dot, out);
        } else {
            out.put(run);
        }
        self.lines = lines;
        self.facts.eight_bit |= survey.high;
        self.facts.octets += run.len() as u64;
        self.facts.size += run.len() as u64;
        true
    }

    /// Copies whole lines, doubling each dot that starts one (R52).
    fn put_stuffed(&self, run: &[u8], dot_inside: bool, out: &mut impl Sink) {
        if self.lines.open == 0 && run.starts_with(b".") {
            out.put(b".");
        }
        let mut rest = run;
        if dot_inside {
            while let Some(at) = self.dots.find(rest) {
                // Up to and with the dot; the search goes on behind a second copy of it.
                let (line, next) = rest.split_at(at + 2);
                out.put(line);
                out.put(b".");
                rest = next;
            }
        }
        out.put(rest);
    }

    /// The path that knows policy: from one CR, LF or NUL to the next. `high`: there may be octets >= 0x80.
    fn step(&mut self, mut rest: &[u8], high: bool, out: &mut impl Sink) -> Result<(), ContentError> {
        loop {
            rest = self.settle_cr(rest, out)?;
            let stop = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
            let (text, tail) = rest.split_at(stop);
            self.text(text, high, out)?;
            let Some((&octet, tail)) = tail.split_first() else { return Ok(()) };
            match octet {
                b'\r' => {
                    self.held_cr = true;
                    self.facts.octets += 1;
                }
                b'\n' => self.bare_lf(out)?,
                _ => self.nul(out)?,
            }
            rest = tail;
        }
    }

    /// Gives the held CR its meaning if `next` tells it, and returns what is left of `next`.
    fn settle_cr<'a>(&mut self, next: &'a [u8], out: &mut impl Sink) -> Result<&'a [u8], ContentError> {
        if !self.held_cr || next.is_empty() {
            return Ok(next);
        }
        self.held_cr = false;
        if let [b'\n', rest @ ..] = next {
            self.facts.octets += 1;
            self.line_break(out);
            return Ok(rest);
        }
        self.bare_cr(out)?; // also the first of CR CR LF (W12)
        Ok(next)
    }

    /// Octets without CR and LF; NUL only if it may pass.
    fn text(&mut self, text: &[u8], high: bool, out: &mut impl Sink) -> Result<(), ContentError> {
        let offset = self.facts.octets;
        let Some((at, error)) = self.refusal(text, high, offset) else {
            self.facts.octets += text.len() as u64;
            self.put(text, high, out);
            return Ok(());
        };
        self.put(text.get(..at).unwrap_or_default(), high, out);
        Err(error)
    }

    /// The first octet of `text` that may not be sent: its place in it, and why. `offset` is that of `text`.
    fn refusal(&self, text: &[u8], high: bool, offset: u64) -> Option<(usize, ContentError)> {
        let header = self.in_header && self.forbid_eight_bit_header;
        let high = (high && (header || self.forbid_eight_bit))
            .then(|| text.iter().position(|octet| !octet.is_ascii()))
            .flatten();
        let long = self.long_line_in(text.len());
        match (high, long) {
            (Some(at), long) if long.is_none_or(|long| at <= long) => {
                let offset = offset + at as u64;
                let error = match header {
                    true => ContentError::EightBitHeader { offset },
                    false => ContentError::EightBit { offset },
                };
                Some((at, error))
            }
            (_, Some(at)) => Some((at, ContentError::LongLine { offset: offset + at as u64 })),
            (_, None) => None,
        }
    }

    /// Where among the next `len` octets of the open line the limit is passed, if that is refused.
    fn long_line_in(&self, len: usize) -> Option<usize> {
        if self.policy.long_line == LongLine::Pass {
            return None;
        }
        // Not behind the limit: the open line has been within it so far. The stuffed dot is not in it (W14).
        let room = usize::try_from(MAX_LINE.saturating_sub(self.lines.open)).unwrap_or(usize::MAX);
        (len > room).then_some(room)
    }

    /// Writes octets of one line.
    fn put(&mut self, text: &[u8], high: bool, out: &mut impl Sink) {
        if self.in_header && (high || self.header_utf8.open()) {
            self.header_utf8.update(text);
        }
        if high && !text.is_ascii() {
            self.facts.eight_bit = true;
            self.facts.eight_bit_header |= self.in_header;
        }
        if self.stuff && self.lines.open == 0 && text.starts_with(b".") {
            out.put(b"."); // R52
        }
        out.put(text);
        self.facts.size += text.len() as u64;
        self.lines.extend(text.len() as u64);
    }

    fn line_break(&mut self, out: &mut impl Sink) {
        out.put(CRLF);
        self.facts.size += CRLF.len() as u64;
        if self.in_header {
            self.header_utf8.interrupt();
            self.in_header = self.lines.open > 0;
        }
        self.lines.open = 0;
    }

    /// The octet before the next one was a CR that no LF follows (W19).
    fn bare_cr(&mut self, out: &mut impl Sink) -> Result<(), ContentError> {
        let offset = self.facts.octets - 1; // counted when it was held
        let instead: &[u8] = match self.policy.bare_cr {
            BareCr::Reject => return Err(ContentError::BareCr { offset }),
            BareCr::Space => b" ",
            // Not a line start: a dot behind it stays as it is (W10).
            BareCr::Pass => b"\r",
            BareCr::Crlf => CRLF,
        };
        if instead == CRLF {
            self.line_break(out);
        } else if self.long_line_in(instead.len()).is_some() {
            return Err(ContentError::LongLine { offset });
        } else {
            self.put(instead, false, out);
        }
        self.facts.bare_cr += 1;
        Ok(())
    }

    /// The next octet is an LF that no CR precedes (W18).
    fn bare_lf(&mut self, out: &mut impl Sink) -> Result<(), ContentError> {
        if self.policy.bare_lf == BareLf::Reject {
            return Err(ContentError::BareLf { offset: self.facts.octets });
        }
        self.facts.octets += 1;
        self.facts.bare_lf += 1;
        self.line_break(out);
        Ok(())
    }

    /// The next octet is a NUL (W16).
    fn nul(&mut self, out: &mut impl Sink) -> Result<(), ContentError> {
        if self.policy.nul == Nul::Reject {
            return Err(ContentError::Nul { offset: self.facts.octets });
        }
        self.text(&[0], false, out)?;
        self.facts.nul += 1;
        Ok(())
    }
}
