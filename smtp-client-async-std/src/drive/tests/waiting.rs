//! What the loop does when there is nothing left to do but to wait.

use std::cell::Cell;

use super::*;

#[test]
fn what_was_read_is_acknowledged_by_who_has_nothing_to_say_to_it() {
    for (replies, expected) in
        [(&["250 ok\r\n250 ok\r\n354 go\r\n"][..], 0), (&["250 ok\r\n", "250 ok\r\n", "354 go\r\n"], 2)]
    {
        let (fake, mut server) = Fake::pair(64 * 1024);
        let acknowledged = Arc::clone(&fake.acknowledged);
        let net = Net::new([Dial::Stream(fake)]);
        let script = async {
            server.say("220 mx\r\n").await;
            server.turn("EHLO", HELLO).await;
            for command in ["MAIL", "RCPT", "DATA"] {
                assert!(server.line().await.starts_with(command));
            }
            for reply in replies {
                server.say(reply).await;
                // Enough turns for the client to read it.
                for _ in 0..10 {
                    futures_lite::future::yield_now().await;
                }
            }
            server.content().await;
            server.finish().await;
        };
        let ((report, _), ()) = net.run(send(&net, one(&config()), "x\r\n"), script);
        assert!(delivered(&report));
        assert_eq!(acknowledged.load(Ordering::Relaxed), expected, "{replies:?}");
    }
}

#[test]
fn the_reactor_is_asked_only_for_what_is_not_there_after_others_had_a_turn() {
    for turns in 0..4 {
        let (fake, mut server) = Fake::pair(64 * 1024);
        let (waits, stumbles) = (Arc::clone(&fake.waits), Arc::clone(&fake.stumbles));
        let net = Net::new([Dial::Stream(fake)]);
        let script = async {
            let mut counts = Vec::new();
            for (command, reply) in
                [("", "220 mx\r\n"), ("EHLO", HELLO), ("MAIL", "250 ok\r\n250 ok\r\n354 go\r\n")]
            {
                if !command.is_empty() {
                    assert!(server.line().await.starts_with(command));
                }
                for _ in 0..turns {
                    futures_lite::future::yield_now().await;
                }
                counts.push(waits.swap(0, Ordering::Relaxed));
                server.say(reply).await;
            }
            for command in ["RCPT", "DATA"] {
                assert!(server.line().await.starts_with(command));
            }
            server.content().await;
            server.finish().await;
            counts
        };
        let ((report, _), counts) = net.run(send(&net, one(&config()), "x\r\n"), script);
        assert!(delivered(&report));
        // Everybody is polled whenever anybody is woken here, so it may be asked more than once.
        for count in counts {
            assert_eq!(count > 0, turns > 0, "{count} after {turns} turns");
        }
        assert_eq!(stumbles.load(Ordering::Relaxed), 0, "after {turns} turns");
    }
}

#[test]
fn what_has_come_when_a_send_is_given_up_counts() {
    // The reply is there when the message is given up, whatever the look before found.
    for turns in 0..4 {
        let (fake, mut server) = Fake::pair(64 * 1024);
        let net = Net::new([Dial::Stream(fake)]);
        let given_up = Cell::new(false);
        let cancel = poll_fn(|_| if given_up.get() { Poll::Ready(()) } else { Poll::Pending });
        let delivery = Delivery::new(net.now(), Arc::new(one(&config())), envelope());
        let source = Message::from("x\r\n").into_source();
        let script = async {
            server.say("220 mx\r\n").await;
            server.turn("EHLO", HELLO).await;
            for command in ["MAIL", "RCPT", "DATA"] {
                assert!(server.line().await.starts_with(command));
            }
            server.say("250 ok\r\n250 ok\r\n354 go\r\n").await;
            server.content().await;
            for _ in 0..turns {
                futures_lite::future::yield_now().await;
            }
            server.say("250 queued\r\n").await;
            given_up.set(true);
        };
        let ((report, _), ()) = net.run(deliver_until(line(&net), delivery, source, pin!(cancel)), script);
        assert!(delivered(&report), "after {turns} turns: {report:?}");
    }
}

#[test]
fn a_transport_that_nobody_can_be_woken_for_is_lost_at_once() {
    let (mut fake, mut server) = Fake::pair(64 * 1024);
    fake.unwatchable = true;
    let net = Net::new([Dial::Stream(fake)]);
    let script = async { assert!(server.rest().await.is_empty()) };
    let (((report, _), took), ()) = net.run(net.timed(send(&net, one(&config()), "x\r\n")), script);
    let Disposition::Deferred(failure) = only(&report) else { panic!("{report:?}") };
    assert!(failure.cause.full_text().contains("the reactor is full"), "{failure:?}");
    assert_eq!(took, 0, "seconds");
}
