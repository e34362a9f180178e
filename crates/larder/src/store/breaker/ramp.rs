use std::time::Duration;

/// How long no lease may have been asked for before one is in any case.
const TRICKLE: Duration = Duration::from_millis(10);

/// Gives leases to a share of the calls that want some, which grows from none to all.
///
/// To whole calls: one that has leases for half of its keys would send a statement for each half.
#[derive(Debug)]
pub(super) struct Ramp {
    start: Duration,
    has_granted: bool,
    admitted_at: Option<Duration>,
    step: u32,
}

impl Ramp {
    pub(super) fn new(start: Duration) -> Self {
        Self { start, has_granted: false, admitted_at: None, step: 0 }
    }

    /// Whether a call may ask for leases now.
    pub(super) fn admits(&mut self, length: Duration, now: Duration) -> bool {
        let gone = now.saturating_sub(self.start);
        let share = if gone >= length { 1.0 } else { gone.as_secs_f64() / length.as_secs_f64() };
        // Steps of the golden ratio spread evenly over all calls, whosever they are.
        self.step = self.step.wrapping_add(0x9e37_79b9);
        // Where misses are few there is no herd to hold back.
        let admits = f64::from(self.step) / (f64::from(u32::MAX) + 1.0) < share
            || self.admitted_at.is_none_or(|at| now.saturating_sub(at) >= TRICKLE);
        if admits {
            self.admitted_at = Some(now);
        }
        admits
    }

    /// The store has granted leases, or refused them.
    ///
    /// One that was restarted refuses all of them for a while, and only then takes what is filled in: the ramp begins anew until it has
    /// granted the first.
    pub(super) fn answered(&mut self, has_granted: bool, now: Duration) {
        if !self.has_granted {
            self.has_granted = has_granted;
            self.start = if has_granted { self.start } else { now };
        }
    }

    /// How long it still lasts.
    pub(super) fn left(&self, length: Duration, now: Duration) -> Duration {
        length.saturating_sub(now.saturating_sub(self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(5);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn n_admitted(ramp: &mut Ramp, n_calls: usize, length: Duration, now: Duration) -> usize {
        (0..n_calls).filter(|_| ramp.admits(length, now)).count()
    }

    #[test]
    fn the_share_of_calls_that_get_leases_grows_from_none_to_all() {
        let mut ramp = Ramp::new(seconds(10.0));
        for (now, share) in [(11.0, 0.2), (12.5, 0.5), (14.0, 0.8), (15.0, 1.0), (99.0, 1.0)] {
            let (found, expected) = (n_admitted(&mut ramp, 10_000, LENGTH, seconds(now)) as f64, share * 10_000.0);
            assert!((found - expected).abs() <= 3.0, "{found} at {now}");
            // Those of every other caller just the same.
            let every_other = (0..20_000).filter(|n| ramp.admits(LENGTH, seconds(now)) && n % 2 == 0).count() as f64;
            assert!((every_other - expected).abs() <= 3.0, "{every_other} of every other at {now}");
        }
    }

    #[test]
    fn a_trickle_is_let_through_until_the_store_grants_leases_and_only_then_the_ramp_goes_on() {
        let mut ramp = Ramp::new(Duration::ZERO);
        for tenth in 0..10 {
            let now = Duration::from_millis(10) * tenth;
            // So long that the share of a moment is nothing.
            let mut n_admitted = |now| n_admitted(&mut ramp, 100, LENGTH * 1_000, now);
            assert_eq!([n_admitted(now), n_admitted(now + TRICKLE / 2)], [1, 0]);
            ramp.answered(false, now);
            assert_eq!(ramp.left(LENGTH, now), LENGTH);
        }
        ramp.answered(false, seconds(30.0));
        ramp.answered(true, seconds(30.5));
        // From now on somebody else may have been quicker.
        ramp.answered(false, seconds(31.0));
        assert_eq!(ramp.left(LENGTH, seconds(32.0)), seconds(3.0));
        assert_eq!(ramp.left(LENGTH, seconds(36.0)), Duration::ZERO);
    }

    #[test]
    fn a_ramp_of_no_length_holds_nothing_back() {
        let mut ramp = Ramp::new(seconds(1.0));
        assert!((0..100).all(|_| ramp.admits(Duration::ZERO, seconds(1.0))));
    }
}
