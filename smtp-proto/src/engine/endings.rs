//! How a session ends: by QUIT where the stream is in step, or by dropping the transport (R54, law 10).

use std::{collections::VecDeque, sync::Arc, time::Instant};

use zeroize::Zeroizing;

use super::{Channel, Engine, Quit};
use crate::{
    Phase,
    connection::Event,
    error::{Error, Failure, PeerError},
    reply::{self, Reply},
};

impl Engine {
    pub(crate) fn write_failed(&mut self, now: Instant, cause: std::io::Error) {
        if self.closed || self.write_failed.is_some() {
            return;
        }
        self.transcript.note(now, || format!("writing failed: {cause}"));
        self.write_failed = Some(Arc::new(cause));
        self.out = Zeroizing::default();
        // A reply may have been sent already (R55); it, or the end of the file, comes soon.
        self.timer.start(Phase::Quit, now, &self.config.timeouts);
    }

    pub(crate) fn closed_by_peer(&mut self, now: Instant, cause: Option<std::io::Error>) {
        if self.closed {
            return;
        }
        self.transcript.note(now, || {
            cause
                .as_ref()
                .map_or_else(|| "the server closed the connection".to_owned(), |cause| cause.to_string())
        });
        if self.quit == Quit::Sent && self.transactions.is_empty() {
            // M112: QUIT is a courtesy; what came of it changes nothing.
            let parting = self.parting.take();
            return self.close(parting);
        }
        let cause = cause.map(Arc::new).or_else(|| self.write_failed.clone());
        let phase = self.waiting();
        self.drop_transport(now, Error::Lost { phase, cause });
    }

    pub(crate) fn timeout(&mut self, now: Instant) {
        let Some(phase) = self.timer.expired(now).filter(|_| !self.closed) else { return };
        if self.quit == Quit::Sent && self.transactions.is_empty() {
            let parting = self.parting.take();
            return self.close(parting);
        }
        let error = match &self.write_failed {
            Some(cause) => Error::Lost { phase: self.waiting(), cause: Some(Arc::clone(cause)) },
            None => Error::Timeout(phase),
        };
        // A late reply would be taken for the next one's: the stream is out of step, so not even QUIT (law 10).
        self.drop_transport(now, error);
    }

    pub(crate) fn quit(&mut self, now: Instant) {
        if self.closed || self.quit != Quit::No {
            return;
        }
        if self.holds_content() {
            self.abandon_content(now, &Error::Cancelled); // nothing of it has left
        }
        if self.in_content() || !self.usable {
            // In content there is one way out (R54). Before the session is usable there may be a reply outstanding to a command that
            // must end its group, and nothing to lose.
            return self.drop_transport(now, Error::Cancelled);
        }
        self.quit = Quit::Wanted;
        if let Some(last) = self.transactions.back_mut().filter(|last| !last.complete) {
            // M114: nobody asked for DATA, and nobody will give content.
            last.complete = true;
            last.refuse(Failure::new(Phase::Data, Error::Cancelled));
        }
        self.advance(now);
        self.set_timer(now);
    }

    /// Ends a session that is in step: QUIT, then `Closed` (law 10).
    pub(super) fn part_with(&mut self, now: Instant, error: Error) {
        self.ended_in = Some(error.phase().unwrap_or_else(|| self.waiting()));
        self.parting = Some(error);
        self.part(now);
    }

    pub(super) fn part(&mut self, now: Instant) {
        self.usable = false;
        self.transcript.note(now, || "ending the session".to_owned());
        self.send_quit(now);
    }

    pub(super) fn protocol_error(&mut self, now: Instant, error: PeerError) {
        self.drop_transport(now, Error::Peer(error));
    }

    pub(super) fn unexpected(&mut self, now: Instant, phase: Phase, reply: Reply) {
        self.protocol_error(now, PeerError::UnexpectedCode { phase, reply });
    }

    /// The transport is dropped as it stands: everything queued is thrown away, everybody undecided learns why.
    pub(crate) fn drop_transport(&mut self, now: Instant, error: Error) {
        if self.closed {
            return;
        }
        self.transcript.note(now, || error.full_text());
        // A reply that ended the session has been taken off the queue already; its error knows what it answered.
        let phase = match &error {
            Error::Peer(_) | Error::Refused { .. } => error.phase().unwrap_or_else(|| self.waiting()),
            _ => self.waiting(),
        };
        self.ended_in.get_or_insert(phase);
        // M65, M69: a certificate that the server refuses shows, in TLS 1.3, on the first read after the handshake.
        self.handshake_failed |= !matches!(error, Error::Peer(_) | Error::Cancelled | Error::Deadline(_))
            && (self.channel == Channel::Handshake
                || (matches!(error, Error::Tls(_)) && self.awaits_hello_over_tls()));
        // M112: QUIT is a courtesy, even where its reply is nonsense.
        let courtesy = matches!(error, Error::Peer(_) | Error::Tls(_))
            && self.quit == Quit::Sent
            && self.transactions.is_empty();
        self.out = Zeroizing::default();
        self.dropped = Some(matches!(error, Error::Tls(_)));
        self.lose_all(phase, &error);
        // What ended the session first is the reason that counts.
        let error = self.parting.take().or_else(|| (!courtesy).then_some(error));
        self.close(error);
    }

    /// `Closed` is the last event; output that is still queued is the connection's last words.
    pub(super) fn close(&mut self, error: Option<Error>) {
        let decided_in = error.as_ref().and_then(Error::phase).unwrap_or(Phase::Quit);
        self.ended_in.get_or_insert(decided_in);
        self.closed = true;
        self.usable = false;
        self.timer.stop();
        self.expected = VecDeque::new();
        self.outstanding = 0;
        self.exchange = None;
        self.withheld = false;
        self.parser = reply::Parser::new();
        self.events.push_back(Event::Closed(error));
    }
}
