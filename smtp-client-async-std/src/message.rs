//! Where a message's octets come from: memory, a file, a reader.

use std::{
    fmt,
    fs::File,
    io,
    path::Path,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_io::AsyncRead;

use smtp_proto::body::{ContentError, Facts, LineBreaks, Scanner};

use crate::clock::{JoinHandle, spawn_blocking, yield_now};

/// Read from a file at a time: large enough that the way to the blocking pool and back costs little, small enough for many messages at once.
const PIECE: usize = 128 * 1024;
/// Read from a reader at a time; content is never asked for in larger pieces.
const CHUNK: usize = 64 * 1024;
/// Scanned between two chances for other tasks.
const SCANNED: usize = 1024 * 1024;

/// The content of a message, as it was written: line ends are normalised and dots are doubled on the way.
///
/// ```
/// use smtp_client_async_std::Message;
///
/// let message = Message::from("Subject: tea\r\n\r\nAt four?\r\n");
/// ```
#[derive(Debug)]
pub struct Message {
    content: Content,
    facts: Option<Facts>,
}

enum Content {
    Bytes(Bytes),
    File(Arc<File>),
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

impl fmt::Debug for Content {
    /// Never the octets themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} octets)", bytes.len()),
            Self::File(_) => f.write_str("File"),
            Self::Reader(_) => f.write_str("Reader"),
        }
    }
}

impl Message {
    /// A message in memory. It is not copied; clones of `bytes` share it.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::Bytes(bytes.into()), facts: None }
    }

    /// A message in a regular file, read in constant memory, from its beginning for each target that gets it.
    ///
    /// A file that shrinks or grows between [`send`](crate::Client::send)'s look at it and the sending is never delivered in part: the
    /// content is cut off without end mark.
    ///
    /// # Errors
    /// The file cannot be opened, or is no regular file.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = spawn_blocking(move || {
            // Asked first: opening a pipe would wait for a writer.
            if !std::fs::metadata(&path)?.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "not a regular file; use `Message::from_reader` for what can be read only once",
                ));
            }
            File::open(&path)
        })
        .await?;
        Ok(Self { content: Content::File(Arc::new(file)), facts: None })
    }

    /// A message in a regular file that is open already, such as a temporary one without a name; as [`Message::open`].
    ///
    /// It is read from its beginning, whatever its position.
    #[must_use]
    pub fn from_file(file: File) -> Self {
        Self { content: Content::File(Arc::new(file)), facts: None }
    }

    /// A message from anything that can be read, in constant memory.
    ///
    /// It is read once and not before a server wants it. So nothing is known about it beforehand: no SIZE is declared (see
    /// [`Sender::declared_size`](smtp_proto::Sender::declared_size)), and once part of it has been read, no further target can be tried.
    pub fn from_reader(reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self { content: Content::Reader(Box::new(reader)), facts: None }
    }

    /// Says what the content is like, so that it need not be scanned.
    ///
    /// `facts.octets` is binding: content of another length is not delivered.
    #[must_use]
    pub fn with_facts(self, facts: Facts) -> Self {
        Self { facts: Some(facts), ..self }
    }

    /// What is known about the content, found out by reading it where that can be done twice.
    ///
    /// `&mut`, because a reader need not be `Sync`.
    pub(crate) async fn facts(&mut self, policy: LineBreaks) -> Result<Option<Facts>, ScanError> {
        match (&mut self.content, self.facts) {
            (_, Some(facts)) => Ok(Some(facts)),
            (Content::Bytes(bytes), None) => scan_bytes(bytes, policy).await.map(Some),
            (Content::File(file), None) => scan_file(file, policy).await.map(Some),
            (Content::Reader(_), None) => Ok(None),
        }
    }

    pub(crate) fn into_source(self) -> Source {
        match self.content {
            Content::Bytes(bytes) => Source::Bytes { bytes, at: 0 },
            Content::File(file) => Source::File(Pieces::new(file)),
            Content::Reader(reader) => Source::Reader { reader, buffer: Vec::new() },
        }
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::from_bytes(text)
    }
}

impl From<&'static [u8]> for Message {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from_bytes(bytes)
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Self {
        Self::from_bytes(text)
    }
}

/// Why content could not be looked at beforehand.
#[derive(Debug)]
pub(crate) enum ScanError {
    /// The policy refuses it.
    Refused(ContentError),
    /// It could not be read.
    Io(io::Error),
}

