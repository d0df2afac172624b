//! Tests that every runtime's client passes: compiled into each adapter, because they stand where its sockets are, and written once.
//!
//! The adapter provides `Client`, `Time`, `run`, `bytes` and `reader` (`src/simulated.rs`). Transports are those of [`Far`], in memory;
//! time passes only when nothing else can happen.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use smtp_proto::{Disposition, Envelope, Plan, Recipient, Report, Sender, address::Mailbox};
use smtp_testkit::{
    Far, Healthy, Judge,
    far::{Dialled, Flag},
    healthy::{Log, Taken},
};

use super::{Client, Time, bytes, reader, run};

mod cancel;
mod queue;
mod reuse;
mod time;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a future was left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It was polled as often as it was to be.
    Cut,
    /// A day passed, and nobody did anything.
    Stuck,
}

/// Polls by hand, at most so often. Between two polls the far side does one small thing, or time passes.
async fn by_hand<T>(
    time: &Time,
    far: &Far,
    mut future: Pin<&mut (dyn Future<Output = T> + '_)>,
    polls: &mut usize,
) -> Result<T, Left> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    loop {
        let Some(left) = polls.checked_sub(1) else { return Err(Left::Cut) };
        *polls = left;
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Ok(output);
        }
        while !flag.take() {
            if !far.step(time.now()) && !wait(time, far, &flag).await {
                return Err(Left::Stuck);
            }
        }
    }
}

/// Until the flag is set, the far side has something to do, or it wants to; false: for a day, nothing.
async fn wait(time: &Time, far: &Far, flag: &Flag) -> bool {
    let limit = time.now() + DAY;
    let until = far.wakeup().map_or(limit, |wakeup| wakeup.min(limit));
    let mut alarm = time.sleep_until(until);
    poll_fn(|cx| {
        if flag.poll(cx).is_ready() | far.poll_stirred(cx).is_ready() {
            return Poll::Ready(true);
        }
        alarm.as_mut().poll(cx).map(|()| until < limit)
    })
    .await
}

/// To its end, however often that is.
async fn wholly<T>(time: &Time, far: &Far, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    by_hand(time, far, future.as_mut(), &mut 1_000_000).await.expect("it ends")
}

/// Lets everything happen that can happen before time passes.
async fn settle(time: &Time, far: &Far) {
    let due = time.now() + Duration::from_millis(1);
    wholly(time, far, time.sleep_until(due)).await;
}

/// The same, until then.
async fn pass(time: &Time, far: &Far, duration: Duration) {
    wholly(time, far, time.sleep_until(time.now() + duration)).await;
}

fn seconds_since(time: &Time, began: Instant) -> u64 {
    time.now().saturating_duration_since(began).as_secs()
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("an address")
}

fn envelope() -> Envelope {
    numbered(0)
}

/// A message of its own.
fn numbered(number: usize) -> Envelope {
    Envelope::new(
        Sender::from(mailbox(&format!("alice{number}@example.org"))),
        vec![Recipient::from(mailbox("bob@example.net"))],
    )
}

fn config() -> smtp_proto::Config {
    smtp_proto::Config::new("client.example".parse().expect("a name"))
}

/// Connections are kept, as by default.
fn plan(endpoints: &[&str], config: &smtp_proto::Config) -> Plan {
    let endpoints = endpoints.iter().map(|text| text.parse::<smtp_proto::Endpoint>().expect("an endpoint"));
    Plan::new(endpoints, config).expect("a plan")
}

fn one() -> Plan {
    plan(&["tcp://192.0.2.1:25"], &config())
}

fn server(healthy: Healthy) -> Dialled {
    Dialled::server(healthy, Judge::new(false, false))
}

/// Healthy servers, each as this one makes it.
fn servers(make: impl Fn(Healthy) -> Healthy + Send + 'static) -> (Far, Log) {
    let log = Log::default();
    let far = Far::new({
        let log = log.clone();
        move |index, _| server(make(Healthy::new(index, &log, false)))
    });
    (far, log)
}

fn name(report: &Report) -> &'static str {
    let [recipient] = report.recipients.as_slice() else { panic!("{report:?}") };
    recipient.disposition.name()
}

/// The report's replies are those that the server gave for this message and for no other.
fn confirms(report: &Report, taken: &Taken) -> bool {
    let mut replies = taken.replies.iter().cycle();
    taken.rcpts.len() == report.recipients.len()
        && report.recipients.iter().all(|recipient| match &recipient.disposition {
            Disposition::Delivered(reply) => replies.next().is_some_and(|said| {
                said.trim_start_matches("2.0.0 ") == reply.text().trim_start_matches("2.0.0 ")
            }),
            _ => false,
        })
}

fn nobody_objects(far: &Far) {
    for (index, line) in far.lines().iter().enumerate() {
        assert_eq!(line.objections, Vec::<String>::new(), "connection {index}");
    }
}
