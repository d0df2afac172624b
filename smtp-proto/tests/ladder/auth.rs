//! SPEC 1.6: who authenticates where, and where a secret may go.

use smtp_proto::{
    Config, Notice, Phase, Secret,
    error::Kind,
    sasl::{AuthPolicy, Credentials, Mechanism},
};

use crate::{
    certs,
    server::{Sabotage, Script},
    world::{
        LOGIN_PASSWORD, PLAIN, World, attempt, auth_plain, off, off_by_default, password, require, with_auth,
    },
};

fn open_to_auth() -> Script {
    Script::plain().offering("AUTH PLAIN LOGIN EXTERNAL")
}

fn secure() -> Script {
    Script::starttls(&certs::SERVER).offering_in_tls("AUTH PLAIN LOGIN EXTERNAL")
}

fn forward(config: Config) -> Config {
    with_auth(config, AuthPolicy::Forward)
}

fn external(config: Config) -> Config {
    let credentials = Credentials::External { identity: String::new() };
    with_auth(config, AuthPolicy::Mechanism(Mechanism::External, credentials))
}

#[test]
fn auth_comes_after_tls_and_before_mail_once() {
    // M44, M48, T12, R98
    let seen = World::one(&with_auth(require(), auth_plain())).run([secure()]);
    let heard = format!("EHLO STARTTLS *EHLO *AUTH PLAIN {PLAIN} *MAIL *RCPT *DATA *message *QUIT");
    assert_eq!(seen.lines(), [heard]);
    assert_eq!(seen.result(), "delivered");
    assert!(seen.report.attempts[0].notices.is_empty());
    let seen = World::one(&with_auth(off(), auth_plain())).run([open_to_auth()]);
    assert_eq!(seen.lines(), [format!("EHLO AUTH PLAIN {PLAIN} MAIL RCPT DATA message QUIT")]);
    assert_eq!(seen.report.attempts[0].notices, [Notice::SecretInClear]); // D4
}

#[test]
fn auth_off_authenticates_nowhere() {
    // M43
    let seen = World::one(&attempt()).forwarding(password()).run([secure()]);
    assert!(!seen.lines()[0].contains("AUTH"));
}

#[test]
fn what_is_offered_only_before_tls_is_not_used() {
    // B4, R87, R98
    let script = Script::starttls(&certs::SERVER).offering("AUTH PLAIN");
    let seen = World::two(&with_auth(attempt(), auth_plain())).run([script]);
    assert_eq!(seen.lines(), ["EHLO STARTTLS *EHLO *QUIT"]);
    assert_eq!(seen.kinds(), [Some(Kind::Auth)]);
    assert_eq!(seen.result(), "deferred 454 4.7.8");
    let login_only = || Script::starttls(&certs::SERVER).offering_in_tls("AUTH LOGIN");
    let seen = World::one(&with_auth(attempt(), auth_plain())).run([login_only()]);
    assert_eq!(seen.lines(), ["EHLO STARTTLS *EHLO *QUIT"]);
}

#[test]
fn where_a_secret_may_travel_in_clear() {
    // D4: target, STARTTLS offered, attempt_starttls (`None`: off, and nobody said so), AUTH sent
    let (no, yes) = (Some(false), Some(true));
    let rows = [
        ("tcp://10.0.0.1:25", false, no, true),
        ("tcp://10.0.0.1:25", true, no, true),
        ("tcp://10.0.0.1:25", false, yes, false),
        ("tcp://10.0.0.1:25", false, None, false),
        ("tcp://10.0.0.1:25", true, None, false),
        ("tcp://127.0.0.1:25", false, no, true),
        ("tcp://127.0.0.1:25", true, no, true),
        ("tcp://127.0.0.1:25", false, yes, true),
        ("tcp://127.0.0.1:25", false, None, true),
        ("tcp://127.0.0.1:25", true, None, false),
        ("tcp://[::1]:25", false, yes, true),
        ("tcp://[::ffff:127.0.0.1]:25", false, yes, true),
        ("unix:///run/mx", false, no, true),
        ("unix:///run/mx", true, no, true),
        ("unix:///run/mx", false, yes, true),
        ("unix:///run/mx", true, None, false),
    ];
    let policies = [
        auth_plain(),
        AuthPolicy::Mechanism(Mechanism::Login, password()),
        AuthPolicy::Auto(password()),
        AuthPolicy::Forward,
    ];
    for (endpoint, offered, try_tls, expected) in rows {
        for policy in &policies {
            let config = match try_tls {
                Some(true) => attempt(),
                Some(false) => off(),
                None => off_by_default(),
            };
            let config = with_auth(config, policy.clone());
            let mut script = open_to_auth();
            if offered {
                script = script.offering("STARTTLS");
            }
            let login = matches!(policy, AuthPolicy::Mechanism(Mechanism::Login, _));
            if login {
                script = script.reply("AUTH", "334 VXNlcm5hbWU6").reply("RESPONSE", "235 ok");
            }
            let seen = World::new(&config, &[endpoint]).forwarding(password()).run([script]);
            let row = format!("{endpoint} {offered} {try_tls:?} {policy:?}: {:?}", seen.lines());
            assert_eq!(seen.lines()[0].contains("AUTH"), expected, "{row}");
            let notices = &seen.report.attempts[0].notices;
            assert_eq!(notices.contains(&Notice::SecretInClear), expected, "{row}");
            if !expected {
                seen.assert_no_secret_in_clear();
                assert_eq!(seen.lines(), ["EHLO QUIT"]);
                assert_eq!(seen.kinds(), [Some(Kind::Auth)]);
                let text = seen.status().text;
                assert!(text.contains("require_tls") && text.contains("attempt_starttls no"), "{text}");
            }
        }
    }
}

