//! What is read often is refreshed before it expires: behind its readers' backs, by one at a time, and never over a write.

mod near;

use std::{sync::Mutex, thread, time::Duration};

use diesel::pg::Pg;
use larder::{
    Builder, MemoryStore,
    stats::ModelStats,
    store::{ManualClock, Operation},
};
use shop_core::{User, UserChanges};
use tests::{Counts, Namespace, Shop, eventually, psql, redis_url};

const LONG: Duration = Duration::from_secs(30);

/// The time to live of values by default; that of orders is half of it.
const TTL: Duration = Duration::from_secs(600);

/// One hit in each so many has its cell looked at.
const SAMPLE: usize = 64;

/// A shop, and a way to the times of its cells past larder.
struct Site {
    shop: Shop,
    redis: Mutex<redis::Connection>,
}

impl Site {
    fn new(adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Self {
        let redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
        let shop = Shop::built(|builder| adjust(builder.refresh_early(true)));
        Self { shop, redis: Mutex::new(redis) }
    }

    /// Leaves so little time to every cell that its value will soon expire.
    fn age(&self) {
        for key in self.shop.namespace.keys() {
            let left = TTL / 40;
            let is_there: bool =
                redis::cmd("PEXPIRE").arg(key).arg(left.as_millis()).query(&mut *self.redis.lock().unwrap()).unwrap();
            assert!(is_there);
        }
    }

    /// The least time that is left to any cell.
    fn left(&self) -> Duration {
        let left = |key| redis::cmd("PTTL").arg(key).query(&mut *self.redis.lock().unwrap()).unwrap();
        Duration::from_millis(self.shop.namespace.keys().into_iter().map(left).min().unwrap_or_default())
    }

    fn is_fresh(&self) -> bool {
        self.left() > TTL / 3
    }

    /// A user whose cell is there.
    fn user(&self, name: &str) -> User {
        let user = self.shop.user(name);
        self.read(&user, 1);
        user
    }

    fn read(&self, user: &User, n: usize) {
        for _ in 0..n {
            assert_eq!(User::repository(&self.shop.larder).get(user.id).unwrap(), *user);
        }
    }

    /// Reads until the cell has been looked at, whatever is read after that.
    fn touch(&self, user: &User) {
        for _ in 0..SAMPLE {
            User::repository(&self.shop.larder).get(user.id).unwrap();
        }
    }

    fn stats(&self) -> ModelStats {
        self.shop.larder.stats().model("users").unwrap().clone()
    }
}

fn as_it_is(builder: Builder<Pg>) -> Builder<Pg> {
    builder
}

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

#[test]
fn what_is_read_often_is_given_its_time_anew_for_one_statement() {
    let site = Site::new(as_it_is);
    let ada = site.user("ada");
    site.age();
    site.shop.meter.reset();
    site.read(&ada, SAMPLE);
    eventually(LONG, || site.is_fresh());
    // None of the readers has sent it: each has had its row from the store.
    site.shop.meter.expect_counts(Counts { sql: 1, reads: SAMPLE, inspects: 1, extensions: 1, ..Counts::default() });
    eventually(LONG, || site.stats().refreshes_extended == 1);
    eventually(LONG, || {
        site.read(&ada, SAMPLE);
        site.shop.meter.counts().inspects >= 3
    });
    assert_eq!(site.shop.meter.counts().sql, 0, "it has time");
}

#[test]
fn a_hot_row_is_missed_once_and_never_again() {
    let clock = ManualClock::default();
    let store = MemoryStore::new().with_clock(clock.clone());
    let shop = Shop::on(Namespace::new(), store, |builder| builder.ttl(TTL).refresh_early(true));
    let ada = shop.user("ada");
    let of_users = || shop.larder.stats().model("users").unwrap().clone();
    for n in 0..10 {
        for _ in 0..2 * SAMPLE {
            assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap(), ada);
        }
        eventually(LONG, || of_users().refreshes_extended == n);
        // Up to a tenth is taken of each value's time at random, and what is left of it is less than a tenth then.
        clock.advance(TTL * 17 / 20);
        clock.advance(TTL / 100);
        let is_late = || shop.larder.stats().model("users").unwrap().refreshes_extended > n;
        while !is_late() {
            assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap(), ada);
            clock.advance(TTL / 100_000);
        }
    }
    assert_eq!((of_users().keys.missed, shop.meter.counts().sql), (1, 1 + 10));
}

#[test]
fn every_row_of_those_that_are_read_together_is_refreshed_in_its_turn() {
    let site = Site::new(as_it_is);
    let ids: Vec<_> = (0..SAMPLE).map(|n| site.user(&format!("user-{n}")).id).collect();
    site.age();
    let missed = || site.stats().keys.missed;
    let before = missed();
    // Each call has as many keys as one is taken of.
    eventually(LONG, || {
        for _ in 0..SAMPLE {
            assert!(User::repository(&site.shop.larder).find_many(&ids).unwrap().iter().all(Option::is_some));
        }
        site.is_fresh()
    });
    assert_eq!(missed(), before, "one has expired");
}

