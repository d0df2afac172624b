//! Mail transactions: MAIL, RCPT, DATA and their replies.

use std::time::Instant;

use super::{Engine, Expect, MOST_TRANSACTIONS, Quit, chunks::Way, is_verdict};
use crate::{
    Phase,
    address::ReversePath,
    body::Framing,
    capability::SizeLimit,
    command::{BodyType, Command, MailParameters},
    config::EightBit,
    connection::Event,
    envelope::{Envelope, Recipient, Sender},
    error::{Disposition, Error, Failure, NoTransaction, NotReady, Unsendable},
    reply::{Reply, Severity},
    transaction::{Fate, RecipientId, Stage, Transaction, TransactionId, TransactionReport},
};

impl Engine {
    // ---- the application wants ---------------------------------------------------------------------------------------------------

    /// A transaction may begin: the session is usable and the one before has sent all it has to send.
    ///
    /// With PIPELINING that is the moment its end mark, or its last chunk, is queued: the next MAIL may ride behind it (RFC 2920 §3.1).
    pub(crate) fn can_begin(&self) -> bool {
        self.usable
            && !self.closed
            && self.quit == Quit::No
            && self.write_failed.is_none()
            && match self.transactions.back() {
                None => true,
                Some(last) => {
                    last.stage == Stage::Ended
                        && self.pipelines()
                        && self.transactions.len() < MOST_TRANSACTIONS
                }
            }
    }

    pub(crate) fn begin(&mut self, now: Instant, sender: Sender) -> Result<TransactionId, NotReady> {
        let id = self.open(sender, &[])?;
        self.advance(now);
        self.set_timer(now);
        Ok(id)
    }

    pub(crate) fn submit(&mut self, now: Instant, envelope: Envelope) -> Result<TransactionId, NotReady> {
        let id = self.open(envelope.sender, &envelope.recipients)?;
        for recipient in envelope.recipients {
            self.add_recipient(recipient);
        }
        if let Some(transaction) = self.transactions.back_mut() {
            transaction.complete = true;
        }
        self.advance(now);
        self.set_timer(now);
        Ok(id)
    }

    pub(crate) fn recipient(
        &mut self,
        now: Instant,
        recipient: Recipient,
    ) -> Result<RecipientId, NoTransaction> {
        if self.transactions.back().is_none_or(|transaction| transaction.complete) {
            return Err(NoTransaction);
        }
        let id = self.add_recipient(recipient);
        self.advance(now);
        self.set_timer(now);
        Ok(id)
    }

    pub(crate) fn data(&mut self, now: Instant) -> Result<(), NoTransaction> {
        match self.transactions.back_mut() {
            Some(transaction) if !transaction.complete => transaction.complete = true,
            _ => return Err(NoTransaction),
        }
        self.advance(now);
        self.set_timer(now);
        Ok(())
    }

    fn open(&mut self, sender: Sender, recipients: &[Recipient]) -> Result<TransactionId, NotReady> {
        if !self.can_begin() {
            return Err(NotReady);
        }
        let id = TransactionId(self.next_id);
        self.next_id += 1;
        let declared = sender.content.map(|facts| facts.octets);
        let mut transaction = Transaction::new(id, declared, self.turns);
        transaction.way = self.way(sender.content.as_ref());
        match self.fit(&sender, recipients) {
            Ok((converted, parameters)) => {
                transaction.path = Some(converted.unwrap_or(sender.path));
                transaction.parameters = parameters;
            }
            Err(unsendable) => {
                transaction.refusal = Some(Failure::new(Phase::Mail, Error::Unsendable(unsendable)));
            }
        }
        // R152: what the server will say to the chunks of the one before is not known yet, and if it is no, only RSET frees it for another.
        self.reset_due |= self.transactions.back().is_some_and(|before| before.way != Way::Data);
        // Most have one at a time, which is not small.
        self.transactions.reserve_exact(1);
        self.transactions.push_back(transaction);
        Ok(id)
    }

