//! Tells the caches of [`larder`] what PostgreSQL's write-ahead log says was changed past them.
//!
//! The alternative to triggers: nothing is added to the tables or to anybody's statements. A [`Follower`] reads the log through a
//! *replication slot*, and empties the cells of the rows that a committed transaction has changed. PostgreSQL keeps the log until the
//! follower has said that it is done with it, so a follower that was away goes on where it was.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # fn example<User: larder::Table<diesel::pg::Pg>>(store: Arc<dyn larder::store::Store>) -> Result<(), larder_wal::Error> {
//! use larder::Models;
//! use larder_wal::Follower;
//! let models = Models::new().with::<User>();
//! // Once, as a migration: `larder_wal::setup::up(&models, "larder")`.
//! let follower = Follower::builder("postgres://relay@localhost/shop", store, models).start()?;
//! println!("{:?}", follower.status());
//! # Ok(()) }
//! ```
//!
//! # What it needs
//!
//! `wal_level = logical`; a role with REPLICATION that may read the tables; the publication and the identities that [`setup::up`]
//! makes. The follower makes its slot itself. With `REPLICA IDENTITY DEFAULT` the log does not have the old values of unique columns
//! and list keys; the follower then takes every update of such a table for one of any row, and says so at start.
//! Any number of processes may follow: PostgreSQL lets one have the slot, and the others wait for it.
//!
//! # What is promised
//!
//! A change that was committed is settled at least once, whatever is restarted at whichever moment: the log is let go only after the
//! store has answered. Where the slot is lost, dropped, or has fallen so far behind that the follower
//! [gives it up](Builder::retain_at_most), a new slot is made first, and then every cell of every model is settled.
//!
//! # What larder itself writes
//!
//! is in the log as well. Where the handle [announces](larder::Builder::announce) its writes, the values that they stored are kept; otherwise they
//! are emptied as everybody's, which costs the next reader a query and no truth.

mod apply;
mod changes;
mod error;
mod follower;
mod pgoutput;
pub mod setup;
mod slot;
mod source;
mod status;

pub use self::{
    error::Error,
    follower::{Builder, Follower},
    status::Status,
};
