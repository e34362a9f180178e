//! Writes that go on while the store is away, and what their own handle and others read meanwhile.

mod policy;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, dsl::sql, pg::Pg, prelude::*, sql_types::BigInt,
};
use larder::{
    Error, Larder,
    failpoints::{Point, on_this_thread},
};
use servers::RedisOptions;
use shop_core::{Order, OrderChanges, Status, User, UserChanges};
use tests::{
    Cost, Counts, Failure, Meter, Namespace, Operation, OwnRedis, Proxy, Shop, eventually, nobody, redis_store,
};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(30);
const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };
const PASSED_BY: Cost = Cost { sql: 1, store_reads: 0, store_writes: 0 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

/// What waits in the outbox: the number of cells of each row.
pub(crate) fn outbox(connection: &mut PgConnection) -> Vec<i64> {
    let rows = "coalesce(cardinality(cells), 0)::bigint FROM larder_outbox ORDER BY id";
    diesel::select(sql::<BigInt>(rows)).load(connection).unwrap()
}

/// A shop on a Redis of its own.
fn shop_on(redis: &OwnRedis) -> Shop {
    let namespace = Namespace::new();
    let store = redis_store(&redis.url(), &namespace);
    Shop::on(namespace, store, |builder| builder)
}

fn config(redis: &OwnRedis, name: &str, value: &str) {
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let () = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query(&mut connection).unwrap();
}

/// The store is where it was, and whoever wants to mark cells finds it away.
fn begins_fail(shop: &Shop) {
    shop.faults.before(Operation::Begin).fail(Failure::Unavailable);
}

type Act = fn(&OwnRedis);

#[test]
fn a_write_goes_on_while_redis_is_killed_frozen_or_full_and_its_own_handle_reads_it_from_then_on() {
    let (kill, restart): (Act, Act) = (OwnRedis::kill, OwnRedis::restart);
    let (freeze, thaw): (Act, Act) = (OwnRedis::pause, OwnRedis::resume);
    let (fill, empty): (Act, Act) = (|redis| config(redis, "maxmemory", "1"), |redis| config(redis, "maxmemory", "0"));
    // Who timed out once is not asked a second time, while rows are locked.
    for (go, come_back, n_begins) in [(kill, restart, 2), (freeze, thaw, 1), (fill, empty, 2)] {
        let redis = OwnRedis::with(RedisOptions {
            settings: vec![("maxmemory-policy".to_owned(), "noeviction".to_owned())],
            ..RedisOptions::default()
        });
        let shop = shop_on(&redis);
        let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
        users.get(ada.id).unwrap();
        users.find_by_email("ada@example.com").unwrap();
        go(&redis);
        shop.meter.reset();
        let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
        let counts = shop.meter.counts();
        // The UPDATE, the question for the table, and the row in it.
        assert_eq!((counts.sql, counts.begins), (3, n_begins), "{}", shop.meter.log());
        assert!(shop.events.take().contains(&"without markers: 4".to_owned()));
        assert_eq!(outbox(&mut shop.database.connect()), [4]);
        let reads_its_own_write = || {
            assert_eq!(users.get(ada.id).unwrap(), changed);
            assert_eq!(users.find_by_email("new@example.com").unwrap().as_ref(), Some(&changed));
            assert_eq!(users.find_by_email("ada@example.com").unwrap(), None);
        };
        reads_its_own_write();
        come_back(&redis);
        reads_its_own_write();
        eventually(LONG, || {
            shop.meter.reset();
            reads_its_own_write();
            shop.meter.counts().sql == 0
        });
        assert_eq!(outbox(&mut shop.database.connect()), [4], "the row is the relay's to delete");
    }
}

#[test]
fn the_next_write_without_the_store_does_not_ask_for_the_table_again_and_the_usual_one_never_does() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.update(ada.id, &renamed("first@example.com")).unwrap();
    shop.meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 2 });
    begins_fail(&shop);
    shop.faults.before(Operation::Settle).fail(Failure::Unavailable);
    for (email, sql) in [("second@example.com", 3), ("third@example.com", 2)] {
        shop.meter.reset();
        users.update(ada.id, &renamed(email)).unwrap();
        assert_eq!(shop.meter.counts().sql, sql, "{}", shop.meter.log());
    }
}

