//! Changes that the database has rejected.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime},
};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    pg::Pg,
    result::QueryResult,
    sql_query,
    sql_types::{Array, BigInt, Binary, Nullable, Text},
};
use sha2::{Digest as _, Sha256};

use super::{
    change::Change,
    error::Result,
    flush::{Patience, Press},
    frame::{Frame, decode_change, encode_change},
    ledger,
    marks::Mark,
    rows::Terms,
};
use crate::{handle::Larder, transaction::Tx};

/// So long changes that are put back wait for others who have the rows, or flush.
const PUT_BACK: Duration = Duration::from_secs(30);

const ADD: &str = "
    INSERT INTO larder_behind_dead (buffer, model, cell, n_calls, reason, change)
    SELECT $1, * FROM unnest($2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

const WERE_READ: &str = "
    DELETE FROM larder_behind_dead WHERE buffer = $1 AND model IS NULL AND sha256(change) = ANY($2)";

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

/// Keeps what was rejected: how many changes that were. An entry that can't be read is kept once, however often it is read.
pub(super) fn add(connection: &mut PgConnection, buffer: &str, rejected: &[Rejected]) -> QueryResult<u64> {
    if rejected.is_empty() {
        return Ok(0);
    }
    // Text of the database has no NUL, and what came from the buffer may.
    let text = |text: &str| text.replace('\0', "");
    let optional = |of: &Option<String>| of.as_deref().map(text);
    let n_calls = |dead: &Rejected| i64::try_from(dead.n_calls).unwrap_or(i64::MAX);
    let n_added = sql_query(ADD)
        .bind::<Text, _>(buffer)
        .bind::<Array<Nullable<Text>>, _>(rejected.iter().map(|dead| optional(&dead.model)).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(rejected.iter().map(|dead| optional(&dead.cell)).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(rejected.iter().map(n_calls).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rejected.iter().map(|dead| text(&dead.reason)).collect::<Vec<_>>())
        .bind::<Array<Binary>, _>(rejected.iter().map(|dead| dead.change.clone()).collect::<Vec<_>>())
        .execute(connection)?;
    Ok(n_added as u64)
}

/// These entries can be read by now, and are applied: forgets that they could not.
pub(super) fn were_read<'b>(
    connection: &mut PgConnection,
    buffer: &str,
    entries: impl Iterator<Item = &'b [u8]>,
) -> QueryResult<usize> {
    let digests: Vec<Vec<u8>> = entries.map(|bytes| Sha256::digest(bytes).to_vec()).collect();
    sql_query(WERE_READ).bind::<Text, _>(buffer).bind::<Array<Binary>, _>(digests).execute(connection)
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
        let until = Instant::now() + PUT_BACK;
        let put_back = self.press.in_turn(self.larder, Patience::Until(until), |tx| self.put_back_in(tx, ids, until));
        Ok(put_back?.unwrap_or_default())
    }

    fn put_back_in(&self, tx: &Tx<Pg>, ids: &[i64], until: Instant) -> crate::Result<PutBack> {
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
                (Ok(change), _) if row.model.is_some() => changes.push(change),
                (_, Ok(frame)) => {
                    self.takes_from_the_buffer(tx, &frame)?;
                    changes.extend(frame.changes);
                }
                _ => rejected.push(Rejected::unread(&row.change)),
            }
        }
        let changes: Vec<&Change> = changes.iter().collect();
        // Who asks for it now is told now what nothing here can write.
        let terms = Terms { gives_up_after: Duration::ZERO, ..self.press.terms_of_a_call(until) };
        let outcome = self.press.write_changes(tx, &changes, terms)?;
        rejected.extend(outcome.rejected);
        let n_rejected = tx.run(|connection| add(connection, buffer, &rejected))?;
        Ok(PutBack { n_written: outcome.n_rows, n_rejected })
    }

    /// A frame that could not be read is applied here, and not if it should still be in the buffer.
    fn takes_from_the_buffer(&self, tx: &Tx<Pg>, frame: &Frame) -> crate::Result<()> {
        tx.run(|connection| {
            let ledger = ledger::marks(connection, &self.press.buffer, &[frame.producer])?;
            let marks = ledger.marks.get(&frame.producer).cloned().unwrap_or_default();
            if marks.of(frame.number) != Mark::Nothing {
                return Ok(());
            }
            let mut direct = marks.direct;
            direct.insert(frame.number);
            ledger::mark_direct(connection, &frame.producer, &direct)
        })
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
