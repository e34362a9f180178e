use std::marker::PhantomData;

use super::{All, Filter, Link, Relation, load::Distinct};
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn},
    error::Result,
    load,
    session::Access,
};

/// The number of a relation's rows, for each row that it starts from: an `i64`. [`Rel::count`](super::Rel::count) makes it.
///
/// A limit of the relation is the largest number that comes back. Answered from the cell of the full list where that is stored; otherwise one statement counts for all parents that lack it,
/// and nothing is stored.
pub struct Counted<L, F = All> {
    pub(super) filter: F,
    pub(super) limit: Option<usize>,
    pub(super) link: PhantomData<fn() -> L>,
}

impl<E, L: super::StartsFrom<E>, F> super::StartsFrom<E> for Counted<L, F> {
    type Checked = Counted<L::Checked, F>;

    fn checked(self) -> Self::Checked {
        let Self { filter, limit, .. } = self;
        Counted { filter, limit, link: PhantomData }
    }
}

impl<L, F: Clone> Clone for Counted<L, F> {
    fn clone(&self) -> Self {
        Self { filter: self.filter.clone(), limit: self.limit, link: self.link }
    }
}

/// The type that counting a relation has.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this relation can't be counted",
    note = "relations through a join table have no count: count those to the rows of the join table"
)]
pub trait Count {
    type Counted;

    fn counted(self) -> Self::Counted;
}

impl<L: Link, S, F> Count for super::Rel<L, S, F> {
    type Counted = Counted<L, F>;

    fn counted(self) -> Counted<L, F> {
        self.count()
    }
}

impl<DB, L, F> Relation<DB> for Counted<L, F>
where
    DB: Backend,
    L: Link<From: PatternOn<DB>, To: PatternOn<DB>>,
    F: Filter<DB>,
{
    type From = L::From;
    type Output = i64;

    fn load(&self, access: Access<'_, DB>, keys: Vec<Option<<L::From as Pattern>::Key>>) -> Result<Vec<i64>> {
        let Distinct { keys, places, .. } = Distinct::of::<DB>(keys);
        let counts = load::count_by::<DB, L::To>(access, &keys, || self.filter.fragment())?;
        let limit = self.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX);
        Ok(places.into_iter().map(|place| place.map_or(0, |at| counts[at].min(limit))).collect())
    }
}
