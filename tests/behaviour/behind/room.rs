//! What a call does that finds the buffer full.

use std::{
    thread,
    time::{Duration, Instant},
};

use diesel::ExpressionMethods as _;
use larder::behind::{Error, Flusher, Options, WhenFull};
use tests::{Counter, counters, eventually};

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
    assert!(matches!(error, Error::Full { n_entries: 3 }), "{error:?}");
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
            let waiting = scope.spawn(move || counters.increment(1, counters::n, 10));
            // It has been refused once, at least, when it has asked.
            eventually(LONG, || !waiting.is_finished());
            Flusher::run_once(if flusher { &world.larder } else { &elsewhere }).unwrap();
            waiting.join().unwrap().unwrap();
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
    assert_eq!(world.larder.backlog().unwrap().n_entries, 1, "and it waits");
    for _ in 0..20 {
        counters.behind().increment(1, counters::n, 1).unwrap();
    }
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 70);
    assert_eq!(world.larder.behind_figures().unwrap().n_full, 0);
}

#[test]
fn what_never_fits_is_refused_however_it_is_to_be_done() {
    for when_full in [WhenFull::Reject, WhenFull::Block(Duration::from_millis(20)), WhenFull::WriteThrough] {
        let world = World::with(|options| options.max_entries(0).when_full(when_full));
        let error = Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap_err();
        assert!(matches!(error, Error::Full { n_entries: 0 }), "{when_full:?}: {error:?}");
    }
}
