//! Changes that can't be written yet, while others are.

use std::{thread, time::Duration};

use diesel::{connection::SimpleConnection as _, prelude::*, sql_query, sql_types::BigInt};
use larder::{
    Error as LarderError,
    behind::{DeadLetter, Error, Flusher, Options, WhenAway},
};
use tests::{Counter, Namespace, counters, eventually};

use super::world::{LONG, World, durable, store_on};

fn dead(world: &World) -> Vec<DeadLetter> {
    world.larder.dead_letters().unwrap().list(100).unwrap()
}

/// Adds 1 to each of these counters, each by a call.
fn add(world: &World, ids: impl IntoIterator<Item = i64>) {
    let counters = Counter::repository(&world.larder);
    ids.into_iter().for_each(|id| counters.behind().increment(id, counters::n, 1).unwrap());
}

fn n(world: &World) -> Vec<i64> {
    Counter::all(&mut world.database.connect()).unwrap().into_iter().map(|row| row.n).collect()
}

/// As many as the database holds for buffers.
fn n_held(world: &World) -> i64 {
    let count = diesel::dsl::sql::<BigInt>("(SELECT count(*) FROM larder_behind_held)");
    diesel::select(count).get_result(&mut world.database.connect()).unwrap()
}

fn holds<T: std::fmt::Debug>(flushed: Result<T, Error>, n: u64) -> String {
    match flushed {
        Err(Error::Held { n_changes, reason }) if n_changes == n => reason,
        other => panic!("{n} should be held: {other:?}"),
    }
}

#[test]
fn while_a_row_is_locked_all_others_are_written_and_then_it_too_in_order() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    let mut other = world.database.connect();
    other.batch_execute("BEGIN; UPDATE counters SET label = 'locked' WHERE id = 7").unwrap();
    add(&world, 0..20);
    counters.behind().update(7, counters::label.eq("first")).unwrap();
    for round in 0..3 {
        let reason = holds(Flusher::run_once(&world.larder), 2 + round);
        assert_eq!(reason, "canceling statement due to lock timeout");
        assert_eq!(n(&world), (0..20).map(|id| if id == 7 { 0 } else { 1 + round.cast_signed() }).collect::<Vec<_>>());
        assert_eq!(world.larder.backlog().unwrap().size.n_entries, 2 + round);
        let behind = counters.behind().find(7).unwrap().unwrap();
        assert_eq!((behind.n, behind.label.as_deref()), (1 + round.cast_signed(), Some("first")), "seen behind");
        add(&world, 0..20);
    }
    counters.behind().update(7, counters::label.eq("last")).unwrap();
    assert_eq!(world.larder.behind_figures().unwrap().n_held, 4);
    other.batch_execute("COMMIT").unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(n(&world), [4; 20]);
    assert_eq!(world.row(7).label.as_deref(), Some("last"));
    assert_eq!((n_held(&world), world.larder.backlog().unwrap().size.n_entries), (0, 0));
    assert_eq!(world.larder.behind_figures().unwrap().n_held, 0);
    assert_eq!(dead(&world), []);
}

/// As an administrator would have it for everybody.
#[test]
fn time_outs_that_were_set_for_others_reject_nothing() {
    let world = World::new();
    add(&world, [1]);
    let url = format!("{}?options=-c%20lock_timeout%3D1ms%20-c%20statement_timeout%3D40ms", world.database.url());
    let mut other = world.database.connect();
    other.batch_execute("BEGIN; UPDATE counters SET label = 'locked' WHERE id = 1").unwrap();
    let flusher = Flusher::start(&world.branch_to(&url), Duration::from_millis(1)).unwrap();
    let waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
        AND clock_timestamp() - query_start > '100ms'";
    let mut psql = world.database.connect();
    eventually(LONG, || sql_query(waits).execute(&mut psql).unwrap() == 1);
    other.batch_execute("COMMIT").unwrap();
    assert!(flusher.drain(LONG).unwrap());
    assert_eq!((world.n(1), dead(&world)), (1, vec![]));
}

/// Where nothing but locked rows waits, a flusher goes on trying, and others' rows are not kept waiting by it.
#[test]
fn a_flusher_goes_on_beside_a_row_that_is_locked() {
    let world = World::new();
    let mut other = world.database.connect();
    other.batch_execute("BEGIN; UPDATE counters SET label = 'locked' WHERE id = 7").unwrap();
    let flusher = Flusher::start(&world.larder, Duration::from_millis(2)).unwrap();
    for round in 1..=5 {
        add(&world, 0..20);
        eventually(LONG, || n(&world) == (0..20).map(|id| if id == 7 { 0 } else { round }).collect::<Vec<_>>());
    }
    assert!(matches!(flusher.drain(Duration::from_millis(50)), Ok(false) | Err(Error::Held { .. })));
    other.batch_execute("COMMIT").unwrap();
    assert!(flusher.drain(LONG).unwrap());
    assert_eq!(n(&world), [5; 20]);
}

