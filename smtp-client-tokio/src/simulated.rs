//! The client over transports in memory, in time that can stop: what is this runtime's own in the tests that both share.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use smtp_proto::{Delivery, Envelope, Peer, Plan, Report, ResolveError, sasl::Credentials};
use smtp_testkit::{
    Far,
    far::{Near, Trickle},
};

pub(crate) use crate::message::Message;
use crate::{
    dial::{Network, Task, Transport},
    drive::{self, Line},
    pool::Connections,
};

#[path = "../../tests/both/mod.rs"]
mod both;

struct Socket(Near);

impl Transport for Socket {}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.0.poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Reader(Trickle);

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.0.poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

fn bytes(octets: &[u8]) -> Message {
    Message::from_bytes(octets.to_vec())
}

fn reader(trickle: Trickle) -> Message {
    Message::from_reader(Reader(trickle))
}

/// The runtime's, paused: it passes when nothing else happens.
#[derive(Clone)]
struct Time;

impl Time {
    fn now(&self) -> Instant {
        drive::now()
    }

    fn sleep_until(&self, instant: Instant) -> Task<()> {
        Box::pin(tokio::time::sleep_until(instant.into()))
    }
}

/// A test, in a runtime of its own.
fn run<T>(test: impl AsyncFnOnce(Time) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test(Time))
}

/// Once to the runtime and back: connecting is not done in no time.
async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[derive(Clone)]
struct Net {
    far: Far,
    /// What every name leads to.
    addresses: Vec<SocketAddr>,
    /// How many tasks have been begun.
    tasks: Arc<AtomicUsize>,
}

impl Network for Net {
    type Transport = Socket;

    fn resolve(&self, _: String, _: u16) -> Task<Result<Vec<SocketAddr>, ResolveError>> {
        let addresses = self.addresses.clone();
        Box::pin(async {
            pause().await;
            Ok(addresses)
        })
    }

    fn spawn(&self, task: Task<()>) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(task);
    }

    fn connect(&self, peer: Peer) -> Task<io::Result<Socket>> {
        let far = self.far.clone();
        Box::pin(async move {
            pause().await;
            match far.dial(peer) {
                Some(dialled) => dialled.map(Socket),
                None => std::future::pending().await,
            }
        })
    }
}

/// The crate's, but for where its sockets come from.
struct Client {
    net: Net,
    plan: Arc<Plan>,
    connections: Option<Arc<Connections<Net>>>,
}

impl Client {
    fn new(plan: Plan, far: &Far, time: &Time) -> Self {
        Self::with_addresses(plan, far, time, Vec::new())
    }

    fn with_addresses(plan: Plan, far: &Far, _: &Time, addresses: Vec<SocketAddr>) -> Self {
        let (net, plan) = (Net { far: far.clone(), addresses, tasks: Arc::default() }, Arc::new(plan));
        Self { connections: Connections::new(net.clone(), &plan), net, plan }
    }

    async fn send(&self, credentials: Option<Credentials>, envelope: Envelope, message: Message) -> Report {
        let plan = Arc::clone(&self.plan);
        let delivery = Delivery::with_credentials(drive::now(), plan, envelope, credentials);
        let connections = self.connections.as_ref();
        let line = Line { network: &self.net, connections, transport: None, observer: None };
        drive::deliver(line, delivery, message.into_source()).await.0
    }

    /// How many tasks have been begun on its account.
    fn tasks(&self) -> usize {
        self.net.tasks.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        if let Some(connections) = &self.connections {
            connections.close().await;
        }
    }

    /// As the last clone that is dropped does it.
    fn abandon(&self) {
        if let Some(connections) = &self.connections {
            connections.abandon();
        }
    }
}
