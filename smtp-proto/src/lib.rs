//! A sans-IO SMTP and LMTP client.
//!
//! Bytes in, bytes out: this crate has no sockets, no clock, no threads and no runtime.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

pub mod address;
pub mod body;
pub mod capability;
pub mod command;
pub mod envelope;
mod phase;
pub mod reply;
pub mod sasl;
mod secret;
pub mod server;

pub use phase::Phase;
pub use secret::Secret;
