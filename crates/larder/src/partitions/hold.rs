//! For how long a step may keep others waiting, and what is left of that.

use std::time::{Duration, Instant};

use diesel::{
    Connection as _, PgConnection,
    connection::SimpleConnection as _,
    result::{DatabaseErrorKind as Kind, Error as Diesel},
};

use super::error::Error;

/// For how long a step may keep others waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// While it waits for a lock itself.
    pub(super) lock_timeout: Duration,
    /// While it has it.
    pub(super) hold_at_most: Duration,
}

impl Limits {
    /// Does a step in a transaction that waits for no lock longer than it may, and that keeps none for longer than it may.
    pub(super) fn transaction<T>(
        self,
        connection: &mut PgConnection,
        work: impl FnOnce(&mut Hold<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        connection.transaction(|connection| {
            connection.batch_execute(&self.settings("LOCAL"))?;
            let mut hold = Hold { connection, limits: self, taken: None };
            let done = work(&mut hold);
            done.map_err(|error| hold.why(error))
        })
    }

    /// What a statement may take by itself.
    pub(super) fn settings(self, scope: &str) -> String {
        let (lock, hold) = (self.lock_timeout.as_millis().max(1), self.hold_at_most.as_millis().max(1));
        format!("SET {scope} lock_timeout = {lock}; SET {scope} statement_timeout = {hold}")
    }
}

/// A step's transaction, from its first lock on with as much time as is left.
pub(super) struct Hold<'c> {
    connection: &'c mut PgConnection,
    limits: Limits,
    taken: Option<Taken>,
}

/// When the first lock was taken in whose way others may stand.
#[derive(Clone, Copy)]
struct Taken {
    /// From then on others may have waited behind it.
    asked: Instant,
    /// From then on it was had.
    had: Instant,
}

impl Hold<'_> {
    /// Takes a lock in whose way others may stand. The time of the step begins when it has the first one.
    pub(super) fn lock(&mut self, sql: &str) -> Result<(), Error> {
        let asked = Instant::now();
        self.statement()?.batch_execute(sql)?;
        self.taken.get_or_insert_with(|| Taken { asked, had: Instant::now() });
        Ok(())
    }

    /// The connection, for one statement: under a lock it ends when the time of the step does.
    ///
    /// PostgreSQL gives each statement of a batch the whole time again: a batch is no statement.
    pub(super) fn statement(&mut self) -> Result<&mut PgConnection, Error> {
        if let Some(Taken { had, .. }) = self.taken {
            let left = self.limits.hold_at_most.saturating_sub(had.elapsed());
            if left.is_zero() {
                return Err(self.held_too_long());
            }
            // Rounded up, so that whatever is given up for this has had its time.
            let left = left.as_millis() + 1;
            self.connection.batch_execute(&format!("SET LOCAL statement_timeout = {left}"))?;
        }
        Ok(self.connection)
    }

    /// Since when others may have waited: from now on, if no lock is had.
    pub(super) fn since(&self) -> Instant {
        self.taken.map_or_else(Instant::now, |taken| taken.asked)
    }

    /// Diesel gives no code for a statement that was given up for its time: that the time is over tells.
    fn why(&self, error: Error) -> Error {
        let is_over = self.taken.is_some_and(|taken| taken.had.elapsed() >= self.limits.hold_at_most);
        match error {
            Error::Database(Diesel::DatabaseError(Kind::Unknown, _)) if is_over => self.held_too_long(),
            error => error,
        }
    }

    fn held_too_long(&self) -> Error {
        Error::HeldTooLong { held: self.since().elapsed(), hold_at_most: self.limits.hold_at_most }
    }
}
