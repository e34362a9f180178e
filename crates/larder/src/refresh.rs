//! Refreshing materialized views, so that no cache serves a row from before.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # fn example<UserStats: larder::MaterializedView + larder::Table<diesel::pg::Pg>>(
//! #     larder: &larder::Larder<diesel::pg::Pg>,
//! # ) -> larder::Result<()> {
//! use larder::MaterializedView as _;
//!
//! let refreshed = UserStats::refresh(larder)?;
//! println!("{} in {:?}", refreshed.manner, refreshed.took); // `concurrently in 12ms`
//! # Ok(())
//! # }
//! ```
//!
//! A refresh is a transaction: the view's own cell is marked before its COMMIT, as every write does with its table's, and what depends on
//! the view as a whole is never served from before it. Its rows' cells are emptied after the COMMIT, wherever the store has them, before the
//! call returns. In between others may still be given rows from before the refresh, and this handle reads the database.
//!
//! A [`Refresher`] does that by itself, in one of all processes, after writes to the tables that the view's query reads.
//!
//! A reader who has asked for a row before the refresh can't fill it in after: the lease under which it would is taken away with the
//! cells.

mod figures;
mod lead;
mod manner;
mod record;
mod refresher;

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use diesel::pg::Pg;

pub use self::{
    figures::Figures,
    manner::{Flaw, Manner, Reason},
    refresher::{Refresher, RefresherHandle},
};
use crate::{
    backend::Backend as _,
    entity::{MaterializedView, Table},
    error::{Error, Result},
    event::{self, Event},
    handle::{Larder, TransactionOptions},
    load, outbox,
    statement::Statement,
    token::Token,
    transaction::Tx,
};

/// A refresh that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refreshed {
    /// Whether others could read the view meanwhile, and why not if they could not.
    pub manner: Manner,
    /// From the statement that refreshes until its end, COMMIT and cells aside.
    pub took: Duration,
    /// How many cells of its rows were emptied: `None` if the store failed at it, or there is none.
    ///
    /// If it failed, this handle goes on trying and reads the view from the database until it has, and so does a relay, where there is an
    /// outbox. Other processes may serve rows from before the refresh until then.
    pub n_cells: Option<usize>,
}

impl Larder<Pg> {
    /// Refreshes a materialized view, and empties the cells of its rows: after this has returned, no cache of the store serves a row from
    /// before.
    ///
    /// `CONCURRENTLY` where that can be, so that others read the old rows until COMMIT: with a unique index that has no condition and is on
    /// columns only, if the view was ever filled. The role must own the view. Costs three statements, five with an outbox, two round trips
    /// of the store to mark the view, and then a look through all of the store's keys for the view's cells, 512 a call, with as long a
    /// rest after each call for others to use the store.
    ///
    /// Where there is an outbox, a row in it says that the view's cells are to be emptied until they are: if this process ends in
    /// between, a [relay](crate::relay) empties them. Without one they live as long as their time to live then, or until the next refresh.
    ///
    /// # Errors
    /// Those of [`Larder::transaction`]. The view is as it was before, unless it is [`Error::CommitUnknown`].
    pub fn refresh<E: MaterializedView + Table<Pg>>(&self) -> Result<Refreshed> {
        let result = refresh::<E>(self);
        let figures = self.lookout().figures.of::<E>();
        match &result {
            Ok(refreshed) => figures.refreshes.add(refreshed.took),
            Err(_) => figures.refreshes_failed.one(),
        }
        let event = match &result {
            Ok(refreshed) => Event::Refreshed { view: E::NAME, refreshed },
            Err(error) => Event::RefreshFailed { view: E::NAME, error },
        };
        match self.layers() {
            Some(layers) => layers.tell(event),
            None => event::trace(event),
        }
        result
    }
}

fn refresh<E: MaterializedView + Table<Pg>>(larder: &Larder<Pg>) -> Result<Refreshed> {
    // The layout is not what tells cells apart: it is what the keys of all of them begin with.
    let prefix = [E::cells_name().as_bytes(), b":"].concat();
    let noted = Cell::new(None);
    let done = Tx::run_to_end(larder, TransactionOptions::default(), &mut Token::default(), |tx| {
        let manner = tx.with_connection(manner::of::<E>)?;
        let begun = Instant::now();
        let mut statement = Statement::new();
        statement.sql("REFRESH MATERIALIZED VIEW ");
        if manner == Manner::Concurrently {
            statement.sql("CONCURRENTLY ");
        }
        statement.fragment(load::table::<Pg, E>());
        tx.with_connection(|connection| Pg::execute(connection, statement))?;
        let took = begun.elapsed();
        tx.rewritten::<E>();
        let row = add_to_outbox::<E>(tx)?;
        // As late as can be: until its end the handle reads the view past its cells.
        noted.set(larder.layers().map(|layers| layers.note_all(&prefix)));
        Ok((Refreshed { manner, took, n_cells: None }, row))
    });
    let (Some(layers), Some(noted)) = (larder.layers(), noted.take()) else {
        return done.map(|(refreshed, _)| refreshed);
    };
    match done {
        Ok((mut refreshed, row)) => {
            refreshed.n_cells = layers.settle_noted(noted, &prefix);
            if let (Some(_), Some(row)) = (refreshed.n_cells, row) {
                remove_from_outbox(larder, row);
            }
            Ok(refreshed)
        }
        Err(error) => {
            let may_have_committed = matches!(error, Error::CommitUnknown(_));
            layers.give_up_noted(noted, may_have_committed);
            Err(error)
        }
    }
}

/// Leaves word that the cells are to be emptied, in the transaction that is open: the row's number, if there is an outbox.
fn add_to_outbox<E: Table<Pg>>(tx: &Tx<Pg>) -> Result<Option<i64>> {
    if !tx.with_connection(outbox::is_there)? {
        return Ok(None);
    }
    tx.with_connection(|connection| outbox::add_model(connection, E::cells_name())).map(Some)
}

/// The cells are emptied. A relay that has the row in its hands empties them once more, and is not waited for.
fn remove_from_outbox(larder: &Larder<Pg>, row: i64) {
    let removed = larder.connection().and_then(|mut connection| Ok(outbox::remove(&mut connection, row)?));
    if let Err(error) = removed {
        tracing::warn!(%error, "a relay will empty the cells of a view that are empty already");
    }
}
