use std::{
    thread,
    time::{Duration, Instant},
};

use crate::store::BATCH;

/// How long a pause may be before whoever watches is asked again.
const STEP: Duration = Duration::from_millis(100);

/// How quick the comparison may be, and when it ends.
#[derive(Debug)]
pub(super) struct Pace {
    cells_per_second: Option<u32>,
    deadline: Option<Instant>,
    /// Before this the next batch is not to begin.
    next: Instant,
}

impl Pace {
    pub(super) fn new(cells_per_second: Option<u32>, at_most: Option<Duration>) -> Self {
        let now = Instant::now();
        Self { cells_per_second, deadline: at_most.and_then(|time| now.checked_add(time)), next: now }
    }

    /// The size of a batch: so small that a pause after it is short.
    pub(super) fn batch(&self, at_most: usize) -> usize {
        let in_a_step = self.cells_per_second.map_or(BATCH, |rate| usize::try_from(rate / 10).unwrap_or(BATCH));
        in_a_step.clamp(1, at_most)
    }

    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Takes note of cells that were compared, and returns how long to wait for the next ones.
    pub(super) fn spend(&mut self, n_cells: usize) -> Duration {
        let now = Instant::now();
        if let (Some(rate), Ok(n_cells)) = (self.cells_per_second, u32::try_from(n_cells)) {
            // What was not used lately is not saved up.
            self.next = self.next.max(now) + Duration::from_secs(1) * n_cells / rate;
        }
        self.next.saturating_duration_since(now)
    }
}

/// Waits in short steps: whether `goes_on` held all the time.
pub(super) fn wait(time: Duration, mut goes_on: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        if !goes_on() {
            return false;
        }
        thread::sleep(left.min(STEP));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_no_longer_than_a_tenth_of_a_second_at_its_rate() {
        for (rate, expected) in [(None, 512), (Some(1), 1), (Some(99), 9), (Some(1_000), 100), (Some(u32::MAX), 512)] {
            assert_eq!(Pace::new(rate, None).batch(512), expected);
        }
        assert_eq!(Pace::new(None, None).batch(64), 64);
    }

    #[test]
    fn the_rate_is_kept_over_several_batches_and_nothing_is_saved_up() {
        let mut pace = Pace::new(Some(10), None);
        let first = pace.spend(5);
        assert!(first <= Duration::from_millis(500) && first > Duration::from_millis(400), "{first:?}");
        let second = pace.spend(5);
        assert!(second <= Duration::from_secs(1) && second > Duration::from_millis(900), "{second:?}");
        assert_eq!(Pace::new(None, None).spend(1_000_000), Duration::ZERO);
    }

    #[test]
    fn a_wait_ends_when_nobody_wants_it_or_it_is_over() {
        let mut n_asked = 0;
        let waited = wait(Duration::MAX, || {
            n_asked += 1;
            n_asked < 3
        });
        assert!(!waited && n_asked == 3);
        assert!(wait(Duration::ZERO, || false) && wait(Duration::from_millis(1), || true));
        assert!(Pace::new(None, Some(Duration::ZERO)).is_over());
        assert!(!Pace::new(None, Some(Duration::MAX)).is_over());
    }
}
