//! Somebody who reads both directions of a line and knows what a server may have said by now.
//!
//! The server's replies are taken in order, and each is held against the first question in what the client has sent that has no reply
//! yet: a command line, an answer to a challenge, a content. That is all there is to "replies in step"; what a verb *means* is known here
//! only as far as it changes what the octets behind it are.

use smtp_proto::reply::{Limits, Parser, Reply};

use super::receive;

/// Octets of a command (RFC 5321 §4.5.3.1.4).
const LONGEST_COMMAND: usize = 512;

/// What the server is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// One reply for each accepted recipient (RFC 2033 §4.2).
    pub lmtp: bool,
    /// BDAT is offered.
    pub chunking: bool,
    /// LF by itself ends a command.
    pub bare_lf: bool,
}

/// A content that the server has told its application to be complete.
#[derive(Debug)]
struct Claim {
    content: Vec<u8>,
    /// What had been sent by then.
    sent: usize,
}

#[derive(Debug)]
enum State {
    Greeting,
    /// The greeting was a refusal: whatever comes has one reply.
    Refused,
    Command,
    Response,
    /// Behind a 354.
    Content,
    /// So many more replies to a content that had its first.
    Final(usize),
    /// Nothing may follow but a 421.
    Ending,
    /// Nothing may follow.
    Over,
}

/// See above.
#[derive(Debug)]
pub struct Witness {
    kind: Kind,
    sent: Vec<u8>,
    /// Up to here everything has its reply.
    answered: usize,
    parser: Parser,
    state: State,
    extended: bool,
    /// Accepted recipients of the open transaction.
    recipients: Option<usize>,
    chunks: Vec<u8>,
    /// The content that its replies are coming for: what it is, and where it ended.
    ended: Option<(Vec<u8>, usize)>,
    claims: Vec<Claim>,
}

