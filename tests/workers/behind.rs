//! A process that writes behind, or flushes, until it is killed: `behind-worker write|through|flush <database> <redis> [<from> <to>]`.
//!
//! A writer takes the rows from..to one by one, and says what it does to each on its standard output, a line each: `tries 7` before the call,
//! `has 7` when it is acknowledged, `lacks 7` when it was certainly not done. With each row it increments a counter that many share.
//! Then it sets another column of a row that only this thread sets, to the number of the call: `sets 3 7`, `set 3 7`. As `through` its
//! increments go to the database while the buffer is away.

#![expect(clippy::unwrap_used, reason = "a worker that fails here should")]

use std::{
    env,
    io::{Write as _, stdout},
    sync::atomic::{AtomicI64, Ordering},
    thread,
    time::Duration,
};

use bigdecimal::BigDecimal;
use diesel::{
    ExpressionMethods as _,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{
    Larder,
    behind::{Error, Flusher, Options, WhenAway},
};
use larder_redis::RedisStore;
use tests::{Counter, counters, eventually};

/// How many calls are under way at once.
const THREADS: usize = 4;

/// How many rows are incremented again and again; the others are so once each.
const SHARED: i64 = 10;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", database, redis, from, to] => {
            write(&handle(database, redis, WhenAway::Reject), from.parse().unwrap()..to.parse().unwrap())
        }
        ["through", database, redis, from, to] => {
            write(&handle(database, redis, WhenAway::WriteThrough), from.parse().unwrap()..to.parse().unwrap())
        }
        ["flush", database, redis] => {
            let larder = handle(database, redis, WhenAway::Reject);
            let _flusher = Flusher::start(&larder, Duration::from_millis(1)).unwrap();
            loop {
                thread::park();
            }
        }
        _ => panic!("behind-worker write|through|flush <database> <redis> [<from> <to>]"),
    }
}

fn handle(database: &str, redis: &str, when_away: WhenAway) -> Larder<Pg> {
    let pool = Pool::builder().max_size(4).min_idle(Some(0)).connection_timeout(Duration::from_secs(1));
    let pool = pool.build(ConnectionManager::new(database)).unwrap();
    let store = RedisStore::connect(redis).unwrap();
    let options = Options::on(store.buffer("crash")).counter::<Counter>(counters::n).when_away(when_away);
    Larder::builder(pool).shared(store).behind(options).build()
}

fn write(larder: &Larder<Pg>, rows: std::ops::Range<i64>) {
    let next = AtomicI64::new(rows.start);
    let tell = |what: std::fmt::Arguments<'_>| {
        let mut out = stdout().lock();
        // Nobody listens any more: then nobody counts either.
        writeln!(out, "{what}").and_then(|()| out.flush()).unwrap();
    };
    let is_back = || eventually(Duration::from_secs(60), || larder.backlog().is_ok());
    thread::scope(|scope| {
        for own in (rows.start..rows.end).take(THREADS) {
            let (next, tell, rows) = (&next, &tell, &rows);
            scope.spawn(move || {
                let counters = Counter::repository(larder).behind();
                loop {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    if id >= rows.end {
                        return;
                    }
                    tell(format_args!("tries {id}"));
                    let mut both = counters.batch();
                    both.increment(id, counters::n, 1).unwrap().increment(id % SHARED, counters::n, 1).unwrap();
                    // One that failed, or of which it is not known, is not tried again: a second try would be another call.
                    match both.send() {
                        Ok(()) => tell(format_args!("has {id}")),
                        Err(Error::Unknown(_)) => is_back(),
                        Err(_) => {
                            tell(format_args!("lacks {id}"));
                            is_back();
                        }
                    }
                    tell(format_args!("sets {own} {id}"));
                    match counters.update(own, counters::amount.eq(BigDecimal::from(id))) {
                        Ok(()) => tell(format_args!("set {own} {id}")),
                        Err(_) => is_back(),
                    }
                }
            });
        }
    });
}
