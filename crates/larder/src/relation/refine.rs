//! Filters, orders and limits of a relation.

use diesel::{
    AppearsOnTable, Column, Expression, expression::NonAggregate, query_builder::QueryFragment,
    sql_types::BoolOrNullableBool,
};

use super::{Link, Rel, Term};
use crate::{
    backend::Backend,
    entity::{Pattern, Tabled},
    statement::Fragment,
};

/// The condition that a relation's rows must meet, beside belonging to their parent.
pub trait Filter<DB: Backend>: 'static {
    #[doc(hidden)]
    fn fragment(&self) -> Option<Fragment<'_, DB>>;
}

/// No condition: every row of the relation.
#[derive(Debug, Clone, Copy)]
pub struct All;

/// A condition, an expression of Diesel's. [`Rel::filter`] makes it.
#[derive(Debug, Clone)]
pub struct Where<P>(P);

impl<DB: Backend> Filter<DB> for All {
    fn fragment(&self) -> Option<Fragment<'_, DB>> {
        None
    }
}

impl<DB: Backend, P: QueryFragment<DB> + 'static> Filter<DB> for Where<P> {
    fn fragment(&self) -> Option<Fragment<'_, DB>> {
        Some(Box::new(&self.0))
    }
}

impl<L: Link, S> Rel<L, S> {
    /// Keeps only rows that meet a condition on their own table, in Diesel's language: `orders::status.eq(Status::Paid)`.
    ///
    /// Several conditions are joined by Diesel's `and`. What it compares with must be owned.
    #[must_use]
    pub fn filter<P>(self, condition: P) -> Rel<L, S, Where<P>>
    where
        <L::To as Pattern>::Entity: Tabled,
        P: Expression<SqlType: BoolOrNullableBool> + NonAggregate + 'static,
        P: AppearsOnTable<<<L::To as Pattern>::Entity as Tabled>::Table>,
    {
        let Self { shape, order, limit, link, .. } = self;
        Rel { shape, filter: Where(condition), order, limit, link }
    }
}

impl<L: Link, S, F> Rel<L, S, F> {
    /// Orders each parent's rows by columns of theirs: `orders::created_at.desc()`, or a tuple of such. Rows that this leaves
    /// equal are ordered by primary key.
    #[must_use]
    pub fn order<O>(mut self, order: O) -> Self
    where
        <L::To as Pattern>::Entity: Tabled,
        O: IntoOrder<<<L::To as Pattern>::Entity as Tabled>::Table>,
    {
        self.order = Some(order.terms());
        self
    }

    /// Keeps the first `n` rows of each parent. What is read for that: see [`Rel`].
    #[must_use]
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = Some(n);
        self
    }

    /// Whether the pattern's own cells can answer it.
    pub(super) fn is_plain(&self) -> bool {
        self.order.as_deref().is_none_or(|order| order == <L::To as Pattern>::ORDER)
    }
}

/// Columns to order by: `created_at.asc()`, `created_at.desc()`, or a tuple of up to three of those.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no order of columns of `{T}`",
    note = "write `column.asc()`, `column.desc()`, or a tuple of those"
)]
pub trait IntoOrder<T> {
    /// The columns, the most significant first.
    fn terms(self) -> Vec<Term>;
}

impl<C: Column> IntoOrder<C::Table> for diesel::dsl::Asc<C> {
    fn terms(self) -> Vec<Term> {
        vec![Term { column: C::NAME, descending: false }]
    }
}

impl<C: Column> IntoOrder<C::Table> for diesel::dsl::Desc<C> {
    fn terms(self) -> Vec<Term> {
        vec![Term { column: C::NAME, descending: true }]
    }
}

impl<T, A: IntoOrder<T>, B: IntoOrder<T>> IntoOrder<T> for (A, B) {
    fn terms(self) -> Vec<Term> {
        [self.0.terms(), self.1.terms()].concat()
    }
}

impl<T, A: IntoOrder<T>, B: IntoOrder<T>, C: IntoOrder<T>> IntoOrder<T> for (A, B, C) {
    fn terms(self) -> Vec<Term> {
        [self.0.terms(), self.1.terms(), self.2.terms()].concat()
    }
}
