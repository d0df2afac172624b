use proptest::prelude::*;

use super::*;
use crate::body::{BareCr, Encoder, Framing, LineBreaks, Nul};

fn ready(config: Config) -> Harness {
    let mut harness = Harness::new(config);
    harness.envelope();
    harness
}

fn limited(octets: u64) -> Config {
    Config { limits: Limits { message: Some(octets), ..Limits::default() }, ..config() }
}

#[test]
fn a_smuggled_transaction_stays_content() {
    // W10, W11, W18: what follows each would-be end mark must not be read as commands.
    for mark in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r"] {
        let mut harness = ready(config());
        let sent = format!("a{mark}MAIL FROM:<evil@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nb\r\n.\r\n");
        assert_eq!(harness.codes("DATA\r\n"), ["354"]);
        assert_eq!(harness.codes(sent), ["250 2.0.0"], "{mark:?}");
    }
}

#[test]
fn bare_line_ends_are_refused_where_configured() {
    for content in ["a\nb\r\n", "a\rb\r\n", "a\r\r\n"] {
        let mut harness = ready(Config { refuse_bare_line_ends: true, ..config() });
        harness.send("DATA\r\n");
        assert_eq!(harness.codes(format!("{content}.\r\nNOOP\r\n")), ["550 5.6.0", "250 2.0.0"]);
        assert_eq!(harness.resets(), 1);
        assert!(!harness.events.iter().any(|event| matches!(event, Event::EndOfContent { .. })));
    }
    let mut harness = ready(Config { refuse_bare_line_ends: true, ..config() });
    harness.send("DATA\r\n");
    assert_eq!(harness.codes("a\r\n.\r\n"), ["250 2.0.0"]);
}

#[test]
fn too_much_content_is_refused_at_mail_and_at_the_end() {
    let mut harness = Harness::new(limited(10));
    harness.send("EHLO c\r\n");
    assert_eq!(harness.codes("MAIL FROM:<a@x> SIZE=11\r\n"), ["552 5.3.4"]); // R163
    assert_eq!(harness.codes("MAIL FROM:<a@x> SIZE=99999999999999999999\r\n"), ["552 5.3.4"]); // N24
    assert_eq!(harness.codes("MAIL FROM:<a@x> SIZE=10\r\n"), ["250 2.1.0"]);

    for (content, code) in
        [("12345678\r\n", "250 2.0.0"), ("123456789\r\n", "552 5.3.4"), ("..345678\r\n", "250 2.0.0")]
    {
        let mut harness = ready(limited(10));
        harness.send("DATA\r\n");
        assert_eq!(harness.codes(format!("{content}.\r\n")), [code], "{content:?}"); // R164
    }
}

#[test]
fn content_waits_for_the_application() {
    let mut harness = ready(config());
    harness.send("DATA\r\n");
    let server = &mut harness.server;
    let mut given = 0;
    while server.wants_input() && given < 10_000_000 {
        server.handle_input(harness.now, &[b'x'; 4096]);
        given += 4096;
    }
    assert!(given <= 2 * 64 * 1024 + 4096, "{given}");
    assert!(server.content().len() <= 64 * 1024);
    let taken = server.content().len();
    server.take_content(harness.now, taken);
    assert!(server.wants_input());
    assert_eq!(server.content().len(), given - taken);
}

#[test]
fn the_end_is_told_behind_the_content() {
    let mut harness = ready(config());
    harness.send("DATA\r\n");
    let server = &mut harness.server;
    server.handle_input(harness.now, b"xy\r\n.\r\n");
    assert!(server.poll_event().is_none());
    server.take_content(harness.now, 3);
    assert!(server.poll_event().is_none());
    assert!(server.transmit().is_empty());
    server.take_content(harness.now, 1);
    assert!(matches!(server.poll_event(), Some(Event::EndOfContent { octets: 4, .. })));
}

#[test]
fn the_application_may_refuse_while_content_comes() {
    let mut harness = ready(Config { decisions: Decisions::END, ..config() });
    harness.send("DATA\r\n");
    harness.send("half of it\r\n");
    let positive = harness.server.refuse_content(harness.now, reply(250, "fine"));
    assert!(matches!(positive, Err(Misuse::WrongCode { .. })));
    harness.server.refuse_content(harness.now, reply(451, "4.3.0 target lost")).unwrap();
    assert!(harness.server.refuse_content(harness.now, reply(451, "again")).is_err());
    assert_eq!(harness.codes("the rest\r\n"), [""; 0]);
    assert_eq!(harness.codes(".\r\nMAIL FROM:<a@x>\r\n"), ["451 4.3.0", "250 2.1.0"]);
    assert_eq!(harness.resets(), 0);
    assert!(!harness.events.iter().any(|event| matches!(event, Event::EndOfContent { .. })));
}

