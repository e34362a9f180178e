//! Every acknowledged change is applied once, whatever dies when.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use diesel::{prelude::*, sql_query};
use larder::{
    behind::{Flusher, Options},
    buffer::{AppendError, Appended, Backlog, Buffer, Bytes, Entry, EntryId, Size},
    failpoints::{Point, on_this_thread},
    store::StoreError,
};
use tests::{Counter, counters, eventually, redis_store, redis_url};

use super::world::{LONG, World};

/// What a killed process does: nothing more.
fn die_at(point: Point) -> impl Fn(Point) {
    move |reached| assert!(reached != point, "killed at {point:?}")
}

/// A process that was killed leaves no transaction open for long.
fn nothing_is_open(world: &World) {
    eventually(LONG, || {
        let open = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
        sql_query(open).execute(&mut world.database.connect()).unwrap() == 0
    });
}

#[test]
fn a_flusher_that_is_killed_at_any_step_has_applied_everything_once_when_the_next_one_is_done() {
    for point in [
        Point::FlushLocked,
        Point::FlushWritten,
        Point::FlushMarked,
        Point::BeforeBegin,
        Point::AfterBegin,
        Point::BeforeCommit,
        Point::AfterCommit,
        Point::BeforeFinish,
        Point::AfterFinish,
        Point::BeforeRemove,
        Point::AfterRemove,
    ] {
        let world = World::new();
        let counters = Counter::repository(&world.larder);
        for id in [1, 2, 1, 1] {
            counters.behind().increment(id, counters::n, 1).unwrap();
        }
        let killed = world.branch(|options| options);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _hook = on_this_thread(die_at(point));
            Flusher::run_once(&killed)
        }));
        assert!(ended.is_err(), "{point:?}");
        drop(killed);
        nothing_is_open(&world);
        counters.behind().increment(2, counters::n, 1).unwrap();
        Flusher::run_once(&world.larder).unwrap();
        assert_eq!((world.n(1), world.n(2)), (3, 2), "{point:?}");
        assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0, "{point:?}");
        let repeated = world.larder.behind_figures().unwrap().n_repeated;
        let was_applied =
            matches!(point, Point::AfterCommit | Point::BeforeFinish | Point::AfterFinish | Point::BeforeRemove);
        assert_eq!(repeated, if was_applied { 4 } else { 0 }, "{point:?}");
    }
}

#[test]
fn a_writer_that_is_killed_has_buffered_what_it_was_told_and_perhaps_one_more() {
    for (point, is_there) in [(Point::BeforeAppend, false), (Point::AfterAppend, true)] {
        let world = World::new();
        let killed = world.branch(|options| options);
        let behind = || Counter::repository(&killed);
        behind().behind().increment(1, counters::n, 1).unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _hook = on_this_thread(die_at(point));
            behind().behind().increment(1, counters::n, 10)
        }));
        assert!(ended.is_err());
        // Whoever had waited behind it would go on.
        behind().behind().increment(1, counters::n, 100).unwrap();
        Flusher::run_once(&world.larder).unwrap();
        assert_eq!(world.n(1), if is_there { 111 } else { 101 }, "{point:?}");
    }
}

/// A buffer that does something more when it is asked.
struct Tampered<F> {
    buffer: larder_redis::RedisBuffer,
    act: F,
}

/// When it does it.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// Before something is added: whether the answer is to be lost.
    Append,
    /// An entry was read, and nobody has it yet.
    Read,
    /// Something is to be removed: whether it is not to be.
    Remove,
}

impl<F: Fn(When) -> bool + Send + Sync + 'static> Buffer for Tampered<F> {
    fn name(&self) -> &str {
        self.buffer.name()
    }

    fn append(&self, entries: &[Bytes], at_most: Size) -> Result<Appended, AppendError> {
        let appended = self.buffer.append(entries, at_most);
        if (self.act)(When::Append) { Err(AppendError::Unknown(StoreError::timed_out("lost"))) } else { appended }
    }

    fn read(&self, n: usize, after: Option<EntryId>) -> Result<Vec<Entry>, StoreError> {
        let read = self.buffer.read(n, after);
        (self.act)(When::Read);
        read
    }

    fn remove(&self, entries: &[EntryId]) -> Result<(), StoreError> {
        if (self.act)(When::Remove) { Err(StoreError::timed_out("lost")) } else { self.buffer.remove(entries) }
    }

    fn backlog(&self) -> Result<Backlog, StoreError> {
        self.buffer.backlog()
    }
}

