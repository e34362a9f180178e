//! Sessions of one tenant, and of all.

use std::fmt;

use diesel::result::QueryResult;

use super::{OfTenant, TenantKey, row_security::text};
use crate::{
    backend::Backend,
    codec::Codec,
    entity::{Entity, Table, Writable},
    error::Result,
    handle::Larder,
    key::KeyPart,
    once::{Key as OnceKey, Once, Remember},
    queries::CachedQuery,
    repository::Repository,
    scope::Scope,
    session::{Access, Session},
    shape::Of,
    transaction::{Lock, Locking, Tx},
};

/// A session of one tenant: the handle, a scope or a transaction, on which repositories of its rows can be made.
///
/// [`Larder::tenant`], [`Scope::tenant`] and [`Tx::tenant`] make it. Models whose rows belong to no tenant are found on it as on the session
/// itself. Costs a copy of the id.
pub struct Tenanted<'s, Sn, T> {
    session: &'s Sn,
    tenant: T,
    /// As the database is told of it, if it is.
    named: Option<String>,
}

impl<Sn, T: Clone> Clone for Tenanted<'_, Sn, T> {
    fn clone(&self) -> Self {
        Self { session: self.session, tenant: self.tenant.clone(), named: self.named.clone() }
    }
}

impl<Sn, T> fmt::Debug for Tenanted<'_, Sn, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whose it is may be nothing for a log.
        f.debug_struct("Tenanted").finish_non_exhaustive()
    }
}

impl<'s, Sn: Session, T: KeyPart> Tenanted<'s, Sn, T> {
    fn new(session: &'s Sn, tenant: T) -> Self {
        // As it comes back in rows.
        let tenant = tenant.canonical(Sn::Backend::KEEPS_NANOSECONDS);
        let named = session.access().names_tenants().then(|| text(&tenant));
        Self { session, tenant, named }
    }

    /// By what the tenant is known.
    pub fn id(&self) -> &T {
        &self.tenant
    }

    /// Runs `work` in a transaction of the tenant: a new one on the handle and on a scope, a savepoint in a transaction.
    ///
    /// # Errors
    /// As [`Larder::transaction`] and [`Tx::savepoint`].
    pub fn transaction<R>(&self, work: impl FnOnce(&Tenanted<'_, Tx<Sn::Backend>, T>) -> Result<R>) -> Result<R> {
        self.session.transaction(|tx| {
            let Self { tenant, named, .. } = self;
            work(&Tenanted { session: tx, tenant: tenant.clone(), named: named.clone() })
        })
    }

    /// As [`Larder::query`]: the result is the tenant's alone, whoever else has one of this name and parameters.
    ///
    /// What the closure of its `load` selects is for it to say: it is Diesel's connection, and knows no tenant.
    pub fn query<'l>(&'l self, name: &'l str) -> CachedQuery<'l, Sn::Backend> {
        CachedQuery::new(self.access(), name).of_tenant(&self.tenant)
    }
}

impl<DB: Remember, T: KeyPart> Tenanted<'_, Larder<DB>, T> {
    /// As [`Larder::once`], in a transaction of the tenant: under a key of the same name another tenant has a result of its own.
    ///
    /// The key is kept with the tenant before its name, and both together are of 255 bytes at most on MySQL.
    ///
    /// # Errors
    /// As there.
    pub fn once<R: Codec>(
        &self,
        key: impl Into<OnceKey>,
        work: impl FnOnce(&Tenanted<'_, Tx<DB>, T>) -> Result<R>,
    ) -> Result<Once<R>> {
        let key = key.into().of_tenant(&text(&self.tenant));
        self.session.once(key, |tx| work(&tx.tenant(self.tenant.clone())))
    }
}

impl<DB: Backend, T: KeyPart> Tenanted<'_, Tx<DB>, T> {
    /// As [`Tx::run`]. The connection knows no tenant: what is run there says by itself whose rows it means, unless the database has
    /// policies and the handle [names the tenant](crate::Builder::row_security) to it.
    ///
    /// # Errors
    /// As there.
    pub fn run<R>(&self, work: impl FnOnce(&mut DB::Connection) -> QueryResult<R>) -> Result<R> {
        self.name()?;
        self.session.run(work)
    }

    /// As [`Tx::touched`], by keys of the tenant.
    ///
    /// # Errors
    /// As there.
    pub fn touched<E>(&self, keys: &[<E::Key as TenantKey>::Rest]) -> Result<()>
    where
        E: Table<DB> + Writable + OfTenant<Tenant = T>,
    {
        self.name()?;
        self.session.touched::<E>(&self.whole::<E>(keys))
    }

