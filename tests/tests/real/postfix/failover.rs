//! The next target: when the first cannot be used, and when it did not decide (M38, D25).

use smtp_proto::{Failover, error::Kind, sasl::Mechanism};
use tokio::net::TcpSocket;

use crate::{
    client::{Tls, config, envelope, envelope_from, lmtp, plan, plan_of, send, users, with_auth},
    host::Host,
};

const HELLO: &str = "Subject: hello\r\n\r\nbody\r\n";

/// The attempt that decided, per recipient.
fn deciders(sent: &crate::client::Sent) -> Vec<Option<usize>> {
    sent.report.recipients.iter().map(|recipient| recipient.attempt).collect()
}

pub(super) async fn closed_port(host: &Host) {
    // Bound, so that nobody else gets it, and not listening, so that connecting is refused.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refusing = format!("tcp://{}", closed.local_addr().unwrap());

    let config = config(host, Tls::Must);
    let targets = [refusing.clone(), host.tcp("NOTLS_PORT"), host.tcp("PLAIN_PORT"), host.tcp("PLAIN_PORT")];
    let sent = send(plan(&targets, &config), envelope(["alice@test.example"]), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"]);
    let attempts: Vec<_> = sent.report.attempts.iter().map(|it| (it.target, it.kind(), it.usable)).collect();
    assert_eq!(attempts, [(0, Some(Kind::Network), false), (1, Some(Kind::Tls), false), (2, None, true)]);
    assert_eq!(deciders(&sent), [Some(2)]);
    assert_eq!(users(&host.mail().arrivals().await), ["alice"]);

    let sent = send(plan(&[refusing], &config), envelope(["alice@test.example"]), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["deferred 450 4.4.1 connect local"]); // M100
    host.mail().assert_nothing().await;
}

pub(super) async fn until_decided(host: &Host) {
    // Postfix puts the sender off, Dovecot beside it takes the message.
    let beside = host.sasl();
    let config = config(host, Tls::Off);
    let targets = vec![(host.tcp("PLAIN_PORT"), config.clone()), (beside.lmtp(), lmtp(config.clone()))];
    let plan = plan_of(targets).with_failover(Failover::UntilDecided);
    let envelope = envelope_from("later@example.org", ["alice@test.example", "nobody@test.example"]);
    let sent = send(plan, envelope, HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0", "rejected 550 5.1.1 rcpt"], "{:#?}", sent.dialogue);
    assert_eq!(deciders(&sent), [Some(1), Some(1)]);
    host.mail().assert_nothing().await;
    let stored = beside.mail().arrivals().await;
    assert_eq!((users(&stored), stored[0].with()), (vec!["alice"], "LMTP"));

    // Who is decided is not offered again: one copy for Alice, and the second target sees the deferred one only.
    let targets = vec![(host.tcp("PLAIN_PORT"), config.clone()), (beside.lmtp(), lmtp(config))];
    let plan = plan_of(targets).with_failover(Failover::UntilDecided);
    let to = ["alice@test.example", "deferred@test.example", "nobody@test.example"];
    let sent = send(plan, crate::client::envelope(to), HELLO.to_owned()).await;
    let verdicts = ["delivered 250 2.0.0", "rejected 550 5.1.1 rcpt", "rejected 550 5.1.1 rcpt"];
    assert_eq!(sent.verdicts(), verdicts, "{:#?}", sent.dialogue);
    assert_eq!(deciders(&sent), [Some(0), Some(1), Some(0)]);
    assert_eq!(sent.said("RCPT TO:<alice@"), 1);
    assert_eq!(users(&host.mail().arrivals().await), ["alice"]);
    beside.mail().assert_nothing().await;
}

pub(super) async fn until_usable(host: &Host) {
    // M39: the same, and the first usable target has the last word.
    let beside = host.sasl();
    let config = config(host, Tls::Off);
    let targets = vec![(host.tcp("PLAIN_PORT"), config.clone()), (beside.lmtp(), lmtp(config))];
    let envelope = envelope_from("later@example.org", ["alice@test.example"]);
    let sent = send(plan_of(targets), envelope, HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["deferred 451 4.7.1 mail"]);
    assert_eq!(sent.report.attempts.len(), 1);
    host.mail().assert_nothing().await;
    beside.mail().assert_nothing().await;
}

pub(super) async fn after_the_content(host: &Host) {
    // Dovecot is first: after the content it takes the message for Alice and puts the other off. Postfix, which relays for whoever has
    // logged in, then gets the content once more, for that one alone.
    let beside = host.sasl();
    let postfix = with_auth(
        config(host, Tls::Must),
        Some(Mechanism::Plain),
        host.value("USER"),
        host.value("PASSWORD"),
    );
    let targets = vec![(beside.lmtp(), lmtp(config(host, Tls::Off))), (host.tcp("PLAIN_PORT"), postfix)];
    let plan = plan_of(targets).with_failover(Failover::UntilDecided);
    let to = ["alice@elsewhere.example", "fulltemp@elsewhere.example", "full@elsewhere.example"];
    let sent = send(plan, envelope(to), HELLO.to_owned()).await;
    let verdicts = ["delivered 250 2.0.0", "delivered 250 2.0.0", "rejected 552 5.2.2 end"];
    assert_eq!(sent.verdicts(), verdicts, "{:#?}", sent.dialogue);
    assert_eq!(deciders(&sent), [Some(0), Some(1), Some(0)]);
    assert_eq!(users(&beside.mail().arrivals().await), ["alice"]);
    host.mail().assert_nothing().await;
}
