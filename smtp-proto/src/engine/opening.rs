//! From the greeting to a usable session: hello, STARTTLS, AUTH.

use std::time::Instant;

use super::{Channel, Engine, Expect, Hello};
use crate::{
    Phase,
    capability::Capabilities,
    command::Command,
    config::{Protocol, TlsMode},
    connection::{Event, Notice},
    error::{AuthError, Error, TlsError},
    reply::{Reply, Severity},
    sasl::{self, AuthPolicy, Context, Exchange, Mechanism, SaslError},
    secret::Confidential,
    tls::TlsFacts,
};

impl Engine {
    pub(super) fn on_greeting(&mut self, now: Instant, reply: Reply) {
        self.greeting = Some(reply.clone());
        match (reply.code().get(), reply.severity()) {
            (220, _) => self.say_hello(now), // D31
            (_, Severity::Transient | Severity::Permanent) => {
                self.part_with(now, Error::Refused { phase: Phase::Greeting, reply }); // R6, R7
            }
            _ => self.unexpected(now, Phase::Greeting, reply),
        }
    }

    fn say_hello(&mut self, now: Instant) {
        let hello = match self.config.protocol {
            Protocol::Smtp => Hello::Ehlo, // R8
            Protocol::Lmtp => Hello::Lhlo, // R73
        };
        self.send_hello(now, hello);
    }

    fn send_hello(&mut self, now: Instant, hello: Hello) {
        let config = std::sync::Arc::clone(&self.config);
        let command = match hello {
            Hello::Ehlo => Command::Ehlo(&config.client_name),
            Hello::Helo => Command::Helo(&config.client_name),
            Hello::Lhlo => Command::Lhlo(&config.client_name),
        };
        self.send_short(now, &command, Expect::Hello(hello));
    }

    pub(super) fn on_hello(&mut self, now: Instant, hello: Hello, reply: Reply) {
        match reply.severity() {
            Severity::Positive => {
                // R15, R87: whatever was known before is replaced; HELO leaves nothing (R10).
                self.capabilities = match hello {
                    Hello::Ehlo | Hello::Lhlo => Capabilities::from_reply(&reply),
                    Hello::Helo => Capabilities::default(),
                };
                self.choose_tls(now);
            }
            Severity::Permanent
                if hello == Hello::Ehlo
                    && !self.awaits_second_hello() // M69
                    && matches!(reply.code().get(), 500 | 501 | 502 | 504 | 550) =>
            {
                self.send_hello(now, Hello::Helo); // D21
            }
            Severity::Transient | Severity::Permanent => {
                self.part_with(now, Error::Refused { phase: Phase::Hello, reply });
            }
            Severity::Intermediate => self.unexpected(now, Phase::Hello, reply),
        }
    }

    /// STARTTLS is done: a server that refuses to go on from here is not asked in an older way.
    fn awaits_second_hello(&self) -> bool {
        self.channel != Channel::Plain && self.config.security.mode != TlsMode::Implicit
    }

    /// The ladder of M58-M71, as far as one connection sees it.
    fn choose_tls(&mut self, now: Instant) {
        let security = &self.config.security;
        let plain = self.channel == Channel::Plain; // R89: never inside TLS
        let (mode, required) = (security.mode, security.required);
        if !plain {
            return self.choose_auth(now);
        }
        match mode {
            TlsMode::StartTls if self.capabilities.starttls() => {
                if security.server_name.is_none() || security.client.is_none() {
                    self.handshake_failed = true;
                    return self.part_with(now, Error::Tls(TlsError::NoServerName)); // M70
                }
                self.send_short(now, &Command::StartTls, Expect::StartTls); // R83, R85
            }
            TlsMode::StartTls if required => self.part_with(now, Error::Tls(TlsError::NotOffered)), // M63
            _ if required => self.part_with(now, Error::Tls(TlsError::SwitchedOff)),                // M61
            _ => self.choose_auth(now), // M60, M62
        }
    }

    pub(super) fn on_starttls(&mut self, now: Instant, reply: Reply) {
        match (reply.code().get(), reply.severity()) {
            (220, _) => {
                self.channel = Channel::Handshake;
                // R87: nothing learned in plaintext counts any more.
                self.capabilities = Capabilities::default();
            }
            (_, Severity::Transient | Severity::Permanent) if self.config.security.required => {
                self.part_with(now, Error::Refused { phase: Phase::StartTls, reply }); // M68
            }
            (_, Severity::Transient | Severity::Permanent) => {
                // M67, D2: no half-open TLS exists, so the session goes on.
                self.starttls_refused = true;
                self.notice(Notice::StartTlsRefused(reply));
                self.choose_auth(now);
            }
            _ => self.unexpected(now, Phase::StartTls, reply),
        }
    }

    pub(crate) fn tls_established(&mut self, now: Instant, facts: TlsFacts) {
        self.transcript.note(now, || format!("{} {}", facts.version, facts.cipher));
        let implicit = self.queued == 0;
        self.channel = Channel::Tls(facts);
        self.answered += 1;
        if implicit {
            self.expect(Expect::Greeting, 0);
        } else {
            self.say_hello(now); // R88
        }
        self.set_timer(now);
    }

