//! A delivery, its servers and the time, in memory.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use smtp_proto::{
    Action, Config, Delivery, Disposition, Endpoint, Envelope, Failover, Peer, Plan, Recipient, Report,
    Secret, Sender,
    config::TlsMode,
    error::{Kind, Status},
    sasl::{AuthPolicy, Credentials, Mechanism},
};

use crate::{
    certs,
    server::{Script, Server},
};

pub(crate) const USER: &str = "test";
pub(crate) const PASSWORD: &str = "correct-horse";
/// `\0test\0correct-horse`
pub(crate) const PLAIN: &str = "AHRlc3QAY29ycmVjdC1ob3JzZQ==";
/// `correct-horse`, as LOGIN sends it.
pub(crate) const LOGIN_PASSWORD: &str = "Y29ycmVjdC1ob3JzZQ==";

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nworld\r\n";

pub(crate) fn password() -> Credentials {
    Credentials::Password { user: USER.to_owned(), password: Secret::from(PASSWORD) }
}

pub(crate) fn auth_plain() -> AuthPolicy {
    AuthPolicy::Mechanism(Mechanism::Plain, password())
}

/// `attempt_starttls no`
pub(crate) fn off() -> Config {
    let mut config = Config::new("client.example".parse().unwrap());
    config.security.client = Some(certs::client());
    config.security.secrets_in_clear = true;
    config
}

/// Off, and nobody said so.
pub(crate) fn off_by_default() -> Config {
    let mut config = off();
    config.security.secrets_in_clear = false;
    config
}

/// `attempt_starttls yes`
pub(crate) fn attempt() -> Config {
    let mut config = off();
    config.security.mode = TlsMode::StartTls;
    config
}

/// `attempt_starttls yes`, `require_tls yes`
pub(crate) fn require() -> Config {
    let mut config = attempt();
    config.security.required = true;
    config
}

pub(crate) fn with_auth(mut config: Config, auth: AuthPolicy) -> Config {
    config.auth = auth;
    config
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) sender: Sender,
    pub(crate) forwarded: Option<Credentials>,
    /// Octets that a read or write moves at most.
    pub(crate) split: usize,
    pub(crate) recipient: &'static str,
    /// The body's source fails after this many octets.
    pub(crate) fail_body: bool,
}

pub(crate) struct Seen {
    pub(crate) report: Report,
    pub(crate) sessions: Vec<(Peer, Server)>,
    pub(crate) elapsed: Duration,
    /// How many connects were asked for.
    pub(crate) connects: usize,
}

impl World {
    pub(crate) fn new(config: &Config, endpoints: &[&str]) -> Self {
        let endpoints = endpoints.iter().map(|text| text.parse::<Endpoint>().unwrap());
        Self {
            plan: Plan::new(endpoints, config).unwrap().with_reuse(None),
            sender: Sender::new("s@example.org".parse().unwrap()),
            forwarded: None,
            split: usize::MAX,
            recipient: "r@example.net",
            fail_body: false,
        }
    }

    /// One routable target.
    pub(crate) fn one(config: &Config) -> Self {
        Self::new(config, &["tcp://10.0.0.1:25"])
    }

    /// Two routable targets.
    pub(crate) fn two(config: &Config) -> Self {
        Self::new(config, &["tcp://10.0.0.1:25", "tcp://10.0.0.2:25"])
    }

    pub(crate) fn forwarding(mut self, credentials: Credentials) -> Self {
        self.forwarded = Some(credentials);
        self
    }

    pub(crate) fn with_require_tls(mut self) -> Self {
        self.sender = self.sender.with_require_tls();
        self
    }

    pub(crate) fn split(mut self, split: usize) -> Self {
        self.split = split;
        self
    }

    pub(crate) fn until_decided(mut self) -> Self {
        self.plan = self.plan.with_failover(Failover::UntilDecided);
        self
    }

    /// One script per connection, in order, all of which must be used.
    #[track_caller]
    pub(crate) fn run(self, scripts: impl IntoIterator<Item = Script>) -> Seen {
        let scripts: Vec<Script> = scripts.into_iter().collect();
        let seen = self.run_with(|nth, _| scripts[nth].clone());
        assert_eq!(seen.connects, scripts.len(), "connections: {:?}", seen.lines());
        seen
    }

    pub(crate) fn run_with(self, mut script: impl FnMut(usize, &Peer) -> Script) -> Seen {
        let start = Instant::now();
        let recipients = vec![Recipient::new(self.recipient.parse().unwrap())];
        let envelope = Envelope::new(self.sender, recipients);
        let delivery = Delivery::with_credentials(start, Arc::new(self.plan), envelope, self.forwarded);
        let mut run = Run {
            delivery,
            start,
            now: start,
            split: self.split,
            fail_body: self.fail_body,
            sessions: Vec::new(),
            connects: 0,
            open: false,
            told: false,
            taken: 0,
            pending: None,
        };
        for _ in 0..200_000 {
            if let Some(report) = run.actions() {
                assert!(!run.open, "M115: nothing is left open");
                let Run { start, now, sessions, connects, .. } = run;
                return Seen { report, sessions, elapsed: now - start, connects };
            }
            run.step(&mut script);
        }
        panic!("no end in sight");
    }
}

