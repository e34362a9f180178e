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
        let server = env::var("DATABASE_URL").expect("DATABASE_URL is set: `cargo xtask test` does it");
        let name = format!("shop_import_{}", Uuid::new_v4().simple());
        sql_query(format!("CREATE DATABASE {name}")).execute(&mut connect(&server)).unwrap();
        let (scheme, rest) =
            server.split_once("://").expect("DATABASE_URL is a URL: postgres://user@host:port/database");
        let (place, query) =
            rest.split_once('?').map_or((rest, String::new()), |(place, query)| (place, format!("?{query}")));
        let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
        let url = format!("{scheme}://{authority}/{name}{query}");
        Self { server, name, url }
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

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("no connection to {url}: {error}"))
}
