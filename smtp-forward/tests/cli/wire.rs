//! A server that answers by rules and remembers the wire: one transcript a connection.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::support::PATIENCE;

/// What a server says. Without rules it takes everything.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// The lines of its reply to EHLO and LHLO; STARTTLS goes without saying where there is TLS, until there is.
    pub(crate) offers: &'static [&'static str],
    /// What is said to a line that begins so, first come; `GREETING` is before any line, `.` the end of content. `HANGUP` is to go.
    pub(crate) replies: Vec<(&'static str, &'static str)>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// TLS from the first octet.
    pub(crate) implicit: bool,
}

impl Rules {
    pub(crate) fn offering(offers: &'static [&'static str]) -> Self {
        Self { offers, ..Self::default() }
    }

    pub(crate) fn tls(config: &Arc<ServerConfig>) -> Self {
        Self { tls: Some(Arc::clone(config)), ..Self::default() }
    }

    pub(crate) fn saying(mut self, line: &'static str, reply: &'static str) -> Self {
        self.replies.push((line, reply));
        self
    }
}

/// One connection: `C: …` and `S: …` lines, and what became of a handshake.
pub(crate) type Session = Vec<String>;

/// The server.
pub(crate) struct Wire {
    pub(crate) port: u16,
    done: Arc<AtomicBool>,
    accepting: JoinHandle<Vec<JoinHandle<Session>>>,
}

impl Wire {
    pub(crate) fn start(rules: Rules) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), rules)
    }

    pub(crate) fn on(listener: TcpListener, rules: Rules) -> Self {
        let port = listener.local_addr().unwrap().port();
        let done = Arc::new(AtomicBool::new(false));
        let accepting = thread::spawn({
            let done = Arc::clone(&done);
            move || {
                let mut sessions = Vec::new();
                for stream in listener.incoming().flatten() {
                    if done.load(Ordering::SeqCst) {
                        break;
                    }
                    let rules = rules.clone();
                    sessions.push(thread::spawn(move || serve(stream, &rules)));
                }
                sessions
            }
        });
        Self { port, done, accepting }
    }

    /// Nobody will connect any more: what was said, connection by connection.
    pub(crate) fn finish(self) -> Vec<Session> {
        self.done.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port))); // wakes who waits for a connection
        let sessions = self.accepting.join().unwrap();
        sessions.into_iter().map(|session| session.join().unwrap()).collect()
    }
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Stream {
    fn say(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.write_all(text.as_bytes()),
            Self::Tls(stream) => stream.write_all(text.as_bytes()).and_then(|()| stream.flush()),
        }
    }
}

struct Served<'r> {
    rules: &'r Rules,
    /// `None`: it is gone.
    stream: Option<Stream>,
    unread: Vec<u8>,
    said: Session,
    lmtp: bool,
    accepted: usize,
}

fn serve(stream: TcpStream, rules: &Rules) -> Session {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut served = Served {
        rules,
        stream: Some(Stream::Clear(stream)),
        unread: Vec::new(),
        said: Vec::new(),
        lmtp: false,
        accepted: 0,
    };
    if rules.implicit {
        served.handshake();
    }
    served.answer("GREETING", "220 wire.example");
    while let Some(line) = served.line() {
        served.said.push(format!("C: {line}"));
        served.command(&line);
    }
    served.said
}

impl Served<'_> {
    fn command(&mut self, line: &str) {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "LHLO" => {
                self.lmtp = verb == "LHLO";
                let in_clear = matches!(self.stream, Some(Stream::Clear(_)));
                let starttls = (self.rules.tls.is_some() && in_clear).then_some("STARTTLS");
                let lines: Vec<_> =
                    ["wire.example"].iter().chain(self.rules.offers).copied().chain(starttls).collect();
                let (last, before) = lines.split_last().unwrap();
                let reply: String = before.iter().map(|line| format!("250-{line}\r\n")).collect();
                self.answer(line, &format!("{reply}250 {last}"));
            }
            "STARTTLS" => {
                if self.answer(line, "220 go ahead") {
                    self.handshake();
                }
            }
            "AUTH" => drop(self.answer(line, "235 2.7.0 welcome")),
            "RCPT" => {
                if self.answer(line, "250 2.1.5 ok") {
                    self.accepted += 1;
                }
            }
            "DATA" => {
                if self.answer(line, "354 go ahead") {
                    self.content();
                }
            }
            "QUIT" => {
                self.answer(line, "221 2.0.0 bye");
                self.stream = None;
            }
            _ => drop(self.answer(line, "250 2.0.0 ok")),
        }
    }

    fn content(&mut self) {
        while let Some(line) = self.line() {
            self.said.push(format!("C: {line}"));
            if line == "." {
                let replies = if self.lmtp { self.accepted } else { 1 };
                for _ in 0..replies {
                    self.answer(".", "250 2.0.0 taken");
                }
                return;
            }
        }
    }

    /// Says what the rules have for the line, or else this; whether it was this.
    fn answer(&mut self, line: &str, usual: &str) -> bool {
        let rule = self
            .rules
            .replies
            .iter()
            .find(|(start, _)| if *start == "." { line == "." } else { line.starts_with(start) });
        let reply = rule.map_or(usual, |(_, reply)| reply);
        if reply == "HANGUP" {
            self.stream = None;
            return false;
        }
        let Some(stream) = &mut self.stream else { return false };
        if stream.say(&format!("{reply}\r\n")).is_err() {
            self.stream = None;
        }
        self.said.extend(reply.split("\r\n").map(|line| format!("S: {line}")));
        rule.is_none()
    }

    fn handshake(&mut self) {
        assert!(self.unread.is_empty(), "the client sent plaintext behind STARTTLS");
        let (Some(Stream::Clear(mut tcp)), Some(config)) = (self.stream.take(), &self.rules.tls) else {
            return;
        };
        let mut tls = ServerConnection::new(Arc::clone(config)).unwrap();
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut tcp) {
                self.said.push(format!("TLS failed: {error}"));
                return;
            }
        }
        let certificate = if tls.peer_certificates().is_some() { " with a client certificate" } else { "" };
        self.said.push(format!("{:?}{certificate}", tls.protocol_version().unwrap()));
        self.stream = Some(Stream::Tls(Box::new(StreamOwned::new(tls, tcp))));
    }

    /// The next line, without its end; `None`: the client is gone.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            let mut buffer = [0; 4096];
            match self.stream.as_mut()?.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
            }
        }
    }
}
