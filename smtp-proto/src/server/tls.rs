//! TLS on the server's side: moving octets between the session's plaintext and the wire.

use std::{
    fmt,
    io::{Read, Write},
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection, pki_types::CertificateDer};

/// What a handshake has established.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite's IANA name.
    pub cipher: String,
    /// The key exchange group, where known.
    pub group: Option<String>,
    /// The server name the client asked for (SNI).
    pub server_name: Option<String>,
    /// The client's own certificate, if it has shown one; verified as the `rustls` configuration demands.
    pub client_certificate: Option<CertificateDer<'static>>,
}

impl fmt::Debug for TlsFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFacts")
            .field("version", &self.version)
            .field("cipher", &self.cipher)
            .field("group", &self.group)
            .field("server_name", &self.server_name)
            .field("client_certificate", &self.client_certificate.is_some())
            .finish()
    }
}

pub(super) struct Tls {
    session: ServerConnection,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("handshaking", &self.session.is_handshaking()).finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let mut session = ServerConnection::new(config)?;
        // How much may be queued is the session's decision, made before the octets come here.
        session.set_buffer_limit(None);
        Ok(Self { session })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Takes records and appends their plaintext; whether the client has said that nothing follows. What came before a broken record
    /// is there together with the error.
    pub(super) fn read(&mut self, mut wire: &[u8], plain: &mut Vec<u8>) -> Result<bool, rustls::Error> {
        while !wire.is_empty() {
            let before = wire.len();
            // Reading from a slice cannot fail; a full buffer takes nothing until it is processed below.
            let taken = self.session.read_tls(&mut wire);
            let state = self.session.process_new_packets()?;
            let ready = state.plaintext_bytes_to_read();
            if ready > 0 {
                let start = plain.len();
                plain.resize(start + ready, 0);
                let read = self.session.reader().read(plain.get_mut(start..).unwrap_or_default());
                plain.truncate(start + read.unwrap_or(0));
            }
            if state.peer_has_closed() {
                return Ok(true); // what follows close_notify is not part of the stream
            }
            if taken.is_err() || (wire.len() == before && ready == 0) {
                return Err(rustls::Error::General("record too large to buffer".into()));
            }
        }
        Ok(false)
    }

    /// Appends the wire form of handshake messages, and of `plain` once they are done; whether `plain` is used up.
    pub(super) fn write(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> bool {
        let ready = !self.session.is_handshaking();
        if ready && !plain.is_empty() {
            // Writing to rustls's unbounded buffer cannot fail.
            let _ = self.session.writer().write_all(plain);
        }
        while self.session.wants_write() {
            if self.session.write_tls(wire).unwrap_or(0) == 0 {
                break;
            }
        }
        ready
    }

    /// Queues close_notify.
    pub(super) fn close(&mut self) {
        self.session.send_close_notify();
    }

    pub(super) fn facts(&self) -> TlsFacts {
        let session = &self.session;
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "unknown",
        };
        let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let group = session.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
        TlsFacts {
            version,
            cipher: suite.unwrap_or_default().to_owned(),
            group: group.map(str::to_owned),
            server_name: session.server_name().map(str::to_owned),
            client_certificate: session
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|certificate| certificate.clone().into_owned()),
        }
    }
}
