//! Servers that break the protocol, and lines that break.

use smtp_proto::{Error, PeerError, Phase, reply::ReplyError};
use smtp_testkit::Cut;

use super::*;

const FLOW: &str = "C: MAIL FROM:<a@x.example>\nS: 250 ok\nC: RCPT TO:<b@y>\nS: 250 ok\nC: DATA\nS: 354 go\n*: content\nS: 250 ok\n";

/// The dialogue of a delivered message, cut before the `index`th thing the server says.
fn until_reply(index: usize) -> Option<String> {
    let dialogue = session(&[], FLOW);
    let mut said = 0;
    let mut lines = Vec::new();
    for line in dialogue.lines() {
        // The lines of one reply are one thing.
        if line.trim_start().starts_with("S:") && !line.contains("S: 250-") {
            said += 1;
            if said == index + 1 {
                return Some(lines.join("\n"));
            }
        }
        lines.push(line);
    }
    None
}

/// Where the server fails: the phase, and what becomes of the recipient, if the message was begun.
const PHASES: [(Phase, Option<&str>); 7] = [
    (Phase::Greeting, None),
    (Phase::Hello, None),
    (Phase::Mail, Some("deferred")),
    (Phase::Rcpt, Some("deferred")),
    (Phase::Data, Some("deferred")),
    (Phase::End, Some("uncertain")),
    (Phase::Quit, Some("delivered")),
];

fn in_every_phase(server: &str, expect: impl Fn(Phase, &Outcome)) {
    for (index, (phase, fate)) in PHASES.into_iter().enumerate() {
        let before = until_reply(index).expect("a phase");
        for split in [Split::Whole, Split::bytes()] {
            let mut world =
                World::new(config(), Script::new(&format!("{before}\n{server}"))).over(Net::split(split));
            world.expect(Plan::of([mail(&["b@y"])]));
            let outcome = world.into_outcome();
            let given: Vec<_> = outcome
                .reports
                .iter()
                .flat_map(|(_, report)| &report.dispositions)
                .map(|d| d.name())
                .collect();
            assert_eq!(given, fate.into_iter().collect::<Vec<_>>(), "{phase}");
            if phase != Phase::Quit {
                expect(phase, &outcome);
            }
        }
    }
}

#[test]
fn a_server_that_closes_in_any_phase() {
    // R40, M100, M106, D24: the phase is told, clean end or reset.
    for end in ["*: close", "*: reset", "S| 2\n*: close", "S| 250-half\\r\\n\n*: close"] {
        in_every_phase(end, |phase, outcome| {
            let Error::Lost { phase: told, .. } = outcome.error() else { panic!("{:?}", outcome.error()) };
            assert_eq!(*told, phase);
            let status = outcome.error().status();
            assert_eq!((status.code.get(), status.enhanced.to_string().as_str()), (450, "4.4.2"));
        });
    }
}

#[test]
fn octets_that_are_no_reply_end_the_session_at_once() {
    // R30-R36, N30-N33, D32, M107, B9: and not a word more is said (law 10).
    for (octets, error) in [
        ("25 ok\\r\\n", "code"),
        ("2500 ok\\r\\n", "behind its code"),
        ("250ok\\r\\n", "behind its code"),
        ("ok\\r\\n", "code"),
        ("\\r\\n", "code"),
        ("150 wait\\r\\n", "code"),
        ("650 what\\r\\n", "code"),
        ("250-a\\r\\n550 b\\r\\n", "same"),
        ("250-a\\r\\n250_b\\r\\n", "behind its code"),
        ("250 a\\rb\\r\\n", "CR not followed by LF"),
        ("250 a\\0b\\r\\n", "NUL"),
        ("SSH-2.0-x\\r\\n", "code"),
        ("\\x16\\x03\\x01", "code"),
    ] {
        in_every_phase(&format!("S| {octets}\n*: silence"), |_, outcome| {
            assert!(matches!(outcome.error(), Error::Peer(PeerError::Malformed(_))), "{:?}", outcome.error());
            assert!(outcome.error().full_text().contains(error), "{}", outcome.error().full_text());
            let status = outcome.error().status();
            assert_eq!((status.code.get(), status.enhanced.to_string().as_str()), (451, "4.5.0"));
            assert!(outcome.elapsed.is_zero());
        });
    }
}

