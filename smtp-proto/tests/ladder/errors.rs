//! SPEC 1.12 and 1.13: what an error says, and what QUIT changes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use smtp_proto::{
    Action, Connection, Delivery, Endpoint, Envelope, Event, Plan, Recipient, ResolveError, Sender,
    body::{LineBreaks, Scanner},
    config::Protocol,
    error::{Kind, Status},
};

use crate::{
    server::Script,
    world::{World, off, password, with_auth},
};

fn refusing(verb: &'static str, reply: &'static str) -> Status {
    World::one(&off()).run([Script::plain().reply(verb, reply)]).status()
}

fn numbers(status: &Status) -> (String, bool, bool) {
    (format!("{} {}", status.code, status.enhanced), status.synthetic, status.local)
}

#[test]
fn a_servers_reply_is_passed_on_as_it_is() {
    // M97
    for verb in ["MAIL", "RCPT", "DATA", "END"] {
        let rows = [
            ("550 5.7.1 go away", "550 5.7.1", false),
            ("550 go away", "550 5.0.0", true),
            ("451 4.3.0 later", "451 4.3.0", false),
            ("451 later", "451 4.0.0", true),
        ];
        for (reply, status, synthetic) in rows {
            let result = refusing(verb, reply);
            assert_eq!(numbers(&result), (status.to_owned(), synthetic, false), "{verb}");
            assert!(result.text.contains(reply.rsplit(' ').next().unwrap()));
        }
    }
}

#[test]
fn lines_are_joined_and_the_enhanced_code_is_said_once() {
    // M98
    let status = refusing("MAIL", "550-5.7.1 go\r\n550 5.7.1 away");
    assert_eq!(numbers(&status), ("550 5.7.1".to_owned(), false, false));
    assert_eq!(status.text, "go\naway");
}

#[test]
fn too_many_recipients_by_552_is_temporary_at_rcpt_alone() {
    // M99, D9
    assert_eq!(numbers(&refusing("RCPT", "552 too many")).0, "452 4.5.3");
    assert_eq!(numbers(&refusing("RCPT", "552 5.5.3 too many")).0, "452 4.5.3");
    assert_eq!(numbers(&refusing("RCPT", "552 5.2.2 full")).0, "552 5.2.2");
    for verb in ["MAIL", "DATA", "END"] {
        assert_eq!(numbers(&refusing(verb, "552 5.3.4 too big")).0, "552 5.3.4");
        assert_eq!(numbers(&refusing(verb, "552 too big")).0, "552 5.0.0");
    }
}

#[test]
fn the_network_failing_is_450() {
    // M100, M106, D24
    let seen = World::one(&off()).run([Script::unreachable()]);
    assert_eq!((seen.result().as_str(), seen.kinds()), ("deferred 450 4.4.1", vec![Some(Kind::Network)]));
    for verb in ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"] {
        for (end, kind) in [("close", Kind::Network), ("silence", Kind::Timeout)] {
            let seen = World::one(&off()).run([Script::plain().reply(verb, end)]);
            assert_eq!(
                (seen.result().as_str(), seen.kinds()),
                ("deferred 450 4.4.2", vec![Some(kind)]),
                "{verb}"
            );
            assert!(seen.status().local);
        }
    }
}

fn envelope() -> Envelope {
    Envelope::new(Sender::null(), vec![Recipient::new("r@example.net".parse().unwrap())])
}

fn delivery(now: Instant) -> Delivery {
    let plan =
        Plan::new(["tcp://mx.example:25".parse::<Endpoint>().unwrap()], &off()).unwrap().with_reuse(None);
    Delivery::new(now, Arc::new(plan), envelope())
}

#[test]
fn a_missing_name_is_permanent_and_a_failing_lookup_is_not() {
    // M101, M102
    for (not_found, name, status) in [(true, "rejected", "550 5.4.4"), (false, "deferred", "450 4.4.4")] {
        let now = Instant::now();
        let mut delivery = delivery(now);
        assert!(matches!(delivery.poll_action(), Some(Action::Resolve { .. })));
        delivery.handle_resolved(now, Err(ResolveError::new(not_found, "no\r\n250 forged")));
        let Some(Action::Finish(report)) = delivery.poll_action() else { panic!("not finished") };
        let disposition = &report.recipients[0].disposition;
        assert_eq!(disposition.name(), name);
        assert_eq!(numbers(&disposition.status()), (status.to_owned(), false, true));
        assert_eq!(report.attempts[0].kind(), Some(Kind::Dns));
        let text = disposition.status().text;
        assert!(text.contains("250 forged") && !text.contains(['\r', '\n']), "{text:?} forges a line");
    }
}

