//! The harness of the behaviour tests: real servers, and wrappers that count and disturb what goes to them.
//!
//! - [`Template`] and [`Database`]: a database of its own for every test, with the migrations applied.
//! - [`Namespace`]: a prefix of its own for every test's keys in the shared Redis.
//! - [`Shop`]: the tables of `shop-core` in such a database, and a handle that is counted and can be disturbed.
//! - [`portable`]: a shop that is the same on every back end, for the tests that are.
//! - [`COUNTERS`]: a table that is written often, in such a database.
//! - [`Meter`]: what a call has cost, in SQL statements and in round trips to the store, asserted as a [`Cost`].
//! - [`Faulty`]: a store that fails, waits, or runs a piece of the test before or after any of its operations.
//! - [`OwnPostgres`] and [`OwnRedis`]: servers that one test may kill, freeze and start again.
//! - [`Proxy`]: stands before PostgreSQL or Redis; delays, holds, cuts and half-closes what goes through, and loses the answer to a COMMIT.
//! - [`psql`]: the program, as others use it.
//! - [`eventually`]: waits for what happens by itself.
//!
//! `DATABASE_URL`, `MARIADB_URL` and `REDIS_URL` say where the shared servers are: `cargo xtask test` sets them, and so does
//! `cargo xtask services --fast -- cargo test -p tests`. A test that doesn't find them fails.

mod counter;
mod database;
mod environment;
mod eventually;
mod faulty;
mod meter;
mod namespace;
mod own;
pub mod portable;
mod proxy;
mod psql;
mod shop;

/// An operation of a store.
pub use larder::store::Operation;

pub use self::{
    counter::{COUNTERS, Counter, counters},
    database::{Database, EMPTY, Template, pool},
    environment::{database_url, mariadb_url, redis_url},
    eventually::eventually,
    faulty::{Failure, Faults, Faulty, Gate, Place},
    meter::{Cost, Counts, Meter},
    namespace::Namespace,
    own::{OwnPostgres, OwnRedis},
    proxy::{Proxy, Side, Subscribers},
    psql::psql,
    shop::{Branch, Events, SHOP, Shop, day, money, nobody, redis_store},
};

/// The first screen of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
