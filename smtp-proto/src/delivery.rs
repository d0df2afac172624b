//! One message to one of several targets: failover as a pure machine.
//!
//! `Delivery` owns the plan, the envelope and at most one [`Connection`]. It asks its adapter for a handful of [`Action`]s and otherwise
//! passes octets through. What to do after a failure is decided by the table in `policy.rs`; this file only carries it out.

mod route;
mod session;

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Phase,
    config::Link,
    connection::{Connection, Notice},
    envelope::{Envelope, Sender},
    error::{BodyError, Disposition, Error, Failure},
    lookup::ResolveError,
    plan::{Peer, Plan},
    policy::{Next, Scope},
    pool::{Idle, Need},
    reply::Reply,
    report::{Attempt, Found, RecipientReport, Report},
    sasl::Credentials,
    transaction::RecipientId,
    transcript::Line,
};

/// What the adapter is asked to do. Exhaustive on purpose: a new action must break every adapter's build.
#[derive(Debug)]
pub enum Action {
    /// Get a connection of this kind out of a pool, or leave to open one; answer with [`Delivery::handle_acquired`]. Only where the plan
    /// has connections used again ([`Plan::reuse`]); an adapter without a pool answers `None` at once.
    ///
    /// What was acquired before, if anything, is no longer needed.
    Acquire(Need),
    /// Put the connection into the pool, with its transport; or drop both.
    Keep(Idle),
    /// Look up the addresses of a name; answer with [`Delivery::handle_resolved`].
    Resolve {
        /// The name, as A-labels.
        host: String,
        /// The port the addresses are to have.
        port: u16,
    },
    /// Open a transport; answer with [`Delivery::handle_connected`].
    Connect(Peer),
    /// Drop the transport, or whatever lookup or connect is under way.
    Disconnect,
    /// Take the content from its beginning again; answer with [`Delivery::handle_rewound`].
    Rewind,
    /// The server answered a RCPT; the index is that of the envelope.
    Answer(RecipientId, Reply),
    /// All is known. Nothing follows.
    Finish(Report),
}

/// The least time an address gets before the next one is tried.
const LEAST_PER_ADDRESS: Duration = Duration::from_secs(2);

/// A connection that was idle for no longer is taken to be alive, and may get a message whole in one flight; from any other, a sign of life
/// is awaited first.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum State {
    Acquiring,
    Resolving,
    Connecting {
        until: Instant,
    },
    Session,
    /// Closed; its last words are being written.
    Lingering {
        until: Instant,
    },
    Rewinding {
        go_on: fn(&mut Delivery, Instant),
    },
    Finished,
}

/// One delivery as a pure state machine; the grammar is [`Connection`]'s.
#[derive(Debug)]
pub struct Delivery {
    plan: Arc<Plan>,
    envelope: Envelope,
    forwarded: Option<Credentials>,
    state: State,
    actions: VecDeque<Action>,
    lines: VecDeque<Line>,
    total_deadline: Option<Instant>,

    /// Index of the target in use.
    target: usize,
    /// Addresses of it that are still to be tried.
    addresses: VecDeque<Peer>,
    connect_deadline: Instant,
    /// The address in use, and whether this is the plaintext retry.
    peer: Option<Peer>,
    after_tls_failure: bool,
    connection: Option<Box<Connection>>,
    /// When it was opened, and how many messages it has served.
    opened: Instant,
    served: u32,
    /// Since when it has been idle, where nothing has been heard on it since.
    quiet: Option<Instant>,
    /// A kept connection was found dead, and is replaced once (D28).
    replaced: bool,
    /// What to do when the last words are out.
    then: Next,

    attempts: Vec<Attempt>,
    /// The outcome of each recipient so far, and the attempt that gave it.
    outcomes: Vec<Option<(Disposition, usize)>>,
    /// Which recipient of the envelope each recipient of the transaction is.
    offered: Vec<usize>,
    content_taken: bool,
    /// Cancelled, or out of time: whatever ended the session, nothing follows.
    given_up: bool,
    round_trips: u32,
    /// A probe: one target, no message.
    found: Option<Found>,
}

