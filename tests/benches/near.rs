//! The near cache beside a bare `quick_cache` and hand-written Diesel, in one run: `cargo xtask bench near`.
//!
//! A call takes less than reading the clock twice, so rounds of a thousand calls are timed, both sides in turn, and the medians of the
//! rounds are compared.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

#[path = "ratios/by_hand.rs"]
#[expect(dead_code, reason = "of what is done by hand some is not compared here")]
mod by_hand;
#[path = "ratios/stock.rs"]
#[expect(dead_code, reason = "the stock has more than is read here")]
mod stock;

use std::{
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use diesel::pg::Pg;
use larder::{Larder, NearOptions};
use larder_redis::RedisStore;
use quick_cache::sync::Cache;
use shop_core::{Order, User};
use uuid::Uuid;

use self::{by_hand::ByHand, stock::Stock};

const CALLS: usize = 1_000;
const ROUNDS: usize = 301;

fn main() {
    let stock = Stock::new();
    let by_hand = ByHand::new(&stock);
    let redis = RedisStore::builder(&stock.redis_url)
        .namespace("bench-near:")
        .quarantine(Duration::ZERO)
        .build()
        .expect("the URL of Redis is one");
    let larder: Larder<Pg> = Larder::builder(stock.pool()).shared(redis).near(NearOptions::bytes(256 << 20)).build();
    let rows = User::repository(&larder).find_many(&stock.users).expect("the rows load");
    let bare: Cache<Uuid, Arc<User>> = Cache::new(2 * stock.users.len());
    rows.into_iter().flatten().for_each(|user| bare.insert(user.id, Arc::new(user)));
    let pages = || User::repository(&larder).with(User::orders());
    let shared_pages = || User::repository(&larder).select::<Arc<User>>().with(User::orders().select::<Arc<Order>>());
    for _ in 0..3 {
        // Stored, and then kept near.
        assert!(larder.flush(Duration::from_secs(30)), "the store takes what was loaded");
        User::repository(&larder).find_many(&stock.users).expect("the rows load");
        pages().find_many(&stock.users).expect("the rows load");
    }

    let mut table = Table::new(&stock.users);
    let (users, shared) = (User::repository(&larder), User::repository(&larder).select::<Arc<User>>());
    table.row("find, Arc / quick_cache get", Some(1.5), |id| shared.find(id).ok().flatten(), |id| bare.get(&id));
    table.row(
        "find, owned / quick_cache get and clone",
        Some(1.5),
        |id| users.find(id).ok().flatten(),
        |id| bare.get(&id).map(|user| User::clone(&user)),
    );
    table.batch(
        "find_many(100), Arc / 100 quick_cache gets",
        Some(1.5),
        (100, Which::TheSame),
        |ids| shared.find_many(ids).ok(),
        |ids| Some(ids.iter().map(|id| bare.get(id)).collect::<Vec<_>>()),
    );
    let (pages, shared_pages) = (pages(), shared_pages());
    for (which, whom) in [(Which::TheSame, "the same 50 users"), (Which::Others, "50 others each time")] {
        table.batch(
            &format!("{whom} with orders, owned / Diesel"),
            Some(0.05),
            (50, which),
            |ids| pages.find_many(ids).ok(),
            |ids| by_hand.with_orders(ids),
        );
        table.batch(
            &format!("{whom} with orders, Arc / Diesel"),
            Some(0.05),
            (50, which),
            |ids| shared_pages.find_many(ids).ok(),
            |ids| by_hand.with_orders(ids),
        );
    }

    println!("\n| threads | finds a second | of one | bare: of one | goal |\n| --- | ---: | ---: | ---: | ---: |");
    let scaled = |run: &(dyn Fn(usize, usize) + Sync)| {
        let mut rates: Vec<[f64; 2]> = (0..15).map(|_| [1, 2].map(|n| rate(n, run))).collect();
        rates.sort_by(|a, b| (a[1] / a[0]).total_cmp(&(b[1] / b[0])));
        rates[rates.len() / 2]
    };
    let ids = &stock.users;
    let [one, two] = scaled(&|from, n| {
        let users = User::repository(&larder).select::<Arc<User>>();
        (from..from + n).for_each(|n| drop(black_box(users.find(ids[n * 7 % ids.len()]).ok())));
    });
    let [bare_one, bare_two] = scaled(&|from, n| {
        (from..from + n).for_each(|n| drop(black_box(bare.get(&ids[n * 7 % ids.len()]))));
    });
    println!("| 1 | {:.1} M | | | |", one / 1e6);
    println!("| 2 | {:.1} M | {:.2} | {:.2} | 1.6 |", two / 1e6, two / one, bare_two / bare_one);
}

/// How many calls a second so many threads make together.
fn rate(n_threads: usize, run: &(dyn Fn(usize, usize) + Sync)) -> f64 {
    const CALLS: usize = 400_000;
    let start = Barrier::new(n_threads + 1);
    let started = thread::scope(|scope| {
        for thread in 0..n_threads {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                run(thread * 991, CALLS);
            });
        }
        start.wait();
        Instant::now()
    });
    (CALLS * n_threads) as f64 / started.elapsed().as_secs_f64()
}

