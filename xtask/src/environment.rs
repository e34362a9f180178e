use std::{env, process::Command};

use servers::{Postgres, PostgresOptions, Redis, RedisOptions};

use crate::{failure::Failure, needs, runner::Runner};

/// The two servers that tests and benches talk to: named by the caller's environment, or private and stopped on drop.
#[derive(Debug)]
pub(crate) struct Environment {
    database_url: String,
    redis_url: String,
    private: (Option<Postgres>, Option<Redis>),
}

impl Environment {
    /// Takes `DATABASE_URL` and `REDIS_URL` where they are set, and starts what is missing.
    ///
    /// With `durable`, commits wait for the disk.
    pub(crate) fn start(runner: &Runner, durable: bool) -> Result<Self, Failure> {
        Self::with(runner, durable, (given("DATABASE_URL"), given("REDIS_URL")))
    }

    /// Starts both, whatever the environment names: for what must not happen to anybody's data.
    pub(crate) fn private(runner: &Runner) -> Result<Self, Failure> {
        Self::with(runner, false, (None, None))
    }

    fn with(
        runner: &Runner,
        durable: bool,
        (given_database, given_redis): (Option<String>, Option<String>),
    ) -> Result<Self, Failure> {
        if given_database.is_none() || given_redis.is_none() {
            needs::install(runner)?;
        }
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
        Ok(Self { database_url, redis_url, private: (postgres, redis) })
    }

    /// Tells a command where the servers are.
    pub(crate) fn apply<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(self.variables())
    }

    pub(crate) fn variables(&self) -> [(&'static str, &str); 2] {
        [("DATABASE_URL", &self.database_url), ("REDIS_URL", &self.redis_url)]
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
        format!("PostgreSQL: {postgres}; Redis: {redis}")
    }
}

fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
