//! The configuration language: any text is a tree that prints to itself, or errors that say where (M22-M37, N44).
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use smtp_config::{
    loader::Memory,
    tree::{self, Node, Tree},
};

const SECRET: &str = "hunter2 { \" #";

fuzz_target!(|data: &[u8]| {
    let mut files = data.split(|octet| *octet == 0);
    let main = files.next().unwrap_or_default();
    let mut loader = Memory::new().variable("SECRET", SECRET).variable("EMPTY", "").file("main", main);
    for (name, octets) in ["a", "b", "c.conf"].into_iter().zip(files) {
        loader = loader.file(name, octets);
    }
    match tree::read(&loader, Path::new("main")) {
        Ok(tree) => reads_back(&loader, &tree),
        Err(problems) => {
            assert!(problems.has_errors());
            let text = problems.render(false);
            // A file may hold the very text of the secret; then it is its own.
            let written = data.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(written || !text.contains(SECRET), "{text}");
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
            let _ = problems.render(true);
        }
    }
});

fn reads_back(loader: &Memory, tree: &Tree) {
    let printed = tree.to_string();
    let _ = tree.warnings.render(false);
    if tree.nodes.iter().all(Node::is_writable) && printed.len() <= 1 << 20 {
        let again = tree::read_text(loader, Path::new("main"), &printed);
        let again = again.unwrap_or_else(|problems| panic!("{printed:?}: {problems}"));
        assert_eq!(values(&again.nodes), values(&tree.nodes), "{printed:?}");
        assert_eq!(again.to_string(), printed);
    }
}

/// The words in order, and where blocks begin and end.
fn values(nodes: &[Node]) -> Vec<Option<&str>> {
    let mut out = Vec::new();
    for node in nodes {
        out.push(Some(node.name.text.as_str()));
        out.extend(node.args.iter().map(|word| Some(word.text.as_str())));
        if let Some(block) = &node.block {
            out.push(None);
            out.extend(values(block));
        }
        out.push(None);
    }
    out
}
