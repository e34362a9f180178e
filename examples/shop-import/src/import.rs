//! The import itself: batch after batch, until the end, a mistake or a request to stop.

use std::{
    io::BufRead,
    sync::atomic::{AtomicBool, Ordering},
};

use diesel::pg::Pg;
use larder::Larder;

use crate::{
    batch::{BatchError, Batches},
    figures::Figures,
    rows::Rows,
    write::{Written, write_batch},
};

/// How far an import has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// What the batches held.
    pub figures: Figures,
    /// What of it was new.
    pub written: Written,
    /// Whether it was asked to stop before the end of the file.
    pub was_stopped: bool,
}

/// Why an import ended early. Whole batches stay in the database; importing the file again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file has wrong lines, or can't be read.
    #[error(transparent)]
    File(#[from] BatchError),
    /// The database did not take a batch.
    #[error("the database did not take the batch of lines {first_line} to {last_line}")]
    Database {
        /// Where the batch begins.
        first_line: u64,
        /// Where it ends.
        last_line: u64,
        /// Why.
        source: larder::Error,
    },
}

/// Imports a history, one transaction a batch, and looks at `stop` before each.
///
/// After each batch `progress` learns how many bytes of the file have been read and how far it has come.
///
/// # Errors
/// A batch has wrong lines, or the database did not take it: nothing of that batch is imported, and all before it are.
pub fn import<R: BufRead>(
    mut batches: Batches<R>,
    larder: &Larder<Pg>,
    stop: &AtomicBool,
    mut progress: impl FnMut(u64, &Imported),
) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    while !stop.load(Ordering::Relaxed) {
        let Some(batch) = batches.next().transpose()? else { return Ok(imported) };
        let written = write_batch(larder, &Rows::from(&batch)).map_err(|source| {
            let (first_line, last_line) = batch.lines().into_inner();
            ImportError::Database { first_line, last_line, source }
        })?;
        imported.figures.add(&batch);
        imported.written.add(written);
        progress(batches.n_bytes(), &imported);
    }
    imported.was_stopped = true;
    Ok(imported)
}

/// The figures of a history, for which nothing is written.
///
/// # Errors
/// The file has wrong lines, or can't be read.
pub fn count<R: BufRead>(batches: Batches<R>) -> Result<Figures, BatchError> {
    let mut figures = Figures::default();
    for batch in batches {
        figures.add(&batch?);
    }
    Ok(figures)
}
