//! What several fuzz targets share: splitting input, and slow but obvious models of the code under test.

pub mod witness;

use smtp_proto::body::{BareCr, BareLf, LineBreaks, LongLine, Nul};

/// The longest line RFC 5321 §4.5.3.1.6 allows, without its CRLF (N16).
const LONGEST_LINE: usize = 998;

/// Cuts `data` into pieces of 1 to 64 octets whose sizes follow from `seed`, so that a crash can be replayed.
pub fn pieces(data: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    let mut state = u32::from(seed);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // Seed 0 is the worst case: one octet at a time.
        let size = if seed == 0 {
            1
        } else {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 26) as usize + 1
        };
        let (piece, tail) = rest.split_at(size.min(rest.len()));
        rest = tail;
        Some(piece)
    })
}

/// A policy from six bits; every combination can be reached.
pub fn policy(bits: u8) -> LineBreaks {
    let mut policy = LineBreaks::default();
    policy.bare_cr = match bits & 3 {
        0 => BareCr::Space,
        1 => BareCr::Crlf,
        2 => BareCr::Reject,
        _ => BareCr::Pass,
    };
    policy.bare_lf = if bits & 4 == 0 { BareLf::Crlf } else { BareLf::Reject };
    policy.nul = if bits & 8 == 0 { Nul::Reject } else { Nul::Pass };
    policy.long_line = if bits & 16 == 0 { LongLine::Pass } else { LongLine::Reject };
    policy
}

/// The content after line-end normalisation, octet by octet; `None` where the policy refuses it (W16-W21).
pub fn normalise(content: &[u8], policy: &LineBreaks) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(content.len() + 2);
    let mut rest = content;
    while let [octet, tail @ ..] = rest {
        rest = tail;
        match octet {
            b'\r' if rest.first() == Some(&b'\n') => {
                rest = &rest[1..];
                out.extend_from_slice(b"\r\n");
            }
            b'\r' => match policy.bare_cr {
                BareCr::Space => out.push(b' '),
                BareCr::Crlf => out.extend_from_slice(b"\r\n"),
                BareCr::Pass => out.push(b'\r'),
                _ => return None,
            },
            b'\n' => match policy.bare_lf {
                BareLf::Crlf => out.extend_from_slice(b"\r\n"),
                _ => return None,
            },
            0 if policy.nul == Nul::Reject => return None,
            other => out.push(*other),
        }
    }
    // W24: text ends with a line end; nothing at all stays nothing (W1).
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    let too_long = policy.long_line == LongLine::Reject && lines(&out).any(|line| line.len() > LONGEST_LINE);
    (!too_long).then_some(out)
}

/// The lines of normalised content, without their CRLF.
pub fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let (line, tail) = end.map_or_else(|| rest.split_at(rest.len()), |at| (&rest[..at], &rest[at + 2..]));
        rest = tail;
        Some(line)
    })
}

/// What a strict server makes of the octets behind its 354: the content, and the octets after the end mark.
///
/// `None` if the end mark never comes.
pub fn receive(wire: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::with_capacity(wire.len());
    let mut rest = wire;
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let (line, tail) = (&rest[..end], &rest[end + 2..]);
        rest = tail;
        match line {
            b"." => return Some((content, rest)),
            [b'.', text @ ..] => content.extend_from_slice(text),
            text => content.extend_from_slice(text),
        }
        content.extend_from_slice(b"\r\n");
    }
}

/// The octets hold a CR without an LF behind it, or an LF without a CR before it.
pub fn has_bare_line_end(octets: &[u8]) -> bool {
    let mut previous = 0;
    for &octet in octets {
        if (octet == b'\n') != (previous == b'\r') {
            return true;
        }
        previous = octet;
    }
    previous == b'\r'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lose_nothing() {
        let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for seed in 0..=255 {
            assert_eq!(pieces(&data, seed).flatten().copied().collect::<Vec<u8>>(), data);
        }
    }

    #[test]
    fn the_models_agree_with_the_table_of_wire_facts() {
        let plain = LineBreaks::default();
        for (content, want) in [
            (&b""[..], &b""[..]),
            (b"x", b"x\r\n"),
            (b"x\n", b"x\r\n"),
            (b"x\r\n", b"x\r\n"),
            (b"x\r", b"x \r\n"),
            (b"a\r\r\nb", b"a \r\nb\r\n"),
        ] {
            assert_eq!(normalise(content, &plain).as_deref(), Some(want), "{content:?}");
        }
        assert_eq!(normalise(b"\0", &plain), None);
        assert_eq!(receive(b"..\r\n.\r\nNOOP\r\n"), Some((b".\r\n".to_vec(), &b"NOOP\r\n"[..])));
        assert_eq!(receive(b"..\r\n"), None);
        assert!(has_bare_line_end(b"a\r") && has_bare_line_end(b"\n") && has_bare_line_end(b"a\r\r\n"));
        assert!(!has_bare_line_end(b"a\r\n\r\n"));
    }
}
