//! maddy's names for cipher suites and groups (SPEC 1.7: M52, M53, M55).
use rustls::{CipherSuite, NamedGroup};

use super::TlsOptionsError;

const SUITES: [(&str, CipherSuite); 6] = [
    (RSA_AES128_GCM, CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    (RSA_AES256_GCM, CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    (RSA_CHACHA20, CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    (ECDSA_AES128_GCM, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    (ECDSA_AES256_GCM, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    (ECDSA_CHACHA20, CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
];
const SUITE_NAMES: &str = "ECDHE-RSA-WITH-AES128-GCM-SHA256, ECDHE-RSA-WITH-AES256-GCM-SHA384, \
     ECDHE-RSA-WITH-CHACHA20-POLY1305, ECDHE-ECDSA-WITH-AES128-GCM-SHA256, \
     ECDHE-ECDSA-WITH-AES256-GCM-SHA384, ECDHE-ECDSA-WITH-CHACHA20-POLY1305";

const RSA_AES128_GCM: &str = "ECDHE-RSA-WITH-AES128-GCM-SHA256";
const RSA_AES256_GCM: &str = "ECDHE-RSA-WITH-AES256-GCM-SHA384";
const RSA_CHACHA20: &str = "ECDHE-RSA-WITH-CHACHA20-POLY1305";
const ECDSA_AES128_GCM: &str = "ECDHE-ECDSA-WITH-AES128-GCM-SHA256";
const ECDSA_AES256_GCM: &str = "ECDHE-ECDSA-WITH-AES256-GCM-SHA384";
const ECDSA_CHACHA20: &str = "ECDHE-ECDSA-WITH-CHACHA20-POLY1305";

const RSA_KX: &str = "RSA key exchange has no forward secrecy";
const RC4: &str = "RC4 is broken (RFC 7465)";
const TRIPLE_DES: &str = "3DES has too small a block";
const CBC: &str = "CBC suites are open to padding attacks";

/// Name, reason, nearest suite that works.
const UNAVAILABLE_SUITES: [(&str, &str, &str); 16] = [
    ("RSA-WITH-AES128-GCM-SHA256", RSA_KX, RSA_AES128_GCM),
    ("RSA-WITH-AES256-GCM-SHA384", RSA_KX, RSA_AES256_GCM),
    ("RSA-WITH-RC4128-SHA", RSA_KX, RSA_CHACHA20),
    ("RSA-WITH-3DES-EDE-CBC-SHA", RSA_KX, RSA_CHACHA20),
    ("RSA-WITH-AES128-CBC-SHA", RSA_KX, RSA_AES128_GCM),
    ("RSA-WITH-AES256-CBC-SHA", RSA_KX, RSA_AES256_GCM),
    ("RSA-WITH-AES128-CBC-SHA256", RSA_KX, RSA_AES128_GCM),
    ("ECDHE-RSA-WITH-RC4128-SHA", RC4, RSA_CHACHA20),
    ("ECDHE-ECDSA-WITH-RC4128-SHA", RC4, ECDSA_CHACHA20),
    ("ECDHE-RSA-WITH-3DES-EDE-CBC-SHA", TRIPLE_DES, RSA_CHACHA20),
    ("ECDHE-RSA-WITH-AES128-CBC-SHA", CBC, RSA_AES128_GCM),
    ("ECDHE-RSA-WITH-AES256-CBC-SHA", CBC, RSA_AES256_GCM),
    ("ECDHE-ECDSA-WITH-AES128-CBC-SHA", CBC, ECDSA_AES128_GCM),
    ("ECDHE-ECDSA-WITH-AES256-CBC-SHA", CBC, ECDSA_AES256_GCM),
    ("ECDHE-RSA-WITH-AES128-CBC-SHA256", CBC, RSA_AES128_GCM),
    ("ECDHE-ECDSA-WITH-AES128-CBC-SHA256", CBC, ECDSA_AES128_GCM),
];

const GROUPS: [(&str, NamedGroup); 3] =
    [("X25519", NamedGroup::X25519), ("p256", NamedGroup::secp256r1), ("p384", NamedGroup::secp384r1)];
const GROUP_NAMES: &str = "X25519, p256, p384";

/// The TLS 1.2 cipher suite maddy calls `name`, such as `ECDHE-RSA-WITH-AES128-GCM-SHA256`, letter case as
/// maddy has it.
///
/// # Errors
/// A name of maddy's that rustls does not implement, with the reason and the nearest that works (M55); or
/// a name nobody knows.
pub fn cipher_suite(name: &str) -> Result<CipherSuite, TlsOptionsError> {
    if let Some((_, suite)) = SUITES.iter().find(|(known, _)| *known == name) {
        return Ok(*suite);
    }
    match UNAVAILABLE_SUITES.iter().find(|(known, ..)| *known == name) {
        Some(&(name, reason, instead)) => Err(TlsOptionsError::Unavailable { name, reason, instead }),
        None => Err(TlsOptionsError::UnknownName {
            what: "cipher suite",
            name: name.to_owned(),
            known: SUITE_NAMES,
        }),
    }
}

/// The key exchange group maddy calls `name`: `X25519`, `p256` or `p384` (M53).
///
/// # Errors
/// `p521`, which no provider has for key exchange, or a name nobody knows.
pub fn group(name: &str) -> Result<NamedGroup, TlsOptionsError> {
    if let Some((_, group)) = GROUPS.iter().find(|(known, _)| *known == name) {
        return Ok(*group);
    }
    Err(match name {
        "p521" => TlsOptionsError::Unavailable {
            name: "p521",
            reason: "no crypto provider has key exchange with it",
            instead: GROUP_NAMES,
        },
        _ => TlsOptionsError::UnknownName {
            what: "key exchange group",
            name: name.to_owned(),
            known: GROUP_NAMES,
        },
    })
}

/// maddy's name of a cipher suite; `None` for one that it has no name for.
#[must_use]
pub fn cipher_suite_name(suite: CipherSuite) -> Option<&'static str> {
    SUITES.iter().find(|(_, known)| *known == suite).map(|(name, _)| *name)
}

/// maddy's name of a key exchange group; `None` for one that it has no name for.
#[must_use]
pub fn group_name(group: NamedGroup) -> Option<&'static str> {
    GROUPS.iter().find(|(_, known)| *known == group).map(|(name, _)| *name)
}
