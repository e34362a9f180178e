//! Reads every imported user with its orders and their lines through the cache.

use std::time::{Duration, Instant};

use bigdecimal::{BigDecimal, ToPrimitive as _};
use chrono::Datelike as _;
use diesel::{PgTextExpressionMethods as _, QueryDsl as _, pg::Pg};
use larder::{Larder, View};
use shop_core::{Order, User, schema::users};
use uuid::Uuid;

use crate::{counters::Counters, figures::Figures, rows::DOMAIN};

/// How many users are read at once.
pub const BATCH: usize = 500;

/// One reading of everything.
#[derive(Debug, Clone)]
pub struct Pass {
    /// What was read.
    pub figures: Figures,
    /// How long it took.
    pub took: Duration,
    /// How many batches of users it was.
    pub n_batches: u64,
    /// How many SQL statements it took.
    pub n_statements: u64,
    /// How many round trips to the cache it took.
    pub n_round_trips: u64,
}

#[derive(Debug, Clone, View)]
#[larder(of = User)]
struct UserId {
    id: Uuid,
}

/// The ids of all imported users. Costs one statement.
///
/// # Errors
/// The statement failed.
pub fn imported_users(larder: &Larder<Pg>) -> larder::Result<Vec<Uuid>> {
    let imported = format!("customer-%@{DOMAIN}");
    let ids = User::repository(larder)
        .select::<UserId>()
        .query(|query| query.filter(users::email.ilike(imported)).order(users::id))?;
    Ok(ids.into_iter().map(|user| user.id).collect())
}

/// Reads these users with their orders and the orders' lines, a batch after the other.
///
/// A batch costs at most three statements, one for each level; none where everything is cached.
///
/// # Errors
/// A statement failed.
pub fn read_all(larder: &Larder<Pg>, counters: &Counters, ids: &[Uuid]) -> larder::Result<Pass> {
    let (start, statements, round_trips) = (Instant::now(), counters.n_statements(), counters.n_round_trips());
    let trees = User::repository(larder).with(User::orders().with(Order::items()));
    let (mut figures, mut n_batches) = (Figures::default(), 0);
    for ids in ids.chunks(BATCH) {
        n_batches += 1;
        for (_, orders) in trees.find_many(ids)?.into_iter().flatten() {
            figures.n_users += 1;
            for (order, items) in orders {
                figures.n_orders += 1;
                figures.cents += (order.total_amount * BigDecimal::from(100)).to_i64().unwrap_or_default();
                *figures.n_orders_by_year.entry(order.created_at.year()).or_default() += 1;
                for item in items {
                    figures.n_items += 1;
                    figures.n_cds += i64::from(item.quantity);
                }
            }
        }
    }
    Ok(Pass {
        figures,
        took: start.elapsed(),
        n_batches,
        n_statements: counters.n_statements() - statements,
        n_round_trips: counters.n_round_trips() - round_trips,
    })
}
