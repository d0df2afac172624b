//! Files that the command line names: read whole, they are small.

use std::{io::Write as _, path::Path};

use smtp_proto::Secret;

use crate::exit::{Failure, Status};

/// Larger is no certificate, key or password, in octets.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A certificate, a key, for the option that names the file.
pub(crate) fn read(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let name = || format!("{option} {}", path.display());
    let length = std::fs::metadata(path).map(|metadata| metadata.len());
    if length.is_ok_and(|length| length > LARGEST) {
        return Err(Failure::config(format!("{}: too large to be what it should be", name())));
    }
    std::fs::read(path).map_err(|error| Failure::because(Status::Config, name(), &error))
}

/// Two files that belong together, as a message calls them.
pub(crate) fn pair(option: &str, path: &Path, other_option: &str, other: &Path) -> String {
    format!("{option} {} and {other_option} {}", path.display(), other.display())
}

/// A password: the first line, without its end.
pub(crate) fn password(option: &str, path: &Path) -> Result<Secret, Failure> {
    let mut octets = read(option, path)?;
    if let Some(end) = octets.iter().position(|octet| *octet == b'\n') {
        // The rest is wiped with the secret: truncating leaves it in the same buffer.
        octets.truncate(end);
    }
    if octets.last() == Some(&b'\r') {
        octets.pop();
    }
    if octets.is_empty() {
        return Err(Failure::config(format!(
            "{option} {}: the first line is empty, and should be the password",
            path.display()
        )));
    }
    Ok(Secret::from(octets))
}

/// A file that is gone when the value is dropped.
pub(crate) fn temporary(
    prefix: &str,
    suffix: &str,
    content: &[u8],
) -> Result<tempfile::NamedTempFile, Failure> {
    let make = || {
        let mut file = tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile()?;
        file.write_all(content)?;
        file.flush()?;
        Ok(file)
    };
    make().map_err(|error: std::io::Error| Failure::because(Status::Config, "a temporary file", &error))
}
