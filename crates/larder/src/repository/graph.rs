//! Graphs: rows of one table that rows of another lead from and to.

mod sql;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    marker::PhantomData,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Node, Repository,
    walk::{MOST_KEPT, Step, Walk},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn},
    error::Result,
    key::Key as _,
    queries::{Dependencies, KeyOf},
    session::Access,
    shape::Shape,
    tenant::Common,
};

/// How deep is gone unless it is said otherwise.
const DEPTH: usize = 6;

/// How deep is gone at most: where edges run in circles, each step more may go along all of them once more.
const MOST_DEPTH: usize = 100;

/// How often a path is looked for whose rows go meanwhile.
const ROUNDS: usize = 3;

/// Rows as the nodes of a graph, whose edges are rows of another model. [`Repository::graph`] makes it.
#[must_use = "rows are had by `reachable_from`, `neighbours_of` or `path`"]
pub struct Graph<'r, 's, DB: Backend, S, F, T> {
    repository: &'r Repository<'s, DB, S>,
    depth: usize,
    limit: usize,
    edges: PhantomData<fn() -> (F, T)>,
}

impl<DB: Backend, S, F: Pattern, T: Pattern> fmt::Debug for Graph<'_, '_, DB, S, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph by {} from {} to {}", F::Entity::NAME, F::COLUMNS.join(", "), T::COLUMNS.join(", "))
    }
}

impl<'s, DB, S> Repository<'s, DB, S>
where
    DB: Backend,
    S: Shape<DB>,
{
    /// The rows as the nodes of a graph, whose edges are rows of a model that is listed by either end:
    /// `users.graph(Follow::key_by_follower_id, Follow::key_by_followed_id)`.
    ///
    /// The ends the other way round are the same graph gone backwards.
    pub fn graph<'r, F, T>(
        &'r self,
        _from: impl Fn(KeyIn<S, DB>) -> KeyOf<F>,
        _to: impl Fn(KeyIn<S, DB>) -> KeyOf<T>,
    ) -> Graph<'r, 's, DB, S, F, T>
    where
        F: PatternOn<DB> + Pattern<Entity: Common, Key = KeyIn<S, DB>>,
        T: PatternOn<DB> + Pattern<Entity = F::Entity, Key = KeyIn<S, DB>>,
    {
        // The list of the edges from a node is its step, and its cell what a write of one of them marks.
        const { assert!(F::COLUMNS.len() == 1 && T::COLUMNS.len() == 1, "a graph is of keys of one column") };
        const {
            assert!(
                !same(S::Entity::NAME, F::Entity::NAME),
                "nodes and edges are rows of two tables, or it is a `tree`"
            )
        };
        Graph { repository: self, depth: DEPTH, limit: MOST_KEPT, edges: PhantomData }
    }
}

type KeyIn<S, DB> = <<S as Shape<DB>>::Entity as Entity>::Key;
type Steps<S, DB> = Vec<Step<KeyIn<S, DB>>>;
type Nodes<S, DB> = Vec<Node<KeyIn<S, DB>, <S as Shape<DB>>::Output>>;

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// What the steps from a node say of a path to another.
enum Way<K> {
    Found(Option<Vec<Step<K>>>),
    /// They end before all was seen.
    Unknown,
}