#[test]
fn a_session_that_fell_back_never_sees_a_secret() {
    // D4, M65, M67: even on loopback and on a Unix socket
    let bad = || Script::starttls(&certs::EXPIRED).offering("AUTH PLAIN LOGIN");
    let refusing = || bad().reply("STARTTLS", "454 no");
    let late = || Script::starttls(&certs::DEMANDING_13).offering("AUTH PLAIN LOGIN");
    let silent = || Script::sabotaged(Sabotage::Answer(b"")).offering("AUTH PLAIN LOGIN");
    // The server no longer offers STARTTLS when it is asked again.
    let stripped = || Script::plain().offering("AUTH PLAIN LOGIN");
    let loopback = "tcp://127.0.0.1:25";
    let rows: [(&str, Vec<Script>); 7] = [
        ("tcp://10.0.0.1:25", vec![bad(), bad()]),
        (loopback, vec![bad(), bad()]),
        (loopback, vec![bad(), stripped()]),
        (loopback, vec![late(), late()]),
        (loopback, vec![silent(), stripped()]),
        (loopback, vec![refusing()]),
        ("unix:///run/mx", vec![bad(), stripped()]),
    ];
    for policy in [auth_plain(), AuthPolicy::Auto(password()), AuthPolicy::Forward] {
        for (endpoint, scripts) in &rows {
            let config = with_auth(attempt(), policy.clone());
            let seen = World::new(&config, &[endpoint]).forwarding(password()).run(scripts.clone());
            seen.assert_no_secret_in_clear();
            assert!(!seen.lines().iter().any(|line| line.contains("AUTH")), "{:?}", seen.lines());
            assert_eq!(seen.kinds().last().unwrap(), &Some(Kind::Auth), "{endpoint}");
            assert_eq!(seen.result(), "deferred 454 4.7.8");
        }
    }
}

#[test]
fn a_secret_that_is_safe_at_the_next_target_goes_there() {
    // D4: nothing was tried, so nothing was refused
    let config = with_auth(attempt(), auth_plain());
    let seen = World::two(&config).run([open_to_auth(), secure()]);
    assert_eq!(seen.result(), "delivered");
    assert_eq!(seen.kinds(), [Some(Kind::Auth), None]);
}

#[test]
fn refused_credentials_of_ours_are_our_problem_not_the_messages() {
    // D20, M47, T13, R109: one try, QUIT, no other target
    for (refusal, result) in [
        ("535 5.7.8 bad credentials", "deferred 454 4.7.8"),
        ("454 4.7.0 later", "deferred 454 4.7.8"),
        ("534 5.7.9 too weak", "deferred 454 4.7.8"),
    ] {
        let seen = World::two(&with_auth(require(), auth_plain())).run([secure().reply("AUTH", refusal)]);
        assert_eq!(seen.lines(), [format!("EHLO STARTTLS *EHLO *AUTH PLAIN {PLAIN} *QUIT")]);
        assert_eq!((seen.result().as_str(), seen.kinds()), (result, vec![Some(Kind::Auth)]));
        let (status, text) = (seen.status(), refusal.split_once(' ').unwrap().0);
        assert!(status.local && status.text.contains(text), "{}", status.text);
    }
    // D25, section 6 row 6
    let world = World::two(&with_auth(require(), auth_plain())).until_decided();
    assert_eq!(world.run([secure().reply("AUTH", "535 no"), secure()]).result(), "delivered");
}

