//! Memory that does not grow with the message. The only test of its process, since the system counts memory by process.

mod common;

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
};

use common::{Script, config, envelope, plan};
use smtp_client_tokio::{Client, Message};
use smtp_proto::Outcome;
use tokio::{io::AsyncReadExt, net::TcpListener};

const OCTETS: u64 = 64 * 1024 * 1024;

/// Takes one message; octets of it, which must end in CRLF.
async fn sink(listener: &TcpListener) -> u64 {
    const LAST: &[u8] = b"\r\n.\r\nQUIT\r\n";
    let mut server = Script::new(listener.accept().await.unwrap().0);
    server.accept().await;
    let mut space = vec![0; 256 * 1024];
    let (mut taken, mut tail) = (0, Vec::new());
    while !tail.ends_with(LAST) {
        let read = server.stream.read(&mut space).await.unwrap();
        assert!(read > 0);
        taken += read as u64;
        tail.extend_from_slice(&space[..read]);
        tail.drain(..tail.len().saturating_sub(LAST.len()));
    }
    server.say("250 ok\r\n221 bye\r\n").await;
    taken - (LAST.len() - 2) as u64
}

fn large_file() -> tempfile::NamedTempFile {
    let named = tempfile::NamedTempFile::new().unwrap();
    let mut file: File = named.reopen().unwrap();
    // Not sparse: NULs are refused.
    let piece = common::text(1024 * 1024);
    while file.stream_position().unwrap() < OCTETS {
        file.write_all(&piece).unwrap();
    }
    file.set_len(OCTETS - 2).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"\r\n").unwrap();
    named
}

#[tokio::test]
async fn a_large_message_passes_in_bounded_memory() {
    // ARCHITECTURE.md, speed: the source is a generator or a file and the sink counts, so nobody else holds the content.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let client = Client::new(plan(&[&endpoint], &config()));
    let file = large_file();
    let before = peak();

    let message = Message::from_reader(tokio::io::repeat(b'x').take(OCTETS));
    let (report, taken) = tokio::join!(client.send(envelope(), message), sink(&listener));
    assert_eq!(report.unwrap().outcome(), Outcome::Delivered);
    assert_eq!(taken, OCTETS + 2); // its last line has no end of its own

    let message = Message::open(file.path()).await.unwrap();
    let (report, taken) = tokio::join!(client.send(envelope(), message), sink(&listener));
    assert_eq!(report.unwrap().outcome(), Outcome::Delivered);
    assert_eq!(taken, OCTETS);

    let grown = peak() - before;
    assert!(grown < 4 * 1024, "{grown} KiB");
}

/// Peak resident memory in KiB; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
