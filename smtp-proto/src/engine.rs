//! The protocol engine: the only place where protocol state changes.
//!
//! Theory of operation. Sending runs ahead of receiving. Every command that is written pushes an [`Expect`] to a queue; every complete
//! reply pops one, and the popped entry gives the reply its meaning: one `match` in [`Engine::on_reply`] dispatches on (expectation,
//! severity), a row per line of RFC 5321 §4.3.2. The send cursor ([`Stage`]) of the newest transaction moves in [`Engine::advance`],
//! and the only difference between lock-step and PIPELINING is whether it may move while the queue is not empty ([`Engine::room`]).
//! LMTP is the same machine that pushes one `EndOfData` per accepted recipient; with BDAT the content, too, may run ahead (`chunks.rs`).
//!
//! The second idea is the account of the stream. `queued`, `given` and `sent` count plaintext octets since the start of the connection:
//! written by the engine, handed out by `transmit()`, confirmed by `handle_transmitted()`. A reply is believed only if the command it
//! answers was `sent` when the reply's first octet arrived (D33). A message may be at the server as soon as its end mark was `given`
//! (D36). Between the two lies everything this crate says about "uncertain".
//!
//! The third is that there is one way out of unfinished content: [`Engine::drop_transport`], which queues nothing (R54).

mod chunks;
mod content;
mod endings;
mod input;
mod mail;
mod opening;

pub(crate) use self::chunks::{Chunks, Way};

use std::{collections::VecDeque, fmt, sync::Arc, time::Instant};

use zeroize::Zeroizing;

use crate::{
    Phase,
    capability::Capabilities,
    command::{Command, TooLong},
    config::{Config, Link},
    connection::{Event, Notice, RESTING_BUFFER},
    error::Error,
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
/// Transactions that may be open at a time: all but the newest wait for the reply to their content.
const MOST_TRANSACTIONS: usize = 16;

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
    /// A chunk that is not the last (R151).
    Chunk(TransactionId),
    /// The end of the content: for all accepted recipients (SMTP, and LMTP as long as it is not known who is), or for this one (LMTP).
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
            Self::Chunk(_) => Phase::Body,
            Self::EndOfData(..) | Self::EndForNobody(_) => Phase::End,
            Self::Quit => Phase::Quit,
        }
    }

    fn is_chunk_of(self, id: TransactionId) -> bool {
        matches!(self, Self::Chunk(other) | Self::EndOfData(other, _) if other == id)
    }
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    what: Expect,
    /// Where in the stream the command ends, with the octets that belong to it.
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
    pub(crate) secret_queued: bool,
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
    /// The connection was idle and may be dead: no content until the server has said something.
    doubted: bool,
    /// How many octets had been handed out when it was idle last.
    rested: Option<u64>,

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
            doubted: false,
            rested: None,
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

    /// Content is being read of which nothing has left.
    fn holds_content(&self) -> bool {
        self.in_content()
            && self
                .transactions
                .back()
                .and_then(|last| last.chunks.as_ref())
                .is_some_and(|chunks| !chunks.begun())
    }

    /// Content flows as DATA has it: a refusal may come at any time.
    fn in_data(&self) -> bool {
        self.transactions.back().is_some_and(|last| last.stage == Stage::Content && last.chunks.is_none())
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

    /// There is nothing to do until the next message: keeps no more of what is allocated for traffic than a small one needs.
    pub(crate) fn rest(&mut self) {
        self.rested = Some(self.given);
        self.out.shrink_to(RESTING_BUFFER);
        self.expected.shrink_to(4);
        self.transactions.shrink_to(1);
        self.events.shrink_to_fit();
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

    /// No content before the server has said something.
    pub(crate) const fn expect_stale(&mut self) {
        self.doubted = true;
    }

    /// Whether a secret was written since this was asked last.
    pub(crate) fn take_secret_queued(&mut self) -> bool {
        std::mem::take(&mut self.secret_queued)
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.events.push_back(Event::Notice(notice));
    }

    // ---- sending -----------------------------------------------------------------------------------------------------------------

    /// Whether a command of this length may leave now: always when nothing is outstanding, within the window with PIPELINING.
    fn room(&self, octets: usize) -> bool {
        self.expected.is_empty()
            || (self.pipelines()
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
        // Inside a chunk that was announced and has not come, it is the source's turn.
        let waiting = self.channel == Channel::Handshake
            || self.expected.front().is_some_and(|head| head.end <= self.queued)
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
