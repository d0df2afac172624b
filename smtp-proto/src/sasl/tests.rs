use proptest::prelude::*;

use super::*;

fn password(user: &str, password: &str) -> Credentials {
    Credentials::Password { user: user.into(), password: Secret::from(password) }
}

fn delegated(identity: &str, user: &str, password: &str) -> Credentials {
    Credentials::Delegated { identity: identity.into(), user: user.into(), password: password.into() }
}

fn external(identity: &str) -> Credentials {
    Credentials::External { identity: identity.into() }
}

fn begin(mechanism: Mechanism, credentials: &Credentials) -> Result<Exchange, SaslError> {
    let context = Context {
        witness: Some(Confidential::by_operator()),
        random: Some(&Random::new(|_| Ok(()))),
        server: None,
    };
    Exchange::new(mechanism, credentials, context)
}

fn initial(exchange: &mut Exchange) -> Option<Vec<u8>> {
    exchange.initial_response().map(|secret| secret.expose().to_vec())
}

fn respond(exchange: &mut Exchange, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
    exchange.respond(challenge).map(|secret| secret.expose().to_vec())
}

/// A mechanism that answers for ever.
struct Endless;

impl Steps for Endless {
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, SaslError> {
        Ok(Secret::new(challenge))
    }

    fn finish(&self) -> Result<(), SaslError> {
        Ok(())
    }
}

fn endless(initial: Option<Secret>) -> Exchange {
    Exchange {
        mechanism: Mechanism::Login,
        initial,
        handed_out: false,
        challenges: 0,
        failure: None,
        steps: Box::new(Endless),
    }
}

