//! Files that the command line names: read whole, they are small.

use std::{io::Write as _, path::Path};

use smtp_proto::Secret;

use crate::exit::{Failure, Status};

/// Larger is no certificate, key or password, in octets.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A certificate, a key.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let length = std::fs::metadata(path).map(|metadata| metadata.len());
    if length.is_ok_and(|length| length > LARGEST) {
        return Err(Failure::config(format!("{}: too large to be what it should be", path.display())));
    }
    std::fs::read(path).map_err(|error| Failure::because(Status::Config, path.display(), &error))
}

/// A password: the first line, without its end.
pub(crate) fn password(path: &Path) -> Result<Secret, Failure> {
    let mut octets = read(path)?;
    if let Some(end) = octets.iter().position(|octet| *octet == b'\n') {
        // The rest is wiped with the secret: truncating leaves it in the same buffer.
        octets.truncate(end);
    }
    if octets.last() == Some(&b'\r') {
        octets.pop();
    }
    if octets.is_empty() {
        return Err(Failure::config(format!(
            "{}: the first line is empty, and should be the password",
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
