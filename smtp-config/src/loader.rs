//! Where files and variables come from: the machine, or a test.

use std::{
    io,
    path::{Path, PathBuf},
};

/// What reading a configuration needs of the world.
pub trait Loader {
    /// The octets of a file, of which there are no more than `limit`; an error for a directory or a longer file.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// A name under which a file is the same file, however it was reached.
    ///
    /// # Errors
    /// There is no such file.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// The value of an environment variable; `None`: unset.
    fn variable(&self, name: &str) -> Option<String>;
}
