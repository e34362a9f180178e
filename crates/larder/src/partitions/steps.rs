//! What is done to partitions, a transaction each: it has happened or it has not, whenever the process is killed.

use std::time::{Duration, Instant};

use diesel::{
    OptionalExtension as _, PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    result::QueryResult,
    sql_query,
    sql_types::{BigInt, Bool, Text},
};

use super::{
    archive::Archived,
    catalogue::{Catalogue, Found, Named, number},
    error::Error,
    hold::{Hold, Limits},
    marks::{self, marked, unmarked},
};
use crate::{
    failpoints::{Point, reach},
    triggers::{identifier, literal},
};

/// A partition that is to be made.
#[derive(Debug)]
pub(super) struct New {
    pub(super) name: String,
    /// `FOR VALUES ..`.
    pub(super) bounds: String,
    /// Which rows of the default partition belong into it, if there may be any.
    pub(super) condition: Option<String>,
}

/// Makes a partition, and moves the rows of the default partition there that belong into it: how many they were, and for how long it may
/// have kept others waiting.
pub(super) fn create(
    connection: &mut PgConnection,
    limits: Limits,
    catalogue: &Catalogue,
    new: &New,
) -> Result<(u64, Duration), Error> {
    let (parent, partition) = (&catalogue.table.sql, format!("{}.{}", catalogue.table.schema, identifier(&new.name)));
    let default = catalogue.default.as_ref().zip(new.condition.as_ref());
    // Without a lock, so that nobody waits for a look at a large default partition.
    let has_rows = match default {
        Some((default, condition)) => is_any(connection, &default.sql, condition)?,
        None => false,
    };
    let (n_moved, since) = limits.transaction(connection, |hold| {
        let options = match &catalogue.default {
            Some(default) => storage(hold.statement()?, default)?,
            None => String::new(),
        };
        hold.statement()?.batch_execute(&format!(
            "CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL EXCLUDING IDENTITY){options}"
        ))?;
        if catalogue.default.is_some() {
            // A writer that is on its way into the default partition would be refused there after its row has got another home: it is let
            // through before, or waits here, and finds it.
            hold.lock(&format!("LOCK TABLE ONLY {parent} IN SHARE ROW EXCLUSIVE MODE"))?;
        }
        let since = hold.since();
        let n_moved = match default.filter(|_| has_rows) {
            Some((default, condition)) => {
                let is_referenced = catalogue.table.is_referenced;
                move_rows(hold, default, &partition, condition, is_referenced)?
            }
            None => 0,
        };
        reach(Point::PartitionFilled);
        hold.statement()?
            .batch_execute(&format!("ALTER TABLE {parent} ATTACH PARTITION {partition} {}", new.bounds))?;
        Ok((n_moved, since))
    })?;
    Ok((n_moved, since.elapsed()))
}

/// The storage parameters of a table, for another one.
fn storage(connection: &mut PgConnection, of: &Named) -> QueryResult<String> {
    let options = sql_query(
        "SELECT coalesce(array_to_string(reloptions, ', '), '') AS text FROM pg_class WHERE oid = CAST($1 AS regclass)",
    );
    let Line { text } = options.bind::<Text, _>(&of.sql).get_result(connection)?;
    Ok(if text.is_empty() { text } else { format!(" WITH ({text})") })
}

