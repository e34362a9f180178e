//! Write-behind: changes that are acknowledged at once and written to the database later, many at a time.
//!
//! For counters, last-seen stamps, and whatever else is written more often than anybody reads it and may lag. A call returns when its
//! change is in a [`Buffer`](crate::buffer::Buffer), which survives the process; a [`Flusher`] takes it from there and writes it through
//! larder's own write path, so that caches are as coherent as with any other write. `docs/patterns-behind.md` of the repository says what is
//! promised, what a crash loses, and what it costs.
//!
//! ```no_run
//! # use std::time::Duration;
//! # fn example<Order: larder::Table<diesel::pg::Pg> + larder::Writable>(
//! #     pool: diesel::r2d2::Pool<diesel::r2d2::ConnectionManager<diesel::PgConnection>>,
//! #     buffer: impl larder::buffer::Buffer,
//! # ) -> Result<(), larder::behind::Error> {
//! use larder::{Larder, behind::{Flusher, Options}};
//!
//! let larder: Larder<diesel::pg::Pg> = Larder::builder(pool).behind(Options::on(buffer).with::<Order>()).build();
//! let flusher = Flusher::start(&larder, Duration::from_millis(50))?; // in one process, or in all
//! // Order::repository(&larder).behind().increment(id, orders::n_views, 1)?;
//! flusher.drain(Duration::from_secs(10))?;
//! # Ok(())
//! # }
//! ```
//!
//! [`UP`] makes the tables that it needs, as a migration of the application's own: `diesel migration generate create_larder_behind`. Keep
//! `larder_behind`, `larder_behind_held` and `larder_behind_dead` out of the printed schema. The application's role needs SELECT, INSERT,
//! UPDATE and DELETE on all three.

mod amount;
mod apply;
mod callers;
mod capture;
mod change;
mod dead;
mod error;
mod figures;
mod flush;
mod flusher;
mod frame;
mod lane;
mod ledger;
mod marks;
mod models;
mod options;
mod overlay;
mod raw;
mod rows;
mod verdict;
mod writer;

use std::sync::Arc;

use diesel::pg::Pg;

pub(crate) use self::lane::Lane;
pub use self::{
    amount::{Adds, Delta},
    dead::{DeadLetter, DeadLetters, PutBack},
    error::{Error, Result},
    figures::Figures,
    flusher::Flusher,
    options::{Options, WhenAway, WhenFull},
    writer::{Batch, Behind},
};
use crate::{buffer::Backlog, handle::Larder};

/// The SQL that makes the tables.
pub const UP: &str = include_str!("behind/up.sql");

/// The SQL that takes them away again.
pub const DOWN: &str = include_str!("behind/down.sql");

impl Larder<Pg> {
    /// What waits in the handle's buffer, whoever has written it. One round trip of the buffer.
    ///
    /// # Errors
    /// [`Error::NoBuffer`] and [`Error::Unread`].
    pub fn backlog(&self) -> Result<Backlog> {
        let lane = self.lane().ok_or(Error::NoBuffer)?;
        lane.buffer().backlog().map_err(|error| Error::Unread(Arc::new(error)))
    }

    /// What this handle has written behind and flushed so far: `None` if it has no buffer. Costs nothing.
    #[must_use]
    pub fn behind_figures(&self) -> Option<Figures> {
        self.lane().map(Lane::figures)
    }

    /// The changes of the handle's buffer that the database has rejected.
    ///
    /// # Errors
    /// [`Error::NoBuffer`].
    pub fn dead_letters(&self) -> Result<DeadLetters<'_>> {
        let lane = self.lane().ok_or(Error::NoBuffer)?;
        Ok(DeadLetters::new(self, &lane.press))
    }
}
