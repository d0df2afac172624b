//! One client of the sink: the machine of `smtp_proto::server` over a socket.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};
use smtp_proto::{
    reply::{Code, EnhancedCode, Reply},
    sasl::Credentials,
    server::{Closed, Connection, Event},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::watch,
    time::{sleep, sleep_until, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Shared,
    record::{Envelope, Record, Tls},
};
use crate::maildir::Incoming;

/// Read at a time, in octets.
const READ: usize = 64 * 1024;
/// How long a client may take to read the last reply and hang up.
const LINGER: Duration = Duration::from_secs(1);
/// The reply to a message that was taken, but for its number.
const ACCEPTED: &str = "message accepted as number ";

/// Serves one client to its end.
pub(super) async fn run<T>(
    stream: T,
    (connection, peer): (u64, String),
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let machine = Connection::new(Instant::now(), Arc::clone(&shared.config));
    let mut session = Session {
        stream,
        shared,
        machine,
        connection,
        peer,
        hello: String::new(),
        user: None,
        envelope: Envelope::default(),
        content: Content::default(),
    };
    if let Err(error) = session.serve(stop).await {
        debug!(peer = session.peer, %error, "session ended");
    }
}

struct Session<T> {
    stream: T,
    shared: Arc<Shared>,
    machine: Connection,
    connection: u64,
    peer: String,
    hello: String,
    user: Option<String>,
    envelope: Envelope,
    content: Content,
}

/// The content of the message under way.
#[derive(Default)]
struct Content {
    hash: Sha256,
    file: Option<Incoming>,
    failed: Option<io::Error>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Session<T> {
    async fn serve(&mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let mut buffer = vec![0; READ];
        loop {
            while self.decide().await || self.take_content().await {}
            self.flush().await?;
            if self.machine.is_closed() {
                return self.linger(&mut buffer).await;
            }
            let deadline = self.machine.poll_timeout().map(tokio::time::Instant::from_std);
            let alarm = async {
                match deadline {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = self.stream.read(&mut buffer), if self.machine.wants_input() => match read {
                    Ok(0) => self.machine.handle_closed(Instant::now(), None),
                    Ok(length) => self.machine.handle_input(Instant::now(), buffer.get(..length).unwrap_or_default()),
                    Err(error) => self.machine.handle_closed(Instant::now(), Some(&error)),
                },
                () = alarm => self.machine.handle_timeout(Instant::now()),
                Ok(()) = stop.changed() => self.machine.shutdown(Instant::now()),
            }
        }
    }

    /// Writes what there is, late by the latency: once a flight.
    async fn flush(&mut self) -> io::Result<()> {
        if self.machine.transmit().is_empty() {
            return Ok(());
        }
        if !self.shared.latency.is_zero() {
            sleep(self.shared.latency).await;
        }
        loop {
            let flight = self.machine.transmit();
            if flight.is_empty() {
                return self.stream.flush().await;
            }
            // Who does not read is as idle as who does not speak.
            let written = timeout(self.shared.config.limits.idle, self.stream.write(flight)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.machine.handle_transmitted(Instant::now(), written);
        }
    }

    /// Hanging up while the client still sends would tear the last reply out of its hands.
    async fn linger(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.stream.shutdown().await?;
        let drained = async { while self.stream.read(buffer).await.is_ok_and(|length| length > 0) {} };
        let _ = timeout(LINGER, drained).await;
        Ok(())
    }

    async fn take_content(&mut self) -> bool {
        let octets = self.machine.content();
        let length = octets.len();
        if length == 0 {
            return false;
        }
        self.content.hash.update(octets);
        if let Some(file) = self.content.file.as_mut()
            && let Err(error) = file.write(octets).await
        {
            self.content.file = None;
            self.content.failed = Some(error);
        }
        self.machine.take_content(Instant::now(), length);
        true
    }

    /// Whether there was something to decide.
    async fn decide(&mut self) -> bool {
        let Some(event) = self.machine.poll_event() else { return false };
        match event {
            Event::Hello { name, .. } => self.hello = name,
            Event::TlsEstablished(facts) => {
                self.user = None;
                info!(peer = self.peer, version = facts.version, cipher = facts.cipher, "TLS");
            }
            Event::Authenticate { credentials, .. } => self.authenticate(&credentials),
            Event::Mail { path, parameters } => {
                self.envelope = Envelope {
                    from: crate::report::sender(&path),
                    to: Vec::new(),
                    size: parameters.size,
                    body: parameters.body.map(|body| body.name()),
                    smtputf8: parameters.smtputf8,
                };
            }
            Event::Recipient { path, .. } => self.envelope.to.push(crate::report::recipient(&path)),
            Event::Data => self.begin_content(),
            Event::EndOfContent { octets, round_trips } => self.end_content(octets, round_trips).await,
            Event::Reset => self.content = Content::default(),
            Event::Closed(why) => self.closed(&why),
            _ => {}
        }
        true
    }

    fn closed(&mut self, why: &Closed) {
        self.content = Content::default();
        match why {
            Closed::Quit | Closed::Shutdown => debug!(peer = self.peer, %why, "closed"),
            why => warn!(peer = self.peer, why = crate::exit::chain(why), "closed"),
        }
    }

    fn authenticate(&mut self, shown: &Credentials) {
        let now = Instant::now();
        let known = match (&self.shared.account, shown) {
            (Some((user, password)), Credentials::Password { user: shown, password: secret }) => {
                user == shown && password == secret
            }
            _ => false,
        };
        let answered = if known {
            self.user = self.shared.account.as_ref().map(|(user, _)| user.clone());
            self.machine.accept(now)
        } else {
            self.machine.reply(now, negative(535, 7, 8, "user or password is wrong"))
        };
        debug_assert!(answered.is_ok());
    }

    fn begin_content(&mut self) {
        self.content = Content::default();
        if let Some(maildir) = &self.shared.maildir {
            match maildir.begin() {
                Ok(file) => self.content.file = Some(file),
                Err(error) => self.content.failed = Some(error),
            }
        }
    }

    async fn end_content(&mut self, octets: u64, round_trips: u32) {
        let Content { hash, file, mut failed } = std::mem::take(&mut self.content);
        let mut stored = None;
        if failed.is_none()
            && let Some(file) = file
        {
            match file.commit().await {
                Ok(path) => stored = Some(path),
                Err(error) => failed = Some(error),
            }
        }
        let now = Instant::now();
        if let Some(error) = failed {
            warn!(peer = self.peer, %error, "a message could not be stored");
            let answered = self.machine.reply(now, negative(452, 3, 1, "the message could not be stored"));
            debug_assert!(answered.is_ok());
            return;
        }
        let number = self.shared.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let record = Record {
            number,
            envelope: std::mem::take(&mut self.envelope),
            size: octets,
            sha256: format!("{:x}", hash.finalize()),
            file: stored,
            peer: self.peer.clone(),
            connection: self.connection,
            hello: self.hello.clone(),
            tls: self.machine.tls().map(|facts| Tls {
                version: facts.version,
                cipher: facts.cipher.clone(),
                group: facts.group.clone(),
                server_name: facts.server_name.clone(),
            }),
            auth: self.user.clone(),
            round_trips,
        };
        // Told before the client is: who has been answered finds the record.
        let _ = self.shared.records.send(record).await;
        let answered = self.machine.reply(now, accepted(number));
        debug_assert!(answered.is_ok());
    }
}

/// What a client is told whose message was taken; [`number_in`] reads it.
fn accepted(number: u64) -> Reply {
    let code = Code::new(250).unwrap_or(Code::LOCAL_ERROR);
    Reply::with_enhanced(code, EnhancedCode::new(2, 0, 0), format!("{ACCEPTED}{number}"))
}

/// The number that a sink gave a message in its last reply.
pub(crate) fn number_in(reply: &Reply) -> Option<u64> {
    reply.text().strip_prefix(ACCEPTED)?.parse().ok()
}

fn negative(code: u16, subject: u16, detail: u16, text: &str) -> Reply {
    let class = (code / 100) as u8;
    Reply::with_enhanced(
        Code::new(code).unwrap_or(Code::LOCAL_ERROR),
        EnhancedCode::new(class, subject, detail),
        text,
    )
}
