//! Changes that wait in a buffer, and reach the database later.

mod world;

use std::time::Duration;

use diesel::prelude::*;
use larder::behind::Flusher;
use tests::{Counter, counters};

use self::world::World;

#[test]
fn what_was_acknowledged_is_written_once_and_in_one_statement_for_each_shape() {
    let world = World::new();
    let behind = Counter::repository(&world.larder);
    for _ in 0..10 {
        behind.behind().increment(1, counters::n, 2).unwrap();
    }
    behind.behind().increment(2, counters::n, 5).unwrap();
    behind.behind().update(3, counters::label.eq("three")).unwrap();
    assert_eq!(world.larder.backlog().unwrap().n_entries, 12);
    assert_eq!(world.n(1), 0, "nothing is written yet");
    assert_eq!(Flusher::run_once(&world.larder).unwrap(), 12);
    assert_eq!((world.n(1), world.n(2)), (20, 5));
    assert_eq!(world.row(3).label.as_deref(), Some("three"));
    assert_eq!(world.larder.backlog().unwrap().n_entries, 0);
    assert_eq!(Flusher::run_once(&world.larder).unwrap(), 0);
    assert_eq!(world.n(1), 20);
    let figures = world.larder.behind_figures().unwrap();
    assert_eq!((figures.n_buffered, figures.n_flushed, figures.n_rows), (12, 12, 3));
}

#[test]
fn a_flusher_that_runs_writes_what_comes() {
    let world = World::new();
    let flusher = Flusher::start(&world.larder, Duration::from_millis(5)).unwrap();
    Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    assert!(flusher.drain(Duration::from_secs(30)).unwrap());
    assert_eq!(world.n(1), 1);
    flusher.stop();
}
