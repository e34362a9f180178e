//! Queries of a repository whose primary keys are what is kept, and whose rows come as rows by key do.

use std::{fmt, time::Duration};

use diesel::{deserialize, row::Row};
use serde::{Serialize, de::DeserializeOwned};

use super::{CachedQuery, KeyOf};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    error::Result,
    key::KeyPart,
    lookout::Sent,
    repository::Repository,
    row::{FromRow, RowReader, SelectList},
    session::Access,
    shape::Shape,
    statement::Statement,
};

/// A query of a repository whose result is kept. [`Repository::cached`] makes it.
///
/// What is kept are primary keys, in their order. The rows come through the caches of rows, so that they are as fresh as rows by key are,
/// and are stored once however many queries they are in.
#[must_use = "rows are had by `load`"]
pub struct CachedRows<'r, 's, DB: Backend, S> {
    query: CachedQuery<'r, DB>,
    repository: &'r Repository<'s, DB, S>,
    /// Whether the caller has said what they depend on.
    is_told: bool,
}

impl<DB: Backend, S> fmt::Debug for CachedRows<'_, '_, DB, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedRows").field("query", &self.query).finish_non_exhaustive()
    }
}

impl<'r, 's, DB, S> CachedRows<'r, 's, DB, S>
where
    DB: Backend,
    S: Shape<DB>,
    <S::Entity as Entity>::Key: Serialize + DeserializeOwned,
{
    pub(crate) fn new(repository: &'r Repository<'s, DB, S>, access: Access<'r, DB>, name: &'r str) -> Self {
        Self { query: CachedQuery::new(access, name).of::<S::Entity>(), repository, is_told: false }
    }

    /// The same, of a tenant who has results of its own.
    pub(crate) fn of_tenant(mut self, tenant: &impl KeyPart) -> Self {
        self.query = self.query.of_tenant(tenant);
        self
    }

    /// As [`CachedQuery::params`].
    pub fn params(mut self, parameters: &impl Serialize) -> Self {
        self.query = self.query.params(parameters);
        self
    }

    /// As [`CachedQuery::ttl`].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.query = self.query.ttl(ttl);
        self
    }

    /// As [`CachedQuery::depends_on`]. Where nothing is said of dependencies, they are any row of the repository's own model.
    pub fn depends_on<E: Entity>(mut self) -> Self {
        self.query = self.query.depends_on::<E>();
        self.is_told = true;
        self
    }

    /// As [`CachedQuery::depends_on_key`]: then the keys of the result change with rows that have this key, and with no others.
    pub fn depends_on_key<P: Pattern>(mut self, key: KeyOf<P>) -> Self {
        self.query = self.query.depends_on_key(key);
        self.is_told = true;
        self
    }

    /// As [`CachedQuery::tagged`].
    pub fn tagged(mut self, tag: &str) -> Self {
        self.query = self.query.tagged(tag);
        self.is_told = true;
        self
    }

    /// The rows that the query gives, in its order. A row that is gone by the time it is read is left out.
    ///
    /// `refine` filters, orders and limits Diesel's boxed query on the table, of which only the primary key is selected.
    /// Costs what [`CachedQuery::load`] costs, and what [`Repository::find_many`] of the keys does.
    ///
    /// # Errors
    /// Those of [`CachedQuery::load`] and of [`Repository::find_many`].
    #[track_caller]
    pub fn load<'q>(
        self,
        refine: impl FnOnce(<S::Entity as Table<DB>>::Query<'q>) -> <S::Entity as Table<DB>>::Query<'q>,
    ) -> Result<Vec<S::Output>> {
        let query = if self.is_told { self.query } else { self.query.depends_on::<S::Entity>() };
        let keys = query.here().load_from(|access| {
            let mut list = SelectList::new();
            <S::Entity as Table<DB>>::ByKey::select(&mut list);
            let mut statement = Statement::new();
            let query = refine(S::Entity::query());
            let query = if access.with_deleted() { query } else { S::Entity::live(query) };
            statement.fragment(S::Entity::select(query, list));
            let sent = Sent { operation: "SELECT", is_own: false, is_call: true };
            let rows: Vec<KeyRow<<S::Entity as Entity>::Key, S::Entity>> =
                access.select::<S::Entity, _>(sent, statement)?;
            Ok(rows.into_iter().map(|row| row.key).collect::<Vec<_>>())
        })?;
        Ok(self.repository.find_many(&keys)?.into_iter().flatten().collect())
    }
}

/// A primary key.
struct KeyRow<K, E> {
    key: K,
    _entity: std::marker::PhantomData<E>,
}

impl<DB, E> FromRow<DB> for KeyRow<E::Key, E>
where
    DB: Backend,
    E: Table<DB>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let key = E::ByKey::read(row)?.ok_or("a primary key is never NULL")?;
        Ok(Self { key, _entity: std::marker::PhantomData })
    }
}
