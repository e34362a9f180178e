use super::{CellKey, Fence};

/// Where [`Store::scan`](super::Store::scan) goes on. Means something only to the store that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    position: u64,
    life: Option<Fence>,
}

impl Cursor {
    /// Where a scan begins.
    pub const START: Self = Self { position: 0, life: None };

    /// A place in a scan that is under way, in this life of the server. For stores.
    #[must_use]
    pub const fn new(position: u64, life: Fence) -> Self {
        Self { position, life: Some(life) }
    }

    /// The place; 0 at the start.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Whether the scan can be gone on with in this life of the server. One that only starts always can.
    #[must_use]
    pub fn is_of(&self, life: Fence) -> bool {
        self.life.is_none_or(|begun_in| begun_in == life)
    }
}

/// A page of what [`Store::scan`](super::Store::scan) has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Keys of cells, with [`Layout::UNKNOWN`](super::Layout::UNKNOWN).
    pub keys: Vec<CellKey>,
    /// Where to go on: `None` after the last page.
    pub next: Option<Cursor>,
}
