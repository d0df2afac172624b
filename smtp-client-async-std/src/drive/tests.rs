//! The loop over transports in memory, where time stands still until nothing else can happen.

use std::{pin::pin, sync::atomic::Ordering, time::Duration};

use futures_lite::{AsyncReadExt, AsyncWriteExt, future::poll_once, io::repeat};

use smtp_proto::{Config, Disposition, Error, Failover, Peer, Phase, error::Kind};

use super::{sim::duplex, *};

#[path = "../../tests/common/mod.rs"]
mod common;
mod fakes;
mod waiting;
use common::{HELLO, config, envelope, has_end_mark, plan, text};
use fakes::{Dial, Fake, Halting, Net};

/// Nothing is kept, nobody reads along.
fn line(net: &Net) -> Line<'_, Net> {
    Line { network: net, connections: None, transport: None, observer: None }
}

async fn send(net: &Net, plan: Plan, message: impl Into<Message>) -> (Report, Option<io::Error>) {
    let delivery = Delivery::new(net.now(), Arc::new(plan), envelope());
    deliver(line(net), delivery, message.into().into_source()).await
}

fn one(config: &Config) -> Plan {
    plan(&["tcp://192.0.2.1:25"], config)
}

fn only(report: &Report) -> &Disposition {
    let [recipient] = report.recipients.as_slice() else { panic!("{report:?}") };
    &recipient.disposition
}

fn delivered(report: &Report) -> bool {
    matches!(only(report), Disposition::Delivered(_))
}

#[test]
fn one_write_a_flight() {
    // ARCHITECTURE.md, speed: the envelope in one, the content with end mark and QUIT in one.
    let (fake, mut server) = Fake::pair(64 * 1024);
    let writes = Arc::clone(&fake.writes);
    let net = Net::new([Dial::Stream(fake)]);
    let sending = send(&net, one(&config()), "Subject: x\r\n\r\nbody\r\n");
    let ((report, failure), _) = net.run(sending, server.deliver());
    assert!(delivered(&report) && failure.is_none());
    let writes: Vec<String> =
        writes.lock().unwrap().iter().map(|octets| String::from_utf8_lossy(octets).into_owned()).collect();
    assert_eq!(
        writes,
        [
            "EHLO client.example\r\n",
            "MAIL FROM:<alice@example.org> BODY=8BITMIME\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n",
            "Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n",
        ]
    );
}

#[test]
fn a_source_in_drops_leaves_in_floods() {
    let (fake, mut server) = Fake::pair(64 * 1024);
    let writes = Arc::clone(&fake.writes);
    let net = Net::new([Dial::Stream(fake)]);
    let pieces = b"Subject: x\r\n\r\n123456".iter().map(|octet| Some(vec![*octet]));
    let pieces = pieces.chain([None]).chain([Some(b"789\r\n".to_vec())]).collect();
    let message = Message::from_reader(Halting { pieces, fails: None });
    let ((report, _), content) = net.run(send(&net, one(&config()), message), server.deliver());
    assert!(delivered(&report));
    assert_eq!(content, b"Subject: x\r\n\r\n123456789\r\n.\r\n");
    // What is there leaves when the source pauses, and not before.
    let writes = writes.lock().unwrap();
    assert_eq!(&writes[2..], [b"Subject: x\r\n\r\n123456".to_vec(), b"789\r\n.\r\nQUIT\r\n".to_vec()]);
}

#[test]
fn content_that_is_not_taken_times_out_without_end_mark() {
    // N9, R54
    let (fake, mut server) = Fake::pair(1024);
    let net = Net::new([Dial::Stream(fake)]);
    let script = async {
        server.accept().await;
        net.time.sleep(Duration::from_secs(3600)).await;
        has_end_mark(server.rest().await)
    };
    let sending = net.timed(send(&net, one(&config()), text(100_000)));
    let (((report, _), seconds), ended) = net.run(sending, script);
    let failure = only(&report).failure().unwrap();
    assert!(matches!(failure.cause, Error::Timeout(Phase::Body)), "{failure:?}");
    assert_eq!((only(&report).name(), seconds), ("deferred", 180));
    assert!(!ended);
}

