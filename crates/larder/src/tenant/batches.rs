//! A tenant's rows, a batch at a time.

use std::{fmt, ops::ControlFlow};

use super::{InTenant, OfTenant, TenantKey, TenantRepository, TenantTable};
use crate::{
    backend::Backend,
    entity::{Entity, Table},
    error::Result,
    repository::{Batch, Batches},
    shape::Shape,
};

type RestOfKey<E> = <<E as Entity>::Key as TenantKey>::Rest;

/// A walk over all rows of one tenant, still to be begun: [`TenantRepository::batches`] makes it.
#[must_use = "nothing is read before `for_each`"]
pub struct TenantBatches<'s, DB, S, E>
where
    DB: Backend,
    S: Shape<DB, Entity = E>,
    E: Table<DB> + OfTenant,
{
    batches: Batches<'s, DB, InTenant<S, E>>,
    tenant: E::Tenant,
}

impl<DB, S, E> fmt::Debug for TenantBatches<'_, DB, S, E>
where
    DB: Backend,
    S: Shape<DB, Entity = E>,
    E: Table<DB> + OfTenant,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whose they are may be nothing for a log.
        f.debug_struct("TenantBatches").field("batches", &self.batches).finish_non_exhaustive()
    }
}

impl<'s, DB, S, E> TenantRepository<'s, DB, S, E>
where
    DB: Backend,
    S: Shape<DB, Entity = E> + Clone,
    E: TenantTable<DB>,
{
    /// A walk over all rows of the tenant, at most `n_rows` at a time and at least one, in the order of the primary key.
    pub fn batches(&self, n_rows: usize) -> TenantBatches<'s, DB, S, E> {
        TenantBatches { batches: self.inner.batches(n_rows), tenant: self.tenant().clone() }
    }

    /// Hands all rows of the tenant over, at most `n_rows` at a time, in the order of the primary key: [`TenantBatches::for_each`] from
    /// the beginning.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn for_each_batch(
        &self,
        n_rows: usize,
        each: impl FnMut(Batch<S::Output, RestOfKey<E>>) -> Result<ControlFlow<()>>,
    ) -> Result<u64> {
        self.batches(n_rows).for_each(each)
    }
}

impl<DB, S, E> TenantBatches<'_, DB, S, E>
where
    DB: Backend,
    S: Shape<DB, Entity = E>,
    E: TenantTable<DB>,
{
    /// Goes on behind the tenant's row with this key, which need not be there any more.
    pub fn after(self, key: impl Into<RestOfKey<E>>) -> Self {
        let Self { batches, tenant } = self;
        Self { batches: batches.after(E::Key::of(tenant.clone(), key.into())), tenant }
    }

    /// Hands the tenant's rows over, as [`Batches::for_each`] does those of the table: the index on the primary key, which begins with the
    /// tenant, has them side by side. [`Batch::last`] is a key without the tenant.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn for_each(
        self,
        mut each: impl FnMut(Batch<S::Output, RestOfKey<E>>) -> Result<ControlFlow<()>>,
    ) -> Result<u64> {
        let Self { batches, tenant } = self;
        batches.for_each_within(
            |statement| E::matching_tenant(tenant.clone(), statement),
            |Batch { rows, n_rows, last }| each(Batch { rows, n_rows, last: last.rest() }),
        )
    }
}
