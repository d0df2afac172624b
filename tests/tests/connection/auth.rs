//! AUTH in a dialogue: in clear where D4 allows it.

use smtp_proto::{
    Error, Event, Notice,
    config::{Link, TlsMode},
    error::AuthError,
    sasl::{AuthPolicy, Credentials, Mechanism, SaslError},
};

use super::*;

fn password() -> Credentials {
    Credentials::Password { user: "test".into(), password: "testpass".into() }
}

fn with(policy: AuthPolicy) -> Config {
    let mut config = config();
    config.auth = policy;
    config.security.secrets_in_clear = true; // D4a
    config
}

fn plain() -> Config {
    with(AuthPolicy::Mechanism(Mechanism::Plain, password()))
}

fn login() -> Config {
    with(AuthPolicy::Mechanism(Mechanism::Login, password()))
}

fn external(identity: &str) -> Config {
    with(AuthPolicy::Mechanism(Mechanism::External, Credentials::External { identity: identity.into() }))
}

const OFFER: &[&str] = &["PIPELINING", "AUTH PLAIN LOGIN EXTERNAL"];
const PLAIN: &str = "C: AUTH PLAIN AHRlc3QAdGVzdHBhc3M=";

#[test]
fn plain_says_user_and_password_at_once_and_waits() {
    // R110, R146, T12: PIPELINING is offered, and nothing follows AUTH before its reply.
    let outcome = play_split(
        plain(),
        Plan::of([mail(&["b@y"])]),
        &session(
            OFFER,
            &format!(
                "{PLAIN}\nS: 235 2.7.0 in\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n*: content\nS: 250 ok"
            ),
        ),
    );
    assert_eq!(outcome.verdicts(0), ["delivered 250"]);
    assert!(outcome.events.iter().any(|event| matches!(event, Event::Notice(Notice::SecretInClear)))); // D4
    for line in &outcome.transcript {
        assert!(!line.contains("AHRlc3Q") && !line.contains("testpass"), "{line}"); // R133
    }
}

#[test]
fn login_answers_what_it_is_asked() {
    play_split(
        login(),
        Plan::default(),
        &session(
            OFFER,
            "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGVzdA==\nS: 334 UGFzc3dvcmQ6\nC: dGVzdHBhc3M=\nS: 235 in",
        ),
    );
}

#[test]
fn an_empty_external_identity_is_an_equals_sign() {
    // R101, B3; also for servers that ask all the same
    for dialogue in [
        "C: AUTH EXTERNAL =\nS: 235 in",
        "C: AUTH EXTERNAL =\nS: 334 \nC|\\r\\n\nS: 235 in",
        "C: AUTH EXTERNAL =\nS| 334\\r\\n\nC|\\r\\n\nS: 235 in",
    ] {
        play_split(external(""), Plan::default(), &session(OFFER, dialogue));
    }
    play_split(external("bob"), Plan::default(), &session(OFFER, "C: AUTH EXTERNAL Ym9i\nS: 235 in"));
}

#[test]
fn an_initial_response_too_long_for_the_line_waits_to_be_asked() {
    // R100, R105
    let long = Credentials::Password {
        user: "u".repeat(250).as_str().into(),
        password: "p".repeat(200).as_str().into(),
    };
    let dialogue = session(OFFER, "C: AUTH PLAIN\nS: 334 \nC~ AHV1dXV1\nS: 235 in");
    play_split(with(AuthPolicy::Mechanism(Mechanism::Plain, long.clone())), Plan::default(), &dialogue);

    // A server that is content without having seen the password is not believed.
    let outcome = play_split(
        with(AuthPolicy::Mechanism(Mechanism::Plain, long)),
        Plan::default(),
        &(opened(OFFER) + "C: AUTH PLAIN\nS: 235 in\n*: gone"),
    );
    assert!(matches!(outcome.error(), Error::Peer(_)));
}

#[test]
fn refused_credentials_end_the_session_without_a_star() {
    // B2, R107, R109, D20, T13, M115: one try, QUIT, nothing permanent for the message.
    for code in [
        "535 5.7.8 no",
        "454 4.7.0 later",
        "432 4.7.12 change",
        "500 5.5.6 long",
        "501 what",
        "504 5.5.4 what",
        "530 5.7.0 auth",
        "534 5.7.9 weak",
        "538 5.7.11 tls",
    ] {
        let outcome =
            play_split(plain(), Plan::of([mail(&["b@y"])]), &session(OFFER, &format!("{PLAIN}\nS: {code}")));
        assert!(matches!(outcome.error(), Error::Auth(AuthError::Refused { forwarded: false, .. })));
        assert!(!outcome.error().is_permanent(), "{code}");
        assert_eq!(outcome.error().status().code.get(), 454); // D20
        assert!(outcome.reports.is_empty());
        assert!(!outcome.error().full_text().contains("testpass"));
    }
}

