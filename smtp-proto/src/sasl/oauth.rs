//! OAUTHBEARER (RFC 7628) and its elder XOAUTH2: a token that somebody else has issued, in one message.
//!
//! A server that does not like the token says why in a challenge, which has to be answered before it refuses.

use std::sync::Arc;

use super::{Begun, Credentials, Field, Mechanism, SaslError, Steps, gs2, prepare};
use crate::Secret;

/// Characters of the server's word for what is wrong that are kept.
const LONGEST_STATUS: usize = 64;

/// With the server's name and port where they are known (RFC 7628 §3.1, R130).
pub(super) fn bearer(credentials: &Credentials, server: Option<(&str, u16)>) -> Result<Begun, SaslError> {
    let (user, token) = checked(Mechanism::OAuthBearer, credentials)?;
    let header = gs2::header(user);
    let server = server.map(|(host, port)| format!("host={host}\x01port={port}\x01")).unwrap_or_default();
    let parts = [header.as_bytes(), b"\x01", server.as_bytes(), b"auth=Bearer ", token.expose(), b"\x01\x01"];
    Ok(begun(Mechanism::OAuthBearer, &parts))
}

/// As the vendors have it (R132).
pub(super) fn xoauth2(credentials: &Credentials) -> Result<Begun, SaslError> {
    let (user, token) = checked(Mechanism::XOAuth2, credentials)?;
    if user.is_empty() {
        return Err(SaslError::Empty(Field::User));
    }
    Ok(begun(
        Mechanism::XOAuth2,
        &[b"user=", user.as_bytes(), b"\x01auth=Bearer ", token.expose(), b"\x01\x01"],
    ))
}

fn begun(mechanism: Mechanism, message: &[&[u8]]) -> Begun {
    Begun {
        initial: Some(Secret::join(message)),
        steps: Box::new(OAuth { mechanism, refused: false, status: None }),
    }
}

/// The fields are divided by ^A, so that no control may be in one.
fn checked(mechanism: Mechanism, credentials: &Credentials) -> Result<(&str, &Secret), SaslError> {
    let Credentials::Token { user, token } = credentials else {
        return Err(SaslError::WrongCredentials(mechanism));
    };
    prepare::refuse_nul(Field::User, user.as_bytes())?;
    if user.chars().any(char::is_control) {
        return Err(SaslError::Prohibited(Field::User));
    }
    prepare::check(Field::Token, token.expose())?;
    if !token.expose().iter().all(u8::is_ascii_graphic) {
        return Err(SaslError::NotAToken); // RFC 6750 §2.1, and any other that may stand in a header field
    }
    Ok((user, token))
}

struct OAuth {
    mechanism: Mechanism,
    refused: bool,
    status: Option<Arc<str>>,
}

impl Steps for OAuth {
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslError> {
        if std::mem::replace(&mut self.refused, true) {
            return Err(SaslError::UnexpectedChallenge(self.mechanism));
        }
        self.status = status(challenge);
        Ok(match self.mechanism {
            Mechanism::OAuthBearer => Secret::new([1]), // R131, RFC 7628 §3.2.3
            _ => Secret::new([]),                       // R132
        })
    }

    fn finish(&self) -> Result<(), SaslError> {
        if self.refused { Err(SaslError::Incomplete(self.mechanism)) } else { Ok(()) }
    }

    fn complaint(&self) -> Option<Arc<str>> {
        self.status.clone()
    }
}

