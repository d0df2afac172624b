//! The dialogue in plaintext: the only place that changes the state.
//!
//! Input waits in [`Input`] until its turn comes. [`Session::advance`] takes from it, a command or a run of content at a time, until
//! something must happen outside first: the application decides ([`Question`]), the content is taken, output leaves, more input comes.
//! So everything that is held is bounded, whoever is slow.

use std::{
    collections::VecDeque,
    io, mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Closed, Config, Event, Misuse, Protocol, Tls, TlsFacts,
    auth::Exchange,
    canned::{self, Canned},
    command::{self, Command, Verb},
    input::{Input, Line},
    transaction::{Content, Question, Transaction},
};
use crate::{
    Phase,
    reply::{Code, Reply, Severity},
};

/// Input that may wait before no more is wanted.
const INPUT_HIGH: usize = 64 * 1024;
/// Replies that may wait before no more commands are read.
const OUTPUT_HIGH: usize = 16 * 1024;
/// Octets of a line in an AUTH exchange, and of the AUTH command (RFC 4954 §4, N17).
const AUTH_LINE: usize = 12_288;
/// How long last words may take to leave.
const LINGER: Duration = Duration::from_secs(5);

pub(super) enum State {
    /// Implicit TLS, or the 220 to STARTTLS has been queued.
    Handshake,
    /// The greeting has not left yet.
    Greeting,
    /// The greeting was a refusal: only QUIT makes sense (RFC 5321 §3.1).
    Refused,
    Command,
    Auth(Exchange),
    Content(Content),
    Closed,
}

pub(super) struct Session {
    pub(super) config: Arc<Config>,
    pub(super) state: State,
    pub(super) input: Input,
    /// Replies to send.
    pub(super) out: Vec<u8>,
    pub(super) events: VecDeque<Event>,
    /// What waits for the application's answer.
    pub(super) asked: Option<Question>,
    pub(super) transaction: Option<Transaction>,
    /// Content that waits to be taken.
    pub(super) content: Input,
    /// Whether the last hello was EHLO or LHLO; None: no hello yet.
    pub(super) extended: Option<bool>,
    pub(super) secured: bool,
    pub(super) has_certificate: bool,
    pub(super) authenticated: bool,
    errors: u32,
    pub(super) auth_failures: u32,
    /// Flights sent so far that answered something.
    pub(super) turns: u32,
    /// Something was heard since the last flight.
    pub(super) heard: bool,
    /// When the client last did something, or was last answered.
    active: Instant,
    /// The client will send no more.
    ended: bool,
    leaving: bool,
}

impl Session {
    pub(super) fn new(now: Instant, config: Arc<Config>) -> Self {
        let mut session = Self {
            state: State::Handshake,
            config,
            input: Input::default(),
            out: Vec::new(),
            events: VecDeque::new(),
            asked: None,
            transaction: None,
            content: Input::default(),
            extended: None,
            secured: false,
            has_certificate: false,
            authenticated: false,
            errors: 0,
            auth_failures: 0,
            turns: 0,
            heard: false,
            active: now,
            ended: false,
            leaving: false,
        };
        if !matches!(session.config.tls, Tls::Implicit(_)) {
            session.greet(now);
        }
        session
    }

    // ---- what happens outside ----------------------------------------------------------------------------------------------------

    /// Plaintext arrived.
    pub(super) fn receive(&mut self, now: Instant, plain: &[u8]) {
        if plain.is_empty() || self.is_closed() || self.ended {
            return;
        }
        self.active = now;
        self.heard = true;
        if matches!(self.state, State::Greeting) && self.config.refuse_early_talkers {
            self.say(canned::EARLY);
            return self.close(now, Closed::EarlyTalker);
        }
        self.input.push(plain);
        self.advance(now);
    }

    /// Octets have left; `all`: none are waiting.
    pub(super) fn transmitted(&mut self, now: Instant, all: bool) {
        if self.is_closed() {
            return;
        }
        if !matches!(self.state, State::Handshake) {
            self.active = now;
        }
        if all && matches!(self.state, State::Greeting) {
            let refused =
                self.config.replies.get(&Phase::Greeting).is_some_and(|reply| is_negative(reply.code()));
            self.state = if refused { State::Refused } else { State::Command };
        }
        self.advance(now);
    }

    /// Replies are about to leave.
    pub(super) fn flight_leaves(&mut self) {
        if mem::take(&mut self.heard) {
            self.turns = self.turns.saturating_add(1);
        }
    }

    /// The handshake is done: nothing said before it counts (RFC 3207 §4.2, R87).
    pub(super) fn secured(&mut self, now: Instant, facts: TlsFacts) {
        let implicit = matches!(self.config.tls, Tls::Implicit(_));
        self.secured = true;
        self.has_certificate = facts.client_certificate.is_some();
        self.extended = None;
        self.active = now;
        self.state = State::Command;
        self.events.push_back(Event::TlsEstablished(facts));
        if implicit {
            self.greet(now);
        }
    }