impl Witness {
    /// Nothing has been said yet.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            sent: Vec::new(),
            answered: 0,
            parser: Parser::new(),
            state: State::Greeting,
            extended: false,
            recipients: None,
            chunks: Vec::new(),
            ended: None,
            claims: Vec::new(),
        }
    }

    /// The client sent this.
    pub fn sent(&mut self, octets: &[u8]) {
        self.sent.extend_from_slice(octets);
    }

    /// The server told its application that this is a whole message; what the replies to it have to say, so that they are known.
    pub fn claimed(&mut self, content: Vec<u8>) -> String {
        self.claims.push(Claim { content, sent: self.sent.len() });
        format!("claim {}", self.claims.len() - 1)
    }

    /// These octets reached the client.
    ///
    /// # Panics
    /// If they are no reply, or one that nothing has asked for.
    pub fn heard(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let (used, reply) = self.parser.parse(octets, &Limits::HELLO).expect("a server writes replies");
            octets = &octets[used..];
            if let Some(reply) = reply {
                self.reply(&reply);
            }
        }
    }

    /// Something has been asked completely and waits for its reply.
    pub fn is_waiting(&self) -> bool {
        let rest = &self.sent[self.answered..];
        match self.state {
            State::Greeting | State::Final(_) => true,
            State::Ending | State::Over => false,
            State::Content => receive(rest).is_some(),
            State::Refused | State::Response => rest.contains(&b'\n'),
            State::Command => match self.line() {
                None => false,
                Some(line) if verb(line) == "BDAT" => match chunk(line, self.kind.bare_lf) {
                    None => true,
                    Some((octets, _)) => ((rest.len() - line.len()) as u128) >= octets,
                },
                Some(_) => true,
            },
        }
    }

    /// The first line without a reply, with its LF.
    fn line(&self) -> Option<&[u8]> {
        let rest = &self.sent[self.answered..];
        rest.iter().position(|octet| *octet == b'\n').map(|end| &rest[..=end])
    }

    fn reply(&mut self, reply: &Reply) {
        let code = reply.code().get();
        let good = code < 300;
        if code == 421 {
            assert!(!matches!(self.state, State::Over), "nothing follows the last words: {reply}");
            self.state = State::Over; // of the server's own accord, or an answer
            return;
        }
        match self.state {
            State::Greeting => self.state = if good { State::Command } else { State::Refused },
            State::Refused => drop(self.next_line(code)),
            State::Command => self.command(reply),
            State::Response => {
                drop(self.next_line(code));
                self.challenge(code);
            }
            State::Content => {
                let (content, rest) =
                    receive(&self.sent[self.answered..]).expect("no reply before the end mark");
                self.answered = self.sent.len() - rest.len();
                self.ended = Some((content, self.answered));
                self.last_replies(reply);
            }
            State::Final(left) => {
                self.judge(reply);
                self.state = if left > 1 { State::Final(left - 1) } else { State::Command };
            }
            State::Ending | State::Over => panic!("nothing follows the last words: {reply}"),
        }
    }

    /// Takes the line that a reply is for.
    fn next_line(&mut self, code: u16) -> Option<Vec<u8>> {
        let Some(line) = self.line().map(<[u8]>::to_vec) else {
            // Who speaks before the greeting has left is told so without having said a whole line.
            assert_eq!(code, 554, "a reply, and nobody asked");
            self.state = State::Over;
            return None;
        };
        self.answered += line.len();
        Some(line)
    }

    fn command(&mut self, reply: &Reply) {
        let code = reply.code().get();
        let good = code < 300;
        let Some(line) = self.next_line(code) else { return };
        if verb(&line) == "BDAT" {
            return self.chunk(&line, reply);
        }
        match (verb(&line).as_str(), good) {
            ("MAIL", true) => {
                assert_eq!(self.recipients, None, "one transaction at a time (R47)");
                self.recipients = Some(0);
                self.chunks.clear();
            }
            ("RCPT", true) => *self.recipients.as_mut().expect("no recipient without MAIL") += 1,
            ("RSET", true) => self.recipients = None,
            (hello @ ("HELO" | "EHLO" | "LHLO"), true) => {
                self.recipients = None;
                self.extended = hello != "HELO";
            }
            ("DATA", _) if code == 354 => {
                assert!(self.recipients > Some(0), "no content for nobody (R76)");
                self.state = State::Content;
            }
            ("AUTH", _) => self.challenge(code),
            _ => assert_ne!(code, 354, "an answer to DATA alone"),
        }
    }

    fn challenge(&mut self, code: u16) {
        if !matches!(self.state, State::Over) {
            self.state = if code == 334 { State::Response } else { State::Command };
        }
    }

    fn chunk(&mut self, line: &[u8], reply: &Reply) {
        let code = reply.code().get();
        let Some((octets, last)) = chunk(line, self.kind.bare_lf) else {
            // Where its octets end is not known: they must not be read as commands.
            assert!(code >= 400, "malformed");
            self.state = State::Ending;
            return;
        };
        if ((self.sent.len() - self.answered) as u128) < octets {
            // Who spoke before the greeting had left is not listened to.
            assert_eq!(code, 554, "no reply before the last octet of a chunk");
            self.state = State::Over;
            return;
        }
        let end = self.answered + octets as usize;
        let octets = self.sent[self.answered..end].to_vec();
        self.answered = end;
        let counts = self.kind.chunking && self.extended && self.recipients > Some(0);
        if !counts {
            return assert!(code >= 400, "no chunk without an offer and a recipient");
        }
        self.chunks.extend(octets);
        if last {
            self.ended = Some((std::mem::take(&mut self.chunks), end));
            self.last_replies(reply);
        } else if code >= 400 {
            self.recipients = None; // R152
        }
    }

    fn last_replies(&mut self, reply: &Reply) {
        let count = if self.kind.lmtp { self.recipients.unwrap_or(1) } else { 1 };
        self.recipients = None;
        self.state = State::Final(count);
        self.reply(reply);
    }

    /// A last reply: yes is said of what has been claimed, and a claim is the whole content and nothing but it.
    fn judge(&self, reply: &Reply) {
        let text = reply.text();
        let claim = text.rsplit_once("claim ").and_then(|(_, number)| number.parse::<usize>().ok());
        let Some(claim) = claim else {
            return assert!(reply.code().get() >= 400, "accepted, and nobody was asked: {text}");
        };
        let (content, end) = self.ended.as_ref().expect("a content has ended");
        let claim = &self.claims[claim];
        assert!(claim.sent >= *end, "claimed before its end");
        assert_eq!(&claim.content, content, "what was claimed is what was sent");
    }
}

fn verb(line: &[u8]) -> String {
    let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    String::from_utf8_lossy(word).to_ascii_uppercase()
}

