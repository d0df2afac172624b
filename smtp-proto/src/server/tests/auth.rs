use super::*;
use crate::{
    Secret,
    sasl::{Credentials, Mechanism},
};

fn offering(mechanisms: &[Mechanism]) -> Config {
    let auth = Auth { mechanisms: mechanisms.to_vec(), in_clear: true, required: true };
    Config { auth, ..config() }
}

fn password() -> Credentials {
    Credentials::Password { user: "test".into(), password: Secret::from("1234") }
}

/// The credentials of the last event.
fn shown(harness: &Harness) -> Option<&Credentials> {
    match harness.events.last() {
        Some(Event::Authenticate { credentials, .. }) => Some(credentials),
        _ => None,
    }
}

fn greeted(mechanisms: &[Mechanism]) -> Harness {
    let mut harness = Harness::new(offering(mechanisms));
    harness.send("EHLO c\r\n");
    harness
}

#[test]
fn plain_with_and_without_initial_response() {
    for pieces in [vec!["AUTH PLAIN AHRlc3QAMTIzNA==\r\n"], vec!["auth plain\r\n", "AHRlc3QAMTIzNA==\r\n"]] {
        let mut harness = greeted(&[Mechanism::Plain]);
        assert_eq!(harness.codes("MAIL FROM:<a@x>\r\n"), ["530 5.7.0"]); // R108
        for (index, piece) in pieces.iter().enumerate() {
            let expected = if index + 1 < pieces.len() { "334 \r\n" } else { "" };
            assert_eq!(harness.send(piece), expected); // R102
        }
        assert_eq!(shown(&harness), Some(&password()));
        harness.server.accept(harness.now).unwrap();
        assert_eq!(harness.output(), "235 2.7.0 authenticated\r\n"); // R106
        assert!(harness.server.is_authenticated());
        assert_eq!(harness.codes("AUTH PLAIN AHRlc3QAMTIzNA==\r\n"), ["503 5.5.1"]); // R99
        assert_eq!(harness.codes("MAIL FROM:<a@x> AUTH=<>\r\n"), ["250 2.1.0"]);
        assert_eq!(harness.codes("EHLO c\r\n"), ["250"]);
    }
}

#[test]
fn plain_on_behalf_of_somebody_else() {
    let mut harness = greeted(&[Mechanism::Plain]);
    harness.send("AUTH PLAIN Ym9zcwB0ZXN0ADEyMzQ=\r\n");
    let delegated = Credentials::Delegated {
        identity: "boss".into(),
        user: "test".into(),
        password: Secret::from("1234"),
    };
    assert_eq!(shown(&harness), Some(&delegated));
}

#[test]
fn login_prompts_twice() {
    let mut harness = greeted(&[Mechanism::Login]);
    assert_eq!(harness.send("AUTH LOGIN\r\n"), "334 VXNlcm5hbWU6\r\n"); // R120
    assert_eq!(harness.send("dGVzdA==\r\n"), "334 UGFzc3dvcmQ6\r\n");
    assert_eq!(harness.send("MTIzNA==\r\n"), "");
    assert_eq!(shown(&harness), Some(&password()));

    let mut harness = greeted(&[Mechanism::Login]);
    assert_eq!(harness.send("AUTH LOGIN dGVzdA==\r\n"), "334 UGFzc3dvcmQ6\r\n");
}

#[test]
fn a_refusal_leaves_the_client_to_try_again_three_times() {
    let mut harness = greeted(&[Mechanism::Plain]);
    for attempt in 1..=3 {
        harness.send("AUTH PLAIN AHRlc3QAMTIzNA==\r\n");
        harness.server.reply(harness.now, reply(535, "5.7.8 no")).unwrap();
        let expected = if attempt < 3 { vec!["535 5.7.8"] } else { vec!["535 5.7.8", "421 4.7.0"] };
        assert_eq!(codes(&harness.output()), expected); // R107, R109
    }
    assert_eq!(harness.closed(), Some(&Closed::TooManyErrors));
}

