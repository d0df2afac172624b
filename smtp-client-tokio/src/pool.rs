//! Waiting for connections, and seeing those off that have to go. Which one serves whom, and which has to go, is decided in
//! [`smtp_proto::pool`].

use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::runtime;

use smtp_proto::{
    Delivery, Plan,
    pool::{Grant, Idle, Need, Pool, Ticket},
};

use crate::{
    Observer,
    dial::Network,
    drive::{self, Alarm, now},
    message::Message,
};

/// What is kept with a connection.
pub(crate) struct Kept<T> {
    pub(crate) transport: T,
    /// Set for a moment that is long past what the next message needs first, so it is not set anew.
    pub(crate) alarm: Alarm,
    /// Who reads its dialogue; the last message's observer hears how it ends.
    pub(crate) observer: Option<Arc<Observer>>,
    /// The runtime that looks after both.
    pub(crate) home: Option<runtime::Id>,
}

/// The runtime that polls us.
pub(crate) fn home() -> Option<runtime::Id> {
    runtime::Handle::try_current().ok().map(|runtime| runtime.id())
}

/// The connections of one client.
pub(crate) struct Connections<N: Network> {
    network: N,
    plan: Arc<Plan>,
    state: Mutex<State<N::Transport>>,
}

struct State<T> {
    pool: Pool<Kept<T>>,
    /// Who is waiting for a connection.
    asking: BTreeMap<Ticket, Waker>,
    /// Who is waiting until there is none.
    draining: Vec<Waker>,
    /// A task looks at the time while connections are idle, in this runtime,
    timed: Option<Option<runtime::Id>>,
    /// and is woken by this where that is due earlier than it thinks.
    watcher: Option<(Instant, Waker)>,
}

impl<N: Network> Connections<N> {
    /// `None`: the plan wants one connection a message.
    pub(crate) fn new(network: N, plan: &Arc<Plan>) -> Option<Arc<Self>> {
        let pool = Pool::of(plan)?;
        let state = State { pool, asking: BTreeMap::new(), draining: Vec::new(), timed: None, watcher: None };
        Some(Arc::new(Self { network, plan: Arc::clone(plan), state: Mutex::new(state) }))
    }

    /// Asks for a connection.
    pub(crate) fn request(self: &Arc<Self>, need: Need) -> Waiting<N> {
        let target = need.target;
        let ticket = self.attend(|pool| pool.request(now(), need));
        Waiting { connections: Arc::clone(self), target, ticket: Some(ticket) }
    }

    /// Ends what is idle, and what is in use once it is free; ready when there is no connection left.
    pub(crate) async fn close(self: &Arc<Self>) {
        self.attend(Pool::close);
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.pool.is_empty() {
                return Poll::Ready(());
            }
            if !state.draining.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.draining.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Ends what is idle, without waiting for it.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.attend(Pool::close);
    }

    fn lock(&self) -> MutexGuard<'_, State<N::Transport>> {
        // Nothing that runs under the lock leaves it half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the pool, and then what it wants done.
    fn attend<R>(self: &Arc<Self>, act: impl FnOnce(&mut Pool<Kept<N::Transport>>) -> R) -> R {
        let mut state = self.lock();
        let result = act(&mut state.pool);
        let mut wakers = Vec::new();
        while let Some(ticket) = state.pool.poll_served() {
            wakers.extend(state.asking.remove(&ticket));
        }
        if state.pool.is_empty() {
            wakers.append(&mut state.draining);
        }
        let due = state.pool.poll_timeout();
        // One that was granted and came back unused has been idle for longer than those behind it. Where nothing is idle, something will
        // be again after the next message; only who closes wants the task gone.
        let is_closed = state.pool.is_closed();
        if state.watcher.as_ref().is_some_and(|(watched, _)| due.map_or(is_closed, |due| due < *watched)) {
            wakers.extend(state.watcher.take().map(|(_, watcher)| watcher));
        }
        let goodbyes: Vec<_> = std::iter::from_fn(|| state.pool.poll_goodbye()).collect();
        // The task is where connections are kept: in another runtime it may stand still, or be gone soon.
        let here = home();
        let is_elsewhere = state.timed.is_some_and(|there| here.is_some() && there != here);
        let starts = due.is_some() && (state.timed.is_none() || is_elsewhere);
        if starts {
            state.timed = Some(here);
            wakers.extend(state.watcher.take().map(|(_, watcher)| watcher));
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        for (idle, kept) in goodbyes {
            self.see_off(idle, kept);
        }
        if starts {
            let timed = Timed { connections: Arc::clone(self), home: here, until: None, done: false };
            self.network.spawn(Box::pin(timed.watch()));
        }
        result
    }

    /// Ends a connection as it should end, in a task of its own; where there is no runtime any more, by dropping it.
    fn see_off(self: &Arc<Self>, idle: Idle, kept: Kept<N::Transport>) {
        let connections = Arc::clone(self);
        let permit = Permit { connections: Some(Arc::clone(self)), target: idle.target() };
        self.network.spawn(Box::pin(async move {
            let delivery = Delivery::farewell(now(), Arc::clone(&connections.plan), idle);
            let nothing = Message::from_bytes(Vec::new()).into_source();
            let line = drive::Line {
                network: &connections.network,
                connections: None,
                transport: Some(kept.transport),
                observer: kept.observer,
            };
            drive::deliver(line, delivery, nothing).await;
            drop(permit);
        }));
    }
}

impl<N: Network> fmt::Debug for Connections<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("idle", &self.lock().pool.idle()).finish_non_exhaustive()
    }
}

