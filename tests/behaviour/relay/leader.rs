//! Several relays on one outbox.

use diesel::{dsl::sql, sql_types::BigInt};

use super::*;

fn n_leaders(connection: &mut PgConnection) -> i64 {
    let locks = "count(*) FROM pg_locks WHERE locktype = 'advisory' AND database =
        (SELECT oid FROM pg_database WHERE datname = current_database())";
    diesel::select(sql::<BigInt>(locks)).get_result(connection).unwrap()
}

#[test]
fn of_two_relays_one_works_and_each_row_is_settled_once() {
    let shop = Shop::new();
    let other = shop.branch();
    let handles = [&shop.larder, &other.larder].map(|larder| Relay::builder(larder).start().unwrap());
    let mut connection = shop.database.connect();
    for _ in 0..300 {
        add(&mut connection, &[format!("users:id:{}", nobody())]);
    }
    let n_rows = || handles.iter().map(|handle| handle.figures().n_rows).sum::<u64>();
    eventually(LONG, || n_rows() >= 300);
    assert_eq!(n_rows(), 300);
    assert_eq!(handles.iter().filter(|handle| handle.figures().is_leader).count(), 1);
    assert_eq!(n_leaders(&mut connection), 1);
    let n_settled = |branch: &tests::Meter| branch.log().matches("users:id:").count();
    // More than five keys of a call are not shown one by one, so calls tell no more than this.
    assert!(n_settled(&shop.meter) == 0 || n_settled(&other.meter) == 0);
}

#[test]
fn a_row_that_one_relay_has_in_its_hands_is_not_anothers_and_nobody_waits_for_it() {
    let shop = Shop::new();
    let other = shop.branch();
    let mut connection = shop.database.connect();
    add(&mut connection, &["users:id:1".to_owned()]);
    let gate = shop.faults.before(Operation::Settle).hold();
    let handle = Relay::builder(&shop.larder).start().unwrap();
    gate.wait_for(1);
    assert_eq!(relay(&other.larder).run_once().unwrap(), 0);
    // Nor does a writer wait: this row comes in, and is taken by whoever is free.
    add(&mut connection, &["users:id:2".to_owned()]);
    assert_eq!(relay(&other.larder).run_once().unwrap(), 1);
    gate.open();
    eventually(LONG, || handle.figures().n_rows == 1);
    assert!(outbox(&mut connection).is_empty());
}

#[test]
fn when_the_leader_goes_another_takes_over_and_nothing_of_it_stays_in_the_pool() {
    let shop = Shop::new();
    let other = shop.branch();
    let first = Relay::builder(&shop.larder).start().unwrap();
    eventually(LONG, || first.figures().is_leader);
    let second = Relay::builder(&other.larder).start().unwrap();
    let mut connection = shop.database.connect();
    // Its session ends; it may be the leader again, but there is one.
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND database =
        (SELECT oid FROM pg_database WHERE datname = current_database())";
    connection.batch_execute(end).unwrap();
    add(&mut connection, &["users:id:1".to_owned()]);
    eventually(LONG, || first.figures().n_rows + second.figures().n_rows == 1);
    // It is told to end.
    let _ = first.stop();
    eventually(LONG, || second.figures().is_leader);
    assert_eq!(n_leaders(&mut connection), 1);
    let n_before = second.figures().n_rows;
    add(&mut connection, &["users:id:2".to_owned()]);
    eventually(LONG, || second.figures().n_rows == n_before + 1);
    let _ = second.stop();
    assert_eq!(n_leaders(&mut connection), 0, "the pool got the connection back with the lock");
    let listening = "count(*) FROM pg_listening_channels()";
    for _ in 0..4 {
        let channels = other.larder.transaction(|tx| {
            tx.run(|connection| diesel::select(sql::<BigInt>(listening)).get_result::<i64>(connection))
        });
        assert_eq!(channels.unwrap(), 0);
    }
}

#[test]
fn relays_on_outboxes_of_two_schemas_do_not_keep_each_other_from_work() {
    let shop = Shop::new();
    let mut connection = shop.database.connect();
    connection.batch_execute("CREATE SCHEMA beside; SET search_path = beside").unwrap();
    connection.batch_execute(larder::outbox::UP).unwrap();
    let url = format!("{}?options=-csearch_path%3Dbeside", shop.database.url());
    let pool = tests::pool(&url, &tests::Meter::new(), 2);
    let beside = Larder::<diesel::pg::Pg>::builder(pool).shared(larder::MemoryStore::new()).build();
    let handles = [&shop.larder, &beside].map(|larder| Relay::builder(larder).start().unwrap());
    eventually(LONG, || handles.iter().all(|handle| handle.figures().is_leader));
    add(&mut connection, &["users:id:1".to_owned()]);
    eventually(LONG, || handles[1].figures().n_rows == 1);
    assert_eq!(handles[0].figures().n_rows, 0);
}
