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
    push_steps::<DB, F, T>(access, &mut statement);
    statement.sql(" SELECT larder_node, larder_from FROM larder_step ORDER BY larder_depth, larder_node, larder_from");
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
    push_steps::<DB, F, T>(access, &mut statement);
    statement.sql(
        ", larder_path (larder_node, larder_from, larder_depth) AS \
         (SELECT larder_node, larder_from, larder_depth FROM larder_step WHERE larder_node = (SELECT ",
    );
    // As the database has it: it may call equal what is not the same.
    push_key::<DB, T>(&mut statement);
    statement.sql(" FROM ").fragment(load::table::<DB, F::Entity>()).sql(" WHERE ");
    T::matching(vec![to.clone()], &mut statement);
    push_live::<DB, F::Entity>(access, &mut statement);
    statement.sql(
        " LIMIT 1) UNION SELECT larder_step.larder_node, larder_step.larder_from, larder_step.larder_depth \
         FROM larder_step INNER JOIN larder_path ON larder_step.larder_node = larder_path.larder_from \
         AND larder_step.larder_depth = larder_path.larder_depth - 1) \
         SELECT larder_node, larder_from FROM larder_path ORDER BY larder_depth, larder_node, larder_from",
    );
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

/// Closes the table of the nodes, and adds that of the steps: the edges between nodes of which one is a step further than the other.
///
/// From each node along its edges, and then to where they lead, in this order: planners do not know how few nodes a walk has, and would
/// rather read all edges, or compare each node with each other.
fn push_steps<DB, F, T>(access: Access<'_, DB>, statement: &mut Statement<'_, DB>)
where
    DB: Backend,
    F: PatternOn<DB>,
    T: PatternOn<DB> + Pattern<Entity = F::Entity>,
{
    let edges = load::table::<DB, F::Entity>;
    statement.sql("), larder_step (larder_node, larder_from, larder_depth) AS ").sql(DB::ONCE);
    statement.sql("(SELECT larder_edge.larder_node, larder_edge.larder_from, larder_to.larder_depth FROM (SELECT ");
    match DB::JOINED_IN_ORDER {
        Some(join) => {
            push_ends::<DB, F, T>(statement);
            statement.sql(", larder_depth + 1 AS larder_depth FROM larder_found ").sql(join).sql(" ").fragment(edges());
            statement.sql(" ON ");
            push_key::<DB, F>(statement);
            statement.sql(" = larder_found.larder_node");
        }
        None => {
            statement
                .sql("larder_out.*, larder_depth + 1 AS larder_depth FROM larder_found CROSS JOIN LATERAL (SELECT ");
            push_ends::<DB, F, T>(statement);
            statement.sql(" FROM ").fragment(edges()).sql(" WHERE ");
            push_key::<DB, F>(statement);
            statement.sql(" = larder_found.larder_node");
            push_live::<DB, F::Entity>(access, statement);
            // Keeps the planner from looking in.
            statement.sql(" OFFSET 0) AS larder_out");
        }
    }
    // From what is furthest away no edge leads to what is further.
    statement.sql(" WHERE larder_depth < (SELECT MAX(larder_depth) FROM larder_found)");
    match DB::JOINED_IN_ORDER {
        Some(join) => {
            push_live::<DB, F::Entity>(access, statement);
            statement.sql(") AS larder_edge ").sql(join);
        }
        None => {
            statement.sql(" OFFSET 0) AS larder_edge INNER JOIN");
        }
    }
    statement.sql(
        " larder_found AS larder_to ON larder_to.larder_node = larder_edge.larder_node \
         AND larder_to.larder_depth = larder_edge.larder_depth)",
    );
}

/// Appends where an edge leads to, and from where.
fn push_ends<DB: Backend, F: PatternOn<DB>, T: PatternOn<DB>>(statement: &mut Statement<'_, DB>) {
    push_key::<DB, T>(statement);
    statement.sql(" AS larder_node, ");
    push_key::<DB, F>(statement);
    statement.sql(" AS larder_from");
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
