//! What breaks between the steps of a write or a read, and the exact outcome.

use std::time::{Duration, Instant};

use diesel::{RunQueryDsl as _, pg::Pg, sql_query};
use larder::{Error, Larder, Writes};
use servers::RedisOptions;
use shop_core::{User, UserChanges};
use tests::{Cost, Meter, Namespace, Operation, OwnRedis, Proxy, SHOP, Shop, eventually, redis_store};

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

/// A shop on a Redis of its own.
fn shop_on(redis: &OwnRedis) -> Shop {
    let namespace = Namespace::new();
    let store = redis_store(&redis.url(), &namespace);
    Shop::on(namespace, store, |builder| builder)
}

/// A Redis that has all it had when it is back: what it forgets could not be old.
fn lasting_redis() -> OwnRedis {
    OwnRedis::with(RedisOptions { persistent: true, ..RedisOptions::default() })
}

#[test]
fn redis_away_before_begin_rolls_the_write_back() {
    let redis = OwnRedis::new();
    let namespace = Namespace::new();
    let store = redis_store(&redis.url(), &namespace);
    let shop = Shop::on(namespace, store, |builder| builder.writes(Writes::Strict));
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
    let redis = lasting_redis();
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
    let redis = lasting_redis();
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
fn postgres_ends_a_transaction_that_idles_too_long() {
    let (within, takes) = (Duration::from_millis(500), Duration::from_millis(1500));
    let shop = Shop::built(|builder| builder.commit_within(within).commit_takes(takes));
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    let mut sent = None;
    let unknown = shop.larder.transaction(|tx| {
        let pid: i32 = tx.run(|connection| {
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()")).get_result(connection)
        })?;
        User::repository(tx).update(ada.id, &renamed("never@example.com"))?;
        let mut beside = shop.database.connect();
        eventually(Duration::from_secs(30), || {
            let alive = format!("SELECT 1 FROM pg_stat_activity WHERE pid = {pid}");
            sql_query(alive).execute(&mut beside).unwrap() == 0
        });
        sent = Some(Instant::now());
        Ok(())
    });
    // The connection is gone when COMMIT is sent, and a handle can't tell that from one that is lost after it.
    assert!(matches!(unknown, Err(Error::CommitUnknown(_))), "{unknown:?}");
    assert_eq!(shop.events.take(), ["commit unknown: 4"]);
    in_doubt_until_certain(&shop.larder, &shop.meter, sent.unwrap(), within + takes, &ada);
    assert!(users.find_by_email("never@example.com").unwrap().is_none());
}

/// Reads a row until it is warm: as long as the markers that were sent after `sent` stand, every read is a statement and fills
/// nothing.
fn in_doubt_until_certain(larder: &Larder<Pg>, meter: &Meter, sent: Instant, hold: Duration, expected: &User) {
    // The store's clock counts whole milliseconds.
    let hold = hold - Duration::from_millis(20);
    eventually(hold + Duration::from_secs(30), || {
        meter.reset();
        assert_eq!(User::repository(larder).get(expected.id).unwrap(), *expected);
        let cost = meter.counts().cost();
        if sent.elapsed() < hold {
            assert_eq!(cost, Cost { sql: 1, store_reads: 1, store_writes: 0 });
        }
        cost.sql == 0
    });
}

#[test]
fn a_connection_lost_at_commit_is_unknown_and_its_cells_stay_in_doubt_until_it_is_certain() {
    let (within, takes) = (Duration::from_millis(400), Duration::from_millis(1600));
    let shop = Shop::built(|builder| builder.commit_within(within).commit_takes(takes));
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
    let sent = Instant::now();
    let unknown = users.update(ada.id, &renamed("never@example.com"));
    assert!(matches!(unknown, Err(Error::CommitUnknown(_))), "{unknown:?}");
    assert!(shop.events.take().contains(&"commit unknown: 4".to_owned()));
    in_doubt_until_certain(&shop.larder, &shop.meter, sent, within + takes, &ada);
}

#[test]
fn after_a_commit_whose_answer_is_lost_everybody_reads_the_new_row() {
    let (within, takes) = (Duration::from_millis(500), Duration::from_millis(1500));
    let shop = Shop::new();
    let proxy = Proxy::to(shop.database.url());
    let branch = shop.branch_through(&proxy, |builder| builder.commit_within(within).commit_takes(takes));
    let (ada, reader, writer) = (shop.user("ada"), User::repository(&shop.larder), User::repository(&branch.larder));
    assert_eq!(writer.get(ada.id).unwrap(), ada);
    assert_eq!(reader.find_by_email("ada@example.com").unwrap().as_ref(), Some(&ada));
    assert_eq!(reader.find_by_email("new@example.com").unwrap(), None);
    proxy.lose_the_answer_to_commit();
    let sent = Instant::now();
    let unknown = writer.update(ada.id, &renamed("new@example.com"));
    assert!(matches!(unknown, Err(Error::CommitUnknown(_))), "{unknown:?}");
    assert_eq!(branch.events.take(), ["commit unknown: 4"]);
    let changed = User { email: "new@example.com".to_owned(), ..ada };
    for users in [&reader, &writer] {
        assert_eq!(users.get(changed.id).unwrap(), changed);
        assert_eq!(users.find_by_email("new@example.com").unwrap().as_ref(), Some(&changed));
        assert_eq!(users.find_by_email("ada@example.com").unwrap(), None);
    }
    in_doubt_until_certain(&shop.larder, &shop.meter, sent, within + takes, &changed);
    in_doubt_until_certain(&branch.larder, &branch.meter, sent, within + takes, &changed);
    assert_eq!(reader.find_by_email("ada@example.com").unwrap(), None);
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
