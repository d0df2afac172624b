use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use super::{AddressError, Host, Problem, is_control, utf8};

/// Octets of a path with its brackets (R26, N18, RFC 5321 §4.5.3.1.3).
const MAX_PATH: usize = 256;
/// Octets of a local part that every server supports (R24, N19, RFC 5321 §4.5.3.1.1).
const SUPPORTED_LOCAL_PART: usize = 64;

/// `local-part@host` (RFC 5321 §4.1.2).
///
/// Printed in wire form: a local part that is no dot-string goes in quotes (R21). Values are equal when their local parts are
/// equal without quotes and their hosts are spelled alike; `"joe"@x` equals `joe@x`, `Joe@x` does not (R2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    /// Unquoted; no controls.
    local_part: Box<str>,
    host: Host,
}

impl Mailbox {
    /// A mailbox from its parts; `local_part` is the plain text, neither quoted nor escaped.
    ///
    /// # Errors
    /// The local part is empty (M83) or holds a control, or the path would be over 256 octets (R26).
    ///
    /// ```
    /// use smtp_proto::address::Mailbox;
    ///
    /// let mailbox = Mailbox::new(r#"a"b"#, "example.org".parse()?)?;
    /// assert_eq!(mailbox.to_string(), r#""a\"b"@example.org"#);
    /// # Ok::<(), smtp_proto::address::AddressError>(())
    /// ```
    pub fn new(local_part: &str, host: Host) -> Result<Self, AddressError> {
        if local_part.is_empty() {
            return Err(AddressError::new(Problem::LocalPartEmpty, 0));
        }
        if let Some((offset, c)) = local_part.char_indices().find(|&(_, c)| is_control(c)) {
            return Err(AddressError::new(Problem::LocalPart(c), offset));
        }
        Self::checked(local_part.into(), host)
    }

    /// A mailbox from octets, parsed as the text they spell.
    ///
    /// # Errors
    /// [`Problem::Utf8`] when they are not well-formed UTF-8 (R175), and those of parsing.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, AddressError> {
        utf8(octets)?.parse()
    }

    /// The local part, unquoted, in the spelling given.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The domain or address literal.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// No octet is 0x80 or above: the mailbox can be sent without SMTPUTF8 (R3, B12).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local_part.is_ascii() && self.host.is_ascii()
    }

    /// The local part is over the 64 octets that every server supports; it may be tried (R24).
    #[must_use]
    pub fn has_long_local_part(&self) -> bool {
        Octets::of(LocalPart(&self.local_part)) > SUPPORTED_LOCAL_PART
    }

    /// The mailbox with its domain in A-labels, for a server without SMTPUTF8 (M80, M81, R179).
    ///
    /// # Errors
    /// [`Problem::NotAscii`]: the local part is not ASCII, and nobody but its own host may rewrite it.
    /// [`Problem::PathLength`]: A-labels can be longer than what they stand for.
    pub fn to_ascii(&self) -> Result<Self, AddressError> {
        if let Some(offset) = self.local_part.bytes().position(|octet| !octet.is_ascii()) {
            return Err(AddressError::new(Problem::NotAscii, offset));
        }
        Self::checked(self.local_part.clone(), self.host.to_ascii()?)
    }

    fn checked(local_part: Box<str>, host: Host) -> Result<Self, AddressError> {
        let mailbox = Self { local_part, host };
        let octets = Octets::of(&mailbox) + "<>".len();
        if octets > MAX_PATH {
            return Err(AddressError::new(Problem::PathLength(octets), 0));
        }
        Ok(mailbox)
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    /// Takes the wire form and raw local parts; see the [module](super) for the rule.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::new(Problem::Empty, 0));
        }
        let (local_part, host) = if text.starts_with('"') { split_quoted(text)? } else { split_raw(text)? };
        let host_offset = text.len() - host.len();
        let host = host.parse::<Host>().map_err(|e| e.shifted(host_offset))?;
        Self::checked(local_part, host)
    }
}

/// `"…"@host` as the unquoted local part and the host's text. `""` is legal here, as the grammar has it.
fn split_quoted(text: &str) -> Result<(Box<str>, &str), AddressError> {
    let mut local_part = String::with_capacity(text.len().min(MAX_PATH));
    let mut chars = text.chars();
    chars.next();
    let at = |rest: &str| text.len() - rest.len();
    loop {
        let offset = at(chars.as_str());
        match chars.next() {
            None => return Err(AddressError::new(Problem::Quote, offset)),
            Some('"') => {
                let rest = chars.as_str();
                let host =
                    rest.strip_prefix('@').ok_or_else(|| AddressError::new(Problem::Quote, at(rest)))?;
                return Ok((local_part.into(), host));
            }
            // quoted-pairSMTP = %d92 %d32-126
            Some('\\') => match chars.next() {
                Some(c @ ' '..='~') => local_part.push(c),
                Some(c) if is_control(c) => return Err(AddressError::new(Problem::LocalPart(c), offset + 1)),
                _ => return Err(AddressError::new(Problem::Quote, offset)),
            },
            Some(c) if is_control(c) => return Err(AddressError::new(Problem::LocalPart(c), offset)),
            Some(c) => local_part.push(c),
        }
    }
}

/// `local@host` as typed, without quotes around the local part.
fn split_raw(text: &str) -> Result<(Box<str>, &str), AddressError> {
    let (local_part, host) = text.rsplit_once('@').ok_or(AddressError::new(Problem::NoAt, 0))?; // M83
    if local_part.is_empty() {
        return Err(AddressError::new(Problem::LocalPartEmpty, 0));
    }
    let last = local_part.len() - 1;
    for (offset, c) in local_part.char_indices() {
        let edge = offset == 0 || offset == last;
        if is_control(c) {
            return Err(AddressError::new(Problem::LocalPart(c), offset));
        }
        if matches!(c, '<' | '>' | '@') || (c == ' ' && edge) {
            return Err(AddressError::new(Problem::Unquoted(c), offset)); // R22
        }
    }
    Ok((local_part.into(), host))
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", LocalPart(&self.local_part), self.host)
    }
}

/// Prints a local part in wire form: as it is where it is a dot-string, else quoted (R21).
struct LocalPart<'a>(&'a str);

impl fmt::Display for LocalPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(self.0) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

/// Dot-string = Atom *("." Atom)
fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 §3.2.3, and all of UTF8-non-ascii (RFC 6531 §3.3).
fn is_atext(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// Counts what a value prints, in octets (R176), without storing it.
struct Octets(usize);

impl Octets {
    fn of(value: impl fmt::Display) -> usize {
        let mut octets = Self(0);
        // Neither this sink nor the values printed into it can fail.
        let _infallible = write!(octets, "{value}");
        octets.0
    }
}

impl fmt::Write for Octets {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
