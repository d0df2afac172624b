//! Addresses as the wire wants them (RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3).
//!
//! A value of these types has been parsed, so it can be printed into a command without another look: no octet of it is a CR,
//! an LF, a NUL or any other control, and nothing outside quotes can end a path early (R1, R22, M76, M86).
//!
//! # What text is taken
//!
//! * **A local part** comes in wire form (`john.doe`, `"john doe"`) or raw, as a user types it (`john doe`). Raw text that is
//!   no dot-string is quoted when printed (R21). Three characters are refused in raw text because they make its meaning
//!   ambiguous: `<`, `>` and a second `@`; so is a blank at either end. Quoted, or handed to [`Mailbox::new`], all of them
//!   are legal. Superfluous quotes are dropped; nothing else about a local part is ever changed (R2, R175).
//! * **A domain** is what follows the last `@` outside quotes (M83). It has labels of letters, digits, `-` and `_`, or labels
//!   with non-ASCII characters that IDNA can convert. The underscore is no host name character, but mail is exchanged with
//!   such domains and hosts carry such names, so it is accepted in mailboxes and in client names alike. One trailing dot is
//!   dropped (R23). The spelling is kept otherwise: ASCII is never lowercased, U-labels stay U-labels until
//!   [`Domain::to_ascii`] is called.
//! * **An address literal** is `[192.0.2.1]`, `[IPv6:2001:db8::1]` or `[tag:content]`; `[2001:db8::1]` is understood and
//!   printed with its tag.
//!
//! # Lengths
//!
//! All are octets, not characters (R176). Path with brackets: 256 (R26). Domain: 255 (R25). Label: 63, counted on the A-label,
//! since that is what DNS limits (RFC 5890 §4.2). A local part over 64 octets is accepted, servers may refuse it (R24).
//!
//! ```
//! use smtp_proto::address::{ForwardPath, Mailbox};
//!
//! let typed: Mailbox = "a b@example.org".parse()?;
//! assert_eq!(typed.local_part(), "a b");
//! assert_eq!(ForwardPath::from(typed).to_string(), r#"<"a b"@example.org>"#);
//! assert!("u@example.org> SIZE=1".parse::<Mailbox>().is_err());
//! # Ok::<(), smtp_proto::address::AddressError>(())
//! ```

mod domain;
mod error;
mod host;
mod mailbox;
mod path;
pub mod xtext;

#[cfg(test)]
mod tests;

pub use domain::Domain;
pub use error::{AddressError, Problem};
pub use host::{AddressLiteral, ClientName, Host};
pub use mailbox::Mailbox;
pub use path::{ForwardPath, Postmaster, ReversePath, split_path};

/// Characters that no address holds: C0, DEL and C1 controls, and Unicode's own line ends, which logs break at.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Bytes as the text they spell (R175: overlong forms and surrogates are refused, never repaired).
fn utf8(bytes: &[u8]) -> Result<&str, AddressError> {
    std::str::from_utf8(bytes).map_err(|e| AddressError::new(Problem::Utf8, e.valid_up_to()))
}
