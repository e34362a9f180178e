//! Trees: rows of a table that refer to rows of the same table.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    marker::PhantomData,
};

use diesel::{deserialize, row::Row};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Repository,
    walk::{Step, Walk, push_key},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    error::Result,
    key::Key as _,
    load,
    lookout::Sent,
    queries::{Dependencies, KeyOf},
    row::{FromRow, RowReader},
    session::Access,
    shape::Shape,
    statement::Statement,
};

/// How deep is gone unless it is said otherwise.
const DEPTH: usize = 100;

/// How far up is gone at most: each step is a row, and in a circle there is no other end.
const MOST_ANCESTORS: usize = 10_000;

/// A table as a tree, whose rows name their parents. [`Repository::tree`] makes it.
///
/// A row has one parent, or none. Where references run in a circle, each row comes once.
#[must_use = "rows are had by `descendants_of` or `ancestors_of`"]
pub struct Tree<'r, 's, DB: Backend, S, P> {
    repository: &'r Repository<'s, DB, S>,
    depth: usize,
    by_parent: PhantomData<fn() -> P>,
}

impl<DB: Backend, S, P: Pattern> fmt::Debug for Tree<'_, '_, DB, S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree of {} by {}", P::Entity::NAME, P::COLUMNS.join(", "))
    }
}

/// A row of a tree.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Node<K, T> {
    /// The key of the row from which it was come to: its parent among descendants, the child among ancestors.
    pub from: K,
    /// How many references away: 1 for a child, or for the parent.
    pub depth: usize,
    /// The row, in the shape of the repository.
    pub row: T,
}

impl<'s, DB, S> Repository<'s, DB, S>
where
    DB: Backend,
    S: Shape<DB>,
{
    /// The table as a tree, by a reference to itself: `categories.tree(Category::key_by_parent_id)`.
    pub fn tree<'r, P>(&'r self, _by_parent: impl Fn(<S::Entity as Entity>::Key) -> KeyOf<P>) -> Tree<'r, 's, DB, S, P>
    where
        P: PatternOn<DB> + Pattern<Entity = S::Entity, Key = <S::Entity as Entity>::Key>,
    {
        // A list by this pattern is the children of a node, and its cell what a write of one of them marks.
        const { assert!(P::COLUMNS.len() == 1, "a tree is of a key of one column") };
        Tree { repository: self, depth: DEPTH, by_parent: PhantomData }
    }
}

type KeyIn<S, DB> = <<S as Shape<DB>>::Entity as Entity>::Key;
type Steps<S, DB> = Vec<Step<KeyIn<S, DB>>>;
type Nodes<S, DB> = Vec<Node<KeyIn<S, DB>, <S as Shape<DB>>::Output>>;
/// Asks the database for all steps from a node.
type Go<'w, S, DB> = dyn Fn(Access<'_, DB>, &KeyIn<S, DB>) -> Result<Steps<S, DB>> + 'w;
/// Adds what the steps from a node depend on.
type Depend<S, DB> = dyn Fn(Dependencies<DB>, &KeyIn<S, DB>) -> Dependencies<DB>;

