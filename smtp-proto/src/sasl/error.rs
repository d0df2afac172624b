use std::fmt;

use super::{MAX_CHALLENGES, MAX_DECODED_CHALLENGE, MAX_RESPONSE, Mechanism};

/// Why authentication cannot be started or continued.
///
/// No variant carries a user name, a password or octets from the server (R133).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaslError {
    // The configuration, or what the message brought along.
    /// The mechanism reveals the secret and this connection is not confidential (D4). Nothing was sent.
    #[error(
        "AUTH {0} would show the password to whoever reads the connection: ask for verified TLS (`require_tls`), \
         or allow clear text on purpose (`attempt_starttls no`)"
    )]
    NotConfidential(Mechanism),
    /// The mechanism does not work with this kind of credentials.
    #[error("AUTH {0} does not work with these credentials: it needs {need}", need = .0.needs())]
    WrongCredentials(Mechanism),
    /// The server does not offer the configured mechanism (B4).
    #[error("the server does not offer AUTH {0}: configure a mechanism it offers, or `auth off`")]
    NotOffered(Mechanism),
    /// The server offers no mechanism that works with the credentials (B4, R134).
    #[error(
        "the server offers no AUTH mechanism usable with these credentials: configure others, or `auth off`"
    )]
    NoneOffered,
    /// Credentials were to be forwarded and the message came without a user and password (M45); answer the
    /// submitting client with 530 5.7.0 (M108).
    #[error("authentication required: the message came without the user and password to be forwarded")]
    NothingToForward,
    /// A field that must have content is empty, or SASLprep left nothing of it (R116, R117).
    #[error("the {0} is empty: AUTH needs one")]
    Empty(Field),
    /// A field contains NUL, which separates the fields (R116).
    #[error("the {0} contains a NUL octet, which AUTH cannot carry: remove it")]
    Nul(Field),
    /// A field is not UTF-8 (R116).
    #[error("the {0} is not UTF-8: convert it")]
    NotUtf8(Field),
    /// SASLprep (RFC 4013) refuses a field for a character it prohibits (R117).
    #[error("the {0} contains a character that SASLprep (RFC 4013) prohibits: choose another {0}")]
    Prohibited(Field),
    /// A token has blanks, controls or octets beyond ASCII in it: it could not stand in a header field (RFC 6750 §2.1).
    #[error("the token contains a character that no token has: is there more in it than the token itself?")]
    NotAToken,
    /// The mechanism needs a nonce, and there is nothing to make one of: [`Config::random`](crate::Config::random).
    #[error(
        "AUTH {0} needs randomness, and none was given, or its source failed: give some by `Plan::with_random`"
    )]
    NoRandomness(Mechanism),
    /// A response does not fit the line a server must accept (D35).
    #[error(
        "AUTH {mechanism}: a response of {length} octets, {MAX_RESPONSE} fit a line: shorten the credentials"
    )]
    ResponseTooLong {
        /// The mechanism in use.
        mechanism: Mechanism,
        /// Octets before base64.
        length: usize,
    },

    // The server. A 334 is pending: cancel with `*` (R104).
    /// The challenge is not strict base64 (R103).
    #[error("the server's AUTH challenge is not base64; exchange cancelled")]
    NotBase64,
    /// The challenge exceeds the limit (D35).
    #[error(
        "the server's AUTH challenge decodes to more than {MAX_DECODED_CHALLENGE} octets; exchange cancelled"
    )]
    ChallengeTooLong,
    /// The mechanism is over, or expects another challenge, and the server goes on (R102).
    #[error("the server sent a challenge that AUTH {0} does not have; exchange cancelled")]
    UnexpectedChallenge(Mechanism),
    /// The challenge is not as the mechanism has it, or demands an extension that is not known (R121, R126).
    #[error("the server's AUTH {0} challenge is malformed, or demands what is not known; exchange cancelled")]
    Malformed(Mechanism),
    /// The server's nonce does not begin with ours, or adds nothing to it (R122): the challenge was made for somebody else.
    #[error("the server's AUTH {0} nonce does not continue ours; exchange cancelled")]
    ForeignNonce(Mechanism),
    /// The server asks for so few iterations that passwords are easily guessed, or for so many that we would be busy for it (R123).
    #[error(
        "the server asks for a number of AUTH {0} iterations that is not from 4096 to 1000000; exchange cancelled"
    )]
    Iterations(Mechanism),
    /// The server does not know the password (R124): it is not the one that the credentials are for.
    #[error("the server's AUTH {0} signature is wrong: it does not know the password; exchange cancelled")]
    WrongSignature(Mechanism),
    /// The server said within the mechanism that it failed.
    #[error("the server ended AUTH {mechanism}: {reason}; exchange cancelled")]
    Denied {
        /// The mechanism in use.
        mechanism: Mechanism,
        /// Why, in a word of RFC 5802 §7.
        reason: &'static str,
    },
    /// Challenge number 17 (N38, R111).
    #[error("the server sent more than {MAX_CHALLENGES} AUTH {0} challenges; exchange cancelled")]
    TooManyChallenges(Mechanism),
    /// The server said 235 before the mechanism was through (R124): do not take this for a success.
    #[error("the server reported success before AUTH {0} was complete; not authenticated")]
    Incomplete(Mechanism),
}

/// A part of the credentials, for naming it in an error without showing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The authorization identity: whom to act as (RFC 4422 §3.4.1).
    Identity,
    /// The authentication identity: who is logging in.
    User,
    /// The password.
    Password,
    /// The bearer token.
    Token,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "authorization identity",
            Self::User => "user name",
            Self::Password => "password",
            Self::Token => "token",
        })
    }
}
