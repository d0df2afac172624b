//! PLAIN (RFC 4616): identity, user and password in one message.

use super::{Begun, Credentials, Field, Mechanism, NothingMore, SaslError, prepare};
use crate::Secret;

pub(super) fn begin(credentials: &Credentials) -> Result<Begun, SaslError> {
    let account = credentials.account().ok_or(SaslError::WrongCredentials(Mechanism::Plain))?;
    // R116. The identity may be empty, and preparing it is the server's part (RFC 4616 §2).
    prepare::refuse_nul(Field::Identity, account.identity.as_bytes())?;
    let user = prepare::prepare(Field::User, account.user.as_bytes())?; // R117
    let password = prepare::prepare(Field::Password, account.password.expose())?;
    let message =
        Secret::join(&[account.identity.as_bytes(), b"\0", user.expose(), b"\0", password.expose()]);
    Ok(Begun { initial: Some(message), steps: Box::new(NothingMore(Mechanism::Plain)) })
}
