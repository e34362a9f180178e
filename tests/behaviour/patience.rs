//! Reads that are not waited for as long as they take, on a database that answers late or not at all.

use std::{
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use diesel::{PgConnection, connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{
    Builder, Consistency, Error, Larder, MemoryStore, NearOptions, Patience, Repository, Result, TransactionOptions,
    store::ManualClock,
};
use shop_core::{Order, Status, User, UserChanges, schema::users};
use tests::{Cost, Counts, Meter, Namespace, Proxy, Shop, eventually, nobody, pool};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(60);
/// As good as at once, of a database that answers late.
const SHORT: Duration = Duration::from_millis(20);
const HARD: Patience = Patience::new().hard(SHORT);
const SOFT: Patience = Patience::new().soft(SHORT).stale_for(LONG);

/// A user whose copies are never older than the database.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
#[larder(name = "strict_users", near = strict)]
struct Strict {
    id: Uuid,
    email: String,
    created_at: DateTime<Utc>,
}

fn near(builder: Builder<Pg>) -> Builder<Pg> {
    builder.near(NearOptions::bytes(16 << 20))
}

fn shop() -> Shop {
    Shop::on(Namespace::new(), MemoryStore::new(), near)
}

/// Keeps everybody from reading users, or orders, until it is dropped.
struct Locked(Option<PgConnection>);

fn locked(shop: &Shop, table: &str) -> Locked {
    let mut connection = shop.database.connect();
    connection.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).unwrap();
    Locked(Some(connection))
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|mut connection| connection.batch_execute("ROLLBACK").unwrap());
    }
}

/// Empties the cells of a user, in the store and near.
fn emptied(larder: &Larder<Pg>, user: &User) {
    larder.transaction(|tx| tx.touched::<User>(&[user.id])).unwrap();
}

/// A user that is known near, was changed past larder, and has to be loaded anew.
fn changed(shop: &Shop, name: &str) -> (User, User) {
    let old = shop.user(name);
    assert_eq!(User::repository(&shop.larder).get(old.id).unwrap(), old);
    let new = User { email: format!("{name}@example.org"), ..old.clone() };
    let update = diesel::update(users::table.find(old.id)).set(users::email.eq(&new.email));
    update.execute(&mut shop.database.connect()).unwrap();
    emptied(&shop.larder, &old);
    shop.meter.reset();
    (old, new)
}

/// Waits until a user can be read near.
fn becomes_near(shop: &Shop, user: &User) {
    eventually(LONG, || {
        shop.meter.reset();
        assert_eq!(User::repository(&shop.larder).get(user.id).unwrap(), *user);
        shop.meter.counts() == Counts::default()
    });
}

fn times_out<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
}

#[test]
fn what_takes_longer_than_the_soft_time_is_given_old_and_loaded_in_the_background() {
    let shop = shop();
    let (old, new) = changed(&shop, "ada");
    let scope = shop.larder.scope().patience(SOFT);
    let users = User::repository(&scope);
    let lock = locked(&shop, "users");
    assert_eq!(scope.gave_stale(), None);
    assert_eq!(users.get(old.id).unwrap(), old);
    assert_eq!(shop.events.take(), ["stale: 1 of users"]);
    assert!(scope.gave_stale().is_some_and(|age| age < LONG));
    drop(lock);
    eventually(LONG, || shop.meter.counts().fills == 1);
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, leases: 1, fills: 1, ..Counts::default() });
    becomes_near(&shop, &new);
    assert_eq!(users.get(old.id).unwrap(), new);
    assert_eq!(shop.events.take(), [""; 0]);
}

#[test]
fn what_is_loaded_in_time_is_not_old() {
    let shop = shop();
    let (_, new) = changed(&shop, "ada");
    let scope = shop.larder.scope().patience(Patience::new().soft(LONG).hard(LONG).stale_for(LONG));
    assert_eq!(User::repository(&scope).get(new.id).unwrap(), new);
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, leases: 1, fills: 1, ..Counts::default() });
    assert_eq!((scope.gave_stale(), shop.events.take().len()), (None, 0));
}

#[test]
fn what_takes_longer_than_the_hard_time_fails_and_is_there_for_the_next_one() {
    let shop = shop();
    let ada = shop.user("ada");
    let users = User::repository(&shop.larder).patience(HARD);
    let lock = locked(&shop, "users");
    times_out(users.get(ada.id));
    times_out(users.find_many(&[ada.id]));
    drop(lock);
    eventually(LONG, || shop.meter.counts().fills == 1);
    assert_eq!(shop.meter.counts().sql, 1, "{}", shop.meter.log());
    becomes_near(&shop, &ada);
    assert_eq!(users.get(ada.id).unwrap(), ada);
}

#[test]
fn at_the_hard_time_an_old_value_is_better_than_none() {
    let shop = shop();
    let (old, _) = changed(&shop, "ada");
    let _lock = locked(&shop, "users");
    let users = User::repository(&shop.larder);
    assert_eq!(users.clone().patience(HARD.stale_for(LONG)).get(old.id).unwrap(), old);
    assert_eq!(shop.events.take(), ["stale: 1 of users"]);
    times_out(users.patience(HARD).get(old.id));
}

