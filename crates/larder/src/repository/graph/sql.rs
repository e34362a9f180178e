//! The statements that walk a graph.
//!
//! A walk has each node once a depth, so that it ends where edges run in circles; of those, the least depth is the node's. Which edges lead there is
//! looked up when all of them are known: had the walk taken them along, it would have gone on from a node once for each of its edges.

use diesel::{deserialize, row::Row};

use crate::{
    backend::Backend,
    entity::{Pattern, PatternOn, Table},
    error::Result,
    load,
    lookout::Sent,
    repository::walk::{Step, push_key},
    row::{FromRow, RowReader},
    session::Access,
    statement::Statement,
};

/// Asks for all steps from a node to nodes of `N`: the nearest first, and of those that are equally near the least.
pub(super) fn reach<'q, DB, N, F, T>(
    access: Access<'_, DB>,
    root: &N::Key,
    depth: usize,
    limit: usize,
    live: bool,
) -> Statement<'q, DB>
where
    DB: Backend,
    N: Table<DB>,
    F: PatternOn<DB> + Pattern<Key = N::Key>,
    T: PatternOn<DB> + Pattern<Entity = F::Entity, Key = N::Key>,
{
    let mut statement = walk::<DB, N, F, T>(access, root, depth, live);
    statement.sql(" ORDER BY 2, 1 LIMIT ");
    // The root is among them.
    DB::bind_limit(limit.saturating_add(1), &mut statement);
    statement.sql(")");
    push_steps::<DB, F, T>(access, "larder_found", &mut statement);
    statement
}

/// Asks for the steps of all shortest ways from a node to another.
pub(super) fn path<'q, DB, N, F, T>(
    access: Access<'_, DB>,
    from: &N::Key,
    to: &N::Key,
    depth: usize,
    live: bool,
) -> Statement<'q, DB>
where
    DB: Backend,
    N: Table<DB>,
    F: PatternOn<DB> + Pattern<Key = N::Key>,
    T: PatternOn<DB> + Pattern<Entity = F::Entity, Key = N::Key>,
{
    let mut statement = walk::<DB, N, F, T>(access, from, depth, live);
    statement.sql("), larder_path (larder_node, larder_depth) AS (SELECT larder_node, larder_depth FROM ");
    statement.fragment(load::table::<DB, F::Entity>()).sql(" INNER JOIN larder_found ON ");
    push_key::<DB, T>(&mut statement);
    statement.sql(" = larder_node WHERE ");
    T::matching(vec![to.clone()], &mut statement);
    push_live::<DB, F::Entity>(access, &mut statement);
    statement.sql(" UNION SELECT larder_found.larder_node, larder_found.larder_depth FROM ");
    statement.fragment(load::table::<DB, F::Entity>()).sql(" INNER JOIN larder_path ON ");
    push_key::<DB, T>(&mut statement);
    statement.sql(" = larder_path.larder_node INNER JOIN larder_found ON ");
    push_key::<DB, F>(&mut statement);
    statement.sql(" = larder_found.larder_node AND larder_found.larder_depth = larder_path.larder_depth - 1 WHERE larder_path.larder_depth > 0");
    push_live::<DB, F::Entity>(access, &mut statement);
    statement.sql(")");
    push_steps::<DB, F, T>(access, "larder_path", &mut statement);
    statement
}

