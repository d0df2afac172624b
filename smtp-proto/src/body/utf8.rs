//! Whether octets that arrive in pieces are well-formed UTF-8 (RFC 3629, R175).

use std::str::from_utf8;

/// Remembers a character that was cut between two pieces.
#[derive(Debug, Default)]
pub(super) struct Utf8Check {
    /// The first octets of a cut character.
    cut: [u8; 4],
    cut_len: usize,
    malformed: bool,
}

impl Utf8Check {
    pub(super) fn malformed(&self) -> bool {
        self.malformed
    }

    /// Whether a character is cut, so that the next octets matter even if they are ASCII.
    pub(super) fn open(&self) -> bool {
        self.cut_len > 0
    }

    /// No more octets of this text: a cut character stays so.
    pub(super) fn interrupt(&mut self) {
        self.malformed |= self.open();
        self.cut_len = 0;
    }

    pub(super) fn update(&mut self, text: &[u8]) {
        let mut rest = text;
        while self.open() {
            let Some((&octet, tail)) = rest.split_first() else { return };
            rest = tail;
            self.complete(octet);
        }
        let Err(error) = from_utf8(rest) else { return };
        if error.error_len().is_some() {
            self.malformed = true;
            return;
        }
        // At most three octets: an unfinished character.
        let tail = rest.get(error.valid_up_to()..).unwrap_or_default();
        for (slot, &octet) in self.cut.iter_mut().zip(tail) {
            *slot = octet;
            self.cut_len += 1;
        }
    }

    fn complete(&mut self, octet: u8) {
        if let Some(slot) = self.cut.get_mut(self.cut_len) {
            *slot = octet;
            self.cut_len += 1;
        }
        let character = self.cut.get(..self.cut_len).unwrap_or_default();
        match from_utf8(character) {
            Err(error) if error.error_len().is_none() => return,
            result => self.malformed |= result.is_err(),
        }
        self.cut_len = 0;
    }
}
