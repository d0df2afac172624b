//! Where mail is forwarded to: the `target.smtp` and `target.lmtp` configuration language, and the same settings by serde.
//!
//! Text becomes a [`tree`] of directives, and [`module`] knows what they mean: blocks of [`Settings`](settings::Settings), each of which
//! makes a [`Plan`](smtp_proto::Plan) for connections. Everything that is wrong is said at once, each with its place and what to write
//! instead.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{path::Path, sync::Arc};
//!
//! use smtp_config::{loader::Memory, module, settings::Tls};
//!
//! let text = "
//!     hostname mx.example.org
//!     target.lmtp local {
//!         targets unix:///run/dovecot/lmtp
//!     }
//!     deliver_to &local
//! ";
//! let loader = Memory::new().file("mail.conf", text); // `loader::System`: the files and variables of the machine
//! let configuration = module::load(&loader, Path::new("mail.conf"), &module::Options::default())?;
//!
//! // Whom to trust and whose cryptography to use is for the program to say.
//! let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
//! let tls = Tls::new(provider, &rustls::RootCertStore::empty);
//! let (plan, _warnings) = configuration.select(None)?.plan(&loader, &tls)?;
//! assert_eq!(plan.targets[0].endpoint.to_string(), "unix:///run/dovecot/lmtp");
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `serde`, [`Settings`](settings::Settings) can be part of a program's own configuration, in TOML, JSON or whatever else
//! serde reads:
//!
//! ```toml
//! hostname = "mx.example.org"
//! targets = ["tls://mx1.example.net:465", "tls://mx2.example.net:465"]
//! auth = { plain = { user = "forwarder", password = { env = "RELAY_PASSWORD" } } }
//! submission_timeout = "12m"
//!
//! [tls_client]
//! root_ca = ["/etc/mail/ca.pem"]
//! ```
//!
//! Mind that whoever prints an error of a TOML parser may print the line with it; so passwords are better named by `file` or `env`.
//!
//! When not to use it: a program that has its settings already makes plans by [`Plan::builder`](smtp_proto::Plan::builder).
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

pub mod diagnostic;
pub mod loader;
pub mod module;
pub mod settings;
mod suggest;
pub mod tree;
pub mod value;