/// The task that looks at the time while connections are idle, and ends by itself when none has been for as long as one may be.
struct Timed<N: Network> {
    connections: Arc<Connections<N>>,
    /// The runtime that polls it.
    home: Option<runtime::Id>,
    /// Nothing has been idle lately; it ends then.
    until: Option<Instant>,
    done: bool,
}

impl<N: Network> Timed<N> {
    async fn watch(mut self) {
        let mut alarm = Alarm::default();
        poll_fn(|cx| self.poll(cx, &mut alarm)).await;
    }

    /// Nothing is idle: it stays for as long as something may be, since the next message will leave its connection.
    fn lingers(until: &mut Option<Instant>, connections: &Connections<N>) -> Option<Instant> {
        let now = now();
        let idle = connections.plan.reuse?.idle;
        let until = *until.get_or_insert(now.checked_add(idle)?);
        (now < until).then_some(until)
    }

    fn poll(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm) -> Poll<()> {
        loop {
            let mut state = self.connections.lock();
            if state.timed != Some(self.home) {
                self.done = true; // another one has taken over
                return Poll::Ready(());
            }
            let deadline = match state.pool.poll_timeout() {
                None if state.pool.is_closed() => None,
                None => Self::lingers(&mut self.until, &self.connections),
                due => {
                    self.until = None;
                    due
                }
            };
            state.timed = deadline.map(|_| self.home);
            state.watcher = deadline.map(|deadline| (deadline, cx.waker().clone()));
            drop(state);
            if deadline.is_none() {
                self.done = true;
                return Poll::Ready(());
            }
            std::task::ready!(alarm.poll(cx, deadline));
            self.connections.attend(|pool| pool.handle_timeout(now()));
        }
    }
}

impl<N: Network> Drop for Timed<N> {
    fn drop(&mut self) {
        if !self.done {
            // The runtime is going, and the transports with it.
            let mut state = self.connections.lock();
            if state.timed != Some(self.home) {
                return;
            }
            state.timed = None;
            let dead = state.pool.clear();
            drop(state);
            drop(dead);
        }
    }
}

/// Waits for a connection. Dropping it leaves the place in the queue to the next.
pub(crate) struct Waiting<N: Network> {
    connections: Arc<Connections<N>>,
    target: usize,
    ticket: Option<Ticket>,
}

/// A connection that was kept, and what may be done with it, or only the latter.
type Acquired<N> = (Option<(Idle, Kept<<N as Network>::Transport>)>, Permit<N>);

impl<N: Network> Waiting<N> {
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<Acquired<N>> {
        let Some(ticket) = self.ticket else { return Poll::Pending };
        let mut state = self.connections.lock();
        let Some(grant) = state.pool.collect(ticket) else {
            state.asking.insert(ticket, cx.waker().clone());
            return Poll::Pending;
        };
        drop(state);
        self.ticket = None;
        let permit = Permit { connections: Some(Arc::clone(&self.connections)), target: self.target };
        let kept = match grant {
            Grant::Kept(idle, kept) if kept.home == home() => Some((idle, kept)),
            // Another runtime may stand still, or be gone: then nobody would look at the socket, nor at the clock.
            Grant::Kept(..) | Grant::Fresh => None,
        };
        Poll::Ready((kept, permit))
    }
}

impl<N: Network> Drop for Waiting<N> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.connections.lock().asking.remove(&ticket);
            self.connections.attend(|pool| pool.withdraw(now(), ticket));
        }
    }
}

/// Leave to have one connection to a target. Dropping it gives that back.
pub(crate) struct Permit<N: Network> {
    /// `None`: given back.
    connections: Option<Arc<Connections<N>>>,
    target: usize,
}

impl<N: Network> Permit<N> {
    /// Gives the connection back along with it.
    pub(crate) fn keep(mut self, idle: Idle, kept: Kept<N::Transport>) {
        if let Some(connections) = self.connections.take() {
            connections.attend(|pool| pool.keep(now(), idle, kept));
        }
    }
}

impl<N: Network> Drop for Permit<N> {
    fn drop(&mut self) {
        if let Some(connections) = self.connections.take() {
            connections.attend(|pool| pool.release(now(), self.target));
        }
    }
}
