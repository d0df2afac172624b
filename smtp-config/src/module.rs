//! What the directives of a [tree] mean: targets, and where messages are to be delivered.
//!
//! ```text
//! hostname mx.example.org                      # of the whole file: hostname, tls_client, debug, runtime_dir
//!
//! target.smtp outbound relay {                 # a name, and others for the same block
//!     targets tls://mx1.example.org:465 tcp://mx2.example.org:587
//!     require_tls yes
//! }
//! target.lmtp local {
//!     targets unix:///run/dovecot/lmtp
//! }
//!
//! deliver_to &outbound                         # a block by its name
//! deliver_to smtp tcp://127.0.0.1:5353         # or a target of its own, with a block if need be
//! ```
//!
//! Blocks can be lifted out of a mail server's configuration unchanged, or that can be read as a whole: directives and blocks around the
//! targets are skipped, `deliver_to` is found inside them as well, and what is delivered elsewhere is passed over with a warning.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use smtp_proto::address::ClientName;

use crate::{
    diagnostic::{Diagnostics, Severity, Span, did_you_mean},
    loader::Loader,
    settings::Tls,
    tree::{self, Node, Word},
};

mod auth;
mod block;
mod elsewhere;
mod tls_client;
mod words;

pub use block::Block;

use block::{Globals, Places};
use elsewhere::{Others, TARGETS, unknown_module};
use words::{boolean, one, quoted, single};

/// How our modules can be called in `deliver_to` (M1).
const NAMES: [&str; 4] = ["smtp", "lmtp", "target.smtp", "target.lmtp"];

/// Targets whose files are looked at when a configuration is wrong: the time that takes is bounded, as the text is.
const MAX_OPENED: usize = 100;

/// Names that are listed where none of them was meant.
const MAX_LISTED: usize = 20;

/// What may be given beside the text.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The name to give in EHLO where the text has none; in text it is required (M8).
    pub hostname: Option<ClientName>,
}

/// A block at the top level, with its names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Named {
    /// Its name, then its aliases (M4); if it has none, the name of its module.
    pub names: Vec<String>,
    /// What it says; `deliver_to` lines that refer to it share it (M6).
    pub block: Arc<Block>,
}

/// A `deliver_to` line that leads to one of our targets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// Where the directive stands.
    pub span: Span,
    /// The target.
    pub block: Arc<Block>,
}

/// What a configuration says about forwarding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Configuration {
    /// The blocks that have names, in the order of the text.
    pub named: Vec<Named>,
    /// The `deliver_to` lines, in the order of the text.
    pub deliveries: Vec<Delivery>,
    /// What works, but perhaps not as meant.
    pub warnings: Diagnostics,
}

/// Why no target can be selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// There is none to select.
    #[error("the configuration has no target: add `target.smtp NAME {{ targets tcp://HOST:PORT }}`")]
    Nothing,
    /// There is none of this name.
    #[error("the configuration has no target {name:?}: {}", Known(known))]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// There is more than one, and no word which.
    #[error(
        "the configuration has more than one target; say which: {}{}",
        Known(known),
        if *nameless && !known.is_empty() {
            "; to be chosen, a `deliver_to` with its endpoints in the line needs a name: `target.smtp NAME { … }`, and `deliver_to &NAME`"
        } else {
            ""
        }
    )]
    Several {
        /// A name of each that has one.
        known: Vec<String>,
        /// There are others, which have none.
        nameless: bool,
    },
}

struct Known<'a>(&'a [String]);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none has a name; give one by `target.smtp NAME { … }`");
        }
        write!(f, "there is {}", self.0.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
    }
}

