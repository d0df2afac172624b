use super::*;

/// RFC 7677 §3.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn account(user: &str, password: &str) -> Credentials {
    Credentials::Password { user: user.into(), password: password.into() }
}

fn start(credentials: &Credentials) -> (String, Box<dyn Steps>) {
    let begun = begin_with(credentials, NONCE.to_owned(), true).unwrap();
    (said(&begun.initial.unwrap()), begun.steps)
}

fn said(secret: &Secret) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

/// The exchange of the RFC, as far as our proof.
fn proven() -> Box<dyn Steps> {
    let (_, mut steps) = start(&account("user", "pencil"));
    steps.respond(SERVER_FIRST.as_bytes()).unwrap();
    steps
}

#[test]
fn example_of_rfc_7677_section_3() {
    let (first, mut steps) = start(&account("user", "pencil"));
    assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_eq!(
        said(&steps.respond(SERVER_FIRST.as_bytes()).unwrap()),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    assert_eq!(steps.finish(), Err(SaslError::Incomplete(THIS)), "R124: the server has proven nothing yet");
    assert_eq!(said(&steps.respond(SERVER_FINAL.as_bytes()).unwrap()), ""); // R106
    assert_eq!(steps.finish(), Ok(()));
    let more = steps.respond(SERVER_FINAL.as_bytes());
    assert_eq!(more, Err(SaslError::UnexpectedChallenge(THIS)));
}

#[test]
fn names_are_escaped_and_prepared_and_the_identity_is_the_servers_to_prepare() {
    for (credentials, expected) in [
        (account("a=b,c", "p"), "n,,n=a=3Db=2Cc,r="), // R121
        (account("\u{2168}", "p"), "n,,n=IX,r="),     // R126
        (
            Credentials::Delegated { identity: "b,\u{2168}".into(), user: "u".into(), password: "p".into() },
            "n,a=b=2C\u{2168},n=u,r=",
        ),
    ] {
        assert_eq!(start(&credentials).0, format!("{expected}{NONCE}"));
    }
    // The header comes back in `c=` (RFC 5802 §5.1).
    let delegated = Credentials::Delegated { identity: "bob".into(), user: "u".into(), password: "p".into() };
    let last = said(&start(&delegated).1.respond(SERVER_FIRST.as_bytes()).unwrap());
    assert!(last.starts_with(&format!("c={},r={NONCE}%", STANDARD.encode("n,a=bob,"))), "{last}");
}

#[test]
fn the_password_is_prepared() {
    let proof = |password: &str| {
        let (_, mut steps) = start(&account("user", password));
        said(&steps.respond(SERVER_FIRST.as_bytes()).unwrap())
    };
    assert_eq!(proof("I\u{AD}X"), proof("\u{2168}")); // R126
    assert_ne!(proof("IX"), proof("ix"));
}

#[test]
fn what_it_cannot_carry_is_refused_before_randomness_is_asked_for() {
    use SaslError::{Empty, NoRandomness, Nul, Prohibited, WrongCredentials};

    let external = Credentials::External { identity: String::new() };
    let identity = Credentials::Delegated { identity: "a\0".into(), user: "u".into(), password: "p".into() };
    for (credentials, error) in [
        (account("", "p"), Empty(Field::User)),
        (account("u", ""), Empty(Field::Password)),
        (account("u\0", "p"), Nul(Field::User)),
        (account("u", "\u{E000}"), Prohibited(Field::Password)), // R126
        (identity, Nul(Field::Identity)),
        (external, WrongCredentials(THIS)),
        (account("u", "p"), NoRandomness(THIS)),
    ] {
        assert_eq!(begin(&credentials, None).err(), Some(error));
    }
    let failing = Random::new(|_| Err(std::io::ErrorKind::Other.into()));
    assert_eq!(begin(&account("u", "p"), Some(&failing)).err(), Some(NoRandomness(THIS)));
}

#[test]
fn the_nonce_is_all_that_was_drawn() {
    let counting = Random::new(|octets| {
        octets.iter_mut().zip(0..).for_each(|(octet, count)| *octet = count);
        Ok(())
    });
    let begun = begin(&account("u", "p"), Some(&counting)).unwrap();
    assert_eq!(said(&begun.initial.unwrap()), "n,,n=u,r=AAECAwQFBgcICQoLDA0ODxAR");
}

#[test]
fn a_first_message_is_exactly_as_it_should_be_or_ends_the_exchange() {
    use SaslError::{ForeignNonce, Iterations, Malformed};

    let (good, long) = (format!("r={NONCE}x,s=AAAA,i=4096"), "9".repeat(40));
    for (message, error) in [
        // R122: another's nonce, ours as it is, and none
        ("r=x,s=AAAA,i=4096".to_owned(), ForeignNonce(THIS)),
        (format!("r={NONCE},s=AAAA,i=4096"), ForeignNonce(THIS)),
        (format!("r=x{NONCE},s=AAAA,i=4096"), ForeignNonce(THIS)),
        (format!("r={NONCE} x,s=AAAA,i=4096"), ForeignNonce(THIS)),
        ("r=,s=AAAA,i=4096".to_owned(), Malformed(THIS)),
        // R126: salt
        (format!("r={NONCE}x,s=,i=4096"), Malformed(THIS)),
        (format!("r={NONCE}x,s=AAA,i=4096"), Malformed(THIS)),
        (format!("r={NONCE}x,s=AA A,i=4096"), Malformed(THIS)),
        // R123: too few, too many, no numbers
        (format!("r={NONCE}x,s=AAAA,i=1"), Iterations(THIS)),
        (format!("r={NONCE}x,s=AAAA,i=4095"), Iterations(THIS)),
        (format!("r={NONCE}x,s=AAAA,i=1000001"), Iterations(THIS)),
        (format!("r={NONCE}x,s=AAAA,i=1000000000"), Iterations(THIS)),
        (format!("r={NONCE}x,s=AAAA,i={long}"), Iterations(THIS)),
        (format!("r={NONCE}x,s=AAAA,i=04096"), Malformed(THIS)),
        (format!("r={NONCE}x,s=AAAA,i=+4096"), Malformed(THIS)),
        (format!("r={NONCE}x,s=AAAA,i=-1"), Malformed(THIS)),
        (format!("r={NONCE}x,s=AAAA,i=4096.0"), Malformed(THIS)),
        (format!("r={NONCE}x,s=AAAA,i="), Malformed(THIS)),
        // R121: order, demands, repetitions, garbage
        (format!("m=x,{good}"), Malformed(THIS)),
        (format!("s=AAAA,r={NONCE}x,i=4096"), Malformed(THIS)),
        (format!("r={NONCE}x,i=4096,s=AAAA"), Malformed(THIS)),
        (format!("r={NONCE}x,r={NONCE}x,s=AAAA,i=4096"), Malformed(THIS)),
        (format!("{good},i=4096"), Malformed(THIS)),
        (format!("{good},m=x"), Malformed(THIS)),
        (format!("{good},"), Malformed(THIS)),
        (format!("{good},x"), Malformed(THIS)),
        (format!("{good},x="), Malformed(THIS)),
        (format!("{good},1=x"), Malformed(THIS)),
        (format!(" {good}"), Malformed(THIS)),
        (format!("{good},x=\0"), Malformed(THIS)),
        (format!("r={NONCE}x,s=AAAA"), Malformed(THIS)),
        (format!("R={NONCE}x,s=AAAA,i=4096"), Malformed(THIS)),
        (SERVER_FINAL.to_owned(), Malformed(THIS)),
        (String::new(), Malformed(THIS)),
    ] {
        let (_, mut steps) = start(&account("user", "pencil"));
        assert_eq!(steps.respond(message.as_bytes()), Err(error), "{message:?}");
        assert_eq!(steps.finish(), Err(SaslError::Incomplete(THIS)), "{message:?}");
    }
    let (_, mut steps) = start(&account("user", "pencil"));
    assert_eq!(steps.respond(b"r=\xFF,s=AAAA,i=4096"), Err(Malformed(THIS)));
    let (_, mut steps) = start(&account("user", "pencil"));
    assert!(steps.respond(format!("{good},x=y,t=1").as_bytes()).is_ok(), "extensions are passed over");
}

#[test]
fn bounds_of_the_iterations_are_inclusive() {
    assert_eq!((iterations("4096"), iterations("1000000")), (Ok(4096), Ok(1_000_000))); // N28, D35
}

#[test]
fn a_signature_that_is_not_the_servers_own_is_no_success() {
    // R124
    let wrong = STANDARD.encode([7; 32]);
    let cut = STANDARD.encode(&STANDARD.decode(&SERVER_FINAL[2..]).unwrap()[..31]);
    for (message, error) in [
        (format!("v={wrong}"), SaslError::WrongSignature(THIS)),
        (format!("v={cut}"), SaslError::WrongSignature(THIS)),
        ("v=".to_owned(), SaslError::Malformed(THIS)),
        ("v=!".to_owned(), SaslError::Malformed(THIS)),
        (format!("{SERVER_FINAL},v={wrong}"), SaslError::Malformed(THIS)),
        (format!("x=y,{SERVER_FINAL}"), SaslError::Malformed(THIS)),
        (SERVER_FIRST.to_owned(), SaslError::Malformed(THIS)),
        (String::new(), SaslError::Malformed(THIS)),
    ] {
        let mut steps = proven();
        assert_eq!(steps.respond(message.as_bytes()), Err(error), "{message:?}");
        assert_eq!(steps.finish(), Err(SaslError::Incomplete(THIS)));
        // Nor is there a second try.
        assert!(steps.respond(SERVER_FINAL.as_bytes()).is_err());
        assert!(steps.finish().is_err());
    }
    assert!(proven().respond(format!("{SERVER_FINAL},x=y").as_bytes()).is_ok());
}

#[test]
fn a_servers_own_word_that_it_failed_is_kept_if_it_is_known() {
    for (message, reason) in [
        ("e=invalid-proof", "invalid-proof"),
        ("e=unknown-user,x=y", "unknown-user"),
        ("e=rm -rf", "an error of its own"),
        ("e=", "an error of its own"),
    ] {
        let denied = Err(SaslError::Denied { mechanism: THIS, reason });
        assert_eq!(proven().respond(message.as_bytes()), denied); // R124
        assert_eq!(start(&account("u", "p")).1.respond(message.as_bytes()), denied, "also instead of a salt");
    }
}
