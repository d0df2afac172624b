//! LOGIN (draft-murchison-sasl-login): two prompts, user and password.
//!
//! The draft says nothing of character sets, so both go out as given, without SASLprep.

use super::{Begun, Credentials, Field, Mechanism, SaslError, Steps, prepare};
use crate::Secret;

/// What the next prompts get, in order. What they ask is not looked at: servers disagree about the words (R120).
struct Login {
    user: Option<Secret>,
    password: Option<Secret>,
}

pub(super) fn begin(credentials: &Credentials) -> Result<Begun, SaslError> {
    let account = credentials.account().ok_or(SaslError::WrongCredentials(Mechanism::Login))?;
    if !account.identity.is_empty() {
        return Err(SaslError::WrongCredentials(Mechanism::Login)); // no room for it in the exchange
    }
    prepare::check(Field::User, account.user.as_bytes())?;
    prepare::check(Field::Password, account.password.expose())?;
    let login = Login { user: Some(Secret::from(account.user)), password: Some(account.password.clone()) };
    Ok(Begun { initial: None, steps: Box::new(login) })
}

impl Steps for Login {
    fn respond(&mut self, _prompt: &[u8]) -> Result<Secret, SaslError> {
        self.user
            .take()
            .or_else(|| self.password.take())
            .ok_or(SaslError::UnexpectedChallenge(Mechanism::Login))
    }

    fn finish(&self) -> Result<(), SaslError> {
        if self.password.is_none() { Ok(()) } else { Err(SaslError::Incomplete(Mechanism::Login)) }
    }
}
