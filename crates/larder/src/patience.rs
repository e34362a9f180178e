//! For how long a read is waited for, and what may be given in its place.

use std::time::Duration;

/// For how long a read is waited for, and how old a value may be that is given in its place. Defaults to waiting for as long as it takes.
///
/// ```
/// # use std::time::Duration;
/// use larder::Patience;
///
/// let patience = Patience::new()
///     .soft(Duration::from_millis(30))
///     .hard(Duration::from_millis(500))
///     .stale_for(Duration::from_secs(600));
/// ```
///
/// Times count from the beginning of the call, its relations included. What is kept near, and what the shared store has, is given as ever:
/// the store is asked by the calling thread and has time-outs of its own. What is missing is loaded by a thread of the handle,
/// which goes on if the caller doesn't wait, and puts the rows into the caches for the next one. There are four times as many such threads as the
/// pool has connections, at most; they are started when needed, and end when they are not. What finds 256 others waiting for one is
/// not waited for: it gets an old value or [`Error::TimedOut`](crate::Error::TimedOut) at once, or, without a hard time, is loaded by its caller.
///
/// Old values are the last ones that the near cache has had, also those that were dropped since. They are given only where all of the
/// keys that are missing have one, to reads of models that are kept near and [bounded](crate::Near::Bounded), by
/// [`Consistency::Near`](crate::Consistency::Near), without a [token](crate::Token): a scope that has written does not get any. They
/// may be older than the handle's own writes, and than what it gave out before. Everything else is as fresh as ever, or fails. Reads in a transaction have no patience: end them by settings of the database.
///
/// Statements that go to the database each time (`query`, lists in an order of their own, filtered relations, counts with a
/// condition) are sent by the calling thread: not after the hard time, and with no longer a wait for a connection than that, but
/// they are not cut short.
///
/// Costs nothing where what is asked for is in the near cache or the store, and where it is not, two changes of threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience {
    pub(crate) soft: Option<Duration>,
    pub(crate) hard: Option<Duration>,
    pub(crate) stale_for: Option<Duration>,
}

impl Patience {
    /// Waits for as long as it takes.
    #[must_use]
    pub const fn new() -> Self {
        Self { soft: None, hard: None, stale_for: None }
    }

    /// After this time an old value is given, if [`stale_for`](Self::stale_for) allows one and there is one; the load goes on. Defaults to
    /// waiting for the load.
    #[must_use]
    pub const fn soft(mut self, after: Duration) -> Self {
        self.soft = Some(after);
        self
    }

    /// After this time the call fails with [`Error::TimedOut`](crate::Error::TimedOut), or gives an old value if
    /// [`stale_for`](Self::stale_for) allows one; the load goes on. Defaults to waiting for the load.
    #[must_use]
    pub const fn hard(mut self, after: Duration) -> Self {
        self.hard = Some(after);
        self
    }

    /// Allows old values in place of an error and after the [soft](Self::soft) time: no older than this, counted from when they came
    /// into the near cache. Defaults to allowing none.
    ///
    /// [`Event::GaveStale`](crate::Event::GaveStale) tells of each, and [`Scope::gave_stale`](crate::Scope::gave_stale) afterwards.
    #[must_use]
    pub const fn stale_for(mut self, at_most: Duration) -> Self {
        self.stale_for = Some(at_most);
        self
    }

    pub(crate) fn is_endless(&self) -> bool {
        *self == Self::new()
    }
}
