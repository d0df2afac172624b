use std::{fmt, str::FromStr};

use super::{AddressError, Domain, Mailbox, Problem, utf8};

/// The sender: nobody, written `<>`, or a mailbox (R18, RFC 5321 §4.1.2, §4.5.5).
///
/// Parsing takes the empty text, `<>`, `a@b` and `<a@b>`; a source route is dropped (R20). Printed with its brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody wants to hear about a failure; bounces are sent so.
    Null,
    /// Somebody.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// A path from octets, parsed as the text they spell.
    ///
    /// # Errors
    /// [`Problem::Utf8`] when they are not well-formed UTF-8 (R175), and those of parsing.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, AddressError> {
        utf8(octets)?.parse()
    }

    /// The mailbox, if there is one.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// No octet is 0x80 or above; `<>` has none (B10).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.mailbox().is_none_or(Mailbox::is_ascii)
    }

    /// The path for a server without SMTPUTF8; `<>` stays what it is (B10, M80).
    ///
    /// # Errors
    /// Those of [`Mailbox::to_ascii`].
    pub fn to_ascii(&self) -> Result<Self, AddressError> {
        match self {
            Self::Null => Ok(Self::Null),
            Self::Mailbox(mailbox) => mailbox.to_ascii().map(Self::Mailbox),
        }
    }
}

impl From<Mailbox> for ReversePath {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl FromStr for ReversePath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match unwrap_path(text)? {
            (_, "") => Ok(Self::Null),
            (offset, inner) => parse_mailbox(inner, offset).map(Self::Mailbox),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

/// A recipient: a mailbox, or `postmaster` without a domain (R19, M82, RFC 5321 §4.1.1.3).
///
/// Parsing takes `a@b`, `<a@b>`, `postmaster` and `<postmaster>` in any case; a source route is dropped (R20). Printed with
/// its brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// The postmaster of the server itself.
    Postmaster(Postmaster),
    /// Anybody else.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// A path from octets, parsed as the text they spell.
    ///
    /// # Errors
    /// [`Problem::Utf8`] when they are not well-formed UTF-8 (R175), and those of parsing.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, AddressError> {
        utf8(octets)?.parse()
    }

    /// The mailbox, unless it is a `postmaster` without domain.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Postmaster(_) => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// No octet is 0x80 or above.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.mailbox().is_none_or(Mailbox::is_ascii)
    }

    /// The path for a server without SMTPUTF8 (M81).
    ///
    /// # Errors
    /// Those of [`Mailbox::to_ascii`].
    pub fn to_ascii(&self) -> Result<Self, AddressError> {
        match self {
            Self::Postmaster(_) => Ok(self.clone()),
            Self::Mailbox(mailbox) => mailbox.to_ascii().map(Self::Mailbox),
        }
    }
}

impl From<Mailbox> for ForwardPath {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl FromStr for ForwardPath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (offset, inner) = unwrap_path(text)?;
        if inner.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster(Postmaster(inner.into())));
        }
        parse_mailbox(inner, offset).map(Self::Mailbox)
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster(name) => write!(f, "<{name}>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

/// The word `postmaster` in the caller's spelling. Made by parsing a [`ForwardPath`], or by `Postmaster::default()`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Postmaster(Box<str>);

impl Postmaster {
    /// The word as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Postmaster {
    fn default() -> Self {
        Self("postmaster".into())
    }
}

impl fmt::Display for Postmaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Splits text that begins with a path in brackets behind its `>`, as a command has it: `<a@b> SIZE=1`.
///
/// A `>` in a quoted string does not end the path. None: `text` begins with no `<`, or the path has no end.
#[must_use]
pub fn split_path(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('<') {
        return None;
    }
    let mut quoted = false;
    let mut octets = text.bytes().enumerate();
    while let Some((offset, octet)) = octets.next() {
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(octets.next()),
            b'>' if !quoted => return text.split_at_checked(offset + 1),
            _ => {}
        }
    }
    None
}

/// The path's text without brackets and source route, and its offset.
fn unwrap_path(text: &str) -> Result<(usize, &str), AddressError> {
    let inner = if text.starts_with('<') {
        match split_path(text) {
            Some((path, "")) => {
                path.strip_prefix('<').and_then(|path| path.strip_suffix('>')).unwrap_or(path)
            }
            Some((path, _)) => return Err(AddressError::new(Problem::Brackets, path.len())),
            None => return Err(AddressError::new(Problem::Brackets, text.len())),
        }
    } else {
        text
    };
    let offset = usize::from(inner.len() < text.len());
    let (route, mailbox) = split_source_route(inner).map_err(|e| e.shifted(offset))?;
    Ok((offset + route, mailbox))
}

fn parse_mailbox(text: &str, offset: usize) -> Result<Mailbox, AddressError> {
    text.parse::<Mailbox>().map_err(|e| e.shifted(offset))
}

/// Drops `@a,@b:` from the front (R20, RFC 5321 appendix C); says how many octets it had.
fn split_source_route(text: &str) -> Result<(usize, &str), AddressError> {
    let mut rest = text;
    // A-d-l = At-domain *( "," At-domain ), At-domain = "@" Domain
    while let Some(hop) = rest.strip_prefix('@') {
        let offset = text.len() - hop.len();
        let unended = AddressError::new(Problem::SourceRoute, offset);
        let (domain, behind) = hop.split_once([',', ':']).ok_or(unended)?;
        domain.parse::<Domain>().map_err(|e| e.shifted(offset))?;
        let last = hop.as_bytes().get(domain.len()) == Some(&b':');
        if last && !behind.is_empty() {
            return Ok((text.len() - behind.len(), behind));
        }
        if !behind.starts_with('@') {
            return Err(unended);
        }
        rest = behind;
    }
    Ok((0, text))
}
