//! Rate limits, counted in Redis for all processes together.
//!
//! ```no_run
//! use larder_redis::{
//!     RedisStore,
//!     rate::{Limit, WhenAway},
//! };
//!
//! const PER_USER: Limit = Limit::per_second("user", 10).burst(30);
//! const PER_ADDRESS: Limit = Limit::per_minute("address", 600);
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::connect("redis://localhost")?;
//! let limiter = store.rate_limiter("api", WhenAway::Allow);
//!
//! let decision = limiter.check(&[PER_USER.of("42"), PER_ADDRESS.of("192.0.2.7")])?;
//! if !decision.is_allowed {
//!     println!("429, Retry-After: {:?}", decision.retry_after());
//! }
//! # Ok(())
//! # }
//! ```

mod decision;
#[cfg(feature = "http")]
mod http;
mod limit;

use std::{fmt, sync::Arc};

use larder::store::StoreError;
use redis::Value;

#[cfg(feature = "http")]
pub use self::http::HttpLimiter;
pub use self::{
    decision::{Decision, Standing},
    limit::{Charge, Limit},
};
use crate::{RedisStore, error::from_server, link::Link, pool::Pool, request::Request, scripts};

/// Decides what is too much. [`RedisStore::rate_limiter`] makes one.
///
/// Limiters of one name, namespace and server share their counts. They lie in one string a key, of some 20 bytes under a digest, which
/// expires when the key has all of its tokens again: there are as many as keys that have lately taken something. All keys of
/// a limiter have one hash tag.
///
/// # Costs
///
/// A check is one round trip, of one `EVALSHA`, for any number of charges. A user of the server must be allowed `~shop:* +evalsha
/// +script|load +get +set +del +time` beside what [connecting](RedisStore) takes, for the namespace `shop:`.
#[derive(Clone)]
pub struct RateLimiter {
    pool: Arc<Pool>,
    prefix: Arc<[u8]>,
    when_away: WhenAway,
}

/// What a check says when the server can't be reached, is too slow, or refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenAway {
    /// All passes: fails open, for what protects from too much load.
    Allow,
    /// Nothing passes: fails closed, for what protects from guessing.
    Refuse,
    /// The check fails with the error, and the caller decides.
    Fail,
}

impl RedisStore {
    /// A rate limiter on the same server, in the same namespace and on the same connections.
    ///
    /// A check waits for the server no longer than an operation of the store does; where that is too long for a request, give limits a
    /// store of their own, with a shorter [`io_timeout`](crate::RedisStoreBuilder::io_timeout).
    #[must_use]
    pub fn rate_limiter(&self, name: &str, when_away: WhenAway) -> RateLimiter {
        RateLimiter { pool: Arc::clone(self.pool()), prefix: self.names().rate(name).into(), when_away }
    }
}

impl RateLimiter {
    /// Takes what every charge wants; if one of them finds too little, takes nothing at all.
    ///
    /// All is decided at one moment by the server's clock, whatever other processes do and whatever their clocks show. No charges
    /// are allowed without asking.
    ///
    /// A check that is not answered in time may have been counted all the same.
    ///
    /// # Errors
    /// With [`WhenAway::Fail`], whatever the server fails by. Otherwise none.
    pub fn check(&self, charges: &[Charge]) -> Result<Decision, StoreError> {
        if charges.is_empty() {
            return Ok(Decision { is_allowed: true, standings: Vec::new() });
        }
        let unknown = |is_allowed| Decision { is_allowed, standings: Vec::new() };
        match (self.ask(charges), self.when_away) {
            (Ok(decision), _) => Ok(decision),
            (Err(_), WhenAway::Allow) => Ok(unknown(true)),
            (Err(_), WhenAway::Refuse) => Ok(unknown(false)),
            (Err(error), WhenAway::Fail) => Err(error),
        }
    }

    /// Forgets what the keys of charges have taken, whatever they would cost: after a successful sign-in, say.
    ///
    /// # Errors
    /// Whatever the server fails by.
    pub fn forgive(&self, charges: &[Charge]) -> Result<(), StoreError> {
        let mut request = Request::default();
        for charge in charges {
            request.command(2).arg(&[b"DEL"]).arg(&[&self.prefix, &charge.key]);
        }
        if charges.is_empty() {
            return Ok(());
        }
        self.pool.with_link(|link| {
            link.call(&request)?.into_iter().try_for_each(|answer| match answer {
                Value::Int(_) => Ok(()),
                Value::ServerError(error) => Err(from_server(&error)),
                _ => Err(link.refuse("DEL answers with a number")),
            })
        })
    }

    fn ask(&self, charges: &[Charge]) -> Result<Decision, StoreError> {
        let script = &*scripts::TAKE;
        let mut request = Request::with_capacity(128 + 128 * charges.len());
        request.command(3 + 4 * charges.len()).arg(&[b"EVALSHA"]).arg(&[script.hash.as_bytes()]);
        request.number(charges.len() as u64);
        for charge in charges {
            request.arg(&[&self.prefix, &charge.key]);
        }
        for charge in charges {
            let units = charge.limit.units();
            let fits = u64::from(charge.limit.n_at_once()) * units.token;
            // More than fits is refused however much it is, and must not be beyond what the script can count.
            let wanted = units.token.saturating_mul(u64::from(charge.cost)).min(fits + 1);
            request.number(units.rate).number(fits).number(wanted);
        }
        self.pool.with_link(|link| {
            let answer = link.run(script, &request)?.into_iter().next();
            decision(link, charges, answer)
        })
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("when_away", &self.when_away).finish_non_exhaustive()
    }
}

/// Reads what the script has answered.
fn decision(link: &mut Link, charges: &[Charge], answer: Option<Value>) -> Result<Decision, StoreError> {
    let bytes = match answer {
        Some(Value::BulkString(bytes)) => bytes,
        Some(Value::ServerError(error)) => return Err(from_server(&error)),
        _ => Vec::new(),
    };
    parse(charges, &bytes).ok_or_else(|| link.refuse("the script answers with a digit and a number for each charge"))
}

fn parse(charges: &[Charge], bytes: &[u8]) -> Option<Decision> {
    let mut words = str::from_utf8(bytes).ok()?.split(' ');
    let is_allowed = match words.next()? {
        "1" => true,
        "0" => false,
        _ => return None,
    };
    let debts: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    // Of a bucket that stands in a check more than once, all that is wanted is to be had at once.
    let n_others = |at: usize| {
        let same = charges.iter().enumerate().filter(|(other, charge)| *other != at && charge.key == charges[at].key);
        same.fold(0_u32, |n, (_, charge)| n.saturating_add(charge.cost))
    };
    let standings: Vec<_> = (0..charges.len().min(debts.len()))
        .map(|at| Standing::new(&charges[at], n_others(at), debts[at], is_allowed))
        .collect();
    (debts.len() == charges.len()).then_some(Decision { is_allowed, standings })
}
