//! From TLS options to a `rustls` client configuration.
//!
//! This module makes the configuration and nothing else: it reads no file, knows no platform root store
//! and picks no crypto provider. What a mail client never wants stays off: no ALPN (R224), no early data
//! (R223), no key log (R226), no renegotiation (rustls has none, R221).
//!
//! Which certificates pass is rustls's verifier's decision, and it is the one wanted: full chain, dates, key
//! usage (R216), subject alternative names alone, never the common name (R210), `*` for one whole left-most
//! label (R211). SRV-ID and URI-ID are ignored, which RFC 7817 §3 allows (R212).
use std::{fmt, sync::Arc};

use rustls::{
    CipherSuite, ClientConfig, NamedGroup, RootCertStore, SupportedCipherSuite, SupportedProtocolVersion,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    version,
};

mod names;
mod sessions;
#[cfg(test)]
mod tests;

pub use names::{cipher_suite, cipher_suite_name, group, group_name};

const ONLY_1_2: &[&SupportedProtocolVersion] = &[&version::TLS12];
const ONLY_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// A version this client speaks: nothing older is left to choose (R218).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246
    V1_2,
    /// RFC 8446
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}

/// Why there is no configuration.
///
/// Neither text nor sources ever hold key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsOptionsError {
    /// No trusted root was given, so no certificate could pass.
    #[error("no trusted root certificate: give the platform's roots or a root CA file")]
    NoRoots,
    /// PEM text that cannot be read.
    #[error("the {0} is not well-formed PEM: write it again with BEGIN and END lines around base64 text")]
    Pem(PemInput, #[source] PemFault),
    /// PEM text without the certificate it should hold.
    #[error("the {0} holds no certificate: it needs a BEGIN CERTIFICATE section")]
    NoCertificate(PemInput),
    /// A certificate that cannot be a trust anchor.
    #[error("certificate {nth} of the root CA PEM cannot be used as a root: replace or remove it")]
    Root {
        /// 1 is the first certificate of the text.
        nth: usize,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// PEM text without a private key.
    #[error("the client key holds no private key: it needs a PKCS#8, PKCS#1 or SEC1 section")]
    NoKey,
    /// A private key that needs a passphrase.
    #[error("the client key is encrypted: decrypt it with `openssl pkey -in KEY -out DECRYPTED-KEY`")]
    EncryptedKey,
    /// A private key, or its certificate, that the provider cannot use.
    #[error(
        "the client certificate and key cannot be used: take RSA of 2048 bits or more, P-256, P-384 or Ed25519"
    )]
    Identity(#[source] rustls::Error),
    /// The private key belongs to another certificate.
    #[error("the client key does not belong to the first certificate given with it: pair them again")]
    IdentityMismatch,
    /// The range of versions is empty.
    #[error("the oldest version allowed, {min}, is newer than the newest, {max}: swap them")]
    Versions {
        /// The oldest version allowed.
        min: TlsVersion,
        /// The newest version allowed.
        max: TlsVersion,
    },
    /// A list without entries.
    #[error("the list of {0} is empty: name one, or leave the list out")]
    EmptyList(&'static str),
    /// A name that maddy knows and TLS libraries of this kind do not implement (M55).
    #[error("{name} is not available: {reason}; use {instead}")]
    Unavailable {
        /// As it was written.
        name: &'static str,
        /// Why no such thing exists here.
        reason: &'static str,
        /// The nearest name or names that work.
        instead: &'static str,
    },
    /// A name that means nothing.
    #[error("unknown {what} {name:?}: use one of {known}")]
    UnknownName {
        /// Cipher suite or group.
        what: &'static str,
        /// As it was written.
        name: String,
        /// All names that work.
        known: &'static str,
    },
    /// A cipher suite the crypto provider does not have.
    #[error("the crypto provider has no cipher suite {0:?}: leave it out")]
    NoSuite(CipherSuite),
    /// A group the crypto provider does not have.
    #[error("the crypto provider has no key exchange group {0:?}: leave it out")]
    NoGroup(NamedGroup),
    /// The provider cannot serve what is left of it.
    #[error(
        "the crypto provider cannot serve these TLS versions, cipher suites and groups: allow more of them"
    )]
    Provider(#[source] rustls::Error),
}

/// Which PEM text an error speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemInput {
    /// Given to [`TlsOptions::root_ca_pem`].
    RootCa,
    /// The certificate given to [`TlsOptions::client_identity_pem`].
    ClientCert,
    /// The key given to [`TlsOptions::client_identity_pem`].
    ClientKey,
}