    /// The client will send no more; with a cause, nothing can be sent either.
    pub(super) fn end_of_input(&mut self, now: Instant, cause: Option<io::ErrorKind>) {
        if self.is_closed() {
            return;
        }
        self.ended = true;
        if let Some(cause) = cause {
            return self.drop_transport(now, Closed::Lost(cause));
        }
        self.advance(now);
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        if self.is_closed() || self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if matches!(self.state, State::Handshake) {
            return self.drop_transport(now, Closed::Idle);
        }
        self.say(canned::IDLE);
        self.close(now, Closed::Idle);
    }

    pub(super) fn shutdown(&mut self, now: Instant) {
        self.leaving = true;
        self.advance(now);
    }

    // ---- what is wanted ----------------------------------------------------------------------------------------------------------

    pub(super) fn wants_input(&self) -> bool {
        !self.is_closed() && !self.ended && self.input.len() < INPUT_HIGH
    }

    /// While the application has something to do, the client need not do anything.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.is_closed() {
            return self.active.checked_add(LINGER);
        }
        if self.asked.is_some() || !self.content.is_empty() {
            return None;
        }
        self.active.checked_add(self.config.limits.idle)
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    // ---- saying and ending -------------------------------------------------------------------------------------------------------

    pub(super) fn say(&mut self, canned: Canned) {
        self.send(&canned.reply(self.config.extensions.enhanced_status_codes));
    }

    pub(super) fn send(&mut self, reply: &Reply) {
        reply.write_to(&mut self.out);
    }

    /// Sends an answer that may end the connection: 421 (RFC 5321 §3.8).
    pub(super) fn answer(&mut self, now: Instant, reply: &Reply) {
        self.send(reply);
        if reply.code() == Code::UNAVAILABLE {
            self.close(now, Closed::Refused);
        }
    }

    /// The answer to a command that is malformed or out of order.
    pub(super) fn object(&mut self, now: Instant, canned: Canned) {
        self.say(canned);
        self.errors = self.errors.saturating_add(1);
        if self.errors >= self.config.limits.errors {
            self.say(canned::TOO_MANY_ERRORS);
            self.close(now, Closed::TooManyErrors);
        }
    }

    /// Ends the session; what has been said may still leave.
    pub(super) fn close(&mut self, now: Instant, reason: Closed) {
        if self.is_closed() {
            return;
        }
        self.state = State::Closed;
        self.active = now;
        self.asked = None;
        self.transaction = None;
        self.input.clear();
        self.content.clear();
        self.events.push_back(Event::Closed(reason));
    }

    /// Ends the session; nothing more leaves.
    pub(super) fn drop_transport(&mut self, now: Instant, reason: Closed) {
        self.close(now, reason);
        self.out = Vec::new();
    }

    /// The transaction is void.
    pub(super) fn reset(&mut self) {
        if self.transaction.take().is_some() {
            self.content.clear();
            self.events.push_back(Event::Reset);
        }
    }

    fn greet(&mut self, now: Instant) {
        self.state = State::Greeting;
        match self.config.replies.get(&Phase::Greeting).cloned() {
            Some(reply) => self.answer(now, &reply),
            None => {
                let service = match self.config.protocol {
                    Protocol::Smtp => "ESMTP",
                    Protocol::Lmtp => "LMTP",
                };
                self.send(&Reply::new(Code::READY, format!("{} {service}", self.config.host_name)));
            }
        }
    }

    // ---- the loop ----------------------------------------------------------------------------------------------------------------

    /// Goes on as far as it goes.
    pub(super) fn advance(&mut self, now: Instant) {
        while self.asked.is_none() && self.out.len() < OUTPUT_HIGH && self.step(now) {}
        let stuck = self.asked.is_none() && self.content.is_empty();
        if self.leaving && stuck && self.transaction.is_none() && !self.is_closed() {
            if matches!(self.state, State::Handshake) {
                return self.drop_transport(now, Closed::Shutdown);
            }
            self.say(canned::SHUTDOWN);
            return self.close(now, Closed::Shutdown);
        }
        // Commands behind a full output, or before the greeting has left, have yet to be read.
        let unread = matches!(self.state, State::Greeting) && !self.input.is_empty();
        if self.ended && stuck && !unread && self.out.len() < OUTPUT_HIGH {
            self.close(now, Closed::HungUp);
        }
        if self.transaction.is_none() {
            self.input.trim();
            self.content.trim();
        }
    }

    /// One command or one run of content; `false`: not now.
    fn step(&mut self, now: Instant) -> bool {
        match &self.state {
            State::Handshake | State::Greeting | State::Closed => false,
            State::Content(_) => self.read_content(now),
            State::Refused | State::Command => self.read_line(now, false),
            State::Auth(_) => self.read_line(now, true),
        }
    }

    fn read_line(&mut self, now: Instant, secret: bool) -> bool {
        if self.leaving && self.transaction.is_none() {
            return false;
        }
        let (text, total, bare_lf) = match self.input.line(AUTH_LINE) {
            Line::Partial => return false,
            Line::TooLong(_) if secret => {
                self.state = State::Command;
                self.object(now, canned::LONG_AUTH);
                return true;
            }
            Line::TooLong(verb) => {
                self.object(now, canned::LONG_LINE);
                self.misread(now, verb);
                return true;
            }
            Line::Whole { text, total, bare_lf } => (text, total, bare_lf),
        };
        let line = zeroize::Zeroizing::new(self.input.rest().get(..text).unwrap_or_default().to_vec());
        self.input.wipe(total);
        if bare_lf && !self.config.bare_lf_commands {
            if secret {
                self.state = State::Command;
            }
            self.object(now, canned::BARE_LF);
            if !secret {
                self.misread(now, Verb::of(&line));
            }
        } else if secret {
            self.read_response(now, &line);
        } else {
            self.read_command(now, &line, total);
        }
        true
    }

    fn read_command(&mut self, now: Instant, line: &[u8], total: usize) {
        let verb = Verb::of(line);
        if matches!(self.state, State::Refused) && verb != Some(Verb::Quit) {
            return self.object(now, canned::ORDER);
        }
        if total > self.line_limit(verb) {
            self.object(now, if verb == Some(Verb::Auth) { canned::LONG_AUTH } else { canned::LONG_LINE });
            return self.misread(now, verb);
        }
        let grouped = self.config.extensions.pipelining && !verb.is_some_and(Verb::ends_group);
        // The octets of a chunk follow its command at once, whatever is offered (R148).
        if self.config.strict_pipelining && !grouped && verb != Some(Verb::Bdat) && !self.input.is_empty() {
            self.say(canned::PIPELINED);
            return self.close(now, Closed::Pipelined);
        }
        match command::parse(line) {
            Ok(command) => self.obey(now, command),
            Err(refusal) => {
                self.object(now, refusal);
                self.misread(now, verb);
            }
        }
    }

    /// A command could not be read. The octets of a chunk follow all the same, and must not be read as commands.
    fn misread(&mut self, now: Instant, verb: Option<Verb>) {
        if verb == Some(Verb::Bdat) {
            self.close(now, Closed::BadChunk);
        }
    }

    /// Octets of a line with its end (R27, N14).
    fn line_limit(&self, verb: Option<Verb>) -> usize {
        let own = self.config.limits.command_line;
        let more = match verb {
            Some(Verb::Auth) if self.mechanisms().next().is_some() => AUTH_LINE,
            Some(Verb::Mail) => {
                let extensions = &self.config.extensions;
                [
                    (extensions.size, 26),
                    (extensions.eight_bit_mime, 17),
                    (extensions.smtputf8, 10),
                    (self.offers_require_tls(), 11),
                    (self.mechanisms().next().is_some(), 500),
                ]
                .into_iter()
                .filter_map(|(offered, octets)| offered.then_some(octets))
                .sum()
            }
            _ => 0,
        };
        own.saturating_add(more).min(AUTH_LINE)
    }

    fn obey(&mut self, now: Instant, command: Command<'_>) {
        match command {
            Command::Ehlo(name) => self.hello(now, name, Protocol::Smtp, true),
            Command::Helo(name) => self.hello(now, name, Protocol::Smtp, false),
            Command::Lhlo(name) => self.hello(now, name, Protocol::Lmtp, true),
            Command::StartTls => self.start_tls(now),
            Command::Auth { mechanism, initial } => self.auth(now, mechanism, initial),
            Command::Mail { path, parameters } => self.mail(now, path, parameters),
            Command::Rcpt { path } => self.rcpt(now, path),
            Command::Data => self.data(now),
            Command::Bdat { octets, last } => self.bdat(now, octets, last),
            Command::Reset => {
                self.reset();
                self.say(canned::RESET);
            }
            Command::Noop => self.say(canned::NOOP),
            Command::Help => self.say(canned::HELP),
            Command::Vrfy => self.say(canned::VRFY),
            Command::Expn => self.object(now, canned::NOT_OFFERED),
            Command::Quit => {
                self.say(canned::BYE);
                self.close(now, Closed::Quit);
            }
        }
    }

    /// The table's reply to a phase, if it refuses.
    pub(super) fn refusal(&self, phase: Phase) -> Option<Reply> {
        self.config.replies.get(&phase).filter(|reply| is_negative(reply.code())).cloned()
    }

    /// The application did its part: it is the client's turn, and its time runs again.
    pub(super) fn answered(&mut self, now: Instant) {
        if !self.is_closed() {
            self.active = now;
            self.advance(now);
        }
    }

    // ---- answers of the application ----------------------------------------------------------------------------------------------

    /// The answer to what is asked; None: yes.
    pub(super) fn reply(&mut self, now: Instant, reply: Option<Reply>) -> Result<(), Misuse> {
        let question = self.asked.as_ref().ok_or(Misuse::NotAsked)?;
        if let Some(reply) = &reply {
            question.check(reply.code())?;
        }
        if let Some(question) = self.asked.take() {
            self.decide(now, question, reply);
            self.answered(now);
        }
        Ok(())
    }
}

pub(super) fn is_negative(code: Code) -> bool {
    matches!(code.severity(), Severity::Transient | Severity::Permanent)
}