fn tampered(world: &World, act: impl Fn(When) -> bool + Send + Sync + 'static) -> larder::Larder<diesel::pg::Pg> {
    let buffer = redis_store(&redis_url(), &world.namespace).buffer("test");
    world.branch(|_| Options::on(Tampered { buffer, act }).with::<Counter>())
}

#[test]
fn an_append_whose_answer_is_lost_is_sent_again_and_counts_once() {
    let world = World::new();
    let is_first = AtomicBool::new(true);
    let writer = tampered(&world, move |when| when == When::Append && is_first.swap(false, Ordering::Relaxed));
    let counters = Counter::repository(&writer);
    counters.behind().increment(1, counters::n, 1).unwrap();
    counters.behind().increment(1, counters::n, 10).unwrap();
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 3, "it is there twice");
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 11);
    assert_eq!(world.larder.behind_figures().unwrap().n_repeated, 1);
}

#[test]
fn copies_that_come_late_are_passed_over_in_whatever_order() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    for by in [1, 10, 100] {
        counters.behind().increment(1, counters::n, by).unwrap();
    }
    let buffer = redis_store(&redis_url(), &world.namespace).buffer("test");
    let copies = buffer.read(10, None).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    for copy in [0, 2, 1, 2, 0] {
        buffer.append(std::slice::from_ref(&copies[copy].bytes), Size { n_entries: 10, n_bytes: 10_000 }).unwrap();
        Flusher::run_once(&world.larder).unwrap();
        assert_eq!(world.n(1), 111);
    }
    counters.behind().increment(1, counters::n, 1_000).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 1_111);
}

#[test]
fn an_append_that_is_never_answered_is_an_error_and_counts_once_if_at_all() {
    let world = World::new();
    let writer = tampered(&world, |when| when == When::Append);
    let error = Counter::repository(&writer).behind().increment(1, counters::n, 1).unwrap_err();
    assert!(matches!(error, larder::behind::Error::Unknown(_)), "{error:?}");
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 1);
}

#[test]
fn entries_that_are_not_removed_are_read_again_and_passed_over() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    let flusher = tampered(&world, |when| when == When::Remove);
    Flusher::run_once(&flusher).unwrap();
    counters.behind().increment(1, counters::n, 1).unwrap();
    Flusher::run_once(&flusher).unwrap();
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 2);
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 2);
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0);
}

/// The one who has seen an entry, and before his turn comes another one writes and removes it and more, applies none of it again, and hides
/// none of it from the other.
#[test]
fn a_flusher_that_has_looked_long_ago_does_no_harm() {
    let world = Arc::new(World::new());
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    let quick = Arc::clone(&world);
    let is_first = AtomicBool::new(true);
    let slow = tampered(&world, move |when| {
        if when == When::Read && is_first.swap(false, Ordering::Relaxed) {
            let counters = Counter::repository(&quick.larder);
            counters.behind().increment(1, counters::n, 10).unwrap();
            Flusher::run_once(&quick.larder).unwrap();
            counters.behind().increment(1, counters::n, 100).unwrap();
        }
        false
    });
    Flusher::run_once(&slow).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 111);
}

