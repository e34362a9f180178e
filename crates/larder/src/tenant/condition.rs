//! A condition that holds for a tenant's rows only.

use std::marker::PhantomData;

use diesel::{
    AppearsOnTable, Expression,
    expression::{ValidGrouping, is_aggregate},
    query_builder::{AstPass, QueryFragment},
    result::QueryResult,
};

use super::TenantTable;
use crate::{backend::Backend, statement::Statement};

/// That a row is the tenant's, and meets a condition.
pub(super) struct OwnAnd<'c, DB: Backend, P> {
    statement: Statement<'c, DB>,
    condition: PhantomData<fn() -> P>,
}

impl<'c, DB: Backend, P: QueryFragment<DB> + 'c> OwnAnd<'c, DB, P> {
    pub(super) fn new<E: TenantTable<DB>>(tenant: E::Tenant, condition: P) -> Self {
        let mut statement = Statement::new();
        E::matching_tenant(tenant, &mut statement);
        // Whatever the condition is made of, the tenant binds outside of it.
        statement.sql(" AND (").fragment(Box::new(condition)).sql(")");
        Self { statement, condition: PhantomData }
    }
}

impl<DB: Backend, P> QueryFragment<DB> for OwnAnd<'_, DB, P> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(out)
    }
}

impl<DB: Backend, P: Expression> Expression for OwnAnd<'_, DB, P> {
    type SqlType = P::SqlType;
}

impl<DB: Backend, P: AppearsOnTable<QS>, QS: ?Sized> AppearsOnTable<QS> for OwnAnd<'_, DB, P> {}

impl<DB: Backend, P> ValidGrouping<()> for OwnAnd<'_, DB, P> {
    type IsAggregate = is_aggregate::No;
}
