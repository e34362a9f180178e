//! What the derives' output calls: a fix here needs no new expansion.

mod condition;
mod view;

use std::sync::OnceLock;

use diesel::query_builder::{QueryBuilder as _, QueryFragment};

pub use self::{
    condition::{If, Tied, fields, is_common, is_counted, is_entity, is_key_field, is_key_part, tied},
    view::{Embedded, Fills, Taken, read},
};
use crate::{
    backend::Backend,
    codec::Fingerprint,
    entity::Table,
    error::Result,
    relation::{Maybe, One},
    shape::Whole,
    store::Layout,
};

/// The form in which rows are written into cells. Raised when that changes, since it empties every cache.
const FORMAT: &str = "1";

/// The layout of a model's cells, of its columns in their order.
#[must_use]
pub const fn layout(name: &str, columns: &[(&str, Fingerprint)]) -> Layout {
    let mut fingerprint = Fingerprint::of(FORMAT).and(name);
    let mut at = 0;
    while at < columns.len() {
        let (column, codec) = columns[at];
        fingerprint = fingerprint.and(column).then(codec);
        at += 1;
    }
    Layout::new(fingerprint.bits())
}

/// The name of a table as the database knows it, with its schema and without quotes: two tables that have one name in two schemas
/// share no cells, and one table has the same cells by whatever path it is named. Made once.
pub fn table_name<DB, T>(name: &'static OnceLock<String>, fallback: &'static str) -> &'static str
where
    DB: Backend,
    T: QueryFragment<DB> + Default,
{
    name.get_or_init(|| {
        let mut written = DB::QueryBuilder::default();
        match T::default().to_sql(&mut written, &DB::default()) {
            Ok(()) => written.finish().chars().filter(|char| !"\"`".contains(*char)).collect(),
            Err(_) => fallback.to_owned(),
        }
    })
}

/// Entities of whole rows.
///
/// # Errors
/// None; views have some.
pub fn whole<E>(heads: Vec<Whole<E>>) -> Result<Vec<E>> {
    Ok(heads.into_iter().map(|head| head.0).collect())
}

/// The entity of a whole row.
///
/// # Errors
/// None; views have some.
pub fn whole_one<E>(head: Whole<E>) -> Result<Option<E>> {
    Ok(Some(head.0))
}

/// Views of their columns.
///
/// # Errors
/// None; views with relations have some.
pub fn viewed<H, V>(heads: Vec<H>, view: impl FnMut(H) -> V) -> Result<Vec<V>> {
    Ok(heads.into_iter().map(view).collect())
}

/// Views of their columns and what was loaded for each.
///
/// # Errors
/// None; what was loaded before had them.
pub fn viewed_with<H, V>(heads: Vec<H>, view: impl FnMut(H) -> Option<V>) -> Result<Vec<V>> {
    Ok(heads.into_iter().map_while(view).collect())
}

/// How many rows stand behind a reference of two columns: one or none, if either column may be NULL.
pub trait Both {
    /// [`One`] or [`Maybe`].
    type Arity;
}

impl Both for (One, One) {
    type Arity = One;
}

impl Both for (One, Maybe) {
    type Arity = Maybe;
}

impl Both for (Maybe, One) {
    type Arity = Maybe;
}

impl Both for (Maybe, Maybe) {
    type Arity = Maybe;
}

/// A back end that an entity is on: [`Table`], the other way round.
pub trait Keeps<E>: Backend {}

impl<DB: Backend, E: Table<DB>> Keeps<E> for DB {}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use diesel::sqlite::Sqlite;

    use super::*;

    mod main {
        diesel::table! { items (id) { id -> BigInt, } }
    }

    mod other {
        diesel::table! { other.items (id) { id -> BigInt, } }
    }

    #[test]
    fn tables_of_one_name_in_two_schemas_share_no_cells() {
        static MAIN: OnceLock<String> = OnceLock::new();
        static OTHER: OnceLock<String> = OnceLock::new();
        assert_eq!(table_name::<Sqlite, main::items::table>(&MAIN, "items"), "items");
        assert_eq!(table_name::<Sqlite, other::items::table>(&OTHER, "items"), "other.items");
    }
}
