//! What a call does that finds the buffer full.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use diesel::{ExpressionMethods as _, connection::SimpleConnection as _};
use larder::{
    behind::{Error, Flusher, Options, WhenFull},
    failpoints::{Point, on_this_thread},
};
use tests::{Counter, counters};

use super::world::{LONG, World};

fn full(options: Options, when_full: WhenFull) -> Options {
    options.max_entries(3).when_full(when_full)
}

fn fill(world: &World) {
    for _ in 0..3 {
        Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    }
}

#[test]
fn a_full_buffer_refuses_and_loses_nothing_of_what_it_has() {
    let world = World::with(|options| full(options, WhenFull::Reject));
    fill(&world);
    let counters = Counter::repository(&world.larder);
    let error = counters.behind().increment(1, counters::n, 10).unwrap_err();
    assert!(matches!(error, Error::Full { n_entries: 3, .. }), "{error:?}");
    assert_eq!(world.larder.behind_figures().unwrap().n_full, 1);
    Flusher::run_once(&world.larder).unwrap();
    counters.behind().increment(1, counters::n, 100).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 103);
}

#[test]
fn who_waits_for_room_waits_so_long_and_no_longer() {
    const PATIENCE: Duration = Duration::from_millis(200);
    let world = World::with(|options| full(options, WhenFull::Block(PATIENCE)));
    fill(&world);
    let counters = Counter::repository(&world.larder);
    let counters = counters.behind();
    // All of them at once: none waits for another's patience before its own.
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            let error = scope.spawn(move || counters.increment(1, counters::n, 10).unwrap_err());
            scope.spawn(move || assert!(matches!(error.join().unwrap(), Error::Full { .. })));
        }
    });
    let took = start.elapsed();
    assert!(took >= PATIENCE, "{took:?}");
    // One after the other, it would be eight times as long.
    assert!(took < PATIENCE * 5, "{took:?}");
    assert_eq!(world.larder.behind_figures().unwrap().n_full, 8);
}

#[test]
fn who_waits_goes_on_as_soon_as_there_is_room() {
    for flusher in [true, false] {
        let world = World::with(|options| full(options, WhenFull::Block(LONG)));
        let elsewhere = world.branch(|options| options);
        fill(&world);
        let counters = Counter::repository(&world.larder).behind();
        thread::scope(|scope| {
            let (refused, told) = mpsc::channel();
            let waiting = scope.spawn(move || {
                // Nobody listens after the first time.
                let _hook = on_this_thread(move |point| _ = (point == Point::AfterAppend).then(|| refused.send(())));
                counters.increment(1, counters::n, 10)
            });
            told.recv_timeout(LONG).expect("it has asked, and there was no room");
            assert!(!waiting.is_finished(), "it waits");
            let start = Instant::now();
            Flusher::run_once(if flusher { &world.larder } else { &elsewhere }).unwrap();
            waiting.join().unwrap().unwrap();
            assert!(start.elapsed() < LONG / 2, "it has not waited for its patience to end");
        });
        Flusher::run_once(&world.larder).unwrap();
        assert_eq!(world.n(1), 13);
    }
}

#[test]
fn who_writes_through_makes_room_by_the_flushers_work_and_keeps_the_order() {
    let world = World::with(|options| full(options, WhenFull::WriteThrough));
    fill(&world);
    let counters = Counter::repository(&world.larder);
    counters.behind().update(1, counters::n.eq(50)).unwrap();
    assert_eq!(world.n(1), 3, "what was before it is written");
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 1, "and it waits");
    for _ in 0..20 {
        counters.behind().increment(1, counters::n, 1).unwrap();
    }
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 70);
    assert_eq!(world.larder.behind_figures().unwrap().n_full, 0);
}

