//! TLS over real sockets: implicit, STARTTLS, and the plaintext retry. The server is the core's own.

mod common;

use std::{sync::Arc, time::Instant};

use async_std::{
    net::{TcpListener, TcpStream},
    task::block_on,
};
use common::{config, envelope, plan};
use futures_lite::{
    AsyncReadExt, AsyncWriteExt,
    future::{poll_once, zip},
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use smtp_client_async_std::Client;
use smtp_proto::{
    Config, Error, Outcome, Phase,
    config::TlsMode,
    error::Kind,
    server::{self, Closed, Connection, Event, Tls},
};

/// A server's identity, and a client that trusts it.
fn identity() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

fn secured(client: Arc<ClientConfig>, required: bool) -> Config {
    let mut config = config();
    config.security.mode = TlsMode::StartTls;
    config.security.required = required;
    config.security.client = Some(client);
    config
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// What a server saw of one client.
struct Served {
    content: Vec<u8>,
    messages: usize,
    secured: bool,
    closed: Closed,
}

/// Takes one client, and everything from it.
async fn serve(listener: &TcpListener, tls: Tls) -> Served {
    let mut config = server::Config::new("mx.example".parse().unwrap());
    config.tls = tls;
    let mut machine = Connection::new(Instant::now(), Arc::new(config));
    let mut socket: TcpStream = listener.accept().await.unwrap().0;
    let (mut content, mut messages, mut closed) = (Vec::new(), 0, None);
    let mut space = vec![0; 64 * 1024];
    loop {
        while !machine.content().is_empty() {
            content.extend_from_slice(machine.content());
            machine.take_content(Instant::now(), machine.content().len());
        }
        while let Some(event) = machine.poll_event() {
            match event {
                Event::EndOfContent { .. } => messages += 1,
                Event::Closed(why) => closed = Some(why),
                _ => {}
            }
        }
        let octets = machine.transmit();
        if !octets.is_empty() {
            let Ok(written) = socket.write(octets).await else {
                machine.abort(Instant::now());
                continue;
            };
            machine.handle_transmitted(Instant::now(), written);
        } else if let Some(closed) = closed {
            return Served { content, messages, secured: machine.tls().is_some(), closed };
        } else {
            match socket.read(&mut space).await {
                Ok(0) => machine.handle_closed(Instant::now(), None),
                Ok(read) => machine.handle_input(Instant::now(), &space[..read]),
                Err(cause) => machine.handle_closed(Instant::now(), Some(&cause)),
            }
        }
    }
}

#[test]
fn implicit_tls() {
    // R94
    block_on(async {
        let (listener, address) = listen().await;
        let (server, trust) = identity();
        let client = Client::new(plan(&[&format!("tls://{address}")], &secured(trust, true)));
        let sending = client.send(envelope(), "Subject: x\r\n\r\nbody\r\n");
        let (report, served) = zip(sending, serve(&listener, Tls::Implicit(server))).await;
        let report = report.unwrap();
        assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
        assert!(report.attempts[0].tls.is_some() && served.secured);
        assert_eq!(served.content, b"Subject: x\r\n\r\nbody\r\n");
        assert_eq!(served.closed, Closed::Quit);
    });
}

#[test]
fn starttls_and_a_large_message() {
    // R83-R87
    block_on(async {
        let (listener, address) = listen().await;
        let (server, trust) = identity();
        let client = Client::new(plan(&[&format!("tcp://{address}")], &secured(trust, true)));
        let message = common::text(3_000_000);
        let sending = client.send(envelope(), message.clone());
        let (report, served) = zip(sending, serve(&listener, Tls::StartTls(server))).await;
        let report = report.unwrap();
        assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
        assert!(report.attempts[0].tls.is_some() && !report.attempts[0].fell_back_to_plaintext);
        assert!(served.content == message && served.secured);
    });
}

#[test]
fn where_tls_is_optional_a_failed_handshake_is_followed_by_plaintext() {
    // M65: a second connection to the same address
    block_on(async {
        let (listener, address) = listen().await;
        let ((server, _), (_, trust_in_another)) = (identity(), identity());
        let endpoint = format!("tcp://{address}");
        let client = Client::new(plan(&[&endpoint, "tcp://127.0.0.1:1"], &secured(trust_in_another, false)));
        let script = async {
            // The client's alert arrives: it does not know this certificate.
            let first = serve(&listener, Tls::StartTls(server)).await;
            (first, serve(&listener, Tls::Off).await)
        };
        let (report, (first, second)) = zip(client.send(envelope(), "x\r\n"), script).await;
        let report = report.unwrap();
        assert!(matches!(first.closed, Closed::Tls(_)), "{:?}", first.closed);
        assert_eq!(second.content, b"x\r\n");
        assert_eq!(report.outcome(), Outcome::Delivered);
        let [first, second] = report.attempts.as_slice() else { panic!("{:?}", report.attempts) };
        assert_eq!((first.kind(), first.phase), (Some(Kind::Tls), Phase::Tls));
        assert!(second.fell_back_to_plaintext && second.tls.is_none());
        assert_eq!(first.peer, second.peer);
    });
}

#[test]
fn where_tls_is_required_nothing_leaves_in_plaintext() {
    // M66
    block_on(async {
        let (listener, address) = listen().await;
        let ((server, _), (_, trust_in_another)) = (identity(), identity());
        let client = Client::new(plan(&[&format!("tcp://{address}")], &secured(trust_in_another, true)));
        let sending = client.send(envelope(), "x\r\n");
        let (report, served) = zip(sending, serve(&listener, Tls::StartTls(server))).await;
        let report = report.unwrap();
        assert!(matches!(served.closed, Closed::Tls(_)), "{:?}", served.closed);
        assert_eq!((report.outcome(), report.attempts.len()), (Outcome::Deferred, 1));
        assert!(matches!(report.attempts[0].error, Some(Error::Tls(_))));
        assert_eq!(served.messages, 0);
        assert!(poll_once(listener.accept()).await.is_none());
    });
}

#[test]
fn a_probe_reports_tls() {
    block_on(async {
        let (listener, address) = listen().await;
        let (server, trust) = identity();
        let client = Client::new(plan(&[&format!("tcp://{address}")], &secured(trust, true)));
        let (probe, served) = zip(client.probe(0), serve(&listener, Tls::StartTls(server))).await;
        assert!(probe.usable && probe.error.is_none(), "{probe:?}");
        assert!(probe.tls.is_some() && probe.capabilities.pipelining());
        assert_eq!((served.closed, served.messages), (Closed::Quit, 0));
    });
}
