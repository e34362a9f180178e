//! The repository of one tenant's rows.

use serde::{Serialize, de::DeserializeOwned};

use super::{InTenant, OfTenant, RestOf, TenantKey, TenantPattern, TenantRows, TenantSession, TenantTable};
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn, Table},
    error::{Error, Result},
    explain::Explanation,
    guards::SoftDelete,
    patience::Patience,
    queries::KeyOf,
    repository::{List, Repository},
    session::Consistency,
    shape::{Extend, LoadOf, Of, Shape},
    token::Token,
};

/// Finds and writes rows of an entity that belong to one tenant, by keys in which the tenant does not stand.
///
/// `#[derive(Repository)]` on a model with `#[larder(tenant = ..)]` makes a type around this one. It completes each key, adds the tenant to
/// each condition, and compares each row with it before it is given out or committed.
pub struct TenantRepository<'s, DB: Backend, S, E: OfTenant> {
    pub(super) inner: Repository<'s, DB, InTenant<S, E>>,
}

impl<DB: Backend, S: Clone, E: OfTenant> Clone for TenantRepository<'_, DB, S, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<'s, DB: Backend, E: OfTenant> TenantRepository<'s, DB, Of<E>, E> {
    /// A repository of whole rows.
    #[doc(hidden)]
    pub fn new<Sn: TenantSession<E, Backend = DB>>(session: &'s Sn) -> Self {
        let tenant = session.tenant_of();
        Self { inner: Repository::of_any(session).reshaped(|shape| InTenant { shape, tenant }) }
    }
}

impl<'s, DB: Backend, S, E: OfTenant> TenantRepository<'s, DB, S, E> {
    /// The same rows, of which only `T` is loaded.
    #[must_use]
    pub fn select<T: LoadOf<DB, E>>(self) -> TenantRepository<'s, DB, Of<T>, E> {
        self.reshaped(|_| Of::new())
    }

    /// As [`Repository::reading`].
    #[must_use]
    pub fn reading(self, consistency: Consistency) -> Self {
        Self { inner: self.inner.reading(consistency) }
    }

    /// As [`Repository::at_least_as_fresh_as`].
    #[must_use]
    pub fn at_least_as_fresh_as(self, token: Token) -> Self {
        Self { inner: self.inner.at_least_as_fresh_as(token) }
    }

    /// As [`Repository::patience`].
    #[must_use]
    pub fn patience(self, patience: Patience) -> Self {
        Self { inner: self.inner.patience(patience) }
    }

    /// As [`Repository::with_deleted`].
    #[must_use]
    pub fn with_deleted(self) -> Self
    where
        E: SoftDelete,
    {
        Self { inner: self.inner.with_deleted() }
    }

    /// The same rows, and a relation of each, whose rows are the same tenant's.
    #[must_use]
    pub fn with<R>(self, relation: R) -> TenantRepository<'s, DB, S::Extended, E>
    where
        S: Extend<R>,
    {
        self.reshaped(|shape| shape.extend(relation))
    }

    fn reshaped<T>(self, reshape: impl FnOnce(S) -> T) -> TenantRepository<'s, DB, T, E> {
        let inner = self.inner.reshaped(|InTenant { shape, tenant }| InTenant { shape: reshape(shape), tenant });
        TenantRepository { inner }
    }

    pub(super) fn tenant(&self) -> &E::Tenant {
        &self.inner.shape().tenant
    }

    pub(super) fn whole<K: TenantKey<Tenant = E::Tenant>>(&self, rest: K::Rest) -> K {
        K::of(self.tenant().clone(), rest)
    }
}

