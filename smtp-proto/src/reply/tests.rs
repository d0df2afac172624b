use proptest::prelude::*;

use super::*;

fn code(number: u16) -> Code {
    Code::new(number).unwrap()
}

fn reply(number: u16, text: &str) -> Reply {
    Reply::new(code(number), text)
}

fn wire(reply: &Reply) -> Vec<u8> {
    let mut out = Vec::new();
    reply.write_to(&mut out);
    out
}

fn enhanced(number: u16, text: &str) -> Option<String> {
    reply(number, text).enhanced().map(|code| code.to_string())
}

#[test]
fn only_the_first_digit_of_a_code_is_restricted() {
    // R30, R34, R35
    let accepted: Vec<u16> = (0..=u16::MAX).filter(|number| Code::new(*number).is_some()).collect();
    assert_eq!(accepted, (200..=599).collect::<Vec<_>>());
    for number in accepted {
        let digits = number.to_string();
        assert_eq!(code(number).digits(), digits.as_bytes());
        assert_eq!(Code::from_digits(code(number).digits()), Some(code(number)));
        assert_eq!(
            (code(number).get(), format!("{0} {0:?}", code(number))),
            (number, format!("{digits} {digits}"))
        );
    }
    assert_eq!(Code::from_digits(*b"1x0"), None);
}

#[test]
fn the_first_digit_judges() {
    // R34, R35, R38, R39, R195
    use Severity::{Intermediate, Permanent, Positive, Transient};
    for (number, severity) in [
        (200, Positive),
        (251, Positive),
        (252, Positive),
        (299, Positive),
        (300, Intermediate),
        (354, Intermediate),
        (399, Intermediate),
        (400, Transient),
        (421, Transient),
        (498, Transient),
        (500, Permanent),
        (521, Permanent),
        (551, Permanent),
        (556, Permanent),
        (599, Permanent),
    ] {
        // R33: whatever the text says
        assert_eq!(reply(number, "5.0.0 OK").severity(), severity, "{number}");
    }
}

#[test]
fn enhanced_codes_count_when_well_formed() {
    // R191
    assert_eq!(enhanced(550, "5.7.1 no").as_deref(), Some("5.7.1"));
    assert_eq!(enhanced(550, "5.7.1").as_deref(), Some("5.7.1"));
    assert_eq!(enhanced(550, "5.7.1\tno").as_deref(), Some("5.7.1"));
    assert_eq!(enhanced(550, "5.007.010 no").as_deref(), Some("5.7.10"));
    assert_eq!(enhanced(550, "5.999.999 no").as_deref(), Some("5.999.999"));
    for text in [
        "5.7",
        "5.7 x",
        "5.7.",
        "5.7. x",
        "5..1 x",
        "5.1000.1 x",
        "5.1.1000 x",
        "5.7.1x",
        "5.+7.1 x",
        "5.-7.1 x",
        "05.7.1 x",
        "5,7,1 x",
        " 5.7.1 x",
        "5.7.1.2 x",
        "x 5.7.1",
        "",
        "5",
    ] {
        assert_eq!(enhanced(550, text), None, "{text:?}");
    }
}

#[test]
fn enhanced_codes_count_when_they_agree_with_the_code() {
    // R190
    assert_eq!(enhanced(250, "2.1.0 ok").as_deref(), Some("2.1.0"));
    assert_eq!(enhanced(450, "4.2.0 later").as_deref(), Some("4.2.0"));
    assert_eq!(enhanced(550, "2.1.0 x"), None);
    assert_eq!(enhanced(354, "3.0.0 go"), None);
    assert_eq!(enhanced(354, "2.0.0 go"), None);
    assert_eq!(reply(550, "2.1.0 x").text(), "2.1.0 x", "what does not count is not stripped");
}

#[test]
fn the_first_enhanced_code_counts_and_all_are_stripped() {
    // R192, M98
    let differing = reply(550, "5.1.1 a\n5.1.2 b");
    assert_eq!(differing.enhanced(), Some(EnhancedCode::new(5, 1, 1)));
    assert_eq!(differing.text(), "a\nb");
    let late = reply(550, "Sorry\n5.1.1 no such user");
    assert_eq!(late.enhanced(), Some(EnhancedCode::new(5, 1, 1)));
    assert_eq!(late.text(), "Sorry\nno such user");
}

#[test]
fn an_absent_enhanced_code_is_made_up_from_the_first_digit() {
    // M97
    assert_eq!(reply(450, "later").enhanced_or_generic(), EnhancedCode::new(4, 0, 0));
    assert_eq!(reply(550, "no").enhanced_or_generic(), EnhancedCode::new(5, 0, 0));
    assert_eq!(reply(550, "5.1.1 no").enhanced_or_generic(), EnhancedCode::new(5, 1, 1));
}

#[test]
fn unknown_subjects_and_details_are_generalized() {
    // R193, R195
    for (from, to) in [
        ((4, 250, 9), (4, 0, 0)),
        ((5, 8, 1), (5, 0, 0)),
        ((5, 1, 99), (5, 1, 0)),
        ((5, 0, 7), (5, 0, 0)),
        ((5, 1, 10), (5, 1, 10)),
        ((5, 7, 27), (5, 7, 27)),
        ((4, 5, 3), (4, 5, 3)),
    ] {
        let [from, to] = [from, to].map(|(class, subject, detail)| EnhancedCode::new(class, subject, detail));
        assert_eq!(from.generalized(), to);
    }
}

#[test]
fn text_keeps_utf8_and_escapes_the_rest() {
    // R44, N34
    let raw = Reply::new(code(550), b"5.1.1 \xc3\xbc \xff\xc3 \x1b[31m \t\x7f\xc2\x85".to_vec());
    assert_eq!(raw.text(), r"ü \xff\xc3 \x1b[31m \x09\x7f\u{85}");
    assert_eq!(reply(550, "a\u{2028}b\u{202e}c").text(), r"a\u{2028}b\u{202e}c");
}

