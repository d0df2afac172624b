//! The client over transports in memory, in time that can stop: what is this runtime's own in the tests that both share.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

use futures_io::{AsyncRead, AsyncWrite};

use smtp_proto::{Delivery, Envelope, Peer, Plan, Report, ResolveError, sasl::Credentials};
use smtp_testkit::{
    Far,
    far::{Near, Trickle},
};

pub(crate) use crate::message::Message;
use crate::{
    clock::{Clock, Task, yield_now},
    dial::{Network, Transport},
    drive::{self, Line, sim::Time},
    pool::Connections,
};

#[path = "../../tests/both/mod.rs"]
mod both;

struct Socket(Near);

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for Socket {
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.poll_read(&Context::from_waker(Waker::noop()), buf) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx).map(Ok)
    }
}

struct Reader(Trickle);

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, space)
    }
}

fn bytes(octets: &[u8]) -> Message {
    Message::from_bytes(octets.to_vec())
}

fn reader(trickle: Trickle) -> Message {
    Message::from_reader(Reader(trickle))
}

/// A test, in simulated time.
fn run<T>(test: impl AsyncFnOnce(Time) -> T) -> T {
    let time = Time::default();
    time.run(test(time.clone()))
}

#[derive(Clone)]
struct Net {
    time: Time,
    far: Far,
    /// What every name leads to.
    addresses: Vec<SocketAddr>,
    /// How many tasks have been begun.
    tasks: Arc<AtomicUsize>,
}

impl Clock for Net {
    fn now(&self) -> Instant {
        self.time.now()
    }

    fn sleep_until(&self, deadline: Instant) -> Task<()> {
        self.time.sleep_until(deadline)
    }

    fn spawn(&self, task: Task<()>) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
        self.time.spawn(task);
    }
}

impl Network for Net {
    type Transport = Socket;

    fn resolve(&self, _: String, _: u16) -> Task<Result<Vec<SocketAddr>, ResolveError>> {
        let addresses = self.addresses.clone();
        Box::pin(async {
            yield_now().await;
            Ok(addresses)
        })
    }

    fn connect(&self, peer: Peer) -> Task<io::Result<Socket>> {
        let far = self.far.clone();
        Box::pin(async move {
            yield_now().await;
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

    fn with_addresses(plan: Plan, far: &Far, time: &Time, addresses: Vec<SocketAddr>) -> Self {
        let (net, plan) =
            (Net { time: time.clone(), far: far.clone(), addresses, tasks: Arc::default() }, Arc::new(plan));
        Self { connections: Connections::new(net.clone(), &plan), net, plan }
    }

    async fn send(&self, credentials: Option<Credentials>, envelope: Envelope, message: Message) -> Report {
        let plan = Arc::clone(&self.plan);
        let delivery = Delivery::with_credentials(self.net.now(), plan, envelope, credentials);
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
