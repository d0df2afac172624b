//! The reply parser: any octets, any splitting, one answer (R30-R46, N30-N34).
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_fuzz::pieces;
use smtp_proto::reply::{Limits, Parser, Reply, ReplyError};

/// Small enough that the fuzzer meets every bound.
const TIGHT: Limits = Limits { line: 24, lines: 3, octets: 48 };

// The first octet chooses the limits (its two low bits) and the splitting (the rest).
fuzz_target!(|data: &[u8]| {
    let Some((&choice, wire)) = data.split_first() else { return };
    let limits = match choice & 3 {
        0 => Limits::NORMAL,
        1 => Limits::HELLO,
        2 => Limits::CHALLENGE,
        _ => TIGHT,
    };
    let (whole, error) = read([wire].into_iter(), &limits);
    let (split, split_error) = read(pieces(wire, choice >> 2), &limits);
    assert_eq!(whole, split, "the splitting changed the replies");
    assert_eq!(error, split_error, "the splitting changed the error");
    whole.iter().for_each(|reply| check(reply, &limits));
});

fn read<'a>(input: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> (Vec<Reply>, Option<ReplyError>) {
    let mut parser = Parser::new();
    let mut replies = Vec::new();
    for mut piece in input {
        loop {
            match parser.parse(piece, limits) {
                Err(error) => return (replies, Some(error)),
                Ok((used, None)) => {
                    assert_eq!(used, piece.len(), "an incomplete reply takes all of the input");
                    break;
                }
                Ok((used, Some(reply))) => {
                    assert!(used > 0, "a reply needs its line end");
                    assert!(parser.is_empty());
                    replies.push(reply);
                    piece = &piece[used..];
                }
            }
        }
    }
    (replies, None)
}

fn check(reply: &Reply, limits: &Limits) {
    assert!((200..=599).contains(&reply.code().get()), "R30, R35");
    let kept: usize = reply.lines().map(<[u8]>::len).sum();
    assert!(kept <= limits.octets && reply.lines().count() <= limits.lines, "N32, N33");

    let text = reply.text();
    assert!(text.len() <= 2048 + 64 && text.lines().count() <= 21, "N34: {} octets", text.len());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "R44: {text:?}");
    assert!(format!("{reply:?}").chars().all(|c| !c.is_control()), "a log line can be forged: {reply:?}");
    if let Some(enhanced) = reply.enhanced() {
        assert_eq!(u16::from(enhanced.class), reply.code().get() / 100, "R190");
    }

    let mut wire = Vec::new();
    reply.write_to(&mut wire);
    // Written with CRLF and a separator, a line may be two octets longer than it was read; an escape is four.
    let roomy = Limits {
        line: 4 * limits.line + 2,
        lines: limits.lines,
        octets: 4 * limits.octets + 2 * limits.lines,
    };
    let (again, error) = read([&wire[..]].into_iter(), &roomy);
    let ([again], None) = (again.as_slice(), error) else {
        panic!("one reply is written: {again:?}, {error:?}")
    };
    assert_eq!(again.code().get(), reply.code().get());
    assert_eq!(again.lines().count(), reply.lines().count());
    if !reply.lines().flatten().any(u8::is_ascii_control) {
        assert!(again.lines().eq(reply.lines()), "what is written reads back");
    }
}
