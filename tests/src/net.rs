//! The network between the two: any split, partial writes, a line that drops.

/// In what pieces octets arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// As they were sent.
    #[default]
    Whole,
    /// These sizes over and over; a 0 counts as 1.
    Sizes(Vec<usize>),
}

impl Split {
    /// One octet at a time.
    #[must_use]
    pub fn bytes() -> Self {
        Self::Sizes(vec![1])
    }

    /// How many of `available` octets come as the `turn`th piece.
    #[must_use]
    pub fn piece(&self, turn: usize, available: usize) -> usize {
        match self {
            Self::Sizes(sizes) if !sizes.is_empty() => {
                sizes[turn % sizes.len()].clamp(1, available.max(1)).min(available)
            }
            _ => available,
        }
    }
}

/// How the line goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The client reads an end of file.
    Close,
    /// The client reads an error.
    Reset,
    /// The client's writes fail; what the server sent can still be read.
    WritesFail,
}

/// The line.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// Pieces of the client's writes that the line takes.
    pub to_server: Split,
    /// Pieces in which the client reads.
    pub to_client: Split,
    /// After so many octets from the client, this happens.
    pub cut_after_sent: Option<(u64, Cut)>,
    /// After so many octets from the server, this happens.
    pub cut_after_received: Option<(u64, Cut)>,
    /// The client reads what is there before it writes what it holds already.
    pub reads_first: bool,
}

impl Net {
    /// The same split in both directions.
    #[must_use]
    pub fn split(split: Split) -> Self {
        Self { to_server: split.clone(), to_client: split, ..Self::default() }
    }
}
