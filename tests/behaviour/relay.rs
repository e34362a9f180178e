//! The relay: that it loses nothing however it ends, and what it does to others meanwhile.

mod crash;
mod leader;

use std::time::{Duration, Instant};

use diesel::{PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use larder::{
    Event, HandleEvent, Larder, Models,
    relay::{Error, Relay},
};
use shop_core::{Order, Status, User, UserChanges};
use tests::{Branch, Cost, Failure, Operation, Shop, eventually, nobody};
use uuid::Uuid;

use crate::outbox::outbox;

const LONG: Duration = Duration::from_secs(30);
const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

/// A handle for which the store is away, for as long as it lives.
fn cut_off(shop: &Shop) -> Branch {
    let branch = shop.branch();
    for operation in Operation::ALL {
        branch.faults.before(operation).fail(Failure::Unavailable);
    }
    branch
}

fn relay(larder: &Larder<diesel::pg::Pg>) -> Relay {
    Relay::builder(larder).build().unwrap()
}

/// Adds a row as larder does.
fn add(connection: &mut PgConnection, keys: &[String]) {
    use diesel::sql_types::{Array, Binary};
    let keys: Vec<_> = keys.iter().map(String::as_bytes).collect();
    let insert = sql_query("INSERT INTO larder_outbox (cells) VALUES ($1)").bind::<Array<Binary>, _>(keys);
    assert_eq!(insert.execute(connection).unwrap(), 1);
}

#[test]
fn others_read_the_old_row_until_a_relay_has_settled_it_and_never_after() {
    let shop = Shop::new();
    let (ada, writer) = (shop.user("ada"), cut_off(&shop));
    let users = User::repository(&shop.larder);
    users.get(ada.id).unwrap();
    users.find_by_email("ada@example.com").unwrap();
    assert_eq!(users.find_by_email("new@example.com").unwrap(), None);
    let changed = User::repository(&writer.larder).update(ada.id, &renamed("new@example.com")).unwrap();
    assert_eq!(users.get(ada.id).unwrap(), ada);
    let lag = Relay::lag(&writer.larder).unwrap();
    assert!(lag.n_rows == 1 && lag.oldest.is_some(), "{lag:?}");
    assert_eq!(relay(&shop.larder).run_once().unwrap(), 1);
    for users in [&users, &User::repository(&shop.branch().larder)] {
        assert_eq!(users.get(ada.id).unwrap(), changed);
        assert_eq!(users.find_by_email("ada@example.com").unwrap(), None);
        assert_eq!(users.find_by_email("new@example.com").unwrap().as_ref(), Some(&changed));
    }
    assert_eq!(shop.events.take(), ["relayed: 4"]);
    let lag = Relay::lag(&shop.larder).unwrap();
    assert!(lag.n_rows == 0 && lag.oldest.is_none(), "{lag:?}");
    assert_eq!(relay(&shop.larder).run_once().unwrap(), 0);
    // The writer passes by what it wrote for as long as it could not settle it itself, which is nobody else's business.
    assert_eq!(User::repository(&writer.larder).get(ada.id).unwrap(), changed);
}

#[test]
fn a_relay_that_had_work_looks_often_and_tells_how_long_it_took() {
    let shop = Shop::new();
    let handle = Relay::builder(&shop.larder).start().unwrap();
    eventually(LONG, || handle.figures().is_leader);
    let (mut connection, started) = (shop.database.connect(), Instant::now());
    for n in 1..=40 {
        add(&mut connection, &[format!("users:id:{}", nobody())]);
        eventually(LONG, || handle.figures().n_rows == n);
    }
    // Of these nobody notifies it, and at rest it looks every second: that would be some forty of them.
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let figures = handle.figures();
    assert_eq!((figures.n_rows, figures.n_cells), (40, 40));
    assert!(figures.lag_at(0.5) <= figures.lag_at(0.99) && figures.lag_at(1.0) == figures.longest, "{figures:?}");
    assert_eq!(handle.lag().unwrap().n_rows, 0);
    let _ = handle.stop();
}

#[test]
fn a_relay_at_rest_is_woken_by_a_row_of_a_model_and_finds_one_that_does_not_wake_it() {
    let shop = Shop::new();
    // Of a model that it does not know, the relay settles all that the store has: the longer, the more other tests have put there.
    let handle = Relay::builder(&shop.larder).models(Models::new().with::<User>()).start().unwrap();
    let mut connection = shop.database.connect();
    let mut lag_of = |n: u64, act: &dyn Fn(&mut PgConnection)| {
        let rested = Instant::now();
        // It has gone to rest, and would look again in most of a second.
        eventually(LONG, || rested.elapsed() > Duration::from_millis(1_100));
        let added = Instant::now();
        act(&mut connection);
        eventually(LONG, || handle.figures().n_rows == n);
        added.elapsed()
    };
    lag_of(1, &|connection| add(connection, &["users:id:1".to_owned()]));
    let changed = |connection: &mut PgConnection| {
        connection.batch_execute("INSERT INTO larder_outbox (model, rows) VALUES ('users', '[]')").unwrap();
    };
    // A busy machine is late now and then, but not each time; one that is not woken would be.
    assert!((2..=30).any(|n| lag_of(n, &changed) < Duration::from_millis(500)));
}

#[test]
fn only_the_first_row_of_a_model_notifies_since_those_who_notify_commit_one_after_the_other() {
    let shop = Shop::new();
    let (mut listener, mut writer) = (shop.database.connect(), shop.database.connect());
    listener.batch_execute("LISTEN larder_outbox").unwrap();
    let mut n_heard = |statement: &str| {
        writer.batch_execute(statement).unwrap();
        // A statement of one's own brings along what was committed before it.
        listener.batch_execute("SELECT 1").unwrap();
        listener.notifications_iter().count()
    };
    assert_eq!(n_heard("INSERT INTO larder_outbox (cells) VALUES ('{a}'), ('{b}'); DELETE FROM larder_outbox"), 0);
    assert_eq!(n_heard("INSERT INTO larder_outbox (model) VALUES ('a'), ('b')"), 1);
    assert_eq!(n_heard("INSERT INTO larder_outbox (model) VALUES ('a')"), 0);
    assert_eq!(n_heard("DELETE FROM larder_outbox"), 0);
    // Also where the table is not on the way of whoever adds to it.
    assert_eq!(n_heard("SET search_path = ''; INSERT INTO public.larder_outbox (model) VALUES ('a')"), 1);
}

#[test]
fn a_long_row_is_settled_in_many_calls_and_large_rows_are_taken_a_few_at_a_time() {
    let shop = Shop::new();
    let mut connection = shop.database.connect();
    let keys: Vec<String> = (0..20_000).map(|_| format!("users:id:{}", nobody())).collect();
    add(&mut connection, &keys);
    // Those of the second row are the same: they are settled once.
    add(&mut connection, &keys);
    assert_eq!(relay(&shop.larder).run_once().unwrap(), 2);
    assert_eq!(shop.meter.counts().settles, 40);
    assert_eq!(shop.meter.log().matches("settle").count(), 40, "{}", shop.meter.log());
    assert_eq!(shop.events.take(), ["relayed: 20000"]);
    for _ in 0..3 {
        let keys: Vec<String> = (0..100_000).map(|_| format!("users:id:{}", nobody())).collect();
        add(&mut connection, &keys);
    }
    assert_eq!(relay(&shop.larder).run_once().unwrap(), 3);
    assert_eq!(shop.events.take(), ["relayed: 200000", "relayed: 100000"]);
}

#[test]
fn a_row_of_a_model_settles_all_that_the_store_has_of_it_and_nothing_else() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let (users, orders) = (User::repository(&shop.larder), Order::repository(&shop.larder));
    users.find_many(&[ada.id, bob.id]).unwrap();
    orders.get(order.id).unwrap();
    let mut psql = shop.database.connect();
    psql.batch_execute(
        "UPDATE users SET email = 'by-hand-' || email;
         INSERT INTO larder_outbox (model) VALUES ('users'), ('users'), ('nobody knows');
         INSERT INTO larder_outbox (cells) VALUES ('{}'), ('{NULL}');",
    )
    .unwrap();
    assert_eq!(users.get(ada.id).unwrap(), ada);
    assert_eq!(relay(&shop.larder).run_once().unwrap(), 5);
    assert_eq!(shop.events.take(), ["relayed: 2"]);
    assert_eq!(users.get(ada.id).unwrap().email, "by-hand-ada@example.com");
    assert_eq!(users.get(bob.id).unwrap().email, "by-hand-bob@example.com");
    shop.meter.reset();
    orders.get(order.id).unwrap();
    shop.meter.expect(WARM);
    assert!(outbox(&mut psql).is_empty());
}

