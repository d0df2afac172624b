//! Against Dovecot's LMTP server: a reply per accepted recipient after the content (R73-R82).

use smtp_proto::{
    Config,
    config::{Chunking, EightBit},
    error::Kind,
};

use crate::{
    Sections,
    client::{Tls, config, envelope, lmtp, plan, send, users},
    corpus::{self, Source, assert_same},
    host::Host,
    mail::dovecot_stores,
    matrix::{one_after_another, unchanged},
};

const HELLO: &str = "Subject: hello\r\n\r\nbody\r\n";

pub(crate) fn run(host: &Host) {
    let mut sections = Sections::new(host);
    sections.run("TCP", recipients(host, host.tcp("LMTP_PORT"), Tls::Off, "LMTP"));
    sections.run("STARTTLS", recipients(host, host.tcp("LMTP_PORT"), Tls::Must, "LMTPS"));
    sections.run("Unix socket", recipients(host, socket(host), Tls::Off, "LMTP"));
    sections.run("STARTTLS on a Unix socket", starttls_on_a_socket(host));
    sections.run("duplicates", duplicates(host));
    sections.run("nobody accepted", nobody(host));
    sections.run("8-bit header", eight_bit_header(host));
    sections.run("20 MiB", large(host));
    for (endpoint, tls) in
        [(host.tcp("LMTP_PORT"), Tls::Off), (host.tcp("LMTP_PORT"), Tls::Must), (socket(host), Tls::Off)]
    {
        sections
            .run("50 one after another", one_after_another(host, plan(&[endpoint], &lmtp_config(host, tls))));
    }
    let corpus = |endpoint, source, chunking| corpus(host, endpoint, source, chunking);
    let tcp = || host.tcp("LMTP_PORT");
    sections.run("corpus over TCP by BDAT", corpus(tcp(), Source::Memory, Chunking::Auto));
    sections.run("corpus over TCP by DATA", corpus(tcp(), Source::Memory, Chunking::No));
    sections.run("corpus over a Unix socket by BDAT", corpus(socket(host), Source::Reader, Chunking::Auto));
    sections.run("corpus over a Unix socket by DATA", corpus(socket(host), Source::Reader, Chunking::No));
    sections.end();
}

fn socket(host: &Host) -> String {
    format!("unix://{}", host.value("LMTP_SOCKET"))
}

fn lmtp_config(host: &Host, tls: Tls) -> Config {
    lmtp(config(host, tls))
}

async fn recipients(host: &Host, endpoint: String, tls: Tls, with: &str) {
    // D27: by BDAT in the envelope's flight, by DATA behind it, and one command at a time.
    for (chunking, pipelining, round_trips) in [
        (Chunking::Auto, true, 1),
        (Chunking::No, true, 2),
        (Chunking::Auto, false, 8),
        (Chunking::Yes, false, 7),
    ] {
        let mut config = lmtp_config(host, tls);
        (config.chunking, config.pipelining) = (chunking, pipelining);
        let (full, full_temp) = (host.value("FULL_USER"), host.value("FULL_TEMP_USER"));
        let to = ["alice", "nobody", full, full_temp, "bob+tag"].map(|user| format!("{user}@test.example"));
        let sent = send(plan(&[&endpoint], &config), envelope(to), HELLO.to_owned()).await;
        let verdicts = [
            "delivered 250 2.0.0",
            "rejected 550 5.1.1 rcpt",
            "rejected 552 5.2.2 end",
            "deferred 452 4.2.2 end",
            "delivered 250 2.0.0",
        ];
        assert_eq!(sent.verdicts(), verdicts, "{:#?}", sent.dialogue); // R74
        assert_eq!(sent.report.outcome().name(), "partial");
        assert_eq!((sent.said("EHLO"), sent.said("HELO")), (0, 0)); // R73
        assert_eq!(sent.report.attempts[0].tls.is_some(), tls == Tls::Must);
        assert_eq!(sent.report.round_trips, round_trips, "{:#?}", sent.dialogue);
        let stored = host.mail().arrivals().await;
        assert_eq!(users(&stored), ["alice", "bob"]);
        for message in &stored {
            assert_eq!(
                (message.with(), message.content.as_slice()),
                (with, b"Subject: hello\n\nbody\n".as_slice())
            );
        }
    }
}