impl Configuration {
    /// The block of this name or alias.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Block>> {
        let found = self.named.iter().find(|named| named.names.iter().any(|it| it == name));
        found.map(|named| &named.block)
    }

    /// What this `deliver_to` directive leads to; `None` if it is none of ours.
    #[must_use]
    pub fn delivery(&self, node: &Node) -> Option<&Delivery> {
        self.deliveries.iter().find(|delivery| delivery.span.is(&node.name.span))
    }

    /// The target to use: the one of this name; without one, where the `deliver_to` lines lead if that is one place, and if there are
    /// no such lines, the one block. Lines that say the same lead to the same place.
    ///
    /// # Errors
    /// There is none, none of the name, or more than one.
    pub fn select(&self, name: Option<&str>) -> Result<&Arc<Block>, SelectError> {
        if let Some(name) = name {
            let known = || self.named.iter().flat_map(|named| named.names.iter().cloned()).collect();
            let unknown = || SelectError::Unknown { name: name.to_owned(), known: known() };
            return self.named(name.strip_prefix('&').unwrap_or(name)).ok_or_else(unknown);
        }
        let mut candidates: Vec<&Arc<Block>> =
            self.deliveries.iter().map(|delivery| &delivery.block).collect();
        if candidates.is_empty() {
            candidates = self.named.iter().map(|named| &named.block).collect();
        }
        let first = *candidates.first().ok_or(SelectError::Nothing)?;
        if candidates.iter().all(|it| Arc::ptr_eq(it, first) || it.settings == first.settings) {
            Ok(first)
        } else {
            let known = self.named.iter().filter_map(|named| named.names.first().cloned()).collect();
            let named: HashSet<_> = self.named.iter().map(|named| Arc::as_ptr(&named.block)).collect();
            let nameless = candidates.iter().any(|block| !named.contains(&Arc::as_ptr(block)));
            Err(SelectError::Several { known, nameless })
        }
    }
}

/// Reads a file, what it imports, and what it says about forwarding.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn load(loader: &dyn Loader, path: &Path, options: &Options) -> Result<Configuration, Diagnostics> {
    load_with(loader, path, options, |_, _| {})
}

/// As [`load`]. Where something is wrong, the files that targets name (certificates, keys, passwords) are looked at as well, so that one
/// run tells everything; where nothing is, [`Block::plan`] looks at those of the target that is used.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn load_telling_all(
    loader: &dyn Loader,
    path: &Path,
    options: &Options,
    tls: &Tls<'_>,
) -> Result<Configuration, Diagnostics> {
    load_with(loader, path, options, |configuration, out| {
        let deliveries = configuration.deliveries.iter().map(|delivery| &delivery.block);
        let named = configuration.named.iter().map(|named| &named.block);
        // What is global or shared is told once.
        let mut told = HashSet::new();
        let blocks = named.chain(deliveries).take(MAX_OPENED);
        for diagnostic in blocks.flat_map(|block| block.problems_of_files(loader, tls)) {
            if told.insert(diagnostic.to_string()) {
                out.push(diagnostic);
            }
        }
    })
}

fn load_with(
    loader: &dyn Loader,
    path: &Path,
    options: &Options,
    tell_more: impl FnOnce(&Configuration, &mut Diagnostics),
) -> Result<Configuration, Diagnostics> {
    let tree = tree::read_leniently(loader, path)?;
    let mut said = tree.warnings;
    let is_misspelt = said.has_errors();
    let mut configuration = understand(&tree.nodes, options);
    let mut understood = std::mem::take(&mut configuration.warnings);
    // Of a word that is no word of the language nothing else need be said.
    understood.retain(|one| !said.has_error_at(one));
    let is_wrong = is_misspelt || understood.has_errors();
    if is_wrong {
        tell_more(&configuration, &mut understood);
        understood.sort();
    }
    said.append(understood);
    if is_misspelt {
        said.sort();
    }
    if is_wrong {
        return Err(said);
    }
    configuration.warnings = said;
    Ok(configuration)
}

/// Reads what directives say about forwarding.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn read(nodes: &[Node], options: &Options) -> Result<Configuration, Diagnostics> {
    let configuration = understand(nodes, options);
    if configuration.warnings.has_errors() { Err(configuration.warnings) } else { Ok(configuration) }
}

/// As much as can be understood, and among the warnings what cannot.
fn understand(nodes: &[Node], options: &Options) -> Configuration {
    let mut out = Diagnostics::new();
    let globals = globals(nodes, options, &mut out);
    let mut reader = Reader {
        globals,
        named: Vec::new(),
        by_name: HashMap::new(),
        others: Others::default(),
        deliveries: Vec::new(),
        out,
    };
    for node in nodes {
        reader.top(node);
    }
    // Names may be used before the block that has them.
    for node in nodes.iter().filter(|node| module(&node.name.text).is_none()) {
        reader.find_deliveries(node);
    }
    let Reader { named, deliveries, mut out, .. } = reader;
    out.sort();
    let named = named.into_iter().map(|(named, _)| named).collect();
    Configuration { named, deliveries, warnings: out }
}

