use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection as _;
use larder::{
    BreakerOptions, Builder, Larder,
    store::Store,
    types::{Id, Moment},
};

use super::{Ground, Keys, Money, Order, OrderItem, Status, User};
use crate::{Events, Faults, Faulty, Meter};

/// A shop of one test on some back end: its own database, its own cells, and a handle whose every step is counted and can be disturbed.
pub struct Shop<DB: Ground> {
    /// The handle.
    pub larder: Larder<DB>,
    /// Counts what the handle sends.
    pub meter: Meter,
    /// Disturbs the handle's store.
    pub faults: Faults,
    /// What happened beside the handle's results.
    pub events: Events,
    /// The database.
    pub database: DB::Database,
    /// The cells.
    pub keys: Keys,
    /// Writes past larder.
    aside: Mutex<DB::Connection>,
}

/// One more handle of a shop, as another process would have, or, on a store of this one, another part of the process.
pub struct Branch<DB: Ground> {
    /// The handle.
    pub larder: Larder<DB>,
    /// Counts what the handle sends.
    pub meter: Meter,
    /// Disturbs the handle's store.
    pub faults: Faults,
    /// What happened beside the handle's results.
    pub events: Events,
}

impl<DB: Ground> Shop<DB> {
    /// A shop on the store that goes with the back end.
    #[expect(clippy::new_without_default, reason = "making a database is more than a default should do")]
    #[must_use]
    pub fn new() -> Self {
        Self::built(|builder| builder)
    }

    /// The same, whose handle is built otherwise than by default.
    #[must_use]
    pub fn built(adjust: impl FnOnce(Builder<DB>) -> Builder<DB>) -> Self {
        let keys = DB::keys();
        let store = keys.store();
        Self::made(keys, store, adjust)
    }

    /// A shop on any store.
    #[must_use]
    pub fn on(store: impl Store, adjust: impl FnOnce(Builder<DB>) -> Builder<DB>) -> Self {
        Self::made(DB::keys(), store, adjust)
    }

    fn made(keys: Keys, store: impl Store, adjust: impl FnOnce(Builder<DB>) -> Builder<DB>) -> Self {
        let database = DB::database();
        let Branch { larder, meter, faults, events } = branch(&database, store, adjust);
        let aside = Mutex::new(DB::connect(&database));
        Self { larder, meter, faults, events, database, keys, aside }
    }

    /// One more handle on the same database and the same cells.
    #[must_use]
    pub fn branch(&self) -> Branch<DB> {
        self.branch_built(|builder| builder)
    }

    /// The same, built otherwise than by default.
    #[must_use]
    pub fn branch_built(&self, adjust: impl FnOnce(Builder<DB>) -> Builder<DB>) -> Branch<DB> {
        branch(&self.database, self.keys.store(), adjust)
    }

    /// One more handle on the same database, and a store of its own.
    #[must_use]
    pub fn branch_on(&self, store: impl Store) -> Branch<DB> {
        branch(&self.database, store, |builder| builder)
    }

    /// A handle on the same database without any store, whose statements count as the shop's.
    #[must_use]
    pub fn bare(&self, n_connections: u32) -> Larder<DB> {
        Larder::builder(DB::pool(&self.database, &self.meter, n_connections)).build()
    }

    /// A connection that no meter counts: a second pair of eyes for what was really committed.
    #[must_use]
    pub fn connect(&self) -> DB::Connection {
        DB::connect(&self.database)
    }

    /// Runs statements past larder: nothing of them is counted, and no cell hears of them.
    ///
    /// # Panics
    /// If one of them fails.
    #[track_caller]
    pub fn past(&self, statements: &str) {
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = aside.batch_execute(statements) {
            panic!("{statements}: {error}");
        }
    }

    /// A user by that name, who was there already.
    #[must_use]
    #[track_caller]
    pub fn user(&self, name: &str) -> User {
        let user = User { id: Id::random(), email: format!("{name}@example.com"), created_at: day(0) };
        let (id, created_at) = (DB::id(user.id), DB::moment(user.created_at));
        self.past(&format!("INSERT INTO users (id, email, created_at) VALUES ({id}, '{}', {created_at})", user.email));
        user
    }

    /// An order that was there already, placed on that day.
    #[must_use]
    #[track_caller]
    pub fn order(&self, user: &User, status: Status, cents: i64, placed: i64) -> Order {
        let (total_amount, created_at) = (money(cents), day(placed));
        let order = Order { id: Id::random(), user_id: user.id, status, total_amount, created_at };
        self.past(&format!(
            "INSERT INTO orders (id, user_id, status, total_amount, created_at) VALUES ({}, {}, '{}', {}, {})",
            DB::id(order.id),
            DB::id(user.id),
            status.as_str(),
            DB::amount(total_amount),
            DB::moment(created_at),
        ));
        order
    }

    /// A line of an order that was there already.
    #[must_use]
    #[track_caller]
    pub fn item(&self, order: &Order, line_number: i32) -> OrderItem {
        let (sku, unit_price) = (format!("sku-{line_number}"), money(100));
        let item = OrderItem { order_id: order.id, line_number, sku, quantity: 1, unit_price };
        self.past(&format!(
            "INSERT INTO order_items (order_id, line_number, sku, quantity, unit_price) VALUES ({}, {line_number}, '{}', 1, {})",
            DB::id(order.id),
            item.sku,
            DB::amount(unit_price),
        ));
        item
    }
}

fn branch<DB: Ground>(
    database: &DB::Database,
    store: impl Store,
    adjust: impl FnOnce(Builder<DB>) -> Builder<DB>,
) -> Branch<DB> {
    let (meter, events) = (Meter::new(), Events::default());
    let store = Faulty::new(meter.metered(store));
    let faults = store.faults();
    // What is counted must have happened when a call returns, and faults that a test injects must reach whom they are meant for.
    let builder = Larder::builder(DB::pool(database, &meter, 8))
        .shared(store)
        .events(events.clone())
        .fill_in_background(false)
        .refresh_early(false)
        .breaker(BreakerOptions::off());
    Branch { larder: adjust(builder).build(), meter, faults, events }
}

/// An amount of money.
#[must_use]
pub fn money(cents: i64) -> Money {
    Money::from_minor(cents)
}

/// Noon of a day.
#[must_use]
pub fn day(number: i64) -> Moment {
    (DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(10_000 + number) + TimeDelta::hours(12)).into()
}

/// An id that nobody has.
#[must_use]
pub fn nobody() -> Id {
    Id::random()
}
