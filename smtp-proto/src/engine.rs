//! The protocol engine: the only place where protocol state changes.
//!
//! Theory of operation. Sending runs ahead of receiving. Every command that is written pushes an [`Expect`] to a queue; every complete
//! reply pops one, and the popped entry gives the reply its meaning: one `match` in [`Engine::on_reply`] dispatches on (expectation,
//! severity), a row per line of RFC 5321 §4.3.2. The send cursor ([`Stage`]) of the newest transaction moves in [`Engine::advance`],
//! and the only difference between lock-step and PIPELINING is whether it may move while the queue is not empty ([`Engine::room`]).
//! LMTP is the same machine that pushes one `EndOfData` per accepted recipient.
//!
//! The second idea is the account of the stream. `queued`, `given` and `sent` count plaintext octets since the start of the connection:
//! written by the engine, handed out by `transmit()`, confirmed by `handle_transmitted()`. A reply is believed only if the command it
//! answers was `sent` when the reply's first octet arrived (D33). A message may be at the server as soon as its end mark was `given`
//! (D36). Between the two lies everything this crate says about "uncertain".
//!
//! The third is that there is one way out of unfinished content: [`Engine::drop_transport`], which queues nothing (R54).

mod mail;
mod opening;

use std::{collections::VecDeque, fmt, sync::Arc, time::Instant};

use zeroize::Zeroizing;

use crate::{
    Phase,
    capability::Capabilities,
    command::{Command, TooLong},
    config::{Config, Link},
    connection::{Event, Notice},
    error::{Error, Failure, PeerError},
    reply::{self, Reply, Severity},
    sasl::Exchange,
    timer::Timer,
    tls::TlsFacts,
    transaction::{Stage, Transaction, TransactionId},
    transcript::Transcript,
};

/// Commands that may be outstanding at a time (N36).
const WINDOW_COMMANDS: usize = 100;
/// Octets of commands that may be outstanding at a time (N36, R142).
const WINDOW_OCTETS: usize = 4096;

/// What the next reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Greeting,
    Hello(Hello),
    StartTls,
    Auth,
    /// `*` was sent; the error is kept in `parting`.
    AuthCancelled,
    Reset,
    Mail(TransactionId),
    Rcpt(TransactionId, usize),
    Data(TransactionId),
    /// The end of the content: for all accepted recipients (SMTP), or for this one (LMTP).
    EndOfData(TransactionId, Option<usize>),
    /// The end mark of a content that nobody was accepted for (R140).
    EndForNobody(TransactionId),
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    Ehlo,
    Helo,
    Lhlo,
}

