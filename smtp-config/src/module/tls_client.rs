//! `tls_client` (M49-M56).

use super::{
    block::Places,
    words::{each, many, path, single, some, value},
};
use crate::{
    diagnostic::Diagnostics,
    settings::{TlsClient, Versions},
    tree::{Node, Word},
    value::Value as _,
};

/// Spellings, and the names that problems have (D8).
const KNOWN: [(&str, &str); 7] = [
    ("root_ca", "tls_client.root_ca"),
    ("cert", "tls_client.cert"),
    ("key", "tls_client.key"),
    ("protocols", "tls_client.protocols"),
    ("ciphers", "tls_client.ciphers"),
    ("curves", "tls_client.curves"),
    ("curve", "tls_client.curves"),
];

/// Reads the block; what was wrong with it is in `out` and, by directive, in `places`.
pub(super) fn read(node: &Node, places: &mut Places, out: &mut Diagnostics) -> TlsClient {
    let mut tls = TlsClient::default();
    places.add("tls_client", &node.name, &[]);
    if let Some(word) = node.args.first() {
        places.fail("tls_client");
        out.push(word.error("tls_client has no arguments, only a block").help("write `tls_client { … }`"));
    }
    let Some(block) = &node.block else {
        places.fail("tls_client");
        out.push(node.name.error("tls_client needs a block").help("write `tls_client { root_ca FILE }`"));
        return tls;
    };
    let before = out.errors();
    let misspelt = each(block, "tls_client", &KNOWN, out, |name, node, out| {
        places.add(name, &node.name, &node.args);
        if directive(&mut tls, name, node, out).is_none() {
            places.fail(name);
        }
    });
    misspelt.into_iter().for_each(|name| places.fail(name));
    if out.errors() > before {
        places.fail("tls_client");
    }
    tls
}

fn directive(tls: &mut TlsClient, name: &str, node: &Node, out: &mut Diagnostics) -> Option<()> {
    match name {
        "tls_client.root_ca" => {
            let files = some(node, "PEM file", out)?;
            let paths: Vec<_> = files.iter().map(|word| path(word, out)).collect();
            tls.root_ca = paths.into_iter().collect::<Option<_>>()?;
        }
        "tls_client.cert" => tls.cert = Some(path(single(node, "PEM file", out)?, out)?),
        "tls_client.key" => tls.key = Some(path(single(node, "PEM file", out)?, out)?),
        "tls_client.protocols" => tls.protocols = protocols(node, out)?,
        "tls_client.ciphers" => tls.ciphers = many(some(node, rustls::CipherSuite::WHAT, out)?, out)?,
        _ => tls.curves = many(some(node, rustls::NamedGroup::WHAT, out)?, out)?,
    }
    Some(())
}

/// One version, or the oldest and the newest; `""` is the default (M51). `Some(None)`: all defaults.
fn protocols(node: &Node, out: &mut Diagnostics) -> Option<Option<Versions>> {
    use smtp_proto::tls_options::TlsVersion::{self, V1_2, V1_3};

    let end = |word: &Word, default: TlsVersion, out: &mut Diagnostics| {
        if word.text.is_empty() { Some(default) } else { value(word, out) }
    };
    match some(node, "TLS version", out)? {
        [both] if both.text.is_empty() => Some(None),
        [both] => value(both, out).map(|version| Some(Versions { min: version, max: version })),
        [min, max] => {
            let (min, max) = (end(min, V1_2, out), end(max, V1_3, out));
            Some(Some(Versions { min: min?, max: max? }))
        }
        [_, _, third, ..] => {
            let error = third.error("protocols has one argument, or two: the oldest and the newest version");
            out.push(error.help("write `protocols tls1.2 tls1.3`"));
            None
        }
        [] => None,
    }
}
