//! Writes of one tenant's rows at a version, and of those that are deleted softly.

use diesel::{AsChangeset, query_builder::QueryFragment};

use super::{OfTenant, TenantKey, TenantRepository};
use crate::{
    backend::Backend,
    entity::{Table, Writable},
    error::Result,
    guards::{SoftDelete, Versioned},
    shape::Of,
};

impl<DB, E> TenantRepository<'_, DB, Of<E>, E>
where
    DB: Backend,
    E: Table<DB> + OfTenant + Writable,
{
    /// Changes the tenant's row with this key at that version, as [`Repository::update_at`](crate::Repository::update_at).
    ///
    /// # Errors
    /// As there, and as [`update`](Self::update).
    #[track_caller]
    pub fn update_at<C>(
        &self,
        key: impl Into<<E::Key as TenantKey>::Rest>,
        version: impl Into<i64>,
        changes: C,
    ) -> Result<E>
    where
        E: Versioned,
        C: AsChangeset<Target = E::Table>,
        C::Changeset: QueryFragment<DB>,
    {
        let key = self.whole::<E::Key>(key.into());
        self.write("update", |rows| rows.update_at(key, version, changes), std::slice::from_ref)
    }

    /// Deletes the tenant's row with this key at that version, as [`Repository::delete_at`](crate::Repository::delete_at).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn delete_at(&self, key: impl Into<<E::Key as TenantKey>::Rest>, version: impl Into<i64>) -> Result<E>
    where
        E: Versioned,
    {
        let key = self.whole::<E::Key>(key.into());
        self.write("delete", |rows| rows.delete_at(key, version), std::slice::from_ref)
    }

    /// Takes back the deletion of the tenant's row with this key, as [`Repository::restore`](crate::Repository::restore).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn restore(&self, key: impl Into<<E::Key as TenantKey>::Rest>) -> Result<Option<E>>
    where
        E: SoftDelete,
    {
        let key = self.whole::<E::Key>(key.into());
        self.write("restore", |rows| rows.restore(key), Option::as_slice)
    }

    /// Deletes the tenant's row with this key for good, as [`Repository::delete_forever`](crate::Repository::delete_forever).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn delete_forever(&self, key: impl Into<<E::Key as TenantKey>::Rest>) -> Result<Option<E>>
    where
        E: SoftDelete,
    {
        let key = self.whole::<E::Key>(key.into());
        self.write("delete", |rows| rows.delete_forever(key), Option::as_slice)
    }
}