#[test]
fn rows_of_a_declared_model_settle_their_own_cells_and_no_others() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let users = User::repository(&shop.larder);
    users.find_many(&[ada.id, bob.id]).unwrap();
    assert_eq!(users.find_by_email("new@example.com").unwrap(), None);
    users.find_by_email("ada@example.com").unwrap();
    let mut psql = shop.database.connect();
    let change = format!(
        "INSERT INTO larder_outbox (model, rows)
             SELECT 'users', jsonb_build_array(to_jsonb(users)) FROM users WHERE id = '{0}';
         UPDATE users SET email = 'new@example.com' WHERE id = '{0}';
         INSERT INTO larder_outbox (model, rows)
             SELECT 'users', jsonb_build_array(to_jsonb(users)) FROM users WHERE id = '{0}';",
        ada.id
    );
    psql.batch_execute(&change).unwrap();
    let relay = Relay::builder(&shop.larder).models(Models::new().with::<User>()).build().unwrap();
    assert_eq!(relay.run_once().unwrap(), 2);
    assert_eq!(shop.events.take(), ["relayed: 4"]);
    let changed = User { email: "new@example.com".to_owned(), ..ada };
    assert_eq!(users.get(changed.id).unwrap(), changed);
    assert_eq!(users.find_by_email("ada@example.com").unwrap(), None);
    assert_eq!(users.find_by_email("new@example.com").unwrap().as_ref(), Some(&changed));
    shop.meter.reset();
    users.get(bob.id).unwrap();
    shop.meter.expect(WARM);
    // What can't be read may be any row, and is no reason to stop.
    psql.batch_execute("INSERT INTO larder_outbox (model, rows) VALUES ('users', '[{\"id\": 7}]'), ('users', '7')")
        .unwrap();
    assert_eq!(relay.run_once().unwrap(), 2);
    shop.meter.reset();
    users.get(bob.id).unwrap();
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 2 });
}

