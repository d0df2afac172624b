//! Which connection may serve which message, and which must go: decisions alone; waiting is the adapters' (D28).
//!
//! A [`Delivery`](crate::Delivery) says what it [`Need`]s; the adapter asks the [`Pool`] for it and waits until the [`Ticket`] it got is
//! served: by a kept connection, or by leave to open one. Whoever was served has one connection of its target, and gives it back by
//! [`Pool::keep`] or [`Pool::release`], whatever becomes of it; so there are never more than [`Limits::connections`] of them, those
//! included that are saying goodbye. Asking is first come, first served.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::{Duration, Instant},
};

use crate::{
    connection::Connection,
    plan::{Peer, Plan},
    sasl::Credentials,
    timer,
};

#[cfg(test)]
mod tests;

/// How many connections there may be, and how long one is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Connections to one target at a time, in use and idle together; 0 is taken as 1. Default 20.
    pub connections: usize,
    /// How long a connection may be idle before it is ended (N13). Default 60 seconds.
    pub idle: Duration,
    /// How old a connection may be when it is kept once more. Default 5 minutes.
    pub age: Duration,
    /// Messages over one connection; 0 is taken as 1. Default 100.
    pub messages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 20, idle: Duration::from_secs(60), age: Duration::from_secs(300), messages: 100 }
    }
}

impl Limits {
    /// The defaults, but for so many connections to a target.
    #[must_use]
    pub fn connections(connections: usize) -> Self {
        Self { connections, ..Self::default() }
    }

    /// Whether a connection that was opened then, and has served so many messages, may serve another one.
    pub(crate) fn allow(&self, now: Instant, opened: Instant, messages: u32) -> bool {
        messages < self.messages.max(1) && now.saturating_duration_since(opened) < self.age
    }
}

/// What a connection must be like to serve a message: its target, whose credentials, whether in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Need {
    /// The target's index in the plan.
    pub target: usize,
    /// The submitting client's credentials, where the message came with some: nobody else's connection will do.
    pub credentials: Option<Credentials>,
    /// Only a connection under TLS will do (R196).
    pub require_tls: bool,
}

impl Need {
    /// A connection to this target, with nothing special about it.
    #[must_use]
    pub const fn target(target: usize) -> Self {
        Self { target, credentials: None, require_tls: false }
    }
}

/// A connection between two messages: in step, with nothing asked and nothing half said (D29).
pub struct Idle {
    pub(crate) connection: Box<Connection>,
    pub(crate) target: usize,
    pub(crate) peer: Option<Peer>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) fell_back_to_plaintext: bool,
    pub(crate) opened: Instant,
    pub(crate) since: Instant,
    pub(crate) messages: u32,
}

impl Idle {
    /// The target's index in the plan.
    #[must_use]
    pub const fn target(&self) -> usize {
        self.target
    }

    /// Where it leads.
    #[must_use]
    pub const fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// How many messages it has served.
    #[must_use]
    pub const fn messages(&self) -> u32 {
        self.messages
    }

    fn suits(&self, need: &Need) -> bool {
        self.credentials == need.credentials && (!need.require_tls || self.connection.tls().is_some())
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idle")
            .field("target", &self.target)
            .field("peer", &self.peer)
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What a ticket is good for. Either is one connection of the target, to be given back.
#[derive(Debug)]
pub enum Grant<T> {
    /// This one, over this transport.
    Kept(Idle, T),
    /// Leave to open one.
    Fresh,
}

/// One target's connections.
#[derive(Debug)]
struct Lane<T> {
    /// Granted and not given back, goodbyes among them.
    out: usize,
    /// In the order in which they were kept.
    idle: VecDeque<(Idle, T)>,
    waiting: VecDeque<(Ticket, Need)>,
    /// Ended to make room, and not gone yet.
    leaving: usize,
}

impl<T> Lane<T> {
    fn put(&mut self, idle: Idle, transport: T) {
        let behind = self.idle.iter().rposition(|(other, _)| other.since <= idle.since);
        self.idle.insert(behind.map_or(0, |index| index + 1), (idle, transport));
    }

    fn gone(&mut self) {
        self.out = self.out.saturating_sub(1);
        self.leaving = self.leaving.saturating_sub(1);
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { out: 0, idle: VecDeque::new(), waiting: VecDeque::new(), leaving: 0 }
    }
}

/// The connections of one client, by target. `T` is what the adapter has for a connection: its transport.
#[derive(Debug)]
pub struct Pool<T> {
    limits: Limits,
    lanes: BTreeMap<usize, Lane<T>>,
    granted: BTreeMap<Ticket, (usize, Grant<T>)>,
    served: VecDeque<Ticket>,
    goodbyes: VecDeque<(Idle, T)>,
    tickets: u64,
    closed: bool,
}

impl<T> Pool<T> {
    /// A pool with nothing in it.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: BTreeMap::new(),
            granted: BTreeMap::new(),
            served: VecDeque::new(),
            goodbyes: VecDeque::new(),
            tickets: 0,
            closed: false,
        }
    }

    /// The pool that a plan asks for; `None`: it wants one connection a message.
    #[must_use]
    pub fn of(plan: &Plan) -> Option<Self> {
        plan.reuse.map(Self::new)
    }

    // ---- a message wants -----------------------------------------------------------------------------------------------------------

