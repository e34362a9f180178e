use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use diesel::{
    MysqlConnection, QueryResult, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};

use super::connect;
use crate::environment::mariadb_url;

/// What the names of all our databases begin with, and then the run's id.
const HOME: &str = "larder_test_";

/// This process and its databases on the shared MariaDB.
///
/// Their names carry the run's id, on which the process holds a lock for as long as it lives. So whoever gets that lock knows that those
/// databases are left over.
pub(super) struct Run {
    url: String,
    prefix: String,
    connection: Mutex<MysqlConnection>,
    n_names: AtomicUsize,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

impl Run {
    pub(super) fn current() -> &'static Self {
        static CURRENT: OnceLock<Run> = OnceLock::new();
        CURRENT.get_or_init(|| {
            Self::start(mariadb_url(), fastrand::u32(1..))
                .unwrap_or_else(|error| panic!("can't work on the database of MARIADB_URL: {error}"))
        })
    }

    fn start(url: String, id: u32) -> QueryResult<Self> {
        let mut connection = connect(&url);
        assert!(try_lock(&mut connection, id)?, "another run has the id {id}");
        sweep(&mut connection, id)?;
        let prefix = format!("{HOME}{id}_");
        Ok(Self { url, prefix, connection: Mutex::new(connection), n_names: AtomicUsize::new(0) })
    }

    pub(super) fn url_of(&self, database: &str) -> String {
        let slash = self.url.rfind('/').filter(|at| *at > self.url.find("://").map_or(0, |at| at + 2));
        format!("{}/{database}", &self.url[..slash.unwrap_or(self.url.len())])
    }

    /// Makes a database with these tables: its name.
    pub(super) fn create(&self, tables: &str) -> String {
        let name = format!("{}{}", self.prefix, self.n_names.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name}"))
            .and_then(|()| connect(&self.url_of(&name)).batch_execute(tables))
            .unwrap_or_else(|error| panic!("can't make {name}: {error}"));
        name
    }

    /// Ends the connections to a database, whose transactions would be waited for, and drops it.
    pub(super) fn drop_database(&self, name: &str) {
        // The next run's sweep gets what this can't.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = drop_database(&mut connection, name);
    }

    fn execute(&self, statement: &str) -> QueryResult<()> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).batch_execute(statement)
    }
}

fn drop_database(connection: &mut MysqlConnection, name: &str) -> QueryResult<()> {
    let connected = sql_query("SELECT CAST(id AS SIGNED) AS number FROM information_schema.processlist WHERE db = ?");
    for Number { number } in connected.bind::<Text, _>(name).load(connection)? {
        // One may have gone by itself since.
        let _ = connection.batch_execute(&format!("KILL {}", number.unwrap_or_default()));
    }
    connection.batch_execute(&format!("DROP DATABASE IF EXISTS {name}"))
}

/// Drops the databases of runs that are no more.
fn sweep(connection: &mut MysqlConnection, own: u32) -> QueryResult<()> {
    let names: Vec<Name> = sql_query(
        "SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name LIKE 'larder\\_test\\_%'",
    )
    .load(connection)?;
    let mut runs: Vec<(u32, String)> =
        names.into_iter().filter_map(|Name { name }| Some((run_of(&name)?, name))).collect();
    runs.sort_unstable();
    for group in runs.chunk_by(|one, other| one.0 == other.0) {
        let id = group[0].0;
        if id == own || !try_lock(connection, id)? {
            continue;
        }
        for (_, name) in group {
            drop_database(connection, name)?;
        }
        connection.batch_execute(&format!("DO RELEASE_LOCK('{HOME}{id}')"))?;
    }
    Ok(())
}

fn try_lock(connection: &mut MysqlConnection, id: u32) -> QueryResult<bool> {
    let lock = sql_query(format!("SELECT CAST(GET_LOCK('{HOME}{id}', 0) AS SIGNED) AS number"));
    let Number { number } = lock.get_result(connection)?;
    Ok(number == Some(1))
}

fn run_of(name: &str) -> Option<u32> {
    name.strip_prefix(HOME)?.split('_').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(name: &str) -> bool {
        let found = sql_query("SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name = ?");
        let found: Vec<Name> = found.bind::<Text, _>(name).load(&mut connect(&mariadb_url())).unwrap();
        !found.is_empty()
    }

    #[test]
    fn a_dead_run_is_swept_and_a_living_one_is_left_alone() {
        let dead = Run::start(mariadb_url(), fastrand::u32(1..)).unwrap();
        let living = Run::start(mariadb_url(), fastrand::u32(1..)).unwrap();
        let [of_dead, of_living] = [&dead, &living].map(|run| run.create("CREATE TABLE t (x INT)"));
        drop(dead);
        // The server hears of the end of a connection a little later.
        crate::eventually(std::time::Duration::from_secs(30), || {
            let _next = Run::start(mariadb_url(), fastrand::u32(1..)).unwrap();
            assert!(exists(&of_living));
            !exists(&of_dead)
        });
        // A connection with an open transaction does not keep it.
        let mut open = connect(&living.url_of(&of_living));
        open.batch_execute("BEGIN; INSERT INTO t VALUES (1)").unwrap();
        living.drop_database(&of_living);
        assert!(!exists(&of_living));
        assert!(open.batch_execute("COMMIT").is_err());
    }
}
