//! One message: opened, sent, and what is told about it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use smtp_client_tokio::{Client, Message, SourceError};
use smtp_proto::{
    Envelope, Error, Phase, Recipient, Report, Sender,
    address::{ForwardPath, ReversePath},
};
use tokio::{sync::watch, task::spawn_blocking};
use tracing::{Instrument as _, Span, debug, error_span, info};

use super::{DIALOGUE, log};
use crate::{
    capture::Capture,
    envelope::{self, Addressed},
    exit::{Failure, Status},
    input::{Content, Input},
    report::Told,
    transcript::Transcript,
};

/// How far an interruption goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// There was none.
    No,
    /// Nothing new is begun.
    Finish,
    /// What is under way is given up.
    Abort,
}

/// What all messages have in common.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) client: Client,
    pub(super) from: Option<ReversePath>,
    pub(super) to: Vec<ForwardPath>,
    pub(super) transcript: Option<Arc<Transcript>>,
    /// The embedded capture server.
    pub(super) capture: Option<Capture>,
    /// There is more than one message, or may be.
    pub(super) several: bool,
    /// Messages that are being sent.
    pub(super) under_way: AtomicUsize,
}

/// A message that can be sent.
struct Opened {
    addressed: Addressed,
    size: u64,
    content: Content,
}

impl Sending {
    /// Sends the `number`th message. `stop` ends that early.
    pub(super) async fn send(
        &self,
        number: u64,
        input: Input,
        mut stop: watch::Receiver<Stop>,
    ) -> (Told, Status) {
        // Tells apart what is logged about messages that are under way together.
        let span = if self.several { error_span!("message", number) } else { Span::none() };
        let sending = async {
            let began = Instant::now();
            let name = input.name();
            let opened = tokio::select! {
                biased;
                opened = self.open(input) => opened,
                // Somebody who types a message at the terminal may think better of it.
                _ = stop.wait_for(|stop| *stop >= Stop::Finish) => return self.untried(name),
            };
            match opened {
                Ok(opened) => self.deliver(number, name, opened, began, stop).await,
                Err(failure) => self.unread(name, &failure),
            }
        };
        sending.instrument(span).await
    }

    async fn open(&self, input: Input) -> Result<Opened, Failure> {
        let (from, to) = (self.from.clone(), self.to.clone());
        let opening = spawn_blocking(move || {
            let content = input.open()?;
            let addressed = envelope::of(&input.name(), &content, from.as_ref(), &to)?;
            Ok(Opened { addressed, size: content.size(), content })
        });
        opening.await.unwrap_or_else(|error| {
            Err(Failure::because(Status::Unsendable, "a message could not be opened", &error))
        })
    }

    async fn deliver(
        &self,
        number: u64,
        name: String,
        opened: Opened,
        began: Instant,
        mut stop: watch::Receiver<Stop>,
    ) -> (Told, Status) {
        let Opened { addressed, size, content } = opened;
        let message = match message(content).await {
            Ok(message) => message,
            Err(error) => {
                let failure = Failure::because(Status::Unsendable, &name, &error);
                return self.unread(name, &failure);
            }
        };
        info!(message = name, size, recipients = addressed.envelope.recipients.len(), "sending");
        let aborted = async {
            if stop.wait_for(|stop| *stop >= Stop::Abort).await.is_err() {
                // Nobody is left to say so.
                std::future::pending().await
            }
        };
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let sent = self.client(number).send_until(addressed.envelope.clone(), message, aborted).await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        let (report, failure) = match sent {
            Ok(report) => (report, None),
            Err(SourceError { cause, report }) => {
                (report, Some(Failure::because(Status::Unsendable, &name, &cause)))
            }
        };
        log(&report);
        let status =
            failure.as_ref().map_or(Status::Success, |failure| failure.status).max(Status::of(&report));
        let stored = self.capture.as_ref().and_then(|capture| capture.take(&report));
        let Addressed { sender_field, recipient_fields, envelope } = addressed;
        let told = Told {
            name,
            size: Some(size),
            sender: Some(envelope.sender.path),
            sender_field,
            recipient_fields,
            report,
            stored,
            elapsed: began.elapsed(),
            failure,
            untried: false,
        };
        (told, status)
    }

    /// The client, whose dialogue is told as this message's.
    fn client(&self, number: u64) -> Client {
        let (span, transcript) = (Span::current(), self.transcript.clone());
        let number = self.several.then_some(number);
        self.client.clone().with_transcript(move |line| {
            // A connection says goodbye in nobody's name.
            span.in_scope(|| debug!(target: DIALOGUE, "{line}"));
            if let Some(transcript) = &transcript {
                transcript.write(number, line);
            }
        })
    }

    /// An input that gave no message: everybody whom the command line names is deferred.
    pub(super) fn unread(&self, name: String, failure: &Failure) -> (Told, Status) {
        let report = self.refused(&Error::Source { message: failure.to_string().into() });
        (Told::unread(name, report, failure.clone()), failure.status)
    }

    /// The same for a message that was not taken before an interruption.
    pub(super) fn untried(&self, name: String) -> (Told, Status) {
        (Told::untried(name, self.refused(&Error::Cancelled)), Status::Deferred)
    }

    fn refused(&self, error: &Error) -> Report {
        let sender = Sender::new(self.from.clone().unwrap_or(ReversePath::Null));
        let recipients = self.to.iter().cloned().map(Recipient::new).collect();
        let phase = if let Error::Cancelled = error { Phase::Connect } else { Phase::Body };
        Report::refused(&Envelope::new(sender, recipients), phase, error)
    }
}

async fn message(content: Content) -> io::Result<Message> {
    match content {
        Content::File { path, .. } => Message::open(path).await,
        Content::Memory(octets) => Ok(Message::from_bytes(octets)),
        Content::Spooled { file, .. } => Ok(Message::from_file(file)),
    }
}
