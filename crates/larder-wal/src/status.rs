//! How a follower is doing.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// How a [`Follower`](crate::Follower) is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether this is the one that reads the log now. Another process may be.
    pub is_following: bool,
    /// How many bytes of the log the server keeps for the slot, when that was last looked at: once a second.
    pub retained_bytes: Option<u64>,
    /// How many transactions with changes of the models were settled.
    pub n_transactions: u64,
    /// How many cells were settled.
    pub n_cells: u64,
    /// How often every cell was settled, since a slot was new.
    pub n_fresh_starts: u64,
    /// How much time passed from the last settled COMMIT, by the server's clock, until it was settled, by this one's.
    pub last_lag: Option<Duration>,
    /// What kept the follower from following when it last tried.
    pub last_error: Option<String>,
}

/// A status that several threads see.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Status>);

impl Shared {
    pub(crate) fn get(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How long ago an instant of PostgreSQL's was, in microseconds since the year 2000.
pub(crate) fn since(microseconds: i64) -> Duration {
    const YEAR_2000: Duration = Duration::from_secs(946_684_800);
    let instant = SystemTime::UNIX_EPOCH + YEAR_2000 + Duration::from_micros(u64::try_from(microseconds).unwrap_or(0));
    // The clocks may differ by more than it took.
    SystemTime::now().duration_since(instant).unwrap_or_default()
}
