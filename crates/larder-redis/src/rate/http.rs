//! Rate limits over HTTP: what larder-http's `RateLimitLayer` asks.

use std::time::Duration;

use larder::{
    Async, Error,
    asynchronous::{Load, Options},
    store::StoreError,
};
use larder_http::{Limiter, Quota, RateDecision};

use super::{Charge, Decision, Limit, RateLimiter, Standing, WhenAway};

/// A [`RateLimiter`] for async code, and for `larder_http`'s `RateLimitLayer`. Cheap to clone; clones share their threads.
///
/// A check waits for Redis on a thread of tokio's that is made for waiting, and never on one that drives tasks.
///
/// ```no_run
/// use larder_http::RateLimitLayer;
/// use larder_redis::{
///     RedisStore,
///     rate::{HttpLimiter, Limit, WhenAway},
/// };
///
/// /// Who has sent a request, as what checks that has found, outside of this layer.
/// #[derive(Clone)]
/// struct SignedIn(String);
///
/// const PER_USER: Limit = Limit::per_second("user", 10).burst(30);
///
/// # fn main() -> Result<(), larder_redis::BuildError> {
/// let store = RedisStore::connect("redis://localhost")?;
/// let limiter = HttpLimiter::new(store.rate_limiter("api", WhenAway::Allow), Default::default());
/// let layer = RateLimitLayer::new(limiter, |request| {
///     let user = request.extensions.get::<SignedIn>();
///     user.map(|user| PER_USER.of(&user.0)).into_iter().collect()
/// });
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct HttpLimiter {
    limiter: Async<RateLimiter>,
}

impl HttpLimiter {
    /// Of a limiter, on threads of its own: as many as the store has connections, unless the options say otherwise.
    #[must_use]
    pub fn new(limiter: RateLimiter, options: Options) -> Self {
        let n_connections = limiter.pool.size();
        Self { limiter: Async::of(limiter, n_connections, options) }
    }

    /// Takes what every charge wants, or nothing, as [`RateLimiter::check`].
    ///
    /// Where that fails, or there is no thread to be had, it is decided as the limiter was told for a server that is away; one that is to
    /// [fail](WhenAway::Fail) refuses here.
    pub async fn decide(&self, charges: Vec<Charge>) -> Decision {
        if charges.is_empty() {
            return Decision { is_allowed: true, standings: Vec::new() };
        }
        let decided = self.limiter.run(move |limiter| Ok::<_, Error>(limiter.check(&charges))).await;
        let lets_through = self.limiter.session().when_away == WhenAway::Allow;
        match decided {
            Ok(Ok(decision)) => decision,
            Ok(Err(_)) | Err(_) => Decision { is_allowed: lets_through, standings: Vec::new() },
        }
    }

    /// Forgets what the keys of charges have taken, as [`RateLimiter::forgive`].
    ///
    /// # Errors
    /// Whatever the server fails by, and [unavailable](StoreError::unavailable) if there is no thread to be had.
    pub async fn forgive(&self, charges: Vec<Charge>) -> Result<(), StoreError> {
        let forgiven = self.limiter.run(move |limiter| Ok::<_, Error>(limiter.forgive(&charges))).await;
        forgiven.unwrap_or_else(|busy| Err(StoreError::unavailable(busy)))
    }

    /// How many checks are under way, and how many wait for a thread.
    #[must_use]
    pub fn load(&self) -> Load {
        self.limiter.load()
    }
}

impl Limiter for HttpLimiter {
    type Charge = Charge;

    async fn check(&self, charges: Vec<Charge>) -> RateDecision {
        self.decide(charges).await.into()
    }
}

impl From<Decision> for RateDecision {
    fn from(decision: Decision) -> Self {
        Self { is_allowed: decision.is_allowed, quotas: decision.standings.iter().map(Quota::from).collect() }
    }
}

/// A bucket is told as what it holds, and the time in which that comes: then nobody reads that more is left than there may be.
impl From<&Standing> for Quota {
    fn from(standing: &Standing) -> Self {
        let Standing { limit, remaining, reset_after, is_refused, retry_after } = *standing;
        let (n_at_once, is_full) = (limit.n_at_once(), reset_after.is_zero());
        // Tokens come one by one, and the last of them when the bucket is full: those that come after the next one are not waited for.
        let next = reset_after.saturating_sub(time_of(&limit, n_at_once.saturating_sub(remaining.saturating_add(1))));
        Self {
            name: limit.name(),
            n: u64::from(n_at_once),
            window: time_of(&limit, n_at_once),
            remaining: u64::from(remaining),
            more_after: (!is_full).then_some(next),
            is_refused,
            retry_after,
        }
    }
}

/// The time in which so many tokens come.
fn time_of(limit: &Limit, n_tokens: u32) -> Duration {
    let nanoseconds = limit.period().as_nanos().saturating_mul(u128::from(n_tokens)) / u128::from(limit.n());
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(limit: Limit, debt: u64) -> Quota {
        Quota::from(&Standing::new(&limit.of("x"), 0, debt, true))
    }

    #[test]
    fn a_bucket_is_told_as_what_it_holds_and_the_time_that_this_takes() {
        let quota = told(Limit::per_second("user", 10).burst(30), 0);
        assert_eq!((quota.name, quota.n, quota.window), ("user", 30, Duration::from_secs(3)));
        assert_eq!((quota.remaining, quota.more_after), (30, None));
        let sevens = told(Limit::per_second("user", 7).burst(30), 0);
        assert_eq!(sevens.window.as_millis(), 4_285);
    }

    #[test]
    fn there_is_one_more_when_the_next_token_comes_and_not_when_all_are_there() {
        const QUARTER: Limit = Limit::new("guess", 10, Duration::from_secs(900));
        let second = 1_000_000;
        for (owed, remaining, next) in [(90, 9, 90), (91, 8, 1), (135, 8, 45), (180, 8, 90), (900, 0, 90)] {
            let quota = told(QUARTER, owed * second);
            assert_eq!((quota.remaining, quota.more_after), (remaining, Some(Duration::from_secs(next))), "{owed}");
        }
        // A seventh of it is no whole number of anything.
        let sevenths = told(Limit::new("guess", 7, Duration::from_secs(900)), 2 * 900_000_000);
        assert_eq!((sevenths.remaining, sevenths.more_after.map(|time| time.as_secs())), (5, Some(128)));
    }
}
