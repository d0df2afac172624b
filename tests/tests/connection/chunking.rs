//! Content by BDAT (RFC 3030): in the envelope's flight, in chunks, and the ways out of them.

mod endings;

use std::sync::Arc;

use smtp_proto::{
    Connection, Disposition, Error, Event, PeerError, Phase,
    body::{Facts, Scanner},
    config::Chunking,
    error::BodyError,
};
use smtp_testkit::{Cut, Source};

use super::*;

const BOTH: [&str; 2] = ["PIPELINING", "CHUNKING"];
/// What `mail` sends, as the client of a server with nothing but CHUNKING and PIPELINING does.
const FLIGHT: &str =
    "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: BDAT 20 LAST\nC| Subject: s\\r\\n\\r\\nbody\\r\\n\n";
const ENVELOPE: &str = "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nS: 250 ok\nS: 250 ok\n";

fn chunking(choice: Chunking) -> Config {
    let mut config = config();
    config.chunking = choice;
    config
}

fn facts(content: &[u8]) -> Facts {
    let mut scanner = Scanner::new(Default::default());
    scanner.update(content).unwrap();
    scanner.finish().unwrap()
}

/// A message of which everything is known.
fn known(recipients: &[&str], content: impl Into<Vec<u8>>) -> Mail {
    let mut mail = Mail::new(envelope(recipients), content);
    mail.envelope.sender.content = Some(facts(&mail.content));
    mail
}

fn small(recipients: &[&str]) -> Mail {
    known(recipients, "Subject: s\r\n\r\nbody\r\n")
}

fn text(octets: usize) -> Vec<u8> {
    b"0123456789abcde\n".iter().copied().cycle().take(octets).collect()
}

