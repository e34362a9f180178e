//! Durations, counted by how long they were.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What is shorter goes into the first bucket: 1.024 us.
const SHORTEST_BITS: u32 = 10;
/// Each doubling is divided into so many equal parts.
const PARTS_BITS: u32 = 2;
const PARTS: usize = 1 << PARTS_BITS;
/// Doublings up to the last bucket, which begins at 68.7 s.
const DOUBLINGS: usize = 26;
const BUCKETS: usize = 2 + DOUBLINGS * PARTS;

/// How often something took how long: a bucket for each quarter of a doubling, so that a quantile is right to an eighth.
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    total: AtomicU64,
    longest: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = std::array::from_fn(|_| AtomicU64::new(0));
        Self { buckets, total: AtomicU64::new(0), longest: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one. Some 20 ns.
    pub(crate) fn add(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanoseconds)].fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(nanoseconds, Ordering::Relaxed);
        self.longest.fetch_max(nanoseconds, Ordering::Relaxed);
    }

    /// How it stands at about this moment.
    pub(crate) fn level(&self) -> Level {
        Level {
            buckets: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            total: Duration::from_nanos(self.total.load(Ordering::Relaxed)),
            longest: Duration::from_nanos(self.longest.load(Ordering::Relaxed)),
        }
    }
}

/// A histogram at some moment.
pub(crate) struct Level {
    pub(crate) buckets: Box<[u64]>,
    pub(crate) total: Duration,
    pub(crate) longest: Duration,
}

impl Level {
    pub(crate) fn n(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How often each time was counted that was not in `earlier`, which this goes on from.
    #[cfg(feature = "metrics")]
    pub(crate) fn since<'l>(&'l self, earlier: Option<&'l Self>) -> impl Iterator<Item = (Duration, u64)> + 'l {
        let before = move |bucket: usize| earlier.map_or(0, |earlier| earlier.buckets[bucket]);
        let grown = self.buckets.iter().enumerate().map(move |(bucket, n)| (bucket, n.saturating_sub(before(bucket))));
        grown.filter(|(_, n)| *n > 0).map(|(bucket, n)| (middle_of(bucket), n))
    }

    /// How often each time was counted, shortest first: from where to where it is, and how often. What was never counted is left out.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (Duration, Duration, u64)> + '_ {
        let counted = self.buckets.iter().enumerate().filter(|(_, n)| **n > 0);
        counted.map(|(bucket, n)| (start_of(bucket), start_of(bucket + 1), *n))
    }

    /// The time that so much of all took at most: zero if there was nothing.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        let n = self.n();
        #[expect(clippy::cast_possible_truncation, reason = "a part of a u64")]
        #[expect(clippy::cast_sign_loss, reason = "neither is negative")]
        let wanted = ((n as f64 * part).ceil() as u64).clamp(1, n.max(1));
        let mut counted = 0;
        let bucket = self.buckets.iter().position(|n| {
            counted += n;
            counted >= wanted
        });
        bucket.map_or(Duration::ZERO, middle_of).min(self.longest)
    }
}

fn bucket_of(nanoseconds: u64) -> usize {
    let Some(doublings) = nanoseconds.checked_ilog2().and_then(|bits| bits.checked_sub(SHORTEST_BITS)) else {
        return 0;
    };
    let part = nanoseconds >> (doublings + SHORTEST_BITS - PARTS_BITS) & (PARTS as u64 - 1);
    let part = usize::try_from(part).expect("there are a few parts");
    (1 + doublings as usize * PARTS + part).min(BUCKETS - 1)
}

/// The shortest time of a bucket; the one behind the last ends it, though it has all that is longer.
fn start_of(bucket: usize) -> Duration {
    let Some(above) = bucket.checked_sub(1) else { return Duration::ZERO };
    let (doublings, part) = (above / PARTS, above % PARTS);
    let part_nanoseconds = 1_u64 << (doublings + SHORTEST_BITS as usize - PARTS_BITS as usize);
    Duration::from_nanos(part_nanoseconds * (PARTS + part) as u64)
}

/// The time in the middle of a bucket.
fn middle_of(bucket: usize) -> Duration {
    start_of(bucket) + (start_of(bucket + 1) - start_of(bucket)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_where_the_middle_is_no_further_than_an_eighth() {
        for nanoseconds in (0..36).flat_map(|bits| [1 << bits, (1 << bits) + 1, (3 << bits) / 2, (2 << bits) - 1]) {
            let middle = middle_of(bucket_of(nanoseconds)).as_nanos().abs_diff(u128::from(nanoseconds));
            assert!(nanoseconds < 1 << SHORTEST_BITS || middle * 8 <= u128::from(nanoseconds), "{nanoseconds}");
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn buckets_follow_each_other_and_have_what_is_counted_in_them() {
        for bucket in 1..BUCKETS {
            let (start, nanosecond) = (start_of(bucket), Duration::from_nanos(1));
            let bucket_at = |time: Duration| bucket_of(u64::try_from(time.as_nanos()).unwrap());
            assert_eq!((bucket_at(start - nanosecond), bucket_at(start)), (bucket - 1, bucket));
        }
    }

    #[test]
    fn quantiles_are_of_what_was_counted() {
        let histogram = Histogram::default();
        assert_eq!(histogram.level().quantile(0.5), Duration::ZERO);
        (1..=100).for_each(|n| histogram.add(Duration::from_millis(n)));
        let level = histogram.level();
        assert_eq!(
            (level.n(), level.total, level.longest),
            (100, Duration::from_millis(5_050), Duration::from_millis(100))
        );
        for (part, expected) in [(0.5, 50.0), (0.9, 90.0), (0.99, 99.0)] {
            let found = level.quantile(part).as_secs_f64() * 1e3;
            assert!((found - expected).abs() < expected / 7.9, "{part}: {found}");
        }
        assert!(level.quantile(1.0) <= level.longest);
    }
}