#[test]
fn a_trickle_does_not_move_the_deadline_of_a_reply() {
    // N1, law 3: an alarm that follows deadlines which move away still rings for one that does not.
    let (fake, mut server) = Fake::pair(1024);
    let net = Net::new([Dial::Stream(fake)]);
    let script = async {
        for octet in "220 mx.example is slow".chars() {
            net.time.sleep(Duration::from_secs(100)).await;
            server.try_say(&octet.to_string()).await;
        }
    };
    let sending = net.timed(send(&net, one(&config()), "x\r\n"));
    let (((report, _), seconds), ()) = net.run(sending, script);
    let failure = only(&report).failure().unwrap();
    assert!(matches!(failure.cause, Error::Timeout(Phase::Greeting)), "{failure:?}");
    assert_eq!(seconds, 300);
}

#[test]
fn a_black_hole_costs_its_share_and_the_next_address_is_tried() {
    // M14: 5 minutes for all addresses together
    let (fake, mut server) = Fake::pair(4096);
    let addresses = ["192.0.2.1:25", "192.0.2.2:25"].map(|text| text.parse().unwrap());
    let net = Net { names: Some(Ok(addresses.to_vec())), ..Net::new([Dial::Hole, Dial::Stream(fake)]) };
    let plan = plan(&["tcp://mx.example:25"], &config());
    let (((report, _), seconds), _) = net.run(net.timed(send(&net, plan, "x\r\n")), server.deliver());
    assert!(delivered(&report));
    assert_eq!(seconds, 150);
    assert!(matches!(report.attempts[0].error, Some(Error::Timeout(Phase::Connect))));
    assert_eq!(*net.dialled.lock().unwrap(), addresses.map(Peer::Tcp));
}

#[test]
fn a_resolver_that_never_answers_times_out() {
    // M14
    let net = Net::default();
    let sending = send(&net, plan(&["tcp://mx.example:25"], &config()), "x\r\n");
    let ((report, _), seconds) = net.time.run(net.timed(sending));
    assert_eq!(seconds, 300);
    assert!(matches!(only(&report).failure().unwrap().cause, Error::Timeout(Phase::Connect)));
    assert!(net.dialled.lock().unwrap().is_empty());
}

#[test]
fn a_missing_name_is_permanent_and_a_failing_resolver_is_not() {
    // M101, M102
    for (not_found, code) in [(true, 550), (false, 450)] {
        let net = Net { names: Some(Err(ResolveError::new(not_found, "no"))), ..Net::default() };
        let (report, _) = net.time.run(send(&net, plan(&["tcp://mx.example:25"], &config()), "x\r\n"));
        assert_eq!(only(&report).status().code.get(), code);
        assert_eq!(report.attempts[0].kind(), Some(Kind::Dns));
    }
}

#[test]
fn the_total_time_ends_everything() {
    let (fake, mut server) = Fake::pair(4096);
    let net = Net::new([Dial::Stream(fake), Dial::Hole]);
    let targets = plan(&["tcp://192.0.2.1:25", "tcp://192.0.2.2:25"], &config());
    let plan = targets.with_total_timeout(Duration::from_secs(60));
    // Greeting withheld for longer than the total time.
    let script = async { server.rest().await.to_vec() };
    let (((report, _), seconds), heard) = net.run(net.timed(send(&net, plan, "x\r\n")), script);
    assert_eq!(seconds, 60);
    assert!(matches!(only(&report).failure().unwrap().cause, Error::Deadline(Phase::Greeting)));
    assert!(heard.is_empty());
    assert_eq!(net.dialled.lock().unwrap().len(), 1);
}