#[test]
fn a_challenge_that_cannot_be_answered_is_cancelled_by_a_star() {
    // R103, R104: any 5yz will do as the answer.
    for challenge in ["334 a=bc", "334 !!", "334 dGVzdA==x", "334-YQ==\nS: 334 YQ==", "334 YQ"] {
        let outcome = play_split(
            login(),
            Plan::default(),
            &session(OFFER, &format!("C: AUTH LOGIN\nS: {challenge}\nC: *\nS: 501 cancelled")),
        );
        assert!(matches!(outcome.error(), Error::Auth(AuthError::Sasl(SaslError::NotBase64))), "{challenge}");
    }
    // PLAIN has said everything.
    let outcome = play_split(
        plain(),
        Plan::default(),
        &session(OFFER, &format!("{PLAIN}\nS: 334 YQ==\nC: *\nS: 500 ok")),
    );
    assert!(matches!(outcome.error(), Error::Auth(AuthError::Sasl(SaslError::UnexpectedChallenge(_)))));
}

#[test]
fn an_answer_that_is_too_long_for_its_line_is_cancelled_by_a_star() {
    // R100, R104: 12,288 octets of a line, its end included.
    let long = |len: usize| {
        let password = smtp_proto::Secret::from("p".repeat(len));
        with(AuthPolicy::Mechanism(Mechanism::Login, Credentials::Password { user: "test".into(), password }))
    };
    let asked = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGVzdA==\nS: 334 UGFzc3dvcmQ6";
    let outcome = play_split(
        long(9_214),
        Plan::default(),
        &session(OFFER, &format!("{asked}\nC: *\nS: 501 cancelled")),
    );
    assert!(matches!(outcome.error(), Error::Auth(AuthError::Sasl(SaslError::ResponseTooLong { .. }))));
    let answer = "cHBw".repeat(3_071);
    play_split(long(9_213), Plan::default(), &session(OFFER, &format!("{asked}\nC: {answer}\nS: 235 in")));
}

#[test]
fn a_challenge_may_be_longer_than_any_other_reply() {
    // RFC 4954 §4: 12,288 octets of a line.
    let challenge = "QUJD".repeat(3_000);
    let dialogue =
        format!("C: AUTH LOGIN\nS: 334 {challenge}\nC: dGVzdA==\nS: 334 UA==\nC: dGVzdHBhc3M=\nS: 235 in");
    play_split(login(), Plan::default(), &session(OFFER, &dialogue));
}

#[test]
fn challenges_without_end_are_cancelled() {
    // R111, N38: LOGIN has two answers; the third challenge is one too many.
    let outcome = play_split(
        login(),
        Plan::default(),
        &session(
            OFFER,
            "C: AUTH LOGIN\nS: 334 VQ==\nC: dGVzdA==\nS: 334 UA==\nC: dGVzdHBhc3M=\nS: 334 YQ==\nC: *\nS: 501 ok",
        ),
    );
    assert!(matches!(outcome.error(), Error::Auth(_)));
}

#[test]
fn only_235_is_success() {
    // D31, R106
    for code in ["250 ok", "220 ok", "299 ok", "354 go"] {
        let outcome =
            play_split(plain(), Plan::default(), &format!("{}{PLAIN}\nS: {code}\n*: gone", opened(OFFER)));
        assert!(matches!(outcome.error(), Error::Peer(_)), "{code}");
    }
}

#[test]
fn success_before_the_mechanism_is_through_is_not_believed() {
    // R124
    for dialogue in ["C: AUTH LOGIN\nS: 235 in", "C: AUTH LOGIN\nS: 334 VQ==\nC: dGVzdA==\nS: 235 in"] {
        let outcome = play_split(login(), Plan::default(), &session(OFFER, dialogue));
        assert!(matches!(outcome.error(), Error::Auth(_)), "{:?}", outcome.error());
    }
}

#[test]
fn a_line_lost_or_421_inside_auth_is_a_failure_of_the_connection() {
    for end in ["S: 421 no\n*: gone", "*: close"] {
        let outcome = play_split(plain(), Plan::default(), &format!("{}{PLAIN}\n{end}", opened(OFFER)));
        assert!(matches!(outcome.error(), Error::Lost { .. } | Error::Refused { .. }));
    }
}

