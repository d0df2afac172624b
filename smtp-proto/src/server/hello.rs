//! Hello, STARTTLS and AUTH: who the client is, and what it is offered (RFC 5321 §4.1.1.1, RFC 3207, RFC 4954).

use std::{mem, time::Instant};

use super::{
    Closed, Event, Protocol, Tls,
    auth::{Exchange, Step},
    canned,
    session::{Session, State},
    transaction::Question,
};
use crate::{
    Phase,
    reply::{Code, Reply},
    sasl::{Credentials, Mechanism},
};

impl Session {
    pub(super) fn hello(&mut self, now: Instant, name: &str, protocol: Protocol, extended: bool) {
        if protocol != self.config.protocol {
            return self.object(now, canned::WRONG_HELLO); // RFC 2033 §4.1, R73
        }
        if let Some(reply) = self.refusal(Phase::Hello) {
            return self.answer(now, &reply);
        }
        self.reset(); // R15
        self.extended = Some(extended);
        let mut text = self.config.host_name.to_string();
        if extended {
            for line in self.offers() {
                text.push('\n');
                text.push_str(&line);
            }
        }
        self.send(&Reply::new(Code::OK, text));
        self.events.push_back(Event::Hello { name: name.to_owned(), extended });
    }

    /// The lines of the hello reply.
    fn offers(&self) -> Vec<String> {
        let extensions = &self.config.extensions;
        let mut lines: Vec<String> = [
            ("PIPELINING", extensions.pipelining),
            ("8BITMIME", extensions.eight_bit_mime),
            ("SMTPUTF8", extensions.smtputf8),
            ("ENHANCEDSTATUSCODES", extensions.enhanced_status_codes),
            ("CHUNKING", extensions.chunking),
            ("BINARYMIME", extensions.chunking && extensions.binary_mime),
            ("STARTTLS", self.offers_tls()),
            ("REQUIRETLS", self.offers_require_tls()),
        ]
        .into_iter()
        .filter(|(_, offered)| *offered)
        .map(|(keyword, _)| keyword.to_owned())
        .collect();
        if extensions.size {
            lines.push(format!("SIZE {}", self.config.limits.message.unwrap_or(0))); // RFC 1870 §4: 0 is no limit
        }
        let mechanisms: Vec<_> = self.mechanisms().map(Mechanism::name).collect();
        if !mechanisms.is_empty() && !self.authenticated {
            lines.push(format!("AUTH {}", mechanisms.join(" ")));
        }
        lines
    }

    fn offers_tls(&self) -> bool {
        matches!(self.config.tls, Tls::StartTls(_)) && !self.secured
    }

    pub(super) fn offers_require_tls(&self) -> bool {
        self.config.extensions.require_tls && self.secured
    }

    /// The mechanisms offered now (RFC 4954 §4, R98).
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        let auth = &self.config.auth;
        let confidential = self.secured || (auth.in_clear && !self.config.tls_required);
        auth.mechanisms.iter().copied().filter(move |mechanism| match mechanism {
            Mechanism::External => self.has_certificate,
            mechanism => Exchange::plays(*mechanism) && (confidential || !mechanism.reveals_secret()),
        })
    }

    pub(super) fn extended(&self) -> bool {
        self.extended == Some(true)
    }

    pub(super) fn needs_hello(&self) -> bool {
        self.extended.is_none()
    }

    pub(super) fn needs_tls(&self) -> bool {
        self.config.tls_required && !self.secured
    }

    pub(super) fn start_tls(&mut self, now: Instant) {
        if self.secured {
            return self.object(now, canned::TLS_ALREADY); // R89
        }
        if !self.offers_tls() {
            return self.object(now, canned::NOT_OFFERED);
        }
        if self.transaction.is_some() {
            return self.object(now, canned::IN_TRANSACTION);
        }
        if !self.input.is_empty() {
            return self.drop_transport(now, Closed::InjectedPlaintext); // D3, R86
        }
        if let Some(reply) = self.refusal(Phase::StartTls) {
            return self.answer(now, &reply);
        }
        self.say(canned::TLS_GO);
        self.state = State::Handshake;
        self.authenticated = false;
    }

    pub(super) fn auth(&mut self, now: Instant, name: &str, initial: Option<&str>) {
        let mechanism = Mechanism::from_name(name);
        let configured = mechanism.filter(|mechanism| self.config.auth.mechanisms.contains(mechanism));
        let offered = configured.filter(|mechanism| self.mechanisms().any(|offered| offered == *mechanism));
        let refusal = if self.config.auth.mechanisms.is_empty() {
            canned::NOT_OFFERED
        } else if !self.extended() {
            canned::HELLO_FIRST
        } else if self.authenticated {
            canned::AUTH_ALREADY // R99
        } else if self.transaction.is_some() {
            canned::IN_TRANSACTION // R99
        } else if configured.is_some_and(|m| m.reveals_secret() && offered.is_none()) {
            canned::AUTH_NEEDS_TLS // R107
        } else {
            canned::NO_MECHANISM
        };
        let in_order = self.extended() && !self.authenticated && self.transaction.is_none();
        let Some(mechanism) = offered.filter(|_| in_order) else { return self.object(now, refusal) };
        let mut exchange = Exchange::new(mechanism);
        let step = exchange.start(initial);
        self.exchange(now, exchange, step);
    }

    pub(super) fn read_response(&mut self, now: Instant, line: &[u8]) {
        if let State::Auth(mut exchange) = mem::replace(&mut self.state, State::Command) {
            let step = exchange.respond(line);
            self.exchange(now, exchange, step);
        }
    }

    fn exchange(&mut self, now: Instant, exchange: Exchange, step: Step) {
        match step {
            Step::Challenge(reply) => {
                self.send(&reply);
                self.state = State::Auth(exchange);
            }
            Step::Failed(canned) => self.object(now, canned),
            Step::Done(credentials) => self.authenticate(now, exchange.mechanism(), credentials),
        }
    }

    fn authenticate(&mut self, now: Instant, mechanism: Mechanism, credentials: Credentials) {
        if let Some(reply) = self.refusal(Phase::Auth) {
            return self.decide(now, Question::Auth, Some(reply));
        }
        self.events.push_back(Event::Authenticate { mechanism, credentials });
        if self.config.replies.contains_key(&Phase::Auth) {
            self.decide(now, Question::Auth, None);
        } else {
            self.asked = Some(Question::Auth);
        }
    }
}
