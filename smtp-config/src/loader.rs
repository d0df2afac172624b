//! Where files and variables come from: the machine, or a test.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Read as _},
    path::{Component, Path, PathBuf},
};

/// What reading a configuration needs of the world.
pub trait Loader {
    /// The octets of a file, of which there are no more than `limit`; an error for a directory or a longer file.
    ///
    /// # Errors
    /// The file cannot be read. [`io::ErrorKind::NotFound`], [`io::ErrorKind::IsADirectory`] and
    /// [`io::ErrorKind::FileTooLarge`] say so in a way that a diagnostic understands.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// A name under which a file is the same file, however it was reached.
    ///
    /// # Errors
    /// There is no such file.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// The value of an environment variable; `None`: unset.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The machine: its files, the environment of this process.
///
/// Regular files only: a pipe could block for ever, a device give no end.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Loader for System {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        // Asked before it is opened, which waits where the file is a pipe that nobody writes to.
        regular(&fs::metadata(path)?)?;
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        regular(&metadata)?;
        if metadata.len() > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut octets = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut octets)?;
        within(octets, limit)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    /// One that is not UTF-8 counts as unset.
    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }
}

fn regular(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a pipe, a socket or a device, not a file",
        ));
    }
    Ok(())
}

fn within(octets: Vec<u8>, limit: u64) -> io::Result<Vec<u8>> {
    match u64::try_from(octets.len()) {
        Ok(len) if len <= limit => Ok(octets),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// Files and variables in memory, for tests.
///
/// ```
/// use smtp_config::{loader::Memory, tree};
///
/// let loader = Memory::new().file("mail.conf", "import site\n").file("site.conf", "hostname {env:NAME}\n");
/// let tree = tree::read(&loader.variable("NAME", "mx.example.org"), "mail.conf".as_ref())?;
/// assert_eq!(tree.nodes[0].args[0].text, "mx.example.org");
/// # Ok::<_, smtp_config::diagnostic::Diagnostics>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    variables: BTreeMap<String, String>,
}

impl Memory {
    /// No file, no variable.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this file. The folders above it are there as well.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>, octets: impl Into<Vec<u8>>) -> Self {
        self.files.insert(lexical(path.as_ref()), octets.into());
        self
    }

    /// With this variable set.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }
}

impl Loader for Memory {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let octets = self.files.get(&self.canonical(path)?).ok_or(io::ErrorKind::IsADirectory)?;
        within(octets.clone(), limit)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let path = lexical(path);
        match self.files.keys().any(|file| file.starts_with(&path)) {
            true => Ok(path),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

/// Without `.`, and without `..` where there is something to go back from.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_gives_regular_files_within_the_limit_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, "12345").unwrap();
        assert_eq!(System.read(&file, 5).unwrap(), b"12345");
        let kind = |path: &Path, limit| System.read(path, limit).unwrap_err().kind();
        assert_eq!(kind(&file, 4), io::ErrorKind::FileTooLarge);
        assert_eq!(kind(dir.path(), 4), io::ErrorKind::IsADirectory);
        assert_eq!(kind(&dir.path().join("b"), 4), io::ErrorKind::NotFound);
        assert_eq!(System.canonical(&dir.path().join("./a")).unwrap(), file.canonicalize().unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_device_or_a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            assert_eq!(System.read(&pipe, 9).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(System.read(Path::new("/dev/zero"), 9).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn memory_has_folders_where_files_are_and_knows_a_file_by_every_way_to_it() {
        let memory = Memory::new().file("etc/mail/a.conf", "x");
        assert_eq!(memory.read("etc/./mail/../mail/a.conf".as_ref(), 1).unwrap(), b"x");
        assert_eq!(memory.read("etc/mail".as_ref(), 1).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(memory.read("etc/mai".as_ref(), 1).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(
            memory.read("etc/mail/a.conf".as_ref(), 0).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
    }
}
