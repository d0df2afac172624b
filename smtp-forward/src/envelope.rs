//! Who a message is from and for.

use mail_parser::{Address, HeaderValue, MessageParser};
use smtp_proto::{
    Envelope, Recipient, Sender,
    address::{AddressError, ForwardPath, ReversePath},
};

use crate::{
    exit::{Failure, Status},
    input::Content,
};

/// The fields recipients are taken from.
const RECIPIENT_FIELDS: [&str; 3] = ["To", "Cc", "Bcc"];

/// An envelope, and where its parts come from.
#[derive(Clone, Debug)]
pub(crate) struct Addressed {
    pub(crate) envelope: Envelope,
    /// The field the sender is from; `None`: the command line.
    pub(crate) sender_field: Option<&'static str>,
    /// The fields that recipients are from; empty: the command line.
    pub(crate) recipient_fields: Vec<&'static str>,
}

/// Why the header gives no envelope.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum HeaderError {
    #[error("it has no header field with addresses; name the envelope with --from and --to")]
    NoHeader,
    #[error("it has neither Return-Path nor From; name the sender with --from")]
    NoSender,
    #[error("it has no recipient in To, Cc or Bcc; name recipients with --to")]
    NoRecipient,
    #[error("its field {0} has {1:?}, which is no address; name the envelope with --from and --to")]
    Entry(&'static str, String),
    #[error(
        "its field {0} has the address {1:?}, which cannot be used; name the envelope with --from and --to"
    )]
    Address(&'static str, String, #[source] AddressError),
}

/// The envelope of the command line, completed from the message's header.
pub(crate) fn of(
    name: &str,
    content: &Content,
    from: Option<&ReversePath>,
    to: &[ForwardPath],
) -> Result<Addressed, Failure> {
    let given = || to.iter().cloned().map(Recipient::new).collect::<Vec<_>>();
    if let (Some(sender), false) = (from, to.is_empty()) {
        return Ok(Addressed {
            envelope: Envelope::new(Sender::new(sender.clone()), given()),
            sender_field: None,
            recipient_fields: Vec::new(),
        });
    }
    let unusable = |error: &dyn std::error::Error| Failure::because(Status::Unsendable, name, error);
    let header = content.header().map_err(|error| unusable(&error))?.ok_or_else(|| {
        Failure::new(
            Status::Unsendable,
            format!("{name}: its header is too long; name the envelope with --from and --to"),
        )
    })?;
    let header = Header::parse(&header).map_err(|error| unusable(&error))?;
    let (sender, sender_field) = match from {
        Some(sender) => (sender.clone(), None),
        None => {
            header.sender().map(|(sender, field)| (sender, Some(field))).map_err(|error| unusable(&error))?
        }
    };
    let (recipients, recipient_fields) = if to.is_empty() {
        header.recipients().map_err(|error| unusable(&error))?
    } else {
        (given(), Vec::new())
    };
    Ok(Addressed { envelope: Envelope::new(Sender::new(sender), recipients), sender_field, recipient_fields })
}

struct Header<'a>(mail_parser::Message<'a>);

impl<'a> Header<'a> {
    fn parse(text: &'a [u8]) -> Result<Self, HeaderError> {
        MessageParser::new()
            .header_address("From")
            .header_address("To")
            .header_address("Cc")
            .header_address("Bcc")
            .default_header_ignore()
            .parse_headers(text)
            .map(Self)
            .ok_or(HeaderError::NoHeader)
    }

    fn sender(&self) -> Result<(ReversePath, &'static str), HeaderError> {
        // The last delivery puts its Return-Path in front.
        if let Some((_, path)) =
            self.0.headers_raw().find(|(name, _)| name.eq_ignore_ascii_case("Return-Path"))
        {
            let path = path.trim();
            let parsed = path.parse();
            return parsed
                .map(|path| (path, "Return-Path"))
                .map_err(|error| HeaderError::Address("Return-Path", path.to_owned(), error));
        }
        let author = self.addresses("From")?.into_iter().next().ok_or(HeaderError::NoSender)?;
        let parsed = author.parse();
        parsed.map(|path| (path, "From")).map_err(|error| HeaderError::Address("From", author, error))
    }

