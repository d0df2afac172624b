//! `sink`: a server that keeps what it receives, or counts it.

use std::{
    io::{self, Write as _},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use smtp_proto::{
    Endpoint, Secret,
    address::ClientName,
    sasl::Mechanism,
    server::{Auth, Config, Decisions, Protocol, Tls},
};
use tokio::sync::mpsc;

use crate::{
    certificates::{Throwaway, server_config_pem},
    cli,
    exit::{Failure, Status},
    files, hostname,
    maildir::Maildir,
    report,
    signals::Signals,
};

pub(crate) mod listener;
pub(crate) mod options;
mod record;
mod session;

pub(crate) use listener::Listener;
pub(crate) use record::Record;
pub(crate) use session::number_in;

/// What all sessions of a sink share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    /// Where messages go; `None`: they are counted only.
    pub(crate) maildir: Option<Maildir>,
    /// Who may authenticate.
    pub(crate) account: Option<(String, Secret)>,
    /// Waited before each flight of replies.
    pub(crate) latency: Duration,
    /// Told of each message that was accepted.
    pub(crate) records: mpsc::Sender<Record>,
    /// Messages accepted.
    pub(crate) accepted: AtomicU64,
}

/// Records on their way to whoever prints them.
pub(crate) const RECORDS: usize = 64;

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn run(args: &cli::Sink) -> Result<Status, Failure> {
    let (records, mut inbox) = mpsc::channel(RECORDS);
    let (tls, ca_file) = server_tls(args)?;
    let shared = Shared {
        config: Arc::new(config(args, tls)?),
        maildir: maildir(args)?,
        account: args
            .auth
            .as_ref()
            .map(|account| Ok((account.user.clone(), files::password("--auth", &account.password_file)?)))
            .transpose()?,
        latency: args.latency.unwrap_or_default(),
        records,
        accepted: AtomicU64::new(0),
    };
    let listener = Listener::bind(&args.listen).await.map_err(|error| {
        Failure::because(Status::Rejected, format!("cannot listen on {}", args.listen.endpoint()), &error)
    })?;
    // Listened for from now on: before anybody is told that the sink is there.
    let mut signals = Signals::listen();
    if let Some(file) = &ca_file {
        report::say(format_args!("ca {}", file.path().display()));
    }
    report::say(format_args!("listening {}", listener.endpoint()));

    let printer = tokio::spawn(async move {
        while let Some(record) = inbox.recv().await {
            print(&record)?;
        }
        Ok::<(), io::Error>(())
    });
    listener.serve(Arc::new(shared), signals.next()).await;
    match printer.await {
        Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::because(Status::Deferred, "standard output", &error))
        }
        _ => Ok(Status::Success),
    }
}

fn print(record: &Record) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

fn maildir(args: &cli::Sink) -> Result<Option<Maildir>, Failure> {
    if args.discard {
        return Ok(None);
    }
    let made = Maildir::create(&args.dir);
    made.map(Some)
        .map_err(|error| Failure::because(Status::Config, format!("--dir {}", args.dir.display()), &error))
}

/// The server's TLS, and the file with the authority to trust where that was made here: it lives as long as the sink.
fn server_tls(args: &cli::Sink) -> Result<(Tls, Option<tempfile::NamedTempFile>), Failure> {
    let implicit = matches!(args.listen.endpoint(), Endpoint::Tls { .. });
    let (config, ca_file) = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => {
            let (chain, private) = (files::read("--tls-cert", cert)?, files::read("--tls-key", key)?);
            let config = server_config_pem(&chain, &private).map_err(|error| {
                Failure::because(Status::Config, files::pair("--tls-cert", cert, "--tls-key", key), &error)
            })?;
            (config, None)
        }
        _ if args.tls_self_signed => {
            let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
            names.extend(
                args.listen.endpoint().dns_name().ok().flatten().filter(|name| !names.contains(name)),
            );
            let made = Throwaway::new(names)
                .map_err(|error| Failure::because(Status::Config, "--tls-self-signed", &error))?;
            let ca_file = files::temporary("smtp-forward-ca-", ".pem", made.ca_pem.as_bytes())?;
            (made.config, Some(ca_file))
        }
        _ if implicit => {
            return Err(Failure::usage(
                "tls:// needs a certificate: give --tls-cert and --tls-key, or --tls-self-signed",
            ));
        }
        _ => return Ok((Tls::Off, None)),
    };
    Ok((if implicit { Tls::Implicit(config) } else { Tls::StartTls(config) }, ca_file))
}

fn config(args: &cli::Sink, tls: Tls) -> Result<Config, Failure> {
    let mut config = base_config(args.hostname.clone().unwrap_or_else(hostname::own));
    if args.lmtp {
        if args.listen.port() == 25 {
            return Err(Failure::usage("LMTP must not be used on TCP port 25 (RFC 2033)")); // R78
        }
        config.protocol = Protocol::Lmtp;
    }
    if args.auth.is_some() {
        let mut auth = Auth::default();
        auth.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
        // Without TLS there is no better way, and this is a server for trying things out.
        auth.in_clear = matches!(tls, Tls::Off);
        auth.required = true;
        config.auth = auth;
    }
    config.tls = tls;
    for extension in &args.without {
        extension.take_from(&mut config.extensions);
    }
    config.replies = args.reply.iter().map(|canned| (canned.phase, canned.reply.clone())).collect();
    Ok(config)
}

/// What every sink is like: it takes messages of any size, and says yes once they are stored.
pub(crate) fn base_config(host_name: ClientName) -> Config {
    let mut config = Config::new(host_name);
    config.decisions = Decisions::END;
    config.limits.message = None;
    config
}