    /// MAIL as this server can take it, or why it cannot: the path where it must be another one, and the parameters (R14: none that was
    /// not offered).
    fn fit(
        &self,
        sender: &Sender,
        recipients: &[Recipient],
    ) -> Result<(Option<ReversePath>, MailParameters), Unsendable> {
        let offered = &self.capabilities;
        let mut parameters = MailParameters::default();
        if sender.require_tls {
            parameters.require_tls = self.check_require_tls()?;
        }
        let facts = sender.content.as_ref();
        if let Some(size) = facts.map(|facts| facts.size).or(sender.declared_size)
            && let Some(limit) = offered.size()
        {
            if let SizeLimit::Max(limit) = limit
                && size > limit
            {
                return Err(Unsendable::TooLarge { size, limit }); // R162
            }
            parameters.size = Some(size); // R161
        }
        // R169: SMTPUTF8 where something needs it; where the content is unknown, the submitter's word counts.
        let needed = !sender.path.is_ascii()
            || recipients.iter().any(|recipient| !recipient.path.is_ascii())
            || facts.is_some_and(|facts| facts.eight_bit_header)
            || (sender.smtputf8 && (facts.is_none() || recipients.is_empty()));
        let mut converted = None;
        if needed && offered.smtputf8() {
            parameters.smtputf8 = true;
        } else if needed {
            converted = Some(sender.path.to_ascii().map_err(Unsendable::Sender)?); // M80, R3
            if facts.is_some_and(|facts| facts.eight_bit_header)
                && self.config.eight_bit_header == EightBit::Strict
            {
                return Err(Unsendable::EightBitHeader); // D10
            }
        }
        let takes_eight_bit = offered.eight_bit_mime() || parameters.smtputf8; // R168: an offer of SMTPUTF8 implies it
        match facts.map(|facts| facts.eight_bit) {
            Some(false) => {}
            Some(true) if !takes_eight_bit && self.config.eight_bit_body == EightBit::Strict => {
                return Err(Unsendable::EightBit); // R166, R167
            }
            // B18; of unknown content nothing else can be said truthfully. R165: only if offered.
            Some(true) | None => {
                parameters.body = offered.eight_bit_mime().then_some(BodyType::EightBitMime);
            }
        }
        if self.config.mail_auth_param && self.authenticated {
            parameters.auth = Some(ReversePath::Null); // D23, R113
        }
        Ok((converted, parameters))
    }

    fn check_require_tls(&self) -> Result<bool, Unsendable> {
        let reason = if self.tls().is_none() {
            "the session is not encrypted"
        } else if !self.capabilities.require_tls() {
            "the server does not offer REQUIRETLS"
        } else {
            return Ok(true);
        };
        Err(Unsendable::RequireTls { reason, refused: self.starttls_refused })
    }

    fn add_recipient(&mut self, recipient: Recipient) -> RecipientId {
        let limit = self.capabilities.recipient_limit();
        let Some(transaction) = self.transactions.back_mut() else { return RecipientId(0) };
        let index = transaction.recipients.len();
        let failure = |error| Fate::Decided(Disposition::failed(Failure::new(Phase::Rcpt, error)));
        let fate = if let Some(refusal) = &transaction.refusal {
            Fate::Decided(Disposition::failed(refusal.clone()))
        } else if let Some(limit) = limit.filter(|limit| index >= *limit as usize) {
            failure(Error::Unsendable(Unsendable::TooManyRecipients { limit })) // R201
        } else if transaction.parameters.smtputf8 || recipient.path.is_ascii() {
            Fate::Unsent(recipient.path)
        } else {
            match recipient.path.to_ascii() {
                Ok(path) => Fate::Unsent(path), // R173, B11
                Err(error) => failure(Error::Unsendable(Unsendable::Recipient(error))), // M81
            }
        };
        transaction.recipients.push(fate);
        RecipientId(index)
    }

    // ---- the send cursor ---------------------------------------------------------------------------------------------------------

    /// One step of the newest transaction; false when it has to wait.
    pub(super) fn step(&mut self, now: Instant) -> bool {
        let Some(transaction) = self.transactions.back() else { return false };
        match transaction.stage {
            // Unsendable, or nobody to send to: not a word of it on the wire.
            Stage::Mail if transaction.complete && transaction.is_hopeless() => self.finish_quietly(),
            Stage::Mail if transaction.refusal.is_some() => false,
            Stage::Mail => self.step_mail(now),
            Stage::Rcpt(index) => self.step_rcpt(now, index),
            Stage::DataDue => self.step_data(now),
            Stage::Content | Stage::LastDue => self.step_chunk(now),
            Stage::DataSent | Stage::Ended => false,
        }
    }

