use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits { line: 14, lines: 3, octets: 30 };
/// The whole reply ends before a line may.
const TIGHT: Limits = Limits { line: 14, lines: 3, octets: 10 };

#[derive(Debug, PartialEq)]
enum Outcome {
    Incomplete,
    Complete(usize, Reply),
    Broken(ReplyError),
}

/// Reads the first reply of the whole input, a line at a time: the fault that stands first decides.
fn oracle(input: &[u8], limits: &Limits) -> Outcome {
    let (mut start, mut code, mut texts, mut bare_lf) = (0, None, Vec::new(), false);
    for (index, octets) in input.split_inclusive(|octet| *octet == b'\n').enumerate() {
        let line = index + 1;
        let mut faults = Vec::new();
        if line > limits.lines {
            faults.push((0, ReplyError::TooManyLines { limit: limits.lines }));
        }
        if octets.len() > limits.line {
            faults.push((limits.line, ReplyError::LineTooLong { limit: limits.line }));
        }
        if start + octets.len() > limits.octets {
            faults.push((limits.octets - start, ReplyError::TooLong { limit: limits.octets }));
        }
        let good = |at: usize, octet: u8| {
            (at == 0 && b"2345".contains(&octet)) || (at > 0 && octet.is_ascii_digit())
        };
        let bad_digit = (0..octets.len().min(3)).find(|at| !good(*at, octets[*at]));
        if let Some(at) = bad_digit {
            faults.push((at, ReplyError::Code { line, octet: octets[at] }));
        } else if octets.len() >= 3 {
            let then = Code::new(std::str::from_utf8(&octets[..3]).unwrap().parse().unwrap()).unwrap();
            let first = *code.get_or_insert(then);
            if first != then {
                faults.push((2, ReplyError::MixedCodes { line, first, then }));
            }
        }
        if octets.len() > 3 && !b" -\r\n\0".contains(&octets[3]) {
            faults.push((3, ReplyError::Separator { line, octet: octets[3] }));
        }
        for at in 3..octets.len() {
            if octets[at] == b'\r' && octets.get(at + 1).is_some_and(|next| *next != b'\n') {
                faults.push((at + 1, ReplyError::BareCr { line }));
            }
            if octets[at] == b'\0' {
                faults.push((at, ReplyError::Nul { line }));
            }
        }
        if let Some((_, error)) = faults.into_iter().min_by_key(|(at, _)| *at) {
            return Outcome::Broken(error);
        }
        if !octets.ends_with(b"\n") {
            return Outcome::Incomplete;
        }
        start += octets.len();
        bare_lf |= !octets.ends_with(b"\r\n");
        let end = octets.len() - if octets.ends_with(b"\r\n") { 2 } else { 1 };
        texts.push(octets[4.min(end)..end].to_vec());
        if octets[3] != b'-' {
            let text = texts.join(&b'\n').into();
            return Outcome::Complete(start, Reply::parsed(code.unwrap(), bare_lf, text));
        }
    }
    Outcome::Incomplete
}

/// The same question put to the parser, the input arriving in pieces of the given sizes, round and round.
fn parsed(input: &[u8], sizes: &[usize], limits: &Limits) -> Outcome {
    let mut parser = Parser::new();
    let mut sizes = sizes.iter().cycle();
    let mut at = 0;
    while at < input.len() {
        let end = (at + *sizes.next().unwrap()).min(input.len());
        match parser.parse(&input[at..end], limits) {
            Ok((used, Some(reply))) => {
                assert!(parser.is_empty() && parser.text.capacity() == 0, "an idle parser holds no heap");
                return Outcome::Complete(at + used, reply);
            }
            Ok((used, None)) => {
                assert_eq!(used, end - at, "an incomplete reply takes all");
                assert!(parser.text.capacity() <= limits.octets, "bounded");
                at = end;
            }
            Err(error) => {
                assert_eq!(parser.text.capacity(), 0, "a broken parser holds no heap");
                let again = [parser.parse(b"250 ok\r\n", limits), parser.parse(b"", limits)];
                assert_eq!(again, [Err(error), Err(error)], "errors are sticky");
                assert!(!parser.is_empty());
                return Outcome::Broken(error);
            }
        }
    }
    Outcome::Incomplete
}