#[test]
fn no_room_is_made_of_what_can_not_be_written_yet() {
    let world = World::with(|options| full(options, WhenFull::WriteThrough));
    fill(&world);
    let mut connection = world.database.connect();
    connection.batch_execute("ALTER TABLE counters RENAME TO away").unwrap();
    let error = Counter::repository(&world.larder).behind().increment(2, counters::n, 1).unwrap_err();
    assert!(matches!(error, Error::Full { n_entries: 3, .. }), "{error:?}");
    connection.batch_execute("ALTER TABLE away RENAME TO counters").unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!((world.n(1), world.n(2)), (3, 0));
}

#[test]
fn what_never_fits_is_refused_however_it_is_to_be_done() {
    for when_full in [WhenFull::Reject, WhenFull::Block(Duration::from_millis(20)), WhenFull::WriteThrough] {
        let world = World::with(|options| options.max_entries(0).when_full(when_full));
        let error = Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap_err();
        assert!(matches!(error, Error::Full { n_entries: 0, .. }), "{when_full:?}: {error:?}");
    }
}

/// Many rows, but no more than an entry has; then few that are large.
#[test]
fn a_buffer_is_full_by_its_bytes_and_says_so() {
    let world = World::with(|options| options.max_bytes(4_000).when_full(WhenFull::Reject));
    let counters = Counter::repository(&world.larder).behind();
    let label = |n: usize| counters::label.eq("x".repeat(n));
    counters.update(1, label(1_500)).unwrap();
    counters.update(2, label(1_500)).unwrap();
    let error = counters.update(3, label(1_500)).unwrap_err();
    let Error::Full { n_entries: 2, n_bytes } = error else { panic!("{error:?}") };
    assert!((3_000..3_500).contains(&n_bytes), "{n_bytes}");
    assert_eq!(world.larder.backlog().unwrap().size.n_bytes, n_bytes);
    counters.increment(3, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.larder.backlog().unwrap().size.n_bytes, 0);
    counters.update(3, label(1_501)).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!((world.n(3), world.row(3).label.unwrap().len()), (1, 1_501));
}

#[test]
fn changes_that_are_too_large_are_refused_at_the_call() {
    const MIB: usize = 1 << 20;
    let world = World::new();
    let counters = Counter::repository(&world.larder).behind();
    let label = |n: usize| counters::label.eq("x".repeat(n));
    let error = counters.update(1, label(MIB)).unwrap_err();
    assert!(matches!(error, Error::TooManyBytes { n_bytes, limit: MIB } if n_bytes > MIB), "{error:?}");
    let mut batch = counters.batch();
    for id in 0..17 {
        batch.update(id, label(MIB - 1_000)).unwrap();
    }
    let error = batch.send().unwrap_err();
    assert!(matches!(error, Error::TooManyBytes { limit, .. } if limit == 16 * MIB), "{error:?}");
    let small = world.branch(|options| options.max_bytes(1_000));
    let error = Counter::repository(&small).behind().update(1, label(1_000)).unwrap_err();
    assert!(matches!(error, Error::TooManyBytes { limit: 1_000, .. }), "{error:?}");
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0);
    // What fits goes in entries that are read by their number, so none is large for being one of many.
    let mut batch = counters.batch();
    for id in 0..16 {
        batch.update(id, label(30_000 + id as usize)).unwrap();
    }
    batch.send().unwrap();
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 8);
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.row(15).label.unwrap().len(), 30_015);
}

/// Those whose changes go together are not too large for it together.
#[test]
fn what_fits_by_itself_is_not_refused_for_the_sake_of_others() {
    let world = World::with(|options| options.max_bytes(2_400).when_full(WhenFull::Block(LONG)));
    let flusher = Flusher::start(&world.larder, Duration::from_millis(1)).unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let counters = Counter::repository(&world.larder).behind();
            scope.spawn(move || {
                for n in 0..20 {
                    counters.update(thread, counters::label.eq(format!("{thread} {n}{}", "x".repeat(800)))).unwrap();
                }
            });
        }
    });
    assert!(flusher.drain(LONG).unwrap());
    (0..8).for_each(|id| assert!(world.row(id).label.unwrap().starts_with(&format!("{id} 19x"))));
}
