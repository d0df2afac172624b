//! Time and the blocking pool: with `dial.rs`, all that is particular to async-std. A port to another runtime begins here.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

pub(crate) use async_std::task::{JoinHandle, spawn_blocking, yield_now};

use crate::dial::System;

/// Something under way that is given up by dropping it.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where time comes from: the operating system, or a test.
pub(crate) trait Clock {
    fn now(&self) -> Instant;

    fn sleep_until(&self, deadline: Instant) -> Task<()>;

    /// Has a task run by itself.
    fn spawn(&self, task: Task<()>) {
        async_std::task::spawn(task);
    }
}

impl Clock for System {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> Task<()> {
        Box::pin(async_std::task::sleep(deadline.saturating_duration_since(Instant::now())))
    }
}

/// Wakes at a deadline that moves.
///
/// Deadlines mostly move away, with every octet. A sleep that is too short is kept and made anew when it ends, instead of each time.
#[derive(Default)]
pub(crate) struct Alarm(Option<(Instant, Task<()>)>);

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.0.as_ref().map(|(until, _)| until)).finish()
    }
}

impl Alarm {
    /// Ready when the deadline has passed.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: &impl Clock,
        deadline: Option<Instant>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        loop {
            if deadline <= clock.now() {
                return Poll::Ready(());
            }
            let sleep = match &mut self.0 {
                Some((until, sleep)) if *until <= deadline => sleep,
                other => &mut other.insert((deadline, clock.sleep_until(deadline))).1,
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.0 = None;
        }
    }
}
