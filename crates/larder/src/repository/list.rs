use std::{borrow::Cow, marker::PhantomData};

use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn, Table},
    error::Result,
    explain::{Explanation, Plan},
    load::{self, Refined},
    relation::{IntoOrder, Term},
    repeats::Verb,
    session::{Access, Source},
    shape::Shape,
};

/// The rows with one key of an access pattern, in the pattern's order unless another is asked for.
#[must_use = "a list is loaded by `load` or `first`"]
pub struct List<'s, DB: Backend, S, P: Pattern> {
    source: Source<'s, DB>,
    shape: S,
    key: P::Key,
    limit: usize,
    order: Option<Vec<Term>>,
    pattern: PhantomData<fn() -> P>,
}

impl<'s, DB, S, P> List<'s, DB, S, P>
where
    DB: Backend,
    S: Shape<DB>,
    P: PatternOn<DB> + Pattern<Entity = S::Entity>,
{
    pub(super) fn new(source: Source<'s, DB>, shape: S, key: P::Key) -> Self {
        Self { source, shape, key, limit: load::ALL, order: None, pattern: PhantomData }
    }

    /// Keeps the first `n` rows. Defaults to all.
    ///
    /// In the pattern's own order, a cell that is empty is filled with whole rows all the same: up to `head` + 1 of them are read.
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = n;
        self
    }

    /// Orders by other columns than the pattern does: `orders::total_amount.desc()`. Such a list comes from the database each
    /// time.
    pub fn order(mut self, order: impl IntoOrder<<S::Entity as Table<DB>>::Table>) -> Self {
        self.order = Some(order.terms());
        self
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

    /// Loads the first row.
    ///
    /// # Errors
    /// As [`List::load`].
    #[track_caller]
    pub fn first(self) -> Result<Option<S::Output>> {
        Ok(self.limit(1).load()?.pop())
    }
}