    /// Asks for a connection. See at once whether the ticket is served already: [`collect`](Self::collect).
    pub fn request(&mut self, now: Instant, need: Need) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let target = need.target;
        self.lanes.entry(target).or_default().waiting.push_back((ticket, need));
        self.serve(now, target);
        ticket
    }

    /// What the ticket is good for, once it is served. It is void thereafter.
    pub fn collect(&mut self, ticket: Ticket) -> Option<Grant<T>> {
        let (_, grant) = self.granted.remove(&ticket)?;
        self.served.retain(|served| *served != ticket);
        Some(grant)
    }

    /// Whoever held the ticket is gone: what it was or would have been good for is the next one's.
    pub fn withdraw(&mut self, now: Instant, ticket: Ticket) {
        if let Some((target, grant)) = self.granted.remove(&ticket) {
            self.served.retain(|served| *served != ticket);
            let lane = self.lanes.entry(target).or_default();
            match grant {
                // Nothing is kept any more, so it goes, and counts until it is gone.
                Grant::Kept(idle, transport) if self.closed => self.goodbyes.push_back((idle, transport)),
                Grant::Kept(idle, transport) => {
                    lane.gone();
                    lane.put(idle, transport);
                }
                Grant::Fresh => lane.gone(),
            }
            return self.serve(now, target);
        }
        // A lane is as long as there are messages under way; who gives up is rare.
        let lane = self.lanes.iter_mut().find_map(|(target, lane)| {
            let before = lane.waiting.len();
            lane.waiting.retain(|(waiting, _)| *waiting != ticket);
            (lane.waiting.len() < before).then_some(*target)
        });
        // Whoever stood behind may take what would not have done for this one.
        if let Some(target) = lane {
            self.serve(now, target);
        }
    }

    /// A granted connection is gone.
    pub fn release(&mut self, now: Instant, target: usize) {
        if let Some(lane) = self.lanes.get_mut(&target) {
            lane.gone();
        }
        self.serve(now, target);
    }

    /// A granted connection is free again. It may have to go all the same: see [`poll_goodbye`](Self::poll_goodbye).
    pub fn keep(&mut self, now: Instant, idle: Idle, transport: T) {
        let target = idle.target;
        let fit = !self.closed
            && idle.connection.is_reusable()
            && self.limits.allow(now, idle.opened, idle.messages);
        let lane = self.lanes.entry(target).or_default();
        if fit {
            lane.gone();
            lane.put(idle, transport);
        } else {
            self.goodbyes.push_back((idle, transport));
        }
        self.serve(now, target);
    }

    /// Keeps nothing from now on: what is idle goes, and what is in use goes when it is kept.
    pub fn close(&mut self) {
        self.closed = true;
        for lane in self.lanes.values_mut() {
            lane.out += lane.idle.len();
            self.goodbyes.append(&mut lane.idle);
        }
    }

    /// Takes out what is idle, to be dropped: nobody can say goodbye any more.
    #[must_use]
    pub fn clear(&mut self) -> Vec<(Idle, T)> {
        self.lanes.values_mut().flat_map(|lane| lane.idle.drain(..)).collect()
    }

    /// Time passed: what was idle for too long goes.
    pub fn handle_timeout(&mut self, now: Instant) {
        let limit = self.limits.idle;
        for lane in self.lanes.values_mut() {
            while lane.idle.front().is_some_and(|(idle, _)| timer::after(idle.since, limit) <= now) {
                lane.out += 1;
                self.goodbyes.extend(lane.idle.pop_front());
            }
        }
    }

    // ---- the pool wants ------------------------------------------------------------------------------------------------------------

    /// A ticket that was served while its holder waited.
    pub fn poll_served(&mut self) -> Option<Ticket> {
        self.served.pop_front()
    }

    /// A connection to end with QUIT ([`Delivery::farewell`](crate::Delivery::farewell)); thereafter it is [`release`](Self::release)d.
    pub fn poll_goodbye(&mut self) -> Option<(Idle, T)> {
        self.goodbyes.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // In the order in which they were kept, so the first one is the first to go.
        let first =
            |lane: &Lane<T>| lane.idle.front().map(|(idle, _)| timer::after(idle.since, self.limits.idle));
        self.lanes.values().filter_map(first).min()
    }

    /// It keeps nothing any more.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// There is no connection, idle or in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.values().all(|lane| lane.out == 0 && lane.idle.is_empty())
    }

    /// How many connections are idle.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.lanes.values().map(|lane| lane.idle.len()).sum()
    }

    // ---- decisions -----------------------------------------------------------------------------------------------------------------

    /// Serves those who wait for this target as far as it goes, in order.
    fn serve(&mut self, now: Instant, target: usize) {
        self.handle_timeout(now);
        let most = self.limits.connections.max(1);
        let Some(lane) = self.lanes.get_mut(&target) else { return };
        while let Some((_, need)) = lane.waiting.front() {
            // The one that was used last is the least likely to have died.
            let kept = lane.idle.iter().rposition(|(idle, _)| idle.suits(need));
            let grant = match kept.and_then(|index| lane.idle.remove(index)) {
                Some((idle, transport)) => Grant::Kept(idle, transport),
                None if lane.out + lane.idle.len() < most => Grant::Fresh,
                None => {
                    // One that suits nobody here makes room, and counts until it is gone.
                    while lane.leaving < lane.waiting.len() {
                        let Some(oldest) = lane.idle.pop_front() else { break };
                        lane.out += 1;
                        lane.leaving += 1;
                        self.goodbyes.push_back(oldest);
                    }
                    return;
                }
            };
            lane.out += 1;
            if let Some((ticket, _)) = lane.waiting.pop_front() {
                self.granted.insert(ticket, (target, grant));
                self.served.push_back(ticket);
            }
        }
    }
}
