use std::{fmt, io, sync::Arc, time::Instant};

use super::{
    Closed, Config, Event, Misuse, Tls as TlsMode, TlsFacts, session::Session, session::State, tls::Tls,
};
use crate::reply::Reply;

/// Buffers above this are given back when nothing is under way.
const IDLE_BUFFER: usize = 512;

/// One SMTP or LMTP client, as its server sees it: a pure state machine.
///
/// Three families of methods. `handle_*`: the transport or the clock spoke; infallible, failure comes out as [`Event::Closed`]. Plain
/// verbs: the application wants something. `poll_*` and getters: the machine wants something. Spurious calls are harmless, always.
///
/// The driver's loop: drain [`poll_event`](Self::poll_event) and answer what waits for an answer; take [`content`](Self::content);
/// write what [`transmit`](Self::transmit) returns and report it by [`handle_transmitted`](Self::handle_transmitted) *before* reporting
/// input that was read later; read while [`wants_input`](Self::wants_input); sleep no longer than [`poll_timeout`](Self::poll_timeout).
/// After [`Event::Closed`], write what is left and drop the transport.
pub struct Connection {
    session: Session,
    tls: Option<Tls>,
    facts: Option<TlsFacts>,
    /// Octets for the transport; `wire[sent..]` are not taken yet.
    wire: Vec<u8>,
    sent: usize,
    /// close_notify has been queued.
    notified: bool,
    /// Plaintext read from TLS; kept while records arrive.
    plain: Vec<u8>,
}

impl Connection {
    /// A connection over a transport that has just been accepted.
    #[must_use]
    pub fn new(now: Instant, config: Arc<Config>) -> Self {
        let implicit = matches!(config.tls, TlsMode::Implicit(_));
        let mut connection = Self {
            session: Session::new(now, config),
            tls: None,
            facts: None,
            wire: Vec::new(),
            sent: 0,
            notified: false,
            plain: Vec::new(),
        };
        if implicit {
            connection.start_tls(now);
        }
        connection
    }

    fn start_tls(&mut self, now: Instant) {
        let (TlsMode::StartTls(config) | TlsMode::Implicit(config)) = &self.session.config.tls else {
            return;
        };
        match Tls::new(Arc::clone(config)) {
            Ok(tls) => self.tls = Some(tls),
            Err(error) => self.session.drop_transport(now, Closed::Tls(error)),
        }
    }

    // ---- the transport saw something ---------------------------------------------------------------------------------------------

    /// Octets arrived. All are taken; what the machine cannot use yet it keeps, so do not read while
    /// [`wants_input`](Self::wants_input) is false.
    pub fn handle_input(&mut self, now: Instant, data: &[u8]) {
        if self.session.is_closed() || data.is_empty() {
            return;
        }
        if self.tls.is_some() {
            self.handle_records(now, data);
        } else if matches!(self.session.state, State::Handshake) {
            // The 220 to STARTTLS has not left: nobody can have answered it (RFC 3207 §4.2, D3).
            self.session.drop_transport(now, Closed::InjectedPlaintext);
            self.silence();
        } else {
            self.session.receive(now, data);
        }
        self.settle();
    }

    fn handle_records(&mut self, now: Instant, data: &[u8]) {
        let Some(tls) = self.tls.as_mut() else { return };
        let handshaking = tls.is_handshaking();
        let mut plain = std::mem::take(&mut self.plain);
        let read = tls.read(data, &mut plain);
        if handshaking && !tls.is_handshaking() {
            let facts = tls.facts();
            self.facts = Some(facts.clone());
            self.session.secured(now, facts);
        }
        self.session.receive(now, &plain);
        zeroize::Zeroize::zeroize(&mut plain); // there may be a password in it (R133)
        self.plain = plain;
        match read {
            Ok(false) => {}
            Ok(true) => self.session.end_of_input(now, None),
            Err(error) => {
                self.session.drop_transport(now, Closed::Tls(error));
                self.notified = true; // an alert leaves instead
            }
        }
    }

    /// The transport took the first `len` octets of what [`transmit`](Self::transmit) returned.
    pub fn handle_transmitted(&mut self, now: Instant, len: usize) {
        if len == 0 {
            return;
        }
        self.sent = self.sent.saturating_add(len).min(self.wire.len());
        let all = self.sent == self.wire.len() && self.session.out.is_empty();
        self.session.transmitted(now, all);
        if !self.has_output() && self.tls.is_none() && matches!(self.session.state, State::Handshake) {
            self.start_tls(now);
        }
        self.settle();
    }

    /// The transport reached its end, or failed; `None` is a clean end of file, after which the client may still read.
    pub fn handle_closed(&mut self, now: Instant, cause: Option<&io::Error>) {
        self.session.end_of_input(now, cause.map(io::Error::kind));
        if cause.is_some() {
            self.silence();
        }
    }

    /// Time passed. Harmless when early.
    pub fn handle_timeout(&mut self, now: Instant) {
        let over = self.session.deadline().is_some_and(|deadline| deadline <= now);
        if self.session.is_closed() && over {
            return self.silence(); // the last words had their time
        }
        self.session.timeout(now);
    }

    // ---- the application wants something -----------------------------------------------------------------------------------------

