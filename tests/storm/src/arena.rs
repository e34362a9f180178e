//! The servers of a run.

use std::time::Duration;

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, insert_into};
use servers::{Postgres, PostgresOptions, Redis, RedisOptions};
use shop_core::{
    NewOrder, NewUser, Status,
    schema::{orders, users},
};
use tests::Proxy;

use crate::{
    Result,
    pace::wait_until,
    record::{Key, Place, Version},
    scenario::Setting,
    site::Site,
    world::{ORDERS, USERS, address, amount, keys, order_id, stamped, start, user_id},
};

/// How long a server may take to be reachable again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A private PostgreSQL and Redis, and what stands before them.
#[derive(Debug)]
pub(crate) struct Arena {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) proxies: Option<Proxies>,
    setting: Setting,
}

/// A replica asks again and again while a server makes up its mind to send it what it has, which by default takes five seconds.
pub(crate) fn redis_options(setting: &Setting) -> RedisOptions {
    let prompt = [("repl-diskless-sync-delay", "0")];
    let settings = setting.redis.iter().chain(&prompt).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    RedisOptions { persistent: setting.appends, settings: settings.collect() }
}

/// The way to the servers, where it is to be disturbed as well.
#[derive(Debug)]
pub(crate) struct Proxies {
    pub(crate) postgres: Proxy,
    pub(crate) redis: Proxy,
}

impl Arena {
    /// Starts the servers, and makes the tables and rows.
    pub(crate) fn start(setting: &Setting) -> Result<Self> {
        // A server that is killed loses no commit for not having waited for the disk; only a crash of the machine would lose one.
        let postgres = Postgres::start(PostgresOptions { durable: false, ..PostgresOptions::default() })?;
        let redis = Redis::start(redis_options(setting))?;
        let proxies = setting
            .is_proxied
            .then(|| Proxies { postgres: Proxy::to(&postgres.url()), redis: Proxy::to(&redis.url()) });
        let arena = Self { postgres, redis, proxies, setting: setting.clone() };
        let mut connection = PgConnection::establish(&arena.postgres.url())?;
        shop_core::migrate(&mut connection)?;
        connection.batch_execute("CREATE SEQUENCE lives")?;
        for user in 0..USERS {
            let new = NewUser { id: Some(user_id(user)), email: address(user, 0), created_at: Some(start()) };
            insert_into(users::table).values(new).execute(&mut connection)?;
        }
        for order in 0..ORDERS {
            let new = NewOrder {
                id: Some(order_id(order)),
                user_id: user_id(order % USERS),
                status: Status::Pending,
                total_amount: amount(0),
                created_at: Some(stamped(0)),
            };
            insert_into(orders::table).values(new).execute(&mut connection)?;
        }
        Ok(arena)
    }

    /// The versions that all rows have at the start.
    pub(crate) fn first_versions() -> Vec<Version> {
        let place = |key| match key {
            Key::User(_) => Place::At(0),
            Key::Order(order) => Place::At(order % USERS),
        };
        keys().map(|key| Version { key, number: 0, stamp: 0, place: place(key) }).collect()
    }

    /// How workers reach the servers.
    pub(crate) fn site(&self) -> Site {
        let (database_url, redis_url) = match &self.proxies {
            Some(proxies) => (proxies.postgres.url().to_owned(), proxies.redis.url().to_owned()),
            None => (self.postgres.url(), self.redis.url()),
        };
        Site { database_url, redis_url, cache: self.setting.cache }
    }

    /// A connection to Redis that nothing disturbs but what befalls the server.
    pub(crate) fn redis_connection(&self) -> Result<redis::Connection> {
        Ok(redis::Client::open(self.redis.url())?.get_connection_with_timeout(Duration::from_secs(5))?)
    }

    /// Waits until both servers answer the way that workers ask them.
    pub(crate) fn wait_until_well(&self) -> Result<()> {
        let site = self.site();
        let answers = || {
            let redis = redis::Client::open(site.redis_url.as_str()).and_then(|client| client.get_connection());
            redis.is_ok() && site.connect().is_ok()
        };
        if wait_until(PATIENCE, answers) { Ok(()) } else { Err("a server does not come back".into()) }
    }
}
