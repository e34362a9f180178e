//! Results of queries, kept for as long as nothing that they depend on is written.

mod aside;
mod load;
mod rows;
mod turn;
mod version;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use diesel::{dsl::sum, prelude::*};
use larder::{CachedQuery, Consistency, Error, Larder, store::Operation};

use crate::site::{
    Connection, Cost, Counts, Db, Failure, Id, Moment, Money, NewOrder, NewUser, Order, OrderChanges, Shop, Status,
    User, UserChanges, eventually, money,
    schema::{orders, users},
};

const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

fn costing(cents: i64) -> OrderChanges {
    OrderChanges { total_amount: Some(money(cents)), ..Default::default() }
}

/// What all orders come to, or those of a user.
fn spent(connection: &mut Connection, user: Option<Id>) -> QueryResult<Option<Money>> {
    match user {
        None => orders::table.select(sum(orders::total_amount)).first(connection),
        Some(user) => {
            orders::table.filter(orders::user_id.eq(user)).select(sum(orders::total_amount)).first(connection)
        }
    }
}

fn of_all(larder: &Larder<Db>) -> Option<Money> {
    larder.query("spent").depends_on::<Order>().load(|connection| spent(connection, None)).unwrap()
}

fn of_user(larder: &Larder<Db>, user: &User) -> Option<Money> {
    let query = larder.query("spent").params(&user.id).depends_on_key(Order::key_by_user_id(user.id));
    query.load(|connection| spent(connection, Some(user.id))).unwrap()
}

fn number(query: CachedQuery<'_, Db>) -> i64 {
    query.load(|connection| users::table.count().get_result(connection)).unwrap()
}

#[test]
fn a_result_is_computed_once_and_then_comes_from_the_store_for_every_handle() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let _ = shop.order(&ada, Status::Paid, 700, 1);
    shop.meter.reset();
    assert_eq!(of_all(&shop.larder), Some(money(700)));
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, stamps: 1, leases: 1, fills: 1, ..Counts::default() });
    assert_eq!(of_all(&shop.larder), Some(money(700)));
    shop.meter.expect(WARM);
    let other = shop.branch();
    assert_eq!(of_all(&other.larder), Some(money(700)));
    other.meter.expect(WARM);
    let figures = shop.larder.stats().queries;
    assert_eq!((figures.keys.missed, figures.keys.shared, figures.fills_stored, figures.statements.n), (1, 1, 1, 1));
}

#[test]
fn what_depends_on_a_table_changes_with_any_of_its_rows_and_with_no_other() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 700, 1);
    of_all(&shop.larder);
    User::repository(&shop.larder).update(ada.id, &renamed("new@example.com")).unwrap();
    shop.meter.reset();
    of_all(&shop.larder);
    shop.meter.expect(WARM);
    let other = shop.branch();
    Order::repository(&other.larder).update(order.id, &costing(800)).unwrap();
    assert_eq!(of_all(&shop.larder), Some(money(800)));
    Order::repository(&other.larder).delete(order.id).unwrap();
    assert_eq!(of_all(&shop.larder), None);
    let new = NewOrder {
        id: Id::random(),
        user_id: ada.id,
        status: Status::Pending,
        total_amount: money(100),
        created_at: Moment::now(),
    };
    Order::repository(&shop.larder).insert(&new).unwrap();
    assert_eq!(of_all(&other.larder), Some(money(100)));
}

#[test]
fn what_depends_on_a_key_changes_with_the_rows_that_had_it_or_have_it_now() {
    let shop = Shop::new();
    let (ada, bob, eve) = (shop.user("ada"), shop.user("bob"), shop.user("eve"));
    let order = shop.order(&ada, Status::Paid, 700, 1);
    let all = || [&ada, &bob, &eve].map(|user| of_user(&shop.larder, user));
    assert_eq!(all(), [Some(money(700)), None, None]);
    shop.meter.reset();
    all();
    shop.meter.expect_counts(Counts { reads: 3, ..Counts::default() });
    // From one to the other; the third is left alone.
    let moved = OrderChanges { user_id: Some(bob.id), ..Default::default() };
    Order::repository(&shop.larder).update(order.id, &moved).unwrap();
    shop.meter.reset();
    assert_eq!(of_user(&shop.larder, &eve), None);
    shop.meter.expect(WARM);
    assert_eq!(all(), [None, Some(money(700)), None]);
    Order::repository(&shop.larder).update(order.id, &costing(900)).unwrap();
    shop.meter.reset();
    assert_eq!((of_user(&shop.larder, &ada), of_user(&shop.larder, &eve)), (None, None));
    shop.meter.expect_counts(Counts { reads: 2, ..Counts::default() });
    assert_eq!(of_user(&shop.larder, &bob), Some(money(900)));
}

