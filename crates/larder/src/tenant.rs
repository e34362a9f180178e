//! Tenants: rows of which each belongs to one, and sessions that see one's rows and nobody else's.
//!
//! A model with `#[larder(tenant = tenant_id)]` has a primary key that begins with that column, and so have all of its access patterns. Its
//! repository is made on a tenant's session, and completes every key by itself:
//!
//! ```no_run
//! # use diesel::prelude::*;
//! # diesel::table! { orders (tenant_id, id) { tenant_id -> BigInt, id -> BigInt, status -> Text, } }
//! #[derive(Clone, Queryable, Selectable, Insertable, larder::Repository)]
//! #[diesel(table_name = orders, primary_key(tenant_id, id), check_for_backend(diesel::pg::Pg))]
//! #[larder(tenant = tenant_id, index(status))]
//! struct Order { tenant_id: i64, id: i64, status: String }
//!
//! # fn example(larder: &larder::Larder<diesel::pg::Pg>, tenant_id: i64) -> larder::Result<()> {
//! let tenant = larder.tenant(tenant_id);
//! let orders = Order::repository(&tenant);
//! let order: Option<Order> = orders.find(7)?;                             // the tenant's 7, whoever else has one
//! let paid: Vec<Order> = orders.list_by_status("paid").load()?;
//! tenant.transaction(|t| Order::repository(t).delete(7))?;
//! # Ok(())
//! # }
//! ```
//!
//! `Order::repository(&larder)` does not compile. What is promised, and by what, stands in `docs/tenants.md` of the repository.

mod batches;
mod condition;
mod guarded;
mod many;
#[cfg(feature = "postgres")]
pub(crate) mod policy;
mod repository;
mod row_security;
mod rows;
#[cfg(feature = "postgres")]
mod search;
mod session;
mod shape;
mod write;

#[doc(hidden)]
pub use self::row_security::Tenants;
pub(crate) use self::row_security::{Named, read};
pub use self::{
    batches::TenantBatches,
    repository::TenantRepository,
    rows::TenantRows,
    session::{AllTenants, Tenanted},
    shape::InTenant,
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, Table},
    key::{Key, KeyPart},
    session::Session,
    statement::Statement,
};

/// A model whose rows belong to no tenant: all see all of them. `#[derive(Repository)]` implements it, unless `tenant` is said.
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` belong to a tenant",
    label = "these rows are one tenant's, and this is not",
    note = "a relation to `{Self}` starts from a model with `#[larder(tenant = ..)]`, and is not `common`",
    note = "rows of all tenants are found by `larder.all_tenants()`, and one's by `larder.tenant(id)`"
)]
pub trait Common: Entity {}

/// A model whose rows each belong to a tenant. `#[derive(Repository)]` with `#[larder(tenant = field)]` implements it.
#[diagnostic::on_unimplemented(
    message = "rows of `{Self}` belong to no tenant",
    note = "add `#[larder(tenant = field)]` to `{Self}`, or make its repository on any session: `{Self}::repository(&larder)`"
)]
pub trait OfTenant: Entity<Key: TenantKey<Tenant = <Self as OfTenant>::Tenant>> {
    /// By what a tenant is known.
    type Tenant: KeyPart;
}

/// An [`OfTenant`] of one back end.
#[doc(hidden)]
pub trait TenantTable<DB: Backend>: Table<DB> + OfTenant {
    /// Of the query's rows, those of the tenant.
    fn of_tenant<'q>(query: Self::Query<'q>, tenant: Self::Tenant) -> Self::Query<'q>;

    /// Appends the condition that a row is the tenant's.
    fn matching_tenant<'q>(tenant: Self::Tenant, statement: &mut Statement<'q, DB>);
}

/// A pattern whose first column is the tenant's.
#[doc(hidden)]
pub trait TenantPattern: Pattern {}

/// A key whose first part is the tenant.
#[doc(hidden)]
pub trait TenantKey: Key {
    type Tenant: KeyPart;
    /// What stands behind it.
    type Rest: Clone;

    fn of(tenant: Self::Tenant, rest: Self::Rest) -> Self;
    fn tenant(&self) -> &Self::Tenant;
    fn rest(self) -> Self::Rest;
}

/// A key of which the tenant is known.
pub(crate) type RestOf<P> = <<P as Pattern>::Key as TenantKey>::Rest;

impl<T: KeyPart> TenantKey for T {
    type Tenant = T;
    type Rest = ();

    fn of(tenant: T, (): ()) -> Self {
        tenant
    }

    fn tenant(&self) -> &T {
        self
    }

    fn rest(self) {}
}

macro_rules! tuple {
    ($rest:ty, $value:ident, ($($name:ident),*), ($($part:expr),*), $whole:ident => $behind:expr) => {
        impl<T: KeyPart, $($name: KeyPart),*> TenantKey for (T, $($name,)*) {
            type Tenant = T;
            type Rest = $rest;

            fn of(tenant: T, $value: Self::Rest) -> Self {
                (tenant, $($part,)*)
            }

            fn tenant(&self) -> &T {
                &self.0
            }

            fn rest(self) -> Self::Rest {
                let $whole = self;
                $behind
            }
        }
    };
}

tuple!(A, rest, (A), (rest), whole => whole.1);
tuple!((A, B), rest, (A, B), (rest.0, rest.1), whole => (whole.1, whole.2));
tuple!((A, B, C), rest, (A, B, C), (rest.0, rest.1, rest.2), whole => (whole.1, whole.2, whole.3));

/// A session of one tenant, on which repositories of `E` can be made.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "rows of `{E}` belong to a tenant, and this session is not one of its tenants'",
    label = "no session of a tenant of `{E}`",
    note = "make the repository on a tenant's session: `{E}::repository(&larder.tenant(id))`, where `id` has the type of the model's field",
    note = "for rows of all tenants: `larder.all_tenants().repository::<{E}>()`"
)]
pub trait TenantSession<E: OfTenant>: Session {
    fn tenant_of(&self) -> E::Tenant;
}

impl<Sn, T, E> TenantSession<E> for Tenanted<'_, Sn, T>
where
    Sn: Session,
    T: KeyPart,
    E: OfTenant<Tenant = T>,
{
    fn tenant_of(&self) -> T {
        self.id().clone()
    }
}
