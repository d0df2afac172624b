//! Where a server listens: `tcp://host:port`, `tls://host:port`, `unix:path`.
//!
//! The text is URL-shaped but not a URL: nothing after the port has a meaning, so nothing is accepted
//! there (D18), and `tcp:host:port` is as good as `tcp://host:port` (M19).
use std::{
    fmt,
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
    path::{Path, PathBuf},
    str::FromStr,
};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use rustls::pki_types::{DnsName, ServerName};

#[cfg(test)]
mod tests;

/// The accepted forms, as every [`EndpointError`] lists them.
const FORMS: &str = "tcp://host:port, tls://host:port, unix:///path, unix://relative/path or unix:@abstract; \
     host is a name, an IPv4 address, [IPv6], [IPv6%25zone] or empty; // may be left out";

/// The name an empty host stands for: `tcp://:25` is the local host (M19).
const LOCAL_HOST: &str = "localhost";

/// A place to connect to.
///
/// A parsed value always has a usable host, port and path. The fields are public; whoever fills them by
/// hand learns of a bad host from [`Endpoint::dns_name`] and [`Endpoint::server_name`].
///
/// Printing gives the `scheme://` spelling, and parsing that gives the same value again:
///
/// ```
/// use smtp_proto::endpoint::Endpoint;
///
/// let endpoint: Endpoint = "tls:mx.example.org:465".parse()?;
/// assert_eq!(endpoint.port(), Some(465));
/// assert_eq!(endpoint.to_string(), "tls://mx.example.org:465");
/// # Ok::<(), smtp_proto::endpoint::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// Plain TCP; TLS, if any, comes by STARTTLS.
    Tcp {
        /// A name (U-labels or A-labels, case and trailing dot as given), an address without brackets, an
        /// IPv6 address with a zone (`fe80::1%eth0`), or empty for the local host.
        host: String,
        /// 1 to 65535 (N42).
        port: u16,
    },
    /// TCP with TLS from the first octet (RFC 8314 §3).
    Tls {
        /// As in [`Endpoint::Tcp`].
        host: String,
        /// As in [`Endpoint::Tcp`].
        port: u16,
    },
    /// A Unix socket. A relative path is relative to the runtime directory
    /// ([`Endpoint::with_runtime_dir`]); a path that starts with `@` is a Linux abstract name
    /// ([`Endpoint::abstract_name`]).
    Unix(PathBuf),
}

/// Why text is no [`Endpoint`].
///
/// It never shows the text itself: what stands before an `@` may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (column {column}); write {FORMS}")]
pub struct EndpointError {
    column: usize,
    kind: EndpointErrorKind,
}

impl EndpointError {
    /// Where: 1 is the first character.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What.
    pub fn kind(&self) -> EndpointErrorKind {
        self.kind
    }
}

/// What is wrong with the text of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointErrorKind {
    /// An ASCII control character.
    #[error("a control character has no place in an endpoint")]
    Control,
    /// No scheme, or an unknown one.
    #[error("the endpoint does not start with tcp:, tls: or unix:")]
    Scheme,
    /// A URL part that endpoints do not have (D18).
    #[error("{0} has no place in an endpoint")]
    Extra(ExtraPart),
    /// No port, or an empty one.
    #[error("the port is missing")]
    PortMissing,
    /// A port that is no number, or not one of 1 to 65535 (N42).
    #[error("the port is not a decimal number from 1 to 65535")]
    Port,
    /// `::1:25`: where does the address end?
    #[error("an IPv6 address needs brackets")]
    Brackets,
    /// Brackets around something else, or unbalanced brackets.
    #[error("the brackets do not hold an IPv6 address followed by a colon and a port")]
    Ipv6,
    /// A zone that is empty or not introduced by `%25`.
    #[error("an IPv6 zone is written as %25 and its name, such as %25eth0")]
    Zone,
    /// A host that no lookup could find.
    #[error("{HostError}")]
    Host,
    /// `unix:` and nothing more (M20).
    #[error("the socket path is empty")]
    PathEmpty,
    /// `unix://@name`: in a URL the `@` would end a user name (M20).
    #[error("an abstract socket is written without slashes, as unix:@name")]
    Abstract,
    /// A `%` without two hexadecimal digits.
    #[error("a % in a path is written %25")]
    Escape,
    /// An escape that gives NUL or no UTF-8.
    #[error("the escapes in the path do not give UTF-8 without NUL")]
    PathText,
}

