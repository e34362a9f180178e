//! What reads cost while a server is away, beside the same reads without a store: `cargo xtask bench bad-days`.
//!
//! Each case runs both sides in turn, call by call, on one pool, and prints the medians and their ratio. Before it, calls are made until
//! the breaker is open; after it, what it took until everything was as before is told.

#![expect(clippy::print_stdout, reason = "a program that prints tables")]
#![expect(clippy::unwrap_used, reason = "a bench that fails here should")]

#[path = "ratios/duel.rs"]
mod duel;
#[path = "ratios/stock.rs"]
#[expect(dead_code, reason = "there is more for benches of a Redis that is well")]
mod stock;

use std::{
    error::Error as _,
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, Insertable as _, PgConnection, RunQueryDsl as _,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{BreakerState, Larder, MemoryStore, NearOptions};
use larder_redis::RedisStore;
use shop_core::{NewUser, Order, User, schema::users};
use tests::{OwnPostgres, OwnRedis, Proxy, SHOP, nobody};

use self::{duel::Duel, stock::Stock};

fn main() {
    let stock = Stock::new();
    let mut duel = Duel::default();
    for (name, day) in [("killed", Day::Killed), ("stopped", Day::Stopped), ("slow, 200 ms an answer", Day::Slow)] {
        redis_is(name, day, &stock, &mut duel);
    }
    postgres_is_killed();
    duel.finish();
}

#[derive(Clone, Copy, PartialEq)]
enum Day {
    Killed,
    Stopped,
    Slow,
}

fn redis_is(name: &str, day: Day, stock: &Stock, duel: &mut Duel) {
    let redis = OwnRedis::new();
    let proxy = Proxy::to(&redis.url());
    let url = if day == Day::Slow { proxy.url().to_owned() } else { redis.url() };
    let store = RedisStore::builder(&url).quarantine(Duration::ZERO).build().unwrap();
    let cached: Larder<Pg> = Larder::builder(stock.pool()).shared(store).build();
    let bare: Larder<Pg> = Larder::builder(stock.pool()).build();
    let (one, fifty, hundred) = (stock.users[0], &stock.users[..50], &stock.users[..100]);
    let [users, bare_users] = [&cached, &bare].map(|larder| User::repository(larder));
    let [trees, bare_trees] =
        [&cached, &bare].map(|larder| User::repository(larder).with(User::orders().with(Order::items())));
    trees.find_many(fifty).unwrap();
    users.find_many(hundred).unwrap();
    assert!(cached.flush(Duration::from_secs(30)));
    let state = || cached.breaker().unwrap().state;

    match day {
        Day::Killed => redis.kill(),
        Day::Stopped => redis.pause(),
        Day::Slow => proxy.answer_after(Duration::from_millis(200)),
    }
    let (start, mut n_calls, mut longest) = (Instant::now(), 0, Duration::ZERO);
    while state() != BreakerState::Open {
        let sent = Instant::now();
        users.get(one).unwrap();
        (n_calls, longest) = (n_calls + 1, longest.max(sent.elapsed()));
    }
    println!("\nRedis {name}: open after {n_calls} calls, {:?} in all, {longest:?} the longest.", start.elapsed());
    duel.title(&format!("Redis {name}, the breaker open / without a store"));
    duel.run("find", Some(1.1), 5_000, || users.get(one).ok(), || bare_users.get(one).ok());
    duel.run(
        "find_many(100)",
        Some(1.1),
        2_000,
        || users.find_many(hundred).ok(),
        || bare_users.find_many(hundred).ok(),
    );
    duel.run(
        "50 users with orders and items",
        Some(1.1),
        300,
        || trees.find_many(fifty).ok(),
        || bare_trees.find_many(fifty).ok(),
    );
    assert!(state() == BreakerState::Open, "it was closed in the middle");

    match day {
        Day::Killed => redis.restart(),
        Day::Stopped => redis.resume(),
        Day::Slow => proxy.answer_after(Duration::ZERO),
    }
    let start = Instant::now();
    while state() != BreakerState::Recovering {
        users.get(one).unwrap();
    }
    println!("\nIt is back: asked again after {:?}.", start.elapsed());
    fill(&cached);
}

/// Two readers of what is in no cell: how many of their misses have it stored, second by second.
fn fill(cached: &Larder<Pg>) {
    let is_recovering = || cached.breaker().unwrap().state == BreakerState::Recovering;
    let (start, mut n_before) = (Instant::now(), 0);
    while is_recovering() {
        let until = Instant::now() + Duration::from_secs(1);
        let reader = || {
            let mut n_misses = 0;
            while Instant::now() < until && is_recovering() {
                User::repository(cached).find(nobody()).unwrap();
                n_misses += 1;
            }
            n_misses
        };
        let n_misses: u64 = thread::scope(|scope| {
            let readers = [scope.spawn(reader), scope.spawn(reader)];
            readers.into_iter().map(|reader| reader.join().unwrap()).sum()
        });
        let n_held_back = cached.breaker().unwrap().n_held_back;
        let n_leased = n_misses.saturating_sub(n_held_back - n_before);
        n_before = n_held_back;
        println!("after {:.1} s: {n_misses} misses, {n_leased} with a lease", start.elapsed().as_secs_f64());
    }
}

fn postgres_is_killed() {
    let postgres = OwnPostgres::new();
    let mut connection = PgConnection::establish(&postgres.url()).unwrap();
    SHOP.apply(&mut connection);
    let record = NewUser { id: None, email: "ada@example.com".to_owned(), created_at: None };
    let ada: User = record.insert_into(users::table).get_result(&mut connection).unwrap();
    let pool = Pool::builder().max_size(8).test_on_check_out(false).connection_timeout(Duration::from_secs(1));
    let pool = pool.build(ConnectionManager::new(postgres.url())).unwrap();
    let larder: Larder<Pg> = Larder::builder(pool).shared(MemoryStore::new()).near(NearOptions::bytes(1 << 20)).build();
    let users = User::repository(&larder);
    users.get(ada.id).unwrap();
    assert!(larder.flush(Duration::from_secs(30)));

    let hit = || median(20_000, || drop(users.get(ada.id).unwrap()));
    let before = hit();
    postgres.kill();
    let meanwhile = hit();
    let miss = || {
        let sent = Instant::now();
        (users.find(nobody()).unwrap_err(), sent.elapsed())
    };
    let first: Vec<_> = (0..20).map(|_| miss()).collect();
    let longest = first.iter().map(|(_, took)| *took).max().unwrap();
    let n_dying = first.iter().filter(|(error, _)| matches!(error, larder::Error::Database(_))).count();
    let told = median(1_000, || drop(users.find(nobody()).unwrap_err()));
    println!("\nPostgreSQL killed: a near hit takes {meanwhile:.2} µs, and took {before:.2} before.");
    println!("Of the first 20 misses {n_dying} were told by dying connections, and the longest took {longest:?}.");
    let (error, _) = miss();
    println!("From then on {told:.1} µs each: {error}: {}", error.source().unwrap());
    postgres.restart();
    let start = Instant::now();
    while users.find(nobody()).is_err() {
        thread::yield_now();
    }
    println!("It is back: read from again after {:?}.", start.elapsed());
}

/// In microseconds.
fn median(n: usize, mut call: impl FnMut()) -> f64 {
    let mut took: Vec<Duration> = (0..n)
        .map(|_| {
            let sent = Instant::now();
            call();
            sent.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[n / 2].as_secs_f64() * 1e6
}
