//! One batch of rows: taken, settled, deleted.

use std::time::{Duration, Instant};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    connection::{SimpleConnection, TransactionManager},
    pg::Pg,
    sql_query,
    sql_types::{Array, BigInt, Binary, Nullable, Text},
};

use super::{Error, Inner, microseconds, work::Work};
use crate::{
    backend::{Backend, Isolation, Manager},
    failpoints::{Point, reach},
    stop::Stop,
};

/// How many rows are taken at once, and about how many bytes of them, so that the memory for them is bounded.
const N_ROWS: i64 = 256;
const N_BYTES: i64 = 4 << 20;

/// How long the connection may idle in the transaction while cells are settled. A row may have a million of them.
const IDLE: Duration = Duration::from_secs(300);

/// How often the connection is used meanwhile: to walk over all cells of a model may take longer than it may idle.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// What [`N_ROWS`] and [`N_BYTES`] allow, but at least one row. Sizes are those on disk, so that no row is read for its size.
const TAKE: &str = "
    WITH taken AS MATERIALIZED (
        SELECT id FROM larder_outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    ), sized AS (
        SELECT id, cells, model, rows,
            sum(coalesce(pg_column_size(cells), 0) + coalesce(pg_column_size(rows), 0))
                OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS n_before
        FROM larder_outbox JOIN taken USING (id)
    )
    SELECT id, cells, model, rows::text AS rows FROM sized WHERE coalesce(n_before, 0) < $2 ORDER BY id";

const DELETE: &str = "
    DELETE FROM larder_outbox WHERE id = ANY($1)
    RETURNING (extract(epoch FROM clock_timestamp() - noted_at) * 1000000)::bigint AS lag";

#[derive(QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<Array<Nullable<Binary>>>)]
    pub(super) cells: Option<Vec<Option<Vec<u8>>>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) model: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) rows: Option<String>,
}

#[derive(QueryableByName)]
struct Deleted {
    #[diesel(sql_type = BigInt)]
    lag: i64,
}

impl Inner {
    /// Takes the oldest rows, settles their cells and deletes them: how many rows they were. `None` if there was none that
    /// nobody else has in his hands, or if the relay is to end.
    pub(super) fn batch(&self, connection: &mut PgConnection, stop: &Stop) -> Result<Option<usize>, Error> {
        Pg::begin(connection, Isolation::ReadCommitted, IDLE)?;
        let relayed = self.relay(connection, stop);
        let relayed = match relayed {
            Ok(Some(relayed)) => Pg::commit(connection, None).map(|()| Some(relayed)).map_err(Error::from),
            other => other,
        };
        // After a COMMIT that failed, too: what was settled twice is settled.
        if !matches!(relayed, Ok(Some(_))) {
            // If this fails, the connection is thrown away by its pool, and the server rolls back.
            let _ = Manager::<Pg>::rollback_transaction(connection);
        }
        let Some((lags, n_cells)) = relayed? else { return Ok(None) };
        self.ledger.relayed(&lags, n_cells);
        self.layers().relayed(n_cells, lags.iter().max().copied().unwrap_or_default());
        Ok(Some(lags.len()))
    }

    fn relay(&self, connection: &mut PgConnection, stop: &Stop) -> Result<Option<(Vec<Duration>, usize)>, Error> {
        let rows: Vec<Row> = sql_query(TAKE).bind::<BigInt, _>(N_ROWS).bind::<BigInt, _>(N_BYTES).load(connection)?;
        if rows.is_empty() {
            return Ok(None);
        }
        reach(Point::RelayTaken);
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let work = Work::of(rows, &self.models, connection)?;
        let Some(n_cells) = self.settle(&work, connection, stop)? else { return Ok(None) };
        reach(Point::RelaySettled);
        let deleted: Vec<Deleted> = sql_query(DELETE).bind::<Array<BigInt>, _>(ids).load(connection)?;
        reach(Point::RelayDeleted);
        Ok(Some((deleted.into_iter().map(|row| microseconds(row.lag)).collect(), n_cells)))
    }

    /// Settles cells, with a rest between calls, so that others get at the store: how many. `None` if the relay is to end.
    fn settle(&self, work: &Work, connection: &mut PgConnection, stop: &Stop) -> Result<Option<usize>, Error> {
        let mut asked = Instant::now();
        let mut rest = |took| {
            if asked.elapsed() > KEEP_ALIVE {
                asked = Instant::now();
                // If it is lost, what follows shows it.
                let _ = connection.batch_execute("SELECT");
            }
            stop.rest(took)
        };
        let cells: Vec<_> = work.cells.iter().collect();
        let mut n_cells = cells.len();
        if !self.layers().settle_cells(&cells, &mut rest)? {
            return Ok(None);
        }
        for prefix in &work.all {
            let (is_done, n) = self.layers().settle_all(prefix, &mut rest)?;
            if !is_done {
                return Ok(None);
            }
            n_cells += n;
        }
        Ok(Some(n_cells))
    }
}
