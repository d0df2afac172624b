//! MAIL, RCPT, DATA, BDAT and the content (RFC 5321 §3.3, RFC 3030, RFC 2033 §4.2).

use std::time::Instant;

use super::{
    Closed, Event, Misuse, Protocol,
    canned::{self, Canned},
    content::{BareLineEnds, Decoder},
    session::{Session, State, is_negative},
};
use crate::{
    Phase,
    address::{ForwardPath, ReversePath},
    command::{BodyType, MailParameters},
    reply::{Code, Reply, Severity},
};

/// Content that may wait to be taken.
const CONTENT_HIGH: usize = 64 * 1024;

/// From an accepted MAIL to its end.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Accepted ones.
    recipients: usize,
    smtputf8: bool,
    binary: bool,
    /// Some BDAT has come.
    chunked: bool,
    octets: u64,
    bare: BareLineEnds,
    /// Flights that had left when MAIL came.
    turns_before: u32,
}

/// What the application is asked.
#[derive(Debug)]
pub(super) enum Question {
    Auth,
    Mail {
        smtputf8: bool,
        binary: bool,
    },
    Recipient,
    Data {
        chunk: Option<Chunk>,
    },
    /// In LMTP, one reply for each accepted recipient; those before `next` have left.
    End {
        replies: Vec<Option<Reply>>,
        next: usize,
    },
}

/// What a BDAT command announces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    left: u64,
    last: bool,
}

/// Content on its way in.
#[derive(Debug)]
pub(super) struct Content {
    framing: Framing,
    /// It is refused: the rest is dropped as it comes, then this is said.
    verdict: Option<Reply>,
    ended: bool,
    /// Replies it gets at its end, in LMTP (R74).
    recipients: usize,
}

#[derive(Debug)]
enum Framing {
    Dot(Decoder),
    Chunk(Chunk),
}

impl Question {
    fn phase(&self) -> Phase {
        match self {
            Self::Auth => Phase::Auth,
            Self::Mail { .. } => Phase::Mail,
            Self::Recipient => Phase::Rcpt,
            Self::Data { .. } => Phase::Data,
            Self::End { .. } => Phase::End,
        }
    }

    /// What is said for yes.
    fn consent(&self) -> Canned {
        match self {
            Self::Auth => canned::AUTH_OK,
            Self::Mail { .. } => canned::MAIL_OK,
            Self::Recipient => canned::RCPT_OK,
            Self::Data { .. } => canned::GO_ON,
            Self::End { .. } => canned::CONTENT_OK,
        }
    }

    /// Whether a code can be the answer (D31).
    pub(super) fn check(&self, code: Code) -> Result<(), Misuse> {
        let fits = match self {
            Self::Auth => code == Code::AUTHENTICATED || is_negative(code),
            Self::Data { .. } => code == Code::START_CONTENT || is_negative(code),
            _ => code.severity() != Severity::Intermediate,
        };
        if fits { Ok(()) } else { Err(Misuse::WrongCode { phase: self.phase(), code }) }
    }
}

impl Framing {
    fn is_last(&self) -> bool {
        match self {
            Self::Dot(_) => true,
            Self::Chunk(chunk) => chunk.last,
        }
    }
}

impl Session {
    pub(super) fn mail(&mut self, now: Instant, path: ReversePath, parameters: MailParameters) {
        let refusal = if self.needs_hello() {
            Some(canned::HELLO_FIRST)
        } else if self.needs_tls() {
            Some(canned::TLS_FIRST)
        } else if self.config.auth.required && !self.authenticated {
            Some(canned::AUTH_FIRST)
        } else if self.transaction.is_some() {
            Some(canned::NESTED) // R47
        } else if !self.offers_all(&parameters) {
            Some(canned::NO_PARAMETER) // R14
        } else if !path.is_ascii() && !parameters.smtputf8 {
            Some(canned::UTF8_SENDER) // R171
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.object(now, refusal);
        }
        if self.config.limits.message.is_some_and(|limit| parameters.size.is_some_and(|size| size > limit)) {
            return self.say(canned::TOO_BIG); // R163
        }
        if let Some(reply) = self.refusal(Phase::Mail) {
            return self.answer(now, &reply);
        }
        let binary = parameters.body == Some(BodyType::BinaryMime);
        let question = Question::Mail { smtputf8: parameters.smtputf8, binary };
        self.ask(now, Event::Mail { path, parameters }, question, self.config.decisions.mail);
    }

