use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{Insertable as _, PgConnection, RunQueryDsl as _, pg::Pg};
use larder::{BreakerOptions, Builder, Event, HandleEvent, Larder, store::Store};
use larder_redis::RedisStore;
use shop_core::{
    NewOrder, NewOrderItem, NewUser, Order, OrderItem, Status, User,
    schema::{order_items, orders, users},
};
use uuid::Uuid;

use crate::{Database, Faults, Faulty, Meter, Namespace, Proxy, Template, pool, redis_url};

/// The tables of `shop-core`.
pub static SHOP: Template = Template::new("shop", |connection| {
    shop_core::migrate(connection).expect("the migrations run");
});

/// A shop of one test: its own database, its own keys in the shared Redis, and a handle whose every step is counted and can be
/// disturbed.
pub struct Shop {
    /// The handle.
    pub larder: Larder<Pg>,
    /// Counts what the handle sends.
    pub meter: Meter,
    /// Disturbs the handle's store.
    pub faults: Faults,
    /// What happened beside the handle's results.
    pub events: Events,
    /// The database.
    pub database: Database,
    /// The keys in Redis.
    pub namespace: Namespace,
    /// Inserts past larder.
    aside: Mutex<PgConnection>,
}

/// One more handle of a shop, as another process would have: its own pools, store and counters.
#[derive(Debug)]
pub struct Branch {
    /// The handle.
    pub larder: Larder<Pg>,
    /// Counts what the handle sends.
    pub meter: Meter,
    /// Disturbs the handle's store.
    pub faults: Faults,
    /// What happened beside the handle's results.
    pub events: Events,
}

impl Shop {
    /// A shop on the shared Redis.
    #[expect(clippy::new_without_default, reason = "making a database is more than a default should do")]
    #[must_use]
    pub fn new() -> Self {
        Self::built(|builder| builder)
    }

