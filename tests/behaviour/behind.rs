//! Changes that wait in a buffer, and reach the database later.

mod away;
mod crash;

mod dead;
mod held;
mod json;
mod once;
mod outside;
mod overlay;
mod room;
mod soft;
mod types;
mod world;

use std::{thread, time::Duration};

use diesel::prelude::*;
use larder::{
    Error as LarderError, Larder,
    behind::{Error, Flusher},
};
use shop_core::OrderItem;
use tests::{Cost, Counter, counters, day, eventually};

use self::world::{LONG, World};

#[test]
fn what_was_acknowledged_is_written_in_one_statement_for_each_kind_of_change() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    for _ in 0..10 {
        counters.behind().increment(1, counters::n, 2).unwrap();
    }
    counters.behind().increment(2, counters::n, 5).unwrap();
    counters.behind().update(3, counters::label.eq("three")).unwrap();
    world.meter.expect(Cost { sql: 0, store_reads: 0, store_writes: 0 });
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 12);
    assert_eq!(world.n(1), 0, "nothing is written yet");

    assert_eq!(Flusher::run_once(&world.larder).unwrap(), 12);
    let updates = world.meter.log().matches("UPDATE \"counters\"").count();
    assert_eq!(updates, 2, "{}", world.meter.log());
    assert_eq!((world.n(1), world.n(2)), (20, 5));
    assert_eq!(world.row(3).label.as_deref(), Some("three"));
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0);
    assert_eq!(world.events.take(), ["flushed: 12, 3, 0"]);
    assert!(world.larder.behind_figures().unwrap().lag > Some(Duration::ZERO));

    assert_eq!(Flusher::run_once(&world.larder).unwrap(), 0);
    assert_eq!(world.n(1), 20);
    let figures = world.larder.behind_figures().unwrap();
    assert_eq!((figures.n_buffered, figures.n_entries, figures.n_flushed, figures.n_rows), (12, 12, 12, 3));
    assert_eq!(figures.lag, Some(Duration::ZERO), "nothing waits");
}

#[test]
fn calls_that_come_at_once_share_entries() {
    let world = World::new();
    thread::scope(|scope| {
        for thread in 0..32 {
            let counters = Counter::repository(&world.larder).behind();
            scope.spawn(move || {
                for n in 0..50 {
                    counters.increment((thread + n) % 20, counters::n, 1).unwrap();
                }
            });
        }
    });
    let figures = world.larder.behind_figures().unwrap();
    assert_eq!(figures.n_buffered, 1_600);
    assert!(figures.n_entries < 800, "{figures:?}");
    Flusher::run_once(&world.larder).unwrap();
    let mut expected = [0; 20];
    (0..32).for_each(|thread| (0..50).for_each(|n| expected[(thread + n) % 20] += 1));
    assert_eq!((0..20).map(|id| world.n(id)).collect::<Vec<_>>(), expected);
}

#[test]
fn a_batch_is_acknowledged_as_one_and_adds_up_on_its_way() {
    let world = World::new();
    let mut batch = Counter::repository(&world.larder).behind().batch();
    for n in 0..1_000 {
        batch.increment(n % 20, counters::n, 1).unwrap();
    }
    batch.update(7, counters::seen.eq(Some(day(7)))).unwrap();
    assert_eq!(batch.n_rows(), 20);
    batch.send().unwrap();
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 1);
    Counter::repository(&world.larder).behind().batch().send().unwrap();
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 1, "nothing is no entry");
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!((0..20).map(|id| world.n(id)).collect::<Vec<_>>(), [50; 20]);
    assert_eq!(world.row(7).seen, Some(day(7)));
}

