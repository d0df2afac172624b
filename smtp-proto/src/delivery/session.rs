//! The session under way: events of the connection, and what follows when it ends.

use std::time::Instant;

use super::{Action, Delivery, LEAST_PER_ADDRESS, State};
use crate::{
    Phase,
    config::TlsMode,
    connection::{Connection, Event, Notice},
    envelope::Envelope,
    error::{BodyError, Disposition, Error},
    policy::{self, Failover, Next},
    pool::Idle,
    timer,
    transaction::{RecipientId, TransactionReport},
    transcript,
};

impl Delivery {
    pub(super) fn with_connection(&mut self, now: Instant, act: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connection.as_mut() {
            act(connection);
            self.pump(now);
        }
    }

    pub(super) fn with_body(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Connection) -> Result<(), BodyError>,
    ) -> Result<(), BodyError> {
        let result = self.connection.as_deref_mut().map_or(Err(BodyError::NotWanted), act);
        self.content_taken |= !matches!(result, Err(BodyError::NotWanted));
        self.given_up |= matches!(result, Err(BodyError::SizeMismatch { .. })); // row 13
        self.pump(now);
        result
    }

    pub(super) fn pump(&mut self, now: Instant) {
        while let Some(event) = self.connection.as_mut().and_then(|connection| connection.poll_event()) {
            match event {
                Event::Ready => self.on_ready(now),
                Event::Recipient(_, id, reply) => {
                    if let Some(index) = self.offered.get(id.index()) {
                        self.actions.push_back(Action::Answer(RecipientId(*index), reply));
                    }
                }
                Event::Decided(..) => {}
                Event::Done(_, report) => self.on_done(now, report),
                Event::Notice(notice) => self.on_notice(notice),
                Event::Closed(error) => self.on_closed(now, error),
            }
        }
        if let Some(connection) = self.connection.as_mut() {
            self.lines.extend(std::iter::from_fn(|| connection.poll_transcript()));
            // As the connection does with those that nobody fetches.
            self.lines.drain(..self.lines.len().saturating_sub(transcript::KEPT));
            if matches!(self.state, State::Lingering { .. }) && connection.transmit().is_empty() {
                self.stop_lingering(now);
            }
        }
    }

    pub(super) fn on_ready(&mut self, now: Instant) {
        if self.found.is_some() {
            if let Some(connection) = self.connection.as_mut() {
                connection.quit(now);
            }
            return self.became_usable(true);
        }
        // Law 2: nobody decided is offered again.
        let offered: Vec<usize> = self
            .outcomes
            .iter()
            .enumerate()
            .filter(|(_, outcome)| {
                outcome
                    .as_ref()
                    .is_none_or(|(disposition, _)| policy::moves_on(self.plan.failover, disposition))
            })
            .map(|(index, _)| index)
            .collect();
        let recipients =
            offered.iter().filter_map(|index| self.envelope.recipients.get(*index)).cloned().collect();
        let envelope = Envelope::new(self.envelope.sender.clone(), recipients);
        let Some(connection) = self.connection.as_mut() else { return };
        // Not when the server broke the protocol in the same breath: then the session never was usable.
        let usable = connection.submit(now, envelope).is_ok();
        if usable {
            self.offered = offered;
        }
        self.became_usable(usable);
    }

    fn became_usable(&mut self, usable: bool) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.usable = usable;
        }
    }

    fn on_done(&mut self, now: Instant, report: TransactionReport) {
        let attempt = self.attempts.len().saturating_sub(1);
        self.round_trips += report.round_trips;
        if report.round_trips > 0 {
            self.quiet = None;
        }
        for (index, disposition) in self.offered.iter().zip(report.dispositions) {
            if let Some(outcome) = self.outcomes.get_mut(*index) {
                *outcome = Some((disposition, attempt));
            }
        }
        if !self.keep(now)
            && let Some(connection) = self.connection.as_mut()
        {
            connection.quit(now);
        }
    }

    /// Another message may follow over this connection (D28).
    pub(super) fn keeps(&self, now: Instant) -> bool {
        self.plan.reuse.is_some_and(|limits| limits.allow(now, self.opened, self.served.saturating_add(1)))
    }

    /// Lets go of a connection that is fit for another message (D29).
    fn keep(&mut self, now: Instant) -> bool {
        if !self.keeps(now) || self.given_up {
            return false;
        }
        let Some(mut connection) = self.connection.take_if(|connection| connection.is_reusable()) else {
            return false;
        };
        self.lines.extend(std::iter::from_fn(|| connection.poll_transcript()));
        connection.rest();
        let fell_back_to_plaintext = match self.attempts.last_mut() {
            Some(attempt) => {
                attempt.phase = Phase::End;
                attempt.tls = connection.tls().cloned();
                attempt.fell_back_to_plaintext
            }
            None => false,
        };
        self.actions.push_back(Action::Keep(Idle {
            connection,
            target: self.target,
            peer: self.peer.clone(),
            credentials: self.forwarded.clone(),
            fell_back_to_plaintext,
            opened: self.opened,
            // A message that is unsendable here is no sign of life.
            since: self.quiet.unwrap_or(now),
            messages: self.served.saturating_add(1),
        }));
        self.go_on(now, self.after_transaction(None));
        true
    }

    pub(super) fn on_notice(&mut self, notice: Notice) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.fell_back_to_plaintext |= matches!(notice, Notice::StartTlsRefused(_));
            attempt.notices.push(notice);
        }
    }

    fn on_closed(&mut self, now: Instant, error: Option<Error>) {
        let Some(connection) = self.connection.as_mut() else { return };
        let handshake_failed = connection.handshake_failed();
        let phase = connection.phase();
        let tls = connection.tls().cloned();
        if let Some(found) = self.found.as_mut() {
            found.greeting = connection.greeting().cloned();
            found.capabilities = connection.capabilities().clone();
        }
        let quit_timeout = self
            .plan
            .targets
            .get(self.target)
            .map_or(LEAST_PER_ADDRESS, |target| target.config.timeouts.duration(Phase::Quit));
        let usable = self.attempts.last().is_some_and(|attempt| attempt.usable);
        self.then = match &error {
            // The error may be why the session was ending already, and that would lead on.
            _ if self.given_up => Next::Nothing,
            Some(error) if self.was_dead(error) => Next::Fresh,
            _ if usable => self.after_transaction(error.as_ref()),
            None => Next::Target,
            Some(error) => {
                let may_fall_back = handshake_failed && self.may_fall_back();
                policy::next(self.plan.failover, policy::scope_of(error, phase, may_fall_back))
            }
        };
        if self.then == Next::Fresh && !self.last_attempt_decided() {
            // Silently: that it had died says nothing about the target.
            self.attempts.pop();
        } else if let Some(attempt) = self.attempts.last_mut() {
            attempt.phase = phase;
            attempt.tls = tls;
            attempt.error = error;
        }
        self.replaced = self.then == Next::Fresh;
        self.state = State::Lingering { until: timer::after(now, quit_timeout) };
        // `pump` goes on from here as soon as there is nothing left to write.
    }

    /// D28: a kept connection that dies before the end mark is replaced once by a fresh one. Whoever it was asked for and gave no answer
    /// about is open again then. Where content was taken, only if that may be asked for again (law 5).
    fn was_dead(&mut self, error: &Error) -> bool {
        let reused = self.attempts.last().is_some_and(|attempt| attempt.reused);
        if !reused
            || !policy::is_death(error)
            || (self.content_taken && self.plan.failover == Failover::UntilUsable)
        {
            return false;
        }
        let mut open = false;
        for index in &self.offered {
            let Some(outcome) = self.outcomes.get_mut(*index) else { continue };
            match outcome {
                // A reply to the content is a verdict about the message, also where it is a 421 (SPEC section 6, row 17).
                Some((Disposition::Deferred(failure), _))
                    if policy::is_death(&failure.cause) && failure.phase != Phase::End =>
                {
                    *outcome = None
                }
                Some(_) => continue,
                None => {}
            }
            open = true;
        }
        open
    }

    /// Whether the last attempt decided about anybody.
    fn last_attempt_decided(&self) -> bool {
        let last = self.attempts.len().saturating_sub(1);
        self.outcomes.iter().flatten().any(|(_, attempt)| *attempt == last)
    }

    /// M65, M69, M71, D3: where TLS is optional and this was the first try, once more without.
    fn may_fall_back(&self) -> bool {
        !self.after_tls_failure
            && self.found.is_none()
            && !self.envelope.sender.require_tls
            && self.current().is_some_and(|target| {
                target.config.security.mode == TlsMode::StartTls && !target.config.security.required
            })
    }

    /// After a session that was usable: on, if somebody may be offered elsewhere.
    fn after_transaction(&self, error: Option<&Error>) -> Next {
        let given_up = matches!(error, Some(Error::Cancelled | Error::Deadline(_) | Error::Source { .. }));
        let open = self.outcomes.iter().any(|outcome| {
            outcome.as_ref().is_none_or(|(disposition, _)| policy::moves_on(self.plan.failover, disposition))
        });
        if open && !given_up { Next::Target } else { Next::Nothing }
    }

    pub(super) fn stop_lingering(&mut self, now: Instant) {
        if !matches!(self.state, State::Lingering { .. }) {
            return;
        }
        self.connection = None;
        self.actions.push_back(Action::Disconnect);
        let next = std::mem::replace(&mut self.then, Next::Nothing);
        self.go_on(now, next);
    }
}
