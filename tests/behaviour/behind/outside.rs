//! Entries that nobody who is well has made, and what is left of those who are gone.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use bigdecimal::BigDecimal;
use diesel::{connection::SimpleConnection as _, prelude::*, sql_query, sql_types::Binary};
use larder::{
    behind::{DeadLetter, Error, Flusher, Options, WhenAway},
    buffer::{AppendError, Appended, Backlog, Buffer, Bytes, Entry, EntryId, Size},
    failpoints::{Point, on_this_thread},
    store::StoreError,
};
use tests::{Counter, Namespace, counters, eventually, redis_store, redis_url};

use super::world::{LONG, World, durable, store_on};

fn dead(world: &World) -> Vec<DeadLetter> {
    world.larder.dead_letters().unwrap().list(10_000).unwrap()
}

fn buffer(world: &World) -> larder_redis::RedisBuffer {
    redis_store(&redis_url(), &world.namespace).buffer("test")
}

fn put(world: &World, entry: impl Into<Bytes>) {
    buffer(world).append(&[entry.into()], Size { n_entries: 1 << 40, n_bytes: 1 << 40 }).unwrap();
}

/// How many rows of a table fulfil a condition.
fn count(world: &World, of: &str) -> usize {
    sql_query(format!("SELECT FROM {of}")).execute(&mut world.database.connect()).unwrap()
}

#[test]
fn a_decimal_of_too_many_digits_is_an_error_of_the_call() {
    let world = World::new();
    let behind = Counter::repository(&world.larder).behind();
    let by = |text: &str| behind.increment(1, counters::amount, text.parse::<BigDecimal>().unwrap());
    for text in ["1e100000000", "1e-100000000", "1e1000", "1e-1001"] {
        assert!(matches!(by(text), Err(Error::TooManyDigits)), "{text}");
    }
    let mut batch = behind.batch();
    let huge: BigDecimal = "1e100000000".parse().unwrap();
    assert!(matches!(batch.increment(1, counters::amount, huge), Err(Error::TooManyDigits)));
    // A sum may be longer than any of its parts.
    let good = ["9e999", "9e999", "1e-1000"];
    good.iter().for_each(|text| by(text).unwrap());
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(dead(&world), []);
    let sum: BigDecimal = good.iter().map(|text| text.parse::<BigDecimal>().unwrap()).sum();
    assert_eq!(world.row(1).amount, sum);
}

/// Whatever stands in the buffer, the flusher ends, and writes what is good.
#[test]
fn no_entry_stops_a_flusher() {
    let world = World::with(|options| options.give_up_after(Duration::ZERO));
    let behind = Counter::repository(&world.larder).behind();
    behind.update(3, counters::label.eq("three")).unwrap();
    behind.increment(4, counters::amount, "1.5".parse::<BigDecimal>().unwrap()).unwrap();
    let good: Vec<Bytes> = buffer(&world).read(2, None).unwrap().into_iter().map(|entry| entry.bytes).collect();
    let mut n_entries = 0;
    for entry in &good {
        for place in 0..entry.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff, entry[place] ^ 1] {
                let mut bad = entry.to_vec();
                bad[place] = byte;
                put(&world, bad);
                n_entries += 1;
            }
        }
    }
    // By somebody else, since some of these say that they are of the first and come later than all that he will send.
    let other = world.branch(|options| options);
    Counter::repository(&other).behind().increment(19, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(19), 1);
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0);
    // Most bytes are names, keys and the producer's.
    assert!(dead(&world).len() > n_entries / 10, "{} of {n_entries}", dead(&world).len());
    let letters: Vec<i64> = dead(&world).iter().map(|letter| letter.id).collect();
    world.larder.dead_letters().unwrap().put_back(&letters).unwrap();
}

#[test]
fn an_entry_that_can_not_be_read_is_kept_once_though_the_flusher_is_killed() {
    let world = World::new();
    put(&world, &b"of another version"[..]);
    for point in [Point::FlushMarked, Point::BeforeCommit, Point::AfterCommit, Point::BeforeRemove] {
        let killed = world.branch(|options| options);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _hook = on_this_thread(move |reached| assert!(reached != point, "killed at {point:?}"));
            Flusher::run_once(&killed)
        }));
        assert!(ended.is_err(), "{point:?}");
    }
    // The same bytes are the same entry, which was sent twice.
    put(&world, &b"of another version"[..]);
    put(&world, &b"of yet another version"[..]);
    eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
    assert_eq!(dead(&world).len(), 2);
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0);
}