/// Which rows a round reads.
#[derive(Clone, Copy)]
enum Which {
    TheSame,
    Others,
}

struct Table<'a> {
    ids: &'a [Uuid],
    /// The order in which rows are asked for.
    shuffled: Vec<Uuid>,
}

impl<'a> Table<'a> {
    fn new(ids: &'a [Uuid]) -> Self {
        println!("| near | larder | by hand | ratio | goal |\n| --- | ---: | ---: | ---: | ---: |");
        let shuffled = (0..CALLS).map(|n| ids[(n * 7_919) % ids.len()]).collect();
        Self { ids, shuffled }
    }

    fn row<A, B>(
        &mut self,
        name: &str,
        goal: Option<f64>,
        mut ours: impl FnMut(Uuid) -> Option<A>,
        mut theirs: impl FnMut(Uuid) -> Option<B>,
    ) {
        let round = |side: &mut dyn FnMut(Uuid)| {
            let started = Instant::now();
            self.shuffled.iter().for_each(|id| side(*id));
            started.elapsed() / u32::try_from(CALLS).unwrap_or(u32::MAX)
        };
        let (mut ours, mut theirs) = (
            |id| assert!(black_box(ours(id)).is_some(), "a row is there"),
            |id| assert!(black_box(theirs(id)).is_some(), "a row is there"),
        );
        let took = (0..ROUNDS).map(|_| (round(&mut ours), round(&mut theirs))).collect();
        print(name, goal, took);
    }

    fn batch<A, B>(
        &mut self,
        name: &str,
        goal: Option<f64>,
        (n, which): (usize, Which),
        mut ours: impl FnMut(&[Uuid]) -> Option<A>,
        mut theirs: impl FnMut(&[Uuid]) -> Option<B>,
    ) {
        let took = (0..ROUNDS)
            .map(|round| {
                let from = match which {
                    Which::TheSame => 0,
                    Which::Others => (round * n) % (self.ids.len() - n),
                };
                let ids = &self.ids[from..from + n];
                let started = Instant::now();
                assert!(black_box(ours(ids)).is_some(), "the rows are there");
                let ours = started.elapsed();
                let started = Instant::now();
                assert!(black_box(theirs(ids)).is_some(), "the rows are there");
                (ours, started.elapsed())
            })
            .collect();
        print(name, goal, took);
    }
}

fn print(name: &str, goal: Option<f64>, took: Vec<(Duration, Duration)>) {
    let (ours, theirs): (Vec<_>, Vec<_>) = took.into_iter().skip(ROUNDS / 10).unzip();
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let verdict = goal.map_or(String::new(), |goal| format!("{goal}{}", if ratio > goal { ", missed" } else { "" }));
    println!("| {name} | {ours:?} | {theirs:?} | {ratio:.3} | {verdict} |");
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}
