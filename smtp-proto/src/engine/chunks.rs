//! Content by BDAT (RFC 3030): in counted chunks, and where its size is small and known, in the envelope's flight.
//!
//! A chunk announces its octets before they come, so its size has to be known. There are three ways to know it (R153, R155):
//!
//! - A small message whose facts are known is held until it is complete and goes as one `BDAT n LAST`. With PIPELINING that waits for
//!   no reply: MAIL, RCPTs and content are one flight, and one write, since nothing leaves before the source has been read.
//! - A larger one of known size is announced in pieces of up to 1 MiB, and streams through.
//! - Of an unknown size, what has been read is held until it makes a chunk.
//!
//! The last two wait for the replies to RCPT: not an octet of content leaves for nobody. Nothing here waits for the server to read
//! before it listens to it, so no chunk can block the line (R142): octets go to the outbox, and a driver writes and reads at once.
//!
//! `BDAT n LAST` takes the place of the end mark (D36): its last octet is given out only when the source has ended as it said.

use std::time::Instant;

use super::{Engine, Expect};
use crate::{
    Phase,
    body::Facts,
    command::Command,
    config::{Chunking, Protocol},
    error::{BodyError, Disposition, Error, Failure, PeerError},
    reply::{Reply, Severity},
    transaction::{Stage, Transaction, TransactionId},
};

/// A message up to this size goes in the envelope's flight (R153).
const ONE_FLIGHT: u64 = 64 * 1024;
/// What is held of content of unknown size before it goes as a chunk. Below 64 KiB, so that a held chunk, the outbox and the transport's
/// share of it stay within the memory a message may take.
const HELD: usize = 48 * 1024;
/// The largest chunk (R155).
const LARGEST: u64 = 1 << 20;
/// Chunks of a message that may wait for their replies (R153).
const UNANSWERED: usize = 2;
/// `BDAT`, the digits of a number of octets, `LAST`.
const COMMAND: usize = 32;

/// How content leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By DATA.
    Data,
    /// In one chunk, in the envelope's flight.
    OneFlight,
    /// In chunks, when the replies to RCPT are known. `Some`: octets of the encoded content, known beforehand; `None`: unknown, or so few
    /// that it is one chunk.
    Chunks(Option<u64>),
}

/// Chunks on their way.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// Content that no chunk has taken yet.
    held: Vec<u8>,
    /// The message is small: it is held whole.
    whole: bool,
    /// Octets that no chunk has announced yet, where the size is known.
    left: Option<u64>,
    /// Octets that the last chunk announced and that have not come yet.
    open: u64,
    /// Some chunk has been announced.
    begun: bool,
    /// The last chunk has been announced.
    last: bool,
    /// The source has ended.
    finished: bool,
}

impl Chunks {
    /// Some of the content has left, or is announced.
    pub(super) const fn begun(&self) -> bool {
        self.begun
    }

    /// How much of what is held, or comes, may leave now.
    fn may_leave(&self) -> usize {
        // The last octet of LAST is the end mark of a message by BDAT: it waits for the source's word that this was all (R54, D36).
        let kept = u64::from(self.last && !self.finished);
        usize::try_from(self.open.saturating_sub(kept)).unwrap_or(usize::MAX)
    }

    /// The chunk to announce next: its octets, and whether it is the last.
    fn next(&self) -> Option<(u64, bool)> {
        let held = self.held.len() as u64;
        match self.left {
            _ if self.last || self.open > 0 => None,
            Some(left) => Some((left.min(LARGEST), left <= LARGEST)),
            None if self.finished => Some((held, true)), // R149: it may be 0
            None if !self.whole && self.held.len() >= HELD => Some((held, false)),
            None => None,
        }
    }

    /// How many content octets are of use now.
    fn room(&self) -> usize {
        match self.left {
            Some(_) if self.open == 0 => 0,
            Some(_) => usize::MAX,
            None if self.whole => usize::MAX, // bounded by what was declared
            None => HELD.saturating_sub(self.held.len()),
        }
    }
}

impl Engine {
    /// Whether commands go in groups.
    pub(super) fn pipelines(&self) -> bool {
        self.config.pipelining && self.capabilities.pipelining() // R135
    }

    /// How the content of a message with these facts leaves (D27, R147, R150: one way for the whole transaction).
    pub(super) fn way(&self, facts: Option<&Facts>) -> Way {
        let wanted = match self.config.chunking {
            Chunking::No => false,
            Chunking::Yes => true,
            Chunking::Auto => self.pipelines(),
        };
        if !wanted || !self.capabilities.chunking() {
            return Way::Data;
        }
        match facts {
            Some(facts) if facts.size.max(facts.octets) <= ONE_FLIGHT => match self.pipelines() {
                true => Way::OneFlight,
                false => Way::Chunks(None),
            },
            facts => Way::Chunks(facts.map(|facts| facts.size)),
        }
    }

