//! `send`: messages to servers, and what became of them.

use std::sync::{Arc, atomic::AtomicUsize};

use smtp_client_tokio::Client;
use smtp_config::settings::Auth;
use smtp_proto::{Disposition, Notice, Plan, Report};
use tracing::{Level, enabled, info, warn};

use crate::{
    capture::Capture,
    cli,
    configuration::Configured,
    exit::{Failure, Status},
    input::Inputs,
    plan,
    progress::Progress,
    report::Printer,
    signals::Signals,
    transcript::Transcript,
};

mod batch;
mod message;

use batch::{Batch, Out};
use message::Sending;

/// The log target of the dialogue.
const DIALOGUE: &str = "smtp_forward::dialogue";

/// Sends everything, some messages at a time.
pub(crate) async fn run(args: &cli::Send, configured: Option<Configured>) -> Result<Status, Failure> {
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
    let (plan, capture) = plan(args, configured, observed).await?;
    let inputs = Inputs::find(&args.messages, args.input);
    let several = inputs.total().messages.is_none_or(|messages| messages > 1);
    let plan = shared(args, plan, several);
    let sending = Arc::new(Sending {
        client: Client::new(plan),
        from: args.from.clone(),
        to: args.to.clone(),
        transcript: transcript.map(Arc::new),
        capture,
        several,
        under_way: AtomicUsize::new(0),
    });
    let batch = Batch {
        sending: Arc::clone(&sending),
        most: args.connections.get().into(),
        signals: Signals::listen(),
        progress: Progress::new(!args.no_progress, inputs.total()),
        out: Out::Idle(Printer::new(args.format)),
    };
    let status = batch.run(inputs).await?;
    // Whoever was aborted may still be at it; nothing depends on them.
    if let Some(capture) = Arc::into_inner(sending).and_then(|sending| sending.capture) {
        capture.stop().await;
    }
    Ok(status)
}

/// The plan of the configuration or of the command line, or that for the embedded server, which is started.
async fn plan(
    args: &cli::Send,
    configured: Option<Configured>,
    observed: bool,
) -> Result<(Plan, Option<Capture>), Failure> {
    if let Some(mut configured) = configured {
        let settings = configured.settings();
        settings.failover = args.failover.map_or(settings.failover, Into::into);
        settings.chunking = args.chunking.map_or(settings.chunking, Into::into);
        settings.total_timeout = args.total_timeout.unwrap_or(settings.total_timeout);
        if settings.auth == Auth::Forward {
            // M45: nobody submits anything here.
            warn!(
                "`auth forward`: there is no submitting client here whose credentials could be passed on, so every message is refused \
                 with 530; use `auth plain`"
            );
        }
        return Ok((configured.plan(observed)?, None));
    }
    let (mut plan, capture) = if args.connect.target.is_empty() {
        let capture = Capture::start(&args.capture_dir).await?;
        let endpoint = capture.endpoint.clone();
        let ca = &capture.ca_pem;
        let plan = plan::of_embedded(&args.connect, observed, endpoint, crate::capture::NAME, ca)?;
        (plan, Some(capture))
    } else {
        (plan::of(&args.connect, observed)?, None)
    };
    plan.failover = args.failover.unwrap_or_default().into();
    let chunking = args.chunking.unwrap_or_default();
    plan::for_each_target(&mut plan, |config| config.chunking = chunking.into());
    // D11: zero is the default, and the default is none.
    plan.total_timeout = args.total_timeout.filter(|limit| !limit.is_zero());
    Ok((plan, capture))
}

/// The plan with its connections kept as far as there is something to keep them for, and no more of them than messages at a time.
fn shared(args: &cli::Send, mut plan: Plan, several: bool) -> Plan {
    // The only message's QUIT rides behind its content.
    plan.reuse = plan.reuse.filter(|_| several);
    if let Some(limits) = &mut plan.reuse {
        limits.connections = args.connections.get().into();
    }
    plan
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
