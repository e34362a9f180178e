use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the response cache did with a request. It stands in the extensions of each answer, and in its `Cache-Status` (RFC 9211).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheStatus {
    /// The answer was kept: `larder; hit`.
    Hit {
        /// For how long; nothing, where it is known to be what the service would answer now.
        age: Duration,
    },
    /// The service was asked, and its answer is kept if it may be: `larder; fwd=miss`.
    Miss,
    /// The service was asked, since the request wants something younger than what is kept: `larder; fwd=request`.
    Request,
    /// The request went past the cache: `larder; fwd=bypass`.
    Bypass,
    /// The request wants nothing but what is kept, and nothing is, so that the service was not asked: `larder; detail=only-if-cached`.
    NothingKept,
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl CacheStatus {
    fn text(self) -> &'static str {
        match self {
            Self::Hit { .. } => "larder; hit",
            Self::Miss => "larder; fwd=miss",
            Self::Request => "larder; fwd=request",
            Self::Bypass => "larder; fwd=bypass",
            Self::NothingKept => "larder; detail=only-if-cached",
        }
    }

    /// Says it, after what caches behind this one have said.
    pub(super) fn say(self, headers: &mut HeaderMap) {
        headers.append(CACHE_STATUS, HeaderValue::from_static(self.text()));
    }
}

/// Stands in the extensions of a request whose answer is to be kept.
///
/// For handlers that read through near caches: what is near may be some milliseconds older than what the answer is kept under. They
/// read with `Consistency::Shared` then.
#[derive(Debug, Clone, Copy)]
pub struct ToBeKept;
