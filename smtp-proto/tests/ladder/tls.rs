//! SPEC 1.8: implicit TLS, STARTTLS, and when plaintext will do.

use std::time::Duration;

use smtp_proto::{
    Config, Error, Notice, PeerError, Phase,
    config::{Protocol, TlsMode},
    error::{Kind, TlsError},
};

use crate::{
    certs,
    server::{ALERT, Sabotage, Script},
    world::{World, attempt, off, require},
};

const SECURE: &str = "EHLO STARTTLS *EHLO *MAIL *RCPT *DATA *message *QUIT";
const CLEAR: &str = "EHLO MAIL RCPT DATA message QUIT";

fn good() -> Script {
    Script::starttls(&certs::SERVER)
}

/// Everything that makes a handshake fail, what the server hears of it, and the class of the error.
fn failing_handshakes() -> Vec<(&'static str, Script, &'static str, Kind)> {
    let broken = "EHLO STARTTLS <broken>";
    vec![
        ("expired", Script::starttls(&certs::EXPIRED), broken, Kind::Tls),
        ("wrong name", Script::starttls(&certs::WRONG_NAME), broken, Kind::Tls),
        ("self-signed", Script::starttls(&certs::self_signed()), broken, Kind::Tls),
        ("unknown authority", Script::starttls(&certs::of_another_ca()), broken, Kind::Tls),
        ("certificate demanded, TLS 1.2", Script::starttls(&certs::DEMANDING_12), broken, Kind::Tls),
        ("certificate demanded, TLS 1.3", Script::starttls(&certs::DEMANDING_13), broken, Kind::Tls),
        // R95: what a server limited to TLS 1.1 says
        ("alert", Script::sabotaged(Sabotage::Answer(ALERT)), "EHLO STARTTLS", Kind::Tls),
        ("end of file", Script::sabotaged(Sabotage::AnswerAndClose(b"")), "EHLO STARTTLS", Kind::Network),
        (
            "half a record",
            Script::sabotaged(Sabotage::AnswerAndClose(&ALERT[..4])),
            "EHLO STARTTLS",
            Kind::Network,
        ),
        ("silence", Script::sabotaged(Sabotage::Answer(b"")), "EHLO STARTTLS", Kind::Timeout),
    ]
}

fn injections() -> Vec<Sabotage> {
    vec![
        Sabotage::Behind(b"250 x\r\n"),
        Sabotage::Behind(b"\r"),
        Sabotage::Behind(ALERT),
        Sabotage::Before(b"250 x\r\n", false),
        Sabotage::Before(b"250 x\r\n", true),
        Sabotage::Before(ALERT, false),
        Sabotage::Before(ALERT, true),
        Sabotage::Answer(b"250 x\r\n"),
        Sabotage::Answer(b"2"),
        Sabotage::Answer(b"421 no\r\n"),
        Sabotage::AnswerAndClose(b"454 no\r\n"),
    ]
}

#[test]
fn implicit_tls_comes_first_and_starttls_never_inside() {
    // M58, T9, R94, B22, R89
    for config in [off(), attempt(), require()] {
        for server in [&certs::SERVER, &certs::SERVER_12, &certs::SERVER_13] {
            let script = Script::implicit(server).offering_in_tls("STARTTLS");
            let seen = World::new(&config, &["tls://10.0.0.1:465"]).run([script]);
            assert_eq!(seen.lines(), ["*EHLO *MAIL *RCPT *DATA *message *QUIT"]);
            assert_eq!(seen.result(), "delivered");
            assert_eq!(seen.sessions[0].1.wire[0], 22, "a handshake record");
            assert!(seen.report.attempts[0].tls.as_ref().unwrap().verified);
        }
    }
}

#[test]
fn lmtp_runs_over_implicit_tls() {
    // M96
    let mut config = off();
    config.protocol = Protocol::Lmtp;
    let seen = World::new(&config, &["tls://10.0.0.1:24"]).run([Script::implicit(&certs::SERVER)]);
    assert_eq!(seen.lines(), ["*LHLO *MAIL *RCPT *DATA *message *QUIT"]);
}

