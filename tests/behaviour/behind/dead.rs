//! Changes that the database rejects.

use std::time::Duration;

use diesel::{connection::SimpleConnection as _, prelude::*, sql_query};
use larder::behind::{DeadLetter, Error, Flusher};
use tests::{Counter, counters};

use super::world::World;

fn dead(world: &World) -> Vec<DeadLetter> {
    world.larder.dead_letters().unwrap().list(100).unwrap()
}

#[test]
fn a_row_that_the_database_rejects_does_not_stop_the_others() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    counters.behind().update(19, counters::label.eq("taken")).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.events.take(), ["flushed: 1, 1, 0"]);
    for id in 0..20 {
        counters.behind().increment(id, counters::n, if id == 7 { -1 } else { 1 }).unwrap();
    }
    counters.behind().update(3, counters::label.eq("taken")).unwrap();
    counters.behind().update(4, counters::label.eq("free")).unwrap();
    counters.behind().increment(1_000, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();

    let rows = Counter::all(&mut world.database.connect()).unwrap();
    let n: Vec<i64> = rows.iter().map(|row| row.n).collect();
    assert_eq!(n, [1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!((rows[3].label.as_deref(), rows[4].label.as_deref()), (None, Some("free")));
    assert_eq!(world.events.take(), ["flushed: 23, 19, 3"]);
    let mut dead = dead(&world);
    dead.sort_by_key(|letter| letter.cell.clone());
    let told: Vec<(&str, &str)> =
        dead.iter().map(|letter| (letter.cell.as_deref().unwrap(), letter.reason.split('"').next().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("counters:id:1000", "no row was changed: none has this key, or a trigger or policy keeps it"),
            ("counters:id:3", "duplicate key value violates unique constraint "),
            ("counters:id:7", "new row for relation "),
        ]
    );
    assert!(dead.iter().all(|letter| letter.model.as_deref() == Some("counters") && letter.n_calls == 1));
}

#[test]
fn of_several_calls_for_a_row_only_the_bad_ones_are_rejected() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    for by in [2, -5, 1, -3, -1] {
        counters.behind().increment(1, counters::n, by).unwrap();
    }
    counters.behind().increment(2, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    // 2, then not -3, then 3, then 0, then not -1.
    assert_eq!((world.n(1), world.n(2)), (0, 1));
    assert_eq!(dead(&world).len(), 2);
}

#[test]
fn dead_letters_are_put_back_once_or_discarded() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    for by in [-5, -6] {
        counters.behind().increment(1, counters::n, by).unwrap();
        Flusher::run_once(&world.larder).unwrap();
    }
    counters.behind().increment(50, counters::n, 1).unwrap();
    counters.behind().increment(51, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    let ids: Vec<i64> = dead(&world).iter().map(|letter| letter.id).collect();
    assert_eq!(ids.len(), 4);
    let letters = || world.larder.dead_letters().unwrap();
    let again = letters().put_back(&ids[..1]).unwrap();
    assert_eq!((again.n_written, again.n_rejected), (0, 1), "nothing has become better");

    counters.update(1, counters::n.eq(10)).unwrap();
    Counter::add(&mut world.database.connect(), 50, 51).unwrap();
    let ids: Vec<i64> = dead(&world).iter().map(|letter| letter.id).collect();
    let again = letters().put_back(&ids).unwrap();
    // -5 and -6 meet here, and are tried one by one.
    assert_eq!((again.n_written, again.n_rejected), (2, 2));
    assert!([4, 5].contains(&world.n(1)), "{}", world.n(1));
    assert_eq!(world.n(50), 1);
    assert_eq!(counters.get(1).unwrap().n, world.n(1), "caches hear of it");
    assert_eq!(letters().put_back(&ids).unwrap().n_written, 0, "they are gone");
    let ids: Vec<i64> = dead(&world).iter().map(|letter| letter.id).collect();
    assert_eq!(letters().discard(&ids).unwrap(), 2);
    assert_eq!(dead(&world), []);
}

#[test]
fn a_column_that_is_gone_holds_what_waits_until_it_is_back() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    let mut connection = world.database.connect();
    connection.batch_execute("ALTER TABLE counters RENAME COLUMN n TO m").unwrap();
    assert!(matches!(Flusher::run_once(&world.larder), Err(Error::Held { n_changes: 1, .. })));
    connection.batch_execute("ALTER TABLE counters RENAME COLUMN m TO n").unwrap();
    assert_eq!(dead(&world), []);
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 1);
}

