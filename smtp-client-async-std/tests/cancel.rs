//! Giving up a send: the connection is dropped, and the report says what is true of each recipient by then.

mod common;

use std::{
    future::{pending, poll_fn, ready},
    task::Poll,
};

use async_std::{
    channel::{Receiver, bounded},
    net::{TcpListener, TcpStream},
    task::{block_on, spawn},
};
use common::{END, Script, config, envelope, has_end_mark, plan, text};
use futures_lite::future::{yield_now, zip};
use smtp_client_async_std::{Client, Message};
use smtp_proto::{Disposition, Error, Phase, Report, pool::Limits};

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

async fn accept(listener: &TcpListener) -> Script<TcpStream> {
    Script::new(listener.accept().await.unwrap().0)
}

/// Ready once the sender has spoken.
async fn told(told: Receiver<()>) {
    told.recv().await.unwrap();
}

fn only(report: &Report) -> &Disposition {
    let [recipient] = report.recipients.as_slice() else { panic!("{report:?}") };
    &recipient.disposition
}

#[test]
fn in_the_content_everybody_is_deferred_and_no_end_mark_is_written() {
    block_on(async {
        // D29, R54
        let (listener, endpoint) = listen().await;
        let client = Client::new(plan(&[&endpoint], &config()));
        let (cancel, cancelled) = bounded(1);
        let message = Message::from_reader(futures_lite::io::repeat(b'\n'));
        let script = async {
            let mut server = accept(&listener).await;
            server.accept().await;
            assert_eq!(server.line().await, "\r\n");
            cancel.send(()).await.unwrap();
            has_end_mark(server.rest().await)
        };
        let (report, ended) = zip(client.send_until(envelope(), message, told(cancelled)), script).await;
        let report = report.unwrap();
        let Disposition::Deferred(failure) = only(&report) else { panic!("{report:?}") };
        assert!(matches!((failure.phase, &failure.cause), (Phase::Body, Error::Cancelled)), "{failure:?}");
        assert!(!ended);
    });
}

#[test]
fn behind_the_end_mark_everybody_is_uncertain() {
    block_on(async {
        // D36, law 9
        let (listener, endpoint) = listen().await;
        let client = Client::new(plan(&[&endpoint], &config()));
        let (cancel, cancelled) = bounded(1);
        let script = async {
            let mut server = accept(&listener).await;
            server.accept().await;
            let content = server.content().await;
            cancel.send(()).await.unwrap();
            server.rest().await;
            content
        };
        let (report, content) = zip(client.send_until(envelope(), "x\r\n", told(cancelled)), script).await;
        let report = report.unwrap();
        let Disposition::Uncertain(failure) = only(&report) else { panic!("{report:?}") };
        assert!(matches!((failure.phase, &failure.cause), (Phase::End, Error::Cancelled)), "{failure:?}");
        assert!(content.ends_with(END));
    });
}

#[test]
fn while_waiting_for_a_connection_the_place_is_left_to_others() {
    block_on(async {
        let (listener, endpoint) = listen().await;
        let client = Client::new(plan(&[&endpoint], &config()).with_reuse(Some(Limits::connections(1))));
        let (cancel, cancelled) = bounded(1);
        // Boxed, like the work below: the frames of a build without optimisation hold each several times over.
        let script = Box::pin(async {
            let mut server = accept(&listener).await;
            server.accept().await;
            server.content().await;
            cancel.send(()).await.unwrap();
            yield_now().await;
            server.say("250 2.0.0 queued\r\n").await;
            server.envelope().await;
            server.content().await;
            server.finish().await;
        });
        let first = async {
            let report = client.send(envelope(), "1\r\n").await.unwrap();
            client.send(envelope(), "3\r\n").await.map(|second| (report, second)).unwrap()
        };
        let second = client.send_until(envelope(), "2\r\n", told(cancelled));
        let work = Box::pin(async {
            let sent = zip(first, second).await;
            client.close().await;
            sent
        });
        let (((one, three), two), ()) = zip(work, script).await;
        for report in [one, three] {
            assert!(matches!(only(&report), Disposition::Delivered(_)), "{report:?}");
        }
        assert!(matches!(only(&two.unwrap()), Disposition::Deferred(_)));
    });
}

#[test]
fn before_anything_was_tried_everybody_is_deferred() {
    block_on(async {
        let (listener, endpoint) = listen().await;
        let client = Client::new(plan(&[&endpoint], &config()));
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = Message::open(file.path()).await.unwrap();
        let report = client.send_until(envelope(), message, ready(())).await.unwrap();
        let Disposition::Deferred(failure) = only(&report) else { panic!("{report:?}") };
        assert!(matches!(failure.cause, Error::Cancelled), "{failure:?}");
        drop(listener);
    });
}

#[test]
fn who_is_deferred_has_not_got_the_message_wherever_it_was_given_up() {
    block_on(async {
        let whole = text(20_000);
        let mut outcomes = Vec::new();
        for polls in 0..40 {
            let (listener, endpoint) = listen().await;
            let address = listener.local_addr().unwrap();
            let mut left = polls;
            let cancel = poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            let script = spawn(async move {
                let mut server = accept(&listener).await;
                server.try_say("220 mx.example\r\n").await;
                for reply in [common::HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
                    server.line().await;
                    server.try_say(reply).await;
                }
                let content = server.content().await;
                server.try_say("250 ok\r\n").await;
                has_end_mark(&content)
            });
            let client = Client::new(plan(&[&endpoint], &config()));
            let report = client.send_until(envelope(), whole.clone(), cancel).await.unwrap();
            // Where it was given up before it had connected, somebody has to.
            drop(TcpStream::connect(address).await);
            let ended = script.await;
            let name = only(&report).name();
            assert!(!(ended && name == "deferred"), "{polls}: {report:?}");
            assert!(ended || name != "delivered", "{polls}: {report:?}");
            outcomes.push(name);
        }
        assert!(outcomes.contains(&"deferred"), "{outcomes:?}");
    });
}

#[test]
fn a_cancel_that_never_comes_changes_nothing() {
    block_on(async {
        let (listener, endpoint) = listen().await;
        let client = Client::new(plan(&[&endpoint], &config()));
        let script = async { accept(&listener).await.deliver().await };
        let (report, _) = zip(client.send_until(envelope(), "x\r\n", pending()), script).await;
        assert!(matches!(only(&report.unwrap()), Disposition::Delivered(_)));
    });
}
