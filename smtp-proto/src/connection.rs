//! One connection to one server: the engine, TLS around it, and the account of what has left.

use std::{fmt, io, sync::Arc, time::Instant};

use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    Phase,
    capability::Capabilities,
    config::{Config, Link, TlsMode},
    engine::{Channel, Engine},
    envelope::{Envelope, Recipient, Sender},
    error::{BodyError, Disposition, Error, NoTransaction, NotReady, PeerError, TlsError},
    reply::Reply,
    tls::{Sealed, Tls, TlsFacts},
    transaction::{RecipientId, TransactionId, TransactionReport},
    transcript::Line,
};

#[cfg(test)]
mod tests;

/// Output that may wait for the transport before content is held back (N40).
const HIGH_WATER: usize = 64 * 1024;
/// Content is asked for in pieces worth reading.
const LEAST_CREDIT: usize = 8 * 1024;
/// Buffers above this are given back when nothing is under way.
const IDLE_BUFFER: usize = 512;
/// The same for one that is kept for another message, of which there may be thousands: enough for the envelope of a small one.
pub(crate) const RESTING_BUFFER: usize = 256;

/// What a connection tells the application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Greeting, hello, TLS and authentication are done: transactions may begin.
    Ready,
    /// The server answered a RCPT.
    Recipient(TransactionId, RecipientId, Reply),
    /// LMTP: the server answered the content for one recipient (R64); `Done` repeats it.
    Decided(TransactionId, RecipientId, Disposition),
    /// A transaction has ended.
    Done(TransactionId, TransactionReport),
    /// Nothing failed, but somebody may want to know.
    Notice(Notice),
    /// The last event. What [`Connection::transmit`] still holds are the connection's last words; then the transport goes.
    /// `None`: the session ended as it should.
    Closed(Option<Error>),
}

/// Things worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A secret was sent in clear, as D4 allows on this link.
    SecretInClear,
    /// The server refused STARTTLS; the session goes on in plaintext (D2).
    StartTlsRefused(Reply),
    /// A reply line ended in a bare LF (R43).
    BareLfInReply,
    /// A connection that was kept for this message had died meanwhile; a fresh one took its place (D28).
    Replaced,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretInClear => f.write_str("credentials were sent without TLS"),
            Self::StartTlsRefused(reply) => write!(f, "STARTTLS was refused, going on in plaintext: {reply}"),
            Self::BareLfInReply => f.write_str("a reply line ended in LF without CR"),
            Self::Replaced => f.write_str("a kept connection had ended; a fresh one took its place"),
        }
    }
}

/// One SMTP or LMTP session as a pure state machine.
///
/// Three families of methods. `handle_*`: the transport or the clock spoke; infallible, failure comes out as [`Event::Closed`]. Plain
/// verbs: the application wants something. `poll_*` and getters: the machine wants something. Spurious calls are harmless, always.
///
/// The driver's loop: drain [`poll_event`](Self::poll_event); give content while [`body_credit`](Self::body_credit) is not 0; write
/// what [`transmit`](Self::transmit) returns and report it by [`handle_transmitted`](Self::handle_transmitted) *before* reporting
/// input that was read later; read; sleep no longer than [`poll_timeout`](Self::poll_timeout).
pub struct Connection {
    engine: Engine,
    config: Arc<Config>,
    /// Boxed: most connections do without, and it is large.
    tls: Option<Box<Tls>>,
    /// Octets for the transport; `wire[out..]` is not taken yet.
    wire: Zeroizing<Vec<u8>>,
    out: usize,
    /// Where the plaintext in `wire` begins in the engine's stream.
    base: u64,
    /// TLS: which plaintext is out with which record.
    marks: Vec<Sealed>,
    /// Plaintext read from TLS; kept while records arrive.
    plain: Vec<u8>,
    /// TLS: the ClientHello is out.
    hello_out: bool,
    /// TLS: the server's first octet is in.
    tls_began: bool,
    /// The end has been seen to.
    settled: bool,
}

impl Connection {
    /// A connection over a transport that has just been opened.
    #[must_use]
    pub fn new(now: Instant, config: Arc<Config>) -> Self {
        Self::with_link(now, config, Link::default())
    }

