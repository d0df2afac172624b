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
mod engine;
pub mod envelope;
pub mod error;
mod phase;
pub mod reply;
pub mod sasl;
mod secret;
mod timer;
mod tls;
mod transaction;
pub mod transcript;

pub use connection::{Connection, Event, Notice};
pub use error::{Disposition, Error, Failure, PeerError};
pub use phase::Phase;
pub use secret::Secret;
pub use timer::Timeouts;
pub use tls::TlsFacts;
pub use transaction::{RecipientId, TransactionId, TransactionReport};
