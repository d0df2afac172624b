//! The client machine against the server machine over a bad network: what the client says became of a message is what the server knows
//! (laws 1, 2, 9; D26, D33, D36).

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

#[path = "face_to_face/world.rs"]
mod world;

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use proptest::{prelude::*, test_runner::FileFailurePersistence};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use smtp_proto::{
    Config, Connection, Disposition, Envelope, Event, Recipient, Sender,
    config::{Chunking, TlsMode},
    server,
    tls_options::TlsOptions,
};
use world::{Message, Setting, Turn, check};

/// 1,000 cases, or as many as `PROPTEST_CASES` asks for.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 1_000;
    }
    // Seeds of cases that have failed are kept, and run first.
    let seeds = FileFailurePersistence::Direct("tests/proptest-regressions/face_to_face.txt");
    config.failure_persistence = Some(Box::new(seeds));
    config
}

struct Certificates {
    client: Arc<rustls::ClientConfig>,
    server: Arc<rustls::ServerConfig>,
}

fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["mx.example".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client =
            TlsOptions::new().root_ca_pem(made.cert.pem().as_bytes()).unwrap().build(Arc::clone(&provider));
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Certificates { client: client.unwrap(), server: Arc::new(server) }
    })
}

/// TLS of this kind, and nothing without it.
fn secure(mode: TlsMode, client: &mut Config, server: &mut server::Config) {
    client.security.mode = mode;
    client.security.required = mode != TlsMode::Off;
    client.security.client = Some(Arc::clone(&certificates().client));
    client.security.server_name = Some(ServerName::try_from("mx.example").unwrap());
    server.tls = match mode {
        TlsMode::Off => server::Tls::Off,
        TlsMode::StartTls => server::Tls::StartTls(Arc::clone(&certificates().server)),
        TlsMode::Implicit => server::Tls::Implicit(Arc::clone(&certificates().server)),
    };
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b".",
        b"..",
        b"\r\n.\r\n",
        b"\n.\n",
        b"a",
        b"line of text\r\n",
        b"\xc3\xa4",
    ]);
    // Now and then it is more than a chunk.
    let times = prop_oneof![9 => Just(1), 1 => Just(1_000)];
    (prop::collection::vec(piece, 0..30), times).prop_map(|(pieces, times)| {
        let mut content = b"Subject: x\r\n\r\n".to_vec();
        content.extend(pieces.concat().repeat(times));
        content
    })
}

fn message(lmtp: bool) -> impl Strategy<Value = Message> {
    let rcpt = prop::sample::select(vec![250u16, 250, 250, 450, 550]);
    let end = prop::sample::select(vec![250u16, 250, 250, 451, 554]);
    (
        content(),
        any::<bool>(),
        prop::collection::vec(rcpt, 1..4),
        // LMTP: one code for each possible recipient; SMTP: exactly one.
        prop::collection::vec(end, if lmtp { 3..4 } else { 1..2 }),
        prop_oneof![9 => Just(None), 1 => (0usize..40).prop_map(Some)],
    )
        .prop_map(|(content, facts_known, rcpt, end, source_fails)| Message {
            source_fails: source_fails.filter(|at| *at < content.len()),
            content,
            facts_known,
            rcpt,
            end,
        })
}

/// Mostly everything moves at once; else a line on which things take their turns.
fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![60 => any::<u8>().prop_map(Turn), 1 => Just(Turn::LATE)];
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(turn, 0..300)]
}

