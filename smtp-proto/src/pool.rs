//! Which connection may serve which message, and which must go: decisions alone; waiting is the adapters' (D28).

use std::time::Duration;

/// How many connections there may be, and how long one is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Connections to one target at a time, in use and idle together; at least 1. Default 20.
    pub connections: usize,
    /// How long a connection may be idle before it is ended (N13). Default 60 seconds.
    pub idle: Duration,
    /// How old a connection may be when it is used again. Default 5 minutes.
    pub age: Duration,
    /// Messages over one connection; at least 1. Default 100.
    pub messages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 20, idle: Duration::from_secs(60), age: Duration::from_secs(300), messages: 100 }
    }
}
