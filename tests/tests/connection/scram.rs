//! SCRAM-SHA-256 against a server made of another library's parts, for any user, password, salt and nonce (R121-R126).

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use smtp_proto::{
    Connection, Error, Event, Random,
    error::AuthError,
    sasl::{AuthPolicy, Credentials, Mechanism, SaslError},
};

use super::config;

/// The server's half, RFC 5802 §3 from its other side.
struct Server {
    password: String,
    salt: Vec<u8>,
    iterations: u32,
    nonce: String,
}

impl Server {
    fn key(&self, name: &[u8]) -> Vec<u8> {
        let mut salted = [0; 32];
        let iterations = NonZeroU32::new(self.iterations).unwrap();
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            &self.salt,
            self.password.as_bytes(),
            &mut salted,
        );
        sign(&salted, name)
    }

    /// What it says to the client's first message, without `n,,`.
    fn first(&self, bare: &str) -> String {
        let ours = bare.split_once(",r=").unwrap().1;
        format!("r={ours}{},s={},i={}", self.nonce, STANDARD.encode(&self.salt), self.iterations)
    }

    /// Whether the client knows the password, and the proof that the server does.
    fn last(&self, bare: &str, first: &str, client_final: &str) -> (bool, String) {
        let (without_proof, proof) = client_final.split_once(",p=").unwrap();
        let nonce = first.split(',').next().unwrap();
        assert_eq!(without_proof, format!("c=biws,{nonce}"));
        let said = format!("{bare},{first},{without_proof}");
        let stored = digest::digest(&digest::SHA256, &self.key(b"Client Key"));
        let signature = sign(stored.as_ref(), said.as_bytes());
        let mut shown = STANDARD.decode(proof).unwrap();
        shown.iter_mut().zip(signature).for_each(|(octet, mask)| *octet ^= mask);
        let known = digest::digest(&digest::SHA256, &shown).as_ref() == stored.as_ref();
        let ours = sign(&self.key(b"Server Key"), said.as_bytes());
        (known, format!("v={}", STANDARD.encode(ours)))
    }
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// The other end of the client: says a line, and hears what comes of it.
struct Line {
    now: Instant,
    connection: Connection,
}

impl Line {
    fn open(user: &str, password: &str, drawn: [u8; 18]) -> Self {
        let mut config = config();
        let credentials = Credentials::Password { user: user.into(), password: password.into() };
        config.auth = AuthPolicy::Mechanism(Mechanism::ScramSha256, credentials);
        config.random = Some(Random::new(move |octets| {
            octets.copy_from_slice(&drawn);
            Ok(())
        }));
        let now = Instant::now();
        let mut line = Self { now, connection: Connection::new(now, Arc::new(config)) };
        line.say("220 mx\r\n");
        line
    }

    fn say(&mut self, text: &str) -> String {
        self.connection.handle_input(self.now, text.as_bytes());
        let heard = String::from_utf8(self.connection.transmit().to_vec()).unwrap();
        self.connection.handle_transmitted(self.now, heard.len());
        heard
    }

    fn challenge(&mut self, text: &str) -> String {
        self.say(&format!("334 {}\r\n", STANDARD.encode(text)))
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }
}

fn decoded(line: &str) -> String {
    let text = line.strip_suffix("\r\n").unwrap();
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// Up to the client's proof: the line, the client's first message, what the server said, whether the client knows the password.
fn prove(server: &Server, user: &str, password: &str, drawn: [u8; 18]) -> (Line, bool, String) {
    let mut line = Line::open(user, password, drawn);
    let auth = line.say("250-mx\r\n250 AUTH SCRAM-SHA-256\r\n");
    let message = decoded(auth.strip_prefix("AUTH SCRAM-SHA-256 ").unwrap());
    let bare = message.strip_prefix("n,,").unwrap().to_owned();
    let (name, ours) = bare.strip_prefix("n=").unwrap().split_once(",r=").unwrap();
    assert_eq!(name.replace("=2C", ",").replace("=3D", "="), user); // R121
    assert_eq!(ours, STANDARD.encode(drawn));
    let first = server.first(&bare);
    let proof = decoded(&line.challenge(&first));
    let (known, last) = server.last(&bare, &first, &proof);
    (line, known, last)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn both_sides_know_the_password_or_neither_is_content(
        user in "[ -~]{1,20}",
        password in "[ -~\u{e9}\u{df}]{1,80}",
        other in "[a-z]{1,10}",
        salt in proptest::collection::vec(any::<u8>(), 1..40),
        nonce in "[!-+\\--~]{1,40}",
        iterations in 4096_u32..4200,
        drawn: [u8; 18],
    ) {
        let server = Server { password: password.clone(), salt, iterations, nonce };
        let (mut line, known, last) = prove(&server, &user, &password, drawn);
        prop_assert!(known);
        prop_assert_eq!(line.challenge(&last), "\r\n"); // R106
        line.say("235 2.7.0 in\r\n");
        prop_assert!(matches!(line.events()[..], [Event::Ready]));

        // R124: a server that has another password can say what it likes.
        prop_assume!(other != password);
        let server = Server { password: other, ..server };
        let (mut line, known, last) = prove(&server, &user, &password, drawn);
        prop_assert!(!known);
        prop_assert_eq!(line.challenge(&last), "*\r\n");
        line.say("235 2.7.0 in\r\n");
        let events = line.events();
        prop_assert!(!events.iter().any(|event| matches!(event, Event::Ready)));
        line.say("221 bye\r\n");
        let closed = line.events();
        prop_assert!(matches!(
            events.iter().chain(&closed).last(),
            Some(Event::Closed(Some(Error::Auth(AuthError::Sasl(SaslError::WrongSignature(_))))))
        ));
    }
}

#[test]
fn without_randomness_there_is_an_error_and_no_weaker_way() {
    // R109, R134: neither a nonce that can be guessed, nor the password.
    let mut config = config();
    let credentials = Credentials::Password { user: "test".into(), password: "testpass".into() };
    config.auth = AuthPolicy::Auto(credentials);
    config.security.secrets_in_clear = true;
    let dialogue = super::session(&["AUTH PLAIN SCRAM-SHA-256"], "");
    let outcome = super::play(config, smtp_testkit::Plan::default(), &dialogue);
    let Error::Auth(AuthError::Sasl(SaslError::NoRandomness(Mechanism::ScramSha256))) = outcome.error()
    else {
        panic!("{:?}", outcome.error())
    };
    assert!(outcome.error().full_text().contains("Plan::with_random"));
}