#[test]
fn what_is_not_offered_is_not_tried() {
    // B4, R98, R134
    for offers in [&["PIPELINING"][..], &["AUTH LOGIN CRAM-MD5"], &["AUTH"]] {
        let outcome = play_split(plain(), Plan::default(), &session(offers, ""));
        assert!(matches!(
            outcome.error(),
            Error::Auth(AuthError::Sasl(SaslError::NotOffered(Mechanism::Plain)))
        ));
    }
    let outcome = play(with(AuthPolicy::Auto(password())), Plan::default(), &session(&["AUTH=GSSAPI"], ""));
    assert!(matches!(outcome.error(), Error::Auth(_)));
}

#[test]
fn without_a_policy_nobody_logs_in() {
    let outcome = play(config(), Plan::default(), &session(OFFER, ""));
    assert!(matches!(outcome.closed(), Some(None)));
}

fn link(change: impl FnOnce(&mut Link)) -> Link {
    let mut link = Link::default();
    change(&mut link);
    link
}

/// Plays over this link; the dialogue must fit.
fn over(config: Config, link: Link, dialogue: &str) -> Outcome {
    let mut world = World::with_link(config, link, Script::new(dialogue));
    world.expect(Plan::default());
    world.into_outcome()
}

#[test]
fn a_secret_goes_in_clear_only_where_the_operator_or_the_link_allows_it() {
    // D4, R91, law 4
    let starttls = |mut config: Config| {
        config.security.mode = TlsMode::StartTls;
        config.security.server_name = Some("mx.example".try_into().unwrap());
        config.security.client =
            Some(smtp_testkit::Certificates::for_name("mx.example").client(rustls::DEFAULT_VERSIONS));
        config
    };
    let local = || link(|link| link.local = true);
    let refused = session(OFFER, "");
    let allowed = session(OFFER, &format!("{PLAIN}\nS: 235 in"));

    over(starttls(plain()), Link::default(), &refused); // merely missing, on a routable address
    over(starttls(plain()), local(), &allowed);
    over(plain(), link(|link| link.after_tls_failure = true), &refused);
    over(plain(), link(|link| (link.after_tls_failure, link.local) = (true, true)), &refused);
    for link in [local(), Link::default()] {
        let outcome = over(
            starttls(plain()),
            link,
            &session(&["STARTTLS", "AUTH PLAIN"], "C: STARTTLS\nS: 454 not now"),
        );
        assert!(matches!(outcome.error(), Error::Auth(AuthError::Sasl(SaslError::NotConfidential(_)))));
        assert!(!outcome.wire().contains("AUTH"));
    }
}

#[test]
fn a_mechanism_without_a_secret_may_go_anywhere() {
    over(
        external(""),
        link(|link| link.after_tls_failure = true),
        &session(OFFER, "C: AUTH EXTERNAL =\nS: 235 in"),
    );
}

#[test]
fn forwarded_credentials_are_the_clients_own() {
    // T14, T15, D20, M45, M108
    let forward = || with(AuthPolicy::Forward);
    let own = || link(|link| link.forwarded = Some(password()));
    over(forward(), own(), &session(OFFER, &format!("{PLAIN}\nS: 235 in")));

    let outcome = over(forward(), Link::default(), &session(OFFER, ""));
    let status = outcome.error().status();
    assert_eq!((status.code.get(), status.enhanced.to_string().as_str()), (530, "5.7.0"));

    let outcome = over(forward(), own(), &session(OFFER, &format!("{PLAIN}\nS: 535 5.7.8 no")));
    assert!(outcome.error().is_permanent());
    assert_eq!(outcome.error().status().code.get(), 535);
}

#[test]
fn a_relay_that_authenticated_says_auth_where_asked_to() {
    // D23, R113
    let mut config = plain();
    config.mail_auth_param = true;
    let dialogue = session(
        OFFER,
        &format!(
            "{PLAIN}\nS: 235 in\nC: MAIL FROM:<a@x.example> AUTH=<>\nC~ RCPT\nC~ DATA\nS: 450 no\nS: 503 no\nS: 503 no"
        ),
    );
    let outcome = play_split(config, Plan::of([mail(&["b@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["deferred 450 mail"]);
}

#[test]
fn a_reply_behind_the_235_is_out_of_step() {
    // D33
    let outcome = play(
        plain(),
        Plan::default(),
        &format!("{}{PLAIN}\nS| 235 in\\r\\n250 ok\\r\\n\n*: gone", opened(OFFER)),
    );
    assert!(matches!(outcome.error(), Error::Peer(_)));
}
