//! Writes of one tenant's rows.

use diesel::{
    AppearsOnTable, AsChangeset, Expression, Insertable, expression::NonAggregate, query_builder::QueryFragment,
    sql_types::BoolOrNullableBool,
};

use super::{OfTenant, TenantKey, TenantRepository, TenantTable, condition::OwnAnd};
use crate::{
    backend::Backend,
    entity::{Table, Writable},
    error::{Error, Result},
    repository::{Records, Repository},
    shape::Of,
};

impl<DB, E> TenantRepository<'_, DB, Of<E>, E>
where
    DB: Backend,
    E: Table<DB> + OfTenant + Writable,
{
    /// Inserts a row of the tenant's, as [`Repository::insert`].
    ///
    /// # Errors
    /// As there; [`Error::WrongTenant`] if the database has it as another tenant's, after which nothing of it is committed.
    #[track_caller]
    pub fn insert<R>(&self, record: R) -> Result<E>
    where
        R: Insertable<E::Table>,
        R::Values: QueryFragment<DB>,
    {
        self.write("insert", |rows| rows.insert(record), std::slice::from_ref)
    }

    /// Inserts rows of the tenant's, as [`Repository::insert_many`].
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn insert_many<R>(&self, records: R) -> Result<Vec<E>>
    where
        R: Records<DB, E::Table>,
    {
        if records.n_rows() == 0 {
            return Ok(Vec::new());
        }
        self.write("insert", |rows| rows.insert_many(records), Vec::as_slice)
    }

    /// Inserts those rows of the tenant's whose primary key is not there yet, as [`Repository::insert_missing`].
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    #[track_caller]
    pub fn insert_missing<R>(&self, records: R) -> Result<Vec<E>>
    where
        R: Records<DB, E::Table>,
    {
        if records.n_rows() == 0 {
            return Ok(Vec::new());
        }
        self.write("insert", |rows| rows.insert_missing(records), Vec::as_slice)
    }

    /// Changes the tenant's row with this key, as [`Repository::update`]; changes that change nothing read it in a transaction.
    ///
    /// # Errors
    /// As there; [`Error::WrongTenant`] if the changes would give the row to another tenant, after which nothing of it is committed.
    #[track_caller]
    pub fn update<C>(&self, key: impl Into<<E::Key as TenantKey>::Rest>, changes: C) -> Result<E>
    where
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let key = self.whole::<E::Key>(key.into());
        self.write("update", |rows| rows.update(key, changes), std::slice::from_ref)
    }

    /// Changes every row of the tenant's that meets a condition, as [`Repository::update_where`].
    ///
    /// # Errors
    /// As [`update`](Self::update).
    #[track_caller]
    pub fn update_where<P, C>(&self, condition: P, changes: C) -> Result<Vec<E>>
    where
        E: TenantTable<DB>,
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + AppearsOnTable<E::Table> + QueryFragment<DB>,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let own = OwnAnd::new::<E>(self.tenant().clone(), condition);
        self.write("update", |rows| rows.update_where(own, changes), Vec::as_slice)
    }

    /// Changes the tenant's row with this key, or inserts it if there is none, as [`Repository::upsert`].
    ///
    /// # Errors
    /// As [`insert`](Self::insert) and [`update`](Self::update).
    #[track_caller]
    pub fn upsert<R, C>(&self, key: impl Into<<E::Key as TenantKey>::Rest>, record: R, changes: C) -> Result<E>
    where
        R: Insertable<E::Table>,
        R::Values: QueryFragment<DB>,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let key = self.whole::<E::Key>(key.into());
        self.write("upsert", |rows| rows.upsert(key, record, changes), std::slice::from_ref)
    }

    /// Deletes the tenant's row with this key, as [`Repository::delete`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn delete(&self, key: impl Into<<E::Key as TenantKey>::Rest>) -> Result<Option<E>> {
        let key = self.whole::<E::Key>(key.into());
        self.write("delete", |rows| rows.delete(key), Option::as_slice)
    }

    /// Deletes every row of the tenant's that meets a condition, as [`Repository::delete_where`].
    ///
    /// # Errors
    /// As there; [`Error::WrongTenant`] if raw SQL in the condition has got at a row of another tenant: nothing is deleted then.
    #[track_caller]
    pub fn delete_where<P>(&self, condition: P) -> Result<Vec<E>>
    where
        E: TenantTable<DB>,
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + AppearsOnTable<E::Table> + QueryFragment<DB>,
    {
        let own = OwnAnd::new::<E>(self.tenant().clone(), condition);
        self.write("delete", |rows| rows.delete_where(own), Vec::as_slice)
    }

    /// Writes, and looks at what was written before it can be committed: the rows are the tenant's, as the database has them.
    #[track_caller]
    pub(super) fn write<R>(
        &self,
        call: &'static str,
        write: impl FnOnce(&Repository<'_, DB, Of<E>>) -> Result<R>,
        rows: impl FnOnce(&R) -> &[E],
    ) -> Result<R> {
        self.write_any(call, write, |written, is_own| rows(written).iter().all(is_own))
    }

    /// The same of rows that lie elsewhere than in a slice: `all` asks of each whether it is the tenant's.
    #[track_caller]
    pub(super) fn write_any<R>(
        &self,
        call: &'static str,
        write: impl FnOnce(&Repository<'_, DB, Of<E>>) -> Result<R>,
        all: impl FnOnce(&R, &dyn Fn(&E) -> bool) -> bool,
    ) -> Result<R> {
        let access = self.inner.access().here();
        access.write_once::<E, _>(call, |tx| {
            tx.name_tenant(access.tenant())?;
            let written = write(&Repository::of_any(tx))?;
            if all(&written, &|row| row.key().tenant() == self.tenant()) {
                return Ok(written);
            }
            // In a transaction of the caller's, who may go on with it whatever this says.
            tx.doom();
            Err(Error::WrongTenant { table: E::NAME })
        })
    }
}
