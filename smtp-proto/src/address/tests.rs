use proptest::prelude::*;

use super::*;

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

fn problem(text: &str) -> (Problem, usize) {
    let error = text.parse::<Mailbox>().expect_err(text);
    (error.problem(), error.offset())
}

fn domain_problem(text: &str) -> Problem {
    text.parse::<Domain>().expect_err(text).problem()
}

#[test]
fn addresses_leave_as_they_came() {
    // R2, M79, T26
    for text in [
        "JoHn@Ex.org",
        "a.b-c!#$%&'*+/=?^_`{|}~@x",
        "тест@тест.example.org",
        "Ünï@BÜCHER.example",
        "simple@[IPv6:beef::1]",
        "u@[192.0.2.1]",
        "u@[x-tag:any!thing]",
        "u@_spf.a_b.example",
        "u@sn---x.example",
        "u@xn--a.example", // an A-label that decodes to nothing is still ASCII
        "u@192.0.2.1",
        "\u{a0}@x", // B12: not ASCII, and no control
        r#""a b"@x"#,
        r#""a@b"@тест.example"#, // M83
        r#""a> SIZE=1"@x"#,
        r#"""@x"#,
    ] {
        let mailbox = mailbox(text);
        assert_eq!(mailbox.to_string(), text);
        assert_eq!(mailbox.is_ascii(), text.is_ascii());
    }
}

