//! One worker among all processes: whoever has an advisory lock of the database.

use std::time::Duration;

use diesel::{
    PgConnection, RunQueryDsl,
    connection::SimpleConnection,
    dsl::sql,
    r2d2::{ConnectionManager, Pool, PooledConnection},
    result::QueryResult,
    select,
    sql_types::{Bool, Integer},
};

/// How long a worker waits for a connection of the pool.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// How often to look whether there is a leader.
pub(crate) const ELECTION: Duration = Duration::from_secs(1);

const RESET: &str = "SELECT set_config(name, reset_val, false) FROM pg_settings WHERE name = 'idle_session_timeout'";

/// The key of a leader's lock: what kind of work it is, and of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) kind: i32,
    pub(crate) number: i32,
}

/// The leader's session. Its connection goes back into the pool without the lock.
pub(crate) struct Leader {
    connection: PooledConnection<ConnectionManager<PgConnection>>,
    seat: Seat,
    /// What else has to be taken back, if anything.
    undo: Option<&'static str>,
}

impl Leader {
    /// Leads, if nobody else does, until it is dropped. `find` says what, and `undo` is sent at the end.
    pub(crate) fn elect<E>(
        pool: &Pool<ConnectionManager<PgConnection>>,
        find: impl FnOnce(&mut PgConnection) -> QueryResult<Seat>,
        undo: Option<&'static str>,
    ) -> Result<Option<Self>, E>
    where
        E: From<r2d2::Error> + From<diesel::result::Error>,
    {
        let mut connection = pool.get_timeout(CONNECT_WITHIN)?;
        let seat = find(&mut connection)?;
        if !advisory("pg_try_advisory_lock", seat, &mut connection)? {
            return Ok(None);
        }
        let mut leader = Self { connection, seat, undo };
        leader.may_be_silent_for(Duration::from_secs(15))?;
        Ok(Some(leader))
    }

    /// Has the server end the session if nothing is asked for so long: a leader that is frozen or cut off, in whose session the server
    /// would believe for hours, is to let another lead. PostgreSQL 14 and later can.
    pub(crate) fn may_be_silent_for(&mut self, time: Duration) -> QueryResult<()> {
        let seconds = time.as_secs();
        self.connection.batch_execute(&format!(
            "SELECT set_config(name, '{seconds}s', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
        ))
    }

    /// What it leads.
    #[cfg(feature = "postgres")]
    pub(crate) fn seat(&self) -> Seat {
        self.seat
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // Back in the pool, the connection must not lead. One that is broken is thrown away, and one that can't be made to is ended here.
        let (seat, connection) = (self.seat, &mut self.connection);
        let left = connection
            .batch_execute(RESET)
            .and_then(|()| self.undo.map_or(Ok(()), |undo| connection.batch_execute(undo)))
            .and_then(|()| advisory("pg_advisory_unlock", seat, connection));
        if left.is_err() {
            let _ = connection.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())");
        }
    }
}

/// Takes or gives back a lock: whether it could.
fn advisory(function: &str, Seat { kind, number }: Seat, connection: &mut PgConnection) -> QueryResult<bool> {
    select(sql::<Bool>(&format!("{function}({kind}, {number})"))).get_result(connection)
}

/// The number of a table or view, which is found along the `search_path` unless it names its schema.
pub(crate) fn number_of(table: &str, connection: &mut PgConnection) -> QueryResult<i32> {
    let literal = table.replace('\'', "''");
    select(sql::<Integer>(&format!("'{literal}'::regclass::oid::int4"))).get_result(connection)
}
