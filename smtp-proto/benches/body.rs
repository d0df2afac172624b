//! What the content path costs beside a plain copy of the same octets (the goal: at least 10 GiB/s on text in
//! cache).

use divan::{Bencher, black_box, counter::BytesCount};
use smtp_proto::body::{Encoder, Framing, LineBreaks, Scanner};

const CHUNK: usize = 64 * 1024;

fn main() {
    divan::main();
}

/// A header, then lines of 76 columns, cut at 64 KiB; every `dots`th line starts with a dot.
fn text(line_end: &str, dots: Option<usize>, alphabet: &[u8]) -> Vec<u8> {
    let mut text = format!("Subject: bench{line_end}{line_end}").into_bytes();
    for line in 0.. {
        if text.len() >= CHUNK {
            break;
        }
        let start = text.len();
        text.extend(alphabet.iter().cycle().skip(line % 7).take(76));
        if dots.is_some_and(|dots| line % dots == 0) {
            text[start] = b'.';
        }
        text.extend_from_slice(line_end.as_bytes());
    }
    text.truncate(CHUNK);
    text
}

const PROSE: &[u8] = b"The quick brown fox jumps over the lazy dog. Sphinx of black quartz, judge my vow. ";
const BASE64: &[u8] = b"TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcms3Ti9+Kw0KVGhlIHF1aWNrIGJyb3duIGZveA";

/// Encodes a long message of equal chunks: one encoder, one reused outbox.
fn encode(bencher: Bencher<'_, '_>, chunk: &[u8], framing: Framing) {
    let mut encoder = Encoder::new(LineBreaks::default(), framing);
    let mut out = Vec::with_capacity(2 * CHUNK);
    bencher.counter(BytesCount::of_slice(chunk)).bench_local(|| {
        out.clear();
        encoder.encode(black_box(chunk), &mut out).unwrap();
        black_box(out.len())
    });
}

#[divan::bench]
fn memcpy(bencher: Bencher<'_, '_>) {
    let chunk = text("\r\n", None, PROSE);
    let mut out = Vec::with_capacity(2 * CHUNK);
    bencher.counter(BytesCount::of_slice(&chunk)).bench_local(|| {
        out.clear();
        out.extend_from_slice(black_box(&chunk));
        black_box(out.len())
    });
}

#[divan::bench]
fn dot_crlf_text(bencher: Bencher<'_, '_>) {
    encode(bencher, &text("\r\n", None, PROSE), Framing::Dot);
}

#[divan::bench]
fn dot_base64(bencher: Bencher<'_, '_>) {
    encode(bencher, &text("\r\n", None, BASE64), Framing::Dot);
}

#[divan::bench]
fn dot_crlf_text_a_dot_in_50_lines(bencher: Bencher<'_, '_>) {
    encode(bencher, &text("\r\n", Some(50), PROSE), Framing::Dot);
}

#[divan::bench]
fn dot_crlf_text_every_line_a_dot(bencher: Bencher<'_, '_>) {
    encode(bencher, &text("\r\n", Some(1), PROSE), Framing::Dot);
}

/// The content starts with text and never has an empty line.
#[divan::bench]
fn dot_crlf_text_endless_header(bencher: Bencher<'_, '_>) {
    let chunk = text("\r\n", None, PROSE);
    let body = memchr::memmem::find(&chunk, b"\r\n\r\n").unwrap() + 4;
    encode(bencher, &chunk[body..], Framing::Dot);
}

#[divan::bench]
fn dot_utf8_text(bencher: Bencher<'_, '_>) {
    encode(bencher, &text("\r\n", None, "Größe zählt: äöü ÄÖÜ 日本語. ".as_bytes()), Framing::Dot);
}

#[divan::bench]
fn dot_lf_text(bencher: Bencher<'_, '_>) {
    encode(bencher, &text("\n", None, PROSE), Framing::Dot);
}

#[divan::bench]
fn counted_crlf_text(bencher: Bencher<'_, '_>) {
    encode(bencher, &text("\r\n", None, PROSE), Framing::Counted);
}

/// A whole message of one short chunk: what starting and ending cost.
#[divan::bench]
fn dot_small_message(bencher: Bencher<'_, '_>) {
    let message = &text("\r\n", None, PROSE)[..1024];
    let mut out = Vec::with_capacity(CHUNK);
    bencher.counter(BytesCount::of_slice(message)).bench_local(|| {
        out.clear();
        let mut encoder = Encoder::new(LineBreaks::default(), Framing::Dot);
        encoder.encode(black_box(message), &mut out).unwrap();
        encoder.finish(&mut out).unwrap();
        black_box(out.len())
    });
}

fn scan(bencher: Bencher<'_, '_>, chunk: &[u8]) {
    let mut scanner = Scanner::new(LineBreaks::default());
    bencher.counter(BytesCount::of_slice(chunk)).bench_local(|| scanner.update(black_box(chunk)).unwrap());
}

#[divan::bench]
fn scan_crlf_text(bencher: Bencher<'_, '_>) {
    scan(bencher, &text("\r\n", None, PROSE));
}

#[divan::bench]
fn scan_lf_text(bencher: Bencher<'_, '_>) {
    scan(bencher, &text("\n", None, PROSE));
}
