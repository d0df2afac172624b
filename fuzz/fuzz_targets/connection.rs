//! A whole `Connection` against arbitrary octets, splits, clock steps and verbs (laws 2, 3, 6, 9).
#![no_main]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use smtp_proto::{
    Config, Connection, Disposition, Envelope, Event, Recipient, Secret, Sender, TransactionId,
    body::Facts,
    config::{Chunking, Protocol, TlsMode},
    error::BodyError,
    sasl::{AuthPolicy, Credentials},
};

/// What a peer is likely to say; the rest is arbitrary.
const REPLIES: [&[u8]; 17] = [
    b"220 mx\r\n",
    b"250 ok\r\n",
    b"250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n",
    b"250-mx\r\n250 SMTPUTF8\r\n",
    b"250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME\r\n",
    b"354 go\r\n",
    b"550 5.1.1 no\r\n",
    b"450 later\r\n",
    b"421 bye\r\n",
    b"221 bye\r\n",
    b"235 in\r\n",
    b"334 \r\n",
    b"334 VXNlcm5hbWU6\r\n",
    b"502 what\r\n",
    b"454 no TLS\r\n",
    b"250-half\r\n",
    b"552 5.3.4 big\r\n",
];

// First octet: the configuration. Then steps: an octet that says what, and what it needs.
fuzz_target!(|data: &[u8]| {
    let [choice, steps @ ..] = data else { return };
    let mut now = Instant::now();
    let mut connection = Connection::new(now, Arc::new(config(*choice)));
    let mut open: BTreeMap<TransactionId, usize> = BTreeMap::new();
    let mut closed = false;
    let mut steps = steps.iter();
    while let Some(step) = steps.next() {
        let mut operand = || steps.next().copied().unwrap_or_default();
        match step % 13 {
            0..=3 => {
                // The usual course: write everything, then a reply.
                let len = connection.transmit().len();
                connection.handle_transmitted(now, len);
                connection.handle_input(now, REPLIES[usize::from(operand() % 17)]);
            }
            4 => {
                let len = usize::from(operand());
                let octets: Vec<u8> = steps.by_ref().take(len).copied().collect();
                connection.handle_input(now, &octets);
            }
            5 => {
                let len = connection.transmit().len().min(usize::from(operand()));
                connection.handle_transmitted(now, len);
            }
            6 => {
                now += Duration::from_secs(u64::from(operand()));
                connection.handle_timeout(now);
                assert!(connection.poll_timeout().is_none_or(|next| next > now), "law 3");
            }
            7 => {
                let operand = operand();
                let count = usize::from(operand % 5);
                let to =
                    ["a@x.example", "\"a b\"@x.example", "ü@x.example", "a@bücher.example", "a@x.example"];
                let to = to.iter().take(count).map(|path| Recipient::new(path.parse().unwrap())).collect();
                let could = connection.can_begin();
                let mut sender = Sender::new("s@y.example".parse().unwrap());
                if operand & 0x80 != 0 {
                    // Known: small, or as large as several chunks; true or not.
                    let mut facts = Facts::default();
                    facts.octets = u64::from(operand & 0x7f) * if operand & 0x40 != 0 { 2_000 } else { 5 };
                    facts.size = facts.octets;
                    sender = sender.with_content(facts);
                }
                let began = connection.submit(now, Envelope::new(sender, to));
                assert_eq!(began.is_ok(), could, "can_begin says what begin does");
                if let Ok(id) = began {
                    open.insert(id, count);
                }
            }
            8 => {
                let credit = connection.body_credit();
                let (octet, octets) = (operand(), operand());
                let octets = usize::from(octets) * if octet & 1 == 0 { 1 } else { 256 };
                let content = vec![octet; octets.min(credit)];
                let result = connection.write_body(now, &content);
                assert!(credit == 0 || result != Err(BodyError::NotWanted), "what is wanted is taken");
            }
            9 => drop(connection.finish_body(now)),
            10 => connection.quit(now),
            11 => connection.expect_stale(),
            _ => match operand() % 8 {
                0 => connection.handle_closed(now, None),
                1 => connection.handle_closed(now, Some(std::io::ErrorKind::ConnectionReset.into())),
                2 => connection.handle_write_failed(now, std::io::ErrorKind::BrokenPipe.into()),
                3 => connection.fail_body(now, &std::io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            },
        }
        while let Some(event) = connection.poll_event() {
            assert!(!closed, "`Closed` is the last event");
            match event {
                Event::Done(id, report) => {
                    let count = open.remove(&id).expect("a transaction ends once");
                    assert_eq!(report.dispositions.len(), count, "law 2");
                    for disposition in &report.dispositions {
                        let status = disposition.status();
                        assert!(!status.text.contains(['\r', '\n']) || !status.local, "one line");
                        if let Disposition::Delivered(reply) = disposition {
                            assert!((200..300).contains(&reply.code().get()), "law 9");
                        }
                    }
                }
                Event::Closed(_) => closed = true,
                _ => {}
            }
        }
        assert_eq!(closed, connection.is_closed());
        if closed {
            assert!(open.is_empty(), "every transaction has ended");
        }
        assert!(connection.transmit().len() <= 256 * 1024, "law 6");
    }
});

fn config(choice: u8) -> Config {
    let mut config = Config::new("client.example".parse().unwrap());
    config.protocol = if choice & 1 == 0 { Protocol::Smtp } else { Protocol::Lmtp };
    config.pipelining = choice & 2 == 0;
    config.security.mode = if choice & 4 == 0 { TlsMode::Off } else { TlsMode::StartTls };
    config.security.required = choice & 8 != 0;
    config.security.secrets_in_clear = true;
    config.transcript = choice & 16 != 0;
    config.chunking = match choice >> 6 {
        0 => Chunking::No,
        1 => Chunking::Yes,
        _ => Chunking::Auto,
    };
    if choice & 32 != 0 {
        let password = Secret::from("hunter2".to_owned());
        config.auth = AuthPolicy::Auto(Credentials::Password { user: "u".to_owned(), password });
    }
    config
}