fn setting() -> impl Strategy<Value = (TlsMode, Setting)> {
    any::<bool>().prop_flat_map(|lmtp| {
        (
            (any::<bool>(), any::<bool>()),
            (prop::sample::select(vec![Chunking::Auto, Chunking::Yes, Chunking::No]), any::<bool>()),
            prop::sample::select(vec![TlsMode::Off, TlsMode::Off, TlsMode::StartTls, TlsMode::Implicit]),
            prop_oneof![Just(usize::MAX), 1usize..5, 5usize..200],
            prop_oneof![3 => Just(None), 1 => (0usize..3000).prop_map(Some), 1 => (0usize..300_000).prop_map(Some)],
            prop_oneof![3 => Just(None), 1 => (0usize..3000).prop_map(Some)],
            (turns(), any::<bool>()),
            prop::collection::vec(message(lmtp), 1..4),
        )
            .prop_map(
                move |((pipelining, offers_pipelining), (chunking, offers_chunking), tls, split, cut_up, cut_down, (turns, silent), mut messages)| {
                    if split < 100 {
                        // Octet by octet, small ones do.
                        messages.iter_mut().for_each(|message: &mut Message| message.content.truncate(400));
                        messages.iter_mut().for_each(|message| message.source_fails = message.source_fails.filter(|at| *at < message.content.len()));
                    }
                    let setting = Setting {
                        lmtp,
                        pipelining,
                        offers_pipelining,
                        chunking,
                        offers_chunking,
                        split,
                        cut_up,
                        cut_down,
                        silent,
                        turns,
                        messages,
                    };
                    (tls, setting)
                },
            )
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_the_client_says_is_what_the_server_knows((tls, setting) in setting()) {
        check(&setting, |client, server| secure(tls, client, server));
    }
}

#[test]
fn the_next_envelope_rides_behind_the_content() {
    // RFC 2920 §3.1; ARCHITECTURE.md, speed: many messages take one round trip each
    let message = Message {
        content: b"Subject: x\r\n\r\nhello\r\n".to_vec(),
        facts_known: true,
        rcpt: vec![250, 250],
        end: vec![250],
        source_fails: None,
    };
    let setting = Setting {
        lmtp: false,
        pipelining: true,
        offers_pipelining: true,
        chunking: Chunking::Auto,
        offers_chunking: false,
        split: usize::MAX,
        cut_up: None,
        cut_down: None,
        silent: false,
        turns: Vec::new(),
        messages: vec![message; 5],
    };
    let (outcomes, taken) = world::run(&setting, |_, _| {});
    assert_eq!(taken.len(), 5);
    assert!(
        outcomes
            .iter()
            .flatten()
            .flatten()
            .all(|disposition| matches!(disposition, Disposition::Delivered(_)))
    );
}

#[test]
fn a_tls_record_without_an_answer_is_no_turn_of_the_line() {
    // The report's round trips: input after output, and a key update or a ticket is no answer.
    let now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    config.security.mode = TlsMode::Implicit;
    config.security.client = Some(Arc::clone(&certificates().client));
    config.security.server_name = Some(ServerName::try_from("mx.example").unwrap());
    let mut client = Connection::new(now, Arc::new(config));
    let mut server = rustls::ServerConnection::new(Arc::clone(&certificates().server)).unwrap();
    // Carries what waits on either side, and returns what the client said.
    let carry = |client: &mut Connection, server: &mut rustls::ServerConnection| {
        let mut heard = Vec::new();
        loop {
            let wire = client.transmit().to_vec();
            client.handle_transmitted(now, wire.len());
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            let _ = std::io::Read::read_to_end(&mut server.reader(), &mut heard);
            let mut back = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut back).unwrap();
            }
            client.handle_input(now, &back);
            if wire.is_empty() && back.is_empty() {
                return String::from_utf8(heard).unwrap();
            }
        }
    };
    carry(&mut client, &mut server);
    let mut heard = String::new();
    for said in ["220 mx", "250 mx", "250 ok", "250 ok", "354 go", "250 taken"] {
        server.refresh_traffic_keys().unwrap();
        carry(&mut client, &mut server);
        std::io::Write::write_all(&mut server.writer(), format!("{said}\r\n").as_bytes()).unwrap();
        heard += &carry(&mut client, &mut server);
        if client.can_begin() && said == "250 mx" {
            let sender = Sender::new("a@example.org".parse().unwrap());
            let to = vec![Recipient::new("b@example.net".parse().unwrap())];
            client.submit(now, Envelope::new(sender, to)).unwrap();
        }
        if client.body_credit() > 0 {
            client.write_body(now, b"x\r\n").unwrap();
            client.finish_body(now).unwrap();
        }
        heard += &carry(&mut client, &mut server);
    }
    assert_eq!(
        heard,
        "EHLO client.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nx\r\n.\r\n"
    );
    let report = std::iter::from_fn(|| client.poll_event())
        .find_map(|event| if let Event::Done(_, report) = event { Some(report) } else { None });
    assert_eq!(report.unwrap().round_trips, 4);
}
