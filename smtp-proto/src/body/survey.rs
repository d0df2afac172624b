//! Passes over a block that look at many octets at once.

use memchr::{memchr, memrchr};

/// What one pass over a run tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// There is a bare CR, a bare LF or a NUL.
    pub(super) decide: bool,
    /// There is an octet >= 0x80.
    pub(super) high: bool,
    /// There is LF `.`.
    pub(super) dot: bool,
}

impl Survey {
    /// Surveys a run that neither starts behind a CR nor leaves a CR at its end open.
    ///
    /// All CRs and LFs are parts of CRLFs exactly if, of each two neighbours, the first is a CR when and only
    /// when the second is an LF. No branch and no count: the compiler turns this into vector instructions.
    pub(super) fn of(run: &[u8]) -> Self {
        let (Some(&first), Some(&last)) = (run.first(), run.last()) else { return Self::default() };
        let second_on = run.get(1..).unwrap_or_default();
        let mut decide = u8::from(first == b'\n') | u8::from(last == b'\r');
        let (mut high, mut least) = (first, first);
        let mut dot = 0;
        for (&a, &b) in run.iter().zip(second_on) {
            decide |= u8::from((a == b'\r') != (b == b'\n'));
            dot |= u8::from(a == b'\n') & u8::from(b == b'.');
            high |= b;
            least = least.min(b);
        }
        Self { decide: decide != 0 || least == 0, high: high >= 0x80, dot: dot != 0 }
    }
}

/// The lengths of lines in octets, without line ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    /// Octets in the line that has not ended; 0 is the start of a line.
    pub(super) open: u64,
    /// The longest line so far, at least `floor`.
    longest: u64,
    floor: u64,
}

impl Lines {
    pub(super) fn new(floor: u64) -> Self {
        Self { open: 0, longest: floor, floor }
    }

    /// The longest line so far, 0 if none was longer than the floor.
    pub(super) fn longest(&self) -> u64 {
        if self.longest > self.floor { self.longest } else { 0 }
    }

    pub(super) fn extend(&mut self, octets: u64) {
        self.open += octets;
        self.longest = self.longest.max(self.open);
    }

    /// After a run in which every CR and LF is part of a CRLF.
    ///
    /// It does not visit every line: those that end within `longest` + CRLF octets of a line's start are no
    /// longer than `longest`, so only the last of them is looked for, backwards.
    pub(super) fn after(mut self, run: &[u8]) -> Self {
        let mut rest = run;
        loop {
            let room = usize::try_from(self.longest + 2 - self.open).unwrap_or(usize::MAX);
            let window = rest.get(..room).unwrap_or(rest);
            if let Some(at) = memrchr(b'\n', window) {
                self.open = 0;
                rest = rest.get(at + 1..).unwrap_or_default();
            } else if let Some(at) = memchr(b'\n', rest.get(window.len()..).unwrap_or_default()) {
                // A longer line; the octet before its LF is its CR.
                let end = window.len() + at;
                self.extend(end as u64 - 1);
                self.open = 0;
                rest = rest.get(end + 1..).unwrap_or_default();
            } else {
                self.extend(rest.len() as u64);
                return self;
            }
        }
    }
}
