use std::{
    io::{Read as _, Write as _},
    sync::OnceLock,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

use super::*;
use crate::sasl::{Credentials, Mechanism};

/// One self-signed certificate serves both ends.
fn certificate() -> &'static (CertificateDer<'static>, Vec<u8>) {
    static MADE: OnceLock<(CertificateDer<'static>, Vec<u8>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["mx.example.org".to_owned()]).unwrap();
        (made.cert.der().clone(), made.signing_key.serialize_der())
    })
}

fn key() -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(certificate().1.clone()).into()
}

fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate().0.clone()).unwrap();
    Arc::new(roots)
}

pub(super) fn server_config() -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate().0.clone()], key())
        .unwrap();
    Arc::new(config)
}

/// A client end in memory.
struct Client {
    tls: ClientConnection,
    harness: Harness,
}

impl Client {
    fn new(harness: Harness, with_certificate: bool) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots());
        let config = if with_certificate {
            builder.with_client_auth_cert(vec![certificate().0.clone()], key()).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let tls = ClientConnection::new(Arc::new(config), "mx.example.org".try_into().unwrap()).unwrap();
        Self { tls, harness }
    }

    /// Moves octets both ways, `piece` at a time, until nothing moves.
    fn pump(&mut self, piece: usize) -> String {
        let mut plain = Vec::new();
        loop {
            let mut moved = false;
            let mut wire = Vec::new();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut wire).unwrap();
            }
            for piece in wire.chunks(piece) {
                moved = true;
                self.harness.server.handle_input(self.harness.now, piece);
            }
            self.harness.settle();
            let out = self.harness.server.transmit().to_vec();
            self.harness.server.handle_transmitted(self.harness.now, out.len());
            for mut piece in out.chunks(piece) {
                moved = true;
                while !piece.is_empty() {
                    self.tls.read_tls(&mut piece).unwrap();
                    self.tls.process_new_packets().unwrap();
                }
            }
            let _ = self.tls.reader().read_to_end(&mut plain); // WouldBlock ends it, as does close_notify
            if !moved {
                return String::from_utf8(plain).unwrap();
            }
        }
    }

    fn send(&mut self, text: &str) -> String {
        self.tls.writer().write_all(text.as_bytes()).unwrap();
        self.pump(usize::MAX)
    }
}

fn starttls(auth: &[Mechanism]) -> Config {
    let auth = Auth { mechanisms: auth.to_vec(), ..Auth::default() };
    Config { tls: Tls::StartTls(server_config()), auth, ..config() }
}

fn upgraded(config: Config, with_certificate: bool, piece: usize) -> Client {
    let mut harness = Harness::new(config);
    assert!(harness.send("EHLO c\r\n").contains("250-STARTTLS\r\n"));
    assert_eq!(harness.send("STARTTLS\r\n"), "220 2.0.0 start TLS\r\n");
    let mut client = Client::new(harness, with_certificate);
    client.pump(piece);
    client
}

#[test]
fn after_starttls_the_session_begins_anew() {
    for piece in [1, 7, usize::MAX] {
        let mut client = upgraded(starttls(&[Mechanism::Plain]), false, piece);
        assert_eq!(codes(&client.send("MAIL FROM:<a@x>\r\n")), ["503 5.5.1"]); // R87
        let offer = client.send("EHLO c\r\n");
        assert!(offer.contains("AUTH PLAIN") && !offer.contains("STARTTLS"), "{offer}"); // R98
        assert_eq!(codes(&client.send("STARTTLS\r\n")), ["503 5.5.1"]); // R89
        assert_eq!(
            codes(&client.send("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n")),
            ["250 2.1.0", "250 2.1.5", "354"]
        );
        assert_eq!(codes(&client.send("x\r\n.\r\nQUIT\r\n")), ["250 2.0.0", "221 2.0.0"]);
        assert_eq!(client.harness.closed(), Some(&Closed::Quit));
        assert!(client.tls.process_new_packets().unwrap().peer_has_closed(), "close_notify"); // R59
    }
}