#[test]
fn an_answer_to_auth_is_235_or_a_refusal() {
    let mut harness = greeted(&[Mechanism::Plain]);
    harness.send("AUTH PLAIN AHRlc3QAMTIzNA==\r\n");
    assert!(harness.server.reply(harness.now, reply(250, "fine")).is_err()); // D31
    assert!(!harness.server.is_authenticated());
    assert!(harness.server.is_asking());
}

#[test]
fn cancelled_malformed_and_unknown() {
    let mut harness = greeted(&[Mechanism::Plain, Mechanism::Login]);
    assert_eq!(harness.codes("AUTH PLAIN\r\n"), ["334"]);
    assert_eq!(harness.codes("*\r\n"), ["501 5.0.0"]); // R104
    assert_eq!(harness.codes("NOOP\r\n"), ["250 2.0.0"]);
    for bad in ["AHRlc3QAMTIzNA", "!!", "=", "AHRlc3Q=", "AAA="] {
        assert_eq!(harness.codes(format!("AUTH PLAIN {bad}\r\n")), ["501 5.5.2"], "{bad}"); // R103
    }
    assert_eq!(harness.codes("AUTH\r\nAUTH PLAIN a b\r\n"), ["501 5.5.4", "501 5.5.4"]);
    assert_eq!(harness.codes("AUTH CRAM-MD5\r\nAUTH EXTERNAL =\r\n"), ["504 5.5.4", "504 5.5.4"]);
}

#[test]
fn lines_of_12288_octets_are_taken_and_no_longer_ones() {
    let message = [&b"\0u\0"[..], &[b'p'; 9000]].concat();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, message);
    let mut harness = greeted(&[Mechanism::Plain]);
    harness.send("AUTH PLAIN\r\n");
    harness.send(format!("{encoded}\r\n"));
    assert!(shown(&harness).is_some()); // R105

    let mut harness = greeted(&[Mechanism::Plain]);
    harness.send("AUTH PLAIN\r\n");
    assert_eq!(
        harness.codes([b'A'; 12_287].iter().chain(b"\r\n").copied().collect::<Vec<_>>()),
        ["500 5.5.6"]
    );
    assert_eq!(harness.codes("NOOP\r\n"), ["250 2.0.0"]);
}

#[test]
fn passwords_are_not_asked_for_in_clear() {
    let mut config = offering(&[Mechanism::Plain, Mechanism::Login]);
    config.auth.in_clear = false;
    let mut harness = Harness::new(config);
    assert!(!harness.send("EHLO c\r\n").contains("AUTH"));
    assert_eq!(harness.codes("AUTH PLAIN AHRlc3QAMTIzNA==\r\n"), ["538 5.7.11"]); // R107
    assert!(shown(&harness).is_none());
}

#[test]
fn auth_in_a_transaction_is_refused() {
    let mut config = offering(&[Mechanism::Plain]);
    config.auth.required = false;
    let mut harness = Harness::new(config);
    harness.envelope();
    assert_eq!(harness.codes("AUTH PLAIN AHRlc3QAMTIzNA==\r\n"), ["503 5.5.1"]); // R99
}

#[test]
fn the_table_decides_about_everybody() {
    for (code, expected) in [(235, true), (535, false)] {
        let replies = table(Phase::Auth, reply(code, "so it is"));
        let mut harness = Harness::new(Config { replies, ..offering(&[Mechanism::Plain]) });
        harness.send("EHLO c\r\n");
        assert_eq!(harness.codes("AUTH PLAIN AHRlc3QAMTIzNA==\r\n"), [code.to_string()]);
        assert_eq!(harness.server.is_authenticated(), expected);
    }
}

#[test]
fn debug_shows_no_secret() {
    let mut harness = greeted(&[Mechanism::Plain]);
    harness.send("AUTH PLAIN AHRlc3QAMTIzNA==\r\n");
    let shown = format!("{:?} {:?}", harness.events, harness.server); // R133
    assert!(!shown.contains("1234") && !shown.contains("AHRlc3Q"), "{shown}");
}
