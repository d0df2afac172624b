use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::{AddressError, Domain, Problem, domain::MAX_DOMAIN};

/// What stands behind the `@`: a domain or an address literal (RFC 5321 §4.1.2, §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Host {
    /// `example.org`
    Domain(Domain),
    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]` (R12)
    Ip(IpAddr),
    /// `[tag:content]`
    Literal(AddressLiteral),
}

impl Host {
    /// No octet is 0x80 or above; literals never have one.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Domain(domain) => domain.is_ascii(),
            Self::Ip(_) | Self::Literal(_) => true,
        }
    }

    /// The host with A-labels in place of U-labels; literals come back unchanged.
    ///
    /// # Errors
    /// Those of [`Domain::to_ascii`].
    pub fn to_ascii(&self) -> Result<Self, AddressError> {
        match self {
            Self::Domain(domain) => domain.to_ascii().map(Self::Domain),
            Self::Ip(_) | Self::Literal(_) => Ok(self.clone()),
        }
    }
}

impl From<Domain> for Host {
    fn from(domain: Domain) -> Self {
        Self::Domain(domain)
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Ip(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

impl FromStr for Host {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if !text.starts_with('[') {
            return text.parse().map(Self::Domain);
        }
        let refused = AddressError::new(Problem::Literal, 0);
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(refused)?;
        if let Ok(address) = inner.parse::<IpAddr>() {
            return Ok(Self::Ip(address)); // an IPv6 address without its tag is understood, and printed with it
        }
        let (tag, content) = inner.split_once(':').ok_or(refused)?;
        if tag.eq_ignore_ascii_case("IPv6") {
            return content.parse::<Ipv6Addr>().map(|address| Self::Ip(address.into())).map_err(|_| refused);
        }
        // RFC 5321 §4.1.3: Standardized-tag = Ldh-str, dcontent = %d33-90 / %d94-126. Of dcontent `<`, `>`, `@` and `"` are
        // left out: they let readers disagree about where the path or the local part ends (R22), and no tag needs them.
        let tag_fits = tag.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
            && tag.ends_with(|c: char| c.is_ascii_alphanumeric());
        let content_fits = !content.is_empty()
            && content.bytes().all(|octet| {
                octet.is_ascii_graphic() && !matches!(octet, b'[' | b'\\' | b']' | b'<' | b'>' | b'@' | b'"')
            });
        if !tag_fits || !content_fits {
            return Err(refused);
        }
        if text.len() > MAX_DOMAIN {
            return Err(AddressError::new(Problem::DomainLength(text.len()), MAX_DOMAIN));
        }
        Ok(Self::Literal(AddressLiteral(text.into())))
    }
}

/// A general address literal, `[tag:content]`, as it was given. Made by parsing a [`Host`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressLiteral(Box<str>);

impl AddressLiteral {
    /// The literal with its brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AddressLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name a client gives in EHLO, HELO or LHLO: always ASCII, never empty (R11, R12, R172, M74-M76).
///
/// Parsing takes a domain and converts it to A-labels, an address literal, or a bare IP address, which becomes a literal. It
/// has no default: whoever speaks has to say who it is (M77).
///
/// ```
/// use smtp_proto::address::ClientName;
///
/// let name: ClientName = "тест.invalid".parse()?;
/// assert_eq!(name.as_str(), "xn--e1aybc.invalid");
/// let bare: ClientName = "2001:db8::1".parse()?;
/// assert_eq!(bare.as_str(), "[IPv6:2001:db8::1]");
/// # Ok::<(), smtp_proto::address::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientName(Box<str>);

impl ClientName {
    /// The name as it goes on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<IpAddr> for ClientName {
    fn from(address: IpAddr) -> Self {
        Self(Host::Ip(address).to_string().into())
    }
}

impl From<Ipv4Addr> for ClientName {
    fn from(address: Ipv4Addr) -> Self {
        IpAddr::from(address).into()
    }
}

impl From<Ipv6Addr> for ClientName {
    fn from(address: Ipv6Addr) -> Self {
        IpAddr::from(address).into()
    }
}

impl TryFrom<&Host> for ClientName {
    type Error = AddressError;

    fn try_from(host: &Host) -> Result<Self, AddressError> {
        host.to_ascii().map(|host| Self(host.to_string().into()))
    }
}

impl FromStr for ClientName {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(address.into()),
            Err(_) => Self::try_from(&text.parse::<Host>()?),
        }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
