//! Certificates that must not pass, and records that no TLS library would write.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs::cipher_suite, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

/// The name that the client verifies.
pub(crate) const NAME: &str = "mx.example";

type Ca = CertifiedIssuer<'static, KeyPair>;

static CA: LazyLock<Ca> = LazyLock::new(|| ca("the trusted CA"));
static OTHER: LazyLock<Ca> = LazyLock::new(|| ca("somebody else's CA"));

/// A server's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing is wrong.
    Good,
    /// One version only.
    Only12,
    Only13,
    /// Certificates that must not pass.
    Expired,
    NotYet,
    WrongName,
    UnknownIssuer,
    SelfSigned,
    CaAsServer,
    /// It demands a certificate from the client.
    Demanding,
    /// It speaks before the client's Finished (RFC 8446 §4.4.4).
    HalfRtt,
    /// The keys are taken out after the handshake, so that any record can be written.
    Forged12,
    Forged13,
}

impl Kind {
    pub(crate) fn named(word: &str) -> Self {
        match word {
            "good" => Self::Good,
            "1.2" => Self::Only12,
            "1.3" => Self::Only13,
            "expired" => Self::Expired,
            "not-yet" => Self::NotYet,
            "wrong-name" => Self::WrongName,
            "unknown-issuer" => Self::UnknownIssuer,
            "self-signed" => Self::SelfSigned,
            "ca-as-server" => Self::CaAsServer,
            "demanding" => Self::Demanding,
            "forged-1.2" => Self::Forged12,
            "forged-1.3" => Self::Forged13,
            _ => panic!("no such TLS: {word}"),
        }
    }

    pub(crate) const fn is_forged(self) -> bool {
        matches!(self, Self::Forged12 | Self::Forged13)
    }

    fn versions(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Only12 | Self::Forged12 => vec![&TLS12],
            Self::Only13 | Self::Forged13 | Self::HalfRtt => vec![&TLS13],
            _ => rustls::ALL_VERSIONS.to_vec(),
        }
    }

    fn provider(self) -> Arc<CryptoProvider> {
        let mut provider = default_provider();
        if self.is_forged() {
            provider.cipher_suites = vec![
                cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            ];
        }
        Arc::new(provider)
    }

    fn certificate(self) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let name = if self == Self::WrongName { "other.example" } else { NAME };
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        match self {
            Self::Expired => parameters.not_after = rcgen::date_time_ymd(2020, 1, 1),
            Self::NotYet => parameters.not_before = rcgen::date_time_ymd(2999, 1, 1),
            Self::CaAsServer => parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            _ => {}
        }
        let certificate = match self {
            Self::SelfSigned => parameters.self_signed(&key),
            Self::UnknownIssuer => parameters.signed_by(&key, &*OTHER),
            _ => parameters.signed_by(&key, &*CA),
        };
        (certificate.expect("a certificate").der().clone(), key)
    }

    pub(crate) fn server(self) -> Arc<ServerConfig> {
        let (certificate, key) = self.certificate();
        let builder = ServerConfig::builder_with_provider(self.provider())
            .with_protocol_versions(&self.versions())
            .expect("versions");
        let builder = match self {
            Self::Demanding => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(), self.provider());
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
            _ => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = builder.with_single_cert(vec![certificate], key).expect("a certificate and its key");
        config.send_half_rtt_data = self == Self::HalfRtt;
        config.enable_secret_extraction = self.is_forged();
        Arc::new(config)
    }
}

fn ca(name: &str) -> Ca {
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("a CA")
}

fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CA.der().clone()).expect("a root");
    Arc::new(roots)
}

/// A client that trusts one CA and has no certificate.
pub(crate) fn client() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots())
        .with_no_client_auth();
    Arc::new(config)
}

/// One direction of a session whose keys were taken out: ChaCha20-Poly1305 (RFC 7905, RFC 8446 §5.2).
pub(crate) struct Direction {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    inner_type: bool,
}

impl Direction {
    pub(crate) fn new((sequence, secrets): (u64, ConnectionTrafficSecrets), inner_type: bool) -> Self {
        let ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } = secrets else { panic!("ChaCha20 only") };
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_ref()).expect("a key");
        let iv = iv.as_ref().try_into().expect("12 octets");
        Self { key: LessSafeKey::new(key), iv, sequence, inner_type }
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = self.iv;
        for (octet, counter) in nonce.iter_mut().skip(4).zip(self.sequence.to_be_bytes()) {
            *octet ^= counter;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    fn additional(&self, kind: u8, length: usize) -> Vec<u8> {
        let [high, low] = u16::try_from(length).expect("a record").to_be_bytes();
        if self.inner_type {
            return vec![23, 3, 3, high, low];
        }
        let mut additional = self.sequence.to_be_bytes().to_vec();
        additional.extend([kind, 3, 3, high, low]);
        additional
    }

    /// A record of this type.
    pub(crate) fn seal(&mut self, kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut sealed = payload.to_vec();
        let mut outer = kind;
        let mut covered = payload.len();
        if self.inner_type {
            sealed.push(kind);
            outer = 23;
            covered = sealed.len() + CHACHA20_POLY1305.tag_len();
        }
        let additional = Aad::from(self.additional(kind, covered));
        self.key.seal_in_place_append_tag(self.nonce(), additional, &mut sealed).expect("sealed");
        self.sequence += 1;
        let [high, low] = u16::try_from(sealed.len()).expect("a record").to_be_bytes();
        [vec![outer, 3, 3, high, low], sealed].concat()
    }

    /// The application data of a record; of others nothing.
    pub(crate) fn open(&mut self, kind: u8, mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let tag = CHACHA20_POLY1305.tag_len();
        let covered = if self.inner_type { sealed.len() } else { sealed.len().checked_sub(tag)? };
        let additional = Aad::from(self.additional(kind, covered));
        let length = self.key.open_in_place(self.nonce(), additional, &mut sealed).ok()?.len();
        self.sequence += 1;
        sealed.truncate(length);
        let kind = if self.inner_type { sealed.pop()? } else { kind };
        Some(if kind == 23 { sealed } else { Vec::new() })
    }
}
