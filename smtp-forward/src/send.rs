//! `send`: messages to servers, and what became of them.

use std::{path::PathBuf, sync::Arc, time::Instant};

use smtp_client_tokio::{Client, Message, SourceError};
use smtp_proto::{Disposition, Envelope, Error, Notice, Phase, Plan, Report, Sender};
use tracing::{Level, debug, enabled, info, warn};

use crate::{
    capture::Capture,
    cli,
    envelope::{self, Addressed},
    exit::{Failure, Status},
    input::{self, Content, Input},
    plan,
    report::{Printer, Told},
    transcript::Transcript,
};

/// The log target of the dialogue.
const DIALOGUE: &str = "smtp_forward::dialogue";

/// Sends everything, one message after another.
pub(crate) async fn run(args: &cli::Send) -> Result<Status, Failure> {
    if args.messages.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        // The second one would be an empty message.
        return Err(Failure::usage("standard input can be read only once: name - once"));
    }
    let transcript = match &args.transcript {
        Some(path) => {
            let made = Transcript::create(path);
            Some(made.map_err(|error| {
                Failure::because(Status::Config, format!("--transcript {}", path.display()), &error)
            })?)
        }
        None => None,
    };
    let observed = transcript.is_some() || enabled!(target: DIALOGUE, Level::DEBUG);
    let mut capture = None;
    let plan = if args.connect.target.is_empty() {
        let started = Capture::start(&args.capture_dir).await?;
        let plan = plan::of_embedded(
            &args.connect,
            observed,
            started.endpoint.clone(),
            crate::capture::NAME,
            &started.ca_pem,
        )?;
        capture = Some(started);
        plan
    } else {
        plan::of(&args.connect, observed)?
    };
    let client = client(args, plan, transcript);
    let mut printer = Printer::new(args.format);
    let mut status = Status::Success;
    let inputs = input::list(&args.messages, args.input);
    if inputs.is_empty() {
        warn!("nothing to send: there is no message in what the command line names");
    }
    for listed in inputs {
        let (told, one) = match listed {
            Ok(input) => send(args, &client, &input, capture.as_mut()).await,
            Err((name, failure)) => unread(args, name, &failure),
        };
        status = status.max(one);
        printer.print(&told)?;
    }
    if let Some(capture) = capture {
        capture.stop().await;
    }
    printer.finish()?;
    Ok(status)
}

fn client(args: &cli::Send, plan: Plan, transcript: Option<Transcript>) -> Client {
    let mut plan = plan::with_chunking(plan, args.chunking).with_failover(plan::failover(args.failover));
    // D11: zero is the default, and the default is none.
    plan.total_timeout = args.total_timeout.filter(|limit| !limit.is_zero());
    Client::new(Arc::new(plan)).with_transcript(move |line| {
        debug!(target: DIALOGUE, "{line}");
        if let Some(transcript) = &transcript {
            transcript.write(line);
        }
    })
}

/// An input that gave no message: everybody whom the command line names is deferred.
fn unread(args: &cli::Send, name: String, failure: &Failure) -> (Told, Status) {
    let sender = Sender::new(args.from.clone().unwrap_or(smtp_proto::address::ReversePath::Null));
    let recipients = args.to.iter().cloned().map(smtp_proto::Recipient::new).collect();
    let error = Error::Source { message: failure.to_string().into() };
    let report = Report::refused(&Envelope::new(sender, recipients), Phase::Body, &error);
    (Told::unread(name, report, failure.clone()), failure.status)
}

async fn send(
    args: &cli::Send,
    client: &Client,
    input: &Input,
    capture: Option<&mut Capture>,
) -> (Told, Status) {
    let began = Instant::now();
    let name = input.name();
    let prepared = async {
        let content = input.open()?;
        let addressed = envelope::of(&name, &content, args.from.as_ref(), &args.to)?;
        let size = content.size();
        let message =
            message(content).await.map_err(|error| Failure::because(Status::Unsendable, &name, &error))?;
        Ok((addressed, size, message))
    };
    let (addressed, size, message) = match prepared.await {
        Ok(prepared) => prepared,
        Err(failure) => return unread(args, name, &failure),
    };
    info!(message = name, size, recipients = addressed.envelope.recipients.len(), "sending");
    let (report, failure) = match client.send(addressed.envelope.clone(), message).await {
        Ok(report) => (report, None),
        Err(SourceError { cause, report }) => {
            (report, Some(Failure::because(Status::Unsendable, &name, &cause)))
        }
    };
    log(&report);
    let status = failure.as_ref().map_or(Status::Success, |failure| failure.status).max(Status::of(&report));
    let stored = capture.map(stored).unwrap_or_default();
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
    };
    (told, status)
}

async fn message(content: Content) -> std::io::Result<Message> {
    match content {
        Content::File { path, .. } => Message::open(path).await,
        Content::Memory(octets) => Ok(Message::from_bytes(octets)),
        Content::Spooled { file, .. } => Ok(Message::from_file(file)),
    }
}

fn stored(capture: &mut Capture) -> Vec<PathBuf> {
    std::iter::from_fn(|| capture.take()).filter_map(|record| record.file).collect()
}

/// What somebody who reads logs wants to know, beside the report.
fn log(report: &Report) {
    for attempt in &report.attempts {
        let target = attempt.endpoint.to_string();
        for notice in &attempt.notices {
            match notice {
                Notice::BareLfInReply => info!(target, "{notice}"),
                notice => warn!(target, "{notice}"),
            }
        }
        match &attempt.error {
            Some(error) => info!(target, phase = attempt.phase.name(), "{}", error.full_text()),
            None => info!(target, "usable"),
        }
        if attempt.fell_back_to_plaintext {
            warn!(target, "TLS failed or was refused; went on in plaintext");
        }
    }
    for recipient in &report.recipients {
        if let Disposition::Uncertain(_) = recipient.disposition {
            warn!(
                recipient = crate::report::recipient(&recipient.recipient.path),
                "may have been delivered, or not"
            );
        }
    }
}