    /// A witness that a secret may be sent now, where one can be made (D4).
    fn confidential(&self) -> Option<Confidential> {
        if let Channel::Tls(facts) = &self.channel {
            return Confidential::by_verified_tls(facts.verified);
        }
        let security = &self.config.security;
        let switched_off = security.mode == TlsMode::Off && security.secrets_in_clear;
        let local_without_tls = self.link.local && !self.capabilities.starttls();
        let fell_back = self.link.after_tls_failure || self.starttls_refused;
        if fell_back || !(switched_off || local_without_tls) {
            return None;
        }
        Some(Confidential::by_operator())
    }

    fn choose_auth(&mut self, now: Instant) {
        let config = std::sync::Arc::clone(&self.config);
        let forwarded = self.link.forwarded.clone();
        if self.authenticated {
            return self.become_usable();
        }
        let selected = sasl::select(&config.auth, forwarded.as_ref(), self.capabilities.auth_mechanisms());
        let (mechanism, credentials) = match selected {
            Ok(None) => return self.become_usable(),
            Ok(Some(choice)) => choice,
            Err(error) => return self.part_with(now, Error::Auth(error.into())),
        };
        let witness = self.confidential();
        if mechanism.reveals_secret() && witness.is_some() && self.channel == Channel::Plain {
            self.notice(Notice::SecretInClear);
        }
        let server = self.link.server.as_ref().map(|(host, port)| (host.as_str(), *port));
        let context = Context { witness, random: config.random.as_ref(), server };
        match Exchange::new(mechanism, credentials, context) {
            Err(error) => self.part_with(now, Error::Auth(error.into())),
            Ok(mut exchange) => {
                let initial = exchange.initial_response();
                self.exchange = Some(exchange);
                self.start_auth(now, mechanism, initial);
            }
        }
    }

    fn start_auth(&mut self, now: Instant, mechanism: Mechanism, initial: Option<crate::Secret>) {
        let redacted = format!("AUTH {mechanism}{}", if initial.is_some() { " ***" } else { "" });
        let line = Command::Auth { mechanism, initial: initial.as_ref().map(crate::Secret::expose) };
        if self.send(now, &line, Some(&redacted), Expect::Auth).is_err() {
            // R100: too long for one line; AUTH alone, and the response when the server asks for it by an empty challenge.
            self.withheld = true;
            self.send_short(now, &Command::Auth { mechanism, initial: None }, Expect::Auth);
        }
    }

    pub(super) fn on_auth(&mut self, now: Instant, reply: Reply) {
        match (reply.code().get(), reply.severity()) {
            (334, _) => self.on_challenge(now, &reply),
            (235, _) => match self.exchange.take().map(|exchange| exchange.finish()) {
                Some(Ok(())) if !self.withheld => {
                    self.authenticated = true;
                    self.become_usable();
                }
                Some(Err(error)) => self.part_with(now, Error::Auth(error.into())), // R124
                _ => self.unexpected(now, Phase::Auth, reply),
            },
            (_, Severity::Transient | Severity::Permanent) => {
                // B2: no `*` here, the exchange is over. R109: one try, no weaker mechanism.
                let complaint = self.exchange.take().and_then(|exchange| exchange.complaint());
                self.withheld = false;
                let forwarded = matches!(self.config.auth, AuthPolicy::Forward);
                self.part_with(now, Error::Auth(AuthError::Refused { reply, forwarded, complaint }));
            }
            _ => self.unexpected(now, Phase::Auth, reply),
        }
    }

    fn on_challenge(&mut self, now: Instant, reply: &Reply) {
        let answer = match self.answer_to(reply) {
            Ok(answer) => answer,
            Err(error) => return self.cancel_auth(now, error),
        };
        if let Err(error) = self.send(now, &Command::AuthResponse(answer.expose()), Some("***"), Expect::Auth)
        {
            let mechanism = self.exchange.as_ref().map_or(Mechanism::Plain, Exchange::mechanism);
            self.cancel_auth(now, SaslError::ResponseTooLong { mechanism, length: error.length });
        }
    }

    fn answer_to(&mut self, reply: &Reply) -> Result<crate::Secret, SaslError> {
        let mut lines = reply.lines();
        let text = lines.next().unwrap_or_default();
        if lines.next().is_some() {
            return Err(SaslError::NotBase64); // R103: one line of base64, nothing else
        }
        let challenge = sasl::decode_challenge(text)?;
        self.withheld = false;
        self.exchange.as_mut().ok_or(SaslError::NotBase64)?.respond(challenge.expose())
    }

    /// R104: a 334 is pending, so `*` is due; then the session ends.
    fn cancel_auth(&mut self, now: Instant, error: SaslError) {
        self.exchange = None;
        self.withheld = false;
        self.ended_in = Some(Phase::Auth); // M47: where it was decided, whatever is still said
        self.parting = Some(Error::Auth(error.into()));
        self.send_short(now, &Command::AuthCancel, Expect::AuthCancelled);
    }

    fn become_usable(&mut self) {
        self.usable = true;
        self.events.push_back(Event::Ready);
    }
}
