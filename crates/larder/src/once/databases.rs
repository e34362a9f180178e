//! The table of what was done once, on each database.

use diesel::result::QueryResult;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use diesel::{
    RunQueryDsl as _,
    result::OptionalExtension as _,
    sql_query,
    sql_types::{BigInt, Binary, Nullable, Text},
};

use crate::backend::{Backend, Database};

/// The SQL that makes the table.
#[must_use]
pub const fn up(database: Database) -> &'static str {
    match database {
        Database::PostgreSql => include_str!("sql/postgres.sql"),
        Database::MySql => include_str!("sql/mysql.sql"),
        Database::SQLite => include_str!("sql/sqlite.sql"),
    }
}

/// The SQL that takes it away again, on any of them.
#[must_use]
pub const fn down() -> &'static str {
    include_str!("sql/down.sql")
}

/// A database that can remember what was done. Implemented for all that larder has back ends for.
pub trait Remember: Backend {
    /// Takes a key that nobody has, or whose time is over: whether it was to be had. Waits for who is at work under it.
    #[doc(hidden)]
    fn claim(connection: &mut Self::Connection, name: &str, request: &[u8], seconds: i64) -> QueryResult<bool>;

    /// Leaves the result of what was done under a key that was taken.
    #[doc(hidden)]
    fn keep(connection: &mut Self::Connection, name: &str, result: &[u8]) -> QueryResult<()>;

    /// What was asked for under a key, and its result.
    #[doc(hidden)]
    fn recall(connection: &mut Self::Connection, name: &str) -> QueryResult<Option<(Vec<u8>, Vec<u8>)>>;

    /// Forgets keys whose time is over.
    #[doc(hidden)]
    fn forget(connection: &mut Self::Connection, n: i64) -> QueryResult<usize>;
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
#[derive(diesel::QueryableByName)]
struct Kept {
    #[diesel(sql_type = Binary)]
    request: Vec<u8>,
    #[diesel(sql_type = Nullable<Binary>)]
    result: Option<Vec<u8>>,
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
macro_rules! remember {
    ($database:ty, claim: $claim:expr, keep: $keep:literal, recall: $recall:literal, forget: $forget:literal) => {
        impl Remember for $database {
            fn claim(connection: &mut Self::Connection, name: &str, request: &[u8], seconds: i64) -> QueryResult<bool> {
                $claim(connection, name, request, seconds)
            }

            fn keep(connection: &mut Self::Connection, name: &str, result: &[u8]) -> QueryResult<()> {
                let kept = sql_query($keep).bind::<Binary, _>(result).bind::<Text, _>(name).execute(connection)?;
                // Without its result the key would tell the next one that nothing came of it. The result was NULL, so MySQL counts the row
                // whether it counts those that it finds or those that it changes.
                if kept == 0 { Err(diesel::result::Error::NotFound) } else { Ok(()) }
            }

            fn recall(connection: &mut Self::Connection, name: &str) -> QueryResult<Option<(Vec<u8>, Vec<u8>)>> {
                let kept: Option<Kept> = sql_query($recall).bind::<Text, _>(name).get_result(connection).optional()?;
                Ok(kept.map(|Kept { request, result }| (request, result.unwrap_or_default())))
            }

            fn forget(connection: &mut Self::Connection, n: i64) -> QueryResult<usize> {
                sql_query($forget).bind::<BigInt, _>(n).execute(connection)
            }
        }
    };
}

#[cfg(feature = "postgres")]
remember! {
    diesel::pg::Pg,
    claim: |connection: &mut diesel::PgConnection, name: &str, request: &[u8], seconds: i64| {
        // Whoever else is inserting the name is waited for.
        let claimed = sql_query(
            "INSERT INTO larder_idempotency (name, request, expires_at) \
             VALUES ($1, $2, clock_timestamp() + $3 * interval '1 second') \
             ON CONFLICT (name) DO UPDATE SET request = excluded.request, result = NULL, expires_at = excluded.expires_at \
             WHERE larder_idempotency.expires_at <= clock_timestamp()",
        );
        let claimed = claimed.bind::<Text, _>(name).bind::<Binary, _>(request).bind::<BigInt, _>(seconds);
        Ok(claimed.execute(connection)? == 1)
    },
    keep: "UPDATE larder_idempotency SET result = $1 WHERE name = $2",
    recall: "SELECT request, result FROM larder_idempotency WHERE name = $1",
    forget: "DELETE FROM larder_idempotency WHERE name IN (SELECT name FROM larder_idempotency \
             WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)"
}

#[cfg(feature = "sqlite")]
remember! {
    diesel::sqlite::Sqlite,
    claim: |connection: &mut diesel::SqliteConnection, name: &str, request: &[u8], seconds: i64| {
        let claimed = sql_query(
            "INSERT INTO larder_idempotency (name, request, expires_at) \
             VALUES (?, ?, CAST(strftime('%s', 'now') AS INTEGER) + ?) \
             ON CONFLICT (name) DO UPDATE SET request = excluded.request, result = NULL, expires_at = excluded.expires_at \
             WHERE larder_idempotency.expires_at <= CAST(strftime('%s', 'now') AS INTEGER)",
        );
        let claimed = claimed.bind::<Text, _>(name).bind::<Binary, _>(request).bind::<BigInt, _>(seconds);
        Ok(claimed.execute(connection)? == 1)
    },
    keep: "UPDATE larder_idempotency SET result = ? WHERE name = ?",
    recall: "SELECT request, result FROM larder_idempotency WHERE name = ?",
    forget: "DELETE FROM larder_idempotency WHERE name IN (SELECT name FROM larder_idempotency \
             WHERE expires_at <= CAST(strftime('%s', 'now') AS INTEGER) ORDER BY expires_at LIMIT ?)"
}

#[cfg(feature = "mysql")]
remember! {
    diesel::mysql::Mysql,
    claim: |connection: &mut diesel::MysqlConnection, name: &str, request: &[u8], seconds: i64| {
        use diesel::result::{DatabaseErrorKind, Error};
        // Outside of strict mode the server would cut it, and take two names for one.
        if name.len() > 255 {
            return Err(Error::QueryBuilderError("the name of a key is longer than 255 bytes".into()));
        }
        sql_query("DELETE FROM larder_idempotency WHERE name = ? AND expires_at <= UTC_TIMESTAMP(6)")
            .bind::<Text, _>(name)
            .execute(connection)?;
        let inserted = sql_query(
            "INSERT INTO larder_idempotency (name, request, expires_at) \
             VALUES (?, ?, UTC_TIMESTAMP(6) + INTERVAL ? SECOND)",
        );
        let inserted = inserted.bind::<Text, _>(name).bind::<Binary, _>(request).bind::<BigInt, _>(seconds);
        // InnoDB undoes the statement alone, and the transaction goes on.
        match inserted.execute(connection) {
            Ok(_) => Ok(true),
            Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
            Err(error) => Err(error),
        }
    },
    keep: "UPDATE larder_idempotency SET result = ? WHERE name = ?",
    recall: "SELECT request, result FROM larder_idempotency WHERE name = ?",
    forget: "DELETE FROM larder_idempotency WHERE expires_at <= UTC_TIMESTAMP(6) ORDER BY expires_at LIMIT ?"
}
