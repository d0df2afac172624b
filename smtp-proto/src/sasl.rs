//! SASL, the client's half (RFC 4422, RFC 4954).
use crate::Secret;

/// Credentials as the operator gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// user and password
    Password { user: String, password: Secret },
    /// identity from the TLS client certificate; authzid or empty
    External { identity: String },
}

/// A mechanism this client speaks. (SCRAM, CRAM-MD5, XOAUTH2, OAUTHBEARER come later: design for multi-step, server-last data.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    Plain,
    Login,
    External,
}
impl Mechanism {
    pub const fn name(self) -> &'static str {
        todo!()
    }
    /// Reveals the secret to whoever reads the wire: needs a `Confidential` witness (D4).
    pub const fn reveals_secret(self) -> bool {
        todo!()
    }
}

/// Why an exchange cannot be started or continued; thiserror.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaslError {
    Placeholder,
}

/// One exchange in progress. Server octets in, client octets out; Debug never shows secrets; all buffers Secret.
pub struct Exchange {}
impl Exchange {
    pub fn new(_mechanism: Mechanism, _credentials: &Credentials) -> Result<Self, SaslError> {
        todo!()
    }
    pub fn mechanism(&self) -> Mechanism {
        todo!()
    }
    /// Sent with AUTH; None: wait for the first challenge. Some(empty) is `=`. Calling it (once) advances the machine.
    pub fn initial_response(&mut self) -> Option<Secret> {
        todo!()
    }
    /// Answers a decoded challenge. At most 16 (N38, R111, D35).
    pub fn respond(&mut self, _challenge: &[u8]) -> Result<Secret, SaslError> {
        todo!()
    }
    /// The server said 235: is the exchange satisfied (R124)?
    pub fn finish(&self) -> Result<(), SaslError> {
        todo!()
    }
}
/// Decodes the text of a 334 reply: strict base64, empty allowed (R102, R103)
pub fn decode_challenge(_text: &[u8]) -> Result<Secret, SaslError> {
    todo!()
}
