//! The test kit: scripted and generated servers, a bad network and a clock that only moves when nothing else can.
//!
//! Everything here is as pure as the client it tests: octets in, octets out, time as an argument. A [`World`] puts a
//! [`smtp_proto::Connection`] and a [`Peer`] face to face over a [`Net`], plays the mail system with a list of [`Mail`]s, and keeps
//! what a test wants to look at: the events, the octets on the wire in both directions, the time that passed, and every objection
//! of the [`Judge`], who watches the client's manners (law 7).
//!
//! A test that pins a dialogue writes it down ([`Script`]); a property plays one that was drawn ([`Model`]). The dialogues that every
//! runtime must keep are files ([`Transcript`]).

pub mod clock;
pub mod driver;
pub mod far;
pub mod healthy;
pub mod loopback;
pub mod manners;
pub mod model;
pub mod net;
pub mod secure;
pub mod server;
pub mod simulation;
pub mod transcript;

pub use clock::Clock;
pub use driver::{Mail, Outcome, Plan, Source, World};
pub use far::Far;
pub use healthy::Healthy;
pub use manners::Judge;
pub use model::{Act, Model, Table, Way};
pub use net::{Cut, Net, Split};
pub use secure::{Certificates, Secure};
pub use server::{HangUp, Peer, Script};
pub use transcript::Transcript;
