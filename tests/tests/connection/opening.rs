//! From the first octet to a usable session.

use smtp_proto::{Error, Event, Phase, config::TlsMode};

use super::*;

#[test]
fn nothing_is_said_before_the_greeting() {
    // R4, R5, R8: the judge objects to anything earlier; the greeting may be late and have many lines.
    let dialogue = session(&[], "").replace("S: 220 mx ESMTP", "*: wait 200s\nS: 220-mx\nS: 220 ready");
    let outcome = play_split(config(), Plan::default(), &dialogue);
    assert!(matches!(outcome.events[0], Event::Ready));
    assert!(matches!(outcome.closed(), Some(None)), "{:?}", outcome.events);
}

#[test]
fn a_refusing_greeting_ends_in_quit() {
    // R6, R7, D34: no verdict about any message, so nothing permanent.
    for code in ["554 no", "521 no", "450 later", "550 5.7.1 go away"] {
        let outcome = play_split(
            config(),
            Plan::of([mail(&["b@y"])]),
            &format!("S: {code}\nC: QUIT\nS: 221 bye\n*: close"),
        );
        assert!(matches!(outcome.error(), Error::Refused { phase: Phase::Greeting, .. }));
        assert!(!outcome.error().is_permanent(), "{code}");
        assert!(outcome.reports.is_empty());
    }
}

#[test]
fn a_421_greeting_is_the_last_word() {
    // R7, R39
    let outcome = play_split(config(), Plan::default(), "S: 421 busy\n*: gone");
    assert!(matches!(outcome.error(), Error::Refused { phase: Phase::Greeting, .. }));
}

#[test]
fn only_220_is_a_greeting() {
    // R5, D31
    for code in ["250 hi", "221 hi", "354 go", "299 hi", "334 x"] {
        let outcome = play_split(config(), Plan::default(), &format!("S: {code}\n*: gone"));
        assert!(matches!(outcome.error(), Error::Peer(_)), "{code}: {:?}", outcome.error());
    }
}

#[test]
fn helo_follows_where_ehlo_is_not_understood() {
    // R9, R10, D21: five codes; nothing is offered after HELO.
    for code in ["500 what", "501 what", "502 what", "504 what", "550 what"] {
        let outcome = play_split(
            config(),
            Plan::of([mail(&["b@y"])]),
            &format!(
                "S: 220 mx
                 C: EHLO client.example
                 S: {code}
                 C: HELO client.example
                 S: 250-PIPELINING
                 S: 250 SIZE 10
                 C: MAIL FROM:<a@x.example>
                 S: 250 ok
                 C: RCPT TO:<b@y>
                 S: 250 ok
                 C: DATA
                 S: 354 go
                 C| Subject: s\\r\\n\\r\\nbody\\r\\n.\\r\\n
                 S: 250 ok{GOODBYE}"
            ),
        );
        assert_eq!(outcome.verdicts(0), ["delivered 250"]);
    }
}

#[test]
fn other_refusals_of_ehlo_end_the_session() {
    // R9, D21
    for code in ["451 later", "503 no", "554 no", "530 no", "599 no"] {
        let outcome = play_split(
            config(),
            Plan::of([mail(&["b@y"])]),
            &format!("S: 220 mx\nC: EHLO client.example\nS: {code}{GOODBYE}"),
        );
        assert!(matches!(outcome.error(), Error::Refused { phase: Phase::Hello, .. }), "{code}");
        assert!(!outcome.error().is_permanent()); // D34
    }
}

#[test]
fn a_421_to_ehlo_or_a_lost_line_never_leads_to_helo() {
    // D21
    for end in ["S: 421 no\n*: gone", "*: close", "*: reset"] {
        let outcome =
            play_split(config(), Plan::default(), &format!("S: 220 mx\nC: EHLO client.example\n{end}"));
        assert!(!outcome.wire().contains("HELO"));
    }
}

#[test]
fn a_refused_helo_ends_the_session() {
    let outcome = play(
        config(),
        Plan::default(),
        &format!("S: 220 mx\nC: EHLO client.example\nS: 500 ?\nC: HELO client.example\nS: 504 ?{GOODBYE}"),
    );
    assert!(matches!(outcome.error(), Error::Refused { phase: Phase::Hello, .. }));
}

#[test]
fn lhlo_is_never_followed_by_helo() {
    // R73, B5
    for code in ["500 what", "502 what", "550 what"] {
        let outcome = play_split(
            lmtp(),
            Plan::default(),
            &format!("S: 220 mx\nC: LHLO client.example\nS: {code}{GOODBYE}"),
        );
        assert!(matches!(outcome.error(), Error::Refused { phase: Phase::Hello, .. }));
    }
}

#[test]
fn the_name_in_ehlo_is_an_a_label() {
    // R172, T11
    let config = Config::new("тест.invalid".parse().unwrap());
    play(config, Plan::default(), &format!("S: 220 mx\nC: EHLO xn--e1aybc.invalid\nS: 250 mx{GOODBYE}"));
}

#[test]
fn tls_that_is_required_is_never_done_without() {
    // R91, M61, M63, T10: no mail, no secret; QUIT.
    for (mode, offers) in
        [(TlsMode::StartTls, &["PIPELINING"][..]), (TlsMode::Off, &["STARTTLS"][..]), (TlsMode::Off, &[][..])]
    {
        let mut config = config();
        config.security.mode = mode;
        config.security.required = true;
        let outcome = play_split(config, Plan::of([mail(&["b@y"])]), &session(offers, ""));
        let status = outcome.error().status();
        assert_eq!((status.code.get(), status.enhanced.to_string().as_str()), (451, "4.7.4")); // M105
        assert!(outcome.error().full_text().contains("require_tls"));
        assert!(!outcome.handshake_failed);
    }
}

#[test]
fn starttls_is_not_said_where_it_is_not_offered_or_not_wanted() {
    // R83, M60, M62, T7
    for (mode, offers) in [(TlsMode::StartTls, &[][..]), (TlsMode::Off, &["STARTTLS"][..])] {
        let mut config = config();
        config.security.mode = mode;
        let outcome = play(config, Plan::default(), &session(offers, ""));
        assert!(matches!(outcome.events[0], Event::Ready));
    }
}

#[test]
fn offers_are_read_in_any_case() {
    // B6
    let dialogue = session(
        &["pipelining", "size 1000"],
        "C: MAIL FROM:<a@x.example> SIZE=20
         C: RCPT TO:<b@y>
         C: DATA
         S: 250 ok
         S: 250 ok
         S: 354 go
         *: content
         S: 250 ok",
    );
    let mut one = mail(&["b@y"]);
    one.envelope.sender = sender().with_declared_size(20);
    assert_eq!(play(config(), Plan::of([one]), &dialogue).verdicts(0), ["delivered 250"]);
}

#[test]
fn quit_before_the_session_is_usable_says_nothing() {
    // R54, R58: nothing to lose, and a reply is outstanding.
    let mut world = World::new(config(), Script::new("*: gone"));
    let now = world.clock.now();
    world.client.quit(now);
    world.expect(Plan::default());
    assert!(matches!(world.outcome().error(), Error::Cancelled));
    world.client.quit(now); // harmless
    assert!(world.client.poll_event().is_none());
}
