//! What a failed name lookup means.

use std::io;

/// Why a name could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ResolveError {
    /// The name does not exist (M101); otherwise the lookup may work later (M102).
    pub not_found: bool,
    /// The resolver's words.
    pub message: String,
}

impl ResolveError {
    /// From what a resolver knows.
    #[must_use]
    pub fn new(not_found: bool, message: impl Into<String>) -> Self {
        Self { not_found, message: message.into() }
    }

    /// From the error of a lookup by the operating system, as [`ToSocketAddrs`](std::net::ToSocketAddrs) returns it.
    ///
    /// The standard library keeps of `getaddrinfo` only the text of `gai_strerror`, which is not localised unless the program calls
    /// `setlocale`. What is not recognised may work later.
    #[must_use]
    pub fn from_lookup(error: &io::Error) -> Self {
        Self::new(is_not_found(error), error.to_string())
    }
}

fn is_not_found(error: &io::Error) -> bool {
    /// `EAI_NONAME` and `EAI_NODATA` in the words of glibc, musl, macOS and the BSDs.
    const WORDS: [&str; 6] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided, or not known",
        "hostname nor servname provided, or not known",
    ];
    if cfg!(windows) {
        // WSAHOST_NOT_FOUND, WSANO_DATA
        return matches!(error.raw_os_error(), Some(11001 | 11004));
    }
    // With an errno it is EAI_SYSTEM: something on this machine.
    let text = error.to_string();
    error.raw_os_error().is_none() && WORDS.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_known_to_be_missing_is_not_found() {
        // M101, M102
        let rows = [
            ("failed to lookup address information: Name or service not known", true),
            ("failed to lookup address information: No address associated with hostname", true),
            ("failed to lookup address information: Name does not resolve", true),
            ("failed to lookup address information: Temporary failure in name resolution", false),
            ("failed to lookup address information: Non-recoverable failure in name resolution", false),
            ("failed to lookup address information: Try again", false),
        ];
        for (text, expected) in rows {
            let error = ResolveError::from_lookup(&io::Error::other(text));
            assert_eq!(error.not_found, expected && cfg!(unix), "{text}");
            assert_eq!(error.to_string(), text);
        }
        assert!(!ResolveError::from_lookup(&io::Error::from_raw_os_error(24)).not_found);
    }
}
