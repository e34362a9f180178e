use std::time::Duration;

use crate::digest::{DIGITS, digest};

/// How much of something one key may do: so many in a period, and so many at once.
///
/// It is a bucket of [`burst`](Self::burst) tokens, full at first, into which `n` tokens drip in each period, one after the other and
/// not all at its end. So in any time *t* no key gets more than `burst + n * t / period`: there is no window at whose border twice as
/// much goes through. This is the generic cell rate algorithm (ITU-T I.371, in its form as a leaky bucket).
///
/// ```
/// use std::time::Duration;
///
/// use larder_redis::rate::Limit;
///
/// /// Ten requests a second for a user, 30 at once after some quiet.
/// const PER_USER: Limit = Limit::per_second("user", 10).burst(30);
/// /// Three attempts to sign in per quarter of an hour.
/// const SIGN_IN: Limit = Limit::new("sign-in", 3, Duration::from_secs(15 * 60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    name: &'static str,
    n: u32,
    period: Duration,
    burst: u32,
}

/// What a key is to be charged, against one limit.
#[derive(Debug, Clone)]
pub struct Charge {
    pub(super) limit: Limit,
    pub(super) key: [u8; DIGITS],
    pub(super) cost: u32,
}

/// A bucket in numbers of which all sums are exact where they are made, which is in 53 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Units {
    /// A token.
    pub(super) token: u64,
    /// What drains in a microsecond.
    pub(super) rate: u64,
}

/// What doubles count to without a gap, and room for a sum of two.
const MOST: u64 = 1 << 52;

const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

impl Limit {
    /// `n` in each `period`. The name tells limits of one limiter apart, and is what [`Standing`](super::Standing) has.
    ///
    /// Keys are counted under the name, `n` and `period` together: a limit with another rate begins anew.
    ///
    /// # Panics
    /// If `n` is zero, or the period shorter than a microsecond or longer than ten years. As a constant it does not compile then.
    #[must_use]
    #[track_caller]
    pub const fn new(name: &'static str, n: u32, period: Duration) -> Self {
        assert!(n > 0, "a limit of nothing is no limit");
        assert!(period.as_micros() > 0 && period.as_secs() <= LONGEST.as_secs(), "a period is 1 us to 10 years");
        Self { name, n, period, burst: n }
    }

    /// `n` in each second.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    #[track_caller]
    pub const fn per_second(name: &'static str, n: u32) -> Self {
        Self::new(name, n, Duration::from_secs(1))
    }

    /// `n` in each minute.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    #[track_caller]
    pub const fn per_minute(name: &'static str, n: u32) -> Self {
        Self::new(name, n, Duration::from_secs(60))
    }

    /// `n` in each hour.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    #[track_caller]
    pub const fn per_hour(name: &'static str, n: u32) -> Self {
        Self::new(name, n, Duration::from_secs(60 * 60))
    }

    /// How many at once, of a key that has taken nothing for a while.
    ///
    /// A change of it does not begin anew, unless it is so large that times are rounded (beyond 2^52 of the smallest part). What would take more than 140 years to be full again is cut to that.
    ///
    /// Defaults to `n`.
    ///
    /// # Panics
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub const fn burst(mut self, n_tokens: u32) -> Self {
        assert!(n_tokens > 0, "a bucket into which nothing fits lets nothing through");
        self.burst = n_tokens;
        self
    }

    /// One token for a key, which is hashed: a user's id, an address, a route, or several of them joined by what none of them has.
    pub fn of(&self, key: impl AsRef<[u8]>) -> Charge {
        // What a debt is counted in: another unit is another debt.
        let Units { token, rate } = self.units();
        let key = digest(&[self.name.as_bytes(), &token.to_le_bytes(), &rate.to_le_bytes(), key.as_ref()]);
        Charge { limit: *self, key, cost: 1 }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many in a [`period`](Self::period).
    #[must_use]
    pub const fn n(&self) -> u32 {
        self.n
    }

    /// The time of which [`n`](Self::n) says how many.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// How many at once at most.
    #[must_use]
    pub fn n_at_once(&self) -> u32 {
        u32::try_from(MOST / self.units().token).unwrap_or(u32::MAX).min(self.burst)
    }

    /// A token is a period, and in each microsecond `n` drain, so nothing is rounded; both shortened by what divides them.
    ///
    /// Where that is beyond 52 bits, the microseconds from token to token are thousands, and rounding up to one changes little.
    pub(super) fn units(&self) -> Units {
        let (n, period) = (u64::from(self.n), u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX));
        let divisor = greatest_common_divisor(n, period);
        let (token, rate) = (period / divisor, n / divisor);
        if token.saturating_mul(u64::from(self.burst)) <= MOST {
            Units { token, rate }
        } else {
            Units { token: token.div_ceil(rate), rate: 1 }
        }
    }
}

impl Charge {
    /// So many tokens instead of one, for what is dearer; zero only tells how things stand, and always passes.
    ///
    /// More than the limit has at once never passes.
    #[must_use]
    pub fn costs(mut self, n_tokens: u32) -> Self {
        self.cost = n_tokens;
        self
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_exact_where_they_fit() {
        for (n, seconds, token, rate) in [
            (1, 1, 1_000_000, 1),
            (7, 1, 1_000_000, 7),
            (10, 1, 100_000, 1),
            (600_000, 1, 5, 3),
            (7, 86_400, 86_400_000_000, 7),
        ] {
            let units = Limit::new("a", n, Duration::from_secs(seconds)).units();
            assert_eq!(units, Units { token, rate }, "{n} in {seconds} s");
        }
    }

    #[test]
    fn what_does_not_fit_is_rounded_by_less_than_a_microsecond_a_token() {
        let month = Duration::from_secs(30 * 86_400);
        let limit = Limit::new("a", 9_973, month);
        assert_eq!(limit.units(), Units { token: 259_901_735, rate: 1 });
        assert_eq!(limit.n_at_once(), 9_973);
    }

    #[test]
    fn a_bucket_that_is_never_full_again_is_cut() {
        let limit = Limit::new("a", 1, LONGEST).burst(u32::MAX);
        assert_eq!(limit.n_at_once(), 14);
        assert!(u64::from(limit.n_at_once()) * limit.units().token <= MOST);
    }

    #[test]
    fn keys_are_those_of_a_name_and_a_rate() {
        let limit = Limit::per_second("a", 10);
        let keys = [
            limit.of("x"),
            limit.of("y"),
            Limit::per_second("b", 10).of("x"),
            Limit::per_second("a", 11).of("x"),
            Limit::per_minute("a", 10).of("x"),
        ]
        .map(|charge| charge.key);
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[..n].contains(key), "{n}");
        }
        assert_eq!(limit.burst(20).of("x").key, keys[0]);
    }
}
