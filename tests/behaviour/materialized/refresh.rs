//! A refresh, and what readers see of it.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    thread,
    time::Duration,
};

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, dsl::sql, pg::Pg, prelude::*, sql_types::BigInt};
use larder::{
    Builder, Error, Larder, MaterializedView, NearOptions, Writes,
    failpoints::{Point, on_this_thread},
    refresh::{Flaw, Manner, Reason},
    relay::Relay,
};
use shop_core::{Order, OrderChanges, Status, User, UserStats};
use tests::{Cost, Failure, Operation, Proxy, Shop, eventually, money};

use crate::outbox::outbox;

const LONG: Duration = Duration::from_secs(30);

fn order_count(larder: &Larder<Pg>, user: &User) -> i64 {
    UserStats::repository(larder).get(user.id).unwrap().order_count
}

/// A shop of one user, whose cell says that there are two orders, and a third order.
fn outdated() -> (Shop, User) {
    outdated_on(|builder| builder)
}

fn outdated_on(adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> (Shop, User) {
    let shop = Shop::built(adjust);
    let ada = shop.user("ada");
    for cents in [1_000, 234] {
        let _ = shop.order(&ada, Status::Paid, cents, 1);
    }
    UserStats::refresh(&shop.larder).unwrap();
    assert_eq!(order_count(&shop.larder, &ada), 2);
    let _ = shop.order(&ada, Status::Paid, 1, 2);
    assert_eq!(order_count(&shop.larder, &ada), 2, "the cell is as old as the view");
    let _ = shop.events.take();
    shop.meter.reset();
    (shop, ada)
}

#[test]
fn a_refresh_is_seen_by_every_reader_when_it_returns() {
    let (shop, ada) = outdated();
    let other = shop.branch();
    assert_eq!(order_count(&other.larder, &ada), 2);
    let refreshed = UserStats::refresh(&shop.larder).unwrap();
    assert_eq!((&refreshed.manner, refreshed.n_cells), (&Manner::Concurrently, Some(1)), "{}", shop.meter.log());
    assert_eq!(shop.events.take(), ["refreshed: user_stats concurrently"]);
    other.meter.reset();
    for cost in [Cost { sql: 1, store_reads: 1, store_writes: 2 }, Cost { sql: 0, store_reads: 1, store_writes: 0 }] {
        assert_eq!(order_count(&other.larder, &ada), 3);
        other.meter.expect(cost);
    }
    shop.meter.reset();
    assert_eq!(order_count(&shop.larder, &ada), 3);
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    assert_eq!(outbox(&mut shop.database.connect()), [] as [i64; 0]);
    let stats = shop.larder.stats();
    let stats = stats.model("user_stats").unwrap();
    assert_eq!((stats.refreshes.n, stats.refreshes_failed), (2, 0));
}

#[test]
fn others_read_the_old_rows_while_a_view_is_refreshed() {
    let (shop, ada) = outdated();
    let gate = shop.faults.before(Operation::Begin).hold();
    thread::scope(|scope| {
        let refresh = scope.spawn(|| UserStats::refresh(&shop.larder));
        gate.wait_for(1);
        // The new rows are written, and not committed.
        let mut connection = shop.database.connect();
        connection.batch_execute("SET lock_timeout = '10s'").unwrap();
        let count = sql::<BigInt>("(SELECT order_count FROM user_stats)");
        assert_eq!(diesel::select(count).get_result::<i64>(&mut connection).unwrap(), 2);
        assert_eq!(order_count(&shop.branch().larder, &ada), 2);
        gate.open();
        assert_eq!(refresh.join().unwrap().unwrap().manner, Manner::Concurrently);
    });
    assert_eq!(order_count(&shop.larder, &ada), 3);
}

#[test]
fn what_depends_on_a_view_is_told_before_commit() {
    let (shop, _) = outdated();
    let other = Rc::new(shop.branch());
    let sum = |larder: &Larder<Pg>| -> i64 {
        let query = larder.query("all-orders").depends_on::<UserStats>();
        query
            .load(|connection| {
                diesel::select(sql::<BigInt>("(SELECT sum(order_count)::bigint FROM user_stats)"))
                    .get_result(connection)
            })
            .unwrap()
    };
    assert_eq!(sum(&other.larder), 2);
    other.meter.reset();
    assert_eq!((sum(&other.larder), other.meter.counts().sql), (2, 0), "it is kept");
    let seen = Rc::new(Cell::new(0));
    let hook = on_this_thread({
        let (seen, other) = (Rc::clone(&seen), Rc::clone(&other));
        move |point| {
            // The view's rows are not told of yet, and its own cell is.
            if point == Point::BeforeSettle {
                seen.set(sum(&other.larder));
            }
        }
    });
    UserStats::refresh(&shop.larder).unwrap();
    drop(hook);
    assert_eq!(seen.get(), 3);
}

#[test]
fn it_says_why_others_had_to_wait() {
    let shop = Shop::new();
    let mut connection = shop.database.connect();
    let mut manner_after = |sql: &str| {
        connection.batch_execute(sql).unwrap();
        UserStats::refresh(&shop.larder).unwrap().manner
    };
    let drop = "DROP INDEX user_stats_user_id_idx;";
    let unsuited = |flaw| Manner::Exclusively(Reason::Unsuited { index: "other".to_owned(), flaw });
    for (sql, manner) in [
        (drop.to_owned(), Manner::Exclusively(Reason::NoUniqueIndex)),
        ("CREATE UNIQUE INDEX other ON user_stats (user_id) WHERE order_count > 0".to_owned(), unsuited(Flaw::Partial)),
        (
            "DROP INDEX other; CREATE UNIQUE INDEX other ON user_stats ((user_id::text))".to_owned(),
            unsuited(Flaw::OnExpressions),
        ),
        ("CREATE UNIQUE INDEX fine ON user_stats (user_id)".to_owned(), Manner::Concurrently),
        ("REFRESH MATERIALIZED VIEW user_stats WITH NO DATA".to_owned(), Manner::Exclusively(Reason::NotPopulated)),
        ("ANALYZE user_stats".to_owned(), Manner::Concurrently),
    ] {
        assert_eq!(manner_after(&sql), manner, "after {sql}");
    }
    let told = unsuited(Flaw::Partial).to_string();
    assert_eq!(told, "exclusively, since its unique index other has a condition");
}

#[test]
fn a_reader_who_asked_before_a_refresh_stores_nothing_after_it() {
    let (shop, ada) = outdated();
    let other = shop.branch();
    // The cell must be vacant for it to ask.
    shop.namespace.keys().iter().for_each(|key| assert!(key.contains("user_stats"), "{key}"));
    let mut redis = redis::Client::open(tests::redis_url()).unwrap().get_connection().unwrap();
    for key in shop.namespace.keys() {
        let () = redis::cmd("DEL").arg(key).query(&mut redis).unwrap();
    }
    let gate = other.faults.before(Operation::Fill).hold();
    thread::scope(|scope| {
        let reader = scope.spawn(|| order_count(&other.larder, &ada));
        gate.wait_for(1);
        UserStats::refresh(&shop.larder).unwrap();
        gate.open();
        assert_eq!(reader.join().unwrap(), 2, "it asked before");
    });
    assert!(other.events.take().iter().any(|event| event.starts_with("refused: user_stats")));
    assert_eq!(order_count(&other.larder, &ada), 3);
    assert_eq!(order_count(&shop.larder, &ada), 3);
}

diesel::table! { shares (id) { id -> Uuid, share -> Integer, } }

/// A view that can't always be refreshed.
#[derive(Debug, Clone, Queryable, Selectable, MaterializedView)]
#[diesel(table_name = shares, primary_key(id), check_for_backend(diesel::pg::Pg))]
struct Share {
    id: uuid::Uuid,
    share: i32,
}

#[test]
fn a_refresh_that_fails_leaves_the_old_rows_and_says_why() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 500, 1);
    let view = "CREATE MATERIALIZED VIEW shares AS SELECT id, 100 / total_amount::int AS share FROM orders;
        CREATE UNIQUE INDEX ON shares (id)";
    shop.database.connect().batch_execute(view).unwrap();
    let shares = Share::repository(&shop.larder);
    assert_eq!(shares.get(order.id).unwrap().share, 20);
    let free = OrderChanges { total_amount: Some(money(0)), ..Default::default() };
    Order::repository(&shop.larder).update(order.id, &free).unwrap();
    shop.meter.reset();
    let failed = Share::refresh(&shop.larder);
    assert!(matches!(&failed, Err(Error::Database(cause)) if cause.to_string() == "division by zero"), "{failed:?}");
    assert_eq!(shop.events.take(), ["not refreshed: shares, since the database refused a statement"]);
    assert_eq!(shop.larder.stats().model("shares").unwrap().refreshes_failed, 1);
    shop.meter.reset();
    assert_eq!(shares.get(order.id).unwrap().share, 20);
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
}

