//! Against rustls's own server, in memory.

use rustls::{
    RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    pki_types::PrivateKeyDer,
    version::{TLS12, TLS13},
};

use super::*;

/// Both ends, with the handshake done.
fn established(version: &'static SupportedProtocolVersion) -> (Tls, ServerConnection) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut tls = Tls::new(Arc::new(client), "mx.example".try_into().unwrap()).unwrap();
    for _ in 0..4 {
        hear(&mut server, &wire_of(&mut tls, b""));
        tls.read(&said(&mut server), &mut Vec::new()).unwrap();
    }
    assert!(!tls.is_handshaking() && !server.is_handshaking());
    (tls, server)
}

fn wire_of(tls: &mut Tls, plain: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    tls.write(plain, &mut wire, &mut Vec::new());
    wire
}

/// What the server has to send.
fn said(server: &mut ServerConnection) -> Vec<u8> {
    let mut wire = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut wire).unwrap();
    }
    wire
}

/// What the server makes of these octets; true if the client has said that it ends the session.
fn hear(server: &mut ServerConnection, mut wire: &[u8]) -> (Vec<u8>, bool) {
    let (mut plain, mut has_ended) = (Vec::new(), false);
    while !wire.is_empty() {
        server.read_tls(&mut wire).unwrap();
        has_ended |= server.process_new_packets().unwrap().peer_has_closed();
        // At the end of what there is it would block.
        let _ = server.reader().read_to_end(&mut plain);
    }
    (plain, has_ended)
}

#[test]
fn the_version_has_its_name() {
    for (version, name) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        let (tls, _) = established(version);
        assert_eq!(tls.facts().version, name);
        assert!(tls.facts().cipher.starts_with("TLS"), "{:?}", tls.facts());
    }
}

#[test]
fn a_record_holds_16_kib_and_its_mark_tells_where_it_ends() {
    let (mut tls, mut server) = established(&TLS13);
    let plain: Vec<u8> = (0..40_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let (mut wire, mut marks) = (Vec::new(), Vec::new());
    tls.write(&plain, &mut wire, &mut marks);
    assert_eq!(marks.iter().map(|mark| mark.plain).collect::<Vec<_>>(), [16_384, 32_768, 40_000]);
    assert_eq!(marks.last().unwrap().wire, wire.len());
    // Up to a mark the server can read what the mark says, and without the octet before it, less.
    let first = marks[0].wire;
    assert_eq!(hear(&mut server, &wire[..first - 1]).0, []);
    assert_eq!(hear(&mut server, &wire[first - 1..first]).0, plain[..16_384]);
    assert_eq!(hear(&mut server, &wire[first..]).0, plain[16_384..]);
}

#[test]
fn a_goodbye_is_said_and_heard() {
    // R59
    let (mut tls, mut server) = established(&TLS13);
    let text = wire_of(&mut tls, b"QUIT\r\n");
    tls.close();
    assert_eq!(hear(&mut server, &text), (b"QUIT\r\n".to_vec(), false));
    assert_eq!(hear(&mut server, &wire_of(&mut tls, b"")), (Vec::new(), true));

    assert!(!tls.is_ended());
    server.writer().write_all(b"221 bye\r\n").unwrap();
    server.send_close_notify();
    let mut wire = said(&mut server);
    wire.extend_from_slice(b"what follows is nobody's");
    let mut plain = Vec::new();
    tls.read(&wire, &mut plain).unwrap();
    assert_eq!(plain, b"221 bye\r\n");
    assert!(tls.is_ended());
}

#[test]
fn what_came_before_a_broken_record_is_read() {
    let (mut tls, mut server) = established(&TLS12);
    server.writer().write_all(b"250 ok\r\n").unwrap();
    let good = said(&mut server);
    server.writer().write_all(b"250 ok\r\n").unwrap();
    let mut broken = said(&mut server);
    *broken.last_mut().unwrap() ^= 1;
    let mut plain = Vec::new();
    tls.read(&good, &mut plain).unwrap();
    assert!(matches!(tls.read(&broken, &mut plain), Err(TlsError::Failed(_))));
    assert_eq!(plain, b"250 ok\r\n");
    assert!(!tls.is_ended());
}

#[test]
fn records_come_in_any_pieces() {
    let (mut tls, mut server) = established(&TLS13);
    server.writer().write_all(&[b'x'; 50_000]).unwrap();
    let wire = said(&mut server);
    let mut plain = Vec::new();
    for piece in wire.chunks(7) {
        tls.read(piece, &mut plain).unwrap();
    }
    assert_eq!(plain, [b'x'; 50_000]);
    // More at once than rustls takes in one go.
    server.set_buffer_limit(None);
    server.writer().write_all(&[b'y'; 120_000]).unwrap();
    plain.clear();
    tls.read(&said(&mut server), &mut plain).unwrap();
    assert_eq!(plain, [b'y'; 120_000]);
}

#[test]
fn debug_says_how_far_it_is() {
    let (tls, _) = established(&TLS13);
    assert_eq!(format!("{tls:?}"), "Tls { handshaking: false, .. }");
}