impl Delivery {
    /// A delivery that begins at once: poll for its first action.
    #[must_use]
    pub fn new(now: Instant, plan: Arc<Plan>, envelope: Envelope) -> Self {
        Self::with_credentials(now, plan, envelope, None)
    }

    /// The same with the submitting client's credentials, for `auth forward` (M45).
    #[must_use]
    pub fn with_credentials(
        now: Instant,
        plan: Arc<Plan>,
        envelope: Envelope,
        forwarded: Option<Credentials>,
    ) -> Self {
        let mut delivery = Self {
            total_deadline: plan.total_timeout.and_then(|timeout| now.checked_add(timeout)),
            outcomes: envelope.recipients.iter().map(|_| None).collect(),
            plan,
            envelope,
            forwarded,
            state: State::Resolving,
            actions: VecDeque::new(),
            lines: VecDeque::new(),
            target: 0,
            addresses: VecDeque::new(),
            connect_deadline: now,
            peer: None,
            after_tls_failure: false,
            connection: None,
            opened: now,
            served: 0,
            quiet: None,
            replaced: false,
            then: Next::Nothing,
            attempts: Vec::new(),
            offered: Vec::new(),
            content_taken: false,
            given_up: false,
            round_trips: 0,
            found: None,
        };
        if delivery.envelope.recipients.is_empty() {
            delivery.finish();
        } else {
            delivery.start_target(now);
        }
        delivery
    }

    /// A look at one target of the plan, as far as a message could be sent, and QUIT: greeting, hello, STARTTLS, authentication.
    ///
    /// All its addresses are tried until one connects. No plaintext retry is made where TLS fails: that is what a probe is to find out.
    /// The report has no recipients, one attempt an address, and [`Report::found`].
    #[must_use]
    pub fn probe(now: Instant, plan: Arc<Plan>, target: usize) -> Self {
        let mut probe = Self::new(now, plan, Envelope::new(Sender::null(), Vec::new()));
        probe.actions.clear();
        probe.found = Some(Found::default());
        probe.target = target;
        probe.start_target(now);
        probe
    }

    /// Ends a connection that was kept, with QUIT. The transport is there already; the report that it finishes with is empty.
    #[must_use]
    pub fn farewell(now: Instant, plan: Arc<Plan>, idle: Idle) -> Self {
        let mut delivery = Self::new(now, plan, Envelope::new(Sender::null(), Vec::new()));
        delivery.actions.clear();
        delivery.target = idle.target;
        delivery.connection = Some(idle.connection);
        delivery.state = State::Session;
        delivery.given_up = true;
        delivery.with_connection(now, |connection| connection.quit(now));
        delivery
    }

    // ---- the transport or the clock spoke ----------------------------------------------------------------------------------------