impl<DB, S, F, T> Graph<'_, '_, DB, S, F, T>
where
    DB: Backend,
    S: Shape<DB>,
    F: PatternOn<DB> + Pattern<Entity: Common, Key = KeyIn<S, DB>>,
    T: PatternOn<DB> + Pattern<Entity = F::Entity, Key = KeyIn<S, DB>>,
    KeyIn<S, DB>: Serialize + DeserializeOwned,
{
    /// Goes no deeper than that. Defaults to 6, and is 100 at most.
    ///
    /// Where edges run in circles, the database may go along each of them once a step: what is asked of it is bounded by the depth times the
    /// edges that are come to.
    pub fn depth(mut self, at_most: usize) -> Self {
        self.depth = at_most.min(MOST_DEPTH);
        self
    }

    /// Finds no more nodes than that, the nearest first. Defaults to 4,096; what has more is not kept.
    pub fn limit(mut self, n: usize) -> Self {
        self.limit = n;
        self
    }

    /// All that can be come to from a row, by depth and then by key; the row itself is not among it, and each other comes once, however many
    /// ways lead to it. [`Node::from`] is the least of the nodes before it on a shortest way.
    ///
    /// Which they are is kept in the store by root, for as long as no edge is written that begins at the root or at a node that was gone
    /// on from, or did before: a write of an edge empties exactly the results that its beginning is in. The rows come through the caches of rows. Costs
    /// two round trips and what [`Repository::find_many`] does where it is kept; if not, two statements and some round trips more, and one
    /// statement of more than 4,096 nodes, which are not kept.
    ///
    /// A node whose row is gone, or deleted [softly](crate::SoftDelete), is left out, and no way leads through it. As long as its edges are there
    /// one statement more is sent each time: have them go with it (`has_many(.., on_delete = cascade)`).
    ///
    /// # Errors
    /// Those of [`Repository::query`].
    #[track_caller]
    pub fn reachable_from(self, root: impl Into<KeyIn<S, DB>>) -> Result<Nodes<S, DB>> {
        let root = root.into().canonical(DB::KEEPS_NANOSECONDS);
        let access = self.repository.source.access().here();
        let steps = self.kept(access, &root, |steps| steps, |access| self.reach(access, &root, false))?;
        if let Some(nodes) = self.nodes(&root, steps)? {
            return Ok(nodes);
        }
        // Ways that led through what is gone may have hidden others.
        let steps = self.reach(access, &root, true)?;
        let keys: Vec<_> = steps.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.repository.find_many(&keys)?;
        Ok(assembled(&root, steps, rows))
    }

    /// What edges lead to from a row: [`reachable_from`](Self::reachable_from) of depth 1.
    ///
    /// # Errors
    /// Those of [`Repository::query`].
    #[track_caller]
    pub fn neighbours_of(self, row: impl Into<KeyIn<S, DB>>) -> Result<Nodes<S, DB>> {
        self.depth(1).reachable_from(row)
    }

    /// A shortest way from one row to another, by the number of its edges: the nodes after the first one, up to the other. Of ways that are
    /// of one length the least is given, by the keys of their nodes from the end. None leads to the row itself: that is found with no nodes.
    ///
    /// `None` if there is none within the depth. It is taken from what [`reachable_from`](Self::reachable_from) of the same depth and
    /// limit keeps, so that all ways from a row cost one walk. Where that does not reach far enough, or nothing is kept, it costs one statement.
    ///
    /// # Errors
    /// Those of [`Repository::query`].
    #[track_caller]
    pub fn path(self, from: impl Into<KeyIn<S, DB>>, to: impl Into<KeyIn<S, DB>>) -> Result<Option<Nodes<S, DB>>> {
        let from = from.into().canonical(DB::KEEPS_NANOSECONDS);
        let to = to.into().canonical(DB::KEEPS_NANOSECONDS);
        if from == to {
            return Ok(Some(Vec::new()));
        }
        let access = self.repository.source.access().here();
        let seen = |steps: Steps<S, DB>| match way(&from, &to, &steps) {
            None if steps.len() >= self.limit => Way::Unknown,
            way => Way::Found(way),
        };
        let mut way = match self.kept(access, &from, seen, |_| Ok(Way::Unknown))? {
            Way::Found(way) => way,
            Way::Unknown => self.path_steps(access, &from, &to, false)?,
        };
        for _ in 0..ROUNDS {
            let Some(steps) = way else { break };
            if let Some(nodes) = self.nodes(&from, steps)? {
                return Ok(Some(nodes));
            }
            way = self.path_steps(access, &from, &to, true)?;
        }
        Ok(None)
    }

    /// What is kept of the steps from a node.
    fn kept<R>(
        &self,
        access: Access<'_, DB>,
        start: &KeyIn<S, DB>,
        finish: impl Fn(Steps<S, DB>) -> R,
        otherwise: impl Fn(Access<'_, DB>) -> Result<R>,
    ) -> Result<R> {
        // From nodes at the greatest depth nothing was gone on from.
        let nodes = |steps: &[Step<KeyIn<S, DB>>]| {
            let depths = with_depths(start, steps);
            depths.filter(|(_, depth)| *depth < self.depth).map(|((key, _), _)| key.clone()).collect()
        };
        let walk = Walk {
            name: format!("{}:{}:{}", F::Entity::cells_name(), F::NAME, T::NAME),
            start,
            limits: (self.depth, self.limit),
            go: &|access| self.reach(access, start, false),
            nodes: &nodes,
            depend: &|all: Dependencies<DB>, key| all.key(KeyOf::<F>::new(key.clone())),
        };
        walk.kept::<F::Entity, R>(access, finish, otherwise)
    }

    /// The rows of steps, unless one of them is gone.
    fn nodes(&self, start: &KeyIn<S, DB>, steps: Steps<S, DB>) -> Result<Option<Nodes<S, DB>>> {
        let keys: Vec<_> = steps.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.repository.find_many(&keys)?;
        Ok(rows.iter().all(Option::is_some).then(|| assembled(start, steps, rows)))
    }

    /// All steps from a node, the nearest first: of several to one node, the first.
    fn reach(&self, access: Access<'_, DB>, root: &KeyIn<S, DB>, live: bool) -> Result<Steps<S, DB>> {
        if self.depth == 0 || self.limit == 0 {
            return Ok(Vec::new());
        }
        let statement = sql::reach::<DB, S::Entity, F, T>(access, root, self.depth, self.limit, live);
        Ok(first(root, sql::steps::<DB, F, T>(access, statement)?))
    }

    /// The steps of a shortest way, the first one first.
    fn path_steps(
        &self,
        access: Access<'_, DB>,
        from: &KeyIn<S, DB>,
        to: &KeyIn<S, DB>,
        live: bool,
    ) -> Result<Option<Steps<S, DB>>> {
        if self.depth == 0 {
            return Ok(None);
        }
        let statement = sql::path::<DB, S::Entity, F, T>(access, from, to, self.depth, live);
        Ok(way(from, to, &first(from, sql::steps::<DB, F, T>(access, statement)?)))
    }
}

/// Of steps that lead to one node the first, as far as they hang together.
fn first<K: Clone + Eq + std::hash::Hash>(start: &K, steps: Vec<Step<K>>) -> Vec<Step<K>> {
    let mut seen = HashSet::from([start.clone()]);
    // A database may take for one what are two keys here, and say that there is a way.
    steps.into_iter().filter(|(key, from)| seen.contains(from) && seen.insert(key.clone())).collect()
}

/// Steps with how far away they lead, those that are nearer first.
fn with_depths<'s, K: Eq + std::hash::Hash>(
    start: &'s K,
    steps: &'s [Step<K>],
) -> impl Iterator<Item = (&'s Step<K>, usize)> {
    let mut depths = HashMap::from([(start, 0)]);
    steps.iter().map(move |step| {
        let depth = depths.get(&step.1).map_or(1, |depth| depth + 1);
        depths.insert(&step.0, depth);
        (step, depth)
    })
}

/// The way to a node, if it is among these steps.
fn way<K: Clone + Eq + std::hash::Hash>(start: &K, to: &K, steps: &[Step<K>]) -> Option<Vec<Step<K>>> {
    let by_key: HashMap<_, _> = steps.iter().map(|step| (&step.0, step)).collect();
    let mut way = vec![(*by_key.get(to)?).clone()];
    while let Some((_, from)) = way.last().filter(|(_, from)| from != start) {
        // Each leads to a step before it.
        way.push((*by_key.get(from)?).clone());
    }
    way.reverse();
    Some(way)
}

fn assembled<K: Clone + Eq + std::hash::Hash, R>(
    start: &K,
    steps: Vec<Step<K>>,
    rows: Vec<Option<R>>,
) -> Vec<Node<K, R>> {
    let depths: Vec<_> = with_depths(start, &steps).map(|(_, depth)| depth).collect();
    let there = steps.into_iter().zip(depths).zip(rows);
    there.filter_map(|(((_, from), depth), row)| Some(Node { from, depth, row: row? })).collect()
}