impl<DB, S, P> Tree<'_, '_, DB, S, P>
where
    DB: Backend,
    S: Shape<DB>,
    P: PatternOn<DB> + Pattern<Entity = S::Entity, Key = KeyIn<S, DB>>,
    KeyIn<S, DB>: Serialize + DeserializeOwned,
{
    /// Goes no deeper than that. Defaults to 100.
    pub fn depth(mut self, at_most: usize) -> Self {
        self.depth = at_most;
        self
    }

    /// All that lies below a row, by depth and then by key; the row itself is not among it.
    ///
    /// Which rows those are is kept in the store for as long as no reference of theirs, and none to them, is written: it depends on the lists of children
    /// of the row and of each that was found, and so a write empties exactly the results that its rows were, are or come to be in. The rows come
    /// through the caches of rows. Costs two round trips and what [`Repository::find_many`] does where it is kept; if not, two
    /// statements and some round trips more, and one statement of more than 4,096 rows, which are not kept.
    ///
    /// # Errors
    /// Those of [`Repository::query`].
    #[track_caller]
    pub fn descendants_of(self, root: impl Into<KeyIn<S, DB>>) -> Result<Nodes<S, DB>> {
        let root = root.into().canonical(DB::KEEPS_NANOSECONDS);
        self.nodes(root, "below", &|access, root| self.below(access, root), &|all, key| {
            all.key(KeyOf::<P>::new(key.clone()))
        })
    }

    /// The row's parent, its parent, and so on to the top. A row whose references run in a circle has each of that once.
    ///
    /// No more than 10,000 of them are found, however deep it may go. It is kept as [`descendants_of`](Self::descendants_of) is, and depends on the row and on each that was found.
    ///
    /// # Errors
    /// Those of [`Repository::query`].
    #[track_caller]
    pub fn ancestors_of(self, row: impl Into<KeyIn<S, DB>>) -> Result<Nodes<S, DB>> {
        let row = row.into().canonical(DB::KEEPS_NANOSECONDS);
        self.nodes(row, "above", &|access, row| self.above(access, row), &|all, key| {
            all.key(KeyOf::<<S::Entity as Entity>::Primary>::new(key.clone()))
        })
    }

    fn nodes(
        &self,
        start: KeyIn<S, DB>,
        direction: &str,
        walk: &Go<'_, S, DB>,
        depend: &Depend<S, DB>,
    ) -> Result<Nodes<S, DB>> {
        let access = self.repository.source.access().here();
        let name = format!("{}:{}:{direction}", P::Entity::cells_name(), P::NAME);
        let go = |access: Access<'_, DB>| walk(access, &start);
        let nodes = |steps: &[Step<KeyIn<S, DB>>]| steps.iter().map(|(key, _)| key.clone()).collect();
        let kept = Walk { name, start: &start, limits: self.depth, go: &go, nodes: &nodes, depend };
        let steps = kept.kept::<P::Entity, _>(access, |steps| steps, go)?;
        let keys: Vec<_> = steps.iter().map(|(key, _)| key.clone()).collect();
        let rows = self.repository.find_many(&keys)?;
        let mut depths = HashMap::from([(start, 0)]);
        let mut nodes = Vec::with_capacity(steps.len());
        for ((key, from), row) in steps.into_iter().zip(rows) {
            // Those that are nearer come first.
            let depth = depths.get(&from).map_or(1, |depth| depth + 1);
            depths.insert(key, depth);
            nodes.extend(row.map(|row| Node { from, depth, row }));
        }
        Ok(nodes)
    }

    fn below(&self, access: Access<'_, DB>, root: &KeyIn<S, DB>) -> Result<Steps<S, DB>> {
        let table = || load::table::<DB, S::Entity>();
        let mut statement = Statement::new();
        statement.sql("WITH RECURSIVE larder_tree (larder_key, larder_from, larder_depth) AS (SELECT ");
        push_step::<DB, P>(&mut statement);
        statement.sql(", 1 FROM ").fragment(table()).sql(" WHERE ");
        P::matching(vec![root.clone()], &mut statement);
        // Each row has one parent, so that a circle can only be one through the root.
        statement.sql(" AND NOT (");
        <S::Entity as Table<DB>>::ByKey::matching(vec![root.clone()], &mut statement);
        statement.sql(")");
        if !access.with_deleted() {
            load::and_live::<DB, S::Entity>(&mut statement);
        }
        statement.sql(" UNION ALL SELECT ");
        push_step::<DB, P>(&mut statement);
        statement.sql(", larder_depth + 1 FROM ").fragment(table()).sql(" INNER JOIN larder_tree ON ");
        push_key::<DB, P>(&mut statement);
        statement.sql(" = larder_key WHERE larder_depth < ");
        DB::bind_limit(self.depth, &mut statement);
        statement.sql(" AND NOT (");
        <S::Entity as Table<DB>>::ByKey::matching(vec![root.clone()], &mut statement);
        statement.sql(")");
        if !access.with_deleted() {
            load::and_live::<DB, S::Entity>(&mut statement);
        }
        statement.sql(") SELECT larder_key, larder_from FROM larder_tree ORDER BY larder_depth, larder_key");
        if self.depth == 0 {
            return Ok(Vec::new());
        }
        self.walk(access, statement)
    }

    fn above(&self, access: Access<'_, DB>, row: &KeyIn<S, DB>) -> Result<Steps<S, DB>> {
        let table = || load::table::<DB, S::Entity>();
        let mut statement = Statement::new();
        statement.sql("WITH RECURSIVE larder_tree (larder_from, larder_key, larder_depth) AS (SELECT ");
        push_step::<DB, P>(&mut statement);
        statement.sql(", 1 FROM ").fragment(table()).sql(" WHERE ");
        <S::Entity as Table<DB>>::ByKey::matching(vec![row.clone()], &mut statement);
        if !access.with_deleted() {
            load::and_live::<DB, S::Entity>(&mut statement);
        }
        statement.sql(" UNION ALL SELECT ");
        push_step::<DB, P>(&mut statement);
        statement.sql(", larder_depth + 1 FROM ").fragment(table()).sql(" INNER JOIN larder_tree ON ");
        push_key::<DB, <S::Entity as Table<DB>>::ByKey>(&mut statement);
        statement.sql(" = larder_tree.larder_key WHERE larder_depth < ");
        DB::bind_limit(self.depth.min(MOST_ANCESTORS), &mut statement);
        if !access.with_deleted() {
            load::and_live::<DB, S::Entity>(&mut statement);
        }
        statement.sql(
            ") SELECT larder_key, larder_from FROM larder_tree WHERE larder_key IS NOT NULL ORDER BY larder_depth",
        );
        if self.depth == 0 {
            return Ok(Vec::new());
        }
        let mut steps = self.walk(access, statement)?;
        // Where the references run in a circle, the way is gone once.
        let mut seen = HashSet::from([row.clone()]);
        let end = steps.iter().position(|(key, _)| !seen.insert(key.clone()));
        steps.truncate(end.unwrap_or(steps.len()));
        Ok(steps)
    }

    fn walk(&self, access: Access<'_, DB>, statement: Statement<'_, DB>) -> Result<Steps<S, DB>> {
        let sent = Sent { operation: "SELECT", is_own: false, is_call: true };
        let rows: Vec<StepRow<P>> = access.select::<S::Entity, _>(sent, statement)?;
        Ok(rows.into_iter().map(|StepRow(step)| step).collect())
    }
}

/// Appends the key of a row, and that of its parent.
fn push_step<DB: Backend, P: PatternOn<DB>>(statement: &mut Statement<'_, DB>) {
    push_key::<DB, <P::Entity as Table<DB>>::ByKey>(statement);
    statement.sql(", ");
    push_key::<DB, P>(statement);
}

/// A step as the database gives it: a key, and one that refers to it or is referred to.
struct StepRow<P: Pattern>(Step<P::Key>);

impl<DB, P> FromRow<DB> for StepRow<P>
where
    DB: Backend,
    P: PatternOn<DB>,
    P::Entity: Entity<Key = P::Key>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let key = <P::Entity as Table<DB>>::ByKey::read(row)?.ok_or("a primary key is never NULL")?;
        let from = P::read(row)?.ok_or("a node was come to from another")?;
        Ok(Self((key, from)))
    }
}
