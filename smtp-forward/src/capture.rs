//! The embedded capture server: a sink inside the program, for a first try without any set-up.
//!
//! It listens on loopback, offers STARTTLS with a certificate made for this run, which only this client is told to trust, and stores what
//! it gets in a Maildir.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use smtp_proto::{Disposition, Endpoint, Report, server::Tls};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::{
    certificates::Throwaway,
    exit::{Failure, Status},
    hostname,
    maildir::Maildir,
    sink::{self, Listener, Record, Shared},
};

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";

/// A running capture server.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) endpoint: Endpoint,
    /// What to trust.
    pub(crate) ca_pem: String,
    records: Mutex<Records>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// Messages that have come in and whose sender has not asked yet.
#[derive(Debug)]
struct Records {
    inbox: mpsc::Receiver<Record>,
    /// Where each is stored, by its number.
    stored: BTreeMap<u64, PathBuf>,
}

impl Capture {
    /// Starts it; messages go to the Maildir `folder`, which is made if it is not there.
    pub(crate) async fn start(folder: &Path) -> Result<Self, Failure> {
        let failure = |error: &dyn std::error::Error| {
            Failure::because(Status::Config, "the embedded capture server", error)
        };
        let maildir = Maildir::create(folder).map_err(|error| {
            Failure::because(Status::Config, format!("--capture-dir {}", folder.display()), &error)
        })?;
        let certificate = Throwaway::new(vec![NAME.to_owned()]).map_err(|error| failure(&error))?;
        let listen = "tcp://127.0.0.1:0"
            .parse()
            .map_err(|error: smtp_proto::endpoint::EndpointError| failure(&error))?;
        let listener = Listener::bind(&listen).await.map_err(|error| failure(&error))?;
        let endpoint = listener.endpoint().clone();
        let mut config = sink::base_config(hostname::own());
        config.tls = Tls::StartTls(certificate.config);
        let (sender, inbox) = mpsc::channel(sink::RECORDS);
        let shared = Shared {
            config: Arc::new(config),
            maildir: Some(maildir),
            account: None,
            latency: Duration::ZERO,
            records: sender,
            accepted: AtomicU64::new(0),
        };
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(listener.serve(Arc::new(shared), async {
            // Dropping the sender stops it as well.
            let _ = stopped.await;
        }));
        Ok(Self {
            endpoint,
            ca_pem: certificate.ca_pem,
            records: Mutex::new(Records { inbox, stored: BTreeMap::new() }),
            stop,
            server,
        })
    }

    /// Where the message is that this report is about. To be asked once, and for every message: what nobody asks for is kept.
    pub(crate) fn take(&self, report: &Report) -> Option<PathBuf> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(record) = records.inbox.try_recv() {
            records.stored.extend(record.file.map(|file| (record.number, file)));
        }
        // Its recipients share one reply.
        let number = report.recipients.iter().find_map(|recipient| match &recipient.disposition {
            Disposition::Delivered(reply) => sink::number_in(reply),
            _ => None,
        })?;
        records.stored.remove(&number)
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.server.await;
    }
}
