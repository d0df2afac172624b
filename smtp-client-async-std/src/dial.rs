//! Names to addresses, addresses to sockets.

use std::{
    io::{self, Read as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    pin::Pin,
    task::{Context, Poll},
};

use async_io::Async;
use futures_io::AsyncWrite;
#[cfg(unix)]
use std::{os::unix::net::UnixStream, path::Path};

use smtp_proto::{Peer, ResolveError};

use crate::clock::{Task, spawn_blocking};

/// Where addresses and transports come from: the operating system, or a test.
pub(crate) trait Network: Send + Sync + 'static {
    type Transport: Transport;

    fn resolve(&self, host: String, port: u16) -> Task<Result<Vec<SocketAddr>, ResolveError>>;

    fn connect(&self, peer: Peer) -> Task<io::Result<Self::Transport>>;
}

/// A connected socket, or a test's.
pub(crate) trait Transport: AsyncWrite + Unpin + Send + 'static {
    /// Reads what is there by now; where nothing is, that is `WouldBlock`, and nobody is woken for it.
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Ready when something may have come since this was last pending. After an error, nobody is woken.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

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
            // The standard library's, since async-std's own lookup puts other words around the error.
            let found = spawn_blocking(move || (host, port).to_socket_addrs()).await;
            found.map(Iterator::collect).map_err(|error| ResolveError::from_lookup(&error))
        })
    }

    fn connect(&self, peer: Peer) -> Task<io::Result<Socket>> {
        Box::pin(async move {
            match peer {
                Peer::Tcp(address) => {
                    let socket = Async::<TcpStream>::connect(address).await?;
                    // One write is one flight; nothing is gained by waiting for more.
                    socket.get_ref().set_nodelay(true)?;
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
async fn connect_unix(path: &Path) -> io::Result<Async<UnixStream>> {
    let Some(name) = path.to_str().and_then(|path| path.strip_prefix('@')) else {
        return Async::<UnixStream>::connect(path).await;
    };
    if cfg!(any(target_os = "linux", target_os = "android")) {
        // Abstract names begin with NUL, unix(7).
        Async::<UnixStream>::connect(format!("\0{name}")).await
    } else {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "abstract sockets are known to Linux only; use a path",
        ))
    }
}

/// A connected socket. Not async-std's own, whose every read that finds nothing has the reactor look at it as well.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(Async<TcpStream>),
    #[cfg(unix)]
    Unix(Async<UnixStream>),
}

impl Transport for Socket {
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.get_ref().read(buf),
            #[cfg(unix)]
            Self::Unix(socket) => socket.get_ref().read(buf),
        }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) => Async::poll_readable(socket, cx),
            #[cfg(unix)]
            Self::Unix(socket) => Async::poll_readable(socket, cx),
        }
    }

    fn acknowledge(&self) {
        // The kernel forgets the wish, so it is said each time; where it fails, it was only a wish.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Self::Tcp(socket) = self {
            let _ = socket2::SockRef::from(socket).set_tcp_quickack(true);
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

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_close(cx),
            #[cfg(unix)]
            Self::Unix(socket) => Pin::new(socket).poll_close(cx),
        }
    }
}
