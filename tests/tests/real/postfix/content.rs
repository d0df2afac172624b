//! Content that is too large, refused, cut off, or large.

use std::io::Write;

use smtp_client_tokio::Message;

use crate::{
    client::{Tls, config, envelope, plan, send, users},
    corpus::{self, assert_same},
    host::Host,
    mail::postfix_stores,
};

const ALICE: [&str; 1] = ["alice@test.example"];

fn stream(octets: Vec<u8>) -> Message {
    Message::from_reader(std::io::Cursor::new(octets))
}

pub(super) async fn too_large(host: &Host) {
    let limit: usize = host.value("SIZE_LIMIT").parse().unwrap();
    let limited = || plan(&[host.tcp("LIMITED_PORT")], &config(host, Tls::May));

    // R162: known to be too large, so nothing of it is said.
    let sent = send(limited(), envelope(ALICE), corpus::large(limit + 1)).await;
    assert_eq!(sent.verdicts(), ["rejected 552 5.3.4 mail local"]);
    assert_eq!((sent.said("MAIL"), sent.said("QUIT")), (0, 1), "{:#?}", sent.dialogue);

    // Not known, but declared.
    let mut declared = envelope(ALICE);
    declared.sender.declared_size = Some(limit as u64 + 1);
    let sent = send(limited(), declared, stream(corpus::large(limit + 1))).await;
    assert_eq!(sent.verdicts(), ["rejected 552 5.3.4 mail local"]);
    assert_eq!(sent.said("MAIL"), 0);

    // R164: not known at all, so the server says so, after the content; also where that is more than what fits into buffers.
    // A refused chunk ends it before the last (R152).
    for (size, phase) in [(limit + 1, "end"), (3_000_000, "body")] {
        let sent = send(limited(), envelope(ALICE), stream(corpus::large(size))).await;
        assert_eq!(sent.verdicts(), [format!("rejected 552 5.3.4 {phase}")], "{:#?}", sent.dialogue);
        assert_eq!(sent.said("MAIL"), 1);
    }
    host.mail().assert_nothing().await;

    // What just fits.
    let sent = send(limited(), envelope(ALICE), corpus::large(limit)).await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"]);
    assert_eq!(users(&host.mail().arrivals().await), ["alice"]);
}

pub(super) async fn refused(host: &Host) {
    for pipelining in [true, false] {
        let mut config = config(host, Tls::May);
        config.pipelining = pipelining;
        let to = ["alice@test.example", "nobody@test.example", "bob@test.example"];
        let message = "X-Refuse-Content: please\r\n\r\nbody\r\n".to_owned();
        let sent = send(plan(&[host.tcp("PLAIN_PORT")], &config), envelope(to), message).await;
        let verdicts = ["rejected 550 5.7.1 end", "rejected 550 5.1.1 rcpt", "rejected 550 5.7.1 end"];
        assert_eq!(sent.verdicts(), verdicts);
        host.mail().assert_nothing().await;
    }
}

pub(super) async fn nul_in_a_stream(host: &Host) {
    // Found when most of the content is at the server: it is cut off without an end mark (W16, R54), so nothing is stored.
    let mut octets = corpus::large(1_000_000);
    octets[900_000] = 0;
    let sent =
        send(plan(&[host.tcp("PLAIN_PORT")], &config(host, Tls::Must)), envelope(ALICE), stream(octets))
            .await;
    assert_eq!(sent.verdicts(), ["rejected 554 5.6.0 body local"]);
    assert_eq!(sent.said("MAIL"), 1);
    host.mail().assert_nothing().await;
}

pub(super) async fn large(host: &Host) {
    let octets = corpus::large(20 * 1024 * 1024);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&octets).unwrap();
    let message = Message::open(file.path()).await.unwrap();
    let sent =
        send(plan(&[host.tcp("PLAIN_PORT")], &config(host, Tls::Must)), envelope(ALICE), message).await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"], "{:#?}", sent.dialogue);
    // 20 chunks of a MiB, each with a reply (R151).
    assert_eq!(sent.said("BDAT"), 20);
    assert!((2..=22).contains(&sent.report.round_trips), "{}", sent.report.round_trips);
    let stored = host.mail().arrivals().await;
    assert_eq!(users(&stored), ["alice"]);
    assert_same("20 MiB", &stored[0].content, &postfix_stores(&octets));
}
