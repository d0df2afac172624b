//! The progress bar, and who else writes to the terminal.

use std::{
    io::{self, IsTerminal as _},
    sync::OnceLock,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::input::Total;

/// The bar, once there is one. The terminal is one for the whole program, and logs come from everywhere.
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Drawn anew so often, so that times go on while nothing else does.
const TICK: Duration = Duration::from_millis(250);

/// Writes to the terminal while the bar is away. `write` must not log: that would wait for itself.
pub(crate) fn beside<R>(write: impl FnOnce() -> R) -> R {
    match BAR.get() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// How far it is.
#[derive(Debug)]
pub(crate) struct Progress {
    wanted: bool,
    total: Total,
    taken: u64,
    done: u64,
}

impl Progress {
    /// Nothing is shown before there is a second message.
    pub(crate) fn new(wanted: bool, total: Total) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
        Self { wanted: wanted && !dumb && io::stderr().is_terminal(), total, taken: 0, done: 0 }
    }

    /// A message is under way.
    pub(crate) fn taken(&mut self) {
        self.taken += 1;
        if self.wanted && self.taken == 2 {
            let bar = BAR.get_or_init(|| bar(self.total));
            bar.enable_steady_tick(TICK);
        }
    }

    /// A message of so many octets is through.
    pub(crate) fn done(&mut self, octets: u64) {
        self.done += 1;
        let Some(bar) = BAR.get() else { return };
        if self.total.messages.is_some() {
            bar.set_position(self.done);
        } else {
            let rate = self.done as f64 / bar.elapsed().as_secs_f64().max(0.001);
            bar.set_message(format!("{} messages, {rate:.0}/s", self.done));
            bar.inc(octets);
        }
    }

    /// What is shown stays where it is.
    pub(crate) fn finish(self, complete: bool) {
        match BAR.get() {
            Some(bar) if complete => bar.finish(),
            Some(bar) => bar.abandon(),
            None => {}
        }
    }
}

/// Counts messages where their number is known, or else octets: an mbox is not read twice to count what is in it.
fn bar(total: Total) -> ProgressBar {
    let (length, template) = match total.messages {
        Some(messages) => (messages, "[{bar:24}] {pos}/{len} messages, {rate}, {left}"),
        None => (total.octets, "[{bar:24}] {msg}, {binary_bytes} of {binary_total_bytes}, {left}"),
    };
    // A mistake in a template shows in its test, and costs no more than its looks.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style
        .progress_chars("=> ")
        .with_key("rate", |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.0}/s", state.per_sec());
        })
        .with_key("left", |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = if state.is_finished() {
                write!(out, "{}", indicatif::HumanDuration(state.elapsed()))
            } else {
                write!(out, "{} to go", indicatif::HumanDuration(state.eta()))
            };
        });
    ProgressBar::new(length).with_style(style)
}
