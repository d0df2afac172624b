//! The inputs of the reference's own lexer test (T22), and what the rows say besides.

use super::*;

/// `{` and `}` as structure, `|` for a line's end, words in brackets.
fn tokens(text: &str) -> String {
    let source = crate::tree::source("test".as_ref(), text, None);
    let mut lexer = Lexer::new(&source);
    let mut diagnostics = Diagnostics::new();
    let mut out = String::new();
    while let Some(token) = lexer.next(&mut diagnostics) {
        match token {
            Token::Word(word) => out.push_str(&format!("[{}]", word.text)),
            Token::Open(_) => out.push('{'),
            Token::Close(_) => out.push('}'),
            Token::Newline => out.push('|'),
        }
    }
    assert!(lexer.misread.is_none() && !diagnostics.has_errors(), "{text:?}: {diagnostics}");
    out
}

#[test]
fn t22_the_lexer_reads_what_the_reference_reads() {
    for (name, text, expected) in [
        ("one word", "host:123", "[host:123]"),
        ("words on lines", "host:123\n\n   directive", "[host:123]||[directive]"),
        ("block over lines", "host:123 {\n  directive\n}", "[host:123]{|[directive]|}"),
        ("block on one line", "host:123 { directive }", "[host:123]{[directive]}"),
        (
            "comments",
            "host:123 {\n #comment\n directive\n # comment\n foobar # another\n}",
            "[host:123]{||[directive]||[foobar]|}",
        ),
        ("quotes", "a \"quoted value\" b\n foobar", "[a][quoted value][b]|[foobar]"),
        ("escaped quotes", r#"A "quoted \"value\" inside" B"#, r#"[A][quoted "value" inside][B]"#),
        ("another backslash is kept", r#""don't\escape""#, r"[don't\escape]"),
        ("two backslashes are kept", r#""don't\\escape""#, r"[don't\\escape]"),
        (
            "line's end in quotes",
            "A \"quoted value with line\n  break inside\" {\n  foobar\n}",
            "[A][quoted value with line\n  break inside]{|[foobar]|}",
        ),
        ("Windows path", r#""C:\php\php-cgi.exe""#, r"[C:\php\php-cgi.exe]"),
        ("empty quotes", r#"empty "" string"#, "[empty][][string]"),
        ("CRLF", "skip those\r\nCR characters", "[skip][those]|[CR][characters]"),
        ("BOM", "\u{feff}:8080", "[:8080]"),
    ] {
        assert_eq!(tokens(text), expected, "{name}");
    }
}

#[test]
fn m22_one_bom_is_dropped_a_second_one_is_text() {
    assert_eq!(tokens("\u{feff}\u{feff}a b"), "[\u{feff}a][b]");
    assert_eq!(tokens("a \u{feff}b"), "[a][\u{feff}b]");
}

#[test]
fn m23_words_end_at_unicode_white_space_and_cr_is_no_part_of_them() {
    assert_eq!(tokens("a\u{a0}b\u{b}c\u{c}d\u{2003}e\u{85}f\u{2028}g\th"), "[a][b][c][d][e][f][g][h]");
    assert_eq!(tokens("a\rb\r\nc \r d\r"), "[ab]|[c][d]");
    assert_eq!(tokens("a {\r\n}\r\n"), "[a]{|}|");
    assert_eq!(tokens("\"a\rb\r\n\""), "[a\rb\r\n]");
}

#[test]
fn m24_a_hash_starts_a_comment_only_where_a_word_could_start() {
    assert_eq!(tokens("a \"#x\" # c \" {\nb #\n#"), "[a][#x]|[b]|");
    assert_eq!(tokens("\"a\"#c\nb"), "[a]|[b]");
}

#[test]
fn m25_quotes_open_a_word_and_escape_nothing_but_themselves() {
    assert_eq!(tokens(r#""a\"b""#), r#"[a"b]"#);
    assert_eq!(tokens(r#""a\\""#), r"[a\\]");
    assert_eq!(tokens(r#""\"" "\"\"""#), r#"["][""]"#);
    assert_eq!(tokens(r#""x"y "x""y""#), "[x][y][x][y]");
    assert_eq!(tokens(r#"x"y 'a b'"#), r#"[x"y]['a][b']"#);
    assert_eq!(tokens("\"\\\nй\\й\""), "[\\\nй\\й]");
}

#[test]
fn m26_d13_a_brace_is_structure_only_as_a_whole_unquoted_word() {
    assert_eq!(tokens("a { b }"), "[a]{[b]}");
    assert_eq!(tokens("a{ {b} }} {} \"{\" \"}\""), "[a{][{b}][}}][{}][{][}]");
}

#[test]
fn words_know_their_octets_quotes_included() {
    let source = crate::tree::source("test".as_ref(), "\u{feff}aй \"b\nc\"\r\n d\re\r\n", None);
    let mut lexer = Lexer::new(&source);
    let mut diagnostics = Diagnostics::new();
    let mut places = Vec::new();
    while let Some(token) = lexer.next(&mut diagnostics) {
        if let Token::Word(word) = token {
            let span = Span::new(&source, word.range);
            places.push(format!("{}:{} {:?}", span.line(), span.column(), span.text()));
        }
    }
    assert_eq!(places, ["1:1 \"aй\"", "1:4 \"\\\"b\\nc\\\"\"", "3:2 \"d\\re\""]);
}
