//! The rows of the language, one test each: what is read, what is refused and how it is said.

use std::{fmt::Write as _, path::Path};

use smtp_config::{
    diagnostic::{Diagnostics, Severity},
    loader::Memory,
    tree::{self, Node, Tree},
};

/// `name[arg][arg]{child;child}`
fn shape(nodes: &[Node]) -> String {
    let mut out = String::new();
    for (n, node) in nodes.iter().enumerate() {
        if n > 0 {
            out.push(';');
        }
        out.push_str(&node.name.text);
        for word in &node.args {
            write!(out, "[{}]", word.text).unwrap();
        }
        if let Some(block) = &node.block {
            write!(out, "{{{}}}", shape(block)).unwrap();
        }
    }
    out
}

fn with(loader: &Memory, text: &str) -> Result<Tree, Diagnostics> {
    tree::read_text(loader, Path::new("test"), text)
}

fn read(text: &str) -> Result<Tree, Diagnostics> {
    with(&Memory::new().variable("V", "x y").variable("SET", "ABCDEF"), text)
}

#[track_caller]
fn gives(text: &str, expected: &str) -> Tree {
    let tree = read(text).unwrap_or_else(|problems| panic!("{text:?}: {problems}"));
    assert_eq!(shape(&tree.nodes), expected, "{text:?}");
    tree
}

/// The errors, each as `LINE:COL reason`, exactly these.
#[track_caller]
fn refused(text: &str, expected: &[&str]) -> Diagnostics {
    let problems = read(text).map(|tree| shape(&tree.nodes)).expect_err(text);
    assert_eq!(lines(&problems, Severity::Error), expected, "{text:?}: {problems}");
    problems
}

fn lines(problems: &Diagnostics, severity: Severity) -> Vec<String> {
    problems
        .iter()
        .filter(|one| one.severity == severity)
        .map(|one| match &one.span {
            Some(span) if span.source.path == Path::new("test") => {
                format!("{}:{} {}", span.line(), span.column(), one.message)
            }
            Some(span) => format!("{span} {}", one.message),
            None => one.message.clone(),
        })
        .collect()
}

#[track_caller]
fn warned(text: &str, expected: &[&str]) {
    let tree = read(text).unwrap_or_else(|problems| panic!("{text:?}: {problems}"));
    assert_eq!(lines(&tree.warnings, Severity::Warning), expected, "{text:?}");
}

#[test]
fn the_debug_text_of_a_tree_shows_nothing_that_auth_is_told() {
    let text = "target.smtp a {\n targets tcp://h:25\n auth plain ann hunter2\n}\nauht plain ann hunter3\n";
    let tree = format!("{:?}", read(text).unwrap());
    assert!(tree.contains("tcp://h:25") && !tree.contains("hunter") && !tree.contains("ann"), "{tree}");
}

#[test]
fn m22_a_bom_is_no_part_of_the_first_name_and_moves_no_column() {
    let tree = gives("\u{feff}a b", "a[b]");
    assert_eq!(tree.nodes[0].args[0].span.to_string(), "test:1:3");
}

#[test]
fn m23_carriage_returns_end_no_line_and_are_in_no_word() {
    gives("a\r\nb", "a;b");
    gives("a<\r>b".replace(['<', '>'], "").as_str(), "ab");
    gives("a \"x\ry\"", "a[x\ry]");
    gives("a\u{a0}b\u{c}c", "a[b][c]");
}

#[test]
fn m24_comments_and_hashes_in_quotes() {
    gives("a \"#x\" # c\n# d {\n", "a[#x]");
}

