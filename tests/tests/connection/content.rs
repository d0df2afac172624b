//! The content: octet for octet, by credit, and the one way out of it.

use smtp_proto::{Error, PeerError, Phase, body::Facts, error::BodyError};
use smtp_testkit::{Cut, Source};

use super::*;

const TO_CONTENT: &str =
    "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n";

fn piped(dialogue: &str) -> String {
    format!("{}{TO_CONTENT}{dialogue}", opened(&["PIPELINING"]))
}

fn wire_of(content: &[u8], piece: usize) -> String {
    let mut one = mail(&["b@y"]);
    (one.content, one.piece) = (content.to_vec(), piece);
    let outcome = play(config(), Plan::of([one]), &(piped("*: content\nS: 250 ok") + GOODBYE));
    let wire = outcome.wire();
    let start = wire.find("DATA\\r\\n").unwrap() + "DATA\\r\\n".len();
    wire[start..].strip_suffix("QUIT\\r\\n").unwrap().to_owned()
}

#[test]
fn dots_are_doubled_and_the_end_mark_comes_once() {
    // R52, R53, W1
    for (content, expected) in [
        ("", ".\\r\\n"),
        ("\r\n", "\\r\\n.\\r\\n"),
        ("a", "a\\r\\n.\\r\\n"),
        ("a\r\n", "a\\r\\n.\\r\\n"),
        (".", "..\\r\\n.\\r\\n"),
        (".\r\n", "..\\r\\n.\\r\\n"),
        ("a\r\n.\r\nb", "a\\r\\n..\\r\\nb\\r\\n.\\r\\n"),
        ("a\n..b\n", "a\\r\\n...b\\r\\n.\\r\\n"),
        ("a.\r\n", "a.\\r\\n.\\r\\n"),
    ] {
        for piece in [1, 2, 3, 100] {
            assert_eq!(wire_of(content.as_bytes(), piece), expected, "{content:?} by {piece}");
        }
    }
}

#[test]
fn content_and_end_mark_leave_in_one_write() {
    let outcome = play(config(), Plan::of([mail(&["b@y"])]), &(piped("*: content\nS: 250 ok") + GOODBYE));
    assert_eq!(outcome.writes, 4);
}

#[test]
fn a_large_message_passes_through_a_small_buffer() {
    // N40
    let content: Vec<u8> = b".line of text\r\n".iter().copied().cycle().take(15 * 100_000).collect();
    let one = Mail::new(envelope(&["b@y"]), content.clone());
    let net = Net { to_server: Split::Sizes(vec![1000, 70_000, 1]), ..Net::default() };
    let mut world = World::new(config(), Script::new(&(piped("*: content\nS: 250 ok") + GOODBYE))).over(net);
    world.expect(Plan::of([one]));
    assert_eq!(world.outcome().verdicts(0), ["delivered 250"]);
    assert!(world.outcome().largest <= 128 * 1024, "{}", world.outcome().largest);
    assert!(world.server.contents[0] == content);
}

/// The content is broken off: nothing more leaves than what had left, least of all an end mark or QUIT.
fn broken_off(one: Mail) -> Outcome {
    let mut world = World::new(config(), Script::new(&piped("")));
    world.run(Plan::of([one]));
    let outcome = world.into_outcome();
    let wire = outcome.wire();
    let content = &wire[wire.find("DATA\\r\\n").unwrap() + "DATA\\r\\n".len()..];
    assert!(!content.contains("\\r\\n.\\r\\n") && !content.starts_with(".\\r\\n"), "{wire}");
    assert!(!wire.contains("QUIT"));
    assert_eq!(outcome.given, outcome.sent);
    outcome
}

#[test]
fn a_failing_source_drops_the_transport() {
    // R54, B1, M114
    for octets in [0, 7, 70_000, 200_000] {
        let one = Mail { source: Source::Fails, ..Mail::new(envelope(&["b@y"]), vec![b'x'; octets]) };
        let outcome = broken_off(one);
        assert_eq!(outcome.verdicts(0), ["deferred 451 body"], "{octets}");
        assert!(outcome.error().to_string().contains("the disk is gone"));
    }
}

#[test]
fn a_cancelled_message_drops_the_transport() {
    // R54, D29
    for octets in [0, 7, 70_000] {
        let one = Mail { source: Source::Cancelled, ..Mail::new(envelope(&["b@y"]), vec![b'x'; octets]) };
        let outcome = broken_off(one);
        assert_eq!(outcome.verdicts(0), ["deferred 451 body"]);
        assert!(matches!(outcome.error(), Error::Cancelled));
    }
}

fn declared(octets: u64) -> Sender {
    let mut facts = Facts::default();
    (facts.octets, facts.size) = (octets, octets);
    sender().with_content(facts)
}