#[test]
fn a_lookup_that_takes_too_long_is_a_timeout() {
    // M102, M14
    let now = Instant::now();
    let mut delivery = delivery(now);
    let deadline = delivery.poll_timeout().unwrap();
    assert_eq!(deadline, now + Duration::from_secs(300));
    let _ = delivery.poll_action();
    delivery.handle_timeout(deadline);
    assert!(matches!(delivery.poll_action(), Some(Action::Disconnect)));
    let Some(Action::Finish(report)) = delivery.poll_action() else { panic!("not finished") };
    assert_eq!(report.recipients[0].disposition.status().code.get(), 450);
}

#[test]
fn a_malformed_reply_is_the_servers_fault() {
    // M107
    let long: &'static str = String::leak(format!("250 {}", "x".repeat(20_000)));
    for reply in ["hello", "25", "999 no", "250-a\r\n251 b", long] {
        for verb in ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"] {
            let seen = World::one(&off()).run([Script::plain().reply(verb, reply)]);
            assert_eq!(seen.result(), "deferred 451 4.5.0", "{verb} {reply:.20}");
            assert_eq!(seen.kinds(), [Some(Kind::Protocol)]);
            assert!(seen.status().local && !seen.lines()[0].contains("QUIT"), "law 10");
        }
    }
}

#[test]
fn what_ascii_cannot_say_is_not_sent() {
    // M109
    let mut world = World::one(&off());
    world.sender = Sender::new("ü@example.org".parse().unwrap());
    let seen = world.run([Script::plain()]);
    assert_eq!((seen.lines()[0].as_str(), seen.result().as_str()), ("EHLO QUIT", "rejected 550 5.6.7"));
    let mut world = World::one(&off());
    world.recipient = "ü@example.org";
    let seen = world.run([Script::plain()]);
    assert_eq!(seen.result(), "rejected 553 5.6.7");
    assert!(seen.status().local);
    // D10
    let mut world = World::one(&off());
    let mut scanner = Scanner::new(LineBreaks::default());
    scanner.update(b"Subject: \xc3\xbc\r\n\r\nworld\r\n").unwrap();
    world.sender = world.sender.with_content(scanner.finish().unwrap());
    assert_eq!(world.run([Script::plain().offering("8BITMIME")]).result(), "rejected 550 5.6.7");
}

#[test]
fn every_attempt_says_where_it_was_made() {
    // M110, M40
    let world = World::new(&off(), &["tcp://mx.example:25", "unix:///run/mx"]);
    let seen = world.run([Script::unreachable(), Script::plain().reply("MAIL", "451 later")]);
    let attempts = &seen.report.attempts;
    assert_eq!(attempts[0].endpoint.host(), Some("mx.example"));
    assert_eq!(attempts[0].peer.as_ref().unwrap().to_string(), "10.0.0.1:25");
    assert_eq!(attempts[1].peer.as_ref().unwrap().to_string(), "/run/mx");
    assert_eq!(seen.report.recipients[0].attempt, Some(1));
}

#[test]
fn refusals_of_the_session_are_no_verdict_about_the_message() {
    // D34, M42
    for verb in ["GREETING", "EHLO"] {
        let seen = World::two(&off()).run([Script::plain().reply(verb, "554 5.7.1 no"), Script::plain()]);
        assert_eq!(seen.result(), "delivered");
        let seen = World::one(&off()).run([Script::plain().reply(verb, "554 5.7.1 no")]);
        assert_eq!(seen.result(), "deferred 554 5.7.1");
    }
}

#[test]
fn which_refusals_of_ehlo_lead_to_helo() {
    // D21
    for code in ["500 no", "501 no", "502 no", "504 no", "550 no"] {
        let seen = World::one(&off()).run([Script::plain().reply("EHLO", code)]);
        assert_eq!(seen.lines(), ["EHLO HELO MAIL RCPT DATA message QUIT"], "{code}");
    }
    for code in ["421 no", "451 no", "503 no", "554 no", "close", "silence"] {
        let seen = World::one(&off()).run([Script::plain().reply("EHLO", code)]);
        assert!(!seen.lines()[0].contains("HELO HELO") && !seen.lines()[0].contains("MAIL"), "{code}");
    }
    let mut config = off();
    config.protocol = Protocol::Lmtp;
    let seen = World::new(&config, &["unix:///run/lmtp"]).run([Script::plain().reply("EHLO", "502 no")]);
    assert_eq!(seen.lines(), ["LHLO QUIT"]);
}

#[test]
fn quit_changes_nothing() {
    // M112, M113
    for reply in ["421 leaving", "500 what", "close", "silence", "hello", "250 ok", "354 go"] {
        let seen = World::one(&off()).run([Script::plain().reply("QUIT", reply)]);
        assert_eq!((seen.result().as_str(), seen.kinds()), ("delivered", vec![None]), "{reply}");
        assert!(seen.elapsed <= Duration::from_secs(5), "N12");
    }
}

