//! Rows that went with their partition leave the caches.

use diesel::{Connection as _, PgConnection, connection::SimpleConnection, pg::Pg, result::QueryResult};

use super::{
    catalogue::{Named, number},
    error::Error,
};
use crate::{
    handle::Larder,
    models::Model,
    payload,
    statement::Statement,
    store::{CellKey, Layout, StoreError},
};

/// Up to how many rows their cells are emptied one by one. Beyond that all cells of the table are: the store is walked through once.
const FEW: i64 = 100_000;

/// How many rows are read at once.
const N_ROWS: usize = 5_000;

/// Empties the cells that have rows of a table which was a partition, and the table's own: how many they were. `None` without a store.
///
/// As for rows that were written past larder. Until it is done the handle reads the table past its cells; if the store fails, for longer.
pub(super) fn forget(
    larder: &Larder<Pg>,
    connection: &mut PgConnection,
    model: &Model<Pg>,
    table: &Named,
) -> Result<Option<usize>, Error> {
    let Some(layers) = larder.layers() else { return Ok(None) };
    let prefix = format!("{}:", model.name).into_bytes();
    let n_rows =
        number(connection, &format!("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) AS few", table.sql, FEW + 1))?;
    let noted = layers.note_all(&prefix);
    let settled = if n_rows.is_some_and(|n_rows| n_rows > FEW) {
        Ok(layers
            .settle_all(&prefix, |took| layers.rest(took))
            .and_then(|(is_done, n_cells)| is_whole(is_done).map(|()| n_cells))
            .and_then(|n_cells| {
                // The roots of the trees that the rows were in are others' rows.
                let versions: Vec<&CellKey> = model.versions.iter().collect();
                let is_done = layers.settle_cells(&versions, |took| layers.rest(took))?;
                is_whole(is_done).map(|()| n_cells + versions.len())
            }))
    } else {
        each_cell(connection, model, table, |cells| {
            let cells: Vec<_> = cells.iter().collect();
            layers.settle_cells(&cells, |took| layers.rest(took)).and_then(is_whole)
        })
    };
    match settled {
        Ok(settled) => Ok(Some(layers.end_noted(noted, &prefix, settled)?)),
        Err(error) => {
            // They are as they were, and this handle goes past them until it has emptied them by itself.
            layers.give_up_noted(noted, true);
            Err(error.into())
        }
    }
}

fn is_whole(is_done: bool) -> Result<(), StoreError> {
    if is_done { Ok(()) } else { Err(StoreError::unavailable("the handle is ending")) }
}

/// Gives the cells of all rows to `settle`, some rows at a time, and the table's own last.
fn each_cell<E>(
    connection: &mut PgConnection,
    model: &Model<Pg>,
    table: &Named,
    mut settle: impl FnMut(&[CellKey]) -> Result<(), E>,
) -> QueryResult<Result<usize, E>> {
    connection.transaction(|connection| {
        let columns = model.patterns.iter().flat_map(|pattern| pattern.names);
        let columns: Vec<_> = columns.map(|column| crate::triggers::identifier(column)).collect();
        let select = format!("SELECT {} FROM {}", columns.join(", "), table.sql);
        connection.batch_execute(&format!("DECLARE larder_rows NO SCROLL CURSOR FOR {select}"))?;
        let mut n_cells = 0;
        loop {
            let mut fetch = Statement::new();
            fetch.sql(format!("FETCH {N_ROWS} FROM larder_rows")).unprepared();
            let rows = model.load_keys(connection, fetch)?;
            let is_last = rows.is_empty();
            let mut cells: Vec<CellKey> = rows.into_iter().flatten().collect();
            if is_last {
                cells.push(CellKey::new(payload::table_key(model.name).as_bytes(), Layout::UNKNOWN));
                cells.extend(model.versions.iter().cloned());
            }
            cells.sort_unstable();
            cells.dedup();
            n_cells += cells.len();
            if let Err(error) = settle(&cells) {
                return Ok(Err(error));
            }
            if is_last {
                return Ok(Ok(n_cells));
            }
        }
    })
}
