//! PostgreSQL away: what is cached is served, what is not fails within the bound and says why, and all is well by itself afterwards.

use std::{
    thread,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{Error, Larder, MemoryStore, NearOptions, PoolError};
use shop_core::{NewUser, User};
use tests::{Namespace, OwnPostgres, Proxy, SHOP, eventually, nobody, redis_store, redis_url};

use super::{LONG, OnDrop, ends, in_time};

/// How long the handles wait for a connection.
const WAIT: Duration = Duration::from_millis(500);

/// What of a wait is left to the scheduler of a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// A PostgreSQL of one's own, reached through a proxy, and three handles on it: what they read is near, in Redis, and nowhere.
struct Site {
    postgres: OwnPostgres,
    proxy: Proxy,
    near: Larder<Pg>,
    shared: Larder<Pg>,
    bare: Larder<Pg>,
    user: User,
    _namespace: Namespace,
}

impl Site {
    fn new() -> Self {
        use diesel::{Connection as _, Insertable as _, RunQueryDsl as _};
        let postgres = OwnPostgres::new();
        let mut connection = PgConnection::establish(&postgres.url()).unwrap();
        SHOP.apply(&mut connection);
        let record = NewUser { id: None, email: "ada@example.com".to_owned(), created_at: None };
        let user: User = record.insert_into(shop_core::schema::users::table).get_result(&mut connection).unwrap();
        let proxy = Proxy::to(&postgres.url());
        let namespace = Namespace::new();
        let near = NearOptions::bytes(1 << 20);
        let site = Self {
            near: handle(proxy.url()).shared(MemoryStore::new()).near(near).build(),
            shared: handle(proxy.url()).shared(redis_store(&redis_url(), &namespace)).fill_in_background(false).build(),
            bare: handle(proxy.url()).build(),
            postgres,
            proxy,
            user,
            _namespace: namespace,
        };
        for larder in [&site.near, &site.shared] {
            User::repository(larder).get(site.user.id).unwrap();
            assert!(larder.flush(LONG));
        }
        site
    }

    /// Whatever happens to PostgreSQL, nobody who has the row goes there.
    fn reads_what_is_cached(&self) {
        for larder in [&self.near, &self.shared] {
            let start = Instant::now();
            assert_eq!(in_time(|| User::repository(larder).get(self.user.id)).unwrap(), self.user);
            assert!(start.elapsed() < SLACK, "{:?}", start.elapsed());
        }
    }

    /// All handles read from PostgreSQL again: after how long.
    fn recovers(&self) -> Duration {
        let start = Instant::now();
        for larder in [&self.near, &self.shared, &self.bare] {
            eventually(LONG, || in_time(|| User::repository(larder).find(nobody())).is_ok());
        }
        start.elapsed()
    }
}

/// Connections are made when they are wanted, at most two, and tried again twice a second.
fn pool(url: &str) -> Pool<ConnectionManager<PgConnection>> {
    let builder = Pool::builder().max_size(2).min_idle(Some(0)).test_on_check_out(false);
    builder.connection_timeout(Duration::from_secs(1)).build(ConnectionManager::new(url)).unwrap()
}

fn handle(url: &str) -> larder::Builder<Pg> {
    Larder::builder(pool(url)).wait_for_connection(WAIT)
}

/// A read that no cache has the answer to.
fn miss(larder: &Larder<Pg>) -> Error {
    let start = Instant::now();
    let failed = User::repository(larder).find(nobody()).unwrap_err();
    assert!(start.elapsed() < WAIT + SLACK, "{:?}: {failed:?}", start.elapsed());
    failed
}

/// The first to find out are told by their dying connections, or wait for others; from then on everybody is told at once.
fn misses_fail_with(larder: &Larder<Pg>, cause: &str) {
    let mut n_found_out = 0;
    loop {
        match miss(larder) {
            Error::Database(_) => {}
            Error::Pool(error) if error.is_away() => break,
            other => panic!("{other:?}"),
        }
        n_found_out += 1;
        assert!(n_found_out < 5, "two connections, each told of once or twice");
    }
    let start = Instant::now();
    for _ in 0..100 {
        let failed = miss(larder);
        let Error::Pool(error @ PoolError::Away { .. }) = &failed else { panic!("{failed:?}") };
        assert!(error.to_string().contains(cause), "{error}");
    }
    assert!(start.elapsed() < WAIT * 10, "a hundred have waited: {:?}", start.elapsed());
    let write = larder.transaction(|_| Ok(()));
    assert!(matches!(&write, Err(Error::Pool(error)) if error.is_away()), "{write:?}");
}

#[test]
fn while_postgres_is_killed_what_is_cached_is_served_and_misses_are_told_at_once_that_the_connection_is_refused() {
    ends(|| {
        let mut site = Site::new();
        // Straight, since a proxy takes connections for a server that is not there.
        let url = site.postgres.url();
        (site.near, site.shared, site.bare) = {
            let shared = redis_store(&redis_url(), &site._namespace);
            let near = handle(&url).shared(MemoryStore::new()).near(NearOptions::bytes(1 << 20)).build();
            User::repository(&near).get(site.user.id).unwrap();
            (near, handle(&url).shared(shared).build(), handle(&url).build())
        };
        assert!(site.near.flush(LONG));
        for _ in 0..2 {
            assert!(site.recovers() < LONG);
            site.postgres.kill();
            site.reads_what_is_cached();
            for larder in [&site.near, &site.shared, &site.bare] {
                misses_fail_with(larder, "Connection refused");
            }
            site.reads_what_is_cached();
            site.postgres.restart();
        }
        site.recovers();
    });
}

#[test]
fn while_the_way_to_postgres_is_cut_what_is_cached_is_served_and_misses_are_told_why() {
    ends(|| {
        let site = Site::new();
        site.recovers();
        let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        site.proxy.lead_to(&format!("postgres://{nowhere}"));
        assert!(site.proxy.cut(|| true) > 0);
        site.reads_what_is_cached();
        for larder in [&site.near, &site.shared, &site.bare] {
            misses_fail_with(larder, "server closed the connection unexpectedly");
        }
        site.reads_what_is_cached();
        site.proxy.lead_to(&site.postgres.url());
        site.recovers();
    });
}

#[test]
fn while_postgres_stands_still_what_is_cached_is_served_and_nobody_waits_longer_for_a_connection_than_is_allowed() {
    ends(|| {
        let site = Site::new();
        let pool = pool(site.proxy.url());
        let bare = Larder::<Pg>::builder(pool.clone()).wait_for_connection(WAIT).build();
        User::repository(&bare).find(nobody()).unwrap();
        site.postgres.pause();
        site.reads_what_is_cached();
        thread::scope(|scope| {
            // What has been sent can't be taken back: it waits for the server, which has the only connection.
            let sent = scope.spawn(|| User::repository(&bare).find(nobody()));
            eventually(LONG, || pool.state().idle_connections == 0);
            // The other one ends even if this fails.
            let resumed = OnDrop(|| site.postgres.resume());
            for _ in 0..3 {
                let failed = miss(&bare);
                assert!(
                    matches!(&failed, Error::Pool(PoolError::Exhausted { waited, .. }) if *waited == WAIT),
                    "{failed:?}"
                );
            }
            site.reads_what_is_cached();
            drop(resumed);
            assert_eq!(sent.join().unwrap().unwrap(), None);
        });
        assert_eq!(in_time(|| User::repository(&bare).find(nobody())).unwrap(), None);
        site.recovers();
    });
}

#[test]
fn while_no_connection_comes_to_its_end_misses_wait_once_and_then_no_more() {
    ends(|| {
        let site = Site::new();
        let fresh = handle(site.proxy.url()).build();
        site.proxy.hold();
        for n in 0..50 {
            let start = Instant::now();
            let failed = miss(&fresh);
            assert!(matches!(&failed, Error::Pool(PoolError::Away { cause: None })), "{failed:?}");
            assert!(n == 0 || start.elapsed() < WAIT, "the {n}. waited: {:?}", start.elapsed());
        }
        site.proxy.release();
        eventually(LONG, || in_time(|| User::repository(&fresh).find(nobody())).is_ok());
    });
}
