//! One mail transaction's account: what was asked, what was answered, what became of each recipient.
//!
//! Keeps books and makes no decision about what to send next; that is `engine.rs`.

use crate::{
    Phase,
    address::{ForwardPath, ReversePath},
    body::Encoder,
    command::MailParameters,
    engine::{Chunks, Way},
    error::{Disposition, Error, Failure},
    reply::Reply,
};

/// Names a transaction of one connection; numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub(crate) u64);

/// Names a recipient of one transaction: its index in the order handed over, duplicates counted (R61).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecipientId(pub(crate) usize);

impl RecipientId {
    /// The index in envelope order.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What became of a transaction: one disposition per recipient, in envelope order (D26).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransactionReport {
    /// One per recipient, in order.
    pub dispositions: Vec<Disposition>,
    /// Turns of the line from MAIL to the last reply.
    pub round_trips: u32,
}

/// How far the send cursor has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// MAIL is next.
    Mail,
    /// This RCPT is next.
    Rcpt(usize),
    /// All RCPTs are out; DATA is next, if anybody may be left to deliver to.
    DataDue,
    /// DATA is out.
    DataSent,
    /// 354 came, or content goes by BDAT: content may flow.
    Content,
    /// The content is complete, and its last chunk waits for its turn.
    LastDue,
    /// The end mark or the last chunk is queued, or nothing more is to be sent.
    Ended,
}

/// One recipient's fate so far.
#[derive(Debug)]
pub(crate) enum Fate {
    /// RCPT not sent yet; as it goes on the wire (A-labels where converted).
    Unsent(ForwardPath),
    /// RCPT sent, reply outstanding.
    Asked,
    /// RCPT accepted; the content decides.
    Accepted,
    /// Known.
    Decided(Disposition),
}

#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) id: TransactionId,
    /// The sender as it goes on the wire, until MAIL is sent.
    pub(crate) path: Option<ReversePath>,
    pub(crate) parameters: MailParameters,
    /// Octets of the source, where they are known beforehand.
    pub(crate) declared: Option<u64>,
    pub(crate) stage: Stage,
    pub(crate) recipients: Vec<Fate>,
    /// No more recipients will come.
    pub(crate) complete: bool,
    /// MAIL was refused, or the message is unsendable: holds for every recipient, also those still to be named.
    pub(crate) refusal: Option<Failure>,
    /// How the content leaves.
    pub(crate) way: Way,
    pub(crate) encoder: Option<Encoder>,
    /// Content that leaves by BDAT, from its start to its last octet.
    pub(crate) chunks: Option<Chunks>,
    /// Recipients that the server has accepted although it refused the message: what it says to the end is not what it said before.
    pub(crate) contradicted: Vec<usize>,
    /// Octets of the source taken so far.
    pub(crate) taken: u64,
    /// Where in the stream the end mark ends, once it is queued, or the last chunk, once it is announced.
    pub(crate) end: Option<u64>,
    /// Turns of the line when it began.
    pub(crate) turns: u32,
}

impl Transaction {
    pub(crate) fn new(id: TransactionId, declared: Option<u64>, turns: u32) -> Self {
        Self {
            id,
            path: None,
            parameters: MailParameters::default(),
            declared,
            stage: Stage::Mail,
            recipients: Vec::new(),
            complete: false,
            refusal: None,
            way: Way::Data,
            encoder: None,
            chunks: None,
            contradicted: Vec::new(),
            taken: 0,
            end: None,
            turns,
        }
    }

    /// Nothing can be delivered any more, whatever the server still answers.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.refusal.is_some() || self.recipients.iter().all(|fate| matches!(fate, Fate::Decided(_)))
    }

    pub(crate) fn has_accepted(&self) -> bool {
        self.recipients.iter().any(|fate| matches!(fate, Fate::Accepted))
    }

    pub(crate) fn accepted(&self) -> impl Iterator<Item = usize> {
        self.recipients
            .iter()
            .enumerate()
            .filter(|(_, fate)| matches!(fate, Fate::Accepted))
            .map(|(index, _)| index)
    }

    pub(crate) fn decide(&mut self, index: usize, disposition: Disposition) {
        if let Some(fate) = self.recipients.get_mut(index)
            && !matches!(fate, Fate::Decided(_))
        {
            *fate = Fate::Decided(disposition);
        }
    }

    /// The same failure for everybody not decided yet.
    pub(crate) fn fail_rest(&mut self, failure: &Failure) {
        for fate in &mut self.recipients {
            if !matches!(fate, Fate::Decided(_)) {
                *fate = Fate::Decided(Disposition::failed(failure.clone()));
            }
        }
    }

    /// MAIL was refused: everybody gets that (R139: whatever RCPT says).
    pub(crate) fn refuse(&mut self, failure: Failure) {
        for fate in &mut self.recipients {
            // A recipient refused here keeps its own reason; an answer to RCPT without MAIL means nothing.
            if !matches!(fate, Fate::Decided(_)) {
                *fate = Fate::Decided(Disposition::failed(failure.clone()));
            }
        }
        self.refusal = Some(failure);
    }

    /// The connection is gone: whoever the server may have the message for is uncertain (R63, law 9), the rest is deferred.
    ///
    /// `given`: how far the stream has been handed to the transport (D36).
    pub(crate) fn lose(&mut self, phase: Phase, error: &Error, given: u64) {
        let handed_over = self.end.is_some_and(|end| end <= given);
        // What ended the session is no verdict about this message, were it a 5yz: to RSET, or to the content of another one (R40, R56).
        let cause = if error.is_permanent() { Error::Lost { phase, cause: None } } else { error.clone() };
        for fate in &mut self.recipients {
            let disposition = match fate {
                Fate::Decided(_) => continue,
                // By BDAT, the content may be there before RCPT is answered (row 23).
                Fate::Accepted | Fate::Asked if handed_over => {
                    Disposition::Uncertain(Failure::new(Phase::End, cause.clone()))
                }
                Fate::Accepted | Fate::Asked | Fate::Unsent(_) => {
                    Disposition::Deferred(Failure::new(phase, cause.clone()))
                }
            };
            *fate = Fate::Decided(disposition);
        }
    }

    /// The dispositions in order; `fallback` for any that is unknown, which cannot be after `is_hopeless` or `lose`.
    pub(crate) fn into_dispositions(self) -> Vec<Disposition> {
        self.recipients
            .into_iter()
            .map(|fate| match fate {
                Fate::Decided(disposition) => disposition,
                _ => Disposition::Deferred(Failure::new(Phase::Mail, Error::Cancelled)),
            })
            .collect()
    }

    /// A negative reply to the content, for one recipient (LMTP) or for all accepted ones.
    pub(crate) fn refuse_content(&mut self, index: Option<usize>, phase: Phase, reply: &Reply) {
        let failure = Failure::new(phase, Error::Refused { phase, reply: reply.clone() });
        let indices: Vec<usize> = index.map_or_else(|| self.accepted().collect(), |one| vec![one]);
        for index in indices {
            self.decide(index, Disposition::failed(failure.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
