use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{request, response};

use super::ResponseKey;

/// What [`Responses`] know of a key.
#[derive(Debug)]
pub enum Found<L> {
    /// An answer is kept.
    Kept {
        /// What was given to [`Responses::keep`].
        answer: Bytes,
        /// Whether it is known to be what the service would answer now, and not only to be young enough.
        is_current: bool,
    },
    /// Nothing is, and the caller is to have it made, and to keep it.
    Lease(L),
    /// Somebody else has it made: it may be asked for again in a moment.
    Elsewhere,
    /// Nobody can tell, or nothing is to be kept now.
    Unknown,
}

/// Where answers are kept: bytes under keys, and leases for those who have them made.
///
/// Nothing of it fails: what can't be read, or not in time, is [`Found::Unknown`]. Each call should have an end of its own that comes soon,
/// since requests wait for it.
pub trait Responses: Send + Sync + 'static {
    /// The permission to keep an answer. Dropped, it is the next one's.
    type Lease: Send + 'static;

    /// Looks an answer up, or takes the lease on it for at most `may_take`. The service is asked after this has returned.
    fn look(
        &self,
        request: &request::Parts,
        key: &ResponseKey,
        may_take: Duration,
    ) -> impl Future<Output = Found<Self::Lease>> + Send;

    /// Whether an answer with that head may be kept under the lease, as far as the lease is concerned. Defaults to `true`.
    fn may_keep(&self, lease: &Self::Lease, head: &response::Parts) -> bool {
        let _ = (lease, head);
        true
    }

    /// Keeps an answer for at most `ttl`: whether it is kept.
    fn keep(&self, lease: Self::Lease, answer: Bytes, ttl: Duration) -> impl Future<Output = bool> + Send;
}
