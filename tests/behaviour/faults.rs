//! What breaks between the steps of a write or a read, and the exact outcome.

use std::{sync::Arc, time::Duration};

use diesel::{RunQueryDsl as _, sql_query};
use larder::{Error, Larder};
use shop_core::{User, UserChanges};
use tests::{Cost, Failure, Namespace, Operation, OwnRedis, SHOP, Shop, eventually, redis_store};

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

/// A shop on a Redis of its own.
fn shop_on(redis: &OwnRedis) -> Shop {
    let namespace = Namespace::new();
    let store = redis_store(&redis.url(), &namespace);
    Shop::on(namespace, store, |builder| builder)
}

#[test]
fn redis_away_before_begin_rolls_the_write_back() {
    let redis = OwnRedis::new();
    let shop = shop_on(&redis);
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    redis.kill();
    let refused = users.update(ada.id, &renamed("never@example.com"));
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    assert_eq!(users.get(ada.id).unwrap(), ada);
    redis.restart();
    assert_eq!(users.get(ada.id).unwrap(), ada);
}

#[test]
fn redis_gone_between_begin_and_commit_loses_no_write_and_serves_nothing_old() {
    let redis = OwnRedis::new();
    let shop = shop_on(&redis);
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    let kill = redis.clone();
    shop.faults.after(Operation::Begin).nth(1).run(move || kill.kill());
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    assert_eq!(users.get(ada.id).unwrap(), changed);
    assert!(shop.events.take().iter().any(|event| event.starts_with("finish delayed")));
    redis.restart();
    assert_eq!(users.get(ada.id).unwrap(), changed);
}

#[test]
fn redis_gone_before_finish_loses_no_write_and_serves_nothing_old() {
    let redis = OwnRedis::new();
    let shop = shop_on(&redis);
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    let kill = redis.clone();
    shop.faults.before(Operation::Finish).nth(1).run(move || kill.kill());
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    assert_eq!(users.get(ada.id).unwrap(), changed);
    redis.restart();
    assert_eq!(users.get(ada.id).unwrap(), changed);
    assert!(users.find_by_email("ada@example.com").unwrap().is_none());
}

#[test]
fn a_finish_that_is_lost_is_made_up_for() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    shop.faults.before(Operation::Finish).nth(1).fail(Failure::Unavailable);
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    // Until then the markers send every reader to the database; the repair then writes the new row through.
    eventually(Duration::from_secs(10), || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), changed);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn a_begin_whose_outcome_is_unknown_is_tried_once_more_under_another_name() {
    let shop = Shop::built(|builder| {
        builder.commit_within(Duration::from_millis(400)).commit_takes(Duration::from_millis(1600))
    });
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    shop.faults.after(Operation::Begin).nth(1).fail(Failure::TimedOut);
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    shop.meter.reset();
    // The first marker stands until it expires, and keeps the cell out of use.
    assert_eq!(users.get(ada.id).unwrap(), changed);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 0 });
    eventually(Duration::from_secs(10), || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), changed);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn two_failed_begins_roll_the_write_back_and_their_markers_expire() {
    let shop = Shop::built(|builder| {
        builder.commit_within(Duration::from_millis(400)).commit_takes(Duration::from_millis(1600))
    });
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    shop.faults.after(Operation::Begin).fail(Failure::TimedOut);
    let refused = users.update(ada.id, &renamed("never@example.com"));
    assert!(matches!(&refused, Err(Error::Store(error)) if error.is_timeout()), "{refused:?}");
    shop.faults.clear();
    eventually(Duration::from_secs(10), || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), ada);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn a_begin_that_takes_too_long_rolls_the_write_back() {
    let shop = Shop::built(|builder| builder.commit_within(Duration::from_millis(100)));
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    shop.faults.after(Operation::Begin).run(|| std::thread::park_timeout(Duration::from_millis(150)));
    let refused = users.update(ada.id, &renamed("never@example.com"));
    assert!(matches!(refused, Err(Error::TooSlow { n_cells: 3 })), "{refused:?}");
    shop.faults.clear();
    // Nothing is left in doubt.
    users.get(ada.id).unwrap();
    shop.meter.reset();
    assert_eq!(users.get(ada.id).unwrap(), ada);
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
}

#[test]
fn postgres_ends_a_transaction_that_idles_too_long() {
    let shop = Shop::built(|builder| builder.commit_within(Duration::from_millis(200)));
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    let refused = shop.larder.transaction(|tx| {
        User::repository(tx).update(ada.id, &renamed("never@example.com"))?;
        let pid: i32 = tx.run(|connection| {
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()")).get_result(connection)
        })?;
        eventually(Duration::from_secs(10), || {
            let alive = format!("SELECT 1 FROM pg_stat_activity WHERE pid = {pid}");
            sql_query(alive).execute(&mut shop.database.connect()).unwrap() == 0
        });
        Ok(())
    });
    assert!(refused.is_err());
    assert_eq!(users.get(ada.id).unwrap(), ada);
}

