//! The program from outside: the built binary against servers of its own on loopback.
//!
//! Names in brackets (SPEC rows) say what a test pins; exit statuses and JSON keys are the contract that scripts rely on.

mod batch;
mod certificates;
mod check;
mod configuration;
mod exits;
mod inputs;
mod json;
mod limits;
mod replies;
mod secrets;
mod sinks;
mod support;
mod tls;
mod usage;
mod wire;
