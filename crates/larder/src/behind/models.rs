//! The models that a handle flushes.

use std::{collections::BTreeSet, fmt};

use diesel::{Column, Table as _, pg::Pg};

use super::{
    apply::{Apply, TextOf, apply, text},
    change::Change,
};
use crate::entity::{Pattern, Table};

/// A model without its type.
#[derive(Clone)]
pub(super) struct Model {
    /// What the keys of its cells begin with.
    pub(super) name: &'static str,
    /// The columns of its Diesel table, if their names can be told.
    pub(super) columns: Option<Vec<String>>,
    /// Those of its primary key.
    pub(super) key: &'static [&'static str],
    /// Those that are only added to.
    pub(super) counters: BTreeSet<&'static str>,
    pub(super) apply: Apply,
    pub(super) text: TextOf,
}

impl Model {
    pub(super) fn of<E: Table<Pg>>() -> Self {
        let columns = crate::models::columns_of::<Pg>(&E::Table::all_columns());
        Self {
            name: E::cells_name(),
            columns,
            key: E::ByKey::COLUMNS,
            counters: BTreeSet::new(),
            apply: apply::<E>,
            text: text::<E>,
        }
    }

    /// Whether the model can have this column written.
    pub(super) fn has(&self, column: &str) -> bool {
        let is_key = self.key.contains(&column);
        !is_key && self.columns.as_ref().is_none_or(|columns| columns.iter().any(|name| name == column))
    }

    /// Takes a column for a counter.
    pub(super) fn count<C: Column>(&mut self, _column: &C) {
        self.counters.insert(C::NAME);
    }

    /// Whether a change does nothing but add to counters.
    pub(super) fn only_counts(&self, change: &Change) -> bool {
        change.only_adds() && change.columns.keys().all(|column| self.counters.contains(&**column))
    }

    /// The counter that a change sets, if there is one.
    pub(super) fn counter_set_by(&self, change: &Change) -> Option<&'static str> {
        let sets = |counter: &&&str| change.columns.get(**counter).is_some_and(|assignment| assignment.value.is_some());
        self.counters.iter().find(sets).copied()
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
