//! Addresses as the wire wants them (RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3).
use std::{fmt, net::IpAddr, str::FromStr};

/// Why text is no address. thiserror; says what, where (octet offset) and what to do instead; never echoes controls raw.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    Placeholder,
}

/// A fully qualified domain, ASCII (LDH, A-labels) or U-labels; no trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Box<str>);

impl Domain {
    pub fn as_str(&self) -> &str {
        &self.0
    }
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }
    /// UTS-46 non-transitional, DNS lengths (M75, R179); ASCII names unchanged.
    pub fn to_ascii(&self) -> Result<Self, AddressError> {
        todo!()
    }
}
impl FromStr for Domain {
    type Err = AddressError;
    fn from_str(_s: &str) -> Result<Self, AddressError> {
        todo!()
    }
}

/// A domain or an address literal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Host {
    Domain(Domain),
    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]`
    Ip(IpAddr),
    /// general literal `[tag:content]`, kept as given
    Literal(Box<str>),
}
impl FromStr for Host {
    type Err = AddressError;
    fn from_str(_s: &str) -> Result<Self, AddressError> {
        todo!()
    }
}

/// The name a client gives in EHLO, HELO or LHLO: always ASCII on the wire (R11, R12, R172, M74-M76).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientName(Box<str>);
impl ClientName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
/// Parsing converts to A-labels. Also accepts bare IP addresses -> literals.
impl FromStr for ClientName {
    type Err = AddressError;
    fn from_str(_s: &str) -> Result<Self, AddressError> {
        todo!()
    }
}

/// `local-part@host`. Displays in wire form, quoting where needed (R21).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {}
impl Mailbox {
    /// The local part, unquoted.
    pub fn local_part(&self) -> &str {
        todo!()
    }
    pub fn host(&self) -> &Host {
        todo!()
    }
    pub fn is_ascii(&self) -> bool {
        todo!()
    }
    /// Domain as A-labels; an error when the local part is not ASCII (M80, M81).
    pub fn to_ascii(&self) -> Result<Self, AddressError> {
        todo!()
    }
}
impl FromStr for Mailbox {
    type Err = AddressError;
    fn from_str(_s: &str) -> Result<Self, AddressError> {
        todo!()
    }
}
impl fmt::Display for Mailbox {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

/// The sender: `<>` or a mailbox (R18).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    Null,
    Mailbox(Mailbox),
}
/// Accepts `<>`, the empty string, `a@b`, `<a@b>`, source route stripped (R20). Display prints with angle brackets.
impl FromStr for ReversePath {
    type Err = AddressError;
    fn from_str(_s: &str) -> Result<Self, AddressError> {
        todo!()
    }
}

/// A recipient: a mailbox, or `postmaster` without a domain in the caller's spelling (R19, M82).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    Postmaster(Box<str>),
    Mailbox(Mailbox),
}
impl FromStr for ForwardPath {
    type Err = AddressError;
    fn from_str(_s: &str) -> Result<Self, AddressError> {
        todo!()
    }
}
