//! Deadlines, in simulated time.

use std::time::Duration;

use smtp_proto::{Error, Phase, Timeouts};
use smtp_testkit::Source;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A server that falls silent at the end of this dialogue.
fn silent(config: Config, dialogue: &str) -> Outcome {
    let mut world = World::new(config, Script::new(&format!("{dialogue}\n*: silence")));
    world.expect(Plan::of([mail(&["b@y"])]));
    world.into_outcome()
}

const MAIL: &str = "C: MAIL FROM:<a@x.example>\n";
const RCPT: &str = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\n";
const DATA: &str = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\n";

fn sent() -> String {
    format!("{DATA}S: 354 go\n*: content\n")
}

#[test]
fn each_phase_has_its_own_deadline() {
    // N2-N12, R66-R71, D5, B20, B21
    for (dialogue, phase, duration, verdict) in [
        (String::new(), Phase::Greeting, MINUTE * 5, None),
        ("S: 220 mx\nC: EHLO client.example".into(), Phase::Hello, MINUTE * 5, None),
        (opened(&[]) + MAIL, Phase::Mail, MINUTE * 5, Some("deferred 450 mail")),
        (opened(&[]) + RCPT, Phase::Rcpt, MINUTE * 5, Some("deferred 450 rcpt")),
        (opened(&[]) + DATA, Phase::Data, MINUTE * 5, Some("deferred 450 data")),
        (opened(&[]) + &sent(), Phase::End, MINUTE * 12, Some("uncertain 450 end")), // R63
    ] {
        let outcome = silent(config(), &dialogue);
        assert!(matches!(outcome.error(), Error::Timeout(told) if *told == phase), "{:?}", outcome.error());
        assert_eq!(outcome.elapsed, duration, "{phase}");
        if let Some(verdict) = verdict {
            assert_eq!(outcome.verdicts(0), [verdict]);
        }
        assert!(!outcome.sent.ends_with(b"QUIT\r\n"), "the dialogue is out of step");
    }
}

#[test]
fn deadlines_are_what_the_operator_says() {
    // B20, D11
    let mut config = config();
    config.timeouts = Timeouts::DEFAULT;
    config.timeouts.greeting = Duration::from_secs(1);
    assert_eq!(silent(config.clone(), "").elapsed, Duration::from_secs(1));
    config.timeouts.submission = Duration::from_secs(9);
    assert_eq!(silent(config.clone(), &(opened(&[]) + &sent())).elapsed, Duration::from_secs(9));
    config.timeouts.submission = Duration::ZERO;
    assert_eq!(silent(config, &(opened(&[]) + &sent())).elapsed, MINUTE * 12); // D5
}

#[test]
fn a_late_reply_is_in_time_until_the_last_second() {
    // R67-R69, R71
    let slow = session(&[], "")
        .replace("S: 221", "*: wait 4s\nS: 221")
        .replace("C: QUIT", &format!("{}S: 250 ok\nC: QUIT", sent()))
        .replace("S: 250 ok\n", "*: wait 299s\nS: 250 ok\n")
        .replace("S: 354", "*: wait 299s\nS: 354")
        .replace("*: content\n*: wait 299s", "*: content\n*: wait 719s");
    let outcome = play(config(), Plan::of([mail(&["b@y"])]), &slow);
    assert_eq!(outcome.verdicts(0), ["delivered 250"]);
    assert_eq!(outcome.elapsed.as_secs(), 3 * 299 + 719 + 4);
}

#[test]
fn a_trickling_peer_extends_nothing() {
    // R72: an octet every four minutes, and still five minutes for the reply.
    for (before, phase) in [
        (String::new(), Phase::Greeting),
        ("S: 220 mx\nC: EHLO client.example\n".into(), Phase::Hello),
        (opened(&[]) + MAIL, Phase::Mail),
    ] {
        let dialogue = format!("{before}*: wait 240s\nS| 2\n*: wait 240s\nS| 2\n*: wait 240s\nS| 0");
        let mut world = World::new(config(), Script::new(&dialogue));
        world.run(Plan::of([mail(&["b@y"])]));
        assert_eq!(world.outcome().elapsed, MINUTE * 5);
        assert!(matches!(world.outcome().error(), Error::Timeout(told) if *told == phase));
    }
    // Line after line of one reply, too.
    let dialogue = format!("{}{MAIL}{}", opened(&[]), "*: wait 60s\nS: 250-more\n".repeat(10));
    let mut world = World::new(config(), Script::new(&dialogue));
    world.run(Plan::of([mail(&["b@y"])]));
    assert_eq!(world.outcome().elapsed, MINUTE * 5);
}

#[test]
fn each_rcpt_has_its_own_time_in_a_group_too() {
    // R68
    let group = "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: RCPT TO:<c@y>\nC: DATA
        *: wait 299s\nS: 250 ok\n*: wait 299s\nS: 250 ok\n*: wait 299s\nS: 250 ok\n*: wait 299s\nS: 354 go\n*: content\nS: 250 ok";
    let outcome = play(config(), Plan::of([mail(&["b@y", "c@y"])]), &session(&["PIPELINING"], group));
    assert_eq!(outcome.verdicts(0), ["delivered 250", "delivered 250"]);
    assert_eq!(outcome.elapsed.as_secs(), 4 * 299);
}