#[test]
fn one_connection_a_message_and_none_left_behind() {
    // M41, M115: `World` checks that nothing is left open
    let plain = with_auth(off(), crate::world::auth_plain());
    let open = || Script::plain().offering("AUTH PLAIN");
    for (script, last) in [
        (open(), "QUIT"),
        (open().reply("AUTH", "535 no"), "QUIT"),
        (open().reply("MAIL", "550 no"), "QUIT"),
        (open().reply("RCPT", "550 no"), "QUIT"),
        (open().reply("DATA", "550 no"), "QUIT"),
        (open().reply("END", "550 no"), "QUIT"),
    ] {
        let seen = World::two(&plain).forwarding(password()).run([script]);
        assert!(seen.lines()[0].ends_with(last), "{:?}", seen.lines());
    }
}

#[test]
fn giving_up_while_a_session_is_ending_leads_nowhere() {
    // law 3: the reason why the session ends would lead to the next target
    for cancel in [true, false] {
        let start = Instant::now();
        let endpoints =
            ["tcp://10.0.0.1:25", "tcp://10.0.0.2:25"].map(|text| text.parse::<Endpoint>().unwrap());
        let plan =
            Plan::new(endpoints, &off()).unwrap().with_reuse(None).with_total_timeout(Duration::from_secs(2));
        let mut delivery = Delivery::new(start, Arc::new(plan), envelope());
        assert!(matches!(delivery.poll_action(), Some(Action::Connect(_))));
        delivery.handle_connected(start, Ok(()));
        delivery.handle_input(start, b"554 5.7.1 not you\r\n");
        assert_eq!(delivery.transmit(), b"QUIT\r\n");
        delivery.handle_transmitted(start, 6);
        if cancel {
            delivery.cancel(start);
        } else {
            delivery.handle_timeout(start + Duration::from_secs(2));
        }
        assert!(matches!(delivery.poll_action(), Some(Action::Disconnect)));
        let Some(Action::Finish(report)) = delivery.poll_action() else { panic!("not finished") };
        assert_eq!(report.attempts.len(), 1);
        assert_eq!(report.recipients[0].disposition.status().code.get(), 554, "the reason is kept");
    }
}

/// Says `line` to a connection and returns what it wrote.
fn turn(connection: &mut Connection, now: Instant, line: &str) -> String {
    connection.handle_input(now, line.as_bytes());
    let wrote = connection.transmit().to_vec();
    connection.handle_transmitted(now, wrote.len());
    String::from_utf8(wrote).unwrap()
}

#[test]
fn giving_up_before_data_quits_and_within_it_drops_the_transport() {
    // M114
    let now = Instant::now();
    let ready = || {
        let mut connection = Connection::new(now, Arc::new(off()));
        turn(&mut connection, now, "220 mx\r\n");
        turn(&mut connection, now, "250 mx\r\n");
        connection.begin(now, Sender::null()).unwrap();
        connection.recipient(now, Recipient::new("r@example.net".parse().unwrap())).unwrap();
        assert_eq!(turn(&mut connection, now, ""), "MAIL FROM:<>\r\n");
        assert_eq!(turn(&mut connection, now, "250 ok\r\n"), "RCPT TO:<r@example.net>\r\n");
        assert_eq!(turn(&mut connection, now, "250 ok\r\n"), "");
        connection
    };
    let mut connection = ready();
    connection.quit(now);
    assert_eq!(turn(&mut connection, now, ""), "QUIT\r\n");

    let mut connection = ready();
    connection.data(now).unwrap();
    assert_eq!(turn(&mut connection, now, ""), "DATA\r\n");
    assert_eq!(turn(&mut connection, now, "354 go\r\n"), "");
    connection.write_body(now, b"abc").unwrap();
    connection.quit(now);
    assert_eq!(turn(&mut connection, now, ""), "", "no QUIT and no end mark");
    assert!(
        std::iter::from_fn(|| connection.poll_event()).any(|event| matches!(event, Event::Closed(Some(_))))
    );
}

#[test]
fn a_source_that_fails_sends_no_end_mark() {
    // B1, M114, section 6 row 13
    let mut world = World::two(&off()).until_decided();
    world.fail_body = true;
    let seen = world.run([Script::plain()]);
    assert_eq!(seen.lines(), ["EHLO MAIL RCPT DATA"]);
    assert_eq!((seen.result().as_str(), seen.sessions[0].1.messages), ("deferred 451 4.3.0", 0));
}
