use proptest::{collection::vec, prelude::*, sample::select};

use self::oracle::{Outcome, oracle, unstuff};
use super::{BareCr, BareLf, ContentError, Encoder, Facts, Framing, LineBreaks, LongLine, Nul, Scanner};

mod oracle;
mod properties;

fn encoder(policy: LineBreaks) -> Encoder {
    Encoder::new(policy, Framing::Dot)
}

/// The whole wire form, the content given in one piece.
fn wire(policy: LineBreaks, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = encoder(policy);
    encoder.encode(content, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    out
}

fn facts(policy: LineBreaks, content: &[u8]) -> Facts {
    let mut scanner = Scanner::new(policy);
    scanner.update(content).unwrap();
    scanner.finish().unwrap()
}

/// The error, and what was appended before it.
fn refused(mut encoder: Encoder, content: &[u8]) -> (ContentError, Vec<u8>) {
    let mut out = Vec::new();
    let error = encoder.encode(content, &mut out).and_then(|()| encoder.finish(&mut out)).unwrap_err();
    assert_eq!(encoder.encode(b"x", &mut out), Err(error), "the error stays");
    assert_eq!(encoder.finish(&mut out), Err(error), "no end mark for an incomplete message");
    (error, out)
}

const SPACE: LineBreaks =
    LineBreaks { bare_cr: BareCr::Space, bare_lf: BareLf::Crlf, nul: Nul::Reject, long_line: LongLine::Pass };
const BREAK: LineBreaks = LineBreaks { bare_cr: BareCr::Crlf, ..SPACE };
const PASS: LineBreaks = LineBreaks { bare_cr: BareCr::Pass, ..SPACE };
const REJECT_CR: LineBreaks = LineBreaks { bare_cr: BareCr::Reject, ..SPACE };
const REJECT_LONG: LineBreaks = LineBreaks { long_line: LongLine::Reject, ..SPACE };

#[test]
fn default_policy_neither_drops_nor_passes_what_smuggles() {
    assert_eq!(LineBreaks::default(), SPACE);
}

#[test]
fn content_and_its_wire_form_octet_for_octet() {
    let rows: &[(&str, LineBreaks, &[u8], &[u8])] = &[
        ("W1", SPACE, b"", b".\r\n"),
        ("W2", SPACE, b"x", b"x\r\n.\r\n"),
        ("W3", SPACE, b"x\n", b"x\r\n.\r\n"),
        ("W4", SPACE, b"x\r\n", b"x\r\n.\r\n"),
        ("W5 space", SPACE, b"x\r", b"x \r\n.\r\n"),
        ("W5 crlf", BREAK, b"x\r", b"x\r\n.\r\n"),
        ("W5 pass", PASS, b"x\r", b"x\r\r\n.\r\n"),
        ("W6", SPACE, b".", b"..\r\n.\r\n"),
        ("W7", SPACE, b"..", b"...\r\n.\r\n"),
        ("W8", SPACE, b"\n.\n", b"\r\n..\r\n.\r\n"),
        ("W9", SPACE, b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
        ("W10 space", SPACE, b"\r.\r", b" . \r\n.\r\n"),
        ("W10 crlf", BREAK, b"\r.\r", b"\r\n..\r\n.\r\n"),
        ("W10 pass", PASS, b"\r.\r", b"\r.\r\r\n.\r\n"),
        ("W11 space", SPACE, b"\r.\r\n", b" .\r\n.\r\n"),
        ("W11 crlf", BREAK, b"\r.\r\n", b"\r\n..\r\n.\r\n"),
        ("W11 pass", PASS, b"\r.\r\n", b"\r.\r\n.\r\n"),
        ("W12 space", SPACE, b"a\r\r\nb", b"a \r\nb\r\n.\r\n"),
        ("W12 crlf", BREAK, b"a\r\r\nb", b"a\r\n\r\nb\r\n.\r\n"),
        ("W12 pass", PASS, b"a\r\r\nb", b"a\r\r\nb\r\n.\r\n"),
        ("W15", SPACE, b".x\r\n", b"..x\r\n.\r\n"),
        ("W18 dot behind LF", SPACE, b"a\n.b\n", b"a\r\n..b\r\n.\r\n"),
        ("W18 LF LF", SPACE, b"\n\n", b"\r\n\r\n.\r\n"),
        ("R52 only the first dot", SPACE, b"a\r\n..b.\r\n", b"a\r\n...b.\r\n.\r\n"),
        ("R53 no empty line added", SPACE, b"a\r\n\r\n", b"a\r\n\r\n.\r\n"),
        ("smuggled end LF.LF", SPACE, b"a\n.\nMAIL", b"a\r\n..\r\nMAIL\r\n.\r\n"),
        ("smuggled end LF.CRLF", SPACE, b"a\n.\r\nMAIL", b"a\r\n..\r\nMAIL\r\n.\r\n"),
        ("smuggled end CR.CR", SPACE, b"a\r.\rMAIL", b"a . MAIL\r\n.\r\n"),
        ("W27 empty body", SPACE, b"A: b\r\n\r\n", b"A: b\r\n\r\n.\r\n"),
    ];
    for (row, policy, content, expected) in rows {
        assert_eq!(
            wire(*policy, content).escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{row}"
        );
        // W13: the same for every split in two, and octet by octet.
        for at in 0..=content.len() {
            let (head, tail) = content.split_at(at);
            let mut out = Vec::new();
            let mut encoder = encoder(*policy);
            encoder.encode(head, &mut out).unwrap();
            encoder.encode(tail, &mut out).unwrap();
            encoder.finish(&mut out).unwrap();
            assert_eq!(out, *expected, "{row} split at {at}");
        }
        let mut out = Vec::new();
        let mut encoder = encoder(*policy);
        content.chunks(1).for_each(|octet| encoder.encode(octet, &mut out).unwrap());
        encoder.finish(&mut out).unwrap();
        assert_eq!(out, *expected, "{row} octet by octet");
    }
}

#[test]
fn counted_content_ends_in_crlf_and_has_no_stuffing_and_no_end_mark() {
    // W23, W24
    let rows: &[(&[u8], &[u8])] = &[
        (b"", b""),
        (b".", b".\r\n"),
        (b"a\n.b", b"a\r\n.b\r\n"),
        (b"a\r\n", b"a\r\n"),
        (b"a\r", b"a \r\n"),
    ];
    for (content, expected) in rows {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(SPACE, Framing::Counted);
        encoder.encode(content, &mut out).unwrap();
        encoder.finish(&mut out).unwrap();
        assert_eq!(out, *expected);
    }
}

#[test]
fn refusal_names_the_raw_octet_and_appends_nothing_from_there() {
    use ContentError as E;
    let bare_lf = LineBreaks { bare_lf: BareLf::Reject, ..SPACE };
    let rows: &[(LineBreaks, &[u8], E, &[u8])] = &[
        (REJECT_CR, b"ab\rcd", E::BareCr { offset: 2 }, b"ab"),
        (REJECT_CR, b"ab\r", E::BareCr { offset: 2 }, b"ab"),
        (REJECT_CR, b"a\r\r\nb", E::BareCr { offset: 1 }, b"a"),
        (REJECT_CR, b".\n.\rb", E::BareCr { offset: 3 }, b"..\r\n.."),
        (bare_lf, b"a\r\nb\nc", E::BareLf { offset: 4 }, b"a\r\nb"), // W20
        (bare_lf, b"\n", E::BareLf { offset: 0 }, b""),
        (SPACE, b"a\n\0b", E::Nul { offset: 2 }, b"a\r\n"), // W16
    ];
    for (policy, content, error, appended) in rows {
        assert_eq!(refused(encoder(*policy), content), (*error, appended.to_vec()));
        let mut scanner = Scanner::new(*policy);
        let first = scanner.update(content);
        assert_eq!(first.and_then(|()| scanner.finish().map(|_| ())), Err(*error));
    }
}

#[test]
fn nul_passes_if_asked_to() {
    // W16
    let policy = LineBreaks { nul: Nul::Pass, ..SPACE };
    assert_eq!(wire(policy, b"a\0\n.\0"), b"a\0\r\n..\0\r\n.\r\n");
    assert_eq!(facts(policy, b"a\0\n.\0").nul, 2);
}

#[test]
fn line_of_998_octets_is_the_longest_that_is_not_long() {
    // W14, W17, R180, N16
    for (line_end, end_len) in [("\r\n", 2), ("\n", 1)] {
        for lines_before in [0, 1, 200] {
            let before = format!("short{line_end}").repeat(lines_before);
            let fits = format!("{before}.{}{line_end}", "a".repeat(997));
            let wire = wire(REJECT_LONG, fits.as_bytes());
            // The longest line on the wire, with its CRLF and its stuffed dot: 1001.
            assert_eq!(wire.split_inclusive(|&o| o == b'\n').map(<[u8]>::len).max(), Some(1001));
            assert!(!facts(REJECT_LONG, fits.as_bytes()).has_long_line());

            for tail in ["", line_end] {
                let long = format!("{before}.{}{tail}", "a".repeat(998));
                let offset = (lines_before * (5 + end_len) + 998) as u64;
                let (error, appended) = refused(encoder(REJECT_LONG), long.as_bytes());
                assert_eq!(error, ContentError::LongLine { offset });
                assert_eq!(
                    appended.len(),
                    lines_before * 7 + 999,
                    "the dot is doubled, 998 octets are there"
                );
                assert!(facts(SPACE, long.as_bytes()).has_long_line());
                let mut passing = encoder(SPACE);
                passing.encode(long.as_bytes(), &mut Vec::new()).unwrap();
                assert_eq!(passing.facts().longest_line, 999);
            }
        }
    }
}

#[test]
fn limit_counts_octets_not_characters_and_not_the_cr_of_the_line_end() {
    // R176
    let line = "é".repeat(499);
    assert_eq!(facts(REJECT_LONG, line.as_bytes()).longest_line, 998);
    assert_eq!(refused(encoder(REJECT_LONG), "é".repeat(500).as_bytes()).0.offset(), 998);
    // A CR held at the limit may still be the line's end; if it becomes a blank, it is one too many.
    let mut out = Vec::new();
    let mut encoder = encoder(REJECT_LONG);
    encoder.encode(&[b'a'; 998], &mut out).unwrap();
    encoder.encode(b"\r", &mut out).unwrap();
    assert_eq!(out.len(), 998);
    assert_eq!(encoder.encode(b"a", &mut out), Err(ContentError::LongLine { offset: 998 }));
}

#[test]
fn size_counts_normalised_octets_without_stuffing_and_end_mark() {
    // R161, W21
    let facts = facts(SPACE, b"a\n.b\n.");
    assert_eq!((facts.octets, facts.size, facts.bare_lf), (6, 10, 2));
    let facts = super::tests::facts(SPACE, b"");
    assert_eq!((facts.octets, facts.size, facts.longest_line), (0, 0, 0));
}

#[test]
fn eight_bit_octets_are_told_apart_by_header_and_body() {
    // D10
    let rows: &[(&[u8], bool, bool)] = &[
        (b"A: b\r\n\r\nbody", false, false),
        (b"A: b\r\n\r\n\xc3\xa9", true, false),
        (b"A: \xc3\xa9\r\n\r\nbody", true, true),
        (b"A: b\n\n\xc3\xa9", true, false),
        (b"A: b\n\xc3\xa9", true, true),
        (b"\r\n\xc3\xa9", true, false), // no header at all
        (b"\n\xc3\xa9", true, false),
        (b" \r\n\xc3\xa9\r\n", true, true), // a line with a blank is not empty
    ];
    for (content, any, header) in rows {
        for at in 0..=content.len() {
            let mut scanner = Scanner::new(SPACE);
            scanner.update(&content[..at]).unwrap();
            scanner.update(&content[at..]).unwrap();
            let facts = scanner.finish().unwrap();
            assert_eq!(
                (facts.eight_bit, facts.eight_bit_header),
                (*any, *header),
                "{}",
                content.escape_ascii()
            );
        }
    }
}

#[test]
fn forbidden_eight_bit_octet_is_refused_before_it_is_appended() {
    let body = b"A: b\r\n\r\n.x\xc3\xa9\r\n";
    let header = b"A: \xc3\xa9\r\n\r\n";
    let any = |content| refused(encoder(SPACE).forbid_eight_bit(), content);
    assert_eq!(any(body), (ContentError::EightBit { offset: 10 }, b"A: b\r\n\r\n..x".to_vec()));
    assert_eq!(any(header), (ContentError::EightBit { offset: 3 }, b"A: ".to_vec()));
    let only_header = encoder(SPACE).forbid_eight_bit_header();
    assert_eq!(refused(only_header, header), (ContentError::EightBitHeader { offset: 3 }, b"A: ".to_vec()));
    let both = encoder(SPACE).forbid_eight_bit().forbid_eight_bit_header();
    assert_eq!(refused(both, header).0, ContentError::EightBitHeader { offset: 3 });
    let mut only_header = encoder(SPACE).forbid_eight_bit_header();
    let mut out = Vec::new();
    only_header.encode(body, &mut out).unwrap();
    assert!(only_header.facts().eight_bit && !only_header.facts().eight_bit_header);
}

#[test]
fn octet_refused_for_two_reasons_is_refused_for_what_it_is() {
    let content = [&[b'a'; 998][..], b"\xff"].concat();
    let error = refused(encoder(REJECT_LONG).forbid_eight_bit(), &content).0;
    assert_eq!(error, ContentError::EightBit { offset: 998 });
    let content = [&[b'a'; 998][..], b"b\xff"].concat();
    let error = refused(encoder(REJECT_LONG).forbid_eight_bit(), &content).0;
    assert_eq!(error, ContentError::LongLine { offset: 998 });
}

#[test]
fn header_that_is_not_utf8_is_told() {
    // R175: overlong, surrogate, stray, cut by a line end, cut by the end
    let bad: &[&[u8]] = &[
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\x80",
        b"\xc3\r\n\xa9",
        b"\xe2\x82",
        b"\xc3a",
        b"\xc3a\xa9",
        b"\xc3a\r\n\r\n",
        b"\xff\n\n",
    ];
    let good: &[&[u8]] =
        &[b"plain", "A: é€😀\r\n\r\n".as_bytes(), b"A: b\r\n\r\n\xff", "€\n\n\u{e9}".as_bytes()];
    for (contents, malformed) in [(bad, true), (good, false)] {
        for content in contents {
            for size in 1..=content.len() {
                let mut scanner = Scanner::new(SPACE);
                content.chunks(size).for_each(|chunk| scanner.update(chunk).unwrap());
                let facts = scanner.finish().unwrap();
                assert_eq!(facts.malformed_header, malformed, "{} by {size}", content.escape_ascii());
            }
        }
    }
}

#[test]
fn nothing_can_follow_the_end_mark() {
    let mut out = Vec::new();
    let mut encoder = encoder(SPACE);
    encoder.encode(b"x\r\n", &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    let finished = Err(ContentError::Finished { offset: 3 });
    assert_eq!(encoder.encode(b"MAIL", &mut out), finished);
    assert_eq!(encoder.finish(&mut out), finished);
    assert_eq!(out, b"x\r\n.\r\n");
}

#[test]
fn unfinished_content_never_looks_finished() {
    // R54: whatever the source was about to say, the wire so far has no end mark.
    for content in [&b"a\r\n.\r\n"[..], b"\r\n.\r\n", b"a\n.\n", b".\r\n", b"a\r\n.\r"] {
        let mut out = Vec::new();
        encoder(SPACE).encode(content, &mut out).unwrap();
        assert!(!out.ends_with(b"\r\n.\r\n") && out != b".\r\n", "{}", content.escape_ascii());
    }
}

#[test]
fn errors_say_what_where_and_what_instead() {
    let text = ContentError::Nul { offset: 7 }.to_string();
    assert_eq!(text, "content has a NUL at octet 7; encode it (base64) before it is sent");
}