    /// How many octets of content are of use now; nothing about room for them.
    pub(crate) fn content_room(&self) -> usize {
        let Some(transaction) = self.transactions.back().filter(|_| self.wants_content()) else { return 0 };
        match &transaction.chunks {
            None => usize::MAX,
            Some(chunks) if !chunks.begun && (self.doubted || transaction.is_hopeless()) => 0,
            Some(chunks) => chunks.room(),
        }
    }

    /// All RCPTs are out. Content may be read as soon as it may be of use.
    pub(super) fn start_chunks(&mut self) -> bool {
        let Some(transaction) = self.transactions.back() else { return false };
        let left = match transaction.way {
            // Nothing is read for a connection that may be dead: whoever has to send the message again has it still.
            Way::OneFlight if self.doubted => return false,
            Way::OneFlight | Way::Data => None,
            Way::Chunks(_) if self.awaits(transaction.id) => return false,
            Way::Chunks(size) => size,
        };
        let whole = transaction.declared.is_some() && left.is_none();
        let encoder = self.encoder(transaction, crate::body::Framing::Counted);
        if let Some(transaction) = self.transactions.back_mut() {
            transaction.encoder = Some(encoder);
            transaction.chunks = Some(Chunks { whole, left, ..Chunks::default() });
            transaction.stage = Stage::Content;
        }
        true
    }

    /// One step of content by BDAT: the next chunk, when there is one and it may go.
    pub(super) fn step_chunk(&mut self, now: Instant) -> bool {
        let Some(transaction) = self.transactions.back() else { return false };
        let Some(chunks) = &transaction.chunks else { return false };
        let id = transaction.id;
        if !chunks.begun && transaction.is_hopeless() {
            // R48: what nobody gets is not sent, however much of it has been read.
            return !self.awaits(id) && self.finish_quietly();
        }
        let Some((octets, last)) = chunks.next() else { return false };
        let unanswered = self.expected.iter().filter(|pending| pending.what.is_chunk_of(id)).count();
        if unanswered >= UNANSWERED || self.doubted || !self.room(COMMAND) {
            return false;
        }
        let what = if last { Expect::EndOfData(id, None) } else { Expect::Chunk(id) };
        self.send_short(now, &Command::Bdat { octets, last }, what);
        let end = self.queued + octets;
        if let Some(pending) = self.expected.back_mut() {
            pending.end = end; // D33: the command ends where its octets do
        }
        let Some(transaction) = self.transactions.back_mut() else { return false };
        transaction.end = last.then_some(end);
        if let Some(chunks) = transaction.chunks.as_mut() {
            (chunks.begun, chunks.last, chunks.open) = (true, last, octets);
            chunks.left = chunks.left.map(|left| left - octets);
        }
        self.pour(now);
        true
    }

    /// Moves what is held into the chunk that is open.
    fn pour(&mut self, now: Instant) {
        let Some(transaction) = self.transactions.back_mut() else { return };
        let Some(chunks) = transaction.chunks.as_mut() else { return };
        let len = chunks.may_leave().min(chunks.held.len());
        self.out.extend(chunks.held.drain(..len));
        self.left_for_chunk(now, len);
    }

    /// Octets of the open chunk went to the outbox.
    fn left_for_chunk(&mut self, now: Instant, len: usize) {
        self.queued += len as u64;
        self.transcript.content(len);
        let Some(transaction) = self.transactions.back_mut() else { return };
        let Some(chunks) = transaction.chunks.as_mut() else { return };
        chunks.open -= len as u64;
        if chunks.open > 0 {
            return;
        }
        self.transcript.end_of_chunk(now);
        if chunks.last {
            transaction.stage = Stage::Ended;
            (transaction.chunks, transaction.encoder) = (None, None);
        }
    }

    pub(super) fn write_chunks(&mut self, now: Instant, data: &[u8]) -> Result<(), BodyError> {
        let before = self.out.len();
        let Some(transaction) = self.transactions.back_mut() else { return Err(BodyError::NotWanted) };
        let (Some(chunks), Some(encoder)) = (transaction.chunks.as_mut(), transaction.encoder.as_mut())
        else {
            return Err(BodyError::NotWanted);
        };
        let encoded = if chunks.held.is_empty() && chunks.open > 0 {
            let encoded = encoder.encode(data, &mut self.out);
            let end = before.saturating_add(chunks.may_leave());
            chunks.held.extend_from_slice(self.out.get(end..).unwrap_or_default());
            self.out.truncate(end);
            encoded
        } else {
            encoder.encode(data, &mut chunks.held)
        };
        let written = self.out.len() - before;
        self.left_for_chunk(now, written);
        if let Err(error) = encoded {
            return Err(self.abandon(now, BodyError::Content(error)));
        }
        self.check_size(now, |come, announced| come <= announced)?;
        self.advance(now);
        Ok(())
    }

