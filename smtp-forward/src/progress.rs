//! The progress bar, and who else writes to the terminal.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    sync::OnceLock,
    time::Duration,
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::{durations, input::Total};

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
            bar.set_message(messages(self.done, Duration::ZERO));
            bar.enable_steady_tick(TICK);
        }
    }

    /// A message of so many octets is through.
    pub(crate) fn done(&mut self, octets: u64) {
        self.done += 1;
        let Some(bar) = BAR.get() else { return };
        bar.inc(if self.total.messages.is_some() { 1 } else { octets });
        bar.set_message(messages(self.done, bar.elapsed()));
    }

    /// What is shown stays where it is.
    pub(crate) fn finish(&self, complete: bool) {
        let Some(bar) = BAR.get() else { return };
        if complete {
            bar.finish()
        } else {
            bar.abandon()
        }
        bar.set_draw_target(ProgressDrawTarget::hidden());
        // Whoever writes next begins a line.
        let _ = writeln!(io::stderr());
    }
}

/// `12 messages, 340/s`
fn messages(count: u64, time: Duration) -> String {
    let plural = if count == 1 { "" } else { "s" };
    let rate = count as f64 / time.as_secs_f64().max(0.001);
    format!("{count} message{plural}, {rate:.0}/s")
}

/// Goes by the number of messages where that is known; or else by octets, because an mbox is not read twice to count what is in it; or else
/// only counts.
fn bar(total: Total) -> ProgressBar {
    let (length, template) = match total {
        Total { messages: Some(messages), .. } => {
            (Some(messages), "[{bar:24}] {msg}, {percent}% of {len}{left}")
        }
        Total { octets: Some(octets), .. } => {
            (Some(octets), "[{bar:24}] {msg}, {percent}% of {binary_total_bytes}{left}")
        }
        _ => (None, "{spinner} {msg}{left}"),
    };
    let left = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = if state.is_finished() {
            write!(out, ", took {}", durations::human(state.elapsed()))
        } else if state.eta() > Duration::ZERO {
            write!(out, ", {} left", HumanDuration(state.eta()))
        } else {
            Ok(())
        };
    };
    // A mistake in a template shows in its test, and costs no more than its looks.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style.progress_chars("=> ").with_key("left", left));
    match length {
        Some(length) => bar.set_length(length),
        None => bar.unset_length(),
    }
    bar
}
