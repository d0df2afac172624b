//! A look at one target, without a message.

use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use smtp_proto::{
    Config, Connection, Endpoint, Error, Event, Notice, Peer, Phase, Plan, Target, TlsFacts,
    capability::Capabilities,
    config::Link,
    transcript::{Direction, Line},
};

use crate::{
    Observer,
    dial::Network,
    drive::{Alarm, Wire, now},
};

/// What a target is like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// The target; `None` where the plan has no such index.
    pub endpoint: Option<Endpoint>,
    /// The address that took the connection; `None`: none did.
    pub peer: Option<Peer>,
    /// The text of the greeting, escaped; lines are joined by a blank.
    pub greeting: Option<String>,
    /// What the server offers, by its last reply to EHLO or LHLO; empty where it came to none.
    pub capabilities: Capabilities,
    /// The TLS session, where there is one.
    pub tls: Option<TlsFacts>,
    /// A message could have been sent.
    pub usable: bool,
    /// Why not, or what ended the session.
    pub error: Option<Error>,
    /// Things worth a line in the log.
    pub notices: Vec<Notice>,
    /// The time all of it took.
    pub elapsed: Duration,
}

pub(crate) async fn probe<N: Network>(
    network: &N,
    plan: &Plan,
    index: usize,
    observer: Option<&Observer>,
) -> Probe {
    let began = now();
    let mut probe = Probe {
        endpoint: None,
        peer: None,
        greeting: None,
        capabilities: Capabilities::default(),
        tls: None,
        usable: false,
        error: None,
        notices: Vec::new(),
        elapsed: Duration::ZERO,
    };
    match plan.targets.get(index) {
        Some(target) => {
            probe.endpoint = Some(target.endpoint.clone());
            match connect(network, target).await {
                Ok((peer, transport)) => {
                    probe.peer = Some(peer.clone());
                    let session = Session::new(&target.config, &peer, Wire::new(Some(transport)), observer);
                    session.run(&mut probe).await;
                }
                Err(error) => probe.error = Some(error),
            }
        }
        None => {
            let message = format!("the plan has {} targets, none with index {index}", plan.targets.len());
            probe.error = Some(Error::Resolve { not_found: true, message: message.into() });
        }
    }
    probe.elapsed = now().saturating_duration_since(began);
    probe
}

/// The first address that connects, within the one time for all of them (M14).
async fn connect<N: Network>(network: &N, target: &Target) -> Result<(Peer, N::Transport), Error> {
    let limit = target.config.timeouts.duration(Phase::Connect);
    let dial = async {
        let mut failure = Error::Resolve { not_found: true, message: "the name has no address".into() };
        for peer in addresses(network, &target.endpoint).await? {
            match network.connect(peer.clone()).await {
                Ok(transport) => return Ok((peer, transport)),
                Err(cause) => failure = Error::Lost { phase: Phase::Connect, cause: Some(Arc::new(cause)) },
            }
        }
        Err(failure)
    };
    tokio::time::timeout(limit, dial).await.unwrap_or(Err(Error::Timeout(Phase::Connect)))
}

async fn addresses<N: Network>(network: &N, endpoint: &Endpoint) -> Result<Vec<Peer>, Error> {
    if let Endpoint::Unix(path) = endpoint {
        return Ok(vec![Peer::Unix(path.clone())]);
    }
    let port = endpoint.port().unwrap_or_default();
    let host = endpoint
        .dns_name()
        .map_err(|error| Error::Resolve { not_found: true, message: error.to_string().into() })?
        .unwrap_or_default();
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![Peer::Tcp(SocketAddr::new(ip, port))]);
    }
    match network.resolve(host, port).await {
        Ok(found) => Ok(found.into_iter().map(Peer::Tcp).collect()),
        Err(error) => Err(Error::Resolve { not_found: error.not_found, message: error.message.into() }),
    }
}

/// One connection from its greeting to its end.
struct Session<'a, T> {
    connection: Connection,
    wire: Wire<T>,
    alarm: Alarm,
    observer: Option<&'a Observer>,
    /// The caller's own wish for a transcript; this one needs it for the greeting.
    observed: bool,
    greeting: Vec<String>,
    greeted: bool,
    /// Closed: how long its last words may take.
    until: Option<Instant>,
    patience: Duration,
}

impl<'a, T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Session<'a, T> {
    fn new(config: &Config, peer: &Peer, wire: Wire<T>, observer: Option<&'a Observer>) -> Self {
        let mut link = Link::default();
        link.local = peer.is_local();
        let observed = config.transcript;
        let mut config = config.clone();
        config.transcript = true;
        Self {
            patience: config.timeouts.duration(Phase::Quit),
            connection: Connection::with_link(now(), Arc::new(config), link),
            wire,
            alarm: Alarm::default(),
            observer,
            observed,
            greeting: Vec::new(),
            greeted: false,
            until: None,
        }
    }

    async fn run(mut self, probe: &mut Probe) {
        while !self.obey(probe) {
            poll_fn(|cx| self.poll_turn(cx)).await;
        }
        probe.capabilities = self.connection.capabilities().clone();
        probe.greeting = (!self.greeting.is_empty()).then(|| self.greeting.join(" "));
    }

    /// Whether all is over.
    fn obey(&mut self, probe: &mut Probe) -> bool {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Ready => {
                    probe.usable = true;
                    self.connection.quit(now());
                }
                Event::Notice(notice) => probe.notices.push(notice),
                Event::Closed(error) => {
                    probe.error = error;
                    self.until = now().checked_add(self.patience);
                }
                _ => {}
            }
        }
        if let Some(tls) = self.connection.tls() {
            probe.tls = Some(tls.clone());
        }
        while let Some(line) = self.connection.poll_transcript() {
            self.hear(&line);
        }
        self.connection.is_closed()
            && (self.connection.transmit().is_empty() || self.until.is_none_or(|until| until <= now()))
    }

    fn hear(&mut self, line: &Line) {
        match line.direction {
            Direction::Server if !self.greeted => {
                self.greeting.extend(line.text.get(4..).map(str::to_owned));
            }
            Direction::Client => self.greeted = true,
            _ => {}
        }
        if let Some(observer) = self.observer.filter(|_| self.observed) {
            observer(line);
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut progress = self.wire.poll_read(cx, &mut self.connection);
        progress |= self.wire.poll_write(cx, &mut self.connection);
        let deadline = self.connection.poll_timeout().or(self.until);
        if self.alarm.poll(cx, deadline).is_ready() {
            self.connection.handle_timeout(now());
            progress = true;
        }
        if progress { Poll::Ready(()) } else { Poll::Pending }
    }
}
