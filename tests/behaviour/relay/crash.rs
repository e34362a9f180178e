//! A process, a session or a server that ends between two steps.

use std::panic::{AssertUnwindSafe, catch_unwind};

use larder::failpoints::{Point, on_this_thread};
use tests::{Namespace, OwnPostgres, OwnRedis, SHOP, redis_store, redis_url};

use super::*;

/// What a killed process does: nothing more.
fn die_at(point: Point) -> impl Fn(Point) {
    move |reached| assert!(reached != point, "killed at {point:?}")
}

/// Runs `act` when the thread comes to a place.
fn at(point: Point, act: impl Fn()) -> impl Fn(Point) {
    move |reached| {
        if reached == point {
            act();
        }
    }
}

const OF_A_RELAY: [Point; 3] = [Point::RelayTaken, Point::RelaySettled, Point::RelayDeleted];

/// A shop where the store has a user as he was before a write that went on without it.
fn one_behind() -> (Shop, User, User) {
    let shop = Shop::new();
    let (ada, writer) = (shop.user("ada"), cut_off(&shop));
    User::repository(&shop.larder).get(ada.id).unwrap();
    let changed = User::repository(&writer.larder).update(ada.id, &renamed("new@example.com")).unwrap();
    (shop, ada, changed)
}

#[test]
fn a_writer_that_is_killed_at_any_step_has_either_done_nothing_or_left_a_row_for_the_relay() {
    for (point, happens) in [
        (Point::AfterBegin, false),
        (Point::BeforeOutbox, false),
        (Point::AfterOutbox, false),
        (Point::BeforeCommit, false),
        (Point::AfterCommit, true),
    ] {
        let shop = Shop::new();
        let (ada, writer) = (shop.user("ada"), cut_off(&shop));
        let users = User::repository(&shop.larder);
        users.get(ada.id).unwrap();
        let killed = catch_unwind(AssertUnwindSafe(|| {
            let _hook = on_this_thread(die_at(point));
            User::repository(&writer.larder).update(ada.id, &renamed("new@example.com"))
        }));
        assert!(killed.is_err(), "{point:?}");
        drop(writer);
        eventually(LONG, || {
            let open = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
            sql_query(open).execute(&mut shop.database.connect()).unwrap() == 0
        });
        assert_eq!(outbox(&mut shop.database.connect()).len(), usize::from(happens), "{point:?}");
        assert_eq!(relay(&shop.larder).run_once().unwrap(), usize::from(happens));
        let email = if happens { "new@example.com" } else { "ada@example.com" };
        assert_eq!(users.get(ada.id).unwrap().email, email, "{point:?}");
    }
}

#[test]
fn a_relay_that_is_killed_at_any_step_leaves_its_rows_and_the_next_one_settles_them() {
    for point in OF_A_RELAY {
        let (shop, _, changed) = one_behind();
        let killed = catch_unwind(AssertUnwindSafe(|| {
            let _hook = on_this_thread(die_at(point));
            relay(&shop.larder).run_once()
        }));
        assert!(killed.is_err(), "{point:?}");
        assert_eq!(outbox(&mut shop.database.connect()), [4], "{point:?}");
        // The next one does not wait for locks of the one that is gone.
        eventually(LONG, || relay(&shop.larder).run_once().unwrap() == 1);
        assert_eq!(User::repository(&shop.larder).get(changed.id).unwrap(), changed, "{point:?}");
        assert!(outbox(&mut shop.database.connect()).is_empty());
    }
}

#[test]
fn a_relay_whose_session_is_ended_at_any_step_leaves_its_rows_and_tries_again() {
    for point in OF_A_RELAY {
        let (shop, _, changed) = one_behind();
        let url = shop.database.url().to_owned();
        let failed = {
            let _hook = on_this_thread(at(point, move || {
                use diesel::Connection as _;
                let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                    WHERE datname = current_database() AND state = 'idle in transaction'";
                PgConnection::establish(&url).unwrap().batch_execute(end).unwrap();
            }));
            relay(&shop.larder).run_once()
        };
        assert!(matches!(failed, Err(Error::Database(_))), "{point:?}: {failed:?}");
        assert_eq!(outbox(&mut shop.database.connect()), [4], "{point:?}");
        assert_eq!(relay(&shop.larder).run_once().unwrap(), 1);
        assert_eq!(User::repository(&shop.larder).get(changed.id).unwrap(), changed, "{point:?}");
    }
}

#[test]
fn a_redis_that_is_killed_at_any_step_of_a_relay_loses_nothing() {
    for point in OF_A_RELAY {
        let redis = OwnRedis::new();
        let namespace = Namespace::new();
        let store = redis_store(&redis.url(), &namespace);
        let shop = Shop::on(namespace, store, |builder| builder);
        let ada = shop.user("ada");
        let users = User::repository(&shop.larder);
        users.get(ada.id).unwrap();
        let mut psql = shop.database.connect();
        psql.batch_execute("UPDATE users SET email = 'new@example.com'").unwrap();
        add(&mut psql, &[format!("users:id:{}", ada.id), "users:email:new@example.com".to_owned()]);
        let kill = redis.clone();
        let relayed = {
            let _hook = on_this_thread(at(point, move || kill.kill()));
            relay(&shop.larder).run_once()
        };
        // Who was told before he died was told.
        let was_told = point != Point::RelayTaken;
        assert!(if was_told { relayed.is_ok() } else { matches!(relayed, Err(Error::Store(_))) }, "{relayed:?}");
        assert_eq!(outbox(&mut psql).len(), usize::from(!was_told));
        redis.restart();
        eventually(LONG, || relay(&shop.larder).run_once().is_ok());
        assert!(outbox(&mut psql).is_empty());
        assert_eq!(users.get(ada.id).unwrap().email, "new@example.com");
    }
}

#[test]
fn a_running_relay_outlives_both_servers() {
    let (postgres, redis) = (OwnPostgres::new(), OwnRedis::new());
    let connect = || {
        use diesel::Connection as _;
        PgConnection::establish(&postgres.url()).unwrap()
    };
    SHOP.apply(&mut connect());
    let pool = tests::pool(&postgres.url(), &tests::Meter::new(), 4);
    let namespace = Namespace::new();
    let larder = Larder::builder(pool).shared(redis_store(&redis.url(), &namespace)).build();
    let handle = Relay::builder(&larder).start().unwrap();
    let mut expected = 0;
    let mut relays = || {
        expected += 1;
        add(&mut connect(), &[format!("users:id:{}", nobody())]);
        eventually(LONG, || handle.figures().n_rows == expected && handle.figures().is_leader);
    };
    relays();
    postgres.kill();
    eventually(LONG, || !handle.figures().is_leader);
    postgres.restart();
    relays();
    redis.kill();
    redis.restart();
    relays();
    redis.pause();
    add(&mut connect(), &[format!("users:id:{}", nobody())]);
    eventually(LONG, || handle.lag().unwrap().oldest > Some(std::time::Duration::from_millis(100)));
    redis.resume();
    eventually(LONG, || handle.lag().unwrap().n_rows == 0);
    drop(handle);
    let _ = redis_url();
}
