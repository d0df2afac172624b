use proptest::prelude::*;

use super::*;
use crate::sasl::Mechanism;

fn permissive() -> Config {
    let auth = Auth { mechanisms: vec![Mechanism::Plain, Mechanism::Login], in_clear: true, required: false };
    let replies = table(Phase::Auth, reply(235, "welcome"));
    Config { auth, replies, limits: Limits { errors: 1000, ..Limits::default() }, ..config() }
}

/// Everything that comes of input: replies, content, events without what depends on timing.
fn outcome(
    config: Config,
    pieces: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> (String, Vec<u8>, Vec<String>) {
    let mut harness = Harness::new(config);
    let mut output = String::new();
    for piece in pieces {
        output.push_str(&harness.send(piece));
    }
    let events = harness.events.iter().map(|event| match event {
        Event::EndOfContent { octets, .. } => format!("EndOfContent {octets}"),
        other => format!("{other:?}"),
    });
    (output, harness.content, events.collect())
}

/// Lines that make sense, often in order, with some that do not.
fn dialogue() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        3 => Just(b"MAIL FROM:<a@x>\r\n".to_vec()),
        3 => Just(b"RCPT TO:<b@x>\r\n".to_vec()),
        3 => Just(b"DATA\r\nx\r\n..y\r.\r\n\n.\nz\r\n.\r\n".to_vec()),
        2 => Just(b"BDAT 5\r\n.\r\n.\r".to_vec()),
        2 => Just(b"BDAT 2 LAST\r\n\r\n".to_vec()),
        1 => Just(b"AUTH PLAIN AHRlc3QAMTIzNA==\r\n".to_vec()),
        1 => Just(b"AUTH LOGIN\r\ndGVzdA==\r\n*\r\n".to_vec()),
        1 => Just(b"RSET\r\n".to_vec()),
        1 => Just(b"NOOP\n".to_vec()),
        1 => Just(b"EHLO d\r\n".to_vec()),
        1 => Just([&[b'x'; 600][..], b"\r\n"].concat()),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ];
    proptest::collection::vec(line, 0..25).prop_map(|lines| [b"EHLO c\r\n".to_vec(), lines.concat()].concat())
}

#[test]
fn every_single_split_gives_the_same() {
    let sent = b"EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n..a\r\n.b\n.\n\r\n.\r\nNOOP\r\nMAIL FROM:<>\r\n\
        RCPT TO:<b@x>\r\nBDAT 3\r\n.\r\nBDAT 0 LAST\r\nQUIT\r\n";
    let whole = outcome(config(), [sent]);
    assert!(whole.0.ends_with("221 2.0.0 bye\r\n"));
    for split in 0..=sent.len() {
        let (left, right) = sent.split_at(split);
        assert_eq!(outcome(config(), [left, right]), whole, "at {split}");
    }
    assert_eq!(outcome(config(), sent.chunks(1)), whole);
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn any_splitting_gives_the_same(sent in dialogue(), cuts in proptest::collection::vec(1_usize..50, 1..20)) {
        let whole = outcome(permissive(), [&sent]);
        let mut pieces = Vec::new();
        let mut rest = &sent[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(outcome(permissive(), pieces), whole);
    }

    #[test]
    fn garbage_never_panics(pieces: Vec<Vec<u8>>, lmtp: bool, implicit: bool) {
        let mut config = if lmtp { super::lmtp() } else { permissive() };
        if implicit {
            config.tls = Tls::Implicit(tls::server_config());
        }
        let mut harness = Harness::silent(config);
        for piece in pieces {
            harness.server.handle_input(harness.now, &piece);
            harness.settle();
            let len = harness.server.transmit().len();
            harness.server.handle_transmitted(harness.now, len);
        }
        harness.server.handle_closed(harness.now, None);
        harness.settle();
        prop_assert!(harness.closed().is_some());
    }
}
