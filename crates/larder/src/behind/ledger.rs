//! What the database knows of frames that were applied, in the transaction that applies more.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    dsl::sql,
    result::QueryResult,
    select, sql_query,
    sql_types::{Array, BigInt, Binary, Bool, Integer, Oid, Text},
};

use super::{
    change::SqlType,
    marks::{Cells, Marks, Runs},
};
use crate::store::Nonce;

/// The first half of the key of the advisory lock; the second is of the buffer's name.
const LOCK: i32 = i32::from_be_bytes(*b"bhnd");

/// What a constraint rejects is to be rejected by the statement, not by COMMIT; and how long a flush may take, its own bounds say.
const PREPARE: &str = "SET LOCAL statement_timeout = 0; SET CONSTRAINTS ALL IMMEDIATE";

// In one statement, since what was looked up before the lock may be old when that is had.
const MARKS: &str = "
    SELECT producer, applied, direct, n_held,
        EXISTS (SELECT FROM larder_behind_dead WHERE buffer = $2 AND model IS NULL) AS is_any_unread
    FROM larder_behind WHERE producer = ANY($1)";
const LOCKED: &str = " ORDER BY producer FOR UPDATE OF larder_behind";

const HELD: &str = "SELECT producer, number, cell FROM larder_behind_held WHERE producer = ANY($1)";

const ADD: &str = "INSERT INTO larder_behind (producer, buffer) SELECT unnest($1), $2 ON CONFLICT DO NOTHING";

const MARK: &str = "
    UPDATE larder_behind AS marks SET applied = new.number, n_held = new.n_held, at = now()
    FROM unnest($1, $2, $3) AS new(producer, number, n_held)
    WHERE marks.producer = new.producer";

const MARK_DIRECT: &str = "UPDATE larder_behind SET direct = $2, at = now() WHERE producer = $1";

const RELEASE: &str = "
    DELETE FROM larder_behind_held AS held USING unnest($1, $2, $3) AS old(producer, number, cell)
    WHERE (held.producer, held.number, held.cell) = (old.producer, old.number, old.cell)";

const HOLD: &str = "INSERT INTO larder_behind_held (producer, number, cell) SELECT * FROM unnest($1, $2, $3)";

/// A producer that has been silent for so long, and of whom nothing waits, may be forgotten: what a buffer gives out twice, it does within
/// seconds, or after it was restored from a backup.
const FORGET: &str = "
    WITH gone AS (DELETE FROM larder_behind WHERE buffer = $1 AND at < now() - interval '30 days' RETURNING producer)
    DELETE FROM larder_behind_held USING gone WHERE larder_behind_held.producer = gone.producer";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    producer: String,
    #[diesel(sql_type = BigInt)]
    applied: i64,
    #[diesel(sql_type = Array<BigInt>)]
    direct: Vec<i64>,
    #[diesel(sql_type = Integer)]
    n_held: i32,
    #[diesel(sql_type = Bool)]
    is_any_unread: bool,
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Text)]
    producer: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Binary)]
    cell: Vec<u8>,
}

/// What is known of producers.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) marks: HashMap<Nonce, Marks>,
    /// Whether the buffer has had entries that could not be read.
    pub(super) is_any_unread: bool,
}

/// Prepares the transaction, and takes the turn of the buffer's flushers: whether it could, without waiting for it if `waits` is not set.
/// For that, and for everything else that others have locked, it waits at most so long, which is an error then.
///
/// What is applied once does not rest on it: [`marks`] keeps flushers apart. It spares them work that another one does, and has whoever can
/// read an entry see that another one could not.
pub(super) fn begin(connection: &mut PgConnection, buffer: &str, waits: bool, at_most: LockWait) -> QueryResult<bool> {
    connection.batch_execute(&format!("{at_most}; {PREPARE}"))?;
    let lock = lock_of(buffer);
    if waits {
        let taken = format!("pg_advisory_xact_lock({LOCK}, {lock}) IS NOT NULL");
        return select(sql::<Bool>(&taken)).get_result(connection);
    }
    select(sql::<Bool>(&format!("pg_try_advisory_xact_lock({LOCK}, {lock})"))).get_result(connection)
}

/// From now on each statement waits so long for what others have locked.
pub(super) fn wait_for(connection: &mut PgConnection, at_most: LockWait) -> QueryResult<()> {
    connection.batch_execute(&at_most.to_string())
}

/// How long a statement waits for what others have locked, and fails then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockWait {
    AtMost(Duration),
    Forever,
}

impl fmt::Display for LockWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = match self {
            // 0 is forever to the database.
            Self::AtMost(time) => time.as_millis().clamp(1, 1_000_000),
            Self::Forever => 0,
        };
        write!(f, "SET LOCAL lock_timeout = {millis}")
    }
}

/// The second half of the key of a buffer's lock (32-bit FNV-1a). Two names that share one only wait for each other.
fn lock_of(buffer: &str) -> i32 {
    let hash = buffer.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.cast_signed()
}

/// What was applied of each producer. Nobody else applies anything of theirs until the end of the transaction.
pub(super) fn marks(connection: &mut PgConnection, buffer: &str, producers: &[Nonce]) -> QueryResult<Ledger> {
    let lock = format!("{MARKS}{LOCKED}");
    let ledger = load(connection, &lock, buffer, producers)?;
    if ledger.marks.len() == producers.len() {
        return Ok(ledger);
    }
    sql_query(ADD).bind::<Array<Text>, _>(names(producers)).bind::<Text, _>(buffer).execute(connection)?;
    load(connection, &lock, buffer, producers)
}

