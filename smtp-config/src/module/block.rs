//! The block of a target: directives to settings, and where each of them is written (SPEC 1.2).

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use smtp_proto::{Endpoint, Plan, address::ClientName, config::Protocol};

use super::{
    auth, tls_client,
    words::{boolean, duration, each, many, one, some},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Severity},
    loader::Loader,
    settings::{Problem, Settings, Tls, TlsClient},
    tree::{Node, Word},
    value::Value as _,
};

/// The directives of a target; the last eight are ours, and hostname (D30).
pub(super) const KNOWN: [(&str, &str); 18] = [
    ("debug", "debug"),
    ("hostname", "hostname"),
    ("targets", "targets"),
    ("attempt_starttls", "attempt_starttls"),
    ("require_tls", "require_tls"),
    ("auth", "auth"),
    ("tls_client", "tls_client"),
    ("connect_timeout", "connect_timeout"),
    ("command_timeout", "command_timeout"),
    ("submission_timeout", "submission_timeout"),
    ("greeting_timeout", "greeting_timeout"),
    ("total_timeout", "total_timeout"),
    ("failover", "failover"),
    ("chunking", "chunking"),
    ("connection_reuse", "connection_reuse"),
    ("server_name", "server_name"),
    ("line_breaks", "line_breaks"),
    ("mail_auth_param", "mail_auth_param"),
];

/// Settings, and where they are written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Block {
    /// What the block says.
    pub settings: Settings,
    pub(super) places: Places,
}

impl Block {
    /// Makes the plan, as [`Settings::plan`]; what is wrong is said with its place in the text.
    ///
    /// The warnings are about files only: what could be said without reading one is among those of
    /// [`Configuration::warnings`](super::Configuration::warnings).
    ///
    /// # Errors
    /// As [`Settings::plan`].
    pub fn plan(&self, loader: &dyn Loader, tls: &Tls<'_>) -> Result<(Plan, Diagnostics), Diagnostics> {
        let mut problems: Vec<_> = self.settings.check().into_iter().filter(Problem::is_error).collect();
        let plan = self.settings.plan_unchecked(loader, tls, &mut problems);
        let mut diagnostics = Diagnostics::new();
        diagnostics.extend(problems.iter().map(|problem| self.places.diagnostic(problem)));
        match plan {
            Some(plan) if !diagnostics.has_errors() => Ok((plan, diagnostics)),
            _ => Err(diagnostics),
        }
    }

    /// What is wrong with the files it names, as far as what names them is right.
    pub(super) fn problems_of_files(
        &self,
        loader: &dyn Loader,
        tls: &Tls<'_>,
    ) -> impl Iterator<Item = Diagnostic> {
        let problems = self.settings.problems_of_files(loader, tls).into_iter();
        problems
            .filter(move |problem| problem.is_error() && !self.places.failed.contains(problem.directive))
            .map(|problem| self.places.diagnostic(&problem))
    }
}

/// A directive, as it is written. The words of `auth` are not kept.
#[derive(Clone, Debug)]
struct Place {
    name: Word,
    values: Vec<Word>,
}

/// Where directives are written.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The module, as the text calls it; none for what is global.
    head: Option<Word>,
    module: &'static str,
    /// Shared with the blocks that inherit them.
    by_directive: BTreeMap<&'static str, Arc<Place>>,
    /// Those that something has been said about.
    failed: BTreeSet<&'static str>,
    /// Something has been said about the block.
    is_doubtful: bool,
}

impl Places {
    pub(super) fn new(head: Option<&Word>, module: &'static str) -> Self {
        Self {
            head: head.cloned(),
            module,
            by_directive: BTreeMap::new(),
            failed: BTreeSet::new(),
            is_doubtful: false,
        }
    }

    pub(super) fn add(&mut self, directive: &'static str, name: &Word, values: &[Word]) {
        let values = if directive == "auth" { Vec::new() } else { values.to_vec() };
        self.add_own(directive, name.clone(), values);
    }

    fn add_own(&mut self, directive: &'static str, name: Word, values: Vec<Word>) {
        self.by_directive.insert(directive, Arc::new(Place { name, values }));
    }

    pub(super) fn fail(&mut self, directive: &'static str) {
        self.failed.insert(directive);
    }

    /// Those of directives that a block inherits. They have been reported where they are.
    fn inherit(&mut self, from: &Self, directives: impl Fn(&str) -> bool) {
        for (directive, place) in from.by_directive.iter().filter(|(directive, _)| directives(directive)) {
            self.by_directive.insert(directive, Arc::clone(place));
        }
        self.failed.extend(from.failed.iter().filter(|directive| directives(directive)));
    }

    /// Whether a problem is news: not the consequence of what has been said already.
    fn is_news(&self, problem: &Problem) -> bool {
        if self.failed.is_empty() && !self.is_doubtful {
            return true;
        }
        let related: &[&str] = match problem.directive {
            "tls_client.cert" | "tls_client.key" => &["tls_client.cert", "tls_client.key"],
            "require_tls" => &["require_tls", "targets"],
            _ => &[problem.directive],
        };
        problem.is_error() && !related.iter().any(|directive| self.failed.contains(directive))
    }

