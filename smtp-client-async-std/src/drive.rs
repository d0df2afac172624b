//! The loop: a machine, a transport, a source and a clock.
//!
//! Nothing here knows SMTP. Everything that is under way lives in [`Drive`], so dropping the future that polls it closes the transport
//! and ends all waiting, wherever it stands.

use std::{
    future::{pending, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use smtp_proto::{Action, Delivery, Plan, Probe, Report, ResolveError, error::BodyError};

use crate::{
    Observer,
    clock::{Alarm, Clock, Task, yield_now},
    dial::{Network, Transport},
    message::{Message, Source},
    pool::{Connections, Kept, Permit, Waiting},
};

#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;

/// Read at a time, into a buffer that lives no longer than the call. It is cleared for each, so it is small; replies are smaller still.
const READ: usize = 4 * 1024;
/// Turns without a pause; then others get theirs, and the runtime looks at the sockets (R55).
const TURNS: u32 = 32;

/// A transport, where there is one.
struct Wire<T> {
    transport: Option<T>,
    /// Nothing more can be read.
    ended: bool,
    /// All there was to read was read just now: by the turn before, without a pause since.
    emptied: bool,
    /// Something was read, and nothing has been written since.
    unanswered: bool,
    /// Others had a turn, and nothing was read since.
    yielded: bool,
    /// Something is to wake us when there is something to read.
    registered: bool,
}

impl<T: Transport> Wire<T> {
    const fn new(transport: Option<T>) -> Self {
        Self { transport, ended: false, emptied: false, unanswered: false, yielded: false, registered: false }
    }

    fn take(&mut self) -> Option<T> {
        std::mem::replace(self, Self::new(None)).transport
    }

    /// Reads once; whether anything came of it.
    fn poll_read(&mut self, cx: &mut Context<'_>, clock: &impl Clock, delivery: &mut Delivery) -> bool {
        let Some(transport) = self.transport.as_mut().filter(|_| !self.ended) else { return false };
        if self.registered {
            // What woke us is taken note of; the next wait would stumble over it.
            self.registered = transport.poll_readable(cx).is_pending();
        }
        if std::mem::take(&mut self.emptied) {
            return false;
        }
        let mut space = [0; READ];
        let read = loop {
            match transport.read_now(&mut space) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.emptied = true;
                    return false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map(|read| space.get(..read).unwrap_or_default()),
            }
        };
        self.yielded = false;
        match read {
            Ok([]) => {
                self.ended = true;
                delivery.handle_closed(clock.now(), None);
            }
            Ok(octets) => {
                self.emptied = octets.len() < READ;
                self.unanswered = true;
                delivery.handle_input(clock.now(), octets);
            }
            Err(cause) => {
                self.ended = true;
                delivery.handle_closed(clock.now(), Some(cause));
            }
        }
        true
    }

    /// Writes once; whether anything came of it. The result is reported before anything that is read later.
    fn poll_write(&mut self, cx: &mut Context<'_>, clock: &impl Clock, delivery: &mut Delivery) -> bool {
        let Some(transport) = self.transport.as_mut() else { return false };
        let octets = delivery.transmit();
        if octets.is_empty() {
            return false;
        }
        match Pin::new(transport).poll_write(cx, octets) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => delivery.handle_write_failed(clock.now(), io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(written)) => {
                self.unanswered = false;
                delivery.handle_transmitted(clock.now(), written);
            }
            Poll::Ready(Err(cause)) => delivery.handle_write_failed(clock.now(), cause),
        }
        true
    }

    /// Nothing is left to do but to wait; ready where something came of it after all.
    ///
    /// Others have a turn first: much of what a wait costs is the reactor's, and often the reply is there after that.
    fn poll_wait(&mut self, cx: &mut Context<'_>, clock: &impl Clock, delivery: &mut Delivery) -> Poll<()> {
        // What has come by the next look counts, whatever that is for.
        self.emptied = false;
        let Some(transport) = self.transport.as_mut().filter(|_| !self.ended) else { return Poll::Pending };
        if std::mem::take(&mut self.unanswered) {
            transport.acknowledge();
        }
        if !std::mem::replace(&mut self.yielded, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let readable = transport.poll_readable(cx);
        self.registered = readable.is_pending();
        readable.map(|readable| {
            if let Err(cause) = readable {
                // Nobody would wake us.
                self.ended = true;
                delivery.handle_closed(clock.now(), Some(cause));
            }
        })
    }
}

/// On the way to a transport, where that is under way.
enum Dialling<N: Network + Clock> {
    Nothing,
    Queue(Waiting<N>),
    Lookup(Task<Result<Vec<SocketAddr>, ResolveError>>),
    Connect(Task<io::Result<N::Transport>>),
}

/// What a delivery is carried out over.
pub(crate) struct Line<'a, N: Network + Clock> {
    pub(crate) network: &'a N,
    /// Where connections are kept, if they are.
    pub(crate) connections: Option<&'a Arc<Connections<N>>>,
    /// One that is there from the beginning.
    pub(crate) transport: Option<N::Transport>,
    /// Who reads the dialogue.
    pub(crate) observer: Option<Arc<Observer>>,
}