#[test]
fn replies_that_never_end_are_cut_short() {
    // N30, N32, N33, R72: without waiting for any deadline, in bounded memory.
    let line = "S| 250 ".to_owned() + &"x".repeat(5000) + "\n*: silence";
    in_every_phase(&line, |_, outcome| {
        assert!(matches!(outcome.error(), Error::Peer(PeerError::Malformed(ReplyError::LineTooLong { .. }))));
    });
    let lines = "S: 250-more\n".repeat(300) + "*: silence";
    in_every_phase(&lines, |_, outcome| {
        assert!(matches!(
            outcome.error(),
            Error::Peer(PeerError::Malformed(
                ReplyError::TooManyLines { .. } | ReplyError::MixedCodes { .. }
            ))
        ));
    });
    let octets = format!("S: 250-{}\n", "x".repeat(4000)).repeat(20) + "*: silence";
    in_every_phase(&octets, |_, outcome| {
        assert!(matches!(
            outcome.error(),
            Error::Peer(PeerError::Malformed(ReplyError::TooLong { .. } | ReplyError::TooManyLines { .. }))
        ));
    });
}

#[test]
fn a_421_in_any_phase_is_the_end_and_nothing_permanent() {
    // R39, M91, D2: the client leaves without another octet.
    for (index, (phase, fate)) in PHASES.into_iter().enumerate() {
        let before = until_reply(index).expect("a phase");
        let outcome =
            play_split(config(), Plan::of([mail(&["b@y"])]), &format!("{before}\nS: 421 4.3.2 bye\n*: gone"));
        if phase == Phase::Quit {
            assert_eq!(outcome.verdicts(0), ["delivered 250"]); // M112, M113
            assert!(matches!(outcome.closed(), Some(None)));
            continue;
        }
        let Error::Refused { phase: told, .. } = outcome.error() else { panic!("{:?}", outcome.error()) };
        assert_eq!(*told, phase);
        assert!(!outcome.error().is_permanent());
        if fate.is_some() {
            assert_eq!(outcome.verdicts(0), [format!("deferred 421 {phase}")]);
        }
    }
}

#[test]
fn a_bare_lf_is_tolerated_and_noted() {
    // R43
    use smtp_proto::{Event, Notice};
    let dialogue = session(&[], FLOW).replace("S: 354 go", "S| 354 go\\n");
    let outcome = play_split(config(), Plan::of([mail(&["b@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250"]);
    assert!(outcome.events.iter().any(|event| matches!(event, Event::Notice(Notice::BareLfInReply))));
}

#[test]
fn a_reply_without_text_is_a_reply() {
    // B8
    let dialogue = session(&[], FLOW).replace("S: 250 ok", "S| 250\\r\\n");
    let outcome = play_split(config(), Plan::of([mail(&["b@y"])]), &dialogue);
    assert_eq!(outcome.verdicts(0), ["delivered 250"]);
}

#[test]
fn what_the_server_says_cannot_forge_lines_of_a_log() {
    // R44, N34
    let dialogue = session(&[], "C: MAIL FROM:<a@x.example>\nS| 550-a \\x1b[31m\\r\\n550 \\x07b\\r\\n");
    let outcome = play(config(), Plan::of([mail(&["b@y"])]), &dialogue);
    let failure = outcome.dispositions(0)[0].failure().unwrap();
    for text in [failure.cause.to_string(), failure.cause.full_text()].iter().chain(&outcome.transcript) {
        assert!(!text.contains(|letter: char| letter.is_control()), "{text:?}");
    }
}

#[test]
fn a_line_that_drops_at_any_octet_never_makes_a_message_delivered_that_was_not() {
    // Law 9, R40, R63: every octet in both directions.
    let dialogue = session(
        &["PIPELINING"],
        "C: MAIL FROM:<a@x.example>\nC: RCPT TO:<b@y>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n*: content\nS: 250 ok\n",
    );
    let whole = play(config(), Plan::of([mail(&["b@y"])]), &dialogue);
    let end_mark = whole.wire().find("\\r\\n.\\r\\n").is_some();
    assert!(end_mark);
    let final_reply = whole.received.len() - "221 bye\r\n".len();
    for cut in [Cut::Close, Cut::Reset, Cut::WritesFail] {
        for at in 0..whole.received.len() as u64 {
            let net =
                Net { cut_after_received: Some((at, cut)), to_client: Split::bytes(), ..Net::default() };
            let mut world = World::new(config(), Script::new(&dialogue)).over(net);
            world.run(Plan::of([mail(&["b@y"])]));
            let outcome = world.into_outcome();
            assert!(outcome.closed().is_some() && !outcome.stuck);
            for (_, report) in &outcome.reports {
                let delivered = report.dispositions[0].name() == "delivered";
                let expected = at as usize >= final_reply
                    || (cut == Cut::WritesFail && outcome.received.len() >= final_reply);
                assert_eq!(delivered, expected, "{cut:?} at {at}");
            }
        }
    }
}
