use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use diesel::{
    Connection as _, PgConnection, QueryResult, RunQueryDsl as _, connection::SimpleConnection as _, sql_query,
    sql_types,
};

use super::blank::Blank;
use crate::environment::database_url;

/// The first half of the keys of our advisory locks; the second is a run's id.
const LOCK: i32 = 0x6c61_7264;

/// This process and its databases on the shared PostgreSQL.
///
/// Their names carry the run's id, on which the process holds an advisory lock for as long as it lives. So whoever gets that
/// lock knows that those databases are left over.
pub(super) struct Run {
    url: String,
    prefix: String,
    connection: Mutex<PgConnection>,
    n_names: AtomicUsize,
}

#[derive(diesel::QueryableByName)]
pub(super) struct Text {
    #[diesel(sql_type = sql_types::Text)]
    pub(super) text: String,
}

#[derive(diesel::QueryableByName)]
pub(super) struct Flag {
    #[diesel(sql_type = sql_types::Bool)]
    pub(super) flag: bool,
}

impl Run {
    pub(super) fn current() -> &'static Self {
        static CURRENT: OnceLock<Run> = OnceLock::new();
        CURRENT.get_or_init(|| {
            let url = database_url();
            Self::start(url, fastrand::i32(1..))
                .unwrap_or_else(|error| panic!("can't work on the database of DATABASE_URL: {error}"))
        })
    }

    pub(super) fn start(url: String, id: i32) -> QueryResult<Self> {
        let mut connection = super::connect(&url);
        // Advisory locks belong to the database that one is connected to, so its own id has to be in the names as well.
        let home: Text = sql_query(
            "SELECT 'larder_test_' || oid || '_' AS text FROM pg_database WHERE datname = current_database()",
        )
        .get_result(&mut connection)?;
        let is_locked = try_lock(&mut connection, id)?;
        assert!(is_locked, "another run has the id {id}");
        sweep(&mut connection, &home.text, id)?;
        let prefix = format!("{}{id}_", home.text);
        Ok(Self { url, prefix, connection: Mutex::new(connection), n_names: AtomicUsize::new(0) })
    }

    /// A name for a database that no other has.
    pub(super) fn name(&self, kind: &str) -> String {
        format!("{}{kind}_{}", self.prefix, self.n_names.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn url_of(&self, database: &str) -> String {
        with_database(&self.url, database)
    }

    pub(super) fn create(&self, database: &str, template: &str) {
        let statement = format!(r#"CREATE DATABASE "{database}" TEMPLATE "{template}""#);
        self.execute(&statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Ends the connections to a database, and brings it back to what it was at first: whether that could be done.
    pub(super) fn recycle(&self, database: &str, blank: &Blank) -> bool {
        let disconnect =
            format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'");
        let is_alone = self.execute(&disconnect).is_ok();
        is_alone
            && PgConnection::establish(&self.url_of(database))
                .is_ok_and(|mut connection| blank.restore(&mut connection).unwrap_or(false))
    }

    pub(super) fn drop_database(&self, database: &str) {
        // The next run's sweep gets what this can't.
        let _ = self.execute(&drop_statement(database));
    }

    fn execute(&self, statement: &str) -> QueryResult<()> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).batch_execute(statement)
    }
}

/// Drops the databases of runs that are no more.
fn sweep(connection: &mut PgConnection, home: &str, own: i32) -> QueryResult<()> {
    let names: Vec<Text> = sql_query("SELECT datname::text AS text FROM pg_database WHERE starts_with(datname, $1)")
        .bind::<sql_types::Text, _>(home)
        .load(connection)?;
    let mut runs: Vec<(i32, String)> =
        names.into_iter().filter_map(|Text { text }| Some((run_of(&text, home)?, text))).collect();
    runs.sort_unstable();
    for group in runs.chunk_by(|one, other| one.0 == other.0) {
        let id = group[0].0;
        if id == own || !try_lock(connection, id)? {
            continue;
        }
        for (_, name) in group {
            connection.batch_execute(&drop_statement(name))?;
        }
        sql_query("SELECT pg_advisory_unlock($1, $2)")
            .bind::<sql_types::Integer, _>(LOCK)
            .bind::<sql_types::Integer, _>(id)
            .execute(connection)?;
    }
    Ok(())
}

fn try_lock(connection: &mut PgConnection, id: i32) -> QueryResult<bool> {
    let lock: Flag = sql_query("SELECT pg_try_advisory_lock($1, $2) AS flag")
        .bind::<sql_types::Integer, _>(LOCK)
        .bind::<sql_types::Integer, _>(id)
        .get_result(connection)?;
    Ok(lock.flag)
}

fn run_of(name: &str, home: &str) -> Option<i32> {
    name.strip_prefix(home)?.split('_').next()?.parse().ok()
}

fn drop_statement(name: &str) -> String {
    format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#)
}

/// The URL of another database on the same server.
fn with_database(url: &str, database: &str) -> String {
    let (rest, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    let authority = rest.find("://").map_or(0, |scheme| scheme + 3);
    let end = rest[authority..].find('/').map_or(rest.len(), |slash| authority + slash);
    format!("{}/{database}{query}", &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_database_is_named_in_the_url() {
        for (url, expected) in [
            ("postgres://u:p@host:5432/app", "postgres://u:p@host:5432/t"),
            ("postgres://host", "postgres://host/t"),
            ("postgres://host?sslmode=disable", "postgres://host/t?sslmode=disable"),
            ("postgres:///app?host=/run/postgresql", "postgres:///t?host=/run/postgresql"),
        ] {
            assert_eq!(with_database(url, "t"), expected);
        }
    }

    #[test]
    fn a_dead_run_is_swept_and_a_living_one_is_left_alone() {
        let exists = |run: &Run, name: &str| {
            let found: Flag = sql_query("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS flag")
                .bind::<sql_types::Text, _>(name)
                .get_result(&mut *run.connection.lock().unwrap())
                .unwrap();
            found.flag
        };
        let dead = Run::start(database_url(), fastrand::i32(1..)).unwrap();
        let living = Run::start(database_url(), fastrand::i32(1..)).unwrap();
        let (of_dead, of_living) = (dead.name("db"), living.name("db"));
        dead.create(&of_dead, "template0");
        living.create(&of_living, "template0");
        drop(dead);
        // The server hears of the end of a connection a little later.
        crate::eventually(std::time::Duration::from_secs(30), || {
            let run = Run::start(database_url(), fastrand::i32(1..)).unwrap();
            assert!(exists(&run, &of_living));
            !exists(&run, &of_dead)
        });
        living.drop_database(&of_living);
        assert!(!exists(&living, &of_living));
    }
}
