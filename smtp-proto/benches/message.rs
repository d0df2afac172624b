//! What one message costs on a reused connection: time, heap allocations, round trips, writes.
//!
//! `cargo bench -p smtp-proto --bench message`; allocations are counted by divan's allocator.

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use std::{sync::Arc, time::Instant};

use divan::{AllocProfiler, Bencher};
use smtp_proto::{Config, Connection, Envelope, Event, Recipient, Sender, body::Scanner};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A session that is ready, with what a server answers to one message.
struct Session {
    now: Instant,
    connection: Connection,
    envelope: Envelope,
    replies: Vec<u8>,
    content: Vec<u8>,
}

impl Session {
    fn new(recipients: usize, size: usize) -> Self {
        Self::offered(recipients, size, "")
    }

    /// With another offer, as a line of the hello reply.
    fn offered(recipients: usize, size: usize, offer: &str) -> Self {
        let now = Instant::now();
        let mut connection =
            Connection::new(now, Arc::new(Config::new("client.example".parse().expect("a name"))));
        let greeting = "220 mx\r\n";
        let hello = format!("250-mx\r\n250-PIPELINING\r\n250-SIZE 0\r\n{offer}250 8BITMIME\r\n");
        connection.handle_input(now, greeting.as_bytes());
        let len = connection.transmit().len();
        connection.handle_transmitted(now, len);
        connection.handle_input(now, hello.as_bytes());
        assert!(matches!(connection.poll_event(), Some(Event::Ready)));
        let line = b"The quick brown fox jumps over the lazy dog, and the dog does not mind.....\r\n";
        let content: Vec<u8> = line.iter().copied().cycle().take(size / line.len() * line.len()).collect();
        let mut scanner = Scanner::new(Default::default());
        scanner.update(&content).expect("plain text");
        let facts = scanner.finish().expect("plain text");
        let to = (0..recipients)
            .map(|number| Recipient::new(format!("r{number}@example.net").parse().expect("an address")))
            .collect();
        let sender = Sender::new("s@example.org".parse().expect("an address")).with_content(facts);
        let mut replies = b"250 2.1.0 ok\r\n".repeat(recipients + 1);
        replies.extend_from_slice(b"354 go\r\n");
        Self { now, connection, envelope: Envelope::new(sender, to), replies, content }
    }

    /// One message; returns the number of writes.
    fn send(&mut self) -> usize {
        let now = self.now;
        self.connection.submit(now, self.envelope.clone()).expect("ready");
        let mut writes = self.flush();
        self.connection.handle_input(now, &self.replies);
        let content = std::mem::take(&mut self.content);
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            let credit = self.connection.body_credit().min(rest.len());
            let (now_sent, later) = rest.split_at(credit);
            rest = later;
            self.connection.write_body(now, now_sent).expect("wanted");
            if !rest.is_empty() {
                writes += self.flush();
            }
        }
        self.content = content;
        self.connection.finish_body(now).expect("wanted");
        writes += self.flush();
        self.connection.handle_input(now, b"250 2.0.0 queued\r\n");
        while let Some(event) = self.connection.poll_event() {
            if let Event::Done(_, report) = event {
                assert_eq!(report.round_trips, 2);
            }
        }
        writes
    }

    /// One message by BDAT, in one flight; returns the number of writes.
    fn send_chunk(&mut self) -> usize {
        let now = self.now;
        self.connection.submit(now, self.envelope.clone()).expect("ready");
        self.connection.write_body(now, &self.content).expect("wanted");
        self.connection.finish_body(now).expect("wanted");
        let writes = self.flush();
        let replies = self.replies.strip_suffix(b"354 go\r\n").unwrap_or_default();
        self.connection.handle_input(now, replies);
        self.connection.handle_input(now, b"250 2.0.0 queued\r\n");
        while let Some(event) = self.connection.poll_event() {
            if let Event::Done(_, report) = event {
                assert_eq!(report.round_trips, 1);
            }
        }
        writes
    }

    fn flush(&mut self) -> usize {
        let len = divan::black_box(self.connection.transmit()).len();
        self.connection.handle_transmitted(self.now, len);
        usize::from(len > 0)
    }
}

#[divan::bench(args = [1, 10, 50])]
fn small_message_to_n_recipients(bencher: Bencher<'_, '_>, recipients: usize) {
    let mut session = Session::new(recipients, 2_000);
    assert_eq!(session.send(), 2, "one write per flight");
    bencher.bench_local(|| session.send());
}

#[divan::bench]
fn small_message_by_bdat(bencher: Bencher<'_, '_>) {
    let mut session = Session::offered(1, 2_000, "250-CHUNKING\r\n");
    assert_eq!(session.send_chunk(), 1, "one write");
    bencher.bench_local(|| session.send_chunk());
}

#[divan::bench]
fn content_of_16_mib(bencher: Bencher<'_, '_>) {
    let mut session = Session::new(1, 16 << 20);
    bencher.counter(divan::counter::BytesCount::new(16usize << 20)).bench_local(|| session.send());
}