#[test]
fn a_connection_lost_at_commit_is_unknown_and_its_cells_stay_in_doubt_until_it_is_certain() {
    let shop = Shop::built(|builder| {
        builder.commit_within(Duration::from_millis(400)).commit_takes(Duration::from_millis(1600))
    });
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    let url = shop.database.url().to_owned();
    shop.faults.after(Operation::Begin).nth(1).run(move || {
        use diesel::Connection as _;
        let mut connection = diesel::PgConnection::establish(&url).unwrap();
        sql_query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle in transaction'",
        )
        .execute(&mut connection)
        .unwrap();
    });
    let unknown = users.update(ada.id, &renamed("never@example.com"));
    assert!(matches!(unknown, Err(Error::CommitUnknown(_))), "{unknown:?}");
    assert!(shop.events.take().contains(&"commit unknown: 3".to_owned()));
    // Readers go to the database, and fill nothing, until the markers have expired.
    shop.meter.reset();
    assert_eq!(users.get(ada.id).unwrap(), ada);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 0 });
    eventually(Duration::from_secs(10), || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), ada);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn a_store_that_fails_costs_a_reader_speed_and_no_answer() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    for operation in [Operation::Read, Operation::Lease, Operation::Fill] {
        for failure in [Failure::TimedOut, Failure::Unavailable, Failure::Refused] {
            shop.faults.clear();
            shop.faults.before(operation).fail(failure);
            assert_eq!(users.get(ada.id).unwrap(), ada);
            assert_eq!(users.find_by_email("ada@example.com").unwrap().as_ref(), Some(&ada));
        }
    }
    assert_eq!(shop.namespace.keys().iter().filter(|key| key.contains("users")).count(), 2);
    assert!(!shop.events.take().is_empty());
}

#[test]
fn after_a_lease_whose_outcome_is_unknown_nothing_is_filled() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    shop.faults.after(Operation::Lease).nth(1).fail(Failure::TimedOut);
    users.get(ada.id).unwrap();
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 1 });
}

#[test]
fn a_write_between_lease_and_fill_refuses_the_fill() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    let other = Arc::new(shop.branch());
    let (writer, id) = (Arc::clone(&other), ada.id);
    shop.faults.before(Operation::Fill).nth(1).run(move || {
        User::repository(&writer.larder).update(id, &renamed("new@example.com")).unwrap();
    });
    // What was read before the write may be returned, since the read began before it; it must not be stored.
    assert_eq!(users.get(ada.id).unwrap(), ada);
    assert_eq!(shop.events.take(), [format!("refused: users:id:{}", ada.id)]);
    assert_eq!(users.get(ada.id).unwrap().email, "new@example.com");
    assert_eq!(User::repository(&other.larder).get(ada.id).unwrap().email, "new@example.com");
}

#[test]
fn bytes_that_are_no_row_are_a_counted_miss() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    let mut redis = redis::Client::open(tests::redis_url()).unwrap().get_connection().unwrap();
    let [key] = &shop.namespace.keys()[..] else { panic!("one cell") };
    let cell: Vec<u8> = redis::Commands::get(&mut redis, key).unwrap();
    let cut = [&cell[..cell.len() - 3], &cell[..33], &[&cell[..33], &[9, 9][..]].concat(), &[&cell[..], b"x"].concat()]
        .map(<[u8]>::to_vec);
    let foreign = [Vec::new(), b"garbage".to_vec(), vec![b'V'; 40], [&b"V"[..], &[b'0'; 60]].concat()];
    for garbage in cut.into_iter().chain(foreign) {
        let () = redis::Commands::set(&mut redis, key, &garbage).unwrap();
        assert_eq!(users.get(ada.id).unwrap(), ada, "{garbage:?}");
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), ada);
        shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
    }
    assert_eq!(shop.events.take().iter().filter(|event| event.starts_with("corrupt")).count(), 4);
}

#[test]
fn an_exhausted_pool_is_an_error_and_no_wait_without_end() {
    let database = SHOP.database();
    let pool = diesel::r2d2::Pool::builder()
        .max_size(1)
        .connection_timeout(Duration::from_millis(50))
        .build(diesel::r2d2::ConnectionManager::<diesel::PgConnection>::new(database.url()))
        .unwrap();
    let larder = Larder::<diesel::pg::Pg>::builder(pool).shared(larder::MemoryStore::new()).build();
    let result = larder.transaction(|_tx| {
        let outside = User::repository(&larder).find(tests::nobody());
        assert!(matches!(outside, Err(Error::Pool(_))));
        Ok(())
    });
    assert!(result.is_ok());
}