#[test]
fn implicit_tls_failing_leads_to_the_next_target_never_to_plaintext() {
    // M59, M104, R96
    let bad = [
        Script::implicit(&certs::EXPIRED),
        Script::implicit(&certs::WRONG_NAME),
        Script::implicit(&certs::DEMANDING_12),
        Script::implicit(&certs::DEMANDING_13),
        Script::plain(), // the wrong port
    ];
    for script in bad {
        for config in [off(), attempt(), require()] {
            let world = World::new(&config, &["tls://10.0.0.1:465", "tls://10.0.0.2:465"]);
            let seen = world.run([script.clone(), Script::implicit(&certs::SERVER)]);
            assert_eq!(
                seen.report.attempts[0].kind(),
                Some(Kind::Tls),
                "{:?}",
                seen.report.attempts[0].error
            );
            assert_eq!(seen.result(), "delivered");
            assert!(!seen.sessions[0].1.line().contains("EHLO"), "{:?}", seen.lines());

            let seen = World::new(&config, &["tls://10.0.0.1:465"]).run([script.clone()]);
            assert_eq!(seen.result(), "deferred 451 4.7.5"); // M103, M104
            assert!(seen.status().local);
        }
    }
}

#[test]
fn a_server_that_speaks_before_the_clienthello_on_an_implicit_tls_port_fails_as_tls() {
    // M59, M104: a greeting in clear on the wrong port is a TLS failure, whichever octet is read first
    use smtp_proto::{Action, Delivery, Envelope, Plan, Recipient, Sender};
    for offered in [false, true] {
        let now = std::time::Instant::now();
        let plan = Plan::new(["tls://10.0.0.1:25".parse::<smtp_proto::Endpoint>().unwrap()], &off())
            .unwrap()
            .with_reuse(None);
        let envelope = Envelope::new(Sender::null(), vec![Recipient::new("r@example.net".parse().unwrap())]);
        let mut delivery = Delivery::new(now, plan.into(), envelope);
        assert!(matches!(delivery.poll_action(), Some(Action::Connect(_))));
        delivery.handle_connected(now, Ok(()));
        if offered {
            assert!(!delivery.transmit().is_empty());
        }
        delivery.handle_input(now, b"220 mx.example ESMTP\r\n");
        let words = delivery.transmit().len();
        delivery.handle_transmitted(now, words);
        assert!(matches!(delivery.poll_action(), Some(Action::Disconnect)));
        let Some(Action::Finish(report)) = delivery.poll_action() else { panic!("not finished") };
        assert_eq!(report.attempts[0].kind(), Some(Kind::Tls));
    }
}

#[test]
fn starttls_switched_off_is_not_tried() {
    // M60, R83
    let seen = World::one(&off()).run([good()]);
    assert_eq!(seen.lines(), [CLEAR]);
    let seen = World::one(&off()).run([Script::plain()]);
    assert_eq!(seen.lines(), [CLEAR]);
}

#[test]
fn tls_required_and_switched_off_is_an_error_that_says_so() {
    // M61, D22
    let mut config = require();
    config.security.mode = TlsMode::Off;
    for endpoint in ["tcp://10.0.0.1:25", "unix:///run/mx"] {
        let seen = World::new(&config, &[endpoint, "tcp://10.0.0.2:25"]).run([good(), Script::plain()]);
        assert_eq!(seen.lines(), ["EHLO QUIT", "EHLO QUIT"]);
        assert_eq!(seen.result(), "deferred 451 4.7.4");
        assert!(seen.status().text.contains("require_tls"), "{}", seen.status().text);
        assert!(matches!(seen.report.attempts[0].error, Some(Error::Tls(TlsError::SwitchedOff))));
    }
}

#[test]
fn starttls_missing_means_plaintext_where_tls_is_optional() {
    // M62, T7, R83
    let seen = World::one(&attempt()).run([Script::plain()]);
    assert_eq!(seen.lines(), [CLEAR]);
    assert_eq!(seen.result(), "delivered");
    assert!(!seen.report.attempts[0].fell_back_to_plaintext, "nothing was tried");
}

