//! What transactions have changed, as far as keys are concerned.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use larder::{Models, store::Nonce};
use serde_json::{Map, Value as Json};

use crate::{
    Error,
    pgoutput::{Message, Old, Relation, Tuple, Value},
};

/// The most changed rows of a model that are told of one by one, and the most bytes of their keys.
const MAX_ROWS: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;

/// A model, as far as the log is concerned.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) name: &'static str,
    /// The table as SQL names it.
    pub(crate) table: String,
    keys: Vec<&'static str>,
    left_out: Vec<String>,
}

impl Watched {
    pub(crate) fn all(models: &Models<diesel::pg::Pg>) -> Vec<Self> {
        let watch = |model: larder::Described<'_>| Self {
            name: model.name,
            table: model.table.to_owned(),
            keys: model.key_columns.clone(),
            left_out: model.left_out.to_vec(),
        };
        models.describe().map(watch).collect()
    }
}

/// The tables that the stream has spoken of.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    by_number: HashMap<u32, Table>,
}

#[derive(Debug)]
struct Table {
    model: usize,
    /// Where the model's key columns are, and which of them the log always has the old values of.
    keys: Vec<Key>,
    /// Where the columns are that a cell may hold.
    compared: Vec<usize>,
}

#[derive(Debug)]
struct Key {
    name: &'static str,
    place: Option<usize>,
    is_identity: bool,
}

impl Tables {
    /// Takes a table's columns down, as they are from now on in the stream.
    pub(crate) fn describe(&mut self, relation: &Relation, model: usize, watched: &Watched) {
        let place = |name: &str| relation.columns.iter().position(|column| column.name == name);
        let keys = watched.keys.iter().map(|name| {
            let place = place(name);
            Key { name, place, is_identity: place.is_some_and(|place| relation.columns[place].is_identity) }
        });
        let keys = keys.collect();
        let is_held = |place: &usize| !watched.left_out.contains(&relation.columns[*place].name);
        let compared = (0..relation.columns.len()).filter(is_held).collect();
        self.by_number.insert(relation.table, Table { model, keys, compared });
    }

    pub(crate) fn forget(&mut self, table: u32) {
        self.by_number.remove(&table);
    }
}

/// The changed rows of each model, of one or more transactions.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    by_model: BTreeMap<usize, Rows>,
    pub(crate) announced: Announced,
}

/// Whose transactions they are.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) enum Announced {
    #[default]
    Nobody,
    /// A handle that has told the store itself, under this nonce.
    Larder(Nonce),
}

#[derive(Debug)]
pub(crate) enum Rows {
    /// Their key columns, as JSON objects.
    Some {
        objects: BTreeSet<String>,
        n_bytes: usize,
    },
    Any,
}

impl Changes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Rows)> {
        self.by_model.iter().map(|(model, rows)| (*model, rows))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_model.is_empty()
    }

    /// Whether nothing more can be known of the rows of this table.
    pub(crate) fn may_be_any(&self, table: u32, tables: &Tables) -> bool {
        let table = tables.by_number.get(&table);
        table.is_some_and(|table| matches!(self.by_model.get(&table.model), Some(Rows::Any)))
    }

    /// Takes one message down. Tables that nobody has described are not larder's.
    pub(crate) fn note(&mut self, message: &Message, tables: &Tables) -> Result<(), Error> {
        let table = |number: &u32| tables.by_number.get(number);
        match message {
            Message::Insert { table: number, new } => {
                if let Some(table) = table(number) {
                    self.add(table.model, table.object(new, &[], |_| true)?);
                }
            }
            Message::Update { table: number, old, new } => {
                if let Some(table) = table(number) {
                    self.update(table, old, new)?;
                }
            }
            Message::Delete { table: number, old } => {
                if let Some(table) = table(number) {
                    self.add(table.model, table.old_object(old)?);
                }
            }
            Message::Truncate { tables: numbers } => {
                numbers.iter().filter_map(table).for_each(|table| self.add(table.model, None));
            }
            Message::Relation(_) | Message::Other => {}
        }
        Ok(())
    }

    fn update(&mut self, table: &Table, old: &Old, new: &Tuple) -> Result<(), Error> {
        match old {
            Old::Whole(old) => {
                if table.is_same(old, new) {
                    return Ok(());
                }
                self.add(table.model, table.object(old, &[], |_| true)?);
                self.add(table.model, table.object(new, old, |_| true)?);
            }
            Old::Identity(_) => {
                self.add(table.model, table.old_object(old)?);
                self.add(table.model, table.object(new, &[], |_| true)?);
            }
            Old::Unchanged => {
                // What is no part of the identity may have been anything.
                let is_known = table.keys.iter().all(|key| key.is_identity);
                let object = if is_known { table.object(new, &[], |_| true)? } else { None };
                self.add(table.model, object);
            }
        }
        Ok(())
    }

    /// Takes the keys of a row down, or that any row may have changed.
    fn add(&mut self, model: usize, object: Option<String>) {
        let rows = self.by_model.entry(model).or_insert_with(|| Rows::Some { objects: BTreeSet::new(), n_bytes: 0 });
        let Rows::Some { objects, n_bytes } = rows else { return };
        match object {
            Some(object) => {
                let length = object.len();
                if objects.insert(object) {
                    *n_bytes += length;
                }
                if objects.len() > MAX_ROWS || *n_bytes > MAX_BYTES {
                    *rows = Rows::Any;
                }
            }
            None => *rows = Rows::Any,
        }
    }

    /// That any row of each of so many models may have changed.
    pub(crate) fn of_any_row(n_models: usize) -> Self {
        Self { by_model: (0..n_models).map(|model| (model, Rows::Any)).collect(), announced: Announced::Nobody }
    }

    /// Adds those of a later transaction.
    pub(crate) fn extend(&mut self, later: Self) {
        for (model, rows) in later.by_model {
            match rows {
                Rows::Any => self.add(model, None),
                Rows::Some { objects, .. } => objects.into_iter().for_each(|object| self.add(model, Some(object))),
            }
        }
    }
}

impl Table {
    /// Whether nothing has changed that a cell may hold.
    fn is_same(&self, old: &Tuple, new: &Tuple) -> bool {
        self.compared.iter().all(|place| match (old.get(*place), new.get(*place)) {
            (_, Some(Value::Untouched)) => true,
            (old, new) => old.is_some() && old == new,
        })
    }

    fn old_object(&self, old: &Old) -> Result<Option<String>, Error> {
        match old {
            Old::Whole(row) => self.object(row, &[], |_| true),
            Old::Identity(row) => self.object(row, &[], |key| key.is_identity),
            Old::Unchanged => Ok(None),
        }
    }

    /// The keys of a row as JSON: `None` if the log does not have them all.
    fn object(&self, row: &[Value], before: &[Value], has: impl Fn(&Key) -> bool) -> Result<Option<String>, Error> {
        let mut object = Map::new();
        for key in &self.keys {
            let Some(place) = key.place.filter(|_| has(key)) else { return Ok(None) };
            let value = match row.get(place) {
                Some(Value::Untouched) => before.get(place),
                value => value,
            };
            let value = match value {
                Some(Value::Text(text)) => {
                    let text = str::from_utf8(text).map_err(|_| Error::Garbled("a value that is not UTF-8"))?;
                    Json::String(text.to_owned())
                }
                Some(Value::Null) => Json::Null,
                Some(Value::Untouched) | None => return Ok(None),
            };
            object.insert(key.name.to_owned(), value);
        }
        Ok(Some(Json::Object(object).to_string()))
    }
}

#[cfg(test)]
mod tests;
