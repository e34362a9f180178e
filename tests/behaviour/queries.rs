//! Results of queries, kept for as long as nothing that they depend on is written.

mod load;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bigdecimal::BigDecimal;
use diesel::{PgConnection, dsl::sum, pg::Pg, prelude::*};
use larder::{CachedQuery, Consistency, Error, Larder, store::Operation};
use shop_core::{
    NewOrder, NewUser, Order, OrderChanges, Status, User, UserChanges,
    schema::{orders, users},
};
use tests::{Cost, Counts, Failure, Shop, day, eventually, money, psql, redis_url};
use uuid::Uuid;

const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

fn costing(cents: i64) -> OrderChanges {
    OrderChanges { total_amount: Some(money(cents)), ..Default::default() }
}

/// What all orders come to, or those of a user.
fn spent(connection: &mut PgConnection, user: Option<Uuid>) -> QueryResult<Option<BigDecimal>> {
    match user {
        None => orders::table.select(sum(orders::total_amount)).first(connection),
        Some(user) => {
            orders::table.filter(orders::user_id.eq(user)).select(sum(orders::total_amount)).first(connection)
        }
    }
}

fn of_all(larder: &Larder<Pg>) -> Option<BigDecimal> {
    larder.query("spent").depends_on::<Order>().load(|connection| spent(connection, None)).unwrap()
}

fn of_user(larder: &Larder<Pg>, user: &User) -> Option<BigDecimal> {
    let query = larder.query("spent").params(&user.id).depends_on_key(Order::key_by_user_id(user.id));
    query.load(|connection| spent(connection, Some(user.id))).unwrap()
}

fn number(query: CachedQuery<'_, Pg>) -> i64 {
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
    let new =
        NewOrder { id: None, user_id: ada.id, status: Status::Pending, total_amount: money(100), created_at: None };
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
    let email = |larder: &Larder<Pg>| -> Option<String> {
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
    let tagged = |larder: &Larder<Pg>| {
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
    let slow = |larder: &Larder<Pg>| {
        let query = larder.query("slow").depends_on::<User>();
        query.load(|connection| {
            n_run.fetch_add(1, Ordering::SeqCst);
            diesel::sql_query("SELECT pg_sleep(0.3)").execute(connection)?;
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
        let bob = NewUser { id: None, email: "bob@example.com".to_owned(), created_at: None };
        User::repository(&other.larder).insert(&bob).unwrap();
        assert_eq!(number(other.larder.query("users").depends_on::<User>()), 2, "{operation}");
    }
}

#[test]
fn a_stamp_that_was_evicted_is_a_miss() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    of_user(&shop.larder, &ada);
    let keys = shop.namespace.keys().into_iter().filter(|key| key.contains(":orders:user_id:"));
    let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
    let evicted: usize = redis::cmd("DEL").arg(keys.collect::<Vec<_>>()).query(&mut redis).unwrap();
    assert_eq!(evicted, 1);
    shop.meter.reset();
    of_user(&shop.larder, &ada);
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, stamps: 1, leases: 1, fills: 1, ..Counts::default() });
}

#[test]
fn a_result_may_be_asked_of_the_database_or_forgotten() {
    let shop = Shop::new();
    assert_eq!(number(shop.larder.query("users").depends_on::<User>()), 0);
    let _ = psql(shop.database.url(), "INSERT INTO users (email) VALUES ('x@example.com')");
    assert_eq!(number(shop.larder.query("users").depends_on::<User>()), 0, "nobody told of it");
    let scope = shop.larder.scope().reading(Consistency::Database);
    assert_eq!(number(scope.query("users").depends_on::<User>()), 1);
    assert!(shop.branch().larder.query("users").forget::<i64>());
    assert_eq!(number(shop.larder.query("users").depends_on::<User>()), 1);
}

#[test]
fn a_query_of_a_repository_keeps_keys_and_its_rows_are_those_of_the_cells() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let small = shop.order(&ada, Status::Paid, 100, 1);
    let large = shop.order(&ada, Status::Paid, 900, 2);
    let orders = Order::repository(&shop.larder);
    let largest = || {
        let cached = orders.cached("largest").params(&ada.id).depends_on_key(Order::key_by_user_id(ada.id));
        cached.load(|query| query.filter(orders::user_id.eq(ada.id)).order(orders::total_amount.desc())).unwrap()
    };
    shop.meter.reset();
    assert_eq!(largest(), [large.clone(), small.clone()]);
    shop.meter.expect_counts(Counts { sql: 2, reads: 2, stamps: 1, leases: 2, fills: 2, ..Counts::default() });
    assert_eq!(largest(), [large.clone(), small.clone()]);
    shop.meter.expect_counts(Counts { reads: 2, ..Counts::default() });
    // Another's order leaves them alone; one of hers gives the keys anew, and the rows as they are.
    let new = |user: &User, cents| NewOrder {
        id: None,
        user_id: user.id,
        status: Status::Paid,
        total_amount: money(cents),
        created_at: None,
    };
    orders.insert(new(&bob, 5_000)).unwrap();
    shop.meter.reset();
    largest();
    shop.meter.expect_counts(Counts { reads: 2, ..Counts::default() });
    let larger = orders.update(small.id, &costing(1_000)).unwrap();
    assert_eq!(largest(), [larger.clone(), large.clone()]);
    orders.delete(large.id).unwrap();
    assert_eq!(largest(), [larger]);
    // With nothing said, any order counts; and shapes are as ever.
    let emails = || {
        let orders = Order::repository(&shop.larder).with(Order::user());
        let loaded = orders.cached("all").load(|query| query.order(orders::total_amount.desc())).unwrap();
        loaded.into_iter().map(|(order, user)| (order.total_amount, user.email)).collect::<Vec<_>>()
    };
    assert_eq!(emails(), [(money(5_000), bob.email.clone()), (money(1_000), ada.email.clone())]);
    orders.insert(new(&ada, 9_000)).unwrap();
    assert_eq!(emails().len(), 3);
    let in_transaction = shop.larder.transaction(|tx| {
        let orders = Order::repository(tx);
        orders.insert(new(&ada, 1))?;
        orders.cached("all").load(|query| query)
    });
    assert_eq!(in_transaction.unwrap().len(), 4);
    assert_eq!(emails().len(), 4);
}

