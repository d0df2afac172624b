//! The content of a message: from its first octet to the replies to its end.

use std::time::Instant;

use super::{Chunks, Engine, Expect, Pending};
use crate::{
    Phase,
    body::{ContentError, Encoder, Framing},
    config::{EightBit, Protocol},
    connection::Event,
    error::{BodyError, Disposition, Error, Failure, PeerError, Unsendable},
    reply::{Reply, Severity},
    transaction::{Fate, RecipientId, Stage, Transaction, TransactionId},
};

/// What the encoder's last piece ends with.
const END_MARK: &[u8] = b".\r\n";

impl Engine {
    /// What the content of a transaction goes through.
    pub(super) fn encoder(&self, transaction: &Transaction, framing: Framing) -> Encoder {
        let (config, smtputf8) = (&self.config, transaction.parameters.smtputf8);
        let mut encoder = Encoder::new(config.line_breaks, framing);
        if config.eight_bit_body == EightBit::Strict && !self.capabilities.eight_bit_mime() && !smtputf8 {
            encoder = encoder.forbid_eight_bit(); // R166
        }
        if config.eight_bit_header == EightBit::Strict && !smtputf8 {
            encoder = encoder.forbid_eight_bit_header(); // D10
        }
        encoder
    }

    pub(crate) fn write_body(&mut self, now: Instant, data: &[u8]) -> Result<(), BodyError> {
        if !self.wants_content() {
            return Err(BodyError::NotWanted);
        }
        let before = self.out.len();
        let Some(transaction) = self.transactions.back_mut() else { return Err(BodyError::NotWanted) };
        let given = transaction.taken.saturating_add(data.len() as u64);
        if let Some(declared) = transaction.declared
            && given > declared
        {
            return Err(self.abandon(now, BodyError::SizeMismatch { declared, given }));
        }
        transaction.taken = given;
        if transaction.chunks.is_some() {
            self.write_chunks(now, data)?;
            self.set_timer(now);
            return Ok(());
        }
        let Some(encoder) = transaction.encoder.as_mut() else { return Err(BodyError::NotWanted) };
        let encoded = encoder.encode(data, &mut self.out);
        let written = self.out.len() - before;
        self.queued += written as u64;
        self.transcript.content(written);
        if let Err(error) = encoded {
            return Err(self.abandon(now, BodyError::Content(error)));
        }
        self.set_timer(now);
        Ok(())
    }

    pub(crate) fn finish_body(&mut self, now: Instant) -> Result<(), BodyError> {
        if !self.wants_content() {
            return Err(BodyError::NotWanted);
        }
        let before = self.out.len();
        let Some(transaction) = self.transactions.back_mut() else { return Err(BodyError::NotWanted) };
        let given = transaction.taken;
        if let Some(declared) = transaction.declared
            && given != declared
        {
            return Err(self.abandon(now, BodyError::SizeMismatch { declared, given }));
        }
        if transaction.chunks.is_some() {
            self.finish_chunks(now)?;
            self.set_timer(now);
            return Ok(());
        }
        let Some(encoder) = transaction.encoder.as_mut() else { return Err(BodyError::NotWanted) };
        if let Err(error) = encoder.finish(&mut self.out) {
            return Err(self.abandon(now, BodyError::Content(error)));
        }
        let written = self.out.len() - before;
        self.queued += written as u64;
        transaction.encoder = None;
        transaction.stage = Stage::Ended;
        transaction.end = Some(self.queued);
        let id = transaction.id;
        match self.config.protocol {
            Protocol::Smtp => self.expect(Expect::EndOfData(id, None), 0),
            Protocol::Lmtp => {
                // R74: one reply per accepted recipient, in order.
                let accepted: Vec<usize> = self
                    .transaction(id)
                    .map(|transaction| transaction.accepted().collect())
                    .unwrap_or_default();
                for index in accepted {
                    self.expect(Expect::EndOfData(id, Some(index)), 0);
                }
            }
        }
        self.transcript.content(written.saturating_sub(END_MARK.len()));
        self.transcript.end_of_content(now);
        self.advance(now);
        self.set_timer(now);
        Ok(())
    }

    /// 354, though nobody was accepted: just the end mark (R140, R141).
    pub(super) fn end_for_nobody(&mut self, now: Instant, id: TransactionId, reply: Reply) {
        self.out.extend_from_slice(END_MARK);
        self.queued += END_MARK.len() as u64;
        self.transcript.end_of_content(now);
        if self.config.protocol == Protocol::Lmtp {
            // R76: how many replies would follow is undefined, so the end mark is the last word.
            self.finish(id);
            let error = Error::Peer(PeerError::UnexpectedCode { phase: Phase::Data, reply });
            return self.close(Some(error));
        }
        self.expect(Expect::EndForNobody(id), 0);
        if let Some(transaction) = self.transaction(id) {
            transaction.stage = Stage::Ended;
        }
    }

