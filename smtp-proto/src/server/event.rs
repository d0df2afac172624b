//! What a server connection tells the application.

use std::{fmt, io};

use thiserror::Error;

use super::TlsFacts;
use crate::{
    Phase,
    address::{ForwardPath, ReversePath},
    command::MailParameters,
    reply::Code,
    sasl::{Credentials, Mechanism},
};

/// Something that happened, or that the application has to decide.
///
/// Mail, Recipient, Data and EndOfContent wait for an answer where [`Decisions`](super::Decisions) says so; otherwise, and always for
/// Hello, they tell what has been accepted. What the machine refuses by itself makes no event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The client has said who it is: EHLO, HELO or LHLO.
    Hello {
        /// What it calls itself: printable ASCII without blanks, at most 255 octets; often no domain.
        name: String,
        /// EHLO or LHLO: it knows the extensions.
        extended: bool,
    },
    /// TLS is established. All that was known of the client is void: it says hello again.
    TlsEstablished(TlsFacts),
    /// The client wants to authenticate. Always waits for an answer, unless [`Config::replies`](super::Config::replies) decides.
    Authenticate {
        /// By which mechanism.
        mechanism: Mechanism,
        /// What it has shown; under EXTERNAL, the certificate is in [`TlsFacts`].
        credentials: Credentials,
    },
    /// A transaction is to begin.
    Mail {
        /// From whom.
        path: ReversePath,
        /// The parameters, all of which are offered.
        parameters: MailParameters,
    },
    /// A recipient.
    Recipient {
        /// What its position among the accepted ones is, or will be; names it to
        /// [`reply_recipient`](super::Connection::reply_recipient).
        index: usize,
        /// For whom.
        path: ForwardPath,
    },
    /// The client wants to send the content: DATA, or the first BDAT.
    Data,
    /// The content is complete, and all of it has been taken.
    EndOfContent {
        /// Its octets, with CRLF line ends, without stuffed dots and the end mark.
        octets: u64,
        /// How often the line is turned around for this transaction: flights of replies that answer something new, from the one that
        /// answers MAIL to the one that carries the final reply, both counted. Replies that leave together are one flight; so are
        /// replies that leave one by one without new input in between. 2 is what PIPELINING allows, 1 CHUNKING. A flight shared with
        /// the previous transaction counts for both.
        round_trips: u32,
    },
    /// The open transaction is void, and what has come of its content with it: RSET, a new hello, or content refused by the machine.
    Reset,
    /// The last event; an open transaction is void. What [`transmit`](super::Connection::transmit) still holds are the last words; then
    /// the transport goes.
    Closed(Closed),
}

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Closed {
    /// The client said QUIT.
    #[error("the client said QUIT")]
    Quit,
    /// The client hung up without QUIT.
    #[error("the client closed the connection without QUIT")]
    HungUp,
    /// The transport failed.
    #[error("the connection was lost: {0}")]
    Lost(io::ErrorKind),
    /// Nothing was heard for [`Limits::idle`](super::Limits::idle).
    #[error("the client was idle for too long")]
    Idle,
    /// The client spoke before it was greeted.
    #[error("the client spoke before it was greeted")]
    EarlyTalker,
    /// Plaintext followed STARTTLS before the handshake (RFC 3207 §4.2): whoever sent it may not be the client.
    #[error("plaintext followed STARTTLS; it may be injected, so the connection was dropped")]
    InjectedPlaintext,
    /// Something was pipelined where nothing may be.
    #[error("the client did not wait for a reply it had to wait for")]
    Pipelined,
    /// Malformed or misplaced commands, or attempts to authenticate, beyond the limit.
    #[error("the client made too many errors")]
    TooManyErrors,
    /// A BDAT command whose octets cannot be told from commands.
    #[error("the client sent a malformed BDAT command")]
    BadChunk,
    /// TLS failed.
    #[error("TLS failed")]
    Tls(#[source] rustls::Error),
    /// A reply of 421, by the application or by [`Config::replies`](super::Config::replies).
    #[error("the server closed the connection with 421")]
    Refused,
    /// [`shutdown`](super::Connection::shutdown) or [`abort`](super::Connection::abort).
    #[error("the server is shutting down")]
    Shutdown,
}

/// A verb was used where it makes no sense; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// No decision is waiting, or the connection has ended meanwhile.
    #[error("no decision is waiting for an answer; answer each event once, before the connection closes")]
    NotAsked,
    /// The code cannot answer this phase.
    #[error("a reply of {code} cannot answer {phase}; use {}", Fitting(*.phase))]
    WrongCode {
        /// What is to be answered.
        phase: Phase,
        /// The code given.
        code: Code,
    },
    /// No accepted recipient has that index, or it has its reply.
    #[error("recipient {0} waits for no reply; give one to each accepted recipient, in LMTP only")]
    NoSuchRecipient(usize),
}

/// The codes that can answer a phase.
struct Fitting(Phase);

impl fmt::Display for Fitting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Phase::Auth => "235, 4yz or 5yz",
            Phase::Data => "354, 4yz or 5yz",
            _ => "2yz, 4yz or 5yz",
        })
    }
}