#[test]
fn text_is_cut_with_a_mark() {
    // N34
    let twenty = vec!["x"; 20].join("\n");
    assert_eq!(reply(550, &twenty).text(), twenty);
    assert_eq!(reply(550, &format!("{twenty}\ny")).text(), format!("{twenty} [truncated]"));
    let exact = "x".repeat(2048);
    assert_eq!(reply(550, &exact).text(), exact);
    for piece in ["x", "ü", "\x1b", "\u{202e}"] {
        let text = reply(550, &piece.repeat(2049)).text();
        assert!(text.len() <= 2048 && text.len() > 2036 - 8 && text.ends_with(" [truncated]"), "{text}");
        let whole = reply(550, piece).text();
        assert_eq!(text.trim_end_matches(" [truncated]").replace(&whole, ""), "", "no piece is cut in half");
    }
}

#[test]
fn display_is_one_line() {
    assert_eq!(reply(250, "2.1.0 Ok").to_string(), "250 2.1.0 Ok");
    assert_eq!(reply(250, "").to_string(), "250");
    assert_eq!(reply(250, "2.0.0").to_string(), "250 2.0.0");
    assert_eq!(format!("{:?}", reply(550, "5.1.1 a\n5.1.1 b\x1b")), r"550 5.1.1 a\nb\x1b");
    assert_eq!(format!("{:?}", EnhancedCode::new(5, 1, 10)), "5.1.10");
}

#[test]
fn too_many_recipients_is_temporary() {
    // D9, M99
    let rewritten = |text| reply(552, text).too_many_recipients().map(|reply| wire(&reply));
    assert_eq!(rewritten("Too many").as_deref(), Some(&b"452 4.5.3 Too many\r\n"[..]));
    assert_eq!(
        rewritten("5.5.3 Too\n5.5.3 many").as_deref(),
        Some(&b"452-4.5.3 Too\r\n452 4.5.3 many\r\n"[..])
    );
    assert_eq!(rewritten("5.3.4 Too big"), None);
    assert_eq!(rewritten("5.2.2 Full"), None);
    assert_eq!(rewritten("Sorry\n5.2.2 Full"), None);
    assert_eq!(reply(452, "4.5.3 Too many").too_many_recipients(), None);
    assert_eq!(reply(550, "Too many").too_many_recipients(), None);
    let mut parser = Parser::new();
    let (_, read) = parser.parse(b"552 Too many\n", &Limits::NORMAL).unwrap();
    assert!(
        read.unwrap().too_many_recipients().unwrap().bare_lf(),
        "R43: how it was written is not forgotten"
    );
}

#[test]
fn the_wire_form_repeats_the_code_on_each_line() {
    // R32
    assert_eq!(wire(&reply(250, "a\n\nb")), b"250-a\r\n250-\r\n250 b\r\n");
    assert_eq!(wire(&reply(250, "")), b"250 \r\n");
    let marked = Reply::with_enhanced(code(550), EnhancedCode::new(5, 1, 1), "a\nb");
    assert_eq!(wire(&marked), b"550-5.1.1 a\r\n550 5.1.1 b\r\n");
}

#[test]
fn an_enhanced_code_made_here_agrees_with_the_code() {
    // R190
    let marked = Reply::with_enhanced(code(450), EnhancedCode::new(5, 2, 0), "x");
    assert_eq!(marked.enhanced(), Some(EnhancedCode::new(4, 2, 0)));
    assert_eq!(wire(&Reply::with_enhanced(code(354), EnhancedCode::new(2, 0, 0), "go")), b"354 go\r\n");
}

#[test]
fn no_text_can_inject_a_reply() {
    let hostile = reply(550, "no\r250 yes\r\n250 yes\n250 yes\0\x1b");
    let expected = b"550-no\\x0d250 yes\r\n550-250 yes\r\n550 250 yes\\x00\\x1b\r\n";
    assert_eq!(wire(&hostile), expected);
    assert!(!hostile.lines().flatten().any(|octet| b"\r\0".contains(octet)), "nor does it hold what could");
    // R44, wherever the control stands.
    assert_eq!(wire(&reply(250, "a\x1b[31mb\x07\x08c")), b"250 a\\x1b[31mb\\x07\\x08c\r\n");
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn whatever_is_written_is_read_as_one_reply(
        number in 200_u16..600,
        text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(0)], 0..60),
    ) {
        let made = Reply::new(code(number), text);
        let octets = wire(&made);
        let (used, read) = Parser::new().parse(&octets, &Limits::NORMAL).unwrap();
        prop_assert_eq!(used, octets.len());
        let read = read.unwrap();
        prop_assert_eq!(wire(&read), octets);
        if !made.lines().flatten().any(|octet| octet.is_ascii_control() && *octet != b'\t') {
            prop_assert_eq!(read, made);
        }
    }

    #[test]
    fn no_text_can_forge_a_log_line(number in 200_u16..600, text in any::<Vec<u8>>(), unicode in ".{0,40}") {
        for reply in [Reply::new(code(number), text), Reply::new(code(number), unicode)] {
            let shown = format!("{reply} {reply:?}");
            let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            prop_assert!(!shown.contains(breaks));
            prop_assert!(!reply.text().replace('\n', "").contains(char::is_control));
        }
    }
}

#[test]
fn octets_from_elsewhere_become_one_line() {
    // N34, R44: what a resolver or a certificate says
    assert_eq!(escape(b"no such host"), "no such host");
    assert_eq!(escape(b"a\nb\r\x1b\xff"), r"a\nb\x0d\x1b\xff");
}
