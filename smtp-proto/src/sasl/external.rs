//! EXTERNAL (RFC 4422 appendix A): who we are is known from elsewhere, here from the TLS client certificate.

use super::{Begun, Credentials, Field, Mechanism, NothingMore, SaslError, prepare};
use crate::Secret;

pub(super) fn begin(credentials: &Credentials) -> Result<Begun, SaslError> {
    let Credentials::External { identity } = credentials else {
        return Err(SaslError::WrongCredentials(Mechanism::External));
    };
    prepare::refuse_nul(Field::Identity, identity.as_bytes())?; // RFC 4422 appendix A.1
    // R118. Empty, it is still a response, not the lack of one: `=` on the wire (R101, B3).
    let message = Secret::from(identity.as_str());
    Ok(Begun { initial: Some(message), steps: Box::new(NothingMore(Mechanism::External)) })
}
