//! Many messages: some at a time, reported in the order in which they were named, and an interruption that loses none of them.
//!
//! At most `most` messages are open, and at most as many reports wait for that of an earlier message: a message that takes its time holds
//! up the others no sooner than that. Reports are written beside the loop: whoever reads them may take their time, and messages that are
//! under way, and signals, do not wait for that.

use std::{
    collections::VecDeque,
    panic::resume_unwind,
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    sync::{Semaphore, watch},
    task::{JoinError, JoinHandle, spawn_blocking},
};
use tracing::warn;

use super::message::{Sending, Stop};
use crate::{
    exit::{Failure, Status},
    input::{Inputs, Rest as Left},
    progress::Progress,
    report::{Printer, Told, printable, say},
    signals::Signals,
};

/// A run over many messages.
pub(super) struct Batch {
    pub(super) sending: Arc<Sending>,
    /// Messages at a time.
    pub(super) most: usize,
    pub(super) signals: Signals,
    pub(super) progress: Progress,
    pub(super) out: Out,
}

/// Where reports go, one at a time.
pub(super) enum Out {
    Idle(Printer),
    Writing(JoinHandle<(Printer, Result<(), Failure>)>),
}

impl Out {
    const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle(_))
    }

    /// Begins to write. Only when it is idle.
    fn write(self, told: Told) -> Self {
        match self {
            Self::Idle(mut printer) => Self::Writing(spawn_blocking(move || {
                let result = printer.print(&told);
                (printer, result)
            })),
            writing => writing,
        }
    }

    /// It is idle again. Where it was, never.
    async fn written(&mut self) -> Result<(), Failure> {
        let Self::Writing(writing) = self else { return std::future::pending().await };
        let (printer, result) = whole(writing.await);
        *self = Self::Idle(printer);
        result
    }
}