#[test]
fn a_source_that_shrinks_or_grows_drops_the_transport() {
    // R54
    for (octets, announced) in [(9, 10), (11, 10), (0, 1), (70_000, 70_001), (70_001, 70_000), (100_000, 5)] {
        let mut one = Mail::new(envelope(&["b@y"]), vec![b'x'; octets]);
        one.envelope.sender = declared(announced);
        let outcome = broken_off(one);
        assert_eq!(outcome.verdicts(0), ["deferred 451 body"]);
        assert!(matches!(outcome.error(), Error::Source { .. }), "{:?}", outcome.error());
    }
}

#[test]
fn refused_content_drops_the_transport_for_good() {
    // W16, R54: NUL is refused by default.
    let outcome = broken_off(Mail::new(envelope(&["b@y"]), "S: s\r\n\r\nno\0way\r\n"));
    assert_eq!(outcome.verdicts(0), ["rejected 554 body"]);
}

#[test]
fn the_verbs_of_the_body_say_what_is_wrong() {
    let mut world = World::new(config(), Script::new(&piped("")));
    let mut one = mail(&["b@y"]);
    one.envelope.sender = declared(2);
    let now = world.clock.now();
    assert_eq!(world.client.write_body(now, b"x"), Err(BodyError::NotWanted));
    assert_eq!(world.client.finish_body(now), Err(BodyError::NotWanted));
    world.run(Plan { stay: true, ..Plan::default() });
    world.client.submit(now, one.envelope).unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    assert!(world.client.body_credit() > 0);
    assert_eq!(world.client.write_body(now, b"xyz"), Err(BodyError::SizeMismatch { declared: 2, given: 3 }));
    assert_eq!(world.client.write_body(now, b"xyz"), Err(BodyError::NotWanted));
    assert!(world.client.is_closed());
}

#[test]
fn quitting_inside_content_drops_the_transport() {
    // R54, M114: after 354 and three octets, no QUIT.
    let mut world = World::new(config(), Script::new(&piped("C| abc\n*: gone")));
    world.run(Plan { stay: true, ..Plan::default() });
    let now = world.clock.now();
    world.client.submit(now, envelope(&["b@y"])).unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    world.client.write_body(now, b"abc").unwrap();
    world.run(Plan { stay: true, ..Plan::default() });
    world.client.quit(now);
    world.expect(Plan { stay: true, ..Plan::default() });
    assert!(world.outcome().wire().ends_with("abc"));
    assert_eq!(world.outcome().verdicts(0), ["deferred 451 body"]);
}

/// A message whose content is long enough to be read while it is sent.
fn long() -> Mail {
    Mail::new(envelope(&["b@y"]), b"0123456789abcdef\r\n".repeat(20_000))
}

#[test]
fn a_refusal_while_content_flows_is_the_verdict() {
    // R55, D33
    for (reply, expected) in [
        ("552 5.3.4 too big", "rejected 552 body"),
        ("451 hm", "deferred 451 body"),
        ("421 bye", "deferred 421 body"),
    ] {
        let dialogue = piped(&format!("C| 0123456789abcdef\\r\\n\n*: stall\nS: {reply}"));
        let mut world = World::new(config(), Script::new(&dialogue))
            .over(Net { to_server: Split::Sizes(vec![18]), ..Net::default() });
        world.run(Plan::of([long()]));
        let outcome = world.into_outcome();
        assert_eq!(outcome.verdicts(0), [expected]);
        assert!(outcome.sent.len() < 10_000 && !outcome.wire().contains("QUIT"));
    }
}

#[test]
fn a_yes_while_content_flows_is_not_believed() {
    // D33, law 9
    for reply in ["250 got it", "354 more", "221 bye", "299 ok"] {
        let dialogue = piped(&format!("C| 0123456789abcdef\\r\\n\n*: stall\nS: {reply}"));
        let mut world = World::new(config(), Script::new(&dialogue))
            .over(Net { to_server: Split::Sizes(vec![18]), ..Net::default() });
        world.run(Plan::of([long()]));
        let outcome = world.into_outcome();
        assert_eq!(outcome.verdicts(0), ["deferred 451 body"]);
        assert!(matches!(outcome.error(), Error::Peer(PeerError::Unsolicited { .. })));
        assert!(!outcome.sent.ends_with(b"\r\n.\r\n"));
    }
}

#[test]
fn a_yes_together_with_the_354_is_not_believed() {
    // D33
    let dialogue = piped("").replace("S: 354 go\n", "S| 354 go\\r\\n250 done\\r\\n");
    let mut world = World::new(config(), Script::new(&dialogue));
    world.run(Plan::of([mail(&["b@y"])]));
    assert_eq!(world.outcome().verdicts(0), ["deferred 451 body"]);
}