impl<'s, DB, S, E> TenantRepository<'s, DB, S, E>
where
    DB: Backend,
    S: Shape<DB, Entity = E>,
    E: Table<DB> + OfTenant,
{
    /// The tenant's row with this key, or `None`. Costs as [`Repository::find`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn find(&self, key: impl Into<<E::Key as TenantKey>::Rest>) -> Result<Option<S::Output>> {
        self.inner.find(self.whole::<E::Key>(key.into()))
    }

    /// The tenant's row with this key.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none, and those of [`Repository::find`].
    #[track_caller]
    pub fn get(&self, key: impl Into<<E::Key as TenantKey>::Rest>) -> Result<S::Output> {
        self.find(key)?.ok_or(Error::NotFound { table: E::NAME })
    }

    /// The tenant's rows with these keys, in the order of `keys`, as [`Repository::find_many`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn find_many(&self, keys: &[<E::Key as TenantKey>::Rest]) -> Result<Vec<Option<S::Output>>> {
        let keys: Vec<E::Key> = keys.iter().map(|rest| self.whole(rest.clone())).collect();
        self.inner.find_many(&keys)
    }

    /// Whether the tenant has a row with this key, as [`Repository::exists`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn exists(&self, key: impl Into<<E::Key as TenantKey>::Rest>) -> Result<bool> {
        self.inner.exists(self.whole::<E::Key>(key.into()))
    }

    /// What [`find_many`](Self::find_many) would do with these keys, without doing it, as [`Repository::explain`].
    pub fn explain(&self, keys: &[<E::Key as TenantKey>::Rest]) -> Explanation {
        let keys: Vec<E::Key> = keys.iter().map(|rest| self.whole(rest.clone())).collect();
        self.inner.explain(&keys)
    }

    /// The tenant's rows by any query of Diesel's on the table, as [`Repository::query`].
    ///
    /// That they are the tenant's is added to whatever `refine` says, outside of every `or_filter`. Raw SQL in it could get around that:
    /// what comes of it is compared with the tenant, too.
    ///
    /// # Errors
    /// As there; [`Error::WrongTenant`] if the query gave a row of another tenant.
    #[track_caller]
    pub fn query<'q>(
        &self,
        refine: impl FnOnce(<E as Table<DB>>::Query<'q>) -> <E as Table<DB>>::Query<'q>,
    ) -> Result<Vec<S::Output>>
    where
        E: TenantTable<DB>,
    {
        self.inner.query(|query| E::of_tenant(refine(query), self.tenant().clone()))
    }

    /// The tenant's rows by a query of Diesel's whose result is kept by a name, as [`Repository::cached`]: of each tenant another one.
    pub fn cached<'r>(&'r self, name: &'r str) -> TenantRows<'r, 's, DB, S, E>
    where
        E::Key: Serialize + DeserializeOwned,
    {
        TenantRows::new(self.inner.cached(name).of_tenant(self.tenant()), self.tenant().clone())
    }

    /// The name of the tenant's row with this key, there or not, for what depends on it:
    /// [`Dependencies::key`](crate::Dependencies::key). Asks nobody.
    pub fn key_of(&self, key: impl Into<<E::Key as TenantKey>::Rest>) -> KeyOf<E::Primary> {
        KeyOf::new(self.whole::<E::Key>(key.into()))
    }

    /// The row of a unique pattern.
    #[doc(hidden)]
    #[track_caller]
    pub fn find_by<P>(&self, rest: RestOf<P>) -> Result<Option<S::Output>>
    where
        P: TenantPattern + PatternOn<DB> + Pattern<Entity = E, Key: TenantKey<Tenant = E::Tenant>>,
    {
        self.inner.find_by::<P>(self.whole(rest))
    }

    /// The rows of a unique pattern, in the order of `keys`.
    #[doc(hidden)]
    #[track_caller]
    pub fn find_by_many<P>(&self, keys: impl IntoIterator<Item = RestOf<P>>) -> Result<Vec<Option<S::Output>>>
    where
        P: TenantPattern + PatternOn<DB> + Pattern<Entity = E, Key: TenantKey<Tenant = E::Tenant>>,
    {
        self.inner.find_by_many::<P>(keys.into_iter().map(|rest| self.whole(rest)))
    }

    /// The rows of a list, still to be limited.
    #[doc(hidden)]
    pub fn list_by<P>(&self, rest: RestOf<P>) -> List<'s, DB, InTenant<S, E>, P>
    where
        P: TenantPattern + PatternOn<DB> + Pattern<Entity = E, Key: TenantKey<Tenant = E::Tenant>>,
        S: Clone,
    {
        self.inner.list_by::<P>(self.whole(rest))
    }

    /// The rows of several lists, in the order of `keys`.
    #[doc(hidden)]
    #[track_caller]
    pub fn list_by_many<P>(&self, keys: impl IntoIterator<Item = RestOf<P>>) -> Result<Vec<Vec<S::Output>>>
    where
        P: TenantPattern + PatternOn<DB> + Pattern<Entity = E, Key: TenantKey<Tenant = E::Tenant>>,
    {
        self.inner.list_by_many::<P>(keys.into_iter().map(|rest| self.whole(rest)))
    }

    /// The number of rows in a list.
    #[doc(hidden)]
    #[track_caller]
    pub fn count_by<P>(&self, rest: RestOf<P>) -> Result<i64>
    where
        P: TenantPattern + PatternOn<DB> + Pattern<Entity = E, Key: TenantKey<Tenant = E::Tenant>>,
    {
        self.inner.count_by::<P>(self.whole(rest))
    }

    /// What finding by these keys would do.
    #[doc(hidden)]
    pub fn explain_by<P>(&self, keys: impl IntoIterator<Item = RestOf<P>>) -> Explanation
    where
        P: TenantPattern + PatternOn<DB> + Pattern<Entity = E, Key: TenantKey<Tenant = E::Tenant>>,
    {
        self.inner.explain_by::<P>(keys.into_iter().map(|rest| self.whole(rest)))
    }

    /// The name of a key of a pattern.
    #[doc(hidden)]
    pub fn key_by<P>(&self, rest: RestOf<P>) -> KeyOf<P>
    where
        P: TenantPattern + Pattern<Entity = E, Key: TenantKey<Tenant = E::Tenant>>,
    {
        KeyOf::new(self.whole(rest))
    }
}
