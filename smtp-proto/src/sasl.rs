//! SASL, the client's half (RFC 4422, RFC 4954).
//!
//! [`select`] decides what to do from the operator's [`AuthPolicy`] and the server's offer. An [`Exchange`] then plays
//! the chosen [`Mechanism`]: octets from the server in, octets for the server out, no base64 and no lines. Those are
//! the engine's, except that [`decode_challenge`] lives here, because what a challenge may look like is SASL's to say.
//!
//! # To add a mechanism
//! Write `sasl/name.rs` with a `begin(&Credentials, …) -> Result<Begun, SaslError>` that checks the credentials,
//! takes what else it needs of the `Context`, makes the initial response if the mechanism has one, and boxes its `Steps` for the rest. Add the variant to
//! [`Mechanism`]; the compiler then points out each table that wants a row, and [`Mechanism::ALL`] its rank. Data
//! that the server sends last (SCRAM's signature) is one more challenge with an empty answer (R106); whether the
//! mechanism is content with it shows in `Steps::finish` (R124).

mod cram_md5;
mod error;
mod external;
mod gs2;
mod login;
mod oauth;
mod plain;
mod policy;
mod prepare;
mod scram;

use std::{fmt, sync::Arc};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub use error::{Field, SaslError};
pub use policy::{AuthPolicy, select};

use crate::{Random, Secret, secret::Confidential};

/// Challenges answered before the exchange is given up (N38, R111, D35).
const MAX_CHALLENGES: usize = 16;

/// Octets of a challenge in base64, and decoded (D35, N31; RFC 4954 §4 suggests 12288 for the former).
const MAX_ENCODED_CHALLENGE: usize = 16384;
const MAX_DECODED_CHALLENGE: usize = 12288;

/// Octets of a response whose base64 and CRLF fit the 12288-octet line that servers are to accept (D35, N17).
const MAX_RESPONSE: usize = (12288 - 2) / 4 * 3;

/// Credentials as the operator gives them.
///
/// `Debug` names the kind and shows nothing of the content (R133).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A user and a password.
    Password {
        /// The authentication identity, UTF-8, not empty.
        user: String,
        /// The password, not empty. UTF-8 for every mechanism but LOGIN, which sends it as it is.
        password: Secret,
    },
    /// A user and a password, to act as somebody else (RFC 4422 §3.4.1). LOGIN and CRAM-MD5 cannot.
    Delegated {
        /// The authorization identity: whom to act as. Empty is the same as [`Credentials::Password`].
        identity: String,
        /// The authentication identity: whose password it is.
        user: String,
        /// The password.
        password: Secret,
    },
    /// The TLS client certificate says who we are.
    External {
        /// The authorization identity, or empty for the one the server derives from the certificate (R118).
        identity: String,
    },
    /// A bearer token that somebody else has issued (RFC 6750), for OAUTHBEARER and XOAUTH2.
    Token {
        /// Whose mail it is about. Empty for whom the token says, which XOAUTH2 cannot.
        user: String,
        /// The token, printable ASCII without blanks, not empty.
        token: Secret,
    },
}

impl Credentials {
    fn account(&self) -> Option<Account<'_>> {
        match self {
            Self::Password { user, password } => Some(Account { identity: "", user, password }),
            Self::Delegated { identity, user, password } => Some(Account { identity, user, password }),
            Self::External { .. } | Self::Token { .. } => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Password { .. } => "Password",
            Self::Delegated { .. } => "Delegated",
            Self::External { .. } => "External",
            Self::Token { .. } => "Token",
        };
        f.debug_struct(kind).finish_non_exhaustive()
    }
}

/// The view of credentials that the password mechanisms share.
struct Account<'a> {
    identity: &'a str,
    user: &'a str,
    password: &'a Secret,
}

/// A mechanism this client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login, for servers that have nothing else.
    Login,
    /// RFC 4422 appendix A.
    External,
    /// RFC 5802 with RFC 7677, without channel binding.
    ScramSha256,
    /// RFC 2195, for servers that have nothing else and no TLS. [`AuthPolicy::Auto`] never takes it.
    CramMd5,
    /// RFC 7628.
    OAuthBearer,
    /// What two large vendors had before OAUTHBEARER.
    XOAuth2,
}

impl Mechanism {
    /// Every mechanism, strongest first: the order in which [`AuthPolicy::Auto`] prefers them (R134).
    ///
    /// SCRAM alone keeps the password from the server as well, and finds out whether the server knows it. CRAM-MD5 comes last, behind
    /// what reveals the password: that is, after all, only done over verified TLS, while a CRAM-MD5 answer can be guessed at by whoever
    /// reads it, or asks for it, and its servers keep passwords as they are. `Auto` does without it.
    pub const ALL: [Self; 7] = [
        Self::External,
        Self::ScramSha256,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::Plain,
        Self::Login,
        Self::CramMd5,
    ];