    /// Answers what waits with yes: the reply of [`Config::replies`] where there is a fitting one, or the machine's own. In LMTP,
    /// [`Event::EndOfContent`] is answered so for every recipient that has no reply yet.
    ///
    /// # Errors
    /// [`Misuse::NotAsked`].
    pub fn accept(&mut self, now: Instant) -> Result<(), Misuse> {
        self.session.reply(now, None)
    }

    /// Answers what waits with this reply, as it is. 421 also ends the connection (RFC 5321 §3.8). In LMTP, [`Event::EndOfContent`] is
    /// answered so for every recipient that has no reply yet.
    ///
    /// # Errors
    /// [`Misuse::NotAsked`]; [`Misuse::WrongCode`] for a code that means nothing here, after which the question still waits.
    pub fn reply(&mut self, now: Instant, reply: Reply) -> Result<(), Misuse> {
        self.session.reply(now, Some(reply))
    }

    /// LMTP: answers [`Event::EndOfContent`] for one accepted recipient, counted from 0 (RFC 2033 §4.2). In any order: replies leave in
    /// the order of the recipients, each as soon as those before it have left.
    ///
    /// # Errors
    /// [`Misuse::NotAsked`]; [`Misuse::NoSuchRecipient`], always so in SMTP; [`Misuse::WrongCode`].
    pub fn reply_recipient(&mut self, now: Instant, index: usize, reply: Reply) -> Result<(), Misuse> {
        self.session.reply_recipient(now, index, reply)
    }

    /// Wants no more of the content that is coming in: the rest is dropped as it comes, and at its end this negative reply is sent, in
    /// LMTP once for each recipient. The transaction is over; [`Event::EndOfContent`] does not follow.
    ///
    /// # Errors
    /// [`Misuse::NotAsked`] when no content is coming in; [`Misuse::WrongCode`] for a reply that is not negative.
    pub fn refuse_content(&mut self, now: Instant, reply: Reply) -> Result<(), Misuse> {
        self.session.refuse_content(now, reply)
    }

    /// Takes the first `len` octets of [`content`](Self::content).
    pub fn take_content(&mut self, now: Instant, len: usize) {
        self.session.take_content(now, len);
    }

    /// Ends the connection with 421 as soon as no transaction is open.
    pub fn shutdown(&mut self, now: Instant) {
        self.session.shutdown(now);
    }

    /// Ends the connection at once; nothing more is sent.
    pub fn abort(&mut self, now: Instant) {
        self.session.drop_transport(now, Closed::Shutdown);
        self.silence();
    }

    // ---- the machine wants something ---------------------------------------------------------------------------------------------

    /// The next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.session.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest. None while the application has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let done = self.session.is_closed() && !self.has_output();
        self.session.deadline().filter(|_| !done)
    }

    fn has_output(&self) -> bool {
        self.sent < self.wire.len() || !self.session.out.is_empty()
    }

    /// The octets to write now; empty when there are none. Replies that are ready together leave together (RFC 2920 §3.2).
    #[must_use]
    pub fn transmit(&mut self) -> &[u8] {
        if self.sent == self.wire.len() {
            self.refill();
        }
        self.wire.get(self.sent..).unwrap_or_default()
    }

    fn refill(&mut self) {
        self.wire.clear();
        self.sent = 0;
        if !self.session.out.is_empty() {
            self.session.flight_leaves();
        }
        let Some(tls) = &mut self.tls else {
            return std::mem::swap(&mut self.wire, &mut self.session.out);
        };
        if tls.write(&self.session.out, &mut self.wire) {
            self.session.out.clear();
            if self.session.is_closed() && !std::mem::replace(&mut self.notified, true) {
                tls.close();
                tls.write(&[], &mut self.wire);
            }
        }
    }

    /// Whether input is of use now. While it is false, leave it in the transport: the client then waits.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.session.wants_input()
    }

    /// The content that has come and is not taken yet: as sent, but without stuffed dots and end mark. [`Event::EndOfContent`] follows
    /// when all of it has been taken; no more than 64 KiB of it wait here.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        self.session.content.rest()
    }

    // ---- facts -------------------------------------------------------------------------------------------------------------------

    /// The TLS session, once established.
    #[must_use]
    pub const fn tls(&self) -> Option<&TlsFacts> {
        self.facts.as_ref()
    }

    /// Whether the client has authenticated.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.session.authenticated
    }

    /// Whether a transaction is open: from an accepted MAIL to its end.
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        self.session.transaction.is_some()
    }

    /// Whether an event waits for an answer.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        self.session.asked.is_some()
    }

    /// [`Event::Closed`] has been or is about to be given out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    /// Drops everything that could still be sent.
    fn silence(&mut self) {
        self.session.out = Vec::new();
        self.wire = Vec::new();
        self.sent = 0;
        self.notified = true;
        self.tls = None;
    }

    /// Gives back what is not needed now.
    fn settle(&mut self) {
        if self.session.is_closed() || self.session.transaction.is_none() {
            self.plain = Vec::new();
        }
        if !self.has_output() && self.session.transaction.is_none() {
            self.wire.clear();
            self.wire.shrink_to(IDLE_BUFFER);
            self.session.out.shrink_to(IDLE_BUFFER);
            self.sent = 0;
        }
    }
}

/// Shows no octets of the dialogue (R133).
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("tls", &self.facts)
            .field("authenticated", &self.is_authenticated())
            .field("in_transaction", &self.in_transaction())
            .field("asking", &self.is_asking())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
