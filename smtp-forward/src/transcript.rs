//! The dialogue in a file.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Mutex,
    time::Instant,
};

use jiff::Timestamp;
use smtp_proto::transcript::Line;
use tracing::warn;

/// A file that gets one line per protocol line: `2026-01-01T09:30:00.000123Z C: EHLO client.example`. Where there are several messages, their
/// dialogues are mixed, and the message's number stands behind the time: `#3`.
#[derive(Debug)]
pub(crate) struct Transcript {
    file: Mutex<io::LineWriter<fs::File>>,
    /// One moment by both clocks.
    began: (Instant, Timestamp),
}

impl Transcript {
    /// A new file; envelopes are private, so only the user can read it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Self { file: Mutex::new(io::LineWriter::new(file)), began: (Instant::now(), Timestamp::now()) })
    }

    pub(crate) fn write(&self, message: Option<u64>, line: &Line) {
        let (instant, timestamp) = self.began;
        let time = timestamp.checked_add(line.at.saturating_duration_since(instant)).unwrap_or(timestamp);
        let message = message.map(|number| format!("#{number} ")).unwrap_or_default();
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{time:.6} {message}{line}") {
            warn!(%error, "the transcript cannot be written");
        }
    }
}