    /// The same, with what is known about the transport.
    #[must_use]
    pub fn with_link(now: Instant, config: Arc<Config>, link: Link) -> Self {
        let implicit = config.security.mode == TlsMode::Implicit;
        let channel = if implicit { Channel::Handshake } else { Channel::Plain };
        let mut connection = Self {
            engine: Engine::new(now, Arc::clone(&config), link, channel),
            config,
            tls: None,
            wire: Zeroizing::default(),
            out: 0,
            base: 0,
            marks: Vec::new(),
            plain: Vec::new(),
            hello_out: false,
            tls_began: false,
            settled: false,
        };
        if implicit {
            connection.start_tls(now); // R94
        }
        connection
    }

    // ---- the transport saw something ---------------------------------------------------------------------------------------------

    /// Octets arrived.
    pub fn handle_input(&mut self, now: Instant, data: &[u8]) {
        if self.engine.is_closed() || data.is_empty() {
            return;
        }
        if self.tls.is_some() {
            return self.handle_records(now, data);
        }
        let left = self.engine.handle_plain(now, data);
        if self.engine.wants_handshake() {
            if left > 0 {
                // D3, R86: whoever put that there did not know the keys.
                self.engine.drop_transport(now, Error::Peer(PeerError::InjectedPlaintext));
                return self.settle();
            }
            self.start_tls(now);
        }
        self.settle();
    }

    fn start_tls(&mut self, now: Instant) {
        let security = &self.config.security;
        let (Some(client), Some(name)) = (security.client.clone(), security.server_name.clone()) else {
            return self.engine.drop_transport(now, Error::Tls(TlsError::NoServerName));
        };
        match Tls::new(client, name) {
            Ok(tls) => self.tls = Some(Box::new(tls)),
            Err(error) => self.engine.drop_transport(now, Error::Tls(error)),
        }
    }

    fn handle_records(&mut self, now: Instant, data: &[u8]) {
        let handshaking = self.engine.wants_handshake();
        if handshaking && !std::mem::replace(&mut self.tls_began, true) {
            // D3, D33: before the ClientHello is out, and in place of the first record, there can only be injected plaintext. Later
            // octets say nothing: a record comes in any pieces. Without STARTTLS there was no plaintext to inject into.
            let no_record = data.first().is_some_and(|first| !matches!(first, 20..=23));
            if (!self.hello_out || no_record) && self.engine.queued > 0 {
                self.engine.drop_transport(now, Error::Peer(PeerError::InjectedPlaintext));
                return self.settle();
            }
        }
        let Some(tls) = self.tls.as_mut() else { return };
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let read = tls.read(data, &mut plain);
        if handshaking && !tls.is_handshaking() {
            let facts = tls.facts();
            self.engine.tls_established(now, facts);
        }
        self.engine.handle_plain(now, &plain);
        plain.clear();
        self.plain = plain;
        if let Err(error) = read {
            self.engine.drop_transport(now, Error::Tls(error));
        } else if self.tls.as_ref().is_some_and(|tls| tls.is_ended()) {
            self.engine.closed_by_peer(now, None);
        }
        self.settle();
    }

    /// The transport took the first `len` octets of what [`transmit`](Self::transmit) returned.
    pub fn handle_transmitted(&mut self, now: Instant, len: usize) {
        self.out = self.out.saturating_add(len).min(self.wire.len());
        self.hello_out |= self.tls.is_some() && len > 0 && self.out == self.wire.len();
        let sent = if self.tls.is_some() {
            self.base
                + self
                    .marks
                    .iter()
                    .take_while(|mark| mark.wire <= self.out)
                    .last()
                    .map_or(0, |mark| mark.plain as u64)
        } else {
            self.base + self.out as u64
        };
        self.engine.transmitted(now, sent, len);
        if self.out == self.wire.len() && self.engine.out.is_empty() && self.engine.take_secret_queued() {
            // R133: neither buffer is to keep what went through it.
            self.clear_output();
            self.wire.zeroize();
            self.engine.out.zeroize();
        }
        self.settle();
    }

    /// Writing failed. Reading goes on: the reason may be unread (R55).
    pub fn handle_write_failed(&mut self, now: Instant, cause: io::Error) {
        self.engine.write_failed(now, cause);
        self.wire = Zeroizing::default();
        self.out = 0;
    }

    /// The transport reached its end; `None` is a clean end of file.
    pub fn handle_closed(&mut self, now: Instant, cause: Option<io::Error>) {
        self.engine.closed_by_peer(now, cause);
        self.settle();
    }