#[test]
fn starttls_missing_means_the_next_target_where_tls_is_required() {
    // M63, T10, R91, M105
    let seen = World::two(&require()).run([Script::plain(), good()]);
    assert_eq!(seen.lines(), ["EHLO QUIT", SECURE]);
    assert_eq!(seen.result(), "delivered");
    let seen = World::one(&require()).run([Script::plain()]);
    assert_eq!(seen.result(), "deferred 451 4.7.4");
    assert!(seen.status().text.contains("require_tls"));
    let refusal = &seen.report.attempts[0].error;
    assert!(matches!(refusal, Some(Error::Tls(TlsError::NotOffered))), "{refusal:?}");
    // HELO offers nothing (R10)
    let seen = World::one(&require()).run([Script::plain().reply("EHLO", "502 what")]);
    assert_eq!(seen.lines(), ["EHLO HELO QUIT"]);
}

#[test]
fn starttls_offered_and_done_means_tls() {
    // M64, T6, T8, R85, R88
    for config in [attempt(), require()] {
        for server in [&certs::SERVER, &certs::SERVER_12, &certs::SERVER_13] {
            let script = Script::starttls(server).offering("PIPELINING").offering_in_tls("STARTTLS");
            let seen = World::one(&config).run([script]);
            assert_eq!(seen.lines(), [SECURE]);
            assert_eq!(seen.sessions[0].1.clear, b"EHLO client.example\r\nSTARTTLS\r\n");
            assert_eq!(seen.result(), "delivered");
            assert!(!seen.report.attempts[0].fell_back_to_plaintext);
        }
    }
}

#[test]
fn a_handshake_survives_any_splitting() {
    // M64; law 1
    for split in [1, 2, 3, 5, 7, 64, 300] {
        for server in [&certs::SERVER_12, &certs::SERVER_13] {
            let seen = World::one(&attempt()).split(split).run([Script::starttls(server)]);
            assert_eq!(seen.lines(), [SECURE], "in pieces of {split}");
            let world = World::new(&off(), &["tls://10.0.0.1:465"]).split(split);
            assert_eq!(world.run([Script::implicit(server)]).result(), "delivered");
        }
    }
}

#[test]
fn what_was_offered_before_tls_counts_no_more() {
    // M64, R15, R87: SIZE and 8BITMIME only before TLS
    let script = || good().offering("SIZE 1").offering("8BITMIME");
    let mut world = World::one(&attempt());
    world.sender = world.sender.with_declared_size(5000);
    let seen = world.run([script()]);
    assert_eq!(seen.sessions[0].1.envelope[0], "MAIL FROM:<s@example.org>");
    let mut world = World::one(&attempt());
    world.sender = world.sender.with_declared_size(5000);
    let seen = world.run([script().offering_in_tls("SIZE 9000")]);
    assert_eq!(seen.sessions[0].1.envelope[0], "MAIL FROM:<s@example.org> SIZE=5000");
    // A second hello that offers nothing new, and STARTTLS again, is the end of the ladder.
    let seen = World::one(&require()).run([good().offering_in_tls("STARTTLS")]);
    assert_eq!(seen.lines(), [SECURE]);
}

#[test]
fn a_failed_handshake_is_retried_once_at_the_same_address_in_plaintext() {
    // M65, D1, N43
    for (what, script, heard, kind) in failing_handshakes() {
        let world = World::new(&attempt(), &["tcp://10.0.0.1:25", "tcp://10.0.0.2:25"]);
        let seen = world.run([script.clone(), script]);
        assert_eq!(seen.lines(), [heard, CLEAR], "{what}");
        assert_eq!(seen.sessions[0].0, seen.sessions[1].0, "{what}: the same address");
        assert_eq!(seen.result(), "delivered", "{what}");
        assert_eq!(seen.kinds(), [Some(kind), None], "{what}: the reason is kept");
        let fell_back: Vec<bool> =
            seen.report.attempts.iter().map(|attempt| attempt.fell_back_to_plaintext).collect();
        assert_eq!(fell_back, [false, true], "{what}");
    }
}