impl fmt::Display for PemInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RootCa => "root CA PEM",
            Self::ClientCert => "client certificate",
            Self::ClientKey => "client key",
        })
    }
}

/// What is wrong with PEM text, without quoting it: the reader's own message shows the line at fault,
/// which may be a line of a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemFault {
    /// A BEGIN line without its END line.
    #[error("a section has no END line")]
    NoEnd,
    /// A BEGIN line that is cut short.
    #[error("a BEGIN line is malformed")]
    BadBegin,
    /// Text between BEGIN and END that is no base64.
    #[error("a section is not base64")]
    Base64,
    /// Anything else.
    #[error("the text cannot be read")]
    Other,
}

impl From<pem::Error> for PemFault {
    fn from(error: pem::Error) -> Self {
        match error {
            pem::Error::MissingSectionEnd { .. } => Self::NoEnd,
            pem::Error::IllegalSectionStart { .. } => Self::BadBegin,
            pem::Error::Base64Decode(_) => Self::Base64,
            _ => Self::Other,
        }
    }
}

/// What a TLS client configuration is made of.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let ca = rcgen::generate_simple_self_signed(["ca.example".to_owned()])?.cert.pem();
/// use std::sync::Arc;
///
/// use smtp_proto::tls_options::{TlsOptions, TlsVersion};
///
/// let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
/// let config = TlsOptions::new()
///     .root_ca_pem(ca.as_bytes())?
///     .versions(TlsVersion::V1_2, TlsVersion::V1_3)?
///     .build(provider)?;
/// assert!(config.alpn_protocols.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TlsOptions {
    roots: RootCertStore,
    identity: Option<Identity>,
    min: TlsVersion,
    max: TlsVersion,
    suites: Option<Vec<CipherSuite>>,
    groups: Option<Vec<NamedGroup>>,
}

/// The client's certificate chain and key. rustls's `Debug` of a key elides it.
#[derive(Clone, Debug)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            roots: RootCertStore::empty(),
            identity: None,
            min: TlsVersion::V1_2,
            max: TlsVersion::V1_3,
            suites: None,
            groups: None,
        }
    }
}

impl TlsOptions {
    /// TLS 1.2 and 1.3, the provider's own suites and groups, no client certificate, and no roots yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds trusted roots, such as the platform's.
    #[must_use]
    pub fn roots(mut self, roots: RootCertStore) -> Self {
        self.roots.roots.extend(roots.roots);
        self
    }

    /// Adds every certificate of a PEM text to the trusted roots; other sections are skipped (M49).
    ///
    /// # Errors
    /// No certificate, malformed PEM, or a certificate that cannot be a root.
    pub fn root_ca_pem(mut self, pem: &[u8]) -> Result<Self, TlsOptionsError> {
        for (at, cert) in certificates(pem, PemInput::RootCa)?.into_iter().enumerate() {
            self.roots.add(cert).map_err(|source| TlsOptionsError::Root { nth: at + 1, source })?;
        }
        Ok(self)
    }

    /// Sets the certificate the client shows when asked, leaf first, and its key in PKCS#8, PKCS#1 or SEC1
    /// form (M50). Both may be the same text. Whether the two belong together is seen by
    /// [`TlsOptions::build`], which has the provider to compare them.
    ///
    /// # Errors
    /// Malformed PEM, no certificate, no key, or an encrypted key.
    pub fn client_identity_pem(mut self, cert: &[u8], key: &[u8]) -> Result<Self, TlsOptionsError> {
        let chain = certificates(cert, PemInput::ClientCert)?;
        self.identity = Some(Identity { chain, key: Arc::new(private_key(key)?) });
        Ok(self)
    }

    /// Sets the oldest and the newest version allowed (M51).
    ///
    /// # Errors
    /// `min` is newer than `max`.
    pub fn versions(mut self, min: TlsVersion, max: TlsVersion) -> Result<Self, TlsOptionsError> {
        if min > max {
            return Err(TlsOptionsError::Versions { min, max });
        }
        (self.min, self.max) = (min, max);
        Ok(self)
    }

    /// Limits the cipher suites, most preferred first; [`cipher_suite`] gives them by maddy's names (M52).
    ///
    /// The list limits each version it names a suite of: a list of TLS 1.2 suites leaves TLS 1.3 as the
    /// provider has it (M56).
    #[must_use]
    pub fn cipher_suites(mut self, suites: impl IntoIterator<Item = CipherSuite>) -> Self {
        self.suites = Some(suites.into_iter().collect());
        self
    }