    pub(super) fn finish_quietly(&mut self) -> bool {
        if let Some(id) = self.transactions.back().map(|transaction| transaction.id) {
            self.finish(id);
        }
        true
    }

    fn step_mail(&mut self, now: Instant) -> bool {
        if !self.room(512) {
            return false;
        }
        if std::mem::take(&mut self.reset_due) {
            self.send_short(now, &Command::Reset, Expect::Reset); // R56: only after a refused transaction
            return true;
        }
        let Some(transaction) = self.transactions.back_mut() else { return false };
        let (id, parameters) = (transaction.id, transaction.parameters.clone());
        let Some(path) = transaction.path.take() else { return false };
        let command = Command::Mail { path: &path, parameters: &parameters };
        let sent = self.send(now, &command, None, Expect::Mail(id));
        let Some(transaction) = self.transactions.back_mut() else { return false };
        match sent {
            Ok(()) => transaction.stage = Stage::Rcpt(0),
            Err(error) => transaction.refuse(Failure::new(Phase::Mail, too_long("MAIL", error))),
        }
        true
    }

    fn step_rcpt(&mut self, now: Instant, index: usize) -> bool {
        let room = self.room(512);
        let Some(transaction) = self.transactions.back_mut() else { return false };
        let id = transaction.id;
        let path = match transaction.recipients.get_mut(index) {
            None if transaction.complete => {
                transaction.stage = Stage::DataDue;
                return true;
            }
            None => return false,
            Some(Fate::Unsent(_)) if !room => return false,
            Some(fate) => {
                transaction.stage = Stage::Rcpt(index + 1);
                if !matches!(fate, Fate::Unsent(_)) {
                    return true;
                }
                let Fate::Unsent(path) = std::mem::replace(fate, Fate::Asked) else { return true };
                path
            }
        };
        let sent = self.send(now, &Command::Rcpt { path: &path }, None, Expect::Rcpt(id, index));
        if let Err(error) = sent
            && let Some(transaction) = self.transactions.back_mut()
        {
            let failure = Failure::new(Phase::Rcpt, too_long("RCPT", error));
            transaction.decide(index, Disposition::failed(failure));
        }
        true
    }

    /// DATA, or content by BDAT, unless it is known already that nobody would get the content (R48).
    fn step_data(&mut self, now: Instant) -> bool {
        let Some(transaction) = self.transactions.back() else { return false };
        let id = transaction.id;
        if transaction.is_hopeless() {
            // Every reply is read before the account is closed (R139).
            return !self.awaits(id) && self.finish_quietly();
        }
        if transaction.way != Way::Data {
            return self.start_chunks();
        }
        if !self.room(6) {
            return false;
        }
        self.send_short(now, &Command::Data, Expect::Data(id));
        if let Some(transaction) = self.transactions.back_mut() {
            transaction.stage = Stage::DataSent;
        }
        true
    }

    pub(super) fn awaits(&self, id: TransactionId) -> bool {
        self.expected.iter().any(|pending| match pending.what {
            Expect::Mail(other)
            | Expect::Rcpt(other, _)
            | Expect::Data(other)
            | Expect::Chunk(other)
            | Expect::EndOfData(other, _)
            | Expect::EndForNobody(other) => other == id,
            _ => false,
        })
    }

    fn awaits_mail(&self, id: TransactionId) -> bool {
        self.expected.iter().any(|pending| pending.what == Expect::Mail(id))
    }

    pub(super) fn transaction(&mut self, id: TransactionId) -> Option<&mut Transaction> {
        self.transactions.iter_mut().find(|transaction| transaction.id == id)
    }

    // ---- replies -----------------------------------------------------------------------------------------------------------------

    pub(super) fn on_reset(&mut self, now: Instant, reply: Reply) {
        // R56: a session that cannot forget cannot be used again.
        if reply.severity() != Severity::Positive {
            self.drop_transport(now, Error::Refused { phase: Phase::Reset, reply });
        }
    }

