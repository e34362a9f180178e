use std::time::Duration;

use diesel::pg::Pg;
use larder::{BreakerOptions, BreakerState, Builder};
use larder_redis::RedisStore;
use servers::RedisOptions;
use shop_core::User;
use tests::{Meter, Namespace, OwnRedis, Proxy, Shop};

/// What happens to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    Killed,
    Stopped,
    /// Every answer takes 200 ms.
    Slow,
}

impl Day {
    pub(super) const ALL: [Self; 3] = [Self::Killed, Self::Stopped, Self::Slow];
}

/// A Redis of one's own, and a shop on it as an application has it, with the time-outs and the breaker that are the defaults; but it
/// tries Redis oftener, since the test waits for it, and holds its markers for a shorter time.
pub(super) struct Site {
    pub(super) day: Day,
    pub(super) shop: Shop,
    redis: OwnRedis,
    proxy: Proxy,
}

impl Site {
    pub(super) fn new(day: Day) -> Self {
        Self::built(day, |builder| builder)
    }

    pub(super) fn built(day: Day, adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Self {
        // It has all that it had when it is back: what it forgets could not be old.
        let redis = OwnRedis::with(RedisOptions { persistent: true, ..RedisOptions::default() });
        let proxy = Proxy::to(&redis.url());
        let url = if day == Day::Slow { proxy.url().to_owned() } else { redis.url() };
        let namespace = Namespace::new();
        let store = store(&url, &namespace);
        let shop = Shop::on(namespace, store, |builder| {
            let builder =
                builder.commit_within(Duration::from_millis(2_000)).commit_takes(Duration::from_millis(1_000));
            adjust(builder.breaker(breaker()))
        });
        Self { day, shop, redis, proxy }
    }

    /// A store on the same Redis that is never slow, as another process has it.
    pub(super) fn store_elsewhere(&self) -> RedisStore {
        store(&self.redis.url(), &self.shop.namespace)
    }

    /// It begins.
    pub(super) fn go(&self) {
        match self.day {
            Day::Killed => self.redis.kill(),
            Day::Stopped => self.redis.pause(),
            Day::Slow => self.proxy.answer_after(Duration::from_millis(200)),
        }
    }

    /// It is over.
    pub(super) fn come_back(&self) {
        match self.day {
            Day::Killed => self.redis.restart(),
            Day::Stopped => self.redis.resume(),
            Day::Slow => self.proxy.answer_after(Duration::ZERO),
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        self.shop.larder.breaker().unwrap().state
    }

    /// Some users, of which the store has each.
    pub(super) fn warm_users(&self, n: usize) -> Vec<User> {
        let users: Vec<User> = (0..n).map(|n| self.shop.user(&format!("user-{n}"))).collect();
        let repository = User::repository(&self.shop.larder);
        for user in &users {
            assert_eq!(repository.get(user.id).unwrap(), *user);
        }
        self.shop.meter.reset();
        for user in &users {
            assert_eq!(repository.get(user.id).unwrap(), *user);
        }
        assert_eq!(self.shop.meter.counts().sql, 0);
        users
    }

    /// Reads until the breaker is open: how many calls that takes.
    pub(super) fn read_until_open(&self, user: &User) -> usize {
        let users = User::repository(&self.shop.larder);
        let mut n_calls = 0;
        while self.state() != BreakerState::Open {
            assert!(n_calls < 20, "it does not open");
            assert_eq!(super::in_time(|| users.get(user.id).unwrap()), *user);
            n_calls += 1;
        }
        n_calls
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.day == Day::Stopped {
            self.redis.resume();
        }
    }
}

pub(super) fn breaker() -> BreakerOptions {
    BreakerOptions::default()
        .probe_every(Duration::from_millis(20), Duration::from_millis(200))
        .ramp(Duration::from_millis(500))
}

fn store(url: &str, namespace: &Namespace) -> RedisStore {
    let builder = RedisStore::builder(url).namespace(format!("{}:", namespace.as_str()));
    // A server that was restarted a moment ago is to be used at once.
    builder.quarantine(Duration::ZERO).build().unwrap()
}

/// What was asked of the store, a line each, but for what the breaker has asked by itself.
pub(super) fn asked(meter: &Meter) -> Vec<String> {
    let is_asked = |line: &&str| line.starts_with("store") && !line.contains("larder-breaker");
    meter.log().lines().filter(is_asked).map(str::to_owned).collect()
}