#[test]
fn mechanism_names_are_well_formed_and_known_in_any_case() {
    for mechanism in Mechanism::ALL {
        let name = mechanism.name();
        assert!((1..=20).contains(&name.len())); // N26
        assert!(name.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_'))); // R115
        assert_eq!(Mechanism::from_name(&name.to_lowercase()), Some(mechanism));
        assert_eq!(mechanism.to_string(), name);
    }
    for unknown in ["", "PLAI", "PLAINX", " PLAIN", "SCRAM-SHA-1", "ＰＬＡＩＮ"] {
        assert_eq!(Mechanism::from_name(unknown), None);
    }
}

fn token(user: &str, token: &str) -> Credentials {
    Credentials::Token { user: user.into(), token: token.into() }
}

/// With no more than this to show.
fn with(
    witness: Option<Confidential>,
    mechanism: Mechanism,
    credentials: &Credentials,
) -> Result<Exchange, SaslError> {
    let random = Random::new(|_| Ok(()));
    Exchange::new(mechanism, credentials, Context { witness, random: Some(&random), server: None })
}

#[test]
fn a_revealing_mechanism_does_not_start_without_proof_of_confidentiality() {
    let revealing = [Mechanism::Plain, Mechanism::Login, Mechanism::OAuthBearer, Mechanism::XOAuth2];
    for mechanism in Mechanism::ALL {
        assert_eq!(mechanism.reveals_secret(), revealing.contains(&mechanism), "{mechanism}");
        let credentials = [password("test", "testpass"), token("test", "testpass"), external("")];
        let credentials = credentials.iter().find(|it| mechanism.accepts(it)).unwrap();
        if !mechanism.reveals_secret() {
            assert!(with(None, mechanism, credentials).is_ok(), "{mechanism}");
            continue;
        }
        let error = with(None, mechanism, credentials).unwrap_err();
        assert_eq!(error, SaslError::NotConfidential(mechanism)); // D4
        let text = error.to_string();
        assert!(text.contains("require_tls") && text.contains("attempt_starttls no"), "{text}"); // D4
        // R112: encrypted but not verified is no proof
        assert!(with(Confidential::by_verified_tls(false), mechanism, credentials).is_err());
        assert!(with(Confidential::by_verified_tls(true), mechanism, credentials).is_ok());
    }
}

#[test]
fn plain_message_is_identity_user_password() {
    for (credentials, message) in [
        (password("test", "testpass"), &b"\0test\0testpass"[..]), // T12, M44
        (delegated("identity", "username", "password"), b"identity\0username\0password"), // 1.14
        (delegated("", "u", "p"), b"\0u\0p"),
        (password("test\u{AD}er", "\u{2168}"), b"\0tester\0IX"), // R117
        (delegated("\u{2168}", "u", "p"), "\u{2168}\0u\0p".as_bytes()), // the server prepares this one
    ] {
        let mut exchange = begin(Mechanism::Plain, &credentials).unwrap();
        assert_eq!(initial(&mut exchange).as_deref(), Some(message));
        assert_eq!(exchange.finish(), Ok(()));
    }
}

#[test]
fn plain_on_the_wire_is_the_seeds() {
    let mut exchange = begin(Mechanism::Plain, &password("test", "testpass")).unwrap();
    let message = exchange.initial_response().unwrap();
    assert_eq!(STANDARD.encode(message.expose()), "AHRlc3QAdGVzdHBhc3M="); // M44
}

#[test]
fn plain_refuses_what_it_cannot_carry() {
    use Field::{Identity, Password, User};
    use SaslError::{Empty, NotUtf8, Nul, Prohibited, WrongCredentials};

    for (credentials, error) in [
        (password("", "p"), Empty(User)), // R116
        (password("u", ""), Empty(Password)),
        (password("u\0", "p"), Nul(User)),
        (password("u", "p\0q"), Nul(Password)),
        (delegated("i\0", "u", "p"), Nul(Identity)),
        (Credentials::Password { user: "u".into(), password: Secret::new([0xE9]) }, NotUtf8(Password)),
        (password("u\u{E000}", "p"), Prohibited(User)), // R117
        (password("u", "\u{AD}"), Empty(Password)),
        (external(""), WrongCredentials(Mechanism::Plain)),
    ] {
        assert_eq!(begin(Mechanism::Plain, &credentials).unwrap_err(), error);
    }
}

#[test]
fn plain_carries_fields_of_255_octets_and_more() {
    for length in [255, 2000] {
        let field = "x".repeat(length);
        let mut exchange = begin(Mechanism::Plain, &delegated(&field, &field, &field)).unwrap(); // N27
        assert_eq!(initial(&mut exchange).unwrap().len(), 3 * length + 2);
    }
}

#[test]
fn plain_answers_one_empty_challenge_and_no_other() {
    for asked in [false, true] {
        let mut exchange = begin(Mechanism::Plain, &password("u", "p")).unwrap();
        if asked {
            assert!(initial(&mut exchange).is_some()); // made, and found too long to send (R100)
        }
        assert_eq!(respond(&mut exchange, b"").as_deref(), Ok(&b"\0u\0p"[..])); // R100
        assert_eq!(exchange.finish(), Ok(()));
        let unexpected = Err(SaslError::UnexpectedChallenge(Mechanism::Plain));
        assert_eq!(respond(&mut exchange, b""), unexpected);
        assert_eq!(exchange.finish(), unexpected.map(drop));
    }
}

#[test]
fn plain_gives_nothing_to_a_challenge_with_content() {
    for challenge in [&b"Username:"[..], b"\0", b" "] {
        let mut exchange = begin(Mechanism::Plain, &password("u", "p")).unwrap();
        let unexpected = Err(SaslError::UnexpectedChallenge(Mechanism::Plain));
        assert_eq!(respond(&mut exchange, challenge), unexpected);
        assert_eq!(respond(&mut exchange, b""), unexpected, "a failed exchange stays failed");
    }
}

#[test]
fn login_answers_two_prompts_whatever_they_say() {
    for (first, second) in [
        (&b"Username:"[..], &b"Password:"[..]),
        (b"Password:", b"Username:"),
        (b"", b""),
        (b"\xFF", b"Kennwort"),
    ] {
        let mut exchange = begin(Mechanism::Login, &password("username", "Pa$$w0rd")).unwrap();
        assert_eq!(initial(&mut exchange), None);
        let incomplete = Err(SaslError::Incomplete(Mechanism::Login));
        assert_eq!(exchange.finish(), incomplete);
        assert_eq!(respond(&mut exchange, first).as_deref(), Ok(&b"username"[..])); // R120, 1.14
        assert_eq!(exchange.finish(), incomplete);
        assert_eq!(respond(&mut exchange, second).as_deref(), Ok(&b"Pa$$w0rd"[..]));
        assert_eq!(exchange.finish(), Ok(()));
        let unexpected = Err(SaslError::UnexpectedChallenge(Mechanism::Login));
        assert_eq!(respond(&mut exchange, b"Password:"), unexpected);
        assert_eq!(exchange.finish(), unexpected.map(drop), "cancelled, and yet a 235");
    }
}

#[test]
fn login_sends_octets_as_given_and_refuses_what_it_cannot_say() {
    let latin1 = Credentials::Password { user: "\u{2168}".into(), password: Secret::new([b'p', 0xE9]) };
    let mut exchange = begin(Mechanism::Login, &latin1).unwrap();
    assert_eq!(respond(&mut exchange, b"u").unwrap(), "\u{2168}".as_bytes());
    assert_eq!(respond(&mut exchange, b"p").unwrap(), [b'p', 0xE9]);

    for (credentials, error) in [
        (password("", "p"), SaslError::Empty(Field::User)),
        (password("u", ""), SaslError::Empty(Field::Password)),
        (password("u\0", "p"), SaslError::Nul(Field::User)),
        (password("u", "\0"), SaslError::Nul(Field::Password)),
        (delegated("i", "u", "p"), SaslError::WrongCredentials(Mechanism::Login)),
        (external("i"), SaslError::WrongCredentials(Mechanism::Login)),
    ] {
        assert_eq!(begin(Mechanism::Login, &credentials).unwrap_err(), error);
    }
}

#[test]
fn external_sends_its_identity_even_if_empty() {
    for identity in ["", "user", "ünï"] {
        let mut exchange = begin(Mechanism::External, &external(identity)).unwrap();
        assert_eq!(initial(&mut exchange).as_deref(), Some(identity.as_bytes())); // R101, R118, M46, B3
        assert_eq!(exchange.finish(), Ok(()));
    }
    assert_eq!(begin(Mechanism::External, &external("a\0")).unwrap_err(), SaslError::Nul(Field::Identity));
    assert_eq!(
        begin(Mechanism::External, &password("u", "p")).unwrap_err(),
        SaslError::WrongCredentials(Mechanism::External)
    );
}

#[test]
fn external_answers_an_empty_challenge_with_its_identity() {
    for identity in ["", "user"] {
        let mut exchange = begin(Mechanism::External, &external(identity)).unwrap();
        assert!(initial(&mut exchange).is_some());
        assert_eq!(respond(&mut exchange, b"").as_deref(), Ok(identity.as_bytes())); // R119, B3
        assert_eq!(respond(&mut exchange, b""), Err(SaslError::UnexpectedChallenge(Mechanism::External)));
    }
}

#[test]
fn the_initial_response_is_handed_out_once() {
    let mut exchange = begin(Mechanism::Plain, &password("u", "p")).unwrap();
    assert!(exchange.initial_response().is_some());
    assert_eq!(exchange.initial_response(), None);

    let mut exchange = begin(Mechanism::Plain, &password("u", "p")).unwrap();
    exchange.respond(b"").unwrap();
    assert_eq!(exchange.initial_response(), None);
}

#[test]
fn success_before_anything_was_sent_is_none() {
    for (mechanism, credentials) in [
        (Mechanism::Plain, password("u", "p")),
        (Mechanism::Login, password("u", "p")),
        (Mechanism::External, external("")),
        (Mechanism::ScramSha256, password("u", "p")),
        (Mechanism::CramMd5, password("u", "p")),
        (Mechanism::OAuthBearer, token("u", "t")),
        (Mechanism::XOAuth2, token("u", "t")),
    ] {
        let exchange = begin(mechanism, &credentials).unwrap();
        assert_eq!(exchange.finish(), Err(SaslError::Incomplete(mechanism))); // R124
    }
}

#[test]
fn sixteen_challenges_are_answered_and_no_more() {
    for initial in [None, Some(Secret::from(""))] {
        let mut exchange = endless(initial);
        for _ in 0..16 {
            assert!(exchange.respond(b"").is_ok());
        }
        assert_eq!(exchange.finish(), Ok(()));
        let too_many = Err(SaslError::TooManyChallenges(Mechanism::Login)); // N38, R111, D35
        assert_eq!(respond(&mut exchange, b""), too_many);
        assert_eq!(exchange.finish(), too_many.map(drop));
    }
}

#[test]
fn a_later_empty_challenge_is_the_mechanisms_own() {
    let mut exchange = endless(Some(Secret::from("client-first")));
    assert!(initial(&mut exchange).is_some());
    assert_eq!(respond(&mut exchange, b"server-first").as_deref(), Ok(&b"server-first"[..]));
    assert_eq!(respond(&mut exchange, b"").as_deref(), Ok(&b""[..]));
}

#[test]
fn responses_fit_the_line_a_server_must_accept() {
    assert_eq!(STANDARD.encode([0; MAX_RESPONSE]).len() + 2, 12286); // D35: the next step up is 12290
    let room = MAX_RESPONSE - "\0u\0".len();
    assert!(begin(Mechanism::Plain, &password("u", &"x".repeat(room))).is_ok());
    assert_eq!(
        begin(Mechanism::Plain, &password("u", &"x".repeat(room + 1))).unwrap_err(),
        SaslError::ResponseTooLong { mechanism: Mechanism::Plain, length: MAX_RESPONSE + 1 }
    );

    let mut exchange = begin(Mechanism::Login, &password("u", &"x".repeat(MAX_RESPONSE + 1))).unwrap();
    exchange.respond(b"").unwrap();
    assert!(matches!(exchange.respond(b""), Err(SaslError::ResponseTooLong { .. })));
}

#[test]
fn challenges_are_strict_base64_or_nothing() {
    assert_eq!(decode_challenge(b"").unwrap().expose(), b""); // R102
    assert_eq!(decode_challenge(b"VXNlcm5hbWU6").unwrap().expose(), b"Username:");
    assert_eq!(decode_challenge(b"YQ==").unwrap().expose(), b"a");
    assert_eq!(decode_challenge(b"+/+/").unwrap().expose(), [0xFB, 0xFF, 0xBF]);

    // R103: alphabet, blanks, padding missing or out of place, bits behind the end
    let wrong: [&[u8]; 22] = [
        b"a=bc",
        b"!!",
        b"=",
        b"==",
        b"===",
        b"====",
        b"YQ",
        b"YQ=",
        b"Y",
        b"YQ===",
        b"YQ==YQ==",
        b"=YQ=",
        b" ",
        b" YQ==",
        b"YQ== ",
        b"YQ==\r",
        b"YW\nJj",
        b"YR==",
        b"-_-_",
        b"Username:",
        b"*",
        b"\0\0\0\0",
    ];
    for text in wrong {
        assert_eq!(
            decode_challenge(text),
            Err(SaslError::NotBase64),
            "{:?}",
            text.escape_ascii().to_string()
        );
    }
}

#[test]
fn challenges_are_bounded_before_they_are_decoded() {
    let longest = STANDARD.encode([b'x'; 12288]);
    assert_eq!(longest.len(), 16384);
    assert_eq!(decode_challenge(longest.as_bytes()).unwrap().expose(), [b'x'; 12288]); // R105
    assert_eq!(decode_challenge(format!("{longest}A").as_bytes()), Err(SaslError::ChallengeTooLong)); // D35
    assert_eq!(decode_challenge(&[b'!'; 1 << 20]), Err(SaslError::ChallengeTooLong));
}

/// Everything that can be printed about an exchange with these credentials, in all its stages.
fn printed(credentials: &Credentials, challenges: &[Vec<u8>]) -> Vec<String> {
    let mut out =
        vec![format!("{credentials:?} {credentials:#?} {:?}", AuthPolicy::Auto(credentials.clone()))];
    for mechanism in Mechanism::ALL {
        out.push(format!("{:?}", AuthPolicy::Mechanism(mechanism, credentials.clone())));
        let mut exchange = match begin(mechanism, credentials) {
            Ok(exchange) => exchange,
            Err(error) => {
                out.push(format!("{error:?} {error}"));
                continue;
            }
        };
        out.push(format!("{exchange:?} {:?}", exchange.initial_response()));
        for challenge in challenges {
            match exchange.respond(challenge) {
                Ok(answer) => out.push(format!("{exchange:?} {answer:?}")),
                Err(error) => out.push(format!("{exchange:?} {error:?} {error}")),
            }
            out.push(format!("{:?}", exchange.finish()));
        }
    }
    out
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    /// R133: what is printed does not contain the secret in any form...
    #[test]
    fn nothing_printed_contains_the_secret(
        user in "[a-z0-9@.]{6,20}",
        secret in "(\\PC|\0){6,20}",
        kind in 0..5,
        challenges in proptest::collection::vec(any::<Vec<u8>>(), 0..4),
    ) {
        let credentials = match kind {
            0 => password(&user, &secret),
            1 => delegated(&user, &user, &secret),
            2 => password(&secret, &secret),
            3 => token(&user, &secret),
            _ => external(&secret),
        };
        let message = [b"\0", user.as_bytes(), b"\0", secret.as_bytes()].concat();
        for text in printed(&credentials, &challenges) {
            prop_assert!(!text.contains(&secret));
            prop_assert!(!text.contains(&secret.escape_debug().to_string()));
            prop_assert!(!text.contains(&STANDARD.encode(&secret)));
            prop_assert!(!text.contains(&STANDARD.encode(&message)));
            let listed = format!("{:?}", secret.as_bytes());
            prop_assert!(!text.contains(&listed));
            prop_assert!(!text.contains(&user));
        }
    }

    /// ... and does not even depend on it.
    #[test]
    fn what_is_printed_is_the_same_for_every_secret(
        first in "[ -~]{1,40}",
        second in "[ -~]{1,40}",
        challenges in proptest::collection::vec(any::<Vec<u8>>(), 0..4),
    ) {
        prop_assert_eq!(
            printed(&password(&first, &first), &challenges),
            printed(&password(&second, &second), &challenges)
        );
    }

    #[test]
    fn plain_separates_into_what_was_given(identity in "\\PC{0,20}", user in "[!-~]{1,40}", secret in "[!-~]{1,40}") {
        let mut exchange = begin(Mechanism::Plain, &delegated(&identity, &user, &secret)).unwrap();
        let message = initial(&mut exchange).unwrap();
        let parts: Vec<&[u8]> = message.split(|b| *b == 0).collect();
        prop_assert_eq!(parts, [identity.as_bytes(), user.as_bytes(), secret.as_bytes()]); // R116
    }

    #[test]
    fn base64_of_anything_decodes_to_it(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let decoded = decode_challenge(STANDARD.encode(&octets).as_bytes()).unwrap();
        prop_assert_eq!(decoded.expose(), octets);
    }

    /// R103: there is one encoding of everything, so what is accepted is canonical.
    #[test]
    fn what_decodes_is_canonical(text in "[A-Za-z0-9+/=\\- \r\n]{0,12}") {
        if let Ok(decoded) = decode_challenge(text.as_bytes()) {
            prop_assert_eq!(STANDARD.encode(decoded.expose()), text);
        }
    }

    /// No sequence of challenges gets more out of an exchange than each secret once, and never more than 16 answers.
    #[test]
    fn a_hostile_server_gets_nothing_twice(
        mechanism in prop_oneof![Just(Mechanism::Plain), Just(Mechanism::Login)],
        challenges in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3), 0..40),
    ) {
        let mut exchange = begin(mechanism, &password("ann", "hunter2")).unwrap();
        let answers: Vec<Vec<u8>> =
            challenges.iter().filter_map(|challenge| respond(&mut exchange, challenge).ok()).collect();
        prop_assert!(answers.len() <= 2);
        let holding = answers.iter().filter(|answer| answer.ends_with(b"hunter2")).count();
        prop_assert!(holding <= 1);
    }
}