#[test]
fn chunks_are_counted_and_not_unstuffed() {
    let mut harness = ready(config());
    assert_eq!(harness.codes("BDAT 5\r\n..\r\n.BDAT 0\r\n"), ["250 2.0.0", "250 2.0.0"]); // R148, R151
    assert_eq!(harness.codes("DATA\r\nRCPT TO:<c@x>\r\n"), ["503 5.5.1", "503 5.5.1"]); // R150
    assert_eq!(harness.codes("BDAT 3 last\r\nx\r\nNOOP\r\n"), ["250 2.0.0", "250 2.0.0"]);
    assert_eq!(harness.content, b"..\r\n.x\r\n");

    let mut harness = ready(config());
    assert_eq!(harness.codes("BDAT 0 LAST\r\n"), ["250 2.0.0"]); // R149
}

#[test]
fn chunks_out_of_order_are_swallowed() {
    let mut harness = Harness::new(config());
    harness.send("EHLO c\r\n");
    assert_eq!(harness.codes("BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@x>\r\n"), ["503 5.5.1", "250 2.1.0"]);
    assert_eq!(harness.codes("BDAT 6 LAST\r\nQUIT\r\nRSET\r\n"), ["503 5.5.1", "250 2.0.0"]); // R154

    let mut harness = ready(limited(10));
    let sent = "BDAT 11\r\n12345678901BDAT 3 LAST\r\n123NOOP\r\n";
    assert_eq!(harness.codes(sent), ["552 5.3.4", "503 5.5.1", "250 2.0.0"]); // R152
}

#[test]
fn octets_behind_a_misread_chunk_are_no_commands() {
    // R148: whatever was wrong with the command, three octets follow it; here they look like what they are not.
    let long = |more: usize| format!("BDAT 3{}\r\n", " ".repeat(more));
    for command in ["BDAT 3\n".to_owned(), "BDAT 3\x07\r\n".to_owned(), long(600), long(20_000)] {
        let sent = format!("{command}NOOP\r\n");
        for piece in [sent.len(), 1] {
            let mut harness = ready(config());
            let heard: Vec<String> =
                sent.as_bytes().chunks(piece).flat_map(|piece| harness.codes(piece)).collect();
            assert_eq!(heard, ["500 5.5.2"]);
            assert_eq!(harness.closed(), Some(&Closed::BadChunk));
        }
    }
}

#[test]
fn a_chunk_of_no_known_length_ends_the_connection() {
    for command in
        ["BDAT\r\n", "BDAT x\r\n", "BDAT 3 FIRST\r\n", "BDAT 123456789012345678901\r\n", "BDAT -1\r\n"]
    {
        let mut harness = ready(config());
        assert_eq!(harness.codes(command), ["501 5.5.4"]);
        assert_eq!(harness.closed(), Some(&Closed::BadChunk));
    }
}

#[test]
fn binary_content_comes_by_bdat_as_it_is() {
    let mut harness = Harness::new(Config { refuse_bare_line_ends: true, ..config() });
    harness.send("EHLO c\r\n");
    harness.send("MAIL FROM:<a@x> BODY=BINARYMIME\r\nRCPT TO:<b@x>\r\n");
    assert_eq!(harness.codes("DATA\r\n"), ["503 5.5.1"]); // R158
    assert_eq!(harness.codes("BDAT 4 LAST\r\n\n\r\0x"), ["250 2.0.0"]); // R160
    assert_eq!(harness.content, b"\n\r\0x");
}

#[test]
fn a_refused_data_command_leaves_the_transaction_to_rset() {
    let mut harness = ready(Config { decisions: Decisions { data: true, ..Decisions::NONE }, ..config() });
    harness.send("DATA\r\n");
    harness.server.reply(harness.now, reply(451, "no")).unwrap(); // R51
    assert_eq!(codes(&harness.output()), ["451"]);
    assert_eq!(harness.codes("RSET\r\n"), ["250 2.0.0"]);

    let mut harness = ready(Config { decisions: Decisions { data: true, ..Decisions::NONE }, ..config() });
    harness.send("BDAT 6 LAST\r\nQUIT\r\n");
    harness.server.reply(harness.now, reply(451, "no")).unwrap();
    assert_eq!(codes(&harness.output()), ["451"]);
    assert_eq!(harness.closed(), None);
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn content_of_any_octets_arrives(content: Vec<u8>, chunked: bool, piece in 1_usize..40) {
        let policy = LineBreaks { bare_cr: BareCr::Pass, nul: Nul::Pass, ..LineBreaks::default() };
        let mut plain = Vec::new();
        let mut encoder = Encoder::new(policy, Framing::Counted);
        encoder.encode(&content, &mut plain).unwrap();
        encoder.finish(&mut plain).unwrap();
        let mut wire = Vec::new();
        if chunked {
            wire.extend_from_slice(format!("BDAT {} LAST\r\n", plain.len()).as_bytes());
            wire.extend_from_slice(&plain);
        } else {
            wire.extend_from_slice(b"DATA\r\n");
            let mut encoder = Encoder::new(policy, Framing::Dot);
            encoder.encode(&content, &mut wire).unwrap();
            encoder.finish(&mut wire).unwrap();
        }
        let mut harness = ready(config());
        let output: String = wire.chunks(piece).map(|piece| harness.send(piece)).collect();
        prop_assert!(output.ends_with("250 2.0.0 message accepted\r\n"));
        prop_assert_eq!(&harness.content, &plain);
    }
}
