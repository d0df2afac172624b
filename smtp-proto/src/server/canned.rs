//! What the machine says by itself: a row per reply (RFC 5321 §4.2.3, RFC 3463, RFC 4954 §6).

use crate::reply::{Code, EnhancedCode, Reply};

/// A reply of this server's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Canned {
    code: Code,
    enhanced: EnhancedCode,
    text: &'static str,
}

const fn row(code: u16, subject: u16, detail: u16, text: &'static str) -> Canned {
    let code = match Code::new(code) {
        Some(code) => code,
        None => Code::LOCAL_ERROR, // no row below has such a number: a test counts them
    };
    // The class is taken from the code.
    Canned { code, enhanced: EnhancedCode::new(0, subject, detail), text }
}

impl Canned {
    pub(super) fn reply(self, enhanced: bool) -> Reply {
        if enhanced {
            Reply::with_enhanced(self.code, self.enhanced, self.text)
        } else {
            Reply::new(self.code, self.text)
        }
    }
}

pub(super) const MAIL_OK: Canned = row(250, 1, 0, "sender ok");
pub(super) const RCPT_OK: Canned = row(250, 1, 5, "recipient ok");
pub(super) const GO_ON: Canned = row(354, 0, 0, "send the content, end it with a dot on a line of its own");
pub(super) const CHUNK_OK: Canned = row(250, 0, 0, "chunk received");
pub(super) const CONTENT_OK: Canned = row(250, 0, 0, "message accepted");
pub(super) const RESET: Canned = row(250, 0, 0, "ok");
pub(super) const NOOP: Canned = row(250, 0, 0, "ok");
pub(super) const BYE: Canned = row(221, 0, 0, "bye");
pub(super) const HELP: Canned = row(214, 0, 0, "see RFC 5321");
pub(super) const VRFY: Canned = row(252, 1, 5, "not verified; send mail and see");
pub(super) const TLS_GO: Canned = row(220, 0, 0, "start TLS");
pub(super) const AUTH_OK: Canned = row(235, 7, 0, "authenticated");

pub(super) const TOO_MANY_ERRORS: Canned = row(421, 7, 0, "too many errors");
pub(super) const TOO_MANY_AUTH: Canned = row(421, 7, 0, "too many attempts to authenticate");
pub(super) const IDLE: Canned = row(421, 4, 2, "nothing heard for too long");
pub(super) const SHUTDOWN: Canned = row(421, 3, 2, "the server is going down");
pub(super) const TOO_MANY_RECIPIENTS: Canned = row(452, 5, 3, "too many recipients");

pub(super) const UNKNOWN: Canned = row(500, 5, 1, "command not recognized");
pub(super) const GARBLED: Canned = row(500, 5, 2, "command has octets that no command can have");
pub(super) const BARE_LF: Canned = row(500, 5, 2, "command lines end in CRLF");
pub(super) const LONG_LINE: Canned = row(500, 5, 2, "line too long");
pub(super) const LONG_AUTH: Canned = row(500, 5, 6, "authentication line too long");
pub(super) const WRONG_HELLO: Canned = row(500, 5, 1, "not the hello of this protocol");
pub(super) const SYNTAX: Canned = row(501, 5, 4, "syntax error in the argument");
pub(super) const NO_ARGUMENT: Canned = row(501, 5, 4, "this command takes no argument");
pub(super) const PARAMETER: Canned = row(501, 5, 4, "syntax error in a parameter");
pub(super) const BAD_SENDER: Canned = row(501, 1, 7, "the sender's address is malformed");
pub(super) const BAD_RECIPIENT: Canned = row(501, 1, 3, "the recipient's address is malformed");
pub(super) const BAD_CHUNK: Canned = row(501, 5, 4, "BDAT wants a number of octets");
pub(super) const BAD_BASE64: Canned = row(501, 5, 2, "not base64");
pub(super) const BAD_CREDENTIALS: Canned = row(501, 5, 2, "not what the mechanism sends");
pub(super) const CANCELLED: Canned = row(501, 0, 0, "authentication cancelled");
pub(super) const NOT_OFFERED: Canned = row(502, 5, 1, "not offered");
pub(super) const HELLO_FIRST: Canned = row(503, 5, 1, "say hello first");
pub(super) const ORDER: Canned = row(503, 5, 1, "bad sequence of commands");
pub(super) const NESTED: Canned = row(503, 5, 1, "a transaction is open already");
pub(super) const IN_TRANSACTION: Canned = row(503, 5, 1, "not while a transaction is open");
pub(super) const MAIL_FIRST: Canned = row(503, 5, 1, "MAIL first");
pub(super) const RCPT_FIRST: Canned = row(503, 5, 1, "RCPT first");
pub(super) const BINARY_NEEDS_BDAT: Canned = row(503, 5, 1, "binary content comes by BDAT");
pub(super) const TLS_ALREADY: Canned = row(503, 5, 1, "TLS is in use already");
pub(super) const AUTH_ALREADY: Canned = row(503, 5, 1, "authenticated already");
pub(super) const NO_MECHANISM: Canned = row(504, 5, 4, "mechanism not offered");
pub(super) const TLS_FIRST: Canned = row(530, 7, 0, "STARTTLS first");
pub(super) const AUTH_FIRST: Canned = row(530, 7, 0, "authentication required");
pub(super) const AUTH_NEEDS_TLS: Canned = row(538, 7, 11, "this mechanism needs TLS");
pub(super) const UTF8_SENDER: Canned = row(550, 6, 7, "the sender's address needs SMTPUTF8");
pub(super) const BARE_IN_CONTENT: Canned = row(550, 6, 0, "content has a CR or LF by itself");
pub(super) const TOO_BIG: Canned = row(552, 3, 4, "message too big");
pub(super) const UTF8_RECIPIENT: Canned = row(553, 6, 7, "the recipient's address needs SMTPUTF8");
pub(super) const NO_RECIPIENTS: Canned = row(554, 5, 1, "no valid recipients");
pub(super) const EARLY: Canned = row(554, 5, 0, "speak when greeted");
pub(super) const PIPELINED: Canned = row(554, 5, 0, "wait for the reply");
pub(super) const NO_PARAMETER: Canned = row(555, 5, 4, "parameter not offered");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_has_an_impossible_number() {
        // LOCAL_ERROR is what such a row would turn into, and none is meant to be one.
        let source = include_str!("canned.rs");
        let numbers: Vec<u16> = source
            .lines()
            .filter_map(|line| line.split_once(": Canned = row("))
            .filter_map(|(_, row)| row.get(..3)?.parse().ok())
            .collect();
        assert!(numbers.len() > 50, "{numbers:?}");
        assert!(numbers.iter().all(|number| Code::new(*number).is_some() && *number != 451), "{numbers:?}");
    }

    #[test]
    fn the_class_is_the_first_digit() {
        assert_eq!(TOO_BIG.reply(true).to_string(), "552 5.3.4 message too big"); // R190
        assert_eq!(TOO_BIG.reply(false).to_string(), "552 message too big");
        assert_eq!(GO_ON.reply(true).enhanced(), None); // RFC 2034 §3
    }
}