    /// The name in the AUTH command and the EHLO reply: 1 to 20 of `A-Z 0-9 - _` (R115, N26).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::External => "EXTERNAL",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::CramMd5 => "CRAM-MD5",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// The mechanism of that name, in any case; `None` for one this client does not speak.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Whether it shows the secret to whoever reads the connection, so that it needs a confidential one (D4).
    #[must_use]
    pub const fn reveals_secret(self) -> bool {
        match self {
            Self::Plain | Self::Login | Self::OAuthBearer | Self::XOAuth2 => true,
            Self::External | Self::ScramSha256 | Self::CramMd5 => false,
        }
    }

    /// Whether it works with this kind of credentials. Their content is checked when the exchange starts.
    #[must_use]
    pub fn accepts(self, credentials: &Credentials) -> bool {
        match self {
            Self::Plain | Self::ScramSha256 => credentials.account().is_some(),
            Self::Login | Self::CramMd5 => {
                credentials.account().is_some_and(|account| account.identity.is_empty())
            }
            Self::External => matches!(credentials, Credentials::External { .. }),
            Self::OAuthBearer | Self::XOAuth2 => matches!(credentials, Credentials::Token { .. }),
        }
    }

    /// The credentials it takes, in words.
    const fn needs(self) -> &'static str {
        match self {
            Self::Plain | Self::ScramSha256 => "a user name and a password",
            Self::Login | Self::CramMd5 => "a user name and a password, and no other identity to act as",
            Self::External => "a TLS client certificate and at most an identity to act as",
            Self::OAuthBearer | Self::XOAuth2 => "a user name and a token",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One exchange in progress: the server's octets in, the client's out.
///
/// The engine makes one after [`select`], from credentials and, if the mechanism [reveals them](
/// Mechanism::reveals_secret), the proof that the connection is confidential (D4), and from randomness if it needs some. It asks for the
/// [initial response](Self::initial_response), [answers](Self::respond) each 334, and at the 235 asks whether the
/// mechanism is [through](Self::finish). An error from `respond` means: cancel with `*` (R104), and it stays.
///
/// `Debug` shows the mechanism and how far it got; everything else is a [`Secret`].
pub struct Exchange {
    mechanism: Mechanism,
    /// The initial response, until the server's first challenge.
    initial: Option<Secret>,
    handed_out: bool,
    challenges: usize,
    failure: Option<SaslError>,
    steps: Box<dyn Steps>,
}

/// A mechanism after its initial response.
trait Steps: Send + Sync {
    /// The answer to the next challenge.
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslError>;

    /// Whether the server may report success now (R124).
    fn finish(&self) -> Result<(), SaslError>;

    /// The server's word for why it does not like the credentials, if the mechanism has one (R131).
    fn complaint(&self) -> Option<Arc<str>> {
        None
    }
}

/// What a mechanism may need besides credentials.
#[derive(Debug, Default)]
pub(crate) struct Context<'a> {
    /// The proof that a secret may be sent (D4).
    pub(crate) witness: Option<Confidential>,
    /// What a nonce is made of.
    pub(crate) random: Option<&'a Random>,
    /// The name and port by which the server is known.
    pub(crate) server: Option<(&'a str, u16)>,
}

/// What a mechanism starts with.
struct Begun {
    initial: Option<Secret>,
    steps: Box<dyn Steps>,
}

/// The rest of a mechanism whose initial response is all it has to say.
struct NothingMore(Mechanism);

impl Steps for NothingMore {
    fn respond(&mut self, _challenge: &[u8]) -> Result<Secret, SaslError> {
        Err(SaslError::UnexpectedChallenge(self.0))
    }

    fn finish(&self) -> Result<(), SaslError> {
        Ok(())
    }
}

impl Exchange {
    /// Checks the credentials and makes ready; nothing goes out by this.
    ///
    /// # Errors
    /// [`SaslError::NotConfidential`] without a witness for a mechanism that [reveals its secret](
    /// Mechanism::reveals_secret) (D4), [`SaslError::NoRandomness`], and what is wrong with the credentials (R116, R117).
    pub(crate) fn new(
        mechanism: Mechanism,
        credentials: &Credentials,
        context: Context<'_>,
    ) -> Result<Self, SaslError> {
        let Context { witness, random, server } = context;
        if mechanism.reveals_secret() && witness.is_none() {
            return Err(SaslError::NotConfidential(mechanism));
        }
        let Begun { initial, steps } = match mechanism {
            Mechanism::Plain => plain::begin(credentials),
            Mechanism::Login => login::begin(credentials),
            Mechanism::External => external::begin(credentials),
            Mechanism::ScramSha256 => scram::begin(credentials, random),
            Mechanism::CramMd5 => cram_md5::begin(credentials),
            Mechanism::OAuthBearer => oauth::bearer(credentials, server),
            Mechanism::XOAuth2 => oauth::xoauth2(credentials),
        }?;
        let initial = initial.map(|initial| fit(mechanism, initial)).transpose()?;
        Ok(Self { mechanism, initial, handed_out: false, challenges: 0, failure: None, steps })
    }

    /// The mechanism played.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What to send with the AUTH command. `Some` of nothing is `=` on the wire (R101); `None` is AUTH alone: the
    /// mechanism waits for the server's first challenge.
    ///
    /// If AUTH gets too long by it, send AUTH alone (R100); the server answers that with an empty challenge, and
    /// [`respond`](Self::respond) gives the same octets again. Calls after the first return `None`.
    pub fn initial_response(&mut self) -> Option<Secret> {
        if self.handed_out {
            return None;
        }
        self.handed_out = true;
        self.initial.clone()
    }

    /// Answers a challenge, decoded by [`decode_challenge`]. An empty answer is an empty line (R102).
    ///
    /// A mechanism with an initial response gives it, once more if need be, when the first challenge is empty: the
    /// server has not seen it (R100, R119, B3).
    ///
    /// # Errors
    /// More than 16 challenges (N38, R111), one that the mechanism does not have, or an answer too long for a line
    /// (D35): cancel with `*` (R104). The exchange is over then, and says so again if asked again.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslError> {
        let answer = self.answer(challenge);
        self.failure = answer.as_ref().err().cloned();
        answer
    }

    /// The server said 235: does the mechanism agree (R124)? The text of the 235 is not part of it (R106).
    ///
    /// # Errors
    /// The mechanism was not through, or had failed before. Do not go on with this connection.
    pub fn finish(&self) -> Result<(), SaslError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.initial.is_some() && !self.handed_out {
            return Err(SaslError::Incomplete(self.mechanism)); // nothing of it was ever sent
        }
        self.steps.finish()
    }

