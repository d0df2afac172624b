use super::*;

const OFFER: &str = "
    S: 250-mx.example.org
    S: 250-PIPELINING
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-ENHANCEDSTATUSCODES
    S: 250-CHUNKING
    S: 250-BINARYMIME
    S: 250 SIZE 33554432
";

#[test]
fn one_message() {
    let harness = transcript(
        config(),
        &format!(
            "S: 220 mx.example.org ESMTP
             C: EHLO client.example
             {OFFER}
             C: MAIL FROM:<a@example.org> SIZE=20 BODY=8BITMIME
             S: 250 2.1.0 sender ok
             C: RCPT TO:<b@example.org>
             S: 250 2.1.5 recipient ok
             C: DATA
             S: 354 send the content, end it with a dot on a line of its own
             C: Subject: x
             C:
             C: ..
             C: .
             S: 250 2.0.0 message accepted
             C: QUIT
             S: 221 2.0.0 bye"
        ),
    );
    assert_eq!(harness.content, b"Subject: x\r\n\r\n.\r\n");
    assert_eq!(harness.closed(), Some(&Closed::Quit));
    assert_eq!(harness.resets(), 0);
}

#[test]
fn two_transactions_in_three_flights() {
    // RFC 2920 §3.1: the next MAIL may follow the content.
    let harness = transcript(
        config(),
        &format!(
            "S: 220 mx.example.org ESMTP
             C: EHLO c
             {OFFER}
             C: MAIL FROM:<>
             C: RCPT TO:<Postmaster>
             C: DATA
             S: 250 2.1.0 sender ok
             S: 250 2.1.5 recipient ok
             S: 354 send the content, end it with a dot on a line of its own
             C: one
             C: .
             C: MAIL FROM:<a@x>
             C: RCPT TO:<b@x>
             C: DATA
             S: 250 2.0.0 message accepted
             S: 250 2.1.0 sender ok
             S: 250 2.1.5 recipient ok
             S: 354 send the content, end it with a dot on a line of its own
             C: two
             C: .
             C: QUIT
             S: 250 2.0.0 message accepted
             S: 221 2.0.0 bye"
        ),
    );
    assert_eq!(harness.content, b"one\r\ntwo\r\n");
    let turns: Vec<_> = harness
        .events
        .iter()
        .filter_map(|event| match event {
            Event::EndOfContent { octets, round_trips } => Some((*octets, *round_trips)),
            _ => None,
        })
        .collect();
    assert_eq!(turns, [(5, 2), (5, 2)]);
}

#[test]
fn round_trips_are_flights_not_reads() {
    let count = |pieces: &[&str]| {
        let mut harness = Harness::new(config());
        harness.send("EHLO c\r\n");
        for piece in pieces {
            harness.send(piece);
        }
        harness.events.iter().find_map(|event| match event {
            Event::EndOfContent { round_trips, .. } => Some(*round_trips),
            _ => None,
        })
    };
    let mail = "MAIL FROM:<a@x>\r\n";
    let rcpt = "RCPT TO:<b@x>\r\n";
    assert_eq!(count(&[&format!("{mail}{rcpt}BDAT 3 LAST\r\nx\r\n")]), Some(1));
    assert_eq!(count(&[&format!("{mail}{rcpt}DATA\r\n"), "x\r\n", "y\r\n", ".", "\r\n"]), Some(2));
    assert_eq!(count(&[mail, rcpt, "DATA\r\n", "x\r\n.\r\n"]), Some(4));
}

#[test]
fn answers_that_take_time_make_no_round_trips() {
    let mut harness = Harness::new(Config { decisions: Decisions::ALL, ..config() });
    harness.send("EHLO c\r\n");
    harness.send("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nBDAT 3 LAST\r\nx\r\n");
    for expected in [vec!["250 2.1.0"], vec!["250 2.1.5"], vec![]] {
        harness.server.accept(harness.now).unwrap();
        assert_eq!(codes(&harness.output()), expected);
    }
    assert!(matches!(harness.events.last(), Some(Event::EndOfContent { round_trips: 1, .. })));
}

