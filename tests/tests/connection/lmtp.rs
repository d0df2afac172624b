//! LMTP (RFC 2033): LHLO, and a reply per accepted recipient.

use smtp_proto::{Disposition, Error, Event, PeerError};

use super::*;

fn opened(offers: &[&str]) -> String {
    super::opened(offers).replace("EHLO", "LHLO")
}

fn three() -> Plan {
    Plan::of([mail(&["b@y", "c@y", "b@y"])])
}

/// Three recipients with these RCPT replies, then DATA with 354 and the content.
fn upto_content(rcpt: [&str; 3]) -> String {
    format!(
        "{}C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\nC: RCPT TO:<b@y>\nC: DATA
         S: 250 ok\nS: {}\nS: {}\nS: {}\nS: 354 go\n*: content\n",
        opened(&["PIPELINING"]),
        rcpt[0],
        rcpt[1],
        rcpt[2]
    )
}

#[test]
fn a_reply_for_each_accepted_recipient_in_order() {
    // R74, R75, R80, M89, B13, B14, T2: also for repeated addresses, also in many lines.
    let dialogue = upto_content(["250 ok"; 3])
        + "S: 250-taken\nS: 250 it\nS: 452 4.2.2 full\nS: 556 5.1.10 no"
        + GOODBYE;
    let outcome = play_split(lmtp(), three(), &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250", "deferred 452 end", "rejected 556 end"]);

    let dialogue = upto_content(["250 ok", "550 no", "250 ok"]) + "S: 552 5.2.2 full\nS: 250 ok" + GOODBYE;
    let outcome = play_split(lmtp(), three(), &dialogue);
    assert_eq!(outcome.verdicts(0), ["rejected 552 end", "rejected 550 rcpt", "delivered 250"]); // M89: no 552 rewrite
}

#[test]
fn each_recipient_is_told_as_soon_as_its_reply_comes() {
    // R64
    let dialogue = upto_content(["250 ok"; 3]) + "S: 250 ok\nS: 550 no\n*: wait 60s\nS: 250 ok" + GOODBYE;
    let mut world = World::new(lmtp(), Script::new(&dialogue));
    world.expect(three());
    let decided: Vec<_> = world
        .outcome()
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Decided(_, id, disposition) => Some((id.index(), disposition.name())),
            _ => None,
        })
        .collect();
    assert_eq!(decided, [(0, "delivered"), (1, "rejected"), (2, "delivered")]);
}

#[test]
fn a_line_lost_between_replies_leaves_the_rest_uncertain() {
    // M90, R63, D26: the first keeps its status.
    for end in ["close", "reset"] {
        let dialogue = upto_content(["250 ok"; 3]) + "S: 250 ok\n*: " + end;
        let outcome = play_split(lmtp(), three(), &dialogue);
        assert_eq!(outcome.verdicts(0), ["delivered 250", "uncertain 450 end", "uncertain 450 end"]);
    }
}

#[test]
fn a_421_is_the_answer_for_this_one_and_leaves_the_later_ones_uncertain() {
    // M91, R39, law 9: the later ones get the 421 as the cause, but nobody said that the server does not have the message for them.
    let dialogue = upto_content(["250 ok"; 3]) + "S: 250 ok\nS: 421 4.3.2 bye\n*: gone";
    let outcome = play_split(lmtp(), three(), &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250", "deferred 421 end", "uncertain 421 end"]);
}

#[test]
fn nonsense_between_replies_leaves_the_rest_uncertain() {
    // D31
    for nonsense in ["354 go", "221 bye", "hello", "250x"] {
        let dialogue = upto_content(["250 ok"; 3]) + "S: 550 no\nS: " + nonsense + "\n*: gone";
        let outcome = play_split(lmtp(), three(), &dialogue);
        assert_eq!(
            outcome.verdicts(0),
            ["rejected 550 end", "uncertain 451 end", "uncertain 451 end"],
            "{nonsense}"
        );
    }
}

#[test]
fn more_replies_than_recipients_are_out_of_step() {
    // R81: the statuses stand, the connection goes.
    let dialogue =
        upto_content(["250 ok", "550 no", "250 ok"]) + "S| 250 ok\\r\\n250 ok\\r\\n250 ok\\r\\n\n*: gone";
    let outcome = play(lmtp(), Plan { stay: true, ..three() }, &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250", "rejected 550 rcpt", "delivered 250"]);
    assert!(matches!(outcome.error(), Error::Peer(PeerError::Unsolicited { .. })));
}

#[test]
fn a_354_for_nobody_ends_with_the_end_mark_and_nothing_else() {
    // R76: how many replies would follow is undefined.
    let dialogue = upto_content(["550 no", "450 no", "550 no"]).replace("*: content", "C| .\\r\\n\n*: gone");
    let outcome = play_split(lmtp(), three(), &dialogue);
    assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt", "deferred 450 rcpt", "rejected 550 rcpt"]);
    assert!(matches!(outcome.error(), Error::Peer(PeerError::UnexpectedCode { .. })));
}

#[test]
fn a_503_to_data_for_nobody_keeps_the_session() {
    // R76
    let dialogue = upto_content(["550 no", "450 no", "550 no"])
        .replace("S: 354 go\n*: content\n", "S: 503 no recipients")
        + GOODBYE;
    let outcome = play_split(lmtp(), three(), &dialogue);
    assert!(matches!(outcome.closed(), Some(None)));
}

#[test]
fn a_refused_data_goes_to_every_accepted_recipient() {
    // M92
    let dialogue = upto_content(["250 ok", "550 no", "250 ok"])
        .replace("S: 354 go\n*: content\n", "S: 451 later")
        + GOODBYE;
    let outcome = play_split(lmtp(), three(), &dialogue);
    assert_eq!(outcome.verdicts(0), ["deferred 451 data", "rejected 550 rcpt", "deferred 451 data"]);
}

#[test]
fn smtputf8_is_the_same_over_lmtp() {
    // R178
    let plan = Plan::of([mail(&["b@тест.example"])]);
    let dialogue = opened(&["SMTPUTF8", "8BITMIME"])
        + "C: MAIL FROM:<a@x.example> BODY=8BITMIME SMTPUTF8\nS: 250 ok\nC: RCPT TO:<b@тест.example>\nS: 250 ok\nC: DATA\nS: 354 go\n*: content\nS: 250 ok"
        + GOODBYE;
    assert_eq!(play_split(lmtp(), plan, &dialogue).verdicts(0), ["delivered 250"]);
}

#[test]
fn the_next_message_rides_behind_the_content_in_lmtp_too() {
    let plan = Plan::of([mail(&["b@y", "c@y", "b@y"]), mail(&["d@y"])]);
    let dialogue = upto_content(["250 ok"; 3])
        + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<d@y>\nC: DATA\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n*: content\nS: 250 ok"
        + GOODBYE;
    let outcome = play_split(lmtp(), plan, &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250", "rejected 550 end", "delivered 250"]);
    assert!(matches!(outcome.dispositions(1)[0], Disposition::Delivered(_)));
}
