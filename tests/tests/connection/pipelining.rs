//! Commands in groups (RFC 2920), and the same outcome without.

use smtp_proto::{Error, PeerError, Phase};

use super::*;

const ENVELOPE: &str = "C: MAIL FROM:<a@x.example>
    C: RCPT TO:<b@y>
    C: RCPT TO:<c@y>
    C: DATA\n";

fn two() -> Plan {
    Plan::of([mail(&["b@y", "c@y"])])
}

fn grouped(replies: &str) -> Outcome {
    play_split(config(), two(), &session(&["PIPELINING"], &format!("{ENVELOPE}{replies}")))
}

#[test]
fn an_envelope_is_one_flight() {
    // R136-R138, R143, R144: the script lets nothing be answered before DATA is there.
    let outcome = grouped("S: 250 ok\nS: 250-a\nS: 250 b\nS: 250 ok\nS: 354 go\n*: content\nS: 250 ok");
    assert_eq!(outcome.verdicts(0), ["delivered 250", "delivered 250"]);
    assert_eq!(outcome.writes, 4, "EHLO, envelope, content with its end mark, QUIT");
    assert_eq!(outcome.reports[0].1.round_trips, 2);
}

#[test]
fn without_the_offer_or_the_wish_there_is_one_command_at_a_time() {
    // R135
    let lockstep = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: RCPT TO:<c@y>\nS: 250 ok\nC: DATA\nS: 354 go\n*: content\nS: 250 ok";
    play_split(config(), two(), &session(&[], lockstep));
    let mut config = config();
    config.pipelining = false;
    let outcome = play_split(config, two(), &session(&["PIPELINING"], lockstep));
    assert_eq!(outcome.writes, 7, "each command alone, the content, QUIT");
}

#[test]
fn a_reply_is_never_inferred_from_another() {
    // R139: MAIL refused, and yet the server likes RCPT and DATA. R141: only the dot goes out.
    let outcome = grouped("S: 550 5.1.8 no\nS: 250 ok\nS: 250 ok\nS: 354 go\nC| .\\r\\n\nS: 250 nothing");
    assert_eq!(outcome.verdicts(0), ["rejected 550 mail", "rejected 550 mail"]);
}

#[test]
fn a_refused_mail_decides_whatever_the_others_say() {
    // R141
    for (rest, dot) in [
        ("S: 503 no\nS: 503 no\nS: 503 no", ""),
        ("S: 503 no\nS: 503 no\nS: 354 go", "\nC| .\\r\\n\nS: 554 nobody"),
        ("S: 450 no\nS: 250 no\nS: 451 no", ""),
    ] {
        let outcome = grouped(&format!("S: 450 4.7.1 later\n{rest}{dot}"));
        assert_eq!(outcome.verdicts(0), ["deferred 450 mail", "deferred 450 mail"]);
    }
}

#[test]
fn a_354_for_nobody_gets_just_the_end_mark() {
    // R140: its reply is ignored, nothing is delivered.
    for answer in ["250 taken", "554 no valid recipients", "451 hm", "354 what"] {
        let outcome =
            grouped(&format!("S: 250 ok\nS: 550 no\nS: 450 no\nS: 354 go\nC| .\\r\\n\nS: {answer}"));
        assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt", "deferred 450 rcpt"]);
        assert!(matches!(outcome.closed(), Some(None)), "{answer}");
    }
}

#[test]
fn every_reply_is_read_when_data_is_refused() {
    let outcome = grouped("S: 250 ok\nS: 550 no\nS: 250 ok\nS: 452 4.3.1 full");
    assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt", "deferred 452 data"]);
}

#[test]
fn a_421_inside_a_group_is_the_end_of_it() {
    // R39, R145: what has been decided stays.
    for (replies, expected) in [
        ("S: 421 bye", ["deferred 421 mail", "deferred 421 mail"]),
        ("S: 250 ok\nS: 550 no\nS: 421 bye", ["rejected 550 rcpt", "deferred 421 rcpt"]),
        ("S: 250 ok\nS: 250 ok\nS: 421 bye", ["deferred 421 rcpt", "deferred 421 rcpt"]),
        ("S: 250 ok\nS: 250 ok\nS: 550 no\nS: 421 bye", ["deferred 421 data", "rejected 550 rcpt"]),
    ] {
        let dialogue = format!("{}{ENVELOPE}{replies}\n*: gone", opened(&["PIPELINING"]));
        let outcome = play_split(config(), two(), &dialogue);
        assert_eq!(outcome.verdicts(0), expected, "{replies}");
    }
}

