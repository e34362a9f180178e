//! Many rows of one tenant: streamed, given values of their own, and deleted for good.

use std::ops::ControlFlow;

use diesel::{
    AppearsOnTable, Expression, expression::NonAggregate, query_builder::QueryFragment, sql_types::BoolOrNullableBool,
};

use super::{OfTenant, TenantKey, TenantRepository, TenantTable, condition::OwnAnd};
use crate::{
    backend::Backend,
    entity::{Entity, Table, Writable},
    error::{Error, Result},
    guards::SoftDelete,
    repository::{EachColumns, Stream},
    shape::Of,
};

type RestOfKey<E> = <<E as Entity>::Key as TenantKey>::Rest;

impl<DB, E> TenantRepository<'_, DB, Of<E>, E>
where
    DB: Backend,
    E: TenantTable<DB>,
{
    /// Hands the tenant's rows of a query over one by one, as [`Repository::stream`](crate::Repository::stream).
    ///
    /// That they are the tenant's is added to whatever `refine` says, and each is compared with the tenant before it is handed over.
    ///
    /// # Errors
    /// As there; [`Error::WrongTenant`] if the query gave a row of another tenant, after those before it were handed over.
    #[track_caller]
    pub fn stream<'q>(
        &self,
        refine: impl FnOnce(E::Query<'q>) -> E::Query<'q>,
        mut each: impl FnMut(E) -> Result<ControlFlow<()>>,
    ) -> Result<u64>
    where
        DB: Stream,
    {
        let rows = self.inner.clone().reshaped(|_| Of::<E>::new());
        rows.stream(
            |query| E::of_tenant(refine(query), self.tenant().clone()),
            |row| {
                if row.key().tenant() == self.tenant() { each(row) } else { Err(Error::WrongTenant { table: E::NAME }) }
            },
        )
    }
}

impl<DB, E> TenantRepository<'_, DB, Of<E>, E>
where
    DB: Backend,
    E: Table<DB> + OfTenant + Writable,
{
    /// Writes a value of its own into one column of each of the tenant's rows, as
    /// [`Repository::update_each`](crate::Repository::update_each).
    ///
    /// # Errors
    /// As there; and as [`update`](Self::update).
    #[track_caller]
    pub fn update_each<'v, C, V>(&self, column: C, values: &'v [(RestOfKey<E>, V)]) -> Result<Vec<Option<E>>>
    where
        (C,): EachColumns<'v, DB, E::Table, (V,)>,
        V: Clone,
    {
        let _ = column;
        self.each::<(C,), (V,)>(values.iter().map(|(rest, value)| (rest.clone(), (value.clone(),))))
    }

    /// Writes values of its own into several columns of each of the tenant's rows, as
    /// [`Repository::update_each_of`](crate::Repository::update_each_of).
    ///
    /// # Errors
    /// As [`update_each`](Self::update_each).
    #[track_caller]
    pub fn update_each_of<'v, C, V>(&self, columns: C, values: &'v [(RestOfKey<E>, V)]) -> Result<Vec<Option<E>>>
    where
        C: EachColumns<'v, DB, E::Table, V>,
        V: Clone,
    {
        let _ = columns;
        self.each::<C, V>(values.iter().cloned())
    }

    #[track_caller]
    fn each<'v, C, V>(&self, values: impl ExactSizeIterator<Item = (RestOfKey<E>, V)>) -> Result<Vec<Option<E>>>
    where
        C: EachColumns<'v, DB, E::Table, V>,
    {
        if values.len() == 0 {
            return Ok(Vec::new());
        }
        let values = values.map(|(rest, value)| (self.whole::<E::Key>(rest), value));
        self.write_any(
            "update",
            |rows| rows.each::<C, V>(values),
            |written, is_own| written.iter().flatten().all(is_own),
        )
    }

    /// Takes every row of the tenant's that meets a condition out of the table, deleted or not, as
    /// [`Repository::delete_forever_where`](crate::Repository::delete_forever_where).
    ///
    /// # Errors
    /// As there; [`Error::WrongTenant`] if raw SQL in the condition has got at a row of another tenant: nothing is deleted then.
    #[track_caller]
    pub fn delete_forever_where<P>(&self, condition: P) -> Result<Vec<E>>
    where
        E: SoftDelete + TenantTable<DB>,
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + AppearsOnTable<E::Table> + QueryFragment<DB>,
    {
        let own = OwnAnd::new::<E>(self.tenant().clone(), condition);
        self.write("delete", |rows| rows.delete_forever_where(own), Vec::as_slice)
    }
}
