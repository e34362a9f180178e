use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::fields;

/// Whether a request may be served, and what is left of each limit that it was counted against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateDecision {
    /// Whether it may: then everything was taken, and otherwise nothing.
    pub is_allowed: bool,
    /// How things stand with each limit. Empty if nobody could count.
    pub quotas: Vec<Quota>,
}

/// How things stand with one limit, for the client that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// What clients know the limit by. Whatever is no printable ASCII in it is sent percent-encoded.
    pub name: &'static str,
    /// How many requests in a [`window`](Self::window).
    pub n: u64,
    /// In how long; sent as whole seconds, rounded up.
    pub window: Duration,
    /// How many are left now.
    pub remaining: u64,
    /// How long until there is one more; `None` if there are as many as there can be. Rounded up to whole seconds.
    pub more_after: Option<Duration>,
    /// Whether this is what the request was refused for.
    pub is_refused: bool,
    /// How long until the request would pass, if nobody else takes any: `None` if it would now, or never will.
    pub retry_after: Option<Duration>,
}

impl RateDecision {
    /// 429 if the client has asked for too much; 503 if nobody could count, and that was decided against it. What it is worth if it is allowed is for
    /// nobody to ask.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        if self.quotas.is_empty() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::TOO_MANY_REQUESTS }
    }

    /// The limits for which the request was refused.
    pub fn violated(&self) -> impl Iterator<Item = &Quota> {
        self.quotas.iter().filter(|quota| quota.is_refused)
    }

    /// In how many seconds it is worth to ask again: at least one, and rounded up, so that who waits for them is not too early.
    ///
    /// `None` if the request is allowed, or never will be.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        if self.is_allowed {
            return None;
        }
        if self.quotas.is_empty() {
            return Some(1);
        }
        let waits = self.violated().map(|quota| quota.retry_after.map(seconds));
        waits.collect::<Option<Vec<_>>>()?.into_iter().max().map(|n| n.max(1))
    }

    /// Adds `RateLimit` and `RateLimit-Policy` to the headers of an answer, and `Retry-After` if the request is refused.
    ///
    /// Fields of the first two that are there already, for other limits, stay. See [`RateLimitLayer`](super::RateLimitLayer) for what they say.
    pub fn write(&self, headers: &mut HeaderMap) {
        fields::write(self, headers);
    }

    /// Adds `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` of the limit that tells the most: of those that refuse the one that takes
    /// longest, else the one with the least left. Where they are there already they stay.
    pub fn write_three(&self, headers: &mut HeaderMap) {
        fields::write_three(self, headers);
    }

    /// The limit that tells the most.
    pub(super) fn tightest(&self) -> Option<&Quota> {
        let longest = self.violated().max_by_key(|quota| quota.retry_after.unwrap_or(Duration::MAX));
        longest.or_else(|| self.quotas.iter().min_by_key(|quota| quota.remaining))
    }
}

/// Rounded up: a second too early is refused once more.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}
