//! The shop on the back end that this program is compiled for.

use std::time::Duration;

use diesel::{
    dsl::{self, AsExprOf},
    expression::{SqlLiteral, UncheckedBind},
};
use larder::types::sql;
pub(crate) use larder::types::{Id, Moment};
pub(crate) use tests::{
    Cost, Counts, Failure, Operation, eventually,
    portable::{
        Costs, Doc, File, Ground, Money, NewDoc, NewOrder, NewUser, Order, OrderChanges, OrderItem, Shelf, Status,
        User, UserChanges, archive, day, money, nobody, schema,
    },
};

pub(crate) use crate::Db;

pub(crate) type Shop = tests::portable::Shop<Db>;
pub(crate) type Branch = tests::portable::Branch<Db>;
pub(crate) type Connection = <Db as larder::Backend>::Connection;

/// What writes cost here.
pub(crate) const COSTS: Costs = <Db as Ground>::COSTS;

/// How many keys one statement has.
pub(crate) const N_KEYS: usize = <Db as Ground>::N_KEYS;

/// How long a load lasts.
pub(crate) const LOAD: Duration = <Db as Ground>::LOAD;

/// An order's amount and a cent: Diesel itself adds numbers of its own types only.
pub(crate) fn one_cent_more() -> UncheckedBind<SqlLiteral<sql::Money<2>>, AsExprOf<Money, sql::Money<2>>> {
    dsl::sql("total_amount + ").bind::<sql::Money<2>, _>(money(1))
}
