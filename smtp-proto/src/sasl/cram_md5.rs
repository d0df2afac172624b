//! CRAM-MD5 (RFC 2195): the password as the key of a digest over the server's challenge.
//!
//! Whoever reads the connection can guess at the password, and nothing proves who the server is. So it is used where it is asked for by
//! name, and never chosen.

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use md5::Md5;
use zeroize::Zeroizing;

use super::{Begun, Credentials, Field, Mechanism, SaslError, Steps, prepare};
use crate::Secret;

struct CramMd5 {
    user: Secret,
    /// Until the digest is made.
    password: Option<Secret>,
}

pub(super) fn begin(credentials: &Credentials) -> Result<Begun, SaslError> {
    let account = credentials.account().ok_or(SaslError::WrongCredentials(Mechanism::CramMd5))?;
    if !account.identity.is_empty() {
        return Err(SaslError::WrongCredentials(Mechanism::CramMd5)); // no room for it in the exchange
    }
    let user = prepare::prepare(Field::User, account.user.as_bytes())?;
    let password = prepare::prepare(Field::Password, account.password.expose())?;
    Ok(Begun { initial: None, steps: Box::new(CramMd5 { user, password: Some(password) }) })
}

impl Steps for CramMd5 {
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslError> {
        let password = self.password.take().ok_or(SaslError::UnexpectedChallenge(Mechanism::CramMd5))?;
        if challenge.is_empty() {
            // RFC 2195 §2: something that never was before. The digest of nothing would be as good as the password.
            return Err(SaslError::Malformed(Mechanism::CramMd5));
        }
        let digest = digest(&password, challenge)?;
        Ok(Secret::join(&[self.user.expose(), b" ", digest.as_bytes()]))
    }

    fn finish(&self) -> Result<(), SaslError> {
        if self.password.is_none() { Ok(()) } else { Err(SaslError::Incomplete(Mechanism::CramMd5)) }
    }
}

/// The keyed digest in hexadecimal, lower case (RFC 2195 §2).
fn digest(password: &Secret, challenge: &[u8]) -> Result<Zeroizing<String>, SaslError> {
    // HMAC takes keys of any length; the error is one of the trait's.
    let mac = Hmac::<Md5>::new_from_slice(password.expose());
    let mac = mac.map_err(|_| SaslError::WrongCredentials(Mechanism::CramMd5))?;
    let octets = mac.chain_update(challenge).finalize().into_bytes();
    let mut text = Zeroizing::new(String::with_capacity(2 * octets.len()));
    for octet in octets {
        let _ = write!(text, "{octet:02x}"); // a String takes everything
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials::Password { user: user.into(), password: password.into() }
    }

    fn answer(user: &str, password: &str, challenge: &[u8]) -> Vec<u8> {
        let mut begun = begin(&credentials(user, password)).unwrap();
        assert!(begun.initial.is_none());
        assert_eq!(begun.steps.finish(), Err(SaslError::Incomplete(Mechanism::CramMd5))); // R124
        let answer = begun.steps.respond(challenge).unwrap();
        assert_eq!(begun.steps.finish(), Ok(()));
        let again = begun.steps.respond(challenge);
        assert_eq!(again, Err(SaslError::UnexpectedChallenge(Mechanism::CramMd5)), "one answer and no more");
        answer.expose().to_vec()
    }

    #[test]
    fn example_of_rfc_2195_section_2() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let answer = answer("tim", "tanstaaftanstaaf", challenge);
        assert_eq!(answer.escape_ascii().to_string(), "tim b913a602c7eda7a495b4e6e7334d3890"); // D30
    }

    #[test]
    fn keys_longer_than_a_block_are_digested_first() {
        // RFC 2104 §2; by another implementation. RFC 2202's own key is no UTF-8, and so no password.
        let answer = answer("u", &"k".repeat(80), b"x");
        assert_eq!(answer.escape_ascii().to_string(), "u 60ed424c45100759e87ce1addd1c6e78");
    }

    #[test]
    fn user_and_password_are_prepared() {
        assert_eq!(answer("\u{2168}", "I\u{AD}X", b"c"), answer("IX", "IX", b"c")); // R117
    }

    #[test]
    fn an_empty_challenge_is_not_signed() {
        let mut begun = begin(&credentials("u", "p")).unwrap();
        assert_eq!(begun.steps.respond(b""), Err(SaslError::Malformed(Mechanism::CramMd5)));
    }

    #[test]
    fn it_cannot_act_as_somebody_else() {
        let delegated =
            Credentials::Delegated { identity: "bob".into(), user: "ann".into(), password: "pw".into() };
        assert!(matches!(begin(&delegated), Err(SaslError::WrongCredentials(Mechanism::CramMd5))));
        assert!(matches!(begin(&credentials("", "p")), Err(SaslError::Empty(Field::User))));
        assert!(matches!(begin(&credentials("u", "p\0")), Err(SaslError::Nul(Field::Password))));
    }
}
