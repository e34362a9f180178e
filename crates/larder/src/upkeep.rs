//! Columns that are kept right by the writes of other rows: counts and sums over a relation, in the writer's own transaction.
//!
//! ```
//! # #[cfg(feature = "postgres")]
//! # mod models {
//! # use diesel::prelude::*;
//! use larder::Repository;
//! # diesel::table! { users (id) { id -> BigInt, } }
//! # diesel::table! { orders (id) { id -> BigInt, user_id -> Nullable<BigInt>, items_total -> BigInt, } }
//! # diesel::table! { items (id) { id -> BigInt, order_id -> BigInt, quantity -> Integer, price -> BigInt, } }
//! # diesel::table! { user_totals (user_id) { user_id -> BigInt, order_count -> BigInt, total_spent -> BigInt, } }
//!
//! /// A row for each user who has orders: a view that is never old.
//! #[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
//! #[diesel(table_name = user_totals, primary_key(user_id), check_for_backend(diesel::pg::Pg))]
//! pub struct UserTotals {
//!     pub user_id: i64,
//!     pub order_count: i64,
//!     pub total_spent: i64,
//! }
//!
//! #[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
//! #[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
//! #[larder(maintains(UserTotals: order_count = count, total_spent = sum(items_total); by = user_id, insert, delete))]
//! pub struct Order {
//!     pub id: i64,
//!     pub user_id: Option<i64>,
//!     pub items_total: i64, // itself maintained
//! }
//!
//! #[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
//! #[diesel(table_name = items, check_for_backend(diesel::pg::Pg))]
//! #[larder(maintains(Order: items_total = sum(quantity * price); by = order_id))]
//! pub struct Item {
//!     pub id: i64,
//!     pub order_id: i64,
//!     pub quantity: i32,
//!     pub price: i64,
//! }
//! # }
//! ```
//!
//! Every write of a repository knows what its rows were and what they are. What that changes in rows of others is summed up over the
//! transaction, savepoints that were rolled back left out, and applied before its COMMIT: in a fixed order of tables, and in the order of their
//! keys, so that two such transactions never wait for each other in a circle. The rows that are changed by it are marked in the caches
//! as by any other write, and may themselves maintain others.
//!
//! - A reference that is NULL counts nowhere, and a row that moves is taken from one and added to the other. A factor that is NULL makes a
//!   product that is not added, as SQL's `sum` has it; a sum of nothing is 0.
//! - Rows that go [with others](macro@crate::Repository) (`on_delete`) are taken away like those that are deleted by name.
//! - What is done by [`Tx::run`](crate::Tx::run) is seen where it is told of, by [`Tx::touching`](crate::Tx::touching): those rows' sums are then
//!   computed anew. What is written past larder is not seen.
//! - Sums of integers and `numeric` are exact, and nothing else can be summed. A column that would leave its type's range fails the write.
//!
//! # What it costs
//! A transaction that changes anything of it: one statement for each maintained table and relation, whatever the number of rows; one more
//! before it where rows may have to be inserted, and one after it where some have to be deleted. Writers of children of one parent
//! wait for each other from that statement until COMMIT, as they would if they wrote the parent. In memory: the changed keys and
//! summed values, until COMMIT.

mod all;
mod anew;
mod apply;
mod check;
mod factors;
mod pending;
mod rebuild;
mod sql;

pub use self::{
    all::Upkeeps,
    check::Difference,
    factors::{BindFactors, Exact},
    rebuild::Progress,
};
pub(crate) use self::{
    all::{Maintained, maintained},
    pending::{Happened, Pending},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    statement::Statement,
};

/// What the writes of one model keep up to date in the rows of another.
#[doc(hidden)]
pub trait Upkeep: 'static {
    /// Whose writes.
    type Child: Entity;

    /// In whose rows.
    type Target: Entity;

    /// The pattern of the child's columns that hold the key of the row.
    type By: Pattern<Entity = Self::Child, Key = <Self::Target as Entity>::Key>;

    /// What is summed, of one row.
    type Values: Clone + PartialEq + Send + 'static;

    /// The columns that it is of.
    const FACTORS: &'static [&'static str];

    /// The columns that are maintained.
    const COLUMNS: &'static [Kept];

    /// Whether a row that is missing is inserted.
    const INSERTS: bool;

    /// The column by which a row is known to have nothing left, if it is deleted then.
    const DELETES: Option<usize>;

    /// What is summed of this row.
    fn values(row: &Self::Child) -> Self::Values;
}

/// An [`Upkeep`] on one back end.
#[doc(hidden)]
pub trait UpkeepOn<DB: Backend>: Upkeep<Child: Table<DB>, Target: Table<DB>, By: PatternOn<DB>> {
    /// Appends the signs as an array, and then the values, an array for each factor, with commas between them.
    fn bind<'q>(signs: Vec<i64>, values: Vec<Self::Values>, statement: &mut Statement<'q, DB>);
}

/// Is shown what a model maintains.
#[doc(hidden)]
pub trait VisitUpkeeps<DB: Backend> {
    /// Whose writes do.
    type Child: Table<DB>;

    /// The next one.
    fn upkeep<U: UpkeepOn<DB, Child = Self::Child>>(&mut self);
}

/// A maintained column.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "migrations are PostgreSQL's"))]
pub struct Kept {
    pub(crate) name: &'static str,
    /// The places in [`Upkeep::FACTORS`] whose product is summed; `None` of a count.
    pub(crate) factors: Option<&'static [usize]>,
    /// Its type in SQL.
    pub(crate) sql_type: &'static str,
}

impl Kept {
    /// A column that holds a count.
    #[must_use]
    pub const fn count<C: diesel::Column<SqlType: Exact>>(_column: &C) -> Self {
        Self { name: C::NAME, factors: None, sql_type: <C::SqlType as Exact>::NAME }
    }

    /// A column that holds a sum of products.
    #[must_use]
    pub const fn sum<C: diesel::Column<SqlType: Exact>>(_column: &C, factors: &'static [usize]) -> Self {
        Self { name: C::NAME, factors: Some(factors), sql_type: <C::SqlType as Exact>::NAME }
    }
}
