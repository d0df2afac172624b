//! Plays a transcript in memory, in simulated time.
//!
//! One message goes through [`Delivery`], with a further target behind those of the file to see whether it would be tried. Several go
//! through one [`Connection`](smtp_proto::Connection) in a [`World`].

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use smtp_proto::{
    Action, Delivery, Endpoint, Failover, Peer as Address, Phase, Plan, Report,
    config::{Link, Protocol, TlsMode},
};

use crate::{
    clock::Clock,
    driver::{self, Mail, World},
    manners::Judge,
    net::{Net, Split},
    server::{HangUp, Peer as _},
    transcript::{Ending, Message, Played, Said, Server, Session, Transcript},
};

/// Plays it with this splitting of what goes over the line.
#[must_use]
pub fn play(transcript: &Transcript, split: &Split) -> Played {
    let [message] = transcript.messages.as_slice() else { return play_world(transcript, split) };
    let (failover, both) = match transcript.failover {
        Some(failover) => (failover, false),
        None => (Failover::UntilUsable, true),
    };
    let mut simulation = Simulation::new(transcript, message, split, failover, false);
    simulation.run();
    let mut played = simulation.played;

    // Once more with another target behind.
    let mut goes_on = |failover| {
        let mut simulation = Simulation::new(transcript, message, split, failover, true);
        simulation.run();
        played.amiss.append(&mut simulation.played.amiss);
        simulation.went_on
    };
    let next = match (goes_on(failover), both && goes_on(Failover::UntilDecided)) {
        (true, _) => "yes",
        (false, true) => "until_decided",
        (false, false) => "no",
    };
    played.next = Some(next.to_owned());
    played
}

/// Where nobody is.
const ELSEWHERE: &str = "tcp://192.0.2.99:2599";
const PORT: u16 = 2525;

struct Line {
    server: Server,
    judge: Judge,
    /// Octets given out by the client but not taken from it.
    untaken: usize,
    inbox: VecDeque<u8>,
    turns: (usize, usize),
    told: bool,
}

struct Simulation<'a> {
    transcript: &'a Transcript,
    message: &'a Message,
    split: &'a Split,
    delivery: Delivery,
    clock: Clock,
    sessions: std::slice::Iter<'a, Session>,
    line: Option<Line>,
    given: usize,
    ended: bool,
    report: Option<Report>,
    went_on: bool,
    /// Going on is tried out: what it does to the report is not of interest.
    trying: bool,
    played: Played,
}

impl<'a> Simulation<'a> {
    fn new(
        transcript: &'a Transcript,
        message: &'a Message,
        split: &'a Split,
        failover: Failover,
        trying: bool,
    ) -> Self {
        let clock = Clock::new();
        let more = trying.then(|| ELSEWHERE.parse::<Endpoint>().expect("an endpoint"));
        let plan = transcript.plan(PORT, failover, more);
        let mut envelope = message.envelope();
        let mut refused = None;
        match message.facts(&transcript.config) {
            Ok(facts) => envelope.sender.content = facts,
            Err(error) => refused = Some(Report::refused(&envelope, Phase::Body, &error)),
        }
        let forwarded = transcript.forwarded.clone();
        Self {
            transcript,
            message,
            split,
            delivery: Delivery::with_credentials(clock.now(), Arc::new(plan), envelope, forwarded),
            clock,
            sessions: transcript.sessions.iter(),
            line: None,
            given: 0,
            ended: false,
            report: refused,
            went_on: false,
            trying,
            played: Played::default(),
        }
    }

    fn run(&mut self) {
        // Far more rounds than any dialogue has octets: a livelock is a failure and no hang.
        for _ in 0..1_000_000 {
            if self.report.is_none() {
                self.obey();
            }
            if let Some(report) = self.report.take() {
                if !self.trying {
                    self.played.report(&report);
                    self.played.elapsed = Some(self.clock.elapsed());
                }
                return;
            }
            // What has come is read before anything is written: otherwise it is chance how much of an answer is out already when a
            // server that speaks out of turn is heard.
            let moved = self.listen() | self.read() || self.feed() || self.write();
            if !moved && !self.wait() {
                self.played.amiss.push("nothing moves, and nobody has a deadline".to_owned());
                return self.disconnect();
            }
        }
        self.played.amiss.push("no end".to_owned());
    }

