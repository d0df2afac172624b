//! Deadlines: one per phase, chosen when the command leaves, never extended by a trickling peer (R65-R72).

use std::time::{Duration, Instant};

use crate::Phase;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The moment `duration` after `now`; one too far away to represent is no deadline worth keeping, but never none at all.
pub(crate) fn after(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration).or_else(|| now.checked_add(YEAR)).unwrap_or(now)
}

/// How long each phase may take.
///
/// A zero means "the default", never "no limit" (D11): see [`Timeouts::duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Name lookup and TCP to all addresses of a target together (M14). Default 5 minutes.
    pub connect: Duration,
    /// The greeting (R66). Default 5 minutes.
    pub greeting: Duration,
    /// Each command and its reply, and the TLS handshake (M15, R225). Default 5 minutes.
    pub command: Duration,
    /// Content that makes no progress towards the server (N9, B17). Default 3 minutes, never above `command`.
    pub body: Duration,
    /// From the end mark to each of its replies (D5, N10). Default 12 minutes.
    pub submission: Duration,
    /// RSET (N11). Default 20 seconds.
    pub reset: Duration,
    /// QUIT (N12, B21). Default 5 seconds.
    pub quit: Duration,
}

impl Timeouts {
    /// The defaults, as a constant.
    pub const DEFAULT: Self = Self {
        connect: MINUTE.saturating_mul(5),
        greeting: MINUTE.saturating_mul(5),
        command: MINUTE.saturating_mul(5),
        body: MINUTE.saturating_mul(3),
        submission: MINUTE.saturating_mul(12),
        reset: SECOND.saturating_mul(20),
        quit: SECOND.saturating_mul(5),
    };

    /// The time a phase may take; where the field is zero, its default (D11).
    #[must_use]
    pub fn duration(&self, phase: Phase) -> Duration {
        let or_default = |own: Duration, default: Duration| if own.is_zero() { default } else { own };
        let command = or_default(self.command, Self::DEFAULT.command);
        match phase {
            Phase::Connect => or_default(self.connect, Self::DEFAULT.connect),
            Phase::Greeting => or_default(self.greeting, Self::DEFAULT.greeting),
            Phase::Hello
            | Phase::StartTls
            | Phase::Tls
            | Phase::Auth
            | Phase::Mail
            | Phase::Rcpt
            | Phase::Data => command,
            Phase::Body => or_default(self.body, Self::DEFAULT.body).min(command),
            Phase::End => or_default(self.submission, Self::DEFAULT.submission),
            Phase::Reset => or_default(self.reset, Self::DEFAULT.reset),
            Phase::Quit => or_default(self.quit, Self::DEFAULT.quit),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The one deadline a connection has at a time: what is waited for, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timer(Option<(Phase, Instant)>);

impl Timer {
    pub(crate) fn start(&mut self, phase: Phase, now: Instant, timeouts: &Timeouts) {
        self.0 = Some((phase, after(now, timeouts.duration(phase))));
    }

    pub(crate) fn stop(&mut self) {
        self.0 = None;
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.0.map(|(phase, _)| phase)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.map(|(_, at)| at)
    }

    /// The phase whose time is over at `now`.
    pub(crate) fn expired(&self, now: Instant) -> Option<Phase> {
        self.0.filter(|(_, at)| *at <= now).map(|(phase, _)| phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_means_the_default() {
        // D11
        let zero = Timeouts {
            connect: Duration::ZERO,
            greeting: Duration::ZERO,
            command: Duration::ZERO,
            body: Duration::ZERO,
            submission: Duration::ZERO,
            reset: Duration::ZERO,
            quit: Duration::ZERO,
        };
        for phase in Phase::ALL {
            assert_eq!(zero.duration(phase), Timeouts::DEFAULT.duration(phase), "{phase}");
            assert!(!zero.duration(phase).is_zero(), "{phase}");
        }
        assert_eq!(zero.duration(Phase::End), Duration::from_secs(12 * 60)); // D5
    }

    #[test]
    fn the_body_timeout_is_never_above_the_command_timeout() {
        // N9
        let short = Timeouts { command: SECOND, ..Timeouts::DEFAULT };
        assert_eq!(short.duration(Phase::Body), SECOND);
        assert_eq!(Timeouts::DEFAULT.duration(Phase::Body), MINUTE * 3);
    }
}