#[test]
fn starttls_that_waited_for_the_greeting_is_answered_in_clear() {
    let mut harness = Harness::silent(Config { refuse_early_talkers: false, ..starttls(&[]) });
    assert_eq!(codes(&harness.send("EHLO c\r\nSTARTTLS\r\n")), ["220", "250", "220 2.0.0"]);
    let mut client = Client::new(harness, false);
    client.pump(usize::MAX);
    assert!(client.send("EHLO c\r\n").starts_with("250-"));
}

#[test]
fn the_facts_are_told() {
    let client = upgraded(starttls(&[]), false, usize::MAX);
    let facts = client.harness.server.tls().unwrap();
    assert_eq!(facts.version, "TLSv1.3");
    assert!(facts.cipher.starts_with("TLS13_"), "{facts:?}");
    assert!(facts.group.is_some());
    assert_eq!(facts.server_name.as_deref(), Some("mx.example.org"));
    assert!(facts.client_certificate.is_none());
    let told = client.harness.events.iter().any(|event| matches!(event, Event::TlsEstablished(_)));
    assert!(told);
}

#[test]
fn external_is_offered_to_certificates_only() {
    let mut client = upgraded(starttls(&[Mechanism::External]), false, usize::MAX);
    assert!(!client.send("EHLO c\r\n").contains("AUTH"));
    assert_eq!(codes(&client.send("AUTH EXTERNAL =\r\n")), ["504 5.5.4"]);

    for (sent, identity) in [("AUTH EXTERNAL =\r\n", ""), ("AUTH EXTERNAL Ym9i\r\n", "bob")] {
        let mut client = upgraded(starttls(&[Mechanism::External]), true, usize::MAX);
        assert!(client.send("EHLO c\r\n").contains("AUTH EXTERNAL"));
        client.send(sent); // R101, R118
        match client.harness.events.last() {
            Some(Event::Authenticate { credentials, .. }) => {
                assert_eq!(credentials, &Credentials::External { identity: identity.into() });
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(client.harness.server.tls().unwrap().client_certificate.as_ref(), Some(&certificate().0));
        let now = client.harness.now;
        client.harness.server.accept(now).unwrap();
        assert_eq!(codes(&client.pump(usize::MAX)), ["235 2.7.0"]);
    }
}

#[test]
fn plaintext_behind_starttls_ends_it_all() {
    // D3, R86
    let mut behind = Harness::new(starttls(&[]));
    behind.send("EHLO c\r\n");
    assert_eq!(behind.send("STARTTLS\r\nMAIL FROM:<evil@x>\r\n"), "");
    assert_eq!(behind.closed(), Some(&Closed::InjectedPlaintext));

    let mut before = Harness::new(starttls(&[]));
    before.send("EHLO c\r\n");
    before.server.handle_input(before.now, b"STARTTLS\r\n");
    before.server.handle_input(before.now, b"RSET\r\n"); // the 220 has not left
    assert_eq!(before.output(), "");
    assert_eq!(before.closed(), Some(&Closed::InjectedPlaintext));

    let mut instead = Harness::new(starttls(&[]));
    instead.send("EHLO c\r\n");
    instead.send("STARTTLS\r\n");
    instead.server.handle_input(instead.now, b"RSET\r\n");
    instead.settle();
    assert!(matches!(instead.closed(), Some(Closed::Tls(_))));
}

#[test]
fn implicit_tls_greets_inside() {
    let mut config = starttls(&[]);
    config.tls = Tls::Implicit(server_config());
    let mut harness = Harness::silent(config);
    assert!(harness.server.transmit().is_empty()); // R94
    harness.settle();
    let mut client = Client::new(harness, false);
    assert_eq!(client.pump(usize::MAX), "220 mx.example.org ESMTP\r\n");
    assert!(!client.send("EHLO c\r\n").contains("STARTTLS"));
}

#[test]
fn tls_can_be_required() {
    let mut harness = Harness::new(Config { tls_required: true, ..starttls(&[Mechanism::Plain]) });
    harness.send("EHLO c\r\n");
    assert_eq!(harness.codes("MAIL FROM:<a@x>\r\n"), ["530 5.7.0"]);
    assert_eq!(harness.codes("AUTH PLAIN AHRlc3QAMTIzNA==\r\n"), ["538 5.7.11"]);
}

#[test]
fn a_handshake_has_its_time_in_all() {
    let mut harness = Harness::new(starttls(&[]));
    harness.send("EHLO c\r\n");
    harness.send("STARTTLS\r\n");
    harness.now += Limits::default().idle / 2;
    harness.server.handle_input(harness.now, &[0x16, 3, 1]);
    assert_eq!(harness.wait(Limits::default().idle / 2), "");
    assert_eq!(harness.closed(), Some(&Closed::Idle));
}

#[test]
fn the_table_can_refuse_starttls() {
    let replies = table(Phase::StartTls, reply(454, "4.7.0 not now"));
    let mut harness = Harness::new(Config { replies, ..starttls(&[]) });
    harness.send("EHLO c\r\n");
    assert_eq!(harness.codes("STARTTLS\r\nNOOP\r\n"), [""; 0], "pipelined behind");
    let replies = table(Phase::StartTls, reply(454, "4.7.0 not now"));
    let mut harness = Harness::new(Config { replies, ..starttls(&[]) });
    harness.send("EHLO c\r\n");
    assert_eq!(harness.codes("STARTTLS\r\n"), ["454 4.7.0"]); // R84
    assert_eq!(harness.codes("NOOP\r\n"), ["250 2.0.0"]);
}

#[test]
fn starttls_has_its_place() {
    let mut harness = Harness::new(starttls(&[]));
    harness.send("EHLO c\r\n");
    assert_eq!(harness.codes("MAIL FROM:<a@x>\r\n"), ["250 2.1.0"]);
    assert_eq!(harness.codes("STARTTLS\r\n"), ["503 5.5.1"]); // RFC 3207 §4
    assert_eq!(harness.codes("RSET\r\nSTARTTLS\r\n"), ["250 2.0.0", "220 2.0.0"]);
    // Where no reply can be read, none is given.
    harness.server.shutdown(harness.now);
    assert_eq!((harness.output().as_str(), harness.closed()), ("", Some(&Closed::Shutdown)));
}

#[test]
fn authentication_has_its_place() {
    let auth = Auth { mechanisms: vec![Mechanism::Login], in_clear: true, required: false };
    let mut harness = Harness::new(Config { auth, ..config() });
    assert_eq!(harness.codes("AUTH LOGIN\r\n"), ["503 5.5.1"]);
    harness.send("EHLO c\r\n");
    // A response that is no line ends the exchange: what follows is a command again.
    assert_eq!(harness.codes("AUTH LOGIN\r\n"), ["334"]);
    assert_eq!(harness.codes("dGVzdA==\nNOOP\r\n"), ["500 5.5.2", "250 2.0.0"]);
    assert_eq!(harness.codes("AUTH LOGIN\r\n"), ["334"]);
    assert_eq!(harness.codes(format!("{}\r\nNOOP\r\n", "A".repeat(12_290))), ["500 5.5.6", "250 2.0.0"]); // RFC 4954 §4
}

#[test]
fn a_close_notify_is_the_end_of_input() {
    let mut client =
        Client::new(Harness::silent(Config { tls: Tls::Implicit(server_config()), ..config() }), false);
    assert!(client.pump(usize::MAX).starts_with("220 "));
    client.tls.writer().write_all(b"NOOP\r\n").unwrap();
    client.tls.send_close_notify();
    assert_eq!(codes(&client.pump(usize::MAX)), ["250 2.0.0"]);
    assert_eq!(client.harness.closed(), Some(&Closed::HungUp));
}