#[test]
fn a_handle_reads_its_own_write_before_it_is_settled_although_the_store_has_the_old_row_and_others_read_that() {
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let (users, elsewhere) = (User::repository(&shop.larder), User::repository(&other.larder));
    let orders = Order::repository(&shop.larder);
    users.get(ada.id).unwrap();
    users.find_by_email("ada@example.com").unwrap();
    assert_eq!(orders.list_by_user_id(ada.id).load().unwrap(), std::slice::from_ref(&order));
    begins_fail(&shop);
    let gate = shop.faults.before(Operation::Settle).hold();
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    let moved = orders.update(order.id, &OrderChanges { status: Some(Status::Shipped), ..Default::default() }).unwrap();
    gate.wait_for(1);
    shop.faults.clear();
    shop.meter.reset();
    assert_eq!(users.get(ada.id).unwrap(), changed);
    shop.meter.expect(PASSED_BY);
    assert_eq!(users.find_by_email("ada@example.com").unwrap(), None);
    assert_eq!(users.find_by_email("new@example.com").unwrap().as_ref(), Some(&changed));
    assert_eq!(orders.list_by_user_id(ada.id).load().unwrap(), std::slice::from_ref(&moved));
    shop.meter.expect(Cost { sql: 3, ..PASSED_BY });
    // Only what was written is passed by.
    let bob = shop.user("bob");
    assert_eq!(users.find_many(&[bob.id, ada.id]).unwrap(), [Some(bob.clone()), Some(changed.clone())]);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 2 });
    users.get(bob.id).unwrap();
    shop.meter.expect(WARM);
    // This is the price of going on, elsewhere and until the cells are settled.
    assert_eq!(elsewhere.get(ada.id).unwrap(), ada);
    gate.open();
    eventually(LONG, || shop.events.take().iter().any(|event| event.starts_with("settled")));
    eventually(LONG, || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), changed);
        assert_eq!(orders.list_by_user_id(ada.id).load().unwrap(), std::slice::from_ref(&moved));
        shop.meter.counts().sql == 0
    });
    assert_eq!(elsewhere.get(ada.id).unwrap(), changed);
    assert_eq!(elsewhere.find_by_email("ada@example.com").unwrap(), None);
}

#[test]
fn a_read_after_the_write_is_not_answered_with_what_the_store_said_before_it_was_settled() {
    // A reader that asked the store first and looked for notes after its answer would find that they are gone, and serve the old row.
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    begins_fail(&shop);
    let settles = shop.faults.before(Operation::Settle).hold();
    let reads = shop.faults.after(Operation::Read).hold();
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    settles.wait_for(1);
    thread::scope(|scope| {
        let reader = scope.spawn(|| User::repository(&shop.larder).get(ada.id).unwrap());
        shop.meter.reset();
        // It either is done without the store, or has the old row in hand.
        eventually(LONG, || reader.is_finished() || shop.meter.counts().reads > 0);
        settles.open();
        eventually(LONG, || shop.events.take().iter().any(|event| event.starts_with("settled")));
        reads.open();
        assert_eq!(reader.join().unwrap(), changed);
    });
}

#[test]
fn a_handle_reads_the_new_row_from_the_moment_of_its_commit_on() {
    // Whoever has seen the new row, as any transaction does from then on, must not see the old one after it: before the write returns, too.
    let shop = Arc::new(Shop::new());
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    begins_fail(&shop);
    let _settles = shop.faults.before(Operation::Settle).hold();
    let read = Rc::new(RefCell::new(None));
    let _hook = on_this_thread({
        let (shop, read) = (Arc::clone(&shop), Rc::clone(&read));
        move |point| {
            if point == Point::AfterCommit {
                *read.borrow_mut() = Some(User::repository(&shop.larder).get(ada.id).unwrap());
            }
        }
    });
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    assert_eq!(read.take(), Some(changed));
}

#[test]
fn what_was_on_its_way_to_the_store_before_the_write_is_not_served_after_it() {
    let shop = Shop::built(|builder| builder.fill_in_background(true));
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    let fills = shop.faults.before(Operation::Fill).hold();
    users.get(ada.id).unwrap();
    fills.wait_for(1);
    begins_fail(&shop);
    let settles = shop.faults.before(Operation::Settle).hold();
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    assert_eq!(users.get(ada.id).unwrap(), changed);
    fills.open();
    assert!(shop.larder.flush(LONG));
    assert_eq!(users.get(ada.id).unwrap(), changed);
    settles.open();
    eventually(LONG, || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), changed);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn a_settlement_that_fails_is_tried_until_it_succeeds_and_a_later_write_has_its_own() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    begins_fail(&shop);
    shop.faults.before(Operation::Settle).nth(1).fail(Failure::TimedOut);
    shop.faults.after(Operation::Settle).nth(1).fail(Failure::TimedOut);
    let second = shop.faults.after(Operation::Settle).nth(2).hold();
    users.update(ada.id, &renamed("first@example.com")).unwrap();
    // This one has done its work, and its answer is on the way; what is written now it does not cover.
    second.wait_for(1);
    let third = shop.faults.before(Operation::Settle).hold();
    let changed = users.update(ada.id, &renamed("second@example.com")).unwrap();
    second.open();
    third.wait_for(1);
    shop.meter.reset();
    assert_eq!(users.get(ada.id).unwrap(), changed);
    shop.meter.expect(PASSED_BY);
    third.open();
    eventually(LONG, || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), changed);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn what_is_rolled_back_leaves_no_row_in_the_outbox_and_nothing_passed_by() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let orders = Order::repository(&shop.larder);
    let deferred = "ALTER TABLE orders ALTER CONSTRAINT orders_user_id_fkey DEFERRABLE INITIALLY DEFERRED";
    shop.database.connect().batch_execute(deferred).unwrap();
    orders.get(order.id).unwrap();
    begins_fail(&shop);
    // COMMIT is refused, when the row in the outbox is already there.
    let refused = orders.update(order.id, &OrderChanges { user_id: Some(nobody()), ..Default::default() });
    assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
    assert!(outbox(&mut shop.database.connect()).is_empty());
    shop.meter.reset();
    assert_eq!(orders.get(order.id).unwrap(), order);
    shop.meter.expect_counts(Counts { reads: 1, ..Counts::default() });
    // Of a savepoint that was rolled back nothing is told.
    shop.faults.before(Operation::Settle).fail(Failure::Unavailable);
    let bob = shop.user("bob");
    let done = shop.larder.transaction(|tx| {
        let users = User::repository(tx);
        let undone = tx.savepoint(|tx| {
            User::repository(tx).update(bob.id, &renamed("never@example.com"))?;
            Err::<(), _>(Error::other("undo"))
        });
        assert!(undone.is_err());
        users.update(ada.id, &renamed("new@example.com"))
    });
    assert_eq!(outbox(&mut shop.database.connect()), [4]);
    users.get(bob.id).unwrap();
    shop.meter.reset();
    users.get(bob.id).unwrap();
    shop.meter.expect(WARM);
    assert_eq!(users.get(ada.id).unwrap(), done.unwrap());
}

