//! One program, two runtimes: the same source compiles and behaves alike over either client.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread::{JoinHandle, spawn},
};

use smtp_proto::{Config, Envelope, Plan, address::Mailbox};

/// Takes so many messages, one a connection; all that the clients said.
fn server(messages: usize) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("an address"));
    let serve = move || (0..messages).map(|_| session(&listener.accept().expect("a client").0)).collect();
    (endpoint, spawn(serve))
}

fn session(mut socket: &TcpStream) -> String {
    let mut heard = String::new();
    let mut in_content = false;
    socket.write_all(b"220 mx.example\r\n").expect("a client");
    for line in BufReader::new(socket).lines() {
        let line = line.expect("text");
        heard.push_str(&line);
        heard.push('\n');
        let answer: &[u8] = match line.as_str() {
            "." => b"250 2.0.0 queued\r\n",
            _ if in_content => continue,
            "DATA" => b"354 go\r\n",
            "QUIT" => b"221 bye\r\n",
            line if line.starts_with("EHLO") => b"250-mx.example\r\n250-PIPELINING\r\n250 SIZE\r\n",
            _ => b"250 ok\r\n",
        };
        in_content = line == "DATA";
        socket.write_all(answer).expect("a client");
    }
    heard
}

fn plan(endpoint: &str) -> Plan {
    let mut config = Config::new("client.example".parse().expect("a name"));
    config.transcript = true;
    Plan::new([endpoint.parse().expect("an endpoint")], &config).expect("a plan").with_reuse(None)
}

fn envelope() -> Envelope {
    let mailbox = |text: &str| text.parse::<Mailbox>().expect("a mailbox");
    Envelope::new(mailbox("alice@example.org").into(), vec![mailbox("bob@example.net").into()])
}

/// Uses everything that is public, and says what can be told of it without knowing the port.
macro_rules! program {
    ($name:ident, $client:ident) => {
        async fn $name(endpoint: &str, path: &std::path::Path) -> Vec<String> {
            use std::sync::{Arc, Mutex};

            use smtp_proto::{Secret, body::Facts, sasl::Credentials};
            use $client::{Client, Message, SourceError};

            let lines = Arc::new(Mutex::new(Vec::new()));
            let observed = Arc::clone(&lines);
            let client = Client::new(plan(endpoint))
                .with_transcript(move |line| observed.lock().expect("lines").push(line.to_string()));
            let mut told = Vec::new();

            let probe = client.clone().probe(0).await;
            told.push(format!("{} {:?} {:?}", probe.usable, probe.greeting, probe.error));

            let file = std::fs::File::open(path).expect("a file");
            let messages = [
                Message::from("text\r\n"),
                Message::from(String::from("string\r\n")),
                Message::from(b"octets\r\n".as_slice()),
                Message::from(b"vector\r\n".to_vec()),
                Message::from_bytes(b"bytes\r\n".as_slice()),
                Message::from_reader(b"reader\r\n".as_slice()),
                Message::from_file(file),
                Message::open(path).await.expect("a file"),
            ];
            for message in messages {
                told.push(format!("{message:?}"));
                let report = client.send(envelope(), message).await.expect("a source");
                told.push(format!("{:?} {}", report.outcome(), report.round_trips));
            }

            let mut facts = Facts::default();
            facts.octets = 1000;
            let message = Message::from_reader(b"short\r\n".as_slice()).with_facts(facts);
            let credentials =
                Credentials::Password { user: "user".to_owned(), password: Secret::from("password") };
            let sent = client.send_as(credentials, envelope(), message).await;
            let SourceError { cause, report } = sent.expect_err("it is too short");
            told.push(format!("{cause} {:?}", report.outcome()));
            told.push(Message::open("/nonexistent").await.expect_err("no file").to_string());

            let refused = client.send(envelope(), "a\0b\r\n").await.expect("a source");
            told.push(format!("{:?}", refused.recipients));
            let sent = client.send_until(envelope(), "until\r\n", std::future::pending()).await;
            told.push(format!("until {:?}", sent.expect("a source").outcome()));
            told.extend(lines.lock().expect("lines").iter().filter(|line| !line.starts_with('*')).cloned());
            told
        }
    };
}

program!(on_tokio, smtp_client_tokio);
program!(on_async_std, smtp_client_async_std);

#[test]
fn one_program_runs_on_both_and_tells_the_same() {
    let path = std::env::temp_dir().join(format!("both-runtimes-{}.eml", std::process::id()));
    std::fs::write(&path, "Subject: file\r\n\r\n.\r\n").expect("a file");

    let (endpoint, server_of_tokio) = server(11);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tokio = runtime.block_on(on_tokio(&endpoint, &path));
    let (endpoint, server_of_async_std) = server(11);
    let async_std = async_std::task::block_on(on_async_std(&endpoint, &path));

    std::fs::remove_file(&path).expect("a file");
    assert_eq!(tokio, async_std);
    assert!(tokio.iter().filter(|told| told.starts_with("Delivered")).count() == 8, "{tokio:#?}");
    let heard = server_of_tokio.join().expect("a server");
    assert_eq!(heard, server_of_async_std.join().expect("a server"));
    assert!(heard[8].contains("\nDATA\nSubject: file\n\n..\n.\nQUIT\n"), "{}", heard[8]);
}

/// A word that only somebody who decides about SMTP would need: a verb, or a reply code.
fn is_smtp(word: &str) -> bool {
    const VERBS: [&str; 12] =
        ["EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT", "AUTH", "NOOP", "STARTTLS"];
    let code = word.len() == 3 && word.bytes().all(|octet| octet.is_ascii_digit());
    VERBS.contains(&word) || (code && matches!(word.as_bytes().first(), Some(b'2'..=b'5')))
}

#[test]
fn no_adapter_knows_a_verb_or_a_reply_code() {
    // The rule of the rooms: what is SMTP is in the core.
    let mut looked_at = 0;
    for adapter in ["smtp-client-tokio", "smtp-client-async-std"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(adapter).join("src");
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()) {
            if entry.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&entry).expect("text");
            looked_at += 1;
            let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            let found: Vec<&str> = code
                .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
                .filter(|word| is_smtp(word))
                .collect();
            assert!(found.is_empty(), "{}: {found:?}", entry.display());
        }
    }
    assert!(looked_at >= 12);
    assert!(is_smtp("RSET") && is_smtp("421") && !is_smtp("1024") && !is_smtp("Data"));
}
