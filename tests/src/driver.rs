//! A client and a server face to face, in simulated time.
//!
//! The driver knows no SMTP. It moves octets, hands over what the mail system has to send, and lets time pass only when nothing else
//! can happen, and then no further than the next deadline. It never sleeps.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use smtp_proto::{
    Connection, Disposition, Error, Event, TransactionId, TransactionReport,
    config::{Config, Link, Protocol, TlsMode},
    envelope::Envelope,
};

use crate::{
    clock::Clock,
    manners::Judge,
    net::{Cut, Net},
    server::{HangUp, Peer},
};

/// How a message's source ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// In order.
    #[default]
    Complete,
    /// It fails when all its octets are read.
    Fails,
    /// It gives nothing more and does not end; the application gives up.
    Cancelled,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Mail {
    /// From and for whom.
    pub envelope: Envelope,
    /// What.
    pub content: Vec<u8>,
    /// In pieces of at most so many octets.
    pub piece: usize,
    /// How it ends.
    pub source: Source,
}

impl Mail {
    /// A message whose source gives it whole.
    #[must_use]
    pub fn new(envelope: Envelope, content: impl Into<Vec<u8>>) -> Self {
        Self { envelope, content: content.into(), piece: usize::MAX, source: Source::Complete }
    }
}

/// What the mail system wants.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// These, one after the other, each as soon as `can_begin`.
    pub mails: Vec<Mail>,
    /// The next one only when the one before is `Done`.
    pub one_by_one: bool,
    /// QUIT when all are submitted, rather than when all are done.
    pub quit_early: bool,
    /// Stay connected when all is done.
    pub stay: bool,
    /// Idle so long after the last message before QUIT.
    pub linger: Duration,
}

impl Plan {
    /// These messages, then QUIT.
    #[must_use]
    pub fn of(mails: impl IntoIterator<Item = Mail>) -> Self {
        Self { mails: mails.into_iter().collect(), ..Self::default() }
    }
}

/// What the client got to see of the other side, and when in its own stream.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Octets received before these.
    pub received: u64,
    /// Octets of the client's that the line had taken.
    pub taken: u64,
}

/// Everything that happened.
#[derive(Debug)]
pub struct Outcome {
    /// All events.
    pub events: Vec<Event>,
    /// The transactions that ended, in the order they were submitted.
    pub reports: Vec<(TransactionId, TransactionReport)>,
    /// The client's octets.
    pub sent: Vec<u8>,
    /// The server's octets, as far as the client read them.
    pub received: Vec<u8>,
    /// When what was read.
    pub arrivals: Vec<Arrival>,
    /// What `transmit` has given out: what the line took, and what it did not take any more.
    pub given: Vec<u8>,
    /// The most output the client ever held.
    pub largest: usize,
    /// Simulated time that passed.
    pub elapsed: Duration,
    /// The judge's and the script's objections.
    pub objections: Vec<String>,
    /// Nothing could move any more, and nobody had a deadline.
    pub stuck: bool,
    /// How often the client wrote.
    pub writes: usize,
    /// What the client thinks of a plaintext retry.
    pub handshake_failed: bool,
    /// The redacted dialogue.
    pub transcript: Vec<String>,
}

impl Outcome {
    /// How the session ended; `None`: it has not.
    #[must_use]
    pub fn closed(&self) -> Option<Option<&Error>> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(error) => Some(error.as_ref()),
            _ => None,
        })
    }

    /// The error the session ended with.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    pub fn error(&self) -> &Error {
        self.closed().flatten().unwrap_or_else(|| panic!("no error: {:?}", self.events))
    }

    /// The dispositions of the `index`th transaction.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn dispositions(&self, index: usize) -> &[Disposition] {
        &self
            .reports
            .get(index)
            .unwrap_or_else(|| panic!("no report {index}: {:?}", self.events))
            .1
            .dispositions
    }

    /// The dispositions of the `index`th transaction in short: `delivered 250`, `rejected 550 rcpt`.
    #[must_use]
    pub fn verdicts(&self, index: usize) -> Vec<String> {
        self.dispositions(index).iter().map(verdict).collect()
    }

    /// What the client sent, as text.
    #[must_use]
    pub fn wire(&self) -> String {
        self.sent.escape_ascii().to_string()
    }
}

/// A disposition in short.
#[must_use]
pub fn verdict(disposition: &Disposition) -> String {
    let status = disposition.status();
    match disposition.failure() {
        None => format!("{} {}", disposition.name(), status.code),
        Some(failure) => format!("{} {} {}", disposition.name(), status.code, failure.phase),
    }
}

/// The simulation.
#[derive(Debug)]
pub struct World<P> {
    /// The client.
    pub client: Connection,
    /// The server.
    pub server: P,
    /// The clock.
    pub clock: Clock,
    net: Net,
    judge: Judge,
    plan: Plan,
    next: usize,
    /// Open transactions: which mail, octets given of it.
    open: VecDeque<(TransactionId, usize)>,
    given_of: usize,
    feeding: Option<usize>,
    inbox: VecDeque<u8>,
    turns: (usize, usize),
    cut: Option<Cut>,
    told_closed: bool,
    asked_quit: bool,
    linger_until: Option<Instant>,
    outcome: Outcome,
    submitted: Vec<TransactionId>,
}

