//! What the database knows of frames that were applied, in the transaction that applies more.

use std::collections::HashMap;

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    dsl::sql,
    result::QueryResult,
    select, sql_query,
    sql_types::{Array, BigInt, Bool, Oid, Text},
};

use super::change::SqlType;
use crate::store::Nonce;

/// The first half of the key of the advisory lock; the second is of the buffer's name.
const LOCK: i32 = i32::from_be_bytes(*b"bhnd");

/// Waiting for a row takes as long as it takes: an error would be laid to the change's account. And what a constraint rejects is to be
/// rejected by the statement, not by COMMIT.
const PREPARE: &str = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SET CONSTRAINTS ALL IMMEDIATE";

const MARKS: &str = "SELECT producer, applied, direct FROM larder_behind WHERE producer = ANY($1)";
const LOCKED: &str = " ORDER BY producer FOR UPDATE";

const ADD: &str = "INSERT INTO larder_behind (producer) SELECT unnest($1) ON CONFLICT DO NOTHING";

const MARK: &str = "
    UPDATE larder_behind AS marks
    SET applied = greatest(marks.applied, new.number),
        direct = ARRAY(SELECT n FROM unnest(marks.direct) AS n WHERE n > greatest(marks.applied, new.number)), at = now()
    FROM unnest($1, $2) AS new(producer, number)
    WHERE marks.producer = new.producer";

const MARK_DIRECT: &str = "UPDATE larder_behind SET direct = direct || $2, at = now() WHERE producer = $1";

/// A producer that has been silent for so long, and of whom nothing waits, may be forgotten: what a buffer gives out twice, it does within
/// seconds, or after it was restored from a backup.
const FORGET: &str = "DELETE FROM larder_behind WHERE at < now() - interval '30 days'";

/// Which of a producer's frames were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// All up to this one that ever will be.
    applied: u64,
    /// And these.
    direct: Vec<u64>,
}

impl Marks {
    pub(super) fn has(&self, number: u64) -> bool {
        number <= self.applied || self.direct.contains(&number)
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    producer: String,
    #[diesel(sql_type = BigInt)]
    applied: i64,
    #[diesel(sql_type = Array<BigInt>)]
    direct: Vec<i64>,
}

/// Prepares the transaction, and takes the turn of the buffer's flushers: whether it could, without waiting for it if `waits` is not set.
///
/// What is exact does not rest on it: [`marks`] keeps flushers apart. It spares them work that another one does.
pub(super) fn begin(connection: &mut PgConnection, buffer: &str, waits: bool) -> QueryResult<bool> {
    connection.batch_execute(PREPARE)?;
    let lock = lock_of(buffer);
    if waits {
        let taken = format!("pg_advisory_xact_lock({LOCK}, {lock}) IS NOT NULL");
        return select(sql::<Bool>(&taken)).get_result(connection);
    }
    select(sql::<Bool>(&format!("pg_try_advisory_xact_lock({LOCK}, {lock})"))).get_result(connection)
}

/// The second half of the key of a buffer's lock (32-bit FNV-1a). Two names that share one only wait for each other.
fn lock_of(buffer: &str) -> i32 {
    let hash = buffer.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.cast_signed()
}

/// What was applied of each producer. Nobody else applies anything of theirs until the end of the transaction.
pub(super) fn marks(connection: &mut PgConnection, producers: &[Nonce]) -> QueryResult<HashMap<Nonce, Marks>> {
    let lock = format!("{MARKS}{LOCKED}");
    let marks = load(connection, &lock, producers)?;
    if marks.len() == producers.len() {
        return Ok(marks);
    }
    sql_query(ADD).bind::<Array<Text>, _>(names(producers)).execute(connection)?;
    load(connection, &lock, producers)
}

/// What was applied of each producer, as the transaction sees it.
pub(super) fn marks_unlocked(connection: &mut PgConnection, producers: &[Nonce]) -> QueryResult<HashMap<Nonce, Marks>> {
    load(connection, MARKS, producers)
}

fn load(connection: &mut PgConnection, sql: &str, producers: &[Nonce]) -> QueryResult<HashMap<Nonce, Marks>> {
    let rows: Vec<Row> = sql_query(sql).bind::<Array<Text>, _>(names(producers)).load(connection)?;
    let marks = rows.into_iter().filter_map(|Row { producer, applied, direct }| {
        let producer = Nonce::from_bytes(producer.into_bytes().try_into().ok()?);
        let direct = direct.into_iter().map(i64::cast_unsigned).collect();
        Some((producer, Marks { applied: applied.cast_unsigned(), direct }))
    });
    Ok(marks.collect())
}

fn names(producers: &[Nonce]) -> Vec<String> {
    producers.iter().map(name).collect()
}

/// Takes down that all frames of a producer up to a number are applied, or never will be.
pub(super) fn mark(connection: &mut PgConnection, applied: &HashMap<Nonce, u64>) -> QueryResult<()> {
    let (names, numbers): (Vec<String>, Vec<i64>) =
        applied.iter().map(|(producer, number)| (name(producer), number.cast_signed())).unzip();
    sql_query(MARK).bind::<Array<Text>, _>(names).bind::<Array<BigInt>, _>(numbers).execute(connection)?;
    Ok(())
}

/// Takes down that some frames of a producer are applied, while earlier ones may wait.
pub(super) fn mark_direct(connection: &mut PgConnection, producer: &Nonce, numbers: &[u64]) -> QueryResult<()> {
    let numbers: Vec<i64> = numbers.iter().copied().map(u64::cast_signed).collect();
    sql_query(MARK_DIRECT).bind::<Text, _>(name(producer)).bind::<Array<BigInt>, _>(numbers).execute(connection)?;
    Ok(())
}

/// Forgets producers of old.
pub(super) fn forget(connection: &mut PgConnection) -> QueryResult<usize> {
    sql_query(FORGET).execute(connection)
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Oid)]
    oid: u32,
    #[diesel(sql_type = Text)]
    name: String,
}

/// The number of a type in this database, and what SQL calls it.
pub(super) fn sql_type(connection: &mut PgConnection, by: &SqlType) -> QueryResult<(u32, String)> {
    const FIND: &str = "SELECT oid, format_type(oid, NULL) AS name FROM pg_type WHERE oid = ";
    let Named { oid, name } = match by {
        SqlType::BuiltIn(oid) => sql_query(format!("{FIND}$1")).bind::<Oid, _>(*oid).get_result(connection)?,
        SqlType::Named { schema, name } => {
            let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let name = schema.iter().chain([name]).map(|name| quote(name)).collect::<Vec<_>>().join(".");
            sql_query(format!("{FIND}to_regtype($1)")).bind::<Text, _>(name).get_result(connection)?
        }
    };
    Ok((oid, name))
}

fn name(producer: &Nonce) -> String {
    String::from_utf8_lossy(producer.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_applied_up_to_a_number_and_some_besides() {
        let marks = Marks { applied: 7, direct: vec![9, 12] };
        let applied: Vec<u64> = (1..=13).filter(|number| marks.has(*number)).collect();
        assert_eq!(applied, [1, 2, 3, 4, 5, 6, 7, 9, 12]);
    }
}
