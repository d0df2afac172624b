//! The server that does what a script says.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use rustls::ServerConnection;

use crate::{
    WATCHDOG,
    script::{Step, parse},
    tls::{Direction, Kind},
};

/// Between two octets of who dawdles. Nothing is measured by it: whatever it is, a deadline must end it.
const PAUSE: Duration = Duration::from_millis(5);
/// Octets kept of what a client says in one session; content may be long, secrets come early.
const KEPT: usize = 256 * 1024;

/// The end of a case, which every thread of it waits for.
#[derive(Default)]
pub(crate) struct Over {
    over: Mutex<bool>,
    changed: Condvar,
}

impl Over {
    /// Waits so long, or until it is over.
    fn within(&self, time: Duration) -> bool {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        *self.changed.wait_timeout_while(over, time, |over| !*over).unwrap_or_else(PoisonError::into_inner).0
    }

    fn set(&self) {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

/// What one session of a client was.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Every octet that passed the wire, in clear or not.
    pub(crate) wire: Vec<u8>,
    /// What the client said, decrypted.
    pub(crate) said: Vec<u8>,
    /// What it said after the last step that heard something.
    pub(crate) tail: Vec<u8>,
    /// An end mark was among it.
    pub(crate) end_mark: bool,
    /// A step that did not come about.
    pub(crate) amiss: Option<String>,
}

/// A listener whose sessions each have a thread.
pub(crate) struct Server<T> {
    pub(crate) address: SocketAddr,
    over: Arc<Over>,
    thread: JoinHandle<Vec<JoinHandle<T>>>,
}

impl<T: Send + 'static> Server<T> {
    pub(crate) fn start(session: impl Fn(usize, TcpStream, Arc<Over>) -> T + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        // Inherited by what is accepted: a server that stops reading is felt soon.
        let _ = socket2::SockRef::from(&listener).set_recv_buffer_size(16 * 1024);
        let over = Arc::new(Over::default());
        let session = Arc::new(session);
        let thread = std::thread::spawn({
            let over = Arc::clone(&over);
            move || {
                let mut sessions = Vec::new();
                while let Ok((socket, _)) = listener.accept() {
                    if over.within(Duration::ZERO) {
                        break;
                    }
                    let (session, over, number) = (Arc::clone(&session), Arc::clone(&over), sessions.len());
                    sessions.push(std::thread::spawn(move || session(number, socket, over)));
                }
                sessions
            }
        });
        Self { address, over, thread }
    }

    /// The client is done: what came of each session.
    pub(crate) fn finish(self) -> Vec<T> {
        self.over.set();
        drop(TcpStream::connect(self.address)); // wakes who waits for a connection
        let sessions = self.thread.join().expect("a sound server");
        sessions.into_iter().map(|session| session.join().expect("a sound session")).collect()
    }
}

/// Plays a script in each session, in order.
pub(crate) fn hostile(scripts: &[String]) -> Server<Heard> {
    let scripts: Vec<Vec<Step>> = scripts.iter().map(|script| parse(script)).collect();
    Server::start(move |number, socket, over| {
        let Some(steps) = scripts.get(number) else {
            let amiss = Some("the client connects once more than it should".to_owned());
            return Heard { amiss, ..Heard::default() };
        };
        Session::new(socket, over).play(steps)
    })
}

/// What a client talks through.
enum Channel {
    Clear,
    Tls(Box<ServerConnection>),
    Forged { out: Box<Direction>, back: Box<Direction>, records: Vec<u8> },
}

struct Session {
    socket: Option<TcpStream>,
    channel: Channel,
    over: Arc<Over>,
    heard: Heard,
    /// Said and not asked for yet.
    buffer: Vec<u8>,
}

impl Session {
    fn new(socket: TcpStream, over: Arc<Over>) -> Self {
        let _ = socket.set_nodelay(true);
        let _ = socket.set_read_timeout(Some(WATCHDOG));
        let _ = socket.set_write_timeout(Some(WATCHDOG));
        Self {
            socket: Some(socket),
            channel: Channel::Clear,
            over,
            heard: Heard::default(),
            buffer: Vec::new(),
        }
    }

    fn play(mut self, steps: &[Step]) -> Heard {
        for (number, step) in steps.iter().enumerate() {
            if let Err(error) = self.step(step) {
                self.heard.amiss = Some(format!("step {}, {step:?}: {error}", number + 1));
                break;
            }
        }
        // Listens until the client has gone.
        while self.receive().is_ok_and(|more| more) {}
        self.heard.tail = std::mem::take(&mut self.buffer);
        self.heard
    }