#[test]
fn local_parts_that_are_no_dot_string_go_out_quoted() {
    // R21
    for (local_part, printed) in [
        ("a b", r#""a b"@x"#),
        (r#"a"b"#, r#""a\"b"@x"#),
        (r"a\b", r#""a\\b"@x"#),
        ("a..b", r#""a..b"@x"#),
        (".a", r#"".a"@x"#),
        ("a,b", r#""a,b"@x"#),
        ("ü ü", r#""ü ü"@x"#),
    ] {
        let typed = mailbox(&format!("{local_part}@x"));
        assert_eq!(typed.to_string(), printed);
        assert_eq!(typed.local_part(), local_part);
        assert_eq!(mailbox(printed), typed);
        assert_eq!(Mailbox::new(local_part, "x".parse().unwrap()), Ok(typed));
    }
}

#[test]
fn superfluous_quotes_and_escapes_are_dropped() {
    assert_eq!(mailbox(r#""joe"@x"#).to_string(), "joe@x");
    assert_eq!(mailbox(r#""\j\o\e"@x"#).to_string(), "joe@x");
}

#[test]
fn nothing_unquoted_ends_a_path_early() {
    // R22
    assert_eq!(problem("u@d> SIZE=1"), (Problem::Domain('>'), 3));
    assert_eq!(problem("u> SIZE=1@d"), (Problem::Unquoted('>'), 1));
    assert_eq!(problem("<u@d"), (Problem::Unquoted('<'), 0));
    assert_eq!(problem("a@b@c"), (Problem::Unquoted('@'), 1));
    assert_eq!(problem(" a@b"), (Problem::Unquoted(' '), 0));
    assert_eq!(problem("a @b"), (Problem::Unquoted(' '), 1));
    assert_eq!(problem("a@b c"), (Problem::Domain(' '), 3));
    assert_eq!(problem("a@[x:b>c]"), (Problem::Literal, 2));
    assert_eq!(problem("a@[x:b c]"), (Problem::Literal, 2));
    // from its parts, all of them are a matter of quoting
    let quoted = Mailbox::new(" <u@d> ", "x".parse().unwrap()).unwrap();
    assert_eq!(quoted.to_string(), r#"" <u@d> "@x"#);
}

#[test]
fn controls_are_refused_everywhere() {
    // R1, M76, M86; B12's U+0080 among them
    for c in ['\r', '\n', '\0', '\t', '\x1b', '\x7f', '\u{80}', '\u{85}', '\u{9f}', '\u{2028}', '\u{2029}'] {
        assert_eq!(problem(&format!("a{c}b@x")), (Problem::LocalPart(c), 1));
        assert_eq!(problem(&format!("\"a{c}b\"@x")), (Problem::LocalPart(c), 2));
        assert_eq!(problem(&format!("\"a\\{c}b\"@x")), (Problem::LocalPart(c), 3));
        assert_eq!(problem(&format!("a@x{c}y")), (Problem::Domain(c), 3));
        assert_eq!(problem(&format!("a@x.org{c}")), (Problem::Domain(c), 7));
        assert_eq!(problem(&format!("a@[x:{c}]")), (Problem::Literal, 2));
        assert!(Mailbox::new(&format!("a{c}"), "x".parse().unwrap()).is_err());
        assert!(format!("name{c}.example").parse::<ClientName>().is_err());
        assert!(format!("<a@x>{c}").parse::<ReversePath>().is_err());
        assert!(format!("postmaster{c}").parse::<ForwardPath>().is_err());
    }
}

#[test]
fn incomplete_addresses_are_refused() {
    // M83, T26
    assert_eq!(problem(""), (Problem::Empty, 0));
    assert_eq!(problem("a"), (Problem::NoAt, 0));
    assert_eq!(problem("@x"), (Problem::LocalPartEmpty, 0));
    assert_eq!(problem("a@"), (Problem::DomainEmpty, 2));
    assert_eq!(problem("a@."), (Problem::DomainEmpty, 2));
    assert_eq!(problem("\"a"), (Problem::Quote, 2));
    assert_eq!(problem("\"a\\"), (Problem::Quote, 2));
    assert_eq!(problem("\"a\"x"), (Problem::Quote, 3));
    assert_eq!(problem("\"a\".\"b\"@x"), (Problem::Quote, 3));
    assert_eq!(problem("\"\\ü\"@x"), (Problem::Quote, 1));
    assert!(Mailbox::new("", "x".parse().unwrap()).is_err());
}

#[test]
fn only_well_formed_utf8_is_text() {
    // R175: overlong, surrogate, cut short
    for octets in [&b"a\xc0\xaf@x"[..], b"a\xed\xa0\x80@x", b"a\xc3"] {
        let error = Mailbox::from_bytes(octets).unwrap_err();
        assert_eq!((error.problem(), error.offset()), (Problem::Utf8, 1));
        assert!(ReversePath::from_bytes(octets).is_err());
        assert!(ForwardPath::from_bytes(octets).is_err());
    }
    assert_eq!(Mailbox::from_bytes("ü@x".as_bytes()), Ok(mailbox("ü@x")));
}

#[test]
fn domains_have_host_name_labels() {
    // R23, N20
    assert_eq!("d.".parse::<Domain>().unwrap().as_str(), "d");
    assert_eq!(domain_problem("d.."), Problem::LabelEmpty);
    assert_eq!(domain_problem("a..b"), Problem::LabelEmpty);
    assert_eq!(domain_problem("-a.b"), Problem::Hyphen);
    assert_eq!(domain_problem("a.b-"), Problem::Hyphen);
    assert_eq!(domain_problem("a/b"), Problem::Domain('/'));
    assert_eq!(domain_problem("[192.0.2.1]"), Problem::Domain('['));
    assert!("a".repeat(63).parse::<Domain>().is_ok());
    assert_eq!(domain_problem(&"a".repeat(64)), Problem::LabelLength(64));
}

#[test]
fn lengths_are_octets() {
    // R24-R26, R176, N18-N20
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{label}");
    assert!(longest.parse::<Domain>().is_ok()); // 255
    assert!(format!("{longest}.").parse::<Domain>().is_ok(), "the dot is dropped before counting");
    assert_eq!(domain_problem(&format!("{longest}b")), Problem::DomainLength(256));
    assert_eq!(domain_problem(&format!("{}.example", "ü".repeat(124))), Problem::DomainLength(256));

    assert!(!mailbox(&format!("{}@x", "ü".repeat(32))).has_long_local_part());
    assert!(mailbox(&format!("{}@x", "ü".repeat(33))).has_long_local_part());

    // <254 octets>
    let fits = format!("{}@x", "ü".repeat(126));
    assert_eq!(ForwardPath::from(mailbox(&fits)).to_string().len(), 256);
    assert_eq!(problem(&format!("a{fits}")), (Problem::PathLength(257), 0));
    // quotes count: the wire has them
    assert_eq!(
        problem(&format!("{}@x", " a".repeat(126).replacen(' ', "a", 1))),
        (Problem::PathLength(258), 0)
    );
}

#[test]
fn domains_convert_and_local_parts_do_not() {
    // T17 rows 1-4, T25, R173, R179, M75, M80, M81
    let ascii = |text: &str| mailbox(text).to_ascii().map(|mailbox| mailbox.to_string());
    assert_eq!(ascii("test@тест.example.org").unwrap(), "test@xn--e1aybc.example.org");
    assert_eq!(ascii("JoHn@BÜCHER.example").unwrap(), "JoHn@xn--bcher-kva.example");
    assert_eq!(ascii("u@faß.example").unwrap(), "u@xn--fa-hia.example"); // non-transitional
    assert_eq!(ascii(r#""a@b"@тест.example"#).unwrap(), r#""a@b"@xn--e1aybc.example"#);
    assert_eq!(ascii("u@MiXed.example").unwrap(), "u@MiXed.example", "ASCII is not mapped");
    assert_eq!(ascii("u@_x.тест.example").unwrap(), "u@_x.xn--e1aybc.example");
    assert_eq!(ascii("u@[IPv6:::1]").unwrap(), "u@[IPv6:::1]");
    assert_eq!(ascii("aü@тест.example").map_err(|e| (e.problem(), e.offset())), Err((Problem::NotAscii, 1)));
}

#[test]
fn names_that_idna_refuses_are_refused() {
    // T25: over-long label with non-ASCII; M75
    assert_eq!(domain_problem(&format!("{}.example", "тест".repeat(20))), Problem::Idna);
    assert_eq!(domain_problem("ü.xn--a.example"), Problem::Idna);
    assert_eq!(domain_problem("-ü.example"), Problem::Idna);
    assert_eq!(domain_problem("ü..example"), Problem::Idna);
    assert_eq!(domain_problem("a\u{ff1e}b.example"), Problem::Idna); // maps to `>`
    assert_eq!(domain_problem("a\u{ff20}b.example"), Problem::Idna); // maps to `@`
    // 32 two-octet characters are 64 octets, and their A-label is shorter than 63
    assert!(format!("{}.example", "т".repeat(32)).parse::<Domain>().is_ok());
}

#[test]
fn a_label_form_can_be_too_long_for_a_path() {
    // R26 after M80: `ü` has 2 octets, `xn--tda` has 7
    let domain = ["ü"; 30].join(".");
    let long = mailbox(&format!("{}@{domain}", "a".repeat(64)));
    assert_eq!(long.to_ascii().unwrap_err().problem(), Problem::PathLength(64 + 1 + 30 * 8 - 1 + 2));
}

#[test]
fn literals_print_in_their_standard_form() {
    // R12
    let host = |text: &str| text.parse::<Host>().map(|host| host.to_string());
    assert_eq!(host("[ipv6:2001:DB8:0::1]").unwrap(), "[IPv6:2001:db8::1]");
    assert_eq!(host("[2001:db8::1]").unwrap(), "[IPv6:2001:db8::1]");
    assert_eq!(host("[Tag-1:a:b]").unwrap(), "[Tag-1:a:b]");
    for text in [
        "[",
        "[]",
        "[1.2.3]",
        "[1.2.3.4",
        "[IPv6:1.2.3.4]",
        "[IPv6:fe80::1%eth0]",
        "[x:]",
        "[:x]",
        "[x-:a]",
        "[x:[a]]",
        "[x:ü]",
    ] {
        assert_eq!(host(text).map_err(|e| e.problem()), Err(Problem::Literal), "{text}");
    }
    let long = format!("[x:{}]", "a".repeat(252));
    assert_eq!(host(&long).map_err(|e| e.problem()), Err(Problem::DomainLength(256)));
}

#[test]
fn client_names_are_ascii_and_never_empty() {
    // R11, R12, R172, M8, M74-M77, T11
    let client = |text: &str| text.parse::<ClientName>().map(|name| name.to_string());
    assert_eq!(client("тест.invalid").unwrap(), "xn--e1aybc.invalid");
    assert_eq!(client("Mx_1.Example.org.").unwrap(), "Mx_1.Example.org");
    assert_eq!(client("192.0.2.1").unwrap(), "[192.0.2.1]");
    assert_eq!(client("2001:db8::1").unwrap(), "[IPv6:2001:db8::1]");
    assert_eq!(client("[IPv6:2001:db8::1]").unwrap(), "[IPv6:2001:db8::1]");
    assert_eq!(client("[192.0.2.1]").unwrap(), "[192.0.2.1]");
    assert_eq!(client("").unwrap_err().problem(), Problem::DomainEmpty);
    assert_eq!(client("a b").unwrap_err().problem(), Problem::Domain(' '));
    assert_eq!(client("a\r\nQUIT").unwrap_err().problem(), Problem::Domain('\r'));
}

#[test]
fn the_null_sender_is_a_path() {
    // R18, B10
    for text in ["", "<>"] {
        let path: ReversePath = text.parse().unwrap();
        assert_eq!(path, ReversePath::Null);
        assert!(path.is_ascii());
        assert_eq!(path.to_ascii(), Ok(ReversePath::Null));
        assert_eq!(path.to_string(), "<>");
        assert!(text.parse::<ForwardPath>().is_err());
    }
}

#[test]
fn postmaster_needs_no_domain_as_a_recipient() {
    // R19, M82, T25, T26
    for text in ["postmaster", "Postmaster", "<POSTMASTER>"] {
        let path: ForwardPath = text.parse().unwrap();
        assert_eq!(path.to_string(), format!("<{}>", text.trim_matches(['<', '>'])));
        assert_eq!(path.to_ascii(), Ok(path.clone()));
        assert!(text.parse::<ReversePath>().is_err());
    }
    for text in ["postmaster@", "<postmaster@>", "root", "<postmaster", "postmaster>"] {
        assert!(text.parse::<ForwardPath>().is_err(), "{text}");
    }
    assert_eq!(ForwardPath::Postmaster(Postmaster::default()).to_string(), "<postmaster>");
}

#[test]
fn paths_drop_source_routes() {
    // R20
    for text in ["@a,@b:u@d", "<@a,@b:u@d>", "<@a:u@d>", "u@d", "<u@d>"] {
        assert_eq!(text.parse::<ReversePath>().unwrap().to_string(), "<u@d>");
        assert_eq!(text.parse::<ForwardPath>().unwrap().to_string(), "<u@d>");
    }
    for text in ["@a", "@a,", "@a,b:u@d", "@a:", "<@a,@b:>", "@a,:u@d", "@:u@d", "@a b:u@d", "@a>:u@d"] {
        assert!(text.parse::<ReversePath>().is_err(), "{text}");
        assert!(text.parse::<ForwardPath>().is_err(), "{text}");
    }
}

#[test]
fn paths_end_at_their_bracket() {
    // R22; offsets count from the start of the text given
    let error =
        |text: &str| text.parse::<ReversePath>().map_err(|e| (e.problem(), e.offset())).expect_err(text);
    assert_eq!(error("<u@d> SIZE=1"), (Problem::Brackets, 5));
    assert_eq!(error("<u@d"), (Problem::Brackets, 4));
    assert_eq!(error("<\"u>@d"), (Problem::Brackets, 6));
    assert_eq!(error("<u@d>>"), (Problem::Brackets, 5));
    assert_eq!(error("u@d>"), (Problem::Domain('>'), 3));
    assert_eq!(error("<u@d/e>"), (Problem::Domain('/'), 4));
    assert_eq!(error("<@a:u@d/e>"), (Problem::Domain('/'), 7));

    assert_eq!(split_path("<a@b> SIZE=1"), Some(("<a@b>", " SIZE=1")));
    assert_eq!(split_path(r#"<"a\">"@b>x"#), Some((r#"<"a\">"@b>"#, "x")));
    assert_eq!(split_path("<>"), Some(("<>", "")));
    assert_eq!(split_path("a@b>"), None);
    assert_eq!(split_path("<a@b"), None);
    assert_eq!(split_path("<\"\\"), None);
}

#[test]
fn errors_cannot_forge_log_lines() {
    let error = "a\r\nb@x".parse::<Mailbox>().unwrap_err();
    assert_eq!(error.to_string(), r"the local part cannot hold '\r'; remove it (at octet 1)");
    let error = "a@\u{202e}\u{2028}".parse::<Mailbox>().unwrap_err().to_string();
    assert!(!error.contains(['\u{202e}', '\u{2028}']), "{error}");
}

#[test]
fn xtext_encodes_what_a_parameter_cannot_hold() {
    // R17, R186
    assert_eq!(xtext::Xtext(b"e=mc2").to_string(), "e+3Dmc2");
    assert_eq!(xtext::Xtext(b" +~\x7f\xff\0").to_string(), "+20+2B~+7F+FF+00");
    for text in ["+", "+4", "+4g", "+2b", "=", " ", "ü", "\x7f"] {
        assert_eq!(xtext::decode(text.as_bytes()), None, "{text}");
    }
}

/// Text that comes near an address often enough to get through.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zü.@<>\"\\\\ :,\\[\\]\r\n\u{80}-]{0,20}",
        "[<]?(@a[,:])?\"?[a-z \\\\\"@>\u{0}\n]{0,6}\"?@[a-z.>\u{ff1e}-]{1,6}[>]?",
        "[a-z]{1,3}@\\[(IPv6:)?[0-9a-f:.@>x]{0,12}\\]",
        "[pP][oO]stmaster@?",
    ]
}

/// Text of a value: nothing in it can end a line or a word, and parsing it yields the same value.
fn check<T>(value: &T) -> Result<(), TestCaseError>
where
    T: std::str::FromStr<Err = AddressError> + std::fmt::Display + std::fmt::Debug + PartialEq,
{
    let printed = value.to_string();
    prop_assert!(!printed.contains(is_control), "{printed:?}");
    prop_assert!(printed.len() <= 256);
    prop_assert_eq!(&printed.parse::<T>().unwrap(), value, "{:?}", printed);
    Ok(())
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn any_text_is_refused_or_prints_as_what_it_is(text in texts()) {
        if let Ok(mailbox) = text.parse::<Mailbox>() {
            check(&mailbox)?;
            if let Ok(ascii) = mailbox.to_ascii() {
                prop_assert!(ascii.is_ascii());
                check(&ascii)?;
            }
        }
        if let Ok(path) = text.parse::<ReversePath>() {
            check(&path)?;
        }
        if let Ok(path) = text.parse::<ForwardPath>() {
            check(&path)?;
        }
        if let Ok(host) = text.parse::<Host>() {
            check(&host)?;
        }
        if let Ok(name) = text.parse::<ClientName>() {
            check(&name)?;
            prop_assert!(name.as_str().is_ascii());
            prop_assert!(!name.as_str().contains(' '));
        }
        if let Ok(domain) = text.parse::<Domain>() {
            check(&domain)?;
            check(&domain.to_ascii().unwrap())?;
        }
    }

    #[test]
    fn any_local_part_without_controls_survives(local_part in "\\PC{1,60}") {
        let mailbox = Mailbox::new(&local_part, "x".parse().unwrap());
        prop_assume!(!local_part.contains(is_control));
        if let Ok(mailbox) = mailbox {
            prop_assert_eq!(mailbox.local_part(), &local_part);
            check(&mailbox)?;
            check(&ReversePath::from(mailbox.clone()))?;
            check(&ForwardPath::from(mailbox))?;
        } else {
            prop_assert!(local_part.len() > 120, "only the length can be wrong");
        }
    }

    #[test]
    fn u_labels_convert_to_ascii_or_are_refused(name in "\\PC{1,20}\\.example") {
        if let Ok(domain) = name.parse::<Domain>() {
            let ascii = domain.to_ascii().unwrap();
            prop_assert!(ascii.is_ascii());
            check(&ascii)?;
            prop_assert_eq!(ascii.to_ascii().unwrap(), ascii);
        }
    }

    #[test]
    fn xtext_round_trips(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
        let text = xtext::Xtext(&octets).to_string();
        prop_assert!(text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'='));
        prop_assert_eq!(xtext::decode(text.as_bytes()), Some(octets));
    }

    #[test]
    fn a_path_is_found_in_front_of_anything(local_part in "[ -~]{1,40}", rest in "[ -~]{0,20}") {
        let path = ForwardPath::from(Mailbox::new(&local_part, "x".parse().unwrap()).unwrap()).to_string();
        let line = format!("{path}{rest}");
        prop_assert_eq!(split_path(&line), Some((path.as_str(), rest.as_str())));
    }
}
