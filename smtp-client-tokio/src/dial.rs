//! Names to addresses, addresses to sockets.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
#[cfg(unix)]
use {std::path::Path, tokio::net::UnixStream};

use smtp_proto::{Peer, ResolveError};

/// Something under way that is given up by dropping it.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where addresses and transports come from: the operating system, or a test.
pub(crate) trait Network: Send + Sync + 'static {
    type Transport: Transport;

    fn resolve(&self, host: String, port: u16) -> Task<Result<Vec<SocketAddr>, ResolveError>>;

    fn connect(&self, peer: Peer) -> Task<io::Result<Self::Transport>>;

    /// Has a task run by itself; drops it where nobody can.
    fn spawn(&self, task: Task<()>) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task);
        }
    }
}

/// A connected socket, or a test's.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Tells the peer at once what has been read.
    ///
    /// A server that writes its replies one by one with Nagle's algorithm on holds the next one back until the last is acknowledged,
    /// and we would wait 40 ms with that. What we write tells it as well; this is for who only waits.
    fn acknowledge(&self) {}
}

/// The operating system's resolver and sockets.
#[derive(Debug)]
pub(crate) struct System;

impl Network for System {
    type Transport = Socket;

    fn resolve(&self, host: String, port: u16) -> Task<Result<Vec<SocketAddr>, ResolveError>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, port)).await;
            found.map(Iterator::collect).map_err(|error| ResolveError::from_lookup(&error))
        })
    }

    fn connect(&self, peer: Peer) -> Task<io::Result<Socket>> {
        Box::pin(async move {
            match peer {
                Peer::Tcp(address) => {
                    let socket = TcpStream::connect(address).await?;
                    // One write is one flight; nothing is gained by waiting for more.
                    socket.set_nodelay(true)?;
                    Ok(Socket::Tcp(socket))
                }
                #[cfg(unix)]
                Peer::Unix(path) => connect_unix(&path).await.map(Socket::Unix),
                other => Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("no such transport here: {other}"),
                )),
            }
        })
    }
}

#[cfg(unix)]
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let Some(name) = path.to_str().and_then(|path| path.strip_prefix('@')) else {
        return UnixStream::connect(path).await;
    };
    if cfg!(any(target_os = "linux", target_os = "android")) {
        // Abstract names begin with NUL, unix(7).
        UnixStream::connect(format!("\0{name}")).await
    } else {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "abstract sockets are known to Linux only; use a path",
        ))
    }
}

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Transport for Socket {
    fn acknowledge(&self) {
        // The kernel forgets the wish, so it is said each time; where it fails, it was only a wish.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Self::Tcp(socket) = self {
            let _ = socket2::SockRef::from(socket).set_tcp_quickack(true);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            #[cfg(unix)]
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
