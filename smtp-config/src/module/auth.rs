//! `auth` (M43-M46, D30). Nothing here shows an argument that may be a user or a password.

use super::words::{directory, no_block};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    settings::{Account, Auth, Password},
    tree::{Node, Word},
};

/// What may be written.
const KNOWN: [&str; 10] = [
    "off",
    "plain",
    "login",
    "forward",
    "external",
    "scram-sha-256",
    "cram-md5",
    "xoauth2",
    "oauthbearer",
    "auto",
];

pub(super) fn read(node: &Node, out: &mut Diagnostics) -> Option<Auth> {
    if !no_block(node, out) {
        return None;
    }
    let Some((kind, rest)) = node.args.split_first() else {
        let error = node.name.error("auth: one argument is needed: how to authenticate"); // M43
        out.push(error.help(format!("write {}", crate::suggest::list(&KNOWN))));
        return None;
    };
    // Where a macro is written, passwords may be written as well.
    let place = if kind.origin.is_none() { kind } else { &node.name };
    match kind.text.as_str() {
        "off" => bare(place, &kind.text, rest, Auth::Off, out),
        "forward" => bare(place, &kind.text, rest, Auth::Forward, out),
        "external" => bare(place, &kind.text, rest, Auth::External, out),
        "plain" => account(place, kind, rest, out).map(Auth::Plain),
        "login" => account(place, kind, rest, out).map(Auth::Login),
        "scram-sha-256" => account(place, kind, rest, out).map(Auth::ScramSha256),
        "cram-md5" => account(place, kind, rest, out).map(Auth::CramMd5),
        "xoauth2" => account(place, kind, rest, out).map(Auth::XOAuth2),
        "oauthbearer" => account(place, kind, rest, out).map(Auth::OAuthBearer),
        "auto" => account(place, kind, rest, out).map(Auth::Auto),
        _ => {
            out.push(unknown(place, kind, rest));
            None
        }
    }
}

/// M43. The word is named where it stands for a mechanism: it resembles one, or a user and a password follow. Where neither is so, a
/// password may stand there.
fn unknown(place: &Word, kind: &Word, rest: &[Word]) -> Diagnostic {
    let meant = if kind.secret { None } else { did_you_mean(&kind.text, KNOWN) };
    let error = if meant.is_some() || (rest.len() > 1 && !kind.secret) {
        place.error(format!("{:?} is no way to authenticate", kind.text))
    } else {
        place.error("this is no way to authenticate")
    };
    match meant {
        Some(meant) => error.help(format!("did you mean {meant}?")),
        None => error.help(format!("write {}", crate::suggest::list(&KNOWN))),
    }
}

fn bare(place: &Word, kind: &str, rest: &[Word], auth: Auth, out: &mut Diagnostics) -> Option<Auth> {
    if rest.is_empty() {
        return Some(auth);
    }
    let error = place.error(format!("auth {kind} has no further arguments"));
    out.push(error.help("remove what follows it, or did you mean `auth plain USER PASSWORD`?"));
    None
}

fn account(place: &Word, kind: &Word, rest: &[Word], out: &mut Diagnostics) -> Option<Account> {
    let kind = kind.text.as_str();
    let (secret, placeholder) =
        if matches!(kind, "xoauth2" | "oauthbearer") { ("token", "TOKEN") } else { ("password", "PASSWORD") };
    let [user, word] = rest else {
        let error = place.error(format!(
            "auth {kind} needs two arguments more, a user and a {secret}, and has {}",
            rest.len()
        ));
        out.push(error.help(format!(
            "write `auth {kind} USER {placeholder}`, with `file:PATH` or `{{env:NAME}}` in place of the {secret} if you like; in quotes what has blanks"
        )));
        return None;
    };
    if word.text == "file:" {
        out.push(place.error(format!("auth {kind}: the name of the {secret} file is empty")));
        return None;
    }
    Some(Account::new(user.text.as_str(), Password::from_word(&word.text, directory(word))))
}
