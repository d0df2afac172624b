//! Deliveries over real sockets on this machine.

mod common;

use std::{fs::File, io::Write, pin::pin, task::Poll, time::Duration};

use common::{Script, config, envelope, has_end_mark, plan, text};
use smtp_client_tokio::{Client, Message};
use smtp_proto::{
    Disposition, Endpoint, Error, Outcome, Phase, Plan, Timeouts,
    body::Facts,
    config::Protocol,
    error::{Kind, Unsendable},
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream, UnixListener},
};

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

async fn accept(listener: &TcpListener) -> Script<TcpStream> {
    Script::new(listener.accept().await.unwrap().0)
}

fn client(endpoints: &[&str]) -> Client {
    Client::new(plan(endpoints, &config()))
}

fn file(content: &[u8]) -> (tempfile::NamedTempFile, File) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = file.reopen().unwrap();
    writer.write_all(content).unwrap();
    (file, writer)
}

#[test]
fn futures_and_messages_are_send() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_sync<T: Sync>(value: T) -> T {
        value
    }
    let client = is_sync(client(&["tcp://127.0.0.1:1"]));
    drop(is_send(client.send(envelope(), is_send(Message::from("x")))));
    drop(is_send(client.send(envelope(), Message::from_reader(tokio::io::empty()))));
    drop(is_send(client.probe(0)));
    drop(is_send(Message::open("x")));
}

#[tokio::test]
async fn a_message_arrives_as_it_is_and_both_sides_say_so() {
    let (listener, endpoint) = listen().await;
    let script = async {
        let mut server = accept(&listener).await;
        let content = server.deliver().await;
        (content, String::from_utf8(server.rest().await.to_vec()).unwrap())
    };
    let client = client(&[&endpoint]);
    let message = "Subject: dots\r\n\r\n.hidden\nend";
    let (report, (content, heard)) = tokio::join!(client.send(envelope(), message), script);
    let report = report.unwrap();
    assert_eq!(content, b"Subject: dots\r\n\r\n..hidden\r\nend\r\n.\r\n");
    assert_eq!(report.outcome(), Outcome::Delivered);
    let Disposition::Delivered(reply) = &report.recipients[0].disposition else { panic!("{report:?}") };
    assert_eq!(reply.text(), "queued");
    // The size is known from the scan: line ends count, stuffed dots do not.
    assert!(heard.contains("MAIL FROM:<alice@example.org> SIZE=31\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n.\r\nQUIT\r\n"));
}

#[tokio::test]
async fn the_transcript_is_observed_in_order() {
    let (listener, endpoint) = listen().await;
    let mut config = config();
    config.transcript = true;
    let (sender, lines) = std::sync::mpsc::channel();
    let client = Client::new(plan(&[&endpoint], &config))
        .with_transcript(move |line| sender.send(line.to_string()).unwrap());
    let script = async { accept(&listener).await.deliver().await };
    let (report, _) = tokio::join!(client.send(envelope(), "x\r\n"), script);
    report.unwrap();
    let lines: Vec<String> = lines.try_iter().collect();
    let said: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.starts_with('*')).collect();
    assert_eq!(said[..2], ["S: 220 mx.example ESMTP", "C: EHLO client.example"]);
    assert_eq!(said.last(), Some(&"S: 221 bye"));
}

#[tokio::test]
async fn the_first_usable_target_gets_it_and_the_second_hears_nothing() {
    // T1
    let ((first, one), (second, two)) = (listen().await, listen().await);
    let client = client(&[&one, &two]);
    let script = async { accept(&first).await.deliver().await };
    let (report, _) = tokio::join!(client.send(envelope(), "x\r\n"), script);
    assert_eq!(report.unwrap().outcome(), Outcome::Delivered);
    let nobody = std::future::poll_fn(|cx| Poll::Ready(second.poll_accept(cx).is_pending())).await;
    assert!(nobody);
}

#[tokio::test]
async fn a_target_that_refuses_the_connection_is_followed_by_the_next() {
    // T4
    let ((first, one), (second, two)) = (listen().await, listen().await);
    drop(first);
    let client = client(&[&one, &two]);
    let script = async { accept(&second).await.deliver().await };
    let (report, _) = tokio::join!(client.send(envelope(), "x\r\n"), script);
    let report = report.unwrap();
    assert_eq!(report.outcome(), Outcome::Delivered);
    assert_eq!(report.attempts[0].kind(), Some(Kind::Network));
    assert_eq!(report.attempts.len(), 2);
}

