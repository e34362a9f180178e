use std::{borrow::Cow, collections::HashMap};

use quick_cache::DefaultHashBuilder;

use super::{Arity, Filter, Link, Rel, Relation, table_of};
use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn},
    error::Result,
    load::{self, Refined},
    payload::Rows,
    session::Access,
    shape::ShapeOf,
};

impl<DB, L, S, F> Relation<DB> for Rel<L, S, F>
where
    DB: Backend,
    L: Link<From: PatternOn<DB>, To: PatternOn<DB>>,
    S: ShapeOf<DB, <L::To as Pattern>::Entity>,
    F: Filter<DB>,
{
    type From = L::From;
    type Output = <L::Arity as Arity>::Of<S::Output>;

    fn load(&self, access: Access<'_, DB>, keys: Vec<Option<<L::From as Pattern>::Key>>) -> Result<Vec<Self::Output>> {
        // A relation to one row has nothing to limit.
        let limit = self.limit.filter(|_| L::Arity::LIMIT > 1).unwrap_or(L::Arity::LIMIT);
        let is_plain = self.is_plain() && self.filter.fragment().is_none();
        let near = if is_plain {
            load::rows_near::<DB, L::To, S::Head>(access, keys.iter().map(Option::as_ref), limit)
        } else {
            None
        };
        if let Some((heads, counts)) = near {
            return self.part(access, heads, counts);
        }
        let distinct = Distinct::of::<DB>(keys);
        let keys = &distinct.keys;
        let groups: Vec<Rows<S::Head>> = if is_plain {
            load::rows_by::<DB, L::To, S::Head>(access, keys, limit)?
        } else {
            let _watch = access.lookout().watch::<<L::To as Pattern>::Entity>("list", access.site());
            let order = || self.order.clone().map_or(Cow::Borrowed(L::To::ORDER), Cow::Owned);
            let refined = || Refined { filter: self.filter.fragment(), order: order(), limit };
            let loaded = load::select_by::<DB, L::To, S::Head>(access, keys, refined)?;
            loaded.into_iter().map(|rows| rows.into_iter().map(load::Loaded::narrow).collect()).collect()
        };

        let (heads, counts) = distinct.spread(groups);
        self.part(access, heads, counts)
    }
}

impl<L, S, F> Rel<L, S, F>
where
    L: Link,
{
    /// Gives each row that the relation starts from its own of the rows, which stand one after the other.
    fn part<DB>(
        &self,
        access: Access<'_, DB>,
        heads: Vec<S::Head>,
        counts: Vec<usize>,
    ) -> Result<Vec<<L::Arity as Arity>::Of<S::Output>>>
    where
        DB: Backend,
        S: ShapeOf<DB, <L::To as Pattern>::Entity>,
    {
        let mut rows = access.go_on(|| self.shape.assemble(access, heads))?.into_iter();
        let parted: Result<Vec<_>> =
            counts.into_iter().map(|n| L::Arity::take(&mut rows, n, table_of::<L>())).collect();
        // What is only explained lacks rows, and goes on.
        if access.explaining().is_some() { Ok(parted.unwrap_or_default()) } else { parted }
    }
}

/// Keys without repetition, in the order of their first appearance, and where each of the given ones went.
pub(crate) struct Distinct<K> {
    pub(crate) keys: Vec<K>,
    pub(crate) places: Vec<Option<usize>>,
    pub(crate) uses: Vec<usize>,
}

impl<K: crate::key::Key> Distinct<K> {
    pub(crate) fn of<DB: Backend>(given: impl IntoIterator<Item = Option<K>>) -> Self {
        let given = given.into_iter();
        let mut seen = HashMap::with_capacity_and_hasher(given.size_hint().0, DefaultHashBuilder::default());
        let (mut keys, mut uses) = (Vec::with_capacity(given.size_hint().0), Vec::with_capacity(given.size_hint().0));
        let places = given
            .map(|key| {
                let key = key?.canonical(DB::KEEPS_NANOSECONDS);
                let at = *seen.entry(key.clone()).or_insert_with(|| {
                    keys.push(key);
                    uses.push(0);
                    keys.len() - 1
                });
                uses[at] += 1;
                Some(at)
            })
            .collect();
        Self { keys, places, uses }
    }

    /// All rows of all given keys one after the other, so that the next level is loaded at once, and how many each has.
    ///
    /// `groups` are the rows of the distinct keys. A row under several given keys is cloned for all of them but the last.
    pub(crate) fn spread<H: Clone>(mut self, mut groups: Vec<Rows<H>>) -> (Vec<H>, Vec<usize>) {
        let mut counts = Vec::with_capacity(self.places.len());
        let mut heads = Vec::with_capacity(groups.iter().map(Rows::len).sum());
        for place in self.places {
            let Some(at) = place else {
                counts.push(0);
                continue;
            };
            counts.push(groups[at].len());
            self.uses[at] -= 1;
            if self.uses[at] == 0 {
                heads.extend(groups[at].drain(..));
            } else {
                heads.extend(groups[at].iter().cloned());
            }
        }
        (heads, counts)
    }
}