    /// A shop on the shared Redis, whose handle is built otherwise than by default.
    #[must_use]
    pub fn built(adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Self {
        let namespace = Namespace::new();
        let store = redis_store(&redis_url(), &namespace);
        Self::on(namespace, store, adjust)
    }

    /// A shop on the shared Redis, whose tables are those of another template, which has the shop's.
    #[must_use]
    pub fn of(template: &'static Template) -> Self {
        let namespace = Namespace::new();
        let store = redis_store(&redis_url(), &namespace);
        Self::made(template, namespace, store, |builder| builder)
    }

    /// A shop on any store.
    #[must_use]
    pub fn on(namespace: Namespace, store: impl Store, adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Self {
        Self::made(&SHOP, namespace, store, adjust)
    }

    fn made(
        template: &'static Template,
        namespace: Namespace,
        store: impl Store,
        adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>,
    ) -> Self {
        let database = template.database();
        let Branch { larder, meter, faults, events } = branch(database.url(), store, adjust);
        let aside = Mutex::new(database.connect());
        Self { larder, meter, faults, events, database, namespace, aside }
    }

    /// One more handle on the same database and the same keys.
    #[must_use]
    pub fn branch(&self) -> Branch {
        self.branch_built(|builder| builder)
    }

    /// One more handle on the same database and the same keys, built otherwise than by default.
    #[must_use]
    pub fn branch_built(&self, adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Branch {
        branch(self.database.url(), redis_store(&redis_url(), &self.namespace), adjust)
    }

    /// One more handle on the same database, and a store of its own.
    #[must_use]
    pub fn branch_on(&self, store: impl Store) -> Branch {
        branch(self.database.url(), store, |builder| builder)
    }

    /// One more handle on the same database and the same keys, which reaches the database through a proxy.
    #[must_use]
    pub fn branch_through(&self, proxy: &Proxy, adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Branch {
        branch(proxy.url(), redis_store(&redis_url(), &self.namespace), adjust)
    }

    /// A user by that name, who was there already: nothing of the insertion is counted, and nothing is cached.
    #[must_use]
    pub fn user(&self, name: &str) -> User {
        let record = NewUser { id: None, email: format!("{name}@example.com"), created_at: Some(day(0)) };
        inserted(record.insert_into(users::table).get_result(&mut *self.aside()))
    }

    /// An order that was there already, placed on that day.
    #[must_use]
    pub fn order(&self, user: &User, status: Status, cents: i64, placed: i64) -> Order {
        let record =
            NewOrder { id: None, user_id: user.id, status, total_amount: money(cents), created_at: Some(day(placed)) };
        inserted(record.insert_into(orders::table).get_result(&mut *self.aside()))
    }

    /// A line of an order that was there already.
    #[must_use]
    pub fn item(&self, order: &Order, line_number: i32) -> OrderItem {
        let record = NewOrderItem {
            order_id: order.id,
            line_number,
            sku: format!("sku-{line_number}"),
            quantity: 1,
            unit_price: money(100),
        };
        inserted(record.insert_into(order_items::table).get_result(&mut *self.aside()))
    }
}

impl Shop {
    fn aside(&self) -> MutexGuard<'_, PgConnection> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn inserted<E>(row: diesel::QueryResult<E>) -> E {
    row.expect("the row can be inserted past larder")
}

fn branch(url: &str, store: impl Store, adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Branch {
    let (meter, events) = (Meter::new(), Events::default());
    let store = Faulty::new(meter.metered(store));
    let faults = store.faults();
    // What is counted must have happened when a call returns, and faults that a test injects must reach whom they are meant for.
    let builder = Larder::builder(pool(url, &meter, 8))
        .shared(store)
        .events(events.clone())
        .fill_in_background(false)
        .refresh_early(false)
        .breaker(BreakerOptions::off());
    Branch { larder: adjust(builder).build(), meter, faults, events }
}

/// A store on a Redis under a test's keys.
///
/// # Panics
/// If the URL is none.
#[must_use]
pub fn redis_store(url: &str, namespace: &Namespace) -> RedisStore {
    RedisStore::builder(url)
        .namespace(format!("{}:", namespace.as_str()))
        .io_timeout(Duration::from_secs(2))
        // The test's own keys are as young as the server may be.
        .quarantine(Duration::ZERO)
        .build()
        .expect("the URL of Redis is one")
}

/// An amount of money.
#[must_use]
pub fn money(cents: i64) -> bigdecimal::BigDecimal {
    bigdecimal::BigDecimal::new(cents.into(), 2)
}

/// Noon of a day.
#[must_use]
pub fn day(number: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(10_000 + number) + TimeDelta::hours(12)
}

/// An id that nobody has.
#[must_use]
pub fn nobody() -> Uuid {
    Uuid::new_v4()
}

/// What happened beside the results of a handle, a line each.
#[derive(Debug, Clone, Default)]
pub struct Events {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Events {
    /// What has happened since this was last asked.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HandleEvent for Events {
    fn handle(&self, event: Event<'_>) {
        let line = match event {
            Event::StoreFailed { operation, .. } => format!("failed: {operation}"),
            Event::Corrupt { key } => format!("corrupt: {key}"),
            Event::Outdated { key } => format!("outdated: {key}"),
            Event::FillRefused { key } => format!("refused: {key}"),
            Event::FinishDelayed { n_cells } => format!("finish delayed: {n_cells}"),
            Event::CommitUnknown { n_cells } => format!("commit unknown: {n_cells}"),
            Event::WrittenWithoutMarkers { n_cells } => format!("without markers: {n_cells}"),
            Event::Settled { n_cells } => format!("settled: {n_cells}"),
            Event::Flushed { n_calls, n_rows, n_dead, .. } => format!("flushed: {n_calls}, {n_rows}, {n_dead}"),
            Event::Relayed { n_cells, .. } => format!("relayed: {n_cells}"),
            Event::Breaker { state, .. } => format!("breaker: {state:?}"),
            Event::GaveStale { table, n_keys, error, .. } => {
                let why = error.map(|error| format!(", since {error}")).unwrap_or_default();
                format!("stale: {n_keys} of {table}{why}")
            }
            Event::Repeated { call, n_calls, .. } => format!("repeated: {call} {n_calls}"),
            // On a busy machine anything may be slow.
            Event::Slow { .. } => return,
            Event::Mismatch { mismatch } => format!("mismatch: {} {}", mismatch.key, mismatch.difference),
            Event::Refreshed { view, refreshed } => format!("refreshed: {view} {}", refreshed.manner),
            Event::RefreshFailed { view, error } => format!("not refreshed: {view}, since {error}"),
            _ => "something else".to_owned(),
        };
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
