//! A table of ten million rows in one piece and in months: `cargo xtask bench partitions`, or with fewer rows `-- --rows 100000`.
//!
//! Both have the same rows and indexes; the sides take turns, and no cache answers. After them what the planner takes for more and more partitions, and
//! for how long a keeper keeps a writer waiting that never pauses.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints tables, and how far it is")]
#![expect(clippy::unwrap_used, reason = "a bench that fails here should")]

mod keeper;
mod orders;
mod planner;

use std::{
    env,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    connection::SimpleConnection as _,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::Larder;

use self::orders::{Cut, FIRST_NEW, Order, Plain, TABLES, at};

const BATCH: i64 = 500;
const BATCHES: usize = 200;
const FINDS: usize = 2_000;
const LISTS: usize = 300;

/// How many rows are filled in by one statement.
const CHUNK: i64 = 500_000;

fn main() {
    let n_rows = rows();
    let database = TABLES.database();
    let mut connection = database.connect();
    let pool = Pool::builder()
        .max_size(4)
        .test_on_check_out(false)
        .build(ConnectionManager::<PgConnection>::new(database.url()))
        .unwrap();
    let larder: Larder<Pg> = Larder::builder(pool).build();
    println!("| {n_rows} rows | one table | 24 months |\n| --- | ---: | ---: |");
    fill(&mut connection, n_rows);
    insert(&larder);
    find(&larder, n_rows);
    planner::measure(&mut connection, database.url());
    keeper::measure(&larder, &mut connection);
}

/// How many rows are asked for.
fn rows() -> i64 {
    let mut words = env::args().skip_while(|word| word != "--rows").skip(1);
    words.next().map_or(10_000_000, |n| n.parse().expect("--rows takes a number"))
}

/// Fills both tables in turns.
fn fill(connection: &mut PgConnection, n_rows: i64) {
    let mut took = [Duration::ZERO; 2];
    for first in (0..n_rows).step_by(usize::try_from(CHUNK).unwrap()) {
        let last = (first + CHUNK).min(n_rows) - 1;
        for (took, table) in took.iter_mut().zip([Plain::TABLE, Cut::TABLE]) {
            let begun = Instant::now();
            connection.batch_execute(&orders::filling(table, first, last, n_rows)).unwrap();
            *took += begun.elapsed();
        }
        eprintln!("# {} of {n_rows} rows", last + 1);
    }
    let [plain, cut] = took.map(|took| n_rows as f64 / took.as_secs_f64());
    println!("| filled by the server, rows a second | {plain:.0} | {cut:.0} |");
    eprintln!("# VACUUM, ANALYZE");
    connection.batch_execute("VACUUM ANALYZE").unwrap();
}

/// Inserts new rows into both in turns.
fn insert(larder: &Larder<Pg>) {
    let mut next = FIRST_NEW;
    let mut new = || {
        next += BATCH;
        next - BATCH..next
    };
    let [plain, cut] = in_turns(
        BATCHES,
        &mut new,
        |ids| Plain::repository(larder).insert_many(&ids.map(Plain::new).collect::<Vec<_>>()).unwrap().len(),
        |ids| Cut::repository(larder).insert_many(&ids.map(Cut::new).collect::<Vec<_>>()).unwrap().len(),
    );
    let [plain, cut] = [plain, cut].map(|took| BATCH as f64 / took.as_secs_f64());
    println!("| `insert_many` of {BATCH} rows of this month, rows a second | {plain:.0} | {cut:.0} |");
}

/// Finds rows of both in turns, each time others.
fn find(larder: &Larder<Pg>, n_rows: i64) {
    let (plain, cut) = (Plain::repository(larder), Cut::repository(larder));
    let mut dice = fastrand::Rng::with_seed(7);
    let mut key = move || {
        let id = dice.i64(0..n_rows);
        (id, at(id, n_rows))
    };
    let times =
        in_turns(FINDS, &mut key, |key| plain.find(key).unwrap().unwrap(), |key| cut.find(key).unwrap().unwrap());
    print("`find` by the whole key", times);
    let of_id = |n: usize| assert_eq!(n, 1, "an id is of one row");
    let times = in_turns(
        FINDS,
        &mut key,
        |(id, _)| of_id(plain.list_by_id(id).load().unwrap().len()),
        |(id, _)| of_id(cut.list_by_id(id).load().unwrap().len()),
    );
    print("by `id` alone", times);
    let all = |n: usize| assert_eq!(n, 100, "every row is there");
    let mut many = || (0..100).map(|_| key()).collect::<Vec<_>>();
    let times = in_turns(
        LISTS,
        &mut many,
        |keys| all(plain.find_many(&keys).unwrap().into_iter().flatten().count()),
        |keys| all(cut.find_many(&keys).unwrap().into_iter().flatten().count()),
    );
    print("`find_many` of 100 of all months", times);
    let mut dice = fastrand::Rng::with_seed(8);
    let month = n_rows / 24;
    let mut neighbours = || {
        let first = dice.i64(0..24) * month;
        (0..100).map(|_| first + dice.i64(0..month)).map(|id| (id, at(id, n_rows))).collect::<Vec<_>>()
    };
    let times = in_turns(
        LISTS,
        &mut neighbours,
        |keys| all(plain.find_many(&keys).unwrap().into_iter().flatten().count()),
        |keys| all(cut.find_many(&keys).unwrap().into_iter().flatten().count()),
    );
    print("`find_many` of 100 of about one month", times);
    let mut dice = fastrand::Rng::with_seed(9);
    let n_users = orders::users(n_rows);
    let times = in_turns(
        LISTS,
        || dice.i64(0..n_users),
        |user| plain.list_by_user_id(user).load().unwrap().len(),
        |user| cut.list_by_user_id(user).load().unwrap().len(),
    );
    print("`list_by_user_id`, some 20 rows of all months", times);
}

fn print(name: &str, [plain, cut]: [Duration; 2]) {
    println!("| {name}, µs | {:.0} | {:.0} |", plain.as_secs_f64() * 1e6, cut.as_secs_f64() * 1e6);
}

/// The medians of both sides, which take turns with the same arguments each.
fn in_turns<K: Clone, A, B>(
    n: usize,
    mut next: impl FnMut() -> K,
    mut plain: impl FnMut(K) -> A,
    mut cut: impl FnMut(K) -> B,
) -> [Duration; 2] {
    let mut took = [Vec::with_capacity(n), Vec::with_capacity(n)];
    for round in 0..n + n / 10 {
        let key = next();
        // Who comes second finds the processor's caches warm, so they take turns at that as well.
        for side in [round % 2, (round + 1) % 2] {
            let (key, begun) = (key.clone(), Instant::now());
            if side == 0 {
                std::hint::black_box(plain(key));
            } else {
                std::hint::black_box(cut(key));
            }
            let time = begun.elapsed();
            // The first tenth warms up.
            if round >= n / 10 {
                took[side].push(time);
            }
        }
    }
    took.map(|mut took| {
        took.sort_unstable();
        took[took.len() / 2]
    })
}