#[test]
fn a_failing_write_does_not_hide_the_reply_behind_it() {
    // R55
    let (mut fake, mut server) = Fake::pair(4096);
    fake.breaks_after = 3000;
    let net = Net::new([Dial::Stream(fake)]);
    let script = async {
        server.accept().await;
        net.time.sleep(Duration::from_secs(1)).await;
        server.say("552 5.3.4 too much\r\n").await;
        has_end_mark(server.rest().await)
    };
    let ((report, failure), ended) = net.run(send(&net, one(&config()), text(1_000_000)), script);
    assert_eq!(only(&report).status().code.get(), 552);
    assert_eq!(only(&report).name(), "rejected");
    assert!(failure.is_none() && !ended);
}

#[test]
fn a_refusal_in_mid_content_is_heard_over_a_fast_source_and_a_fast_sink() {
    // R55, R142
    let (fake, mut server) = Fake::pair(1024 * 1024);
    let net = Net::new([Dial::Stream(fake)]);
    let script = async {
        server.accept().await;
        let mut taken = 0;
        let mut space = vec![0; 1024 * 1024];
        let mut refused = false;
        loop {
            let read = server.stream.read(&mut space).await.unwrap();
            taken += read;
            if read == 0 {
                return taken;
            }
            if taken > 1024 * 1024 && !std::mem::replace(&mut refused, true) {
                server.say("552 5.3.4 too much\r\n").await;
            }
        }
    };
    let message = Message::from_reader(repeat(b'x').take(1 << 32));
    let ((report, _), taken) = net.run(send(&net, one(&config()), message), script);
    assert_eq!(only(&report).status().code.get(), 552);
    assert!(taken < 8 * 1024 * 1024);
}

#[test]
fn a_server_that_never_stops_talking_cannot_keep_the_loop_from_the_clock() {
    let (fake, mut server) = Fake::pair(64 * 1024);
    let net = Net::new([Dial::Stream(fake)]);
    let script = async {
        server.say("220 mx.example\r\n").await;
        server.line().await;
        let flood = vec![b'x'; 64 * 1024];
        while server.stream.write_all(&flood).await.is_ok() {}
    };
    let ((report, _), ()) = net.run(send(&net, one(&config()), "x\r\n"), script);
    assert_eq!(report.attempts[0].kind(), Some(Kind::Protocol));
}

#[test]
fn a_failing_source_leaves_no_end_mark() {
    // R54, SPEC section 6, row 13
    let (fake, mut server) = Fake::pair(4096);
    let (spare, _spare_server) = Fake::pair(4096);
    let net = Net::new([Dial::Stream(fake), Dial::Stream(spare)]);
    let pieces = [Some(b"Subject: x\r\n\r\nhalf\r\n".to_vec()), None].into();
    let message = Message::from_reader(Halting { pieces, fails: Some(io::Error::other("disk on fire")) });
    let targets = plan(&["tcp://192.0.2.1:25", "tcp://192.0.2.2:25"], &config());
    let script = async {
        server.accept().await;
        server.rest().await.to_vec()
    };
    let plan = targets.with_failover(Failover::UntilDecided);
    let ((report, failure), heard) = net.run(send(&net, plan, message), script);
    assert_eq!(failure.unwrap().to_string(), "disk on fire");
    assert!(matches!(only(&report).failure().unwrap().cause, Error::Source { .. }));
    assert!(heard.ends_with(b"half\r\n"), "{}", String::from_utf8_lossy(&heard));
    assert_eq!(net.dialled.lock().unwrap().len(), 1);
}

