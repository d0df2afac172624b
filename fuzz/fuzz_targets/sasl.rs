//! AUTH exchanges against arbitrary challenges, through the connection that plays them (R98-R134, D35).
#![no_main]

use std::{sync::Arc, time::Instant};

use libfuzzer_sys::fuzz_target;
use smtp_proto::{
    Config, Connection, Event, Random, Secret,
    sasl::{AuthPolicy, Credentials, Mechanism},
    transcript::Direction,
};

const PASSWORD: &str = "hunter2-hunter2";

/// By the first octet; a new one goes behind the others, so that the seeds stay what they are.
const CHOICES: [Mechanism; 7] = [
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::External,
    Mechanism::ScramSha256,
    Mechanism::CramMd5,
    Mechanism::OAuthBearer,
    Mechanism::XOAuth2,
];

/// What a server that knows the password proves it with, in base64, for the nonce, the salt and the iterations of the seed `scram`.
const SIGNATURE: &str = "dj01UTUrT3Bmc3BBKzNRcm1yR1dNc1c1SkNINXFRd01iRFNkazdWbmYzaDE4PQ==";

// First octet: the mechanism. Then the server's replies to AUTH, as they are.
fuzz_target!(|data: &[u8]| {
    let [choice, replies @ ..] = data else { return };
    let mechanism = CHOICES[usize::from(*choice) % CHOICES.len()];
    let credentials = match mechanism {
        Mechanism::External => Credentials::External { identity: "me".to_owned() },
        Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
            Credentials::Token { user: "u".to_owned(), token: Secret::from(PASSWORD.to_owned()) }
        }
        _ => Credentials::Password { user: "u".to_owned(), password: Secret::from(PASSWORD.to_owned()) },
    };
    let now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    config.auth = AuthPolicy::Mechanism(mechanism, credentials);
    // A nonce of 24 times `A`: one that changes would keep every proof out of reach.
    config.random = Some(Random::new(|octets| {
        octets.fill(0);
        Ok(())
    }));
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
            let said = |text: &str| replies.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(said("235"), "R106: no success without 235");
            // R124: whatever else was said. Only who knows the password can find another one.
            assert!(mechanism != Mechanism::ScramSha256 || said(SIGNATURE), "no success without a proof");
        }
    }
    while let Some(line) = connection.poll_transcript() {
        // What the server itself said is no secret, nor a note that quotes it.
        assert!(line.direction != Direction::Client || !line.text.contains(PASSWORD), "R133");
    }
});