/// A part of a URL that an endpoint does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtraPart {
    /// `user:password@`
    UserInfo,
    /// `/path`
    Path,
    /// `?query`
    Query,
    /// `#fragment`
    Fragment,
}

impl fmt::Display for ExtraPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserInfo => "a user name (before @)",
            Self::Path => "a path (from /)",
            Self::Query => "a query (from ?)",
            Self::Fragment => "a fragment (from #)",
        })
    }
}

/// The host is neither an IP address nor a name that IDNA (UTS #46) and DNS accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host is neither a DNS name of letters, digits, hyphens and underscores nor an IP address")]
pub struct HostError;

impl Endpoint {
    /// The host as given, without brackets; `None` for a Unix socket.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp { host, .. } | Self::Tls { host, .. } => Some(host),
            Self::Unix(_) => None,
        }
    }

    /// The TCP port; `None` for a Unix socket. LMTP must not be spoken on port 25 (R78).
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { port, .. } | Self::Tls { port, .. } => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// The host as an address, without its zone; `None` for names, the empty host and Unix sockets.
    pub fn ip(&self) -> Option<IpAddr> {
        parse_ip(self.host()?)
    }

    /// What to hand to a resolver: the name in A-labels without trailing dot (M21), an address with its
    /// zone and without brackets, or `localhost` for the empty host. `None` for a Unix socket.
    ///
    /// # Errors
    /// The host is no name; never for a parsed endpoint.
    pub fn dns_name(&self) -> Result<Option<String>, HostError> {
        let Some(host) = self.host() else { return Ok(None) };
        if host.is_empty() {
            return Ok(Some(LOCAL_HOST.to_owned()));
        }
        if parse_ip(host).is_some() {
            return Ok(Some(host.to_owned()));
        }
        Ok(Some(to_dns_name(host)?.as_ref().to_owned()))
    }

    /// What the server's certificate must name (M54): A-labels without trailing dot (R213, R214), or the
    /// address without its zone (R215). `None` where there is nothing to verify against: Unix sockets and
    /// the empty host.
    ///
    /// # Errors
    /// The host is no name; never for a parsed endpoint.
    pub fn server_name(&self) -> Result<Option<ServerName<'static>>, HostError> {
        match self.host() {
            None | Some("") => Ok(None),
            Some(host) => match parse_ip(host) {
                Some(ip) => Ok(Some(ServerName::from(ip))),
                None => to_dns_name(host).map(|name| Some(ServerName::DnsName(name))),
            },
        }
    }

    /// The name of an abstract Unix socket (`unix:@name`), without the `@`.
    pub fn abstract_name(&self) -> Option<&str> {
        match self {
            Self::Unix(path) => path.to_str()?.strip_prefix('@'),
            Self::Tcp { .. } | Self::Tls { .. } => None,
        }
    }

    /// Joins a relative socket path to `dir` (M20). Every other endpoint stays as it is.
    #[must_use]
    pub fn with_runtime_dir(&self, dir: &Path) -> Self {
        match self {
            Self::Unix(path) if self.abstract_name().is_none() => Self::Unix(dir.join(path)),
            other => other.clone(),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text).map_err(|Fault { at, kind }| {
            // Users count characters.
            let column = text.char_indices().take_while(|(offset, _)| *offset < at).count() + 1;
            EndpointError { column, kind }
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write_host_port(f, "tcp", host, *port),
            Self::Tls { host, port } => write_host_port(f, "tls", host, *port),
            Self::Unix(path) => {
                let text = path.to_string_lossy();
                // Before the first slash an `@` would end a user name; without `//` it is plain.
                let opaque = !text.starts_with('/') && text.contains('@');
                f.write_str(if opaque { "unix:" } else { "unix://" })?;
                write_escaped(f, &text)
            }
        }
    }
}

