//! Against Postfix.

mod auth;
mod content;
mod failover;
mod probe;
mod recipients;
mod tls;

use smtp_client_tokio::Client;
use smtp_proto::config::Chunking;
use tokio::task::JoinSet;

use crate::{
    Sections,
    client::{Tls, config, envelope, plan, verdicts},
    corpus::{self, Source},
    host::Host,
    mail::{Stores, postfix_stores, postfix_stores_chunks},
    matrix::{one_after_another, unchanged},
};

pub(crate) fn run(host: &Host) {
    let mut sections = Sections::new(host);
    sections.run("plaintext", tls::plaintext(host));
    sections.run("STARTTLS", tls::starttls(host));
    sections.run("TLS from the first octet", tls::implicit(host));
    sections.run("TLS 1.2", tls::old_version(host));
    sections.run("bad certificates, TLS optional", tls::bad_certificates_fall_back(host));
    sections.run("bad certificates, TLS required", tls::bad_certificates_stop(host));
    sections.run("no STARTTLS, TLS required", tls::missing_starttls_stops(host));
    sections.run("client certificate", tls::client_certificate(host));
    sections.run("no client certificate", tls::no_client_certificate(host));
    sections.run("AUTH", auth::mechanisms(host));
    sections.run("wrong password", auth::wrong_password(host));
    sections.run("AUTH in the clear", auth::in_the_clear(host));
    sections.run("AUTH after TLS failed", auth::never_after_tls_failed(host));
    sections.run("submission", auth::submission(host));
    sections.run("recipients refused", recipients::one_by_one(host));
    sections.run("100 recipients", recipients::a_hundred(host));
    sections.run("duplicates", recipients::duplicates(host));
    sections.run("nobody accepted", recipients::nobody(host));
    sections.run("senders", recipients::senders(host));
    sections.run("too large", content::too_large(host));
    sections.run("content refused", content::refused(host));
    sections.run("NUL in a stream", content::nul_in_a_stream(host));
    sections.run("20 MiB", content::large(host));
    sections.run("closed port", failover::closed_port(host));
    sections.run("until decided", failover::until_decided(host));
    sections.run("until usable", failover::until_usable(host));
    sections.run("until decided, after the content", failover::after_the_content(host));
    sections.run("probe", probe::finds_what_is_there(host));
    sections.run("probe, bad certificate", probe::finds_what_is_wrong(host));
    sections.run("20 at a time", at_a_time(host));
    for tls in [Tls::Off, Tls::Must] {
        let plan = plan(&[host.tcp("PLAIN_PORT")], &config(host, tls));
        sections.run("50 one after another", one_after_another(host, plan));
    }
    sections.run("corpus by DATA", corpus(host, Chunking::No, Source::File));
    sections.run("corpus by BDAT", corpus(host, Chunking::Auto, Source::Memory));
    sections.run("corpus by BDAT, streamed", corpus(host, Chunking::Yes, Source::Reader));
    sections.end();
}

/// One client, many sends that know nothing of each other.
async fn at_a_time(host: &Host) {
    let client = Client::new(plan(&[host.tcp("PLAIN_PORT")], &config(host, Tls::Must)));
    let mut sends = JoinSet::new();
    for number in 1..=20 {
        let client = client.clone();
        sends.spawn(async move {
            let message = format!("Subject: {number}\r\n\r\n{}", "line\r\n".repeat(number * 1000));
            client.send(envelope([format!("u{number:03}@test.example")]), message).await
        });
    }
    while let Some(sent) = sends.join_next().await {
        assert_eq!(verdicts(&sent.unwrap().unwrap()), ["delivered 250 2.0.0"]);
    }
    let stored = host.mail().arrivals().await;
    assert_eq!(stored.len(), 20);
    for (number, message) in (1..).zip(&stored) {
        assert_eq!(message.user, format!("u{number:03}"));
        assert!(
            message.content == format!("Subject: {number}\n\n{}", "line\n".repeat(number * 1000)).as_bytes()
        );
    }
}

async fn corpus(host: &Host, chunking: Chunking, from: Source) {
    let mut config = config(host, Tls::Must);
    config.chunking = chunking;
    let stores: Stores = if chunking == Chunking::No {
        |content| Ok(postfix_stores(content))
    } else {
        |content| Ok(postfix_stores_chunks(content))
    };
    let plan = plan(&[host.tcp("PLAIN_PORT")], &config);
    corpus::arrives(plan, &host.mail(), from, Some(chunking), stores, unchanged).await;
}
