//! What it costs to read a large configuration (the goal: at most 100 ms for 1 MiB).

use divan::{AllocProfiler, Bencher, black_box, counter::BytesCount};
use smtp_config::{loader::Memory, tree};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn read(bencher: Bencher<'_, '_>, text: &str) {
    let loader = Memory::new().variable("PASSWORD", "secret");
    bencher
        .counter(BytesCount::of_str(text))
        .bench(|| tree::read_text(&loader, "bench.conf".as_ref(), black_box(text)).unwrap().nodes.len());
}

/// Blocks of ten directives, with macros, snippets and variables in them.
fn blocks(directives: usize) -> String {
    let mut text = String::from("$(relay) = tcp://mx1.example.org:25\n(secure) {\n    require_tls yes\n}\n");
    for block in 0..directives / 10 {
        text.push_str(&format!("target.smtp t{block} {{ # the next\n    import secure\n    targets $(relay) \\\n        tls://b:465\n"));
        for n in 0..6 {
            text.push_str(&format!("    option_{n} \"a value\" with/$(relay)/in {{env:PASSWORD}}\n"));
        }
        text.push_str("}\n");
    }
    text
}

#[divan::bench]
fn ten_thousand_directives(bencher: Bencher<'_, '_>) {
    read(bencher, &blocks(10_000));
}

#[divan::bench]
fn one_mebibyte_of_directives(bencher: Bencher<'_, '_>) {
    let mut text = blocks(40_000);
    let at = text[..1024 * 1024].rfind("target.smtp").unwrap();
    text.truncate(at);
    read(bencher, &text);
}

#[divan::bench]
fn one_mebibyte_of_short_words(bencher: Bencher<'_, '_>) {
    // As short as there may be of them: a word counts for sixteen octets more than it has.
    read(bencher, &"abc ".repeat(256 * 1024));
}

#[divan::bench]
fn one_mebibyte_of_errors(bencher: Bencher<'_, '_>) {
    let text = "a@ { } }\n".repeat(1024 * 1024 / 9);
    let loader = Memory::new();
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        tree::read_text(&loader, "bench.conf".as_ref(), black_box(&text)).unwrap_err().to_string().len()
    });
}
