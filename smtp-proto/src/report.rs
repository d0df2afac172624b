//! What became of a message: per recipient, and what was tried on the way.

use std::time::Duration;

use crate::{
    Phase,
    capability::Capabilities,
    connection::Notice,
    endpoint::Endpoint,
    envelope::{Envelope, Recipient},
    error::{Disposition, Error, Failure, Kind},
    plan::Peer,
    reply::Reply,
    tls::TlsFacts,
};

/// One try to use a target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The target's index in the plan.
    pub target: usize,
    /// The target.
    pub endpoint: Endpoint,
    /// The address tried; `None` where the name could not be resolved.
    pub peer: Option<Peer>,
    /// How far it came.
    pub phase: Phase,
    /// The session became usable: greeting, hello, TLS and authentication are done.
    pub usable: bool,
    /// What ended it, unless it ended as it should.
    pub error: Option<Error>,
    /// The TLS session, where there was one.
    pub tls: Option<TlsFacts>,
    /// STARTTLS was refused or had failed, and the session went on in plaintext (D2, M65).
    pub fell_back_to_plaintext: bool,
    /// The connection had been kept from an earlier message (D28).
    pub reused: bool,
    /// Things worth a line in the log.
    pub notices: Vec<Notice>,
}

impl Attempt {
    /// The class of what was wrong with the target; `None`: nothing. What is wrong on this side (content that the policy refuses on
    /// the way, a source that fails, a caller who gives up) ends the attempt too, and says nothing about the target.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.error.as_ref().map(Error::kind).filter(|kind| *kind != Kind::Local)
    }
}

/// One recipient's outcome.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecipientReport {
    /// Who.
    pub recipient: Recipient,
    /// What became of it.
    pub disposition: Disposition,
    /// The attempt that decided: an index into [`Report::attempts`].
    pub attempt: Option<usize>,
}

/// A whole message's outcome in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// All delivered.
    Delivered,
    /// All deferred.
    Deferred,
    /// All rejected.
    Rejected,
    /// At least one uncertain.
    Uncertain,
    /// Mixed, none of them uncertain.
    Partial,
}

impl Outcome {
    /// The stable lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Uncertain => "uncertain",
            Self::Partial => "partial",
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// One per recipient, in envelope order, duplicates counted (D26).
    pub recipients: Vec<RecipientReport>,
    /// Every try, in order.
    pub attempts: Vec<Attempt>,
    /// Turns of the line for the transactions of this message, all attempts together.
    pub round_trips: u32,
    /// What was found, where it was a probe ([`Delivery::probe`](crate::Delivery::probe)).
    pub found: Option<Found>,
}

/// What a probe found out about a target beyond its [`Attempt`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Found {
    /// The greeting.
    pub greeting: Option<Reply>,
    /// What the server offers, by its last reply to EHLO or LHLO; empty where there was none, and once a TLS handshake has begun and failed (R87).
    pub capabilities: Capabilities,
}

/// What a target is like: a probe's [`Report`] in a handier form.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// The target; `None` where the plan has no such index.
    pub endpoint: Option<Endpoint>,
    /// The address that took the connection; `None`: none did.
    pub peer: Option<Peer>,
    /// The text of the greeting, escaped; lines are joined by a blank.
    pub greeting: Option<String>,
    /// What the server offers, by its last reply to EHLO or LHLO; empty where there was none, and once a TLS handshake has begun and failed (R87).
    pub capabilities: Capabilities,
    /// The TLS session, where there is one.
    pub tls: Option<TlsFacts>,
    /// A message could have been sent.
    pub usable: bool,
    /// Why not, or what ended the session.
    pub error: Option<Error>,
    /// Things worth a line in the log.
    pub notices: Vec<Notice>,
    /// The time all of it took.
    pub elapsed: Duration,
}

impl Report {
    /// The report of a probe, which took this long, in a handier form: its last attempt and what was found there.
    #[must_use]
    pub fn into_probe(mut self, elapsed: Duration) -> Probe {
        let found = self.found.unwrap_or_default();
        let last = self.attempts.pop();
        let connected = last.as_ref().is_some_and(|attempt| attempt.phase != Phase::Connect);
        Probe {
            endpoint: last.as_ref().map(|attempt| attempt.endpoint.clone()),
            peer: last.as_ref().filter(|_| connected).and_then(|attempt| attempt.peer.clone()),
            greeting: found.greeting.map(|greeting| greeting.text().replace('\n', " ")),
            capabilities: found.capabilities,
            usable: last.as_ref().is_some_and(|attempt| attempt.usable),
            tls: last.as_ref().and_then(|attempt| attempt.tls.clone()),
            error: match &last {
                Some(attempt) => attempt.error.clone(),
                None => {
                    Some(Error::Resolve { not_found: true, message: "the plan has no such target".into() })
                }
            },
            notices: last.map(|attempt| attempt.notices).unwrap_or_default(),
            elapsed,
        }
    }

    /// The report of a message that is refused here, before any target is contacted: the same failure for everybody.
    #[must_use]
    pub fn refused(envelope: &Envelope, phase: Phase, error: &Error) -> Self {
        let recipients = envelope
            .recipients
            .iter()
            .map(|recipient| RecipientReport {
                recipient: recipient.clone(),
                disposition: Disposition::failed(Failure::new(phase, error.clone())),
                attempt: None,
            })
            .collect();
        Self { recipients, attempts: Vec::new(), round_trips: 0, found: None }
    }

    /// All alike: that word; any uncertain: uncertain; otherwise partial.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mut words = self.recipients.iter().map(|recipient| match recipient.disposition {
            Disposition::Delivered(_) => Outcome::Delivered,
            Disposition::Deferred(_) => Outcome::Deferred,
            Disposition::Rejected(_) => Outcome::Rejected,
            Disposition::Uncertain(_) => Outcome::Uncertain,
        });
        let Some(first) = words.next() else { return Outcome::Delivered };
        words.fold(first, |sum, word| match (sum, word) {
            (sum, word) if sum == word => sum,
            (Outcome::Uncertain, _) | (_, Outcome::Uncertain) => Outcome::Uncertain,
            _ => Outcome::Partial,
        })
    }

    /// The attempt that counts: the last one that was usable, or else the last one.
    #[must_use]
    pub fn decisive_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| attempt.usable).or_else(|| self.attempts.last())
    }
}

#[cfg(test)]
mod tests;
