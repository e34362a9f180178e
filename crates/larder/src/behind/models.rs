//! The models that a handle flushes.

use std::fmt;

use diesel::{Table as _, pg::Pg};

use super::apply::{Apply, TextOf, apply, text};
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
    pub(super) apply: Apply,
    pub(super) text: TextOf,
}

impl Model {
    pub(super) fn of<E: Table<Pg>>() -> Self {
        let columns = crate::models::columns_of::<Pg>(&E::Table::all_columns());
        Self { name: E::cells_name(), columns, key: E::ByKey::COLUMNS, apply: apply::<E>, text: text::<E> }
    }

    /// Whether the model can have this column written.
    pub(super) fn has(&self, column: &str) -> bool {
        let is_key = self.key.contains(&column);
        !is_key && self.columns.as_ref().is_none_or(|columns| columns.iter().any(|name| name == column))
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
