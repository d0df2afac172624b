//! The way to a server: targets in their order, the addresses of each, and what is next when one of them was in vain.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use super::{Action, Delivery, LEAST_PER_ADDRESS, State};
use crate::{
    Phase,
    endpoint::Endpoint,
    error::Error,
    plan::{Peer, Target},
    policy::{self, Next, Scope},
    pool::Need,
    report::Attempt,
    timer,
};

impl Delivery {
    pub(super) fn current(&self) -> Option<&Target> {
        self.plan.targets.get(self.target)
    }

    pub(super) fn start_target(&mut self, now: Instant) {
        self.replaced = false;
        if self.plan.reuse.is_none() || self.found.is_some() || self.current().is_none() {
            return self.open(now);
        }
        self.state = State::Acquiring;
        self.actions.push_back(Action::Acquire(Need {
            target: self.target,
            credentials: self.forwarded.clone(),
            require_tls: self.envelope.sender.require_tls,
        }));
    }

    /// Opens a connection to the target.
    pub(super) fn open(&mut self, now: Instant) {
        let Some(target) = self.current() else { return self.finish() };
        let timeout = target.config.timeouts.duration(Phase::Connect);
        self.connect_deadline = timer::after(now, timeout);
        self.after_tls_failure = false;
        self.addresses.clear();
        let target = self.current().map(|target| target.endpoint.clone());
        match target {
            Some(Endpoint::Unix(path)) => {
                self.addresses.push_back(Peer::Unix(path));
                self.next_address(now);
            }
            Some(endpoint) => self.resolve(now, &endpoint),
            None => self.finish(),
        }
    }

    fn resolve(&mut self, now: Instant, endpoint: &Endpoint) {
        let port = endpoint.port().unwrap_or_default();
        match endpoint.dns_name() {
            Ok(Some(host)) => match host.parse::<IpAddr>() {
                Ok(ip) => {
                    self.addresses.push_back(Peer::Tcp(SocketAddr::new(ip, port)));
                    self.next_address(now);
                }
                Err(_) => {
                    self.state = State::Resolving;
                    self.actions.push_back(Action::Resolve { host, port });
                }
            },
            Ok(None) => self.next_address(now),
            Err(error) => {
                let error = Error::Resolve { not_found: true, message: error.to_string().into() };
                self.attempt_failed(now, error, Scope::Target);
            }
        }
    }

    pub(super) fn next_address(&mut self, now: Instant) {
        match self.addresses.pop_front() {
            Some(peer) => self.connect(now, peer),
            None => self.next_target(now),
        }
    }

    fn connect(&mut self, now: Instant, peer: Peer) {
        // M14: one time for all addresses, shared so that one black hole does not eat the turn of the others.
        let left = self.connect_deadline.saturating_duration_since(now);
        let rest = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
        let share = (left / rest).max(LEAST_PER_ADDRESS).min(left);
        self.state = State::Connecting { until: now + share };
        self.peer = Some(peer.clone());
        self.actions.push_back(Action::Connect(peer));
    }

    fn next_target(&mut self, now: Instant) {
        self.target += 1;
        self.peer = None;
        if self.target >= self.plan.targets.len() || self.found.is_some() {
            return self.finish();
        }
        self.rewind_then(now, Self::start_target);
    }

    /// Goes on where none of the content has been taken, or once it can be had from its beginning again.
    pub(super) fn rewind_then(&mut self, now: Instant, go_on: fn(&mut Self, Instant)) {
        if self.content_taken {
            // Law 5: before any octet is asked for twice.
            self.state = State::Rewinding { go_on };
            self.actions.push_back(Action::Rewind);
        } else {
            go_on(self, now);
        }
    }

    /// No session came of it: the attempt goes into the report, and the policy says what is next.
    pub(super) fn attempt_failed(&mut self, now: Instant, error: Error, scope: Scope) {
        let phase = error.phase().unwrap_or(Phase::Connect);
        self.push_attempt(phase, Some(error));
        self.go_on(now, policy::next(self.plan.failover, scope));
    }

    pub(super) fn push_attempt(&mut self, phase: Phase, error: Option<Error>) {
        let Some(endpoint) = self.current().map(|target| target.endpoint.clone()) else { return };
        if self.attempts.is_empty() {
            // Most have one.
            self.attempts.reserve_exact(1);
        }
        self.attempts.push(Attempt {
            target: self.target,
            endpoint,
            peer: self.peer.clone(),
            phase,
            usable: false,
            error,
            tls: None,
            fell_back_to_plaintext: self.after_tls_failure,
            reused: false,
            notices: Vec::new(),
        });
    }

    pub(super) fn go_on(&mut self, now: Instant, next: Next) {
        match next {
            Next::Address => self.next_address(now),
            Next::SameInPlaintext => {
                self.after_tls_failure = true;
                match self.peer.clone() {
                    Some(peer) => {
                        // M65: a full connect once more, with the time that a connect has.
                        let timeout = self.current().map_or(LEAST_PER_ADDRESS, |target| {
                            target.config.timeouts.duration(Phase::Connect)
                        });
                        self.connect_deadline = timer::after(now, timeout);
                        self.addresses.clear();
                        self.connect(now, peer);
                    }
                    None => self.next_target(now),
                }
            }
            Next::Fresh => self.rewind_then(now, Self::open),
            Next::Target => self.next_target(now),
            Next::Nothing => self.finish(),
        }
    }
}