    fn socket(&mut self) -> io::Result<&mut TcpStream> {
        self.socket.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Say(octets) => self.say(octets),
            Step::Push(octets) => {
                let _ = self.say(octets);
                Ok(())
            }
            Step::Flood(octets) => {
                let many = octets.repeat(16 * 1024 / octets.len().max(1) + 1);
                self.until_gone(|session| session.say(&many))
            }
            Step::Drip(octets) => {
                let mut octets = octets.iter().cycle();
                self.until_gone(|session| {
                    session.over.within(PAUSE);
                    session.say(&[*octets.next().unwrap_or(&b'x')])
                })
            }
            Step::Hear(prefix) => self.hear(prefix),
            Step::Content => self.hear_content(),
            Step::Some(octets) => {
                let mut taken = 0;
                while taken < *octets {
                    self.receive_more()?;
                    taken += std::mem::take(&mut self.buffer).len();
                }
                Ok(())
            }
            Step::Sip => self.until_gone(|session| {
                session.over.within(PAUSE);
                if session.receive_some(512)? { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
            }),
            Step::Stall => {
                self.over.within(WATCHDOG);
                self.socket = None;
                Ok(())
            }
            Step::Close => self.close(),
            Step::Fin => self.socket()?.shutdown(Shutdown::Write),
            Step::Reset => {
                let socket = self.socket.take().ok_or(ErrorKind::NotConnected)?;
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO))
            }
            Step::ClientHello => {
                let mut header = [0; 5];
                self.socket()?.read_exact(&mut header)?;
                let mut hello = vec![0; usize::from(header[3]) * 256 + usize::from(header[4])];
                self.socket()?.read_exact(&mut hello)?;
                if header[0] == 22 { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
            }
            Step::Tls(kind) => self.begin_tls(*kind, b""),
            Step::TlsEarly(octets) => {
                let _ = self.begin_tls(Kind::HalfRtt, octets);
                Ok(())
            }
            Step::TlsFails(kind) => match self.begin_tls(*kind, b"") {
                Ok(()) => Err(io::Error::other("TLS came about")),
                Err(_) => Ok(()),
            },
            Step::Wire(octets) => self.socket()?.write_all(octets),
            Step::Corrupt(line) => {
                let mut record = self.sealed(line)?;
                if let Some(last) = record.last_mut() {
                    *last ^= 0xff;
                }
                self.socket()?.write_all(&record)
            }
            Step::Torn(line) => {
                let record = self.sealed(line)?;
                let half = record.len() / 2;
                self.socket()?.write_all(record.get(..half).unwrap_or_default())
            }
            Step::Record(kind, payload) => self.record(*kind, payload),
            Step::Records(kind, payload) => self.until_gone(|session| session.record(*kind, payload)),
        }
    }

    /// Again and again until the client has gone, which it must have before the case is over.
    fn until_gone(&mut self, mut act: impl FnMut(&mut Self) -> io::Result<()>) -> io::Result<()> {
        loop {
            if let Err(error) = act(self) {
                let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                return if waited { Err(error) } else { Ok(()) };
            }
        }
    }

    // ---- the channel -------------------------------------------------------------------------------------------------------------

    fn sealed(&mut self, octets: &[u8]) -> io::Result<Vec<u8>> {
        let mut wire = Vec::new();
        match &mut self.channel {
            Channel::Clear => wire.extend_from_slice(octets),
            Channel::Tls(session) => {
                for some in octets.chunks(16 * 1024) {
                    session.writer().write_all(some)?;
                    while session.wants_write() {
                        session.write_tls(&mut wire)?;
                    }
                }
            }
            Channel::Forged { out, .. } => wire = out.seal(23, octets),
        }
        Ok(wire)
    }

    fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        let wire = self.sealed(octets)?;
        self.socket()?.write_all(&wire)
    }

    fn record(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let Channel::Forged { out, .. } = &mut self.channel else {
            return Err(io::Error::other("no forged TLS"));
        };
        let record = out.seal(kind, payload);
        self.socket()?.write_all(&record)
    }

    fn close(&mut self) -> io::Result<()> {
        let mut wire = Vec::new();
        if let Channel::Tls(session) = &mut self.channel {
            session.send_close_notify();
            while session.wants_write() {
                session.write_tls(&mut wire)?;
            }
        }
        self.socket()?.write_all(&wire)?;
        self.socket()?.shutdown(Shutdown::Write)
    }

    fn begin_tls(&mut self, kind: Kind, early: &[u8]) -> io::Result<()> {
        let mut session = Box::new(ServerConnection::new(kind.server()).map_err(io::Error::other)?);
        session.writer().write_all(early)?;
        self.shake_hands(&mut session)?;
        self.channel = Channel::Tls(session);
        self.decrypted()?;
        if kind.is_forged() {
            let channel = std::mem::replace(&mut self.channel, Channel::Clear);
            let Channel::Tls(session) = channel else { return Ok(()) };
            let secrets = extract(*session).map_err(io::Error::other)?;
            let inner = kind == Kind::Forged13;
            self.channel = Channel::Forged {
                out: Box::new(Direction::new(secrets.tx, inner)),
                back: Box::new(Direction::new(secrets.rx, inner)),
                records: Vec::new(),
            };
        }
        Ok(())
    }

    fn shake_hands(&mut self, session: &mut ServerConnection) -> io::Result<()> {
        let mut broken = Ok(());
        loop {
            // In one write: what comes with a Finished is there when the client reads it.
            let mut wire = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut wire)?;
            }
            self.socket()?.write_all(&wire)?;
            if broken.is_err() || !session.is_handshaking() {
                return broken;
            }
            let mut space = vec![0; 16 * 1024];
            let read = self.socket()?.read(&mut space)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let mut records = space.get(..read).unwrap_or_default();
            keep(&mut self.heard.wire, records);
            while !records.is_empty() && broken.is_ok() {
                session.read_tls(&mut records)?;
                broken = session.process_new_packets().map(|_| ()).map_err(io::Error::other);
            }
        }
    }

    // ---- the client --------------------------------------------------------------------------------------------------------------

    fn hear(&mut self, prefix: &str) -> io::Result<()> {
        loop {
            if let Some(end) = self.buffer.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let same = |(expected, octet): (u8, &u8)| expected == b'?' || expected == *octet;
                if line.len() > prefix.len() && prefix.bytes().zip(&line).all(same) {
                    return Ok(());
                }
                return Err(io::Error::other(format!("the client said {}", line.escape_ascii())));
            }
            self.receive_more()?;
        }
    }

    fn hear_content(&mut self) -> io::Result<()> {
        let mut searched = 0;
        loop {
            // The line that DATA stands in counts as the one in front of the content.
            let rest = self.buffer.get(searched..).unwrap_or_default();
            let start = rest.starts_with(b".\r\n").then_some(3).filter(|_| searched == 0);
            let behind =
                rest.windows(5).position(|octets| octets == b"\r\n.\r\n").map(|at| searched + at + 5);
            if let Some(end) = start.or(behind) {
                self.buffer.drain(..end);
                return Ok(());
            }
            searched = self.buffer.len().saturating_sub(4);
            self.receive_more()?;
        }
    }

    fn receive_more(&mut self) -> io::Result<()> {
        if self.receive()? { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn receive(&mut self) -> io::Result<bool> {
        self.receive_some(16 * 1024)
    }

    /// Reads once; false: the client has gone.
    fn receive_some(&mut self, octets: usize) -> io::Result<bool> {
        let mut space = vec![0; octets];
        let read = self.socket()?.read(&mut space)?;
        space.truncate(read);
        keep(&mut self.heard.wire, &space);
        let plain = match &mut self.channel {
            Channel::Clear => space,
            Channel::Tls(session) => {
                let mut records = space.as_slice();
                while !records.is_empty() {
                    session.read_tls(&mut records)?;
                    session.process_new_packets().map_err(io::Error::other)?;
                }
                self.decrypted()?;
                return Ok(read > 0);
            }
            Channel::Forged { back, records, .. } => {
                records.extend_from_slice(&space);
                let mut plain = Vec::new();
                while let Some(length) =
                    records.get(3..5).map(|length| 5 + usize::from(length[0]) * 256 + usize::from(length[1]))
                    && records.len() >= length
                {
                    let record: Vec<u8> = records.drain(..length).collect();
                    let opened = back.open(record[0], record[5..].to_vec());
                    plain.extend(opened.ok_or_else(|| io::Error::other("a record that does not open"))?);
                }
                plain
            }
        };
        self.take(&plain);
        Ok(read > 0)
    }

    fn decrypted(&mut self) -> io::Result<()> {
        let Channel::Tls(session) = &mut self.channel else { return Ok(()) };
        let state = session.process_new_packets().map_err(io::Error::other)?;
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        if !plain.is_empty() {
            session.reader().read_exact(&mut plain)?;
        }
        self.take(&plain);
        Ok(())
    }

    fn take(&mut self, plain: &[u8]) {
        keep(&mut self.heard.said, plain);
        if plain.contains(&b'.') {
            let start = self.buffer.len().saturating_sub(4);
            let seen = [self.buffer.get(start..).unwrap_or_default(), plain].concat();
            self.heard.end_mark |= seen.windows(5).any(|octets| octets == b"\r\n.\r\n");
        }
        self.buffer.extend_from_slice(plain);
    }
}

/// The keys of a session. That no key update can follow, for which this is deprecated, is just what is wanted here.
#[allow(deprecated, reason = "see above")]
fn extract(session: ServerConnection) -> Result<rustls::ExtractedSecrets, rustls::Error> {
    session.dangerous_extract_secrets()
}

pub(crate) fn keep(kept: &mut Vec<u8>, octets: &[u8]) {
    let room = KEPT.saturating_sub(kept.len()).min(octets.len());
    kept.extend_from_slice(octets.get(..room).unwrap_or_default());
}
