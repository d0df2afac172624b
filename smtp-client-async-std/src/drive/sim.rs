//! Time and octets in memory: nothing here sleeps, and time moves only when nothing else can.

use std::{
    collections::VecDeque,
    fmt, io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use futures_io::{AsyncRead, AsyncWrite};

use crate::clock::Task;

/// A clock, and the executor that moves it.
#[derive(Clone)]
pub(crate) struct Time(Arc<Mutex<Sleepers>>);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&self.now()).finish()
    }
}

struct Sleepers {
    now: Instant,
    waiting: Vec<(Instant, Waker)>,
    /// Tasks that have not begun.
    spawned: Vec<Task<()>>,
}

impl Default for Time {
    fn default() -> Self {
        let (waiting, spawned) = (Vec::new(), Vec::new());
        Self(Arc::new(Mutex::new(Sleepers { now: Instant::now(), waiting, spawned })))
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Time {
    /// Polls until nothing moves, then lets time pass to where somebody wakes.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut future = pin!(future);
        // Those that do not end go when the future has ended.
        let mut tasks: Vec<Task<()>> = Vec::new();
        loop {
            while woken.0.swap(false, Ordering::SeqCst) {
                let cx = &mut Context::from_waker(&waker);
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return output;
                }
                tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
                loop {
                    // What these spawn, in turn.
                    let spawned = std::mem::take(&mut self.0.lock().unwrap().spawned);
                    if spawned.is_empty() {
                        break;
                    }
                    for mut task in spawned {
                        if task.as_mut().poll(cx).is_pending() {
                            tasks.push(task);
                        }
                    }
                }
            }
            let until = self.0.lock().unwrap().waiting.iter().map(|(until, _)| *until).min();
            let until = until.expect("everybody waits, and nobody for the clock");
            self.advance(until.saturating_duration_since(self.now()));
        }
    }

    pub(crate) fn advance(&self, time: Duration) {
        let mut sleepers = self.0.lock().unwrap();
        sleepers.now += time;
        let now = sleepers.now;
        for (_, waker) in sleepers.waiting.extract_if(.., |(until, _)| *until <= now) {
            waker.wake();
        }
    }

    /// Has a task run beside the future that is being run.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap().spawned.push(Box::pin(task));
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.lock().unwrap().now
    }

    pub(crate) fn sleep(&self, time: Duration) -> Task<()> {
        self.sleep_until(self.now() + time)
    }

    pub(crate) fn sleep_until(&self, deadline: Instant) -> Task<()> {
        let time = self.clone();
        Box::pin(std::future::poll_fn(move |cx| {
            let mut sleepers = time.0.lock().unwrap();
            if deadline <= sleepers.now {
                return Poll::Ready(());
            }
            sleepers.waiting.push((deadline, cx.waker().clone()));
            Poll::Pending
        }))
    }
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    octets: VecDeque<u8>,
    capacity: usize,
    closed: bool,
    waiting: Vec<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Arc<Mutex<Self>> {
        let pipe = Self { octets: VecDeque::new(), capacity, closed: false, waiting: Vec::new() };
        Arc::new(Mutex::new(pipe))
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        self.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

/// One end of a transport in memory. Dropping it closes both directions.
#[derive(Debug)]
pub(crate) struct Duplex {
    input: Arc<Mutex<Pipe>>,
    output: Arc<Mutex<Pipe>>,
}

/// Both ends; each direction holds so many octets.
pub(crate) fn duplex(capacity: usize) -> (Duplex, Duplex) {
    let (up, down) = (Pipe::new(capacity), Pipe::new(capacity));
    (Duplex { input: Arc::clone(&down), output: Arc::clone(&up) }, Duplex { input: up, output: down })
}

impl Duplex {
    /// Reads what is there by now.
    pub(crate) fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match Pin::new(self).poll_read(&mut Context::from_waker(Waker::noop()), buf) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(crate) fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        let mut pipe = self.input.lock().unwrap();
        if pipe.octets.is_empty() && !pipe.closed { pipe.wait(cx) } else { Poll::Ready(()) }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.input.lock().unwrap();
        if pipe.octets.is_empty() && !pipe.closed {
            return pipe.wait(cx);
        }
        let read = io::Read::read(&mut pipe.octets, buf);
        pipe.wake();
        Poll::Ready(read)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.output.lock().unwrap();
        if pipe.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = buf.len().min(pipe.capacity - pipe.octets.len());
        if written == 0 {
            return pipe.wait(cx);
        }
        pipe.octets.extend(&buf[..written]);
        pipe.wake();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.output.lock().unwrap();
        pipe.closed = true;
        pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        for pipe in [&self.input, &self.output] {
            let mut pipe = pipe.lock().unwrap();
            pipe.closed = true;
            pipe.wake();
        }
    }
}
