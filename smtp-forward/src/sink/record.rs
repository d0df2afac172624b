//! What is told about a message that was received.

use std::path::PathBuf;

use serde::Serialize;

/// One line of JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    /// Of the messages this server has taken; the client is told.
    pub(crate) number: u64,
    pub(crate) envelope: Envelope,
    /// Octets of the content: CRLF line ends, no stuffed dots, no end mark.
    pub(crate) size: u64,
    /// Of the content, in hexadecimal.
    pub(crate) sha256: String,
    /// Where it is stored.
    pub(crate) file: Option<PathBuf>,
    /// Who sent it: an address, or `unix`.
    pub(crate) peer: String,
    /// Which connection it came over, counted from 1.
    pub(crate) connection: u64,
    /// What the client called itself.
    pub(crate) hello: String,
    pub(crate) tls: Option<Tls>,
    /// Who the client authenticated as.
    pub(crate) auth: Option<String>,
    /// Turns of the line for this transaction.
    pub(crate) round_trips: u32,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Envelope {
    /// `<>` is the null sender.
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// The SIZE parameter.
    pub(crate) size: Option<u64>,
    /// The BODY parameter.
    pub(crate) body: Option<&'static str>,
    pub(crate) smtputf8: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tls {
    pub(crate) version: &'static str,
    pub(crate) cipher: String,
    pub(crate) group: Option<String>,
    /// The name the client asked for.
    pub(crate) server_name: Option<String>,
}