/// Begins a statement: the nodes that are come to, each with its depth. The last of its tables is open.
fn walk<'q, DB, N, F, T>(access: Access<'_, DB>, root: &N::Key, depth: usize, live: bool) -> Statement<'q, DB>
where
    DB: Backend,
    N: Table<DB>,
    F: PatternOn<DB> + Pattern<Key = N::Key>,
    T: PatternOn<DB> + Pattern<Entity = F::Entity, Key = N::Key>,
{
    let edges = load::table::<DB, F::Entity>;
    let mut statement = Statement::new();
    statement.sql("WITH RECURSIVE larder_graph (larder_node, larder_depth) AS (SELECT ");
    push_key::<DB, F>(&mut statement);
    statement.sql(", 0 FROM ").fragment(edges()).sql(" WHERE ");
    F::matching(vec![root.clone()], &mut statement);
    push_live::<DB, F::Entity>(access, &mut statement);
    statement.sql(" UNION SELECT ");
    push_key::<DB, T>(&mut statement);
    statement.sql(", larder_depth + 1 FROM ").fragment(edges()).sql(" INNER JOIN larder_graph ON ");
    push_key::<DB, F>(&mut statement);
    statement.sql(" = larder_node WHERE larder_depth < ");
    DB::bind_limit(depth, &mut statement);
    push_live::<DB, F::Entity>(access, &mut statement);
    if live {
        statement.sql(" AND EXISTS (SELECT 1 FROM ").fragment(load::table::<DB, N>()).sql(" WHERE ");
        push_key::<DB, N::ByKey>(&mut statement);
        statement.sql(" = ");
        push_key::<DB, T>(&mut statement);
        push_live::<DB, N>(access, &mut statement);
        statement.sql(")");
    }
    statement.sql(
        "), larder_found (larder_node, larder_depth) AS \
         (SELECT larder_node, MIN(larder_depth) FROM larder_graph GROUP BY larder_node",
    );
    statement
}

/// Ends a statement: the edges between nodes of which one is a step further than the other.
fn push_steps<DB, F, T>(access: Access<'_, DB>, nodes: &'static str, statement: &mut Statement<'_, DB>)
where
    DB: Backend,
    F: PatternOn<DB>,
    T: PatternOn<DB> + Pattern<Entity = F::Entity>,
{
    statement.sql(" SELECT ");
    push_key::<DB, T>(statement);
    statement.sql(", ");
    push_key::<DB, F>(statement);
    statement.sql(" FROM ").sql(nodes).sql(" AS larder_from INNER JOIN ").fragment(load::table::<DB, F::Entity>());
    statement.sql(" ON ");
    push_key::<DB, F>(statement);
    statement.sql(" = larder_from.larder_node INNER JOIN ").sql(nodes).sql(" AS larder_to ON ");
    push_key::<DB, T>(statement);
    statement.sql(" = larder_to.larder_node AND larder_to.larder_depth = larder_from.larder_depth + 1");
    push_live::<DB, F::Entity>(access, statement);
    statement.sql(" ORDER BY larder_to.larder_depth, larder_to.larder_node, larder_from.larder_node");
}

fn push_live<DB: Backend, E: Table<DB>>(access: Access<'_, DB>, statement: &mut Statement<'_, DB>) {
    if !access.with_deleted() {
        load::and_live::<DB, E>(statement);
    }
}

/// Sends a statement that asks for steps.
pub(super) fn steps<DB, F, T>(access: Access<'_, DB>, statement: Statement<'_, DB>) -> Result<Vec<Step<F::Key>>>
where
    DB: Backend,
    F: PatternOn<DB>,
    T: PatternOn<DB> + Pattern<Entity = F::Entity, Key = F::Key>,
{
    let sent = Sent { operation: "SELECT", is_own: false, is_call: true };
    let rows: Vec<StepRow<F, T>> = access.select::<F::Entity, _>(sent, statement)?;
    Ok(rows.into_iter().map(|row| row.step).collect())
}

/// A step as the database gives it: the two ends of an edge.
struct StepRow<F: Pattern, T> {
    step: Step<F::Key>,
    _to: std::marker::PhantomData<fn() -> T>,
}

impl<DB, F, T> FromRow<DB> for StepRow<F, T>
where
    DB: Backend,
    F: PatternOn<DB>,
    T: PatternOn<DB> + Pattern<Entity = F::Entity, Key = F::Key>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let to = T::read(row)?.ok_or("a step leads to a node")?;
        let from = F::read(row)?.ok_or("a step leads from a node")?;
        Ok(Self { step: (to, from), _to: std::marker::PhantomData })
    }
}
