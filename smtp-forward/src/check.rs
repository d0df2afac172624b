//! `check`: what each target is like, without a message.

use std::{fmt::Write as _, io::Write as _};

use serde::Serialize;
use smtp_client_tokio::Client;
use smtp_proto::{
    Error, Notice, Phase, Probe, Target,
    config::TlsMode,
    error::{AuthError, Kind, TlsError},
    sasl::{AuthPolicy, SaslError},
};
use tracing::{Level, debug, enabled};

use crate::{
    cli::{self, Format},
    configuration::Configured,
    durations,
    exit::{Failure, Status},
    plan,
    report::{BAD, GOOD, MIDDLING, json::Tls, printable, tls_words},
};

/// What was found out about one target. Keys and their order are a contract.
#[derive(Serialize)]
struct Finding<'a> {
    target: String,
    address: Option<String>,
    reachable: bool,
    usable: bool,
    greeting: Option<&'a str>,
    capabilities: Vec<String>,
    tls: Option<Tls<'a>>,
    /// `verified`, or why not; `null`: it did not come to that.
    certificate: Option<String>,
    mechanisms: Vec<&'a str>,
    /// `ok`, or why not; `null`: none is configured, or it did not come to that.
    auth: Option<String>,
    /// What `send` would do.
    send: &'static str,
    /// Why, where `error` does not say it.
    because: Option<&'static str>,
    error: Option<Trouble>,
    notices: Vec<String>,
    elapsed_ms: u128,
}

#[derive(Serialize)]
struct Trouble {
    phase: &'static str,
    kind: &'static str,
    detail: String,
}

/// What `send` does where TLS is optional and fails (M65).
const IN_PLAINTEXT: &str = "connect again and deliver in plaintext";

/// Looks at every target.
pub(crate) async fn run(args: &cli::Check, configured: Option<Configured>) -> Result<Status, Failure> {
    let observed = enabled!(target: "smtp_forward::dialogue", Level::DEBUG);
    let plan = match configured {
        Some(configured) => {
            let plan = configured.plan(observed)?;
            if args.format == Format::Text {
                write(&format!("{}\n\n", printable(configured.title())))?;
            }
            plan
        }
        None if args.connect.target.is_empty() => {
            return Err(Failure::usage("check needs --target ENDPOINT or --config FILE"));
        }
        None => plan::of(&args.connect, observed)?,
    };
    let targets = plan.targets.clone();
    let client = Client::new(plan).with_transcript(|line| debug!(target: "smtp_forward::dialogue", "{line}"));
    let (mut usable, mut policy) = (0, false);
    for (index, target) in targets.iter().enumerate() {
        let probe = client.probe(index).await;
        let finding = Finding::new(target, &probe, index + 1 < targets.len());
        // What `send` gets past is no trouble.
        if finding.usable || falls_back(target, &probe) {
            usable += 1;
        } else if matches!(probe.error, Some(Error::Tls(_) | Error::Auth(_))) {
            policy = true;
        }
        write(&match args.format {
            Format::Json => serde_json::to_string(&finding).map(|line| line + "\n").unwrap_or_default(),
            Format::Text => text(index, &finding, &probe).unwrap_or_default(),
        })?;
    }
    Ok(match usable {
        _ if policy => Status::Policy,
        0 => Status::Rejected,
        some if some < targets.len() => Status::Deferred,
        _ => Status::Success,
    })
}

/// The handshake failed, and `send` would go on in plaintext (M65).
fn falls_back(target: &Target, probe: &Probe) -> bool {
    let security = &target.config.security;
    let in_handshake = match &probe.error {
        Some(Error::Tls(TlsError::Failed(_) | TlsError::NoServerName)) => true,
        Some(error) => error.phase() == Some(Phase::Tls) && error.kind() != Kind::Protocol,
        None => false,
    };
    // Secrets do not follow into plaintext (D4). What `auto` would find there is not known.
    let keeps_secret = match &target.config.auth {
        AuthPolicy::Off => true,
        AuthPolicy::Mechanism(mechanism, _) => !mechanism.reveals_secret(),
        _ => false,
    };
    security.mode == TlsMode::StartTls && !security.required && in_handshake && !probe.usable && keeps_secret
}