async fn starttls_on_a_socket(host: &Host) {
    let alice = || envelope(["alice@test.example"]);
    // M70: there is no name to verify, so TLS fails and plaintext is next, or nothing.
    let sent = send(plan(&[socket(host)], &lmtp_config(host, Tls::May)), alice(), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"], "{:#?}", sent.dialogue);
    assert!(sent.report.attempts.last().unwrap().fell_back_to_plaintext);
    let stored = host.mail().arrivals().await;
    assert_eq!((users(&stored), stored[0].with()), (vec!["alice"], "LMTP"));

    let sent = send(plan(&[socket(host)], &lmtp_config(host, Tls::Must)), alice(), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["deferred 451 4.7.5 tls local"]);
    assert_eq!(sent.report.attempts[0].kind(), Some(Kind::Tls));
    host.mail().assert_nothing().await;

    // M54: with the name given, it works.
    let mut named = lmtp_config(host, Tls::Must);
    named.security.server_name = Some("localhost".try_into().unwrap());
    let sent = send(plan(&[socket(host)], &named), alice(), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"], "{:#?}", sent.dialogue);
    let stored = host.mail().arrivals().await;
    assert_eq!((users(&stored), stored[0].with()), (vec!["alice"], "LMTPS"));
}

async fn duplicates(host: &Host) {
    // R61: two RCPTs, two replies, two results.
    let to = ["alice", "full", "nobody", "alice", "full"].map(|user| format!("{user}@test.example"));
    let sent =
        send(plan(&[host.tcp("LMTP_PORT")], &lmtp_config(host, Tls::Off)), envelope(to), HELLO.to_owned())
            .await;
    let (yes, full) = ("delivered 250 2.0.0", "rejected 552 5.2.2 end");
    assert_eq!(sent.verdicts(), [yes, full, "rejected 550 5.1.1 rcpt", yes, full], "{:#?}", sent.dialogue);
    // Dovecot's own doing: one copy for one mailbox.
    assert_eq!(users(&host.mail().arrivals().await), ["alice"]);
}

async fn nobody(host: &Host) {
    for pipelining in [true, false] {
        let mut config = lmtp_config(host, Tls::Off);
        config.pipelining = pipelining;
        let to = ["nobody@test.example", "blocked@test.example"];
        let sent = send(plan(&[host.tcp("LMTP_PORT")], &config), envelope(to), HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), ["rejected 550 5.1.1 rcpt"; 2], "{:#?}", sent.dialogue);
        host.mail().assert_nothing().await;
    }
}

async fn eight_bit_header(host: &Host) {
    // D10: Dovecot does not offer SMTPUTF8. What needs it is refused here, known beforehand or found on the way.
    let message = "Subject: Tee f\u{fc}r vier\r\n\r\nbody\r\n";
    let plan = || plan(&[host.tcp("LMTP_PORT")], &lmtp_config(host, Tls::Off));
    let sent = send(plan(), envelope(["alice@test.example"]), message.to_owned()).await;
    assert_eq!(sent.verdicts(), ["rejected 550 5.6.7 mail local"]);
    assert_eq!(sent.said("MAIL"), 0);
    let streamed = smtp_client_tokio::Message::from_reader(message.as_bytes());
    let sent = send(plan(), envelope(["alice@test.example"]), streamed).await;
    assert_eq!(sent.verdicts(), ["rejected 554 5.6.9 body local"]);
    assert_eq!(sent.said("MAIL"), 1);
    host.mail().assert_nothing().await;
}

async fn large(host: &Host) {
    let octets = corpus::large(20 * 1024 * 1024);
    for (endpoint, tls) in [(host.tcp("LMTP_PORT"), Tls::Must), (socket(host), Tls::Off)] {
        let to = ["alice@test.example", "full@test.example", "bob@test.example"];
        let sent = send(plan(&[endpoint], &lmtp_config(host, tls)), envelope(to), octets.clone()).await;
        let verdicts = ["delivered 250 2.0.0", "rejected 552 5.2.2 end", "delivered 250 2.0.0"];
        assert_eq!(sent.verdicts(), verdicts, "{:#?}", sent.dialogue);
        let stored = host.mail().arrivals().await;
        assert_eq!(users(&stored), ["alice", "bob"]);
        for message in &stored {
            assert_same(&message.user, &message.content, &dovecot_stores(&octets));
        }
    }
}

async fn corpus(host: &Host, endpoint: String, from: Source, chunking: Chunking) {
    let mut config = lmtp_config(host, Tls::Off);
    config.chunking = chunking;
    config.eight_bit_header = EightBit::Send;
    corpus::arrives(
        plan(&[endpoint], &config),
        &host.mail(),
        from,
        Some(chunking),
        |content| Ok(dovecot_stores(content)),
        unchanged,
    )
    .await;
}
