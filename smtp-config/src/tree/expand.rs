//! Directives as written to the tree: imports and variables replaced (M35-M37).

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Budget, Exceeded, MAX_CHAIN, MAX_FILE, MAX_IMPORTS, MAX_NESTING, Node, Tree, Word,
    parser::{self, Parsed, Snippet},
    source, variable,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Severity, Source, Span, did_you_mean, quote},
    loader::Loader,
};

/// One reading: a file, and what it imports.
pub(super) struct Reader<'l> {
    loader: &'l dyn Loader,
    budget: Budget,
    diagnostics: Diagnostics,
    /// Every file is read once, however often it is imported.
    files: HashMap<PathBuf, Arc<Parsed>>,
    imports: usize,
    /// The imports that are being expanded, outermost first.
    chain: Vec<Hop>,
    /// Places about which something was reported: a snippet is expanded many times, its errors are told once. A source is
    /// compared by its address; those that directives came from live as long as this.
    told: HashSet<(*const Source, usize, Severity)>,
    said: variable::Said,
    /// Errors are no reason to stop, as long as every directive is there.
    lenient: bool,
    /// Every directive is there, so far.
    sound: bool,
}

/// One step of a chain.
struct Hop {
    what: What,
    /// As it is named in a diagnostic.
    name: String,
    /// The `import`; `None`: the file that was asked for.
    at: Option<Span>,
}

#[derive(PartialEq, Eq)]
enum What {
    File(PathBuf),
    Snippet(*const Snippet),
    /// Text that is no file.
    Text,
}

/// The snippets that the imports of a file may name.
type Scope = BTreeMap<String, Arc<Snippet>>;

/// A limit was reached, and reported: nothing more is expanded.
struct Stop;

impl<'l> Reader<'l> {
    pub(super) fn new(loader: &'l dyn Loader) -> Self {
        Self {
            loader,
            budget: Budget::default(),
            diagnostics: Diagnostics::new(),
            files: HashMap::new(),
            imports: 0,
            chain: Vec::new(),
            told: HashSet::new(),
            said: variable::Said::default(),
            lenient: false,
            sound: true,
        }
    }