    pub(super) fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        let say = |word: Option<&Word>, message: String| match (problem.severity, word) {
            (Severity::Error, Some(word)) => word.error(message),
            (Severity::Error, None) => Diagnostic::error(message),
            (Severity::Warning, Some(word)) => word.warning(message),
            (Severity::Warning, None) => Diagnostic::warning(message),
        };
        let diagnostic = match self.by_directive.get(problem.directive) {
            None => say(self.head.as_ref(), format!("{}: {}", self.module, problem.message)),
            Some(place) => {
                let Place { name, values } = place.as_ref();
                let word = problem.value.map_or_else(|| values.first(), |at| values.get(at)).unwrap_or(name);
                let message = match &problem.file {
                    // What a variable holds is not shown; nor is any argument of `auth`.
                    Some(file) if !word.secret && problem.directive != "auth" => {
                        format!("{}: {}", file.display(), problem.message)
                    }
                    _ => problem.message.clone(),
                };
                say(Some(word), message)
            }
        };
        match &problem.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// What blocks inherit (M7, M8, M13), and what is global alone.
#[derive(Debug)]
pub(super) struct Globals {
    pub(super) debug: Option<bool>,
    pub(super) hostname: Option<ClientName>,
    pub(super) tls_client: Option<TlsClient>,
    pub(super) runtime_dir: Option<std::path::PathBuf>,
    pub(super) places: Places,
    /// That there is no host name has been said: one line at the top mends it for all.
    pub(super) lacks_hostname: Cell<bool>,
}

/// Reads a block: `inline` are the endpoints before it.
pub(super) fn read(
    (head, module): (&Word, &'static str),
    inline: &[Word],
    nodes: &[Node],
    globals: &Globals,
    out: &mut Diagnostics,
) -> Block {
    let protocol = if module == "target.lmtp" { Protocol::Lmtp } else { Protocol::Smtp };
    let mut places = Places::new(Some(head), module);
    let mut settings = Settings::new(protocol);
    let mut endpoints = Endpoints::default();
    endpoints.add(inline, &mut places, out);

    let before = out.errors();
    let misspelt = each(nodes, module, &KNOWN, out, |name, node, out| {
        if name == "targets" {
            if let Some(words) = some(node, Endpoint::WHAT, out) {
                endpoints.name = Some(node.name.clone());
                endpoints.add(words, &mut places, out); // D12: inline first
            } else {
                places.fail(name);
            }
            return;
        }
        if name != "tls_client" {
            places.add(name, &node.name, &node.args);
        }
        if directive(&mut settings, name, node, &mut places, out).is_none() {
            places.fail(name);
        }
    });
    misspelt.into_iter().for_each(|name| places.fail(name));
    places.is_doubtful = out.errors() > before;

    settings.targets = endpoints.found;
    if let Some(word) = endpoints.name.or_else(|| endpoints.words.first().cloned()) {
        places.add_own("targets", word, endpoints.words);
    }
    inherit(&mut settings, &mut places, globals);
    for problem in settings.check().iter().filter(|problem| places.is_news(problem)) {
        if problem.directive != "hostname" || !globals.lacks_hostname.replace(true) {
            out.push(places.diagnostic(problem));
        }
    }
    Block { settings, places }
}

/// Endpoints of the line and of `targets`, in that order (M3, D12).
#[derive(Default)]
struct Endpoints {
    name: Option<Word>,
    words: Vec<Word>,
    found: Vec<Endpoint>,
}

impl Endpoints {
    fn add(&mut self, words: &[Word], places: &mut Places, out: &mut Diagnostics) {
        match many(words, out) {
            Some(found) => {
                self.found.extend(found);
                self.words.extend_from_slice(words);
            }
            None => places.fail("targets"),
        }
    }
}

fn directive(
    settings: &mut Settings,
    name: &str,
    node: &Node,
    places: &mut Places,
    out: &mut Diagnostics,
) -> Option<()> {
    match name {
        "debug" => settings.debug = boolean(node, out)?,
        "hostname" => settings.hostname = Some(one(node, out)?),
        "attempt_starttls" => settings.attempt_starttls = Some(boolean(node, out)?),
        "require_tls" => settings.require_tls = boolean(node, out)?,
        "auth" => settings.auth = auth::read(node, out)?,
        "tls_client" => settings.tls_client = tls_client::read(node, places, out),
        "connect_timeout" => settings.connect_timeout = duration(node, out)?,
        "command_timeout" => settings.command_timeout = duration(node, out)?,
        "submission_timeout" => settings.submission_timeout = duration(node, out)?,
        "greeting_timeout" => settings.greeting_timeout = duration(node, out)?,
        "total_timeout" => settings.total_timeout = duration(node, out)?,
        "failover" => settings.failover = one(node, out)?,
        "chunking" => settings.chunking = one(node, out)?,
        "connection_reuse" => settings.connection_reuse = one(node, out)?,
        "server_name" => settings.server_name = Some(one(node, out)?),
        "line_breaks" => settings.line_breaks = one(node, out)?,
        "mail_auth_param" => settings.mail_auth_param = boolean(node, out)?,
        _ => return None,
    }
    Some(())
}

fn inherit(settings: &mut Settings, places: &mut Places, globals: &Globals) {
    if !places.by_directive.contains_key("debug") {
        settings.debug = globals.debug.unwrap_or_default();
    }
    if !places.by_directive.contains_key("hostname") {
        settings.hostname.clone_from(&globals.hostname);
        places.inherit(&globals.places, |directive| directive == "hostname");
    }
    if !places.by_directive.contains_key("tls_client") {
        // D6: the one or the other, never a mixture.
        settings.tls_client = globals.tls_client.clone().unwrap_or_default();
        places.inherit(&globals.places, |directive| directive.starts_with("tls_client"));
    }
    if let Some(directory) = &globals.runtime_dir {
        settings.runtime_dir.clone_from(directory);
    }
    places.inherit(&globals.places, |directive| directive == "runtime_dir");
}
