//! Maildirs: where captured messages go, and one kind of input.
//!
//! By hand, because it is little: a name nobody else uses, a file in `tmp`, a rename. The `maildir` crate brings a MIME parser along and
//! leaves out what a server has to do before it says 250: the directory entry is synced here too.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use tokio::io::AsyncWriteExt as _;

/// A Maildir that can be written to.
#[derive(Clone, Debug)]
pub(crate) struct Maildir {
    path: PathBuf,
}

/// A message on its way in; gone when it is dropped before [`Incoming::commit`].
#[derive(Debug)]
pub(crate) struct Incoming {
    file: tokio::fs::File,
    temporary: PathBuf,
    finished: PathBuf,
    committed: bool,
}

/// Whether `path` looks like one.
pub(crate) fn is_maildir(path: &Path) -> bool {
    ["cur", "new"].iter().all(|folder| path.join(folder).is_dir())
}

/// The messages in it, `new` before `cur`, each by name; paths are inside it.
///
/// Both at once: whoever reads mail meanwhile moves it from one to the other, and no message must be found twice.
pub(crate) fn messages(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in ["new", "cur"] {
        let begin = found.len();
        for entry in fs::read_dir(path.join(folder))? {
            let entry = entry?;
            if !is_hidden(&entry.file_name()) && is_file(&entry) {
                found.push(Path::new(folder).join(entry.file_name()));
            }
        }
        if let Some(names) = found.get_mut(begin..) {
            names.sort();
        }
    }
    Ok(found)
}

/// What the folder says spares a look at the file.
fn is_file(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_file() || (kind.is_symlink() && entry.path().is_file()))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

impl Maildir {
    /// Opens it, and makes what is missing of it. Mail is private: the mode is 0700.
    pub(crate) fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for folder in ["tmp", "new", "cur"] {
            builder.create(path.join(folder))?;
        }
        Ok(Self { path })
    }

    /// Begins a message.
    pub(crate) fn begin(&self) -> io::Result<Incoming> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!(
            "{}.M{}P{}Q{}.{}",
            time.as_secs(),
            time.subsec_micros(),
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed),
            // `/` and `:` have a meaning in names of messages.
            gethostname::gethostname().to_string_lossy().replace('/', "\\057").replace(':', "\\072"),
        );
        let temporary = self.path.join("tmp").join(&name);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let finished = self.path.join("new").join(name);
        Ok(Incoming { file: tokio::fs::File::from_std(file), temporary, finished, committed: false })
    }
}

impl Incoming {
    pub(crate) async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets).await
    }

    /// Makes it a message of the Maildir, on disk before this returns. Says where it is.
    pub(crate) async fn commit(mut self) -> io::Result<PathBuf> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        tokio::fs::rename(&self.temporary, &self.finished).await?;
        self.committed = true;
        if let Some(folder) = self.finished.parent() {
            tokio::fs::File::open(folder).await?.sync_all().await?;
        }
        Ok(std::mem::take(&mut self.finished))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.committed {
            // What is left in `tmp` is swept away by whoever reads the Maildir.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_seen_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let maildir = Maildir::create(folder.path().join("a/b")).unwrap();
        let root = folder.path().join("a/b");
        assert!(is_maildir(&root));

        let mut kept = maildir.begin().unwrap();
        kept.write(b"one").await.unwrap();
        assert_eq!(messages(&root).unwrap(), Vec::<PathBuf>::new());
        let mut dropped = maildir.begin().unwrap();
        dropped.write(b"two").await.unwrap();

        let path = kept.commit().await.unwrap();
        drop(dropped);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(messages(&root).unwrap(), [path.strip_prefix(&root).unwrap()]);
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    }
}