#[test]
fn a_strict_handle_refreshes_nothing_that_it_can_not_tell_the_store_of() {
    let (shop, ada) = outdated_on(|builder| builder.writes(Writes::Strict));
    shop.faults.before(Operation::Begin).fail(Failure::Unavailable);
    let refused = UserStats::refresh(&shop.larder);
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    shop.faults.clear();
    assert_eq!(order_count(&shop.larder, &ada), 2);
    shop.meter.expect_counts(tests::Counts { reads: 1, ..shop.meter.counts() });
}

#[test]
fn where_the_cells_can_not_be_emptied_the_handle_reads_the_database_and_tries_again() {
    let (shop, ada) = outdated();
    let other = shop.branch();
    shop.faults.before(Operation::Scan).fail(Failure::Unavailable);
    let refreshed = UserStats::refresh(&shop.larder).unwrap();
    assert_eq!(refreshed.n_cells, None);
    for _ in 0..2 {
        shop.meter.reset();
        assert_eq!(order_count(&shop.larder, &ada), 3);
        assert_eq!(shop.meter.counts().sql, 1, "it passes the cell by");
    }
    assert_eq!(order_count(&other.larder, &ada), 2, "others are not told yet");
    assert_eq!(outbox(&mut shop.database.connect()), [0], "whoever relays may tell them");
    shop.faults.clear();
    eventually(LONG, || order_count(&other.larder, &ada) == 3);
    eventually(LONG, || {
        shop.meter.reset();
        order_count(&shop.larder, &ada) == 3 && shop.meter.counts().sql == 0
    });
}