impl Expect {
    pub(crate) const fn phase(self) -> Phase {
        match self {
            Self::Greeting => Phase::Greeting,
            Self::Hello(_) => Phase::Hello,
            Self::StartTls => Phase::StartTls,
            Self::Auth | Self::AuthCancelled => Phase::Auth,
            Self::Reset => Phase::Reset,
            Self::Mail(_) => Phase::Mail,
            Self::Rcpt(..) => Phase::Rcpt,
            Self::Data(_) => Phase::Data,
            Self::EndOfData(..) | Self::EndForNobody(_) => Phase::End,
            Self::Quit => Phase::Quit,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    what: Expect,
    /// Where in the stream the command ends.
    end: u64,
    /// Its length; 0 for content.
    octets: usize,
}

/// How TLS stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Plain,
    /// The handshake is running, or about to.
    Handshake,
    Tls(TlsFacts),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quit {
    No,
    Wanted,
    Sent,
}

pub(crate) struct Engine {
    config: Arc<Config>,
    link: Link,
    parser: reply::Parser,
    /// The value of `sent` when the reply being read began to arrive.
    reply_began: Option<u64>,
    /// The notice about bare LF is out; one is enough.
    bare_lf_seen: bool,
    expected: VecDeque<Pending>,
    /// Octets of outstanding commands.
    outstanding: usize,
    /// Replies read; with the phase, it tells one wait from the next.
    answered: u64,

    /// Wiped when let go of: it may hold a secret.
    pub(crate) out: Zeroizing<Vec<u8>>,
    /// A secret was written to `out`.
    secret_queued: bool,
    pub(crate) queued: u64,
    pub(crate) given: u64,
    pub(crate) sent: u64,

    channel: Channel,
    pub(crate) greeting: Option<Reply>,
    capabilities: Capabilities,
    /// STARTTLS was asked for and refused; the session went on in plaintext (D2).
    starttls_refused: bool,
    exchange: Option<Exchange>,
    /// The initial response did not fit into the AUTH line and was not sent yet (R100).
    withheld: bool,
    authenticated: bool,
    usable: bool,
    closed: bool,
    /// Closed by dropping the transport: there are no last words. `Some(true)`: because TLS failed, whose alert may leave.
    dropped: Option<bool>,
    /// TLS was begun and did not come to be: what M65 answers with a plaintext retry where TLS is optional.
    pub(crate) handshake_failed: bool,
    /// The phase in which it ended.
    ended_in: Option<Phase>,
    quit: Quit,
    /// Why the session ends, while QUIT (or `*`) is still being answered.
    parting: Option<Error>,
    write_failed: Option<Arc<std::io::Error>>,

    transactions: VecDeque<Transaction>,
    next_id: u64,
    reset_due: bool,

    timer: Timer,
    timer_serial: u64,
    pub(crate) turns: u32,
    turn_due: bool,
    events: VecDeque<Event>,
    pub(crate) transcript: Transcript,
}

impl Engine {
    pub(crate) fn new(now: Instant, config: Arc<Config>, link: Link, channel: Channel) -> Self {
        let mut engine = Self {
            transcript: Transcript::new(config.transcript),
            config,
            link,
            parser: reply::Parser::new(),
            reply_began: None,
            bare_lf_seen: false,
            expected: VecDeque::new(),
            outstanding: 0,
            answered: 0,
            out: Zeroizing::default(),
            secret_queued: false,
            queued: 0,
            given: 0,
            sent: 0,
            channel,
            greeting: None,
            capabilities: Capabilities::default(),
            starttls_refused: false,
            exchange: None,
            withheld: false,
            authenticated: false,
            usable: false,
            closed: false,
            dropped: None,
            handshake_failed: false,
            ended_in: None,
            quit: Quit::No,
            parting: None,
            write_failed: None,
            transactions: VecDeque::new(),
            next_id: 0,
            reset_due: false,
            timer: Timer::default(),
            timer_serial: 0,
            turns: 0,
            turn_due: false,
            events: VecDeque::new(),
        };
        if engine.channel == Channel::Plain {
            engine.expect(Expect::Greeting, 0);
        }
        engine.set_timer(now);
        engine
    }

    // ---- facts -------------------------------------------------------------------------------------------------------------------

    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) const fn is_dropped(&self) -> bool {
        self.dropped.is_some()
    }

    pub(crate) fn dropped_by_tls(&self) -> bool {
        self.dropped == Some(true)
    }

    pub(crate) const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(crate) const fn tls(&self) -> Option<&TlsFacts> {
        match &self.channel {
            Channel::Tls(facts) => Some(facts),
            Channel::Plain | Channel::Handshake => None,
        }
    }

    pub(crate) fn wants_handshake(&self) -> bool {
        self.channel == Channel::Handshake && !self.closed
    }

    fn awaits_hello_over_tls(&self) -> bool {
        matches!(self.channel, Channel::Tls(_))
            && self.expected.front().is_some_and(|head| matches!(head.what, Expect::Hello(_)))
    }

    /// Where the session is; once it is ending, where it was decided that it does.
    pub(crate) fn phase(&self) -> Phase {
        self.ended_in.unwrap_or_else(|| self.waiting())
    }

    /// What is being waited for or done.
    fn waiting(&self) -> Phase {
        if self.channel == Channel::Handshake {
            return Phase::Tls;
        }
        match self.expected.front() {
            Some(head) if head.what.phase() == Phase::End && head.end > self.sent => Phase::Body,
            Some(head) => head.what.phase(),
            None if self.in_content() => Phase::Body,
            None => Phase::Mail,
        }
    }

    pub(crate) fn in_content(&self) -> bool {
        self.transactions.back().is_some_and(|transaction| transaction.stage == Stage::Content)
    }

    /// Content octets may be taken now.
    pub(crate) fn wants_content(&self) -> bool {
        self.in_content() && !self.closed && self.write_failed.is_none()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.usable && self.transactions.is_empty() && self.expected.is_empty()
    }

    /// Idle and in step (D29): nothing asked, nothing half read, nothing half sent.
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_idle()
            && !self.closed
            && self.quit == Quit::No
            && self.write_failed.is_none()
            && self.parser.is_empty()
            && self.sent == self.queued
    }