#[test]
fn a_lost_line_inside_a_group_defers_what_is_undecided() {
    // R40, R145, M100, M106, D24: clean end and reset alike.
    for end in ["close", "reset"] {
        let dialogue = format!("{}{ENVELOPE}S: 250 ok\nS: 550 no\n*: {end}", opened(&["PIPELINING"]));
        let outcome = play_split(config(), two(), &dialogue);
        assert_eq!(outcome.verdicts(0), ["rejected 550 rcpt", "deferred 450 rcpt"]);
        assert_eq!(outcome.dispositions(0)[1].status().enhanced.to_string(), "4.4.2");
        assert!(matches!(outcome.error(), Error::Lost { phase: Phase::Rcpt, .. }));
    }
}

#[test]
fn no_more_than_a_window_of_commands_is_outstanding() {
    // R142, N36: a server that answers one at a time, and never gets more than 100 commands or 4 KiB ahead.
    for address in
        ["b@y", "a-rather-long-local-part-so-that-octets-count-before-commands-do@some.host.example.net"]
    {
        let count = 1000;
        let recipients = vec![address; count];
        let mut dialogue = opened(&["PIPELINING"]) + "C: MAIL FROM:<a@x.example>\nS: 250 ok\n";
        for index in 0..count {
            dialogue +=
                &format!("C: RCPT TO:<{address}>\nS: {} ok\n", if index % 3 == 0 { 550 } else { 250 });
        }
        dialogue += "C: DATA\nS: 354 go\n*: content\nS: 250 ok";
        dialogue += GOODBYE;
        let outcome = play(config(), Plan::of([mail(&recipients)]), &dialogue);
        assert_eq!(outcome.verdicts(0).len(), count);
        assert_eq!(outcome.verdicts(0)[3], "rejected 550 rcpt");
        assert!(outcome.largest <= 4096, "{}", outcome.largest);
    }
}

#[test]
fn a_server_that_answers_nothing_gets_no_more_than_the_window() {
    // N36
    let dialogue = format!("{}C: MAIL FROM:<a@x.example>\n", opened(&["PIPELINING"]));
    let mut world = World::new(config(), Script::new(&dialogue));
    world.run(Plan::of([mail(&vec!["b@y"; 1000])]));
    let sent = world.outcome().sent.iter().filter(|octet| **octet == b'\n').count();
    assert_eq!(sent, 1 + 100, "EHLO and a window of commands");
    assert!(matches!(world.outcome().error(), Error::Timeout(Phase::Mail)));
}

#[test]
fn the_next_envelope_rides_behind_the_content() {
    // RFC 2920 §3.1: end mark and MAIL in one flight; QUIT behind the last end mark.
    let mut second = mail(&["d@y"]);
    second.envelope.sender = Sender::null();
    let plan = Plan { quit_early: true, ..Plan::of([mail(&["b@y"]), second]) };
    let dialogue = opened(&["PIPELINING"])
        + "C: MAIL FROM:<a@x.example>
           C: RCPT TO:<b@y>
           C: DATA
           S: 250 ok
           S: 250 ok
           S: 354 go
           *: content
           C: MAIL FROM:<>
           C: RCPT TO:<d@y>
           C: DATA
           S: 554 5.6.0 no
           S: 250 ok
           S: 250 ok
           S: 354 go
           *: content
           C: QUIT
           S: 250 ok
           S: 221 bye
           *: close";
    let outcome = play_split(config(), plan, &dialogue);
    assert_eq!(outcome.verdicts(0), ["rejected 554 end"]);
    assert_eq!(outcome.verdicts(1), ["delivered 250"]);
}

#[test]
fn a_session_lost_behind_the_content_tells_the_two_messages_apart() {
    // R63, R40: the first is uncertain, the second deferred.
    let plan = Plan::of([mail(&["b@y"]), mail(&["d@y"])]);
    let dialogue = opened(&["PIPELINING"])
        + "C: MAIL FROM:<a@x.example>
           C: RCPT TO:<b@y>
           C: DATA
           S: 250 ok
           S: 250 ok
           S: 354 go
           *: content
           C: MAIL FROM:<a@x.example>
           C: RCPT TO:<d@y>
           C: DATA
           *: close";
    let outcome = play_split(config(), plan, &dialogue);
    assert_eq!(outcome.verdicts(0), ["uncertain 450 end"]);
    assert_eq!(outcome.verdicts(1), ["deferred 450 end"]);
}

#[test]
fn one_reply_more_than_commands_is_out_of_step() {
    // R45
    let dialogue = format!(
        "{}{ENVELOPE}S| 250 ok\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 ok\\r\\n\n*: gone",
        opened(&["PIPELINING"])
    );
    let outcome = play(config(), two(), &dialogue);
    assert!(matches!(outcome.error(), Error::Peer(PeerError::Unsolicited { .. })), "{:?}", outcome.events);
    assert_eq!(outcome.verdicts(0), ["deferred 451 body", "deferred 451 body"]);
}