struct Run {
    delivery: Delivery,
    start: Instant,
    now: Instant,
    split: usize,
    fail_body: bool,
    sessions: Vec<(Peer, Server)>,
    connects: usize,
    open: bool,
    /// The end of the file has been told.
    told: bool,
    taken: usize,
    pending: Option<Peer>,
}

impl Run {
    fn actions(&mut self) -> Option<Report> {
        while let Some(action) = self.delivery.poll_action() {
            match action {
                Action::Resolve { port, .. } => {
                    self.delivery.handle_resolved(self.now, Ok(vec![([10, 0, 0, 1], port).into()]));
                }
                Action::Connect(peer) => {
                    assert!(!self.open, "one transport at a time");
                    self.pending = Some(peer);
                }
                Action::Disconnect => (self.open, self.pending) = (false, None),
                Action::Rewind => {
                    self.taken = 0;
                    self.delivery.handle_rewound(self.now, Ok(()));
                }
                Action::Acquire(_) | Action::Keep(_) => unreachable!("the plan keeps nothing"),
                Action::Answer(..) => {}
                Action::Finish(report) => return Some(report),
            }
        }
        None
    }

    fn step(&mut self, script: &mut impl FnMut(usize, &Peer) -> Script) {
        if let Some(peer) = self.pending.take() {
            let script = script(self.connects, &peer);
            self.connects += 1;
            if script.refused {
                return self
                    .delivery
                    .handle_connected(self.now, Err(io::ErrorKind::ConnectionRefused.into()));
            }
            self.sessions.push((peer, Server::new(script)));
            (self.open, self.told) = (true, false);
            return self.delivery.handle_connected(self.now, Ok(()));
        }
        if self.delivery.body_credit() > 0 {
            return self.give_body();
        }
        if self.open && self.transport() {
            return;
        }
        let deadline = self.delivery.poll_timeout().expect("nothing to do and nothing to wait for");
        assert!(deadline > self.now, "law 3");
        self.now = deadline;
        self.delivery.handle_timeout(self.now);
    }

    fn give_body(&mut self) {
        let rest = &MESSAGE[self.taken..];
        if self.fail_body && self.taken > 0 {
            self.delivery.fail_body(self.now, &io::ErrorKind::UnexpectedEof.into());
        } else if rest.is_empty() {
            self.delivery.finish_body(self.now).unwrap();
        } else {
            let piece = &rest[..rest.len().min(16)];
            self.taken += piece.len();
            self.delivery.write_body(self.now, piece).unwrap();
        }
    }

    /// Moves something; false when there is nothing to move.
    fn transport(&mut self) -> bool {
        let Some((_, server)) = self.sessions.last_mut() else { return false };
        if server.output.is_empty()
            && let Some((octets, offered)) = server.early.take()
        {
            if offered {
                assert!(!self.delivery.transmit().is_empty(), "the ClientHello");
            }
            self.delivery.handle_input(self.now, octets);
            return true;
        }
        let octets = self.delivery.transmit();
        let len = octets.len().min(self.split);
        if len > 0 {
            let octets = octets[..len].to_vec();
            self.delivery.handle_transmitted(self.now, len);
            if !self.told {
                server.take(&octets);
            }
            return true;
        }
        if !server.output.is_empty() {
            let len = server.output.len().min(self.split);
            let octets: Vec<u8> = server.output.drain(..len).collect();
            self.delivery.handle_input(self.now, &octets);
            return true;
        }
        if server.close && !self.told {
            self.told = true;
            self.delivery.handle_closed(self.now, None);
            return true;
        }
        false
    }
}

impl Seen {
    /// What each server heard.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.sessions.iter().map(|(_, server)| server.line()).collect()
    }

    pub(crate) fn disposition(&self) -> &Disposition {
        &self.report.recipients[0].disposition
    }

    /// `delivered`, or the outcome with its status.
    pub(crate) fn result(&self) -> String {
        let status = self.status();
        match self.disposition() {
            Disposition::Delivered(_) => "delivered".to_owned(),
            other => format!("{} {} {}", other.name(), status.code, status.enhanced),
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.disposition().status()
    }

    /// The classes of what ended the attempts.
    pub(crate) fn kinds(&self) -> Vec<Option<Kind>> {
        self.report.attempts.iter().map(|attempt| attempt.kind()).collect()
    }

    /// No form of the password was on any wire outside of TLS.
    #[track_caller]
    pub(crate) fn assert_no_secret_in_clear(&self) {
        for (peer, server) in &self.sessions {
            for secret in [PASSWORD, PLAIN.trim_end_matches('='), LOGIN_PASSWORD.trim_end_matches('=')] {
                let found = server.wire.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{secret} was sent to {peer} in clear");
            }
        }
    }
}
