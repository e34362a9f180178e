//! Views that are refreshed by themselves.

use std::time::Duration;

use bigdecimal::BigDecimal;
use diesel::{connection::SimpleConnection as _, pg::Pg};
use larder::{Larder, refresh::Refresher};
use shop_core::{NewOrder, Order, Status, User, UserStats};
use tests::{Meter, Operation, Shop, eventually};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(20);

fn order_count(larder: &Larder<Pg>, user: &User) -> i64 {
    UserStats::repository(larder).find(user.id).unwrap().map_or(0, |stats| stats.order_count)
}

fn buy(larder: &Larder<Pg>, user: &User) {
    let (status, total_amount) = (Status::Paid, BigDecimal::from(7));
    let order = NewOrder { id: None, user_id: user.id, status, total_amount, created_at: None };
    Order::repository(larder).insert(&order).unwrap();
}

fn refresher(larder: &Larder<Pg>) -> Refresher {
    Refresher::of::<UserStats>(larder).depends_on::<User>().depends_on::<Order>().at_most_every(SHORT)
}

/// Waits until a refresher has looked some times more.
fn looks(meter: &Meter) {
    meter.reset();
    eventually(LONG, || meter.counts().reads >= 5);
}

#[test]
fn a_view_is_refreshed_after_a_write_of_any_process_and_not_without_one() {
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let handle = refresher(&shop.larder).start().unwrap();
    eventually(LONG, || handle.figures().n_refreshes == 1 && handle.figures().stale_for.is_none());
    for n in 1..=3 {
        let before = handle.figures().n_refreshes;
        looks(&shop.meter);
        assert_eq!(handle.figures().n_refreshes, before, "nothing was written");
        buy(&other.larder, &ada);
        eventually(LONG, || order_count(&other.larder, &ada) == n);
        eventually(LONG, || handle.figures().stale_for.is_none());
    }
    let stats = shop.larder.stats();
    assert!(stats.model("user_stats").unwrap().refresh_lag.n >= 3);
    let figures = handle.stop();
    assert!(figures.last.is_some() && figures.failure.is_none());
}

#[test]
fn it_is_not_refreshed_more_often_than_it_may_be() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let handle = refresher(&shop.larder).at_most_every(Duration::from_secs(3_600)).start().unwrap();
    eventually(LONG, || handle.figures().n_refreshes == 1);
    buy(&shop.larder, &ada);
    eventually(LONG, || handle.figures().stale_for.is_some());
    shop.meter.reset();
    eventually(LONG, || shop.meter.counts().reads >= 2);
    assert_eq!(handle.figures().n_refreshes, 1);
    assert_eq!(order_count(&shop.larder, &ada), 0);
}

#[test]
fn it_is_refreshed_on_schedule_whatever_is_known_of_writes() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let handle = refresher(&shop.larder).at_least_every(SHORT).start().unwrap();
    // Past larder, and nobody tells.
    let _ = shop.order(&ada, Status::Paid, 1, 1);
    eventually(LONG, || order_count(&shop.larder, &ada) == 1 && handle.figures().n_refreshes >= 3);
}

#[test]
fn what_is_written_during_a_refresh_is_followed_by_another_one() {
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let gate = shop.faults.before(Operation::Begin).hold();
    let handle = refresher(&shop.larder).start().unwrap();
    // The query has run, and COMMIT is not sent.
    gate.wait_for(1);
    buy(&other.larder, &ada);
    gate.open();
    eventually(LONG, || order_count(&other.larder, &ada) == 1);
    eventually(LONG, || handle.figures().n_refreshes >= 2);
}

#[test]
fn a_refresh_that_outlives_its_leaders_session_counts_and_is_not_repeated() {
    let shop = Shop::new();
    let gate = shop.faults.before(Operation::Begin).hold();
    let handle = refresher(&shop.larder).at_most_every(Duration::from_secs(3_600)).start().unwrap();
    gate.wait_for(1);
    let sessions = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_database ON oid = database
        WHERE locktype = 'advisory' AND datname = current_database()";
    shop.database.connect().batch_execute(sessions).unwrap();
    gate.open();
    eventually(LONG, || handle.figures().n_refreshes == 1);
    // It leads again, and looks.
    eventually(LONG, || handle.figures().failure.is_none() && handle.figures().is_leader);
    let n_reads = shop.meter.counts().reads;
    eventually(LONG, || shop.meter.counts().reads >= n_reads + 5);
    assert_eq!((handle.figures().n_refreshes, handle.figures().is_leader), (1, true));
    assert_eq!(shop.meter.log().matches("REFRESH MATERIALIZED VIEW").count(), 1);
}

