//! Queries of a tenant's rows whose results are kept.

use std::{fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{InTenant, OfTenant, TenantTable};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, Table},
    error::Result,
    queries::{CachedRows, KeyOf},
    shape::Shape,
};

/// A query of a tenant's repository whose result is kept for that tenant. [`TenantRepository::cached`](super::TenantRepository::cached)
/// makes it.
///
/// As [`CachedRows`], which it is made of. Where nothing is said of dependencies, they are any row of the model, of whatever tenant: a tenant
/// who writes makes the results of all go. [`depends_on_key`](Self::depends_on_key) keeps them apart.
#[must_use = "rows are had by `load`"]
pub struct TenantRows<'r, 's, DB: Backend, S, E: OfTenant> {
    rows: CachedRows<'r, 's, DB, InTenant<S, E>>,
    tenant: E::Tenant,
}

impl<DB: Backend, S, E: OfTenant> fmt::Debug for TenantRows<'_, '_, DB, S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantRows").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<'r, 's, DB, S, E> TenantRows<'r, 's, DB, S, E>
where
    DB: Backend,
    S: Shape<DB, Entity = E>,
    E: Table<DB> + OfTenant<Key: Serialize + DeserializeOwned>,
{
    pub(super) fn new(rows: CachedRows<'r, 's, DB, InTenant<S, E>>, tenant: E::Tenant) -> Self {
        Self { rows, tenant }
    }

    /// As [`CachedRows::params`].
    pub fn params(mut self, parameters: &impl Serialize) -> Self {
        self.rows = self.rows.params(parameters);
        self
    }

    /// As [`CachedRows::ttl`].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.rows = self.rows.ttl(ttl);
        self
    }

    /// As [`CachedRows::depends_on`].
    pub fn depends_on<D: Entity>(mut self) -> Self {
        self.rows = self.rows.depends_on::<D>();
        self
    }

    /// As [`CachedRows::depends_on_key`].
    pub fn depends_on_key<P: Pattern>(mut self, key: KeyOf<P>) -> Self {
        self.rows = self.rows.depends_on_key(key);
        self
    }

    /// As [`CachedRows::tagged`].
    pub fn tagged(mut self, tag: &str) -> Self {
        self.rows = self.rows.tagged(tag);
        self
    }

    /// As [`CachedRows::load`]; that the rows are the tenant's is added to what `refine` says, as in
    /// [`TenantRepository::query`](super::TenantRepository::query).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn load<'q>(
        self,
        refine: impl FnOnce(<E as Table<DB>>::Query<'q>) -> <E as Table<DB>>::Query<'q>,
    ) -> Result<Vec<S::Output>>
    where
        E: TenantTable<DB>,
    {
        let Self { rows, tenant } = self;
        rows.load(|query| E::of_tenant(refine(query), tenant))
    }
}
