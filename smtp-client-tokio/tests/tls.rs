//! TLS over real sockets: implicit, STARTTLS, and the plaintext retry.

mod common;

use std::sync::Arc;

use common::{Script, config, envelope, plan};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use smtp_client_tokio::Client;
use smtp_proto::{Config, Error, Outcome, Phase, config::TlsMode, error::Kind};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A server's identity, and a client that trusts it.
fn identity() -> (TlsAcceptor, Arc<ClientConfig>) {
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
    (TlsAcceptor::from(Arc::new(server)), Arc::new(client))
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

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

/// Up to the reply to STARTTLS.
async fn starttls(socket: TcpStream) -> TcpStream {
    let mut server = Script::new(socket);
    server.say("220 mx.example\r\n").await;
    server.turn("EHLO client.example\r\n", "250-mx.example\r\n250 STARTTLS\r\n").await;
    server.turn("STARTTLS\r\n", "220 go\r\n").await;
    server.stream
}

#[tokio::test]
async fn implicit_tls() {
    // R94
    let (listener, address) = listen().await;
    let (acceptor, trust) = identity();
    let client = Client::new(plan(&[&format!("tls://{address}")], &secured(trust, true)));
    let script = async {
        let tls = acceptor.accept(accept(&listener).await).await.unwrap();
        let mut server = Script::new(tls);
        let content = server.deliver().await;
        server.rest().await;
        content
    };
    let (report, content) = tokio::join!(client.send(envelope(), "Subject: x\r\n\r\nbody\r\n"), script);
    let report = report.unwrap();
    assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
    assert_eq!(content, b"Subject: x\r\n\r\nbody\r\n.\r\n");
    assert!(report.attempts[0].tls.is_some());
}

#[tokio::test]
async fn starttls_and_a_large_message() {
    // R83-R87
    let (listener, address) = listen().await;
    let (acceptor, trust) = identity();
    let client = Client::new(plan(&[&format!("tcp://{address}")], &secured(trust, true)));
    let message = common::text(3_000_000);
    let expected = [&message[..], b".\r\n"].concat();
    let script = tokio::spawn(async move {
        let socket = starttls(accept(&listener).await).await;
        let mut server = Script::new(acceptor.accept(socket).await.unwrap());
        server.accept_from_hello().await;
        // Looked through once only: the text is long.
        let mut content = vec![0; expected.len()];
        tokio::io::AsyncReadExt::read_exact(&mut server.stream, &mut content).await.unwrap();
        assert!(content == expected);
        server.finish().await;
    });
    let report = client.send(envelope(), message).await.unwrap();
    script.await.unwrap();
    assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
    assert!(report.attempts[0].tls.is_some() && !report.attempts[0].fell_back_to_plaintext);
}

#[tokio::test]
async fn where_tls_is_optional_a_failed_handshake_is_followed_by_plaintext() {
    // M65: a second connection to the same address
    let (listener, address) = listen().await;
    let ((acceptor, _), (_, trust_in_another)) = (identity(), identity());
    let endpoint = format!("tcp://{address}");
    let client = Client::new(plan(&[&endpoint, "tcp://127.0.0.1:1"], &secured(trust_in_another, false)));
    let script = async {
        let socket = starttls(accept(&listener).await).await;
        // The client's alert arrives: it does not know this certificate.
        let refused = acceptor.accept(socket).await.is_err();
        let mut server = Script::new(accept(&listener).await);
        let content = server.deliver().await;
        (refused, content)
    };
    let (report, (refused, content)) = tokio::join!(client.send(envelope(), "x\r\n"), script);
    let report = report.unwrap();
    assert!(refused);
    assert_eq!(content, b"x\r\n.\r\n");
    assert_eq!(report.outcome(), Outcome::Delivered);
    let [first, second] = report.attempts.as_slice() else { panic!("{:?}", report.attempts) };
    assert_eq!((first.kind(), first.phase), (Some(Kind::Tls), Phase::Tls));
    assert!(second.fell_back_to_plaintext && second.tls.is_none());
    assert_eq!(first.peer, second.peer);
}

#[tokio::test]
async fn where_tls_is_required_nothing_leaves_in_plaintext() {
    // M66
    let (listener, address) = listen().await;
    let ((acceptor, _), (_, trust_in_another)) = (identity(), identity());
    let client = Client::new(plan(&[&format!("tcp://{address}")], &secured(trust_in_another, true)));
    let script = async { acceptor.accept(starttls(accept(&listener).await).await).await.is_err() };
    let (report, refused) = tokio::join!(client.send(envelope(), "x\r\n"), script);
    let report = report.unwrap();
    assert!(refused);
    assert_eq!((report.outcome(), report.attempts.len()), (Outcome::Deferred, 1));
    assert!(matches!(report.attempts[0].error, Some(Error::Tls(_))));
    let nobody =
        std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx).is_pending())).await;
    assert!(nobody);
}

#[tokio::test]
async fn a_probe_reports_tls() {
    let (listener, address) = listen().await;
    let (acceptor, trust) = identity();
    let client = Client::new(plan(&[&format!("tcp://{address}")], &secured(trust, true)));
    let script = async {
        let socket = starttls(accept(&listener).await).await;
        let mut server = Script::new(acceptor.accept(socket).await.unwrap());
        server.turn("EHLO client.example\r\n", common::HELLO).await;
        server.turn("QUIT\r\n", "221 bye\r\n").await;
        server.rest().await;
    };
    let (probe, ()) = tokio::join!(client.probe(0), script);
    assert!(probe.usable && probe.error.is_none(), "{probe:?}");
    assert!(probe.tls.is_some() && probe.capabilities.pipelining());
}
