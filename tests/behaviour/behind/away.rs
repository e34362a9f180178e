//! What a call does while the server of the buffer is killed, or stands still.

use std::time::Duration;

use diesel::{ExpressionMethods as _, connection::SimpleConnection as _};
use larder::{
    behind::{Error, Flusher, Options, WhenAway, WhenFull},
    failpoints::{Point, on_this_thread},
};
use tests::{Counter, Namespace, Proxy, counters, eventually};

use super::world::{LONG, World, durable, store_on};

#[test]
fn a_killed_server_is_an_error_and_has_all_that_was_acknowledged_when_it_is_back() {
    let redis = durable();
    let world = World::on(Namespace::new(), &store_on(&redis), |options| options);
    let counters = Counter::repository(&world.larder);
    let mut expected = 0;
    for _ in 0..3 {
        for _ in 0..5 {
            eventually(LONG, || counters.behind().increment(1, counters::n, 1).is_ok());
            expected += 1;
        }
        redis.kill();
        // Who finds his connection broken can't know, and his change is not there: the server was dead before it was sent.
        for _ in 0..2 {
            let error = counters.behind().increment(1, counters::n, 1_000).unwrap_err();
            assert!(matches!(error, Error::Away(_) | Error::Unknown(_)), "{error:?}");
        }
        assert!(matches!(Flusher::run_once(&world.larder), Err(Error::Unread(_))));
        redis.restart();
    }
    eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
    assert_eq!(world.n(1), expected);
    assert!(world.larder.behind_figures().unwrap().n_away >= 6);
}

#[test]
fn a_server_that_is_killed_at_any_step_has_lost_nothing_that_was_acknowledged() {
    for point in [
        Point::BeforeAppend,
        Point::AfterAppend,
        Point::FlushLocked,
        Point::FlushWritten,
        Point::FlushMarked,
        Point::BeforeRemove,
        Point::AfterRemove,
    ] {
        let redis = durable();
        let world = World::on(Namespace::new(), &store_on(&redis), |options| options);
        let counters = Counter::repository(&world.larder);
        counters.behind().increment(1, counters::n, 1).unwrap();
        let hook = on_this_thread({
            let redis = redis.clone();
            move |reached| {
                if reached == point {
                    redis.kill();
                }
            }
        });
        let added = counters.behind().increment(1, counters::n, 10).is_ok();
        assert_eq!(added, point != Point::BeforeAppend, "{point:?}");
        // A server that is gone when its entries are to be removed has them when it is back.
        let _ = Flusher::run_once(&world.larder);
        drop(hook);
        redis.restart();
        eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
        assert_eq!(world.n(1), if added { 11 } else { 1 }, "{point:?}");
        assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0, "{point:?}");
    }
}

#[test]
fn a_frozen_server_does_not_say_whether_it_has_taken_it_and_it_counts_once_if_so() {
    let redis = durable();
    let world = World::on(Namespace::new(), &store_on(&redis), |options| options);
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    redis.pause();
    let error = counters.behind().increment(1, counters::n, 10).unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error:?}");
    redis.resume();
    // One attempt or both wait in the sockets of the server, and are taken when it wakes.
    eventually(LONG, || world.larder.backlog().is_ok_and(|backlog| backlog.size.n_entries >= 2));
    counters.behind().increment(1, counters::n, 100).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 111);
}

/// Nobody must take the last good look for the present.
#[test]
fn the_lag_grows_while_the_buffer_can_not_be_read_or_not_be_flushed() {
    let redis = durable();
    let world = World::on(Namespace::new(), &store_on(&redis), |options| options);
    let counters = Counter::repository(&world.larder);
    let lag = || world.larder.behind_figures().unwrap().lag;
    let grows = || {
        let before = lag();
        eventually(LONG, || lag() > before);
    };
    assert_eq!(lag(), None, "no flusher has looked");
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(lag(), Some(Duration::ZERO));
    redis.kill();
    assert!(Flusher::run_once(&world.larder).is_err());
    grows();
    redis.restart();
    eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
    assert_eq!(lag(), Some(Duration::ZERO));
    counters.behind().increment(1, counters::n, 1).unwrap();
    let mut psql = world.database.connect();
    psql.batch_execute("ALTER TABLE counters RENAME TO away").unwrap();
    assert!(matches!(Flusher::run_once(&world.larder), Err(Error::Held { .. })));
    grows();
    psql.batch_execute("ALTER TABLE away RENAME TO counters").unwrap();
    Flusher::run_once(&world.larder).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(lag(), Some(Duration::ZERO));
}