#[test]
fn what_depends_on_a_list_goes_on_when_the_list_is_read_and_at_most_once_does_not() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 700, 1);
    of_user(&shop.larder, &ada);
    // The rows take the place of the stamp, and are as good.
    let orders = Order::repository(&shop.larder);
    assert_eq!(orders.list_by_user_id(ada.id).load().unwrap(), slice::from_ref(&order));
    assert!(shop.larder.flush(Duration::from_secs(60)));
    shop.meter.reset();
    assert_eq!(of_user(&shop.larder, &ada), Some(money(700)));
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, leases: 1, fills: 1, ..Counts::default() });
    assert_eq!(of_user(&shop.larder, &ada), Some(money(700)));
    assert_eq!(orders.list_by_user_id(ada.id).load().unwrap(), slice::from_ref(&order));
    shop.meter.expect_counts(Counts { reads: 2, ..Counts::default() });
    orders.update(order.id, &costing(800)).unwrap();
    assert_eq!(of_user(&shop.larder, &ada), Some(money(800)));
}

#[test]
fn what_depends_on_a_row_changes_with_it_and_with_no_other() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let email = |larder: &Larder<Db>| -> Option<String> {
        let query = larder.query("email").params(&ada.id).depends_on_row::<User>(ada.id);
        query.load(|c| users::table.find(ada.id).select(users::email).first(c).optional()).unwrap()
    };
    assert_eq!(email(&shop.larder).as_ref(), Some(&ada.email));
    User::repository(&shop.larder).update(bob.id, &renamed("bobby@example.com")).unwrap();
    shop.meter.reset();
    email(&shop.larder);
    shop.meter.expect(WARM);
    // What is written through has the stamp of its write.
    User::repository(&shop.larder).update(ada.id, &renamed("new@example.com")).unwrap();
    assert_eq!(email(&shop.larder).as_deref(), Some("new@example.com"));
    User::repository(&shop.larder).delete(ada.id).unwrap();
    assert_eq!(email(&shop.larder), None);
}

#[test]
fn what_has_a_tag_goes_with_it_and_with_the_transaction_that_says_so() {
    let shop = Shop::new();
    let (calls, larder) = (Cell::new(0), &shop.larder);
    let tagged = |larder: &Larder<Db>| {
        let query = larder.query("prices").tagged("catalogue").tagged("prices");
        query.load(|_| {
            calls.set(calls.get() + 1);
            Ok(calls.get())
        })
    };
    assert_eq!((tagged(larder).unwrap(), tagged(larder).unwrap()), (1, 1));
    let other = shop.branch();
    other.larder.invalidate_tag("prices").unwrap();
    assert_eq!(tagged(larder).unwrap(), 2);
    other.larder.invalidate_tag("of something else").unwrap();
    assert_eq!(tagged(larder).unwrap(), 2);
    let undone = larder.transaction(|tx| {
        tx.invalidate_tag("catalogue");
        Err::<(), _>(Error::other("undo"))
    });
    assert!(undone.is_err());
    assert_eq!(tagged(larder).unwrap(), 2);
    larder
        .transaction(|tx| {
            tx.invalidate_tag("catalogue");
            Ok(())
        })
        .unwrap();
    assert_eq!((tagged(larder).unwrap(), tagged(&other.larder).unwrap()), (3, 3));
}

#[test]
fn parameters_and_types_tell_results_apart_and_are_not_seen_in_the_store() {
    let shop = Shop::new();
    let of = |name: &str, salt: &str| -> String {
        let query = shop.larder.query("greeting").params(&(name, salt)).tagged("greetings");
        query.load(|_| Ok(format!("Hello {name}{salt}"))).unwrap()
    };
    assert_eq!(
        (of("ada", ""), of("a", "da"), of("ada", "")),
        ("Hello ada".into(), "Hello ada".into(), "Hello ada".into())
    );
    assert_eq!(shop.larder.stats().queries.keys.missed, 2);
    let as_number = shop.larder.query("greeting").params(&("ada", "")).tagged("greetings").load(|_| Ok(7));
    assert_eq!(as_number.unwrap(), 7);
    assert!(!shop.meter.log().contains("ada"), "{}", shop.meter.log());
}

#[test]
fn a_result_that_a_write_overtakes_is_given_to_its_caller_and_to_nobody_else() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 700, 1);
    let other = shop.branch();
    let query = || shop.larder.query("spent").depends_on::<Order>();
    let overtaken = query().load(|connection| {
        let spent = spent(connection, None);
        Order::repository(&other.larder).update(order.id, &costing(900)).unwrap();
        spent
    });
    assert_eq!(overtaken.unwrap(), Some(money(700)));
    assert_eq!(of_all(&shop.larder), Some(money(900)));
    // The same before the query is sent: what it gives is right, and it is not known that it is.
    let overtaken = query().params(&2).load(|connection| {
        Order::repository(&other.larder).update(order.id, &costing(950)).unwrap();
        spent(connection, None)
    });
    assert_eq!(overtaken.unwrap(), Some(money(950)));
    shop.meter.reset();
    assert_eq!(query().params(&2).load(|connection| spent(connection, None)).unwrap(), Some(money(950)));
    assert_eq!(shop.meter.counts().sql, 1);
}

