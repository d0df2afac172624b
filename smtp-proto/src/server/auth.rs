//! SASL, the server's half (RFC 4954 §4): what the client sends becomes credentials; judging them is the application's.

use super::canned::{self, Canned};
use crate::{
    Secret,
    reply::{Code, Reply},
    sasl::{Credentials, Mechanism, decode_challenge},
};

/// LOGIN's prompts, `Username:` and `Password:` in base64.
const USER_PROMPT: &str = "VXNlcm5hbWU6";
const PASSWORD_PROMPT: &str = "UGFzc3dvcmQ6";

/// One exchange in progress.
pub(super) struct Exchange {
    mechanism: Mechanism,
    /// LOGIN: the first answer.
    user: Option<String>,
}

/// What comes next.
pub(super) enum Step {
    /// Say this and wait for a line.
    Challenge(Reply),
    /// That is all there is.
    Done(Credentials),
    /// The exchange is over.
    Failed(Canned),
}

impl Exchange {
    /// The mechanisms that leave credentials to be judged; the others would have to know the password, or what a token is worth,
    /// before they can answer.
    pub(super) const fn plays(mechanism: Mechanism) -> bool {
        matches!(mechanism, Mechanism::Plain | Mechanism::Login | Mechanism::External)
    }

    pub(super) fn new(mechanism: Mechanism) -> Self {
        Self { mechanism, user: None }
    }

    pub(super) fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// With the initial response as it stands in the command; `=` is an empty one (R101).
    pub(super) fn start(&mut self, initial: Option<&str>) -> Step {
        match (initial, self.mechanism) {
            (Some("="), _) => self.take(Secret::from("")),
            (Some(initial), _) => self.decode(initial.as_bytes()),
            (None, Mechanism::Login) => challenge(USER_PROMPT),
            (None, _) => challenge(""), // R102
        }
    }

    /// With a line that answers a challenge, without its end; `*` cancels (R104).
    pub(super) fn respond(&mut self, line: &[u8]) -> Step {
        if line == b"*" { Step::Failed(canned::CANCELLED) } else { self.decode(line) }
    }

    fn decode(&mut self, text: &[u8]) -> Step {
        match decode_challenge(text) {
            Ok(response) => self.take(response),
            Err(_) => Step::Failed(canned::BAD_BASE64), // R103
        }
    }

    fn take(&mut self, response: Secret) -> Step {
        let credentials = match self.mechanism {
            Mechanism::Plain => plain(&response),
            Mechanism::External => text(response.expose()).map(|identity| Credentials::External { identity }),
            Mechanism::Login => match self.user.take() {
                None => match text(response.expose()).filter(|user| !user.is_empty()) {
                    Some(user) => {
                        self.user = Some(user);
                        return challenge(PASSWORD_PROMPT);
                    }
                    None => None,
                },
                Some(user) => filled(&response).map(|password| Credentials::Password { user, password }),
            },
            _ => None,
        };
        credentials.map_or(Step::Failed(canned::BAD_CREDENTIALS), Step::Done)
    }
}

fn challenge(text: &str) -> Step {
    Step::Challenge(Reply::new(Code::CHALLENGE, text))
}

/// `[identity] NUL user NUL password` (RFC 4616 §2, R116).
fn plain(message: &Secret) -> Option<Credentials> {
    let mut fields = message.expose().split(|octet| *octet == 0);
    let (identity, user, password) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || user.is_empty() || password.is_empty() {
        return None;
    }
    let (identity, user, password) = (text(identity)?, text(user)?, Secret::new(password));
    Some(if identity.is_empty() {
        Credentials::Password { user, password }
    } else {
        Credentials::Delegated { identity, user, password }
    })
}

/// Text without NUL (RFC 4422 appendix A.1).
fn text(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

fn filled(secret: &Secret) -> Option<Secret> {
    (!secret.expose().is_empty()).then(|| secret.clone())
}
