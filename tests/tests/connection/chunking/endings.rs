//! How a message by BDAT ends early: a refusal, a lost line, a failing source, a stale connection; and what is known then.

use super::*;

#[test]
fn a_refusal_while_a_chunk_is_under_way_is_the_verdict_and_drops_the_line() {
    // Rows 11, 12, 21, 22; D33, R156
    for (reply, expected) in [
        ("552 5.3.4 too big", "rejected 552 body"),
        ("451 hm", "deferred 451 body"),
        ("421 bye", "deferred 421 body"),
        ("250 got it", "deferred 451 body"),
        ("354 more", "deferred 451 body"),
        ("221 bye", "deferred 451 body"),
    ] {
        // In the first chunk, and in the second while the first is being refused.
        for start in ["C: BDAT 1048576\n", "C: BDAT 1048576\n*: chunk\nC: BDAT 1048576\n"] {
            let dialogue =
                format!("{}{ENVELOPE}{start}C| 0123456789abcdef\\r\\n\n*: stall\nS: {reply}", opened(&BOTH));
            let content = b"0123456789abcdef\r\n".repeat(160_000);
            // So that a line begins where the second chunk does.
            let content = if start.matches("BDAT").count() == 2 {
                [&b"0123456789abcdef\r\n".repeat(58_254)[..], b"wxyz", &content].concat()
            } else {
                content
            };
            let net = Net { to_server: Split::Sizes(vec![18_000, 11]), ..Net::default() };
            let mut world = World::new(config(), Script::new(&dialogue)).over(net);
            world.run(Plan::of([known(&["b@y"], content)]));
            let outcome = world.into_outcome();
            if start.matches("BDAT").count() == 2 && !reply.starts_with(['4', '5']) {
                continue; // that answers the first chunk
            }
            assert_eq!(outcome.verdicts(0), [expected], "{reply} {start}");
            assert!(!outcome.wire().contains("QUIT") && !outcome.wire().contains("RSET"));
        }
    }
}

#[test]
fn a_line_lost_inside_the_last_chunk_defers_and_behind_it_is_uncertain() {
    // Rows 21-23, D36
    for cut in [Cut::Close, Cut::Reset, Cut::WritesFail] {
        let before = "EHLO client.example\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y>\r\n".len() as u64;
        // Given out whole, so it may be there.
        for at in [3, before, before + 20, before + 35] {
            let at = at.max("EHLO client.example\r\n".len() as u64 + 1);
            let net = Net { cut_after_sent: Some((at, cut)), ..Net::default() };
            let dialogue = format!("{}{FLIGHT}", opened(&BOTH));
            let mut world = World::new(config(), Script::new(&dialogue)).over(net);
            world.run(Plan::of([small(&["b@y"])]));
            assert_eq!(world.outcome().dispositions(0)[0].name(), "uncertain", "{at}");
        }
        // Too long to be given out at once.
        for at in [30_000, 100_000] {
            let net = Net { cut_after_sent: Some((before + at, cut)), ..Net::default() };
            let dialogue = format!("{}{ENVELOPE}C: BDAT 270000 LAST\n*: chunk\n", opened(&BOTH));
            let mut world = World::new(config(), Script::new(&dialogue)).over(net);
            world.run(Plan::of([known(&["b@y"], b"0123456789abcdef\r\n".repeat(15_000))]));
            assert_eq!(world.outcome().verdicts(0), ["deferred 450 body"], "{at}");
        }
    }
    for (end, expected) in [
        ("*: close", "uncertain 450 end"),
        ("S| 250 o\n*: close", "uncertain 450 end"),
        ("S: nonsense\n*: gone", "uncertain 451 end"),
        ("S: 354 what\n*: gone", "uncertain 451 end"),
        ("S: 221 bye\n*: gone", "uncertain 451 end"),
        ("S: 421 bye\n*: gone", "deferred 421 end"),
    ] {
        let dialogue = format!("{}{FLIGHT}S: 250 ok\nS: 250 ok\n{end}", opened(&BOTH));
        let outcome = play_split(config(), Plan::of([small(&["b@y"])]), &dialogue);
        assert_eq!(outcome.verdicts(0), [expected], "{end}");
    }
}

