//! TLS around a peer: a real rustls server in memory.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Instant,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::{
    manners::Judge,
    server::{HangUp, Peer},
};

/// A certificate authority and a server's certificate.
#[derive(Debug)]
pub struct Certificates {
    root: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Certificates {
    /// For a server of this name.
    ///
    /// # Panics
    /// If the name cannot stand in a certificate.
    #[must_use]
    pub fn for_name(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec![name.to_owned()])
            .and_then(|parameters| parameters.self_signed(&key))
            .expect("a certificate");
        let der = certificate.der().clone();
        Self { root: der.clone(), chain: vec![der], key: key.serialize_der() }
    }

    /// A client that trusts it.
    ///
    /// # Panics
    /// Never with rustls's own versions.
    #[must_use]
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    /// The server that shows it.
    ///
    /// # Panics
    /// Never with rustls's own versions.
    #[must_use]
    pub fn server(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .expect("a certificate and its key");
        Arc::new(config)
    }
}

/// What the TLS side does wrong, if anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mischief {
    /// Nothing.
    #[default]
    None,
    /// Hangs up when the ClientHello has come.
    HangUpInHandshake,
    /// Never answers the ClientHello.
    Silent,
    /// Says these octets in the place of a ServerHello.
    Garbage(&'static [u8]),
    /// Breaks a record after the handshake.
    CorruptAfterHandshake,
    /// Breaks the record in which it says this.
    CorruptAt(&'static str),
}

/// A peer that can speak TLS.
#[derive(Debug)]
pub struct Secure<P> {
    /// The server inside.
    pub inner: P,
    config: Arc<ServerConfig>,
    session: Option<ServerConnection>,
    was_established: bool,
    mischief: Mischief,
    /// Octets of the ClientHello, for mischief to wait for its end.
    heard: Vec<u8>,
    hung_up: bool,
    out: Vec<u8>,
    judge: Judge,
    /// The plaintext that the client sent inside TLS.
    pub received: Vec<u8>,
    /// The client closed TLS in order.
    pub close_notify: bool,
    /// The session failed on this side, as a client's alert makes it.
    pub failure: Option<rustls::Error>,
}

impl<P: Peer> Secure<P> {
    /// TLS when the peer asks for it: STARTTLS.
    #[must_use]
    pub fn starttls(inner: P, config: Arc<ServerConfig>, lmtp: bool) -> Self {
        Self {
            inner,
            config,
            session: None,
            was_established: false,
            mischief: Mischief::None,
            heard: Vec::new(),
            hung_up: false,
            out: Vec::new(),
            judge: Judge::new(lmtp, true),
            received: Vec::new(),
            close_notify: false,
            failure: None,
        }
        .after_greeting()
    }

    /// TLS from the first octet.
    ///
    /// # Panics
    /// If rustls does not take its own configuration.
    #[must_use]
    pub fn implicit(inner: P, config: Arc<ServerConfig>, lmtp: bool) -> Self {
        let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
        let mut secure = Self::starttls(inner, config, lmtp);
        secure.judge = Judge::new(lmtp, true);
        secure.session = Some(session);
        secure
    }

    /// The same with something wrong.
    #[must_use]
    pub fn with(mut self, mischief: Mischief) -> Self {
        self.mischief = mischief;
        self
    }

    fn after_greeting(mut self) -> Self {
        self.judge.server(b"220 was said before TLS\r\n");
        self
    }

    /// A whole record has come.
    fn has_client_hello(&self) -> bool {
        match self.heard.as_slice() {
            [_, _, _, high, low, rest @ ..] => rest.len() >= usize::from(u16::from_be_bytes([*high, *low])),
            _ => false,
        }
    }

    fn flush(&mut self) {
        let Some(session) = self.session.as_mut() else { return };
        while session.wants_write() {
            if session.write_tls(&mut self.out).unwrap_or(0) == 0 {
                break;
            }
        }
    }

    fn decrypt(&mut self, now: Instant, mut octets: &[u8]) {
        let Some(session) = self.session.as_mut() else { return };
        let mut plain = Vec::new();
        while !octets.is_empty() {
            if session.read_tls(&mut octets).is_err() {
                break;
            }
            match session.process_new_packets() {
                Ok(state) => {
                    self.close_notify |= state.peer_has_closed();
                    let start = plain.len();
                    plain.resize(start + state.plaintext_bytes_to_read(), 0);
                    let read = session.reader().read(&mut plain[start..]).unwrap_or(0);
                    plain.truncate(start + read);
                }
                Err(error) => {
                    self.failure = Some(error);
                    self.hung_up = true;
                    break;
                }
            }
            if self.close_notify {
                break;
            }
        }
        if !session.is_handshaking() && !std::mem::replace(&mut self.was_established, true) {
            self.inner.tls_established();
        }
        if !plain.is_empty() {
            self.judge.client(&plain);
            self.received.extend_from_slice(&plain);
            self.inner.receive(now, &plain);
        }
        self.flush();
    }
}

impl<P: Peer> Peer for Secure<P> {
    fn receive(&mut self, now: Instant, octets: &[u8]) {
        if self.session.is_none() && self.inner.wants_tls() {
            self.session = ServerConnection::new(Arc::clone(&self.config)).ok();
        }
        if self.session.is_none() {
            return self.inner.receive(now, octets);
        }
        let due = self.has_client_hello();
        self.heard.extend_from_slice(octets);
        let due = !due && self.has_client_hello();
        match self.mischief {
            Mischief::HangUpInHandshake | Mischief::Garbage(_) if !due => {}
            Mischief::HangUpInHandshake => self.hung_up = true,
            Mischief::Garbage(octets) => self.out.extend_from_slice(octets),
            Mischief::Silent => {}
            Mischief::None | Mischief::CorruptAfterHandshake | Mischief::CorruptAt(_) => {
                self.decrypt(now, octets)
            }
        }
    }

    fn speak(&mut self, now: Instant) -> Vec<u8> {
        if self.session.is_none() {
            return self.inner.speak(now);
        }
        if self.was_established && self.failure.is_none() {
            let said = self.inner.speak(now);
            self.judge.server(&said);
            if let Some(session) = self.session.as_mut() {
                let _ = session.writer().write_all(&said);
            }
            if self.inner.hung_up() == Some(HangUp::Close)
                && let Some(session) = self.session.as_mut()
            {
                session.send_close_notify();
            }
            let before = self.out.len();
            self.flush();
            let is_broken = match self.mischief {
                Mischief::CorruptAfterHandshake => !said.is_empty(),
                Mischief::CorruptAt(text) => String::from_utf8_lossy(&said).contains(text),
                _ => false,
            };
            if is_broken {
                let last = self.out.len() - 1;
                if last > before {
                    self.out[last] ^= 0xff;
                }
            }
        }
        std::mem::take(&mut self.out)
    }

    fn wakeup(&self) -> Option<Instant> {
        self.inner.wakeup()
    }

    fn hung_up(&self) -> Option<HangUp> {
        if self.hung_up { Some(HangUp::Close) } else { self.inner.hung_up() }
    }

    fn reads(&self) -> bool {
        self.inner.reads()
    }

    fn client_gone(&mut self) -> Vec<String> {
        let mut amiss = self.inner.client_gone();
        amiss.extend(self.judge.objections().iter().cloned());
        amiss
    }

    fn objections(&self) -> Vec<String> {
        self.judge.objections().to_vec()
    }
}
