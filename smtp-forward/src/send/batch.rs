//! Many messages: some at a time, reported in the order in which they were named, and an interruption that loses none of them.
//!
//! At most `most` messages are open, and at most as many reports wait for that of an earlier message: a message that takes its time holds
//! up the others no sooner than that.

use std::{
    collections::VecDeque,
    panic::resume_unwind,
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tracing::warn;

use super::message::{Sending, Stop};
use crate::{
    exit::{Failure, Status},
    input::{Inputs, Rest},
    progress::Progress,
    report::{Printer, Told, printable, say},
    signals::Signals,
};

/// A run over many messages.
pub(super) struct Batch<'a> {
    pub(super) sending: Arc<Sending>,
    /// Messages at a time.
    pub(super) most: usize,
    pub(super) signals: Signals,
    pub(super) progress: Progress,
    pub(super) printer: &'a mut Printer,
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
        // Nobody cancels a task here: what it cannot do is panic in silence.
        done.unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }
}

impl Batch<'_> {
    /// Sends them all; the worst status of any.
    pub(super) async fn run(mut self, mut inputs: Inputs) -> Result<Status, Failure> {
        let stop = watch::Sender::new(Stop::No);
        let free = Arc::new(Semaphore::new(self.most));
        let mut queue = Queue::default();
        let mut status = Status::Success;
        let (mut more, mut number, mut untried, mut last) = (true, 0, 0, None);
        while more || !queue.0.is_empty() {
            tokio::select! {
                biased;
                () = self.signals.next() => {
                    more = false;
                    interrupt(&stop, self.sending.under_way.load(Ordering::Relaxed));
                }
                (told, one) = queue.next() => {
                    status = status.max(one);
                    self.printer.print(&told)?;
                    self.progress.done(told.size.unwrap_or_default());
                    if told.untried {
                        untried += 1;
                    } else {
                        last = Some(told.name);
                    }
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
        if interrupted {
            status = status.max(self.rest(inputs, untried, last.as_deref())?);
        } else if number == 0 {
            warn!("nothing to send: there is no message in what the command line names");
        }
        self.progress.finish(!interrupted);
        if *stop.borrow() < Stop::Abort {
            self.part().await;
        }
        Ok(status)
    }

    /// Ends what is kept. A courtesy: who has no patience for it spoils nothing.
    async fn part(&mut self) {
        tokio::select! {
            () = self.sending.client.close() => {}
            () = self.signals.next() => {}
        }
    }

    /// Accounts for what was never taken.
    fn rest(&mut self, inputs: Inputs, mut untried: usize, last: Option<&str>) -> Result<Status, Failure> {
        let mut status = Status::Success;
        for rest in inputs.rest() {
            match rest {
                Rest::One(input) => {
                    untried += 1;
                    self.printer.print(&self.sending.untried(input.name()).0)?;
                }
                Rest::Maildir { path, names } => {
                    untried += names.len();
                    let left = names.len();
                    say(format_args!("interrupted: {left} messages of {} were not tried", shown(&path)));
                    for name in names {
                        let told = self.sending.untried(path.join(name).display().to_string()).0;
                        self.printer.print_for_programs(&told)?;
                    }
                }
                Rest::Mbox { path, taken } => {
                    status = Status::Deferred;
                    say(format_args!(
                        "interrupted: {} was not tried from message {} on",
                        shown(&path),
                        taken + 1
                    ));
                }
                Rest::Unusable(name, failure) => {
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

/// The first signal, or a later one.
fn interrupt(stop: &watch::Sender<Stop>, under_way: usize) {
    let messages = if under_way == 1 { "1 message".to_owned() } else { format!("{under_way} messages") };
    let before = *stop.borrow();
    match before {
        Stop::No if under_way > 0 => {
            say(format_args!("interrupted: finishing {messages}; once more to abort"));
        }
        Stop::Finish => say(format_args!("interrupted: aborting {messages}")),
        _ => {}
    }
    stop.send_replace(if before == Stop::No { Stop::Finish } else { Stop::Abort });
}