/// The module that a dotted name stands for.
fn module(name: &str) -> Option<&'static str> {
    ["target.smtp", "target.lmtp"].into_iter().find(|module| *module == name)
}

fn globals(nodes: &[Node], options: &Options, out: &mut Diagnostics) -> Globals {
    let mut globals = Globals::new(options);
    let is_global =
        |node: &&Node| matches!(node.name.text.as_str(), "debug" | "hostname" | "tls_client" | "runtime_dir");
    let nodes: Vec<Node> = nodes.iter().filter(is_global).cloned().collect();
    let known = ["debug", "hostname", "tls_client", "runtime_dir"].map(|name| (name, name));
    // These are no more than what was looked for: nothing is misspelt.
    words::each(&nodes, "the configuration", &known, out, |name, node, out| {
        if name != "tls_client" {
            globals.places.add(name, &node.name, &node.args);
        }
        let read = match name {
            "debug" => boolean(node, out).map(|value| globals.debug = Some(value)),
            "hostname" => one(node, out).map(|value| globals.hostname = Some(value)),
            "runtime_dir" => runtime_dir(node, out).map(|value| globals.runtime_dir = Some(value)),
            _ => {
                globals.tls_client = Some(tls_client::read(node, &mut globals.places, out));
                Some(())
            }
        };
        if read.is_none() {
            globals.places.fail(name);
        }
    });
    globals
}

impl Globals {
    fn new(options: &Options) -> Self {
        let places = Places::new(None, "the configuration");
        Self {
            debug: None,
            hostname: options.hostname.clone(),
            tls_client: None,
            runtime_dir: None,
            places,
            lacks_hostname: Cell::new(false),
        }
    }
}

/// M20.
fn runtime_dir(node: &Node, out: &mut Diagnostics) -> Option<PathBuf> {
    let word = single(node, "directory", out)?;
    let path = PathBuf::from(&word.text);
    if path.is_absolute() {
        return Some(path);
    }
    out.push(word.error("runtime_dir is not an absolute path").help("write a path that starts with /"));
    None
}

struct Reader {
    globals: Globals,
    named: Vec<(Named, Word)>,
    /// Which of them has a name: a file may have thousands.
    by_name: HashMap<String, usize>,
    others: Others,
    deliveries: Vec<Delivery>,
    out: Diagnostics,
}

impl Reader {
    fn top(&mut self, node: &Node) {
        match node.name.text.as_str() {
            "debug" | "hostname" | "tls_client" | "runtime_dir" | "deliver_to" => {}
            name => match module(name) {
                Some(module) => self.named(node, module),
                None => self.others.add(node, &mut self.out),
            },
        }
    }

    /// A block at the top level: its arguments are names (M4).
    fn named(&mut self, node: &Node, module: &'static str) {
        let nodes = node.block.as_deref().unwrap_or_default();
        let block = Arc::new(block::read((&node.name, module), &[], nodes, &self.globals, &mut self.out));
        let words = if node.args.is_empty() { std::slice::from_ref(&node.name) } else { &node.args };
        let mut names = Vec::new();
        for word in words {
            let first = self.by_name.get(&word.text).copied();
            if first == Some(self.named.len()) {
                self.out.push_with(Severity::Error, || {
                    word.error(format!("the target has the name {} twice", quoted(word)))
                });
            } else if let Some((_, first)) = first.and_then(|first| self.named.get(first)) {
                self.out.push_with(Severity::Error, || {
                    let twice = word.error(format!("there is a target {} already", quoted(word))); // M5
                    twice.related(&first.span, "it is here").help("choose another name for one of the two")
                });
            } else if word.text.is_empty() || word.text.starts_with('&') {
                self.out.push(word.error("the name of a target is not empty, and starts with no &"));
            } else {
                if word.text.contains("://") {
                    let odd = word.warning(format!(
                        "{} is taken for a name: arguments of {module} are names",
                        quoted(word)
                    ));
                    self.out
                        .push(odd.help("endpoints are given inside of the block: `targets tcp://HOST:PORT`"));
                }
                names.push(word.text.clone());
                self.by_name.insert(word.text.clone(), self.named.len());
            }
        }
        self.named.push((Named { names, block }, node.name.clone()));
    }