    /// Limits the key exchange groups, most preferred first; [`group()`] gives them by maddy's names (M53).
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = NamedGroup>) -> Self {
        self.groups = Some(groups.into_iter().collect());
        self
    }

    /// Makes the configuration. Build once and share it: the sessions to resume live inside (R222), at
    /// least 256 for each server name.
    ///
    /// # Errors
    /// No roots, a key that does not fit its certificate, or a suite or group `provider` does not have.
    pub fn build(self, provider: Arc<CryptoProvider>) -> Result<Arc<ClientConfig>, TlsOptionsError> {
        if self.roots.is_empty() {
            return Err(TlsOptionsError::NoRoots);
        }
        let provider = self.narrow(provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.protocol_versions())
            .map_err(TlsOptionsError::Provider)?
            .with_root_certificates(self.roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { chain, key }) => {
                builder.with_client_auth_cert(chain, key.clone_key()).map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => TlsOptionsError::IdentityMismatch,
                    other => TlsOptionsError::Identity(other),
                })?
            }
        };
        config.resumption = Resumption::store(Arc::new(sessions::Sessions::default()));
        Ok(Arc::new(config))
    }

    fn protocol_versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match (self.min, self.max) {
            (_, TlsVersion::V1_2) => ONLY_1_2,
            (TlsVersion::V1_3, TlsVersion::V1_3) => ONLY_1_3,
            (TlsVersion::V1_2, TlsVersion::V1_3) => rustls::ALL_VERSIONS,
        }
    }

    /// The provider with only the chosen suites and groups, in the chosen order.
    fn narrow(&self, provider: Arc<CryptoProvider>) -> Result<Arc<CryptoProvider>, TlsOptionsError> {
        if self.suites.is_none() && self.groups.is_none() {
            return Ok(provider);
        }
        let mut narrowed = CryptoProvider::clone(&provider);
        if let Some(names) = &self.suites {
            narrowed.cipher_suites = narrow_suites(&provider.cipher_suites, names)?;
        }
        if let Some(names) = &self.groups {
            if names.is_empty() {
                return Err(TlsOptionsError::EmptyList("key exchange groups"));
            }
            narrowed.kx_groups = names
                .iter()
                .map(|name| {
                    let found = provider.kx_groups.iter().find(|group| group.name() == *name);
                    found.copied().ok_or(TlsOptionsError::NoGroup(*name))
                })
                .collect::<Result<_, _>>()?;
        }
        Ok(Arc::new(narrowed))
    }
}

fn narrow_suites(
    all: &[SupportedCipherSuite],
    names: &[CipherSuite],
) -> Result<Vec<SupportedCipherSuite>, TlsOptionsError> {
    if names.is_empty() {
        return Err(TlsOptionsError::EmptyList("cipher suites"));
    }
    let chosen = names
        .iter()
        .map(|name| {
            let found = all.iter().find(|suite| suite.suite() == *name);
            found.copied().ok_or(TlsOptionsError::NoSuite(*name))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut narrowed = Vec::with_capacity(all.len());
    // TLS 1.3 first, as providers have it (R218).
    for is_tls13 in [true, false] {
        let of_version = |suite: &&SupportedCipherSuite| suite.tls13().is_some() == is_tls13;
        let source = if chosen.iter().any(|suite| of_version(&suite)) { &chosen } else { all };
        narrowed.extend(source.iter().filter(of_version).copied());
    }
    Ok(narrowed)
}

/// All certificates of a PEM text, at least one.
fn certificates(text: &[u8], input: PemInput) -> Result<Vec<CertificateDer<'static>>, TlsOptionsError> {
    let certs = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsOptionsError::Pem(input, error.into()))?;
    if certs.is_empty() { Err(TlsOptionsError::NoCertificate(input)) } else { Ok(certs) }
}

/// The first private key of a PEM text.
fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsOptionsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        // Both encrypted forms say so: `BEGIN ENCRYPTED PRIVATE KEY` (RFC 7468 §11) and `Proc-Type:
        // 4,ENCRYPTED` (RFC 1421 §4.6.1.1).
        _ if memchr::memmem::find(text, b"ENCRYPTED").is_some() => TlsOptionsError::EncryptedKey,
        pem::Error::NoItemsFound => TlsOptionsError::NoKey,
        other => TlsOptionsError::Pem(PemInput::ClientKey, other.into()),
    })
}
