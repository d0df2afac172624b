use super::*;

fn with(limits: Limits) -> Config {
    Config { limits, ..config() }
}

#[test]
fn recipients_beyond_the_limit_are_for_later() {
    let mut harness = Harness::new(with(Limits { recipients: 2, ..Limits::default() }));
    harness.send("EHLO c\r\nMAIL FROM:<a@x>\r\n");
    let sent = "RCPT TO:<b@x>\r\n".repeat(3);
    assert_eq!(harness.codes(sent), ["250 2.1.5", "250 2.1.5", "452 4.5.3"]); // R29
    assert_eq!(harness.codes("DATA\r\n"), ["354"]);
}

#[test]
fn lines_are_bounded_by_verb_and_offer() {
    let line = |verb: &str, length: usize| format!("{verb} {}\r\n", "x".repeat(length - verb.len() - 3));
    let mut harness = Harness::new(config());
    assert_eq!(harness.codes(line("NOOP", 512)), ["250 2.0.0"]); // R27
    assert_eq!(harness.codes(line("NOOP", 513)), ["500 5.5.2"]);
    harness.send("EHLO c\r\n");
    let mail = |length: usize| {
        let start = "MAIL FROM:<a@x> SIZE=1";
        format!("{start}{}\r\n", " ".repeat(length - start.len() - 2))
    };
    assert_eq!(harness.codes(mail(513)), ["250 2.1.0"]);
    assert_eq!(harness.codes("RSET\r\n"), ["250 2.0.0"]);
    assert_eq!(harness.codes(mail(512 + 26 + 17 + 10)), ["250 2.1.0"]); // N14
    assert_eq!(harness.codes("RSET\r\n"), ["250 2.0.0"]);
    assert_eq!(harness.codes(mail(512 + 26 + 17 + 10 + 1)), ["500 5.5.2"]);
}

#[test]
fn errors_are_counted() {
    let mut harness = Harness::new(with(Limits { errors: 3, ..Limits::default() }));
    let sent = "FROB\r\n".repeat(9);
    assert_eq!(harness.codes(sent), ["500 5.5.1", "500 5.5.1", "500 5.5.1", "421 4.7.0"]);
    assert_eq!(harness.closed(), Some(&Closed::TooManyErrors));
}

#[test]
fn an_idle_client_is_told_and_dropped() {
    let mut harness = Harness::new(config());
    let idle = Limits::default().idle;
    assert_eq!(harness.wait(idle - Duration::from_secs(1)), "");
    harness.send("NOOP\r\n");
    assert_eq!(harness.server.poll_timeout(), Some(harness.now + idle));
    assert_eq!(harness.wait(idle - Duration::from_secs(1)), "", "something was heard since");
    assert_eq!(codes(&harness.wait(Duration::from_secs(1))), ["421 4.4.2"]);
    assert_eq!(harness.closed(), Some(&Closed::Idle));
    assert_eq!(harness.server.poll_timeout(), None);
}

#[test]
fn last_words_have_their_time_too() {
    let mut harness = Harness::new(config());
    harness.now += Limits::default().idle;
    harness.server.handle_timeout(harness.now);
    assert!(!harness.server.transmit().is_empty());
    let deadline = harness.server.poll_timeout().unwrap();
    assert!(deadline > harness.now);
    harness.server.handle_timeout(deadline);
    assert!(harness.server.transmit().is_empty());
    assert_eq!(harness.server.poll_timeout(), None);
}

#[test]
fn a_client_that_reads_no_replies_is_not_listened_to() {
    let mut harness = Harness::new(config());
    let mut given = 0;
    while harness.server.wants_input() {
        harness.server.handle_input(harness.now, &b"NOOP\r\n".repeat(100));
        given += 600;
        assert!(given < 200_000);
    }
    assert!(harness.server.transmit().len() <= 16 * 1024 + 100);
    assert_eq!(harness.output().len() / "250 2.0.0 ok\r\n".len(), given / 6, "and then each has its reply");
    assert!(harness.server.wants_input());
}

#[test]
fn input_behind_a_question_is_bounded() {
    let mut harness = Harness::new(Config { decisions: Decisions::ALL, ..config() });
    harness.send("EHLO c\r\nMAIL FROM:<a@x>\r\n");
    let mut given = 0;
    while harness.server.wants_input() {
        harness.server.handle_input(harness.now, &b"RCPT TO:<b@x>\r\n".repeat(100));
        given += 1500;
    }
    assert!(given <= 64 * 1024 + 1500);
}

#[test]
fn a_line_without_end_is_held_in_12_kib() {
    let mut harness = Harness::new(config());
    for _ in 0..10_000 {
        assert!(harness.server.wants_input());
        harness.server.handle_input(harness.now, &[b'x'; 1000]);
    }
    assert_eq!(harness.codes("\r\nNOOP\r\n"), ["500 5.5.2", "250 2.0.0"]);
}

#[test]
fn spurious_calls_are_harmless() {
    let mut harness = Harness::new(config());
    harness.server.handle_timeout(harness.now);
    harness.server.handle_transmitted(harness.now, 0);
    harness.server.handle_transmitted(harness.now, 1000);
    harness.server.handle_input(harness.now, b"");
    harness.server.take_content(harness.now, 1000);
    assert!(harness.server.refuse_content(harness.now, reply(450, "x")).is_err());
    assert_eq!(harness.codes("QUIT\r\nNOOP\r\n"), ["221 2.0.0"]);
    harness.server.shutdown(harness.now);
    harness.server.abort(harness.now);
    harness.server.handle_timeout(harness.now + Duration::from_secs(1_000_000));
    assert_eq!(harness.output(), "");
    assert_eq!(harness.events.iter().filter(|event| matches!(event, Event::Closed(_))).count(), 1);
}
