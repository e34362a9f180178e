use std::{borrow::Cow, marker::PhantomData};

use diesel::{
    Column,
    deserialize::FromSqlRow,
    query_builder::QueryFragment,
    sql_types::{Foldable, IntoNullable},
};

use crate::{
    backend::Backend,
    codec::Codec,
    entity::{Pattern, PatternOn, Table},
    error::Result,
    explain::{Explanation, Plan},
    load::{self, Refined},
    queries::{Aggregate, aggregate_by},
    relation::{IntoOrder, Term},
    repeats::Verb,
    session::{Access, Source},
    shape::Shape,
};

/// The rows with one key of an access pattern, in the pattern's order unless another is asked for.
///
/// In the pattern's order it has [pages](List::page).
#[must_use = "a list is loaded by `load`, `first` or `page`"]
pub struct List<'s, DB: Backend, S, P: Pattern, O = InOwnOrder> {
    pub(super) source: Source<'s, DB>,
    pub(super) shape: S,
    pub(super) key: P::Key,
    limit: usize,
    order: Option<Vec<Term>>,
    pattern: PhantomData<fn() -> (P, O)>,
}

/// The order of a [`List`] that its pattern declares.
#[derive(Debug)]
pub enum InOwnOrder {}

/// The order of a [`List`] that [`List::order`] was given. Such a list has no pages.
#[derive(Debug)]
pub enum InAnotherOrder {}

/// [`InOwnOrder`], and no other.
#[diagnostic::on_unimplemented(
    message = "a list in another order than its own has no pages",
    label = "this list was given another order",
    note = "declare the order on the model: `#[larder(index(column; order = other.desc()))]`"
)]
pub trait OwnOrder {}

impl OwnOrder for InOwnOrder {}

impl<'s, DB: Backend, S, P: Pattern> List<'s, DB, S, P> {
    pub(super) fn new(source: Source<'s, DB>, shape: S, key: P::Key) -> Self {
        Self { source, shape, key, limit: load::ALL, order: None, pattern: PhantomData }
    }
}