/// What is wrong, and the octet offset of where.
struct Fault {
    at: usize,
    kind: EndpointErrorKind,
}

impl Fault {
    fn new(at: usize, kind: EndpointErrorKind) -> Self {
        Self { at, kind }
    }

    /// The same fault, seen from a text in which this one starts at `start`.
    fn within(self, start: usize) -> Self {
        Self { at: self.at + start, ..self }
    }
}

fn parse(text: &str) -> Result<Endpoint, Fault> {
    if let Some(at) = text.find(|c: char| c.is_ascii_control()) {
        return Err(Fault::new(at, EndpointErrorKind::Control));
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(Fault::new(0, EndpointErrorKind::Scheme));
    };
    let (slashes, rest) = match rest.strip_prefix("//") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let start = text.len() - rest.len();
    let parsed = match scheme.to_ascii_lowercase().as_str() {
        "tcp" => parse_host_port(rest).map(|(host, port)| Endpoint::Tcp { host, port }),
        "tls" => parse_host_port(rest).map(|(host, port)| Endpoint::Tls { host, port }),
        "unix" => parse_path(rest, slashes).map(Endpoint::Unix),
        _ => return Err(Fault::new(0, EndpointErrorKind::Scheme)),
    };
    parsed.map_err(|fault| fault.within(start))
}

fn parse_host_port(text: &str) -> Result<(String, u16), Fault> {
    refuse_extra(text, &['@', '/', '?', '#'])?;
    let (host, host_at, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let split = inner.split_once(']').and_then(|(host, after)| match after {
                "" => Some((host, "")),
                _ => after.strip_prefix(':').map(|port| (host, port)),
            });
            let Some((host, port)) = split else { return Err(Fault::new(0, EndpointErrorKind::Ipv6)) };
            (parse_bracketed(host).map_err(|fault| fault.within(1))?, 1, port)
        }
        None => {
            let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
            if host.contains(':') {
                return Err(Fault::new(0, EndpointErrorKind::Brackets));
            }
            (host.to_owned(), 0, port)
        }
    };
    let port_at = text.len() - port.len();
    if port.is_empty() {
        return Err(Fault::new(port_at, EndpointErrorKind::PortMissing));
    }
    // The integer parser would take a sign.
    let port = Some(port).filter(|p| p.bytes().all(|b| b.is_ascii_digit())).and_then(|p| p.parse().ok());
    let Some(port @ 1..) = port else { return Err(Fault::new(port_at, EndpointErrorKind::Port)) };

    if !host.is_empty() && parse_ip(&host).is_none() && to_dns_name(&host).is_err() {
        return Err(Fault::new(host_at, EndpointErrorKind::Host));
    }
    Ok((host, port))
}

/// `::1` or `fe80::1%25eth0`, to the host as [`Endpoint`] keeps it (RFC 6874).
fn parse_bracketed(text: &str) -> Result<String, Fault> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    if address.parse::<Ipv6Addr>().is_err() {
        return Err(Fault::new(0, EndpointErrorKind::Ipv6));
    }
    let Some(zone) = zone else { return Ok(address.to_owned()) };
    let zone = zone.strip_prefix("25").and_then(|zone| unescape(zone).ok()).filter(|zone| is_zone(zone));
    match zone {
        Some(zone) => Ok(format!("{address}%{zone}")),
        None => Err(Fault::new(address.len(), EndpointErrorKind::Zone)),
    }
}

