//! Which cells are noted, and since which write.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::store::{CellKey, prefix_of};

/// How many cells are noted one by one. Beyond that, whole tables are: some 10 MB, however long the store is away.
const MAX_CELLS: usize = 1 << 16;

/// When to look again at what another write still has open; its end is told of besides.
const OPEN: Duration = Duration::from_secs(1);

/// What is noted: by the bytes of a cell's key, or by what the keys of a table's cells begin with.
#[derive(Default)]
pub(super) struct Notes {
    cells: HashMap<Box<[u8]>, Entry>,
    tables: HashMap<Box<[u8]>, Entry>,
}

/// The writes that one cell or table is noted for.
#[derive(Default)]
struct Entry {
    /// How many of them have not ended yet.
    n_open: usize,
    /// When the last of those that did or may have committed can't any more: settling must begin after that.
    due: Option<Instant>,
    /// Tells a later note from an earlier one under the same key.
    version: u64,
}

/// What one write has noted.
#[derive(Debug)]
#[must_use = "a note that is never ended stays"]
pub(in crate::layers) struct Note {
    scope: Scope,
    keys: Vec<Box<[u8]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Cell,
    Table,
}

/// How a write that was noted has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layers) enum Outcome {
    Committed,
    /// It was not, or its cells are settled already.
    RolledBack,
    /// It may still commit until then.
    Unknown {
        until: Instant,
    },
}

/// Something that can be settled.
pub(super) struct Due {
    pub(super) scope: Scope,
    pub(super) bytes: Box<[u8]>,
    version: u64,
}

