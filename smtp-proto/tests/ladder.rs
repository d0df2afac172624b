//! The STARTTLS ladder, authentication upon it, and what errors say: SPEC 1.5, 1.6, 1.8, 1.12, with real TLS servers in memory and
//! in simulated time. A row, a test.
//!
//! What a server heard is written as its verbs, `*` before those that came through TLS.

#![allow(clippy::disallowed_methods, reason = "only the core must not read the clock")]

#[path = "ladder/auth.rs"]
mod auth;
#[path = "ladder/certs.rs"]
mod certs;
#[path = "ladder/errors.rs"]
mod errors;
#[path = "ladder/law.rs"]
mod law;
#[path = "ladder/names.rs"]
mod names;
#[path = "ladder/server.rs"]
mod server;
#[path = "ladder/tls.rs"]
mod tls;
#[path = "ladder/world.rs"]
mod world;