    fn obey(&mut self) {
        while let Some(action) = self.delivery.poll_action() {
            let now = self.clock.now();
            match action {
                Action::Acquire(_) => self.delivery.handle_acquired(now, None),
                Action::Resolve { .. } | Action::Keep(_) | Action::Answer(..) => {}
                Action::Connect(address) => self.connect(now, &address),
                Action::Disconnect => self.disconnect(),
                Action::Rewind => {
                    (self.given, self.ended) = (0, false);
                    self.delivery.handle_rewound(now, Ok(()));
                }
                Action::Finish(report) => {
                    self.disconnect();
                    self.report = Some(report);
                }
            }
        }
    }

    fn connect(&mut self, now: Instant, address: &Address) {
        let elsewhere = ELSEWHERE.trim_start_matches("tcp://");
        if address.to_string() == elsewhere {
            self.went_on = true;
            return self.delivery.handle_connected(now, Err(io::ErrorKind::ConnectionRefused.into()));
        }
        let refused = match self.sessions.next() {
            Some(Session::Dialogue(steps)) => {
                let config = &self.transcript.config;
                let lmtp = config.protocol == Protocol::Lmtp;
                let judge = match config.security.mode {
                    TlsMode::Implicit => Judge::blind(), // TLS's own judge sits inside
                    _ => Judge::new(lmtp, false),
                };
                let server = self.transcript.server(steps);
                self.line = Some(Line {
                    server,
                    judge,
                    untaken: 0,
                    inbox: VecDeque::new(),
                    turns: (0, 0),
                    told: false,
                });
                return self.delivery.handle_connected(now, Ok(()));
            }
            Some(Session::Hangs) => return self.played.sessions.push(Said::default()),
            Some(Session::Refused) => Said::default(),
            None => Said { amiss: vec!["nobody is there".to_owned()], ..Said::default() },
        };
        self.played.sessions.push(refused);
        self.delivery.handle_connected(now, Err(io::ErrorKind::ConnectionRefused.into()));
    }

    fn disconnect(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        let mut said = line.server.said();
        said.amiss.extend(line.judge.objections().iter().cloned());
        self.played.sessions.push(said);
    }

    fn feed(&mut self) -> bool {
        let now = self.clock.now();
        let credit = self.delivery.body_credit();
        if credit == 0 || self.ended {
            return false;
        }
        let rest = self.message.body.get(self.given..).unwrap_or_default();
        let piece = rest.get(..rest.len().min(credit)).unwrap_or_default();
        if !piece.is_empty() {
            self.given += piece.len();
            let _ = self.delivery.write_body(now, piece);
            return true;
        }
        if self.message.source == Ending::Cancelled
            && self.line.as_ref().is_none_or(|line| line.untaken > 0 || !self.delivery.transmit().is_empty())
        {
            return false; // only when everything is out
        }
        self.ended = true;
        match self.message.source {
            Ending::Complete => {
                let _ = self.delivery.finish_body(now);
            }
            Ending::Fails => self.delivery.fail_body(now, &io::Error::other("the disk is gone")),
            Ending::Stalls => {}
            Ending::Cancelled => self.delivery.cancel(now),
        }
        true
    }

    fn write(&mut self) -> bool {
        let Some(line) = self.line.as_mut() else { return false };
        let octets = self.delivery.transmit();
        // What has been given out cannot be taken back, so the judge sees it now.
        line.judge.client(octets.get(line.untaken..).unwrap_or_default());
        line.untaken = octets.len();
        if octets.is_empty() || !line.server.reads() || line.told {
            return false;
        }
        let size = self.split.piece(line.turns.0, octets.len());
        let piece = octets.get(..size).unwrap_or_default().to_vec();
        line.untaken -= size;
        line.turns.0 += 1;
        let now = self.clock.now();
        self.delivery.handle_transmitted(now, size);
        line.server.receive(now, &piece);
        true
    }