#[test]
fn a_load_that_fails_gives_what_was_last_known() {
    let shop = shop();
    let (old, _) = changed(&shop, "ada");
    let new = shop.user("new");
    shop.database.connect().batch_execute("ALTER TABLE users RENAME TO gone").unwrap();
    let users = User::repository(&shop.larder);
    let patient = [Patience::new(), Patience::new().soft(LONG), Patience::new().hard(LONG)];
    for patience in patient.map(|patience| patience.stale_for(LONG)) {
        assert_eq!(users.clone().patience(patience).get(old.id).unwrap(), old);
        assert_eq!(shop.events.take(), ["stale: 1 of users, since the database refused a statement"]);
        // Of this one nobody knows anything.
        let unknown = users.clone().patience(patience).find_many(&[old.id, new.id]);
        assert!(matches!(unknown, Err(Error::Database(_))), "{unknown:?}");
    }
    let strict = users.patience(Patience::new().hard(LONG)).get(old.id);
    assert!(matches!(strict, Err(Error::Database(_))), "{strict:?}");
    shop.database.connect().batch_execute("ALTER TABLE gone RENAME TO users").unwrap();
}

#[test]
fn while_the_database_is_away_nothing_hangs_and_what_is_known_is_given() {
    let shop = shop();
    let proxy = Proxy::to(shop.database.url());
    let meter = Meter::new();
    let builder = Larder::builder(pool(proxy.url(), &meter, 2)).shared(MemoryStore::new());
    let larder = near(builder).build();
    let [ada, bob] = ["ada", "bob"].map(|name| shop.user(name));
    let users = User::repository(&larder);
    users.find_many(&[ada.id, bob.id]).unwrap();
    assert!(larder.flush(LONG));
    emptied(&larder, &ada);
    proxy.lead_to("postgres://127.0.0.1:1/nobody");
    proxy.cut(|| true);

    let began = Instant::now();
    let patient = users.clone().patience(Patience::new().soft(SHORT).hard(SHORT * 5).stale_for(LONG));
    for _ in 0..20 {
        assert_eq!(patient.get(ada.id).unwrap(), ada);
        assert_eq!(patient.clone().reading(Consistency::Shared).get(bob.id).unwrap(), bob, "the store has it");
        let unknown = patient.find(nobody());
        assert!(matches!(unknown, Err(Error::TimedOut | Error::Database(_) | Error::Pool(_))), "{unknown:?}");
    }
    // The pool itself would wait for ten seconds each time.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    proxy.lead_to(shop.database.url());
    eventually(LONG, || patient.find(nobody()).is_ok());
}

#[test]
fn strict_reads_are_never_given_old_values() {
    let shop = shop();
    let (old, new) = changed(&shop, "ada");
    Strict::repository(&shop.larder).get(old.id).unwrap();
    shop.larder.transaction(|tx| tx.touched::<Strict>(&[old.id])).unwrap();
    let rename = |tx: &larder::Tx<Pg>| {
        User::repository(tx).update(new.id, &UserChanges { email: Some("x@y".into()), ..UserChanges::default() })
    };
    let (_, token) = shop.larder.transaction_token(TransactionOptions::default(), rename).unwrap();
    emptied(&shop.larder, &old);
    let (scope, writer) = (shop.larder.scope(), shop.larder.scope());
    writer.transaction(|tx| tx.touched::<User>(&[old.id])).unwrap();

    let _lock = locked(&shop, "users");
    let patience = SOFT.hard(SHORT);
    let users = || User::repository(&scope).patience(patience);
    assert_eq!(users().get(old.id).unwrap().id, old.id, "the last one is known, and given where it may be");
    assert_eq!(shop.events.take(), ["stale: 1 of users"]);
    times_out(users().reading(Consistency::Shared).get(old.id));
    times_out(users().reading(Consistency::Database).get(old.id));
    times_out(users().at_least_as_fresh_as(token).get(old.id));
    times_out(User::repository(&writer).patience(patience).get(old.id));
    times_out(User::repository(&scope.clone().at_least_as_fresh_as(token)).patience(patience).get(old.id));
    times_out(
        Strict::repository(&shop.larder)
            .patience(patience)
            .get(old.id)
            .map(|strict| (strict.id, strict.email, strict.created_at)),
    );
    assert_eq!(shop.events.take(), [""; 0]);
    assert_eq!(writer.gave_stale(), None);
}

