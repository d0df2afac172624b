//! More than one message, RSET, QUIT, and what makes a session fit for another message.

use smtp_proto::{Error, Event, Phase};

use super::*;

const TAKEN: &str = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go\n*: content\nS: 250 ok\n";

fn both() -> Plan {
    Plan { one_by_one: true, ..Plan::of([mail(&["b@y"]), mail(&["b@y"])]) }
}

#[test]
fn a_taken_message_is_followed_by_mail_without_rset() {
    let outcome = play_split(config(), both(), &session(&[], &format!("{TAKEN}{TAKEN}")));
    assert_eq!(outcome.verdicts(1), ["delivered 250"]);
    assert!(!outcome.wire().contains("RSET"));
}

#[test]
fn a_refused_message_is_followed_by_rset() {
    // R51, R56
    for refused in [
        "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 550 no\n",
        "C: MAIL FROM:<a@x.example>\nS: 450 no\n",
        "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 451 no\n",
        "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go\n*: content\nS: 554 no\n",
    ] {
        let dialogue = session(&[], &format!("{refused}C: RSET\nS: 250 ok\n{TAKEN}"));
        let outcome = play_split(config(), both(), &dialogue);
        assert_eq!(outcome.verdicts(1), ["delivered 250"], "{refused}");
    }
}

#[test]
fn rset_goes_with_the_next_envelope() {
    // R136
    let dialogue = session(
        &["PIPELINING"],
        "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 550 no\nS: 503 no
         C: RSET\nC: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n*: content\nS: 250 ok",
    );
    let outcome = play_split(config(), both(), &dialogue);
    assert_eq!(outcome.verdicts(1), ["delivered 250"]);
}

#[test]
fn a_session_that_cannot_forget_is_not_used_again_and_that_is_nobodys_verdict() {
    // R56: 500 to RSET; the next message has not been judged by it.
    for reply in ["500 what", "451 hm", "354 go"] {
        let dialogue =
            format!("{}C: MAIL FROM:<a@x.example>\nS: 450 no\nC: RSET\nS: {reply}\n*: gone", opened(&[]));
        let outcome = play_split(config(), both(), &dialogue);
        assert!(
            matches!(outcome.error(), Error::Refused { phase: Phase::Reset, .. }),
            "{:?}",
            outcome.error()
        );
        assert_eq!(outcome.dispositions(1)[0].name(), "deferred", "{reply}");
        assert!(!outcome.dispositions(1)[0].failure().unwrap().cause.is_permanent());
    }
}

#[test]
fn a_verdict_on_one_message_is_none_on_the_next() {
    // R40: 552 while the end of the first message is still leaving, with MAIL of the second behind it.
    let long = Mail::new(envelope(&["b@y"]), b"0123456789abcdef\r\n".repeat(2_000));
    let dialogue = opened(&["PIPELINING"])
        + "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go
           C| 0123456789abcdef\\r\\n\n*: stall\nS: 552 5.3.4 too big";
    let net = Net { to_server: Split::Sizes(vec![18]), ..Net::default() };
    let mut world = World::new(config(), Script::new(&dialogue)).over(net);
    world.run(Plan::of([long, mail(&["c@y"])]));
    assert_eq!(world.outcome().verdicts(0), ["rejected 552 body"]);
    assert_eq!(world.outcome().verdicts(1), ["deferred 450 body"]);
}

#[test]
fn an_idle_session_is_reusable_until_the_server_says_otherwise() {
    // D29, N37, R39
    let stay = || Plan { stay: true, ..Plan::of([mail(&["b@y"])]) };
    for (last_words, error) in [
        ("S: 421 idle too long", "421"),
        ("S: 250 unasked", "before anything was asked"),
        ("S: rubbish", "malformed"),
        ("*: close", "lost"),
        ("*: reset", "lost"),
    ] {
        let dialogue = format!("{}{TAKEN}*: wait 100s\n{last_words}\n*: gone", opened(&[]));
        let mut world = World::new(config(), Script::new(&dialogue));
        world.run(stay());
        let outcome = world.outcome();
        assert_eq!(outcome.verdicts(0), ["delivered 250"]);
        assert!(outcome.error().to_string().contains(error), "{last_words}: {}", outcome.error());
        assert!(!world.client.is_reusable() && !world.client.can_begin());
        assert!(world.client.submit(world.clock.now(), envelope(&["b@y"])).is_err());
    }
}

