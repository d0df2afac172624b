//! What holds for any text: a tree or errors, bounded; a printed tree reads back the same.

use std::path::Path;

use proptest::{prelude::*, test_runner::FileFailurePersistence};
use smtp_config::{
    loader::Memory,
    tree::{self, Node},
};

fn loader() -> Memory {
    Memory::new()
        .variable("A", "secret \" # {")
        .variable("B", "")
        .file("f", "import g\n(s) {\n a {env:A}\n}\n")
        .file("g.conf", "b {\n import s\n}\n")
        .file("cycle", "import cycle\n")
}

/// Pieces that mean something, and a few that do not, so that most texts go somewhere.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => Just(" ".to_owned()),
        4 => Just("\n".to_owned()),
        8 => prop::sample::select(vec![
            "a", "b", "import", "{", "}", " {\n", "}\n", "\"", "\\", "\\\"", "\\\n", "#", "# c\n", "$(m)", "$(n)", "\n$(m) = ",
            "\n$(n) = \\ $(u) ", "(s)", "\n(s) {\n", "=", "{env:A}", "{env:B}", "{env:C}", "{env:", "{}", "s", "f", "cycle", "\r",
            "\u{a0}", "\u{feff}", "$", "(x)", "й", "1", "@", "\" \"", "\n a \"x ", "\"\n",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn same(one: &[Node], other: &[Node]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            one.name.text == other.name.text
                && one
                    .args
                    .iter()
                    .map(|word| (&word.text, word.secret))
                    .eq(other.args.iter().map(|word| (&word.text, word.secret)))
                && match (&one.block, &other.block) {
                    (None, None) => true,
                    (Some(one), Some(other)) => same(one, other),
                    _ => false,
                }
        })
}

/// 2,000 cases, or as many as `PROPTEST_CASES` asks for.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 2_000;
    }
    // Seeds of cases that have failed are kept, and run first.
    let seeds = FileFailurePersistence::Direct("tests/proptest-regressions/properties.txt");
    config.failure_persistence = Some(Box::new(seeds));
    config
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_text_is_a_tree_that_prints_to_itself_or_errors_with_places(text in text()) {
        match tree::read_text(&loader(), Path::new("test"), &text) {
            Ok(tree) => {
                let printed = tree.to_string();
                let shown = format!("{printed}{tree:?}{}", tree.warnings);
                prop_assert!(!shown.contains("secret \""));
                if tree.nodes.iter().all(Node::is_writable) {
                    let again = tree::read_text(&loader(), Path::new("test"), &printed);
                    let again = again.map_err(|problems| TestCaseError::fail(format!("{printed:?}: {problems}")))?;
                    prop_assert!(same(&tree.nodes, &again.nodes), "{:?}", printed);
                    prop_assert_eq!(again.to_string(), printed);
                }
            }
            Err(problems) => {
                prop_assert!(problems.has_errors());
                let shown = problems.to_string();
                prop_assert!(!shown.contains("secret \"") && !shown.contains('\r') && shown.len() < 1 << 20);
                for one in &problems {
                    let span = one.span.as_ref().expect("a place");
                    prop_assert!(span.source.text.get(span.range.clone()).is_some(), "{}", one);
                    let first = one.to_string();
                    let first = first.lines().next().unwrap_or_default();
                    let place = format!("{span}: ");
                    prop_assert!(first.starts_with(&place), "{}", first);
                }
            }
        }
    }

    #[test]
    fn any_characters_end_in_a_tree_or_an_error(text in any::<String>()) {
        let _ = tree::read_text(&loader(), Path::new("test"), &text).map_err(|problems| problems.render(true));
    }

    #[test]
    fn any_word_that_has_a_spelling_reads_back(words in prop::collection::vec("[ab \"\\\\#{}$()\n\r\u{a0}é]{0,8}", 0..5)) {
        let tree = tree::read_text(&loader(), Path::new("test"), "a x {\n}\n").unwrap();
        let mut node = tree.nodes[0].clone();
        let span = node.name.span.clone();
        node.args = words.iter().map(|word| tree::Word::new(word.as_str(), span.clone())).collect();
        node.block = None;
        if node.is_writable() {
            let again = tree::read_text(&loader(), Path::new("test"), &node.to_string())
                .map_err(|problems| TestCaseError::fail(problems.to_string()))?;
            prop_assert!(same(&[node], &again.nodes), "{:?}", words);
        }
    }
}

#[test]
fn the_few_words_that_have_no_spelling_are_known() {
    let read = |text: &str| tree::read_text(&loader(), Path::new("test"), text).unwrap().nodes.remove(0);
    for text in [
        "$(b) = x\\\na \"y $(b)\"\n", // `y x\`: `\"` at the end of a quoted word would go on
        "$(b) = x\\\na \"y $(b)\\\"\"\n", // `y x\"`
        "a \\ $(none)\n",             // a lone `\` as the last word
        "$(d) = $\na $(d)(x)\n",      // `$(x)`
    ] {
        assert!(!read(text).is_writable(), "{text:?}");
    }
    for text in ["a x\\\n", "a \"y\\\\\"\n", "a \\ b\n", "a \"x \\y\"\n", "a {env:A}\n", "a \"\\\"\\\\\"\n"] {
        assert!(read(text).is_writable(), "{text:?}");
    }
}