#[test]
fn old_values_are_no_older_than_allowed_and_given_for_all_keys_or_none() {
    let clock = ManualClock::default();
    let options = NearOptions::bytes(16 << 20).clock(clock.clone());
    let shop = Shop::on(Namespace::new(), MemoryStore::new(), |builder| builder.near(options));
    let (ada, _) = changed(&shop, "ada");
    clock.advance(Duration::from_secs(10));
    let (bob, _) = changed(&shop, "bob");
    let cyd = shop.user("cyd");
    clock.advance(Duration::from_secs(10));
    let _lock = locked(&shop, "users");
    let users = User::repository(&shop.larder);
    let within = |seconds| users.clone().patience(SOFT.hard(SHORT).stale_for(Duration::from_secs(seconds)));
    assert_eq!(within(20).get(ada.id).unwrap(), ada);
    times_out(within(19).get(ada.id));
    assert_eq!(within(10).get(bob.id).unwrap(), bob);
    times_out(within(19).find_many(&[ada.id, bob.id]));
    assert_eq!(shop.events.take(), ["stale: 1 of users", "stale: 1 of users"]);
    assert_eq!(within(20).find_many(&[bob.id, ada.id]).unwrap(), [Some(bob.clone()), Some(ada)]);
    assert_eq!(shop.events.take(), ["stale: 2 of users"]);
    times_out(within(20).find_many(&[bob.id, cyd.id]));
    assert_eq!(shop.larder.stats().model("users").unwrap().gave_stale, 4);
}

#[test]
fn lists_counts_and_relations_are_given_old_too() {
    let shop = shop();
    let ada = shop.user("ada");
    let placed: Vec<Order> = (0..3).map(|n| shop.order(&ada, Status::Paid, 100, 3 - n)).collect();
    let orders = Order::repository(&shop.larder);
    let with_orders = User::repository(&shop.larder).with(User::orders());
    let by_user = orders.list_by_user_id(ada.id).load().unwrap();
    assert_eq!(with_orders.get(ada.id).unwrap(), (ada.clone(), by_user.clone()));
    shop.larder.transaction(|tx| tx.touched::<Order>(&[placed[0].id])).unwrap();
    emptied(&shop.larder, &ada);

    let _locks = (locked(&shop, "orders"), locked(&shop, "users"));
    shop.meter.reset();
    let began = Instant::now();
    assert_eq!(orders.clone().patience(SOFT).list_by_user_id(ada.id).load().unwrap(), by_user);
    assert_eq!(orders.clone().patience(SOFT).list_by_user_id(ada.id).limit(2).load().unwrap(), by_user[..2]);
    assert_eq!(orders.clone().patience(SOFT).count_by_user_id(ada.id).unwrap(), 3);
    assert_eq!(with_orders.clone().patience(SOFT).get(ada.id).unwrap(), (ada.clone(), by_user));
    assert_eq!(shop.events.take().len(), 5);
    // The whole call has one time: what its first level has used up, its second one lacks.
    times_out(with_orders.patience(HARD).get(ada.id));
    times_out(orders.patience(HARD).count_by_user_id(ada.id));
    assert!(began.elapsed() < LONG);
}

#[test]
fn what_the_store_has_is_given_however_short_the_time_is() {
    let shop = shop();
    let ada = shop.user("ada");
    User::repository(&shop.larder).get(ada.id).unwrap();
    shop.meter.reset();
    let _lock = locked(&shop, "users");
    let users = User::repository(&shop.larder).patience(Patience::new().hard(Duration::ZERO));
    assert_eq!(users.get(ada.id).unwrap(), ada);
    shop.meter.expect(Cost::default());
    assert_eq!(users.reading(Consistency::Shared).get(ada.id).unwrap(), ada);
    shop.meter.expect(Cost { store_reads: 1, ..Cost::default() });
}

#[test]
fn a_query_of_ones_own_waits_for_no_connection_beyond_the_hard_time() {
    let shop = shop();
    let ada = shop.user("ada");
    let larder = Larder::<Pg>::builder(shop.database.pool(&shop.meter, 1)).build();
    let users = User::repository(&larder);
    let began = Instant::now();
    larder
        .transaction(|_| {
            times_out(users.clone().patience(HARD).query(|query| query));
            times_out(users.clone().patience(Patience::new().hard(Duration::ZERO)).query(|query| query));
            Ok(())
        })
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "the pool would have waited for so long");
    assert_eq!(users.patience(Patience::new().hard(LONG)).query(|query| query).unwrap(), [ada]);
}

#[test]
fn a_transaction_has_no_patience() {
    let shop = shop();
    let ada = shop.user("ada");
    let impatient = Patience::new().hard(Duration::ZERO).stale_for(LONG);
    let read = shop.larder.transaction(|tx| User::repository(tx).patience(impatient).get(ada.id));
    assert_eq!(read.unwrap(), ada);
}

#[test]
fn many_that_give_up_leave_the_handle_as_good_as_new() {
    let shop = shop();
    let ids: Vec<Uuid> = (0..40).map(|n| shop.user(&format!("user-{n}")).id).collect();
    let lock = locked(&shop, "users");
    thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| times_out(User::repository(&shop.larder).patience(HARD).get(*id)));
        }
    });
    drop(lock);
    eventually(LONG, || {
        shop.meter.reset();
        let found = User::repository(&shop.larder).reading(Consistency::Shared).find_many(&ids).unwrap();
        assert_eq!(found.iter().flatten().count(), ids.len());
        // Nothing is loaded any more, and everything is there.
        shop.meter.counts() == Counts { reads: 1, ..Counts::default() }
    });
}