fn written_through(options: Options) -> Options {
    options.when_away(WhenAway::WriteThrough).counter::<Counter>(counters::n)
}

#[test]
fn increments_go_to_the_database_while_the_server_is_away_and_values_do_not() {
    let redis = durable();
    let world = World::on(Namespace::new(), &store_on(&redis), written_through);
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    counters.behind().update(2, counters::label.eq("buffered")).unwrap();
    redis.kill();
    for _ in 0..5 {
        counters.behind().increment(1, counters::n, 10).unwrap();
    }
    assert_eq!(world.n(1), 50, "they are there at once");
    let error = counters.behind().update(2, counters::label.eq("later")).unwrap_err();
    assert!(matches!(error, Error::Away(_) | Error::Unknown(_)), "{error:?}");
    let mut both = counters.behind().batch();
    both.increment(1, counters::n, 1_000).unwrap().update(1, counters::label.eq("x")).unwrap();
    assert!(both.send().is_err());
    redis.restart();
    eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
    assert_eq!((world.n(1), world.row(2).label.as_deref()), (51, Some("buffered")));
    let figures = world.larder.behind_figures().unwrap();
    assert_eq!((figures.n_written_through, figures.n_away), (5, 3));
}

#[test]
fn what_was_written_through_is_passed_over_if_the_buffer_has_taken_it_after_all() {
    let redis = durable();
    let world = World::on(Namespace::new(), &store_on(&redis), written_through);
    let counters = Counter::repository(&world.larder);
    counters.behind().increment(1, counters::n, 1).unwrap();
    redis.pause();
    counters.behind().increment(1, counters::n, 10).unwrap();
    assert_eq!(world.n(1), 10, "it is written before what waits");
    redis.resume();
    eventually(LONG, || world.larder.backlog().is_ok_and(|backlog| backlog.size.n_entries >= 2));
    counters.behind().increment(1, counters::n, 100).unwrap();
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 111);
    assert!(world.larder.behind_figures().unwrap().n_repeated > 0);
    // What was noted of it is forgotten with the flush that came later.
    let noted = "SELECT FROM larder_behind WHERE cardinality(direct) > 0";
    let noted = diesel::RunQueryDsl::execute(diesel::sql_query(noted), &mut world.database.connect());
    assert_eq!(noted.unwrap(), 0);
}

#[test]
fn a_counter_is_never_set_and_nothing_else_is_written_through() {
    let redis = durable();
    let world = World::on(Namespace::new(), &store_on(&redis), written_through);
    let counters = Counter::repository(&world.larder).behind();
    let error = counters.update(1, (counters::label.eq("one"), counters::n.eq(7))).unwrap_err();
    assert!(matches!(error, Error::Counter { model: "counters", column: "n" }), "{error:?}");
    let mut batch = counters.batch();
    batch.increment(1, counters::n, 1).unwrap().update(2, counters::n.eq(7)).unwrap();
    assert!(matches!(batch.send(), Err(Error::Counter { .. })));
    assert_eq!(world.larder.backlog().unwrap().size.n_entries, 0);
    redis.kill();
    for by in [1, 2] {
        let error = counters.increment(1, counters::amount, by).unwrap_err();
        assert!(matches!(error, Error::Away(_) | Error::Unknown(_)), "{error:?}");
    }
    let mut both = counters.batch();
    both.increment(1, counters::n, 1).unwrap().increment(1, counters::amount, 1).unwrap();
    assert!(both.send().is_err());
    let row = world.row(1);
    assert_eq!((row.n, row.amount), (0, 0.into()));
}