#[tokio::test]
async fn localhost_is_looked_up() {
    let (listener, endpoint) = listen().await;
    let client = client(&[&endpoint.replace("127.0.0.1", "localhost")]);
    let script = async { accept(&listener).await.deliver().await };
    let (report, _) = tokio::join!(client.send(envelope(), "x\r\n"), script);
    assert_eq!(report.unwrap().outcome(), Outcome::Delivered);
}

#[tokio::test]
async fn a_refusal_in_mid_content_is_noticed_at_once_and_the_connection_closed() {
    // R55, law 8
    let (listener, endpoint) = listen().await;
    let client = client(&[&endpoint]);
    let script = tokio::spawn(async move {
        let mut server = accept(&listener).await;
        server.accept().await;
        let mut space = vec![0; 1024 * 1024];
        let mut taken = server.stream.read(&mut space).await.unwrap();
        server.say("552 5.3.4 too much\r\n").await;
        loop {
            match server.stream.read(&mut space).await {
                Ok(0) | Err(_) => return taken,
                Ok(read) => taken += read,
            }
        }
    });
    let message = Message::from_reader(tokio::io::repeat(b'x').take(1 << 34));
    let report = client.send(envelope(), message).await.unwrap();
    let failure = report.recipients[0].disposition.failure().unwrap();
    assert!(
        matches!(&failure.cause, Error::Refused { reply, .. } if reply.code().get() == 552),
        "{failure:?}"
    );
    assert!(script.await.unwrap() < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_server_that_takes_no_content_runs_into_the_body_timeout() {
    // N9, R54; in real time, since sockets know no other
    let (listener, endpoint) = listen().await;
    let mut config = config();
    let mut timeouts = Timeouts::DEFAULT;
    timeouts.body = Duration::from_millis(200);
    config.timeouts = timeouts;
    let client = Client::new(plan(&[&endpoint], &config));
    let script = async {
        let mut server = accept(&listener).await;
        server.accept().await;
        server
    };
    let (report, mut server) = tokio::join!(client.send(envelope(), text(32 * 1024 * 1024)), script);
    let report = report.unwrap();
    let failure = report.recipients[0].disposition.failure().unwrap();
    assert!(matches!(failure.cause, Error::Timeout(Phase::Body)), "{failure:?}");
    assert!(!has_end_mark(server.rest().await));
}

async fn over_unix(path: &str, listener: UnixListener) {
    let mut config = config();
    config.protocol = Protocol::Lmtp;
    let endpoint: Endpoint = format!("unix:{path}").parse().unwrap();
    let client = Client::new(Plan::new([endpoint], &config).unwrap().with_reuse(None));
    let script = async {
        let mut server = Script::new(listener.accept().await.unwrap().0);
        server.say("220 mx.example LMTP\r\n").await;
        server.turn("LHLO client.example\r\n", common::HELLO).await;
        server.envelope().await;
        let content = server.content().await;
        server.finish().await;
        content
    };
    let (report, content) = tokio::join!(client.send(envelope(), "x\r\n"), script);
    let report = report.unwrap();
    assert_eq!(report.outcome(), Outcome::Delivered, "{report:?}");
    assert_eq!(content, b"x\r\n.\r\n");
}

#[tokio::test]
async fn lmtp_over_a_unix_socket() {
    // R73
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lmtp");
    let listener = UnixListener::bind(&path).unwrap();
    over_unix(path.to_str().unwrap(), listener).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn lmtp_over_an_abstract_socket() {
    let name = format!("smtp-client-tokio-{}", std::process::id());
    let listener = UnixListener::bind(format!("\0{name}")).unwrap();
    over_unix(&format!("@{name}"), listener).await;
}

#[tokio::test]
async fn a_unix_socket_that_is_not_there_is_the_targets_failure() {
    let report = client(&["unix:/nonexistent/lmtp"]).send(envelope(), "x\r\n").await.unwrap();
    assert_eq!(report.outcome(), Outcome::Deferred);
    assert_eq!(report.attempts[0].kind(), Some(Kind::Network));
}

#[tokio::test]
async fn a_file_arrives_whole() {
    // Around the sizes of pieces and credit.
    for octets in [0, 1, 65_536, 131_071, 131_072, 131_073, 400_000] {
        let (listener, endpoint) = listen().await;
        let content = vec![b'x'; octets];
        let (file, _) = file(&content);
        let message = Message::open(file.path()).await.unwrap();
        let client = client(&[&endpoint]);
        let script = async { accept(&listener).await.deliver().await };
        let (report, heard) = tokio::join!(client.send(envelope(), message), script);
        assert_eq!(report.unwrap().outcome(), Outcome::Delivered);
        let end: &[u8] = if octets == 0 { b".\r\n" } else { common::END };
        assert!(heard == [&content, end].concat(), "{octets}: {} octets arrived", heard.len());
    }
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_opened() {
    let error = Message::open(std::env::temp_dir()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(Message::open("/nonexistent/message").await.is_err());
}

/// A file that is changed when it has been scanned, and before it is sent.
async fn changing(change: impl FnOnce(&mut File)) {
    // R54, SPEC section 6, row 13
    let (listener, endpoint) = listen().await;
    let (file, mut writer) = file(&text(300_000));
    let message = Message::open(file.path()).await.unwrap();
    let client = client(&[&endpoint]);
    let script = async {
        let mut server = accept(&listener).await;
        server.say("220 mx.example\r\n").await;
        server.turn("EHLO client.example\r\n", common::HELLO).await;
        change(&mut writer);
        server.envelope().await;
        has_end_mark(server.rest().await)
    };
    let (result, ended) = tokio::join!(client.send(envelope(), message), script);
    let error = result.unwrap_err();
    assert_eq!(error.cause.kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(error.report.outcome(), Outcome::Deferred);
    assert!(!ended);
}

#[tokio::test]
async fn a_file_that_shrinks_is_never_ended() {
    changing(|file| file.set_len(200_000).unwrap()).await;
}

#[tokio::test]
async fn a_file_that_grows_is_never_ended() {
    changing(|file| file.write_all(b"one more line\r\n").unwrap()).await;
}

#[tokio::test]
async fn facts_that_are_not_true_are_a_failing_source() {
    let (listener, endpoint) = listen().await;
    let mut facts = Facts::default();
    facts.octets = 5;
    facts.size = 5;
    let message = Message::from_reader(&b"four"[..]).with_facts(facts);
    let client = client(&[&endpoint]);
    let script = async {
        let mut server = accept(&listener).await;
        server.accept().await;
        has_end_mark(server.rest().await)
    };
    let (result, ended) = tokio::join!(client.send(envelope(), message), script);
    assert!(result.is_err() && !ended);
}

#[tokio::test]
async fn content_that_the_policy_refuses_reaches_nobody() {
    // W16, W17: found by the scan
    let (listener, endpoint) = listen().await;
    let (file, _) = file(b"Subject: x\r\n\r\na\0b\r\n");
    for message in [Message::from("Subject: x\r\n\r\na\0b\r\n"), Message::open(file.path()).await.unwrap()] {
        let report = client(&[&endpoint]).send(envelope(), message).await.unwrap();
        let failure = report.recipients[0].disposition.failure().unwrap();
        assert!(matches!(failure.cause, Error::Unsendable(Unsendable::Content(_))), "{failure:?}");
        assert!(report.attempts.is_empty());
    }
    assert!(std::future::poll_fn(|cx| Poll::Ready(listener.poll_accept(cx).is_pending())).await);
}

#[tokio::test]
async fn dropping_a_send_closes_its_socket() {
    // D29
    let (listener, endpoint) = listen().await;
    let client = client(&[&endpoint]);
    let heard = {
        let mut sending = pin!(client.send(envelope(), Message::from_reader(tokio::io::repeat(b'x'))));
        let script = async {
            let mut server = accept(&listener).await;
            server.accept().await;
            server
        };
        tokio::select! {
            _ = &mut sending => panic!("it cannot end"),
            server = script => server,
        }
    }
    .rest()
    .await
    .to_vec();
    assert!(!has_end_mark(&heard));
}

#[tokio::test]
async fn a_probe_leaves_no_message() {
    let (listener, endpoint) = listen().await;
    let client = client(&[&endpoint]);
    let script = async {
        let mut server = accept(&listener).await;
        server.say("220 mx.example ESMTP\r\n").await;
        server.turn("EHLO client.example\r\n", common::HELLO).await;
        server.turn("QUIT\r\n", "221 bye\r\n").await;
        server.rest().await;
    };
    let (probe, ()) = tokio::join!(client.probe(0), script);
    assert!(probe.usable && probe.error.is_none(), "{probe:?}");
    assert_eq!(probe.greeting.as_deref(), Some("mx.example ESMTP"));
}
