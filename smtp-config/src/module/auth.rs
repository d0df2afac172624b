//! `auth` (M43-M46, D30). Nothing here shows an argument that may be a user or a password.

use super::words::{directory, no_block};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    settings::{Account, Auth, Password},
    tree::{Node, Word},
};

/// What works.
const KNOWN: [&str; 5] = ["off", "plain", "login", "forward", "external"];

/// What is to come (D30).
const LATER: [&str; 4] = ["xoauth2", "oauthbearer", "scram-sha-256", "cram-md5"];

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
        "plain" => account(place, &kind.text, rest, out).map(Auth::Plain),
        "login" => account(place, &kind.text, rest, out).map(Auth::Login),
        later if LATER.contains(&later) => {
            let error = place.error(format!("auth {later} is not built yet"));
            out.push(error.help("use plain, login, external, forward or off"));
            None
        }
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

fn account(place: &Word, kind: &str, rest: &[Word], out: &mut Diagnostics) -> Option<Account> {
    let [user, password] = rest else {
        let error = place.error(format!(
            "auth {kind} needs two arguments more, a user and a password, and has {}",
            rest.len()
        ));
        out.push(error.help(format!(
            "write `auth {kind} USER PASSWORD`, with `file:PATH` or `{{env:NAME}}` in place of the password if you like; in quotes what has blanks"
        )));
        return None;
    };
    Some(Account::new(user.text.as_str(), Password::from_word(&password.text, directory(password))))
}
