//! SCRAM-SHA-256 (RFC 5802, RFC 7677): each side proves that it knows the password, and neither says it.
//!
//! Theory. Both messages of the server are read strictly: whatever is not exactly as RFC 5802 §7 has it ends the exchange. Nothing is
//! computed before the number of iterations is known to be bearable, for it is the server that chooses it. What is derived from the
//! password is wiped when let go of; what a hash keeps inside on its way is not in our hands.
//!
//! Without channel binding, see [`gs2::header`].

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Begun, Credentials, Field, Mechanism, SaslError, Steps, gs2, prepare};
use crate::{Random, Secret};

#[cfg(test)]
mod tests;

const THIS: Mechanism = Mechanism::ScramSha256;

/// What a server may ask for (R123, N28, D35): fewer are too easily guessed at, more keep us busy for its pleasure.
const LEAST_ITERATIONS: u32 = 4096;
const MOST_ITERATIONS: u32 = 1_000_000;

/// Random octets of the nonce; 24 characters in base64, which has no comma (RFC 5802 §5.1).
const NONCE: usize = 18;

/// A key, a digest or a signature.
type Octets = Zeroizing<[u8; 32]>;

pub(super) fn begin(credentials: &Credentials, random: Option<&Random>) -> Result<Begun, SaslError> {
    let mut octets = [0; NONCE];
    let filled = random.map(|random| random.fill(&mut octets));
    begin_with(credentials, STANDARD.encode(octets), matches!(filled, Some(Ok(()))))
}

fn begin_with(credentials: &Credentials, nonce: String, is_random: bool) -> Result<Begun, SaslError> {
    let account = credentials.account().ok_or(SaslError::WrongCredentials(THIS))?;
    prepare::refuse_nul(Field::Identity, account.identity.as_bytes())?; // preparing it is the server's part
    let user = prepare::prepare(Field::User, account.user.as_bytes())?; // R126
    let password = prepare::prepare(Field::Password, account.password.expose())?;
    if !is_random {
        return Err(SaslError::NoRandomness(THIS));
    }
    let user = str::from_utf8(user.expose()).map_err(|_| SaslError::NotUtf8(Field::User))?;
    let header = gs2::header(account.identity);
    let bare = format!("n={},r={nonce}", gs2::name(user));
    let initial = Secret::from(format!("{header}{bare}"));
    let steps = Scram { header, bare, nonce, password: Some(password), expected: None, verified: false };
    Ok(Begun { initial: Some(initial), steps: Box::new(steps) })
}

struct Scram {
    /// `gs2-header`, which comes back in `c=`.
    header: String,
    /// `client-first-message-bare`.
    bare: String,
    nonce: String,
    /// Until the proof is made.
    password: Option<Secret>,
    /// Then, until the server's signature has come.
    expected: Option<Octets>,
    verified: bool,
}

impl Steps for Scram {
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslError> {
        if let Some(password) = self.password.take() {
            return self.prove(&password, challenge);
        }
        let expected = self.expected.take().ok_or(SaslError::UnexpectedChallenge(THIS))?;
        let signature = server_final(challenge)?;
        if !bool::from(signature.ct_eq(expected.as_slice())) {
            return Err(SaslError::WrongSignature(THIS)); // R124
        }
        self.verified = true;
        Ok(Secret::new([])) // R102, R106
    }

    fn finish(&self) -> Result<(), SaslError> {
        if self.verified { Ok(()) } else { Err(SaslError::Incomplete(THIS)) } // R124
    }
}

