use super::{Credentials, Mechanism, SaslError};

/// What the operator wants done about AUTH (M43-M46).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthPolicy {
    /// Do not authenticate, whatever is offered.
    Off,
    /// Exactly this mechanism, or fail (R134).
    Mechanism(Mechanism, Credentials),
    /// The strongest mechanism that is offered and works with the credentials (R134), in the order of [`Mechanism::ALL`] and without
    /// CRAM-MD5.
    Auto(Credentials),
    /// The user and password that the submitting client used, by PLAIN; they come with the message (M45).
    Forward,
}

impl AuthPolicy {
    /// Whether a 5yz reply to AUTH is permanent for the message (D20).
    ///
    /// With forwarded credentials it is: they are the submitting client's own, and it gets the 535. With ours the
    /// message is blameless and is tried again after the operator has mended the configuration: report a temporary
    /// failure and keep the reply in its details.
    #[must_use]
    pub const fn refusal_is_permanent(&self) -> bool {
        matches!(self, Self::Forward)
    }
}

/// Decides how to authenticate: the mechanism and the credentials for it, `None` for not at all.
///
/// `forwarded` is what came with the message, used by [`AuthPolicy::Forward`] alone. `offered` are the mechanism
/// names of the EHLO reply now in force, that is, the one after STARTTLS (R98), in any case; unknown ones are
/// ignored. There is one choice and no second: a refused exchange is not followed by a weaker one (R109).
///
/// # Errors
/// [`SaslError::NothingToForward`], [`SaslError::WrongCredentials`], [`SaslError::NotOffered`] or
/// [`SaslError::NoneOffered`]; in each case nothing must be sent (B4).
///
/// ```
/// use smtp_proto::sasl::{AuthPolicy, Credentials, Mechanism, select};
///
/// let account = Credentials::Password { user: "ann".into(), password: "secret".into() };
/// let policy = AuthPolicy::Auto(account.clone());
/// let choice = select(&policy, None, ["LOGIN", "PLAIN"].into_iter());
/// assert_eq!(choice, Ok(Some((Mechanism::Plain, &account))));
/// ```
pub fn select<'a, 'o>(
    policy: &'a AuthPolicy,
    forwarded: Option<&'a Credentials>,
    offered: impl Iterator<Item = &'o str>,
) -> Result<Option<(Mechanism, &'a Credentials)>, SaslError> {
    let (mechanism, credentials) = match policy {
        AuthPolicy::Off => return Ok(None),
        AuthPolicy::Auto(credentials) => {
            return strongest(credentials, offered).map(|mechanism| Some((mechanism, credentials)));
        }
        AuthPolicy::Mechanism(mechanism, credentials) => (*mechanism, credentials),
        AuthPolicy::Forward => {
            let credentials = forwarded.filter(|it| has_content(it)).ok_or(SaslError::NothingToForward)?; // M45
            (Mechanism::Plain, credentials)
        }
    };
    if !mechanism.accepts(credentials) {
        return Err(SaslError::WrongCredentials(mechanism));
    }
    if !offered.filter_map(Mechanism::from_name).any(|it| it == mechanism) {
        return Err(SaslError::NotOffered(mechanism)); // B4
    }
    Ok(Some((mechanism, credentials)))
}

fn strongest<'o>(
    credentials: &Credentials,
    offered: impl Iterator<Item = &'o str>,
) -> Result<Mechanism, SaslError> {
    offered
        .filter_map(Mechanism::from_name)
        .filter(|mechanism| mechanism.accepts(credentials) && *mechanism != Mechanism::CramMd5)
        .min_by_key(|mechanism| Mechanism::ALL.iter().position(|it| it == mechanism))
        .ok_or(SaslError::NoneOffered)
}