#[test]
fn m25_quotes() {
    gives(r#"a "a\"b" "a\\" "" "x"y x"y"#, r#"a[a"b][a\\][][x][y][x"y]"#);
    gives("a \"b\nc\" d\ne", "a[b\nc][d];e");
    warned("a \"x\"y\n", &["1:6 a new word starts right behind a closing quote"]);
    warned("a \"x\"#y\nb \"z\" {\n}\n", &[]);
    // A name in quotes is a name.
    gives("\"a\" b", "a[b]");
}

#[test]
fn m26_braces_are_structure_as_whole_words_only() {
    gives("a { b }", "a{b}");
    gives("a {b}", "a[{b}]");
    refused("a{", &["1:1 `a{` cannot be the name of a directive", "1:1 this block is never closed"]);
    refused("a{\n b\n}\nc\n", &["1:1 `a{` cannot be the name of a directive"]);
    warned("a {}", &["1:3 `{}` is an argument here, not an empty block"]);
}

#[test]
fn m27_a_lone_backslash_at_the_end_joins_the_next_line_that_is_not_empty() {
    gives("a b \\\nc", "a[b][c]");
    gives("a b \\ # why\n\n  # not\n\t\nc\nd", "a[b][c];d");
    gives("a b\\\nc", "a[b\\];c");
    gives("a b \\", "a[b]");
    gives("a b \\\n\n # x\n", "a[b]");
    gives("a \\ b", "a[\\][b]");
    gives("a \\\n\\\nb", "a[b]");
    gives("a \\\r\nb", "a[b]");
}

#[test]
fn m28_a_block_opens_at_the_end_of_the_logical_line() {
    gives("a b \\\n{\n c\n}", "a[b]{c}");
    gives("a b {\nc\n}", "a[b]{c}");
    let problems = refused("a b\n{\n c\n}\nd\n", &["2:1 this block belongs to no directive"]);
    assert!(problems.to_string().contains("test:1:1: note: if the block is of this directive"), "{problems}");
}

#[test]
fn m29_behind_a_closing_brace_there_is_only_a_lines_end() {
    gives("a { b c }", "a{b[c]}");
    gives("a { b { c }\n}", "a{b{c}}");
    gives("a {\n b c }\nd", "a{b[c]};d");
    gives("a { } # why\nb", "a{};b");
    refused(
        "a { } b\nc@\n",
        &["1:7 nothing may follow a closing brace on its line", "2:1 `c@` cannot be the name of a directive"],
    );
    refused("a { b { c } }", &["1:13 nothing may follow a closing brace on its line"]);
    refused("a {\n} b {\n}\n", &["2:3 nothing may follow a closing brace on its line"]);
}

#[test]
fn m30_names_are_letters_digits_dots_hyphens_and_underscores() {
    gives("тест x\na.b-c_2 y\n_ z\n", "тест[x];a.b-c_2[y];_[z]");
    for (text, name) in
        [("a@b x", "a@b"), ("&x { }", "&x"), ("{env:SET} x", "{env:SET}"), ("a$(b) x", "a$(b)")]
    {
        refused(text, &[&format!("1:1 `{name}` cannot be the name of a directive")]);
    }
    refused("1w x", &["1:1 `1w` cannot be a directive: its name starts with a digit"]);
    refused("\"\" x", &["1:1 the name of a directive is empty"]);
    assert!(
        refused("hostname: x", &["1:1 `hostname:` cannot be the name of a directive"])
            .to_string()
            .contains("nothing but a blank stands between a name and its arguments: `hostname`")
    );
}

#[test]
fn m31_no_block_is_not_an_empty_block() {
    assert!(gives("a", "a").nodes[0].block.is_none());
    assert!(gives("a { }", "a{}").nodes[0].block.is_some());
    gives("debug yes { }", "debug[yes]{}");
}

#[test]
fn m32_n29_256_blocks_may_stand_in_one_another() {
    let nested = |depth: usize| format!("{}b\n{}", "a {\n".repeat(depth), "}\n".repeat(depth));
    assert!(read(&nested(256)).is_ok());
    refused(&nested(257), &["257:3 there are more than 256 blocks in one another"]);
    refused(&nested(50_000), &["257:3 there are more than 256 blocks in one another"]);
}

#[test]
fn m32_imports_cannot_put_more_blocks_in_one_another_than_a_file_may() {
    let mut text = String::from("(s0) {\n b\n}\n");
    for n in 1..=3 {
        let (open, close) = ("a {\n".repeat(100), "}\n".repeat(100));
        text.push_str(&format!("(s{n}) {{\n{open}import s{}\n{close}}}\n", n - 1));
    }
    assert!(read(&format!("{text}import s2\n")).is_ok());
    let problems = read(&format!("{text}import s3\n")).unwrap_err();
    assert!(problems.to_string().contains("imports put more than 256 blocks in one another"), "{problems}");
}

#[test]
fn m33_braces_that_do_not_match_are_errors_with_their_place() {
    refused("a }", &["1:3 this brace closes nothing"]);
    refused("a {", &["1:3 this block is never closed"]);
    refused("{ a }", &["1:1 this block belongs to no directive"]);
    refused("a { {\n}\n}\n", &["1:5 this block belongs to no directive"]);
    let problems = refused("a {\n  b {\n    c\n}\nd\n", &["1:3 this block is never closed"]);
    let text = problems.to_string();
    assert!(text.contains("test:4:1: note: this brace is indented unlike"), "{text}");
    assert!(text.contains("test:2:5: note: which is opened here"), "{text}");
    let problems = refused("a b{\n  c\n}\n", &["3:1 this brace closes nothing"]);
    assert!(problems.to_string().contains("test:1:3: note: this is one word"), "{problems}");
}

#[test]
fn m34_macros_stand_for_arguments() {
    gives("$(a) = x y\nd 1 $(a) 2", "d[1][x][y][2]");
    gives("$(a) = x\nd p/$(a)/q$(a)", "d[p/x/qx]");
    gives("$(a) = x\n$(b) = $(a) \"y z\"\nd $(b)", "d[x][y z]");
    gives("$(a) = x\nd \"$(a)\" \"$(a) b\"", "d[x][x b]");
    gives("$(a) = \"\"\nd $(a)", "d[]");
    gives("$(a) = 1\nd $(a)\n$(a) = 2\nd $(a)", "d[1];d[2]");
    gives("d $(u) p/$(u)/q $() $(a(b) $", "d[p//q][$()][$(a(b)][$]");
    gives("$(a) = $\nd $(a)(b)", "d[$(b)]");
    gives("$(a) = \\\n x\nd $(a)", "d[x]");
    // Known when the line is read: not from below, not from a file.
    gives("d $(a)\n$(a) = x\n", "d");
    let loader = Memory::new().file("m", "$(a) = x\n(s) {\n e $(b)\n}\n");
    let tree = with(&loader, "import m\n$(b) = y\nd $(a)\nimport s\n").unwrap();
    assert_eq!(shape(&tree.nodes), "d;e");
    // A snippet has those known where it is defined.
    gives("(s) {\n d $(a)\n}\n$(a) = x\nimport s", "d");
}

#[test]
fn m34_what_a_macro_cannot_be() {
    refused("$(a) 1", &["1:1 a macro cannot be the name of a directive"]);
    refused("$(a) =", &["1:1 the macro `$(a)` has no value"]);
    refused(
        "$(a)=1\n$(a) =1",
        &["1:1 the = of a macro must stand alone", "2:6 the = of a macro must stand alone"],
    );
    refused("a {\n $(a) = 1\n}", &["2:2 a macro cannot be defined inside a block"]);
    refused("$(a) = x y\nd p/$(a)", &["2:3 the macro `$(a)` has 2 values and cannot stand inside a word"]);
    refused(
        "$( = 1\n$() = 1\n",
        &["1:1 `$(` cannot be the name of a macro", "2:1 `$()` cannot be the name of a macro"],
    );
    refused("$(a) = 1 {\n b\n}\n", &["1:10 a macro has no block"]);
}

#[test]
fn m34_an_undefined_macro_is_warned_of_with_what_was_meant() {
    warned(
        "$(relay) = x\nd $(rellay) $(rellay)",
        &["2:3 the macro `$(rellay)` is not defined up to here; it stands for no arguments"],
    );
    let tree = read("$(relay) = x\nd $(rellay)\ne y/$(late)\n$(late) = 1\n").unwrap();
    let text = tree.warnings.to_string();
    assert!(text.contains("help: did you mean `$(relay)`?"), "{text}");
    assert!(text.contains("test:4:1: note: defined here, which is too late"), "{text}");
}

#[test]
fn m34_a_word_out_of_a_macro_knows_where_its_text_was_written() {
    let tree = read("$(a) = x 5\n$(b) = $(a)\nd $(b)\n").unwrap();
    let word = &tree.nodes[0].args[1];
    assert_eq!(
        (word.span.to_string(), word.origin.as_ref().unwrap().to_string()),
        ("test:3:3".into(), "test:1:10".into())
    );
    assert!(word.error("no").render(false).contains("test:1:10: note: the text comes from here"));
}

#[test]
fn m35_snippets() {
    gives("import s\n(s) {\n a\n b\n}\n", "a;b");
    gives("(s) {\n}\nimport s\n", "");
    gives("import s\n(s) {}\n", "");
    gives("(s) {\n a\n}\nd {\n c\n import s\n}\n", "d{c;a}");
    gives("(s) {\n a\n}\n(s) {\n b\n}\nimport s\n", "b");
    warned("(s) {\n a\n}\n(s) {\n b\n}\n", &["4:1 the snippet `(s)` is defined again; only this one holds"]);
    refused("(s) a b {\n}\n", &["1:5 a snippet takes no arguments"]);
    refused("d {\n (s) {\n }\n}\n", &["2:2 a snippet cannot be defined inside a block"]);
    refused("(s)\n", &["1:1 the snippet `(s)` has no block"]);
    refused("(s){\n a\n}\n", &["1:1 `(s){` cannot be the name of a snippet"]);
}

#[test]
fn m36_a_file_is_looked_for_beside_the_importing_one_as_it_is_or_with_conf() {
    let loader = Memory::new()
        .file("etc/main", "import sub/one\nimport two\nimport s\n")
        .file("etc/sub/one", "a\nimport three\n(s) {\n import three\n}\n")
        .file("etc/sub/three.conf", "b\n")
        .file("etc/two", "plain\n")
        .file("etc/two.conf", "with extension\n");
    let tree = tree::read(&loader, Path::new("etc/main")).unwrap();
    // A snippet's files are beside the file that the snippet is written in.
    assert_eq!(shape(&tree.nodes), "a;b;plain;b");
    assert_eq!(tree.nodes[1].name.span.to_string(), "etc/sub/three.conf:1:1");
}

#[test]
fn m36_a_snippet_goes_before_a_file_and_those_of_imported_files_can_be_named_later() {
    let loader = Memory::new().file("s", "file\n").file("lib", "(t) {\n a\n}\n(s) {\n later\n}\n");
    let shaped = |text| shape(&with(&loader, text).unwrap().nodes);
    assert_eq!(shaped("(s) {\n snippet\n}\nimport s\nimport lib\nimport t\nimport s\n"), "snippet;a;later");
    assert_eq!(shaped("import s\n"), "file");
    // A file does not see the snippets of whoever imports it.
    let loader = loader.file("needs", "import own\n");
    let problems = with(&loader, "(own) {\n a\n}\nimport needs\n").unwrap_err();
    assert_eq!(lines(&problems, Severity::Error), ["needs:1:8 there is no `own` to import"]);
    assert!(problems.to_string().contains("test:4:8: note: imported here"), "{problems}");
}

#[test]
fn m36_import_takes_one_argument_and_ignores_a_block() {
    refused(
        "import\nimport a b\nimport \"\"\n",
        &[
            "1:1 `import` takes one argument, not 0",
            "2:10 `import` takes one argument, not 2",
            "3:8 `import` of an empty name",
        ],
    );
    gives("(s) {\n a\n}\nimport s {\n import nothing\n}\n", "a");
    warned("(s) {\n a\n}\nimport s {\n}\n", &["4:8 the block of an `import` is ignored"]);
    let problems = refused("(secure) {\n}\nimport secur\n", &["3:8 there is no `secur` to import"]);
    assert!(problems.to_string().contains("did you mean the snippet `secure`?"), "{problems}");
}

#[test]
fn m36_a_cycle_is_refused_and_shown() {
    let loader = Memory::new().file("a", "import b\n").file("b", "x\nimport ./a\n");
    let problems = tree::read(&loader, Path::new("a")).unwrap_err();
    assert_eq!(lines(&problems, Severity::Error), ["b:2:8 import cycle: `a` → `b` → `a`"]);
    assert!(problems.to_string().contains("a:1:8: note: `a` imports `b`"), "{problems}");
    refused("(s) {\n import s\n}\nimport s\n", &["2:9 `(s)` imports itself"]);
    refused("(s) { import t }\n(t) { import s }\nimport s\n", &["2:14 import cycle: `(s)` → `(t)` → `(s)`"]);
    // Twice is no cycle.
    gives("(s) {\n a\n}\nimport s\nimport s\n", "a;a");
}

#[test]
fn m36_n29_255_imports_in_a_chain_resolve_256_do_not() {
    let chain = |hops: usize| {
        let mut text = format!("import s1\n(s{hops}) {{\n end\n}}\n");
        for n in 1..hops {
            text.push_str(&format!("(s{n}) {{\n import s{}\n}}\n", n + 1));
        }
        text
    };
    gives(&chain(255), "end");
    let problems = read(&chain(256)).unwrap_err();
    assert!(problems.to_string().contains("error: more than 255 imports lead to this one"), "{problems}");
    let files = |hops: usize| {
        let end = Memory::new().file(format!("f{hops}"), "end\n");
        (1..hops).fold(end, |files, n| files.file(format!("f{n}"), format!("import f{}\n", n + 1)))
    };
    assert_eq!(shape(&with(&files(255), "import f1\n").unwrap().nodes), "end");
    assert!(with(&files(256), "import f1\n").is_err());
}

#[test]
fn m37_variables_are_text() {
    gives("a {env:V}", "a[x y]");
    gives("a p{env:SET}q \"{env:SET} r\"", "a[pABCDEFq][ABCDEF r]");
    gives("a {env:NONE} b", "a[][b]");
    gives("a {env:SET {env:} {env:A$B} {ENV:SET}", "a[{env:SET][{env:}][{env:A$B}][{ENV:SET}]");
    gives("$(m) = {env:SET}\na $(m) x$(m)", "a[ABCDEF][xABCDEF]");
    let loader = Memory::new()
        .variable("BRACE", "{")
        .variable("MACRO", "$(m)")
        .variable("QUOTE", "\"a # b")
        .variable("SELF", "p{env:BRACE}q")
        .variable("A$B", "set");
    let tree =
        with(&loader, "$(m) = z\na {env:BRACE} {env:MACRO} {env:QUOTE} {env:SELF} {env:A$B}\nb\n").unwrap();
    assert_eq!(shape(&tree.nodes), "a[{][$(m)][\"a # b][pq][set];b");
    assert_eq!(
        lines(&tree.warnings, Severity::Warning),
        ["2:39 the value of `SELF` holds something like `{env:...}`, which is removed from it"]
    );
    warned("a {env:NONE}{env:NONE}", &["1:3 the environment variable `NONE` is not set; it counts as empty"]);
}

#[test]
fn m37_the_value_of_a_variable_is_shown_nowhere() {
    let loader = Memory::new().variable("PASSWORD", "hunter2").variable("NAME", "hunter2\n");
    let text = "$(pw) = {env:PASSWORD}\nauth plain me $(pw) \"x {env:NAME}\" none\n";
    let tree = with(&loader, text).unwrap();
    let args = &tree.nodes[0].args;
    assert_eq!(args[2].text, "hunter2");
    assert_eq!(args.iter().map(|word| word.secret).collect::<Vec<_>>(), [false, false, true, true, false]);
    let shown = format!("{tree:?} {:#?} {tree} {} {}", tree.nodes, args[2], args[3].error("bad").label("x"));
    assert!(!shown.contains("hunter2"), "{shown}");
    // Written as a variable it reads back.
    assert_eq!(tree.to_string(), "auth plain me {env:PASSWORD} \"x {env:NAME}\" none\n");
    assert_eq!(shape(&with(&loader, &tree.to_string()).unwrap().nodes), shape(&tree.nodes));
    let bad = with(&loader, "auth plain me {env:PASSWORD} x@\nx@ {env:PASSWORD}\nimport {env:PASSWORD}\n")
        .unwrap_err();
    assert!(!format!("{bad} {bad:?}").contains("hunter2"), "{bad}");
}

#[test]
fn d13_a_quoted_brace_is_data() {
    gives("a \"{\" b \"}\"\nc", "a[{][b][}];c");
    refused("\"{\" a\n", &["1:1 `{` cannot be the name of a directive"]);
}

#[test]
fn d14_a_hash_inside_a_word_is_refused_and_nothing_is_cut_off() {
    refused(
        "a b#c d\ne f#\n#g\n",
        &["1:4 unquoted # inside a word; quote it", "2:4 unquoted # inside a word; quote it"],
    );
    gives("a \"b#c\" d", "a[b#c][d]");
}

#[test]
fn d15_a_quote_that_is_never_closed_is_told_with_its_opening_line() {
    refused(
        "x@\na {\n b \"c\nd@\n}\n",
        &["1:1 `x@` cannot be the name of a directive", "3:4 this quote is never closed"],
    );
    // Two are missing: the last is reported, the first is pointed at, and what was misread between them is not told.
    let problems = refused("a \"x\nb \"\nc@ \"y\n", &["3:4 this quote is never closed"]);
    assert!(
        problems.to_string().contains("test:1:3: note: this quoted word goes on over the end"),
        "{problems}"
    );
    refused("a \"x\\\"", &["1:3 this quote is never closed"]);
}

#[test]
fn d16_what_is_unset_is_removed_up_to_the_nearest_brace() {
    gives("a {env:A}-{env:B}", "a[-]");
    gives("a {env:A{env:SET}}", "a[{env:AABCDEF}]");
}

#[test]
fn d17_an_absolute_import_is_absolute() {
    let loader = Memory::new()
        .file("/abs/x", "right\n")
        .file("/etc/abs/x", "wrong\n")
        .file("/etc/m", "import /abs/x\n");
    assert_eq!(shape(&tree::read(&loader, Path::new("/etc/m")).unwrap().nodes), "right");
}

#[test]
fn n44_a_file_has_at_most_a_mebibyte() {
    let text = |len: usize| format!("a{}", "\n".repeat(len - 1));
    let loader = Memory::new().file("ok", text(1 << 20)).file("long", text((1 << 20) + 1));
    assert!(tree::read(&loader, Path::new("ok")).is_ok());
    let problems = tree::read(&loader, Path::new("long")).unwrap_err();
    assert!(problems.to_string().starts_with("long: error: `long` is longer than 1 MiB\n"), "{problems}");
    assert!(read(&text((1 << 20) + 1)).is_err());
    assert_eq!(
        lines(&with(&loader, "import long").unwrap_err(), Severity::Error),
        ["1:8 `long` is longer than 1 MiB"]
    );
}

#[test]
fn n44_a_hundred_thousand_directives_written_or_expanded() {
    assert!(read(&"a\n".repeat(100_000)).is_ok());
    refused(&"a\n".repeat(100_001), &["100001:2 there are more than 100,000 directives"]);
    let mut text = String::from("(s0) {\n a\n}\n");
    for n in 1..=60 {
        text.push_str(&format!("(s{n}) {{\n import s{0}\n import s{0}\n}}\n", n - 1));
    }
    let problems = read(&format!("{text}import s60\n")).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems}");
    assert!(
        problems.to_string().contains("more than 100,000 directives once imports are expanded"),
        "{problems}"
    );
    // Nothing times nothing is bounded too.
    assert!(read(&format!("{}import s60\n", text.replace("\n a\n", "\n"))).is_err());
}

