//! Any content, any split, any policy: the machine does what the oracle does.

use super::{oracle::Forbid, *};

/// Pieces that make the interesting sequences likely, and runs long enough to fill blocks and lines.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let small =
        select(vec![&b"\r"[..], b"\n", b"\r\n", b"\r\n\r\n", b"\r\n.", b".", b"a", b"\xc3\xa9", b"\x80"]);
    let runs = (select(vec![1_usize, 76, 990, 997, 998, 999, 8100, 8190]), select(vec![b'a', b'.']))
        .prop_map(|(len, octet)| vec![octet; len]);
    let lines = (1_usize..150, 0_usize..3).prop_map(|(lines, kind)| {
        [&b"a line of text, as most are\r\n"[..], b"\r\n", b".dotted\r\n"][kind].repeat(lines)
    });
    let clean_small = select(vec![&b"\r\n"[..], b"\r\n.", b".", b"a", b"\r\n\r\n", b"\xc3\xa9"]);
    let clean = prop_oneof![4 => clean_small.prop_map(<[u8]>::to_vec), 1 => runs.clone(), 2 => lines.clone()];
    let piece = prop_oneof![
        20 => small.prop_map(<[u8]>::to_vec),
        1 => Just(vec![0]),
        2 => runs,
        3 => lines,
    ];
    prop_oneof![
        vec(select(b"\r\n.\0a\x80".to_vec()), 0..40),
        vec(select(b"\r\n.a".to_vec()), 0..40),
        vec(piece, 0..30).prop_map(|pieces| pieces.concat()),
        vec(clean, 0..30).prop_map(|pieces| pieces.concat()),
    ]
}

fn policy() -> impl Strategy<Value = LineBreaks> {
    let cr = select(vec![BareCr::Space, BareCr::Space, BareCr::Crlf, BareCr::Pass, BareCr::Reject]);
    let lf = select(vec![BareLf::Crlf, BareLf::Crlf, BareLf::Crlf, BareLf::Reject]);
    let nul = select(vec![Nul::Pass, Nul::Pass, Nul::Reject]);
    let long = select(vec![LongLine::Pass, LongLine::Reject]);
    (cr, lf, nul, long).prop_map(|(bare_cr, bare_lf, nul, long_line)| LineBreaks {
        bare_cr,
        bare_lf,
        nul,
        long_line,
    })
}

fn forbid() -> impl Strategy<Value = Forbid> {
    prop_oneof![
        2 => Just(Forbid::default()),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(eight_bit, header)| Forbid { eight_bit, header }),
    ]
}

fn split(content: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    cuts.iter_mut().for_each(|cut| *cut %= content.len() + 1);
    cuts.extend([0, content.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &content[pair[0]..pair[1]]).collect()
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![vec(any::<usize>(), 0..6), vec(0_usize..40, 0..40)]
}

fn run(
    policy: LineBreaks,
    forbid: Forbid,
    framing: Framing,
    chunks: &[&[u8]],
) -> (Vec<u8>, Option<ContentError>, Facts) {
    let mut encoder = Encoder::new(policy, framing);
    if forbid.eight_bit {
        encoder = encoder.forbid_eight_bit();
    }
    if forbid.header {
        encoder = encoder.forbid_eight_bit_header();
    }
    let mut out = Vec::new();
    let encoded = chunks.iter().try_for_each(|chunk| encoder.encode(chunk, &mut out));
    let ended = encoded.and_then(|()| encoder.finish(&mut out));
    (out, ended.err(), *encoder.facts())
}

/// The encoder follows lines only beyond the limit.
fn as_encoder(mut facts: Facts) -> Facts {
    facts.longest_line = if facts.has_long_line() { facts.longest_line } else { 0 };
    facts
}

/// A header cut by a refusal may end inside a character: not told then.
fn comparable(mut facts: Facts, error: Option<ContentError>) -> Facts {
    facts.malformed_header &= error.is_none();
    facts
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn encoder_is_the_oracle_for_any_split_and_policy(
        content in content(), policy in policy(), forbid in forbid(), cuts in cuts(),
    ) {
        // W13
        let Outcome { normalised, stuffed, facts, error } = oracle(&content, policy, forbid);
        let chunks = split(&content, cuts);
        for (framing, expected) in [(Framing::Dot, &stuffed), (Framing::Counted, &normalised)] {
            let (out, err, seen) = run(policy, forbid, framing, &chunks);
            prop_assert_eq!(err, error);
            prop_assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
            prop_assert_eq!(comparable(seen, err), comparable(as_encoder(facts), err));
        }
    }

    #[test]
    fn scanner_is_the_oracle_for_any_split_and_policy(content in content(), policy in policy(), cuts in cuts()) {
        let expected = oracle(&content, policy, Forbid::default());
        let mut scanner = Scanner::new(policy);
        let read = split(&content, cuts).iter().try_for_each(|chunk| scanner.update(chunk));
        let result = read.and_then(|()| scanner.finish());
        match expected.error {
            None => prop_assert_eq!(result, Ok(expected.facts)),
            Some(error) => prop_assert_eq!(result, Err(error)),
        }
    }

    #[test]
    fn server_gets_one_message_with_the_normalised_octets(
        content in content(), bare_cr in select(vec![BareCr::Space, BareCr::Crlf]), cuts in cuts(),
    ) {
        // R52, R53, W24: undoing DATA's transparency gives BDAT's octets
        let policy = LineBreaks { bare_cr, nul: Nul::Pass, ..SPACE };
        let chunks = split(&content, cuts);
        let (wire, error, facts) = run(policy, Forbid::default(), Framing::Dot, &chunks);
        let (counted, _, _) = run(policy, Forbid::default(), Framing::Counted, &chunks);
        prop_assert_eq!(error, None);
        let (received, behind) = unstuff(&wire).expect("an end mark");
        prop_assert_eq!(&received, &counted);
        prop_assert_eq!(facts.size, counted.len() as u64);
        prop_assert!(behind.is_empty());
        // The CRLF in front is that of the DATA command: it may start the end mark of empty content.
        let stream = [b"\r\n", &wire[..]].concat();
        let ends = memchr::memmem::find_iter(&stream, b"\r\n.\r\n").collect::<Vec<_>>();
        prop_assert_eq!(ends, [stream.len() - 5]);
        // Neither a lax server can see another end mark: there is no bare CR and no bare LF.
        let bare = wire.iter().filter(|&&o| o == b'\r' || o == b'\n').count();
        prop_assert_eq!(bare, 2 * memchr::memmem::find_iter(&wire, b"\r\n").count());
    }
}
