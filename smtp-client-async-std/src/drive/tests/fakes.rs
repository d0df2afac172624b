//! Transports and networks that can be spied upon and broken.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::future::zip;

use smtp_proto::Peer;

use super::{
    super::{
        sim::{Duplex, Time, duplex},
        *,
    },
    common::Script,
};

/// What happens to one connect, in order; then connects are refused.
pub(super) enum Dial {
    Stream(Fake),
    Refused,
    Hole,
}

/// A duplex stream that can be spied upon and broken.
pub(super) struct Fake {
    pub(super) stream: Duplex,
    pub(super) writes: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Writing fails after so many octets.
    pub(super) breaks_after: usize,
    pub(super) acknowledged: Arc<AtomicUsize>,
    /// How often somebody asked to be woken for more,
    pub(super) waits: Arc<AtomicUsize>,
    /// and was told that there was more when it had been read already.
    pub(super) stumbles: Arc<AtomicUsize>,
    /// Nobody can be woken for more.
    pub(super) unwatchable: bool,
    /// Somebody is to be woken,
    asked: bool,
    /// and has read what it was for, without taking note of that.
    woken: bool,
}

impl Fake {
    pub(super) fn pair(capacity: usize) -> (Self, Script<Duplex>) {
        let (ours, theirs) = duplex(capacity);
        let (writes, acknowledged, waits, stumbles) = <_>::default();
        let fake = Self {
            stream: ours,
            writes,
            breaks_after: usize::MAX,
            acknowledged,
            waits,
            stumbles,
            unwatchable: false,
            asked: false,
            woken: false,
        };
        (fake, Script::new(theirs))
    }
}

impl AsyncWrite for Fake {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.breaks_after == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let most = buf.len().min(self.breaks_after);
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, &buf[..most]))?;
        self.breaks_after -= written;
        self.writes.lock().unwrap().push(buf[..written].to_vec());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl Transport for Fake {
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read_now(buf)?;
        self.woken |= self.asked;
        Ok(read)
    }

    /// As the reactor has it: it says once what it has seen, whatever became of that.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unwatchable {
            return Poll::Ready(Err(io::Error::other("the reactor is full")));
        }
        let readable = self.stream.poll_readable(cx);
        let stumbles = std::mem::take(&mut self.woken) && readable.is_pending();
        if stumbles {
            self.stumbles.fetch_add(1, Ordering::Relaxed);
        }
        self.asked = readable.is_pending() && !stumbles;
        if self.asked {
            self.waits.fetch_add(1, Ordering::Relaxed);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn acknowledge(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
pub(super) struct Net {
    pub(super) time: Time,
    pub(super) dials: Mutex<VecDeque<Dial>>,
    pub(super) dialled: Mutex<Vec<Peer>>,
    /// What lookups find; `None`: nothing ever.
    pub(super) names: Option<Result<Vec<SocketAddr>, ResolveError>>,
}

impl Net {
    pub(super) fn new(dials: impl IntoIterator<Item = Dial>) -> Self {
        Self { dials: Mutex::new(dials.into_iter().collect()), ..Self::default() }
    }

    /// Runs both to their ends.
    pub(super) fn run<A, B>(&self, one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
        self.time.run(zip(one, other))
    }

    /// A sending, and what it took in seconds.
    pub(super) async fn timed<T>(&self, sending: impl Future<Output = T>) -> (T, u64) {
        let began = self.now();
        let outcome = sending.await;
        (outcome, (self.now() - began).as_secs())
    }
}

impl Clock for Net {
    fn now(&self) -> Instant {
        self.time.now()
    }

    fn sleep_until(&self, deadline: Instant) -> Task<()> {
        self.time.sleep_until(deadline)
    }
}

impl Network for Net {
    type Transport = Fake;

    fn resolve(&self, _: String, _: u16) -> Task<Result<Vec<SocketAddr>, ResolveError>> {
        match self.names.clone() {
            Some(result) => Box::pin(std::future::ready(result)),
            None => Box::pin(pending()),
        }
    }

    fn connect(&self, peer: Peer) -> Task<io::Result<Fake>> {
        self.dialled.lock().unwrap().push(peer);
        match self.dials.lock().unwrap().pop_front() {
            Some(Dial::Stream(stream)) => Box::pin(std::future::ready(Ok(stream))),
            Some(Dial::Hole) => Box::pin(pending()),
            Some(Dial::Refused) | None => {
                Box::pin(std::future::ready(Err(io::ErrorKind::ConnectionRefused.into())))
            }
        }
    }
}

/// Gives out what it has, then fails or ends; `None` is a pause.
pub(super) struct Halting {
    pub(super) pieces: VecDeque<Option<Vec<u8>>>,
    pub(super) fails: Option<io::Error>,
}

impl AsyncRead for Halting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.pieces.pop_front() {
            Some(Some(mut piece)) => {
                let rest = piece.split_off(piece.len().min(buf.len()));
                buf[..piece.len()].copy_from_slice(&piece);
                if !rest.is_empty() {
                    self.pieces.push_front(Some(rest));
                }
                Poll::Ready(Ok(piece.len()))
            }
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(self.fails.take().map_or(Ok(0), Err)),
        }
    }
}