#[test]
fn verbs_are_case_blind_and_trailing_blanks_forgiven() {
    let mut harness = Harness::new(config());
    assert_eq!(harness.codes("eHlO c  \r\n"), ["250"]); // R2
    assert_eq!(harness.codes("mail from:<JoHn@Ex.org>\t\r\nrcpt To:<b@x> \r\n"), ["250 2.1.0", "250 2.1.5"]);
    assert_eq!(
        harness.codes("rset \r\nnoop whatever\r\nhelp\r\nvrfy x\r\n"),
        ["250 2.0.0", "250 2.0.0", "214 2.0.0", "252 2.1.5"]
    );
}

#[test]
fn order_is_kept() {
    let mut harness = Harness::new(config());
    assert_eq!(harness.codes("MAIL FROM:<a@x>\r\n"), ["503 5.5.1"]);
    assert_eq!(harness.codes("EHLO c\r\n"), ["250"]);
    assert_eq!(harness.codes("RCPT TO:<b@x>\r\nDATA\r\n"), ["503 5.5.1", "503 5.5.1"]);
    assert_eq!(harness.codes("MAIL FROM:<a@x>\r\nMAIL FROM:<a@x>\r\n"), ["250 2.1.0", "503 5.5.1"]); // R47
    assert_eq!(harness.codes("DATA\r\n"), ["554 5.5.1"]);
    assert_eq!(harness.codes("STARTTLS\r\nAUTH PLAIN\r\n"), ["502 5.5.1", "502 5.5.1"]);
    assert_eq!(
        harness.codes("EXPN x\r\nFROB\r\n\r\nLHLO c\r\n"),
        ["502 5.5.1", "500 5.5.1", "500 5.5.1", "500 5.5.1"]
    );
}

#[test]
fn rset_and_a_new_hello_drop_the_transaction() {
    for command in ["RSET\r\n", "EHLO d\r\n"] {
        let mut harness = Harness::new(config());
        harness.envelope();
        harness.send(command); // R15, R56
        assert_eq!(harness.resets(), 1);
        assert_eq!(harness.codes("DATA\r\n"), ["503 5.5.1"]);
    }
    let mut harness = Harness::new(config());
    harness.send("EHLO c\r\nRSET\r\n");
    assert_eq!(harness.resets(), 0);
}

#[test]
fn after_helo_there_are_no_extensions() {
    let mut harness = Harness::new(config());
    assert_eq!(harness.send("HELO c\r\n"), "250 mx.example.org\r\n"); // R10
    assert_eq!(harness.codes("MAIL FROM:<a@x> SIZE=1\r\n"), ["555 5.5.4"]);
}

#[test]
fn what_is_switched_off_is_neither_offered_nor_taken() {
    let mut harness = Harness::new(Config { extensions: Extensions::NONE, ..config() });
    assert_eq!(harness.send("EHLO c\r\n"), "250 mx.example.org\r\n");
    for parameter in
        ["SIZE=1", "BODY=7BIT", "BODY=BINARYMIME", "SMTPUTF8", "REQUIRETLS", "AUTH=<>", "RET=FULL"]
    {
        assert_eq!(harness.send(format!("MAIL FROM:<a@x> {parameter}\r\n")), "555 parameter not offered\r\n"); // R14
    }
    assert_eq!(harness.send("BDAT 3\r\nabcNOOP\r\n"), "502 not offered\r\n250 ok\r\n");
}

#[test]
fn early_talkers_are_turned_away() {
    let mut harness = Harness::silent(config());
    assert_eq!(codes(&harness.send("EHLO c\r\n")), ["220", "554 5.5.0"]); // R4
    assert_eq!(harness.closed(), Some(&Closed::EarlyTalker));

    let mut patient = Harness::silent(Config { refuse_early_talkers: false, ..config() });
    assert_eq!(codes(&patient.send("EHLO c\r\n")), ["220", "250"]);
}

#[test]
fn a_refusing_greeting_leaves_only_quit() {
    let replies = table(Phase::Greeting, reply(554, "no service"));
    let mut harness = Harness::silent(Config { replies, ..config() });
    assert_eq!(codes(&harness.output()), ["554"]); // R6
    assert_eq!(harness.codes("EHLO c\r\nQUIT\r\n"), ["503 5.5.1", "221 2.0.0"]);

    let replies = table(Phase::Greeting, reply(421, "busy"));
    let mut harness = Harness::silent(Config { replies, ..config() });
    assert_eq!(harness.output(), "421 busy\r\n"); // R7
    assert_eq!(harness.closed(), Some(&Closed::Refused));
}