#[test]
fn the_plaintext_retry_failing_leads_to_the_next_target() {
    // M65, N43: once only, and the next target begins with TLS again
    let bad = || Script::starttls(&certs::EXPIRED);
    for retry in [Script::unreachable(), bad().reply("GREETING", "554 no"), bad().reply("EHLO", "421 no")] {
        let seen = World::two(&attempt()).run([bad(), retry, good()]);
        assert_eq!(seen.lines().last().unwrap(), SECURE);
        assert_eq!(seen.report.attempts.len(), 3);
        let targets: Vec<usize> = seen.report.attempts.iter().map(|attempt| attempt.target).collect();
        assert_eq!(targets, [0, 0, 1]);
    }
    let seen = World::two(&attempt()).run([bad(), Script::unreachable(), bad(), Script::unreachable()]);
    assert_eq!(seen.result(), "deferred 450 4.4.1"); // M40: the last error
}

#[test]
fn a_failed_handshake_where_tls_is_required_leads_to_the_next_target() {
    // M66, R90: no QUIT over a broken stream
    for (what, script, heard, kind) in failing_handshakes() {
        let seen = World::two(&require()).run([script.clone(), good()]);
        assert_eq!(seen.lines(), [heard, SECURE], "{what}");
        assert_eq!(seen.kinds(), [Some(kind), None], "{what}");
        let seen = World::one(&require()).run([script]);
        let expected = if kind == Kind::Tls { "deferred 451 4.7.5" } else { "deferred 450 4.4.2" };
        assert_eq!(seen.result(), expected, "{what}"); // M103, M100, M106
        assert_eq!(seen.sessions[0].1.clear, b"EHLO client.example\r\nSTARTTLS\r\n", "{what}");
    }
}

#[test]
fn the_handshake_has_the_time_of_a_command() {
    // R225, M15; a peer that trickles does not get more of it
    let mut config: Config = require();
    config.timeouts.command = Duration::from_secs(7);
    let seen = World::one(&config).run([Script::sabotaged(Sabotage::Answer(b"\x16\x03\x03"))]);
    assert_eq!(seen.elapsed, Duration::from_secs(7));
    assert!(matches!(seen.report.attempts[0].error, Some(Error::Timeout(Phase::Tls))));
}

#[test]
fn starttls_refused_goes_on_in_the_same_session_where_tls_is_optional() {
    // M67, D2, R84
    for refusal in ["454 4.7.0 not now", "501 no", "500 what", "502 no", "554 5.7.0 never"] {
        let seen = World::two(&attempt()).run([good().reply("STARTTLS", refusal)]);
        assert_eq!(seen.lines(), ["EHLO STARTTLS MAIL RCPT DATA message QUIT"], "{refusal}");
        assert_eq!(seen.result(), "delivered");
        let attempt = &seen.report.attempts[0];
        assert!(attempt.fell_back_to_plaintext);
        assert!(
            matches!(&attempt.notices[..], [Notice::StartTlsRefused(reply)] if refusal.starts_with(&reply.code().to_string()))
        );
    }
}

#[test]
fn starttls_refused_leads_to_the_next_target_where_tls_is_required() {
    // M68, R84, D34
    for (refusal, status) in [
        ("454 4.7.0 not now", "deferred 454 4.7.0"),
        ("501 no", "deferred 501 5.0.0"),
        ("554 5.7.3 never", "deferred 554 5.7.3"),
    ] {
        let seen = World::two(&require()).run([good().reply("STARTTLS", refusal), good()]);
        assert_eq!(seen.lines(), ["EHLO STARTTLS QUIT", SECURE], "{refusal}");
        let seen = World::one(&require()).run([good().reply("STARTTLS", refusal)]);
        assert_eq!(seen.result(), status, "the server's words are kept");
        assert!(!seen.status().local);
    }
}

