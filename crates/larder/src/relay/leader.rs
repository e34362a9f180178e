//! Who of all relays works, and when.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, RunQueryDsl,
    connection::SimpleConnection,
    dsl::sql,
    result::QueryResult,
    select,
    sql_types::{Bool, Integer},
};

use super::{CONNECT_WITHIN, Error, Inner, bound::bound, stop::Stop};

/// The first half of the key of the advisory lock; the second is the table's number.
const LOCK: i32 = i32::from_be_bytes(*b"obox");

/// How often to look whether there is a leader.
const ELECTION: Duration = Duration::from_secs(1);

/// A leader asks something every second. One that does not is frozen or cut off, and the server, which would believe in its session for
/// hours, is to let another lead. PostgreSQL 14 and later can.
const END_IF_SILENT: &str =
    "SELECT set_config(name, '15s', false) FROM pg_settings WHERE name = 'idle_session_timeout'";
const MAY_BE_SILENT: &str =
    "SELECT set_config(name, reset_val, false) FROM pg_settings WHERE name = 'idle_session_timeout'";

/// How often to look for a notification, and how often at the table if none comes.
const LISTEN: Duration = Duration::from_millis(5);
const LOOK: Duration = Duration::from_secs(1);

/// How often to look at the table, and for how long, after there was something: who adds a row while others wait does not notify.
const ALERT: Duration = Duration::from_millis(10);
const ALERT_FOR: Duration = Duration::from_secs(1);

/// How long to wait for a store that is away: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(1);

impl Inner {
    /// Leads, or waits for its turn to lead, until it is told to stop.
    pub(super) fn run(&self, stop: &Stop) {
        let mut said = None;
        while !stop.is_set() {
            // Whatever a handler of events does, the outbox must go on being emptied.
            let led = catch_unwind(AssertUnwindSafe(|| self.lead(stop)));
            self.ledger.leads(false);
            let failure = match led {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{error}: {}", cause(&error))),
                Err(_) => Some("it panicked".to_owned()),
            };
            // Once a failure, and not once a second.
            if failure != said {
                failure.iter().for_each(|failure| tracing::warn!(failure, "the relay failed; it tries again"));
                said = failure;
            }
            let _ = stop.rest(ELECTION);
        }
    }

    /// Works for as long as it is told to and nothing but the store fails, if nobody else does.
    fn lead(&self, stop: &Stop) -> Result<(), Error> {
        let mut connection = self.pool.get_timeout(CONNECT_WITHIN)?;
        let table: i32 = select(sql::<Integer>("'larder_outbox'::regclass::oid::int4")).get_result(&mut connection)?;
        if !advisory("pg_try_advisory_lock", table, &mut connection)? {
            return Ok(());
        }
        self.ledger.leads(true);
        tracing::debug!("this relay leads");
        connection.batch_execute(END_IF_SILENT)?;
        let led = self.work_until(stop, &mut connection);
        // Back in the pool, the connection must neither lead nor listen. One that is broken is thrown away, and one that can't be
        // made to is ended here.
        let left = connection
            .batch_execute(MAY_BE_SILENT)
            .and_then(|()| connection.batch_execute("UNLISTEN larder_outbox"))
            .and_then(|()| advisory("pg_advisory_unlock", table, &mut connection));
        if left.is_err() {
            let _ = connection.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())");
        }
        led
    }

    fn work_until(&self, stop: &Stop, connection: &mut PgConnection) -> Result<(), Error> {
        connection.batch_execute("LISTEN larder_outbox")?;
        let mut pause = FIRST_PAUSE;
        let mut bounded: Option<Instant> = None;
        let mut last: Option<Instant> = None;
        while !stop.is_set() {
            if bounded.is_none_or(|at| at.elapsed() >= LOOK) {
                // A table that can't be made shorter can still be emptied; a connection that is lost shows in what follows.
                if let Err(error) = bound(connection, self.max_rows) {
                    tracing::warn!(%error, "the outbox could not be made shorter");
                }
                bounded = Some(Instant::now());
            }
            match self.batch(connection, stop) {
                Ok(Some(_)) => (pause, last) = (FIRST_PAUSE, Some(Instant::now())),
                Ok(None) if last.is_some_and(|last| last.elapsed() < ALERT_FOR) => _ = stop.rest(ALERT),
                Ok(None) => wait_for_notification(connection, stop)?,
                Err(Error::Store(error)) => {
                    self.layers().relay_failed(&error);
                    let _ = stop.rest(pause);
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Takes or gives back the lock of the leader: whether it could.
fn advisory(function: &str, table: i32, connection: &mut PgConnection) -> QueryResult<bool> {
    select(sql::<Bool>(&format!("{function}({LOCK}, {table})"))).get_result(connection)
}

/// Waits until a row was added, or it is time to look anyway.
fn wait_for_notification(connection: &mut PgConnection, stop: &Stop) -> QueryResult<()> {
    let started = Instant::now();
    while stop.rest(LISTEN) && started.elapsed() < LOOK {
        let mut is_woken = false;
        for notification in connection.notifications_iter() {
            notification?;
            is_woken = true;
        }
        if is_woken {
            break;
        }
    }
    Ok(())
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}
