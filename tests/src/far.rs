//! The far side of transports in memory, for clients with a runtime: nothing moves there but when the test says so, and then only one
//! thing and not much of it. So whoever polls such a client by hand comes past each point where it can wait.

use std::{
    collections::VecDeque,
    fmt, io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use smtp_proto::Peer as Address;

use crate::{
    manners::Judge,
    server::{HangUp, Peer},
};

/// What becomes of a connect.
pub enum Dialled {
    /// Somebody is there, watched by a judge.
    Server(Box<dyn Peer + Send>, Box<Judge>),
    /// Nobody is there.
    Refused,
    /// Nobody ever says.
    Hangs,
}

impl Dialled {
    /// This server, watched by this judge.
    #[must_use]
    pub fn server(peer: impl Peer + Send + 'static, judge: Judge) -> Self {
        Self::Server(Box::new(peer), Box::new(judge))
    }
}

type Answer = dyn FnMut(usize, &Address) -> Dialled + Send;

/// All servers, and the lines to them.
#[derive(Clone)]
pub struct Far(Arc<Mutex<State>>);

struct State {
    answer: Box<Answer>,
    dialled: Vec<Address>,
    lines: Vec<Line>,
    /// Whose turn it is.
    turn: usize,
    /// Open at a time, at most.
    most: usize,
    /// New lines are frozen, too.
    frozen: bool,
    /// Lines that the client dropped, for its next connects; `None`: what it drops is closed.
    spare: Option<Vec<usize>>,
    /// Octets that a line takes at a time, from the client and from the server.
    pieces: (usize, usize),
    /// The client did something since this was asked last,
    stirred: bool,
    /// and who wants to hear of it.
    watcher: Option<Waker>,
}

struct Line {
    peer: Box<dyn Peer + Send>,
    judge: Judge,
    /// On the way to the server.
    up: VecDeque<u8>,
    /// Said, and not on the way yet.
    said: VecDeque<u8>,
    /// To be read by the client.
    down: VecDeque<u8>,
    ended: Option<HangUp>,
    /// The client could not write.
    blocked: bool,
    /// Octets that the client gave out and the line did not take.
    untaken: usize,
    sent: Vec<u8>,
    /// The client's end is gone.
    gone: bool,
    /// Nothing moves on it any more.
    frozen: bool,
    waiting: Vec<Waker>,
}

impl Line {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// One thing, if there is one to do.
    fn step(&mut self, now: Instant, pieces: (usize, usize)) -> bool {
        if self.frozen {
            return false;
        }
        if !self.up.is_empty() && (self.peer.reads() || self.gone) {
            let size = self.up.len().min(pieces.0);
            let piece: Vec<u8> = self.up.drain(..size).collect();
            self.peer.receive(now, &piece);
            self.wake();
            return true;
        }
        if self.gone || self.ended.is_some() {
            return false;
        }
        if self.said.is_empty() {
            self.said.extend(self.peer.speak(now));
        }
        if self.down.is_empty() && !self.said.is_empty() {
            let size = self.said.len().min(pieces.1);
            self.down.extend(self.said.drain(..size));
            self.wake();
            return true;
        }
        if self.blocked && self.up.is_empty() && self.peer.reads() {
            self.blocked = false;
            self.wake();
            return true;
        }
        if self.said.is_empty() && self.down.is_empty() && self.peer.hung_up().is_some() {
            self.ended = self.peer.hung_up();
            self.wake();
            return true;
        }
        false
    }
}

impl fmt::Debug for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Far").field("dialled", &self.lock().dialled).finish_non_exhaustive()
    }
}

/// How a line stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The client has closed it.
    pub gone: bool,
    /// What the client wrote.
    pub sent: Vec<u8>,
    /// What the judge objects to.
    pub objections: Vec<String>,
    /// The judge sees nothing asked, half said or half heard.
    pub in_step: bool,
}

impl Far {
    /// `answer` says what becomes of each connect: they are counted from 0.
    #[must_use]
    pub fn new(answer: impl FnMut(usize, &Address) -> Dialled + Send + 'static) -> Self {
        Self::in_pieces(1 << 20, 1 << 20, answer)
    }

