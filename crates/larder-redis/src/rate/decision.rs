use std::time::Duration;

use super::{Charge, Limit, limit::Units};

/// Whether something may be done, and how things stand then.
///
/// It has what the headers `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` and `Retry-After` tell, in exact times; headers have
/// whole seconds, and want them rounded up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// Whether it may be done: every charge has passed, and was taken. Otherwise nothing was.
    pub is_allowed: bool,
    /// How things stand with each charge, in their order. Empty if the server could not say, and it was decided
    /// [as told](super::WhenAway) for that.
    pub standings: Vec<Standing>,
}

/// How things stand with one charge, after the decision.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// The limit that was charged.
    pub limit: Limit,
    /// How many tokens there are.
    pub remaining: u32,
    /// How long until there are as many as there can be.
    pub reset_after: Duration,
    /// Whether the charge found too few.
    pub is_refused: bool,
    /// How long until there are enough, if nobody else takes any: `None` if there are, or never will be.
    pub retry_after: Option<Duration>,
}

impl Decision {
    /// Whether the server has decided: it could not be asked otherwise, or was too slow.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.standings.is_empty()
    }

    /// The charge that tells the most: of those that were refused the one that takes longest, else that with the least left.
    ///
    /// Its `limit` and `remaining` are those to tell a client. `None` if the server could not say.
    #[must_use]
    pub fn tightest(&self) -> Option<&Standing> {
        // One that never passes comes after all that do some time.
        let wait = |standing: &Standing| standing.is_refused.then(|| standing.retry_after.unwrap_or(Duration::MAX));
        let refused =
            self.standings.iter().filter(|standing| standing.is_refused).max_by_key(|standing| wait(standing));
        refused.or_else(|| self.standings.iter().min_by_key(|standing| standing.remaining))
    }

    /// How long until all charges would pass, if nobody else takes any: `None` if they have, never will, or the server could not say.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.tightest()?.retry_after
    }
}

impl Standing {
    /// Reads what a debt means, of which the charge may have been a part, where the same check wants so many tokens more of the same bucket.
    pub(super) fn new(charge: &Charge, n_others: u32, debt: u64, was_taken: bool) -> Self {
        let n_tokens = charge.cost.saturating_add(n_others);
        let (Units { token, rate }, n_at_once) = (charge.limit.units(), charge.limit.n_at_once());
        let fits = u64::from(n_at_once) * token;
        let micros = |units: u64| Duration::from_micros(units.div_ceil(rate));
        let wanted = token.saturating_mul(u64::from(n_tokens));
        let lacks = debt.saturating_add(wanted).saturating_sub(fits);
        let is_refused = !was_taken && charge.cost > 0 && lacks > 0;
        Self {
            limit: charge.limit,
            remaining: u32::try_from(fits.saturating_sub(debt) / token).unwrap_or(u32::MAX),
            reset_after: micros(debt),
            is_refused,
            retry_after: (is_refused && n_tokens <= n_at_once).then(|| micros(lacks)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit::per_second("a", 7).burst(3);

    #[test]
    fn times_are_rounded_up_to_the_microsecond_from_which_on_it_passes() {
        let standing = Standing::new(&LIMIT.of("x"), 0, 3_000_000, false);
        assert_eq!((standing.remaining, standing.is_refused), (0, true));
        assert_eq!(standing.retry_after, Some(Duration::from_micros(142_858)));
        assert_eq!(standing.reset_after, Duration::from_micros(428_572));
    }

    #[test]
    fn what_costs_more_than_ever_fits_has_no_time_to_try_again() {
        let never = Standing::new(&LIMIT.of("x").costs(4), 0, 0, false);
        assert_eq!((never.is_refused, never.retry_after, never.remaining), (true, None, 3));
        let soon = Standing::new(&LIMIT.of("y"), 0, 3_000_000, false);
        let decision = Decision { is_allowed: false, standings: vec![soon, never.clone()] };
        assert_eq!((decision.tightest(), decision.retry_after()), (Some(&never), None));
    }

    #[test]
    fn what_is_wanted_twice_is_told_when_both_are_to_be_had() {
        let alone = Standing::new(&LIMIT.of("x"), 0, 2_000_000, false);
        assert_eq!((alone.is_refused, alone.retry_after), (false, None));
        let both = Standing::new(&LIMIT.of("x"), 1, 2_000_000, false);
        assert_eq!((both.is_refused, both.retry_after), (true, Some(Duration::from_micros(142_858))));
        assert_eq!(Standing::new(&LIMIT.of("x"), 3, 0, false).retry_after, None);
    }

    #[test]
    fn a_look_is_never_refused() {
        let look = Standing::new(&LIMIT.of("x").costs(0), 0, 3_000_000, true);
        assert_eq!((look.is_refused, look.remaining), (false, 0));
    }

    #[test]
    fn the_tightest_is_the_one_that_takes_longest_or_has_the_least() {
        let [one, two, three] = [0, 1_000_000, 3_000_000].map(|debt| Standing::new(&LIMIT.of("x"), 0, debt, debt == 0));
        let allowed = Decision { is_allowed: true, standings: vec![one.clone(), two.clone()] };
        assert_eq!(allowed.tightest(), Some(&two));
        let refused = Decision { is_allowed: false, standings: vec![one, three.clone(), two] };
        assert_eq!(refused.tightest(), Some(&three));
        assert_eq!(refused.retry_after(), three.retry_after);
    }
}
