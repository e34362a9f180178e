use std::{fmt, sync::Arc, time::Duration};

use crate::store::{Clock, SystemClock};

/// When the breaker before a store opens, and how it closes. [`Builder::breaker`](crate::Builder::breaker) takes it.
///
/// While it is open, reads go to the database without a word to the store, and fill nothing. Writes mark and end their cells as ever; but
/// one that is [available](crate::Writes::Available) does not wait for a store of which the last that was heard was a time-out or a lost
/// connection: it goes by the outbox at once, as it would after waiting.
#[derive(Clone)]
pub struct BreakerOptions {
    pub(crate) is_on: bool,
    pub(super) failures: u32,
    pub(super) slow: Duration,
    pub(super) first_pause: Duration,
    pub(super) last_pause: Duration,
    pub(super) ramp: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            is_on: true,
            failures: 5,
            slow: Duration::from_millis(50),
            first_pause: Duration::from_millis(100),
            last_pause: Duration::from_secs(1),
            ramp: Duration::from_secs(5),
            clock: Arc::new(SystemClock::default()),
        }
    }
}

impl BreakerOptions {
    /// No breaker: every call asks the store, and waits for it as long as the store's own time-outs say.
    #[must_use]
    pub fn off() -> Self {
        Self { is_on: false, ..Self::default() }
    }

    /// How many of the last twice as many calls must have failed for the breaker to open: 5 says half of the last 10, or 5 in a row after
    /// good ones. From 1 to 32; what is beyond counts as that. Defaults to 5.
    ///
    /// A call fails if the store can't be reached, does not answer in time, or is [slow](Self::slow); a read also if it is refused. What
    /// else a store refuses is no failure: one that is full still serves what it has.
    #[must_use]
    pub fn failures(mut self, n_calls: u32) -> Self {
        self.failures = n_calls.clamp(1, 32);
        self
    }

    /// How long a call may take, for each [batch](crate::store::BATCH) of keys, before it counts as a failure, whatever it brings.
    /// [`Duration::MAX`] says for ever. Defaults to 50 ms.
    ///
    /// Slow calls, and those that time out, count only when for four times as long none was good: under a load that is more than the
    /// processor can take most calls wait, and the store is not to be blamed.
    ///
    /// Not asked of scans, nor of a write that waits until nobody serves copies of [strict](crate::Near::Strict) models any more.
    #[must_use]
    pub fn slow(mut self, after: Duration) -> Self {
        self.slow = after;
        self
    }

    /// How long after the breaker has opened the store is tried for the first time, and how long after a try at most: each that fails
    /// doubles the pause, of which up to a half is left out at random. At least a millisecond. Defaults to 100 ms and 1 s.
    ///
    /// A try is a read of one key of the breaker's own, by a thread of its own. After three good ones in a row, the first pause apart,
    /// the breaker closes. One that opens again before the [ramp](Self::ramp) is over goes on with longer pauses.
    #[must_use]
    pub fn probe_every(mut self, first: Duration, at_most: Duration) -> Self {
        self.first_pause = first.max(Duration::from_millis(1));
        self.last_pause = at_most.max(self.first_pause);
        self
    }

    /// For how long after that leases are held back, so that not everything is filled in at once. Zero for not at all. Defaults to 5 s.
    ///
    /// A share of the calls with misses gets leases that grows from none to all of them, and one call each 10 ms in any case; the others
    /// are answered by the database and fill nothing. It begins anew as long as the store refuses leases, as one that was restarted does while its
    /// quarantine lasts.
    #[must_use]
    pub fn ramp(mut self, length: Duration) -> Self {
        self.ramp = length;
        self
    }

    /// Tells slow calls and the ramp by `clock`, for tests. Pauses go by the system's clock. Defaults to [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl fmt::Debug for BreakerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_on, failures, slow, first_pause, last_pause, ramp, clock: _ } = self;
        f.debug_struct("BreakerOptions")
            .field("is_on", is_on)
            .field("failures", failures)
            .field("slow", slow)
            .field("first_pause", first_pause)
            .field("last_pause", last_pause)
            .field("ramp", ramp)
            .finish_non_exhaustive()
    }
}