    /// In order; who is named twice gets the message once.
    fn recipients(&self) -> Result<(Vec<Recipient>, Vec<&'static str>), HeaderError> {
        let mut recipients: Vec<Recipient> = Vec::new();
        let mut fields = Vec::new();
        for field in RECIPIENT_FIELDS {
            let addresses = self.addresses(field)?;
            if !addresses.is_empty() {
                fields.push(field);
            }
            for address in addresses {
                let path: ForwardPath =
                    address.parse().map_err(|error| HeaderError::Address(field, address.clone(), error))?;
                let recipient = Recipient::new(path);
                if !recipients.contains(&recipient) {
                    recipients.push(recipient);
                }
            }
        }
        if recipients.is_empty() { Err(HeaderError::NoRecipient) } else { Ok((recipients, fields)) }
    }

    /// All addresses of all fields of that name. An entry without one is an error: silence would lose a recipient.
    fn addresses(&self, field: &'static str) -> Result<Vec<String>, HeaderError> {
        let mut addresses = Vec::new();
        for value in self.0.header_values(field) {
            let HeaderValue::Address(list) = value else { continue };
            let entries: Vec<_> = match list {
                Address::List(list) => list.iter().collect(),
                Address::Group(groups) => groups.iter().flat_map(|group| &group.addresses).collect(),
            };
            for entry in entries {
                match (&entry.address, &entry.name) {
                    (Some(address), _) => addresses.push(address.to_string()),
                    (None, Some(name)) => return Err(HeaderError::Entry(field, name.to_string())),
                    (None, None) => {}
                }
            }
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &'static str) -> Header<'static> {
        Header::parse(text.as_bytes()).unwrap()
    }

    fn recipients(text: &'static str) -> Vec<String> {
        let (recipients, _) = header(text).recipients().unwrap();
        recipients.iter().map(|recipient| recipient.path.to_string()).collect()
    }

    #[test]
    fn everybody_in_to_cc_and_bcc_gets_it_once() {
        let text = "From: x@y\nTo: A <a@x.example>, \"B, C\" <b@x.example>\nCC: a@x.example,\n c@x.example (see)\nBcc: d@x.example\n\n";
        assert_eq!(recipients(text), ["<a@x.example>", "<b@x.example>", "<c@x.example>", "<d@x.example>"]);
        let groups =
            "To: friends: a@x.example, B <b@x.example>;\nCc: undisclosed-recipients:;\nTo: c@x.example\n\n";
        assert_eq!(recipients(groups), ["<a@x.example>", "<b@x.example>", "<c@x.example>"]);
    }

    #[test]
    fn the_return_path_comes_before_the_author() {
        for (text, sender, field) in [
            ("Return-Path: <r@x.example>\r\nFrom: A <a@x.example>\r\n\r\n", "<r@x.example>", "Return-Path"),
            ("Return-Path: <>\nFrom: A <a@x.example>\n\n", "<>", "Return-Path"),
            ("From: A <a@x.example>, b@x.example\n\n", "<a@x.example>", "From"),
            ("From: Пример <тест@пример.example>\n\n", "<тест@пример.example>", "From"),
        ] {
            let (path, from) = header(text).sender().unwrap();
            assert_eq!((path.to_string().as_str(), from), (sender, field));
        }
    }

    #[test]
    fn what_gives_no_envelope() {
        assert_eq!(header("Subject: x\n\n").sender(), Err(HeaderError::NoSender));
        assert_eq!(header("Subject: x\n\n").recipients().unwrap_err(), HeaderError::NoRecipient);
        assert!(matches!(
            header("To: a@b.example, garbage\n\n").recipients(),
            Err(HeaderError::Entry("To", _))
        ));
        // The parser takes a quoted local part for a name: an error is all right, another recipient would not be.
        assert!(header("To: \"a b\"@x.example\n\n").recipients().is_err());
        assert!(matches!(header("To: a@b..example\n\n").recipients(), Err(HeaderError::Address("To", ..))));
    }
}
