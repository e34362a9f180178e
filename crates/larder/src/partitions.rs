//! Tables in partitions: made ahead of the rows, and taken away when those are old.
//!
//! A model says how its table is cut; a [migration](crate::migration) makes the table so, and a [`Keeper`] keeps it so.
//!
//! ```ignore
//! #[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
//! #[diesel(table_name = orders, primary_key(id, created_at), check_for_backend(diesel::pg::Pg))]
//! #[larder(partition(by = range(created_at), every = "1 month", keep = "24 months", ahead = 3))]
//! struct Order { .. }
//! ```
//!
//! - `by = range(column)`, of time or whole numbers: `every` is how far one partition goes, `keep` for how long rows are kept (for ever, if it
//!   is left out), `ahead` how many partitions there are beyond the present one (3). Months and days are those of UTC.
//! - `by = list(column)`: values that are [given one](Keeper::give_partition) have a partition of their own.
//! - `by = hash(column, 16)`: so many partitions of much the same size.
//! - `default = false`: there is no default partition. A row that has no partition is refused then, and old partitions are detached
//!   concurrently.
//!
//! Names are those of pg_partman 5: `orders_p20261101`, `orders_default`. Partitions that are there already are known by their bounds, whatever
//! they are called. PostgreSQL 14 or later.

#[cfg(feature = "postgres")]
mod archive;
mod calendar;
#[cfg(feature = "postgres")]
mod catalogue;
#[cfg(feature = "postgres")]
mod error;
#[cfg(feature = "postgres")]
mod figures;
#[cfg(feature = "postgres")]
mod forget;
#[cfg(feature = "postgres")]
mod hold;
#[cfg(feature = "postgres")]
mod keeper;
#[cfg(feature = "postgres")]
mod marks;
#[cfg(feature = "postgres")]
pub(crate) mod migration;
#[cfg(feature = "postgres")]
mod pruning;
mod ranges;
#[cfg(feature = "postgres")]
mod report;
#[cfg(feature = "postgres")]
mod run;
mod scheme;
#[cfg(feature = "postgres")]
mod steps;
#[cfg(feature = "postgres")]
mod work;

#[cfg(feature = "postgres")]
pub use self::{
    error::Error,
    figures::Figures,
    keeper::{Expired, Keeper, KeeperHandle},
    pruning::{Pruning, pruning},
    report::{Action, Failure, Part, Plan, Report, Status},
};
pub use self::{
    ranges::{Bound, Span},
    scheme::{By, HasPartitions, InRanges, Line, Partition, Ranges, Step, partitioned},
};
