//! The content encoder against a slow model and a strict receiver (R52-R54, W1-W27).
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_fuzz::{has_bare_line_end, lines, normalise, pieces, policy, receive};
use smtp_proto::body::{BareCr, ContentError, Encoder, Facts, Framing, LineBreaks, Scanner};

// First octet: policy (five low bits) and framing (the sixth). Second octet: the splitting. Then the content.
fuzz_target!(|data: &[u8]| {
    let [choice, seed, content @ ..] = data else { return };
    let policy = policy(*choice);
    let framing = if choice & 32 == 0 { Framing::Dot } else { Framing::Counted };

    let whole = encode([content].into_iter(), policy, framing);
    let split = encode(pieces(content, *seed), policy, framing);
    assert_eq!(whole, split, "W13: the splitting changed the octets");

    let model = normalise(content, &policy);
    assert_eq!(whole.is_err(), model.is_none(), "the policy decides: {whole:?}");
    let (Ok((wire, facts)), Some(model)) = (whole, model) else { return };

    match framing {
        Framing::Counted => assert_eq!(wire, model, "W23, W24"),
        Framing::Dot => {
            let (received, behind) = receive(&wire).expect("R53: the end mark is missing");
            assert_eq!(received, model, "R52: the content arrives as it was normalised");
            assert!(behind.is_empty(), "the content ended early, and the rest would be commands");
        }
    }
    if policy.bare_cr != BareCr::Pass {
        assert!(!has_bare_line_end(&wire), "W18, W19");
    }
    let mut scanner = Scanner::new(policy);
    pieces(content, *seed).for_each(|piece| scanner.update(piece).expect("the encoder took it"));
    let mut scanned = scanner.finish().expect("the encoder took it");
    check_facts(&scanned, content, &model);
    // The encoder follows the longest line only above the limit.
    if facts.longest_line == 0 && scanned.longest_line <= 998 {
        scanned.longest_line = 0;
    }
    assert_eq!(scanned, facts);
});

fn encode<'a>(
    input: impl Iterator<Item = &'a [u8]>,
    policy: LineBreaks,
    framing: Framing,
) -> Result<(Vec<u8>, Facts), ContentError> {
    let mut encoder = Encoder::new(policy, framing);
    let mut wire = Vec::new();
    let run = || {
        for piece in input {
            encoder.encode(piece, &mut wire)?;
        }
        encoder.finish(&mut wire)
    };
    let Err(error) = run() else { return Ok((wire, *encoder.facts())) };
    // R54: refused content never gets an end mark, however often it is asked for.
    let before = wire.len();
    assert_eq!(encoder.encode(b"x\r\n", &mut wire), Err(error));
    assert_eq!(encoder.finish(&mut wire), Err(error));
    assert_eq!(wire.len(), before);
    if framing == Framing::Dot {
        assert_eq!(receive(&wire), None, "R54");
    }
    Err(error)
}

fn check_facts(facts: &Facts, content: &[u8], model: &[u8]) {
    assert_eq!(facts.octets, content.len() as u64);
    assert_eq!(facts.size, model.len() as u64, "R161, W21");
    assert_eq!(facts.eight_bit, !content.is_ascii());
    assert!(facts.eight_bit || !facts.eight_bit_header);
    assert_eq!(facts.longest_line, lines(model).map(<[u8]>::len).max().unwrap_or(0) as u64);
    assert_eq!(facts.nul, content.iter().filter(|octet| **octet == 0).count() as u64);
    assert_eq!(facts.bare_cr + facts.bare_lf > 0, has_bare_line_end(content));
}