    /// As [`Tx::touching`], by keys of the tenant.
    ///
    /// # Errors
    /// As there.
    pub fn touching<E, R>(
        &self,
        keys: &[<E::Key as TenantKey>::Rest],
        work: impl FnOnce(&mut DB::Connection) -> QueryResult<R>,
    ) -> Result<R>
    where
        E: Table<DB> + Writable + OfTenant<Tenant = T>,
    {
        self.name()?;
        self.session.touching::<E, R>(&self.whole::<E>(keys), work)
    }

    /// As [`Tx::find_for_update`], by a key of the tenant.
    ///
    /// # Errors
    /// As there.
    pub fn find_for_update<E>(&self, key: impl Into<<E::Key as TenantKey>::Rest>) -> Result<Option<E>>
    where
        E: Table<DB> + Writable + OfTenant<Tenant = T>,
    {
        Ok(self.find_many_for_update::<E>(&[key.into()], Lock::Wait)?.into_iter().flatten().next())
    }

    /// As [`Tx::find_many_for_update`], by keys of the tenant: what is done about rows that others have locked is for `lock` to say.
    ///
    /// # Errors
    /// As there; [`Error::Locked`](crate::Error::Locked) of [`Lock::NoWait`].
    pub fn find_many_for_update<E>(&self, keys: &[<E::Key as TenantKey>::Rest], lock: Lock) -> Result<Vec<Option<E>>>
    where
        E: Table<DB> + Writable + OfTenant<Tenant = T>,
    {
        self.name()?;
        self.session.locking_any::<E>(lock).find_many(&self.whole::<E>(keys))
    }

    /// As [`Tx::invalidate_tag`]: tags are common to all tenants.
    pub fn invalidate_tag(&self, tag: &str) {
        self.session.invalidate_tag(tag);
    }

    /// Tells the database whose transaction it is, if it is to know.
    fn name(&self) -> Result<()> {
        self.session.name_tenant(self.named.as_deref())
    }

    fn whole<E: OfTenant<Tenant = T>>(&self, keys: &[<E::Key as TenantKey>::Rest]) -> Vec<E::Key> {
        keys.iter().map(|rest| <E::Key as TenantKey>::of(self.tenant.clone(), rest.clone())).collect()
    }
}

impl<Sn: Session, T: KeyPart> Session for Tenanted<'_, Sn, T> {
    type Backend = Sn::Backend;

    fn access(&self) -> Access<'_, Sn::Backend> {
        self.session.access().of_tenant(self.named.as_deref())
    }

    fn transaction<R>(&self, work: impl FnOnce(&Tx<Sn::Backend>) -> Result<R>) -> Result<R> {
        self.session.transaction(work)
    }
}

/// Rows of all tenants, for those who look after them: the one way to rows of a tenant's model by whole keys.
///
/// [`Larder::all_tenants`] and its like make it.
pub struct AllTenants<'s, Sn> {
    session: &'s Sn,
}

impl<Sn> fmt::Debug for AllTenants<'_, Sn> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllTenants").finish_non_exhaustive()
    }
}

impl<'s, Sn: Session> AllTenants<'s, Sn> {
    /// The repository of `E` in which keys are whole, `(tenant_id, id)`, and conditions know no tenant.
    ///
    /// It has what [`Repository`] has. Finders by other columns are the tenants' own.
    #[must_use]
    pub fn repository<E>(&self) -> Repository<'s, Sn::Backend, Of<E>>
    where
        E: OfTenant + Table<Sn::Backend> + Entity,
    {
        Repository::of_any(self.session)
    }
}

impl<'s, DB: Backend> AllTenants<'s, Tx<DB>> {
    /// As [`Tx::locking`], by whole keys.
    pub fn locking<E>(&self, lock: Lock) -> Locking<'s, DB, E>
    where
        E: OfTenant + Table<DB> + Writable,
    {
        self.session.locking_any(lock)
    }
}

macro_rules! sessions {
    ($($session:ident: $tenant:literal;)*) => {$(
        impl<DB: Backend> $session<DB> {
            #[doc = $tenant]
            ///
            /// Repositories of models with `#[larder(tenant = ..)]` are made on it, and on no other session.
            pub fn tenant<T: KeyPart>(&self, id: T) -> Tenanted<'_, Self, T> {
                Tenanted::new(self, id)
            }

            /// Rows of all tenants, by whole keys.
            pub fn all_tenants(&self) -> AllTenants<'_, Self> {
                AllTenants { session: self }
            }
        }
    )*};
}

sessions! {
    Larder: "A session of the tenant that is known by `id`, which has the type of the models' field.";
    Scope: "The same scope, for the tenant that is known by `id`.";
    Tx: "The same transaction, for the tenant that is known by `id`.";
}
