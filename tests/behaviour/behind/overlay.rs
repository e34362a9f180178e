//! Reads that see what waits.

use std::{cell::Cell, rc::Rc};

use diesel::prelude::*;
use larder::{
    behind::{Flusher, WhenAway},
    failpoints::{Hooked, Point, on_this_thread},
};
use tests::{Counter, Namespace, counters, day, eventually};

use super::world::{LONG, World, durable, store_on};

#[test]
fn a_read_behind_sees_what_waits_whoever_has_written_it() {
    let world = World::new();
    let other = world.branch(|options| options);
    let (counters, elsewhere) = (Counter::repository(&world.larder), Counter::repository(&other));
    assert_eq!(counters.behind().find(1).unwrap(), Some(world.row(1)), "nothing waits");
    counters.behind().increment(1, counters::n, 5).unwrap();
    elsewhere.behind().increment(1, counters::n, 2).unwrap();
    counters.behind().increment(1, counters::amount, "1.25".parse::<bigdecimal::BigDecimal>().unwrap()).unwrap();
    elsewhere.behind().update(1, (counters::label.eq("one"), counters::seen.eq(Some(day(3))))).unwrap();
    counters.behind().increment(2, counters::n, 9).unwrap();
    let expected =
        Counter { id: 1, n: 7, amount: "1.25".parse().unwrap(), seen: Some(day(3)), label: Some("one".to_owned()) };
    assert_eq!(counters.behind().find(1).unwrap().as_ref(), Some(&expected));
    assert_eq!(world.n(1), 0);
    assert_eq!(counters.get(1).unwrap().n, 0, "no cache has it");
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(counters.behind().find(1).unwrap().as_ref(), Some(&expected));
    assert_eq!(world.row(1), expected, "and it was right");
    counters.behind().update(1, counters::label.eq(None::<&str>)).unwrap();
    assert_eq!(counters.behind().find(1).unwrap().unwrap().label, None);
    assert_eq!(counters.behind().find(1_000).unwrap(), None);
}

/// Does something the first time that this thread comes to a point, and nothing where that leads to the same point.
fn once_at(point: Point, act: impl Fn() + 'static) -> (Hooked, Rc<Cell<bool>>) {
    let is_done = Rc::new(Cell::new(false));
    let hook = on_this_thread({
        let is_done = Rc::clone(&is_done);
        move |reached| {
            if reached == point && !is_done.replace(true) {
                act();
            }
        }
    });
    (hook, is_done)
}

/// Whether the flush has come to write it or not, to commit it or to remove it, what it writes is in the read once.
#[test]
fn a_read_in_the_middle_of_a_flush_sees_what_is_flushed_once() {
    for point in [
        Point::FlushLocked,
        Point::FlushWritten,
        Point::FlushMarked,
        Point::BeforeCommit,
        Point::AfterCommit,
        Point::BeforeRemove,
        Point::AfterRemove,
    ] {
        let world = World::new();
        let other = world.branch(|options| options);
        let behind = Counter::repository(&world.larder);
        behind.behind().increment(1, counters::n, 5).unwrap();
        behind.behind().update(1, counters::label.eq("one")).unwrap();
        let (_hook, is_done) = once_at(point, move || {
            let row = Counter::repository(&other).behind().find(1).unwrap().unwrap();
            assert_eq!((row.n, row.label.as_deref()), (5, Some("one")), "{point:?}");
        });
        Flusher::run_once(&world.larder).unwrap();
        assert!(is_done.get(), "{point:?}");
    }
}

/// Before the buffer is read, before the snapshot is taken, and before the row is read in it.
#[test]
fn a_flush_in_the_middle_of_a_read_is_neither_missed_nor_seen_twice() {
    for point in [Point::BeforeRead, Point::AfterRead, Point::BeforeSelect, Point::AfterSelect] {
        let world = World::new();
        let other = world.branch(|options| options);
        let behind = Counter::repository(&world.larder);
        behind.behind().increment(1, counters::n, 5).unwrap();
        let (_hook, is_done) = once_at(point, move || {
            assert_eq!(Flusher::run_once(&other).unwrap(), 1, "{point:?}");
        });
        assert_eq!(behind.behind().find(1).unwrap().unwrap().n, 5, "{point:?}");
        assert!(is_done.get(), "{point:?}");
        assert_eq!(world.n(1), 5, "{point:?}");
    }
}

#[test]
fn a_read_sees_once_what_was_sent_twice() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 5).unwrap();
    // As if its answer had been lost.
    let key = format!("{}:#behind:test", world.namespace.as_str());
    let mut redis = redis::Client::open(tests::redis_url()).unwrap().get_connection().unwrap();
    let entries: Vec<(String, Vec<(String, Vec<u8>)>)> =
        redis::cmd("XRANGE").arg(&key).arg("-").arg("+").query(&mut redis).unwrap();
    redis::cmd("XADD").arg(&key).arg("*").arg("e").arg(&entries[0].1[0].1).exec(&mut redis).unwrap();
    assert_eq!(counters.behind().find(1).unwrap().unwrap().n, 5);
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 5);
}

#[test]
fn a_read_sees_once_what_was_written_through_and_has_been_taken_by_the_buffer_after_all() {
    let redis = durable();
    let adjust =
        |options: larder::behind::Options| options.when_away(WhenAway::WriteThrough).counter::<Counter>(counters::n);
    let world = World::on(Namespace::new(), &store_on(&redis), adjust);
    let counters = Counter::repository(&world.larder).behind();
    counters.increment(1, counters::n, 1).unwrap();
    redis.pause();
    counters.increment(1, counters::n, 10).unwrap();
    redis.resume();
    eventually(LONG, || world.larder.backlog().is_ok_and(|backlog| backlog.size.n_entries >= 2));
    assert_eq!(world.n(1), 10);
    assert_eq!(counters.find(1).unwrap().unwrap().n, 11);
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 11);
}