    /// Time passed. Harmless when early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.engine.timeout(now);
        self.settle();
    }

    // ---- the application wants something -----------------------------------------------------------------------------------------

    /// Opens a transaction: MAIL.
    ///
    /// # Errors
    /// [`NotReady`] before [`Event::Ready`], after [`Event::Closed`], and while another transaction has something left to send.
    pub fn begin(&mut self, now: Instant, sender: Sender) -> Result<TransactionId, NotReady> {
        self.engine.begin(now, sender)
    }

    /// Adds a recipient to the open transaction: RCPT.
    ///
    /// # Errors
    /// [`NoTransaction`] without an open transaction, or after [`data`](Self::data).
    pub fn recipient(&mut self, now: Instant, recipient: Recipient) -> Result<RecipientId, NoTransaction> {
        self.engine.recipient(now, recipient)
    }

    /// No more recipients: DATA, as soon as the protocol allows it.
    ///
    /// # Errors
    /// [`NoTransaction`] without an open transaction, or when called twice.
    pub fn data(&mut self, now: Instant) -> Result<(), NoTransaction> {
        self.engine.data(now)
    }

    /// [`begin`](Self::begin), [`recipient`](Self::recipient) and [`data`](Self::data) at once: one flight with PIPELINING.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn submit(&mut self, now: Instant, envelope: Envelope) -> Result<TransactionId, NotReady> {
        self.engine.submit(now, envelope)
    }

    /// Content octets, all of which are taken; ask [`body_credit`](Self::body_credit) how many are wanted.
    ///
    /// # Errors
    /// [`BodyError::NotWanted`] when no content is wanted. The others end the transaction, and if any of its content has left the connection, without end mark or last chunk (R54).
    pub fn write_body(&mut self, now: Instant, data: &[u8]) -> Result<(), BodyError> {
        let taken = self.engine.write_body(now, data);
        self.settle();
        taken
    }

    /// The content is complete: the end mark, or the last chunk, may leave.
    ///
    /// # Errors
    /// As [`write_body`](Self::write_body).
    pub fn finish_body(&mut self, now: Instant) -> Result<(), BodyError> {
        let taken = self.engine.finish_body(now);
        self.settle();
        taken
    }

    /// The content cannot be completed: its source failed. If any of it has left, the transport is dropped; the end mark, or the last chunk,
    /// is never sent (R54).
    pub fn fail_body(&mut self, now: Instant, cause: &io::Error) {
        let error = Error::Source { message: cause.to_string().into() };
        self.engine.abandon_content(now, &error);
        self.settle();
    }

    /// Gives everything up at once: nothing more is sent.
    pub fn abort(&mut self, now: Instant, error: Error) {
        self.engine.drop_transport(now, error);
        self.settle();
    }

    /// Ends the session with QUIT as soon as nothing is left to send; in unfinished content of which some has left, by dropping the transport.
    pub fn quit(&mut self, now: Instant) {
        self.engine.quit(now);
        self.settle();
    }

    /// The connection was idle, and may have died unnoticed: no content leaves for the next transaction before the server has answered
    /// something, though CHUNKING would allow it.
    ///
    /// It costs a message by BDAT a round trip. Without it, a message sent to nobody would end as uncertain, since its last chunk was
    /// handed out with its envelope (D36).
    pub fn expect_stale(&mut self) {
        self.engine.expect_stale();
    }

    // ---- the machine wants something ---------------------------------------------------------------------------------------------

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.engine.poll_event()
    }

    /// The next line of the dialogue, where [`Config::transcript`] is set.
    #[must_use]
    pub fn poll_transcript(&mut self) -> Option<Line> {
        self.engine.transcript.poll()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.engine.deadline()
    }

    /// The octets to write now; empty when there are none.
    ///
    /// Giving them out is what decides "uncertain" (D36): from here on the peer may have them, whatever the transport reports.
    #[must_use]
    pub fn transmit(&mut self) -> &[u8] {
        if !self.engine.can_write() {
            return &[];
        }
        if self.out == self.wire.len() {
            self.refill();
        }
        self.engine.given = self.engine.queued - self.engine.out.len() as u64;
        self.wire.get(self.out..).unwrap_or_default()
    }

    fn refill(&mut self) {
        self.clear_output();
        match &mut self.tls {
            None => std::mem::swap(&mut self.wire, &mut self.engine.out),
            Some(tls) => {
                tls.write(&self.engine.out, &mut self.wire, &mut self.marks);
                if !tls.is_handshaking() {
                    self.engine.out.clear();
                }
            }
        }
    }

    /// Everything in `wire` is out.
    fn clear_output(&mut self) {
        self.wire.clear();
        self.marks.clear();
        self.out = 0;
        self.base = self.engine.queued - self.engine.out.len() as u64;
    }

    /// How many content octets are wanted now; 0: none, until something happened: input, or room in the transport.
    ///
    /// By DATA, content is wanted from the 354 on. By BDAT ([`Config::chunking`]), a message of at most 64 KiB whose facts are known
    /// ([`Sender::content`]) is wanted as soon as its last RCPT is written: fed before [`transmit`](Self::transmit) is asked, it leaves in
    /// one write with its envelope. Any other is wanted once somebody is accepted, and between chunks not before the server keeps up.
    #[must_use]
    pub fn body_credit(&self) -> usize {
        if !self.engine.wants_content() {
            return 0;
        }
        let waiting = self.wire.len() - self.out + self.engine.out.len();
        let credit = HIGH_WATER.saturating_sub(waiting);
        if credit < LEAST_CREDIT { 0 } else { credit.min(self.engine.content_room()) }
    }

    // ---- facts -------------------------------------------------------------------------------------------------------------------

    /// What is being waited for or done; once the session is ending, where that was decided.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.engine.phase()
    }

    /// The server's greeting, once it came.
    #[must_use]
    pub const fn greeting(&self) -> Option<&Reply> {
        self.engine.greeting.as_ref()
    }

    /// What the server offers, by the EHLO or LHLO reply now in force.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        self.engine.capabilities()
    }

    /// The TLS session, once established.
    #[must_use]
    pub const fn tls(&self) -> Option<&TlsFacts> {
        self.engine.tls()
    }

    /// Whether [`begin`](Self::begin) would succeed.
    #[must_use]
    pub fn can_begin(&self) -> bool {
        self.engine.can_begin()
    }

    /// Idle, in step and healthy: fit for another message, or for a pool (D29).
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.engine.is_reusable() && self.out == self.wire.len()
    }

    /// [`Event::Closed`] has been or is about to be given out.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.engine.is_closed()
    }

    /// TLS was begun with this peer and did not come to be; where TLS is optional, M65 allows one plaintext retry. Never after injected
    /// plaintext (D3).
    #[must_use]
    pub const fn handshake_failed(&self) -> bool {
        self.engine.handshake_failed
    }

    /// How often the line has turned: input after output.
    #[must_use]
    pub const fn turns(&self) -> u32 {
        self.engine.turns
    }

    /// Lets go of what is not needed: output that must not leave, buffers of an idle connection.
    fn settle(&mut self) {
        if self.engine.is_closed() {
            self.settle_closed();
        } else if self.engine.is_idle() && self.out == self.wire.len() {
            self.clear_output();
            self.wire.shrink_to(IDLE_BUFFER);
            self.engine.out.shrink_to(IDLE_BUFFER);
            self.plain = Vec::new();
        }
    }

    /// Lets go of what is allocated, but for what the envelope of a small message needs: nothing may come for a while.
    pub(crate) fn rest(&mut self) {
        self.wire.shrink_to(RESTING_BUFFER);
        self.marks.shrink_to(4);
        self.engine.rest();
    }

    /// Once: decides what the last words are. Nothing, where the transport is dropped (R54), but the alert of a TLS failure; the rest
    /// of the output and close_notify, where the session ended in step (R59).
    fn settle_closed(&mut self) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        self.plain = Vec::new();
        let orderly = !self.engine.is_dropped();
        if !orderly {
            self.wire = Zeroizing::default();
            self.out = 0;
            self.marks.clear();
        }
        if let Some(tls) = self.tls.as_mut() {
            if orderly {
                tls.close();
            } else if !self.engine.dropped_by_tls() {
                self.tls = None;
            }
        }
    }
}

/// Never what is on its way: that may be a secret (R133), or mail.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("engine", &self.engine)
            .field("tls", &self.tls)
            .field("unsent", &(self.wire.len() - self.out))
            .finish_non_exhaustive()
    }
}
