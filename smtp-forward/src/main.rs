//! Forward mail over SMTP and LMTP, transparently and without losing or doubling it.
//!
//! This is the program: options in, a report and an exit status out. What SMTP is lives in `smtp_proto`, sockets in
//! `smtp_client_tokio`.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

mod capture;
mod certificates;
mod check;
mod cli;
mod configuration;
mod durations;
mod envelope;
mod exit;
mod files;
mod hostname;
mod input;
mod logging;
mod maildir;
mod plan;
mod progress;
mod report;
mod send;
mod signals;
mod sink;
mod transcript;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _, error::ContextValue};

use crate::{
    cli::{Cli, Command},
    configuration::Configured,
    exit::{Failure, Status},
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = escaped(error);
            // Nobody is left to tell when this fails.
            let _ = error.print();
            return if error.use_stderr() { Status::Usage } else { Status::Success }.into();
        }
    };
    match run(&cli) {
        Ok(status) => status.into(),
        Err(failure) => {
            report::complain(&failure);
            failure.status.into()
        }
    }
}

/// Quotes what was typed so that it forges nothing: it may come from a message, by way of a script.
fn escaped(mut error: clap::Error) -> clap::Error {
    let quotes: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(report::printable(text)))),
            _ => None,
        })
        .collect();
    for (kind, value) in quotes {
        error.insert(kind, value);
    }
    error
}

fn run(cli: &Cli) -> Result<Status, Failure> {
    cli.command.refuse()?;
    // Before there are logs: the configuration says how much of them.
    let configured = match &cli.command {
        Command::Check(args) if args.syntax => return configuration::syntax(args),
        Command::Send(args) => Configured::read(&args.connect)?,
        Command::Check(args) => Configured::read(&args.connect)?,
        _ => None,
    };
    logging::start(&cli.log, configured.as_ref().is_some_and(Configured::is_verbose))?;
    match &cli.command {
        Command::Send(args) => block_on(send::run(args, configured)),
        Command::Sink(args) => block_on(sink::run(args)),
        Command::Check(args) => block_on(check::run(args, configured)),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "smtp-forward", &mut out);
            print(&out)
        }
        Command::Man => {
            let mut out = Vec::new();
            manual(&mut out).map_err(|error| Failure::because(Status::Usage, "the manual", &error))?;
            print(&out)
        }
        // Refused above.
        Command::Serve { .. } => Ok(Status::Usage),
    }
}

/// One thread moves all octets; more would only cost memory. Files and name lookups have threads of their own.
fn block_on(work: impl Future<Output = Result<Status, Failure>>) -> Result<Status, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because(Status::Deferred, "the runtime", &error))?;
    let result = runtime.block_on(work);
    // A name lookup that is still under way must not hold up the end.
    runtime.shutdown_background();
    result
}

/// The page of the program, and behind it a page for each command.
fn manual(out: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(out)?;
    for command in
        command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        clap_mangen::Man::new(command.clone()).render(out)?;
    }
    Ok(())
}

fn print(text: &[u8]) -> Result<Status, Failure> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::because(Status::Deferred, "standard output", &error))
        }
        _ => Ok(Status::Success),
    }
}
