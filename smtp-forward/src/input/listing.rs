//! Which messages the command line names: found as they are asked for, so that a large folder is never held whole.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead as _, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Input, mbox, unreadable};
use crate::{
    cli::InputKind,
    exit::{Failure, Status},
    maildir,
};

type Pieces = mbox::Pieces<io::BufReader<fs::File>>;

/// What one argument names.
#[derive(Debug)]
enum Source {
    One(Input),
    /// Names alone are kept, inside the folder.
    Maildir {
        path: PathBuf,
        names: VecDeque<PathBuf>,
    },
    Mbox {
        path: Arc<Path>,
        /// `None`: not opened yet.
        pieces: Option<Pieces>,
        taken: usize,
    },
    Unusable(String, Failure),
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    /// `None`: only whoever reads an mbox to its end knows.
    pub(crate) messages: Option<u64>,
    /// `None`: only whoever looks at every file of a Maildir knows.
    pub(crate) octets: Option<u64>,
}

/// What is left over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    One(Input),
    Maildir {
        path: PathBuf,
        names: VecDeque<PathBuf>,
    },
    /// All behind the first so many.
    Mbox {
        path: Arc<Path>,
        taken: usize,
    },
    Unusable(String, Failure),
}

/// The messages that the arguments name, in order; what is unusable keeps its place.
#[derive(Debug)]
pub(crate) struct Inputs {
    sources: VecDeque<Source>,
    total: Total,
}

impl Inputs {
    /// Looks at what the arguments are. Blocks.
    pub(crate) fn find(arguments: &[PathBuf], kind: InputKind) -> Self {
        let mut inputs = Self {
            sources: VecDeque::with_capacity(arguments.len()),
            total: Total { messages: Some(0), octets: Some(0) },
        };
        if arguments.is_empty() {
            inputs.add(stdin(kind), Some(0));
        }
        for path in arguments {
            if path.as_os_str() == "-" {
                inputs.add(stdin(kind), Some(0));
                continue;
            }
            match look(path, kind) {
                Ok((source, octets)) => inputs.add(source, octets),
                Err(failure) => inputs.add(Source::Unusable(path.display().to_string(), failure), Some(0)),
            }
        }
        inputs
    }

    fn add(&mut self, source: Source, octets: Option<u64>) {
        let messages = match &source {
            Source::One(_) | Source::Unusable(..) => Some(1),
            Source::Maildir { names, .. } => Some(names.len() as u64),
            Source::Mbox { .. } => None,
        };
        self.total.messages = self.total.messages.zip(messages).map(|(sum, more)| sum + more);
        self.total.octets = self.total.octets.zip(octets).map(|(sum, more)| sum.saturating_add(more));
        self.sources.push_back(source);
    }

    pub(crate) const fn total(&self) -> Total {
        self.total
    }

    /// What has not been asked for. Blocks.
    pub(crate) fn rest(self) -> impl Iterator<Item = Rest> {
        self.sources.into_iter().filter_map(|mut source| match source {
            Source::One(input) => Some(Rest::One(input)),
            Source::Unusable(name, failure) => Some(Rest::Unusable(name, failure)),
            Source::Maildir { path, names } => (!names.is_empty()).then_some(Rest::Maildir { path, names }),
            Source::Mbox { ref path, taken, .. } => {
                let path = Arc::clone(path);
                match source.next()? {
                    Ok(_) => Some(Rest::Mbox { path, taken }),
                    Err((name, failure)) => Some(Rest::Unusable(name, failure)),
                }
            }
        })
    }
}

/// What cannot be had is named, with the reason.
type Found = Result<Input, (String, Failure)>;

impl Iterator for Inputs {
    type Item = Found;

    /// May read an mbox up to the end of its next message: it blocks as long as that takes.
    fn next(&mut self) -> Option<Found> {
        loop {
            let source = self.sources.front_mut()?;
            let found = source.next();
            if !matches!((source, &found), (Source::Maildir { .. } | Source::Mbox { .. }, Some(Ok(_)))) {
                self.sources.pop_front();
            }
            if found.is_some() {
                return found;
            }
        }
    }
}

impl Source {
    fn next(&mut self) -> Option<Found> {
        match self {
            Self::One(input) => Some(Ok(input.clone())),
            Self::Unusable(name, failure) => Some(Err((name.clone(), failure.clone()))),
            Self::Maildir { path, names } => names.pop_front().map(|name| Ok(Input::File(path.join(name)))),
            Self::Mbox { path, pieces, taken } => {
                let piece = next_piece(path, pieces).transpose()?;
                let (start, end) = match piece {
                    Ok(piece) => piece,
                    Err(error) => return Some(Err((path.display().to_string(), unreadable(path, &error)))),
                };
                *taken += 1;
                Some(Ok(Input::Piece { mbox: Arc::clone(path), number: *taken, start, end }))
            }
        }
    }
}

fn next_piece(path: &Path, pieces: &mut Option<Pieces>) -> io::Result<Option<(u64, u64)>> {
    let pieces = match pieces {
        Some(pieces) => pieces,
        None => {
            let file = io::BufReader::with_capacity(64 * 1024, fs::File::open(path)?);
            pieces.insert(Pieces::new(file))
        }
    };
    pieces.next().transpose()
}