#[test]
fn a_dialogue_that_breaks_off_in_front_of_a_chunk_that_is_out_is_uncertain_unless_it_said_so() {
    // Row 23, R39, R145: 421 says that the server will not come to the content; a lost line says nothing.
    let flight = FLIGHT.replace("C: RCPT TO:<b@y>\n", "C: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\n");
    for (end, expected) in [
        ("*: close", ["uncertain 450 end", "uncertain 450 end"]),
        ("S: nonsense\n*: gone", ["uncertain 451 end", "uncertain 451 end"]),
        ("S: 421 bye\n*: gone", ["deferred 421 mail", "deferred 421 mail"]),
        ("S: 250 ok\nS: 550 no\n*: close", ["rejected 550 rcpt", "uncertain 450 end"]),
        ("S: 250 ok\nS: 250 ok\nS: 421 bye\n*: gone", ["deferred 421 rcpt", "deferred 421 rcpt"]),
        ("S: 550 no\n*: close", ["rejected 550 mail", "rejected 550 mail"]),
    ] {
        let dialogue = format!("{}{flight}{end}", opened(&BOTH));
        let outcome = play_split(config(), Plan::of([small(&["b@y", "c@y"])]), &dialogue);
        assert_eq!(outcome.verdicts(0), expected, "{end}");
    }
}

#[test]
fn a_source_that_fails_in_a_chunk_drops_the_transport() {
    // R54, R156, row 13: never padded, never ended.
    for octets in [0, 7, 70_000, 200_000] {
        for source in [Source::Fails, Source::Cancelled] {
            let content = vec![b'x'; octets];
            let mut one = Mail { source, ..Mail::new(envelope(&["b@y"]), content.clone()) };
            let outcome = broken_off(one.clone());
            // Two chunks of the longest go out, and nobody answers them.
            let expected = if octets < 100_000 { "deferred 451 body" } else { "deferred 450 body" };
            assert_eq!(outcome.verdicts(0), [expected], "{octets}");
            // Known beforehand, and a little more than there is.
            one.envelope.sender.content = Some(facts(&[&content[..], b"more"].concat()));
            let outcome = broken_off(one);
            let verdict = &outcome.verdicts(0)[0];
            assert!(verdict.starts_with("deferred 451"), "{octets}: {verdict}");
        }
    }
}

#[test]
fn a_source_that_shrinks_or_grows_drops_the_transport() {
    // R54, R156: what was announced can be changed no more, and a last chunk is not completed by what should have followed it.
    for (octets, announced) in [
        (9, 10),
        (11, 10),
        (0, 1),
        (1, 0),
        (70_000, 70_001),
        (70_001, 70_000),
        (200_000, 70_000),
        (100_000, 5),
    ] {
        let mut one = Mail::new(envelope(&["b@y"]), vec![b'x'; octets]);
        one.envelope.sender.content = Some(facts(&vec![b'x'; announced]));
        let outcome = broken_off(one);
        assert!(outcome.verdicts(0)[0].starts_with("deferred 451"), "{octets} for {announced}");
    }
    // As many octets as declared, of which more are line ends; and fewer.
    for (content, instead) in [(text(70_000), vec![b'x'; 70_000]), (vec![b'x'; 70_000], text(70_000))] {
        let mut one = Mail::new(envelope(&["b@y"]), instead);
        one.envelope.sender.content = Some(facts(&content));
        let outcome = broken_off(one);
        assert!(matches!(outcome.error(), Error::Source { .. }));
    }
}

