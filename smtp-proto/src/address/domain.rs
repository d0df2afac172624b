use std::{fmt, str::FromStr};

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};

use super::{AddressError, Problem, is_control};

/// Octets of a domain or an address literal (R25, RFC 5321 §4.5.3.1.2).
pub(super) const MAX_DOMAIN: usize = 255;
/// Octets of a label (N20, RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// A domain name, with ASCII labels (A-labels included) or U-labels, and no trailing dot.
///
/// Equality is by spelling: `Example.org` and `example.org` differ, because neither is ever rewritten. Whether the name
/// exists or is fully qualified is for DNS to say; `localhost` is a domain here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Box<str>);

impl Domain {
    /// The name as it was given, without trailing dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// No octet is 0x80 or above: the name can go on any wire (R3, B12).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }

    /// The name with A-labels in place of U-labels (UTS #46, non-transitional, DNS lengths; M75, R179).
    ///
    /// A name that is ASCII already comes back unchanged, octet for octet.
    ///
    /// # Errors
    /// [`Problem::Idna`], which parsing excludes already.
    pub fn to_ascii(&self) -> Result<Self, AddressError> {
        a_labels(&self.0).map(|ascii| ascii.map_or_else(|| self.clone(), |ascii| Self(ascii.into())))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let name = text.strip_suffix('.').unwrap_or(text); // R23
        if name.is_empty() {
            return Err(AddressError::new(Problem::DomainEmpty, 0));
        }
        if let Some((offset, c)) = name.char_indices().find(|&(_, c)| !is_domain_char(c)) {
            return Err(AddressError::new(Problem::Domain(c), offset));
        }
        if name.len() > MAX_DOMAIN {
            return Err(AddressError::new(Problem::DomainLength(name.len()), MAX_DOMAIN));
        }
        // A U-label is one only if it has an A-label (RFC 5890 §2.3.2.1), so a name that converts to nothing is refused here.
        if a_labels(name)?.is_none() {
            check_labels(name)?;
        }
        Ok(Self(name.into()))
    }
}

/// None: `name` is ASCII already.
fn a_labels(name: &str) -> Result<Option<String>, AddressError> {
    let Some(first) = name.bytes().position(|octet| !octet.is_ascii()) else { return Ok(None) };
    let refused = AddressError::new(Problem::Idna, first);
    let ascii = Uts46::new()
        .to_ascii(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| refused)?;
    // Characters that map to ASCII, such as a full-width `>`, face the same rules as ASCII itself.
    if !ascii.chars().all(|c| c.is_ascii() && is_domain_char(c)) || check_labels(&ascii).is_err() {
        return Err(refused);
    }
    Ok(Some(ascii.into_owned()))
}

/// Of an ASCII name: no label empty, over 63 octets, or with a hyphen at an end.
fn check_labels(name: &str) -> Result<(), AddressError> {
    let mut offset = 0;
    for label in name.split('.') {
        let problem = if label.is_empty() {
            Some(Problem::LabelEmpty)
        } else if label.starts_with('-') || label.ends_with('-') {
            Some(Problem::Hyphen)
        } else if label.len() > MAX_LABEL {
            Some(Problem::LabelLength(label.len()))
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(AddressError::new(problem, offset));
        }
        offset += label.len() + 1;
    }
    Ok(())
}

fn is_domain_char(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') } else { !is_control(c) }
}
