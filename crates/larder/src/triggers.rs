//! Triggers that tell of writes made past larder: SQL for a migration of the application's own.
//!
//! A trigger leaves the key columns of the rows that a statement has changed, as they were and as they are, in the table
//! `larder_outbox`, in the same transaction; the relay empties the cells that those rows are in. So what psql, a cron job or another
//! service writes is seen through the caches as soon as the relay has come by, and what they roll back is not.
//!
//! ```
//! # #[cfg(feature = "postgres")]
//! # fn example<User: larder::Table<diesel::pg::Pg>, Order: larder::Table<diesel::pg::Pg>>() {
//! use larder::{Models, triggers::Triggers};
//! let triggers = Triggers::of(Models::new().with::<User>().with::<Order>());
//! println!("{}", triggers.up());
//! # }
//! ```
//!
//! # What they see
//!
//! INSERT, UPDATE, DELETE, MERGE, COPY and TRUNCATE, whoever sends them: also the foreign keys' own cascades, other triggers, and sessions
//! with `session_replication_role = replica`. An UPDATE is told of only where rows are other rows than before, byte by byte; columns
//! that Diesel's `table!` has and the model leaves out do not count.
//!
//! Not what changes a table without changing rows: a partition that is attached, detached, dropped, or truncated by its own name; a
//! column that is altered; nor, unless rows are told of [one by one](Triggers::by_row), what a logical subscription brings.
//! `INSERT INTO larder_outbox (model) VALUES ('orders')` tells by hand that any row of a model may have changed.
//!
//! # What larder itself writes
//!
//! The statements of repositories begin with a comment, `/* larder:orders */`, by which the trigger of that very table knows them, and
//! leaves them to larder, which tells the caches itself. What follows from them in other tables, or in the same one by other triggers,
//! has no such comment, and is told of; so are statements that are run by [`Tx::run`](crate::Tx::run). No session state is needed, and
//! no round trip. A handle without a store has nobody to tell, and leaves its statements to the triggers; one with a store of its own,
//! that the relay does not know, would take them away from it.
//!
//! # What they cost
//!
//! A statement past larder: some 0.1 ms, and 5 to 10 us for each row up to [`Triggers::at_most`]. Many rows are told of as *any row of the
//! model*: the relay then looks through the store for all cells of the model, which costs Redis the more the more keys it has.

mod check;
mod function;
mod names;
mod sql;

use diesel::pg::Pg;

pub use self::check::{Gap, Reason};
pub(crate) use self::names::{identifier, literal};
use crate::{
    entity::Table,
    models::{Model, Models},
};

/// The triggers of some models: the SQL that makes them, and the SQL that takes them away.
#[derive(Debug)]
pub struct Triggers {
    models: Models<Pg>,
    by_row: Vec<&'static str>,
    at_most: u32,
    outbox_schema: String,
}

impl Triggers {
    /// Triggers for all of these models that are tables, by statement.
    #[must_use]
    pub fn of(models: Models<Pg>) -> Self {
        Self { models: models.tables(), by_row: Vec::new(), at_most: 10_000, outbox_schema: "public".to_owned() }
    }

    /// Tells of this model's rows one by one, and not of those of a statement together: a partitioned table can't do otherwise, and a
    /// table that a logical subscription fills isn't told of otherwise.
    ///
    /// Some 15 us for each row that is changed, larder's own among them.
    #[must_use]
    pub fn by_row<E: Table<Pg>>(mut self) -> Self {
        self.by_row.push(E::cells_name());
        self
    }

    /// How many changed rows of a table are told of one by one in a transaction: after that, any row of the model may be meant.
    /// Defaults to 10,000.
    ///
    /// It bounds what one transaction adds to the outbox, and what the relay asks of the store. Rows whose keys have more than 16 MB
    /// together count as too many.
    #[must_use]
    pub fn at_most(mut self, n_rows: u32) -> Self {
        self.at_most = n_rows;
        self
    }

    /// The schema that has the table `larder_outbox`. Defaults to `public`.
    #[must_use]
    pub fn outbox_schema(mut self, schema: impl Into<String>) -> Self {
        self.outbox_schema = schema.into();
        self
    }

    /// The SQL that makes the triggers, or replaces those of an earlier version of the models.
    ///
    /// To be run in a transaction, as migrations are, by the role that owns the tables and may insert into the outbox: the functions
    /// run with its rights (`SECURITY DEFINER`, on `pg_catalog` alone), whoever changes rows. PostgreSQL 14 or later. Fails where there is
    /// no outbox, and where a table is partitioned or inherits and is not told of [by row](Self::by_row). Each table is locked against
    /// writes for a moment.
    #[must_use]
    pub fn up(&self) -> String {
        let guard = sql::guard_of_outbox(&self.outbox_schema);
        let tables = self.models.iter().map(|model| sql::up(&self.plan(model)));
        std::iter::once(guard).chain(tables).collect::<Vec<_>>().join("\n")
    }

    /// The SQL that takes the triggers away. Run twice, it does nothing.
    #[must_use]
    pub fn down(&self) -> String {
        self.models.iter().map(|model| sql::down(&self.plan(model))).collect::<Vec<_>>().join("\n")
    }

    fn plan<'a>(&'a self, model: &'a Model<Pg>) -> Plan<'a> {
        let by_row = self.by_row.contains(&model.name);
        Plan { model, by_row, at_most: self.at_most, outbox_schema: &self.outbox_schema }
    }
}

/// What is to be made for one model.
struct Plan<'a> {
    model: &'a Model<Pg>,
    by_row: bool,
    at_most: u32,
    outbox_schema: &'a str,
}