    /// `deliver_to`, here and inside.
    fn find_deliveries(&mut self, node: &Node) {
        if node.name.text == "deliver_to" {
            self.deliver_to(node);
            return;
        }
        for node in node.block.iter().flatten() {
            self.find_deliveries(node);
        }
    }

    fn deliver_to(&mut self, node: &Node) {
        let Some((target, endpoints)) = node.args.split_first() else {
            let error = node.name.error("deliver_to needs a target");
            self.out.push(error.help(
                "write `deliver_to smtp tcp://HOST:PORT`, or `deliver_to &NAME` for a block of that name",
            ));
            return;
        };
        let block = match target.text.strip_prefix('&') {
            Some(name) => self.reference(node, target, name),
            None => self.inline(node, target, endpoints),
        };
        if let Some(block) = block {
            self.deliveries.push(Delivery { span: node.name.span.clone(), block });
        }
    }

    /// `deliver_to &NAME` (M5).
    fn reference(&mut self, node: &Node, word: &Word, name: &str) -> Option<Arc<Block>> {
        if let Some(extra) = node.args.get(1) {
            self.out.push(
                extra
                    .error("nothing may follow the name of a target")
                    .help("put it in the block of that name"),
            );
            return None;
        }
        if node.block.is_some() {
            // M31: an empty one, too.
            let error = word.error("deliver_to & has no block, not even an empty one");
            self.out.push(error.help("remove the braces; what is in them belongs in the block of that name"));
            return None;
        }
        if let Some((named, _)) = self.by_name.get(name).and_then(|at| self.named.get(*at)) {
            return Some(Arc::clone(&named.block));
        }
        let module = self.others.module(name);
        let severity = if module.is_some() { Severity::Warning } else { Severity::Error };
        self.out.push_with(severity, || match module {
            Some(module) => {
                word.warning(format!("skipped: {} is a {module}, and not forwarding", quoted(word)))
            }
            None => {
                let known = || self.named.iter().flat_map(|(named, _)| &named.names).map(String::as_str);
                let meant = if word.secret { None } else { did_you_mean(name, known()) };
                let known: Vec<&str> = known().take(MAX_LISTED + 1).collect();
                let error = word.error(format!("there is no target {}", quoted(word)));
                error.help(match (meant, known.as_slice()) {
                    (Some(meant), _) => format!("did you mean &{meant}?"),
                    (None, []) => "define it: `target.smtp NAME { targets tcp://HOST:PORT }`".to_owned(),
                    (None, known) => match known.split_at_checked(MAX_LISTED) {
                        Some((listed, [_, ..])) => format!("there is {}, and others", listed.join(", ")),
                        _ => format!("there is {}", crate::suggest::list(known)),
                    },
                })
            }
        });
        None
    }

    /// `deliver_to MODULE ENDPOINT… { … }` (M1-M3).
    fn inline(&mut self, node: &Node, word: &Word, endpoints: &[Word]) -> Option<Arc<Block>> {
        let name = word.text.as_str();
        let dotted = if name.contains('.') { name.to_owned() } else { format!("target.{name}") };
        if let Some(module) = module(&dotted) {
            let nodes = node.block.as_deref().unwrap_or_default();
            return Some(Arc::new(block::read(
                (word, module),
                endpoints,
                nodes,
                &self.globals,
                &mut self.out,
            )));
        }
        let is_elsewhere = dotted.strip_prefix("target.").is_some_and(|last| TARGETS.contains(&last));
        if is_elsewhere || dotted.starts_with("storage.") {
            self.out.push(word.warning(format!("skipped: {dotted} is not forwarding")));
            return None;
        }
        let mut error = unknown_module(word);
        let endpoint =
            name.split_once(':').is_some_and(|(scheme, _)| matches!(scheme, "tcp" | "tls" | "unix"));
        if endpoint && !word.secret {
            error = error.help(format!("write the module before the endpoint: `deliver_to smtp {name}`"));
        } else if self.by_name.contains_key(name) && !word.secret {
            error = error.help(format!("did you mean &{name}?"));
        }
        self.out.push(error);
        None
    }
}
