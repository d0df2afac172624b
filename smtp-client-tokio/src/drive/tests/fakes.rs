//! Transports and networks that can be spied upon and broken.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};

use smtp_proto::Peer;

use super::{super::*, common::Script};

/// What happens to one connect, in order; then connects are refused.
pub(super) enum Dial {
    Stream(Fake),
    Refused,
    Hole,
}

/// A duplex stream that can be spied upon and broken.
pub(super) struct Fake {
    pub(super) stream: DuplexStream,
    pub(super) writes: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Writing fails after so many octets.
    pub(super) breaks_after: usize,
    pub(super) acknowledged: Arc<AtomicUsize>,
}

impl Fake {
    pub(super) fn pair(capacity: usize) -> (Self, Script<DuplexStream>) {
        let (ours, theirs) = duplex(capacity);
        let (writes, acknowledged) = <_>::default();
        (Self { stream: ours, writes, breaks_after: usize::MAX, acknowledged }, Script::new(theirs))
    }
}

impl Transport for Fake {
    fn acknowledge(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Fake {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
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
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[derive(Default)]
pub(super) struct Net {
    pub(super) dials: Mutex<VecDeque<Dial>>,
    pub(super) dialled: Mutex<Vec<Peer>>,
    /// What lookups find; `None`: nothing ever.
    pub(super) names: Option<Result<Vec<SocketAddr>, ResolveError>>,
}

impl Net {
    pub(super) fn new(dials: impl IntoIterator<Item = Dial>) -> Self {
        Self { dials: Mutex::new(dials.into_iter().collect()), ..Self::default() }
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

/// Gives out what it has, then stays silent; or goes on after being asked again.
pub(super) struct Halting {
    pub(super) pieces: VecDeque<Option<Vec<u8>>>,
    pub(super) fails: Option<io::Error>,
}

impl AsyncRead for Halting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.pieces.pop_front() {
            Some(Some(mut piece)) => {
                let rest = piece.split_off(piece.len().min(buf.remaining()));
                buf.put_slice(&piece);
                if !rest.is_empty() {
                    self.pieces.push_front(Some(rest));
                }
                Poll::Ready(Ok(()))
            }
            Some(None) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(self.fails.take().map_or(Ok(()), Err)),
        }
    }
}
