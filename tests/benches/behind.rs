//! A million increments of ten thousand counters by way of a buffer, beside as many UPDATEs by hand: `cargo xtask bench behind`.
//!
//! The buffer is on a Redis that writes every command through to the disk before it answers (`appendfsync always`), and a commit of
//! PostgreSQL waits for the disk too. A side's time is from its first call until the database has all of it; the sums are compared row by row.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]
#![expect(clippy::unwrap_used, reason = "a bench that fails here should")]

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use diesel::{
    pg::Pg,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
};
use larder::{
    Larder,
    behind::{Flusher, Options, WhenFull},
};
use larder_redis::RedisStore;
use servers::RedisOptions;
use tests::{COUNTERS, Counter, Database, OwnRedis, counters, redis_url};

const ROWS: i64 = 10_000;
const INCREMENTS: u64 = 1_000_000;

/// As many of them are done by hand, and the rest is reckoned.
const BY_HAND: u64 = 10_000;

/// How often the flusher looks. Changes of a row that come within it become one.
const INTERVAL: Duration = Duration::from_millis(500);

/// How many increments the threads of a side have yet to do, and what each row is to hold in the end.
struct Work {
    left: AtomicU64,
    expected: Vec<AtomicI64>,
}

impl Work {
    fn new(n: u64) -> Self {
        Self { left: AtomicU64::new(n), expected: (0..ROWS).map(|_| AtomicI64::new(0)).collect() }
    }

    /// The next row of a thread: `None` if all is done.
    fn next(&self, random: &mut fastrand::Rng) -> Option<i64> {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()?;
        let id = random.usize(..self.expected.len());
        self.expected[id].fetch_add(1, Ordering::Relaxed);
        i64::try_from(id).ok()
    }

    /// Runs threads until all is done, each with what it gets from `worker`.
    fn run(&self, n_threads: usize, worker: impl Fn(&mut dyn FnMut() -> Option<i64>) + Sync) {
        thread::scope(|scope| {
            for seed in 0..n_threads as u64 {
                let worker = &worker;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    worker(&mut || self.next(&mut random));
                });
            }
        });
    }

    /// Compares every row, and sets them back.
    fn check(&self, database: &Database) {
        let mut connection = database.connect();
        let rows = Counter::all(&mut connection).unwrap();
        let expected: Vec<i64> = self.expected.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        let found: Vec<i64> = rows.iter().map(|row| row.n).collect();
        assert!(
            expected == found,
            "the sums differ: {} and {}",
            expected.iter().sum::<i64>(),
            found.iter().sum::<i64>()
        );
        diesel::update(counters::table).set(counters::n.eq(0)).execute(&mut connection).unwrap();
        diesel::sql_query("VACUUM ANALYZE counters").execute(&mut connection).unwrap();
    }
}

fn main() {
    let database = COUNTERS.database();
    Counter::add(&mut database.connect(), 0, ROWS).unwrap();
    let redis = OwnRedis::with(RedisOptions { persistent: true, ..RedisOptions::default() });
    println!(
        "| {INCREMENTS} increments of {ROWS} rows | seconds | a second | times one by one | entries | rows written |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    // Before and after, since a disk that others use is now quick and now slow. The quicker time is what the others are measured by.
    let before = [by_hand(&database, 1), by_hand(&database, 8)];
    let took: Vec<Side> = SIDES.iter().map(|side| behind(&database, &redis, side)).collect();
    let after = [by_hand(&database, 1), by_hand(&database, 8)];
    let one_by_one = before[0].took.min(after[0].took);
    before.iter().chain(&after).chain(&took).for_each(|side| side.print(one_by_one));
}

/// How increments are made: how many threads make them, how many each has acknowledged together, and how many of them are made.
const SIDES: [(usize, u32, u64); 5] =
    [(1, 1, 20_000), (64, 1, INCREMENTS), (256, 1, INCREMENTS), (4, 100, INCREMENTS), (2, 1_000, INCREMENTS)];

/// What a million of them have taken, or would have.
struct Side {
    name: String,
    took: Duration,
    written: Option<(u64, u64)>,
}

impl Side {
    fn print(&self, one_by_one: Duration) {
        let seconds = self.took.as_secs_f64();
        let written = self.written.map_or("| |".to_owned(), |(entries, rows)| format!("{entries} | {rows} |"));
        let (rate, times) = (INCREMENTS as f64 / seconds, one_by_one.as_secs_f64() / seconds);
        println!("| {} | {seconds:.1} | {rate:.0} | {times:.1} | {written}", self.name);
    }
}

fn by_hand(database: &Database, n_threads: usize) -> Side {
    let work = Work::new(BY_HAND);
    let start = Instant::now();
    work.run(n_threads, |next| {
        let mut connection = database.connect();
        while let Some(id) = next() {
            let n = counters::n.eq(counters::n + 1);
            diesel::update(counters::table.find(id)).set(n).execute(&mut connection).unwrap();
        }
    });
    let took = start.elapsed().mul_f64(INCREMENTS as f64 / BY_HAND as f64);
    work.check(database);
    let name = format!("UPDATEs by hand, {n_threads} connections, {BY_HAND} of them done");
    Side { name, took, written: None }
}

fn behind(database: &Database, redis: &OwnRedis, &(n_threads, together, n): &(usize, u32, u64)) -> Side {
    let larder = handle(database, redis);
    let work = Work::new(n);
    let flusher = Flusher::start(&larder, INTERVAL).unwrap();
    let start = Instant::now();
    work.run(n_threads, |next| {
        let counters = Counter::repository(&larder).behind();
        if together == 1 {
            while let Some(id) = next() {
                counters.increment(id, counters::n, 1).unwrap();
            }
            return;
        }
        loop {
            let mut batch = counters.batch();
            let ids = std::iter::from_fn(&mut *next).take(together as usize);
            let mut n = 0;
            for id in ids {
                batch.increment(id, counters::n, 1).unwrap();
                n += 1;
            }
            batch.send().unwrap();
            if n < together as usize {
                return;
            }
        }
    });
    let acknowledged = start.elapsed();
    assert!(flusher.drain(Duration::from_secs(600)).unwrap());
    let took = start.elapsed().mul_f64(INCREMENTS as f64 / n as f64);
    let figures = flusher.stop();
    work.check(database);
    println!("<!-- {n_threads} threads, {together} together: acknowledged after {acknowledged:?}; {figures:?} -->");
    let part = if n < INCREMENTS { format!(", {n} of them done") } else { String::new() };
    let call = if together == 1 { "`increment`".to_owned() } else { format!("`batch` of {together}") };
    let name = format!("{call}, {n_threads} threads{part}");
    Side { name, took, written: Some((figures.n_entries, figures.n_rows)) }
}

fn handle(database: &Database, redis: &OwnRedis) -> Larder<Pg> {
    let pool = Pool::builder().max_size(4).test_on_check_out(false).build(ConnectionManager::new(database.url()));
    let cells =
        RedisStore::builder(&redis_url()).namespace("bench-behind:").quarantine(Duration::ZERO).build().unwrap();
    let durable = RedisStore::builder(&redis.url()).io_timeout(Duration::from_secs(5)).build().unwrap();
    let options = Options::on(durable.buffer("bench")).with::<Counter>();
    let options = options.when_full(WhenFull::Block(Duration::from_secs(60)));
    Larder::builder(pool.unwrap()).shared(cells).behind(options).build()
}