impl<P: Peer> World<P> {
    /// A client with this configuration that has just connected to this server.
    #[must_use]
    pub fn new(config: Config, server: P) -> Self {
        Self::with_link(config, Link::default(), server)
    }

    /// The same, over a link of which something is known.
    #[must_use]
    pub fn with_link(config: Config, link: Link, server: P) -> Self {
        let clock = Clock::new();
        let judge = match config.security.mode {
            TlsMode::Implicit => Judge::blind(), // TLS's own judge sits inside
            _ => Judge::new(config.protocol == Protocol::Lmtp, false),
        };
        Self {
            client: Connection::with_link(clock.now(), Arc::new(config), link),
            server,
            clock,
            net: Net::default(),
            judge,
            plan: Plan::default(),
            next: 0,
            open: VecDeque::new(),
            given_of: 0,
            feeding: None,
            inbox: VecDeque::new(),
            turns: (0, 0),
            cut: None,
            told_closed: false,
            asked_quit: false,
            linger_until: None,
            outcome: Outcome {
                events: Vec::new(),
                reports: Vec::new(),
                sent: Vec::new(),
                received: Vec::new(),
                arrivals: Vec::new(),
                given: Vec::new(),
                largest: 0,
                elapsed: Duration::ZERO,
                objections: Vec::new(),
                stuck: false,
                writes: 0,
                handshake_failed: false,
                transcript: Vec::new(),
            },
            submitted: Vec::new(),
        }
    }

    /// Over this network.
    #[must_use]
    pub fn over(mut self, net: Net) -> Self {
        self.net = net;
        self
    }

    /// Plays until the session is closed, or nothing moves any more.
    pub fn run(&mut self, plan: Plan) -> &Outcome {
        self.plan = plan;
        // Far more rounds than any dialogue here has octets, so that a livelock is a failure and no hang.
        for _ in 0..10_000_000_u64 {
            if self.round() || self.wait() {
                continue;
            }
            self.finish();
            return &self.outcome;
        }
        panic!("no end: {:?}", self.outcome.events);
    }

    /// What has happened so far.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Plays, and wants no objections.
    ///
    /// # Panics
    /// If the judge or the script objects to something.
    pub fn expect(&mut self, plan: Plan) -> &Outcome {
        self.run(plan);
        let outcome = &self.outcome;
        assert!(
            outcome.objections.is_empty(),
            "{:#?}\nclient: {}\nserver: {}\nevents: {:?}",
            outcome.objections,
            outcome.wire(),
            outcome.received.escape_ascii(),
            outcome.events
        );
        outcome
    }

