use super::*;

fn source(text: &str) -> Arc<Source> {
    Arc::new(Source::new("mail.conf", text))
}

#[test]
fn the_first_line_leads_with_file_line_and_column_and_the_caret_is_under_the_place() {
    let source = source("a b\n  tagets tcp://x:25\n");
    let diagnostic = Diagnostic::error("there is no directive `tagets`")
        .at(&Span::new(&source, 6..12))
        .label("not known here")
        .related(&Span::new(&source, 0..1), "in this block")
        .help("did you mean `targets`?");
    assert_eq!(
        diagnostic.render(false),
        "\
mail.conf:2:3: error: there is no directive `tagets`
  |
2 |   tagets tcp://x:25
  |   ^^^^^^ not known here
  |
  = help: did you mean `targets`?
mail.conf:1:1: note: in this block
  |
1 | a b
  | ^
"
    );
    assert_eq!(format!("{diagnostic}\n"), diagnostic.render(false));
    assert!(diagnostic.render(true).contains("\x1b[1mmail.conf:2:3:"));
}

#[test]
fn columns_are_characters_and_lines_are_counted_by_line_feeds_alone() {
    let source = source("тест x\r\n\u{2028}é y\n");
    let at = source.text.find('y').unwrap();
    let span = Span::new(&source, at..at + 1);
    assert_eq!((span.line(), span.column()), (2, 4));
    let end = Span::new(&source, source.text.len()..source.text.len());
    assert_eq!((end.line(), end.column()), (3, 1));
    let nowhere = Span::new(&source, 1000..2000);
    assert_eq!(nowhere.text(), "");
    assert!(Diagnostic::error("x").at(&nowhere).render(false).starts_with("mail.conf:3:1: error: x\n"));
}

#[test]
fn controls_of_the_file_its_name_and_the_message_cannot_reach_a_terminal() {
    let source = Arc::new(Source::new("a\x1b[2J.conf", "x \x1b]0;\x07 \u{202e}y\r\nz"));
    let text = Diagnostic::error("bad\nword\r").at(&Span::new(&source, 2..3)).label("\x1b[31m").render(false);
    assert!(!text.contains(['\x1b', '\x07', '\r', '\u{202e}']), "{text:?}");
    assert!(text.starts_with("a␛[2J.conf:1:3: error: bad␊word␍\n"), "{text}");
}