#[test]
fn a_failed_write_waits_for_the_reply_that_explains_it() {
    // R55: 552, then the server closes; and nothing more leaves.
    let dialogue = piped("S: 552 5.3.4 too big\n*: close");
    let net = Net { cut_after_sent: Some((30_000, Cut::WritesFail)), ..Net::default() };
    let mut world = World::new(config(), Script::new(&dialogue)).over(net);
    world.run(Plan::of([long()]));
    assert_eq!(world.outcome().verdicts(0), ["rejected 552 body"]);

    let net = Net { cut_after_sent: Some((30_000, Cut::WritesFail)), ..Net::default() };
    let mut world = World::new(config(), Script::new(&piped(""))).over(net);
    world.run(Plan::of([long()]));
    assert_eq!(world.outcome().verdicts(0), ["deferred 450 body"]);
    assert!(world.outcome().elapsed.as_secs() <= 5);
    assert_eq!(world.client.transmit(), b"");
}

#[test]
fn octets_that_were_never_given_out_make_nothing_uncertain() {
    // D36, law 9: the write failed while the end mark still waited behind other content.
    let content = b"x".repeat(40_000);
    let mut world = World::new(config(), Script::new(&piped("*: close")));
    // The content is written in two halves, and the first is given out alone.
    world.run(Plan { stay: true, ..Plan::default() });
    let now = world.clock.now();
    let mut client = world.client;
    client.submit(now, envelope(&["b@y"])).unwrap();
    let envelope = client.transmit().len();
    client.handle_transmitted(now, envelope);
    client.handle_input(now, b"250 ok\r\n250 ok\r\n354 go\r\n");
    client.write_body(now, &content[..20_000]).unwrap();
    assert!(client.transmit().len() >= 20_000);
    client.write_body(now, &content[20_000..]).unwrap();
    client.finish_body(now).unwrap();
    client.handle_write_failed(now, std::io::ErrorKind::BrokenPipe.into());
    assert_eq!(client.transmit(), b"");
    client.handle_closed(now, None);
    let report = std::iter::from_fn(|| client.poll_event())
        .find_map(|event| match event {
            smtp_proto::Event::Done(_, report) => Some(report),
            _ => None,
        })
        .expect("a report");
    assert_eq!(report.dispositions[0].name(), "deferred");
}

#[test]
fn a_line_lost_before_the_end_mark_defers_and_after_it_is_uncertain() {
    // R40, R63, D36, law 9
    let envelope_octets =
        "EHLO client.example\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y>\r\nDATA\r\n".len() as u64;
    let small = || Plan::of([mail(&["b@y"])]);
    for cut in [Cut::Close, Cut::Reset] {
        // Given out whole, so it may be there, however little of it the line took.
        let net = Net { cut_after_sent: Some((envelope_octets + 3, cut)), ..Net::default() };
        let mut world = World::new(config(), Script::new(&piped(""))).over(net);
        world.run(small());
        assert_eq!(world.outcome().verdicts(0), ["uncertain 450 end"]);
        // Too long to be given out at once.
        let net = Net { cut_after_sent: Some((envelope_octets + 3, cut)), ..Net::default() };
        let mut world = World::new(config(), Script::new(&piped(""))).over(net);
        world.run(Plan::of([long()]));
        assert_eq!(world.outcome().verdicts(0), ["deferred 450 body"]);
        // Nothing given out.
        let net = Net { cut_after_sent: Some((envelope_octets, cut)), ..Net::default() };
        let mut world = World::new(config(), Script::new(&piped(""))).over(net);
        world.run(small());
        assert_ne!(world.outcome().dispositions(0)[0].name(), "delivered");
    }
    let outcome = play_split(config(), small(), &piped("*: content\n*: close"));
    assert_eq!(outcome.verdicts(0), ["uncertain 450 end"]);
    assert!(matches!(outcome.error(), Error::Lost { phase: Phase::End, .. }));
    // Half a reply is none (D32).
    let outcome = play_split(config(), small(), &piped("*: content\nS| 250 o\n*: close"));
    assert_eq!(outcome.verdicts(0), ["uncertain 450 end"]);
}

#[test]
fn what_was_taken_stays_taken() {
    // R41, M112
    for end in [
        "*: close",
        "*: reset",
        "C: QUIT\n*: close",
        "C: QUIT\nS: 421 bye\n*: close",
        "C: QUIT\nS: 500 what\n*: close",
        "C: QUIT\nS: rubbish\n*: close",
    ] {
        let outcome = play_split(
            config(),
            Plan::of([mail(&["b@y"])]),
            &piped(&format!("*: content\nS: 250 ok\n{end}")),
        );
        assert_eq!(outcome.verdicts(0), ["delivered 250"], "{end}");
    }
}
