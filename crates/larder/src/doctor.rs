//! Whether a database is fit for the models: do its tables have what they declare, and an index for each way in which rows are found.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # fn example(connection: &mut diesel::PgConnection, models: &larder::Models<diesel::pg::Pg>) -> larder::Result<()> {
//! let report = larder::doctor::examine(connection, models)?;
//! print!("{report}");
//! for finding in &report.findings {
//!     for mend in &finding.mend {
//!         println!("{};", mend.up);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It reads the [catalogue](crate::catalogue), compares it with what the models say, and asks the planner how it would run the very
//! statements that larder sends. It changes nothing. What can't be known, since nothing was counted yet or the database does not tell, is no
//! finding: [`Report::notes`] says so. Each finding, with its reason and its cure, stands in `docs/doctor.md` of the repository.

mod columns;
mod constraints;
mod fit;
mod indexes;
mod mend;
mod migration;
#[cfg(feature = "mysql")]
mod mysql;
mod patterns;
mod plans;
#[cfg(feature = "postgres")]
mod postgres;
mod report;
#[cfg(feature = "sqlite")]
mod sqlite;
mod visit;
mod words;

use diesel::result::QueryResult;

pub use self::{
    mend::Mend,
    migration::Migration,
    report::{Finding, Kind, Lookup, Plan, Proof, Report, Severity},
};
use crate::{
    backend::Backend,
    catalogue::{Catalogue, Connected},
    error::Result,
    models::{Declared, Models},
};

/// A back end whose databases can be examined. Implemented by the features of the back ends. Sealed, as [`Backend`] is.
pub trait Examined: Backend<Connection: Connected> {
    /// What is wrong with a column's type, if anything is.
    #[doc(hidden)]
    fn compare(
        connection: &mut Self::Connection,
        declared: &TypeOf<'_, Self>,
        column: &crate::catalogue::Column,
    ) -> QueryResult<Option<Mismatch>>;

    /// How the planner would run a statement: the indexes that it would search, none if it can't be told.
    #[doc(hidden)]
    fn plan(connection: &mut Self::Connection, statement: &Probe<'_>) -> QueryResult<Option<Planned>>;

    /// Whether the planner would search an index that there is not yet, and which this statement would make.
    #[doc(hidden)]
    fn suppose(_connection: &mut Self::Connection, _index: &str, _statement: &Probe<'_>) -> QueryResult<Proof> {
        Ok(Proof::NotAsked)
    }
}

/// The type that a model declares of a column.
#[doc(hidden)]
pub struct TypeOf<'a, DB: Backend>(pub(crate) &'a Declared<DB>);

/// Why a type does not fit.
#[doc(hidden)]
#[derive(Debug)]
pub struct Mismatch {
    /// What the database would call the model's.
    pub(crate) declared: String,
    pub(crate) why: &'static str,
    /// Whether values are changed without anybody being told.
    pub(crate) is_silent: bool,
}

/// A statement whose plan is wanted.
#[doc(hidden)]
#[derive(Debug)]
pub struct Probe<'a> {
    pub(crate) text: &'a str,
}

/// What a planner said.
#[doc(hidden)]
#[derive(Debug)]
pub struct Planned {
    pub(crate) indexes: Vec<String>,
    pub(crate) how: &'static str,
}

/// Examines a database with the limits that [`Doctor`] has by itself.
///
/// # Errors
/// As [`Doctor::examine`].
pub fn examine<DB: Examined>(connection: &mut DB::Connection, models: &Models<DB>) -> Result<Report> {
    Doctor::new(models).examine(connection)
}

/// Has a test fail where a database is not fit for the models: one line for a suite of one's own.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # fn example(connection: &mut diesel::SqliteConnection, models: &larder::Models<diesel::sqlite::Sqlite>) {
/// larder::doctor::assert_healthy(connection, models);
/// # }
/// ```
///
/// [Advice](Severity::Advice) is no reason to fail: in a test's database nothing was counted.
///
/// # Panics
/// If anything of [`Severity::Warning`] or worse is found, with the report as its message, and if a statement fails.
#[track_caller]
#[expect(clippy::panic, reason = "it is an assertion")]
pub fn assert_healthy<DB: Examined>(connection: &mut DB::Connection, models: &Models<DB>) {
    match examine(connection, models) {
        Ok(report) if report.is_healthy() => {}
        Ok(report) => panic!("the database is not fit for the models\n\n{report}"),
        Err(error) => panic!("the database can't be examined: {error}"),
    }
}

/// An examination, with limits of one's own.
#[must_use = "nothing is examined before it is asked for"]
#[derive(Debug)]
pub struct Doctor<'a, DB: Backend> {
    models: &'a Models<DB>,
    limits: Limits,
}

/// From when on something counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) few_rows: u64,
    pub(crate) reads: u64,
    pub(crate) n_indexes: usize,
    pub(crate) bytes: u64,
}

impl<'a, DB: Examined> Doctor<'a, DB> {
    /// An examination of the tables of these models.
    pub fn new(models: &'a Models<DB>) -> Self {
        Self { models, limits: Limits { few_rows: 1_000, reads: 1_000, n_indexes: 10, bytes: 8 << 20 } }
    }

    /// How many rows of one key may be read to find some of them, or to sort them. Defaults to 1,000.
    pub fn few_rows(mut self, n: u64) -> Self {
        self.limits.few_rows = n;
        self
    }

    /// How often a table has to have been read before an index that never was used counts as unused. Defaults to 1,000.
    pub fn reads(mut self, n: u64) -> Self {
        self.limits.reads = n;
        self
    }

    /// How many indexes of a table are many. Defaults to 10.
    pub fn many_indexes(mut self, n: usize) -> Self {
        self.limits.n_indexes = n;
        self
    }

    /// How large a table has to be for the size of its indexes to count. Defaults to 8 MiB.
    pub fn large_bytes(mut self, bytes: u64) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// Examines a database: what is found, the worst first.
    ///
    /// Costs the statements of [`Catalogue::read`], up to five for each pattern that has an index, of which the planner makes a plan
    /// and nothing more, and one for each type that PostgreSQL has to name. It reads no rows, and takes no locks that others wait for.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database), if the catalogue can't be read. A plan that can't be made is a note.
    pub fn examine(&self, connection: &mut DB::Connection) -> Result<Report> {
        let catalogue = Catalogue::read(connection)?;
        let mut report = visit::visit(connection, &catalogue, self.models, self.limits)?;
        report.sort();
        Ok(report)
    }
}
