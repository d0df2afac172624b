//! Logs: to standard error, as text or JSON.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::{
    cli::{self, Format},
    exit::Failure,
    progress,
};

/// Starts it, once. `debug`: the configuration wants everything logged, dialogues included (M7).
pub(crate) fn start(options: &cli::Log, debug: bool) -> Result<(), Failure> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => {
            EnvFilter::try_new(&directives).map_err(|error| Failure::usage(format!("RUST_LOG: {error}")))?
        }
        _ => EnvFilter::new(match options.verbose {
            _ if debug => "warn,smtp_forward=debug",
            0 => "warn",
            1 => "warn,smtp_forward=info",
            _ => "warn,smtp_forward=debug",
        }),
    };
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Log).log_internal_errors(false);
    let started = match options.log_format {
        Format::Text => builder.with_ansi(colour).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::usage(format!("logging: {error}")))
}

/// Standard error, beside the progress bar.
struct Log;

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        progress::beside(|| io::stderr().write(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
