//! What a repository offers behind.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use diesel::{AsChangeset, Column, pg::Pg, query_builder::QueryFragment};

use super::{
    amount::{Adds, Delta},
    capture,
    change::{Assignment, Change, Merged},
    error::{Error, Result},
    lane::Lane,
    overlay,
};
use crate::{
    entity::{Pattern, Table, Writable},
    handle::Larder,
    key::Key as _,
    payload,
    repository::Repository,
    session::Target,
    shape::Of,
    store::CellKey,
};

/// The most rows of one batch.
const BATCH_ROWS: usize = 65_536;

/// Changes rows of a model later: what is acknowledged waits in the handle's buffer, and a [flusher](super::Flusher) writes it.
///
/// Made by `orders.behind()` on the repository of a handle that has a buffer ([`Builder::behind`](crate::Builder::behind)).
pub struct Behind<'r, E> {
    larder: Option<&'r Larder<Pg>>,
    _entity: PhantomData<fn() -> E>,
}

impl<'s, E: Table<Pg> + Writable> Repository<'s, Pg, Of<E>> {
    /// Changes rows later, many at a time: for what is written often, and may lag.
    #[must_use]
    pub fn behind(&self) -> Behind<'s, E> {
        let larder = match self.target() {
            Target::Handle(larder) => Some(larder),
            Target::Transaction(_) => None,
        };
        Behind { larder, _entity: PhantomData }
    }
}

impl<'r, E: Table<Pg>> Behind<'r, E> {
    /// Has the row with this primary key changed: `changes` are those of [`Repository::update`], of plain values only.
    ///
    /// Costs a round trip of the buffer, which all calls share that come while one is under way. Whether there is such a row shows when
    /// it is flushed: if there is none, the change becomes a [dead letter](super::DeadLetters). Changes of one row are written in the
    /// order in which they were acknowledged. Changes that change nothing are no error, and cost nothing.
    ///
    /// # Errors
    /// [`Error::NotPlain`], [`Error::Array`], [`Error::KeyColumn`] and [`Error::Counter`] for what can't wait; [`Error::Full`], [`Error::Away`],
    /// [`Error::Unknown`] and [`Error::Database`] as the handle's [`Options`](super::Options) have it; [`Error::NoBuffer`],
    /// [`Error::InTransaction`] and [`Error::NotRegistered`].
    pub fn update<C>(&self, key: impl Into<E::Key>, changes: C) -> Result<()>
    where
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<Pg>,
    {
        let changes = changes.as_changeset();
        let (larder, lane) = Self::lane(self.larder)?;
        if changes.is_noop(&Pg)? {
            return Ok(());
        }
        lane.send(larder, vec![change::<E>(row::<E>(key), capture::columns(&changes)?)?])
    }

    /// Has a column of the row with this primary key grow by an amount, which may be negative. What is NULL stays so.
    ///
    /// Costs as [`Behind::update`]; increments that meet on the way, or in the buffer, are added up.
    ///
    /// # Errors
    /// As [`Behind::update`], and [`Error::TooManyDigits`].
    pub fn increment<C, D>(&self, key: impl Into<E::Key>, column: C, by: D) -> Result<()>
    where
        C: Column<Table = E::Table>,
        C::SqlType: Adds<D>,
        D: Delta,
    {
        let (larder, lane) = Self::lane(self.larder)?;
        lane.send(larder, vec![change::<E>(row::<E>(key), added(column, by)?)?])
    }

    /// The row with this primary key as it will be when all that waits is written: `None` if there is none.
    ///
    /// It is the row as the database has it at one moment of the call, with everything that any process was acknowledged before the call
    /// began, and perhaps some of what was since. What the database is going to reject is in it too, and it is given to nobody else: no cache
    /// keeps it. A value that does not even fit its column is an error of the database's.
    ///
    /// Costs a round trip for each 256 entries that wait, whomever they are of, and a transaction of two statements: for the page of the one
    /// who has just changed something, and not for lists.
    ///
    /// # Errors
    /// [`Error::Unread`], [`Error::Database`], [`Error::NoBuffer`], [`Error::InTransaction`] and [`Error::NotRegistered`].
    pub fn find(&self, key: impl Into<E::Key>) -> Result<Option<E>> {
        let (larder, lane) = Self::lane(self.larder)?;
        let key = crate::key::Key::canonical(key.into(), false);
        overlay::find::<E>(larder, lane, &key)
    }