    fn offers_all(&self, parameters: &MailParameters) -> bool {
        let offers = &self.config.extensions;
        let body = match parameters.body {
            None => true,
            Some(BodyType::SevenBit | BodyType::EightBitMime) => offers.eight_bit_mime,
            Some(BodyType::BinaryMime) => offers.chunking && offers.binary_mime,
        };
        let asks_nothing = *parameters == MailParameters::default();
        asks_nothing
            || (self.extended()
                && body
                && (parameters.size.is_none() || offers.size)
                && (!parameters.smtputf8 || offers.smtputf8)
                && (!parameters.require_tls || self.offers_require_tls())
                && (parameters.auth.is_none() || self.mechanisms().next().is_some()))
    }

    pub(super) fn rcpt(&mut self, now: Instant, path: ForwardPath) {
        // A refused MAIL may have other commands in its flight: they are no errors of the client's.
        let Some(transaction) = &self.transaction else { return self.say(canned::MAIL_FIRST) };
        let index = transaction.recipients;
        if transaction.chunked {
            return self.object(now, canned::ORDER);
        }
        if !path.is_ascii() && !transaction.smtputf8 {
            return self.object(now, canned::UTF8_RECIPIENT); // R171
        }
        if index >= self.config.limits.recipients {
            return self.say(canned::TOO_MANY_RECIPIENTS); // R29
        }
        if let Some(reply) = self.refusal(Phase::Rcpt) {
            return self.answer(now, &reply);
        }
        let event = Event::Recipient { index, path };
        self.ask(now, event, Question::Recipient, self.config.decisions.recipient);
    }

    pub(super) fn data(&mut self, now: Instant) {
        let Some(transaction) = &self.transaction else { return self.say(canned::MAIL_FIRST) };
        if transaction.chunked {
            return self.object(now, canned::ORDER); // R150
        }
        if transaction.recipients == 0 {
            return self.say(match self.config.protocol {
                Protocol::Smtp => canned::NO_RECIPIENTS,
                Protocol::Lmtp => canned::RCPT_FIRST, // R76
            });
        }
        if transaction.binary {
            return self.object(now, canned::BINARY_NEEDS_BDAT); // R158
        }
        if let Some(reply) = self.refusal(Phase::Data) {
            return self.answer(now, &reply);
        }
        self.ask(now, Event::Data, Question::Data { chunk: None }, self.config.decisions.data);
    }

    pub(super) fn bdat(&mut self, now: Instant, octets: u64, last: bool) {
        let chunk = Chunk { left: octets, last };
        let offered = self.config.extensions.chunking && self.extended();
        let refusal = match &self.transaction {
            _ if !offered => Some(canned::NOT_OFFERED),
            None => Some(canned::MAIL_FIRST),
            Some(transaction) if transaction.recipients == 0 => Some(canned::RCPT_FIRST), // R154
            Some(_) => None,
        };
        if let Some(refusal) = refusal {
            // Its octets follow all the same.
            let verdict = refusal.reply(self.config.extensions.enhanced_status_codes);
            return self.start_content(Framing::Chunk(chunk), Some(verdict), 1);
        }
        let Some(transaction) = &mut self.transaction else { return };
        let recipients = transaction.recipients;
        if std::mem::replace(&mut transaction.chunked, true) {
            return self.start_content(Framing::Chunk(chunk), None, recipients);
        }
        let question = Question::Data { chunk: Some(chunk) };
        if let Some(reply) = self.refusal(Phase::Data) {
            return self.decide(now, question, Some(reply));
        }
        self.ask(now, Event::Data, question, self.config.decisions.data);
    }

    fn ask(&mut self, now: Instant, event: Event, question: Question, wait: bool) {
        self.events.push_back(event);
        if wait {
            self.asked = Some(question);
        } else {
            self.decide(now, question, None);
        }
    }

