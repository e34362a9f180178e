//! Rows that are looked at once more before they are given out.

use std::sync::Arc;

use diesel::{deserialize, row::Row};

use super::{OfTenant, TenantKey};
use crate::{
    backend::Backend,
    entity::{Entity, PatternOn, Table},
    error::{Error, Result},
    row::{RowReader, SelectList},
    session::Access,
    shape::{Head, Shape},
};

/// A shape of one tenant's rows: whatever they were found by, one of another tenant is given to nobody.
///
/// Costs each row a copy of its key, and a view the columns of that.
pub struct InTenant<S, E: OfTenant> {
    pub(super) shape: S,
    pub(super) tenant: E::Tenant,
}

impl<S: Clone, E: OfTenant> Clone for InTenant<S, E> {
    fn clone(&self) -> Self {
        Self { shape: self.shape.clone(), tenant: self.tenant.clone() }
    }
}

impl<S, E: OfTenant> InTenant<S, E> {
    fn own<H>(&self, keyed: KeyedHead<H, E>) -> Result<H> {
        if *keyed.key.tenant() == self.tenant { Ok(keyed.head) } else { Err(Error::WrongTenant { table: E::NAME }) }
    }
}

impl<DB, S, E> Shape<DB> for InTenant<S, E>
where
    DB: Backend,
    S: Shape<DB, Entity = E>,
    E: Table<DB> + OfTenant,
{
    type Entity = E;
    type Head = KeyedHead<S::Head, E>;
    type Output = S::Output;

    fn assemble(&self, access: Access<'_, DB>, heads: Vec<Self::Head>) -> Result<Vec<S::Output>> {
        let heads = heads.into_iter().map(|head| self.own(head)).collect::<Result<Vec<_>>>()?;
        self.shape.assemble(access, heads)
    }

    fn assemble_one(&self, access: Access<'_, DB>, head: Self::Head) -> Result<Option<S::Output>> {
        self.shape.assemble_one(access, self.own(head)?)
    }
}

/// What is needed of a row, and its primary key.
#[doc(hidden)]
pub struct KeyedHead<H, E: Entity> {
    head: H,
    key: E::Key,
}

impl<H: Clone, E: Entity> Clone for KeyedHead<H, E> {
    fn clone(&self) -> Self {
        Self { head: self.head.clone(), key: self.key.clone() }
    }
}

impl<DB, H, E> Head<DB> for KeyedHead<H, E>
where
    DB: Backend,
    H: Head<DB, Entity = E>,
    E: Table<DB>,
{
    type Entity = E;

    const WHOLE: bool = H::WHOLE;

    fn columns(list: &mut SelectList<DB>) {
        H::columns(list);
        E::ByKey::select(list);
    }

    fn build<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let head = H::build(row)?;
        let key = E::ByKey::read(row)?.ok_or("a primary key is never NULL")?;
        Ok(Self { head, key })
    }

    fn narrow(row: E) -> Self {
        let key = row.key();
        Self { head: H::narrow(row), key }
    }

    fn share(row: &Arc<E>) -> Self {
        Self { head: H::share(row), key: row.key() }
    }

    fn take(row: Arc<E>) -> Self {
        let key = row.key();
        Self { head: H::take(row), key }
    }
}