    /// What has happened.
    #[must_use]
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }

    /// What has happened, and the server it happened to.
    #[must_use]
    pub fn into_parts(self) -> (Outcome, P) {
        (self.outcome, self.server)
    }

    fn finish(&mut self) {
        if self.client.is_closed() || self.cut.is_some() {
            let amiss = self.server.client_gone();
            self.outcome.objections.extend(amiss);
        }
        self.outcome.objections.extend(self.judge.objections().iter().cloned());
        self.outcome.elapsed = self.clock.elapsed();
        self.outcome.handshake_failed = self.client.handshake_failed();
        let order = &self.submitted;
        self.outcome.reports.sort_by_key(|(id, _)| order.iter().position(|other| other == id));
        while let Some(line) = self.client.poll_transcript() {
            self.outcome.transcript.push(line.to_string());
        }
    }

    /// One round over everything that can move; false: nothing did.
    fn round(&mut self) -> bool {
        let mut moved = self.take_events();
        while self.apply() || self.feed() {
            moved = true;
        }
        moved |= if self.net.reads_first { self.read() || self.write() } else { self.write() };
        moved |= self.listen();
        moved |= self.read();
        moved
    }

    fn take_events(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.client.poll_event() {
            any = true;
            if let Event::Done(id, report) = &event {
                self.open.retain(|(open, _)| open != id);
                if self.submitted.last() == Some(id) {
                    self.feeding = None;
                }
                self.outcome.reports.push((*id, report.clone()));
            }
            self.outcome.events.push(event);
        }
        any
    }

    /// The mail system's turn.
    fn apply(&mut self) -> bool {
        let now = self.clock.now();
        if self.client.is_closed() {
            return false;
        }
        if self.next < self.plan.mails.len()
            && self.client.can_begin()
            && (!self.plan.one_by_one || self.open.is_empty())
        {
            let index = self.next;
            let id = self.client.submit(now, self.plan.mails[index].envelope.clone()).expect("can_begin");
            self.next += 1;
            self.submitted.push(id);
            self.open.push_back((id, index));
            self.feeding = Some(index);
            self.given_of = 0;
            return true;
        }
        let ready = self.outcome.events.iter().any(|event| matches!(event, Event::Ready));
        let submitted = ready && self.next == self.plan.mails.len() && !self.asked_quit && !self.plan.stay;
        let content_given = self.client.can_begin() || self.open.is_empty();
        if submitted && (self.open.is_empty() || self.plan.quit_early) && content_given {
            let until = *self.linger_until.get_or_insert(now + self.plan.linger);
            if until <= now {
                self.asked_quit = true;
                self.client.quit(now);
                return true;
            }
        }
        false
    }

    fn feed(&mut self) -> bool {
        let now = self.clock.now();
        let Some(mail) = self.feeding.and_then(|index| self.plan.mails.get(index)) else { return false };
        let credit = self.client.body_credit();
        if credit == 0 {
            return false;
        }
        let rest = &mail.content[self.given_of..];
        let piece = &rest[..rest.len().min(credit).min(mail.piece.max(1))];
        if !piece.is_empty() {
            self.given_of += piece.len();
            let _ = self.client.write_body(now, piece);
            return true;
        }
        match mail.source {
            Source::Complete => {
                let _ = self.client.finish_body(now);
            }
            Source::Fails => self.client.fail_body(now, &io::Error::other("the disk is gone")),
            Source::Cancelled => self.client.abort(now, Error::Cancelled),
        }
        self.feeding = None;
        true
    }

    fn write(&mut self) -> bool {
        let now = self.clock.now();
        let octets = self.client.transmit();
        self.outcome.largest = self.outcome.largest.max(octets.len());
        // What is new of it. The judge sees it now: what has been given out cannot be taken back.
        if let Some(new) = octets.get(self.outcome.given.len() - self.outcome.sent.len()..) {
            self.judge.client(new);
            self.outcome.given.extend_from_slice(new);
        }
        if octets.is_empty() || !self.server.reads() || self.cut.is_some() {
            return false;
        }
        let mut size = self.net.to_server.piece(self.turns.0, octets.len());
        if let Some((at, cut)) = self.net.cut_after_sent {
            size = size.min((at - self.outcome.sent.len() as u64) as usize);
            if size == 0 {
                self.cut(cut);
                return true;
            }
        }
        let piece = octets[..size].to_vec();
        self.turns.0 += 1;
        self.outcome.writes += 1;
        self.outcome.sent.extend_from_slice(&piece);
        self.client.handle_transmitted(now, size);
        self.server.receive(now, &piece);
        true
    }

    fn cut(&mut self, cut: Cut) {
        self.cut = Some(cut);
        if cut == Cut::WritesFail {
            self.client.handle_write_failed(self.clock.now(), io::ErrorKind::BrokenPipe.into());
        }
    }

    fn listen(&mut self) -> bool {
        let said = self.server.speak(self.clock.now());
        self.inbox.extend(&said);
        !said.is_empty()
    }

    fn read(&mut self) -> bool {
        let now = self.clock.now();
        if matches!(self.cut, Some(Cut::Close | Cut::Reset)) {
            return self.tell_closed(self.cut == Some(Cut::Reset));
        }
        if self.inbox.is_empty() {
            return match self.server.hung_up() {
                Some(how) => self.tell_closed(how == HangUp::Reset),
                None => false,
            };
        }
        let mut size = self.net.to_client.piece(self.turns.1, self.inbox.len());
        if let Some((at, cut)) = self.net.cut_after_received.filter(|_| self.cut.is_none()) {
            size = size.min((at - self.outcome.received.len() as u64) as usize);
            if size == 0 {
                self.cut(cut);
                return true;
            }
        }
        let piece: Vec<u8> = self.inbox.drain(..size).collect();
        self.turns.1 += 1;
        self.outcome.arrivals.push(Arrival {
            received: self.outcome.received.len() as u64,
            taken: self.outcome.sent.len() as u64,
        });
        if !self.client.is_closed() {
            self.judge.server(&piece);
            self.outcome.received.extend_from_slice(&piece);
        }
        self.client.handle_input(now, &piece);
        true
    }

    fn tell_closed(&mut self, reset: bool) -> bool {
        if std::mem::replace(&mut self.told_closed, true) {
            return false;
        }
        let cause = reset.then(|| io::ErrorKind::ConnectionReset.into());
        self.client.handle_closed(self.clock.now(), cause);
        true
    }

    /// Nothing moves: lets time pass to the next deadline. False: there is none.
    fn wait(&mut self) -> bool {
        if self.client.is_closed() {
            return false;
        }
        let client = self.client.poll_timeout();
        let lingering = self.linger_until.filter(|_| !self.asked_quit);
        let Some(next) = [client, self.server.wakeup(), lingering].into_iter().flatten().min() else {
            self.outcome.stuck = true;
            return false;
        };
        self.clock.advance_to(next);
        let now = self.clock.now();
        self.listen(); // the server wakes first
        if client.is_some_and(|at| at <= now) {
            self.client.handle_timeout(now);
            // Law 3: a deadline that is due again at once would spin.
            if let Some(again) = self.client.poll_timeout() {
                assert!(again > now, "the deadline at {:?} is still due", self.clock.elapsed());
            }
        }
        true
    }
}
