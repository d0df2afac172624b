//! What no caller sees: what stays in memory.

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use super::*;
use crate::{
    Recipient, Secret, Sender,
    body::Facts,
    sasl::{AuthPolicy, Credentials, Mechanism},
};

#[test]
fn buffers_are_wiped_when_a_secret_has_left_them_and_not_before() {
    // R133
    let now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    let password = Credentials::Password { user: "test".to_owned(), password: Secret::from("correct-horse") };
    config.auth = AuthPolicy::Mechanism(Mechanism::Plain, password);
    config.security.secrets_in_clear = true;
    let mut connection = Connection::new(now, Arc::new(config));
    connection.handle_input(now, b"220 mx\r\n");
    let hello = connection.transmit().len();
    connection.handle_transmitted(now, hello);
    connection.handle_input(now, b"250-mx\r\n250 AUTH PLAIN\r\n");
    let octets = connection.transmit().to_vec();
    assert!(octets.starts_with(b"AUTH PLAIN "));
    connection.handle_transmitted(now, octets.len() - 1);
    assert!(connection.engine.secret_queued, "part of it is still to be written");
    connection.handle_transmitted(now, 1);
    assert!(!connection.engine.secret_queued, "it was wiped");
    assert!(connection.wire.is_empty());
}

#[test]
fn a_rested_session_is_not_doubted_for_input_that_says_nothing() {
    let now = Instant::now();
    let mut connection = Connection::new(now, Arc::new(Config::new("client.example".parse().unwrap())));
    for said in ["220 mx\r\n", "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"] {
        connection.handle_input(now, said.as_bytes());
        let len = connection.transmit().len();
        connection.handle_transmitted(now, len);
    }
    for said in ["", "250"] {
        connection.rest();
        // Nothing, as of a TLS record without content, which servers send when they like.
        connection.engine.handle_plain(now, said.as_bytes());
        let content = b"Subject: x\r\n\r\nhello\r\n";
        let mut sender = Sender::new("s@example.org".parse().unwrap());
        sender.content = Some(Facts { octets: content.len() as u64, ..Facts::default() });
        let envelope = Envelope::new(sender, vec![Recipient::new("r@example.net".parse().unwrap())]);
        connection.submit(now, envelope).unwrap();
        let whole = connection.write_body(now, content).and_then(|()| connection.finish_body(now));
        assert_eq!(whole.is_ok(), said.is_empty(), "content leaves with the envelope");
        if said.is_empty() {
            let flight = connection.transmit().to_vec();
            assert!(String::from_utf8_lossy(&flight).contains("BDAT 21 LAST"), "{flight:?}");
            connection.handle_transmitted(now, flight.len());
            connection.handle_input(now, b"250 ok\r\n250 ok\r\n250 ok\r\n");
            while connection.poll_event().is_some() {}
        }
    }
}
