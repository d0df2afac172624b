//! Where clients come in.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use smtp_proto::Endpoint;
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use tracing::warn;

use super::{Shared, options::Listen, session};

/// How long open sessions may take to end when the sink is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

enum Client {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    endpoint: Endpoint,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Option<PathBuf>),
}

impl Listener {
    pub(crate) async fn bind(listen: &Listen) -> io::Result<Self> {
        let mut endpoint = listen.endpoint().clone();
        let socket = match &mut endpoint {
            Endpoint::Unix(_) => {
                let abstract_name = listen.endpoint().abstract_name();
                return Ok(Self { socket: bind_unix(listen.endpoint(), abstract_name)?, endpoint });
            }
            Endpoint::Tcp { port, .. } | Endpoint::Tls { port, .. } => {
                let host = listen.endpoint().dns_name().map_err(io::Error::other)?.unwrap_or_default();
                let socket = TcpListener::bind((host, listen.port())).await?;
                *port = socket.local_addr()?.port();
                socket
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self { socket: Socket::Tcp(socket), endpoint })
    }

    /// Where it listens, with the port it got.
    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Takes clients until `stop`; then lets transactions end.
    pub(crate) async fn serve(self, shared: Arc<Shared>, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let mut sessions = JoinSet::new();
        let mut connection = 0;
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = sessions.join_next() => continue,
                accepted = self.socket.accept() => accepted,
            };
            connection += 1;
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            match accepted {
                Ok(Client::Tcp(stream, peer)) => {
                    sessions.spawn(session::run(stream, (connection, peer.to_string()), shared, stopped));
                }
                Ok(Client::Unix(stream)) => {
                    sessions.spawn(session::run(stream, (connection, "unix".to_owned()), shared, stopped));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: some will be free soon.
                    warn!(%error, "a client could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(self);
        stopping.send_replace(true);
        let drained = async { while sessions.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            warn!("some sessions did not end in time");
        }
    }
}

impl Socket {
    async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Replies leave as flights: waiting for more gains nothing.
                stream.set_nodelay(true)?;
                Ok(Client::Tcp(stream, peer))
            }
            Self::Unix(listener, _) => Ok(Client::Unix(listener.accept().await?.0)),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, Some(path)) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind_unix(endpoint: &Endpoint, abstract_name: Option<&str>) -> io::Result<Socket> {
    let Endpoint::Unix(path) = endpoint else { return Err(io::ErrorKind::Unsupported.into()) };
    #[cfg(target_os = "linux")]
    if let Some(name) = abstract_name {
        use std::os::{linux::net::SocketAddrExt as _, unix::net};
        let listener = net::UnixListener::bind_addr(&net::SocketAddr::from_abstract_name(name)?)?;
        listener.set_nonblocking(true)?;
        return Ok(Socket::Unix(UnixListener::from_std(listener)?, None));
    }
    if abstract_name.is_some() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "abstract sockets exist on Linux only"));
    }
    let listener = UnixListener::bind(path)?;
    Ok(Socket::Unix(listener, Some(path.clone())))
}