/// Two have seen the same, and one has not committed when the other comes to it.
#[test]
fn a_flusher_waits_for_another_one_that_is_about_to_commit_and_applies_nothing_again() {
    let world = World::new();
    let other = world.branch(|options| options);
    Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    thread::scope(|scope| {
        let (written, told) = std::sync::mpsc::channel();
        let first = scope.spawn({
            let (larder, url) = (world.larder.clone(), world.database.url().to_owned());
            move || {
                let _hook = on_this_thread(move |point| {
                    if point == Point::FlushWritten {
                        written.send(()).unwrap();
                        let mut psql = diesel::PgConnection::establish(&url).unwrap();
                        let waits = "SELECT FROM pg_stat_activity
                            WHERE datname = current_database() AND wait_event_type = 'Lock'";
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
    assert_eq!(world.n(1), 1);
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0);
}

/// However much waits, one that would only be in another's way reads one entry of it.
#[test]
fn a_flusher_whose_turn_it_is_not_reads_one_entry() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    for id in 0..20 {
        counters.behind().increment(id, counters::n, 1).unwrap();
    }
    let buffer = redis_store(&redis_url(), &world.namespace).buffer("test");
    let asked = Arc::<Mutex<Vec<usize>>>::default();
    let counting = Counting { buffer, asked: Arc::clone(&asked) };
    let other = world.branch(|_| Options::on(counting).with::<Counter>());
    let _hook = on_this_thread(move |point| {
        if point == Point::FlushLocked {
            let flusher = Flusher::start(&other, Duration::from_millis(1)).unwrap();
            // It has looked again and again.
            eventually(LONG, || asked.lock().unwrap().len() >= 10);
            assert_eq!(flusher.stop().n_flushed_entries, 0);
            assert!(asked.lock().unwrap().iter().all(|n| *n == 1), "{asked:?}");
            assert!(other.behind_figures().unwrap().lag > Some(Duration::ZERO), "it knows how long they wait");
        }
    });
    assert_eq!(Flusher::run_once(&world.larder).unwrap(), 20);
}

/// A buffer that takes down how many entries it is asked for each time.
struct Counting {
    buffer: larder_redis::RedisBuffer,
    asked: Arc<Mutex<Vec<usize>>>,
}

impl Buffer for Counting {
    fn name(&self) -> &str {
        self.buffer.name()
    }

    fn append(&self, entries: &[Bytes], at_most: Size) -> Result<Appended, AppendError> {
        self.buffer.append(entries, at_most)
    }

    fn read(&self, n: usize, after: Option<EntryId>) -> Result<Vec<Entry>, StoreError> {
        self.asked.lock().unwrap().push(n);
        self.buffer.read(n, after)
    }

    fn remove(&self, entries: &[EntryId]) -> Result<(), StoreError> {
        self.buffer.remove(entries)
    }

    fn backlog(&self) -> Result<Backlog, StoreError> {
        self.buffer.backlog()
    }
}

#[test]
fn many_flushers_and_writers_at_once_count_everything_once() {
    const WRITERS: i64 = 8;
    const EACH: i64 = 150;
    let world = World::new();
    let n_writing = AtomicI64::new(WRITERS);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (larder, n_writing) = (world.branch(|options| options), &n_writing);
            scope.spawn(move || {
                let counters = Counter::repository(&larder);
                for n in 0..EACH {
                    counters.behind().increment((writer + n) % 20, counters::n, 1).unwrap();
                    counters.behind().update(writer, counters::label.eq(format!("{writer}: {n}"))).unwrap();
                }
                n_writing.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for _ in 0..3 {
            let (larder, n_writing) = (world.branch(|options| options), &n_writing);
            scope.spawn(move || {
                while n_writing.load(Ordering::Relaxed) > 0 {
                    Flusher::run_once(&larder).unwrap();
                }
            });
        }
    });
    Flusher::run_once(&world.larder).unwrap();
    let rows = Counter::all(&mut world.database.connect()).unwrap();
    assert_eq!(rows.iter().map(|row| row.n).sum::<i64>(), WRITERS * EACH);
    for row in &rows[..8] {
        assert_eq!(row.label.clone(), Some(format!("{}: {}", row.id, EACH - 1)), "the last one stays");
    }
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0);
}

#[test]
fn a_flush_whose_session_is_ended_is_done_again() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'idle in transaction'";
    let ended = {
        let url = world.database.url().to_owned();
        let _hook = on_this_thread(move |point| {
            if point == Point::FlushMarked {
                sql_query(end).execute(&mut diesel::PgConnection::establish(&url).unwrap()).unwrap();
            }
        });
        Flusher::run_once(&world.larder)
    };
    assert!(matches!(ended, Err(larder::behind::Error::Database(_))), "{ended:?}");
    assert_eq!(world.n(1), 0);
    let flusher = Flusher::start(&world.larder, Duration::from_millis(2)).unwrap();
    assert!(flusher.drain(LONG).unwrap());
    assert_eq!(world.n(1), 1);
    drop(flusher);
}

/// One that can't be done as a whole would never be.
#[test]
fn a_flush_that_fails_is_tried_with_less() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    for id in 0..20 {
        counters.behind().increment(id, counters::n, 1).unwrap();
    }
    // Whoever changes more than three rows at once is cut off.
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM new_rows) > 3 THEN
                PERFORM pg_terminate_backend(pg_backend_pid());
                PERFORM pg_sleep(1);
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER refuse AFTER UPDATE ON counters REFERENCING NEW TABLE AS new_rows
            FOR EACH STATEMENT EXECUTE FUNCTION refuse()";
    diesel::connection::SimpleConnection::batch_execute(&mut world.database.connect(), refuse).unwrap();
    let mut n_failed = 0;
    while Flusher::run_once(&world.larder).is_err() {
        n_failed += 1;
        assert!(n_failed < 20);
    }
    // 10,000 rows at most, 5,000, .. 4; and after 2 went well for some time, 4 once more.
    assert_eq!(n_failed, 13);
    assert_eq!((0..20).map(|id| world.n(id)).collect::<Vec<_>>(), [1; 20]);
    assert_eq!(world.larder.dead_letters().unwrap().list(10).unwrap(), []);
}
