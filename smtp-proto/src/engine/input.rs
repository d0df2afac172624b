//! What the transport took and what it brought: the account of the stream, and each reply to the command it answers.

use std::time::Instant;

use super::{Channel, Engine, Expect};
use crate::{
    Phase,
    connection::Notice,
    error::{Error, PeerError},
    reply::{self, Reply},
};

impl Engine {
    /// Reads replies from plaintext; returns how many octets were left when a reply asked for a TLS handshake.
    pub(crate) fn handle_plain(&mut self, now: Instant, mut data: &[u8]) -> usize {
        if !data.is_empty() && std::mem::take(&mut self.turn_due) {
            self.turns += 1;
        }
        while !data.is_empty() && !self.closed && self.channel != Channel::Handshake {
            let began = self.reply_began.unwrap_or(self.sent);
            match self.parser.parse(data, &self.limits()) {
                Err(error) => {
                    self.protocol_error(now, PeerError::Malformed(error));
                    return 0;
                }
                Ok((read, reply)) => {
                    data = data.get(read..).unwrap_or_default();
                    self.reply_began = if reply.is_none() { Some(began) } else { None };
                    if let Some(reply) = reply {
                        self.on_reply(now, reply, began);
                        self.advance(now);
                    }
                }
            }
        }
        // A reply has begun to come in to which there was no question. What it says will end the session (D33), so a whole message that
        // left behind it would be uncertain for nothing.
        self.doubted |= !self.parser.is_empty() && self.rested == Some(self.given);
        self.set_timer(now);
        data.len()
    }

    /// The transport took octets, with which the stream is out up to `sent`; a part of a TLS record moves nothing but is progress.
    pub(crate) fn transmitted(&mut self, now: Instant, sent: u64, octets: usize) {
        self.turn_due |= sent > self.sent;
        self.sent = self.sent.max(sent);
        if octets > 0 && self.timer.phase() == Some(Phase::Body) {
            self.timer.stop(); // N9 measures the lack of progress
        }
        self.set_timer(now);
    }

    fn limits(&self) -> reply::Limits {
        match self.expected.front().map(|head| head.what) {
            Some(Expect::Hello(_)) => reply::Limits::HELLO,
            Some(Expect::Auth) => reply::Limits::CHALLENGE,
            _ => reply::Limits::NORMAL,
        }
    }

    fn on_reply(&mut self, now: Instant, reply: Reply, began: u64) {
        self.transcript.server(now, &reply);
        if reply.bare_lf() && !std::mem::replace(&mut self.bare_lf_seen, true) {
            self.notice(Notice::BareLfInReply);
        }
        let reply = match self.expected.front().map(|head| head.what) {
            Some(Expect::Hello(_) | Expect::Auth) => reply,
            _ => reply.shortened(),
        };
        self.doubted = false;
        let closing = reply.code().get() == 421;
        let Some(head) = self.expected.front().copied() else {
            return self.on_unasked_reply(now, reply);
        };
        if head.end > began {
            // D33: it cannot be the answer, since the question was not out when it began to arrive.
            return match head.what {
                Expect::Chunk(_) | Expect::EndOfData(..) | Expect::EndForNobody(_) => {
                    self.on_reply_in_content(now, reply);
                }
                what if closing => self.drop_transport(now, Error::Refused { phase: what.phase(), reply }),
                _ => self.protocol_error(now, PeerError::Unsolicited { reply }),
            };
        }
        self.expected.pop_front();
        self.outstanding -= head.octets;
        self.answered += 1;
        if closing && !matches!(head.what, Expect::Chunk(_) | Expect::EndOfData(..) | Expect::Quit) {
            // R39: the server is leaving; nothing more is sent.
            return self.drop_transport(now, Error::Refused { phase: head.what.phase(), reply });
        }
        match head.what {
            Expect::Greeting => self.on_greeting(now, reply),
            Expect::Hello(hello) => self.on_hello(now, hello, reply),
            Expect::StartTls => self.on_starttls(now, reply),
            Expect::Auth => self.on_auth(now, reply),
            Expect::AuthCancelled => self.part(now),
            Expect::Reset => self.on_reset(now, reply),
            Expect::Mail(id) => self.on_mail(now, id, reply),
            Expect::Rcpt(id, index) => self.on_rcpt(now, id, index, reply),
            Expect::Data(id) => self.on_data(now, id, reply),
            Expect::Chunk(id) => self.on_chunk(now, id, reply),
            Expect::EndOfData(id, index) => {
                let index = index.or_else(|| self.each_for_itself(id, head.end));
                self.on_end_of_data(now, id, index, reply);
            }
            Expect::EndForNobody(id) => self.finish(id),
            Expect::Quit => {
                let parting = self.parting.take();
                self.close(parting);
            }
        }
    }

    /// No command is outstanding: content is flowing, or the server speaks out of turn.
    fn on_unasked_reply(&mut self, now: Instant, reply: Reply) {
        if self.in_data() {
            self.on_reply_in_content(now, reply);
        } else if reply.code().get() == 421 {
            let phase = self.waiting();
            self.drop_transport(now, Error::Refused { phase, reply }); // N37: the one exception
        } else {
            self.protocol_error(now, PeerError::Unsolicited { reply }); // R45
        }
    }
}