#[test]
fn values_of_the_applications_own_are_loaded_put_updated_and_forgotten() {
    let shop = Shop::new();
    let other = shop.branch();
    let of = |larder: &Larder<Pg>| larder.aside::<u32, String>("carts").clone().get(&7);
    let carts = shop.larder.aside::<u32, String>("carts");
    let never = || -> Result<String, Error> { panic!("it is there") };
    assert_eq!(carts.get(&7), None);
    assert_eq!(carts.load(&7, || Ok::<_, Error>("one".to_owned())).unwrap(), "one");
    assert_eq!(carts.load(&7, never).unwrap(), "one");
    assert_eq!((of(&other.larder).as_deref(), carts.get(&8)), (Some("one"), None));
    other.larder.aside::<u32, String>("carts").put(&7, &"two".to_owned()).unwrap();
    assert_eq!(carts.load(&7, never).unwrap(), "two");
    assert!(other.larder.aside::<u32, String>("carts").forget(&7));
    assert_eq!(carts.get(&7), None);
    let failed = carts.load(&7, || Err::<String, _>(Error::other("no")));
    assert!(failed.is_err());
    assert_eq!(carts.update(&7, || Ok(Some("three".to_owned()))).unwrap().as_deref(), Some("three"));
    assert_eq!(of(&other.larder).as_deref(), Some("three"));
    assert_eq!(carts.update(&7, || Ok(None)).unwrap(), None);
    assert_eq!(of(&other.larder), None);
    let figures = shop.larder.stats().asides;
    assert_eq!((figures.keys.missed, figures.statements_failed), (2, 1));
}

#[test]
fn what_was_computed_before_a_value_was_forgotten_or_written_is_not_stored_after_it() {
    let shop = Shop::new();
    let other = shop.branch();
    let (carts, others) = (shop.larder.aside::<u32, u32>("carts"), other.larder.aside::<u32, u32>("carts"));
    let overtaken = carts.load(&7, || {
        assert!(others.forget(&7));
        Ok::<_, Error>(1)
    });
    assert_eq!((overtaken.unwrap(), carts.get(&7)), (1, None));
    let overtaken = carts.load(&7, || others.put(&7, &2).map(|()| 1));
    assert_eq!((overtaken.unwrap(), carts.get(&7)), (1, Some(2)));
    // Of two who write at the same time nobody knows who was last where it matters.
    let both = carts.update(&7, || others.update(&7, || Ok(Some(3))).map(|_| Some(4)));
    assert_eq!((both.unwrap(), carts.get(&7)), (Some(4), None));
    // While one writes, nobody is served what was there, and nobody stores it.
    carts.put(&7, &5).unwrap();
    let written = carts.update(&7, || {
        assert_eq!((others.get(&7), others.load(&7, || Ok::<_, Error>(5)).unwrap(), others.get(&7)), (None, 5, None));
        Ok(Some(6))
    });
    assert_eq!((written.unwrap(), others.get(&7)), (Some(6), Some(6)));
    assert!(carts.update(&7, || Err(Error::other("no"))).is_err());
    assert_eq!(others.get(&7), None);
}