#[test]
fn refused_credentials_of_the_client_are_the_clients_answer() {
    // D20
    for (refusal, result) in [
        ("535 5.7.8 bad credentials", "rejected 535 5.7.8"),
        ("535 bad", "rejected 535 5.0.0"),
        ("454 4.7.0 later", "deferred 454 4.7.0"),
    ] {
        let world = World::two(&forward(require())).forwarding(password());
        let seen = world.run([secure().reply("AUTH", refusal)]);
        assert_eq!((seen.result().as_str(), seen.kinds()), (result, vec![Some(Kind::Auth)]));
        assert!(!seen.status().local);
    }
}

#[test]
fn forwarded_credentials_are_used_by_plain() {
    // M45, T14
    let seen = World::one(&forward(require())).forwarding(password()).run([secure()]);
    assert!(seen.lines()[0].contains(&format!("*AUTH PLAIN {PLAIN} *MAIL")));
}

#[test]
fn nothing_to_forward_is_the_clients_problem() {
    // M45, M108, T15
    let empty = |user: &str, password: &str| Credentials::Password {
        user: user.into(),
        password: Secret::from(password),
    };
    for forwarded in [None, Some(empty("", "pw")), Some(empty("ann", ""))] {
        let mut world = World::two(&forward(require()));
        world.forwarded = forwarded;
        let seen = world.run([secure()]);
        assert_eq!(seen.lines(), ["EHLO STARTTLS *EHLO *QUIT"]);
        assert_eq!(seen.result(), "rejected 530 5.7.0");
        assert!(seen.status().local && seen.status().text.contains("authentication required"));
    }
}

#[test]
fn external_says_that_it_has_nothing_to_say() {
    // B3, M46, R101, with the certificate that it speaks of
    let mut config = external(require());
    config.security.client = Some(certs::client_with_certificate());
    for server in [&certs::DEMANDING_12, &certs::DEMANDING_13] {
        let script = || Script::starttls(server).offering_in_tls("AUTH EXTERNAL");
        let seen = World::one(&config).run([script()]);
        assert_eq!(seen.lines(), ["EHLO STARTTLS *EHLO *AUTH EXTERNAL = *MAIL *RCPT *DATA *message *QUIT"]);
        let seen = World::one(&config).run([script().reply("AUTH", "334 ")]);
        assert_eq!(seen.lines(), ["EHLO STARTTLS *EHLO *AUTH EXTERNAL = * *MAIL *RCPT *DATA *message *QUIT"]);
        assert_eq!(seen.result(), "delivered");
        let seen = World::one(&config).run([script().reply("AUTH", "535 5.7.8 who")]);
        assert_eq!(seen.result(), "deferred 454 4.7.8"); // D20
    }
}

#[test]
fn a_lost_connection_while_authenticating_moves_nowhere() {
    // M39, M47, D24, R39
    for (end, result) in [
        ("close", "deferred 450 4.4.2"),
        ("silence", "deferred 450 4.4.2"),
        ("421 4.3.2 leaving", "deferred 421 4.3.2"),
    ] {
        let seen = World::two(&with_auth(require(), auth_plain())).run([secure().reply("AUTH", end)]);
        assert_eq!(seen.result(), result);
        assert_eq!(seen.report.attempts[0].phase, Phase::Auth);
    }
}

#[test]
fn a_bad_challenge_is_cancelled() {
    // R104, R103, B2
    let seen = World::one(&with_auth(require(), auth_plain()))
        .run([secure().reply("AUTH", "334 not base64!").reply("RESPONSE", "501 5.7.0 cancelled")]);
    assert_eq!(seen.lines(), [format!("EHLO STARTTLS *EHLO *AUTH PLAIN {PLAIN} ** *QUIT")]);
    assert_eq!(seen.result(), "deferred 454 4.7.8");
}

#[test]
fn mail_says_auth_only_where_that_is_asked_for() {
    // D23
    let mut config = with_auth(require(), auth_plain());
    let seen = World::one(&config).run([secure()]);
    assert_eq!(seen.sessions[0].1.envelope[0], "MAIL FROM:<s@example.org>");
    config.mail_auth_param = true;
    let seen = World::one(&config).run([secure()]);
    assert_eq!(seen.sessions[0].1.envelope[0], "MAIL FROM:<s@example.org> AUTH=<>");
}

#[test]
fn login_is_played_through_and_nothing_of_it_is_shown() {
    // R133
    let mut config = with_auth(require(), AuthPolicy::Mechanism(Mechanism::Login, password()));
    config.transcript = true;
    let script = secure().reply("AUTH", "334 VXNlcm5hbWU6").reply("RESPONSE", "334 UGFzc3dvcmQ6");
    let seen = World::one(&config).run([script]);
    assert!(seen.lines()[0].contains(LOGIN_PASSWORD), "{:?}", seen.lines());
    seen.assert_no_secret_in_clear();
    assert!(!format!("{:?}", seen.report).contains(LOGIN_PASSWORD));
}
