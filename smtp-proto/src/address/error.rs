use std::fmt;

use thiserror::Error;

/// Why text is no address, and where.
///
/// Its `Display` quotes at most one character of the text, escaped, so it cannot forge a line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError {
    problem: Problem,
    offset: usize,
}

/// What is wrong with the text of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no text at all.
    #[error("the address is empty; write local-part@domain")]
    Empty,
    /// There is no `@`, and the text is not `postmaster`.
    #[error("the address has no `@`; write local-part@domain")]
    NoAt,
    /// Nothing stands before the `@`.
    #[error("the local part is empty; write local-part@domain")]
    LocalPartEmpty,
    /// A character that no local part can hold, quoted or not.
    #[error("the local part cannot hold {0:?}; remove it")]
    LocalPart(char),
    /// A character that a local part can hold only in quotes.
    #[error("{0:?} cannot stand here unquoted; write the local part in double quotes or remove it")]
    Unquoted(char),
    /// A quoted local part without its end, or with something else than `@` behind it.
    #[error(
        "the quoted local part has no end before an `@`; write `\"` at its end and `\\` before each `\"` and `\\` in it"
    )]
    Quote,
    /// A local part beyond ASCII has no ASCII form (RFC 6531 §3.7.1).
    #[error("the local part is not ASCII and cannot be converted; it needs a server that offers SMTPUTF8")]
    NotAscii,
    /// The domain or client name is empty.
    #[error("the domain is empty; write a domain name or an address literal")]
    DomainEmpty,
    /// A character that no domain can hold.
    #[error("a domain has letters, digits, `-`, `_` and `.`, but not {0:?}; remove it")]
    Domain(char),
    /// Two dots in a row, or one at the front.
    #[error("the domain has an empty label; remove the extra `.`")]
    LabelEmpty,
    /// A label begins or ends with a hyphen (RFC 1123 §2.1).
    #[error("a label of the domain begins or ends with `-`; remove it")]
    Hyphen,
    /// A label over 63 octets (N20).
    #[error("a label of the domain has {0} octets, and 63 are allowed; shorten it")]
    LabelLength(usize),
    /// A domain or address literal over 255 octets (R25).
    #[error("the domain has {0} octets, and 255 are allowed; shorten it")]
    DomainLength(usize),
    /// A domain with non-ASCII characters that has no valid A-label form (UTS #46, RFC 5891).
    #[error("the domain has no ASCII form under IDNA; check its spelling and length")]
    Idna,
    /// Brackets that hold no address.
    #[error("not an address literal; write `[192.0.2.1]`, `[IPv6:2001:db8::1]` or `[tag:content]`")]
    Literal,
    /// A path over 256 octets, brackets included (R26).
    #[error("the path has {0} octets with its brackets, and 256 are allowed; shorten the address")]
    PathLength(usize),
    /// A path that begins with `<` and does not end at its `>`.
    #[error("the path does not end at its `>`; write `<local-part@domain>` and nothing behind it")]
    Brackets,
    /// A source route without its end.
    #[error("the source route has no end; leave it out and write local-part@domain")]
    SourceRoute,
    /// Octets that are not well-formed UTF-8 (R175).
    #[error("the address is not well-formed UTF-8; convert it from its charset first")]
    Utf8,
}

impl AddressError {
    pub(super) const fn new(problem: Problem, offset: usize) -> Self {
        Self { problem, offset }
    }

    /// The same error seen from text that has `by` more octets in front.
    pub(super) const fn shifted(self, by: usize) -> Self {
        Self { problem: self.problem, offset: self.offset.saturating_add(by) }
    }

    /// What is wrong.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        self.problem
    }

    /// Where, in octets from the start of the text given.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at octet {})", self.problem, self.offset)
    }
}

// The problem is part of the message, so it is no source: nothing is said twice.
impl std::error::Error for AddressError {}