/// The value of `status` in the server's JSON (RFC 7628 §3.2.2), if it is a plain word, as those that are registered are.
fn status(challenge: &[u8]) -> Option<Arc<str>> {
    let text = str::from_utf8(challenge).ok()?;
    let (_, rest) = text.split_once("\"status\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    let rest = rest.strip_prefix('"').unwrap_or(rest);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).unwrap_or(rest.len());
    let word = rest.get(..end)?;
    (1..=LONGEST_STATUS).contains(&word.len()).then(|| word.into())
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    /// The token of RFC 7628 §4.
    const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

    fn token(user: &str, token: &str) -> Credentials {
        Credentials::Token { user: user.into(), token: token.into() }
    }

    fn message(begun: Result<Begun, SaslError>) -> String {
        begun.unwrap().initial.unwrap().expose().escape_ascii().to_string()
    }

    #[test]
    fn examples_of_rfc_7628_section_4() {
        let credentials = token("user@example.com", TOKEN);
        let begun = bearer(&credentials, Some(("server.example.com", 143))).unwrap();
        // R130. §4.1, joined.
        assert_eq!(
            STANDARD.encode(begun.initial.unwrap().expose()),
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
        );
        // R131. §4.3.
        let mut steps = begun.steps;
        let challenge = STANDARD.decode("eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0=").unwrap();
        assert_eq!(STANDARD.encode(steps.respond(&challenge).unwrap().expose()), "AQ==");
        assert_eq!(steps.complaint().as_deref(), Some("invalid_token"));
        assert_eq!(steps.finish(), Err(SaslError::Incomplete(Mechanism::OAuthBearer)), "R124");
        let again = steps.respond(&challenge);
        assert_eq!(again, Err(SaslError::UnexpectedChallenge(Mechanism::OAuthBearer)));
    }

    #[test]
    fn bearer_escapes_the_user_and_leaves_out_what_it_does_not_know() {
        for (user, server, expected) in [
            ("u", None, "n,a=u,\\x01auth=Bearer t\\x01\\x01"),
            ("", None, "n,,\\x01auth=Bearer t\\x01\\x01"), // the token says who
            ("a,b=c", None, "n,a=a=2Cb=3Dc,\\x01auth=Bearer t\\x01\\x01"), // R121
            ("u", Some(("::1", 25)), "n,a=u,\\x01host=::1\\x01port=25\\x01auth=Bearer t\\x01\\x01"),
        ] {
            assert_eq!(message(bearer(&token(user, "t"), server)), expected);
        }
    }

    #[test]
    fn xoauth2_says_user_and_token_and_answers_a_complaint_with_nothing() {
        let begun =
            xoauth2(&token("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")).unwrap();
        // R132: the vendor's own example.
        assert_eq!(
            STANDARD.encode(begun.initial.unwrap().expose()),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
        );
        let mut steps = begun.steps;
        assert_eq!(steps.finish(), Ok(()));
        let answer =
            steps.respond(br#"{"status":"401","schemes":"bearer","scope":"https://mail.example.com/"}"#);
        assert_eq!(answer.unwrap().expose(), b"");
        assert_eq!(steps.complaint().as_deref(), Some("401"));
        assert_eq!(steps.finish(), Err(SaslError::Incomplete(Mechanism::XOAuth2)));
    }

    #[test]
    fn what_could_end_a_field_is_refused() {
        for (user, secret, error) in [
            ("u\x01auth=x", "t", SaslError::Prohibited(Field::User)),
            ("u\0", "t", SaslError::Nul(Field::User)),
            ("u\r\n", "t", SaslError::Prohibited(Field::User)),
            ("u", "", SaslError::Empty(Field::Token)),
            ("u", "t\x01host=x", SaslError::NotAToken),
            ("u", "t t", SaslError::NotAToken),
            ("u", "t\u{e9}", SaslError::NotAToken),
        ] {
            assert_eq!(bearer(&token(user, secret), None).err(), Some(error.clone()), "{user:?}");
            assert_eq!(xoauth2(&token(user, secret)).err(), Some(error), "{user:?}");
        }
        assert_eq!(xoauth2(&token("", "t")).err(), Some(SaslError::Empty(Field::User)));
        let password = Credentials::Password { user: "u".into(), password: "p".into() };
        assert_eq!(bearer(&password, None).err(), Some(SaslError::WrongCredentials(Mechanism::OAuthBearer)));
    }

    #[test]
    fn a_status_is_a_word_or_none() {
        for (json, expected) in [
            (r#"{"status":"invalid_token"}"#, Some("invalid_token")),
            (r#"{ "scope": "x", "status" : "insufficient_scope" }"#, Some("insufficient_scope")),
            (r#"{"status":401}"#, Some("401")),
            (r#"{"status":""}"#, None),
            (r#"{"status":"\r\n250 ok"}"#, None),
            (r#"{"state":"invalid_token"}"#, None),
            ("status", None),
            ("", None),
        ] {
            assert_eq!(status(json.as_bytes()).as_deref(), expected, "{json}");
        }
        assert_eq!(status(format!(r#"{{"status":"{}"}}"#, "x".repeat(65)).as_bytes()), None);
        assert_eq!(status(b"{\"status\":\"\xFF\"}"), None);
    }
}
