//! `sink` as a server for others.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use super::support::{Sink, send};

#[test]
fn the_record_has_envelope_digest_and_transport() {
    let sink = Sink::start(&["--tls-self-signed"]);
    send(&sink.endpoint, &["--ca", sink.ca.as_deref().unwrap(), "--hostname", "client.example.org"]);
    let record = sink.record();
    let keys: Vec<_> = record.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "auth",
            "connection",
            "envelope",
            "file",
            "hello",
            "number",
            "peer",
            "round_trips",
            "sha256",
            "size",
            "tls"
        ]
    );
    assert_eq!((&record["number"], &record["connection"]), (&1.into(), &1.into()));
    assert_eq!(record["hello"], "client.example.org");
    assert_eq!(record["envelope"]["from"], "a@example.org");
    assert_eq!(record["envelope"]["size"], record["size"]);
    assert_eq!(record["tls"]["server_name"], serde_json::Value::Null, "an address is not asked for by name");
    assert!(record["auth"].is_null());
    assert!(record["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn discard_stores_nothing() {
    let sink = Sink::start(&["--discard"]);
    send(&sink.endpoint, &[]);
    assert!(sink.record()["file"].is_null());
    assert!(!sink.maildir().exists());
}

#[test]
fn sigterm_ends_it_well_and_takes_its_files_along() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("sock");
    let sink = Sink::listening(&format!("unix://{}", socket.display()), &["--tls-self-signed"]);
    let ca = sink.ca.clone().unwrap();
    assert!(socket.exists() && std::path::Path::new(&ca).exists());
    assert_eq!(sink.stop(), 0);
    assert!(!socket.exists() && !std::path::Path::new(&ca).exists());
}

#[test]
fn sigterm_tells_who_is_connected() {
    let sink = Sink::start(&[]);
    let mut client = TcpStream::connect(("127.0.0.1", sink.port())).unwrap();
    let mut greeting = [0; 4];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(sink.stop(), 0);
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\r\n421 "), "{rest}");
}

#[test]
fn a_message_cut_off_leaves_nothing() {
    let sink = Sink::start(&[]);
    let mut client = TcpStream::connect(("127.0.0.1", sink.port())).unwrap();
    let mut greeting = [0; 4];
    client.read_exact(&mut greeting).unwrap();
    client.write_all(b"EHLO x\r\n").unwrap();
    let mut buffer = [0; 4096];
    let _ = client.read(&mut buffer).unwrap();
    client.write_all(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n").unwrap();
    let mut seen = Vec::new();
    while !seen.windows(5).any(|octets| octets == b"\n354 ") {
        let length = client.read(&mut buffer).unwrap();
        assert!(length > 0);
        seen.extend_from_slice(&buffer[..length]);
    }
    client.write_all(b"Subject: half\r\n").unwrap();
    drop(client);
    assert!(sink.is_empty());
    for folder in ["new", "tmp"] {
        assert_eq!(std::fs::read_dir(sink.maildir().join(folder)).unwrap().count(), 0);
    }
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let sink = Sink::start(&["--discard"]);
    let done = super::support::run(["sink", "--discard", "--listen", &sink.endpoint]);
    assert_eq!(done.code, 69, "{done:?}");
    assert!(done.err.contains("cannot listen"), "{done:?}");
}
