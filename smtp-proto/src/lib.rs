//! A sans-IO SMTP and LMTP client.
//!
//! Bytes in, bytes out: this crate has no sockets, no clock, no threads and no runtime.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

pub mod address;
pub mod body;
pub mod capability;
pub mod command;
pub mod config;
mod connection;
mod delivery;
pub mod endpoint;
mod engine;
pub mod envelope;
pub mod error;
mod phase;
mod plan;
mod policy;
pub mod reply;
mod report;
pub mod sasl;
mod secret;
pub mod server;
mod timer;
mod tls;
pub mod tls_options;
mod transaction;
pub mod transcript;

pub use config::Config;
pub use connection::{Connection, Event, Notice};
pub use delivery::{Action, Delivery, ResolveError};
pub use endpoint::Endpoint;
pub use envelope::{Envelope, Recipient, Sender};
pub use error::{Disposition, Error, Failure, PeerError};
pub use phase::Phase;
pub use plan::{Peer, Plan, PlanError, Target};
pub use policy::Failover;
pub use report::{Attempt, Outcome, RecipientReport, Report};
pub use secret::Secret;
pub use timer::Timeouts;
pub use tls::TlsFacts;
pub use transaction::{RecipientId, TransactionId, TransactionReport};