#[test]
fn a_source_that_fails_before_its_chunk_is_begun_costs_other_messages_nothing() {
    // R54, R63: the first is in flight, and nothing of the second has left but its envelope.
    for source in ["fails", "lies"] {
        let dialogue = session(
            &BOTH,
            &format!(
                "{FLIGHT}C: RSET\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nS: 250 ok\nS: 250 ok\nS: 250 taken\nS: 250 ok\nS: 250 ok\nS: 250 ok"
            ),
        );
        let mut second = small(&["b@y"]);
        match source {
            "fails" => second.source = Source::Fails,
            _ => second.content.extend(b"more"),
        }
        let outcome = play_split(config(), Plan::of([small(&["b@y"]), second]), &dialogue);
        assert_eq!(outcome.verdicts(0), ["delivered 250"], "{source}");
        assert_eq!(outcome.verdicts(1), ["deferred 451 body"], "{source}");
    }
    let now = std::time::Instant::now();
    let mut client = Connection::new(now, Arc::new(config()));
    hear(&mut client, "220 mx\r\n");
    hear(&mut client, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    client.submit(now, small(&["b@y"]).envelope).unwrap();
    client.write_body(now, b"Subject: s\r\n\r\nbody\r\n").unwrap();
    client.finish_body(now).unwrap();
    client.submit(now, small(&["b@y"]).envelope).unwrap();
    client.write_body(now, b"Subject").unwrap();
    client.quit(now);
    assert!(hear(&mut client, "").ends_with("RCPT TO:<b@y>\r\n"));
    assert_eq!(hear(&mut client, "250 ok\r\n250 ok\r\n250 taken\r\n"), "");
    assert_eq!(hear(&mut client, "250 forgotten\r\n250 ok\r\n250 ok\r\n"), "QUIT\r\n");
    assert_eq!(only_report(&mut client).name(), "delivered");
}

#[test]
fn the_last_octet_waits_for_the_end_of_the_source() {
    // R54, D36: a source that goes on is found out before the last chunk is complete.
    let content = vec![b'x'; 70_000];
    let mut world =
        World::new(config(), Script::new(&format!("{}{ENVELOPE}C: BDAT 70002 LAST\n", opened(&BOTH))));
    world.run(Plan { stay: true, ..Plan::default() });
    let now = world.clock.now();
    world.client.submit(now, known(&["b@y"], content.clone()).envelope).unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    world.client.write_body(now, &content).unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    assert!(world.client.body_credit() > 0, "it can be told that this was all");
    assert_eq!(
        world.client.write_body(now, b"y"),
        Err(BodyError::SizeMismatch { declared: 70_000, given: 70_001 })
    );
    assert!(world.client.is_closed());
}

#[test]
fn a_421_tells_what_was_taken_from_what_was_not_read() {
    // R39, R40: the first is taken, the second met the 421, the third was behind it.
    let next = format!("C: RSET\n{FLIGHT}");
    for (replies, second) in [
        ("S: 421 bye", "deferred"),
        ("S: 250 ok\nS: 421 bye", "deferred"),
        ("S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 421 bye", "deferred"),
        ("S: 250 ok\n*: close", "uncertain"),
    ] {
        let dialogue = format!(
            "{}{FLIGHT}{next}{next}S: 250 ok\nS: 250 ok\nS: 250 taken\n{replies}\n*: gone",
            opened(&BOTH)
        );
        let plan = Plan::of([small(&["b@y"]), small(&["b@y"]), small(&["b@y"])]);
        let outcome = play_split(config(), plan, &dialogue);
        assert_eq!(outcome.verdicts(0), ["delivered 250"]);
        assert_eq!(outcome.dispositions(1)[0].name(), second, "{replies}");
        assert_eq!(outcome.dispositions(2)[0].name(), second, "{replies}");
    }
}

#[test]
fn a_connection_that_may_be_stale_answers_before_any_content_leaves() {
    // Rows 30, 31: kept idle, and dead when it is used again.
    let now = std::time::Instant::now();
    let begun = || {
        let mut client = Connection::new(now, Arc::new(config()));
        hear(&mut client, "220 mx\r\n");
        assert_eq!(hear(&mut client, "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"), "");
        client.expect_stale();
        client.submit(now, small(&["b@y"]).envelope).unwrap();
        assert_eq!(client.body_credit(), 0, "what is not read need not be read again");
        assert_eq!(hear(&mut client, ""), "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y>\r\n");
        client
    };
    let mut client = begun();
    client.handle_closed(now, None);
    assert_eq!(only_report(&mut client).name(), "deferred");

    let mut client = begun();
    hear(&mut client, "250 ok\r\n");
    client.write_body(now, b"Subject: s\r\n\r\nbody\r\n").unwrap();
    client.finish_body(now).unwrap();
    assert_eq!(hear(&mut client, ""), "BDAT 20 LAST\r\nSubject: s\r\n\r\nbody\r\n");
    hear(&mut client, "250 ok\r\n250 taken\r\n");
    assert_eq!(only_report(&mut client).name(), "delivered");

    // It holds for one transaction.
    client.submit(now, small(&["b@y"]).envelope).unwrap();
    assert!(client.body_credit() > 0);
}

#[test]
fn a_server_that_answers_no_chunk_is_given_up_and_has_nothing() {
    // R70, row 21; behind LAST it is row 23.
    let dialogue = format!("{}{ENVELOPE}C: BDAT 49152\n*: chunk\nC: BDAT 49152\n*: chunk\n", opened(&BOTH));
    let mut world = World::new(config(), Script::new(&dialogue));
    world.run(Plan::of([Mail::new(envelope(&["b@y"]), vec![b'x'; 200_000])]));
    assert_eq!(world.outcome().dispositions(0)[0].name(), "deferred");
    assert!(matches!(world.outcome().error(), Error::Timeout(Phase::Body)));

    let dialogue = format!("{}{FLIGHT}S: 250 ok\nS: 250 ok\n", opened(&BOTH));
    let mut world = World::new(config(), Script::new(&dialogue));
    world.run(Plan::of([small(&["b@y"])]));
    assert_eq!(world.outcome().dispositions(0)[0].name(), "uncertain");
    assert!(matches!(world.outcome().error(), Error::Timeout(Phase::End)));
}
