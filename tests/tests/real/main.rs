//! The client against real servers: Postfix, Exim, OpenSMTPD, Dovecot and aiosmtpd, real sockets, real TLS, real mailboxes.
//!
//! Each section looks at both sides: what the report says, and what arrived in any mailbox at all. The servers are started by
//! `tests/servers`; where that is not possible the tests say so and pass, or fail with `SMTP_TEST_SERVERS=required`.
#![cfg(unix)]

mod aiosmtpd;
mod client;
mod corpus;
mod dovecot;
mod exim;
mod host;
mod mail;
mod matrix;
mod opensmtpd;
mod postfix;
mod way;

use std::{
    future::Future,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use host::Host;

/// Longer than any section takes; a client that waits for ever fails instead of hanging.
const SECTION: Duration = Duration::from_secs(120);

/// Runs the sections of a test one after another; a section that fails does not keep the others from running.
struct Sections<'a> {
    host: &'a Host,
    runtime: tokio::runtime::Runtime,
    failed: Vec<&'static str>,
}

impl<'a> Sections<'a> {
    fn new(host: &'a Host) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { host, runtime, failed: Vec::new() }
    }

    fn run(&mut self, name: &'static str, section: impl Future<Output = ()>) {
        let began = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            // The panic hook has said what failed by the time `block_on` returns.
            self.runtime.block_on(async { tokio::time::timeout(SECTION, section).await })
        }));
        let well = matches!(ended, Ok(Ok(())));
        eprintln!(
            "{} {name}: {:.1} s",
            if well { "ok    " } else { "FAILED" },
            began.elapsed().as_secs_f32()
        );
        if !well {
            if matches!(ended, Ok(Err(_))) {
                eprintln!("{name} did not end within {SECTION:?}");
            }
            self.failed.push(name);
            // What the section has left in the mailboxes is not the next one's.
            let _ = catch_unwind(AssertUnwindSafe(|| self.runtime.block_on(self.host.mail().arrivals())));
        }
    }

    fn end(self) {
        if !self.failed.is_empty() {
            eprintln!("the server's last words:\n{}", self.host.log_tail());
            panic!("sections failed: {:?}", self.failed);
        }
    }
}

/// The server, or `None` where it cannot be had and need not be.
fn start(script: &str) -> Option<Host> {
    match Host::start(script) {
        Ok(host) => Some(host),
        Err(reason) => {
            let required = std::env::var_os("SMTP_TEST_SERVERS").is_some_and(|value| value == "required");
            assert!(!required, "SMTP_TEST_SERVERS=required, but {script}: {reason}");
            // Not by a macro, whose output the test harness would keep to itself.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {script}: {reason}");
            None
        }
    }
}

#[test]
fn postfix_takes_what_the_report_says() {
    if let Some(host) = start("postfix.sh") {
        postfix::run(&host);
    }
}

#[test]
fn dovecot_takes_what_the_report_says() {
    if let Some(host) = start("dovecot.sh") {
        dovecot::run(&host);
    }
}

#[test]
fn exim_takes_what_the_report_says() {
    if let Some(host) = start("exim.sh") {
        exim::run(&host);
    }
}

#[test]
fn opensmtpd_takes_what_the_report_says() {
    if let Some(host) = start("opensmtpd.sh") {
        opensmtpd::run(&host);
    }
}

#[test]
fn aiosmtpd_takes_what_the_report_says() {
    if let Some(host) = start("aiosmtpd.sh") {
        aiosmtpd::run(&host);
    }
}
