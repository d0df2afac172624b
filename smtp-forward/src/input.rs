//! Messages to send: files, Maildirs, mboxes, standard input.
//!
//! A message is never held whole unless it is small: a file is read where it lies; what cannot be read twice (standard input, a pipe, a
//! piece of an mbox) is spooled, up to [`IN_MEMORY`] in memory and beyond that in a file that has no name.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    exit::{Failure, Status},
    report::say,
};

mod listing;
mod mbox;

pub(crate) use listing::{Inputs, Rest, Total};

/// What is spooled in memory at most, in octets.
const IN_MEMORY: u64 = 1024 * 1024;

/// The longest header looked at for addresses, in octets.
const LONGEST_HEADER: u64 = 1024 * 1024;

/// One message, not opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A file of its own.
    File(PathBuf),
    /// A piece of an mbox.
    Piece { mbox: Arc<Path>, number: usize, start: u64, end: u64 },
    /// Standard input.
    Stdin,
}

/// A message that can be read, twice if need be.
#[derive(Debug)]
pub(crate) enum Content {
    /// A regular file.
    File { path: PathBuf, size: u64 },
    /// In memory.
    Memory(Bytes),
    /// In a file without name.
    Spooled { file: fs::File, size: u64 },
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let status = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Status::NotFound,
        _ => Status::Unsendable,
    };
    Failure::because(status, path.display(), error)
}

impl Input {
    /// Its name in reports.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Piece { mbox, number, .. } => format!("{}#{number}", mbox.display()),
            Self::Stdin => "-".to_owned(),
        }
    }

    /// Makes it readable. Blocks.
    pub(crate) fn open(&self) -> Result<Content, Failure> {
        match self {
            Self::File(path) => open_file(path).map_err(|error| unreadable(path, &error)),
            Self::Piece { mbox, start, end, .. } => {
                let read = || {
                    let mut file = fs::File::open(mbox)?;
                    file.seek(SeekFrom::Start(*start))?;
                    let content = spool(file.take(end.saturating_sub(*start)))?;
                    if content.size() != end.saturating_sub(*start) {
                        return Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            "the mbox shrank while it was read",
                        ));
                    }
                    Ok(content)
                };
                read().map_err(|error: io::Error| unreadable(mbox, &error))
            }
            Self::Stdin => {
                let stdin = io::stdin();
                if stdin.is_terminal() {
                    // Else it looks as if nothing happened.
                    say(format_args!(
                        "reading the message from the terminal; Ctrl-D on an empty line ends it"
                    ));
                }
                spool(stdin.lock())
                    .map_err(|error| Failure::because(Status::Unsendable, "standard input", &error))
            }
        }
    }
}

fn open_file(path: &Path) -> io::Result<Content> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok(Content::File { path: path.to_owned(), size: metadata.len() });
    }
    // A pipe, as in `send <(make-message)`: it can be read only once.
    spool(file)
}

/// Keeps what can be read only once.
fn spool(mut source: impl Read) -> io::Result<Content> {
    let mut memory = Vec::new();
    source.by_ref().take(IN_MEMORY + 1).read_to_end(&mut memory)?;
    if memory.len() as u64 <= IN_MEMORY {
        return Ok(Content::Memory(memory.into()));
    }
    // No name: nobody else can read it, and nothing is left behind however the program ends.
    let mut file = tempfile::tempfile()?;
    io::Write::write_all(&mut file, &memory)?;
    drop(memory);
    io::copy(&mut source, &mut file)?;
    let size = file.stream_position()?;
    file.rewind()?;
    Ok(Content::Spooled { file, size })
}

impl Content {
    /// Its octets as they lie there.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } | Self::Spooled { size, .. } => *size,
            Self::Memory(octets) => octets.len() as u64,
        }
    }

    /// The header, up to and with the first empty line; `None` where it is longer than anybody would read.
    pub(crate) fn header(&self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::File { path, .. } => read_header(fs::File::open(path)?),
            Self::Memory(octets) => read_header(octets.as_ref()),
            Self::Spooled { file, .. } => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                let header = read_header(&mut file);
                file.rewind()?;
                header
            }
        }
    }
}

fn read_header(source: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut source = io::BufReader::new(source).take(LONGEST_HEADER);
    let mut header = Vec::new();
    loop {
        let start = header.len();
        if source.read_until(b'\n', &mut header)? == 0 {
            return Ok((source.limit() > 0).then_some(header));
        }
        if matches!(header.get(start..), Some(b"\n" | b"\r\n")) {
            return Ok(Some(header));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_stays_in_memory_and_the_rest_goes_to_a_file() {
        for (size, in_memory) in
            [(0, true), (IN_MEMORY, true), (IN_MEMORY + 1, false), (3 * IN_MEMORY, false)]
        {
            let content = spool(io::repeat(b'x').take(size)).unwrap();
            assert_eq!(content.size(), size);
            assert_eq!(matches!(content, Content::Memory(_)), in_memory, "{size}");
        }
    }

    #[test]
    fn the_header_ends_at_the_first_empty_line() {
        for (text, header) in [
            ("A: b\n\nbody\n", "A: b\n\n"),
            ("A: b\r\n\r\nbody\r\n\r\n", "A: b\r\n\r\n"),
            ("A: b\n c\n", "A: b\n c\n"),
            ("", ""),
        ] {
            let content = Content::Memory(Bytes::from_static(text.as_bytes()));
            assert_eq!(content.header().unwrap().unwrap(), header.as_bytes());
        }
        let endless = spool(io::repeat(b'x').take(LONGEST_HEADER + 1)).unwrap();
        assert_eq!(endless.header().unwrap(), None);
    }
}
