//! Reading replies: about 25 ns for one line, about 110 ns for a hello reply of eight lines.
#![allow(missing_docs)]

use divan::{Bencher, black_box};
use smtp_proto::capability::Capabilities;
use smtp_proto::reply::{Limits, Parser, Reply};

const OK: &[u8] = b"250 2.1.0 Ok\r\n";
const HELLO: &[u8] = b"250-mx.example.org at your service\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n\
    250-STARTTLS\r\n250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n\
    250 SMTPUTF8\r\n";

fn main() {
    divan::main();
}

fn read(parser: &mut Parser, input: &[u8]) -> Option<Reply> {
    parser.parse(black_box(input), &Limits::HELLO).ok()?.1
}

#[divan::bench(sample_size = 100)]
fn one_line(bencher: Bencher<'_, '_>) {
    let mut parser = Parser::new();
    bencher.bench_local(|| read(&mut parser, OK));
}

/// The slow path: the reply arrives in two pieces.
#[divan::bench(sample_size = 100)]
fn one_line_in_two_pieces(bencher: Bencher<'_, '_>) {
    let mut parser = Parser::new();
    let (front, back) = OK.split_at(7);
    bencher.bench_local(|| {
        let nothing = read(&mut parser, front);
        (nothing, read(&mut parser, back))
    });
}

#[divan::bench(sample_size = 100)]
fn hello_of_eight_lines(bencher: Bencher<'_, '_>) {
    let mut parser = Parser::new();
    bencher.bench_local(|| read(&mut parser, HELLO));
}

#[divan::bench(sample_size = 100)]
fn hello_of_eight_lines_with_capabilities(bencher: Bencher<'_, '_>) {
    let mut parser = Parser::new();
    bencher.bench_local(|| read(&mut parser, HELLO).map(|reply| Capabilities::from_reply(&reply)));
}
