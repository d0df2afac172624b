//! Certificates and TLS configurations, made once: no stock test certificate fits (M57).

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use smtp_proto::tls_options::TlsOptions;

type Ca = CertifiedIssuer<'static, KeyPair>;

static CA: LazyLock<Ca> = LazyLock::new(|| ca("ladder CA"));
static OTHER_CA: LazyLock<Ca> = LazyLock::new(|| ca("somebody else's CA"));
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

/// The names of a server nothing is wrong with.
pub(crate) const GOOD: [&str; 7] =
    ["mx.example", "xn--bcher-kva.example", "10.0.0.1", "10.0.0.2", "10.0.0.3", "127.0.0.1", "::1"];

/// A server nothing is wrong with, in TLS 1.3 and 1.2.
pub(crate) static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| server(|_| {}));
/// The same, one version each.
pub(crate) static SERVER_12: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| version(&TLS12));
pub(crate) static SERVER_13: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| version(&TLS13));
/// Servers that want a certificate from the client.
pub(crate) static DEMANDING_12: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| demanding(&TLS12));
pub(crate) static DEMANDING_13: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| demanding(&TLS13));
/// Servers whose certificate must not pass.
pub(crate) static EXPIRED: LazyLock<Arc<ServerConfig>> =
    LazyLock::new(|| server(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)));
pub(crate) static WRONG_NAME: LazyLock<Arc<ServerConfig>> =
    LazyLock::new(|| named(&["other.example", "10.9.9.9"]));

fn ca(name: &str) -> Ca {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
}

fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CA.der().clone()).unwrap();
    Arc::new(roots)
}

fn key(pair: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(pair.serialize_der()).into()
}

fn serve(
    (cert, pair): (rcgen::Certificate, KeyPair),
    versions: &[&'static SupportedProtocolVersion],
    demanding: bool,
) -> Arc<ServerConfig> {
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&PROVIDER)).with_protocol_versions(versions).unwrap();
    let builder = if demanding {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots(), Arc::clone(&PROVIDER)).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    Arc::new(builder.with_single_cert(vec![cert.der().clone()], key(&pair)).unwrap())
}

fn issue(issuer: &Ca, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
    let pair = KeyPair::generate().unwrap();
    (params.signed_by(&pair, issuer).unwrap(), pair)
}

/// A server with a good certificate, but for what `change` makes of it.
pub(crate) fn server(change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
    let mut params = params(&GOOD);
    change(&mut params);
    serve(issue(&CA, &params), rustls::ALL_VERSIONS, false)
}

/// A server whose certificate is for these names.
pub(crate) fn named(names: &[&str]) -> Arc<ServerConfig> {
    serve(issue(&CA, &params(names)), rustls::ALL_VERSIONS, false)
}

fn version(version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    serve(issue(&CA, &params(&GOOD)), &[version], false)
}

fn demanding(version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    serve(issue(&CA, &params(&GOOD)), &[version], true)
}

/// A server whose certificate nobody vouches for but itself.
pub(crate) fn self_signed() -> Arc<ServerConfig> {
    let pair = KeyPair::generate().unwrap();
    let cert = params(&GOOD).self_signed(&pair).unwrap();
    serve((cert, pair), rustls::ALL_VERSIONS, false)
}

/// A server whose certificate comes from an authority that the client does not know.
pub(crate) fn of_another_ca() -> Arc<ServerConfig> {
    serve(issue(&OTHER_CA, &params(&GOOD)), rustls::ALL_VERSIONS, false)
}

/// A client that trusts [`CA`].
pub(crate) fn client() -> Arc<ClientConfig> {
    options().build(Arc::clone(&PROVIDER)).unwrap()
}

/// The same with a certificate of its own.
pub(crate) fn client_with_certificate() -> Arc<ClientConfig> {
    let (cert, pair) = issue(&CA, &params(&["client.example"]));
    options()
        .client_identity_pem(cert.pem().as_bytes(), pair.serialize_pem().as_bytes())
        .unwrap()
        .build(Arc::clone(&PROVIDER))
        .unwrap()
}

fn options() -> TlsOptions {
    TlsOptions::new().root_ca_pem(CA.pem().as_bytes()).unwrap()
}
