use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment on the machine's monotonic clock, in nanoseconds: the same clock for every process.
pub(crate) type Moment = u64;

/// The moment that this is.
pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::Monotonic);
    // Neither is negative on a clock that counts from the machine's start.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// The time between two moments, zero if they are the other way round.
pub(crate) fn between(earlier: Moment, later: Moment) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}
