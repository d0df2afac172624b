//! What no caller sees: what stays in memory.

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

use super::*;
use crate::{
    Secret,
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
