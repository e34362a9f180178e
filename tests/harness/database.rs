mod blank;
mod run;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use diesel::{
    Connection as _, PgConnection,
    r2d2::{ConnectionManager, Pool},
};

use self::{blank::Blank, run::Run};
use crate::Meter;

/// What every database of a kind starts with. Meant for a `static`: its tables are made once a process, and copied from then on.
#[derive(Debug)]
pub struct Template {
    name: &'static str,
    apply: fn(&mut PgConnection),
    made: OnceLock<Arc<Made>>,
}

/// The database that is copied, and copies that nobody uses any more.
#[derive(Debug)]
struct Made {
    original: String,
    blank: Blank,
    spare: Mutex<Vec<String>>,
}

impl Made {
    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A template without any tables.
pub static EMPTY: Template = Template::new("empty", |_| ());

impl Template {
    /// A template whose tables `apply` makes; `name` is in the names of its databases.
    #[must_use]
    pub const fn new(name: &'static str, apply: fn(&mut PgConnection)) -> Self {
        Self { name, apply, made: OnceLock::new() }
    }

    /// A database of its own for one test: as it was made, and with nobody connected.
    ///
    /// Given back when it is dropped, open connections or not, for a later test of the process: emptied, which takes some
    /// milliseconds, where a new one takes a checkpoint or two, and those take seconds on a busy disk. A database whose
    /// definitions the test has changed is dropped instead. What a process leaves behind, the next one drops.
    ///
    /// # Panics
    /// If the shared PostgreSQL can't be reached, or `apply` panics.
    #[must_use]
    pub fn database(&self) -> Database {
        let run = Run::current();
        let made = Arc::clone(self.made.get_or_init(|| Arc::new(self.make(run))));
        let spare = made.spare().pop();
        let name = spare.unwrap_or_else(|| {
            let name = run.name("db");
            run.create(&name, &made.original);
            name
        });
        Database { url: run.url_of(&name), name, made }
    }

    fn make(&self, run: &Run) -> Made {
        let original = run.name(self.name);
        run.create(&original, "template0");
        // PostgreSQL copies only a database that nobody is connected to, so the connection goes at once.
        let mut connection = connect(&run.url_of(&original));
        self.apply(&mut connection);
        let blank = Blank::of(&mut connection).unwrap_or_else(|error| panic!("can't look at {original}: {error}"));
        Made { original, blank, spare: Mutex::default() }
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
    made: Arc<Made>,
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
        let run = Run::current();
        if run.recycle(&self.name, &self.made.blank) {
            self.made.spare().push(std::mem::take(&mut self.name));
        } else {
            run.drop_database(&self.name);
        }
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