/// One delivery under way.
struct Drive<'a, N: Network + Clock> {
    network: &'a N,
    connections: Option<&'a Arc<Connections<N>>>,
    delivery: Delivery,
    source: Source,
    wire: Wire<N::Transport>,
    dialling: Dialling<N>,
    /// For what is in `wire`, and given back after it.
    permit: Option<Permit<N>>,
    alarm: Alarm,
    observer: Option<Arc<Observer>>,
    /// Why the source could not give what it should.
    failure: Option<io::Error>,
}

/// Carries a delivery out. The error is the source's.
pub(crate) async fn deliver<N: Network + Clock>(
    line: Line<'_, N>,
    delivery: Delivery,
    source: Source,
) -> (Report, Option<io::Error>) {
    deliver_until(line, delivery, source, pin!(pending())).await
}

/// The same, but it gives up when `cancel` is ready.
pub(crate) async fn deliver_until<N: Network + Clock>(
    line: Line<'_, N>,
    delivery: Delivery,
    source: Source,
    mut cancel: Pin<&mut impl Future<Output = ()>>,
) -> (Report, Option<io::Error>) {
    let mut drive = Drive {
        network: line.network,
        connections: line.connections,
        permit: None,
        delivery,
        source,
        wire: Wire::new(line.transport),
        dialling: Dialling::Nothing,
        alarm: Alarm::default(),
        observer: line.observer,
        failure: None,
    };
    let (mut turns, mut cancelled) = (0, false);
    loop {
        if let Some(report) = drive.obey() {
            return (report, drive.failure);
        }
        poll_fn(|cx| {
            // What has arrived by now counts.
            let turn = drive.poll_turn(cx);
            if cancelled || cancel.as_mut().poll(cx).is_pending() {
                return turn;
            }
            cancelled = true;
            drive.delivery.cancel(drive.network.now());
            Poll::Ready(())
        })
        .await;
        turns += 1;
        if turns % TURNS == 0 {
            drive.wire.emptied = false;
            yield_now().await;
        }
    }
}

/// A delivery without a message, to see what a target is like.
pub(crate) async fn probe<N: Network + Clock>(line: Line<'_, N>, plan: Arc<Plan>, target: usize) -> Probe {
    let network = line.network;
    let began = network.now();
    let nothing = Message::from_bytes(Vec::new()).into_source();
    let (report, _) = deliver(line, Delivery::probe(began, plan, target), nothing).await;
    report.into_probe(network.now().saturating_duration_since(began))
}

