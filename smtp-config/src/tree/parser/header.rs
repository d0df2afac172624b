//! The line of a directive: what its name says it is (M30, M34, M35).

use std::{ops::Range, sync::Arc};

use super::{Owner, Parser, Snippet};
use crate::{
    diagnostic::{Diagnostic, quote},
    tree::{Exceeded, Node, Word, lexer::Lexeme, macros},
};

impl<'s> Parser<'s, '_> {
    /// A line was read: a macro, a snippet or a directive; `open` is the brace at its end.
    pub(super) fn header(
        &mut self,
        name: Lexeme<'s>,
        args: Vec<Lexeme<'s>>,
        open: Option<Range<usize>>,
    ) -> Result<(), Exceeded> {
        // A brace glued to a name was meant to open a block, and will be closed like one: what is in it has its own errors.
        let glued = args.is_empty() && open.is_none() && name.text.len() > 1 && name.text.ends_with('{');
        let open = if glued { Some(name.range.clone()) } else { open };
        let owner = if name.text.starts_with("$(") {
            self.definition(&name, args, open.as_ref())?;
            Owner::Nobody
        } else if name.text.starts_with('(') {
            self.snippet(&name, &args, open.as_ref())
        } else {
            self.name(&name, glued);
            let args = self.words(args)?;
            let node = Node::new(Word::new(&*name.text, self.span(&name.range)), args, None);
            if glued {
                Owner::Nobody
            } else if open.is_none() {
                self.warn_of_braces(&node);
                self.push(node);
                return Ok(());
            } else {
                Owner::Directive(node)
            }
        };
        if let Some(range) = open {
            self.open(owner, range);
        }
        Ok(())
    }

    /// `$(name) = value...` (M34)
    fn definition(
        &mut self,
        lexeme: &Lexeme<'s>,
        mut args: Vec<Lexeme<'s>>,
        open: Option<&Range<usize>>,
    ) -> Result<(), Exceeded> {
        let text = &*lexeme.text;
        let at = self.span(&lexeme.range);
        let Some(whole) = macros::reference(text, 0).filter(|range| range.start == 0) else {
            self.report_with(|_| {
                Diagnostic::error(format!("{} cannot be the name of a macro", quote(text)))
                    .at(&at)
                    .help("a macro is defined as `$(name) = VALUE`; its name holds neither $ nor parentheses")
            });
            return Ok(());
        };
        let name = macros::named(text, &whole);
        if text.get(whole.end..).is_some_and(|rest| rest.starts_with('=')) {
            self.report_with(|_| {
                Diagnostic::error("the = of a macro must stand alone").at(&at).help("put blanks around it")
            });
            return Ok(());
        }
        let equals = args.first().is_some_and(|arg| arg.text == "=");
        if whole.end != text.len() || !equals {
            let glued = args.first().filter(|arg| arg.text.starts_with('='));
            let (message, help) = match glued {
                Some(_) => ("the = of a macro must stand alone", "put blanks around it"),
                None => (
                    "a macro cannot be the name of a directive",
                    "it stands for arguments only; it is defined as `$(name) = VALUE`",
                ),
            };
            let at = glued.map_or(at, |glued| self.span(&glued.range));
            self.report_with(|_| Diagnostic::error(message).at(&at).help(help));
            return Ok(());
        }
        let values = args.split_off(1);
        if values.is_empty() {
            self.report_with(|_| {
                Diagnostic::error(format!("the macro {} has no value", quote(&format!("$({name})"))))
                    .at(&at)
                    .help("an empty text is a value too; it is written \"\"")
            });
        }
        if let Some(open) = open {
            self.report_with(|parser| {
                Diagnostic::error("a macro has no block")
                    .at(&parser.span(open))
                    .label("text in quotes is meant, or a snippet")
                    .help("directives to be used in several places are a snippet: `(name) {`")
            });
        }
        if let Some(block) = self.blocks.last() {
            let block = self.span(&block.open);
            self.report_with(|_| {
                Diagnostic::error("a macro cannot be defined inside a block")
                    .at(&at)
                    .related(&block, "this block is still open")
            });
        }
        let name = name.to_owned();
        let values = self.words(values)?;
        self.macros.define(&name, values, at);
        Ok(())
    }

    /// `(name) {` (M35)
    fn snippet(&mut self, lexeme: &Lexeme<'s>, args: &[Lexeme<'s>], open: Option<&Range<usize>>) -> Owner {
        let at = self.span(&lexeme.range);
        let text = &*lexeme.text;
        let Some(name) =
            text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).filter(|name| !name.is_empty())
        else {
            self.report_with(|_| {
                Diagnostic::error(format!("{} cannot be the name of a snippet", quote(text)))
                    .at(&at)
                    .help("a snippet is defined as `(name) {`, with a blank before the brace")
            });
            return Owner::Nobody;
        };
        // `{}` is a word (M26); where there are no arguments it can only be an empty block.
        let empty = matches!(args, [brace] if brace.text == "{}" && !brace.quoted) && open.is_none();
        if let Some(first) = args.first().filter(|_| !empty) {
            let first = self.span(&first.range);
            self.report_with(|_| Diagnostic::error("a snippet takes no arguments").at(&first));
        } else if open.is_none() && !empty {
            self.report_with(|_| {
                Diagnostic::error(format!("the snippet {} has no block", quote(text)))
                    .at(&at)
                    .help("write `(name) {`, its directives, and a } on a line of its own")
            });
        }
        if let Some(block) = self.blocks.last() {
            let block = self.span(&block.open);
            self.report_with(|_| {
                Diagnostic::error("a snippet cannot be defined inside a block")
                    .at(&at)
                    .related(&block, "this block is still open")
            });
            return Owner::Nobody;
        }
        if let Some(first) = self.defined.get(name) {
            // The last one holds, for the whole file.
            self.report(
                Diagnostic::warning(format!(
                    "the snippet {} is defined again; only this one holds",
                    quote(text)
                ))
                .at(&at)
                .related(first, "first defined here"),
            );
        }
        self.defined.insert(name.to_owned(), at.clone());
        if empty || open.is_none() {
            let snippet = Snippet { body: Vec::new(), name: Some(at.clone()) };
            self.snippets.insert(name.to_owned(), Arc::new(snippet));
        }
        Owner::Snippet(name.to_owned(), at)
    }

    /// M30
    fn name(&mut self, lexeme: &Lexeme<'s>, glued: bool) {
        let name = &*lexeme.text;
        let digit = name.starts_with(char::is_numeric);
        let valid = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !name.is_empty() && !digit && name.chars().all(valid) {
            return;
        }
        if !glued {
            self.slips += 1;
        }
        self.report_with(|parser| {
            let end = name.find(|c: char| !valid(c)).unwrap_or(name.len());
            let (good, rest) = name.split_at_checked(end).unwrap_or((name, ""));
            let at = parser.span(&lexeme.range);
            let good = if at.is_private() { "NAME" } else { good };
            let help = match rest {
                "{" => format!("put a blank before the brace: {} {{", quote(good)),
                _ if name.contains("{env:") || name.contains("$(") => {
                    "variables and macros are replaced in arguments only".to_owned()
                }
                _ if name.starts_with(['{', '}']) => {
                    "a brace stands alone, with a blank or a line's end on either side of it".to_owned()
                }
                _ if name.starts_with("//") || name.starts_with(';') => "a comment starts with #".to_owned(),
                _ if rest.starts_with([':', '=']) && !good.is_empty() => {
                    format!(
                        "nothing but a blank stands between a name and its arguments: {} ...",
                        quote(good)
                    )
                }
                _ => {
                    "a name has letters, digits, `.`, `-` and `_`, and does not start with a digit".to_owned()
                }
            };
            let message = match (name, digit) {
                ("", _) => "the name of a directive is empty".to_owned(),
                (_, true) => format!("{} cannot be a directive: its name starts with a digit", quote(name)),
                _ => format!("{} cannot be the name of a directive", quote(name)),
            };
            Diagnostic::error(message).at(&at).help(help)
        });
    }

    /// `{}` is an argument like any other word (M26), and hardly meant as one.
    fn warn_of_braces(&mut self, node: &Node) {
        if let Some(last) = node.args.last().filter(|last| last.span.text() == "{}") {
            self.report(
                Diagnostic::warning("`{}` is an argument here, not an empty block")
                    .at(&last.span)
                    .help("write `{ }` for a block, \"{}\" for the text"),
            );
        }
    }
}
