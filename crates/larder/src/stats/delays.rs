//! How long it takes until a change is known, as a distribution.

use std::time::Duration;

use serde::Serialize;

use crate::figures::{Figures, Histogram};

/// How long it has taken so far until changes were known: [`Larder::delays`](crate::Larder::delays) gives it.
///
/// What is near is dropped when the store announces a change. A write through larder is announced before its COMMIT, so that its copies are as
/// old as [`announced`](Self::announced) at most, less what the COMMIT takes. A write past larder is announced when a relay has settled it: its
/// copies are as old as [`relayed`](Self::relayed) and [`announced`](Self::announced) together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Delays {
    /// From the store to this process: each is a question on the line of announcements, from its sending to its answer, which comes behind all
    /// that was announced before. So an announcement took no longer. Empty without a near cache.
    pub announced: Vec<Range>,
    /// From when a row was noted in the outbox, just before the COMMIT of its write, until a relay of this handle had settled it: the oldest
    /// row of each batch. Empty where another process relays.
    pub relayed: Vec<Range>,
}

/// How often something took how long. It is a quarter of a doubling wide; the first is all below 1.024 us, and the last all from 68.7 s on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Range {
    /// So long at least.
    pub from: Duration,
    /// And shorter than that.
    pub to: Duration,
    /// How often.
    pub n: u64,
}

impl Delays {
    pub(crate) fn of(figures: &Figures) -> Self {
        Self { announced: ranges(&figures.line), relayed: ranges(&figures.relay_lag) }
    }
}

fn ranges(histogram: &Histogram) -> Vec<Range> {
    histogram.level().ranges().map(|(from, to, n)| Range { from, to, n }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delay_is_counted_in_the_range_that_it_is_in_and_shorter_ones_come_first() {
        let figures = Figures::default();
        assert_eq!(Delays::of(&figures), Delays::default());
        for milliseconds in [7, 1, 7] {
            figures.relay_lag.add(Duration::from_millis(milliseconds));
        }
        figures.line.add(Duration::ZERO);
        let Delays { announced, relayed } = Delays::of(&figures);
        assert_eq!(announced, [Range { from: Duration::ZERO, to: Duration::from_nanos(1_024), n: 1 }]);
        let [short, long] = &*relayed else { panic!("{relayed:?}") };
        for (range, milliseconds, n) in [(short, 1, 1), (long, 7, 2)] {
            let time = Duration::from_millis(milliseconds);
            assert!(range.from <= time && time < range.to && range.to - range.from <= range.from / 4, "{range:?}");
            assert_eq!(range.n, n);
        }
    }
}