    /// The same where a line takes so many octets at a time, from the client and from the server.
    #[must_use]
    pub fn in_pieces(
        up: usize,
        down: usize,
        answer: impl FnMut(usize, &Address) -> Dialled + Send + 'static,
    ) -> Self {
        Self(Arc::new(Mutex::new(State {
            answer: Box::new(answer),
            dialled: Vec::new(),
            lines: Vec::new(),
            turn: 0,
            most: 0,
            frozen: false,
            spare: None,
            pieces: (up, down),
            stirred: false,
            watcher: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one thing happen, if there is any that can.
    #[must_use]
    pub fn step(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let (pieces, turn, lines) = (state.pieces, state.turn, state.lines.len());
        // In turns, so that nobody waits for ever.
        let moved = (0..lines)
            .map(|index| (turn + index) % lines)
            .find(|index| state.lines[*index].step(now, pieces));
        state.turn = moved.map_or(turn, |index| index + 1);
        moved.is_some()
    }

    /// When a server wants to say something on its own account.
    #[must_use]
    pub fn wakeup(&self) -> Option<Instant> {
        self.lock().lines.iter().filter(|line| !line.gone).filter_map(|line| line.peer.wakeup()).min()
    }

    /// Ready when the client did something since this was asked last.
    pub fn poll_stirred(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if mem::take(&mut state.stirred) {
            return Poll::Ready(());
        }
        state.watcher = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The client connects. `None`: nobody ever says whether it can.
    #[must_use]
    pub fn dial(&self, address: Address) -> Option<io::Result<Near>> {
        let mut state = self.lock();
        if let Some(line) = state.spare.as_mut().and_then(Vec::pop) {
            state.dialled.push(address);
            return Some(Ok(Near { far: self.clone(), line }));
        }
        let index = state.dialled.len();
        let answer = (state.answer)(index, &address);
        state.dialled.push(address);
        match answer {
            Dialled::Hangs => None,
            Dialled::Refused => Some(Err(io::ErrorKind::ConnectionRefused.into())),
            Dialled::Server(peer, judge) => {
                let frozen = state.frozen;
                state.lines.push(Line {
                    peer,
                    judge: *judge,
                    up: VecDeque::new(),
                    said: VecDeque::new(),
                    down: VecDeque::new(),
                    ended: None,
                    blocked: false,
                    untaken: 0,
                    sent: Vec::new(),
                    gone: false,
                    frozen,
                    waiting: Vec::new(),
                });
                let open = state.lines.iter().filter(|line| !line.gone).count();
                state.most = state.most.max(open);
                Some(Ok(Near { far: self.clone(), line: state.lines.len() - 1 }))
            }
        }
    }

    /// From now on a line that the client drops stays open, and is what it gets when it connects: as if it gave a connection back at the
    /// wrong moment. For tests of tests.
    pub fn recycle(&self) {
        self.lock().spare = Some(Vec::new());
    }

    /// To whom connections were asked for, in order.
    #[must_use]
    pub fn dialled(&self) -> Vec<Address> {
        self.lock().dialled.clone()
    }

    /// The lines, in the order in which they came about.
    #[must_use]
    pub fn lines(&self) -> Vec<Standing> {
        let mut state = self.lock();
        let standing = |line: &mut Line| Standing {
            gone: line.gone,
            sent: line.sent.clone(),
            objections: [line.judge.objections().to_vec(), line.peer.objections()].concat(),
            in_step: line.judge.in_step(),
        };
        state.lines.iter_mut().map(standing).collect()
    }

    /// How many the client has open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().lines.iter().filter(|line| !line.gone).count()
    }

    /// How many the client had open at a time, at most.
    #[must_use]
    pub fn most(&self) -> usize {
        self.lock().most
    }

    /// Nothing moves on any line from now on, old or new.
    pub fn freeze(&self) {
        let mut state = self.lock();
        state.frozen = true;
        state.lines.iter_mut().for_each(|line| line.frozen = true);
    }

    /// New lines are as they should be again.
    pub fn thaw(&self) {
        self.lock().frozen = false;
    }

    /// The server ends all its connections, whatever it was about to say.
    pub fn hang_up(&self, how: HangUp) {
        for line in self.lock().lines.iter_mut().filter(|line| !line.gone) {
            line.ended.get_or_insert(how);
            line.wake();
        }
    }

    /// A server says this unasked on all its connections.
    pub fn say(&self, words: &str) {
        for line in self.lock().lines.iter_mut().filter(|line| !line.gone) {
            line.said.extend(words.as_bytes());
        }
    }
}

/// The client's end of a line. Dropping it closes the line.
#[derive(Debug)]
pub struct Near {
    far: Far,
    line: usize,
}

impl Near {
    fn with<R>(&self, act: impl FnOnce(&mut Line, (usize, usize)) -> R) -> R {
        let mut state = self.far.lock();
        let pieces = state.pieces;
        act(&mut state.lines[self.line], pieces)
    }

    /// Something came of it.
    fn stir(&self) {
        let mut state = self.far.lock();
        state.stirred = true;
        let watcher = state.watcher.take();
        drop(state);
        watcher.into_iter().for_each(Waker::wake);
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// The server reset the connection.
    pub fn poll_read(&self, cx: &Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = self.with(|line, _| {
            if line.down.is_empty() {
                return match line.ended {
                    Some(HangUp::Close) => Poll::Ready(Ok(0)),
                    Some(HangUp::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                    None => {
                        line.waiting.push(cx.waker().clone());
                        Poll::Pending
                    }
                };
            }
            let read = io::Read::read(&mut line.down, space);
            if let Ok(read) = read {
                line.judge.server(&space[..read]);
            }
            Poll::Ready(read)
        });
        if read.is_ready() {
            self.stir();
        }
        read
    }

    /// Ready when a read would find something.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        self.with(|line, _| {
            if line.down.is_empty() && line.ended.is_none() {
                line.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
    }

    /// Writes a piece.
    ///
    /// # Errors
    /// The server is gone.
    pub fn poll_write(&self, cx: &Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.with(|line, pieces| {
            // What has been given out cannot be taken back, so the judge sees it now.
            line.judge.client(octets.get(line.untaken..).unwrap_or_default());
            line.untaken = octets.len();
            if line.ended.is_some() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if !line.up.is_empty() || !line.peer.reads() {
                line.blocked = true;
                line.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            let size = octets.len().min(pieces.0);
            let piece = octets.get(..size).unwrap_or_default();
            line.up.extend(piece);
            line.sent.extend_from_slice(piece);
            line.untaken -= size;
            Poll::Ready(Ok(size))
        });
        if written.is_ready() {
            self.stir();
        }
        written
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        let mut state = self.far.lock();
        match &mut state.spare {
            Some(spare) => spare.push(self.line),
            None => {
                if let Some(line) = state.lines.get_mut(self.line) {
                    line.gone = true;
                }
            }
        }
        drop(state);
        self.stir();
    }
}

/// A server that a test looks at afterwards.
#[derive(Debug)]
pub struct Shared<P>(Arc<Mutex<P>>);

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P> Shared<P> {
    /// Shared from now on.
    #[must_use]
    pub fn new(peer: P) -> Self {
        Self(Arc::new(Mutex::new(peer)))
    }

    /// A look at it.
    pub fn with<R>(&self, look: impl FnOnce(&mut P) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<P: Peer> Peer for Shared<P> {
    fn receive(&mut self, now: Instant, octets: &[u8]) {
        self.with(|peer| peer.receive(now, octets));
    }
    fn speak(&mut self, now: Instant) -> Vec<u8> {
        self.with(|peer| peer.speak(now))
    }
    fn wakeup(&self) -> Option<Instant> {
        self.with(|peer| peer.wakeup())
    }
    fn hung_up(&self) -> Option<HangUp> {
        self.with(|peer| peer.hung_up())
    }
    fn reads(&self) -> bool {
        self.with(|peer| peer.reads())
    }
    fn wants_tls(&self) -> bool {
        self.with(|peer| peer.wants_tls())
    }
    fn tls_established(&mut self) {
        self.with(Peer::tls_established);
    }
    fn objections(&self) -> Vec<String> {
        self.with(|peer| peer.objections())
    }
}

/// A waker that somebody can wait for.
#[derive(Debug, Default)]
pub struct Flag {
    set: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Flag {
    /// Whether it was woken since this was asked last.
    #[must_use]
    pub fn take(&self) -> bool {
        self.set.swap(false, Ordering::SeqCst)
    }

    /// Ready when it has been woken; that stays so until it is [`take`](Self::take)n.
    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.set.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.set.store(true, Ordering::SeqCst);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// The content of a message in pieces, with a pause before each.
#[derive(Debug)]
pub struct Trickle {
    octets: VecDeque<u8>,
    piece: usize,
    paused: bool,
    ending: crate::transcript::Ending,
}

impl Trickle {
    /// So many octets at a time, and an end of this kind.
    #[must_use]
    pub fn new(octets: &[u8], piece: usize, ending: crate::transcript::Ending) -> Self {
        Self { octets: octets.iter().copied().collect(), piece, paused: false, ending }
    }

    /// As a reader does.
    ///
    /// # Errors
    /// It ends in one.
    pub fn poll_read(&mut self, cx: &Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        use crate::transcript::Ending;
        self.paused = !self.paused;
        if self.paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.octets.is_empty() {
            return match self.ending {
                Ending::Complete => Poll::Ready(Ok(0)),
                Ending::Fails => Poll::Ready(Err(io::Error::other("the disk is gone"))),
                Ending::Stalls | Ending::Cancelled => Poll::Pending,
            };
        }
        let size = self.piece.min(space.len());
        Poll::Ready(io::Read::read(&mut self.octets, &mut space[..size]))
    }
}
