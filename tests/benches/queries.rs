//! What cached queries cost, and what they cost the writer: `cargo xtask bench queries`.
//!
//! A hundred thousand results of as many users' orders are kept in one Redis, and ten in another; writes of single orders in front of each
//! run in turn. After them every result of the many is read: those that were written, and no others, are made anew.

#![expect(clippy::print_stdout, reason = "a program that prints tables")]
#![expect(clippy::unwrap_used, reason = "a bench that fails here should")]

#[path = "ratios/duel.rs"]
mod duel;

use std::{cell::Cell, time::Duration};

use bigdecimal::BigDecimal;
use diesel::{
    PgConnection,
    connection::SimpleConnection as _,
    dsl::sum,
    pg::Pg,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
};
use larder::Larder;
use larder_redis::RedisStore;
use shop_core::{
    Order, OrderChanges, Status,
    schema::{orders, users},
};
use tests::{OwnRedis, SHOP, money};
use uuid::Uuid;

use self::duel::Duel;

const MANY: usize = 100_000;
const FEW: usize = 10;
const WRITES: usize = 1_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn main() {
    let database = SHOP.database();
    let mut connection = database.connect();
    connection
        .batch_execute(&format!(
            "INSERT INTO users (email) SELECT 'customer-' || n || '@example.com' FROM generate_series(1, {MANY}) n;
             INSERT INTO orders (user_id, status, total_amount) SELECT id, 'paid', 12.34 FROM users;
             ANALYZE;"
        ))
        .unwrap();
    let rows: Vec<(Uuid, Uuid)> = orders::table
        .inner_join(users::table)
        .select((orders::user_id, orders::id))
        .order(users::email)
        .load(&mut connection)
        .unwrap();
    let pool = Pool::builder()
        .max_size(2)
        .test_on_check_out(false)
        .build(ConnectionManager::<PgConnection>::new(database.url()))
        .unwrap();
    let [(many_redis, many), (few_redis, few)] = [(); 2].map(|()| {
        let redis = OwnRedis::new();
        let store = RedisStore::builder(&redis.url()).quarantine(Duration::ZERO).build().unwrap();
        (redis, Larder::builder(pool.clone()).shared(store).build())
    });

    let (empty, _) = memory(&many_redis);
    rows.iter().for_each(|(user, _)| drop(spent(&many, *user)));
    let (full, n_keys) = memory(&many_redis);
    println!(
        "{MANY} results are {n_keys} keys in Redis, a result and a stamp each, and {} bytes for both.",
        (full - empty) / MANY as u64
    );
    rows[..FEW].iter().for_each(|(user, _)| drop(spent(&few, *user)));
    println!("{FEW} results are {} keys in the other.", memory(&few_redis).1);

    let mut duel = Duel::default();
    duel.title("Cached queries");
    let user = rows[0].0;
    let hand = |user: Uuid| sum_of(&mut pool.get().unwrap(), user).ok();
    duel.run("warm / the query by hand", None, 5_000, || Some(spent(&many, user)), || hand(user));
    let next = Cell::new(0);
    let cold = || {
        next.set(next.get() + 1);
        let query = few.query("cold").params(&next.get()).ttl(HOUR).depends_on_key(Order::key_by_user_id(user));
        query.load(|connection| sum_of(connection, user)).ok()
    };
    duel.run("cold / the query by hand", None, 2_000, cold, || hand(user));

    duel.title("A write of one order, 100,000 cached queries / 10");
    // Both write to the same rows, of which the few have results, too.
    let at = Cell::new((0, 0));
    let write = |larder: &Larder<Pg>, n: usize| {
        let changes = OrderChanges { status: Some([Status::Paid, Status::Shipped][n / FEW % 2]), ..Default::default() };
        Order::repository(larder).update(rows[n % FEW].1, &changes).ok()
    };
    let ours = || {
        let (n, other) = at.get();
        at.set((n + 1, other));
        write(&many, n)
    };
    let theirs = || {
        let (other, n) = at.get();
        at.set((other, n + 1));
        write(&few, n)
    };
    duel.run("update", Some(1.2), WRITES, ours, theirs);

    // All are asked for once more.
    rows.iter().for_each(|(user, _)| drop(spent(&many, *user)));
    let n_run = || many.stats().queries.statements.n;
    let before = n_run();
    rows.iter().for_each(|(user, _)| drop(spent(&many, *user)));
    assert_eq!(n_run(), before, "all are good when nothing is written");
    let order = rows[MANY / 2].1;
    let changes = OrderChanges { total_amount: Some(money(1)), ..Default::default() };
    Order::repository(&many).update(order, &changes).unwrap();
    let sums: Vec<_> = rows.iter().map(|(user, _)| spent(&many, *user)).collect();
    println!("\nAfter a write of one order, {} of {MANY} queries were made anew.", n_run() - before);
    assert_eq!(n_run() - before, 1);
    assert_eq!(sums.iter().filter(|sum| **sum == Some(money(1))).count(), 1);
    duel.finish();
}

fn sum_of(connection: &mut PgConnection, user: Uuid) -> QueryResult<Option<BigDecimal>> {
    orders::table.filter(orders::user_id.eq(user)).select(sum(orders::total_amount)).first(connection)
}

fn spent(larder: &Larder<Pg>, user: Uuid) -> Option<BigDecimal> {
    let query = larder.query("spent").params(&user).ttl(HOUR).depends_on_key(Order::key_by_user_id(user));
    query.load(|connection| sum_of(connection, user)).unwrap()
}

/// The memory that Redis uses, in bytes, and how many keys it has.
fn memory(redis: &OwnRedis) -> (u64, usize) {
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let info: redis::InfoDict = redis::cmd("INFO").arg("memory").query(&mut connection).unwrap();
    let n_keys = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    (info.get("used_memory").unwrap(), n_keys)
}