#[test]
fn draining_inside_of_a_transaction_that_has_locked_a_row_ends_in_time() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    let flusher = Flusher::start(&world.larder, Duration::from_secs(600)).unwrap();
    world
        .larder
        .transaction(|tx| {
            Counter::repository(tx).update(1, counters::label.eq("mine"))?;
            // Not before: the flusher looks once when it starts, sooner or later, and would have written them.
            add(&world, [1, 2]);
            let drained = flusher.drain(Duration::from_millis(300));
            assert!(matches!(drained, Ok(false) | Err(Error::Held { .. } | Error::Database(_))), "{drained:?}");
            Ok(())
        })
        .unwrap();
    assert!(flusher.drain(LONG).unwrap());
    assert_eq!((world.n(1), world.n(2)), (1, 1));
    assert_eq!(counters.get(1).unwrap().label.as_deref(), Some("mine"));
}

#[test]
fn a_call_past_the_buffer_that_waits_for_its_own_transaction_is_an_error_and_not_there() {
    let redis = durable();
    let world = World::on(Namespace::new(), &store_on(&redis), |options| {
        options.when_away(WhenAway::WriteThrough).counter::<Counter>(counters::n)
    });
    redis.kill();
    world
        .larder
        .transaction(|tx| {
            Counter::repository(tx).update(1, counters::label.eq("mine"))?;
            let error = Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap_err();
            assert!(matches!(error, Error::Database(_) | Error::Unknown(_)), "{error:?}");
            Ok(())
        })
        .unwrap();
    assert_eq!(world.n(1), 0);
}

/// Somebody ends what the flusher is doing, again and again, as an administrator or a time-out would.
#[test]
fn a_statement_that_is_cancelled_is_laid_to_nobody() {
    let world = World::new();
    let slow =
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE UPDATE ON counters FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION slow()";
    let mut psql = world.database.connect();
    psql.batch_execute(slow).unwrap();
    add(&world, 0..20);
    thread::scope(|scope| {
        let flushing = scope.spawn(|| Flusher::run_once(&world.larder));
        let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'PgSleep'";
        eventually(LONG, || {
            sql_query(cancel).execute(&mut psql).unwrap();
            flushing.is_finished()
        });
        holds(flushing.join().unwrap(), 1);
    });
    assert_eq!(n(&world), (0..20).map(|id| i64::from(id != 7)).collect::<Vec<_>>());
    psql.batch_execute("DROP TRIGGER slow ON counters").unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!((n(&world), dead(&world)), (vec![1; 20], vec![]));
}

/// Diesel tells none of these apart by its kind.
#[test]
fn a_code_that_says_that_it_is_not_on_the_row_holds_it_and_another_rejects_it() {
    let world = World::new();
    let mut psql = world.database.connect();
    let refuse = "CREATE TABLE codes (id bigint, code text);
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'refused' USING ERRCODE = (SELECT code FROM codes WHERE id = NEW.id);
        END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON counters FOR EACH ROW WHEN (NEW.id < 10) EXECUTE FUNCTION refuse()";
    psql.batch_execute(refuse).unwrap();
    let not_on_it = ["40001", "40P01", "53100", "53200", "55P03", "57014", "57P03"];
    let on_it = ["22003", "P0001", "SHOP1"];
    for (id, code) in (0..).zip(not_on_it.iter().chain(&on_it)) {
        psql.batch_execute(&format!("INSERT INTO codes VALUES ({id}, '{code}')")).unwrap();
    }
    // A serialization failure has the whole flush done again, for as long as it lasts.
    add(&world, (0..20).filter(|id| *id != 0));
    let n_not_on_it = not_on_it.len() as i64;
    assert_eq!(holds(Flusher::run_once(&world.larder), not_on_it.len() as u64 - 1), "refused");
    let written = |id: i64| i64::from(id >= 10);
    assert_eq!(n(&world), (0..20).map(written).collect::<Vec<_>>());
    assert_eq!(dead(&world).len(), on_it.len());
    assert!(dead(&world).iter().all(|letter| letter.reason == "refused"));
    add(&world, [0]);
    assert!(matches!(Flusher::run_once(&world.larder), Err(Error::Database(error)) if error.is_retryable()));

    psql.batch_execute("DROP TRIGGER refuse ON counters").unwrap();
    Flusher::run_once(&world.larder).unwrap();
    let written = |id: i64| i64::from(id < n_not_on_it || id >= 10);
    assert_eq!(n(&world), (0..20).map(written).collect::<Vec<_>>());
    assert_eq!(dead(&world).len(), on_it.len());
}