    /// Carries out an answer; None: yes.
    pub(super) fn decide(&mut self, now: Instant, question: Question, reply: Option<Reply>) {
        let positive = reply.as_ref().is_none_or(|reply| !is_negative(reply.code()));
        let reply = reply.unwrap_or_else(|| self.consent(&question));
        match question {
            Question::Auth => return self.authenticated(now, &reply, positive),
            Question::Mail { smtputf8, binary } if positive => {
                self.transaction = Some(Transaction {
                    recipients: 0,
                    smtputf8,
                    binary,
                    chunked: false,
                    octets: 0,
                    bare: BareLineEnds::default(),
                    turns_before: self.turns,
                });
            }
            Question::Recipient if positive => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients += 1;
                }
            }
            Question::Mail { .. } | Question::Recipient => {}
            Question::Data { chunk } => return self.start(now, chunk, positive, reply),
            Question::End { replies, next } => {
                let waiting = replies.into_iter().skip(next).map(|own| own.unwrap_or_else(|| reply.clone()));
                let all: Vec<Reply> = match self.config.protocol {
                    Protocol::Smtp => vec![reply],
                    Protocol::Lmtp => waiting.collect(),
                };
                return self.conclude(now, &all);
            }
        }
        self.answer(now, &reply);
    }

    fn consent(&self, question: &Question) -> Reply {
        let own = self.config.replies.get(&question.phase());
        own.filter(|reply| question.check(reply.code()).is_ok())
            .cloned()
            .unwrap_or_else(|| question.consent().reply(self.config.extensions.enhanced_status_codes))
    }

    fn authenticated(&mut self, now: Instant, reply: &Reply, positive: bool) {
        self.answer(now, reply);
        self.authenticated = positive;
        if positive || self.is_closed() {
            return;
        }
        self.auth_failures = self.auth_failures.saturating_add(1);
        if self.auth_failures >= self.config.limits.auth_failures {
            self.say(canned::TOO_MANY_AUTH);
            self.close(now, Closed::TooManyErrors);
        }
    }

    fn start(&mut self, now: Instant, chunk: Option<Chunk>, positive: bool, reply: Reply) {
        let recipients = self.transaction.as_ref().map_or(1, |transaction| transaction.recipients);
        match chunk {
            None => {
                self.answer(now, &reply);
                if positive && !self.is_closed() {
                    self.start_content(Framing::Dot(Decoder::new()), None, recipients);
                }
            }
            Some(chunk) if positive => self.start_content(Framing::Chunk(chunk), None, recipients),
            Some(chunk) => {
                self.transaction = None; // R152
                self.start_content(Framing::Chunk(chunk), Some(reply), recipients);
            }
        }
    }

    fn start_content(&mut self, framing: Framing, verdict: Option<Reply>, recipients: usize) {
        let ended = matches!(framing, Framing::Chunk(Chunk { left: 0, .. })); // R149
        self.state = State::Content(Content { framing, verdict, ended, recipients });
    }

    /// Takes in as much as there is room for; `false`: nothing to do now.
    pub(super) fn read_content(&mut self, now: Instant) -> bool {
        let State::Content(content) = &mut self.state else { return false };
        if content.ended {
            // What is to be decided is the whole content.
            let all_taken = self.content.is_empty();
            if all_taken {
                self.content_ended(now);
            }
            return all_taken;
        }
        let before = self.content.len();
        let room = CONTENT_HIGH.saturating_sub(before).min(self.input.len());
        let piece = self.input.rest().get(..room).unwrap_or_default();
        if piece.is_empty() {
            return false;
        }
        let used = match &mut content.framing {
            Framing::Dot(decoder) => {
                let (used, ended) = self.content.fill(|out| decoder.decode(piece, out));
                content.ended = ended;
                used
            }
            Framing::Chunk(chunk) => {
                let used = usize::try_from(chunk.left).map_or(piece.len(), |left| left.min(piece.len()));
                self.content.push(piece.get(..used).unwrap_or_default());
                chunk.left -= used as u64;
                content.ended = chunk.left == 0;
                used
            }
        };
        self.input.consume(used);
        if content.verdict.is_some() {
            self.content.clear();
        } else {
            self.inspect(before);
        }
        true
    }

    /// Looks at what has been added behind the first `before` octets.
    fn inspect(&mut self, before: usize) {
        let State::Content(content) = &mut self.state else { return };
        let Some(transaction) = &mut self.transaction else { return };
        let added = self.content.rest().get(before..).unwrap_or_default();
        transaction.octets = transaction.octets.saturating_add(added.len() as u64);
        let complete = content.ended && content.framing.is_last();
        let refusal = if self.config.limits.message.is_some_and(|limit| transaction.octets > limit) {
            canned::TOO_BIG // R164
        } else if self.config.refuse_bare_line_ends
            && !transaction.binary
            && (transaction.bare.found_in(added) || (complete && transaction.bare.ended()))
        {
            canned::BARE_IN_CONTENT
        } else {
            return;
        };
        content.verdict = Some(refusal.reply(self.config.extensions.enhanced_status_codes));
        self.reset();
    }

    fn content_ended(&mut self, now: Instant) {
        let State::Content(content) = std::mem::replace(&mut self.state, State::Command) else { return };
        let last = content.framing.is_last();
        if let Some(verdict) = content.verdict {
            let lmtp = last && self.config.protocol == Protocol::Lmtp;
            let times = if lmtp { content.recipients } else { 1 };
            for _ in 0..times {
                if !self.is_closed() {
                    self.answer(now, &verdict);
                }
            }
            return;
        }
        if !last {
            return self.say(canned::CHUNK_OK); // R151
        }
        let question = Question::End { replies: vec![None; content.recipients], next: 0 };
        if let Some(reply) = self.refusal(Phase::End) {
            self.events.push_back(Event::Reset);
            return self.decide(now, question, Some(reply));
        }
        let Some(transaction) = &self.transaction else { return };
        let round_trips = self.turns.saturating_sub(transaction.turns_before) + u32::from(self.heard);
        let event = Event::EndOfContent { octets: transaction.octets, round_trips };
        self.ask(now, event, question, self.config.decisions.end);
    }

    /// Sends the last replies of a transaction.
    fn conclude(&mut self, now: Instant, replies: &[Reply]) {
        self.transaction = None;
        for reply in replies {
            if !self.is_closed() {
                self.answer(now, reply);
            }
        }
    }

    // ---- verbs -------------------------------------------------------------------------------------------------------------------

    /// LMTP: one recipient's final reply (R64, R74, R75). They leave in order, as early as their order allows.
    pub(super) fn reply_recipient(&mut self, now: Instant, index: usize, reply: Reply) -> Result<(), Misuse> {
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let Some(question @ Question::End { .. }) = &self.asked else { return Err(Misuse::NotAsked) };
        question.check(reply.code())?;
        let Some(Question::End { replies, next }) = &mut self.asked else { return Err(Misuse::NotAsked) };
        match replies.get_mut(index) {
            Some(slot @ None) if lmtp && index >= *next => *slot = Some(reply),
            _ => return Err(Misuse::NoSuchRecipient(index)),
        }
        let mut ready = Vec::new();
        while let Some(reply) = replies.get_mut(*next).and_then(Option::take) {
            ready.push(reply);
            *next += 1;
        }
        if *next == replies.len() {
            self.asked = None;
            self.transaction = None;
        }
        for reply in &ready {
            if !self.is_closed() {
                self.answer(now, reply);
            }
        }
        self.answered(now);
        Ok(())
    }

    /// The application has taken content off the front.
    pub(super) fn take_content(&mut self, now: Instant, len: usize) {
        if len > 0 && !self.content.is_empty() {
            self.content.consume(len);
            self.answered(now);
        }
    }

    /// The application wants no more of the content.
    pub(super) fn refuse_content(&mut self, now: Instant, reply: Reply) -> Result<(), Misuse> {
        let State::Content(content) = &mut self.state else { return Err(Misuse::NotAsked) };
        if self.asked.is_some() || content.verdict.is_some() {
            return Err(Misuse::NotAsked);
        }
        if !is_negative(reply.code()) {
            return Err(Misuse::WrongCode { phase: Phase::Body, code: reply.code() });
        }
        content.verdict = Some(reply);
        self.transaction = None;
        self.content.clear();
        self.answered(now);
        Ok(())
    }
}
