//! Changes that the database has rejected.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    pg::Pg,
    result::QueryResult,
    sql_query,
    sql_types::{Array, BigInt, Binary, Nullable, Text},
};

use super::{
    change::Change,
    error::Result,
    flush::{Press, Written},
    frame::{Frame, decode_change, encode_change},
};
use crate::handle::Larder;

const ADD: &str = "
    INSERT INTO larder_behind_dead (buffer, model, cell, n_calls, reason, change)
    SELECT $1, * FROM unnest($2, $3, $4, $5, $6)";

const COLUMNS: &str = "id, (extract(epoch FROM at) * 1000000)::bigint AS at, model, cell, n_calls, reason, change";

/// A change that the database has rejected, on its way into the table.
#[derive(Debug, Clone)]
pub(super) struct Rejected {
    model: Option<String>,
    cell: Option<String>,
    n_calls: u64,
    reason: String,
    change: Vec<u8>,
}

impl Rejected {
    pub(super) fn of(change: &Change, reason: &str) -> Self {
        Self {
            model: Some(change.model.clone()),
            cell: Some(String::from_utf8_lossy(&change.cell).into_owned()),
            n_calls: change.n_calls,
            reason: reason.to_owned(),
            change: encode_change(change),
        }
    }

    /// An entry of the buffer that is none of ours, or of another version.
    pub(super) fn unread(bytes: &[u8]) -> Self {
        let reason = "this version can't read the entry".to_owned();
        Self { model: None, cell: None, n_calls: 0, reason, change: bytes.to_vec() }
    }
}

pub(super) fn add(connection: &mut PgConnection, buffer: &str, rejected: &[Rejected]) -> QueryResult<()> {
    if rejected.is_empty() {
        return Ok(());
    }
    sql_query(ADD)
        .bind::<Text, _>(buffer)
        .bind::<Array<Nullable<Text>>, _>(rejected.iter().map(|dead| dead.model.clone()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(rejected.iter().map(|dead| dead.cell.clone()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rejected.iter().map(|dead| dead.n_calls.cast_signed()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rejected.iter().map(|dead| dead.reason.replace('\0', "")).collect::<Vec<_>>())
        .bind::<Array<Binary>, _>(rejected.iter().map(|dead| dead.change.clone()).collect::<Vec<_>>())
        .execute(connection)?;
    Ok(())
}

/// A change that was acknowledged, and that the database has rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// When it was rejected, by the clock of the database.
    pub at: SystemTime,
    /// The model, as its cells are called; `None` if the entry could not be read.
    pub model: Option<String>,
    /// The key of the row's cell, which has its primary key.
    pub cell: Option<String>,
    /// How many calls the change came from.
    pub n_calls: u64,
    /// What the database said.
    pub reason: String,
}

/// What became of dead letters that were put back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutBack {
    /// Changes that are written now.
    pub n_written: u64,
    /// Changes that were rejected again, for the reason that they have now.
    pub n_rejected: u64,
}

/// The changes of a handle's buffer that the database has rejected.
pub struct DeadLetters<'l> {
    larder: &'l Larder<Pg>,
    press: &'l Press,
}

impl<'l> DeadLetters<'l> {
    pub(super) fn new(larder: &'l Larder<Pg>, press: &'l Press) -> Self {
        Self { larder, press }
    }

    /// The oldest of them, `n` at most. One statement.
    ///
    /// # Errors
    /// [`Error::Database`](super::Error::Database).
    pub fn list(&self, n: u32) -> Result<Vec<DeadLetter>> {
        let buffer = &self.press.buffer;
        let rows: Vec<Row> = self.larder.transaction(|tx| {
            let select = format!("SELECT {COLUMNS} FROM larder_behind_dead WHERE buffer = $1 ORDER BY id LIMIT $2");
            tx.run(|connection| {
                sql_query(select).bind::<Text, _>(buffer).bind::<BigInt, _>(i64::from(n)).load(connection)
            })
        })?;
        Ok(rows.into_iter().map(Row::letter).collect())
    }

    /// Writes these changes to the database now, in the order in which they were rejected, all in one transaction: those that it
    /// takes are dead no more.
    ///
    /// Each happens once: it is deleted in the transaction that writes it. It comes after everything that was flushed since, so a value
    /// that was set may be older than the one that the row has by now; what was to be added is added.
    ///
    /// # Errors
    /// [`Error::Database`](super::Error::Database): then all of them are as they were.
    pub fn put_back(&self, ids: &[i64]) -> Result<PutBack> {
        Ok(self.larder.transaction(|tx| {
            let delete = format!(
                "WITH gone AS (DELETE FROM larder_behind_dead WHERE id = ANY($1) AND buffer = $2 RETURNING *)
                 SELECT {COLUMNS} FROM gone ORDER BY id"
            );
            let buffer = &self.press.buffer;
            let rows: Vec<Row> = tx.run(|connection| {
                sql_query(delete).bind::<Array<BigInt>, _>(ids).bind::<Text, _>(buffer).load(connection)
            })?;
            let (mut changes, mut rejected) = (Vec::new(), Vec::new());
            for row in rows {
                match (decode_change(&row.change), Frame::decode(&row.change)) {
                    (Ok(change), _) => changes.push(change),
                    (_, Ok(frame)) => changes.extend(frame.changes),
                    _ => rejected.push(Rejected::unread(&row.change)),
                }
            }
            let (changes, mut written): (Vec<&Change>, _) = (changes.iter().collect(), Written::default());
            self.press.write_changes(tx, &changes, &mut written, &mut rejected)?;
            tx.run(|connection| add(connection, buffer, &rejected))?;
            Ok(PutBack { n_written: written.n_rows, n_rejected: rejected.len() as u64 })
        })?)
    }

    /// Forgets these changes, for good: how many they were. One statement.
    ///
    /// # Errors
    /// [`Error::Database`](super::Error::Database).
    pub fn discard(&self, ids: &[i64]) -> Result<usize> {
        Ok(self.larder.transaction(|tx| {
            let delete = "DELETE FROM larder_behind_dead WHERE id = ANY($1) AND buffer = $2";
            tx.run(|connection| {
                sql_query(delete).bind::<Array<BigInt>, _>(ids).bind::<Text, _>(&self.press.buffer).execute(connection)
            })
        })?)
    }
}

impl fmt::Debug for DeadLetters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("buffer", &self.press.buffer).finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    model: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    cell: Option<String>,
    #[diesel(sql_type = BigInt)]
    n_calls: i64,
    #[diesel(sql_type = Text)]
    reason: String,
    #[diesel(sql_type = Binary)]
    change: Vec<u8>,
}

impl Row {
    fn letter(self) -> DeadLetter {
        let Self { id, at, model, cell, n_calls, reason, .. } = self;
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(at.unsigned_abs());
        DeadLetter { id, at, model, cell, n_calls: n_calls.unsigned_abs(), reason }
    }
}