mod second {
    use diesel::prelude::*;

    diesel::table! {
        stamps (id) { id -> BigInt, n -> Integer, }
    }

    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
    #[diesel(table_name = stamps, check_for_backend(diesel::pg::Pg))]
    pub(super) struct Stamp {
        pub(super) id: i64,
        pub(super) n: i32,
    }

    pub(super) const TABLE: &str = "CREATE TABLE stamps (id bigint PRIMARY KEY, n integer DEFAULT 0 NOT NULL);
        INSERT INTO stamps (id) SELECT generate_series(0, 9)";
}

/// A world with a second model, and what changes the database.
fn two_models() -> (World, impl FnMut(&str)) {
    let world = World::with(|options| options.with::<second::Stamp>());
    let mut psql = world.database.connect();
    psql.batch_execute(second::TABLE).unwrap();
    (world, move |sql| psql.batch_execute(sql).unwrap())
}

fn stamp(world: &World, id: i64) -> i32 {
    use second::stamps;
    let stamp = stamps::table.find(id).select(stamps::n);
    stamp.get_result(&mut world.database.connect()).unwrap()
}

#[test]
fn what_comes_with_the_next_migration_is_waited_for_while_other_models_are_written() {
    use second::{Stamp, stamps};
    let all = [
        ("ALTER TABLE counters RENAME COLUMN n TO m", "ALTER TABLE counters RENAME COLUMN m TO n"),
        ("ALTER TABLE counters RENAME TO away", "ALTER TABLE away RENAME TO counters"),
        ("ALTER TABLE counters SET SCHEMA elsewhere", "ALTER TABLE elsewhere.counters SET SCHEMA public"),
    ];
    let (world, mut psql) = two_models();
    psql("CREATE SCHEMA elsewhere");
    // However old the change is: a migration may take its time.
    let flusher = world.branch(|options| options.with::<Stamp>().give_up_after(Duration::ZERO));
    for (round, (away, back)) in (1..).zip(all) {
        psql(away);
        for _ in 0..2 {
            add(&world, [1]);
            Stamp::repository(&world.larder).behind().increment(1, stamps::n, 1).unwrap();
            holds(Flusher::run_once(&flusher), world.larder.backlog().unwrap().size.n_entries);
        }
        assert_eq!(stamp(&world, 1), 2 * round, "{away}");
        assert_eq!(world.larder.backlog().unwrap().size.n_entries, 2, "{away}");
        psql(back);
        Flusher::run_once(&flusher).unwrap();
        assert_eq!(world.n(1), i64::from(2 * round), "{away}");
    }
    assert_eq!((n_held(&world), dead(&world)), (0, vec![]));
}

#[test]
fn what_the_schema_can_never_take_is_waited_for_as_long_as_it_was_told_and_stops_no_other_model() {
    use second::{Stamp, stamps};
    let (world, mut psql) = two_models();
    let impatient = world.branch(|options| options.with::<Stamp>().give_up_after(Duration::ZERO));
    add(&world, [1]);
    Stamp::repository(&world.larder).behind().increment(1, stamps::n, 1).unwrap();
    psql(
        "ALTER TABLE counters ALTER COLUMN n DROP DEFAULT, DROP CONSTRAINT counters_n_check, ALTER COLUMN n TYPE text",
    );
    let reason = holds(Flusher::run_once(&world.larder), 1);
    assert!(reason.contains("operator does not exist"), "{reason}");
    assert_eq!((stamp(&world, 1), dead(&world)), (1, vec![]));
    Flusher::run_once(&impatient).unwrap();
    let letters = dead(&world);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, reason);
    psql("ALTER TABLE counters ALTER COLUMN n TYPE bigint USING n::bigint");
    assert_eq!(world.larder.dead_letters().unwrap().put_back(&[letters[0].id]).unwrap().n_written, 1);
    assert_eq!(world.n(1), 1);
}

/// One process has been deployed, the other has not yet.
#[test]
fn what_an_earlier_release_does_not_know_it_leaves_to_those_who_do() {
    let world = World::new();
    let buffer = || tests::redis_store(&tests::redis_url(), &world.namespace).buffer("test");
    let earlier = world.branch(|_| Options::on(buffer()).with::<shop_core::User>());
    add(&world, 0..3);
    for _ in 0..2 {
        assert_eq!(holds(Flusher::run_once(&earlier), 3), "the flusher has no such model");
    }
    assert_eq!((n_held(&world), world.larder.backlog().unwrap().size.n_entries), (3, 3));
    assert_eq!(dead(&world), []);
    add(&world, [0]);
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(n(&world)[..4], [2, 1, 1, 0]);
    assert_eq!(Flusher::run_once(&earlier).unwrap(), 0);

    // But not for ever.
    let impatient = world.branch(|_| Options::on(buffer()).with::<shop_core::User>().give_up_after(Duration::ZERO));
    add(&world, 0..3);
    assert_eq!(Flusher::run_once(&impatient).unwrap(), 3);
    assert_eq!(dead(&world).len(), 3);
}