    pub(super) fn on_mail(&mut self, now: Instant, id: TransactionId, reply: Reply) {
        if !is_verdict(reply.severity()) {
            return self.unexpected(now, Phase::Mail, reply);
        }
        let Some(transaction) = self.transaction(id) else { return };
        if reply.severity() != Severity::Positive {
            transaction.refuse(Failure::new(Phase::Mail, Error::Refused { phase: Phase::Mail, reply }));
        }
    }

    pub(super) fn on_rcpt(&mut self, now: Instant, id: TransactionId, index: usize, reply: Reply) {
        if !is_verdict(reply.severity()) {
            return self.unexpected(now, Phase::Rcpt, reply);
        }
        let reply = reply.too_many_recipients().unwrap_or(reply); // D9
        let Some(transaction) = self.transaction(id) else { return };
        if transaction.refusal.is_some() {
            // R139: MAIL was refused, so this says nothing; but see what the server says to a content that is out already.
            if reply.severity() == Severity::Positive && transaction.end.is_some() {
                transaction.contradicted.push(index);
            }
            return;
        }
        if reply.severity() == Severity::Positive {
            if let Some(fate @ Fate::Asked) = transaction.recipients.get_mut(index) {
                *fate = Fate::Accepted; // R38: 251 and 252 too
            }
        } else {
            let cause = Error::Refused { phase: Phase::Rcpt, reply: reply.clone() };
            transaction.decide(index, Disposition::failed(Failure::new(Phase::Rcpt, cause)));
        }
        self.events.push_back(Event::Recipient(id, RecipientId(index), reply));
    }

    pub(super) fn on_data(&mut self, now: Instant, id: TransactionId, reply: Reply) {
        let Some(transaction) = self.transactions.iter().find(|transaction| transaction.id == id) else {
            return;
        };
        match (reply.code().get(), reply.severity()) {
            (354, _) if transaction.has_accepted() => {
                let encoder = self.encoder(transaction, Framing::Dot);
                let Some(transaction) = self.transaction(id) else { return };
                transaction.encoder = Some(encoder);
                transaction.stage = Stage::Content;
            }
            (354, _) => self.end_for_nobody(now, id, reply),
            (_, Severity::Transient | Severity::Permanent) => {
                let failure = Failure::new(Phase::Data, Error::Refused { phase: Phase::Data, reply });
                if let Some(transaction) = self.transaction(id) {
                    transaction.fail_rest(&failure); // R51, M92
                }
                self.finish(id);
            }
            _ => self.unexpected(now, Phase::Data, reply), // R36
        }
    }

    /// Closes a transaction's account and tells the application.
    pub(super) fn finish(&mut self, id: TransactionId) {
        let Some(position) = self.transactions.iter().position(|transaction| transaction.id == id) else {
            return;
        };
        let Some(transaction) = self.transactions.remove(position) else { return };
        // R56: what the server began and did not end with content, it must be told to forget.
        // Also after a refused MAIL: some servers keep refusing until then.
        self.reset_due |= transaction.stage != Stage::Mail && transaction.end.is_none();
        self.report(transaction);
    }

    pub(super) fn report(&mut self, transaction: Transaction) {
        let (id, round_trips) = (transaction.id, self.turns.saturating_sub(transaction.turns));
        let report = TransactionReport { dispositions: transaction.into_dispositions(), round_trips };
        self.events.push_back(Event::Done(id, report));
    }

    /// The connection is gone; every open transaction ends with it.
    pub(super) fn lose_all(&mut self, phase: Phase, error: &Error) {
        // R39, R145: a server answers in order. With 421 in the place of an earlier reply it has said that it will not come to the content.
        let leaves = matches!(error, Error::Refused { reply, .. } if reply.code().get() == 421);
        let early = leaves && !matches!(phase, Phase::Body | Phase::End);
        while let Some(mut transaction) = self.transactions.pop_front() {
            let unread = early || (leaves && self.awaits_mail(transaction.id));
            transaction.lose(phase, error, if unread { 0 } else { self.given });
            self.report(transaction);
        }
    }
}

fn too_long(verb: &'static str, error: crate::command::TooLong) -> Error {
    Error::Unsendable(Unsendable::CommandTooLong { verb, length: error.length, limit: error.limit })
}
