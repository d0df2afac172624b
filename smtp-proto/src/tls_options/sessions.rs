//! The TLS sessions a client may resume (R222).
//!
//! A TLS 1.3 ticket is good for one connection, so a client with many connections to one server needs many
//! tickets of that server: rustls's own cache keeps 8, this one 256.
use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustls::{
    NamedGroup,
    client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
};

/// The newest tickets stay.
const TICKETS_PER_SERVER: usize = 256;
/// A client has a few targets; the bound is for one that learns names from outside.
const SERVERS: usize = 64;

/// Sessions by server name, in memory, bounded.
#[derive(Default)]
pub(super) struct Sessions {
    /// The one used last stands at the end; few enough to search in order.
    servers: Mutex<VecDeque<Server>>,
}

struct Server {
    name: ServerName<'static>,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: VecDeque<Tls13ClientSessionValue>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Server>> {
        // No code that could panic half-way runs under the lock, so poison means nothing.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, name: &ServerName<'_>, read: impl FnOnce(&mut Server) -> Option<T>) -> Option<T> {
        self.lock().iter_mut().find(|server| server.name == *name).and_then(read)
    }

    fn write(&self, name: ServerName<'static>, write: impl FnOnce(&mut Server)) {
        let mut servers = self.lock();
        let found = servers.iter().position(|server| server.name == name);
        let mut server = found.and_then(|at| servers.remove(at)).unwrap_or_else(|| Server {
            name,
            group: None,
            tls12: None,
            tls13: VecDeque::new(),
        });
        write(&mut server);
        if servers.len() >= SERVERS {
            servers.pop_front();
        }
        servers.push_back(server);
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.write(server_name, |server| server.group = Some(group));
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.read(server_name, |server| server.group)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.write(server_name, |server| server.tls12 = Some(value));
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.read(server_name, |server| server.tls12.clone())
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.read(server_name, |server| server.tls12.take());
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.write(server_name, |server| {
            if server.tls13.len() >= TICKETS_PER_SERVER {
                server.tls13.pop_front();
            }
            server.tls13.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.read(server_name, |server| server.tls13.pop_back())
    }
}

/// Counts only: sessions are secrets.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("servers", &self.lock().len()).finish_non_exhaustive()
    }
}