/// Reads a row until it is warm: until `hold` after `sent`, every read passes the store by, and nothing is settled.
fn passed_by_until_certain(larder: &Larder<Pg>, meter: &Meter, (sent, hold): (Instant, Duration), expected: &User) {
    meter.reset();
    eventually(hold + LONG, || {
        assert_eq!(User::repository(larder).get(expected.id).unwrap(), *expected);
        let (counts, certain) = (meter.counts(), sent.elapsed() >= hold);
        meter.reset();
        assert!(certain || (counts.cost() == PASSED_BY), "{counts:?}");
        counts.sql == 0
    });
}

#[test]
fn a_commit_of_which_nobody_knows_is_passed_by_until_it_is_certain() {
    let (within, takes) = (Duration::from_millis(500), Duration::from_millis(1000));
    let shop = Shop::new();
    let proxy = Proxy::to(shop.database.url());
    let branch = shop.branch_through(&proxy, |builder| builder.commit_within(within).commit_takes(takes));
    let (ada, users) = (shop.user("ada"), User::repository(&branch.larder));
    users.get(ada.id).unwrap();
    branch.faults.before(Operation::Begin).fail(Failure::Unavailable);
    proxy.lose_the_answer_to_commit();
    let sent = Instant::now();
    let unknown = users.update(ada.id, &renamed("new@example.com"));
    assert!(matches!(unknown, Err(Error::CommitUnknown(_))), "{unknown:?}");
    assert_eq!(branch.events.take(), ["failed: begin", "failed: begin", "commit unknown: 4"]);
    // It has happened, and so has its row.
    assert_eq!(outbox(&mut shop.database.connect()), [4]);
    let changed = User { email: "new@example.com".to_owned(), ..ada };
    passed_by_until_certain(&branch.larder, &branch.meter, (sent, within + takes), &changed);
    assert_eq!(User::repository(&shop.larder).get(changed.id).unwrap(), changed);

    // And one that has not: the connection is gone before the row could be written.
    let url = shop.database.url().to_owned();
    branch.faults.clear();
    branch.faults.before(Operation::Begin).run(move || {
        let mut beside = PgConnection::establish(&url).unwrap();
        let idle = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle in transaction'";
        beside.batch_execute(idle).unwrap();
    });
    branch.faults.before(Operation::Begin).fail(Failure::Unavailable);
    let lost = users.update(changed.id, &renamed("never@example.com"));
    assert!(matches!(lost, Err(Error::Database(_))), "{lost:?}");
    assert_eq!(outbox(&mut shop.database.connect()), [4]);
    assert_eq!(users.get(changed.id).unwrap(), changed);
}

#[test]
fn more_cells_than_are_told_apart_hide_their_tables_until_those_are_settled() {
    // So many take a while on a busy machine.
    let shop = Shop::built(|builder| builder.commit_within(Duration::from_secs(300)));
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let (users, orders) = (User::repository(&shop.larder), Order::repository(&shop.larder));
    let warm = || {
        users.get(bob.id).unwrap();
        orders.get(order.id).unwrap();
    };
    warm();
    begins_fail(&shop);
    let gate = shop.faults.before(Operation::Scan).hold();
    let nobodies: Vec<Uuid> = (0..70_000).map(|_| nobody()).collect();
    shop.larder.transaction(|tx| tx.touched::<User>(&nobodies)).unwrap();
    assert_eq!(outbox(&mut shop.database.connect()), [70_001]);
    gate.wait_for(1);
    shop.meter.reset();
    warm();
    // The user is passed by, and the order is not.
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, ..Counts::default() });
    gate.open();
    eventually(LONG, || {
        shop.meter.reset();
        warm();
        shop.meter.counts().sql == 0
    });
    // All that the store had of users was settled.
    assert!(shop.events.take().contains(&"settled: 1".to_owned()));
}
