//! The obvious way: whole content, octet by octet, no state between calls.

use super::*;

/// What must come out of a message.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Everything appended, with the end (if it was reached) but without stuffing and end mark.
    pub(super) normalised: Vec<u8>,
    /// The same as DATA carries it.
    pub(super) stuffed: Vec<u8>,
    pub(super) facts: Facts,
    pub(super) error: Option<ContentError>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forbid {
    pub(super) eight_bit: bool,
    pub(super) header: bool,
}

pub(super) fn oracle(content: &[u8], policy: LineBreaks, forbid: Forbid) -> Outcome {
    let mut normalised = Vec::new();
    let mut facts = Facts::default();
    let mut header = Vec::new();
    let mut error = None;
    let (mut at, mut line, mut in_header) = (0, 0, true);
    while at < content.len() {
        let offset = at as u64;
        let (put, taken): (&[u8], usize) = match (content[at], content.get(at + 1)) {
            (b'\r', Some(b'\n')) => (b"\r\n", 2),
            (b'\r', _) => match policy.bare_cr {
                BareCr::Space => (b" ", 1),
                BareCr::Crlf => (b"\r\n", 1),
                BareCr::Pass => (b"\r", 1),
                BareCr::Reject => {
                    error = Some(ContentError::BareCr { offset });
                    break;
                }
            },
            (b'\n', _) if policy.bare_lf == BareLf::Reject => {
                error = Some(ContentError::BareLf { offset });
                break;
            }
            (b'\n', _) => (b"\r\n", 1),
            (0, _) if policy.nul == Nul::Reject => {
                error = Some(ContentError::Nul { offset });
                break;
            }
            (0x80.., _) if in_header && forbid.header => {
                error = Some(ContentError::EightBitHeader { offset });
                break;
            }
            (0x80.., _) if forbid.eight_bit => {
                error = Some(ContentError::EightBit { offset });
                break;
            }
            _ => (&content[at..=at], 1),
        };
        if put != b"\r\n" && line >= 998 && policy.long_line == LongLine::Reject {
            error = Some(ContentError::LongLine { offset });
            break;
        }
        facts.bare_cr += u64::from(content[at] == b'\r' && taken == 1);
        facts.bare_lf += u64::from(content[at] == b'\n');
        facts.nul += u64::from(content[at] == 0);
        facts.eight_bit |= content[at] >= 0x80;
        facts.eight_bit_header |= content[at] >= 0x80 && in_header;
        if in_header {
            header.extend_from_slice(put);
        }
        if put == b"\r\n" {
            in_header &= line > 0;
            line = 0;
        } else {
            line += 1;
        }
        normalised.extend_from_slice(put);
        at += taken;
    }
    if error.is_none() && !normalised.is_empty() && !normalised.ends_with(b"\r\n") {
        normalised.extend_from_slice(b"\r\n");
    }
    facts.octets = at as u64;
    facts.size = normalised.len() as u64;
    facts.malformed_header = std::str::from_utf8(&header).is_err();
    facts.longest_line = longest(&normalised);
    Outcome { stuffed: stuff(&normalised, error.is_none()), normalised, facts, error }
}

fn longest(normalised: &[u8]) -> u64 {
    let lines = normalised.split_inclusive(|&o| o == b'\n');
    lines.map(|line| line.strip_suffix(b"\r\n").unwrap_or(line).len() as u64).max().unwrap_or_default()
}

fn stuff(normalised: &[u8], ended: bool) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in normalised.split_inclusive(|&o| o == b'\n') {
        if line[0] == b'.' {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if ended {
        wire.extend_from_slice(b".\r\n");
    }
    wire
}

/// A server's view (RFC 5321 §4.5.2): lines up to the end mark, the first dot of each removed. Returns the
/// content and what came behind the end mark.
pub(super) fn unstuff(wire: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut content, mut rest) = (Vec::new(), wire);
    loop {
        let (line, behind) = rest.split_at(memchr::memmem::find(rest, b"\r\n")? + 2);
        if line == b".\r\n" {
            return Some((content, behind));
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = behind;
    }
}
