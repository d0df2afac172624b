//! One verdict per recipient, in envelope order (D26, R61).

use crate::{
    client::{Tls, config, envelope, envelope_from, plan, send, users},
    host::Host,
};

const HELLO: &str = "Subject: hello\r\n\r\nbody\r\n";

/// Recipients that Postfix knows or does not, with what must become of them.
const MIXED: [(&str, &str); 8] = [
    ("nobody@test.example", "rejected 550 5.1.1 rcpt"),
    ("alice@test.example", "delivered 250 2.0.0"),
    ("blocked@test.example", "rejected 550 5.7.1 rcpt"),
    ("deferred@test.example", "deferred 450 4.2.0 rcpt"),
    ("bob+tag@test.example", "delivered 250 2.0.0"),
    ("full@test.example", "deferred 452 4.2.2 rcpt"),
    ("x@elsewhere.example", "rejected 554 5.7.1 rcpt"),
    ("grace@example.net", "delivered 250 2.0.0"),
];

pub(super) async fn one_by_one(host: &Host) {
    for pipelining in [true, false] {
        let mut config = config(host, Tls::May);
        config.pipelining = pipelining;
        // All in one envelope, and each alone.
        let all = MIXED.map(|(recipient, _)| recipient);
        let sent = send(plan(&[host.tcp("PLAIN_PORT")], &config), envelope(all), HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), MIXED.map(|(_, verdict)| verdict));
        assert_eq!(sent.report.outcome().name(), "partial");
        assert_eq!(sent.report.attempts.len(), 1);
        assert_eq!(sent.report.round_trips, if pipelining { 1 } else { 11 });
        assert_eq!(users(&host.mail().arrivals().await), ["alice", "bob", "grace"]);
    }
    for (recipient, verdict) in MIXED {
        let plan = plan(&[host.tcp("PLAIN_PORT")], &config(host, Tls::Off));
        let sent = send(plan, envelope([recipient]), HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), [verdict], "{recipient}");
        let stored = host.mail().arrivals().await;
        assert_eq!(stored.len(), usize::from(verdict.starts_with("delivered")), "{recipient}");
    }
}

pub(super) async fn a_hundred(host: &Host) {
    let mut wanted: Vec<(String, &str)> =
        (1..=92).map(|number| (format!("u{number:03}@test.example"), "delivered 250 2.0.0")).collect();
    for (place, (recipient, verdict)) in MIXED.into_iter().enumerate() {
        wanted.insert(place * 13, (recipient.to_owned(), verdict));
    }
    assert_eq!(wanted.len(), 100);
    let sent = send(
        plan(&[host.tcp("PLAIN_PORT")], &config(host, Tls::Must)),
        envelope(wanted.iter().map(|(recipient, _)| recipient)),
        HELLO.to_owned(),
    )
    .await;
    let verdicts: Vec<_> = wanted.iter().map(|(_, verdict)| *verdict).collect();
    assert_eq!(sent.verdicts(), verdicts);
    // No more than 100 commands are under way (R142): MAIL and 99 RCPTs, the rest and the content as replies come.
    assert!((2..20).contains(&sent.report.round_trips), "{}", sent.report.round_trips);
    let named: Vec<_> = sent.report.recipients.iter().map(|it| it.recipient.path.to_string()).collect();
    let asked: Vec<_> = wanted.iter().map(|(recipient, _)| format!("<{recipient}>")).collect();
    assert_eq!(named, asked);

    let stored = host.mail().arrivals().await;
    let mut accepted: Vec<_> = (1..=92).map(|number| format!("u{number:03}")).collect();
    accepted.extend(["alice", "bob", "grace"].map(str::to_owned));
    accepted.sort();
    assert_eq!(users(&stored), accepted);
    assert!(stored.iter().all(|message| message.content == b"Subject: hello\n\nbody\n"));
}

pub(super) async fn duplicates(host: &Host) {
    let twice = ["alice@test.example", "nobody@test.example", "alice@test.example", "nobody@test.example"];
    let sent =
        send(plan(&[host.tcp("PLAIN_PORT")], &config(host, Tls::May)), envelope(twice), HELLO.to_owned())
            .await;
    let (yes, no) = ("delivered 250 2.0.0", "rejected 550 5.1.1 rcpt");
    assert_eq!(sent.verdicts(), [yes, no, yes, no]);
    assert_eq!(sent.said("RCPT"), 4);
    // Postfix's own doing: one copy for one mailbox.
    assert_eq!(users(&host.mail().arrivals().await), ["alice"]);
}

pub(super) async fn nobody(host: &Host) {
    let refused = ["nobody@test.example", "deferred@test.example", "full@test.example"];
    for pipelining in [true, false] {
        let mut config = config(host, Tls::May);
        config.pipelining = pipelining;
        let sent = send(plan(&[host.tcp("PLAIN_PORT")], &config), envelope(refused), HELLO.to_owned()).await;
        let verdicts = ["rejected 550 5.1.1 rcpt", "deferred 450 4.2.0 rcpt", "deferred 452 4.2.2 rcpt"];
        assert_eq!(sent.verdicts(), verdicts);
        host.mail().assert_nothing().await;
    }
}

pub(super) async fn senders(host: &Host) {
    for (sender, verdict) in
        [("refused@example.org", "rejected 550 5.7.1 mail"), ("later@example.org", "deferred 451 4.7.1 mail")]
    {
        for pipelining in [true, false] {
            let mut config = config(host, Tls::May);
            config.pipelining = pipelining;
            let envelope = envelope_from(sender, ["alice@test.example", "nobody@test.example"]);
            let sent = send(plan(&[host.tcp("PLAIN_PORT")], &config), envelope, HELLO.to_owned()).await;
            assert_eq!(sent.verdicts(), [verdict; 2], "{sender}");
            host.mail().assert_nothing().await;
        }
    }
    // A bounce has no sender (R18).
    let mut bounce = envelope(["alice@test.example"]);
    bounce.sender = smtp_proto::Sender::null();
    let sent = send(plan(&[host.tcp("PLAIN_PORT")], &config(host, Tls::May)), bounce, HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"]);
    let stored = host.mail().arrivals().await;
    assert!(stored[0].top.starts_with("Return-Path: <>\n"), "{}", stored[0].top);
}
