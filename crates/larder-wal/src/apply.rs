//! Telling the store.

use diesel::{PgConnection, pg::Pg};
use larder::{
    Models,
    store::{BATCH, CellKey, Cursor, Nonce, Scanned, Store},
};

use crate::{
    Error,
    changes::{Announced, Changes, Rows, Watched},
};

/// Settles every cell that changed rows are or were in, and tells how many those were. To be repeated as a whole after an error.
pub(crate) fn apply(
    changes: &Changes,
    models: &Models<Pg>,
    watched: &[Watched],
    connection: &mut PgConnection,
    store: &dyn Store,
) -> Result<usize, Error> {
    let nonce = match changes.announced {
        Announced::Larder(nonce) => Some(nonce),
        Announced::Nobody => None,
    };
    let mut n_cells = 0;
    for (model, rows) in changes.iter() {
        let name = watched[model].name;
        let cells = match rows {
            Rows::Any => None,
            Rows::Some { objects, .. } => {
                let rows = format!("[{}]", objects.iter().map(String::as_str).collect::<Vec<_>>().join(","));
                models.cells_of(connection, name, &rows)?
            }
        };
        n_cells += match cells {
            Some(cells) => settle(store, nonce, &cells)?,
            None => settle_all(store, nonce, name)?,
        };
    }
    Ok(n_cells)
}

fn settle(store: &dyn Store, nonce: Option<Nonce>, cells: &[CellKey]) -> Result<usize, Error> {
    for cells in cells.chunks(BATCH) {
        store.settle(nonce, &cells.iter().collect::<Vec<_>>())?;
    }
    Ok(cells.len())
}

/// Settles all cells of a model: what lies in one now is found, and what comes into one later was loaded later.
fn settle_all(store: &dyn Store, nonce: Option<Nonce>, model: &str) -> Result<usize, Error> {
    let prefix = format!("{model}:");
    let (mut from, mut n_cells) = (Cursor::START, 0);
    loop {
        let Scanned { keys, next } = store.scan(prefix.as_bytes(), from)?;
        n_cells += settle(store, nonce, &keys)?;
        match next {
            Some(next) => from = next,
            None => return Ok(n_cells),
        }
    }
}