impl Scram {
    /// `client-final-message` (RFC 5802 §3).
    fn prove(&mut self, password: &Secret, challenge: &[u8]) -> Result<Secret, SaslError> {
        let first = ServerFirst::read(challenge, &self.nonce)?;
        let mut salted = Octets::default();
        pbkdf2::pbkdf2_hmac::<Sha256>(
            password.expose(),
            &first.salt,
            first.iterations,
            salted.as_mut_slice(),
        );

        let without_proof = format!("c={},r={}", STANDARD.encode(&self.header), first.nonce);
        let said: [&[u8]; 5] = [self.bare.as_bytes(), b",", challenge, b",", without_proof.as_bytes()];
        let client_key = mac(salted.as_slice(), &[b"Client Key"])?;
        let stored_key: Octets = Zeroizing::new(Sha256::digest(client_key.as_slice()).into());
        let client_signature = mac(stored_key.as_slice(), &said)?;
        let server_key = mac(salted.as_slice(), &[b"Server Key"])?;
        self.expected = Some(mac(server_key.as_slice(), &said)?);

        let mut proof = client_key;
        for (octet, mask) in proof.iter_mut().zip(client_signature.iter()) {
            *octet ^= mask;
        }
        let proof = Zeroizing::new(STANDARD.encode(proof.as_slice()));
        Ok(Secret::join(&[without_proof.as_bytes(), b",p=", proof.as_bytes()]))
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Result<Octets, SaslError> {
    // HMAC takes keys of any length; the error is one of the trait's.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SaslError::WrongCredentials(THIS))?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// `server-first-message` (RFC 5802 §7), checked.
struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    fn read(message: &'a [u8], ours: &str) -> Result<Self, SaslError> {
        let mut attributes = attributes(message)?;
        // `m=` in front is a demand that we do not know (R121), and as wrong here as anything else.
        let nonce = value(attributes.next(), "r=")?;
        let printable = nonce.bytes().all(|octet| octet.is_ascii_graphic());
        let extended = nonce.strip_prefix(ours).is_some_and(|theirs| !theirs.is_empty());
        if !(printable && extended) {
            return Err(SaslError::ForeignNonce(THIS)); // R122
        }
        let salt = value(attributes.next(), "s=")?;
        let salt = STANDARD.decode(salt).map_err(|_| SaslError::Malformed(THIS))?; // R126
        let iterations = iterations(value(attributes.next(), "i=")?)?;
        extensions(attributes)?;
        if salt.is_empty() {
            return Err(SaslError::Malformed(THIS));
        }
        Ok(Self { nonce, salt, iterations })
    }
}

/// A `posit-number` within the bounds (R123).
fn iterations(text: &str) -> Result<u32, SaslError> {
    if text.starts_with('0') || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(SaslError::Malformed(THIS));
    }
    // Digits that make no u32 are too many, by far.
    let iterations = text.parse().unwrap_or(u32::MAX);
    if (LEAST_ITERATIONS..=MOST_ITERATIONS).contains(&iterations) {
        Ok(iterations)
    } else {
        Err(SaslError::Iterations(THIS))
    }
}

/// The signature of a `server-final-message` (RFC 5802 §7).
fn server_final(message: &[u8]) -> Result<Vec<u8>, SaslError> {
    let mut attributes = attributes(message)?;
    let signature = value(attributes.next(), "v=")?;
    let signature = STANDARD.decode(signature).map_err(|_| SaslError::Malformed(THIS))?;
    extensions(attributes)?;
    Ok(signature)
}

/// What commas divide, unless it is the server's word that it has failed.
fn attributes(message: &[u8]) -> Result<std::str::Split<'_, char>, SaslError> {
    let text = str::from_utf8(message).map_err(|_| SaslError::Malformed(THIS))?;
    if text.contains('\0') {
        return Err(SaslError::Malformed(THIS));
    }
    match text.strip_prefix("e=") {
        Some(rest) => Err(SaslError::Denied { mechanism: THIS, reason: reason(rest) }),
        None => Ok(text.split(',')),
    }
}

/// The value of the attribute that has to come next; not empty.
fn value<'a>(attribute: Option<&'a str>, name: &str) -> Result<&'a str, SaslError> {
    let value = attribute.and_then(|attribute| attribute.strip_prefix(name));
    value.filter(|value| !value.is_empty()).ok_or(SaslError::Malformed(THIS))
}

/// What may follow is passed over (RFC 5802 §5.1), if it has the form of an attribute and is none of those that have their place.
fn extensions<'a>(mut attributes: impl Iterator<Item = &'a str>) -> Result<(), SaslError> {
    let well_formed = attributes.all(|attribute| {
        let mut octets = attribute.bytes();
        let name =
            octets.next().is_some_and(|octet| octet.is_ascii_alphabetic() && !b"anmrcsipve".contains(&octet));
        name && octets.next() == Some(b'=') && octets.next().is_some()
    });
    if well_formed { Ok(()) } else { Err(SaslError::Malformed(THIS)) }
}

/// `server-error-value`, as far as it is one that RFC 5802 §7 has: no words of the server get any further.
fn reason(value: &str) -> &'static str {
    const KNOWN: [&str; 11] = [
        "invalid-encoding",
        "extensions-not-supported",
        "invalid-proof",
        "channel-bindings-dont-match",
        "server-does-support-channel-binding",
        "channel-binding-not-supported",
        "unsupported-channel-binding-type",
        "unknown-user",
        "invalid-username-encoding",
        "no-resources",
        "other-error",
    ];
    let value = value.split(',').next().unwrap_or_default();
    KNOWN.into_iter().find(|known| *known == value).unwrap_or("an error of its own")
}
