//! AUTH exchanges against arbitrary challenges, through the connection that plays them (R98-R120, D35).
#![no_main]

use std::{sync::Arc, time::Instant};

use libfuzzer_sys::fuzz_target;
use smtp_proto::{
    Config, Connection, Event, Secret,
    sasl::{AuthPolicy, Credentials, Mechanism},
    transcript::Direction,
};

const PASSWORD: &str = "hunter2-hunter2";

// First octet: the mechanism. Then the server's replies to AUTH, as they are.
fuzz_target!(|data: &[u8]| {
    let [choice, replies @ ..] = data else { return };
    let mechanism = Mechanism::ALL[usize::from(*choice) % Mechanism::ALL.len()];
    let credentials = match mechanism {
        Mechanism::External => Credentials::External { identity: "me".to_owned() },
        _ => Credentials::Password { user: "u".to_owned(), password: Secret::from(PASSWORD.to_owned()) },
    };
    let now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    config.auth = AuthPolicy::Mechanism(mechanism, credentials);
    config.security.secrets_in_clear = true;
    config.transcript = true;
    let mut connection = Connection::new(now, Arc::new(config));
    let mut lines = 0;
    let hello = format!("250-mx\r\n250 AUTH {mechanism}\r\n");
    for reply in [b"220 mx\r\n".as_slice(), hello.as_bytes()]
        .into_iter()
        .chain(replies.split_inclusive(|b| *b == b'\n'))
    {
        connection.handle_input(now, reply);
        let wrote = connection.transmit().to_vec();
        connection.handle_transmitted(now, wrote.len());
        lines += wrote.split(|b| *b == b'\n').count() - 1;
        // R1: whatever the challenge, one line of base64 or a known command.
        assert!(wrote.iter().all(|b| b.is_ascii_graphic() || b" \r\n".contains(b)));
        assert!(!wrote.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()));
    }
    // EHLO, AUTH, at most 16 answers, `*`, QUIT (N38).
    assert!(lines <= 20, "{lines} lines");
    while let Some(event) = connection.poll_event() {
        if matches!(event, Event::Ready) {
            assert!(replies.windows(3).any(|part| part == b"235"), "R106: no success without 235");
        }
    }
    while let Some(line) = connection.poll_transcript() {
        // What the server itself said is no secret, nor a note that quotes it.
        assert!(line.direction != Direction::Client || !line.text.contains(PASSWORD), "R133");
    }
});
