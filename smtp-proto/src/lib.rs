//! A sans-IO SMTP and LMTP client: octets in, octets out.
//!
//! This crate has no sockets, no clock, no threads and no runtime. [`Connection`] is one session with one server as a state machine;
//! [`Delivery`] is one message to the first of several servers that takes it, as another. A *driver* moves octets between a machine and
//! a transport and tells it the time: `smtp-client-tokio` is one, `std::net` in a loop makes another.
//!
//! # A whole dialogue
//!
//! Everything the machine does can be seen without a network:
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//! use smtp_proto::{Config, Connection, Disposition, Envelope, Event, Recipient, Sender};
//!
//! let now = Instant::now(); // the driver's clock; the machine has none
//! let mut connection = Connection::new(now, Arc::new(Config::new("client.example".parse()?)));
//!
//! // Plays the server: what it says, and what the machine wrote in answer.
//! let mut turn = |connection: &mut Connection, said: &str| {
//!     connection.handle_input(now, said.as_bytes());
//!     let wrote = connection.transmit().to_vec();
//!     connection.handle_transmitted(now, wrote.len());
//!     String::from_utf8(wrote).unwrap()
//! };
//!
//! assert_eq!(turn(&mut connection, "220 mx.example\r\n"), "EHLO client.example\r\n");
//! assert_eq!(turn(&mut connection, "250-mx.example\r\n250 PIPELINING\r\n"), "");
//! assert!(matches!(connection.poll_event(), Some(Event::Ready)));
//!
//! let sender = Sender::new("ada@example.org".parse()?);
//! let recipients = vec![Recipient::new("grace@example.net".parse()?), Recipient::new("nobody@example.net".parse()?)];
//! connection.submit(now, Envelope::new(sender, recipients))?;
//!
//! // One flight for the whole envelope, since the server offers PIPELINING.
//! assert_eq!(
//!     turn(&mut connection, ""),
//!     "MAIL FROM:<ada@example.org>\r\nRCPT TO:<grace@example.net>\r\nRCPT TO:<nobody@example.net>\r\nDATA\r\n"
//! );
//! turn(&mut connection, "250 ok\r\n250 ok\r\n550 5.1.1 no such user\r\n354 go\r\n");
//!
//! // The machine asks for content, and makes it fit for the wire.
//! assert!(connection.body_credit() > 0);
//! connection.write_body(now, b"Subject: hi\n\n.a dot\n")?;
//! connection.finish_body(now)?;
//! connection.quit(now);
//! assert_eq!(turn(&mut connection, ""), "Subject: hi\r\n\r\n..a dot\r\n.\r\nQUIT\r\n");
//! turn(&mut connection, "250 2.0.0 queued\r\n221 bye\r\n");
//!
//! let done = std::iter::from_fn(|| connection.poll_event())
//!     .find_map(|event| if let Event::Done(_, report) = event { Some(report) } else { None })
//!     .expect("the transaction has ended");
//! assert!(matches!(done.dispositions[0], Disposition::Delivered(_)));
//! assert!(matches!(done.dispositions[1], Disposition::Rejected(_)));
//! assert_eq!(done.round_trips, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Grammar
//!
//! Every machine here speaks the same way, and the method's name says who speaks:
//! - `handle_*(now, …)`: the transport or the clock. Infallible; failure comes out as an event.
//! - plain verbs (`submit`, `write_body`, `quit`): the application. They return small errors for misuse only.
//! - `poll_*` and getters (`transmit`, `body_credit`): what the machine wants. Spurious calls are harmless, always.
//!
//! # What is promised
//!
//! - One [`Disposition`] per recipient, in envelope order: delivered, deferred, rejected, or *uncertain* where the server may have the
//!   message and never said so. Delivered means that the server's yes was read after the end mark had left.
//! - A message that was not completely read from its source is never ended: the only way out of content is to drop the transport.
//! - Text reaches the wire through parsed types ([`address`], [`command`]) only; there is nothing to inject CR LF through.
//! - A secret needs a witness that the channel is confidential, or that the operator allowed clear text on this link.
//! - Memory is bounded, whatever the peer sends and however large the message is.
//!
//! When not to use it: to *compose* mail, to queue it, or to find a domain's mail servers. It forwards octets to servers it is given.
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
mod lookup;
mod phase;
mod plan;
mod policy;
pub mod pool;
mod random;
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
pub use delivery::{Action, Delivery};
pub use endpoint::Endpoint;
pub use envelope::{Envelope, Recipient, Sender};
pub use error::{Disposition, Error, Failure, PeerError};
pub use lookup::ResolveError;
pub use phase::Phase;
pub use plan::{Peer, Plan, PlanBuilder, PlanError, Target};
pub use policy::Failover;
pub use random::Random;
pub use report::{Attempt, Found, Outcome, Probe, RecipientReport, Report};
pub use secret::Secret;
pub use timer::Timeouts;
pub use tls::TlsFacts;
pub use transaction::{RecipientId, TransactionId, TransactionReport};

/// So many cases for a property, or as many as `PROPTEST_CASES` asks for.
#[cfg(test)]
pub(crate) fn cases(usual: u32) -> proptest::test_runner::Config {
    let mut config = proptest::test_runner::Config::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = usual;
    }
    config
}
