//! Who a message is from and for, and what is known about it.
//!
//! ```
//! use smtp_proto::{
//!     address::Mailbox,
//!     envelope::{Envelope, Recipient, Sender},
//! };
//!
//! let sender: Mailbox = "alice@example.org".parse()?;
//! let recipient: Mailbox = "bob@example.net".parse()?;
//! let envelope = Envelope::new(Sender::from(sender).with_smtputf8(), vec![Recipient::from(recipient)]);
//! assert!(envelope.is_ascii());
//! # Ok::<(), smtp_proto::address::AddressError>(())
//! ```

use crate::{
    address::{ForwardPath, Mailbox, ReversePath},
    body::Facts,
};

/// The MAIL command's part of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sender {
    /// Whom failures are reported to.
    pub path: ReversePath,
    /// The submitter asked for SMTPUTF8 (M79); needed or not is decided from addresses and content too.
    pub smtputf8: bool,
    /// The submitter asked for REQUIRETLS (RFC 8689, R196).
    pub require_tls: bool,
    /// What is known about the content; None: it is streamed and nothing is known.
    pub content: Option<Facts>,
    /// Octets to declare with SIZE when `content` is not known (RFC 1870 §3: an estimate will do).
    pub declared_size: Option<u64>,
}

impl Sender {
    /// A sender that asks for nothing and says nothing about the content.
    #[must_use]
    pub fn new(path: ReversePath) -> Self {
        Self { path, smtputf8: false, require_tls: false, content: None, declared_size: None }
    }

    /// The sender `<>` of a bounce (R18).
    #[must_use]
    pub fn null() -> Self {
        Self::new(ReversePath::Null)
    }

    /// Asks for SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn with_smtputf8(self) -> Self {
        Self { smtputf8: true, ..self }
    }

    /// Asks for REQUIRETLS (RFC 8689): deliver over verified TLS or not at all.
    #[must_use]
    pub fn with_require_tls(self) -> Self {
        Self { require_tls: true, ..self }
    }

    /// Says what the content is like.
    #[must_use]
    pub fn with_content(self, facts: Facts) -> Self {
        Self { content: Some(facts), ..self }
    }

    /// Declares the size of a content that is not known otherwise, in octets with CRLF line ends.
    #[must_use]
    pub fn with_declared_size(self, octets: u64) -> Self {
        Self { declared_size: Some(octets), ..self }
    }
}

impl From<ReversePath> for Sender {
    fn from(path: ReversePath) -> Self {
        Self::new(path)
    }
}

impl From<Mailbox> for Sender {
    fn from(mailbox: Mailbox) -> Self {
        Self::new(mailbox.into())
    }
}

/// One RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipient {
    /// Whom to deliver to.
    pub path: ForwardPath,
}

impl Recipient {
    /// A recipient without parameters.
    #[must_use]
    pub fn new(path: ForwardPath) -> Self {
        Self { path }
    }
}

impl From<ForwardPath> for Recipient {
    fn from(path: ForwardPath) -> Self {
        Self::new(path)
    }
}

impl From<Mailbox> for Recipient {
    fn from(mailbox: Mailbox) -> Self {
        Self::new(mailbox.into())
    }
}

/// A whole envelope.
///
/// Recipients keep their order, and duplicates stay: results are told by position, not by address (R61).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// From whom.
    pub sender: Sender,
    /// For whom, in the order of the RCPT commands.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// An envelope of its parts.
    #[must_use]
    pub fn new(sender: Sender, recipients: Vec<Recipient>) -> Self {
        Self { sender, recipients }
    }

    /// The envelope with one more recipient at the end.
    #[must_use]
    pub fn with_recipient(mut self, recipient: impl Into<Recipient>) -> Self {
        self.recipients.push(recipient.into());
        self
    }

    /// No address has an octet of 0x80 or above: addresses alone do not need SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.sender.path.is_ascii() && self.recipients.iter().all(|recipient| recipient.path.is_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> Mailbox {
        text.parse().unwrap()
    }

    #[test]
    fn duplicate_recipients_stay_in_order() {
        // R61
        let envelope = Envelope::new(
            Sender::null(),
            vec![mailbox("a@x").into(), mailbox("b@x").into(), mailbox("a@x").into()],
        );
        let printed: Vec<_> = envelope.recipients.iter().map(|r| r.path.to_string()).collect();
        assert_eq!(printed, ["<a@x>", "<b@x>", "<a@x>"]);
    }

    #[test]
    fn a_sender_asks_for_nothing_until_told() {
        let plain = Sender::from(mailbox("a@x"));
        assert_eq!(plain, Sender::new("a@x".parse().unwrap()));
        assert!(
            !plain.smtputf8 && !plain.require_tls && plain.content.is_none() && plain.declared_size.is_none()
        );

        let facts = Facts::default();
        let asking = plain.with_smtputf8().with_require_tls().with_content(facts).with_declared_size(7);
        assert!(asking.smtputf8 && asking.require_tls);
        assert_eq!((asking.content, asking.declared_size), (Some(facts), Some(7)));
    }

    #[test]
    fn one_utf8_address_anywhere_makes_the_envelope_non_ascii() {
        // B11
        let ascii = Envelope::new(Sender::null(), Vec::new()).with_recipient(mailbox("a@x"));
        assert!(ascii.is_ascii());
        assert!(!ascii.clone().with_recipient(mailbox("a@тест.example")).is_ascii());
        assert!(!Envelope { sender: mailbox("тест@x").into(), ..ascii }.is_ascii());
    }
}