    /// There is a kept connection for it, or one may be opened. Ignored unless one was asked for.
    pub fn handle_acquired(&mut self, now: Instant, kept: Option<Idle>) {
        if !matches!(self.state, State::Acquiring) {
            return;
        }
        let Some(idle) = kept else { return self.open(now) };
        let Idle { mut connection, peer, fell_back_to_plaintext, opened, since, messages, .. } = idle;
        if now.saturating_duration_since(since) > FRESH {
            connection.expect_stale();
        }
        self.peer = peer;
        self.after_tls_failure = false;
        self.opened = opened;
        self.served = messages;
        self.quiet = Some(since);
        self.push_attempt(Phase::Mail, None);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.reused = true;
            attempt.fell_back_to_plaintext = fell_back_to_plaintext;
        }
        self.connection = Some(connection);
        self.state = State::Session;
        self.on_ready(now);
        self.pump(now);
    }

    /// The lookup has ended. Ignored unless one was asked for.
    pub fn handle_resolved(&mut self, now: Instant, result: Result<Vec<SocketAddr>, ResolveError>) {
        if !matches!(self.state, State::Resolving) {
            return;
        }
        let result = match result {
            Ok(addresses) if addresses.is_empty() => Err(ResolveError::new(true, "the name has no address")),
            other => other,
        };
        match result {
            Ok(addresses) => {
                self.addresses = addresses.into_iter().map(Peer::Tcp).collect();
                self.next_address(now);
            }
            Err(ResolveError { not_found, message }) => {
                let error = Error::Resolve { not_found, message: message.into() };
                self.attempt_failed(now, error, Scope::Target);
            }
        }
    }

    /// The transport is open, or could not be opened. Ignored unless one was asked for.
    pub fn handle_connected(&mut self, now: Instant, result: io::Result<()>) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        if let Err(cause) = result {
            let error = Error::Lost { phase: Phase::Connect, cause: Some(Arc::new(cause)) };
            return self.attempt_failed(now, error, Scope::Address);
        }
        let Some(target) = self.current() else { return };
        let config =
            if self.after_tls_failure { target.without_starttls() } else { Arc::clone(&target.config) };
        let link = Link {
            local: self.peer.as_ref().is_some_and(Peer::is_local),
            after_tls_failure: self.after_tls_failure,
            forwarded: self.forwarded.clone(),
            server: target.endpoint.host().map(str::to_owned).zip(target.endpoint.port()),
        };
        self.push_attempt(Phase::Greeting, None);
        if self.replaced {
            self.on_notice(Notice::Replaced);
        }
        self.opened = now;
        self.served = 0;
        self.quiet = None;
        self.connection = Some(Box::new(Connection::with_link(now, config, link)));
        self.state = State::Session;
        self.pump(now);
    }

    /// Octets arrived.
    pub fn handle_input(&mut self, now: Instant, data: &[u8]) {
        self.with_connection(now, |connection| connection.handle_input(now, data));
    }

    /// The transport took the first `len` octets of [`transmit`](Self::transmit).
    pub fn handle_transmitted(&mut self, now: Instant, len: usize) {
        self.with_connection(now, |connection| connection.handle_transmitted(now, len));
    }

    /// Writing failed; reading goes on.
    pub fn handle_write_failed(&mut self, now: Instant, cause: io::Error) {
        self.with_connection(now, |connection| connection.handle_write_failed(now, cause));
        self.stop_lingering(now);
    }

    /// The transport reached its end.
    pub fn handle_closed(&mut self, now: Instant, cause: Option<io::Error>) {
        self.with_connection(now, |connection| connection.handle_closed(now, cause));
        self.stop_lingering(now);
    }

    /// The content can be had from its beginning again, or not.
    pub fn handle_rewound(&mut self, now: Instant, result: io::Result<()>) {
        let State::Rewinding { go_on } = self.state else { return };
        match result {
            Ok(()) => {
                self.content_taken = false;
                go_on(self, now);
            }
            // What was decided so far stands: nobody else can be offered a message that cannot be had again.
            Err(_) => self.finish(),
        }
    }

    /// Time passed. Harmless when early.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.total_deadline.is_some_and(|deadline| deadline <= now) {
            return self.give_up(now, Error::Deadline);
        }
        match self.state {
            State::Resolving if self.connect_deadline <= now => {
                self.actions.push_back(Action::Disconnect);
                self.attempt_failed(now, Error::Timeout(Phase::Connect), Scope::Target);
            }
            State::Connecting { until } if until <= now => {
                self.actions.push_back(Action::Disconnect);
                if self.connect_deadline <= now {
                    self.addresses.clear();
                }
                self.attempt_failed(now, Error::Timeout(Phase::Connect), Scope::Address);
            }
            State::Lingering { until } if until <= now => self.stop_lingering(now),
            State::Session => self.with_connection(now, |connection| connection.handle_timeout(now)),
            _ => {}
        }
    }

    // ---- the application wants ---------------------------------------------------------------------------------------------------

    /// Content octets; ask [`body_credit`](Self::body_credit) first.
    ///
    /// # Errors
    /// As [`Connection::write_body`]. After an error other than [`BodyError::NotWanted`] the delivery ends by itself.
    pub fn write_body(&mut self, now: Instant, data: &[u8]) -> Result<(), BodyError> {
        self.with_body(now, |connection| connection.write_body(now, data))
    }

    /// The content is complete.
    ///
    /// # Errors
    /// As [`write_body`](Self::write_body).
    pub fn finish_body(&mut self, now: Instant) -> Result<(), BodyError> {
        let keeps = self.keeps(now);
        self.with_body(now, |connection| {
            connection.finish_body(now)?;
            if !keeps {
                // Its last message (M41): QUIT rides behind the end mark where PIPELINING allows it.
                connection.quit(now);
            }
            Ok(())
        })
    }

    /// The content's source failed: nothing more of the message is sent anywhere (SPEC section 6, row 13).
    pub fn fail_body(&mut self, now: Instant, cause: &io::Error) {
        self.given_up |= self.connection.is_some();
        self.with_connection(now, |connection| connection.fail_body(now, cause));
    }

    /// Gives up: the transport is dropped, everybody undecided is deferred, or uncertain where the server may have the message.
    pub fn cancel(&mut self, now: Instant) {
        self.give_up(now, |_| Error::Cancelled);
    }

    fn give_up(&mut self, now: Instant, error: impl FnOnce(Phase) -> Error) {
        self.given_up = true;
        match (&self.state, self.connection.as_mut()) {
            (State::Finished, _) => {}
            (State::Session, Some(connection)) => {
                let error = error(connection.phase());
                connection.abort(now, error);
                self.pump(now);
            }
            (State::Lingering { .. }, _) => {
                self.then = Next::Nothing;
                self.stop_lingering(now);
            }
            _ => {
                self.actions.push_back(Action::Disconnect);
                self.push_attempt(Phase::Connect, Some(error(Phase::Connect)));
                self.finish();
            }
        }
    }

    // ---- the machine wants -------------------------------------------------------------------------------------------------------

    /// The next thing to do.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether there is a next thing to do.
    #[must_use]
    pub fn has_action(&self) -> bool {
        !self.actions.is_empty()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Resolving => Some(self.connect_deadline),
            State::Connecting { until } | State::Lingering { until } => Some(*until),
            State::Session => self.connection.as_ref().and_then(|connection| connection.poll_timeout()),
            State::Acquiring | State::Rewinding { .. } => None,
            State::Finished => return None,
        };
        match (own, self.total_deadline) {
            (Some(own), Some(total)) => Some(own.min(total)),
            (own, total) => own.or(total),
        }
    }

    /// The octets to write now; see [`Connection::transmit`].
    #[must_use]
    pub fn transmit(&mut self) -> &[u8] {
        match self.connection.as_mut() {
            Some(connection) => connection.transmit(),
            None => &[],
        }
    }

    /// How many content octets are wanted now.
    #[must_use]
    pub fn body_credit(&self) -> usize {
        self.connection.as_ref().map_or(0, |connection| connection.body_credit())
    }

    /// The next line of the dialogue, where the configuration asks for a transcript.
    #[must_use]
    pub fn poll_transcript(&mut self) -> Option<Line> {
        self.lines.pop_front()
    }

    // ---- the end -----------------------------------------------------------------------------------------------------------------

    /// Whoever is not decided gets what ended the last attempt (M40).
    fn finish(&mut self) {
        self.state = State::Finished;
        let last = self.attempts.len().checked_sub(1);
        let cause = self
            .attempts
            .last()
            .and_then(|attempt| attempt.error.clone().map(|error| Failure::new(attempt.phase, error)))
            .unwrap_or_else(|| Failure::new(Phase::Connect, Error::Cancelled));
        let recipients = self
            .envelope
            .recipients
            .iter()
            .zip(std::mem::take(&mut self.outcomes))
            .map(|(recipient, outcome)| {
                let (disposition, attempt) = match outcome {
                    Some((disposition, attempt)) => (disposition, Some(attempt)),
                    None => (Disposition::failed(cause.clone()), last),
                };
                RecipientReport { recipient: recipient.clone(), disposition, attempt }
            })
            .collect();
        let attempts = std::mem::take(&mut self.attempts);
        let (round_trips, found) = (self.round_trips, self.found.take());
        self.actions.push_back(Action::Finish(Report { recipients, attempts, round_trips, found }));
    }
}