#[test]
fn what_a_trigger_refuses_or_does_not_fit_is_rejected_too() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'not %', NEW.id; END $$;
        CREATE FUNCTION assert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ASSERT NEW.n < 100, 'too many'; RETURN NEW; END $$;
        CREATE TRIGGER assert BEFORE UPDATE ON counters FOR EACH ROW WHEN (NEW.id = 4) EXECUTE FUNCTION assert();
        CREATE TRIGGER refuse BEFORE UPDATE ON counters FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION refuse()";
    world.database.connect().batch_execute(refuse).unwrap();
    for (id, by) in [(1, i64::MAX), (2, 1), (3, 1), (4, 100)] {
        counters.behind().increment(id, counters::n, by).unwrap();
    }
    counters.behind().increment(1, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!((world.n(1), world.n(2), world.n(3), world.n(4)), (i64::MAX, 0, 1, 0));
    let reasons: Vec<String> = dead(&world).into_iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    for reason in ["bigint out of range", "not 2", "too many"] {
        assert!(reasons.contains(&reason.to_owned()), "{reasons:?}");
    }
}

#[test]
fn what_would_be_refused_at_commit_is_refused_before() {
    let world = World::new();
    let counters = Counter::repository(&world.larder);
    let defer = "ALTER TABLE counters DROP CONSTRAINT counters_label_key,
        ADD CONSTRAINT counters_label_key UNIQUE (label) DEFERRABLE INITIALLY DEFERRED";
    world.database.connect().batch_execute(defer).unwrap();
    for id in [1, 2, 3] {
        counters.behind().update(id, counters::label.eq("the same")).unwrap();
        counters.behind().increment(id + 10, counters::n, 1).unwrap();
    }
    Flusher::run_once(&world.larder).unwrap();
    let rows = Counter::all(&mut world.database.connect()).unwrap();
    assert_eq!(rows.iter().filter(|row| row.label.is_some()).count(), 1);
    assert_eq!(rows.iter().map(|row| row.n).sum::<i64>(), 3);
    assert_eq!(dead(&world).len(), 2);
}

#[test]
fn entries_that_nobody_can_read_are_kept_as_they_are() {
    let world = World::new();
    let key = format!("{}:#behind:test", world.namespace.as_str());
    let mut redis = redis::Client::open(tests::redis_url()).unwrap().get_connection().unwrap();
    redis::cmd("XADD").arg(key).arg("*").arg("e").arg("of another version").exec(&mut redis).unwrap();
    Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 1);
    let letter = dead(&world).remove(0);
    assert_eq!((letter.model, letter.reason.as_str()), (None, "this version can't read the entry"));
    let kept = "SELECT FROM larder_behind_dead WHERE change = 'of another version'::bytea";
    assert_eq!(sql_query(kept).execute(&mut world.database.connect()).unwrap(), 1);
    let again = world.larder.dead_letters().unwrap().put_back(&[letter.id]).unwrap();
    assert_eq!((again.n_written, again.n_rejected), (0, 1));
}

#[test]
fn changes_of_a_model_that_the_flusher_does_not_have_are_kept() {
    let world = World::new();
    let buffer = || tests::redis_store(&tests::redis_url(), &world.namespace).buffer("test");
    let options = || larder::behind::Options::on(buffer()).with::<shop_core::User>().give_up_after(Duration::ZERO);
    let without = world.branch(|_| options());
    Counter::repository(&world.larder).behind().increment(1, counters::n, 1).unwrap();
    Flusher::run_once(&without).unwrap();
    let letter = dead(&world).remove(0);
    assert_eq!(letter.reason, "the flusher has no such model");
    assert_eq!(without.dead_letters().unwrap().put_back(&[letter.id]).unwrap().n_rejected, 1);
    let letter = dead(&world).remove(0);
    assert_eq!(world.larder.dead_letters().unwrap().put_back(&[letter.id]).unwrap().n_written, 1);
    assert_eq!(world.n(1), 1);
}