#[test]
fn changes_of_a_row_keep_their_order() {
    let world = World::new();
    let behind = || Counter::repository(&world.larder);
    let other = world.branch(|options| options);
    // What is set takes the place of what was added before, and what is added after is added to it: in the buffer, and across flushes.
    behind().behind().increment(1, counters::n, 5).unwrap();
    behind().behind().update(1, counters::n.eq(100)).unwrap();
    Counter::repository(&other).behind().increment(1, counters::n, 7).unwrap();
    behind().behind().update(2, counters::label.eq("old")).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 107);
    Counter::repository(&other).behind().update(2, counters::label.eq("new")).unwrap();
    behind().behind().increment(1, counters::n, -7).unwrap();
    Flusher::run_once(&other).unwrap();
    assert_eq!((world.n(1), world.row(2).label.as_deref()), (100, Some("new")));
}

#[test]
fn caches_have_what_was_flushed_and_nothing_older() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    let other = world.branch(|options| options);
    counters.behind().update(1, counters::label.eq("one")).unwrap();
    assert_eq!(counters.get(1).unwrap().label, None, "it is not there yet");
    assert_eq!(counters.find_by_label("one").unwrap(), None);
    Flusher::run_once(&other).unwrap();
    world.meter.reset();
    let row = counters.get(1).unwrap();
    assert_eq!(row.label.as_deref(), Some("one"));
    assert_eq!(counters.find_by_label("one").unwrap(), Some(row));
    // The flush has written both through.
    world.meter.expect(Cost { sql: 0, store_reads: 2, store_writes: 0 });
}

#[test]
fn a_flusher_that_runs_writes_what_comes_and_drains_when_it_is_told() {
    let world = World::new();
    let flusher = Flusher::start(&world.larder, Duration::from_millis(2)).unwrap();
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    eventually(LONG, || world.n(1) == 1);
    for _ in 0..100 {
        counters.behind().increment(2, counters::n, 1).unwrap();
    }
    assert!(flusher.drain(LONG).unwrap());
    assert_eq!(world.n(2), 100);
    assert_eq!(flusher.stop().n_flushed, 101);
    // Nobody takes it out any more.
    counters.behind().increment(2, counters::n, 1).unwrap();
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 1);
}

#[test]
fn a_drain_that_can_not_write_says_so_and_loses_nothing() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    let mut connection = world.database.connect();
    let rename = |connection: &mut PgConnection, from, to| {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        diesel::sql_query(rename).execute(connection).unwrap();
    };
    rename(&mut connection, "counters", "away");
    // It looks once in an hour.
    let flusher = Flusher::start(&world.larder, Duration::from_secs(3_600)).unwrap();
    let error = flusher.drain(Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, Error::Held { n_changes: 1, .. }), "{error:?}");
    rename(&mut connection, "away", "counters");
    assert!(flusher.drain(LONG).unwrap());
    assert_eq!(world.n(1), 1);
    drop(flusher);
}

#[test]
fn what_can_not_wait_is_refused() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    let behind = counters.behind();
    assert!(matches!(behind.update(1, counters::n.eq(counters::n + 1)), Err(Error::NotPlain)));
    assert!(matches!(behind.update(1, counters::id.eq(2)), Err(Error::KeyColumn)));
    assert!(matches!(behind.increment(1, counters::id, 1), Err(Error::KeyColumn)));
    behind.update(1, None::<diesel::dsl::Eq<counters::n, i64>>).unwrap();
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0, "what changes nothing is no entry");
    let in_transaction = world.larder.transaction(|tx| {
        let refused = Counter::repository(tx).behind().increment(1, counters::n, 1);
        refused.map_err(LarderError::other)
    });
    assert!(in_transaction.unwrap_err().to_string().contains("a transaction can't write behind"));
    let without = Larder::builder(world.database.pool(&world.meter, 1)).build();
    let refused = Counter::repository(&without).behind().increment(1, counters::n, 1);
    assert!(matches!(refused, Err(Error::NoBuffer)));
    assert!(matches!(Flusher::run_once(&without), Err(Error::NoBuffer)));
    let items = OrderItem::repository(&world.larder);
    let unknown = items.behind().increment((tests::nobody(), 1), shop_core::schema::order_items::quantity, 1);
    assert!(matches!(unknown, Err(Error::NotRegistered { model: "order_items" })));
}
