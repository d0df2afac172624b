//! The client's half of SASL before a hostile server (R98-R133, N31, N38).
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_proto::{
    Secret,
    command::Command,
    sasl::{Credentials, Exchange, Mechanism, decode_challenge},
};

// First octet: the mechanism. Then one challenge a line, as the text of a 334.
fuzz_target!(|data: &[u8]| {
    let Some((choice, challenges)) = data.split_first() else { return };
    let password =
        Credentials::Password { user: "user@example.org".into(), password: Secret::new("correct horse") };
    let external = Credentials::External { identity: String::new() };
    let (mechanism, credentials) = match choice % 3 {
        0 => (Mechanism::Plain, password),
        1 => (Mechanism::Login, password),
        _ => (Mechanism::External, external),
    };
    let mut exchange = Exchange::new(mechanism, &credentials).expect("these credentials fit the mechanism");
    let _ = exchange.initial_response();
    let mut answered = 0;
    for line in challenges.split(|octet| *octet == b'\n') {
        let Ok(challenge) = decode_challenge(line) else { break };
        // R103: strict, so there is one way to write what was read.
        let mut again = Vec::new();
        if Command::AuthResponse(challenge.expose()).encode(&mut again).is_ok() {
            assert_eq!(again.strip_suffix(b"\r\n"), Some(line));
        }
        if exchange.respond(challenge.expose()).is_err() {
            break;
        }
        answered += 1;
        assert!(answered <= 16, "N38, D35");
    }
    let _ = exchange.finish();
});