/// The handle that sets the column does not know it for a counter, and was acknowledged before.
#[test]
fn an_increment_that_was_written_through_is_not_written_over_by_what_another_process_had_set() {
    let redis = durable();
    let store = store_on(&redis);
    let world = World::on(Namespace::new(), &store, written_through);
    let unaware = world.branch_on(world.database.url(), &store, |options| options);
    let setting = Counter::repository(&unaware).behind();
    setting.increment(1, counters::n, 3).unwrap();
    setting.update(1, counters::n.eq(100)).unwrap();
    setting.increment(2, counters::n, 4).unwrap();
    redis.kill();
    Counter::repository(&world.larder).behind().increment(1, counters::n, 5).unwrap();
    assert_eq!(world.n(1), 5);
    redis.restart();
    eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
    assert_eq!((world.n(1), world.n(2)), (8, 4), "what only adds is written, whatever stands beside it");
    let dead = world.larder.dead_letters().unwrap();
    let letters = dead.list(10).unwrap();
    let reasons: Vec<&str> = letters.iter().map(|letter| &*letter.reason).collect();
    assert_eq!(reasons, ["a column that it sets is a counter, which is only added to"]);
    assert_eq!(dead.put_back(&[letters[0].id]).unwrap().n_rejected, 1, "nor is it later");
    assert_eq!(world.n(1), 8);
}

#[test]
fn a_commit_whose_answer_is_lost_is_unknown_and_what_was_written_through_counts_once() {
    let redis = durable();
    let store = store_on(&redis);
    let world = World::on(Namespace::new(), &store, |options| options);
    let proxy = Proxy::to(world.database.url());
    let writer = world.branch_on(proxy.url(), &store, written_through);
    let counters = Counter::repository(&writer).behind();
    proxy.lose_the_answer_to_commit();
    counters.increment(1, counters::n, 1).unwrap();
    redis.pause();
    let error = counters.increment(1, counters::n, 10).unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error:?}");
    eventually(LONG, || world.n(1) == 10);
    redis.resume();
    // The buffer was asked first, and takes it when it wakes.
    eventually(LONG, || world.larder.backlog().is_ok_and(|backlog| backlog.size.n_entries >= 2));
    eventually(LONG, || Flusher::run_once(&world.larder).is_ok());
    assert_eq!(world.n(1), 11);
}

/// The same where nobody else could have taken it: then there is no other reason to call it unknown.
#[test]
fn a_commit_whose_answer_is_lost_is_unknown_although_the_buffer_has_certainly_not_taken_it() {
    let redis = durable();
    let store = store_on(&redis);
    let world = World::on(Namespace::new(), &store, |options| options);
    let proxy = Proxy::to(world.database.url());
    let writer = world.branch_on(proxy.url(), &store, written_through);
    let counters = Counter::repository(&writer).behind();
    redis.kill();
    // Who finds his connection broken can't know; those after him can.
    counters.increment(1, counters::n, 1).unwrap();
    proxy.lose_the_answer_to_commit();
    let error = counters.increment(1, counters::n, 10).unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error:?}");
    eventually(LONG, || world.n(1) == 11);
}

/// What was not answered is of others, and theirs is acknowledged already.
#[test]
fn who_makes_room_and_hears_nothing_of_it_has_certainly_not_written_his_own() {
    let world = World::new();
    let proxy = Proxy::to(world.database.url());
    let full = |options: Options| options.max_entries(1).when_full(WhenFull::WriteThrough);
    let durable = tests::redis_store(&tests::redis_url(), &world.namespace);
    let writer = world.branch_on(proxy.url(), &durable, full);
    let counters = Counter::repository(&writer).behind();
    counters.increment(1, counters::n, 1).unwrap();
    proxy.lose_the_answer_to_commit();
    let error = counters.increment(1, counters::n, 10).unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 1);
    eventually(LONG, || counters.increment(1, counters::n, 100).is_ok());
    Flusher::run_once(&world.larder).unwrap();
    assert_eq!(world.n(1), 101);
}