#[test]
fn one_at_a_time_refreshes_a_row_and_nobody_waits_for_him() {
    let site = Site::new(as_it_is);
    let ada = site.user("ada");
    site.age();
    site.shop.meter.reset();
    let gate = site.shop.faults.before(Operation::Inspect).hold();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| site.read(&ada, 2 * SAMPLE));
        }
    });
    gate.wait_for(1);
    gate.open();
    eventually(LONG, || site.is_fresh());
    let reads = 4 * 2 * SAMPLE;
    site.shop.meter.expect_counts(Counts { sql: 1, reads, inspects: 1, extensions: 1, ..Counts::default() });
}

#[test]
fn a_write_that_comes_between_wins_wherever_it_does() {
    // After the cell was looked at, so that the query finds what the cell did not have; and after the query.
    for operation in [Operation::Inspect, Operation::Extend] {
        let site = Site::new(as_it_is);
        let (ada, other) = (site.user("ada"), site.shop.branch());
        site.age();
        let place = match operation {
            Operation::Inspect => site.shop.faults.after(operation),
            _ => site.shop.faults.before(operation),
        };
        let id = ada.id;
        place.nth(1).run(move || {
            User::repository(&other.larder).update(id, renamed("new@example.com")).unwrap();
        });
        site.touch(&ada);
        eventually(LONG, || site.stats().refreshes_refused == 1);
        site.shop.meter.reset();
        assert_eq!(User::repository(&site.shop.larder).get(ada.id).unwrap().email, "new@example.com");
        site.shop.meter.expect_counts(Counts { reads: 1, ..Counts::default() });
        assert_eq!(site.shop.events.take(), [""; 0], "nobody has written past larder");
        assert_eq!((site.stats().refreshes_extended, site.stats().refreshes_corrected), (0, 0));
    }
}

#[test]
fn what_was_written_past_larder_is_found_when_it_would_be_refreshed() {
    let site = Site::new(as_it_is);
    let ada = site.user("ada");
    let _ = psql(site.shop.database.url(), "UPDATE users SET email = 'by-hand@example.com'");
    site.read(&ada, 1);
    site.age();
    site.touch(&ada);
    eventually(LONG, || site.stats().refreshes_corrected == 1);
    let mut events = Vec::new();
    eventually(LONG, || {
        events.extend(site.shop.events.take());
        !events.is_empty()
    });
    assert_eq!(events, [format!("outdated: users:id:{}", ada.id)]);
    assert_eq!(User::repository(&site.shop.larder).get(ada.id).unwrap().email, "by-hand@example.com");
    assert_eq!(site.stats().refreshes_extended, 0);
}

#[test]
fn what_is_hardly_read_expires_and_so_does_all_where_nothing_is_to_be_refreshed() {
    let site = Site::new(as_it_is);
    let (ada, bob) = (site.user("ada"), site.user("bob"));
    site.age();
    site.shop.meter.reset();
    site.read(&ada, 10);
    site.read(&bob, 2 * SAMPLE);
    eventually(LONG, || site.stats().refreshes_extended == 1);
    assert!(!site.is_fresh(), "Ada's row is not");
    assert_eq!(site.shop.meter.counts().sql, 1);

    let site = Site::new(|builder| builder.refresh_early(false));
    let (ada, refreshing) = (site.user("ada"), site.shop.branch_built(|builder| builder.refresh_early(true)));
    site.age();
    site.shop.meter.reset();
    site.read(&ada, 4 * SAMPLE);
    assert!(!site.is_fresh());
    for _ in 0..SAMPLE {
        User::repository(&refreshing.larder).get(ada.id).unwrap();
    }
    eventually(LONG, || site.is_fresh());
    site.shop.meter.expect_counts(Counts { reads: 4 * SAMPLE, ..Counts::default() });
}

#[test]
fn while_the_store_fails_nothing_is_asked_of_the_database() {
    let site = Site::new(as_it_is);
    let ada = site.user("ada");
    site.age();
    site.shop.meter.reset();
    for operation in [Operation::Inspect, Operation::Extend] {
        site.shop.faults.before(operation).nth(1).fail(tests::Failure::Unavailable);
        site.read(&ada, SAMPLE);
        let failed = format!("failed: {operation}");
        eventually(LONG, || site.shop.events.take().contains(&failed));
    }
    // For what could not be extended there was a query.
    assert_eq!(site.shop.meter.counts().sql, 1);
    assert_eq!(site.stats().refreshes_extended, 0);
    assert!(!site.is_fresh());
}
