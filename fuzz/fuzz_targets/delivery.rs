//! A whole `Delivery` over three targets against arbitrary happenings (laws 2, 3, 5).
#![no_main]

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use smtp_proto::{
    Action, Config, Delivery, Endpoint, Envelope, Failover, Plan, Recipient, ResolveError, Sender,
    body::Scanner, config::Chunking,
};

const REPLIES: [&[u8]; 10] = [
    b"220 mx\r\n",
    b"250 ok\r\n",
    b"250-mx\r\n250 PIPELINING\r\n",
    b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",
    b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
    b"250-mx\r\n250 CHUNKING\r\n",
    b"354 go\r\n",
    b"450 later\r\n",
    b"550 no\r\n",
    b"421 bye\r\n",
];

fuzz_target!(|data: &[u8]| {
    let [choice, steps @ ..] = data else { return };
    let mut now = Instant::now();
    let mut config = Config::new("client.example".parse().unwrap());
    config.chunking = if choice & 2 == 0 { Chunking::Auto } else { Chunking::Yes };
    let endpoints = ["tcp://mx.example:25", "tcp://192.0.2.1:25", "unix:///run/lmtp"];
    let endpoints = endpoints.iter().map(|endpoint| endpoint.parse::<Endpoint>().unwrap());
    let decided = choice & 1 != 0;
    let failover = if decided { Failover::UntilDecided } else { Failover::UntilUsable };
    let plan = Plan::new(endpoints, &config).unwrap().with_failover(failover).with_reuse(None);
    let recipients = vec![Recipient::new("a@x.example".parse().unwrap()); 2];
    let mut sender = Sender::new("s@y.example".parse().unwrap());
    if choice & 4 != 0 {
        let mut scanner = Scanner::new(Default::default());
        scanner.update(&b"content\r\n".repeat(usize::from(choice >> 4))).unwrap();
        sender = sender.with_content(scanner.finish().unwrap());
    }
    let envelope = Envelope::new(sender, recipients);
    let mut delivery = Delivery::new(now, Arc::new(plan), envelope);
    let (mut finished, mut content_due, mut rewinding) = (false, true, false);
    let mut steps = steps.iter();
    loop {
        while let Some(action) = delivery.poll_action() {
            assert!(!finished, "nothing follows Finish");
            match action {
                Action::Rewind => {
                    assert!(decided, "law 5");
                    rewinding = true;
                }
                Action::Finish(report) => {
                    assert_eq!(report.recipients.len(), 2, "law 2");
                    finished = true;
                }
                _ => {}
            }
        }
        let Some(step) = steps.next() else { return };
        let mut operand = || steps.next().copied().unwrap_or_default();
        match step % 12 {
            0..=3 => {
                let len = delivery.transmit().len();
                delivery.handle_transmitted(now, len);
                delivery.handle_input(now, REPLIES[usize::from(operand() % 10)]);
            }
            4 => delivery.handle_connected(now, Ok(())),
            5 => delivery.handle_connected(now, Err(io::ErrorKind::ConnectionRefused.into())),
            6 => {
                let addresses = vec!["192.0.2.9:25".parse().unwrap(); usize::from(operand() % 3)];
                delivery.handle_resolved(now, Ok(addresses));
            }
            7 => delivery.handle_resolved(now, Err(ResolveError::new(operand() & 1 == 0, "no"))),
            8 => {
                now += Duration::from_secs(u64::from(operand()) * 8);
                delivery.handle_timeout(now);
                assert!(delivery.poll_timeout().is_none_or(|next| next > now), "law 3");
            }
            9 if delivery.body_credit() > 0 => {
                assert!(content_due, "law 5: no octet is asked for twice without a rewind");
                if operand() & 1 == 0 {
                    let _ = delivery.write_body(now, b"content\r\n");
                } else {
                    content_due = false;
                    let _ = delivery.finish_body(now);
                }
            }
            10 => match operand() % 6 {
                0 => delivery.handle_closed(now, None),
                1 => delivery.handle_write_failed(now, io::ErrorKind::BrokenPipe.into()),
                2 => delivery.fail_body(now, &io::ErrorKind::UnexpectedEof.into()),
                3 => delivery.cancel(now),
                _ => {}
            },
            11 if std::mem::take(&mut rewinding) => {
                content_due = true;
                let result = if operand() & 3 == 0 { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) };
                delivery.handle_rewound(now, result);
            }
            _ => {}
        }
    }
});