#[test]
fn of_two_refreshers_one_works_and_the_other_takes_over() {
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let first = refresher(&shop.larder).start().unwrap();
    eventually(LONG, || first.figures().n_refreshes == 1);
    let second = refresher(&other.larder).start().unwrap();
    buy(&other.larder, &ada);
    eventually(LONG, || order_count(&other.larder, &ada) == 1);
    assert_eq!((first.figures().is_leader, second.figures().n_refreshes), (true, 0));
    let _ = first.stop();
    eventually(LONG, || second.figures().is_leader);
    buy(&shop.larder, &ada);
    eventually(LONG, || order_count(&shop.larder, &ada) == 2);
    eventually(LONG, || second.figures().n_refreshes >= 1);
}

#[test]
fn who_takes_over_goes_on_from_the_last_refresh() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let first = refresher(&shop.larder).at_least_every(HOUR).start().unwrap();
    eventually(LONG, || first.figures().n_refreshes == 1);
    let _ = first.stop();
    let second = refresher(&other.larder).at_most_every(HOUR).at_least_every(HOUR).start().unwrap();
    eventually(LONG, || second.figures().is_leader);
    looks(&other.meter);
    buy(&shop.larder, &ada);
    eventually(LONG, || second.figures().stale_for.is_some());
    looks(&other.meter);
    assert_eq!(second.stop().n_refreshes, 0, "first there was nothing to do, and then it was too early");
    let third = refresher(&shop.larder).at_least_every(HOUR).start().unwrap();
    eventually(LONG, || third.figures().n_refreshes == 1);
}

#[test]
fn a_view_that_is_made_anew_is_refreshed_by_one() {
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let mut connection = shop.database.connect();
    let first = refresher(&shop.larder).start().unwrap();
    eventually(LONG, || first.figures().n_refreshes == 1);
    // Past larder: nobody tells of her.
    let _ = shop.order(&ada, Status::Paid, 1, 1);
    connection
        .batch_execute(
            "DO $$ DECLARE query text := pg_get_viewdef('user_stats'); BEGIN
                DROP MATERIALIZED VIEW user_stats;
                EXECUTE 'CREATE MATERIALIZED VIEW user_stats AS ' || trim(TRAILING ';' FROM query) || ' WITH NO DATA';
                CREATE UNIQUE INDEX ON user_stats (user_id);
            END $$",
        )
        .unwrap();
    eventually(LONG, || first.figures().n_refreshes == 2 && order_count(&other.larder, &ada) == 1);
    let second = refresher(&other.larder).start().unwrap();
    other.meter.reset();
    eventually(LONG, || other.meter.log().matches("pg_try_advisory_lock").count() >= 2);
    assert_eq!((first.figures().is_leader, second.figures().is_leader), (true, false));
    connection.batch_execute("REFRESH MATERIALIZED VIEW user_stats WITH NO DATA").unwrap();
    eventually(LONG, || first.figures().n_refreshes == 3);
}

#[test]
fn a_refresher_says_why_it_fails_and_goes_on() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let mut connection = shop.database.connect();
    connection.batch_execute("ALTER MATERIALIZED VIEW user_stats RENAME TO away").unwrap();
    let handle = refresher(&shop.larder).start().unwrap();
    eventually(LONG, || handle.figures().failure.is_some_and(|why| why.contains("user_stats")));
    connection.batch_execute("ALTER MATERIALIZED VIEW away RENAME TO user_stats").unwrap();
    eventually(LONG, || handle.figures().n_refreshes >= 1);
    // And a view that is there, and can't be refreshed.
    connection
        .batch_execute("ALTER MATERIALIZED VIEW user_stats OWNER TO pg_monitor; REVOKE ALL ON orders FROM pg_monitor")
        .unwrap();
    buy(&shop.larder, &ada);
    eventually(LONG, || handle.figures().failure.is_some_and(|why| why.contains("permission denied")));
    assert!(handle.figures().stale_for.is_some() && handle.figures().n_failed >= 1);
    connection.batch_execute("ALTER MATERIALIZED VIEW user_stats OWNER TO CURRENT_USER").unwrap();
    eventually(LONG, || order_count(&shop.larder, &ada) == 1 && handle.figures().failure.is_none());
}
