//! What one process owes itself, whatever it keeps near: its own writes, and nothing older than what it gave out before.

use std::collections::HashMap;

use super::floors::Floors;
use crate::{
    clock::Moment,
    record::{Asked, Key, Place, Version},
};

/// What a row was read as. Each is a cell of its own, and a process may have heard of a write for one of them before the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cell {
    Row,
    List(u16),
    Address(u16),
}

impl Cell {
    pub(super) fn of(asked: &Asked) -> Self {
        match asked {
            Asked::Rows(_) => Self::Row,
            Asked::List(user) => Self::List(*user),
            Asked::Address(_, address) => Self::Address(*address),
        }
    }

    /// The cell in which a row is besides its own.
    fn at(key: Key, place: Place) -> Option<Self> {
        match (key, place) {
            (Key::Order(_), Place::At(user)) => Some(Self::List(user)),
            (Key::User(_), Place::At(address)) => Some(Self::Address(address)),
            (_, Place::Gone) => None,
        }
    }
}

/// One process.
#[derive(Debug, Default)]
pub(super) struct Session {
    written: HashMap<(Cell, Key), Floors>,
    read: HashMap<(Cell, Key), Floors>,
}

/// The least that a read of a row may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    /// What the process had written there.
    pub(super) written: u64,
    /// What the process had read from the same cell.
    pub(super) read: u64,
}

impl Session {
    /// The process has written a row that was in one place and is in another now. Other lists may still have it as it was before
    /// others moved it: that is no write of this process.
    pub(super) fn wrote(&mut self, at: Moment, version: &Version, was: Option<Place>) {
        let Version { key, number, place, .. } = *version;
        let places = [Some(place), was].into_iter().flatten().filter_map(|place| Cell::at(key, place));
        for cell in places.chain([Cell::Row]) {
            self.written.entry((cell, key)).or_default().raise(at, number);
        }
    }

    pub(super) fn read(&mut self, at: Moment, cell: Cell, key: Key, number: u64) {
        if number > 0 {
            self.read.entry((cell, key)).or_default().raise(at, number);
        }
    }

    pub(super) fn owes(&self, began: Moment, cell: Cell, key: Key) -> Owed {
        let floor = |floors: Option<&Floors>| floors.map_or(0, |floors| floors.at(began));
        Owed { written: floor(self.written.get(&(cell, key))), read: floor(self.read.get(&(cell, key))) }
    }

    pub(super) fn forget(&mut self, watermark: Moment) {
        self.written.values_mut().for_each(|floors| floors.forget(watermark));
        self.read.values_mut().for_each(|floors| floors.forget(watermark));
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.written.values().chain(self.read.values()).map(Floors::len).sum()
    }
}
