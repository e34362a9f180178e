//! Private PostgreSQL, MariaDB, Redis and Varnish servers that end with the program that started them.
//!
//! Each server has a directory and a port of its own, listens on 127.0.0.1 only, and runs as an unprivileged user where the
//! program runs as root (PostgreSQL refuses root). It can be stopped, killed, frozen and started again on the same port and
//! data, which is what tests of faults are made of. However the program ends, SIGKILL included, no server and no directory
//! is left behind: a small shell of its own process group sees to it.

mod account;
mod daemon;
mod error;
mod guard;
mod mariadb;
mod port;
mod postgres;
mod programs;
mod redis;
mod varnish;

pub use self::{
    error::Error,
    mariadb::{MariaDb, MariaDbOptions},
    postgres::{Postgres, PostgresOptions},
    programs::{has_hypopg, has_mariadb, has_postgis, has_postgres, has_redis, has_varnish, postgres_version},
    redis::{Redis, RedisOptions},
    varnish::{Varnish, VarnishOptions},
};