/// What a task gives. Nobody cancels one here: what it cannot do is panic in silence.
fn whole<T>(done: Result<T, JoinError>) -> T {
    done.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

/// Messages taken and not yet reported, in order.
#[derive(Default)]
struct Queue(VecDeque<JoinHandle<(Told, Status)>>);

impl Queue {
    /// The first one, when it is through.
    async fn next(&mut self) -> (Told, Status) {
        let Some(first) = self.0.front_mut() else { return std::future::pending().await };
        let done = first.await;
        self.0.pop_front();
        whole(done)
    }
}

impl Batch {
    /// Sends them all; the worst status of any.
    pub(super) async fn run(mut self, mut inputs: Inputs) -> Result<Status, Failure> {
        let stop = watch::Sender::new(Stop::No);
        let free = Arc::new(Semaphore::new(self.most));
        let mut queue = Queue::default();
        let mut status = Status::Success;
        let (mut more, mut number, mut untried, mut last) = (true, 0, 0, None);
        while more || !queue.0.is_empty() || !self.out.is_idle() {
            tokio::select! {
                biased;
                () = self.signals.next() => {
                    more = false;
                    if *stop.borrow() == Stop::Abort {
                        return Ok(untold());
                    }
                    interrupt(&stop, self.sending.under_way.load(Ordering::Relaxed), !self.out.is_idle());
                }
                written = self.out.written() => written?,
                (told, one) = queue.next(), if self.out.is_idle() => {
                    status = status.max(one);
                    self.progress.done(told.size.unwrap_or_default());
                    if told.untried {
                        untried += 1;
                    } else {
                        last = Some(told.name.clone());
                    }
                    self.out = self.out.write(told);
                }
                permit = Arc::clone(&free).acquire_owned(), if more && queue.0.len() < 2 * self.most => {
                    let Some(input) = inputs.next() else {
                        more = false;
                        continue;
                    };
                    number += 1;
                    self.progress.taken();
                    let (sending, stop) = (Arc::clone(&self.sending), stop.subscribe());
                    queue.0.push_back(tokio::spawn(async move {
                        let sent = match input {
                            Ok(input) => sending.send(number, input, stop).await,
                            Err((name, failure)) => sending.unread(name, &failure),
                        };
                        drop(permit);
                        sent
                    }));
                }
            }
        }
        let interrupted = *stop.borrow() > Stop::No;
        if !interrupted && number == 0 {
            warn!("nothing to send: there is no message in what the command line names");
        }
        let Self { sending, mut signals, progress, out: Out::Idle(printer), .. } = self else {
            return Ok(untold()); // it has ended by now
        };
        let rest = Rest { sending: Arc::clone(&sending), printer, inputs: interrupted.then_some(inputs) };
        tokio::select! {
            one = spawn_blocking(move || rest.told(untried, last.as_deref())) => status = status.max(whole(one)?),
            () = signals.next() => return Ok(untold()),
        }
        progress.finish(!interrupted);
        if *stop.borrow() < Stop::Abort {
            // A courtesy: who has no patience for it spoils nothing.
            tokio::select! {
                () = sending.client.close() => {}
                () = signals.next() => {}
            }
        }
        Ok(status)
    }
}

/// Nobody reads the reports, and somebody has no patience left.
fn untold() -> Status {
    say(format_args!("interrupted: not all reports were written"));
    Status::Deferred
}

/// What is to be written when nothing is under way any more.
struct Rest {
    sending: Arc<Sending>,
    printer: Printer,
    /// What was never taken, because of an interruption.
    inputs: Option<Inputs>,
}

impl Rest {
    /// Accounts for what was never taken, and comes to the end of the reports.
    fn told(mut self, untried: usize, last: Option<&str>) -> Result<Status, Failure> {
        let status = match self.inputs.take() {
            Some(inputs) => self.untaken(inputs, untried, last)?,
            None => Status::Success,
        };
        self.printer.finish()?;
        Ok(status)
    }

    fn untaken(&mut self, inputs: Inputs, mut untried: usize, last: Option<&str>) -> Result<Status, Failure> {
        let mut status = Status::Success;
        for left in inputs.rest() {
            match left {
                Left::One(input) => {
                    untried += 1;
                    self.printer.print(&self.sending.untried(input.name()).0)?;
                }
                Left::Maildir { path, names } => {
                    untried += names.len();
                    let left = names.len();
                    say(format_args!("interrupted: {left} messages of {} were not tried", shown(&path)));
                    for name in names {
                        let told = self.sending.untried(path.join(name).display().to_string()).0;
                        self.printer.print_for_programs(&told)?;
                    }
                }
                Left::Mbox { path, taken } => {
                    status = Status::Deferred;
                    say(format_args!(
                        "interrupted: {} was not tried from message {} on",
                        shown(&path),
                        taken + 1
                    ));
                }
                Left::Unusable(name, failure) => {
                    let (told, one) = self.sending.unread(name, &failure);
                    status = status.max(one);
                    self.printer.print(&told)?;
                }
            }
        }
        if untried > 0 {
            status = status.max(Status::Deferred);
        }
        if let Some(last) = last.filter(|_| status > Status::Success) {
            say(format_args!("interrupted: the last message taken was {}", printable(last)));
        }
        Ok(status)
    }
}

fn shown(path: &std::path::Path) -> String {
    printable(&path.display().to_string())
}

/// The first signal, or the second one. `writing`: a report is.
fn interrupt(stop: &watch::Sender<Stop>, under_way: usize, writing: bool) {
    let messages = if under_way == 1 { "1 message".to_owned() } else { format!("{under_way} messages") };
    let before = *stop.borrow();
    match before {
        Stop::No if under_way > 0 => {
            say(format_args!("interrupted: finishing {messages}; once more to abort"));
        }
        Stop::No if writing => {
            say(format_args!("interrupted: reports wait to be read; twice more to give them up"))
        }
        Stop::Finish if under_way > 0 => say(format_args!("interrupted: aborting {messages}")),
        Stop::Finish if writing => {
            say(format_args!("interrupted: reports wait to be read; once more to give them up"))
        }
        _ => {}
    }
    stop.send_replace(if before == Stop::No { Stop::Finish } else { Stop::Abort });
}