/// An earlier release could not read the entry, kept it, and died before it had taken it out of the buffer.
#[test]
fn what_could_not_be_read_and_can_be_now_is_applied_once_by_whom_it_may() {
    for puts_back_first in [false, true] {
        let world = World::new();
        let behind = Counter::repository(&world.larder).behind();
        behind.increment(1, counters::n, 1).unwrap();
        let entry = buffer(&world).read(1, None).unwrap().remove(0).bytes;
        sql_query("INSERT INTO larder_behind_dead (buffer, n_calls, reason, change) VALUES ('test', 0, 'unread', $1)")
            .bind::<Binary, _>(entry.to_vec())
            .execute(&mut world.database.connect())
            .unwrap();
        let id = dead(&world)[0].id;
        let put_back = || world.larder.dead_letters().unwrap().put_back(&[id]).unwrap().n_written;
        if puts_back_first {
            assert_eq!(put_back(), 1);
        }
        Flusher::run_once(&world.larder).unwrap();
        assert_eq!((world.n(1), dead(&world)), (1, vec![]));
        assert_eq!(put_back(), 0);
        behind.increment(1, counters::n, 1).unwrap();
        Flusher::run_once(&world.larder).unwrap();
        assert_eq!(world.n(1), 2);
    }
}

#[test]
fn what_is_put_back_by_several_at_once_and_one_who_is_killed_is_written_once() {
    for point in [Point::BeforeCommit, Point::AfterCommit] {
        let world = World::new();
        Counter::repository(&world.larder).behind().increment(30, counters::n, 1).unwrap();
        Flusher::run_once(&world.larder).unwrap();
        let id = dead(&world)[0].id;
        Counter::add(&mut world.database.connect(), 30, 31).unwrap();
        let killed = world.branch(|options| options);
        thread::scope(|scope| {
            scope.spawn(|| {
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    let _hook = on_this_thread(move |reached| assert!(reached != point, "killed at {point:?}"));
                    killed.dead_letters().unwrap().put_back(&[id]).unwrap()
                }));
                // It may have come too late to have anything to commit, which it does all the same.
                assert!(ended.is_err());
            });
            for _ in 0..3 {
                let larder = world.branch(|options| options);
                scope.spawn(move || larder.dead_letters().unwrap().put_back(&[id]).unwrap());
            }
        });
        assert_eq!((world.n(30), dead(&world)), (1, vec![]), "{point:?}");
    }
}

/// It takes the turn of a flush: one who puts back and one who flushes are not in each other's way.
#[test]
fn whoever_puts_back_waits_for_the_flush_that_is_under_way() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(30, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    let id = dead(&world)[0].id;
    Counter::add(&mut world.database.connect(), 30, 31).unwrap();
    counters.behind().increment(30, counters::n, 1).unwrap();
    let other = world.branch(|options| options);
    thread::scope(|scope| {
        let (locked, told) = std::sync::mpsc::channel();
        let flusher = scope.spawn({
            let (larder, url) = (world.larder.clone(), world.database.url().to_owned());
            move || {
                let _hook = on_this_thread(move |point| {
                    if point == Point::FlushWritten {
                        locked.send(()).unwrap();
                        let waits = "SELECT FROM pg_stat_activity WHERE datname = current_database()
                            AND wait_event_type = 'Lock' AND wait_event = 'advisory'";
                        let mut psql = diesel::PgConnection::establish(&url).unwrap();
                        eventually(LONG, || sql_query(waits).execute(&mut psql).unwrap() == 1);
                    }
                });
                Flusher::run_once(&larder).unwrap()
            }
        });
        told.recv().unwrap();
        assert_eq!(other.dead_letters().unwrap().put_back(&[id]).unwrap().n_written, 1);
        assert_eq!(flusher.join().unwrap(), 1);
    });
    assert_eq!(world.n(30), 2);
}