#[test]
fn n44_macros_cannot_multiply_themselves_out_of_memory() {
    let mut values = String::from("$(m0) = x\n");
    let mut text = String::from("$(t0) = x\n");
    for n in 1..=60 {
        values.push_str(&format!("$(m{n}) = $(m{0}) $(m{0})\n", n - 1));
        text.push_str(&format!("$(t{n}) = $(t{0})$(t{0})\n", n - 1));
    }
    for text in [values, text] {
        let problems = read(&text).unwrap_err();
        assert!(problems.to_string().contains("more than 16 MiB of words"), "{problems}");
    }
    let loader = Memory::new().variable("BIG", "x".repeat(1 << 20));
    assert!(with(&loader, &"a {env:BIG}\n".repeat(20)).is_err());
}

#[test]
fn n44_at_most_256_files_are_imported() {
    let loader = Memory::new().file("f", "a\n");
    assert!(with(&loader, &"import f\n".repeat(256)).is_ok());
    let problems = with(&loader, &"import f\n".repeat(257)).unwrap_err();
    assert_eq!(lines(&problems, Severity::Error), ["257:8 more than 256 files are imported"]);
}

#[test]
fn a_folder_a_missing_file_and_octets_that_are_no_text_are_errors() {
    let loader = Memory::new().file("d/x", "a").file("bad", b"\xef\xbb\xbfok\nx \xff y\n".to_vec());
    let problems = with(&loader, "import d\nimport nope\nimport bad\n").unwrap_err();
    assert_eq!(
        lines(&problems, Severity::Error),
        [
            "1:8 `d` is a folder, not a file",
            "2:8 there is no `nope` to import",
            "bad:2:3 the octet 0xff at offset 8 of the file is not UTF-8",
        ]
    );
    let first = |path: &str| tree::read(&loader, Path::new(path)).unwrap_err().to_string();
    assert!(first("nope").starts_with("nope: error: there is no file `nope`"));
    assert!(first("d").starts_with("d: error: `d` is a folder, not a file"));
}

