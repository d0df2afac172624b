//! The cases of the reference's own test of reading, by name (T24). Texts are ours.

use std::path::Path;

use smtp_config::{
    loader::Memory,
    tree::{self, Node},
};

/// `name(arg arg){child child}`
fn shape(nodes: &[Node]) -> String {
    let shaped = |node: &Node| {
        let args: Vec<&str> = node.args.iter().map(|word| word.text.as_str()).collect();
        let block = node.block.as_ref().map_or(String::new(), |block| format!("{{{}}}", shape(block)));
        format!("{}({}){block}", node.name.text, args.join(" "))
    };
    nodes.iter().map(shaped).collect::<Vec<_>>().join(" ")
}

#[test]
fn t24_what_the_reference_reads_is_read_and_what_it_refuses_is_refused() {
    let deep = format!("x {}{}", "x { ".repeat(1000), " }".repeat(1000));
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("single directive without args", "x", Some("x()")),
        ("single directive with args", "x 1 2", Some("x(1 2)")),
        ("single directive with empty braces", "x { }", Some("x(){}")),
        ("single directive with arguments and empty braces", "x 1 2 { }", Some("x(1 2){}")),
        ("single directive with a block", "x 1 {\n y 2\n z 3\n}", Some("x(1){y(2) z(3)}")),
        ("single directive with missing closing brace", "x {", None),
        ("single directive with missing opening brace", "x }", None),
        ("two directives", "x\n y", Some("x() y()")),
        ("two directives with arguments", "x 1 2\n y 3 4", Some("x(1 2) y(3 4)")),
        ("backslash on the end of line", "x 1 2 \\\n   3 4", Some("x(1 2 3 4)")),
        ("directive with missing closing brace on different line", "x 1 {\n y 2\n", None),
        (
            "single directive with closing brace on children's line",
            "x 1 {\n y 2\n z 3 }\n w",
            Some("x(1){y(2) z(3)} w()"),
        ),
        ("single directive with children on the same line", "x 1 { y 2 3 }", Some("x(1){y(2 3)}")),
        ("invalid directive name", "x-y@%8 any", None),
        ("directive name starts with a digit", "1x any", None),
        ("missing block header", "{ y 1 }", None),
        ("extra closing brace", "x {\n y\n} }\n", None),
        ("extra opening brace", "x { {\n}", None),
        ("closing brace in next block header", "x {\n} y 1", None),
        ("environment variable expansion", "x {env:SET}", Some("x(value)")),
        ("missing environment variable expansion", "x {env:UNSET}", Some("x()")),
        ("incomplete environment variable syntax", "x {env:SET", Some("x({env:SET)")),
        ("snippet expansion", "(s) { y }\nimport s", Some("y()")),
        ("snippet expansion inside a block", "(s) { y }\nx {\n z\n import s\n}", Some("x(){z() y()}")),
        ("missing snippet", "import s", None),
        ("unlimited recursive snippet expansion", "(s) { import s }\nimport s", None),
        ("snippet declaration with args", "(s) 1 2 { }", None),
        ("snippet declaration inside block", "x {\n (s) { }\n}", None),
        ("block nesting limit", &deep, None),
        ("macro expansion, single argument", "$(m) = 1\nx $(m)", Some("x(1)")),
        ("macro expansion, inside argument", "$(m) = 1\nx p/$(m)/q", Some("x(p/1/q)")),
        ("macro expansion, inside argument, multi-value", "$(m) = 1 2\nx p/$(m)/q", None),
        ("macro expansion, multiple arguments", "$(m) = 1 2\nx $(m)", Some("x(1 2)")),
        ("macro expansion, undefined", "x $(m)", Some("x()")),
        ("macro expansion, empty", "$(m) =", None),
        ("macro expansion, name replacement", "$(m) = 1 2\n$(m) 3", None),
        ("macro expansion, missing =", "$(m) 1 2\n$(m) 3", None),
        ("macro expansion, not on top level", "x {\n $(m) = 1\n}\n$(m) 2", None),
        ("macro expansion, nested", "$(m) = 1\n$(n) = $(m) 2\nx $(n)", Some("x(1 2)")),
        ("macro expansion, used inside snippet", "$(m) = 1\n(s) {\n x $(m)\n}\nimport s", Some("x(1)")),
        (
            "macro expansion, used inside snippet, defined after",
            "\n(s) {\n x $(m)\n}\n$(m) = 1\nimport s",
            Some("x()"),
        ),
    ];
    assert_eq!(cases.len(), 41);
    let loader = Memory::new().variable("SET", "value");
    for (name, text, expected) in cases {
        let read = tree::read_text(&loader, Path::new("test"), text);
        assert_eq!(read.ok().map(|tree| shape(&tree.nodes)).as_deref(), *expected, "{name}");
    }
}
