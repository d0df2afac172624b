//! Who watches how the client behaves: a right outcome with wrong manners is still wrong (law 7).
//!
//! The judge sits at the client's end of the line: it sees each octet when the client gives it out, and each reply when the client
//! gets to read it. It knows nothing of the client's code and has its own, simple-minded reading of replies.

use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Greeting,
    Hello,
    Helo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The content, for so many recipients' replies (LMTP: one each).
    Content,
    /// A chunk that is not the last.
    Chunk,
    /// The last chunk: one reply, in LMTP one for each accepted recipient.
    LastChunk,
    Reset,
    Quit,
}

impl Asked {
    /// Commands that nothing may follow before they are answered (RFC 2920 §3.1, R137).
    const fn ends_group(self) -> bool {
        matches!(
            self,
            Self::Greeting | Self::Hello | Self::Helo | Self::StartTls | Self::Auth | Self::Data | Self::Quit
        )
    }
}

/// The judge.
#[derive(Debug, Default)]
pub struct Judge {
    lmtp: bool,
    tls: bool,
    asked: VecDeque<Asked>,
    /// What was offered in the hello now in force, by keyword.
    offers: BTreeMap<String, String>,
    line: Vec<u8>,
    reply: Vec<u8>,
    code: Option<String>,
    hello_lines: Vec<String>,
    content: bool,
    tail: Vec<u8>,
    /// Octets of the chunk that are still to come.
    chunk: u64,
    /// Some chunk has been sent in this transaction, and its last.
    chunked: bool,
    ended: bool,
    /// A chunk was refused: RSET, or nothing; but what waited for the line to take it may still leave.
    dead: bool,
    leeway: usize,
    authenticating: bool,
    smtputf8: bool,
    /// MAIL has been sent and the transaction has not ended, as far as the client can know.
    transaction: bool,
    transactions: usize,
    /// Those whose MAIL has been answered.
    answered: usize,
    rcpts: usize,
    accepted: usize,
    refused: usize,
    quit: bool,
    handshake: bool,
    /// The server broke the protocol or said 421: nothing more but QUIT.
    over: Option<&'static str>,
    objections: Vec<String>,
}

impl Judge {
    /// A judge of a client that has just connected.
    #[must_use]
    pub fn new(lmtp: bool, tls: bool) -> Self {
        Self { lmtp, tls, asked: VecDeque::from([Asked::Greeting]), ..Self::default() }
    }

    /// What was wrong.
    #[must_use]
    pub fn objections(&self) -> &[String] {
        &self.objections
    }

    /// Nothing is asked, half said or half heard, as far as can be seen.
    #[must_use]
    pub fn in_step(&self) -> bool {
        let silent =
            self.line.is_empty() && self.tail.is_empty() && self.reply.is_empty() && self.code.is_none();
        self.handshake || (silent && self.asked.is_empty() && !self.content && !self.authenticating)
    }

    /// A judge who sees nothing: on a wire that is TLS from the first octet.
    #[must_use]
    pub fn blind() -> Self {
        Self { handshake: true, ..Self::default() }
    }

    /// STARTTLS was answered by 220: what follows is no plaintext.
    #[must_use]
    pub fn handshake_due(&self) -> bool {
        self.handshake
    }

    fn object(&mut self, what: impl Into<String>) {
        self.objections.push(what.into());
    }

    /// The client gave out octets.
    pub fn client(&mut self, octets: &[u8]) {
        for octet in octets {
            if self.handshake {
                return;
            }
            if self.chunk > 0 {
                self.chunk -= 1; // R148: whatever they are
                if self.over.is_some() && self.objections.is_empty() {
                    self.object("content after the session was over");
                }
                continue;
            }
            if self.line.is_empty() && self.tail.is_empty() {
                self.before_octet();
            }
            if self.content {
                self.content_octet(*octet);
            } else {
                self.line.push(*octet);
                if *octet == b'\n' {
                    let line = std::mem::take(&mut self.line);
                    self.command(&line);
                }
            }
        }
    }

    fn before_octet(&mut self) {
        if self.quit {
            self.object("octets after QUIT (R59)");
        }
        let Some(last) = self.asked.back().copied() else { return };
        if last.ends_group() {
            self.object(format!("octets behind {last:?} before its reply (R4, R50, R85, R110, R137)"));
        } else if !self.offers.contains_key("PIPELINING") {
            self.object(format!(
                "octets behind {last:?} before its reply, and PIPELINING is not offered (R135)"
            ));
        }
    }

    fn content_octet(&mut self, octet: u8) {
        if self.over.is_some() && self.objections.is_empty() {
            self.object("content after the session was over");
        }
        self.tail.push(octet);
        if !self.tail.ends_with(b"\r\n") {
            return;
        }
        let end = self.tail == b".\r\n";
        self.tail.clear();
        if end {
            self.content = false;
            self.transaction = false;
            let replies = if self.lmtp { self.accepted } else { 1 };
            self.asked.extend(std::iter::repeat_n(Asked::Content, replies));
            if replies == 0 {
                self.over = Some("the number of replies is undefined (R76)");
            }
        }
    }