#[test]
fn losing_the_connection_to_starttls_is_no_refusal() {
    // D2, R39: 421, the end of the file, silence: the next target, not plaintext
    for config in [attempt(), require()] {
        for end in ["421 4.3.2 leaving", "close", "silence", "220", "250 ok", "354 go"] {
            let script = good().reply("STARTTLS", end);
            if end == "220" {
                continue; // a 220 without text is a yes
            }
            let seen = World::two(&config).run([script, good()]);
            assert_eq!(seen.lines(), ["EHLO STARTTLS", SECURE], "{end}");
            assert_eq!(seen.result(), "delivered");
        }
    }
}

#[test]
fn a_second_hello_refused_is_not_retried_in_plaintext() {
    // M69, D21: nor by HELO
    for refusal in ["421 no", "451 no", "500 what", "502 no", "550 no", "close", "silence", "hello"] {
        for config in [attempt(), require()] {
            let seen = World::two(&config).run([good().reply("*EHLO", refusal), good()]);
            let heard = &seen.lines()[0];
            assert!(heard.starts_with("EHLO STARTTLS *EHLO") && !heard.contains("HELO *HELO"), "{heard}");
            assert_eq!(seen.lines()[1], SECURE, "{refusal}");
            assert_ne!(seen.sessions[0].0, seen.sessions[1].0);
        }
    }
    let seen = World::one(&attempt()).run([good().reply("*EHLO", "550 5.7.1 not you")]);
    assert_eq!(seen.result(), "deferred 550 5.7.1"); // D34
}

#[test]
fn a_certificate_refused_late_is_a_failed_handshake() {
    // M69: TLS 1.3 tells of a missing client certificate after the handshake; a broken record means the same
    let demanding = Script::starttls(&certs::DEMANDING_13);
    let seen = World::one(&attempt()).run([demanding.clone(), demanding]);
    assert_eq!(seen.lines()[1], CLEAR);
    assert!(matches!(&seen.report.attempts[0].error, Some(Error::Tls(TlsError::Failed(_)))));
    let mut config = attempt();
    config.security.client = Some(certs::client_with_certificate());
    for server in [&certs::DEMANDING_12, &certs::DEMANDING_13] {
        assert_eq!(World::one(&config).run([Script::starttls(server)]).lines(), [SECURE]);
    }
}

#[test]
fn a_unix_socket_has_no_name_to_verify() {
    // M54, M70
    let seen = World::new(&attempt(), &["unix:///run/mx"]).run([good(), good()]);
    assert_eq!(seen.lines(), ["EHLO QUIT", CLEAR]);
    let error = seen.report.attempts[0].error.as_ref().unwrap();
    assert!(matches!(error, Error::Tls(TlsError::NoServerName)) && error.to_string().contains("name"));
    assert!(seen.report.attempts[1].fell_back_to_plaintext);
    // required (D22), and for REQUIRETLS (M71): no retry
    let seen = World::new(&require(), &["unix:///run/mx"]).run([good()]);
    assert_eq!(
        (seen.lines(), seen.result()),
        (vec!["EHLO QUIT".to_owned()], "deferred 451 4.7.5".to_owned())
    );
    let seen = World::new(&attempt(), &["unix:///run/mx"]).with_require_tls().run([good()]);
    assert_eq!(seen.lines(), ["EHLO QUIT"]);
    // a name to verify was configured
    let mut config = require();
    config.security.server_name = Some("mx.example".try_into().unwrap());
    assert_eq!(World::new(&config, &["unix:///run/mx"]).run([good()]).lines(), [SECURE]);
    // not offered, or switched off: plaintext at once
    assert_eq!(World::new(&attempt(), &["unix:///run/mx"]).run([Script::plain()]).lines(), [CLEAR]);
    assert_eq!(World::new(&off(), &["unix:///run/mx"]).run([good()]).lines(), [CLEAR]);
}

#[test]
fn a_message_that_demands_tls_never_falls_back() {
    // M71, R196
    for (what, script, heard, _) in failing_handshakes() {
        let offering = good().offering_in_tls("REQUIRETLS");
        let seen = World::two(&attempt()).with_require_tls().run([script, offering]);
        assert_eq!(seen.lines(), [heard, SECURE], "{what}");
        assert_eq!(seen.sessions[1].1.envelope[0], "MAIL FROM:<s@example.org> REQUIRETLS");
    }
}