impl<'s, DB, S, P, O> List<'s, DB, S, P, O>
where
    DB: Backend,
    S: Shape<DB>,
    P: PatternOn<DB> + Pattern<Entity = S::Entity>,
{
    /// Keeps the first `n` rows. Defaults to all.
    ///
    /// In the pattern's own order, a cell that is empty is filled with whole rows all the same: up to `head` + 1 of them are read.
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = n;
        self
    }

    /// Orders by other columns than the pattern does: `orders::total_amount.desc()`. Such a list comes from the database each
    /// time.
    pub fn order(self, order: impl IntoOrder<<S::Entity as Table<DB>>::Table>) -> List<'s, DB, S, P, InAnotherOrder> {
        let Self { source, shape, key, limit, .. } = self;
        List { source, shape, key, limit, order: Some(order.terms()), pattern: PhantomData }
    }

    /// Loads the rows.
    ///
    /// Costs one round trip if the list is cached, up to the number of rows that its cell holds (`head` of the index, 256 unless
    /// it says otherwise). If not: one more for a lease, one statement, and one round trip to fill it in.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) if the statement fails, [`Error::Pool`](crate::Error::Pool) if there is no
    /// connection for it.
    #[track_caller]
    pub fn load(self) -> Result<Vec<S::Output>> {
        let access = self.source.access().single::<P>(Verb::List);
        self.load_by(access)
    }

    /// What [`load`](Self::load) would do, without doing it.
    ///
    /// Costs one round trip for each level whose keys are not all near, and no statement.
    pub fn explain(self) -> Explanation {
        let plan = Plan::default();
        // Whatever fails, does so for want of rows, after it was taken down.
        let _ = self.load_by(self.source.access().explained(&plan));
        plan.explained()
    }

    fn load_by(&self, access: Access<'_, DB>) -> Result<Vec<S::Output>> {
        let keys = [self.key.clone()];
        let heads = match self.order.as_deref().filter(|order| *order != P::ORDER) {
            None => load::rows_by::<DB, P, S::Head>(access, &keys, self.limit)?.pop().unwrap_or_default().into_vec(),
            Some(order) => {
                let _watch = access.lookout().watch::<S::Entity>("list", access.site());
                let refined = || Refined { filter: None, order: Cow::Borrowed(order), limit: self.limit };
                let loaded = load::select_by::<DB, P, S::Head>(access, &keys, refined)?.pop().unwrap_or_default();
                loaded.into_iter().map(load::Loaded::narrow).collect()
            }
        };
        access.go_on(|| self.shape.assemble(access, heads))
    }

    /// The sum of a column of all rows with the key, whatever the limit: `None`, which NULL is read as, if there are none.
    ///
    /// `T` is what Diesel reads `sum(column)` as, an `Option`. It is kept in the store for as long as no row comes to the key, leaves it or
    /// changes there, and for the model's `ttl` at most. Costs one round trip if it is stored; if not, one statement and up to three round
    /// trips more. Many keys are so many calls.
    ///
    /// # Errors
    /// As [`List::load`].
    #[track_caller]
    pub fn sum<C, T>(self, column: C) -> Result<T>
    where
        C: Column<Table = <S::Entity as Table<DB>>::Table, SqlType: Foldable> + QueryFragment<DB> + Send + 'static,
        T: FromSqlRow<<C::SqlType as Foldable>::Sum, DB> + Codec + 'static,
        <C::SqlType as Foldable>::Sum: 'static,
    {
        self.aggregate::<C, <C::SqlType as Foldable>::Sum, T>(Aggregate::Sum, column)
    }

    /// The mean of a column of all rows with the key, as [`List::sum`]. `T` is what Diesel reads `avg(column)` as.
    ///
    /// # Errors
    /// As [`List::load`].
    #[track_caller]
    pub fn avg<C, T>(self, column: C) -> Result<T>
    where
        C: Column<Table = <S::Entity as Table<DB>>::Table, SqlType: Foldable> + QueryFragment<DB> + Send + 'static,
        T: FromSqlRow<<C::SqlType as Foldable>::Avg, DB> + Codec + 'static,
        <C::SqlType as Foldable>::Avg: 'static,
    {
        self.aggregate::<C, <C::SqlType as Foldable>::Avg, T>(Aggregate::Avg, column)
    }

    /// The least value of a column of all rows with the key, as [`List::sum`].
    ///
    /// # Errors
    /// As [`List::load`].
    #[track_caller]
    pub fn min<C, T>(self, column: C) -> Result<Option<T>>
    where
        C: Column<Table = <S::Entity as Table<DB>>::Table, SqlType: IntoNullable> + QueryFragment<DB> + Send + 'static,
        Option<T>: FromSqlRow<<C::SqlType as IntoNullable>::Nullable, DB> + Codec + 'static,
        <C::SqlType as IntoNullable>::Nullable: 'static,
    {
        self.aggregate::<C, <C::SqlType as IntoNullable>::Nullable, Option<T>>(Aggregate::Min, column)
    }

    /// The greatest value of a column of all rows with the key, as [`List::sum`].
    ///
    /// # Errors
    /// As [`List::load`].
    #[track_caller]
    pub fn max<C, T>(self, column: C) -> Result<Option<T>>
    where
        C: Column<Table = <S::Entity as Table<DB>>::Table, SqlType: IntoNullable> + QueryFragment<DB> + Send + 'static,
        Option<T>: FromSqlRow<<C::SqlType as IntoNullable>::Nullable, DB> + Codec + 'static,
        <C::SqlType as IntoNullable>::Nullable: 'static,
    {
        self.aggregate::<C, <C::SqlType as IntoNullable>::Nullable, Option<T>>(Aggregate::Max, column)
    }

    #[track_caller]
    fn aggregate<C, ST, T>(self, aggregate: Aggregate, column: C) -> Result<T>
    where
        C: Column + QueryFragment<DB> + Send + 'static,
        ST: 'static,
        T: FromSqlRow<ST, DB> + Codec + 'static,
    {
        aggregate_by::<DB, P, C, ST, T>(self.source.access().here(), &self.key, aggregate, column)
    }

    /// Loads the first row.
    ///
    /// # Errors
    /// As [`List::load`].
    #[track_caller]
    pub fn first(self) -> Result<Option<S::Output>> {
        Ok(self.limit(1).load()?.pop())
    }
}