#[test]
fn while_what_it_depends_on_is_in_doubt_a_query_is_made_each_time_and_nothing_is_stored() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 700, 1);
    of_all(&shop.larder);
    let other = shop.branch();
    let gate = shop.faults.before(Operation::Finish).hold();
    thread::scope(|scope| {
        let writer = scope.spawn(|| Order::repository(&shop.larder).update(order.id, &costing(800)).unwrap());
        gate.wait_for(1);
        for _ in 0..2 {
            assert_eq!(of_all(&other.larder), Some(money(800)), "it is committed");
        }
        other.meter.expect_counts(Counts { sql: 2, reads: 2, stamps: 2, ..Counts::default() });
        assert_eq!(other.larder.stats().queries.keys.bypassed.in_doubt, 2);
        gate.open();
        writer.join().unwrap();
    });
    assert_eq!((of_all(&other.larder), of_all(&other.larder)), (Some(money(800)), Some(money(800))));
    other.meter.expect_counts(Counts { sql: 1, reads: 2, stamps: 1, leases: 1, fills: 1, ..Counts::default() });
}

#[test]
fn those_who_ask_for_the_same_wait_for_one_who_computes_it() {
    let shop = Shop::new();
    let other = shop.branch();
    let n_run = AtomicUsize::new(0);
    let slow = |larder: &Larder<Db>| {
        let query = larder.query("slow").depends_on::<User>();
        query.load(|_| {
            n_run.fetch_add(1, Ordering::SeqCst);
            // All have asked, and have been told that somebody is at it.
            let n_asked = || shop.meter.counts().reads + other.meter.counts().reads;
            eventually(Duration::from_secs(60), || n_asked() >= 16);
            Ok(7)
        })
    };
    thread::scope(|scope| {
        for n in 0..16 {
            let (slow, shop, other) = (&slow, &shop, &other);
            scope.spawn(move || assert_eq!(slow(if n % 2 == 0 { &shop.larder } else { &other.larder }).unwrap(), 7));
        }
    });
    assert_eq!(n_run.load(Ordering::SeqCst), 1);
}

#[test]
fn a_query_that_fails_or_panics_is_the_callers_own_and_nobody_waits_for_it() {
    let shop = Shop::new();
    let query = || shop.larder.query("users").depends_on::<User>();
    let failed = query().load(|connection| diesel::sql_query("SELECT nothing").execute(connection).map(|_| 0_i64));
    assert!(matches!(failed, Err(Error::Database(_))), "{failed:?}");
    let panicked = catch_unwind(AssertUnwindSafe(|| query().load(|_| -> QueryResult<i64> { panic!("on purpose") })));
    assert!(panicked.is_err());
    let other = shop.branch();
    assert_eq!(number(other.larder.query("users").depends_on::<User>()), 0);
    assert_eq!(number(query()), 0);
    for larder in [&shop.larder, &other.larder] {
        let figures = larder.stats().queries;
        assert_eq!((figures.lease_waits.n, figures.keys.bypassed.elsewhere), (0, 0));
    }
    assert_eq!(shop.larder.stats().queries.statements_failed, 1);
}

#[test]
fn a_store_that_fails_costs_a_query_and_no_answer() {
    for operation in [Operation::Read, Operation::Stamp, Operation::Lease, Operation::Fill] {
        let shop = Shop::new();
        let _ = shop.user("ada");
        shop.faults.before(operation).fail(Failure::Unavailable);
        for _ in 0..2 {
            assert_eq!(number(shop.larder.query("users").depends_on::<User>()), 1, "{operation}");
        }
        assert!(shop.meter.counts().sql >= 2, "{operation}");
        shop.faults.clear();
        let other = shop.branch();
        let bob = NewUser { id: Id::random(), email: "bob@example.com".to_owned(), created_at: Moment::now() };
        User::repository(&other.larder).insert(&bob).unwrap();
        assert_eq!(number(other.larder.query("users").depends_on::<User>()), 2, "{operation}");
    }
}

#[test]
fn a_result_may_be_asked_of_the_database_or_forgotten() {
    let shop = Shop::new();
    assert_eq!(number(shop.larder.query("users").depends_on::<User>()), 0);
    let _ = shop.user("x");
    assert_eq!(number(shop.larder.query("users").depends_on::<User>()), 0, "nobody told of it");
    let scope = shop.larder.scope().reading(Consistency::Database);
    assert_eq!(number(scope.query("users").depends_on::<User>()), 1);
    assert!(shop.branch().larder.query("users").forget::<i64>());
    assert_eq!(number(shop.larder.query("users").depends_on::<User>()), 1);
}

#[test]
fn a_column_that_is_null_is_not_taken_for_a_row_that_is_not_there() {
    let shop = Shop::new();
    let found = || {
        let query = shop.larder.query("nickname").depends_on::<User>();
        query.load(|connection| {
            let null =
                diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>("SELECT CAST(NULL AS CHAR)");
            diesel::RunQueryDsl::get_result::<Option<String>>(null, connection).optional()
        })
    };
    assert_eq!((found().unwrap(), found().unwrap()), (Some(None), Some(None)));
}
