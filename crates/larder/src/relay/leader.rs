//! Who of all relays works, and when.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use diesel::{PgConnection, connection::SimpleConnection, result::QueryResult};

use super::{Error, Inner, bound::bound};
use crate::{
    leader::{ELECTION, Leader, Seat, number_of},
    stop::Stop,
};

/// What kind of work the advisory lock is for.
const LOCK: i32 = i32::from_be_bytes(*b"obox");

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
        let find = |connection: &mut PgConnection| {
            number_of("larder_outbox", connection).map(|number| Seat { kind: LOCK, number })
        };
        let Some(mut leader) = Leader::elect::<Error>(&self.pool, find, Some("UNLISTEN larder_outbox"))? else {
            return Ok(());
        };
        self.ledger.leads(true);
        tracing::debug!("this relay leads");
        self.work_until(stop, leader.connection())
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