fn stdin(kind: InputKind) -> Source {
    match kind {
        InputKind::Auto | InputKind::Message => Source::One(Input::Stdin),
        InputKind::Mbox | InputKind::Maildir => Source::Unusable(
            "-".to_owned(),
            Failure::usage("standard input is one message; name the mbox or the Maildir as a path"),
        ),
    }
}

/// What it is, and its octets where that costs nothing.
fn look(path: &Path, kind: InputKind) -> Result<(Source, Option<u64>), Failure> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let is_dir = metadata.is_dir();
    let unsendable = |what: &str| Failure::new(Status::Unsendable, format!("{}: {what}", path.display()));
    let mbox = || (Source::Mbox { path: path.into(), pieces: None, taken: 0 }, Some(metadata.len()));
    match kind {
        InputKind::Auto | InputKind::Maildir if is_dir => {
            if !maildir::is_maildir(path) {
                return Err(unsendable("a directory, but no Maildir: it has no folders `new` and `cur`"));
            }
            let names = maildir::messages(path).map_err(|error| unreadable(path, &error))?;
            Ok((Source::Maildir { path: path.to_owned(), names: names.into() }, None))
        }
        InputKind::Maildir => Err(unsendable("a file, but no Maildir")),
        InputKind::Message | InputKind::Mbox if is_dir => Err(unsendable("a directory, but no file")),
        InputKind::Mbox => Ok(mbox()),
        InputKind::Auto if metadata.is_file() && !is_eml(path) && starts_as_mbox(path)? => Ok(mbox()),
        InputKind::Auto | InputKind::Message => {
            Ok((Source::One(Input::File(path.to_owned())), Some(metadata.len())))
        }
    }
}

/// By its name a file with one message, even where that begins like an mbox.
fn is_eml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("eml"))
}

fn starts_as_mbox(path: &Path) -> Result<bool, Failure> {
    let read = || {
        let mut line = Vec::new();
        io::BufReader::new(fs::File::open(path)?)
            .take(mbox::LONGEST_SEPARATOR)
            .read_until(b'\n', &mut line)?;
        Ok(mbox::is_separator(&line))
    };
    read().map_err(|error: io::Error| unreadable(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str =
        "From a@b Thu Jan  1 00:00:00 2026\nSubject: x\n\ny\n\nFrom c@d Thu Jan  1 00:00:00 2026\n\nz\n";

    #[test]
    fn an_mbox_is_told_by_its_first_line_unless_the_name_says_message() {
        let folder = tempfile::tempdir().unwrap();
        for (name, kind, count) in [
            ("box", InputKind::Auto, 2),
            ("box.eml", InputKind::Auto, 1),
            ("box", InputKind::Message, 1),
            ("box.eml", InputKind::Mbox, 2),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, TWO).unwrap();
            assert_eq!(Inputs::find(&[path], kind).count(), count, "{name}");
        }
    }

    #[test]
    fn what_is_left_is_named_once() {
        let folder = tempfile::tempdir().unwrap();
        let [mbox, file, maildir] = ["box", "file", "maildir"].map(|name| folder.path().join(name));
        fs::write(&mbox, TWO).unwrap();
        fs::write(&file, "Subject: x\n\n").unwrap();
        for name in ["new/b", "new/a", "cur/c"] {
            fs::create_dir_all(maildir.join(name).parent().unwrap()).unwrap();
            fs::write(maildir.join(name), "").unwrap();
        }
        let missing = folder.path().join("missing");
        let all = [mbox.clone(), missing, maildir.clone(), file.clone()];
        let of_mbox = |taken| Rest::Mbox { path: mbox.as_path().into(), taken };
        let of_maildir = |names: &[&str]| Rest::Maildir {
            path: maildir.clone(),
            names: names.iter().map(PathBuf::from).collect(),
        };
        let left = |taken: usize| {
            let mut inputs = Inputs::find(&all, InputKind::Auto);
            assert_eq!(inputs.total().messages, None);
            assert_eq!(inputs.by_ref().take(taken).count(), taken);
            inputs.rest().filter(|rest| !matches!(rest, Rest::Unusable(..))).collect::<Vec<_>>()
        };
        let (three, last) =
            (of_maildir(&["new/a", "new/b", "cur/c"]), || Rest::One(Input::File(file.clone())));
        assert_eq!(left(0), [of_mbox(0), three, last()]);
        let three = of_maildir(&["new/a", "new/b", "cur/c"]);
        assert_eq!(left(1), [of_mbox(1), three, last()]);
        // Both were taken, though nobody has asked whether there is a third.
        let three = of_maildir(&["new/a", "new/b", "cur/c"]);
        assert_eq!(left(2), [three, last()]);
        assert_eq!(left(4), [of_maildir(&["new/b", "cur/c"]), last()]);
        assert_eq!(left(6), [last()]);
        assert_eq!(left(7), []);
        assert_eq!(Inputs::find(&all[2..], InputKind::Auto).total().messages, Some(4));
    }
}
