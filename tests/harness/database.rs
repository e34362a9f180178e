mod run;

use std::{sync::OnceLock, time::Duration};

use diesel::{
    Connection as _, PgConnection,
    r2d2::{ConnectionManager, Pool},
};

use self::run::Run;
use crate::Meter;

/// What every database of a kind starts with. Meant for a `static`: its tables are made once a process, and copied from then on.
#[derive(Debug)]
pub struct Template {
    name: &'static str,
    apply: fn(&mut PgConnection),
    made: OnceLock<String>,
}

/// A template without any tables.
pub static EMPTY: Template = Template::new("empty", |_| ());

impl Template {
    /// A template whose tables `apply` makes; `name` is in the names of its databases.
    #[must_use]
    pub const fn new(name: &'static str, apply: fn(&mut PgConnection)) -> Self {
        Self { name, apply, made: OnceLock::new() }
    }

    /// A database of its own for one test: some tens of milliseconds.
    ///
    /// Dropped with what is returned, open connections or not. What a killed process leaves behind, the next process drops.
    ///
    /// # Panics
    /// If the shared PostgreSQL can't be reached, or `apply` panics.
    #[must_use]
    pub fn database(&self) -> Database {
        let run = Run::current();
        let template = self.made.get_or_init(|| {
            let name = run.name(self.name);
            run.create(&name, "template0");
            // PostgreSQL copies only a database that nobody is connected to, so the connection goes at once.
            self.apply(&mut connect(&run.url_of(&name)));
            name
        });
        let name = run.name("db");
        run.create(&name, template);
        Database { url: run.url_of(&name), name }
    }

    /// Makes the tables in a database that is there already, such as that of an [`crate::OwnPostgres`].
    pub fn apply(&self, connection: &mut PgConnection) {
        (self.apply)(connection);
    }
}

/// A database of one test.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection that no meter counts: a second pair of eyes for what was really committed.
    ///
    /// # Panics
    /// If the database can't be reached.
    #[must_use]
    pub fn connect(&self) -> PgConnection {
        connect(&self.url)
    }

    /// A pool whose statements `meter` counts; as [`pool`].
    #[must_use]
    pub fn pool(&self, meter: &Meter, size: u32) -> Pool<ConnectionManager<PgConnection>> {
        pool(&self.url, meter, size)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        Run::current().drop_database(&self.name);
    }
}

/// A pool of at most `size` connections whose statements `meter` counts.
///
/// Connections are made when they are needed. They are not tested when they are checked out, so that every statement is the
/// test's own.
///
/// # Panics
/// If `url` is no URL of a database.
#[must_use]
pub fn pool(url: &str, meter: &Meter, size: u32) -> Pool<ConnectionManager<PgConnection>> {
    Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .connection_timeout(Duration::from_secs(10))
        .connection_customizer(Box::new(meter.clone()))
        .build(ConnectionManager::new(url))
        .expect("a pool without idle connections needs no server")
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("can't connect to the test's database: {error}"))
}

#[cfg(test)]
mod tests;