#[test]
fn what_a_refresh_leaves_behind_that_is_killed_after_commit_a_relay_settles() {
    let (shop, ada) = outdated();
    let killed = catch_unwind(AssertUnwindSafe(|| {
        let _hook = on_this_thread(|point| assert_ne!(point, Point::BeforeSettle, "killed"));
        UserStats::refresh(&shop.larder)
    }));
    assert!(killed.is_err());
    let other = shop.branch();
    assert_eq!(order_count(&other.larder, &ada), 2, "nobody has told the store");
    assert_eq!(Relay::builder(&other.larder).build().unwrap().run_once().unwrap(), 1);
    assert_eq!(order_count(&other.larder, &ada), 3);
}

#[test]
fn a_refresh_of_which_it_is_not_known_whether_it_was_committed_is_settled_when_it_is_certain() {
    let (shop, ada) = outdated();
    let proxy = Proxy::to(shop.database.url());
    let other = shop.branch_through(&proxy, |builder| {
        builder.commit_within(Duration::from_millis(400)).commit_takes(Duration::from_millis(600))
    });
    proxy.lose_the_answer_to_commit();
    let refreshed = UserStats::refresh(&other.larder);
    assert!(matches!(refreshed, Err(Error::CommitUnknown(_))), "{refreshed:?}");
    eventually(LONG, || order_count(&shop.larder, &ada) == 3);
}

#[test]
fn copies_that_are_near_go_with_a_refresh() {
    let near = |builder: Builder<Pg>| builder.near(NearOptions::bytes(16 << 20).horizon(Duration::from_secs(10)));
    let (shop, ada) = outdated_on(near);
    let other = shop.branch_built(near);
    let is_near = |larder: &Larder<Pg>, meter: &tests::Meter| {
        meter.reset();
        let n = order_count(larder, &ada);
        meter.counts() == tests::Counts::default() && n == 2
    };
    eventually(LONG, || is_near(&shop.larder, &shop.meter));
    eventually(LONG, || is_near(&other.larder, &other.meter));
    UserStats::refresh(&shop.larder).unwrap();
    assert_eq!(order_count(&shop.larder, &ada), 3, "own refreshes are seen");
    eventually(LONG, || order_count(&other.larder, &ada) == 3);
}
