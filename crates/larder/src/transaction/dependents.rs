//! Rows that the database deletes or changes because others are deleted.

use std::{any::TypeId, collections::HashSet};

use super::{Tx, lock_rows};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    error::Result,
    load, payload,
    relation::Link,
    repository::delete_softly,
    store::CellKey,
    upkeep::Happened,
};

/// Rows about to be deleted, and the transaction in which that happens.
#[doc(hidden)]
pub struct Dependents<'a, DB: Backend, E: Entity> {
    tx: &'a Tx<DB>,
    keys: &'a [E::Key],
    /// The rows that are already known to go: rows may refer to each other in a circle.
    going: &'a mut HashSet<CellKey>,
    /// Whether the rows stay in their table.
    softly: bool,
}

/// Tells of everything that goes with the rows of these keys.
pub(crate) fn delete_dependents<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, keys: &[E::Key]) -> Result<()> {
    let mut going = keys.iter().map(payload::cell_key::<E::ByKey>).collect();
    E::dependents(&mut Dependents { tx, keys, going: &mut going, softly: false })
}

/// Deletes softly what is deleted with the rows of these keys, and can be restored. All else stays as it is: the rows that it refers to are
/// still in their table, and may come back.
pub(crate) fn delete_dependents_softly<DB: Backend, E: Table<DB>>(tx: &Tx<DB>, keys: &[E::Key]) -> Result<()> {
    E::dependents(&mut Dependents { tx, keys, going: &mut HashSet::new(), softly: true })
}

impl<DB: Backend, E: Entity> Dependents<'_, DB, E> {
    /// The rows of a relation are deleted too, and what depends on them.
    ///
    /// # Errors
    /// The database's.
    pub fn cascade<L>(&mut self) -> Result<()>
    where
        L: Link<From: Pattern<Entity = E, Key = E::Key>, To: PatternOn<DB>>,
    {
        if self.softly {
            return self.cascade_softly::<L>();
        }
        let mut rows = self.touch::<L>()?;
        let mut goes_now = |row: &<L::To as Pattern>::Entity| {
            self.going.insert(payload::cell_key::<<<L::To as Pattern>::Entity as Table<DB>>::ByKey>(&row.key()))
        };
        rows.retain(|row| goes_now(row));
        if rows.is_empty() {
            return Ok(());
        }
        self.tx.happened(&Happened::Deleted(&rows));
        let keys: Vec<_> = rows.iter().map(Entity::key).collect();
        <<L::To as Pattern>::Entity as Table<DB>>::dependents(&mut Dependents {
            tx: self.tx,
            keys: &keys,
            going: self.going,
            softly: false,
        })
    }

    // Rows that are deleted already are passed over, so that a circle comes to its end.
    fn cascade_softly<L>(&self) -> Result<()>
    where
        L: Link<From: Pattern<Entity = E, Key = E::Key>, To: PatternOn<DB>>,
    {
        if <L::To as Pattern>::Entity::GUARDS.deleted_at.is_none() {
            return Ok(());
        }
        // What refers to a row by a key that the database calls equal is its child too.
        for keys in self.keys.chunks(load::chunk_of::<DB, L::To>(0)) {
            delete_softly::<DB, <L::To as Pattern>::Entity>(self.tx, |statement| {
                L::To::matching(keys.to_vec(), statement.loosely());
            })?;
        }
        Ok(())
    }

    /// The rows of a relation stay, without their parent.
    ///
    /// # Errors
    /// The database's.
    pub fn set_null<L>(&mut self) -> Result<()>
    where
        L: Link<From: Pattern<Entity = E, Key = E::Key>, To: PatternOn<DB>>,
    {
        if self.softly {
            return Ok(());
        }
        let rows = self.touch::<L>()?;
        self.tx.happened(&Happened::Released(&rows, TypeId::of::<L::To>()));
        Ok(())
    }

    fn touch<L>(&self) -> Result<Vec<<L::To as Pattern>::Entity>>
    where
        L: Link<From: Pattern<Entity = E, Key = E::Key>, To: PatternOn<DB>>,
    {
        let mut rows = Vec::new();
        for keys in self.keys.chunks(load::chunk_of::<DB, L::To>(0)) {
            rows.extend(lock_rows::<DB, <L::To as Pattern>::Entity>(self.tx, DB::FOR_DELETE, |statement| {
                L::To::matching(keys.to_vec(), statement.loosely());
            })?);
        }
        self.tx.register(|effects| {
            // After the deletion nothing is left of their old lists, nor of their parents' lists of them.
            for row in &rows {
                effects.touched(row);
            }
            for key in self.keys {
                effects.touched_key::<L::To>(key);
            }
        });
        Ok(rows)
    }
}