#[test]
fn a_flusher_that_is_killed_while_it_holds_something_has_applied_the_rest_once() {
    use larder::failpoints::{Point, on_this_thread};
    for point in [Point::FlushWritten, Point::FlushMarked, Point::BeforeCommit, Point::AfterCommit, Point::BeforeRemove]
    {
        let world = World::new();
        let mut other = world.database.connect();
        other.batch_execute("BEGIN; UPDATE counters SET label = 'locked' WHERE id = 7").unwrap();
        let mut batch = Counter::repository(&world.larder).behind().batch();
        for id in 0..20 {
            batch.increment(id, counters::n, 1).unwrap();
        }
        batch.send().unwrap();
        let killed = world.branch(|options| options);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _hook = on_this_thread(move |reached| assert!(reached != point, "killed at {point:?}"));
            Flusher::run_once(&killed)
        }));
        assert!(ended.is_err(), "{point:?}");
        drop(killed);
        holds_or_waits(&world);
        other.batch_execute("COMMIT").unwrap();
        eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
        assert_eq!((n(&world), n_held(&world)), (vec![1; 20], 0), "{point:?}");
    }
}

/// One row of the entry is still locked, whether the one who was killed has written the others or not.
fn holds_or_waits(world: &World) {
    eventually(LONG, || match Flusher::run_once(&world.larder) {
        Err(Error::Held { n_changes: 1, .. }) => true,
        Err(Error::Database(error)) if matches!(*error, LarderError::Database(_)) => false,
        Err(Error::Held { .. }) => false,
        other => panic!("{other:?}"),
    });
    assert_eq!(n(world), (0..20).map(|id| i64::from(id != 7)).collect::<Vec<_>>());
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 1);
}

mod earlier {
    use diesel::prelude::*;

    diesel::table! {
        /// What an earlier release knows of it.
        counters (id) { id -> BigInt, n -> BigInt, }
    }

    #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
    #[diesel(table_name = counters, check_for_backend(diesel::pg::Pg))]
    pub(super) struct Counter {
        pub(super) id: i64,
        pub(super) n: i64,
    }

    pub(super) mod of_another_key {
        use diesel::prelude::*;

        diesel::table! {
            counters (id, n) { id -> BigInt, n -> BigInt, label -> Nullable<Text>, }
        }

        #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
        #[diesel(table_name = counters, primary_key(id, n), check_for_backend(diesel::pg::Pg))]
        pub(in super::super) struct Counter {
            pub(in super::super) id: i64,
            pub(in super::super) n: i64,
            pub(in super::super) label: Option<String>,
        }
    }
}

#[test]
fn a_column_that_an_earlier_release_does_not_know_is_left_to_those_who_do_and_its_row_stays_in_order() {
    let world = World::new();
    let buffer = || tests::redis_store(&tests::redis_url(), &world.namespace).buffer("test");
    let earlier = world.branch(|_| Options::on(buffer()).with::<earlier::Counter>());
    let counters = Counter::repository(&world.larder);
    add(&world, [1]);
    counters.behind().update(1, counters::label.eq("one")).unwrap();
    add(&world, [1, 2]);
    let reason = holds(Flusher::run_once(&earlier), 3);
    assert_eq!(reason, "the model has no such column to be written");
    assert_eq!(n(&world)[..4], [0, 0, 1, 0], "all that is of the row is one change, and waits");
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!((n(&world)[..4].to_vec(), world.row(1).label.as_deref()), (vec![0, 2, 1, 0], Some("one")));
    assert_eq!(dead(&world), []);
}

#[test]
fn a_key_of_another_number_of_columns_is_rejected_at_once() {
    let world = World::new();
    let buffer = || tests::redis_store(&tests::redis_url(), &world.namespace).buffer("test");
    let other = world.branch(|_| Options::on(buffer()).with::<earlier::of_another_key::Counter>());
    Counter::repository(&world.larder).behind().update(1, counters::label.eq("one")).unwrap();
    assert_eq!(Flusher::run_once(&other).unwrap(), 1);
    assert_eq!(dead(&world)[0].reason, "the model's key has another number of columns");
    assert_eq!(world.row(1).label, None);
}