    fn command(&mut self, line: &[u8]) {
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return self.object(format!("a line without CRLF: {}", line.escape_ascii()));
        };
        let text = String::from_utf8_lossy(line).into_owned();
        if let Some(why) = self.over
            && text != "QUIT"
        {
            self.object(format!("{text:?} though {why}"));
        }
        if self.authenticating {
            self.authenticating = false;
            return self.asked.push_back(Asked::Auth);
        }
        let verb = text.split(' ').next().unwrap_or_default().to_owned();
        let asked = match verb.as_str() {
            "EHLO" => Asked::Hello,
            "LHLO" => Asked::Hello,
            "HELO" => Asked::Helo,
            "STARTTLS" => Asked::StartTls,
            "AUTH" => Asked::Auth,
            "MAIL" => Asked::Mail,
            "RCPT" => Asked::Rcpt,
            "DATA" => Asked::Data,
            "BDAT" if text.ends_with(" LAST") => Asked::LastChunk,
            "BDAT" => Asked::Chunk,
            "RSET" => Asked::Reset,
            "QUIT" => Asked::Quit,
            _ => return self.object(format!("unknown command {text:?}")),
        };
        if (self.lmtp && matches!(verb.as_str(), "EHLO" | "HELO")) || (!self.lmtp && verb == "LHLO") {
            self.object(format!("{verb} in the wrong protocol (R73)"));
        }
        self.check(asked, &text);
        self.asked.push_back(asked);
    }

    fn check(&mut self, asked: Asked, text: &str) {
        match asked {
            Asked::StartTls if self.tls => self.object("STARTTLS inside TLS (R89)"),
            Asked::StartTls if !self.offers.contains_key("STARTTLS") => {
                self.object("STARTTLS not offered (R83)")
            }
            Asked::Auth => {
                let mechanism = text.split(' ').nth(1).unwrap_or_default();
                let offered = self.offers.get("AUTH").cloned().unwrap_or_default();
                if !offered.split(' ').any(|name| name.eq_ignore_ascii_case(mechanism)) {
                    self.object(format!("AUTH {mechanism} not offered (B4)"));
                }
            }
            Asked::Mail => {
                if std::mem::replace(&mut self.transaction, true) {
                    self.object("MAIL inside a transaction (R47)");
                }
                self.transactions += 1;
                self.rcpts = 0;
                (self.chunked, self.ended) = (false, false);
                let since_reset = self.asked.iter().rev().take_while(|asked| **asked != Asked::Reset);
                let mut since_reset = since_reset.copied();
                if std::mem::take(&mut self.dead) || since_reset.any(|asked| asked == Asked::LastChunk) {
                    self.object("MAIL behind a chunk that is or may be refused, without RSET (R152)");
                }
                self.check_parameters(text);
            }
            Asked::Rcpt => {
                if !self.transaction {
                    self.object("RCPT without MAIL (R47)");
                }
                if !text.is_ascii() && !self.smtputf8 {
                    self.object("an address in UTF-8 without SMTPUTF8 (R3, B11)");
                }
                self.rcpts += 1;
            }
            Asked::Data if self.rcpts == 0 => self.object("DATA without RCPT (R47)"),
            Asked::Data if self.for_nobody() => self.object("DATA for nobody (R48)"),
            Asked::Data if self.chunked => self.object("DATA behind BDAT (R150)"),
            Asked::Chunk | Asked::LastChunk => self.check_chunk(asked, text),
            Asked::Reset => {
                if self.transactions == 0 {
                    self.object("RSET before the first message (R56)");
                }
                self.transaction = false;
                self.dead = false;
            }
            Asked::Quit => self.quit = true,
            _ => {}
        }
    }

    /// Everybody is known to be refused.
    fn for_nobody(&self) -> bool {
        self.answered == self.transactions && self.refused == self.rcpts
    }

    fn check_chunk(&mut self, asked: Asked, text: &str) {
        if !self.offers.contains_key("CHUNKING") {
            self.object("BDAT not offered (R147)");
        }
        if self.rcpts == 0 || !self.transaction && !self.chunked {
            self.object("BDAT without RCPT (R47)");
        }
        if !self.chunked && self.for_nobody() {
            self.object("BDAT for nobody (R48)");
        }
        if self.ended {
            self.object("a chunk behind the last (R148)");
        }
        if self.dead && std::mem::take(&mut self.leeway) == 0 {
            self.object("a chunk behind a refused one (R152)");
        }
        let waiting = self.asked.iter().rev().take_while(|asked| matches!(asked, Asked::Chunk)).count();
        if waiting >= 2 {
            self.object("a third chunk without an answer to the first (R153)");
        }
        match text.split(' ').nth(1).map(str::parse::<u64>) {
            Some(Ok(octets)) if octets <= 1 << 20 => self.chunk = octets,
            _ => self.object(format!("{text:?} is no chunk (R148, R155)")),
        }
        self.chunked = true;
        if asked == Asked::LastChunk {
            self.ended = true;
            self.transaction = false;
        }
    }

    /// R14: nothing that was not offered.
    fn check_parameters(&mut self, text: &str) {
        let Some((path, parameters)) = text.split_once('>') else {
            return self.object(format!("no path in {text:?} (R16)"));
        };
        self.smtputf8 = parameters.split(' ').any(|parameter| parameter == "SMTPUTF8");
        if !path.is_ascii() && !self.smtputf8 {
            self.object("an address in UTF-8 without SMTPUTF8 (R3, B11)");
        }
        for parameter in parameters.split(' ').filter(|parameter| !parameter.is_empty()) {
            let keyword = match parameter.split('=').next().unwrap_or_default() {
                "BODY" => "8BITMIME",
                other => other,
            };
            if !self.offers.contains_key(keyword) {
                self.object(format!("{parameter} not offered (R14)"));
            }
        }
    }

    /// The client gets to read octets.
    pub fn server(&mut self, octets: &[u8]) {
        for octet in octets {
            if self.handshake {
                return;
            }
            self.reply.push(*octet);
            if *octet == b'\n' {
                let line = std::mem::take(&mut self.reply);
                self.reply_line(line.trim_ascii_end());
            }
        }
    }

    fn reply_line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line).into_owned();
        let (code, rest) = text.split_at_checked(3).unwrap_or(("", ""));
        let more = rest.starts_with('-');
        let fits = code.bytes().all(|octet| octet.is_ascii_digit())
            && code.starts_with(['2', '3', '4', '5'])
            && self.code.as_deref().is_none_or(|first| first == code);
        if !fits {
            self.over = Some("the server sent no reply (M107)");
            return;
        }
        self.hello_lines.push(rest.get(1..).unwrap_or_default().to_owned());
        self.code = more.then(|| code.to_owned());
        if !more {
            let lines = std::mem::take(&mut self.hello_lines);
            self.answered(code, &lines);
        }
    }

    fn answered(&mut self, code: &str, lines: &[String]) {
        let class = code.as_bytes().first().copied().unwrap_or_default();
        let asked = self.asked.pop_front();
        if asked == Some(Asked::Mail) {
            self.answered += 1;
            (self.accepted, self.refused) = (0, 0);
        }
        if asked == Some(Asked::LastChunk) && self.lmtp {
            // R77: one each
            for _ in 1..self.accepted {
                self.asked.push_front(Asked::Content);
            }
        }
        if code == "421" {
            self.over = Some("the server said 421 (R39)");
        }
        let Some(asked) = asked else {
            self.over = Some("the server spoke unasked (R45, D33)");
            return;
        };
        let newest = self.answered == self.transactions;
        match (asked, class) {
            (Asked::Hello, b'2') => self.offers = offers(lines),
            (Asked::Helo, b'2') => self.offers.clear(),
            (Asked::StartTls, b'2') if code == "220" => self.handshake = true,
            (Asked::Auth, b'3') => self.authenticating = true,
            (Asked::Mail, b'4' | b'5') if newest => self.transaction = false,
            (Asked::Rcpt, b'2') => self.accepted += 1,
            (Asked::Rcpt, b'4' | b'5') => self.refused += 1,
            (Asked::Chunk | Asked::LastChunk, b'3') => {
                self.over = Some("the reply means nothing there (R36)")
            }
            (Asked::Chunk | Asked::LastChunk, b'4' | b'5') if newest => {
                let out = self.asked.iter().any(|asked| matches!(asked, Asked::Chunk | Asked::LastChunk));
                (self.dead, self.leeway) = (true, usize::from(!out));
            }
            (Asked::Data, _) if code == "354" => self.content = true,
            (
                Asked::Data | Asked::Mail | Asked::Rcpt | Asked::Greeting | Asked::Hello | Asked::Helo,
                b'3',
            )
            | (Asked::Data, b'2') => self.over = Some("the reply means nothing there (R36)"),
            (Asked::Greeting, b'4' | b'5') => self.over = Some("the greeting was a refusal (R6)"),
            (Asked::Greeting, _) if code != "220" => self.over = Some("the greeting was no 220 (D31)"),
            _ => {}
        }
    }
}

fn offers(lines: &[String]) -> BTreeMap<String, String> {
    let mut offers: BTreeMap<String, String> = BTreeMap::new();
    for line in lines.iter().skip(1) {
        let (keyword, parameters) = line.split_once([' ', '=']).unwrap_or((line, ""));
        let offer = offers.entry(keyword.to_ascii_uppercase()).or_default();
        *offer = format!("{offer} {parameters}"); // R13: lists of mechanisms are merged
    }
    offers
}