/// Three ways: whole, byte by byte, with trailing data.
fn three_ways(input: &[u8], limits: &Limits) -> Outcome {
    let whole = parsed(input, &[input.len().max(1)], limits);
    assert_eq!(whole, parsed(input, &[1], limits), "byte by byte");
    if whole != Outcome::Incomplete {
        let longer = [input, b"354 next\r\n"].concat();
        assert_eq!(whole, parsed(&longer, &[longer.len()], limits), "with trailing data");
        assert_eq!(whole, parsed(&longer, &[1], limits), "byte by byte with trailing data");
    }
    whole
}

#[track_caller]
fn reply(input: &[u8]) -> Reply {
    match three_ways(input, &Limits::NORMAL) {
        Outcome::Complete(used, reply) => {
            assert_eq!(used, input.len());
            reply
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn error(input: &[u8]) -> ReplyError {
    match three_ways(input, &Limits::NORMAL) {
        Outcome::Broken(error) => error,
        other => panic!("{other:?}"),
    }
}

fn lines(reply: &Reply) -> Vec<&[u8]> {
    reply.lines().collect()
}

fn code(number: u16) -> Code {
    Code::new(number).unwrap()
}

#[test]
fn a_last_line_needs_neither_blank_nor_text() {
    // R31, B8
    for input in ["250\r\n", "250 \r\n", "250\n", "250 \n"] {
        let reply = reply(input.as_bytes());
        assert_eq!((reply.code(), lines(&reply)), (code(250), vec![&b""[..]]), "{input:?}");
    }
    let reply = reply(b"250-\r\n250-a\r\n250\r\n");
    assert_eq!(lines(&reply), [&b""[..], b"a", b""]);
}

#[test]
fn lines_are_kept_as_received() {
    // R32, D32: octets from 0x80 on and controls other than CR, LF, NUL are text
    let reply = reply(b"550-5.1.1 a \t\x1b\r\n550-- \xff\r\n550  c\r\n");
    assert_eq!(lines(&reply), [&b"5.1.1 a \t\x1b"[..], b"- \xff", b" c"]);
    assert!(!reply.bare_lf());
}

#[test]
fn what_is_no_code_is_refused_at_its_first_wrong_octet() {
    // R30
    assert_eq!(error(b"25 ok\r\n"), ReplyError::Code { line: 1, octet: b' ' });
    assert_eq!(error(b"abc"), ReplyError::Code { line: 1, octet: b'a' });
    assert_eq!(error(b"\x16\x03\x01"), ReplyError::Code { line: 1, octet: 0x16 });
    assert_eq!(error(b"\r\n"), ReplyError::Code { line: 1, octet: b'\r' });
    assert_eq!(error(b"250-a\r\nb"), ReplyError::Code { line: 2, octet: b'b' });
    assert_eq!(error(b"2500 ok\r\n"), ReplyError::Separator { line: 1, octet: b'0' });
    assert_eq!(error(b"250\tok\r\n"), ReplyError::Separator { line: 1, octet: b'\t' });
    // R35
    for first in *b"016789" {
        assert_eq!(error(&[first, b'5', b'0']), ReplyError::Code { line: 1, octet: first });
    }
}

#[test]
fn unexpected_codes_are_replies_all_the_same() {
    // R34
    for number in [200, 226, 299, 399, 498, 599] {
        assert_eq!(reply(format!("{number} x\r\n").as_bytes()).code(), code(number));
    }
}

#[test]
fn a_different_code_inside_a_reply_is_an_error() {
    // R32, B9
    let mixed = ReplyError::MixedCodes { line: 2, first: code(250), then: code(550) };
    assert_eq!(error(b"250-a\r\n550 b\r\n250 c\r\n"), mixed);
    assert_eq!(error(b"250-a\r\n550"), mixed, "named without waiting for the rest of the line");
}

#[test]
fn a_bare_lf_ends_a_line_and_is_flagged() {
    // R43, D32
    let bare = reply(b"250 ok\n");
    assert!(bare.bare_lf());
    assert_eq!(lines(&bare), [b"ok"]);
    assert!(reply(b"250-a\n250 b\r\n").bare_lf());
    assert!(reply(b"250-a\r\n250 b\n").bare_lf());
}

#[test]
fn a_cr_waits_for_its_lf_and_takes_nothing_else() {
    // D32
    assert_eq!(three_ways(b"250 ok\r", &Limits::NORMAL), Outcome::Incomplete);
    assert_eq!(error(b"250 a\rb\r\n"), ReplyError::BareCr { line: 1 });
    assert_eq!(error(b"250 a\r\r\n"), ReplyError::BareCr { line: 1 });
    assert_eq!(error(b"250\r250 b\r\n"), ReplyError::BareCr { line: 1 });
    assert_eq!(error(b"250-a\r\n250 b\r\0"), ReplyError::BareCr { line: 2 });
}

#[test]
fn a_nul_is_an_error() {
    // D32
    assert_eq!(error(b"250 a\0b\r\n"), ReplyError::Nul { line: 1 });
    assert_eq!(error(b"250\0"), ReplyError::Nul { line: 1 });
}

#[test]
fn a_reply_cut_short_is_no_reply() {
    // D32
    for input in ["", "2", "25", "250", "250 ok", "250-a\r\n", "250-a\r\n250", "250-a\r\n250 b\r"] {
        assert_eq!(three_ways(input.as_bytes(), &Limits::NORMAL), Outcome::Incomplete, "{input:?}");
    }
}

#[test]
fn one_reply_is_read_at_a_time() {
    let mut parser = Parser::new();
    let input = b"250 a\r\n550 b\r\n42";
    let (used, first) = parser.parse(input, &Limits::NORMAL).unwrap();
    let (more, second) = parser.parse(&input[used..], &Limits::NORMAL).unwrap();
    assert_eq!((used, more), (7, 7));
    assert_eq!([first.unwrap().code(), second.unwrap().code()], [code(250), code(550)]);
    assert_eq!(parser.parse(&input[used + more..], &Limits::NORMAL), Ok((2, None)));
    assert!(!parser.is_empty());
    assert_eq!(parser.parse(b"1 c\r\n", &Limits::NORMAL).unwrap().1.unwrap().code(), code(421));
}

#[test]
fn lines_may_be_as_long_as_the_limit_and_no_longer() {
    // R42, N30, N31
    for (limits, length) in [(Limits::NORMAL, 512), (Limits::NORMAL, 4096), (Limits::CHALLENGE, 16384)] {
        let exact = format!("334 {}\r\n", "x".repeat(length - 6));
        assert!(matches!(three_ways(exact.as_bytes(), &limits), Outcome::Complete(..)), "{length}");
        let longer = format!("334 {}\r\n", "x".repeat(limits.line - 5));
        let error = ReplyError::LineTooLong { limit: limits.line };
        assert_eq!(three_ways(longer.as_bytes(), &limits), Outcome::Broken(error));
    }
}

#[test]
fn a_line_that_never_ends_fails_at_the_limit() {
    // N30, law 6: bounded, and without waiting for a line end
    let mut parser = Parser::new();
    assert_eq!(parser.parse(b"250 ", &Limits::NORMAL), Ok((4, None)));
    let mut sent = 4;
    let error = loop {
        match parser.parse(&[b'x'; 100], &Limits::NORMAL) {
            Ok(_) => sent += 100,
            Err(error) => break error,
        }
        assert!(parser.text.capacity() <= 2 * 4096);
    };
    assert_eq!(error, ReplyError::LineTooLong { limit: 4096 });
    assert_eq!(sent, 4004);
}

#[test]
fn replies_may_have_as_many_lines_as_the_limit_and_no_more() {
    // N32
    for limits in [Limits::NORMAL, Limits::HELLO] {
        let exact = format!("{}250 b\r\n", "250-a\r\n".repeat(limits.lines - 1));
        let Outcome::Complete(_, reply) = three_ways(exact.as_bytes(), &limits) else { panic!() };
        assert_eq!(reply.lines().count(), limits.lines);
        assert_eq!(reply.lines().last(), Some(&b"b"[..]));
        let more = format!("{}250 b\r\n", "250-a\r\n".repeat(limits.lines));
        let error = ReplyError::TooManyLines { limit: limits.lines };
        assert_eq!(three_ways(more.as_bytes(), &limits), Outcome::Broken(error));
    }
    assert_eq!((Limits::NORMAL.lines, Limits::HELLO.lines), (128, 256));
}

#[test]
fn replies_may_be_as_long_as_the_limit_and_no_longer() {
    // N33
    let line = format!("250-{}\r\n", "x".repeat(1018));
    let exact = format!("{}250 {}\r\n", line.repeat(63), "x".repeat(1018));
    assert_eq!(exact.len(), 65536);
    assert!(matches!(three_ways(exact.as_bytes(), &Limits::NORMAL), Outcome::Complete(65536, _)));
    let more = format!("{}250 {}\r\n", line.repeat(63), "x".repeat(1019));
    let error = ReplyError::TooLong { limit: 65536 };
    assert_eq!(three_ways(more.as_bytes(), &Limits::NORMAL), Outcome::Broken(error));
    // Within a line too, and without waiting for its end.
    assert!(matches!(three_ways(b"250 abcd\r\n", &TIGHT), Outcome::Complete(10, _)));
    for input in ["250 abcdefg", "250 abcde\r\n"] {
        let error = ReplyError::TooLong { limit: 10 };
        assert_eq!(three_ways(input.as_bytes(), &TIGHT), Outcome::Broken(error), "{input:?}");
    }
}

#[test]
fn errors_cannot_forge_log_lines() {
    for octet in 0..=255 {
        for error in [ReplyError::Code { line: 1, octet }, ReplyError::Separator { line: 1, octet }] {
            let shown = error.to_string();
            assert!(shown.bytes().all(|shown| (b' '..=b'~').contains(&shown)), "{shown:?}");
        }
    }
}

#[test]
fn a_reply_that_is_all_there_is_read_at_once() {
    let long = "250-x\r\n".repeat(REMEMBERED + 4) + "250 y\r\n";
    for input in ["250 ok\r\n", "250 ok\n", "250\r\n", "250\n", "250-a\r\n250 b\r\n", "250-a\n250\n", &long] {
        let lines = input.lines().count();
        let exact = Limits { line: 8, lines, octets: input.len() };
        let (used, read) =
            whole(format!("{input}250 next\r\n").as_bytes(), &exact).unwrap_or_else(|| panic!("{input:?}"));
        assert_eq!((used, &read), (input.len(), &reply(input.as_bytes())));
        assert_eq!(read.bare_lf(), !input.contains('\r'));
        for less in [
            Limits { line: input.split_inclusive('\n').map(str::len).max().unwrap() - 1, ..exact },
            Limits { lines: lines - 1, ..exact },
            Limits { octets: input.len() - 1, ..exact },
        ] {
            assert_eq!(whole(input.as_bytes(), &less), None, "{input:?} {less:?}");
        }
    }
}

#[test]
fn a_reply_in_parts_needs_no_more_room_than_the_limit_and_grows_seldom() {
    for size in [1, 7, 70] {
        let limits = Limits { line: 1000, lines: 1, octets: 1000 };
        let mut parser = Parser::new();
        let mut capacities = std::collections::BTreeSet::new();
        for part in ("250 ".to_owned() + &"x".repeat(990)).as_bytes().chunks(size) {
            assert_eq!(parser.parse(part, &limits), Ok((part.len(), None)));
            capacities.insert(parser.text.capacity());
        }
        assert!(capacities.last().is_some_and(|most| *most <= limits.octets), "{size}: {capacities:?}");
        assert!(capacities.len() < 10, "{size}: {capacities:?}");
        assert!(format!("{parser:?}").contains("octets: 994"), "what it shows: {parser:?}");
    }
}

/// Streams that are nearly replies.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => Just(&b"250-"[..]), 4 => Just(&b"250 "[..]), 3 => Just(&b"\r\n"[..]), 2 => Just(&b"a\r\n"[..]),
        2 => Just(&b"\n"[..]), 2 => Just(&b"2.1.0 ok"[..]), 1 => Just(&b"250"[..]), 1 => Just(&b"550 "[..]),
        1 => Just(&b"\r"[..]), 1 => Just(&b"\0"[..]), 1 => Just(&b"\xff"[..]), 1 => Just(&b"-"[..]),
        1 => Just(&b"150"[..]),
    ];
    let lines = proptest::collection::vec("[a-z ]{0,6}", 1..24).prop_map(|texts| {
        let mut out = Vec::new();
        Reply::new(Code::OK, texts.join("\n")).write_to(&mut out);
        out
    });
    prop_oneof![2 => proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()), 1 => lines]
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn the_parser_equals_the_oracle_under_any_splitting(
        input in stream(),
        sizes in proptest::collection::vec(1_usize..9, 1..6),
        limits in prop_oneof![Just(Limits::NORMAL), Just(SMALL), Just(TIGHT)],
    ) {
        let expected = oracle(&input, &limits);
        prop_assert_eq!(&parsed(&input, &[usize::MAX / 2], &limits), &expected);
        prop_assert_eq!(&parsed(&input, &[1], &limits), &expected);
        prop_assert_eq!(&parsed(&input, &sizes, &limits), &expected);
    }

    #[test]
    fn no_octets_make_the_parser_panic(input in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(three_ways(&input, &SMALL), oracle(&input, &SMALL));
    }
}
