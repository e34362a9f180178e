//! Walks over references, whose results are kept for as long as no reference is written that they were made of.

use std::{cell::RefCell, collections::HashSet, hash::Hash, slice};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    backend::Backend,
    entity::{Entity, PatternOn},
    error::{Error, Result},
    queries::{CachedQuery, Dependencies},
    row::SelectList,
    session::{Access, Consistency, Target},
    statement::Statement,
};

/// A result that depends on more nodes than this is not kept: each read of it would have to ask for as many stamps.
pub(super) const MOST_KEPT: usize = 4_096;

/// How often it is tried to keep what grows meanwhile.
const ROUNDS: usize = 3;

/// A node, and from where it was come to.
pub(super) type Step<K> = (K, K);

/// Asks the database for all steps.
pub(super) type Go<'w, DB, K> = dyn Fn(Access<'_, DB>) -> Result<Vec<Step<K>>> + 'w;

/// A walk: where it begins, how it is gone, and what its steps are made of.
pub(super) struct Walk<'w, DB: Backend, K, T> {
    /// What tells it from others of the model.
    pub(super) name: String,
    pub(super) start: &'w K,
    /// What it differs by beside the start.
    pub(super) limits: T,
    /// Asks the database for all steps from the start.
    pub(super) go: &'w Go<'w, DB, K>,
    /// The nodes of a walk, beside the start, that it would have gone on from otherwise, had what refers to them been another.
    pub(super) nodes: &'w dyn Fn(&[Step<K>]) -> Vec<K>,
    /// Adds what the steps from a node depend on.
    pub(super) depend: &'w dyn Fn(Dependencies<DB>, &K) -> Dependencies<DB>,
}

impl<DB, K, T> Walk<'_, DB, K, T>
where
    DB: Backend,
    K: Clone + Eq + Hash + Serialize + DeserializeOwned,
    T: Serialize,
{
    /// The steps, as they are kept, or by `otherwise` where it is known already that they are too many to be.
    ///
    /// What they depend on is known only when they are: a walk that was made before says where to look for changes. If the walk that is to be kept has
    /// come to other nodes than the one before, that is tried again with what it has found.
    pub(super) fn kept<E: Entity, R>(
        &self,
        access: Access<'_, DB>,
        finish: impl Fn(Vec<Step<K>>) -> R,
        otherwise: impl Fn(Access<'_, DB>) -> Result<R>,
    ) -> Result<R> {
        let Target::Handle(larder) = access.target() else { return otherwise(access) };
        // Where nothing is kept, there is no use in knowing what it would depend on.
        let is_kept = access.layers().is_some_and(|layers| !layers.is_store_spared());
        if !is_kept || access.asked_of_queries() == Consistency::Database {
            return otherwise(access);
        }
        let last = larder.aside::<_, Option<Vec<K>>>(&self.name);
        let parameters = (self.start, &self.limits);
        let fresh = RefCell::new(None);
        // Of more than are kept it is only remembered that there are so many.
        let found = |steps: &[Step<K>]| Some((self.nodes)(steps)).filter(|nodes| nodes.len() <= MOST_KEPT);
        let mut known = last.load(&parameters, || {
            let steps = (self.go)(access)?;
            let known = found(&steps);
            *fresh.borrow_mut() = Some(steps);
            Ok::<_, Error>(known)
        })?;
        for _ in 0..ROUNDS {
            let Some(nodes) = &known else { break };
            let all = || nodes.iter().chain(slice::from_ref(self.start));
            let depends_on = all().fold(Dependencies::new(), self.depend);
            let query = CachedQuery::new(access, &self.name).of::<E>().params(&parameters);
            let expected: HashSet<_> = all().collect();
            let changed = RefCell::new(None);
            let kept = query.depends_on_all(&depends_on).load_from(|access| {
                let steps = (self.go)(access)?;
                let nodes = (self.nodes)(&steps);
                // Of one that is smaller a part of what it would depend on has nothing to do with it any more.
                let of_these: HashSet<_> = nodes.iter().chain(slice::from_ref(self.start)).collect();
                if of_these == expected {
                    return Ok(steps);
                }
                *changed.borrow_mut() = Some(steps);
                // Not to be kept, and no error of anybody's.
                Err(Error::Doomed)
            });
            let Some(steps) = changed.into_inner() else { return kept.map(finish) };
            known = found(&steps);
            *fresh.borrow_mut() = Some(steps);
            last.forget(&parameters);
            last.load(&parameters, || Ok::<_, Error>(known.clone()))?;
        }
        // It has more nodes than are kept, or changes as fast as it is read.
        match fresh.into_inner() {
            Some(steps) => Ok(finish(steps)),
            None => otherwise(access),
        }
    }
}

/// Appends the columns of a key, as the table has them.
pub(super) fn push_key<DB: Backend, P: PatternOn<DB>>(statement: &mut Statement<'_, DB>) {
    let mut list = SelectList::new();
    P::select(&mut list);
    statement.separated(", ", list.items, |statement, item| {
        statement.fragment(item);
    });
}
