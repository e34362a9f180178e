//! The two clocks of the near cache.

use std::{sync::Arc, time::Duration};

use crate::store::Clock;

/// The time that a hit reads, and the time by which proofs are made.
pub(super) enum Clocks {
    System {
        quick: quanta::Clock,
        ticks_per_second: u64,
    },
    /// One clock for both.
    Given(Arc<dyn Clock>),
}

impl Clocks {
    pub(super) fn system() -> Self {
        let quick = quanta::Clock::new();
        // The longest span that is asked for is a lifetime: counted in one step of 2^32 ticks, it is right to a millionth.
        let span = quick.delta_as_nanos(0, 1 << 32).max(1);
        let ticks_per_second = u64::try_from((1_u128 << 32) * 1_000_000_000 / u128::from(span)).unwrap_or(u64::MAX);
        Self::System { quick, ticks_per_second }
    }

    /// The time in ticks, from the processor's own counter where that goes evenly: a third of the cost of asking the system.
    ///
    /// It may stand still, or begin anew, while the machine sleeps.
    #[inline]
    pub(super) fn ticks(&self) -> u64 {
        match self {
            Self::System { quick, .. } => quick.raw(),
            Self::Given(clock) => nanoseconds(clock.now()),
        }
    }

    /// So long in ticks.
    pub(super) fn ticks_of(&self, time: Duration) -> u64 {
        let per_second = match self {
            Self::System { ticks_per_second, .. } => *ticks_per_second,
            Self::Given(_) => 1_000_000_000,
        };
        u64::try_from(time.as_nanos() * u128::from(per_second) / 1_000_000_000).unwrap_or(u64::MAX)
    }

    /// The time, which goes on while the machine sleeps.
    pub(super) fn time(&self) -> Duration {
        match self {
            Self::System { .. } => boot_time(),
            Self::Given(clock) => clock.now(),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(target_os = "linux")]
fn boot_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    // Since the machine was started: neither is ever negative.
    Duration::new(seconds.unwrap_or_default(), nanoseconds.unwrap_or_default())
}

// Of the other systems, `Instant` goes on during sleep on some and not on others.
#[cfg(not(target_os = "linux"))]
fn boot_time() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_counted_as_the_time_is() {
        let clocks = Clocks::system();
        let (ticks, time) = (clocks.ticks(), clocks.time());
        while clocks.time() - time < Duration::from_millis(20) {
            std::thread::yield_now();
        }
        let passed = clocks.ticks() - ticks;
        let expected = clocks.ticks_of(clocks.time() - time);
        assert!(passed.abs_diff(expected) < expected / 20, "{passed} ticks, and not {expected}");
    }
}