    /// Octets may still leave.
    pub(crate) const fn can_write(&self) -> bool {
        self.write_failed.is_none()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timer.deadline()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether a secret was written since this was asked last.
    pub(crate) fn take_secret_queued(&mut self) -> bool {
        std::mem::take(&mut self.secret_queued)
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.events.push_back(Event::Notice(notice));
    }

    // ---- the transport spoke -----------------------------------------------------------------------------------------------------

    /// Reads replies from plaintext; returns how many octets were left when a reply asked for a TLS handshake.
    pub(crate) fn handle_plain(&mut self, now: Instant, mut data: &[u8]) -> usize {
        if std::mem::take(&mut self.turn_due) && !data.is_empty() {
            self.turns += 1;
        }
        while !data.is_empty() && !self.closed && self.channel != Channel::Handshake {
            let began = self.reply_began.unwrap_or(self.sent);
            match self.parser.parse(data, &self.limits()) {
                Err(error) => {
                    self.protocol_error(now, PeerError::Malformed(error));
                    return 0;
                }
                Ok((read, reply)) => {
                    data = data.get(read..).unwrap_or_default();
                    self.reply_began = if reply.is_none() { Some(began) } else { None };
                    if let Some(reply) = reply {
                        self.on_reply(now, reply, began);
                        self.advance(now);
                    }
                }
            }
        }
        self.set_timer(now);
        data.len()
    }

    /// The transport took octets, with which the stream is out up to `sent`; a part of a TLS record moves nothing but is progress.
    pub(crate) fn transmitted(&mut self, now: Instant, sent: u64, octets: usize) {
        self.turn_due |= sent > self.sent;
        self.sent = self.sent.max(sent);
        if octets > 0 && self.timer.phase() == Some(Phase::Body) {
            self.timer.stop(); // N9 measures the lack of progress
        }
        self.set_timer(now);
    }

    pub(crate) fn write_failed(&mut self, now: Instant, cause: std::io::Error) {
        if self.closed || self.write_failed.is_some() {
            return;
        }
        self.transcript.note(now, || format!("writing failed: {cause}"));
        self.write_failed = Some(Arc::new(cause));
        self.out = Zeroizing::default();
        // A reply may have been sent already (R55); it, or the end of the file, comes soon.
        self.timer.start(Phase::Quit, now, &self.config.timeouts);
    }

    pub(crate) fn closed_by_peer(&mut self, now: Instant, cause: Option<std::io::Error>) {
        if self.closed {
            return;
        }
        self.transcript.note(now, || {
            cause
                .as_ref()
                .map_or_else(|| "the server closed the connection".to_owned(), |cause| cause.to_string())
        });
        if self.quit == Quit::Sent && self.transactions.is_empty() {
            // M112: QUIT is a courtesy; what came of it changes nothing.
            let parting = self.parting.take();
            return self.close(parting);
        }
        let cause = cause.map(Arc::new).or_else(|| self.write_failed.clone());
        let phase = self.waiting();
        self.drop_transport(now, Error::Lost { phase, cause });
    }

    pub(crate) fn timeout(&mut self, now: Instant) {
        let Some(phase) = self.timer.expired(now).filter(|_| !self.closed) else { return };
        if self.quit == Quit::Sent && self.transactions.is_empty() {
            let parting = self.parting.take();
            return self.close(parting);
        }
        let error = match &self.write_failed {
            Some(cause) => Error::Lost { phase: self.waiting(), cause: Some(Arc::clone(cause)) },
            None => Error::Timeout(phase),
        };
        self.transcript.note(now, || error.to_string());
        // A late reply would be taken for the next one's: the stream is out of step, so not even QUIT (law 10).
        self.drop_transport(now, error);
    }

    // ---- replies -----------------------------------------------------------------------------------------------------------------

    const fn limits_for(what: Option<Expect>) -> reply::Limits {
        match what {
            Some(Expect::Hello(_)) => reply::Limits::HELLO,
            Some(Expect::Auth) => reply::Limits::CHALLENGE,
            _ => reply::Limits::NORMAL,
        }
    }

    fn limits(&self) -> reply::Limits {
        Self::limits_for(self.expected.front().map(|head| head.what))
    }

    fn on_reply(&mut self, now: Instant, reply: Reply, began: u64) {
        self.transcript.server(now, &reply);
        if reply.bare_lf() && !std::mem::replace(&mut self.bare_lf_seen, true) {
            self.notice(Notice::BareLfInReply);
        }
        let reply = match self.expected.front().map(|head| head.what) {
            Some(Expect::Hello(_) | Expect::Auth) => reply,
            _ => reply.shortened(),
        };
        let closing = reply.code().get() == 421;
        let Some(head) = self.expected.front().copied() else {
            return self.on_unasked_reply(now, reply);
        };
        if head.end > began {
            // D33: it cannot be the answer, since the question was not out when it began to arrive.
            return match head.what {
                Expect::EndOfData(..) | Expect::EndForNobody(_) => self.on_reply_in_content(now, reply),
                what if closing => self.drop_transport(now, Error::Refused { phase: what.phase(), reply }),
                _ => self.protocol_error(now, PeerError::Unsolicited { reply }),
            };
        }
        self.expected.pop_front();
        self.outstanding -= head.octets;
        self.answered += 1;
        if closing && !matches!(head.what, Expect::EndOfData(..) | Expect::Quit) {
            // R39: the server is leaving; nothing more is sent.
            return self.drop_transport(now, Error::Refused { phase: head.what.phase(), reply });
        }
        match head.what {
            Expect::Greeting => self.on_greeting(now, reply),
            Expect::Hello(hello) => self.on_hello(now, hello, reply),
            Expect::StartTls => self.on_starttls(now, reply),
            Expect::Auth => self.on_auth(now, reply),
            Expect::AuthCancelled => self.part(now),
            Expect::Reset => self.on_reset(now, reply),
            Expect::Mail(id) => self.on_mail(now, id, reply),
            Expect::Rcpt(id, index) => self.on_rcpt(now, id, index, reply),
            Expect::Data(id) => self.on_data(now, id, reply),
            Expect::EndOfData(id, index) => self.on_end_of_data(now, id, index, reply),
            Expect::EndForNobody(id) => self.finish(id),
            Expect::Quit => {
                let parting = self.parting.take();
                self.close(parting);
            }
        }
    }

    /// No command is outstanding: content is flowing, or the server speaks out of turn.
    fn on_unasked_reply(&mut self, now: Instant, reply: Reply) {
        if self.in_content() {
            self.on_reply_in_content(now, reply);
        } else if reply.code().get() == 421 {
            let phase = self.waiting();
            self.drop_transport(now, Error::Refused { phase, reply }); // N37: the one exception
        } else {
            self.protocol_error(now, PeerError::Unsolicited { reply }); // R45
        }
    }

    // ---- sending -----------------------------------------------------------------------------------------------------------------

    /// Whether a command of this length may leave now: always when nothing is outstanding, within the window with PIPELINING.
    fn room(&self, octets: usize) -> bool {
        self.expected.is_empty()
            || (self.config.pipelining
                && self.capabilities.pipelining() // R135
                && self.expected.len() < WINDOW_COMMANDS
                && self.outstanding + octets <= WINDOW_OCTETS)
    }

    /// Moves the send cursor as far as it may go.
    pub(crate) fn advance(&mut self, now: Instant) {
        if self.write_failed.is_some() {
            return; // nothing can leave any more, only replies can come
        }
        while self.usable && !self.closed && self.quit != Quit::Sent && self.step(now) {}
        if self.quit == Quit::Wanted
            && self.usable
            && !self.closed
            && self.transactions.back().is_none_or(|last| last.stage == Stage::Ended)
            && self.room(6)
        {
            self.send_quit(now);
        }
    }

    fn expect(&mut self, what: Expect, octets: usize) {
        self.outstanding += octets;
        self.expected.push_back(Pending { what, end: self.queued, octets });
    }

    /// Writes a command line and expects its reply.
    fn send(
        &mut self,
        now: Instant,
        command: &Command<'_>,
        redacted: Option<&str>,
        what: Expect,
    ) -> Result<(), TooLong> {
        let before = self.out.len();
        command.encode(&mut self.out)?;
        let octets = self.out.len() - before;
        self.secret_queued |= redacted.is_some();
        self.transcript.client(now, self.out.get(before..).unwrap_or_default(), redacted);
        self.queued += octets as u64;
        self.expect(what, octets);
        Ok(())
    }

    /// A line that is always short enough.
    fn send_short(&mut self, now: Instant, command: &Command<'_>, what: Expect) {
        // Verbs without arguments, and EHLO with a name the type bounds to 255 octets.
        let fits = self.send(now, command, None, what);
        debug_assert!(fits.is_ok());
    }

    fn send_quit(&mut self, now: Instant) {
        self.send_short(now, &Command::Quit, Expect::Quit);
        self.quit = Quit::Sent;
    }

    pub(crate) fn quit(&mut self, now: Instant) {
        if self.closed || self.quit != Quit::No {
            return;
        }
        if self.in_content() || !self.usable {
            // In content there is one way out (R54). Before the session is usable there may be a reply outstanding to a command that
            // must end its group, and nothing to lose.
            return self.drop_transport(now, Error::Cancelled);
        }
        self.quit = Quit::Wanted;
        if let Some(last) = self.transactions.back_mut().filter(|last| !last.complete) {
            // M114: nobody asked for DATA, and nobody will give content.
            last.complete = true;
            last.refuse(Failure::new(Phase::Data, Error::Cancelled));
        }
        self.advance(now);
        self.set_timer(now);
    }

    // ---- endings -----------------------------------------------------------------------------------------------------------------

    /// Ends a session that is in step: QUIT, then `Closed` (law 10).
    fn part_with(&mut self, now: Instant, error: Error) {
        self.ended_in = Some(error.phase().unwrap_or_else(|| self.waiting()));
        self.parting = Some(error);
        self.part(now);
    }

    fn part(&mut self, now: Instant) {
        self.usable = false;
        self.transcript.note(now, || "ending the session".to_owned());
        self.send_quit(now);
    }

    fn protocol_error(&mut self, now: Instant, error: PeerError) {
        self.drop_transport(now, Error::Peer(error));
    }

    /// The transport is dropped as it stands: everything queued is thrown away, everybody undecided learns why.
    pub(crate) fn drop_transport(&mut self, now: Instant, error: Error) {
        if self.closed {
            return;
        }
        self.transcript.note(now, || error.full_text());
        // A reply that ended the session has been taken off the queue already; its error knows what it answered.
        let phase = match &error {
            Error::Peer(_) | Error::Refused { .. } => error.phase().unwrap_or_else(|| self.waiting()),
            _ => self.waiting(),
        };
        self.ended_in.get_or_insert(phase);
        // M65, M69: a certificate that the server refuses shows, in TLS 1.3, on the first read after the handshake.
        self.handshake_failed |= !matches!(error, Error::Peer(_) | Error::Cancelled | Error::Deadline(_))
            && (self.channel == Channel::Handshake
                || (matches!(error, Error::Tls(_)) && self.awaits_hello_over_tls()));
        // M112: QUIT is a courtesy, even where its reply is nonsense.
        let courtesy = matches!(error, Error::Peer(_) | Error::Tls(_))
            && self.quit == Quit::Sent
            && self.transactions.is_empty();
        self.out = Zeroizing::default();
        self.dropped = Some(matches!(error, Error::Tls(_)));
        self.lose_all(phase, &error);
        // What ended the session first is the reason that counts.
        let error = self.parting.take().or_else(|| (!courtesy).then_some(error));
        self.close(error);
    }

    /// `Closed` is the last event; output that is still queued is the connection's last words.
    fn close(&mut self, error: Option<Error>) {
        self.ended_in.get_or_insert(Phase::Quit);
        self.closed = true;
        self.usable = false;
        self.timer.stop();
        self.expected = VecDeque::new();
        self.outstanding = 0;
        self.exchange = None;
        self.withheld = false;
        self.parser = reply::Parser::new();
        self.events.push_back(Event::Closed(error));
    }

    // ---- time --------------------------------------------------------------------------------------------------------------------

    /// One deadline: that of the reply waited for, chosen when the wait for it began (R72), or that of the content's progress (N9).
    fn set_timer(&mut self, now: Instant) {
        if self.closed {
            return self.timer.stop();
        }
        if self.write_failed.is_some() {
            return; // set when it failed
        }
        let phase = self.waiting();
        let waiting = self.channel == Channel::Handshake
            || !self.expected.is_empty()
            || (phase == Phase::Body && self.sent < self.queued);
        if !waiting {
            return self.timer.stop();
        }
        if self.timer.phase() != Some(phase) || self.timer_serial != self.answered {
            self.timer.start(phase, now, &self.config.timeouts);
            self.timer_serial = self.answered;
        }
    }
}

/// Where it stands; never what it holds for others: output, events, the dialogue.
impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("phase", &self.phase())
            .field("channel", &self.channel)
            .field("capabilities", &self.capabilities)
            .field("expected", &self.expected)
            .field("queued", &self.queued)
            .field("given", &self.given)
            .field("sent", &self.sent)
            .field("quit", &self.quit)
            .field("closed", &self.closed)
            .field("transactions", &self.transactions)
            .field("timer", &self.timer)
            .finish_non_exhaustive()
    }
}

/// A reply that is neither yes nor no where only those are possible.
const fn is_verdict(severity: Severity) -> bool {
    matches!(severity, Severity::Positive | Severity::Transient | Severity::Permanent)
}
