//! An SMTP and LMTP client on tokio.
//!
//! All that is SMTP is in [`smtp_proto`], which has no sockets; this crate gives it sockets, files, name lookups and a clock. A
//! [`Plan`] says where messages go and how; a [`Client`] carries it out, and keeps connections for the messages that follow.
//!
//! ```no_run
//! use smtp_client_tokio::{Client, Message};
//! use smtp_proto::{Config, Endpoint, Envelope, Plan, Recipient, Sender, address::Mailbox};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Where to: the second server is tried when the first is not usable.
//! let targets: [Endpoint; 2] = ["tcp://mx1.example.net:25".parse()?, "tcp://mx2.example.net:25".parse()?];
//! let config = Config::new("client.example.org".parse()?);
//! let client = Client::new(Plan::new(targets, &config)?);
//!
//! // From whom, for whom, what.
//! let sender: Mailbox = "alice@example.org".parse()?;
//! let bob: Mailbox = "bob@example.net".parse()?;
//! let envelope = Envelope::new(Sender::from(sender), vec![Recipient::from(bob)]);
//! let message = Message::open("message.eml").await?;
//!
//! // What became of it is a value for each recipient, not an error.
//! let report = client.send(envelope, message).await?;
//! for recipient in &report.recipients {
//!     println!("{}: {}", recipient.recipient.path, recipient.disposition.name());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//! - Futures are `Send`, and may be dropped at any point: what is left is a closed transport. A server that has not got the end of the
//!   content by then has not got the message; see [`Disposition::Uncertain`](smtp_proto::Disposition) for the moment after that, which
//!   a caller who drops the future does not learn about.
//! - No task is left behind: one looks at the clock while connections are idle, and one says goodbye to each that goes; they end by
//!   themselves. A read from a file or a name lookup that is under way on the blocking pool ends by itself.
//! - Messages of any size pass in constant memory: at most 128 KiB of a file, 64 KiB of a reader, nothing but the bytes themselves of
//!   what is in memory, and 64 KiB of output.
//! - It reads while it writes: a server that refuses the content half-way is heard at once.
//!
//! A runtime with its I/O and time drivers enabled is needed, as `#[tokio::main]` makes it.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use std::{
    fmt,
    future::{pending, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use smtp_proto::{
    Delivery, Envelope, Error, Phase, Plan, Probe, Random, Report, body::LineBreaks, error::Unsendable,
    sasl::Credentials, transcript,
};

use crate::{dial::System, drive::Line, message::ScanError, pool::Connections};

mod dial;
mod drive;
mod message;
mod pool;
#[cfg(test)]
mod simulated;

pub use message::Message;

/// Somebody who reads the dialogue.
pub(crate) type Observer = dyn Fn(&transcript::Line) + Send + Sync;

/// Sends messages as a plan says. Cheap to clone, and shared by any number of sends at a time.
///
/// Connections are kept for later messages and shared by all clones, as far as [`Plan::reuse`] says; [`close`](Self::close) ends them.
#[derive(Clone)]
pub struct Client {
    plan: Arc<Plan>,
    observer: Option<Arc<Observer>>,
    kept: Option<Arc<Owner>>,
}

/// What all clones of a client have together.
struct Owner(Arc<Connections<System>>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// The message's source could not give what it should: an I/O error, or another number of octets than it had before.
///
/// No server has the message from this send, unless the report says so.
#[derive(Debug, thiserror::Error)]
#[error("the message's source failed; its report says what became of each recipient")]
pub struct SourceError {
    /// What the source said.
    #[source]
    pub cause: io::Error,
    /// What became of each recipient, and what was tried.
    pub report: Report,
}

impl Client {
    /// A client for a plan. Targets without a source of randomness get the operating system's.
    pub fn new(plan: impl Into<Arc<Plan>>) -> Self {
        let system = Random::new(|octets| Ok(getrandom::fill(octets)?));
        let plan = Arc::new(Arc::unwrap_or_clone(plan.into()).with_random(&system));
        let kept = Connections::new(System, &plan).map(|connections| Arc::new(Owner(connections)));
        Self { plan, observer: None, kept }
    }

    /// Calls `observer` with each line of every dialogue, in order, secrets redacted.
    ///
    /// Only where [`Config::transcript`](smtp_proto::Config::transcript) is set. The lines of sends that run at the same time are mixed;
    /// give each its own clone of the client to tell them apart. `observer` runs between two looks at the socket, so it must not block.
    #[must_use]
    pub fn with_transcript(self, observer: impl Fn(&transcript::Line) + Send + Sync + 'static) -> Self {
        Self { observer: Some(Arc::new(observer)), ..self }
    }

    /// Sends one message: to the first target that is usable, or as the plan's failover says.
    ///
    /// A message in memory or in a file is read once beforehand, to declare its size and what it needs, unless the sender's `content` or
    /// the message says it; the first target's line-break policy decides how. A message that this policy refuses is refused without any
    /// target being contacted. The plan's total time begins thereafter.
    ///
    /// # Errors
    /// Only when the message's source fails. What servers and networks do is in the [`Report`].
    pub async fn send(&self, envelope: Envelope, message: impl Into<Message>) -> Result<Report, SourceError> {
        self.deliver(None, envelope, message.into(), pin!(pending())).await
    }

    /// The same until `cancel` is ready: then the connection is dropped, and who is not decided by then is deferred, or uncertain where
    /// the server may have the message already ([`Delivery::cancel`](smtp_proto::Delivery::cancel)).
    ///
    /// Dropping the future of a send ends it as well, but gives no report.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_until(
        &self,
        envelope: Envelope,
        message: impl Into<Message>,
        cancel: impl Future<Output = ()>,
    ) -> Result<Report, SourceError> {
        self.deliver(None, envelope, message.into(), pin!(cancel)).await
    }

    /// The same with the submitting client's own credentials, for `auth forward`
    /// ([`AuthPolicy::Forward`](smtp_proto::sasl::AuthPolicy)).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_as(
        &self,
        credentials: Credentials,
        envelope: Envelope,
        message: impl Into<Message>,
    ) -> Result<Report, SourceError> {
        self.deliver(Some(credentials), envelope, message.into(), pin!(pending())).await
    }

    /// Connects to one target of the plan, goes as far as a message could be sent, and ends the session: greeting, hello, STARTTLS,
    /// authentication, QUIT.
    ///
    /// Every address of the target is tried until one connects. No plaintext retry is made where TLS fails: that is what a probe is to
    /// find out.
    pub async fn probe(&self, target_index: usize) -> Probe {
        drive::probe(self.line(), Arc::clone(&self.plan), target_index).await
    }

    /// Ends the connections that are kept, each with QUIT, and those in use as soon as their message is through; ready when none is left.
    ///
    /// Messages may still be sent, each over a connection of its own from now on. Without this, what is kept is ended by the last clone
    /// that is dropped: with QUIT inside a runtime, by dropping it elsewhere. A server does not mind either; it is a courtesy.
    pub async fn close(&self) {
        if let Some(kept) = &self.kept {
            kept.0.close().await;
        }
    }

    fn line(&self) -> Line<'_, System> {
        Line {
            network: &System,
            connections: self.kept.as_ref().map(|kept| &kept.0),
            transport: None,
            observer: self.observer.clone(),
        }
    }

    async fn deliver(
        &self,
        credentials: Option<Credentials>,
        mut envelope: Envelope,
        mut message: Message,
        mut cancel: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Report, SourceError> {
        if envelope.sender.content.is_none() {
            let mut scan = pin!(message.facts(self.line_breaks()));
            let scanned = poll_fn(|cx| match scan.as_mut().poll(cx) {
                Poll::Ready(scanned) => Poll::Ready(Some(scanned)),
                Poll::Pending => cancel.as_mut().poll(cx).map(|()| None),
            });
            match scanned.await {
                None => return Ok(Report::refused(&envelope, Phase::Connect, &Error::Cancelled)),
                Some(Ok(facts)) => envelope.sender.content = facts,
                Some(Err(ScanError::Refused(refusal))) => {
                    let error = Error::Unsendable(Unsendable::Content(refusal));
                    return Ok(Report::refused(&envelope, Phase::Body, &error));
                }
                Some(Err(ScanError::Io(cause))) => {
                    let error = Error::Source { message: cause.to_string().into() };
                    return Err(SourceError {
                        cause,
                        report: Report::refused(&envelope, Phase::Body, &error),
                    });
                }
            }
        }
        let plan = Arc::clone(&self.plan);
        let delivery = Delivery::with_credentials(drive::now(), plan, envelope, credentials);
        let (report, failure) =
            drive::deliver_until(self.line(), delivery, message.into_source(), cancel).await;
        match failure {
            Some(cause) => Err(SourceError { cause, report }),
            None => Ok(report),
        }
    }

    fn line_breaks(&self) -> LineBreaks {
        self.plan.targets.first().map_or_else(LineBreaks::default, |target| target.config.line_breaks)
    }
}

/// The example in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