#[test]
fn lmtp_gives_every_reply_its_full_time() {
    // M90, N10
    let dialogue = opened(&[]).replace("EHLO", "LHLO")
        + "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: RCPT TO:<c@y>\nS: 250 ok\nC: DATA\nS: 354 go\n*: content
           *: wait 700s\nS: 250 ok\n";
    let plan = || Plan::of([mail(&["b@y", "c@y"])]);
    let outcome = play(lmtp(), plan(), &format!("{dialogue}*: wait 700s\nS: 550 no{GOODBYE}"));
    assert_eq!(outcome.verdicts(0), ["delivered 250", "rejected 550 end"]);
    let outcome = play(lmtp(), plan(), &format!("{dialogue}*: silence"));
    assert_eq!(outcome.verdicts(0), ["delivered 250", "uncertain 450 end"]);
    assert_eq!(outcome.elapsed.as_secs(), 700 + 720);
}

/// A long message to a server that reads so much of it and then no more.
fn stalled(config: Config, read: &str) -> Outcome {
    let one = Mail::new(envelope(&["b@y"]), b"0123456789abcdef\r\n".repeat(20_000));
    let dialogue = format!("{}{DATA}S: 354 go\n{read}*: stall\n*: silence", opened(&[]));
    let net = Net { to_server: Split::Sizes(vec![18]), ..Net::default() };
    let mut world = World::new(config, Script::new(&dialogue)).over(net);
    world.run(Plan::of([one]));
    world.into_outcome()
}

#[test]
fn content_that_makes_no_progress_times_out() {
    // N9, R70, B17
    let read = "C| 0123456789abcdef\\r\\n\n*: nap 170s\n".repeat(3);
    // A line every 170 seconds is progress, so the clock starts anew each time; then nothing.
    let outcome = stalled(config(), &read);
    assert!(matches!(outcome.error(), Error::Timeout(Phase::Body)), "{:?}", outcome.error());
    assert_eq!(outcome.elapsed.as_secs(), 2 * 170 + 180);
    assert_eq!(outcome.verdicts(0), ["deferred 450 body"]);
    assert!(!outcome.wire().contains("QUIT"));

    let mut short = config();
    short.timeouts.command = MINUTE;
    assert_eq!(stalled(short, "").elapsed, MINUTE, "never above the command timeout");
}

#[test]
fn a_slow_source_has_no_deadline_here() {
    // The total time is the driver's; what the peer owes nothing for cannot time out.
    let dialogue = format!("{}{DATA}S: 354 go\n", opened(&[]));
    let mut world = World::new(config(), Script::new(&dialogue));
    world.run(Plan { stay: true, ..Plan::default() });
    let now = world.clock.now();
    world.client.submit(now, envelope(&["b@y"])).unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    assert_eq!(world.client.phase(), Phase::Body);
    assert_eq!(world.client.poll_timeout(), None);
}

#[test]
fn quit_waits_five_seconds_and_that_is_no_failure() {
    // N12, B21, M112
    let dialogue = format!("{}{}S: 250 ok\nC: QUIT", opened(&[]), sent());
    let outcome = silent(config(), &dialogue);
    assert_eq!(outcome.elapsed, Duration::from_secs(5));
    assert_eq!(outcome.verdicts(0), ["delivered 250"]);
    assert!(matches!(outcome.closed(), Some(None)));
}

#[test]
fn a_parting_quit_keeps_the_reason() {
    // R6, N12
    let outcome = silent(config(), "S: 554 no\nC: QUIT");
    assert_eq!(outcome.elapsed, Duration::from_secs(5));
    assert!(matches!(outcome.error(), Error::Refused { phase: Phase::Greeting, .. }));
}

#[test]
fn rset_has_twenty_seconds() {
    // N11
    let dialogue = format!("{}{MAIL}S: 450 no\nC: RSET\n*: silence", opened(&[]));
    let plan = Plan { one_by_one: true, ..Plan::of([mail(&["b@y"]), mail(&["b@y"])]) };
    let outcome = play(config(), plan, &dialogue);
    assert_eq!(outcome.elapsed, Duration::from_secs(20));
    assert_eq!(outcome.verdicts(1), ["deferred 450 reset"]);
}

#[test]
fn an_early_or_second_handle_timeout_does_nothing() {
    // law 3
    let mut world = World::new(config(), Script::new(""));
    let now = world.clock.now();
    let deadline = world.client.poll_timeout().expect("a deadline for the greeting");
    assert_eq!(deadline - now, MINUTE * 5);
    world.client.handle_timeout(now);
    world.client.handle_timeout(deadline - Duration::from_nanos(1));
    assert_eq!(world.client.poll_timeout(), Some(deadline));
    assert!(world.client.poll_event().is_none());
    world.client.handle_timeout(deadline);
    assert!(world.client.poll_event().is_some());
    world.client.handle_timeout(deadline);
    assert!(world.client.poll_event().is_none() && world.client.poll_timeout().is_none());
}

#[test]
fn a_wait_that_is_over_leaves_no_deadline_behind() {
    // A deadline of MAIL must not end what comes later.
    let dialogue = format!(
        "{}C: MAIL FROM:<a@x.example>\n*: wait 290s\nS: 250 ok\nC: RCPT TO:<b@y>\n*: wait 290s\nS: 250 ok\nC: DATA\n*: wait 290s\nS: 354 go\n*: content\n*: wait 290s\nS: 250 ok{GOODBYE}",
        opened(&[])
    );
    let one = Mail { source: Source::Complete, piece: 1, ..mail(&["b@y"]) };
    assert_eq!(play(config(), Plan::of([one]), &dialogue).verdicts(0), ["delivered 250"]);
}