impl Notes {
    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.tables.is_empty()
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.cells.contains_key(key) || (!self.tables.is_empty() && self.tables.contains_key(prefix_of(key)))
    }

    pub(super) fn open(&mut self, keys: &[&CellKey]) -> Note {
        let n_new = || keys.iter().filter(|key| !self.cells.contains_key(key.as_bytes())).count();
        let scope = if self.cells.len() + keys.len() <= MAX_CELLS || self.cells.len() + n_new() <= MAX_CELLS {
            Scope::Cell
        } else {
            Scope::Table
        };
        let mut keys: Vec<Box<[u8]>> = match scope {
            Scope::Cell => keys.iter().map(|key| key.as_bytes().into()).collect(),
            Scope::Table => keys.iter().map(|key| prefix_of(key.as_bytes()).into()).collect(),
        };
        keys.sort_unstable();
        keys.dedup();
        for key in &keys {
            self.of(scope).entry(key.clone()).or_default().n_open += 1;
        }
        Note { scope, keys }
    }

    #[cfg(feature = "postgres")]
    pub(super) fn open_table(&mut self, prefix: &[u8]) -> Note {
        let key: Box<[u8]> = prefix.into();
        self.tables.entry(key.clone()).or_default().n_open += 1;
        Note { scope: Scope::Table, keys: vec![key] }
    }

    pub(super) fn close(&mut self, note: Note, outcome: Outcome) {
        let due = match outcome {
            Outcome::Committed => Some(Instant::now()),
            Outcome::Unknown { until } => Some(until),
            Outcome::RolledBack => None,
        };
        let entries = self.of(note.scope);
        for key in note.keys {
            let Some(entry) = entries.get_mut(&key) else { continue };
            entry.n_open -= 1;
            entry.due = entry.due.max(due);
            entry.version += 1;
            if entry.n_open == 0 && entry.due.is_none() {
                entries.remove(&key);
            }
        }
    }

    /// What can be settled, and if that is nothing, when to ask again.
    pub(super) fn due(&self, now: Instant) -> (Vec<Due>, Option<Instant>) {
        let of = |scope, entries: &HashMap<Box<[u8]>, Entry>| -> Vec<Due> {
            let is_due = |entry: &Entry| entry.n_open == 0 && entry.due.is_some_and(|due| due <= now);
            let due = entries.iter().filter(|(_, entry)| is_due(entry));
            due.map(|(key, entry)| Due { scope, bytes: key.clone(), version: entry.version }).collect()
        };
        let mut due = of(Scope::Cell, &self.cells);
        due.extend(of(Scope::Table, &self.tables));
        let entries = self.cells.values().chain(self.tables.values());
        let later =
            entries.filter_map(|entry| if entry.n_open == 0 { entry.due } else { entry.due.map(|_| now + OPEN) });
        (due, later.min())
    }

    /// It was settled, unless another write has ended since.
    pub(super) fn forget(&mut self, due: &Due) {
        let entries = self.of(due.scope);
        if entries.get(&due.bytes).is_some_and(|entry| entry.n_open == 0 && entry.version == due.version) {
            entries.remove(&due.bytes);
        }
    }

    fn of(&mut self, scope: Scope) -> &mut HashMap<Box<[u8]>, Entry> {
        match scope {
            Scope::Cell => &mut self.cells,
            Scope::Table => &mut self.tables,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Layout;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(text: &str) -> CellKey {
        CellKey::new(text.as_bytes(), Layout::UNKNOWN)
    }

    fn due_in(notes: &Notes, time: Duration) -> Vec<Due> {
        notes.due(Instant::now() + time).0
    }

    #[test]
    fn a_cell_is_due_once_no_write_has_it_open_and_goes_with_a_settlement_that_began_after_the_last() {
        let (mut notes, ada) = (Notes::default(), key("users:id:1"));
        let first = notes.open(&[&ada]);
        assert!(notes.has(ada.as_bytes()) && due_in(&notes, SECOND).is_empty());
        notes.close(first, Outcome::Committed);
        let [earlier] = &due_in(&notes, Duration::ZERO)[..] else { panic!("one cell") };
        let second = notes.open(&[&ada]);
        assert!(due_in(&notes, SECOND).is_empty(), "settled now, it could be filled again before the second COMMIT");
        notes.forget(earlier);
        assert!(notes.has(ada.as_bytes()), "the second write has it open");
        notes.close(second, Outcome::Committed);
        notes.forget(earlier);
        assert!(notes.has(ada.as_bytes()), "that settlement had begun before the second write ended");
        due_in(&notes, Duration::ZERO).iter().for_each(|due| notes.forget(due));
        assert!(notes.is_empty());
    }

    #[test]
    fn a_write_that_is_rolled_back_takes_its_own_note_along_and_no_others() {
        let (mut notes, ada) = (Notes::default(), key("users:id:1"));
        let (first, second) = (notes.open(&[&ada, &ada]), notes.open(&[&ada]));
        notes.close(first, Outcome::RolledBack);
        assert!(notes.has(ada.as_bytes()));
        notes.close(second, Outcome::RolledBack);
        assert!(notes.is_empty());
        let (third, fourth) = (notes.open(&[&ada]), notes.open(&[&ada]));
        notes.close(third, Outcome::Committed);
        notes.close(fourth, Outcome::RolledBack);
        assert_eq!(due_in(&notes, Duration::ZERO).len(), 1);
    }

    #[test]
    fn what_may_still_commit_is_due_when_it_can_not_any_more() {
        let (mut notes, ada) = (Notes::default(), key("users:id:1"));
        let (first, second) = (notes.open(&[&ada]), notes.open(&[&ada]));
        let until = Instant::now() + 60 * SECOND;
        notes.close(first, Outcome::Unknown { until });
        notes.close(second, Outcome::Committed);
        let (due, next) = notes.due(Instant::now());
        assert!(due.is_empty() && next == Some(until));
        assert_eq!(due_in(&notes, 61 * SECOND).len(), 1);
    }

    #[test]
    fn beyond_their_number_tables_are_noted_and_cells_stay_as_they_are() {
        let mut notes = Notes::default();
        let many: Vec<_> = (0..MAX_CELLS).map(|n| key(&format!("users:id:{n}"))).collect();
        let many: Vec<_> = many.iter().collect();
        let first = notes.open(&many);
        let again = notes.open(&many[..7]);
        assert!(!notes.has(b"users:id:x") && notes.tables.is_empty());
        let (one, other) = (key("orders:id:1"), key("orders:user_id:1"));
        let more = notes.open(&[&one, &other]);
        assert!(notes.has(b"orders:id:2") && !notes.has(b"users:id:x") && !notes.has(b"order_items:id:2"));
        assert_eq!((notes.cells.len(), notes.tables.len()), (MAX_CELLS, 1));
        for note in [first, again, more] {
            notes.close(note, Outcome::Committed);
        }
        let due = due_in(&notes, Duration::ZERO);
        assert_eq!(
            due.iter().filter(|due| due.scope == Scope::Table).map(|due| &due.bytes[..]).collect::<Vec<_>>(),
            [b"orders:"]
        );
        due.iter().for_each(|due| notes.forget(due));
        assert!(notes.is_empty());
    }
}