#[test]
fn what_goes_past_the_buffer_for_long_takes_no_room() {
    const CALLS: i64 = 1_000;
    let redis = durable();
    let world = World::on(Namespace::new(), &store_on(&redis), |options| {
        options.when_away(WhenAway::WriteThrough).counter::<Counter>(counters::n)
    });
    let behind = Counter::repository(&world.larder).behind();
    behind.increment(1, counters::n, 1).unwrap();
    redis.kill();
    for _ in 0..CALLS {
        behind.increment(1, counters::n, 1).unwrap();
    }
    assert_eq!(world.n(1), CALLS);
    assert_eq!(count(&world, "larder_behind WHERE direct = '{2,1001}'"), 1);
    assert_eq!(count(&world, "larder_behind WHERE pg_column_size(larder_behind) < 200"), 1);
    redis.restart();
    eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
    assert_eq!(world.n(1), CALLS + 1);
}

#[test]
fn a_flusher_forgets_who_was_silent_for_long_and_only_of_its_own_buffer() {
    let world = World::new();
    Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    let other =
        world.branch(|_| Options::on(redis_store(&redis_url(), &world.namespace).buffer("other")).with::<Counter>());
    Counter::repository(&other).behind().increment(1, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    Flusher::run_once(&other).unwrap();
    let silent = "UPDATE larder_behind SET at = now() - interval '31 days', n_held = 1;
        INSERT INTO larder_behind_held SELECT producer, 1, 'x' FROM larder_behind";
    world.database.connect().batch_execute(silent).unwrap();
    let flusher = Flusher::start(&world.larder, Duration::from_millis(1)).unwrap();
    eventually(LONG, || count(&world, "larder_behind WHERE buffer = 'test'") == 0);
    drop(flusher);
    assert_eq!(count(&world, "larder_behind WHERE buffer = 'other'"), 1);
    assert_eq!(count(&world, "larder_behind_held"), 1);
}

#[test]
fn a_database_that_takes_no_writes_has_nothing_rejected() {
    let world = World::new();
    Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    let url = format!("{}?options=-c%20default_transaction_read_only%3Don", world.database.url());
    let error = Flusher::run_once(&world.branch_to(&url)).unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!((world.n(1), dead(&world)), (1, vec![]));
}

/// The same entries by another name: whoever has it takes no turns with the others.
struct Renamed(larder_redis::RedisBuffer);

impl Buffer for Renamed {
    fn name(&self) -> &'static str {
        "another"
    }

    fn append(&self, entries: &[Bytes], at_most: Size) -> Result<Appended, AppendError> {
        self.0.append(entries, at_most)
    }

    fn read(&self, n: usize, after: Option<EntryId>) -> Result<Vec<Entry>, StoreError> {
        self.0.read(n, after)
    }

    fn remove(&self, entries: &[EntryId]) -> Result<(), StoreError> {
        self.0.remove(entries)
    }

    fn backlog(&self) -> Result<Backlog, StoreError> {
        self.0.backlog()
    }
}

/// So it is on the ledger's row locks that each change is applied once; turns only spare work.
#[test]
fn flushers_that_take_no_turns_apply_nothing_twice() {
    let world = World::new();
    Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    let other = world.branch(|_| Options::on(Renamed(buffer(&world))).with::<Counter>());
    // There are rows to lock.
    Flusher::run_once(&world.larder).unwrap();
    Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    thread::scope(|scope| {
        let (locked, told) = std::sync::mpsc::channel();
        let first = scope.spawn({
            let (larder, url) = (world.larder.clone(), world.database.url().to_owned());
            move || {
                let _hook = on_this_thread(move |point| {
                    if point == Point::FlushLocked {
                        locked.send(()).unwrap();
                        let waits = "SELECT FROM pg_stat_activity WHERE datname = current_database()
                            AND wait_event_type = 'Lock' AND query LIKE '%FROM larder_behind %FOR UPDATE%'";
                        let mut psql = diesel::PgConnection::establish(&url).unwrap();
                        eventually(LONG, || sql_query(waits).execute(&mut psql).unwrap() == 1);
                    }
                });
                Flusher::run_once(&larder).unwrap()
            }
        });
        told.recv().unwrap();
        assert_eq!(Flusher::run_once(&other).unwrap(), 0);
        assert_eq!(first.join().unwrap(), 1);
    });
    assert_eq!(world.n(1), 2);
    assert_eq!(other.behind_figures().unwrap().n_repeated, 1);
}