/// RFC 6874's unreserved characters, and the colon of an interface alias (`eth0:1`).
fn is_zone(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:".contains(&b))
}

fn parse_path(text: &str, slashes: bool) -> Result<PathBuf, Fault> {
    refuse_extra(text, &['?', '#'])?;
    if slashes {
        if text.starts_with('@') {
            return Err(Fault::new(0, EndpointErrorKind::Abstract));
        }
        let authority = text.split_once('/').map_or(text, |(first, _)| first);
        refuse_extra(authority, &['@'])?;
    }
    let path = unescape(text)?;
    if path.is_empty() || path == "@" {
        return Err(Fault::new(0, EndpointErrorKind::PathEmpty));
    }
    if slashes && path.starts_with('@') {
        return Err(Fault::new(0, EndpointErrorKind::Abstract));
    }
    Ok(path.into())
}

/// Fails at the first of `marks`, naming the URL part it starts or, for `@`, ends (D18).
fn refuse_extra(text: &str, marks: &[char]) -> Result<(), Fault> {
    let Some((at, mark)) = text.char_indices().find(|(_, c)| marks.contains(c)) else { return Ok(()) };
    let (at, part) = match mark {
        '@' => (0, ExtraPart::UserInfo),
        '/' => (at, ExtraPart::Path),
        '?' => (at, ExtraPart::Query),
        _ => (at, ExtraPart::Fragment),
    };
    Err(Fault::new(at, EndpointErrorKind::Extra(part)))
}

fn unescape(text: &str) -> Result<String, Fault> {
    let mut octets = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    let mut at = 0;
    if let Some(first) = parts.next() {
        octets.extend_from_slice(first.as_bytes());
        at += first.len();
    }
    for part in parts {
        let octet = part
            .get(..2)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (Some(octet), Some(rest)) = (octet, part.get(2..)) else {
            return Err(Fault::new(at, EndpointErrorKind::Escape));
        };
        if octet == 0 {
            return Err(Fault::new(at, EndpointErrorKind::PathText));
        }
        octets.push(octet);
        octets.extend_from_slice(rest.as_bytes());
        at += 1 + part.len();
    }
    String::from_utf8(octets).map_err(|_| Fault::new(0, EndpointErrorKind::PathText))
}

/// An address, its zone (IPv6 only) left out.
fn parse_ip(host: &str) -> Option<IpAddr> {
    match host.split_once('%') {
        Some((address, zone)) if is_zone(zone) => address.parse().ok().map(IpAddr::V6),
        Some(_) => None,
        None => host.parse().ok(),
    }
}

/// A-labels (R213) without trailing dot (R214). Underscores pass: they are common in container names.
fn to_dns_name(host: &str) -> Result<DnsName<'static>, HostError> {
    // One dot only: `h..` has an empty label. The other three are dots to IDNA, too.
    let name = host.strip_suffix(['.', '\u{3002}', '\u{FF0E}', '\u{FF61}']).unwrap_or(host);
    let name = Uts46::new()
        .to_ascii(name.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::Verify)
        .map_err(|_| HostError)?;
    // Also refuses what IDNA lets pass: other punctuation, `-` at a label's ends, a last label of digits.
    DnsName::try_from(name.into_owned()).map_err(|_| HostError)
}

fn write_host_port(f: &mut fmt::Formatter<'_>, scheme: &str, host: &str, port: u16) -> fmt::Result {
    write!(f, "{scheme}://")?;
    if host.contains(':') {
        f.write_char('[')?;
        write_escaped(f, host)?;
        f.write_char(']')?;
    } else {
        write_escaped(f, host)?;
    }
    write!(f, ":{port}")
}

/// Escapes what parsing would not take back, and everything that could break a log line.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() || matches!(c, '%' | '?' | '#') {
            for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                write!(f, "%{octet:02X}")?;
            }
        } else {
            f.write_char(c)?;
        }
    }
    Ok(())
}
