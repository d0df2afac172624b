//! What configurations mean, row by row (SPEC 1.1-1.3, 1.6, 1.7), from text.

mod auth;
mod directives;
mod doors;
mod law;
mod names;
mod security;
mod serde;
mod support;
mod time;
mod tls;
mod values;
mod whole;