impl<'a> Finding<'a> {
    /// `others`: more targets follow this one.
    fn new(target: &Target, probe: &'a Probe, others: bool) -> Self {
        let certificate = match (&probe.tls, &probe.error) {
            (Some(tls), _) if tls.verified => Some("verified".to_owned()),
            (_, Some(error @ Error::Tls(TlsError::Failed(_)))) => Some(error.full_text()),
            _ => None,
        };
        let auth = match (&target.config.auth, &probe.error) {
            (AuthPolicy::Off, _) => None,
            (_, Some(error @ Error::Auth(_))) => Some(error.full_text()),
            _ if probe.usable => Some("ok".to_owned()),
            _ => None,
        };
        Self {
            target: target.endpoint.to_string(),
            address: probe.peer.as_ref().map(ToString::to_string),
            reachable: probe.peer.is_some(),
            usable: probe.usable,
            greeting: probe.greeting.as_deref(),
            capabilities: probe
                .capabilities
                .iter()
                .map(
                    |(keyword, value)| {
                        if value.is_empty() { keyword.to_owned() } else { format!("{keyword} {value}") }
                    },
                )
                .map(|line| printable(&line))
                .collect(),
            tls: probe.tls.as_ref().map(Tls::from),
            certificate,
            mechanisms: probe.capabilities.auth_mechanisms().collect(),
            auth,
            send: would(target, probe, others),
            because: because(target, probe),
            error: probe.error.as_ref().map(|error| Trouble {
                phase: error.phase().map_or("", Phase::name),
                kind: error.kind().name(),
                detail: error.full_text(),
            }),
            notices: probe.notices.iter().map(ToString::to_string).collect(),
            elapsed_ms: probe.elapsed.as_millis(),
        }
    }
}

fn would(target: &Target, probe: &Probe, others: bool) -> &'static str {
    match &probe.error {
        _ if probe.usable && probe.tls.is_some() => "deliver over TLS",
        _ if probe.usable => "deliver in plaintext",
        _ if falls_back(target, probe) => IN_PLAINTEXT,
        // Nothing was refused, so another target may follow (D4).
        Some(Error::Auth(AuthError::Sasl(SaslError::NotConfidential(_)))) if others => {
            "send no secret in clear, and try the next target"
        }
        Some(Error::Auth(AuthError::Sasl(SaslError::NotConfidential(_)))) => {
            "send no secret in clear, and defer the message"
        }
        // M45
        Some(Error::Auth(AuthError::Sasl(SaslError::NothingToForward))) => {
            "refuse the message with 530: `auth forward` needs a client that submits it, and `send` has none"
        }
        Some(Error::Auth(_)) => "defer the message: the credentials do not work",
        _ if others => "try the next target",
        // The last target's error decides (M40).
        Some(error) if error.is_permanent() => "reject the message",
        _ => "defer the message",
    }
}

/// Why a usable target is used in that way.
fn because(target: &Target, probe: &Probe) -> Option<&'static str> {
    let refused = |notice: &Notice| matches!(notice, Notice::StartTlsRefused(_));
    match target.config.security.mode {
        _ if falls_back(target, probe) => Some("the TLS handshake fails, and TLS is not required"),
        _ if !probe.usable => None,
        TlsMode::Implicit => Some("tls:// is TLS from the first octet"),
        TlsMode::StartTls if probe.tls.is_some() => Some("the server offers STARTTLS"),
        TlsMode::StartTls if probe.notices.iter().any(refused) => Some("the server refuses STARTTLS"),
        TlsMode::StartTls => Some("the server offers no STARTTLS"),
        TlsMode::Off => Some("STARTTLS is off"),
    }
}

/// Writes to standard output.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read it has gone, which is no trouble of the targets.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::because(Status::Deferred, "standard output", &error))
        }
        _ => Ok(()),
    }
}

fn text(index: usize, finding: &Finding<'_>, probe: &Probe) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    if index > 0 {
        out.push('\n');
    }
    let (style, word) = match finding.usable {
        true => (GOOD, "usable"),
        false if finding.send == IN_PLAINTEXT => (MIDDLING, "usable in plaintext only"),
        false => (BAD, "not usable"),
    };
    writeln!(out, "{}  {style}{word}{style:#}  ({})", finding.target, durations::human(probe.elapsed))?;
    let mut row = |name: &str, value: &str| writeln!(out, "  {name:<12}{value}");
    row("address", finding.address.as_deref().unwrap_or("not reachable"))?;
    if let Some(greeting) = finding.greeting {
        row("greeting", &printable(greeting))?;
    }
    if !finding.capabilities.is_empty() {
        row("offers", &finding.capabilities.join(", "))?;
    }
    if let Some(tls) = &probe.tls {
        row("TLS", &tls_words(tls))?;
    } else if finding.reachable {
        row("TLS", finding.certificate.as_deref().unwrap_or("none"))?;
    }
    if !finding.mechanisms.is_empty() {
        row("mechanisms", &printable(&finding.mechanisms.join(", ")))?;
    }
    if let Some(auth) = &finding.auth {
        row("auth", &printable(auth))?;
    }
    for notice in &finding.notices {
        row("note", &format!("{MIDDLING}{}{MIDDLING:#}", printable(notice)))?;
    }
    // Where the row of TLS or auth has said it, that is enough.
    if let Some(error) = finding.error.as_ref().filter(|error| {
        ![&finding.certificate, &finding.auth].into_iter().flatten().any(|said| *said == error.detail)
    }) {
        row("trouble", &format!("{MIDDLING}{}: {}{MIDDLING:#}", error.kind, printable(&error.detail)))?;
    }
    match finding.because {
        Some(why) => row("send would", &format!("{}: {why}", finding.send))?,
        None => row("send would", finding.send)?,
    }
    Ok(out)
}