    /// Gives the tree, with what is wrong among its warnings, if every directive is there.
    pub(super) fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }

    pub(super) fn main_file(mut self, path: &Path) -> Result<Tree, Diagnostics> {
        let canonical = match self.loader.canonical(path) {
            Ok(canonical) => canonical,
            Err(error) => {
                self.cannot_read(path, &error, None);
                return Err(self.diagnostics);
            }
        };
        // It is not among the files that imports share: to import it is to go round in a circle.
        match self.parse(path, None) {
            Some(parsed) => self.main(What::File(canonical), path, parsed),
            None => Err(self.diagnostics),
        }
    }

    pub(super) fn main_text(mut self, name: &Path, text: &str) -> Result<Tree, Diagnostics> {
        if u64::try_from(text.len()).is_ok_and(|len| len > MAX_FILE) {
            self.cannot_read(name, &io::ErrorKind::FileTooLarge.into(), None);
            return Err(self.diagnostics);
        }
        let source = source(name, text, None);
        let parsed = parser::parse(&source, &mut self.budget, &mut self.diagnostics);
        self.main(What::Text, name, parsed)
    }

    fn main(mut self, what: What, path: &Path, mut parsed: Parsed) -> Result<Tree, Diagnostics> {
        self.chain.push(Hop { what, name: named(path, None), at: None });
        let mut nodes = Vec::new();
        if parsed.complete {
            let _: Result<_, Stop> = self.nodes(parsed.nodes.into(), &mut parsed.snippets, 0, &mut nodes);
        }
        self.diagnostics.sort();
        let is_readable = self.lenient && self.sound && parsed.sound;
        match self.diagnostics.has_errors() && !is_readable {
            true => Err(self.diagnostics),
            false => Ok(Tree { nodes, warnings: self.diagnostics }),
        }
    }

    fn nodes(
        &mut self,
        nodes: Cow<'_, [Node]>,
        scope: &mut Scope,
        depth: usize,
        out: &mut Vec<Node>,
    ) -> Result<(), Stop> {
        match nodes {
            Cow::Owned(nodes) => {
                nodes.into_iter().try_for_each(|node| self.node(Cow::Owned(node), scope, depth, out))
            }
            Cow::Borrowed(nodes) => {
                nodes.iter().try_for_each(|node| self.node(Cow::Borrowed(node), scope, depth, out))
            }
        }
    }

    /// What is shared is copied when it has been counted, and of an `import` nothing.
    fn node(
        &mut self,
        node: Cow<'_, Node>,
        scope: &mut Scope,
        depth: usize,
        out: &mut Vec<Node>,
    ) -> Result<(), Stop> {
        self.budget.expanded().map_err(|exceeded| self.exceeded(exceeded, &node.name.span))?;
        if node.name.text == "import" {
            return self.import(&node, scope, depth, out);
        }
        let (node, block) = match node {
            Cow::Owned(mut node) => {
                let block = node.block.take().map(Cow::Owned);
                (node, block)
            }
            Cow::Borrowed(node) => {
                let block = node.block.as_deref().map(Cow::Borrowed);
                (Node::new(node.name.clone(), node.args.clone(), None), block)
            }
        };
        self.directive(node, block, scope, depth).map(|node| out.push(node))
    }

    fn directive(
        &mut self,
        mut node: Node,
        block: Option<Cow<'_, [Node]>>,
        scope: &mut Scope,
        depth: usize,
    ) -> Result<Node, Stop> {
        for word in &mut node.args {
            if let Err(exceeded) = self.word(word) {
                return Err(self.exceeded(exceeded, &word.span));
            }
        }
        node.block = match block {
            None => None,
            // Written one below the other they are counted by the parser; imports can add up to more.
            Some(_) if depth >= MAX_NESTING => {
                let message = format!("imports put more than {MAX_NESTING} blocks in one another");
                return Err(self.stop(Diagnostic::error(message).at(&node.name.span)));
            }
            Some(block) => {
                let mut nodes = Vec::with_capacity(block.len());
                self.nodes(block, scope, depth + 1, &mut nodes)?;
                Some(nodes)
            }
        };
        Ok(node)
    }

    fn word(&mut self, word: &mut Word) -> Result<(), Exceeded> {
        self.budget.word(word.text.len())?;
        variable::replace(word, self.loader, &mut self.budget, &mut self.said, &mut self.diagnostics)
    }

    fn import(
        &mut self,
        node: &Node,
        scope: &mut Scope,
        depth: usize,
        out: &mut Vec<Node>,
    ) -> Result<(), Stop> {
        let [word] = node.args.as_slice() else {
            let at = node.args.get(1).map_or(&node.name.span, |word| &word.span);
            self.report(
                Diagnostic::error(format!("`import` takes one argument, not {}", node.args.len()))
                    .at(at)
                    .help("name one snippet or one file; a name with blanks is written in quotes"),
            );
            return Ok(());
        };
        if node.block.is_some() {
            // M36
            self.report(Diagnostic::warning("the block of an `import` is ignored").at(&word.span));
        }
        match scope.get(&word.text).map(Arc::clone) {
            Some(snippet) => {
                let name = quote(&format!("({})", word.text));
                self.hop(What::Snippet(Arc::as_ptr(&snippet)), name, word, |reader| {
                    reader.nodes(Cow::Borrowed(&snippet.body), scope, depth, out)
                })
            }
            None => self.import_file(word, scope, depth, out),
        }
    }

    fn import_file(
        &mut self,
        word: &Word,
        scope: &mut Scope,
        depth: usize,
        out: &mut Vec<Node>,
    ) -> Result<(), Stop> {
        let Some((path, canonical)) = self.find(word, scope) else { return Ok(()) };
        self.imports += 1;
        if self.imports > MAX_IMPORTS {
            let message = format!("more than {MAX_IMPORTS} files are imported");
            return Err(self.stop(word.error(message)));
        }
        let name = named(&path, Some(word));
        self.hop(What::File(canonical.clone()), name, word, |reader| {
            let Some(parsed) = reader.parsed(&path, &canonical, word) else { return Ok(()) };
            if !parsed.complete {
                return Ok(());
            }
            let mut own = parsed.snippets.clone();
            reader.nodes(Cow::Borrowed(&parsed.nodes), &mut own, depth, out)?;
            // What it defines, and what it imported, can be named from here on.
            scope.append(&mut own);
            Ok(())
        })
    }

    /// Does `expand` as one more step of the chain, unless the chain is too long or comes back to itself.
    fn hop(
        &mut self,
        what: What,
        name: String,
        word: &Word,
        expand: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if let Some(start) = self.chain.iter().position(|hop| hop.what == what) {
            let cycle = self.cycle(start, word);
            self.report(cycle);
            return Ok(());
        }
        // The first of the chain is the file that was asked for, which nobody imports.
        if self.chain.len() > MAX_CHAIN {
            let message = format!("more than {MAX_CHAIN} imports lead to this one");
            self.report(word.error(message));
            return Ok(());
        }
        self.chain.push(Hop { what, name, at: Some(word.span.clone()) });
        let result = expand(self);
        self.chain.pop();
        result
    }

    fn cycle(&self, start: usize, word: &Word) -> Diagnostic {
        let hops = self.chain.get(start..).unwrap_or_default();
        let names: Vec<&str> = hops.iter().map(|hop| hop.name.as_str()).collect();
        let message = match names.as_slice() {
            [name] => format!("{name} imports itself"),
            [first, .., last] if names.len() > 8 => format!("import cycle: {first} → … → {last} → {first}"),
            names => format!("import cycle: {} → {}", names.join(" → "), names.first().unwrap_or(&"")),
        };
        let mut diagnostic = word.error(message).label("this closes the circle");
        for pair in hops.windows(2).take(8) {
            if let [from, Hop { name, at: Some(at), .. }] = pair {
                diagnostic = diagnostic.related(at, format!("{} imports {name}", from.name));
            }
        }
        diagnostic
    }

    /// The file that a word names: beside the importing file unless absolute (D17), as it is or with `.conf`.
    fn find(&mut self, word: &Word, scope: &Scope) -> Option<(PathBuf, PathBuf)> {
        if word.text.is_empty() {
            self.report(word.error("`import` of an empty name"));
            return None;
        }
        let folder = word.span.source.path.parent().unwrap_or_else(|| Path::new(""));
        let plain = folder.join(&word.text);
        let mut with_extension = plain.clone().into_os_string();
        with_extension.push(".conf");
        let with_extension = PathBuf::from(with_extension);
        for path in [&plain, &with_extension] {
            match self.loader.canonical(path) {
                Ok(canonical) => return Some((path.clone(), canonical)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.cannot_read(path, &error, Some(word));
                    return None;
                }
            }
        }
        let help = if word.text.contains("{env:") {
            "variables are not replaced in an import".to_owned()
        } else if let Some(meant) = did_you_mean(&word.text, told(scope)) {
            format!("did you mean the snippet `{meant}`?")
        } else {
            format!(
                "no snippet of this name is known here, and there is neither a file {} nor {}",
                named(&plain, Some(word)),
                named(&with_extension, Some(word))
            )
        };
        self.report(word.error(format!("there is no {} to import", quote(&word.text))).help(help));
        None
    }

    /// An imported file as it is written; `None` if it cannot be read, which was reported.
    fn parsed(&mut self, path: &Path, canonical: &Path, by: &Word) -> Option<Arc<Parsed>> {
        if let Some(parsed) = self.files.get(canonical) {
            return Some(Arc::clone(parsed));
        }
        let parsed = Arc::new(self.parse(path, Some(by))?);
        self.files.insert(canonical.to_owned(), Arc::clone(&parsed));
        Some(parsed)
    }

    fn parse(&mut self, path: &Path, by: Option<&Word>) -> Option<Parsed> {
        let octets = match self.loader.read(path, MAX_FILE) {
            Ok(octets) => octets,
            Err(error) => {
                self.cannot_read(path, &error, by);
                return None;
            }
        };
        let by = by.map(|word| &word.span);
        if let Err(Exceeded(message)) = self.budget.text(octets.len()) {
            self.report(match by {
                Some(by) => Diagnostic::error(message).at(by),
                None => Diagnostic::error(message),
            });
            return None;
        }
        let parsed = match std::str::from_utf8(&octets) {
            Ok(text) => parser::parse(&source(path, text, by), &mut self.budget, &mut self.diagnostics),
            Err(error) => {
                self.not_utf8(path, &octets, error.valid_up_to(), by);
                Parsed::default()
            }
        };
        self.sound &= parsed.sound;
        Some(parsed)
    }

    fn not_utf8(&mut self, path: &Path, octets: &[u8], at: usize, by: Option<&Span>) {
        let source = source(path, &String::from_utf8_lossy(octets), by);
        // A BOM is three octets that are not in the text.
        let start = if octets.starts_with("\u{feff}".as_bytes()) { at.saturating_sub(3) } else { at };
        let end = source
            .text
            .get(start..)
            .and_then(|rest| rest.chars().next())
            .map_or(start, |c| start + c.len_utf8());
        let octet = octets.get(at).copied().unwrap_or_default();
        self.diagnostics.push(
            Diagnostic::error(format!("the octet 0x{octet:02x} at offset {at} of the file is not UTF-8"))
                .at(&Span::new(&source, start..end))
                .help("save the file as UTF-8"),
        );
    }

    fn cannot_read(&mut self, path: &Path, error: &io::Error, by: Option<&Word>) {
        let name = named(path, by);
        let (message, help) = match error.kind() {
            io::ErrorKind::NotFound => (format!("there is no file {name}"), None),
            io::ErrorKind::IsADirectory => {
                (format!("{name} is a folder, not a file"), Some("name a file in it"))
            }
            io::ErrorKind::FileTooLarge => (
                format!("{name} is longer than {} MiB", MAX_FILE / 1024 / 1024),
                Some("is it a configuration file at all?"),
            ),
            _ => (format!("{name} cannot be read: {error}"), None),
        };
        let diagnostic = match by {
            Some(word) => word.error(message),
            // Of a file that cannot be read the name is all there is.
            None => Diagnostic::error(message).at(&Span::new(&source(path, "", None), 0..0)),
        };
        self.report(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    fn exceeded(&mut self, Exceeded(message): Exceeded, at: &Span) -> Stop {
        self.stop(
            Diagnostic::error(message)
                .at(at)
                .help("a snippet or a macro that is made of several others multiplies them"),
        )
    }

    /// The last word: nothing is expanded after it.
    fn stop(&mut self, mut diagnostic: Diagnostic) -> Stop {
        if let Some(Hop { at: Some(at), .. }) = self.chain.iter().find(|hop| hop.at.is_some()) {
            diagnostic = diagnostic.related(at, "on account of this import");
        }
        self.diagnostics.push(diagnostic);
        self.sound = false;
        Stop
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.sound &= diagnostic.severity == Severity::Warning;
        let first = diagnostic.span.as_ref().is_none_or(|span| {
            self.told.insert((Arc::as_ptr(&span.source), span.range.start, diagnostic.severity))
        });
        if first {
            self.diagnostics.push(diagnostic);
        }
    }
}

/// The names that may be told: with wrong quotes around it, a password can stand where a name does.
fn told(scope: &Scope) -> impl Iterator<Item = &str> {
    let may_be_told = |snippet: &Snippet| !snippet.name.as_ref().is_some_and(Span::is_private);
    scope.iter().filter(move |(_, snippet)| may_be_told(snippet)).map(|(name, _)| name.as_str())
}

/// A path in a message: whole, so that it can be found; but not of a word that may be a part of a password.
fn named(path: &Path, by: Option<&Word>) -> String {
    match by {
        Some(word) if word.span.is_private() => "`***`".to_owned(),
        _ => format!("`{}`", path.display()),
    }
}