#[test]
fn bytes_are_taken_again_for_the_next_target_and_a_reader_is_not() {
    // Law 5
    for rewindable in [true, false] {
        let (first, mut refusing) = Fake::pair(4096);
        let (second, mut taking) = Fake::pair(4096);
        let net = Net::new([Dial::Stream(first), Dial::Stream(second)]);
        let targets = plan(&["tcp://192.0.2.1:25", "tcp://192.0.2.2:25"], &config());
        let plan = targets.with_failover(Failover::UntilDecided);
        let octets: &[u8] = b"Subject: x\r\n\r\nbody\r\n";
        let message = if rewindable { octets.into() } else { Message::from_reader(octets) };
        let script = async {
            refusing.accept().await;
            refusing.content().await;
            refusing.say("451 4.3.0 later\r\n").await;
            refusing.turn("QUIT\r\n", "221 bye\r\n").await;
            if rewindable { taking.deliver().await } else { Vec::new() }
        };
        let ((report, failure), content) = net.run(send(&net, plan, message), script);
        assert_eq!(delivered(&report), rewindable);
        assert_eq!(net.dialled.lock().unwrap().len(), if rewindable { 2 } else { 1 });
        assert!(failure.is_none());
        assert!(!rewindable || content == b"Subject: x\r\n\r\nbody\r\n.\r\n");
    }
}

/// Sends until it has been polled so often, each time when the server has nothing more to say; whether it finished, and what arrived.
fn cut(polls: usize, whole: &[u8]) -> (bool, Vec<u8>) {
    let (fake, mut server) = Fake::pair(256);
    let net =
        Net { names: Some(Ok(vec!["192.0.2.1:25".parse().unwrap()])), ..Net::new([Dial::Stream(fake)]) };
    let time = net.time.clone();
    let mut script = pin!(async {
        server.try_say("220 mx.example\r\n").await;
        for reply in [HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
            server.line().await;
            server.try_say(reply).await;
        }
        let content = server.content().await;
        server.try_say("250 ok\r\n221 bye\r\n").await;
        server.rest().await;
        content
    });
    let pieces = whole.chunks(700).flat_map(|piece| [Some(piece.to_vec()), None]).collect();
    let message = Message::from_reader(Halting { pieces, fails: None });
    time.run(async {
        let mut content = None;
        let finished = {
            let mut sending = pin!(send(&net, plan(&["tcp://mx.example:25"], &config()), message));
            let mut finished = false;
            for _ in 0..polls {
                finished = poll_once(sending.as_mut()).await.is_some();
                if finished {
                    break;
                }
                if content.is_none() {
                    content = poll_once(script.as_mut()).await;
                }
            }
            finished
        };
        // The network itself keeps nothing of a transport it gave out.
        drop(net);
        let content = match content {
            Some(content) => content,
            None => script.await,
        };
        (finished, content)
    })
}

#[test]
fn dropping_the_future_anywhere_closes_the_transport_and_completes_nothing() {
    // D29, R54
    let whole = text(2000);
    let (mut polls, mut cut_in_content) = (0, 0);
    loop {
        let (finished, content) = cut(polls, &whole);
        if has_end_mark(&content) {
            assert_eq!(content, [&whole[..], b".\r\n"].concat());
        } else if !content.is_empty() {
            cut_in_content += 1;
        }
        if finished {
            break;
        }
        polls += 1;
        assert!(polls < 1000);
    }
    assert!(polls > 5 && cut_in_content > 3, "{polls} polls, {cut_in_content} in content");
}

#[test]
fn input_is_reported_after_the_write_it_answers() {
    // The contract of `handle_transmitted`: else a fast answer would be taken for an unasked one (D33).
    for capacity in [1, 7, 64, 4096] {
        let (fake, mut server) = Fake::pair(capacity);
        let net = Net::new([Dial::Stream(fake)]);
        let ((report, _), _) = net.run(send(&net, one(&config()), text(1000)), server.deliver());
        assert!(delivered(&report), "{report:?}");
    }
}