    pub(super) fn finish_chunks(&mut self, now: Instant) -> Result<(), BodyError> {
        let Some(transaction) = self.transactions.back_mut() else { return Err(BodyError::NotWanted) };
        let (Some(chunks), Some(encoder)) = (transaction.chunks.as_mut(), transaction.encoder.as_mut())
        else {
            return Err(BodyError::NotWanted);
        };
        if let Err(error) = encoder.finish(&mut chunks.held) {
            return Err(self.abandon(now, BodyError::Content(error)));
        }
        self.check_size(now, |come, announced| come == announced)?;
        if let Some(transaction) = self.transactions.back_mut() {
            transaction.stage = Stage::LastDue;
            if let Some(chunks) = transaction.chunks.as_mut() {
                chunks.finished = true;
            }
        }
        self.pour(now);
        self.advance(now);
        Ok(())
    }

    /// Compares what is held with what is still to come, where that is known. What was announced can be changed no more (R156).
    fn check_size(&mut self, now: Instant, fits: impl Fn(u64, u64) -> bool) -> Result<(), BodyError> {
        let Some(transaction) = self.transactions.back() else { return Ok(()) };
        let (Some(chunks), Way::Chunks(Some(declared))) = (&transaction.chunks, transaction.way) else {
            return Ok(());
        };
        let due = chunks.open.saturating_add(chunks.left.unwrap_or_default());
        let held = chunks.held.len() as u64;
        if fits(held, due) {
            return Ok(());
        }
        let given = declared.saturating_sub(due).saturating_add(held);
        Err(self.abandon(now, BodyError::SizeMismatch { declared, given }))
    }

    /// The reply to a chunk that is not the last (R151, R152).
    pub(super) fn on_chunk(&mut self, now: Instant, id: TransactionId, reply: Reply) {
        let code = reply.code().get();
        match reply.severity() {
            Severity::Positive if code != 221 => {
                // Of a message whose earlier chunk was refused it is the last word: RSET is due, and nothing comes of it.
                let is_over = self.transaction(id).is_some_and(|refused| refused.stage == Stage::Ended);
                if is_over && !self.awaits(id) {
                    self.finish(id);
                }
                return;
            }
            Severity::Transient | Severity::Permanent => {}
            _ => return self.unexpected(now, Phase::Body, reply),
        }
        let Some(transaction) = self.transaction(id) else { return };
        transaction.contradict_accepted();
        transaction.refuse_content(None, Phase::Body, &reply);
        let inside = transaction.chunks.as_ref().is_some_and(|chunks| chunks.open > 0);
        if inside || code == 421 {
            // Row 22, R156: a chunk cannot be left half-way, and content that nobody takes is not worth reading to its end.
            return self.drop_transport(now, Error::Refused { phase: Phase::Body, reply });
        }
        (transaction.chunks, transaction.encoder) = (None, None);
        transaction.stage = Stage::Ended;
        self.reset_due = true;
        if !self.awaits(id) {
            self.finish(id);
        }
    }

    /// The reply to `BDAT n LAST` of a message that the server had refused already, and may have accepted recipients for all the same:
    /// behind a refused MAIL (R139), or before it refused a chunk (row 24).
    pub(super) fn on_contradicted_end(&mut self, now: Instant, id: TransactionId, reply: Reply) {
        let Some(transaction) = self.transaction(id) else { return };
        let many = transaction.contradicted.len() > 1;
        match reply.severity() {
            Severity::Transient | Severity::Permanent => {
                self.reset_due = true;
                let lmtp = self.config.protocol == Protocol::Lmtp;
                self.finish(id);
                if reply.code().get() == 421 {
                    self.drop_transport(now, Error::Refused { phase: Phase::End, reply });
                } else if lmtp && many {
                    // R76: how many replies follow is undefined.
                    self.unexpected(now, Phase::End, reply);
                }
            }
            _ => {
                // Row 24, law 9: it has said both, and nobody knows what it did.
                let cause =
                    Error::Peer(PeerError::UnexpectedCode { phase: Phase::End, reply: reply.clone() });
                transaction.contradict(&Failure::new(Phase::End, cause));
                self.unexpected(now, Phase::End, reply);
            }
        }
    }
}

impl Transaction {
    fn contradict_accepted(&mut self) {
        let accepted: Vec<usize> = self.accepted().collect();
        self.contradicted.extend(accepted);
    }

    fn contradict(&mut self, failure: &Failure) {
        for index in std::mem::take(&mut self.contradicted) {
            if let Some(fate) = self.recipients.get_mut(index) {
                *fate = crate::transaction::Fate::Decided(Disposition::Uncertain(failure.clone()));
            }
        }
    }
}
