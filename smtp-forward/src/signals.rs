//! SIGINT and SIGTERM, for those who want to end well.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals; they end the program no more.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    /// Begins to listen. Needs a runtime.
    pub(crate) fn listen() -> Self {
        // Where the system refuses that, a signal does what it always did.
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    /// The next one of either. Nothing is lost when this is dropped.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            Some(()) = receive(self.interrupt.as_mut()) => {}
            Some(()) = receive(self.terminate.as_mut()) => {}
            else => std::future::pending().await,
        }
    }
}

async fn receive(signal: Option<&mut Signal>) -> Option<()> {
    signal?.recv().await
}