    /// The server's word for why it refused, where it said so in a challenge: a plain word such as `invalid_token` (R131).
    #[must_use]
    pub fn complaint(&self) -> Option<Arc<str>> {
        self.steps.complaint()
    }

    fn answer(&mut self, challenge: &[u8]) -> Result<Secret, SaslError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        self.challenges += 1;
        if self.challenges > MAX_CHALLENGES {
            return Err(SaslError::TooManyChallenges(self.mechanism));
        }
        if let Some(initial) = self.initial.take()
            && challenge.is_empty()
        {
            return Ok(initial);
        }
        fit(self.mechanism, self.steps.respond(challenge)?)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("mechanism", &self.mechanism)
            .field("challenges", &self.challenges)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Refuses a response that does not fit its line (D35).
fn fit(mechanism: Mechanism, response: Secret) -> Result<Secret, SaslError> {
    match response.expose().len() {
        0..=MAX_RESPONSE => Ok(response),
        length => Err(SaslError::ResponseTooLong { mechanism, length }),
    }
}

/// Decodes the text of a 334 reply, what follows `334 ` and precedes CRLF: strict base64 (R103), or nothing (R102).
///
/// # Errors
/// [`SaslError::ChallengeTooLong`] beyond 16384 octets encoded, 12288 decoded (D35, R105);
/// [`SaslError::NotBase64`] for any octet outside the alphabet, blanks included, for padding missing or out of place,
/// and for a last digit that sets bits it does not have (RFC 4648 §3.5).
///
/// ```
/// use smtp_proto::sasl::{SaslError, decode_challenge};
///
/// assert_eq!(decode_challenge(b"VXNlcm5hbWU6")?.expose(), b"Username:");
/// assert_eq!(decode_challenge(b"Username:"), Err(SaslError::NotBase64));
/// # Ok::<(), SaslError>(())
/// ```
pub fn decode_challenge(text: &[u8]) -> Result<Secret, SaslError> {
    if text.len() > MAX_ENCODED_CHALLENGE {
        return Err(SaslError::ChallengeTooLong);
    }
    let mut decoded = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = STANDARD.decode_slice(text, &mut decoded).map_err(|_| SaslError::NotBase64)?;
    decoded.truncate(length);
    Ok(Secret::from(decoded))
}

// What fits encoded fits decoded, so that one comparison is enough.
const _: () = assert!(MAX_ENCODED_CHALLENGE / 4 * 3 == MAX_DECODED_CHALLENGE);

#[cfg(test)]
mod tests;