/// `BDAT octets [LAST]`, and how many octets follow it; `None`: nobody knows.
fn chunk(line: &[u8], bare_lf: bool) -> Option<(u128, bool)> {
    let text = match line.strip_suffix(b"\r\n") {
        Some(text) => text,
        None => line.strip_suffix(b"\n").filter(|_| bare_lf)?,
    };
    if line.len() > LONGEST_COMMAND {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?.trim_end_matches([' ', '\t']).to_ascii_uppercase();
    let argument = text.strip_prefix("BDAT")?.strip_prefix([' ', '\t'])?;
    let (digits, last) = argument.strip_suffix(" LAST").map_or((argument, false), |digits| (digits, true));
    let fits = (1..=20).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    fits.then(|| (digits.parse().unwrap_or(u128::MAX), last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: &[u8] = b"EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n";

    fn told(kind: Kind) -> Witness {
        let mut witness = Witness::new(Kind { chunking: true, ..kind });
        witness.heard(b"220 mx\r\n");
        witness.sent(ENVELOPE);
        witness.heard(b"250 mx\r\n250 ok\r\n250 ok\r\n");
        assert!(!witness.is_waiting());
        witness
    }

    #[test]
    fn a_message_is_known_to_its_octets() {
        let mut witness = told(Kind::default());
        witness.sent(b"DATA\r\n");
        witness.heard(b"354 go\r\n");
        witness.sent(b"..\r\n.\r");
        assert!(!witness.is_waiting());
        witness.sent(b"\nNOOP\r\n");
        assert!(witness.is_waiting());
        let text = witness.claimed(b".\r\n".to_vec());
        witness.heard(format!("250 {text}\r\n250 ok\r\n").as_bytes());
        assert!(!witness.is_waiting());
    }

    #[test]
    fn lmtp_has_a_reply_for_each_recipient() {
        let mut witness = told(Kind { lmtp: true, ..Kind::default() });
        witness.sent(b"RCPT TO:<c@x>\r\nBDAT 1\r\nxBDAT 1 LAST\r\nyNOOP\r\n");
        witness.heard(b"250 ok\r\n250 chunk\r\n");
        let text = witness.claimed(b"xy".to_vec());
        witness.heard(format!("250 {text}\r\n450 {text}\r\n").as_bytes());
        assert!(witness.is_waiting());
        witness.heard(b"250 ok\r\n");
        assert!(!witness.is_waiting());
    }

    #[test]
    #[should_panic(expected = "a reply, and nobody asked")]
    fn a_reply_too_many_is_noticed() {
        told(Kind::default()).heard(b"250 ok\r\n");
    }

    #[test]
    #[should_panic(expected = "no reply before the end mark")]
    fn a_reply_before_the_end_mark_is_noticed() {
        let mut witness = told(Kind::default());
        witness.sent(b"DATA\r\n");
        witness.heard(b"354 go\r\n");
        witness.sent(b"x\n.\r\n");
        witness.heard(b"250 taken\r\n");
    }

    #[test]
    #[should_panic(expected = "claimed before its end")]
    fn a_claim_before_the_end_mark_is_noticed() {
        let mut witness = told(Kind::default());
        witness.sent(b"DATA\r\nx\r\n");
        witness.heard(b"354 go\r\n");
        let text = witness.claimed(b"x\r\n".to_vec());
        witness.sent(b".\r\n");
        witness.heard(format!("250 {text}\r\n").as_bytes());
    }

    #[test]
    #[should_panic(expected = "what was claimed is what was sent")]
    fn a_changed_octet_is_noticed() {
        let mut witness = told(Kind::default());
        witness.sent(b"BDAT 1 LAST\r\nx");
        let text = witness.claimed(b"y".to_vec());
        witness.heard(format!("250 {text}\r\n").as_bytes());
    }

    #[test]
    #[should_panic(expected = "no reply before the last octet of a chunk")]
    fn a_reply_before_the_last_octet_of_a_chunk_is_noticed() {
        let mut witness = told(Kind::default());
        witness.sent(b"BDAT 2\r\nx");
        witness.heard(b"250 ok\r\n");
    }

    #[test]
    fn a_chunk_before_its_time_is_no_content() {
        let mut witness = Witness::new(Kind { chunking: true, ..Kind::default() });
        witness.heard(b"220 mx\r\n");
        witness.sent(b"EHLO c\r\nMAIL FROM:<a@x>\r\nBDAT 1 LAST\r\nxRCPT TO:<b@x>\r\nBDAT 1 LAST\r\ny");
        witness.heard(b"250 mx\r\n250 ok\r\n503 no\r\n250 ok\r\n");
        let text = witness.claimed(b"y".to_vec());
        witness.heard(format!("250 {text}\r\n").as_bytes());
    }

    #[test]
    fn the_last_error_allowed_may_be_a_malformed_chunk() {
        let mut witness = told(Kind::default());
        witness.sent(b"BDAT x\r\n");
        witness.heard(b"501 what\r\n421 too many errors\r\n");
        assert!(!witness.is_waiting());
    }

    #[test]
    #[should_panic(expected = "nothing follows the last words")]
    fn a_malformed_chunk_is_the_last_command() {
        let mut witness = told(Kind::default());
        witness.sent(b"BDAT x\r\nNOOP\r\n");
        witness.heard(b"501 what\r\n250 ok\r\n");
    }

    #[test]
    #[should_panic(expected = "malformed")]
    fn octets_behind_a_malformed_chunk_are_nobodys_commands() {
        let mut witness = told(Kind::default());
        witness.sent(b"BDAT x LAST\r\n");
        witness.heard(b"250 ok\r\n");
    }
}