#[test]
fn too_many_rows_become_one_a_model_while_the_store_is_away_and_nothing_is_lost() {
    let shop = Shop::new();
    let (ada, writer) = (shop.user("ada"), cut_off(&shop));
    let (order, away) = (shop.order(&ada, Status::Paid, 100, 1), cut_off(&shop));
    let (users, orders) = (User::repository(&shop.larder), Order::repository(&shop.larder));
    users.get(ada.id).unwrap();
    orders.list_by_user_id(ada.id).load().unwrap();
    orders.get(order.id).unwrap();
    let mut changed = ada.clone();
    for n in 0..30 {
        let email = format!("{n}@example.com");
        changed = User::repository(&writer.larder).update(ada.id, &renamed(&email)).unwrap();
    }
    // Numbers that nobody has are no rows.
    let undone = "BEGIN; INSERT INTO larder_outbox (model) SELECT 'users' FROM generate_series(1, 50); ROLLBACK";
    shop.database.connect().batch_execute(undone).unwrap();
    Order::repository(&writer.larder).delete(order.id).unwrap();
    assert_eq!(outbox(&mut shop.database.connect()).len(), 31);
    // As many as are allowed stay as they are.
    let handle = Relay::builder(&away.larder).max_rows(31).start().unwrap();
    let mut n_failed = 0;
    eventually(LONG, || {
        n_failed += away.events.take().iter().filter(|event| *event == "failed: relay").count();
        n_failed > 1
    });
    let _ = handle.stop();
    assert_eq!(outbox(&mut shop.database.connect()).len(), 31);
    let oldest = Relay::lag(&shop.larder).unwrap().oldest.unwrap();
    let handle = Relay::builder(&away.larder).max_rows(30).start().unwrap();
    // Users, orders, and the items of the order that is gone.
    eventually(LONG, || outbox(&mut shop.database.connect()) == [0, 0, 0]);
    assert!(handle.lag().unwrap().oldest.unwrap() >= oldest, "what waited longest still does");
    assert_eq!(handle.figures().n_rows, 0);
    let _ = handle.stop();
    assert_eq!(users.get(ada.id).unwrap(), ada, "the store was never told");
    assert_eq!(relay(&shop.larder).run_once().unwrap(), 3);
    assert_eq!(users.get(ada.id).unwrap(), changed);
    assert!(orders.list_by_user_id(ada.id).load().unwrap().is_empty());
    assert_eq!(orders.find(order.id).unwrap(), None);
}

#[test]
fn a_handle_without_a_store_has_no_relay() {
    let shop = Shop::new();
    let without = Larder::<diesel::pg::Pg>::builder(shop.database.pool(&shop.meter, 1)).build();
    assert!(matches!(Relay::builder(&without).build(), Err(Error::NoStore)));
    assert!(matches!(Relay::builder(&without).start(), Err(Error::NoStore)));
}

#[test]
fn a_relay_whose_handler_of_events_panics_goes_on() {
    struct Fragile;
    impl HandleEvent for Fragile {
        fn handle(&self, event: Event<'_>) {
            assert!(!matches!(event, Event::Relayed { .. }), "as a careless handler would");
        }
    }
    let shop = Shop::built(|builder| builder.events(Fragile));
    let handle = Relay::builder(&shop.larder).start().unwrap();
    let mut connection = shop.database.connect();
    for n in 1..=2 {
        add(&mut connection, &[format!("users:id:{}", Uuid::nil())]);
        eventually(LONG, || handle.figures().n_rows == n);
    }
    assert!(outbox(&mut connection).is_empty());
}