    pub(super) fn on_end_of_data(
        &mut self,
        now: Instant,
        id: TransactionId,
        index: Option<usize>,
        reply: Reply,
    ) {
        let code = reply.code().get();
        let lmtp = self.config.protocol == Protocol::Lmtp;
        let Some(transaction) = self.transaction(id) else { return };
        if !transaction.contradicted.is_empty() {
            return self.on_contradicted_end(now, id, reply);
        }
        let nobody = transaction.is_hopeless() && index.is_none();
        match reply.severity() {
            // R76: there was nobody to answer for, so the number of replies is undefined.
            Severity::Positive if nobody && lmtp => return self.unexpected(now, Phase::End, reply),
            // R140, R154: nobody was accepted, so nobody has it, whatever the server likes.
            Severity::Positive if nobody && code != 221 => self.reset_due = true,
            // D31: 221 says goodbye, not yes.
            Severity::Positive if code != 221 => {
                let Some(transaction) = self.transaction(id) else { return };
                let indices: Vec<usize> =
                    index.map_or_else(|| transaction.accepted().collect(), |one| vec![one]);
                for index in indices {
                    transaction.decide(index, Disposition::Delivered(reply.clone()));
                }
            }
            Severity::Transient | Severity::Permanent => {
                let Some(transaction) = self.transaction(id) else { return };
                transaction.refuse_content(index, Phase::End, &reply);
                self.reset_due = true;
            }
            _ => {
                // Row 20: the server has the message and speaks nonsense; `drop_transport` makes that uncertain.
                return self.unexpected(now, Phase::End, reply);
            }
        }
        if let Some(index) = index
            && let Some(Fate::Decided(disposition)) =
                self.transaction(id).and_then(|transaction| transaction.recipients.get(index))
        {
            let disposition = disposition.clone();
            self.events.push_back(Event::Decided(id, RecipientId(index), disposition)); // R64
        }
        if !self.awaits(id) {
            self.finish(id);
        }
        if code == 421 {
            self.drop_transport(now, Error::Refused { phase: Phase::End, reply }); // M91
        }
    }

    /// A reply while content flows: a refusal is the verdict, anything else is out of order (D33, R55).
    pub(super) fn on_reply_in_content(&mut self, now: Instant, reply: Reply) {
        if !matches!(reply.severity(), Severity::Transient | Severity::Permanent) {
            return self.protocol_error(now, PeerError::Unsolicited { reply });
        }
        let given = self.given;
        let waited_for = self.expected.front().and_then(|head| match head.what {
            Expect::EndOfData(id, index) => Some((id, index)),
            Expect::Chunk(id) => Some((id, None)),
            _ => None,
        });
        // A chunk's refusal is the message's (row 24); only its end is answered recipient by recipient.
        let by_recipient = self.config.protocol == Protocol::Lmtp
            && self.expected.front().is_some_and(|head| matches!(head.what, Expect::EndOfData(..)));
        let content =
            self.transactions.back().filter(|last| last.stage == Stage::Content).map(|last| (last.id, None));
        if let Some((id, index)) = waited_for.or(content)
            && let Some(transaction) = self.transaction(id)
        {
            // Once the end mark may be out, an LMTP server's reply is for one recipient only.
            let index = index.or_else(|| if by_recipient { transaction.accepted().next() } else { None });
            let index = index.filter(|_| transaction.end.is_some_and(|end| end <= given));
            transaction.refuse_content(index, Phase::Body, &reply);
        }
        self.drop_transport(now, Error::Refused { phase: Phase::Body, reply });
    }

    /// LMTP's replies to the end of a content by BDAT, when the first of them is here and all those to RCPT are: one each (R77, R157).
    /// Whom this one is for.
    pub(super) fn each_for_itself(&mut self, id: TransactionId, end: u64) -> Option<usize> {
        if self.config.protocol == Protocol::Smtp {
            return None;
        }
        let accepted: Vec<usize> = self.transaction(id)?.accepted().collect();
        let (first, others) = accepted.split_first()?;
        for index in others.iter().rev() {
            let what = Expect::EndOfData(id, Some(*index));
            self.expected.push_front(Pending { what, end, octets: 0 });
        }
        Some(*first)
    }

    /// Content that cannot be finished: its recipients learn why, and the transport is dropped if some of it has left (R54).
    pub(super) fn abandon(&mut self, now: Instant, error: BodyError) -> BodyError {
        let cause = match &error {
            BodyError::Content(ContentError::EightBit { .. }) => Error::Unsendable(Unsendable::EightBit),
            BodyError::Content(ContentError::EightBitHeader { .. }) => {
                Error::Unsendable(Unsendable::EightBitHeaderInData)
            }
            BodyError::Content(content) => Error::Unsendable(Unsendable::Content(*content)),
            other => Error::Source { message: other.to_string().into() },
        };
        self.abandon_content(now, &cause);
        error
    }

    /// The source failed, or the caller gave up. As long as no octet of the content has left, RSET undoes the envelope, and messages before
    /// this one get their replies.
    pub(crate) fn abandon_content(&mut self, now: Instant, cause: &Error) {
        if let Some(transaction) = self.transactions.back_mut()
            && transaction.stage == Stage::Content
        {
            transaction.fail_rest(&Failure::new(Phase::Body, cause.clone()));
            if transaction.chunks.as_ref().is_some_and(|chunks| !chunks.begun()) {
                // Its account is closed when its last reply is read, as that of every message for nobody.
                (transaction.chunks, transaction.encoder) = (Some(Chunks::default()), None);
                transaction.stage = Stage::LastDue;
                self.advance(now);
                return self.set_timer(now);
            }
        }
        self.drop_transport(now, cause.clone());
    }
}