#[test]
fn numbers_over_a_key_are_kept_until_one_of_its_rows_changes() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let orders = Order::repository(&shop.larder);
    let first = shop.order(&ada, Status::Paid, 100, 1);
    let _ = shop.order(&ada, Status::Paid, 300, 2);
    let other = shop.order(&bob, Status::Paid, 7, 3);
    let of = |user: &User| {
        let list = || orders.list_by_user_id(user.id);
        let money = |sum: larder::Result<Option<BigDecimal>>| sum.unwrap();
        let days = (list().min(orders::created_at).unwrap(), list().max(orders::created_at).unwrap());
        (money(list().sum(orders::total_amount)), money(list().avg(orders::total_amount)), days)
    };
    let two = (Some(money(400)), Some(money(200)), (Some(day(1)), Some(day(2))));
    assert_eq!(of(&ada), two);
    assert_eq!(shop.meter.counts().sql, 4);
    shop.meter.reset();
    assert_eq!(of(&ada), two);
    shop.meter.expect_counts(Counts { reads: 4, ..Counts::default() });
    orders.update(other.id, &costing(9)).unwrap();
    shop.meter.reset();
    assert_eq!(of(&ada), two);
    shop.meter.expect_counts(Counts { reads: 4, ..Counts::default() });
    orders.update(first.id, &costing(500)).unwrap();
    assert_eq!(of(&ada).0, Some(money(800)));
    orders.update(first.id, &OrderChanges { user_id: Some(bob.id), ..Default::default() }).unwrap();
    assert_eq!((of(&ada).0, of(&bob).0), (Some(money(300)), Some(money(509))));
    let nobody = shop.user("eve");
    assert_eq!(of(&nobody), (None, None, (None, None)));
    let in_transaction: Option<BigDecimal> = shop
        .larder
        .transaction(|tx| {
            let orders = Order::repository(tx);
            orders.update(first.id, &costing(1_000))?;
            orders.list_by_user_id(bob.id).sum(orders::total_amount)
        })
        .unwrap();
    assert_eq!(in_transaction, Some(money(1_009)));
}

#[test]
fn a_column_that_is_null_is_not_taken_for_a_row_that_is_not_there() {
    let shop = Shop::new();
    let found = || {
        let query = shop.larder.query("nickname").depends_on::<User>();
        query.load(|connection| {
            let null = diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>("SELECT NULL::text");
            diesel::RunQueryDsl::get_result::<Option<String>>(null, connection).optional()
        })
    };
    assert_eq!((found().unwrap(), found().unwrap()), (Some(None), Some(None)));
}

#[test]
fn those_who_wait_for_one_who_fails_try_themselves_and_find_no_garbage() {
    let shop = Shop::new();
    let carts = || shop.larder.aside::<u32, u32>("carts");
    let (waits, go) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            carts().load(&7, || {
                waits.wait();
                go.wait();
                Err::<u32, _>(Error::other("no"))
            })
        });
        waits.wait();
        let others: Vec<_> = (0..4).map(|_| scope.spawn(|| carts().load(&7, || Ok::<_, Error>(1)).unwrap())).collect();
        // They have all seen that somebody is at it.
        eventually(Duration::from_secs(30), || shop.meter.counts().reads >= 5);
        go.wait();
        assert!(first.join().unwrap().is_err());
        assert!(others.into_iter().all(|other| other.join().unwrap() == 1));
    });
    let figures = shop.larder.stats().asides;
    assert_eq!(
        (figures.corrupt, figures.keys.missed, figures.keys.shared, figures.keys.bypassed.total()),
        (0, 2, 3, 0)
    );
    assert_eq!(shop.events.take(), [""; 0]);
}

#[test]
fn a_write_aside_that_fails_may_yet_happen_and_nothing_is_stored_meanwhile() {
    let shop = Shop::new();
    let carts = shop.larder.aside::<u32, u32>("carts");
    carts.put(&7, &1).unwrap();
    assert!(carts.update(&7, || Err(Error::other("it timed out"))).is_err());
    assert_eq!((carts.load(&7, || Ok::<_, Error>(1)).unwrap(), carts.get(&7)), (1, None));
    assert_eq!(shop.larder.stats().asides.fills_stored, 0);
}

#[test]
fn names_of_models_queries_are_their_own_and_versions_tell_forms_apart() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let (users, orders) = (User::repository(&shop.larder), Order::repository(&shop.larder));
    for _ in 0..2 {
        assert_eq!(users.cached("first").tagged("t").load(|query| query.limit(1)).unwrap(), slice::from_ref(&ada));
        assert_eq!(orders.cached("first").tagged("t").load(|query| query.limit(1)).unwrap(), slice::from_ref(&order));
    }
    assert_eq!(shop.larder.stats().queries.keys.missed, 2);
    let of = |version: u32| {
        let query = shop.larder.query("of").version(version).tagged("t");
        query.load(|_| Ok(version)).unwrap()
    };
    assert_eq!((of(0), of(0), of(1)), (0, 0, 1));
}
