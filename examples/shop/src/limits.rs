//! How much anybody may ask.

mod client_address;
mod layer;

use std::{net::IpAddr, time::Duration};

use axum::{
    body::Bytes,
    http::{Response, StatusCode},
};
use ipnet::IpNet;
use larder::asynchronous;
use larder_http::RateDecision;
use larder_redis::{
    RedisStore,
    rate::{Charge, HttpLimiter, Limit, WhenAway},
};
use uuid::Uuid;

pub use self::client_address::ForwardedBy;
pub(crate) use self::{
    client_address::ClientAddress,
    layer::{identify, layer},
};
use crate::problem::Problem;

/// What the command line says of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LimitOptions {
    /// How many requests a second one address may send, and twice as many at once; 0 for any number.
    pub per_second: u32,
    /// How many requests a second one user may send who is signed in, and twice as many at once; 0 for any number.
    pub user_per_second: u32,
    /// How often a password may be tried for one email address in a quarter of an hour, and ten times as often from one address, from which new
    /// accounts with passwords count too; 0 for any number.
    pub sign_ins: u32,
    /// The proxies that are believed whom they have a request from.
    pub trusted: Vec<IpNet>,
    /// Where they say it.
    pub forwarded_by: ForwardedBy,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            per_second: 100,
            user_per_second: 50,
            sign_ins: 10,
            trusted: Vec::new(),
            forwarded_by: ForwardedBy::XForwardedFor,
        }
    }
}

/// The limits. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Limits {
    /// Against too much load: without Redis all passes.
    requests: HttpLimiter,
    /// Against guessing: without Redis nothing passes.
    guesses: HttpLimiter,
    of_address: Option<Limit>,
    of_user: Option<Limit>,
    guesses_of_address: Option<Limit>,
    guesses_of_email: Option<Limit>,
    options: std::sync::Arc<LimitOptions>,
}

impl Limits {
    pub(crate) fn new(store: &RedisStore, options: LimitOptions) -> Self {
        const QUARTER: Duration = Duration::from_secs(15 * 60);
        let limiter = |name, when_away| {
            let waits = asynchronous::Options::default().wait(Duration::from_secs(1));
            HttpLimiter::new(store.rate_limiter(name, when_away), waits)
        };
        let per_second = |name, n: u32| (n > 0).then(|| Limit::per_second(name, n).burst(n.saturating_mul(2)));
        let per_quarter = |name, n: u32| (n > 0).then(|| Limit::new(name, n, QUARTER));
        Self {
            requests: limiter("requests", WhenAway::Allow),
            guesses: limiter("guesses", WhenAway::Refuse),
            of_address: per_second("address", options.per_second),
            of_user: per_second("user", options.user_per_second),
            guesses_of_address: per_quarter("sign-in-address", options.sign_ins.saturating_mul(10)),
            guesses_of_email: per_quarter("sign-in-email", options.sign_ins),
            options: options.into(),
        }
    }

    fn of_request(&self, address: IpAddr, user: Option<Uuid>) -> Vec<Charge> {
        let of_address = self.of_address.map(|limit| limit.of(network(address)));
        let of_user = self.of_user.zip(user).map(|(limit, user)| limit.of(user.as_bytes()));
        of_address.into_iter().chain(of_user).collect()
    }

    /// Counts an attempt to sign in, whether it will succeed or not; or, of no email, another password that is to be hashed.
    ///
    /// # Errors
    /// There were too many, or nobody can count them.
    pub(crate) async fn guess(&self, address: IpAddr, email: Option<&str>) -> Result<(), Problem> {
        let of_address = self.guesses_of_address.map(|limit| limit.of(network(address)));
        let charges = of_address.into_iter().chain(email.and_then(|email| self.of_email(email)));
        let decision: RateDecision = self.guesses.decide(charges.collect()).await.into();
        if decision.is_allowed { Ok(()) } else { Err(refusal(&decision).with_limits(decision)) }
    }

    /// Forgets the attempts for an address of somebody who has signed in. Those from where they came stay: an account of one's own would clear them.
    pub(crate) async fn forgive(&self, email: &str) {
        if let Err(error) = self.guesses.forgive(self.of_email(email).into_iter().collect()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "attempts to sign in stay counted");
        }
    }

    fn of_email(&self, email: &str) -> Option<Charge> {
        self.guesses_of_email.map(|limit| limit.of(email))
    }
}

/// What is counted as one: an IPv6 subscriber has at least 2^64 addresses.
fn network(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

fn refusal(decision: &RateDecision) -> Problem {
    if decision.status() == StatusCode::TOO_MANY_REQUESTS {
        let names: Vec<&str> = decision.violated().map(|quota| quota.name).collect();
        Problem::of(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests")
            .detail(format!("over the limit: {}", names.join(", ")))
    } else {
        Problem::unavailable("nothing can be counted now")
    }
}

fn refuse(decision: &RateDecision) -> Response<Bytes> {
    refusal(decision).response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_share_a_network_of_ipv6_are_one() {
        let network = |address: &str| network(address.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::2"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
