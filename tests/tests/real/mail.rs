//! What has arrived: the Maildirs of a server, and what it has put on top of each message.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What a server takes at most to empty its queue.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// All mailboxes of a server.
pub(crate) struct Mail {
    dir: PathBuf,
    /// The queue, which messages leave when they are in their mailboxes: its directories, in the order a message takes. None: it is there
    /// when the reply is.
    queue: Vec<PathBuf>,
    /// The fields that the server puts on top, in this order.
    top: &'static [&'static str],
}

/// A message in a mailbox.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) user: String,
    /// The fields that the server has put on top.
    pub(crate) top: String,
    /// The rest, line ends as LF.
    pub(crate) content: Vec<u8>,
}

impl Stored {
    /// How it came, in the server's words (RFC 3848): `ESMTP`, `ESMTPS`, `ESMTPSA`, `UTF8SMTPS`, `LMTP`, …
    pub(crate) fn with(&self) -> &str {
        // Not "with cipher".
        let is_protocol = |word: &str| word.to_ascii_uppercase().contains("MTP");
        self.after("with", is_protocol).unwrap_or_default()
    }

    /// The server's name for the transaction.
    pub(crate) fn id(&self) -> &str {
        self.after("id", |_| true).unwrap_or_default().trim_matches([';', '<', '>'])
    }

    fn after(&self, keyword: &str, is: impl Fn(&str) -> bool) -> Option<&str> {
        let words = || self.top.split_ascii_whitespace();
        words().zip(words().skip(1)).find(|(word, next)| *word == keyword && is(next)).map(|(_, next)| next)
    }
}

impl Mail {
    pub(crate) fn new(dir: impl AsRef<Path>, queue: Vec<PathBuf>, top: &'static [&'static str]) -> Self {
        Self { dir: dir.as_ref().to_owned(), queue, top }
    }

    /// Everything that has arrived in any mailbox since the last call, sorted by user; the mailboxes are empty afterwards.
    ///
    /// What a server has acknowledged is in its queue until it is in the mailbox, so once the queue is empty the answer is complete:
    /// nothing is missing that comes a little later, and what is not there has not been accepted.
    pub(crate) async fn arrivals(&self) -> Vec<Stored> {
        self.settle().await;
        let mut found = Vec::new();
        for user in names(&self.dir) {
            let new = self.dir.join(&user).join("new");
            for name in names(&new) {
                let path = new.join(name);
                let octets = fs::read(&path).expect("a stored message");
                fs::remove_file(&path).expect("the test may remove it");
                let (top, content) = strip(&octets, self.top);
                let top = String::from_utf8(top.to_vec()).expect("the server's own fields are ASCII here");
                found.push(Stored { user: user.clone(), top, content: content.to_vec() });
            }
        }
        found
    }

    /// Nothing has arrived anywhere.
    pub(crate) async fn assert_nothing(&self) {
        let found = self.arrivals().await;
        assert!(found.is_empty(), "something arrived: {found:?}");
    }

    async fn settle(&self) {
        let until = Instant::now() + PATIENCE;
        // In their order: a message that moves on between two looks is seen by the second.
        while self.queue.iter().any(|dir| holds_files(dir)) {
            assert!(Instant::now() < until, "the queue is not empty after {PATIENCE:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The entries of a directory, sorted; of none where there is no such directory.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().into_string().expect("a plain name")).collect();
    names.sort();
    names
}

/// Queues may be spread over directories (deferred/A/A12…).
fn holds_files(dir: &Path) -> bool {
    fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => holds_files(&entry.path()),
        // Gone since: it has moved on, and the next look tells where to.
        _ => true,
    })
}

/// Splits off the fields which the server has put on top: each once, in this order; `Received` goes on in lines with a TAB. What has a
/// `?` behind it may be missing.
fn strip<'a>(octets: &'a [u8], fields: &[&str]) -> (&'a [u8], &'a [u8]) {
    let line = |at: usize| octets[at..].split_inclusive(|octet| *octet == b'\n').next().unwrap_or_default();
    let mut at = 0;
    for field in fields {
        let (field, optional) = field.strip_suffix('?').map_or((*field, false), |field| (field, true));
        if line(at).starts_with(field.as_bytes()) {
            at += line(at).len();
            while field == "Received:" && line(at).starts_with(b"\t") {
                at += line(at).len();
            }
        } else {
            let beginning = String::from_utf8_lossy(&octets[..octets.len().min(600)]);
            assert!(optional, "{field} is missing on top of {beginning}");
        }
    }
    octets.split_at(at)
}

/// What becomes of a content with CRLF line ends: what is stored of it, or the verdict.
pub(crate) type Stores = fn(&[u8]) -> Result<Vec<u8>, &'static str>;

/// What Postfix stores, as `tests/servers/README.md` describes.
pub(crate) fn postfix_stores(content: &[u8]) -> Vec<u8> {
    postfix_stores_by(content, false)
}

/// The same for what came by BDAT: there, the first line is no special one.
pub(crate) fn postfix_stores_chunks(content: &[u8]) -> Vec<u8> {
    postfix_stores_by(content, true)
}

fn postfix_stores_by(content: &[u8], chunks: bool) -> Vec<u8> {
    let text = lf(content);
    let quoted = text.iter().take_while(|octet| **octet == b'>').count();
    if !chunks && text[quoted..].starts_with(b"From ") {
        return [b"X-Mailbox-Line: ".as_slice(), &text].concat();
    }
    let mut at = 0;
    for (number, line) in text.split(|octet| *octet == b'\n').enumerate() {
        if line.is_empty() {
            break;
        }
        let continuation = (number > 0 || chunks) && matches!(line[0], b' ' | b'\t');
        if !continuation && !is_field(line) {
            return [&text[..at], b"\n", &text[at..]].concat();
        }
        at += line.len() + 1;
    }
    text
}

/// `name:`, perhaps with blanks before the colon.
pub(crate) fn is_field(line: &[u8]) -> bool {
    let name = line.iter().take_while(|octet| octet.is_ascii_graphic() && **octet != b':').count();
    let rest = line[name..].trim_ascii_start();
    name > 0
        && rest.starts_with(b":")
        && line[name..line.len() - rest.len()].iter().all(|octet| matches!(octet, b' ' | b'\t'))
}

/// What Dovecot stores of a content with CRLF line ends.
pub(crate) fn dovecot_stores(content: &[u8]) -> Vec<u8> {
    lf(content)
}

/// For content whose CRs all stand before an LF.
pub(crate) fn lf(content: &[u8]) -> Vec<u8> {
    content.iter().copied().filter(|octet| *octet != b'\r').collect()
}