impl From<ContentError> for ScanError {
    fn from(error: ContentError) -> Self {
        Self::Refused(error)
    }
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

async fn scan_bytes(bytes: &[u8], policy: LineBreaks) -> Result<Facts, ScanError> {
    let mut scanner = Scanner::new(policy);
    for (index, piece) in bytes.chunks(SCANNED).enumerate() {
        if index > 0 {
            yield_now().await;
        }
        scanner.update(piece)?;
    }
    Ok(scanner.finish()?)
}

async fn scan_file(file: &Arc<File>, policy: LineBreaks) -> Result<Facts, ScanError> {
    let file = Arc::clone(file);
    // Nobody waits for the result any more as soon as this is dropped.
    let waiting = Arc::new(());
    let wanted = Arc::downgrade(&waiting);
    let scanned = spawn_blocking(move || scan_blocking(&file, policy, &wanted)).await;
    drop(waiting);
    scanned
}

fn scan_blocking(file: &File, policy: LineBreaks, wanted: &Weak<()>) -> Result<Facts, ScanError> {
    let mut scanner = Scanner::new(policy);
    let mut piece = vec![0; CHUNK];
    let mut offset = 0;
    while wanted.strong_count() > 0 {
        match read_at(file, &mut piece, offset)? {
            0 => return Ok(scanner.finish()?),
            read => {
                scanner.update(piece.get(..read).unwrap_or_default())?;
                offset += read as u64;
            }
        }
    }
    Err(io::Error::other("no longer wanted").into())
}

/// Without the file's own position, which an abandoned read may still move.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, buffer, offset);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The content on its way.
pub(crate) enum Source {
    Bytes { bytes: Bytes, at: usize },
    File(Pieces),
    Reader { reader: Box<dyn AsyncRead + Send + Unpin>, buffer: Vec<u8> },
}

impl Source {
    /// The next octets, at most `most`; none: the end.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<&[u8]>> {
        match self {
            Self::Bytes { bytes, at } => Poll::Ready(Ok(take(bytes, at, most))),
            Self::File(pieces) => pieces.poll_chunk(cx, most),
            Self::Reader { reader, buffer } => {
                if buffer.is_empty() {
                    buffer.resize(CHUNK, 0);
                }
                let space = buffer.get_mut(..most.min(CHUNK)).unwrap_or_default();
                let read = ready!(Pin::new(reader).poll_read(cx, space))?;
                Poll::Ready(Ok(buffer.get(..read).unwrap_or_default()))
            }
        }
    }

    /// Lets go of buffers; no octets are wanted now.
    pub(crate) fn release(&mut self) {
        match self {
            Self::Bytes { .. } => {}
            Self::File(pieces) => pieces.release(),
            Self::Reader { buffer, .. } => *buffer = Vec::new(),
        }
    }

    /// Begins again.
    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        match self {
            Self::Bytes { at, .. } => *at = 0,
            Self::File(pieces) => *pieces = Pieces::new(Arc::clone(&pieces.file)),
            Self::Reader { .. } => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "a reader cannot be read again"));
            }
        }
        Ok(())
    }
}

fn take<'a>(octets: &'a [u8], at: &mut usize, most: usize) -> &'a [u8] {
    let rest = octets.get(*at..).unwrap_or_default();
    let taken = rest.get(..most).unwrap_or(rest);
    *at += taken.len();
    taken
}

/// A file in pieces, each read on the blocking pool.
#[derive(Debug)]
pub(crate) struct Pieces {
    file: Arc<File>,
    /// Octets read from the file.
    offset: u64,
    piece: Vec<u8>,
    /// Octets of the piece handed out.
    at: usize,
    /// The piece is the last.
    last: bool,
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Pieces {
    fn new(file: Arc<File>) -> Self {
        Self { file, offset: 0, piece: Vec::new(), at: 0, last: false, reading: None }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<&[u8]>> {
        if self.at >= self.piece.len() && !self.last {
            let (file, offset, piece) = (&self.file, self.offset, &mut self.piece);
            let reading = self.reading.get_or_insert_with(|| {
                let (file, buffer) = (Arc::clone(file), std::mem::take(piece));
                spawn_blocking(move || read_piece(&file, offset, buffer))
            });
            let read = ready!(Pin::new(reading).poll(cx));
            self.reading = None;
            self.piece = read?;
            self.at = 0;
            self.offset += self.piece.len() as u64;
            self.last = self.piece.len() < PIECE;
        }
        if self.at >= self.piece.len() {
            self.release();
        }
        Poll::Ready(Ok(take(&self.piece, &mut self.at, most)))
    }

    fn release(&mut self) {
        self.piece = Vec::new();
        self.at = 0;
        // One that is under way ends by itself, after one piece.
        self.reading = None;
    }
}

/// A whole piece; a shorter one is the last, so that the end is known together with the octets before it.
fn read_piece(file: &File, offset: u64, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    buffer.resize(PIECE, 0);
    let mut filled = 0;
    while filled < PIECE {
        match read_at(file, buffer.get_mut(filled..).unwrap_or_default(), offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}