#[test]
fn all_errors_of_all_files_come_in_one_run_in_the_order_of_their_places() {
    let loader = Memory::new().file("other", "y@\n");
    let problems = with(&loader, "x@\nimport other\nimport none\n1z\na }\n").unwrap_err();
    assert_eq!(
        lines(&problems, Severity::Error),
        [
            "1:1 `x@` cannot be the name of a directive",
            "3:8 there is no `none` to import",
            "4:1 `1z` cannot be a directive: its name starts with a digit",
            "5:3 this brace closes nothing",
            "other:1:1 `y@` cannot be the name of a directive",
        ]
    );
    // A file imported twice is told about once, and so is a snippet used twice.
    let problems = with(&loader, "import other\nimport other\n(s) {\n import none\n}\nimport s\nimport s\n")
        .unwrap_err();
    assert_eq!(problems.len(), 2, "{problems}");
}

#[test]
fn words_and_names_know_file_line_and_column() {
    // T23: the cursor over tokens is an inner matter; that an error names file and line is not.
    let tree = gives("a b \\\n  \"c\nd\" e {\n\tf\n}\n", "a[b][c\nd][e]{f}");
    let node = &tree.nodes[0];
    let places: Vec<String> = node.args.iter().map(|word| word.span.to_string()).collect();
    assert_eq!(places, ["test:1:3", "test:2:3", "test:3:4"]);
    assert_eq!(node.block.as_ref().unwrap()[0].name.span.to_string(), "test:4:2");
}

#[test]
fn errors_that_are_not_shown_are_counted() {
    let said = read(&"}\n".repeat(500)).unwrap_err();
    assert_eq!((said.len(), said.omitted()), (100, 400));
    assert!(said.to_string().ends_with("400 more are not shown"), "{said}");
}