#[test]
fn a_refused_target_is_followed_by_the_next() {
    // T4
    let (fake, mut server) = Fake::pair(4096);
    let net = Net::new([Dial::Refused, Dial::Stream(fake)]);
    let targets = plan(&["tcp://192.0.2.1:25", "tcp://192.0.2.2:25"], &config());
    let ((report, _), _) = net.run(send(&net, targets, "x\r\n"), server.deliver());
    assert!(delivered(&report));
    assert_eq!(report.attempts[0].kind(), Some(Kind::Network));
}

#[test]
fn a_probe_says_what_it_found_and_quits() {
    let (fake, mut server) = Fake::pair(4096);
    let net = Net::new([Dial::Stream(fake)]);
    let plan = Arc::new(one(&config()));
    let script = async {
        server.say("220-mx.example ESMTP\r\n220 at your service\r\n").await;
        server.turn("EHLO client.example\r\n", HELLO).await;
        server.turn("QUIT\r\n", "221 bye\r\n").await;
        server.rest().await.len()
    };
    let (found, _) = net.run(probe(line(&net), Arc::clone(&plan), 0), script);
    assert!(found.usable && found.error.is_none(), "{found:?}");
    assert_eq!(found.greeting.as_deref(), Some("mx.example ESMTP at your service"));
    assert!(found.capabilities.pipelining());
    assert_eq!(found.peer, net.dialled.lock().unwrap().pop());
}

#[test]
fn a_probe_fails_with_the_reason() {
    let net = Net::new([Dial::Hole]);
    let plan = Arc::new(one(&config()));
    let found = net.time.run(probe(line(&net), Arc::clone(&plan), 0));
    assert!(matches!(found.error, Some(Error::Timeout(Phase::Connect))));
    assert_eq!((found.usable, found.elapsed.as_secs()), (false, 300));

    let (fake, mut server) = Fake::pair(4096);
    let net = Net::new([Dial::Stream(fake)]);
    let script = async {
        server.say("554 5.7.1 go away\r\n").await;
        server.turn("QUIT\r\n", "221 bye\r\n").await;
    };
    let (found, ()) = net.run(probe(line(&net), Arc::clone(&plan), 0), script);
    assert!(matches!(found.error, Some(Error::Refused { phase: Phase::Greeting, .. })), "{found:?}");
    assert!(found.peer.is_some());

    assert!(net.time.run(probe(line(&net), Arc::clone(&plan), 7)).error.is_some());
}

#[test]
fn a_refusal_is_heard_while_the_source_is_silent() {
    // R55
    let (fake, mut server) = Fake::pair(4096);
    let net = Net::new([Dial::Stream(fake)]);
    let (reader, _never_written) = duplex(16);
    let message =
        Message::from_reader((&b"Subject: x\r\n"[..]).chain(futures_lite::io::BufReader::new(reader)));
    let script = async {
        server.accept().await;
        server.line().await;
        server.say("451 4.3.0 tired of waiting\r\n").await;
        has_end_mark(server.rest().await)
    };
    let sending = net.timed(send(&net, one(&config()), message));
    let (((report, failure), seconds), ended) = net.run(sending, script);
    assert_eq!((only(&report).status().code.get(), seconds), (451, 0));
    assert!(failure.is_none() && !ended);
}

#[test]
fn the_total_time_ends_a_transfer_that_never_pauses() {
    let (fake, mut server) = Fake::pair(16 * 1024 * 1024);
    let net = Net::new([Dial::Stream(fake)]);
    let script = async {
        server.accept().await;
        let mut space = vec![0; 16 * 1024 * 1024];
        while server.stream.read(&mut space).await.unwrap() > 0 {
            net.time.advance(Duration::from_secs(1));
        }
    };
    let message = Message::from_reader(repeat(b'x').take(256 * 1024 * 1024));
    let plan = one(&config()).with_total_timeout(Duration::from_secs(10));
    let ((report, _), ()) = net.run(send(&net, plan, message), script);
    assert!(matches!(only(&report).failure().unwrap().cause, Error::Deadline(Phase::Body)), "{report:?}");
}