    fn listen(&mut self) -> bool {
        let Some(line) = self.line.as_mut() else { return false };
        let said = line.server.speak(self.clock.now());
        line.inbox.extend(&said);
        !said.is_empty()
    }

    fn read(&mut self) -> bool {
        let now = self.clock.now();
        let Some(line) = self.line.as_mut() else { return false };
        if line.inbox.is_empty() {
            let Some(hung_up) = line.server.hung_up().filter(|_| !line.told) else { return false };
            line.told = true;
            let cause = (hung_up == HangUp::Reset).then(|| io::ErrorKind::ConnectionReset.into());
            self.delivery.handle_closed(now, cause);
            return true;
        }
        let size = self.split.piece(line.turns.1, line.inbox.len());
        let piece: Vec<u8> = line.inbox.drain(..size).collect();
        line.turns.1 += 1;
        line.judge.server(&piece);
        self.delivery.handle_input(now, &piece);
        true
    }

    fn wait(&mut self) -> bool {
        let client = self.delivery.poll_timeout();
        let server = self.line.as_ref().and_then(|line| line.server.wakeup());
        let Some(next) = client.into_iter().chain(server).min() else { return false };
        self.clock.advance_to(next);
        self.listen(); // the server wakes first
        if client.is_some_and(|at| at <= self.clock.now()) {
            self.delivery.handle_timeout(self.clock.now());
            // Law 3: a deadline that is due again at once would spin.
            if self.delivery.poll_timeout().is_some_and(|again| again <= self.clock.now()) {
                self.played.amiss.push(format!("the deadline at {:?} is still due", self.clock.elapsed()));
            }
        }
        true
    }
}

/// Several messages on one connection.
fn play_world(transcript: &Transcript, split: &Split) -> Played {
    let mut played = Played::default();
    let Some(Session::Dialogue(steps)) = transcript.sessions.first() else { return played };
    let plan: Plan = transcript.plan(PORT, Failover::UntilUsable, None);
    let Some(target) = plan.targets.first() else { return played };
    let mut link = Link::default();
    link.local = !transcript.remote;
    link.forwarded = transcript.forwarded.clone();
    let mut world = World::with_link((*target.config).clone(), link, transcript.server(steps));
    world = world.over(Net::split(split.clone()));
    let mails = transcript.messages.iter().map(|message| {
        let mut envelope = message.envelope();
        envelope.sender.content = message.facts(&transcript.config).unwrap_or_default();
        Mail { source: message.world_source(), ..Mail::new(envelope, message.body.clone()) }
    });
    world.run(driver::Plan::of(mails));
    let (outcome, mut server) = world.into_parts();
    let mut said = server.said();
    said.amiss.extend(outcome.objections.iter().cloned());
    played.sessions.push(said);
    for ((_, report), message) in outcome.reports.iter().zip(&transcript.messages) {
        let recipients = message.envelope().recipients;
        for (recipient, disposition) in recipients.iter().zip(&report.dispositions) {
            let who = recipient.path.to_string();
            let who = who.trim_start_matches('<').trim_end_matches('>').to_owned();
            played.recipients.push((who, disposition.clone()));
        }
    }
    played.attempts.push(match outcome.closed() {
        Some(None) => "ok".to_owned(),
        Some(Some(error)) => {
            let phase = error.phase().map_or_else(|| "-".to_owned(), |phase| phase.to_string());
            format!("{} {phase}", error.kind().name())
        }
        None => "open".to_owned(),
    });
    played.elapsed = Some(Duration::from_secs(outcome.elapsed.as_secs()));
    played
}
