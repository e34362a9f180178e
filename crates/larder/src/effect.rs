//! What a transaction will have done to the cells once it commits.

use std::{collections::BTreeMap, marker::PhantomData, time::Duration};

use bytes::Bytes;

use crate::{
    entity::{Entity, Pattern},
    payload,
    store::{CellKey, Ending, Recall},
    writes::Wishes,
};

/// The cells that a transaction, or a savepoint in it, has changed.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// In the order of their keys, so that the same write sends the same commands.
    cells: BTreeMap<CellKey, Effect>,
    /// Whether something was changed that is not among them.
    is_doomed: bool,
    /// What their models say of writes while the store is away.
    wishes: Wishes,
    /// What they ask about copies in other processes.
    recall: Recall,
    /// The tables whose own cells are among them.
    tables: Vec<&'static str>,
}

/// What a cell will hold.
#[derive(Debug, Clone)]
enum Effect {
    Value { payload: Bytes, ttl: Option<Duration> },
    Emptied,
}

impl Effect {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Value { payload, .. } if payload::is_absent(payload))
    }
}

impl Effects {
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub(crate) fn doom(&mut self) {
        self.is_doomed = true;
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.is_doomed
    }

    pub(crate) fn wishes(&self) -> Wishes {
        self.wishes
    }

    pub(crate) fn recall(&self) -> Recall {
        self.recall
    }

    fn of_model<E: Entity>(&mut self) {
        let table = E::cells_name();
        if !self.tables.contains(&table) {
            self.tables.push(table);
            self.cells.insert(payload::table_key(table), Effect::Emptied);
        }
        self.wishes.add(E::WRITES);
        self.recall = self.recall.max(E::NEAR.recall());
    }

    pub(crate) fn keys(&self) -> Vec<&CellKey> {
        self.cells.keys().collect()
    }

    /// A row that a statement left behind or took away. The old one first: where both are in one cell, the new one counts.
    pub(crate) fn changed<E: Entity>(&mut self, old: Option<&E>, new: Option<&E>) {
        self.of_model::<E>();
        // A row that is deleted softly is in no cell: to delete it is to take it away, to restore it to bring it.
        let (live_old, live_new) = (old.filter(|row| !row.is_deleted()), new.filter(|row| !row.is_deleted()));
        if let Some(old) = live_old {
            let value = E::WRITE_THROUGH.then(payload::absent);
            old.cells(&mut Cells { effects: self, value, ttl: E::TTL, _row: PhantomData });
        }
        if let Some(new) = live_new {
            let value = E::WRITE_THROUGH.then(|| payload::row(new));
            new.cells(&mut Cells { effects: self, value, ttl: E::TTL, _row: PhantomData });
        }
        // Reads with the deleted ones depend on its cells all the same; what is known of a cell by a live row stays.
        for gone in [old, new].into_iter().flatten().filter(|row| row.is_deleted()) {
            let mut emptied = Effects::default();
            gone.cells(&mut Cells { effects: &mut emptied, value: None, ttl: E::TTL, _row: PhantomData });
            for (key, effect) in emptied.cells {
                self.cells.entry(key).or_insert(effect);
            }
        }
    }

    /// A row that was changed by something that did not say how.
    pub(crate) fn touched<E: Entity>(&mut self, row: &E) {
        self.of_model::<E>();
        row.cells(&mut Cells { effects: self, value: None, ttl: E::TTL, _row: PhantomData });
    }

    /// All rows may have been changed: the table's own cell tells of it, and those of the rows are found elsewhere.
    #[cfg(feature = "postgres")]
    pub(crate) fn rewritten<E: Entity>(&mut self) {
        self.of_model::<E>();
    }

    /// A key whose row was changed by something that did not say how.
    pub(crate) fn touched_key<P: Pattern>(&mut self, key: &P::Key) {
        self.of_model::<P::Entity>();
        self.cells.insert(payload::cell_key::<P>(key), Effect::Emptied);
    }

    /// A table of which there may be no row.
    pub(crate) fn touched_table<E: Entity>(&mut self) {
        self.of_model::<E>();
    }

    /// A cell that no row is in.
    pub(crate) fn touched_cell(&mut self, cell: CellKey) {
        self.cells.insert(cell, Effect::Emptied);
    }

    /// What a cell will hold, after all that was noted of it before.
    ///
    /// Where keys are exchanged (a deferrable key), one row may leave a cell that another has come to: which of them the cell is of at
    /// COMMIT is then for a reader to find out.
    fn put(&mut self, key: CellKey, effect: Effect) {
        let leaves_anothers = effect.is_absent() && self.cells.get(&key).is_some_and(|before| !before.is_absent());
        self.cells.insert(key, if leaves_anothers { Effect::Emptied } else { effect });
    }

    /// A later part of the same transaction.
    pub(crate) fn merge(&mut self, later: Effects) {
        for (key, effect) in later.cells {
            self.put(key, effect);
        }
        for table in later.tables {
            if !self.tables.contains(&table) {
                self.tables.push(table);
            }
        }
        self.is_doomed |= later.is_doomed;
        self.wishes.merge(later.wishes);
        self.recall = self.recall.max(later.recall);
    }

    /// How each cell ends after COMMIT.
    pub(crate) fn endings(&self, ttl: impl Fn(Option<Duration>, bool) -> Duration) -> Vec<(&CellKey, Ending)> {
        let ending = |effect: &Effect| match effect {
            Effect::Emptied => Ending::Emptied,
            Effect::Value { payload, ttl: own } => {
                Ending::Value { value: payload.clone(), ttl: ttl(*own, payload::is_absent(payload)) }
            }
        };
        self.cells.iter().map(|(key, effect)| (key, ending(effect))).collect()
    }

    /// The cells, to be kept beyond the transaction.
    pub(crate) fn into_endings(self, ttl: impl Fn(Option<Duration>, bool) -> Duration) -> Vec<(CellKey, Ending)> {
        self.endings(ttl).into_iter().map(|(key, ending)| (key.clone(), ending)).collect()
    }
}

/// Takes down the cells of one row.
#[doc(hidden)]
pub struct Cells<'a, E> {
    effects: &'a mut Effects,
    value: Option<Bytes>,
    ttl: Option<Duration>,
    _row: PhantomData<E>,
}

impl<E: Entity> Cells<'_, E> {
    /// The cell of one pattern, unless one of its columns is NULL.
    pub fn add<P: Pattern<Entity = E>>(&mut self, row: &E) {
        let Some(key) = P::key_of(row) else { return };
        let effect = match &self.value {
            Some(payload) if P::UNIQUE && P::WRITE_THROUGH => Effect::Value { payload: payload.clone(), ttl: self.ttl },
            _ => Effect::Emptied,
        };
        self.effects.put(payload::cell_key::<P>(&key), effect);
    }
}