#[test]
fn a_very_long_line_is_trimmed_around_the_place() {
    let long = format!("{}needle{}", "x ".repeat(300_000), " y".repeat(200_000));
    let source = source(&long);
    let at = long.find("needle").unwrap();
    let text = Diagnostic::error("found").at(&Span::new(&source, at..at + 6)).render(false);
    assert!(text.starts_with("mail.conf:1:600001: error: found\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
    assert!(text.contains("x needle y"), "{text}");
    let lines: Vec<_> = text.lines().collect();
    let at = |line: &str, needle| line.split(needle).next().unwrap().chars().count();
    assert_eq!(at(lines[2], "needle"), at(lines[3], "^"), "{text}");
}

#[test]
fn no_more_than_a_hundred_are_kept_and_an_error_displaces_a_warning() {
    let mut all = Diagnostics::new();
    all.extend((0..150).map(|n| Diagnostic::warning(format!("w{n}"))));
    assert!(!all.has_errors());
    all.push(Diagnostic::error("e"));
    assert_eq!((all.len(), all.omitted(), all.has_errors()), (100, 51, true));
    assert!(all.to_string().ends_with("51 more are not shown"), "{all}");
}

#[test]
fn what_resembles_a_word_is_proposed_and_nothing_else() {
    let known = ["targets", "require_tls", "attempt_starttls", "auth", "tls_client", "debug"];
    for (word, meant) in [
        ("target", Some("targets")),
        ("tagrets", Some("targets")),
        ("require-tls", Some("require_tls")),
        ("REQUIRE_TLS", Some("require_tls")),
        ("atuh", Some("auth")),
        ("zzz", None),
        ("", None),
        ("d", None),
    ] {
        assert_eq!(did_you_mean(word, known), meant, "{word}");
    }
    assert_eq!(did_you_mean(&"x".repeat(1 << 20), known), None);
}

#[test]
fn what_auth_is_told_is_in_no_excerpt() {
    for (line, expected) in [
        ("auth plain ann hunter2", "auth plain *** *******"),
        ("x { auth login ann \"hunter 2\" }", "x { auth login *** ******* ** *"),
        ("auth gssapi ann hunter2", "auth gssapi *** *******"),
        ("auth hunter2", "auth *******"),
        ("auth ann hunter2", "auth *** *******"),
        ("auth off", "auth off"),
        // Quotes may be inside out.
        ("y\"auth plain ann hunter2", "y\"auth plain *** *******"),
        ("y\"AUTH plain ann hunter2", "y\"AUTH plain *** *******"),
        ("/etc/auth /key", "/etc/auth /key"),
        // What is not a word of it as it stands.
        ("auth plain #hunter2", "auth plain ********"),
        ("auth #hunter2", "auth ********"),
        ("auth plain { ann hunter2 }", "auth plain * *** ******* *"),
        ("auth { plain ann hunter2 }", "auth { ***** *** ******* *"),
        ("auth } plain ann hunter2", "auth } ***** *** *******"),
        ("auth=hunter2 {", "auth=******* *"),
        ("x auth:plain:ann:hunter2", "x auth:*****************"),
        ("authority x", "authority x"),
        ("an auth", "an auth"),
    ] {
        let source = Arc::new(Source::new("mail.conf", format!("{line}\n")));
        for range in [0..4, 2..line.len(), line.len()..line.len()] {
            let shown = Diagnostic::error("wrong").at(&Span::new(&source, range)).render(false);
            assert!(shown.contains(expected), "{line}: {shown}");
        }
    }
}

#[test]
fn what_auth_is_told_is_in_no_excerpt_on_whatever_line_it_stands() {
    for (text, expected) in [
        ("auth plain ann \\\n\n  # why\n  hunter#2\n", "  ********"),
        ("auth \\\nplain ann hunter2\n", "plain *** *******"),
        ("auth plain ann \"hunter\n2 \\\" 3\"x\n", "* ** ***"),
        ("x {\n\"auth\" plain ann hunter2 }\n", "\"auth\" plain *** *******"),
        ("debug \\\nauth plain ann \\\nhunter2\n", "*******"),
        // By whatever name, if it was probably meant.
        ("auht plain ann hunter2\n", "auht plain *** *******"),
        ("Auth plain ann hunter2\n", "Auth plain *** *******"),
        ("auth: plain ann hunter2\n", "auth: plain *** *******"),
        ("AUTH=plain ann hunter2\n", "AUTH=plain *** *******"),
        // What it is told by macros.
        ("$(pw) = hunter#2\nauth plain ann $(pw)\n", "$(pw) = ********"),
        ("auth plain ann x$(pw)\n$(pw) = hunter two\n", "$(pw) = ****** ***"),
        ("$(pw)=hunter2\nauth plain ann $(pw)\n", "$(pw)=*******"),
        ("$(pw) \\\nauth plain ann \"x\nhunter2\"y\n", "*********"),
        ("$(a) = auth plain ann hunter$(a)2\nauth plain $(a)\n", "$(a) = **** ***** *** ***********"),
        ("$(a) = 2 \\\n3\n$(b) = ann hunter$(a)\nauth plain $(b)\n", "$(a) = * *"),
        // And nothing else.
        ("$(t) = tcp://h:1\nauth plain ann hunter2\ntargets $(t) \\\nb\n", "$(t) = tcp://h:1"),
        ("auth plain ann x\\\ntargets tcp://h:1\n", "targets tcp://h:1"),
        ("auth.pass_table local\nauth_map static\n", "auth.pass_table local"),
        ("(auth) {\nauth off\n}\nimport auth\n", "import auth"),
    ] {
        let source = source(text);
        let shown: String = (0..text.len())
            .filter(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n')
            .map(|at| Diagnostic::error("wrong").at(&Span::new(&source, at..at + 1)).render(false))
            .collect();
        assert!(
            shown.contains(&format!("| {expected}\n")) || shown.contains(&format!("| {expected} ")),
            "{text}: {shown}"
        );
        assert!(!shown.contains("hunter"), "{text}: {shown}");
    }
}

#[test]
fn the_length_that_counts_is_that_of_what_is_compared() {
    // In lower case this letter is two characters.
    assert_eq!(
        did_you_mean("\u{130}\u{130}\u{130}x", ["\u{130}\u{130}\u{130}"]),
        Some("\u{130}\u{130}\u{130}")
    );
    // However many others there are, if they are of another length.
    let others: Vec<String> = (0..5_000).map(|n| format!("something_else_{n}")).collect();
    let all = others.iter().map(String::as_str).chain(["relay"]);
    assert_eq!(did_you_mean("rellay", all), Some("relay"));
}

#[test]
fn where_auth_goes_on_into_auth_too_often_nothing_more_is_shown() {
    // Each of them would be read to the end: 10^10 octets.
    let text = "auth \\\n".repeat(100_000) + "\ntargets tcp://h:1\n";
    let source = source(&text);
    let last = text.find("targets").unwrap();
    let shown = Diagnostic::error("wrong").at(&Span::new(&source, last..last + 1)).render(false);
    assert!(shown.contains("| ******* *********"), "{shown}");
}

#[test]
fn a_message_quotes_no_word_that_is_private() {
    let text = "auth plain \"ann\nauth plain ann \"x\nhunter2{ y\"\n";
    let source = source(text);
    let at = text.find("hunter2").unwrap();
    let span = Span::new(&source, at..at + 8);
    let mut all = Diagnostics::new();
    all.push(Diagnostic::error("`hunter2{` is wrong").at(&span).help("not \"hunter2{\""));
    all.push(Diagnostic::error("wrong").related(&span, "`hunter2{` is why"));
    assert!(!all.render(false).contains("hunter2"), "{all}");
    assert!(all.render(false).contains("error: *** is wrong"), "{all}");
    // A long one may be quoted whole, or cut, and is not copied for that.
    let long = "hunter2".repeat(100_000);
    let lengthy = Arc::new(Source::new("mail.conf", format!("auth plain ann \"{long}\"\n")));
    let span = Span::new(&lengthy, 15..17 + long.len());
    let mut all = Diagnostics::new();
    for _ in 0..100 {
        all.push(Diagnostic::error(format!("{long:?} is wrong")).at(&span).help(quote(&long)));
    }
    assert!(!all.render(false).contains("hunter2"), "{}", &all.to_string()[..500]);
}
