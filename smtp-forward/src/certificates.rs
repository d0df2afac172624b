//! Certificates: the platform's roots, and throw-away ones for servers of our own.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tracing::{debug, warn};

/// aws-lc, which has the post-quantum key exchange X25519MLKEM768; the feature `prefer-post-quantum` puts that first.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The platform's roots; empty where there are none.
pub(crate) fn platform_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(%error, "some of the platform's root certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (used, skipped) = roots.add_parsable_certificates(found.certs);
    debug!(used, skipped, "platform roots");
    roots
}

/// A server certificate that only those trust who are told to, and what to tell them.
#[derive(Debug)]
pub(crate) struct Throwaway {
    /// What to trust.
    pub(crate) ca_pem: String,
    /// The server's.
    pub(crate) config: Arc<ServerConfig>,
}

/// Why there is no server certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("the certificate cannot be made")]
    Make(#[from] rcgen::Error),
    #[error("the certificate and its key cannot be used")]
    Use(#[from] rustls::Error),
    #[error("not well-formed PEM, or without the section wanted")]
    Pem,
}

impl Throwaway {
    /// For these names and addresses. Its authority's key is gone when this returns.
    pub(crate) fn new(names: Vec<String>) -> Result<Self, CertificateError> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name.push(DnType::CommonName, "smtp-forward throw-away CA");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "smtp-forward throw-away server");
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &authority)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| CertificateError::Pem)?;
        let config = server_config(vec![certificate.der().clone()], key)?;
        Ok(Self { ca_pem: authority.pem(), config })
    }
}

/// From PEM texts, the leaf first.
pub(crate) fn server_config_pem(chain: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| CertificateError::Pem)?;
    if chain.is_empty() {
        return Err(CertificateError::Pem);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::Pem)?;
    Ok(server_config(chain, key)?)
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}
