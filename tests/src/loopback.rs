//! The servers of a transcript behind a real socket of this machine, on a thread, so that any runtime can play against them.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use smtp_proto::config::{Protocol, TlsMode};

use crate::{
    manners::Judge,
    server::{HangUp, Peer},
    transcript::{Said, Session, Transcript},
};

/// Nothing of a transcript takes that long in real time: who waits for more waits for ever.
pub const WATCHDOG: Duration = Duration::from_secs(20);

/// The servers of a transcript.
#[derive(Debug)]
pub struct Loopback {
    address: SocketAddr,
    done: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Said>>,
}

impl Loopback {
    /// Listens, and serves the sessions of the transcript in order.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn serve(transcript: &Transcript) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let done = Arc::new(AtomicBool::new(false));
        let transcript = transcript.clone();
        let thread = std::thread::spawn({
            let done = Arc::clone(&done);
            move || accept(&listener, &transcript, &done)
        });
        Ok(Self { address, done, thread })
    }

    /// Where.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The client is done: what came of the sessions.
    ///
    /// # Panics
    /// If the server did.
    #[must_use]
    pub fn finish(self) -> Vec<Said> {
        self.done.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address)); // wakes who waits for a connection
        self.thread.join().expect("the scripted server is sound")
    }
}

fn accept(listener: &TcpListener, transcript: &Transcript, done: &AtomicBool) -> Vec<Said> {
    let mut said = Vec::new();
    loop {
        let Ok((socket, _)) = listener.accept() else { return said };
        if done.load(Ordering::SeqCst) {
            return said;
        }
        said.push(match transcript.sessions.get(said.len()) {
            Some(Session::Dialogue(steps)) => serve(transcript, steps, socket),
            _ => Said { amiss: vec!["nobody is there".to_owned()], ..Said::default() },
        });
    }
}

fn serve(transcript: &Transcript, steps: &[(usize, String)], mut socket: TcpStream) -> Said {
    let mut server = transcript.server(steps);
    let lmtp = transcript.config.protocol == Protocol::Lmtp;
    let mut judge = match transcript.config.security.mode {
        TlsMode::Implicit => Judge::blind(),
        _ => Judge::new(lmtp, false),
    };
    let mut amiss = Vec::new();
    if let Err(error) = talk(&mut server, &mut judge, &mut socket) {
        // The client may go as it likes; what it owes the dialogue is seen below.
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            amiss.push(format!("the client neither spoke nor left within {WATCHDOG:?}"));
        }
    }
    let mut said = server.said();
    said.amiss.append(&mut amiss);
    said.amiss.extend(judge.objections().iter().cloned());
    said
}

fn talk(server: &mut impl Peer, judge: &mut Judge, socket: &mut TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(WATCHDOG / 2))?;
    let mut space = [0; 16 * 1024];
    loop {
        let said = server.speak(Instant::now());
        // Judged before it leaves: what comes later can be an answer to it.
        judge.server(&said);
        socket.write_all(&said)?;
        match server.hung_up() {
            None => {}
            Some(HangUp::Reset) => return socket2::SockRef::from(&*socket).set_linger(Some(Duration::ZERO)),
            Some(HangUp::Close) => {
                socket.shutdown(Shutdown::Write)?;
                // Unread octets would turn the end of the stream into a reset.
                while socket.read(&mut space)? > 0 {}
                return Ok(());
            }
        }
        match socket.read(&mut space)? {
            0 => return Ok(()),
            read => {
                let octets = space.get(..read).unwrap_or_default();
                judge.client(octets);
                server.receive(Instant::now(), octets);
            }
        }
    }
}
