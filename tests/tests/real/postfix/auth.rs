//! AUTH, and when a password may not be sent at all (D4, D20).

use smtp_proto::{Attempt, error::Kind, sasl::Mechanism};

use crate::{
    client::{Sent, Tls, config, envelope, plan, send, users, with_auth},
    host::Host,
};

const HELLO: &str = "Subject: hello\r\n\r\nbody\r\n";
/// Postfix takes the second only from those who have logged in, and throws it away.
const BOTH: [&str; 2] = ["alice@test.example", "x@elsewhere.example"];

fn assert_no_secret(sent: &Sent, host: &Host) {
    // R133; the password itself and, in base64, as LOGIN and PLAIN send it.
    for secret in [host.value("PASSWORD"), "Q29ycmVjdC1Ib3JzZV80Mg", "AGFsaWNlAENvcnJlY3"] {
        assert!(!sent.dialogue.iter().any(|line| line.contains(secret)), "{:#?}", sent.dialogue);
    }
}

pub(super) async fn mechanisms(host: &Host) {
    let (user, password) = (host.value("USER"), host.value("PASSWORD"));
    let mechanisms = [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256, Mechanism::CramMd5];
    for mechanism in mechanisms.map(Some).into_iter().chain([None]) {
        for endpoint in [host.tcp("PLAIN_PORT"), host.by_name("tls", "SMTPS_PORT")] {
            let config = with_auth(config(host, Tls::Must), mechanism, user, password);
            let sent = send(plan(&[endpoint], &config), envelope(BOTH), HELLO.to_owned()).await;
            assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"; 2], "{:#?}", sent.dialogue);
            assert_eq!(sent.said("AUTH"), 1);
            // R134: of all of them SCRAM.
            let expected = mechanism.unwrap_or(Mechanism::ScramSha256);
            assert_eq!(sent.said(&format!("AUTH {expected}")), 1, "{:#?}", sent.dialogue);
            assert_no_secret(&sent, host);
            assert!(sent.report.attempts.last().unwrap().notices.is_empty());
            let stored = host.mail().arrivals().await;
            assert_eq!(users(&stored), ["alice"]);
            assert_eq!(stored[0].with(), "ESMTPSA");
        }
    }
    // Without: no relaying.
    let sent =
        send(plan(&[host.tcp("PLAIN_PORT")], &config(host, Tls::Must)), envelope(BOTH), HELLO.to_owned())
            .await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0", "rejected 554 5.7.1 rcpt"]);
    let stored = host.mail().arrivals().await;
    assert_eq!((users(&stored), stored[0].with()), (vec!["alice"], "ESMTPS"));
}

pub(super) async fn wrong_password(host: &Host) {
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256, Mechanism::CramMd5] {
        let config = with_auth(config(host, Tls::Must), Some(mechanism), host.value("USER"), "wrong");
        // M39: refused credentials are final, the second target is not asked.
        let plan = plan(&[host.tcp("PLAIN_PORT"), host.by_name("tls", "SMTPS_PORT")], &config);
        let sent = send(plan, envelope(BOTH), HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), ["deferred 454 4.7.8 auth local"; 2]); // D20
        let [attempt] = &sent.report.attempts[..] else { panic!("one attempt: {:#?}", sent.report.attempts) };
        assert_eq!((attempt.kind(), attempt.usable), (Some(Kind::Auth), false));
        let reply = attempt.error.as_ref().and_then(|error| error.reply()).unwrap();
        assert_eq!(reply.code().get(), 535, "the server's word is in the report");
        assert_eq!(
            (sent.said("AUTH"), sent.said("MAIL"), sent.said("QUIT")),
            (1, 0, 1),
            "{:#?}",
            sent.dialogue
        );
        host.mail().assert_nothing().await;
    }
}

pub(super) async fn in_the_clear(host: &Host) {
    let (user, password) = (host.value("USER"), host.value("PASSWORD"));
    // D4: (a) TLS is switched off, (b) it is not offered, on loopback.
    for tls in [Tls::Off, Tls::May] {
        let config = with_auth(config(host, tls), Some(Mechanism::Plain), user, password);
        let sent = send(plan(&[host.tcp("NOTLS_PORT")], &config), envelope(BOTH), HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"; 2], "{:#?}", sent.dialogue);
        let notices: Vec<_> = sent.report.attempts[0].notices.iter().map(ToString::to_string).collect();
        assert_eq!(notices, ["credentials were sent without TLS"]);
        assert_no_secret(&sent, host);
        let stored = host.mail().arrivals().await;
        assert_eq!((users(&stored), stored[0].with()), (vec!["alice"], "ESMTPA"));
    }
    // What says no secret needs no TLS, and nobody's word.
    for mechanism in [Mechanism::ScramSha256, Mechanism::CramMd5] {
        let config = with_auth(config(host, Tls::May), Some(mechanism), user, password);
        let sent = send(plan(&[host.tcp("NOTLS_PORT")], &config), envelope(BOTH), HELLO.to_owned()).await;
        assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"; 2], "{:#?}", sent.dialogue);
        assert!(sent.report.attempts[0].notices.is_empty(), "{:?}", sent.report.attempts[0].notices);
        assert_no_secret(&sent, host);
        let stored = host.mail().arrivals().await;
        assert_eq!((users(&stored), stored[0].with()), (vec!["alice"], "ESMTPA"));
    }
    // TLS required: nothing is sent.
    let config = with_auth(config(host, Tls::Must), Some(Mechanism::Plain), user, password);
    let sent = send(plan(&[host.tcp("NOTLS_PORT")], &config), envelope(BOTH), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["deferred 451 4.7.4 tls local"; 2]);
    assert_eq!((sent.said("AUTH"), sent.said("MAIL")), (0, 0));
    host.mail().assert_nothing().await;
}

pub(super) async fn never_after_tls_failed(host: &Host) {
    // D4: plaintext after a failed handshake is what an attacker wants; a password does not go that way.
    let config = with_auth(config(host, Tls::May), None, host.value("USER"), host.value("PASSWORD"));
    let sent =
        send(plan(&[host.by_name("tcp", "WRONGNAME_PORT")], &config), envelope(BOTH), HELLO.to_owned()).await;
    assert_eq!((sent.said("AUTH"), sent.said("MAIL")), (0, 0), "{:#?}", sent.dialogue);
    assert_eq!(sent.verdicts(), ["deferred 454 4.7.8 auth local"; 2]);
    let kinds: Vec<_> =
        sent.report.attempts.iter().filter_map(Attempt::kind).filter(|kind| *kind != Kind::Network).collect();
    assert_eq!(kinds, [Kind::Tls, Kind::Auth]);
    host.mail().assert_nothing().await;
}

pub(super) async fn submission(host: &Host) {
    let endpoint = host.tcp("SUBMISSION_PORT");
    let alice = ["alice@test.example"];

    let sent = send(plan(&[&endpoint], &config(host, Tls::Off)), envelope(alice), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["rejected 530 5.7.0 mail"]);
    let sent = send(plan(&[&endpoint], &config(host, Tls::Must)), envelope(alice), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["rejected 554 5.7.1 rcpt"]);
    host.mail().assert_nothing().await;

    let config = with_auth(config(host, Tls::Must), None, host.value("USER"), host.value("PASSWORD"));
    let sent = send(plan(&[endpoint], &config), envelope(alice), HELLO.to_owned()).await;
    assert_eq!(sent.verdicts(), ["delivered 250 2.0.0"]);
    let stored = host.mail().arrivals().await;
    assert_eq!((users(&stored), stored[0].with()), (vec!["alice"], "ESMTPSA"));
}