/// A user and a password are there and neither is empty.
fn has_content(credentials: &Credentials) -> bool {
    credentials
        .account()
        .is_some_and(|account| !account.user.is_empty() && !account.password.expose().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn password(user: &str, password: &str) -> Credentials {
        Credentials::Password { user: user.into(), password: Secret::from(password) }
    }

    fn external() -> Credentials {
        Credentials::External { identity: String::new() }
    }

    fn token() -> Credentials {
        Credentials::Token { user: "ann".into(), token: "t".into() }
    }

    fn delegated() -> Credentials {
        Credentials::Delegated { identity: "bob".into(), user: "ann".into(), password: "pw".into() }
    }

    /// The mechanism chosen for credentials that are the policy's own.
    fn choice(policy: &AuthPolicy, offered: &str) -> Result<Option<Mechanism>, SaslError> {
        select(policy, None, offered.split_whitespace()).map(|choice| choice.map(|(mechanism, _)| mechanism))
    }

    #[test]
    fn off_means_off_whatever_is_offered_or_forwarded() {
        let forwarded = password("ann", "pw");
        for offered in [&[][..], &["PLAIN", "LOGIN", "EXTERNAL"]] {
            assert_eq!(select(&AuthPolicy::Off, Some(&forwarded), offered.iter().copied()), Ok(None));
        }
    }

    #[test]
    fn a_configured_mechanism_is_used_exactly_or_not_at_all() {
        use Mechanism::{CramMd5, External, Login, OAuthBearer, Plain, ScramSha256, XOAuth2};
        use SaslError::{NotOffered, WrongCredentials};

        for (mechanism, credentials, offered, expected) in [
            (Plain, password("u", "p"), "PLAIN", Ok(Some(Plain))),
            (Plain, password("u", "p"), "SCRAM-SHA-256 LOGIN PLAIN", Ok(Some(Plain))), // R134
            (Plain, password("u", "p"), "LOGIN plain", Ok(Some(Plain))),
            (ScramSha256, password("u", "p"), "PLAIN scram-sha-256", Ok(Some(ScramSha256))),
            (ScramSha256, delegated(), "SCRAM-SHA-256", Ok(Some(ScramSha256))),
            (CramMd5, password("u", "p"), "SCRAM-SHA-256 CRAM-MD5", Ok(Some(CramMd5))),
            (XOAuth2, token(), "OAUTHBEARER XOAUTH2", Ok(Some(XOAuth2))),
            (OAuthBearer, token(), "OAUTHBEARER XOAUTH2", Ok(Some(OAuthBearer))),
            (Login, password("u", "p"), "PLAIN LOGIN", Ok(Some(Login))),
            (External, external(), "PLAIN EXTERNAL", Ok(Some(External))),
            (Plain, delegated(), "PLAIN", Ok(Some(Plain))),
            // B4: what is not offered is not tried
            (Plain, password("u", "p"), "", Err(NotOffered(Plain))),
            (Plain, password("u", "p"), "LOGIN EXTERNAL", Err(NotOffered(Plain))),
            (Plain, password("u", "p"), "PLAINER XPLAIN PLAIN-", Err(NotOffered(Plain))),
            (External, external(), "PLAIN", Err(NotOffered(External))),
            (ScramSha256, password("u", "p"), "SCRAM-SHA-256-PLUS SCRAM-SHA-1", Err(NotOffered(ScramSha256))),
            // credentials that cannot fit, whatever the server says
            (Plain, external(), "PLAIN", Err(WrongCredentials(Plain))),
            (Login, external(), "", Err(WrongCredentials(Login))),
            (Login, delegated(), "LOGIN", Err(WrongCredentials(Login))),
            (External, password("u", "p"), "EXTERNAL", Err(WrongCredentials(External))),
            (Plain, token(), "PLAIN", Err(WrongCredentials(Plain))),
            (ScramSha256, token(), "SCRAM-SHA-256", Err(WrongCredentials(ScramSha256))),
            (CramMd5, delegated(), "CRAM-MD5", Err(WrongCredentials(CramMd5))),
            (XOAuth2, password("u", "p"), "XOAUTH2", Err(WrongCredentials(XOAuth2))),
            (OAuthBearer, external(), "OAUTHBEARER", Err(WrongCredentials(OAuthBearer))),
        ] {
            let policy = AuthPolicy::Mechanism(mechanism, credentials);
            assert_eq!(choice(&policy, offered), expected, "{mechanism} of {offered:?}");
        }
    }

    #[test]
    fn auto_takes_the_strongest_that_is_offered_and_fits() {
        use Mechanism::{External, Login, OAuthBearer, Plain, ScramSha256, XOAuth2};
        use SaslError::NoneOffered;

        for (credentials, offered, expected) in [
            (password("u", "p"), "LOGIN PLAIN", Ok(Some(Plain))), // R134: our order, not the server's
            (password("u", "p"), "PLAIN LOGIN EXTERNAL", Ok(Some(Plain))),
            (password("u", "p"), "X-UNKNOWN login", Ok(Some(Login))),
            (password("u", "p"), "EXTERNAL", Err(NoneOffered)),
            (password("u", "p"), "", Err(NoneOffered)),
            (delegated(), "LOGIN PLAIN", Ok(Some(Plain))),
            (delegated(), "LOGIN", Err(NoneOffered)),
            (external(), "PLAIN EXTERNAL", Ok(Some(External))),
            (external(), "PLAIN LOGIN", Err(NoneOffered)),
            (password("u", "p"), "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-256", Ok(Some(ScramSha256))),
            (delegated(), "PLAIN SCRAM-SHA-256", Ok(Some(ScramSha256))),
            (password("u", "p"), "SCRAM-SHA-256-PLUS PLAIN", Ok(Some(Plain))),
            (password("u", "p"), "CRAM-MD5 LOGIN", Ok(Some(Login))),
            (password("u", "p"), "CRAM-MD5", Err(NoneOffered)), // by name only
            (password("u", "p"), "XOAUTH2 OAUTHBEARER", Err(NoneOffered)),
            (token(), "PLAIN XOAUTH2 OAUTHBEARER", Ok(Some(OAuthBearer))),
            (token(), "PLAIN XOAUTH2", Ok(Some(XOAuth2))),
            (token(), "PLAIN SCRAM-SHA-256", Err(NoneOffered)),
        ] {
            assert_eq!(choice(&AuthPolicy::Auto(credentials), offered), expected, "{offered:?}");
        }
    }

    #[test]
    fn forward_needs_a_user_and_a_password_from_the_message() {
        for forwarded in [None, Some(password("", "pw")), Some(password("ann", "")), Some(external())] {
            // M45: known before looking at the server, so the answer is 530 in every case
            for offered in [&[][..], &["PLAIN"]] {
                assert_eq!(
                    select(&AuthPolicy::Forward, forwarded.as_ref(), offered.iter().copied()),
                    Err(SaslError::NothingToForward),
                    "{forwarded:?}"
                );
            }
        }
    }

    #[test]
    fn forward_uses_plain_with_the_forwarded_credentials() {
        let ann = password("ann", "pw");
        let select = |offered: &'static [&'static str]| {
            select(&AuthPolicy::Forward, Some(&ann), offered.iter().copied())
        };
        assert_eq!(select(&["LOGIN", "PLAIN"]), Ok(Some((Mechanism::Plain, &ann)))); // M45
        assert_eq!(select(&["LOGIN"]), Err(SaslError::NotOffered(Mechanism::Plain))); // B4
    }

    #[test]
    fn only_forwarded_credentials_make_a_refusal_permanent() {
        // D20
        assert!(AuthPolicy::Forward.refusal_is_permanent());
        assert!(!AuthPolicy::Off.refusal_is_permanent());
        assert!(!AuthPolicy::Auto(password("u", "p")).refusal_is_permanent());
        assert!(!AuthPolicy::Mechanism(Mechanism::External, external()).refusal_is_permanent());
    }
}
