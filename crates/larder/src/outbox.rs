//! The table in which changes wait of which the shared store does not know yet.
//!
//! A write whose cells could not be marked leaves their keys there, in its own transaction, and so does whatever tells of rows that
//! were changed past larder. A [`relay`](crate::relay) settles and deletes them: whoever makes the table runs one somewhere, or it grows.
//! [`Writes`](crate::Writes) says which writes do that, and what others can read meanwhile.
//!
//! [`UP`] makes it, as a migration of the application's own: `diesel migration generate create_larder_outbox`. With the diesel CLI, keep it
//! out of the printed schema:
//!
//! ```toml
//! [print_schema]
//! filter = { except_tables = ["larder_outbox"] }
//! ```
//!
//! The application's role needs INSERT on the table, and that of a relay SELECT, UPDATE and DELETE. It is looked for along the
//! `search_path`. All processes that share it must share the store, too: a relay tells the store of its own handle, and nobody else's.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    dsl::sql,
    result::QueryResult,
    sql_query,
    sql_types::{Array, BigInt, Binary, Bool, Text},
};

use crate::store::CellKey;

/// The SQL that makes the table.
pub const UP: &str = include_str!("outbox/up.sql");

/// The SQL that takes it away again.
pub const DOWN: &str = include_str!("outbox/down.sql");

/// Whether the connection has the table in its `search_path`.
pub(crate) fn is_there(connection: &mut PgConnection) -> QueryResult<bool> {
    diesel::select(sql::<Bool>("to_regclass('larder_outbox') IS NOT NULL")).get_result(connection)
}

/// Adds one row with the keys of cells to the transaction that is open.
pub(crate) fn add(connection: &mut PgConnection, keys: &[&CellKey]) -> QueryResult<()> {
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
    sql_query("INSERT INTO larder_outbox (cells) VALUES ($1)").bind::<Array<Binary>, _>(keys).execute(connection)?;
    Ok(())
}

/// Adds a row that says that any row of a model may have changed: its number.
pub(crate) fn add_model(connection: &mut PgConnection, model: &str) -> QueryResult<i64> {
    let row: Row = sql_query("INSERT INTO larder_outbox (model) VALUES ($1) RETURNING id")
        .bind::<Text, _>(model)
        .get_result(connection)?;
    Ok(row.id)
}

/// Removes a row, unless a relay has it in its hands.
pub(crate) fn remove(connection: &mut PgConnection, row: i64) -> QueryResult<()> {
    let free = "SELECT id FROM larder_outbox WHERE id = $1 FOR UPDATE SKIP LOCKED";
    sql_query(format!("DELETE FROM larder_outbox WHERE id IN ({free})")).bind::<BigInt, _>(row).execute(connection)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
}
