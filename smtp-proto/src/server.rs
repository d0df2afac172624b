//! The receiving half: what an SMTP or LMTP server says (RFC 5321, RFC 2033), as a pure state machine.
//!
//! A [`Connection`] has the grammar of the client's: octets in, octets out, events. It speaks PIPELINING (RFC 2920), STARTTLS
//! (RFC 3207), AUTH (RFC 4954), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), CHUNKING and BINARYMIME (RFC 3030) and
//! ENHANCEDSTATUSCODES (RFC 2034), as far as [`Config`] has them offered.
//!
//! # Who decides
//! The machine keeps the protocol: order, syntax, limits. Whether a sender, a recipient or a message is wanted is the application's to
//! say, where [`Decisions`] gives it the word: it is asked by an [`Event`], and answers by [`Connection::accept`],
//! [`Connection::reply`] or, in LMTP, [`Connection::reply_recipient`]. One question waits at a time; what the client has pipelined
//! behind it waits too.
//!
//! # Memory
//! A connection holds at most 64 KiB of input and what one read brings beyond it, 64 KiB of content that the application has not taken,
//! and 16 KiB of replies that have not left; a message is never held whole.
//!
//! # Where content ends
//! At `CRLF . CRLF` and nowhere else. A CR or an LF by itself is content and is passed on, or refused, as [`Config`] says. So no client
//! can make this server see a message that the client's own server did not.
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//!
//! use smtp_proto::server::{Config, Connection, Decisions, Event};
//!
//! fn exchange(server: &mut Connection, now: Instant, input: &str) -> String {
//!     server.handle_input(now, input.as_bytes());
//!     let output = server.transmit().to_vec();
//!     server.handle_transmitted(now, output.len());
//!     String::from_utf8(output).unwrap()
//! }
//!
//! # #[allow(clippy::disallowed_methods)]
//! let now = Instant::now();
//! let mut config = Config::new("mx.example.org".parse()?);
//! config.decisions = Decisions::END;
//! let mut server = Connection::new(now, Arc::new(config));
//! assert_eq!(exchange(&mut server, now, ""), "220 mx.example.org ESMTP\r\n");
//! assert_eq!(exchange(&mut server, now, "HELO client.example\r\n"), "250 mx.example.org\r\n");
//! let replies = exchange(&mut server, now, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
//! assert!(replies.starts_with("250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n354 "));
//!
//! assert_eq!(exchange(&mut server, now, "Subject: dots\r\n\r\n..\r\n.\r\n"), "");
//! assert_eq!(server.content(), b"Subject: dots\r\n\r\n.\r\n");
//! server.take_content(now, server.content().len());
//! let last = std::iter::from_fn(|| server.poll_event()).last();
//! assert!(matches!(last, Some(Event::EndOfContent { octets: 20, round_trips: 2, .. })));
//! server.accept(now)?;
//! assert_eq!(exchange(&mut server, now, ""), "250 2.0.0 message accepted\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod auth;
mod canned;
mod command;
mod config;
mod connection;
mod content;
mod event;
mod hello;
mod input;
mod session;
mod tls;
mod transaction;

#[cfg(test)]
mod tests;

pub use crate::config::Protocol;
pub use config::{Auth, Config, Decisions, Extensions, Limits, Tls};
pub use connection::Connection;
pub use event::{Closed, Event, Misuse};
pub use tls::TlsFacts;
