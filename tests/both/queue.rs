//! Who waits for a connection, and who gives up waiting.

use smtp_proto::{Report, pool::Limits};

use super::*;

type Sending<'a> = Pin<Box<dyn Future<Output = Report> + 'a>>;

/// Sends under way side by side, each with a waker of its own: one that nobody wakes is not polled.
struct Crowd<'a> {
    members: Vec<Member<'a>>,
}

struct Member<'a> {
    sending: Option<Sending<'a>>,
    flag: Arc<Flag>,
    /// It is dropped after so many polls.
    polls: usize,
    report: Option<Report>,
}

impl<'a> Crowd<'a> {
    fn new(sendings: impl IntoIterator<Item = (Sending<'a>, usize)>) -> Self {
        let member = |(sending, polls)| {
            let flag = Arc::new(Flag::default());
            std::task::Wake::wake(Arc::clone(&flag));
            Member { sending: Some(sending), flag, polls, report: None }
        };
        Self { members: sendings.into_iter().map(member).collect() }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        for member in &mut self.members {
            let _ = member.flag.poll(cx);
            if !member.flag.take() {
                continue;
            }
            let Some(sending) = member.sending.as_mut() else { continue };
            if member.polls == 0 {
                member.sending = None;
                continue;
            }
            member.polls -= 1;
            let waker = Waker::from(Arc::clone(&member.flag));
            if let Poll::Ready(report) = sending.as_mut().poll(&mut Context::from_waker(&waker)) {
                (member.sending, member.report) = (None, Some(report));
            }
        }
        if self.members.iter().all(|member| member.sending.is_none()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// All of them to their ends; the reports of those who came to one.
    async fn run(mut self, time: &Time, far: &Far) -> Vec<Option<Report>> {
        wholly(time, far, poll_fn(|cx| self.poll(cx))).await;
        self.members.into_iter().map(|member| member.report).collect()
    }
}

fn body(number: usize) -> Vec<u8> {
    format!("Subject: {number}\r\n\r\n{number}\r\n").into_bytes()
}

fn sending(client: &Client, number: usize) -> Sending<'_> {
    Box::pin(client.send(None, numbered(number), bytes(&body(number))))
}

/// Numbers that look drawn.
fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from((*seed >> 33) % below as u64).unwrap()
}

/// Everybody who stayed is delivered, once, by the server that says so; who was dropped at most once.
fn all_once(log: &Log, reports: &[Option<Report>]) {
    let taken = log.taken();
    for (number, report) in reports.iter().enumerate() {
        let own: Vec<_> = taken.iter().filter(|taken| taken.content == body(number)).collect();
        match (report, own.as_slice()) {
            (Some(report), [own]) => assert!(confirms(report, own), "{number}: {report:?}, {own:?}"),
            (None, [] | [_]) => {}
            _ => panic!("message {number} was taken {} times: {report:?}", own.len()),
        }
    }
}

#[test]
fn two_hundred_sends_share_four_connections_in_the_order_of_asking() {
    // D28
    run(async |time| {
        let (far, log) = servers(|server| server);
        let mut limits = Limits::connections(4);
        limits.messages = 1000;
        let client = Client::new(one().with_reuse(Some(limits)), &far, &time);
        let crowd = Crowd::new((0..200).map(|number| (sending(&client, number), usize::MAX)));
        let reports = crowd.run(&time, &far).await;
        assert!(reports.iter().all(Option::is_some));
        all_once(&log, &reports);
        assert_eq!((far.most(), far.dialled().len(), far.open()), (4, 4, 4));
        for (place, taken) in log.taken().iter().enumerate() {
            let number: usize =
                String::from_utf8_lossy(&taken.content).trim().rsplit_once('\n').unwrap().1.parse().unwrap();
            assert!(place.abs_diff(number) < 8, "message {number} was the {place}th");
        }
        wholly(&time, &far, client.close()).await;
        assert_eq!((far.open(), log.quits().len()), (0, 4));
        nobody_objects(&far);
    });
}

#[test]
fn who_gives_up_leaves_the_place_to_the_next() {
    // D29: whoever waits is woken, whoever else is dropped, wherever he stands.
    for seed in 0..40 {
        run(async |time| {
            let (far, log) = servers(|server| server);
            let connections = 1 + usize::from(seed % 3 == 2);
            let client = Client::new(one().with_reuse(Some(Limits::connections(connections))), &far, &time);
            let mut drawn = seed;
            let crowd = Crowd::new((0..30).map(|number| {
                let stays = draw(&mut drawn, 2) == 0;
                (sending(&client, number), if stays { usize::MAX } else { draw(&mut drawn, 12) })
            }));
            let stays: Vec<bool> = crowd.members.iter().map(|member| member.polls == usize::MAX).collect();
            let reports = crowd.run(&time, &far).await;
            for (number, _) in stays.iter().enumerate().filter(|(_, stays)| **stays) {
                assert_eq!(name(reports[number].as_ref().unwrap()), "delivered", "message {number}");
            }
            all_once(&log, &reports);
            assert!(far.most() <= connections);
            wholly(&time, &far, client.close()).await;
            assert_eq!(far.open(), 0);
            nobody_objects(&far);
        });
    }
}

#[test]
fn who_gives_up_while_it_connects_leaves_the_place_to_the_next() {
    // The first is in its lookup, or waits for somebody who never answers.
    for polls in 0..6 {
        run(async |time| {
            let log = Log::default();
            let far = Far::new({
                let log = log.clone();
                move |index, _| match index {
                    0 if polls > 2 => Dialled::Hangs,
                    _ => server(Healthy::new(index, &log, false)),
                }
            });
            let plan = plan(&["tcp://mx.example:25"], &config()).with_reuse(Some(Limits::connections(1)));
            let addresses = vec!["192.0.2.1:25".parse().unwrap()];
            let client = Client::with_addresses(plan, &far, &time, addresses);
            let mut first = sending(&client, 0);
            // Nobody moves the clock: the polls are the only thing that happens.
            for _ in 0..polls {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(first.as_mut().poll(&mut cx).is_pending());
            }
            let crowd = Crowd::new([
                (first, 1),
                (sending(&client, 1), usize::MAX),
                (sending(&client, 2), usize::MAX),
            ]);
            let mut members = crowd.members.into_iter();
            let (first, rest) = (members.next(), members.collect::<Vec<_>>());
            let mut crowd = Crowd { members: rest };
            // They ask while the first holds the only place, and it goes.
            let _ = crowd.poll(&Context::from_waker(Waker::noop()));
            drop(first);
            let reports = crowd.run(&time, &far).await;
            assert!(
                reports
                    .iter()
                    .all(|report| report.as_ref().is_some_and(|report| name(report) == "delivered"))
            );
            assert_eq!(log.taken().len(), 2);
            assert_eq!((far.most(), far.open()), (1, 1));
        });
    }
}

#[test]
fn the_total_time_ends_the_wait_for_a_connection() {
    // N14: whoever waits for his turn waits no longer than that.
    run(async |time| {
        let log = Log::default();
        let far = Far::new({
            let log = log.clone();
            move |index, _| match index {
                0 => server(Healthy::new(0, &log, false)),
                _ => Dialled::Refused,
            }
        });
        let limited =
            one().with_reuse(Some(Limits::connections(1))).with_total_timeout(Duration::from_secs(60));
        let client = Client::new(limited, &far, &time);
        far.freeze();
        let began = time.now();
        let crowd = Crowd::new([(sending(&client, 0), usize::MAX), (sending(&client, 1), usize::MAX)]);
        let reports = crowd.run(&time, &far).await;
        assert_eq!(seconds_since(&time, began), 60);
        for report in reports.iter().flatten() {
            assert_eq!(name(report), "deferred");
            let failure = report.recipients[0].disposition.failure().unwrap();
            assert!(matches!(failure.cause, smtp_proto::Error::Deadline(_)), "{failure:?}");
        }
        assert_eq!((far.open(), far.dialled().len()), (0, 1));
    });
}

#[test]
fn close_waits_for_what_is_under_way_and_may_be_dropped() {
    for polls in 0..4 {
        run(async |time| {
            let (far, log) = servers(|server| server);
            let client = Client::new(one().with_reuse(Some(Limits::connections(2))), &far, &time);
            wholly(&time, &far, sending(&client, 9)).await;
            let mut crowd = Crowd::new((0..5).map(|number| (sending(&client, number), usize::MAX)));
            let _ = crowd.poll(&Context::from_waker(Waker::noop()));
            let mut dropped = Box::pin(client.close());
            for _ in 0..polls {
                assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
            drop(dropped);
            let reports = crowd.run(&time, &far).await;
            assert!(
                reports
                    .iter()
                    .all(|report| report.as_ref().is_some_and(|report| name(report) == "delivered"))
            );
            all_once(&log, &reports);
            // Two at a time, and once more for good measure.
            let (one, two) = (Box::pin(client.close()), Box::pin(client.close()));
            wholly(&time, &far, one).await;
            wholly(&time, &far, two).await;
            assert_eq!((far.open(), log.quits().len()), (0, far.dialled().len()));
            // Each over a connection of its own from now on.
            let before = far.dialled().len();
            for number in 20..23 {
                assert_eq!(name(&wholly(&time, &far, sending(&client, number)).await), "delivered");
            }
            settle(&time, &far).await;
            assert_eq!((far.open(), far.dialled().len()), (0, before + 3));
            nobody_objects(&far);
        });
    }
}

#[test]
fn a_close_that_began_first_ends_when_the_last_message_is_through() {
    run(async |time| {
        let (far, log) = servers(|server| server);
        let client = Client::new(one(), &far, &time);
        let mut crowd = Crowd::new((0..3).map(|number| (sending(&client, number), usize::MAX)));
        let _ = crowd.poll(&Context::from_waker(Waker::noop()));
        let mut closing = Box::pin(client.close());
        let mut reports = None;
        let both = poll_fn(|cx| {
            if reports.is_none() && crowd.poll(cx).is_ready() {
                reports =
                    Some(crowd.members.iter_mut().map(|member| member.report.take()).collect::<Vec<_>>());
            }
            let closed = closing.as_mut().poll(cx);
            // Not before the messages are through.
            assert!(closed.is_pending() || reports.is_some());
            closed
        });
        wholly(&time, &far, both).await;
        all_once(&log, &reports.unwrap());
        assert_eq!((far.open(), log.taken().len(), log.quits().len()), (0, 3, 3));
        nobody_objects(&far);
    });
}
