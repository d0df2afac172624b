//! TLS inside the core: the only file that names rustls's connection types.
//!
//! The engine speaks plaintext; this layer turns it into records on the way out and back on the way in. rustls is itself sans-IO, so
//! all that happens here is moving octets and keeping the account of which plaintext octet left with which record: the engine must know
//! what the peer can have seen ([`Sealed`]).

use std::{
    fmt,
    io::{Read, Write},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use crate::error::TlsError;

/// What a handshake has established.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite's IANA name.
    pub cipher: String,
    /// The key exchange group, where known.
    pub group: Option<String>,
    /// The certificate was verified for the configured name; always true, since the handshake fails otherwise.
    pub verified: bool,
}

/// One plaintext boundary in the wire octets: once `wire` octets are out, the peer can have read `plain`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    pub(crate) wire: usize,
    pub(crate) plain: usize,
}

/// Plaintext per record; rustls's own default fragment size.
const RECORD: usize = 16 * 1024;

pub(crate) struct Tls {
    session: ClientConnection,
    /// close_notify has come.
    ended: bool,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("handshaking", &self.session.is_handshaking()).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {
        let mut session = ClientConnection::new(config, name).map_err(TlsError::Failed)?;
        // What may be queued is the engine's decision (N40), made before the octets come here.
        session.set_buffer_limit(None);
        Ok(Self { session, ended: false })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Takes records from the wire and appends their plaintext to `plain`.
    ///
    /// Plaintext that came before a broken record is delivered together with the error.
    pub(crate) fn read(&mut self, mut wire: &[u8], plain: &mut Vec<u8>) -> Result<(), TlsError> {
        while !wire.is_empty() {
            // Reading from a slice cannot fail; what is taken is processed at once, so there is room for a record.
            let taken = self.session.read_tls(&mut wire);
            let state = self.session.process_new_packets().map_err(TlsError::Failed)?;
            let ready = state.plaintext_bytes_to_read();
            let start = plain.len();
            plain.resize(start + ready, 0);
            let read = self.session.reader().read(plain.get_mut(start..).unwrap_or_default());
            plain.truncate(start + read.unwrap_or(0));
            if state.peer_has_closed() {
                // Whatever follows close_notify is not part of the stream.
                self.ended = true;
                return Ok(());
            }
            if !matches!(taken, Ok(1..)) {
                return Err(TlsError::Failed(rustls::Error::General("record too large to buffer".into())));
            }
        }
        Ok(())
    }

    /// Appends the wire form of handshake messages and of `plain` to `wire`, one [`Sealed`] mark a record.
    pub(crate) fn write(&mut self, plain: &[u8], wire: &mut Vec<u8>, marks: &mut Vec<Sealed>) {
        self.flush(wire);
        if self.session.is_handshaking() {
            return;
        }
        let mut done = 0;
        for record in plain.chunks(RECORD) {
            // Writing to rustls's unbounded buffer cannot fail.
            let _ = self.session.writer().write_all(record);
            self.flush(wire);
            done += record.len();
            marks.push(Sealed { wire: wire.len(), plain: done });
        }
    }

    /// Queues close_notify (R59).
    pub(crate) fn close(&mut self) {
        self.session.send_close_notify();
    }

    /// The server ended the session by close_notify: the end of the stream, whatever the transport does.
    pub(crate) const fn is_ended(&self) -> bool {
        self.ended
    }

    fn flush(&mut self, wire: &mut Vec<u8>) {
        while self.session.wants_write() && matches!(self.session.write_tls(wire), Ok(1..)) {}
    }

    pub(crate) fn facts(&self) -> TlsFacts {
        let version = match self.session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "unknown",
        };
        let cipher = self
            .session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str().map(str::to_owned))
            .unwrap_or_default();
        let group = self
            .session
            .negotiated_key_exchange_group()
            .and_then(|group| group.name().as_str().map(str::to_owned));
        TlsFacts { version, cipher, group, verified: true }
    }
}

#[cfg(test)]
mod tests;
