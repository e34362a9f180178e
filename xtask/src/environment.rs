use std::{env, process::Command};

use servers::{MariaDb, MariaDbOptions, Postgres, PostgresOptions, Redis, RedisOptions};

use crate::{failure::Failure, needs, runner::Runner};

const MARIADB: &str = "MARIADB_URL";

/// The servers that tests and benches talk to: named by the caller's environment, or private and stopped on drop.
#[derive(Debug)]
pub(crate) struct Environment {
    database_url: String,
    redis_url: String,
    /// Only where it was asked for.
    mariadb_url: Option<String>,
    private: (Option<Postgres>, Option<Redis>, Option<MariaDb>),
}

impl Environment {
    /// Takes `DATABASE_URL` and `REDIS_URL` where they are set, and starts what is missing.
    ///
    /// With `durable`, commits wait for the disk.
    pub(crate) fn start(runner: &Runner, durable: bool) -> Result<Self, Failure> {
        if given("DATABASE_URL").is_none() || given("REDIS_URL").is_none() {
            needs::install(runner)?;
        }
        Self::with(runner, durable, given)
    }

    /// The same with every database that larder knows: `MARIADB_URL` too. SQLite needs no server.
    pub(crate) fn with_every_database(runner: &Runner, durable: bool) -> Result<Self, Failure> {
        if ["DATABASE_URL", "REDIS_URL", MARIADB].iter().any(|name| given(name).is_none()) {
            needs::install_with_databases(runner)?;
        }
        let mut environment = Self::with(runner, durable, given)?;
        if let Some(url) = given(MARIADB) {
            environment.mariadb_url = Some(url);
        } else {
            let mariadb = MariaDb::start(MariaDbOptions { durable, ..MariaDbOptions::default() })?;
            environment.mariadb_url = Some(mariadb.url());
            environment.private.2 = Some(mariadb);
        }
        runner.check()?;
        Ok(environment)
    }

    /// Starts both, whatever the environment names: for what must not happen to anybody's data.
    pub(crate) fn private(runner: &Runner) -> Result<Self, Failure> {
        needs::install(runner)?;
        Self::with(runner, false, |_| None)
    }

    fn with(runner: &Runner, durable: bool, given: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let (given_database, given_redis) = (given("DATABASE_URL"), given("REDIS_URL"));
        let postgres = match given_database {
            Some(_) => None,
            None => Some(Postgres::start(PostgresOptions { durable, ..PostgresOptions::default() })?),
        };
        runner.check()?;
        let redis = match given_redis {
            Some(_) => None,
            None => Some(Redis::start(RedisOptions::default())?),
        };
        runner.check()?;
        let database_url = given_database.or_else(|| postgres.as_ref().map(Postgres::url)).unwrap_or_default();
        let redis_url = given_redis.or_else(|| redis.as_ref().map(Redis::url)).unwrap_or_default();
        Ok(Self { database_url, redis_url, mariadb_url: None, private: (postgres, redis, None) })
    }

    /// Tells a command where the servers are.
    pub(crate) fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(self.variables())
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let both = [("DATABASE_URL", &*self.database_url), ("REDIS_URL", &*self.redis_url)];
        both.into_iter().chain(self.mariadb_url.as_deref().map(|url| (MARIADB, url)))
    }

    /// Which servers they are, without the passwords that a given URL may have.
    pub(crate) fn describe(&self) -> String {
        let postgres = match &self.private.0 {
            Some(postgres) => format!("a private one on port {}", postgres.port()),
            None => "the one of DATABASE_URL".to_owned(),
        };
        let redis = match &self.private.1 {
            Some(redis) => format!("a private one on port {}", redis.port()),
            None => "the one of REDIS_URL".to_owned(),
        };
        let mariadb = match (&self.private.2, &self.mariadb_url) {
            (Some(mariadb), _) => format!("; MariaDB: a private one on port {}", mariadb.port()),
            (None, Some(_)) => "; MariaDB: the one of MARIADB_URL".to_owned(),
            (None, None) => String::new(),
        };
        format!("PostgreSQL: {postgres}; Redis: {redis}{mariadb}")
    }
}

fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
