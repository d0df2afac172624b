//! Who a message is from and for, and what is known about it.
use crate::{
    address::{ForwardPath, ReversePath},
    body::Facts,
};

/// The MAIL command's part of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sender {
    pub path: ReversePath,
    /// The submitter asked for SMTPUTF8 (M79); needed or not is decided from addresses and content too.
    pub smtputf8: bool,
    /// REQUIRETLS (R196).
    pub require_tls: bool,
    /// What is known about the content; None: it's streamed and nothing is known.
    pub content: Option<Facts>,
    /// Declared size when facts are unknown but a size is known (estimate).
    pub declared_size: Option<u64>,
}
impl Sender {
    pub fn new(_path: ReversePath) -> Self {
        todo!()
    } /* + builder style with_* methods */
}

/// One RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipient {
    pub path: ForwardPath,
}
impl Recipient {
    pub fn new(_path: ForwardPath) -> Self {
        todo!()
    }
}

/// A whole envelope; recipients in order, duplicates kept (R61).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    pub sender: Sender,
    pub recipients: Vec<Recipient>,
}
impl Envelope {
    pub fn new(_sender: Sender, _recipients: Vec<Recipient>) -> Self {
        todo!()
    }
}
