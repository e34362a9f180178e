//! Reads that see what waits.

use std::{cell::Cell, rc::Rc};

use diesel::prelude::*;
use larder::{
    behind::Flusher,
    failpoints::{Point, on_this_thread},
};
use tests::{Counter, counters, day};

use super::world::World;

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

/// Whether a flush comes before, in the middle or after, what it writes is in the read once.
#[test]
fn a_flush_in_the_middle_of_a_read_is_not_seen_twice() {
    for point in [Point::BeforeSelect, Point::AfterSelect, Point::FlushLocked, Point::BeforeRemove, Point::AfterRemove]
    {
        let world = World::new();
        let other = world.branch(|options| options);
        let counters = Counter::repository(&world.larder);
        counters.behind().increment(1, counters::n, 5).unwrap();
        let seen = Rc::new(Cell::new(0));
        let _hook = on_this_thread({
            let (seen, other) = (Rc::clone(&seen), other.clone());
            move |reached| {
                if reached == point {
                    let row = Counter::repository(&other).behind().find(1).unwrap().unwrap();
                    seen.set(seen.get() + row.n);
                }
            }
        });
        Flusher::run_once(&world.larder).unwrap();
        let is_reached = matches!(point, Point::FlushLocked | Point::BeforeRemove | Point::AfterRemove);
        assert_eq!(seen.get(), if is_reached { 5 } else { 0 }, "{point:?}");
    }
}

#[test]
fn a_read_sees_nothing_of_what_was_sent_twice_or_was_written_through() {
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
