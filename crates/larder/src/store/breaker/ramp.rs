use std::time::Duration;

/// How long no lease may have been asked for before one is in any case.
const TRICKLE: Duration = Duration::from_millis(10);

/// Gives leases to a share of the misses that grows from none to all.
#[derive(Debug, Default)]
pub(super) struct Ramp {
    /// When the store granted the first lease: only then does it take what is filled in.
    granted_at: Option<Duration>,
    admitted_at: Option<Duration>,
    step: u32,
}

impl Ramp {
    /// Which of so many misses may ask for a lease now.
    pub(super) fn admit(&mut self, n_misses: usize, length: Duration, now: Duration) -> Vec<bool> {
        let share = self.granted_at.map_or(0.0, |start| {
            let gone = now.saturating_sub(start);
            if gone >= length { 1.0 } else { gone.as_secs_f64() / length.as_secs_f64() }
        });
        let mut admitted: Vec<bool> = (0..n_misses)
            .map(|_| {
                // Steps of the golden ratio spread evenly over all misses, whichever keys they are of.
                self.step = self.step.wrapping_add(0x9e37_79b9);
                f64::from(self.step) / (f64::from(u32::MAX) + 1.0) < share
            })
            .collect();
        // Where misses are few there is no herd to hold back.
        if let Some(first) = admitted.first_mut()
            && self.admitted_at.is_none_or(|at| now.saturating_sub(at) >= TRICKLE)
        {
            *first = true;
        }
        if admitted.contains(&true) {
            self.admitted_at = Some(now);
        }
        admitted
    }

    /// The store has granted a lease.
    pub(super) fn grant(&mut self, now: Duration) {
        self.granted_at.get_or_insert(now);
    }

    /// How long it still lasts: `None` if it has not begun.
    pub(super) fn left(&self, length: Duration, now: Duration) -> Option<Duration> {
        self.granted_at.map(|start| length.saturating_sub(now.saturating_sub(start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(5);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn n_admitted(ramp: &mut Ramp, n_misses: usize, now: Duration) -> usize {
        ramp.admit(n_misses, LENGTH, now).into_iter().filter(|admitted| *admitted).count()
    }

    #[test]
    fn the_share_of_misses_that_get_a_lease_grows_from_none_to_all() {
        let mut ramp = Ramp::default();
        ramp.grant(seconds(10.0));
        for (now, share) in [(11.0, 0.2), (12.5, 0.5), (14.0, 0.8), (15.0, 1.0), (99.0, 1.0)] {
            let expected = share * 10_000.0;
            let found = n_admitted(&mut ramp, 10_000, seconds(now)) as f64;
            assert!((found - expected).abs() <= 3.0, "{found} at {now}");
            // One at a time just the same.
            let found = (0..10_000).map(|_| n_admitted(&mut ramp, 1, seconds(now))).sum::<usize>() as f64;
            assert!((found - expected).abs() <= 3.0, "{found} one by one at {now}");
        }
    }

    #[test]
    fn a_trickle_is_let_through_until_the_store_grants_leases_and_only_then_the_ramp_begins() {
        let mut ramp = Ramp::default();
        for tenth in 0..10 {
            let now = Duration::from_millis(10) * tenth;
            assert_eq!([n_admitted(&mut ramp, 100, now), n_admitted(&mut ramp, 100, now + TRICKLE / 2)], [1, 0]);
            assert_eq!(ramp.left(LENGTH, now), None);
        }
        ramp.grant(seconds(30.0));
        ramp.grant(seconds(32.0));
        assert_eq!(ramp.left(LENGTH, seconds(31.0)), Some(seconds(4.0)));
        assert_eq!(ramp.left(LENGTH, seconds(36.0)), Some(Duration::ZERO));
    }

    #[test]
    fn a_ramp_of_no_length_holds_nothing_back() {
        let mut ramp = Ramp::default();
        ramp.grant(seconds(1.0));
        assert_eq!(ramp.admit(100, Duration::ZERO, seconds(1.0)), [true; 100]);
    }
}