impl<N: Network + Clock> Drive<'_, N> {
    /// Does what the delivery asks for, until it asks for nothing more.
    fn obey(&mut self) -> Option<Report> {
        loop {
            while let Some(line) = self.delivery.poll_transcript() {
                if let Some(observer) = &self.observer {
                    observer(&line);
                }
            }
            match self.delivery.poll_action()? {
                Action::Acquire(need) => {
                    self.permit = None;
                    match self.connections {
                        Some(connections) => self.dialling = Dialling::Queue(connections.request(need)),
                        None => self.delivery.handle_acquired(self.network.now(), None),
                    }
                }
                Action::Keep(idle) => {
                    if let (Some(permit), Some(transport)) = (self.permit.take(), self.wire.take()) {
                        let alarm = std::mem::take(&mut self.alarm);
                        let observer = self.observer.clone();
                        permit.keep(idle, Kept { transport, alarm, observer });
                    }
                    self.source.release();
                }
                Action::Resolve { host, port } => {
                    self.dialling = Dialling::Lookup(self.network.resolve(host, port));
                }
                Action::Connect(peer) => self.dialling = Dialling::Connect(self.network.connect(peer)),
                Action::Disconnect => {
                    self.wire = Wire::new(None);
                    self.dialling = Dialling::Nothing;
                    self.source.release();
                }
                Action::Rewind => {
                    let rewound = self.source.rewind();
                    self.delivery.handle_rewound(self.network.now(), rewound);
                }
                Action::Answer(..) => {}
                Action::Finish(report) => return Some(report),
            }
        }
    }

    /// Each arm in this order. Ready when something came of any of them that another look is worth; otherwise every arm that may has
    /// registered to wake.
    ///
    /// Actions that an arm caused wait until the turn is over; until then the delivery has nothing to write and wants no content.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut progress = self.poll_dialling(cx);
        if progress && self.delivery.has_action() {
            // It may be to keep the connection again, and nobody else is to read what has come on it meanwhile.
            return Poll::Ready(());
        }
        progress |= self.wire.poll_read(cx, self.network, &mut self.delivery);
        let mut fed = false;
        // One write a flight: only when nothing more is to be had for it. What is wanted has a limit, so this ends.
        while self.poll_content(cx) {
            fed = true;
        }
        progress |= fed;
        let mut wrote = false;
        while self.wire.poll_write(cx, self.network, &mut self.delivery) {
            wrote = true;
        }
        // Where all was written and nothing was to be read, all there is to do now is wait.
        progress |= wrote && (self.delivery.has_action() || self.delivery.body_credit() > 0);
        progress |= self.poll_deadline(cx, progress);
        if progress {
            return Poll::Ready(());
        }
        self.wire.poll_wait(cx, self.network, &mut self.delivery)
    }

    fn poll_dialling(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.dialling {
            Dialling::Nothing => return false,
            Dialling::Queue(waiting) => {
                let Poll::Ready((kept, permit)) = waiting.poll(cx) else { return false };
                self.dialling = Dialling::Nothing;
                self.permit = Some(permit);
                let kept = kept.map(|(idle, kept)| {
                    self.wire = Wire::new(Some(kept.transport));
                    self.alarm = kept.alarm;
                    idle
                });
                self.delivery.handle_acquired(self.network.now(), kept);
            }
            Dialling::Lookup(lookup) => {
                let Poll::Ready(result) = lookup.as_mut().poll(cx) else { return false };
                self.dialling = Dialling::Nothing;
                self.delivery.handle_resolved(self.network.now(), result);
            }
            Dialling::Connect(connect) => {
                let Poll::Ready(result) = connect.as_mut().poll(cx) else { return false };
                self.dialling = Dialling::Nothing;
                let result = result.map(|transport| self.wire = Wire::new(Some(transport)));
                self.delivery.handle_connected(self.network.now(), result);
            }
        }
        true
    }

    /// Takes one piece of content, where one is wanted and there.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> bool {
        let credit = self.delivery.body_credit();
        if credit == 0 {
            return false;
        }
        let Poll::Ready(chunk) = self.source.poll_chunk(cx, credit) else { return false };
        let taken = match chunk {
            Ok([]) => {
                self.source.release();
                self.delivery.finish_body(self.network.now())
            }
            Ok(octets) => self.delivery.write_body(self.network.now(), octets),
            Err(cause) => {
                self.delivery.fail_body(self.network.now(), &cause);
                self.failure = Some(cause);
                Ok(())
            }
        };
        if let Err(error @ BodyError::SizeMismatch { .. }) = taken {
            self.failure = Some(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        true
    }

    /// Time passes also where something else always happens first.
    fn poll_deadline(&mut self, cx: &Context<'_>, busy: bool) -> bool {
        let deadline = self.delivery.poll_timeout();
        let passed = if busy {
            deadline.is_some_and(|deadline| deadline <= self.network.now())
        } else {
            self.alarm.poll(cx, self.network, deadline).is_ready()
        };
        if passed {
            self.delivery.handle_timeout(self.network.now());
        }
        passed
    }
}