#[test]
fn requiretls_that_cannot_be_kept_is_refused_here() {
    // R196: the four combinations, and REQUIRETLS offered only before TLS
    let rows = [
        (attempt(), Script::plain(), "EHLO QUIT", "rejected 550 5.7.30"),
        (attempt(), Script::plain().offering("REQUIRETLS"), "EHLO QUIT", "rejected 550 5.7.30"),
        (
            attempt(),
            good().offering("REQUIRETLS").reply("STARTTLS", "454 no"),
            "EHLO STARTTLS QUIT",
            "rejected 550 5.7.10",
        ),
        (attempt(), good().offering("REQUIRETLS"), "EHLO STARTTLS *EHLO *QUIT", "rejected 550 5.7.30"),
        (off(), good().offering("REQUIRETLS"), "EHLO QUIT", "rejected 550 5.7.30"),
    ];
    for (config, script, heard, result) in rows {
        let seen = World::one(&config).with_require_tls().run([script]);
        assert_eq!((seen.lines(), seen.result()), (vec![heard.to_owned()], result.to_owned()));
        assert!(seen.status().local);
    }
}

#[test]
fn plaintext_behind_the_220_is_fatal_and_never_a_reason_to_fall_back() {
    // D3, R86, law 4
    for injection in injections() {
        for config in [attempt(), require()] {
            let script = Script::sabotaged(injection.clone());
            let seen = World::two(&config).run([script.clone(), good()]);
            assert_eq!(seen.lines(), ["EHLO STARTTLS", SECURE], "{injection:?}");
            let error = &seen.report.attempts[0].error;
            assert!(matches!(error, Some(Error::Peer(PeerError::InjectedPlaintext))), "{error:?}");
            let seen = World::one(&config).run([script]);
            assert_eq!(seen.result(), "deferred 451 4.5.0", "{injection:?}");
        }
    }
}

#[test]
fn injected_plaintext_is_found_in_any_pieces() {
    // D3: the same, octet by octet; what the first octet betrays needs no second
    for injection in injections() {
        if matches!(injection, Sabotage::Behind(octets) if octets == ALERT) {
            continue; // piece by piece, an alert behind the 220 is one in answer to the ClientHello
        }
        let seen = World::two(&attempt()).split(1).run([Script::sabotaged(injection.clone()), good()]);
        assert_eq!(seen.lines(), ["EHLO STARTTLS", SECURE], "{injection:?}");
    }
}

#[test]
fn plaintext_in_the_middle_of_a_handshake_breaks_it_and_is_not_read() {
    // D3, R86: behind a record that may be genuine
    const MIXED: &[u8] = b"\x14\x03\x03\x00\x01\x01250 2.0.0 x\r\n";
    for split in [1, usize::MAX] {
        let script = Script::sabotaged(Sabotage::Answer(MIXED));
        let seen = World::two(&require()).split(split).run([script, good()]);
        assert_eq!(seen.lines(), ["EHLO STARTTLS", SECURE]);
        assert_eq!(seen.kinds(), [Some(Kind::Tls), None]);
    }
}

#[test]
fn a_stream_cut_after_the_final_reply_harms_nothing_and_one_cut_within_it_does() {
    // R97, M112
    let cut = World::one(&attempt()).run([good().reply("*QUIT", "close")]);
    assert_eq!((cut.result().as_str(), cut.kinds()), ("delivered", vec![None]));
    let cut = World::one(&attempt()).run([good().reply("*END", "close")]);
    assert_eq!(cut.result(), "uncertain 450 4.4.2");
}

#[test]
fn a_first_hello_refused_over_implicit_tls_leads_to_helo() {
    // D21
    let script = Script::implicit(&certs::SERVER).reply("*EHLO", "502 what");
    let seen = World::new(&off(), &["tls://10.0.0.1:465"]).run([script]);
    assert_eq!(seen.lines(), ["*EHLO *HELO *MAIL *RCPT *DATA *message *QUIT"]);
}