#[test]
fn a_small_known_message_is_one_flight_and_one_write() {
    // R153: the script lets nothing be answered before the content is there.
    let dialogue = session(&BOTH, &format!("{FLIGHT}S: 250 ok\nS: 250 ok\nS: 250 taken"));
    let outcome = play_split(config(), Plan::of([small(&["b@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250"]);
    assert_eq!(outcome.writes, 3, "EHLO, the message, QUIT");
    assert_eq!(outcome.reports[0].1.round_trips, 1);
}

#[test]
fn quit_rides_behind_the_last_chunk() {
    // RFC 2920 §3.1: a first and only message costs one turn, and so does its end.
    let dialogue =
        format!("{}{FLIGHT}C: QUIT\nS: 250 ok\nS: 250 ok\nS: 250 taken\nS: 221 bye\n*: close", opened(&BOTH));
    let plan = Plan { quit_early: true, ..Plan::of([small(&["b@y"])]) };
    let outcome = play_split(config(), plan, &dialogue);
    assert_eq!((outcome.verdicts(0), outcome.writes), (vec!["delivered 250".to_owned()], 2));
}

#[test]
fn without_the_offer_or_the_wish_it_is_data() {
    // R147, D27
    let data = |offers: &[&str], envelope: &str| {
        session(offers, &format!("{envelope}C: DATA\nS: 354 go\n*: content\nS: 250 ok"))
    };
    let lockstep = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\n";
    let grouped = |replies: &str| {
        session(
            &replies.split(' ').collect::<Vec<_>>(),
            "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n*: content\nS: 250 ok",
        )
    };
    let plan = || Plan::of([small(&["b@y"])]);
    for (choice, dialogue) in [
        (Chunking::Yes, data(&[], lockstep)),
        (Chunking::Auto, data(&["CHUNKING"], lockstep)),
        (Chunking::No, data(&["CHUNKING"], lockstep)),
        (Chunking::Yes, grouped("PIPELINING")),
        (Chunking::Auto, grouped("PIPELINING")),
        (Chunking::No, grouped("PIPELINING CHUNKING")),
    ] {
        let outcome = play_split(chunking(choice), plan(), &dialogue);
        assert_eq!(outcome.verdicts(0), ["delivered 250"], "{choice:?}");
    }
    // Groups switched off here: there is no round trip to save in a flight, so `Auto` stays with what it knows.
    let mut config = config();
    config.pipelining = false;
    play_split(config, plan(), &data(&BOTH, lockstep));
}

#[test]
fn after_helo_it_is_data() {
    // R10, R147
    let dialogue = "S: 220 mx\nC: EHLO client.example\nS: 500 what\nC: HELO client.example\nS: 250-mx\nS: 250-PIPELINING\nS: 250 CHUNKING
        C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go\n*: content\nS: 250 ok"
        .to_owned()
        + GOODBYE;
    play_split(chunking(Chunking::Yes), Plan::of([small(&["b@y"])]), &dialogue);
}

#[test]
fn without_pipelining_each_chunk_waits_for_its_reply() {
    // R135, R151
    let dialogue = session(
        &["CHUNKING"],
        "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: BDAT 20 LAST\n*: chunk\nS: 250 taken",
    );
    let outcome = play_split(chunking(Chunking::Yes), Plan::of([small(&["b@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250"]);

    let dialogue = session(
        &["CHUNKING"],
        "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok
         C: BDAT 1048576\n*: chunk\nS: 250 more\nC: BDAT 1048576\n*: chunk\nS: 250 more\nC: BDAT 2854 LAST\n*: chunk\nS: 250 taken",
    );
    let mut world = World::new(chunking(Chunking::Yes), Script::new(&dialogue));
    world.expect(Plan::of([known(&["b@y"], b"0123456789abcdef\r\n".repeat(116_667))]));
}

#[test]
fn octets_are_counted_after_line_ends_and_dots_stay() {
    // R148, R155, W23, W24, W27
    for (content, on_the_wire) in [
        ("", ""),
        (".", ".\\r\\n"),
        ("a\n.\nb", "a\\r\\n.\\r\\nb\\r\\n"),
        ("a\r\n..\r\n", "a\\r\\n..\\r\\n"),
        ("a\rb", "a b\\r\\n"),
        ("a\r", "a \\r\\n"),
        ("Subject: s\r\n\r\n", "Subject: s\\r\\n\\r\\n"),
    ] {
        let length = on_the_wire.replace("\\r", "r").replace("\\n", "n").len();
        for (mail, wait) in
            [(known(&["b@y"], content), false), (Mail::new(envelope(&["b@y"]), content), true)]
        {
            for piece in [1, 100] {
                let mail = Mail { piece, ..mail.clone() };
                let chunk = format!("C: BDAT {length} LAST\nC| {on_the_wire}\n");
                let dialogue = if wait {
                    format!("{ENVELOPE}{chunk}S: 250 ok")
                } else {
                    format!(
                        "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\n{chunk}S: 250 ok\nS: 250 ok\nS: 250 ok"
                    )
                };
                let outcome = play_split(config(), Plan::of([mail]), &session(&BOTH, &dialogue));
                assert_eq!(outcome.verdicts(0), ["delivered 250"], "{content:?}");
            }
        }
    }
}

#[test]
fn an_unknown_size_is_chunked_as_it_is_read() {
    // R149, R151, R153, R155: two chunks without an answer, not three; the last may be empty.
    let chunk = "C: BDAT 49152\n*: chunk\n";
    for (octets, chunks) in [
        (49_151, "C: BDAT 49151 LAST\n*: chunk\nS: 250 ok".to_owned()),
        (49_152, format!("{chunk}C: BDAT 0 LAST\n*: chunk\nS: 250 more\nS: 250 ok")),
        (49_160, format!("{chunk}C: BDAT 8 LAST\n*: chunk\nS: 250 more\nS: 250 ok")),
        (
            3 * 49_152 + 4,
            format!(
                "{chunk}{chunk}S: 250 more\n{chunk}S: 250 more\nC: BDAT 4 LAST\n*: chunk\nS: 250 more\nS: 250 ok"
            ),
        ),
    ] {
        let content = [&vec![b'x'; octets - 2][..], b"\r\n"].concat();
        let dialogue = session(&BOTH, &format!("{ENVELOPE}{chunks}"));
        let mut world = World::new(config(), Script::new(&dialogue));
        world.expect(Plan::of([Mail::new(envelope(&["b@y"]), content.clone())]));
        assert_eq!(world.outcome().verdicts(0), ["delivered 250"], "{octets}");
        assert!(world.outcome().largest < 128 * 1024);
        assert!(world.server.contents[0] == content, "{octets}");
    }
}

#[test]
fn a_large_known_message_streams_through_announced_chunks() {
    // R153, R155: chunks of a MiB, never more than two without an answer, nothing held whole.
    let content: Vec<u8> = b".line of text\r\n".iter().copied().cycle().take(15 * 220_000).collect();
    let dialogue = format!(
        "{ENVELOPE}C: BDAT 1048576\n*: chunk\nC: BDAT 1048576\n*: chunk\nS: 250 more
         C: BDAT 1048576\n*: chunk\nS: 250 more\nC: BDAT 154272 LAST\n*: chunk\nS: 250 more\nS: 250 ok"
    );
    let net = Net { to_server: Split::Sizes(vec![1000, 70_000, 1]), ..Net::default() };
    let mut world = World::new(config(), Script::new(&session(&BOTH, &dialogue))).over(net);
    world.expect(Plan::of([known(&["b@y"], content.clone())]));
    assert_eq!(world.outcome().verdicts(0), ["delivered 250"]);
    assert!(world.outcome().largest <= 128 * 1024, "{}", world.outcome().largest);
    assert!(world.server.contents[0] == content);
}

#[test]
fn the_missing_line_end_may_be_split_over_chunks() {
    // W23, W24: CR ends the first chunk, LF is the second.
    let content = vec![b'x'; (1 << 20) - 1];
    let dialogue =
        format!("{ENVELOPE}C: BDAT 1048576\n*: chunk\nC: BDAT 1 LAST\nC| \\n\nS: 250 more\nS: 250 ok");
    let mut world = World::new(config(), Script::new(&session(&BOTH, &dialogue)));
    world.expect(Plan::of([known(&["b@y"], content)]));
    assert_eq!(world.outcome().verdicts(0), ["delivered 250"]);
}

#[test]
fn no_octet_of_a_large_message_is_sent_for_nobody() {
    // R48, R153
    for mail in [known(&["b@y"], text(70_000)), Mail::new(envelope(&["b@y"]), "x")] {
        let dialogue = session(&BOTH, "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nS: 250 ok\nS: 550 no\n");
        let outcome = play_split(config(), Plan::of([mail]), &dialogue);
        assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt"]);
    }
}

#[test]
fn a_chunk_for_nobody_is_sent_in_full_and_its_503_read() {
    // R154, R152: and RSET goes before the next message.
    let next = "C: RSET\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: BDAT 20 LAST\n*: chunk\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok";
    for (replies, expected) in [
        ("S: 250 ok\nS: 550 no\nS: 503 nobody", "rejected 550 rcpt"),
        ("S: 451 no\nS: 503 no\nS: 503 nobody", "deferred 451 mail"),
        ("S: 550 no\nS: 250 ok\nS: 503 nobody", "rejected 550 mail"),
        // Law 9: whatever the server likes about it, it told nobody that it would deliver.
        ("S: 250 ok\nS: 550 no\nS: 250 thanks", "rejected 550 rcpt"),
    ] {
        let plan = Plan { one_by_one: true, ..Plan::of([small(&["b@y"]), small(&["b@y"])]) };
        let outcome = play_split(config(), plan, &session(&BOTH, &format!("{FLIGHT}{replies}\n{next}")));
        assert_eq!(outcome.verdicts(0), [expected], "{replies}");
        assert_eq!(outcome.verdicts(1), ["delivered 250"], "{replies}");
    }
}

#[test]
fn some_recipients_refused_and_the_chunk_is_for_the_rest() {
    // R153, R49
    let flight =
        FLIGHT.replace("C: RCPT TO:<b@y>\n", "C: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\nC: RCPT TO:<d@y>\n");
    let plan = || Plan::of([small(&["b@y", "c@y", "d@y"])]);
    for (end, expected) in [
        ("250 taken", ["delivered 250", "rejected 550 rcpt", "delivered 250"]),
        ("452 full", ["deferred 452 end", "rejected 550 rcpt", "deferred 452 end"]),
        ("554 no", ["rejected 554 end", "rejected 550 rcpt", "rejected 554 end"]),
    ] {
        let dialogue =
            session(&BOTH, &format!("{flight}S: 250 ok\nS: 250 ok\nS: 550 no\nS: 251 ok\nS: {end}"));
        assert_eq!(play_split(config(), plan(), &dialogue).verdicts(0), expected);
    }
}

#[test]
fn lmtp_answers_the_last_chunk_once_per_accepted_recipient() {
    // R77, R157, R74
    let flight =
        FLIGHT.replace("C: RCPT TO:<b@y>\n", "C: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\nC: RCPT TO:<b@y>\n");
    let opened = |dialogue: &str| session(&BOTH, dialogue).replace("EHLO", "LHLO");
    let replies = "S: 250 ok\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 250 taken\nS: 452 full";
    let plan = Plan::of([small(&["b@y", "c@y", "b@y"])]);
    let outcome = play_split(lmtp(), plan, &opened(&format!("{flight}{replies}")));
    assert_eq!(outcome.verdicts(0), ["delivered 250", "rejected 550 rcpt", "deferred 452 end"]);

    // Earlier chunks have one reply each.
    let dialogue =
        "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\nS: 250 ok\nS: 250 ok\nS: 250 ok
        C: BDAT 49152\n*: chunk\nC: BDAT 2 LAST\n*: chunk\nS: 250 more\nS: 250 taken\nS: 451 later";
    let mut world = World::new(lmtp(), Script::new(&opened(dialogue)));
    world.expect(Plan::of([Mail::new(envelope(&["b@y", "c@y"]), vec![b'x'; 49_152])]));
    assert_eq!(world.outcome().verdicts(0), ["delivered 250", "deferred 451 end"]);

    // R154: one reply where nobody was accepted; and a yes to that is none to anybody.
    for (last, closed) in [("503 nobody", false), ("250 thanks", true)] {
        let dialogue = format!("{FLIGHT}S: 250 ok\nS: 550 no\nS: {last}");
        let dialogue = if closed {
            super::opened(&BOTH).replace("EHLO", "LHLO") + &dialogue + "\n*: gone"
        } else {
            opened(&dialogue)
        };
        let outcome = play_split(lmtp(), Plan::of([small(&["b@y"])]), &dialogue);
        assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt"]);
    }
}

#[test]
fn lmtp_replies_that_stop_leave_the_rest_uncertain() {
    // Row 26
    let flight = FLIGHT.replace("C: RCPT TO:<b@y>\n", "C: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\n");
    let opened = opened(&BOTH).replace("EHLO", "LHLO");
    for (end, expected) in [
        ("S: 250 taken\n*: close", ["delivered 250", "uncertain 450 end"]),
        ("S: 554 no\nS: nonsense\n*: gone", ["rejected 554 end", "uncertain 451 end"]),
        ("S: 421 bye\n*: gone", ["deferred 421 end", "uncertain 421 end"]),
        ("*: reset", ["uncertain 450 end", "uncertain 450 end"]),
    ] {
        let dialogue = format!("{opened}{flight}S: 250 ok\nS: 250 ok\nS: 250 ok\n{end}");
        let outcome = play_split(lmtp(), Plan::of([small(&["b@y", "c@y"])]), &dialogue);
        assert_eq!(outcome.verdicts(0), expected, "{end}");
    }
}

#[test]
fn a_refused_chunk_ends_the_message_when_those_in_flight_are_answered() {
    // R152, row 24
    let two = format!("{ENVELOPE}C: BDAT 49152\n*: chunk\nC: BDAT 10 LAST\n*: chunk\n");
    let mail = || Mail::new(envelope(&["b@y"]), vec![b'x'; 49_160]);
    for (replies, expected) in [
        ("S: 552 5.3.4 too big\nS: 503 dead", "rejected 552 body"),
        ("S: 452 full\nS: 554 dead", "deferred 452 body"),
    ] {
        let next = format!("C: RSET\n{FLIGHT}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok");
        let dialogue = session(&BOTH, &format!("{two}{replies}\n{next}"));
        let mut world = World::new(config(), Script::new(&dialogue));
        world.expect(Plan { one_by_one: true, ..Plan::of([mail(), small(&["b@y"])]) });
        assert_eq!(world.outcome().verdicts(0), [expected]);
        assert_eq!(world.outcome().verdicts(1), ["delivered 250"]);
    }
    // The second was not the last, and is taken: nothing comes of it, and the wait is over.
    let two_of_three = two.replace("BDAT 10 LAST", "BDAT 49152");
    let next = format!("C: RSET\n{FLIGHT}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok");
    let dialogue = session(&BOTH, &format!("{two_of_three}S: 452 full\nS: 250 more\n{next}"));
    let mut world = World::new(config(), Script::new(&dialogue));
    let large = Mail::new(envelope(&["b@y"]), vec![b'x'; 150_000]);
    world.expect(Plan { one_by_one: true, ..Plan::of([large, small(&["b@y"])]) });
    assert_eq!(world.outcome().verdicts(0), ["deferred 452 body"]);
    assert_eq!(world.outcome().verdicts(1), ["delivered 250"]);
    // The connection is lost instead: the first bad code stands.
    for end in ["*: close", "S: 250 o\n*: close"] {
        let dialogue =
            format!("{}{two}S: 452 full\n{end}", opened(&BOTH)).replace("S: 250 o\n", "S| 250 o\n");
        let mut world = World::new(config(), Script::new(&dialogue));
        world.expect(Plan::of([mail()]));
        assert_eq!(world.outcome().verdicts(0), ["deferred 452 body"]);
    }
    // A yes to the end all the same: it has said both.
    let dialogue = format!("{}{two}S: 452 full\nS: 250 taken\n*: gone", opened(&BOTH));
    let mut world = World::new(config(), Script::new(&dialogue));
    world.expect(Plan::of([mail()]));
    assert_eq!(world.outcome().verdicts(0), ["uncertain 451 end"]);
    assert!(matches!(
        world.outcome().error(),
        Error::Peer(PeerError::UnexpectedCode { phase: Phase::End, .. })
    ));
}

#[test]
fn a_refusal_in_the_middle_of_a_chunk_leaves_it_there() {
    // Row 22, R156: what would follow a chunk that was announced is content to the server, RSET included.
    let now = std::time::Instant::now();
    let mut connection = Connection::new(now, Arc::new(config()));
    for said in ["220 mx\r\n", "250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"] {
        connection.handle_input(now, said.as_bytes());
        let len = connection.transmit().len();
        connection.handle_transmitted(now, len);
    }
    let content = text(3 << 20);
    let mut envelope = envelope(&["b@y"]);
    envelope.sender.content = Some(facts(&content));
    connection.submit(now, envelope).unwrap();
    let mut rest = &content[..];
    let mut wire = Vec::new();
    // All of the first chunk, and a part of the second.
    while wire.len() < (1 << 20) + 100_000 {
        wire.extend_from_slice(connection.transmit());
        let len = connection.transmit().len();
        connection.handle_transmitted(now, len);
        if wire.ends_with(b"RCPT TO:<b@y>\r\n") {
            connection.handle_input(now, b"250 ok\r\n250 ok\r\n");
        }
        let (piece, behind) = rest.split_at(connection.body_credit().min(rest.len()).min(10_000));
        connection.write_body(now, piece).unwrap();
        rest = behind;
    }
    connection.handle_input(now, b"552 5.3.4 too big\r\n");
    assert_eq!(connection.transmit(), b"");
    let events: Vec<Event> = std::iter::from_fn(|| connection.poll_event()).collect();
    let done =
        events.iter().find_map(|event| if let Event::Done(_, report) = event { Some(report) } else { None });
    assert!(matches!(done.unwrap().dispositions[0], Disposition::Rejected(_)), "{events:?}");
    assert!(
        matches!(events.last(), Some(Event::Closed(Some(Error::Refused { phase: Phase::Body, .. })))),
        "{events:?}"
    );
}

#[test]
fn a_refused_mail_and_a_refused_chunk_leave_the_session_in_step() {
    // R139, R76: recipients that were accepted all the same have no replies of their own over SMTP, and one over LMTP.
    let two = FLIGHT.replace("C: RCPT TO:<b@y>\n", "C: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\n");
    let next = format!("C: RSET\n{FLIGHT}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 taken");
    let both = |first: &[&str]| Plan { one_by_one: true, ..Plan::of([small(first), small(&["b@y"])]) };

    let dialogue = session(&BOTH, &format!("{two}S: 451 no\nS: 250 ok\nS: 250 ok\nS: 503 what\n{next}"));
    let outcome = play_split(config(), both(&["b@y", "c@y"]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["deferred 451 mail", "deferred 451 mail"]);
    assert_eq!(outcome.verdicts(1), ["delivered 250"]);

    let dialogue = session(&BOTH, &format!("{FLIGHT}S: 451 no\nS: 250 ok\nS: 503 what\n{next}"));
    let outcome = play_split(lmtp(), both(&["b@y"]), &dialogue.replace("EHLO", "LHLO"));
    assert_eq!(outcome.verdicts(0), ["deferred 451 mail"]);
    assert_eq!(outcome.verdicts(1), ["delivered 250"]);
}

#[test]
fn a_refused_mail_and_a_chunk_taken_is_uncertain() {
    // R139, law 9: RCPT was accepted and the content was taken, whatever MAIL was told.
    let dialogue = format!("{}{FLIGHT}S: 451 no\nS: 250 ok\nS: 250 taken\n*: gone", opened(&BOTH));
    let outcome = play_split(config(), Plan::of([small(&["b@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["uncertain 451 end"]);
    // Where RCPT was refused, too, it was taken for nobody (R154).
    let dialogue = session(&BOTH, &format!("{FLIGHT}S: 451 no\nS: 550 no\nS: 250 taken"));
    let outcome = play_split(config(), Plan::of([small(&["b@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["deferred 451 mail"]);
}

#[test]
fn a_refused_chunk_ends_what_has_not_been_announced() {
    // R152: the third chunk is never sent, and the source is not read to its end.
    let dialogue = session(
        &BOTH,
        &format!("{ENVELOPE}C: BDAT 49152\n*: chunk\nC: BDAT 49152\n*: chunk\nS: 552 too big\nS: 503 dead\n"),
    );
    let mut world = World::new(config(), Script::new(&dialogue));
    world.expect(Plan::of([Mail::new(envelope(&["b@y"]), vec![b'x'; 1_000_000])]));
    assert_eq!(world.outcome().verdicts(0), ["rejected 552 body"]);
}

/// The content is broken off: no last chunk is complete, and nothing follows.
fn broken_off(one: Mail) -> Outcome {
    let mut world = World::new(config(), Script::new(&format!("{}{ENVELOPE}", opened(&BOTH))));
    world.run(Plan::of([one]));
    let outcome = world.into_outcome();
    let wire = outcome.wire();
    let begun = wire.contains("BDAT");
    assert!(!begun || !wire.contains("QUIT") && !wire.contains("RSET"), "{wire}");
    if let Some((_, behind)) = wire.split_once(" LAST\\r\\n") {
        let announced: usize =
            wire.split_once("BDAT ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        assert!(behind.replace("\\r", "r").replace("\\n", "n").len() < announced);
    }
    outcome
}

#[test]
fn nul_is_refused_before_a_chunk_of_it_leaves() {
    // R159, W16
    let mut one = Mail::new(envelope(&["b@y"]), b"a\0b".to_vec());
    let outcome = broken_off(one.clone());
    assert!(!outcome.wire().contains("BDAT"));
    one.envelope.sender.content = Some(facts(b"abc"));
    let mut world = World::new(config(), Script::new(&opened(&["PIPELINING", "CHUNKING", "BINARYMIME"])));
    world.run(Plan::of([one]));
    // R158: nothing claims to be binary, either.
    assert!(!world.outcome().wire().contains("BDAT") && !world.outcome().wire().contains("BINARYMIME"));
}

#[test]
fn a_chunk_waits_for_its_place_in_the_window() {
    // N36, R142: a thousand recipients, answered one at a time, and the content when all of them are out.
    let count = 1000;
    let mut dialogue = opened(&BOTH) + "C: MAIL FROM:<a@x.example>\nS: 250 ok\n";
    for index in 0..count {
        dialogue += &format!("C: RCPT TO:<b@y>\nS: {} ok\n", if index % 3 == 0 { 550 } else { 250 });
    }
    dialogue += "C: BDAT 20 LAST\n*: chunk\nS: 250 ok";
    dialogue += GOODBYE;
    let outcome = play(config(), Plan::of([small(&vec!["b@y"; count])]), &dialogue);
    assert_eq!(outcome.verdicts(0)[3], "rejected 550 rcpt");
    assert_eq!(outcome.verdicts(0)[4], "delivered 250");

    // All of them refused, one after the other: the chunk is in a group with the last of them by then, and is sent in full (R154).
    let mut dialogue = opened(&BOTH) + "C: MAIL FROM:<a@x.example>\nS: 250 ok\n";
    for _ in 0..count {
        dialogue += "C: RCPT TO:<b@y>\nS: 550 no\n";
    }
    dialogue += "C: BDAT 20 LAST\n*: chunk\nS: 503 nobody";
    dialogue += GOODBYE;
    let outcome = play(config(), Plan::of([small(&vec!["b@y"; count])]), &dialogue);
    assert!(outcome.verdicts(0).iter().all(|verdict| verdict == "rejected 550 rcpt"));
}

#[test]
fn a_server_that_reads_nothing_does_not_block_a_client_that_listens() {
    // R142: replies to the envelope come while the content of the flight does not get through; nobody waits for the other.
    let dialogue = format!(
        "{}C: MAIL FROM:<a@x.example>\n*: nap 10s\nS: 250 ok\nC: RCPT TO:<b@y>\n*: nap 10s\nS: 250 ok\nC~ BDAT\n*: chunk\nS: 250 ok{GOODBYE}",
        opened(&BOTH)
    );
    let net = Net { to_server: Split::Sizes(vec![100]), ..Net::default() };
    let mut world = World::new(config(), Script::new(&dialogue)).over(net);
    world.expect(Plan::of([known(&["b@y"], text(60_000))]));
    assert_eq!(world.outcome().verdicts(0), ["delivered 250"]);
}

#[test]
fn messages_ride_one_behind_the_other_with_rset_between() {
    // RFC 2920 §3.1, R152: whether the server took a chunk is not known when the next MAIL leaves, so it is told to forget; and three
    // messages are one round trip.
    let next = format!("C: RSET\n{FLIGHT}");
    let dialogue = format!(
        "{FLIGHT}{next}{next}S: 250 ok\nS: 550 no\nS: 503 nobody\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 554 no\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok"
    );
    let plan = Plan::of([small(&["b@y"]), small(&["b@y"]), small(&["b@y"])]);
    let outcome = play_split(config(), plan, &session(&BOTH, &dialogue));
    assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt"]);
    assert_eq!(outcome.verdicts(1), ["rejected 554 end"]);
    assert_eq!(outcome.verdicts(2), ["delivered 250"]);
    assert_eq!(outcome.writes, 3, "EHLO, three messages, QUIT");
}

#[test]
fn sixteen_messages_at_most_wait_for_their_replies() {
    let mut world = World::new(config(), Script::new(&opened(&BOTH)));
    world.run(Plan::of((0..40).map(|_| small(&["b@y"]))));
    let wire = world.outcome().wire();
    assert_eq!(wire.matches("BDAT").count(), 16);
    assert_eq!(world.outcome().reports.len(), 16);
    assert!((0..16).all(|index| world.outcome().dispositions(index)[0].name() == "uncertain"));
}

/// Reads this, then writes everything; what that is.
fn hear(client: &mut Connection, said: &str) -> String {
    let now = std::time::Instant::now();
    client.handle_input(now, said.as_bytes());
    let wire = client.transmit().to_vec();
    client.handle_transmitted(now, wire.len());
    String::from_utf8(wire).unwrap()
}

fn only_report(client: &mut Connection) -> Disposition {
    std::iter::from_fn(|| client.poll_event())
        .find_map(|event| match event {
            Event::Done(_, report) => report.dispositions.into_iter().next(),
            _ => None,
        })
        .expect("a report")
}

#[test]
fn a_source_that_takes_its_time_runs_into_no_deadline_of_the_servers() {
    // N9: the content's deadline is about its progress towards the server.
    let mut world = World::new(config(), Script::new(&format!("{}{ENVELOPE}", opened(&BOTH))));
    world.run(Plan { stay: true, ..Plan::default() });
    let now = world.clock.now();
    world.client.submit(now, known(&["b@y"], text(100_000)).envelope).unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    world.client.write_body(now, &text(5_000)).unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    assert_eq!(world.client.poll_timeout(), None);
}

#[test]
fn the_dialogue_records_chunks_as_their_length() {
    // R133
    let dialogue = session(&BOTH, &format!("{FLIGHT}S: 250 ok\nS: 250 ok\nS: 250 taken"));
    let outcome = play(config(), Plan::of([small(&["b@y"])]), &dialogue);
    let at = outcome.transcript.iter().position(|line| line == "C: BDAT 20 LAST").unwrap();
    assert_eq!(outcome.transcript[at + 1], "C: [20 octets of content]");
    assert!(!outcome.transcript.iter().any(|line| line.contains("body") || line == "C: ."));
}
