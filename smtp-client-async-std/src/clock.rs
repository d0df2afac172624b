//! Time and the blocking pool: with `dial.rs`, all that is particular to async-std. A port to another runtime begins here.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
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
pub(crate) struct Alarm(Option<Sleep>);

struct Sleep {
    until: Instant,
    task: Task<()>,
    /// Who waits for it now. The task is polled with a waker of its own, since the reactor is woken to hear of another.
    waiting: Arc<Waiting>,
    waker: Waker,
}

impl Sleep {
    fn new(until: Instant, task: Task<()>) -> Self {
        let waiting = Arc::<Waiting>::default();
        Self { until, task, waker: Waker::from(Arc::clone(&waiting)), waiting }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        match &mut *self.waiting.lock() {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.task.as_mut().poll(&mut Context::from_waker(&self.waker))
    }
}

#[derive(Default)]
struct Waiting(Mutex<Option<Waker>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        let waker = self.lock().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.0.as_ref().map(|sleep| sleep.until)).finish()
    }
}

impl Alarm {
    /// Ready when the deadline has passed.
    pub(crate) fn poll(
        &mut self,
        cx: &Context<'_>,
        clock: &impl Clock,
        deadline: Option<Instant>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        loop {
            if deadline <= clock.now() {
                return Poll::Ready(());
            }
            let sleep = match &mut self.0 {
                Some(sleep) if sleep.until <= deadline => sleep,
                other => other.insert(Sleep::new(deadline, clock.sleep_until(deadline))),
            };
            if sleep.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.0 = None;
        }
    }
}
