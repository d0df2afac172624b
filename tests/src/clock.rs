//! Time that passes when it is told to.

use std::time::{Duration, Instant};

/// A clock in simulated time. It starts at some instant, of which only differences mean anything.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    now: Instant,
}

impl Clock {
    /// A clock at zero.
    #[must_use]
    pub fn new() -> Self {
        let start = Instant::now();
        Self { start, now: start }
    }

    /// The current instant.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The time since the clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Moves on to `instant`; never back.
    pub fn advance_to(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
    }

    /// Moves on by `duration`.
    pub fn advance(&mut self, duration: Duration) {
        self.now += duration;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
