//! Content off the wire: dot-unstuffing and the end mark (RFC 5321 §4.5.2).
//!
//! Only CRLF ends a line, so only `CRLF . CRLF` ends the content: a CR or an LF by itself is an octet like any other. Whoever reads
//! one of them as a line end can be made to see a message where none was sent.

use memchr::memmem;

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At its start.
    Start,
    /// Behind a dot at its start, which is not content.
    Dot,
    /// Behind that dot and a CR, which is content unless LF follows.
    DotCr,
    /// Behind anything but a CR.
    Inside,
    /// Behind a CR.
    Cr,
}

/// The inverse of [`body::Encoder`](crate::body::Encoder) with [`Framing::Dot`](crate::body::Framing::Dot).
#[derive(Debug)]
pub(super) struct Decoder {
    at: At,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { at: At::Start }
    }

    /// Appends the content in `input` to `out`: octets used, and whether the end mark was among them. What follows it is not used.
    pub(super) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut rest = input;
        while let [octet, tail @ ..] = rest {
            match (self.at, octet) {
                (At::DotCr, b'\n') => return (input.len() - tail.len(), true),
                (At::Start, b'.') => self.at = At::Dot,
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, _) => {
                    out.push(b'\r');
                    self.at = At::Cr;
                    continue;
                }
                (At::Cr, b'\n') => {
                    out.push(b'\n');
                    self.at = At::Start;
                }
                (At::Start | At::Dot | At::Inside | At::Cr, _) => {
                    rest = self.run(rest, out);
                    continue;
                }
            }
            rest = tail;
        }
        (input.len(), false)
    }

    /// Copies up to the next dot that starts a line, which is not copied; what remains.
    fn run<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        if let Some((content, rest)) =
            memmem::find(input, b"\r\n.").and_then(|found| input.split_at_checked(found + 2))
        {
            out.extend_from_slice(content);
            self.at = At::Start;
            return rest;
        }
        out.extend_from_slice(input);
        self.at = match input {
            [.., b'\r', b'\n'] => At::Start,
            [.., b'\r'] => At::Cr,
            _ => At::Inside,
        };
        &[]
    }
}

/// Looks for a CR or an LF by itself.
#[derive(Debug, Default)]
pub(super) struct BareLineEnds {
    after_cr: bool,
}

impl BareLineEnds {
    /// Whether the next octets of the content have one. A CR at the very end of the content is not noticed until
    /// [`Self::ended`].
    pub(super) fn found_in(&mut self, content: &[u8]) -> bool {
        let mut rest = content;
        loop {
            if self.after_cr {
                match rest {
                    [] => return false,
                    [b'\n', tail @ ..] => rest = tail,
                    _ => return true,
                }
                self.after_cr = false;
            }
            let Some((found, tail)) =
                memchr::memchr2(b'\r', b'\n', rest).and_then(|found| rest.get(found..)?.split_first())
            else {
                return false;
            };
            if *found == b'\n' {
                return true;
            }
            self.after_cr = true;
            rest = tail;
        }
    }

    pub(super) fn ended(&self) -> bool {
        self.after_cr
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::body::{BareCr, Encoder, Framing, LineBreaks, Nul};

    /// Content and what follows the end mark, by splitting lines: the definition, slow and plain.
    fn oracle(wire: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut content = Vec::new();
        let mut rest = wire;
        loop {
            let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
            let (line, tail) = (&rest[..end], &rest[end + 2..]);
            if line == b"." {
                return Some((content, tail.to_vec()));
            }
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            content.extend_from_slice(b"\r\n");
            rest = tail;
        }
    }

    fn decode(pieces: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut decoder = Decoder::new();
        let mut content = Vec::new();
        let mut behind: Option<Vec<u8>> = None;
        for piece in pieces {
            if let Some(behind) = &mut behind {
                behind.extend_from_slice(piece);
                continue;
            }
            let (used, ended) = decoder.decode(piece, &mut content);
            if ended {
                behind = Some(piece[used..].to_vec());
            } else {
                assert_eq!(used, piece.len());
            }
        }
        (content, behind)
    }

    /// Octets that matter, often.
    fn noise() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'x'), any::<u8>()],
            0..60,
        )
    }

    #[test]
    fn only_crlf_dot_crlf_ends_the_content() {
        // W10, W11, W18: each of these is content of one line or two, and goes on.
        for inner in
            ["a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r.\r", "a\r.\r\n", "a\r\n.\r", "a\n.\rb", "\r\n.\rx"]
        {
            let wire = format!("{inner}b\r\n.\r\n");
            let (content, behind) = decode(&[wire.as_bytes()]);
            assert_eq!(behind.as_deref(), Some(&b""[..]), "{inner:?}");
            assert!(content.ends_with(b"b\r\n"), "{inner:?}");
        }
    }

    #[test]
    fn an_empty_content_is_just_the_mark() {
        assert_eq!(decode(&[b".\r\n"]), (Vec::new(), Some(Vec::new()))); // W1
    }

    #[test]
    fn bare_line_ends_are_found_across_any_split() {
        for (content, bare) in [
            (&b"a\r\nb\r\n"[..], false),
            (b"a\nb\r\n", true),
            (b"a\rb\r\n", true),
            (b"a\r\r\n", true),
            (b"\n", true),
            (b"a\r", true),
        ] {
            for split in 0..=content.len() {
                let mut seen = BareLineEnds::default();
                let found =
                    seen.found_in(&content[..split]) || seen.found_in(&content[split..]) || seen.ended();
                assert_eq!(found, bare, "{content:?} at {split}");
            }
        }
    }

    proptest! {
        #![proptest_config(crate::cases(1000))]

        #[test]
        fn unstuffing_is_the_oracle_at_every_split(mut wire in noise(), more in noise()) {
            wire.extend_from_slice(b"\r\n.\r\n");
            wire.extend_from_slice(&more);
            let (content, behind) = oracle(&wire).unwrap();
            for split in 0..=wire.len() {
                let (left, right) = wire.split_at(split);
                prop_assert_eq!(decode(&[left, right]), (content.clone(), Some(behind.clone())));
            }
            let single: Vec<&[u8]> = wire.chunks(1).collect();
            prop_assert_eq!(decode(&single), (content, Some(behind)));
        }

        #[test]
        fn what_the_encoder_stuffs_comes_out_as_it_was(content in noise(), behind in noise()) {
            let policy = LineBreaks { bare_cr: BareCr::Pass, nul: Nul::Pass, ..LineBreaks::default() };
            let (mut wire, mut plain) = (Vec::new(), Vec::new());
            for (framing, out) in [(Framing::Dot, &mut wire), (Framing::Counted, &mut plain)] {
                let mut encoder = Encoder::new(policy, framing);
                encoder.encode(&content, out).unwrap();
                encoder.finish(out).unwrap();
            }
            wire.extend_from_slice(&behind);
            prop_assert_eq!(decode(&[&wire]), (plain, Some(behind)));
        }
    }
}