    /// Changes that are acknowledged together.
    #[must_use]
    pub fn batch(&self) -> Batch<'r, E> {
        Batch { larder: self.larder, merged: Merged::default(), _entity: PhantomData }
    }

    fn lane(larder: Option<&Larder<Pg>>) -> Result<(&Larder<Pg>, &Lane)> {
        let larder = larder.ok_or(Error::InTransaction)?;
        let lane = larder.lane().ok_or(Error::NoBuffer)?;
        let name = E::cells_name();
        if lane.options.models.iter().all(|model| model.name != name) {
            return Err(Error::NotRegistered { model: name });
        }
        Ok((larder, lane))
    }
}

impl<E> Clone for Behind<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Behind<'_, E> {}

impl<E> fmt::Debug for Behind<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind").finish_non_exhaustive()
    }
}

/// Changes of rows of a model that are acknowledged together: all of them or none.
///
/// What is changed twice becomes one change here already. They are *not* written in one transaction.
pub struct Batch<'r, E> {
    larder: Option<&'r Larder<Pg>>,
    merged: Merged,
    _entity: PhantomData<fn() -> E>,
}

impl<E: Table<Pg>> Batch<'_, E> {
    /// Adds a change, as [`Behind::update`]. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::NotPlain`], [`Error::Array`] and [`Error::KeyColumn`].
    pub fn update<C>(&mut self, key: impl Into<E::Key>, changes: C) -> Result<&mut Self>
    where
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<Pg>,
    {
        let changes = changes.as_changeset();
        if !changes.is_noop(&Pg)? {
            self.add(row::<E>(key), capture::columns(&changes)?)?;
        }
        Ok(self)
    }

    /// Adds an increment, as [`Behind::increment`]. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::KeyColumn`] and [`Error::TooManyDigits`].
    pub fn increment<C, D>(&mut self, key: impl Into<E::Key>, column: C, by: D) -> Result<&mut Self>
    where
        C: Column<Table = E::Table>,
        C::SqlType: Adds<D>,
        D: Delta,
    {
        self.add(row::<E>(key), added(column, by)?)?;
        Ok(self)
    }

    fn add(&mut self, row: (E::Key, CellKey), columns: Columns) -> Result<()> {
        check::<E>(&columns)?;
        match self.merged.get_mut(row.1.as_bytes()) {
            Some(change) => change.then(&columns, 1),
            None => _ = self.merged.add(&change::<E>(row, columns)?),
        }
        Ok(())
    }

    /// How many rows they are of.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.merged.len()
    }

    /// Has the buffer take them. Costs a round trip, and one entry of the buffer for 512 rows.
    ///
    /// # Errors
    /// As [`Behind::update`]; [`Error::TooLarge`] beyond 65,536 rows.
    pub fn send(self) -> Result<()> {
        let (larder, lane) = Behind::<E>::lane(self.larder)?;
        match self.merged.len() {
            0 => Ok(()),
            n_rows if n_rows > BATCH_ROWS => Err(Error::TooLarge { n_rows, limit: BATCH_ROWS }),
            _ => lane.send(larder, self.merged.into_changes()),
        }
    }
}

impl<E> fmt::Debug for Batch<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("n_rows", &self.merged.len()).finish_non_exhaustive()
    }
}

type Columns = BTreeMap<String, Assignment>;

/// A key as the database would give it back, and the cell by which its row is known.
fn row<E: Table<Pg>>(key: impl Into<E::Key>) -> (E::Key, CellKey) {
    let key = key.into().canonical(false);
    let cell = payload::cell_key::<E::ByKey>(&key);
    (key, cell)
}

/// A column that grows. Its value says no more than its type, which the compiler has checked.
fn added<C: Column>(_column: C, by: impl Delta) -> Result<Columns> {
    Ok([(C::NAME.to_owned(), Assignment { value: None, plus: Some(by.into_amount()?) })].into())
}

fn check<E: Table<Pg>>(columns: &Columns) -> Result<()> {
    let is_key = E::ByKey::COLUMNS.iter().any(|column| columns.contains_key(*column));
    if is_key { Err(Error::KeyColumn) } else { Ok(()) }
}

fn change<E: Table<Pg>>((key, cell): (E::Key, CellKey), columns: Columns) -> Result<Change> {
    check::<E>(&columns)?;
    let (model, cell) = (E::cells_name().to_owned(), cell.as_bytes().to_vec());
    Ok(Change { model, cell, key: capture::key::<E>(&key)?, columns, n_calls: 1 })
}
