//! Octets that must stay unseen, and the proof that they may be sent.

use std::fmt;

use zeroize::Zeroizing;

/// Octets that must not be seen: a password, a token, a SASL message made from one (R133).
///
/// `Debug` prints the same text whatever the content, there is no `Display`, and the memory is wiped when the value
/// is dropped. A `String` or `Vec<u8>` is taken over without a copy, so nothing of it stays behind; a borrowed value
/// is copied, and wiping the original is its owner's business.
///
/// Two secrets compare with `==` in a time that depends on their content. That is for configuration and tests; do not
/// decide with it whether a peer knows a password.
///
/// ```
/// use smtp_proto::Secret;
///
/// let password = Secret::from("correct horse");
/// assert_eq!(password.expose(), b"correct horse");
/// assert_eq!(format!("{password:?}"), "Secret(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over `octets`.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets in the clear. The name is meant to stand out in review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// `parts` one after another, in one allocation: growing a buffer would leave pieces of it behind, unwiped.
    pub(crate) fn join(parts: &[&[u8]]) -> Self {
        let mut joined = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        for part in parts {
            joined.extend_from_slice(part);
        }
        Self(joined)
    }
}

impl From<Vec<u8>> for Secret {
    fn from(octets: Vec<u8>) -> Self {
        Self::new(octets)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// A buffer that was wiped on drop already, still without a copy.
impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(octets: Zeroizing<Vec<u8>>) -> Self {
        Self(octets)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The proof that a password may go out on the connection at hand (D4).
///
/// [`Exchange::new`](crate::sasl::Exchange) starts no mechanism that reveals its secret without one. There are two
/// ways to make one, each called in one place; it is neither `Copy` nor `Clone`, so that it cannot outlive the
/// connection it was made for by way of a copy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Confidential(());

impl Confidential {
    /// For a connection whose TLS handshake is complete; `None` unless the server's identity was verified in it
    /// (R112). A handshake that merely encrypts keeps nothing from an impostor.
    pub(crate) const fn by_verified_tls(server_verified: bool) -> Option<Self> {
        if server_verified { Some(Self(())) } else { None }
    }

    /// For a clear-text connection on which D4 allows it, and only there: the operator switched TLS off for a
    /// `tcp://` target, or the peer is a Unix socket or a loopback address that did not offer STARTTLS. Never after
    /// a TLS attempt failed, never because STARTTLS was merely missing on a routable address.
    ///
    /// Whoever calls this reports it with a warning event.
    pub(crate) const fn by_operator() -> Self {
        Self(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn debug_is_constant() {
        for octets in ["", "x", "hunter2", "\r\n"] {
            assert_eq!(format!("{:?}", Secret::from(octets)), "Secret(…)"); // R133
            assert_eq!(format!("{:#?}", Secret::from(octets)), "Secret(…)");
        }
    }

    #[test]
    fn the_buffer_inside_is_wiped_on_drop() {
        fn wiped_on_drop<T: ZeroizeOnDrop>(_: &T) {}
        wiped_on_drop(&Secret::from("hunter2").0); // R133
    }

    #[test]
    fn owned_octets_are_taken_over_without_a_copy() {
        let text = String::from("hunter2");
        let address = text.as_ptr();
        assert_eq!(Secret::from(text).expose().as_ptr(), address);

        let octets = b"hunter2".to_vec();
        let address = octets.as_ptr();
        assert_eq!(Secret::from(octets).expose().as_ptr(), address);

        let octets = Zeroizing::new(b"hunter2".to_vec());
        let address = octets.as_ptr();
        assert_eq!(Secret::from(octets).expose().as_ptr(), address);
    }

    #[test]
    fn tls_without_verification_is_no_proof() {
        assert_eq!(Confidential::by_verified_tls(false), None); // R112
        assert!(Confidential::by_verified_tls(true).is_some());
    }

    proptest! {
        #![proptest_config(crate::cases(1000))]

        #[test]
        fn join_concatenates_in_one_exact_allocation(parts: Vec<Vec<u8>>) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let joined = Secret::join(&parts);
            prop_assert_eq!(joined.expose(), parts.concat());
            prop_assert_eq!(joined.0.capacity(), joined.0.len());
        }
    }
}
