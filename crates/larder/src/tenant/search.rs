//! Searches of one tenant's text.

use diesel::pg::Pg;

use super::{InTenant, TenantRepository, TenantTable};
use crate::{
    queries::CachedQuery,
    repository::{Search, Whose},
    search::Searched,
    shape::Shape,
    statement::Statement,
};

impl<'s, S, E> TenantRepository<'s, Pg, S, E>
where
    S: Shape<Pg, Entity = E>,
    E: Searched + TenantTable<Pg>,
{
    /// Rows of the tenant whose text has these words, the best first, as [`Repository::search`](crate::Repository::search).
    ///
    /// The index on the document knows no tenant: the words are looked up for all of them, and rows of others are left out before they are
    /// ranked. What [`load_kept`](Search::load_kept) keeps is the tenant's alone, and goes when any tenant writes a row of the model.
    pub fn search<'r>(&'r self, text: &str) -> Search<'r, 's, InTenant<S, E>> {
        self.inner.search(text).of(RowsOf::<E>(self.tenant().clone()))
    }
}

/// That rows are a tenant's.
struct RowsOf<E: TenantTable<Pg>>(E::Tenant);

impl<E: TenantTable<Pg>> Whose for RowsOf<E> {
    fn condition(&self, statement: &mut Statement<'_, Pg>) {
        E::matching_tenant(self.0.clone(), statement);
    }

    fn keep<'l>(&self, query: CachedQuery<'l, Pg>) -> CachedQuery<'l, Pg> {
        query.of_tenant(&self.0)
    }
}