#[test]
fn the_table_answers_without_asking() {
    for (phase, expected) in [
        (Phase::Hello, vec!["450", "503 5.5.1", "503 5.5.1", "503 5.5.1"]),
        (Phase::Mail, vec!["250", "450", "503 5.5.1", "503 5.5.1"]),
        (Phase::Rcpt, vec!["250", "250 2.1.0", "450", "554 5.5.1"]),
        (Phase::Data, vec!["250", "250 2.1.0", "250 2.1.5", "450"]),
    ] {
        let replies = table(phase, reply(450, "busy"));
        let mut harness = Harness::new(Config { replies, decisions: Decisions::NONE, ..config() });
        let got = harness.codes("EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
        assert_eq!(got, expected, "{phase}");
    }
    let replies = table(Phase::End, reply(451, "later"));
    let mut harness = Harness::new(Config { replies, decisions: Decisions::END, ..config() });
    harness.envelope();
    harness.send("DATA\r\n");
    assert_eq!(harness.codes("x\r\n.\r\n"), ["451"]);
    assert_eq!(harness.resets(), 1);
    assert!(!harness.server.in_transaction());
}

#[test]
fn the_application_is_asked_one_thing_at_a_time() {
    let mut harness = Harness::new(Config { decisions: Decisions::ALL, ..config() });
    let sent = "EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nDATA\r\n";
    assert_eq!(harness.codes(sent), ["250"]);
    let asked = |harness: &Harness| format!("{:?}", harness.events.last().unwrap());
    assert!(asked(&harness).starts_with("Mail"));
    assert_eq!(harness.server.poll_timeout(), None, "the client has nothing to do");
    let wrong = harness.server.reply(harness.now, reply(354, "go"));
    assert_eq!(wrong, Err(Misuse::WrongCode { phase: Phase::Mail, code: Code::START_CONTENT }));
    harness.server.accept(harness.now).unwrap();
    assert_eq!(codes(&harness.output()), ["250 2.1.0"]);
    assert!(asked(&harness).starts_with("Recipient"));
    harness.server.reply(harness.now, reply(550, "5.1.1 no")).unwrap();
    assert_eq!(codes(&harness.output()), ["550 5.1.1"]);
    harness.server.accept(harness.now).unwrap();
    assert!(harness.server.reply(harness.now, reply(250, "go")).is_err());
    harness.server.accept(harness.now).unwrap();
    assert_eq!(codes(&harness.output()), ["250 2.1.5", "354"]);
    assert_eq!(harness.codes("x\r\n.\r\nNOOP\r\n"), [""; 0]);
    assert!(matches!(harness.events.last(), Some(Event::EndOfContent { octets: 3, .. })));
    harness.server.reply(harness.now, reply(250, "2.0.0 queued")).unwrap();
    assert_eq!(harness.output(), "250 2.0.0 queued\r\n250 2.0.0 ok\r\n");
    assert_eq!(harness.server.accept(harness.now), Err(Misuse::NotAsked));
}

#[test]
fn a_421_of_the_application_ends_the_connection() {
    let mut harness = Harness::new(Config { decisions: Decisions::ALL, ..config() });
    harness.send("EHLO c\r\nMAIL FROM:<a@x>\r\n");
    harness.server.reply(harness.now, reply(421, "4.3.2 going")).unwrap();
    assert_eq!(harness.output(), "421 4.3.2 going\r\n"); // R39
    assert_eq!(harness.closed(), Some(&Closed::Refused));
    assert_eq!(harness.send("QUIT\r\n"), "");
}

#[test]
fn strict_pipelining_wants_groups_to_end_where_they_must() {
    let strict = || Config { strict_pipelining: true, ..config() };
    let mut harness = Harness::new(strict());
    assert_eq!(harness.codes("EHLO c\r\nMAIL FROM:<a@x>\r\n"), ["554 5.5.0"]); // R137
    assert_eq!(harness.closed(), Some(&Closed::Pipelined));

    let mut harness = Harness::new(strict());
    harness.envelope();
    assert_eq!(harness.codes("DATA\r\nx\r\n"), ["554 5.5.0"]); // R138

    let extensions = Extensions { pipelining: false, ..Extensions::default() };
    let mut harness = Harness::new(Config { extensions, ..strict() });
    harness.send("EHLO c\r\n");
    assert_eq!(harness.codes("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n"), ["554 5.5.0"]); // R135

    // R148: the octets of a chunk are no group.
    let mut harness = Harness::new(Config { extensions, ..strict() });
    for command in ["EHLO c\r\n", "MAIL FROM:<a@x>\r\n", "RCPT TO:<b@x>\r\n"] {
        harness.send(command);
    }
    assert_eq!(harness.codes("BDAT 3 LAST\r\nx\r\n"), ["250 2.0.0"]);
}

#[test]
fn shutdown_waits_for_the_transaction() {
    let mut harness = Harness::new(Config { decisions: Decisions::END, ..config() });
    harness.envelope();
    harness.send("DATA\r\n");
    harness.server.shutdown(harness.now);
    assert_eq!(harness.codes("x\r\n.\r\n"), [""; 0]);
    harness.server.accept(harness.now).unwrap();
    assert_eq!(codes(&harness.output()), ["250 2.0.0", "421 4.3.2"]);
    assert_eq!(harness.closed(), Some(&Closed::Shutdown));

    let mut idle = Harness::new(config());
    idle.server.shutdown(idle.now);
    assert_eq!(codes(&idle.output()), ["421 4.3.2"]);
}

#[test]
fn a_client_that_only_stops_sending_still_gets_its_replies() {
    let mut harness = Harness::new(Config { decisions: Decisions::END, ..config() });
    harness.envelope();
    harness.send("DATA\r\nx\r\n.\r\nQUIT\r\n");
    harness.server.handle_closed(harness.now, None);
    harness.settle();
    assert_eq!(harness.closed(), None);
    harness.server.accept(harness.now).unwrap();
    assert_eq!(codes(&harness.output()), ["250 2.0.0", "221 2.0.0"]);

    let mut gone = Harness::new(config());
    gone.server.handle_closed(gone.now, None);
    gone.server.handle_closed(gone.now, None);
    gone.settle();
    assert_eq!(gone.closed(), Some(&Closed::HungUp));
    assert_eq!(gone.events.len(), 1);
}

#[test]
fn a_misuse_says_what_to_do_instead() {
    let mut harness = Harness::new(Config { decisions: Decisions::ALL, ..config() });
    harness.send("EHLO c\r\nMAIL FROM:<a@x>\r\n");
    let mail = harness.server.reply(harness.now, reply(354, "go")).unwrap_err();
    assert_eq!(mail.to_string(), "a reply of 354 cannot answer mail; use 2yz, 4yz or 5yz");
    harness.server.accept(harness.now).unwrap();
    harness.send("RCPT TO:<b@x>\r\n");
    harness.server.accept(harness.now).unwrap();
    harness.send("DATA\r\n");
    let data = harness.server.reply(harness.now, reply(250, "go")).unwrap_err();
    assert_eq!(data.to_string(), "a reply of 250 cannot answer data; use 354, 4yz or 5yz");
    let one = harness.server.reply_recipient(harness.now, 0, reply(250, "go")).unwrap_err();
    assert_eq!(one, Misuse::NotAsked);
    harness.server.reply(harness.now, reply(354, "go")).unwrap();
    harness.send("x\r\n.\r\n");
    let smtp = harness.server.reply_recipient(harness.now, 0, reply(250, "go")).unwrap_err();
    assert_eq!(smtp, Misuse::NoSuchRecipient(0));
}

#[test]
fn a_lost_transport_is_told_nothing() {
    let mut harness = Harness::new(config());
    harness.server.handle_input(harness.now, b"NOOP\r\n");
    harness.server.handle_closed(harness.now, Some(&std::io::ErrorKind::ConnectionReset.into()));
    assert_eq!(harness.output(), "");
    assert_eq!(harness.closed(), Some(&Closed::Lost(std::io::ErrorKind::ConnectionReset)));
    assert_eq!(harness.server.poll_timeout(), None);
}
