//! What it costs to read a large configuration, and to understand it (the goal: at most 100 ms for 1 MiB).

use divan::{AllocProfiler, Bencher, black_box, counter::BytesCount};
use smtp_config::{loader::Memory, module, tree};

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

/// Text with targets, as it is understood; what is wrong with it is made text.
fn load(bencher: Bencher<'_, '_>, text: &str) {
    assert!(text.len() <= 1024 * 1024);
    let loader = Memory::new().file("bench.conf", text);
    bencher.counter(BytesCount::of_str(text)).bench(|| {
        let options = module::Options::default();
        match module::load(&loader, black_box("bench.conf".as_ref()), &options) {
            Ok(configuration) => configuration.named.len() + configuration.deliveries.len(),
            Err(wrong) => wrong.to_string().len(),
        }
    });
}

/// As often as it fits into 1 MiB.
fn repeated(head: &str, make: impl Fn(usize) -> String) -> String {
    let mut text = String::from(head);
    for number in 0.. {
        let next = make(number);
        if text.len() + next.len() > 1024 * 1024 {
            break;
        }
        text.push_str(&next);
    }
    text
}

#[divan::bench]
fn one_mebibyte_of_blocks_with_references(bencher: Bencher<'_, '_>) {
    load(
        bencher,
        &repeated("hostname h.example\n", |n| {
            format!("target.smtp t{n} {{\n targets tcp://a:25\n}}\ndeliver_to &t{n}\n")
        }),
    );
}

#[divan::bench]
fn one_mebibyte_of_deliver_to(bencher: Bencher<'_, '_>) {
    load(bencher, &repeated("hostname h.example\n", |n| format!("deliver_to smtp tcp://h{n}:25\n")));
}

#[divan::bench]
fn one_mebibyte_of_names_that_nobody_has(bencher: Bencher<'_, '_>) {
    load(
        bencher,
        &repeated("hostname h.example\n", |n| {
            format!("target.smtp t{n} {{\n targets tcp://a:25\n}}\ndeliver_to &u{n}\n")
        }),
    );
}

#[divan::bench]
fn one_mebibyte_of_unknown_directives(bencher: Bencher<'_, '_>) {
    load(
        bencher,
        &repeated("hostname h.example\ntarget.smtp x {\n targets tcp://a:25\n", |n| {
            format!("connect_timeoot{n} 5m\n")
        }),
    );
}

#[divan::bench]
fn one_mebibyte_of_macros_that_nobody_defined(bencher: Bencher<'_, '_>) {
    load(bencher, &repeated("hostname h.example\n", |n| format!("x $(m{n})\n")));
}

/// What is behind an `import` says nothing, and costs nothing however often the snippet around it is imported.
#[divan::bench]
fn a_thousand_times_what_an_import_ignores(bencher: Bencher<'_, '_>) {
    let ignored = "a\n".repeat(5_000);
    let often = "import s\n".repeat(1_000);
    read(bencher, &format!("(t) {{\n}}\n(s) {{\nimport t {{\n{ignored}}}\n}}\n{often}"));
}

#[divan::bench]
fn one_mebibyte_of_errors(bencher: Bencher<'_, '_>) {
    let text = "a@ { } }\n".repeat(1024 * 1024 / 9);
    let loader = Memory::new();
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        tree::read_text(&loader, "bench.conf".as_ref(), black_box(&text)).unwrap_err().to_string().len()
    });
}