#[test]
fn half_an_unasked_reply_makes_a_session_unfit() {
    // D29, D33
    let dialogue = format!("{}{TAKEN}S| 25", opened(&[]));
    let mut world = World::new(config(), Script::new(&dialogue));
    world.run(Plan { stay: true, ..Plan::of([mail(&["b@y"])]) });
    assert!(!world.client.is_reusable() && !world.client.is_closed());

    // And it is not taken for the answer to what is asked later.
    let now = world.clock.now();
    world.client.submit(now, envelope(&["b@y"])).unwrap();
    let written = world.client.transmit().len();
    world.client.handle_transmitted(now, written);
    world.client.handle_input(now, b"0 ok\r\n");
    assert!(world.client.is_closed());
}

#[test]
fn an_idle_session_is_reusable_and_has_no_deadline() {
    let mut world = World::new(config(), Script::new(&format!("{}{TAKEN}", opened(&[]))));
    world.run(Plan { stay: true, ..Plan::of([mail(&["b@y"])]) });
    assert!(world.client.is_reusable());
    assert_eq!(world.client.poll_timeout(), None);
    assert_eq!(world.client.transmit(), b"");
}

#[test]
fn nothing_follows_quit() {
    // R58, R59
    let mut world = World::new(config(), Script::new(&session(&["PIPELINING"], "")));
    world.run(Plan { stay: true, ..Plan::default() });
    let now = world.clock.now();
    world.client.quit(now);
    world.client.quit(now);
    assert!(world.client.submit(now, envelope(&["b@y"])).is_err());
    world.expect(Plan { stay: true, ..Plan::default() });
    assert!(matches!(world.outcome().closed(), Some(None)));
    assert_eq!(world.outcome().events.iter().filter(|event| matches!(event, Event::Closed(_))).count(), 1);
}

#[test]
fn quit_waits_for_what_is_under_way() {
    // The message has been submitted whole: it is sent, then QUIT.
    let mut world = World::new(config(), Script::new(&session(&[], TAKEN)));
    world.run(Plan { stay: true, ..Plan::default() });
    let now = world.clock.now();
    let stay = Plan { stay: true, ..Plan::default() };
    world.client.submit(now, envelope(&["b@y"])).unwrap();
    world.client.quit(now);
    world.run(stay.clone());
    world.client.write_body(now, b"x\r\n").unwrap();
    world.client.finish_body(now).unwrap();
    world.expect(stay);
    assert_eq!(world.outcome().verdicts(0), ["delivered 250"]);
    assert!(matches!(world.outcome().closed(), Some(None)));
}

#[test]
fn everything_is_harmless_after_the_end() {
    let mut world = World::new(config(), Script::new("S: 421 no\n*: gone"));
    world.expect(Plan::default());
    let now = world.clock.now();
    let client = &mut world.client;
    client.handle_input(now, b"250 ok\r\n");
    client.handle_transmitted(now, usize::MAX);
    client.handle_write_failed(now, std::io::ErrorKind::BrokenPipe.into());
    client.handle_closed(now, None);
    client.handle_closed(now, Some(std::io::ErrorKind::ConnectionReset.into()));
    client.handle_timeout(now);
    client.quit(now);
    client.abort(now, Error::Cancelled);
    client.fail_body(now, &std::io::Error::other("x"));
    assert!(client.poll_event().is_none());
    assert_eq!(client.transmit(), b"");
    assert_eq!((client.poll_timeout(), client.body_credit()), (None, 0));
}
