//! A database of one test's own.

use std::env;

use diesel::{Connection, PgConnection, RunQueryDsl, sql_query};
use uuid::Uuid;

/// An empty database on the server of `DATABASE_URL`, dropped with this value.
pub(crate) struct Fresh {
    server: String,
    name: String,
    pub(crate) url: String,
}

impl Fresh {
    pub(crate) fn create() -> Self {
        let server = variable("DATABASE_URL");
        let name = format!("shop_core_{}", Uuid::new_v4().simple());
        sql_query(format!("CREATE DATABASE {name}")).execute(&mut connect(&server)).unwrap();
        let url = with_database(&server, &name);
        Self { server, name, url }
    }

    /// A database with the tables in it.
    pub(crate) fn migrated() -> Self {
        let fresh = Self::create();
        shop_core::migrate(&mut fresh.connect()).unwrap();
        fresh
    }

    pub(crate) fn connect(&self) -> PgConnection {
        connect(&self.url)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // A failing test has a better story to tell than a database that stays behind.
        if let Ok(mut connection) = PgConnection::establish(&self.server) {
            let _ = sql_query(format!("DROP DATABASE {} WITH (FORCE)", self.name)).execute(&mut connection);
        }
    }
}

/// The value of an environment variable that `cargo xtask test` sets.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, which sets it"))
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("no connection to {url}: {error}"))
}

/// The same server, user and options with another database.
fn with_database(url: &str, name: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("DATABASE_URL is a URL: postgres://user@host:port/database");
    let (place, query) =
        rest.split_once('?').map_or((rest, String::new()), |(place, query)| (place, format!("?{query}")));
    let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
    format!("{scheme}://{authority}/{name}{query}")
}

#[test]
fn only_the_database_of_a_url_is_replaced() {
    assert_eq!(
        with_database("postgres://ada@host:5/old?sslmode=disable", "new"),
        "postgres://ada@host:5/new?sslmode=disable"
    );
    assert_eq!(with_database("postgres://host", "new"), "postgres://host/new");
    assert_eq!(with_database("postgres:///old?host=/run/pg", "new"), "postgres:///new?host=/run/pg");
}