/// What was applied of each producer, as the transaction sees it.
pub(super) fn marks_unlocked(connection: &mut PgConnection, producers: &[Nonce]) -> QueryResult<HashMap<Nonce, Marks>> {
    load(connection, MARKS, "", producers).map(|ledger| ledger.marks)
}

fn load(connection: &mut PgConnection, sql: &str, buffer: &str, producers: &[Nonce]) -> QueryResult<Ledger> {
    let rows: Vec<Row> =
        sql_query(sql).bind::<Array<Text>, _>(names(producers)).bind::<Text, _>(buffer).load(connection)?;
    let (mut ledger, mut holding) = (Ledger::default(), Vec::new());
    for Row { producer, applied, direct, n_held, is_any_unread } in rows {
        let Some(nonce) = nonce(&producer) else { continue };
        let direct: Vec<u64> = direct.into_iter().map(i64::cast_unsigned).collect();
        let marks = Marks { applied: applied.cast_unsigned(), direct: Runs::from_ends(&direct), ..Marks::default() };
        ledger.marks.insert(nonce, marks);
        ledger.is_any_unread |= is_any_unread;
        if n_held > 0 {
            holding.push(producer);
        }
    }
    if !holding.is_empty() {
        // A statement of its own, since the one above has looked around before it had its locks.
        let held: Vec<Held> = sql_query(HELD).bind::<Array<Text>, _>(holding).load(connection)?;
        for Held { producer, number, cell } in held {
            if let Some(marks) = nonce(&producer).and_then(|nonce| ledger.marks.get_mut(&nonce)) {
                marks.held.entry(number.cast_unsigned()).or_default().insert(cell);
            }
        }
    }
    Ok(ledger)
}

fn names(producers: &[Nonce]) -> Vec<String> {
    producers.iter().map(name).collect()
}

fn nonce(producer: &str) -> Option<Nonce> {
    Some(Nonce::from_bytes(producer.as_bytes().try_into().ok()?))
}

/// Takes down what is applied now of producers, of whom that was known before.
pub(super) fn mark(
    connection: &mut PgConnection,
    before: &HashMap<Nonce, Marks>,
    after: &HashMap<Nonce, Marks>,
) -> QueryResult<()> {
    let (mut producers, mut numbers, mut n_held) = (Vec::new(), Vec::new(), Vec::new());
    let (mut released, mut held) = (Lines::default(), Lines::default());
    let none = Marks::default();
    for (producer, after) in after {
        let before = before.get(producer).unwrap_or(&none);
        producers.push(name(producer));
        numbers.push(after.applied.cast_signed());
        n_held.push(i32::try_from(after.n_held()).unwrap_or(i32::MAX));
        released.add(producer, &before.held, &after.held);
        held.add(producer, &after.held, &before.held);
        if after.direct != before.direct {
            mark_direct(connection, producer, &after.direct)?;
        }
    }
    sql_query(MARK)
        .bind::<Array<Text>, _>(producers)
        .bind::<Array<BigInt>, _>(numbers)
        .bind::<Array<Integer>, _>(n_held)
        .execute(connection)?;
    released.execute(RELEASE, connection)?;
    held.execute(HOLD, connection)
}

/// Takes down that some frames of a producer are applied, while earlier ones may wait.
pub(super) fn mark_direct(connection: &mut PgConnection, producer: &Nonce, direct: &Runs) -> QueryResult<()> {
    let ends: Vec<i64> = direct.ends().map(u64::cast_signed).collect();
    sql_query(MARK_DIRECT).bind::<Text, _>(name(producer)).bind::<Array<BigInt>, _>(ends).execute(connection)?;
    Ok(())
}

/// Rows of changes that are held, by columns.
#[derive(Default)]
struct Lines {
    producers: Vec<String>,
    numbers: Vec<i64>,
    cells: Vec<Vec<u8>>,
}

impl Lines {
    /// Adds what is in one and not in the other.
    fn add(&mut self, producer: &Nonce, one: &BTreeMap<u64, Cells>, other: &BTreeMap<u64, Cells>) {
        for (number, cells) in one {
            for cell in cells {
                if !other.get(number).is_some_and(|cells| cells.contains(cell)) {
                    self.producers.push(name(producer));
                    self.numbers.push(number.cast_signed());
                    self.cells.push(cell.clone());
                }
            }
        }
    }

    fn execute(self, sql: &str, connection: &mut PgConnection) -> QueryResult<()> {
        if self.producers.is_empty() {
            return Ok(());
        }
        sql_query(sql)
            .bind::<Array<Text>, _>(self.producers)
            .bind::<Array<BigInt>, _>(self.numbers)
            .bind::<Array<Binary>, _>(self.cells)
            .execute(connection)?;
        Ok(())
    }
}

/// Forgets the buffer's producers of old.
pub(super) fn forget(connection: &mut PgConnection, buffer: &str) -> QueryResult<usize> {
    sql_query(FORGET).bind::<Text, _>(buffer).execute(connection)
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
    // Without a modifier, `character` is one character: with -1 it is `bpchar`, of any length.
    const FIND: &str = "SELECT oid, format_type(oid, -1) AS name FROM pg_type WHERE oid = ";
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
