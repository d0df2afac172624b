//! A scripted server: plaintext by a table of replies, TLS by rustls.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    sync::Arc,
};

use rustls::{ServerConfig, ServerConnection};

/// What happens instead of a TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Octets in the same read as the 220.
    Behind(&'static [u8]),
    /// Octets in the next read, before the ClientHello is out; `true`: it has been offered to the transport already.
    Before(&'static [u8], bool),
    /// Octets in answer to the ClientHello; then silence.
    Answer(&'static [u8]),
    /// Octets in answer to the ClientHello; then the end of the file.
    AnswerAndClose(&'static [u8]),
}

/// A fatal alert `protocol_version`, as a server limited to TLS 1.1 sends it.
pub(crate) const ALERT: &[u8] = &[21, 3, 1, 0, 2, 2, 70];

/// What a server does on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// Keywords offered before and in TLS.
    pub(crate) offers: Vec<&'static str>,
    pub(crate) offers_in_tls: Vec<&'static str>,
    /// The TLS side, and whether TLS comes first.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) implicit: bool,
    pub(crate) sabotage: Option<Sabotage>,
    /// Replies by verb, other than yes. `*VERB` counts in TLS only; `EHLO` in plaintext only. `close` and `silence` say nothing.
    pub(crate) replies: BTreeMap<&'static str, &'static str>,
    /// The transport cannot be opened.
    pub(crate) refused: bool,
}

impl Script {
    /// Plaintext, no extension.
    pub(crate) fn plain() -> Self {
        Self {
            offers: Vec::new(),
            offers_in_tls: Vec::new(),
            tls: None,
            implicit: false,
            sabotage: None,
            replies: BTreeMap::new(),
            refused: false,
        }
    }

    /// STARTTLS offered, and TLS as `config` has it.
    pub(crate) fn starttls(config: &Arc<ServerConfig>) -> Self {
        let mut script = Self::plain().offering("STARTTLS");
        script.tls = Some(Arc::clone(config));
        script
    }

    /// TLS from the first octet.
    pub(crate) fn implicit(config: &Arc<ServerConfig>) -> Self {
        let mut script = Self::plain();
        script.tls = Some(Arc::clone(config));
        script.implicit = true;
        script
    }

    /// STARTTLS offered, and then this.
    pub(crate) fn sabotaged(sabotage: Sabotage) -> Self {
        let mut script = Self::plain().offering("STARTTLS");
        script.sabotage = Some(sabotage);
        script
    }

    pub(crate) fn unreachable() -> Self {
        let mut script = Self::plain();
        script.refused = true;
        script
    }

    pub(crate) fn offering(mut self, keyword: &'static str) -> Self {
        self.offers.push(keyword);
        self
    }

    pub(crate) fn offering_in_tls(mut self, keyword: &'static str) -> Self {
        self.offers_in_tls.push(keyword);
        self
    }

    pub(crate) fn reply(mut self, verb: &'static str, reply: &'static str) -> Self {
        self.replies.insert(verb, reply);
        self
    }
}

/// One connection's server side.
pub(crate) struct Server {
    script: Script,
    tls: Option<Box<ServerConnection>>,
    /// The handshake is over.
    pub(crate) secure: bool,
    input: Vec<u8>,
    /// Octets for the client.
    pub(crate) output: Vec<u8>,
    pub(crate) close: bool,
    /// To be delivered before the ClientHello.
    pub(crate) early: Option<(&'static [u8], bool)>,
    /// Every octet the client wrote.
    pub(crate) wire: Vec<u8>,
    /// The octets the client wrote outside of TLS.
    pub(crate) clear: Vec<u8>,
    /// Verbs; `*`: in TLS. AUTH and its responses in full.
    pub(crate) log: Vec<String>,
    /// MAIL and RCPT in full.
    pub(crate) envelope: Vec<String>,
    content: bool,
    challenge: bool,
    pub(crate) sni: Option<String>,
    pub(crate) messages: usize,
    answering: bool,
}

impl Server {
    pub(crate) fn new(script: Script) -> Self {
        let mut server = Self {
            script,
            tls: None,
            secure: false,
            input: Vec::new(),
            output: Vec::new(),
            close: false,
            early: None,
            wire: Vec::new(),
            clear: Vec::new(),
            log: Vec::new(),
            envelope: Vec::new(),
            content: false,
            challenge: false,
            sni: None,
            messages: 0,
            answering: false,
        };
        if server.script.implicit {
            server.begin_tls();
        } else {
            server.answer("GREETING", "220 mx");
        }
        server
    }

    fn begin_tls(&mut self) {
        let config = self.script.tls.clone().expect("a script with TLS");
        self.tls = Some(Box::new(ServerConnection::new(config).unwrap()));
    }

    pub(crate) fn line(&self) -> String {
        self.log.join(" ")
    }

    /// The client wrote.
    pub(crate) fn take(&mut self, octets: &[u8]) {
        self.wire.extend_from_slice(octets);
        if self.answering {
            // The ClientHello of a handshake that never comes.
            match self.script.sabotage.take() {
                Some(Sabotage::Answer(answer)) => self.output.extend_from_slice(answer),
                Some(Sabotage::AnswerAndClose(answer)) => {
                    self.output.extend_from_slice(answer);
                    self.close = true;
                }
                _ => {}
            }
        } else if self.tls.is_some() {
            self.take_records(octets);
        } else {
            self.clear.extend_from_slice(octets);
            self.input.extend_from_slice(octets);
            self.take_lines();
        }
    }

    fn take_records(&mut self, mut octets: &[u8]) {
        let Some(mut tls) = self.tls.take() else { return };
        let mut broken = false;
        while !octets.is_empty() && !broken {
            if tls.read_tls(&mut octets).unwrap() == 0 {
                break;
            }
            broken = tls.process_new_packets().is_err();
            let mut plain = [0; 4096];
            while let Ok(read @ 1..) = tls.reader().read(&mut plain) {
                self.input.extend_from_slice(&plain[..read]);
            }
        }
        let done = !broken && !tls.is_handshaking() && !self.secure;
        self.sni = tls.server_name().map(str::to_owned);
        self.tls = Some(tls);
        if done {
            self.secure = true;
            if self.script.implicit {
                self.answer("GREETING", "220 mx");
            }
        }
        if broken {
            self.log.push("<broken>".to_owned());
            self.close = true;
        } else {
            self.take_lines();
        }
        self.flush();
    }

    fn flush(&mut self) {
        if let Some(tls) = self.tls.as_mut() {
            while tls.wants_write() {
                tls.write_tls(&mut self.output).unwrap();
            }
        }
    }

    fn take_lines(&mut self) {
        while !self.close {
            let end: &[u8] = if self.content { b"\r\n.\r\n" } else { b"\r\n" };
            let Some(at) = self.input.windows(end.len()).position(|window| window == end) else { return };
            let line = self.input.drain(..at + end.len()).collect::<Vec<u8>>();
            self.take_line(String::from_utf8_lossy(&line).trim_end_matches("\r\n"));
            if self.answering || (self.tls.is_some() && !self.secure) {
                return;
            }
        }
    }

    fn note(&mut self, what: &str) {
        self.log.push(format!("{}{what}", if self.secure { "*" } else { "" }));
    }

    fn take_line(&mut self, line: &str) {
        if self.content {
            self.content = false;
            self.note("message");
            self.messages += 1;
            return self.answer("END", "250 2.0.0 taken");
        }
        if std::mem::take(&mut self.challenge) {
            self.note(line);
            return self.answer("RESPONSE", "235 2.7.0 welcome");
        }
        let verb = line.split([' ', ':']).next().unwrap();
        if verb.bytes().all(|octet| octet.is_ascii_uppercase()) {
            self.note(if matches!(verb, "AUTH" | "STARTTLS") { line } else { verb });
        }
        match verb {
            "EHLO" | "LHLO" => {
                let offers = if self.secure { &self.script.offers_in_tls } else { &self.script.offers };
                let mut lines = vec!["mx"];
                lines.extend(offers);
                let last = lines.len() - 1;
                let reply: Vec<String> = lines
                    .iter()
                    .enumerate()
                    .map(|(nth, text)| format!("250{}{text}", if nth == last { ' ' } else { '-' }))
                    .collect();
                self.answer("EHLO", &reply.join("\r\n"));
            }
            "STARTTLS" => self.answer_starttls(),
            "AUTH" => self.answer("AUTH", "235 2.7.0 welcome"),
            "DATA" => self.answer("DATA", "354 go"),
            "QUIT" => {
                self.answer("QUIT", "221 bye");
                self.close = self.close || self.reply_to("QUIT") != Some("silence");
            }
            "MAIL" | "RCPT" => {
                self.envelope.push(line.to_owned());
                self.answer(if verb == "MAIL" { "MAIL" } else { "RCPT" }, "250 ok");
            }
            "HELO" => self.answer("HELO", "250 mx"),
            // Only where a script answers STARTTLS by 220 and does not mean it.
            _ => {
                self.log.push("<garbage>".to_owned());
                self.close = true;
            }
        }
    }

    fn answer_starttls(&mut self) {
        assert!(!self.secure, "B22, R89: never inside TLS");
        if self.script.replies.contains_key("STARTTLS") {
            return self.answer("STARTTLS", "");
        }
        self.answer("STARTTLS", "220 go");
        match &self.script.sabotage {
            None => self.begin_tls(),
            Some(sabotage) => {
                self.answering = true;
                match sabotage {
                    Sabotage::Behind(octets) => self.output.extend_from_slice(octets),
                    Sabotage::Before(octets, offered) => self.early = Some((octets, *offered)),
                    Sabotage::Answer(_) | Sabotage::AnswerAndClose(_) => {}
                }
            }
        }
    }

    fn reply_to(&self, verb: &str) -> Option<&'static str> {
        let replies = &self.script.replies;
        let anywhere = || replies.get(verb).filter(|_| !(self.secure && verb == "EHLO"));
        if self.secure { replies.get(format!("*{verb}").as_str()).or_else(anywhere) } else { anywhere() }
            .copied()
    }

    fn answer(&mut self, verb: &str, default: &str) {
        match self.reply_to(verb).unwrap_or(default) {
            "close" => self.close = true,
            "silence" => {}
            reply => {
                self.content = verb == "DATA" && reply.starts_with("354");
                self.challenge = matches!(verb, "AUTH" | "RESPONSE") && reply.starts_with("334");
                self.close = reply.starts_with("421");
                let octets = format!("{reply}\r\n");
                match self.tls.as_mut() {
                    Some(tls) => tls.writer().write_all(octets.as_bytes()).unwrap(),
                    None => self.output.extend_from_slice(octets.as_bytes()),
                }
            }
        }
        self.flush();
    }
}
