//! Keeps the outbox from growing without end while the store is away.

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl,
    result::QueryResult,
    sql_query,
    sql_types::{BigInt, Nullable},
};

/// The last row, if there may be more than `$1`: two looks at the ends of an index.
const LAST: &str = "
    SELECT CASE WHEN max(id) - min(id) >= $1 THEN max(id) END AS last FROM larder_outbox";

/// The number of rows as far as it matters.
const COUNT: &str = "SELECT count(*) AS n FROM (SELECT FROM larder_outbox LIMIT $1 + 1) AS rows";

/// One row for each model in the place of all up to `$1`. What a key begins with, up to its first colon, is the model.
const REPLACE: &str = r"
    WITH gone AS (
        DELETE FROM larder_outbox WHERE id <= $1 RETURNING noted_at, cells, model
    ), named AS (
        SELECT noted_at, model FROM gone WHERE model IS NOT NULL
        UNION ALL
        SELECT noted_at, convert_from(substring(cell FROM 1 FOR position('\x3a'::bytea IN cell) - 1), 'UTF8')
        FROM gone CROSS JOIN LATERAL unnest(cells) AS cell WHERE position('\x3a'::bytea IN cell) > 0
    )
    INSERT INTO larder_outbox (noted_at, model) SELECT min(noted_at), model FROM named GROUP BY model";

#[derive(QueryableByName)]
struct Last {
    #[diesel(sql_type = Nullable<BigInt>)]
    last: Option<i64>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Puts one row for each model in the place of more than `max_rows`: whether there were as many.
pub(super) fn bound(connection: &mut PgConnection, max_rows: i64) -> QueryResult<bool> {
    let Last { last } = sql_query(LAST).bind::<BigInt, _>(max_rows).get_result(connection)?;
    let Some(last) = last else { return Ok(false) };
    // There may be gaps between the numbers.
    let Count { n } = sql_query(COUNT).bind::<BigInt, _>(max_rows).get_result(connection)?;
    if n <= max_rows {
        return Ok(false);
    }
    let n_models =
        connection.transaction(|connection| sql_query(REPLACE).bind::<BigInt, _>(last).execute(connection))?;
    tracing::warn!(n_models, "the outbox was too long: all cells of its models are to be settled");
    Ok(true)
}