fn is_any(connection: &mut PgConnection, table: &str, condition: &str) -> QueryResult<bool> {
    let found = number(
        connection,
        &format!("SELECT count(*) FROM (SELECT FROM ONLY {table} WHERE {condition} LIMIT 1) AS found"),
    )?;
    Ok(found.is_some_and(|n| n > 0))
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Moves rows of the default partition to one that is not attached yet. Others can read them meanwhile, and not write them.
fn move_rows(
    hold: &mut Hold<'_>,
    default: &Named,
    partition: &str,
    condition: &str,
    is_referenced: bool,
) -> Result<u64, Error> {
    let default_sql = &default.sql;
    hold.lock(&format!("LOCK TABLE {default_sql} IN SHARE ROW EXCLUSIVE MODE"))?;
    if is_referenced {
        let n_rows = number(hold.statement()?, &format!("SELECT count(*) FROM ONLY {default_sql} WHERE {condition}"))?;
        if let Some(n_rows) = n_rows.filter(|n| *n > 0) {
            return Err(Error::Referenced { default: default_sql.clone(), n_rows });
        }
    }
    let columns = columns_of(hold.statement()?, default)?;
    let triggers = triggers_of(hold.statement()?, default)?;
    // No row is deleted: whoever counts or copies those that are must not hear of this.
    for Trigger { name, .. } in &triggers {
        hold.statement()?.batch_execute(&format!("ALTER TABLE {default_sql} DISABLE TRIGGER {}", identifier(name)))?;
    }
    let moved = format!(
        "WITH moved AS (DELETE FROM ONLY {default_sql} WHERE {condition} RETURNING {columns})
         INSERT INTO {partition} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM moved"
    );
    let n_rows = sql_query(moved).execute(hold.statement()?)?;
    for Trigger { name, how } in &triggers {
        hold.statement()?
            .batch_execute(&format!("ALTER TABLE {default_sql} ENABLE {how}TRIGGER {}", identifier(name)))?;
    }
    Ok(n_rows as u64)
}

/// The columns that can be written, quoted.
fn columns_of(connection: &mut PgConnection, table: &Named) -> QueryResult<String> {
    let columns = sql_query(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS text FROM pg_attribute
         WHERE attrelid = CAST($1 AS regclass) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
    );
    let Line { text } = columns.bind::<Text, _>(&table.sql).get_result(connection)?;
    Ok(text)
}

#[derive(QueryableByName)]
struct Trigger {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    how: String,
}

/// Triggers that would hear of deletions, and in which sessions they do.
fn triggers_of(connection: &mut PgConnection, table: &Named) -> QueryResult<Vec<Trigger>> {
    const DELETE: i32 = 1 << 3;
    let triggers = sql_query(format!(
        "SELECT tgname::text AS name, CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END AS how
         FROM pg_trigger WHERE tgrelid = CAST($1 AS regclass) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & {DELETE} <> 0"
    ));
    triggers.bind::<Text, _>(&table.sql).load(connection)
}

/// Detaches a partition, and marks it as one that is to go: for how long it may have kept others waiting.
///
/// Concurrently where there is no default partition: PostgreSQL can't with one.
pub(super) fn detach(
    connection: &mut PgConnection,
    limits: Limits,
    catalogue: &Catalogue,
    found: &Found,
) -> Result<Duration, Error> {
    let (parent, partition) = (&catalogue.table.sql, &found.named.sql);
    // A try before this one may have begun what PostgreSQL then only lets be ended.
    let Some(is_pending) = is_pending(connection, partition)? else { return Ok(Duration::ZERO) };
    let mark = format!("COMMENT ON TABLE {partition} IS {}", literal(&marked(parent, &found.named.comment)));
    let detach = format!("ALTER TABLE {parent} DETACH PARTITION {partition}");
    if catalogue.default.is_some() && !is_pending {
        let since = limits.transaction(connection, |hold| {
            hold.lock(&format!("LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE"))?;
            hold.statement()?.batch_execute(&detach)?;
            hold.statement()?.batch_execute(&mark)?;
            Ok(hold.since())
        })?;
        return Ok(since.elapsed());
    }
    limits.transaction(connection, |hold| Ok(hold.statement()?.batch_execute(&mark)?))?;
    // In no transaction: it waits for those that still read the partition, and keeps nobody from anything meanwhile.
    let Line { text: before } = sql_query(
        "SELECT format('SET lock_timeout = %L; SET statement_timeout = %L',
                       current_setting('lock_timeout'), current_setting('statement_timeout')) AS text",
    )
    .get_result(connection)?;
    connection.batch_execute(&limits.settings("SESSION"))?;
    let since = Instant::now();
    let how = if is_pending { "FINALIZE" } else { "CONCURRENTLY" };
    let detached = connection.batch_execute(&format!("{detach} {how}"));
    connection.batch_execute(&before)?;
    detached?;
    Ok(since.elapsed())
}

#[derive(QueryableByName)]
struct Pending {
    #[diesel(sql_type = Bool)]
    is_pending: bool,
}

/// Whether a detachment of a partition was begun and not ended: `None` if it is no partition any more.
fn is_pending(connection: &mut PgConnection, partition: &str) -> QueryResult<Option<bool>> {
    let pending =
        sql_query("SELECT inhdetachpending AS is_pending FROM pg_inherits WHERE inhrelid = CAST($1 AS regclass)");
    let pending: Option<Pending> = pending.bind::<Text, _>(partition).get_result(connection).optional()?;
    Ok(pending.map(|pending| pending.is_pending))
}

/// Takes the mark from a table, or a partition, that is to stay.
pub(super) fn keep(connection: &mut PgConnection, limits: Limits, table: &Named) -> Result<(), Error> {
    comment_on(connection, limits, table, unmarked(&table.comment))
}

/// Notes at a table where its rows are archived, for a keeper after this one. A file whose name no comment can have is not noted.
pub(super) fn note(
    connection: &mut PgConnection,
    limits: Limits,
    table: &Named,
    archived: &Archived,
) -> Result<(), Error> {
    match marks::archived(&table.comment, archived) {
        Some(comment) => comment_on(connection, limits, table, Some(&comment)),
        None => Ok(()),
    }
}

fn comment_on(
    connection: &mut PgConnection,
    limits: Limits,
    table: &Named,
    comment: Option<&str>,
) -> Result<(), Error> {
    let comment = comment.map_or("NULL".to_owned(), literal);
    limits.transaction(connection, |hold| {
        Ok(hold.statement()?.batch_execute(&format!("COMMENT ON TABLE {} IS {comment}", table.sql))?)
    })
}

/// Drops a table that was a partition. `archived` is how many rows it had when they were written elsewhere.
pub(super) fn drop_table(
    connection: &mut PgConnection,
    limits: Limits,
    table: &Named,
    archived: Option<i64>,
) -> Result<(), Error> {
    limits.transaction(connection, |hold| {
        let connection = hold.statement()?;
        connection.batch_execute(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table.sql))?;
        if let Some(archived) = archived {
            // Only this table is locked, in which nobody has anything to do: that may take its time.
            connection.batch_execute("SET LOCAL statement_timeout = 0")?;
            let counted = sql_query(format!("SELECT count(*) AS n FROM {}", table.sql));
            let Counted { n: found } = counted.get_result(connection)?;
            if found != archived {
                return Err(Error::Changed { partition: table.sql.clone(), archived, found });
            }
        }
        Ok(connection.batch_execute(&format!("DROP TABLE {}", table.sql))?)
    })
}
