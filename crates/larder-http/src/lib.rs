//! What HTTP knows about caches, for a service that larder stands behind: entity tags and preconditions as tower layers.
//!
//! [`ConditionalLayer`] answers `If-None-Match` with 304 before the service is asked, where a [`Versions`] can tell what the
//! answer would be built from, and by the hash of the body elsewhere. It refuses an `If-Match` that no longer holds with 412. The rules by themselves, as
//! functions of headers, are [`EntityTag`], [`EntityTags`] and [`evaluate`]. [`CacheControlLayer`] says who may keep an answer, and
//! [`TagsLayer`] by which [`Tag`]s an edge can be told to drop it. A [`Purger`] tells it, through a [`Purge`]: [`Varnish`], or a
//! CDN's [`PurgeApi`]. [`ResponseCacheLayer`] keeps answers in the service itself, in [`Responses`]. A
//! [`RateLimitLayer`] refuses what is too much, and tells clients what is left.
//!
//! It knows versions and tags, and not what they are of. With the feature `larder` they are of rows: `RowVersions`, `cell_tag`, `trail_tags`; and answers
//! are kept in its store: `LarderResponses`.

mod body;
mod cache_control;
mod conditional;
mod entity_tag;
mod preconditions;
mod purge;
mod purger;
mod rate_limit;
mod representation;
mod response_cache;
#[cfg(feature = "larder")]
mod rows;
mod tag;
mod vary;
mod version;

pub use self::{
    body::Body,
    cache_control::{CacheControl, CacheControlLayer, SetCacheControl},
    conditional::{Conditional, ConditionalLayer, Precondition, PreconditionFailed},
    entity_tag::{EntityTag, EntityTags},
    preconditions::{Selected, Verdict, evaluate},
    purge::{Purge, PurgeApi, PurgeError, Varnish, VarnishTags},
    purger::{Purger, PurgerFigures, PurgerOptions, Undrained},
    rate_limit::{Limiter, Quota, RateDecision, RateLimit, RateLimitLayer},
    response_cache::{CacheStatus, Found, ResponseCache, ResponseCacheLayer, ResponseKey, Responses, ToBeKept},
    tag::{Tag, TagHeader, Tagged, Tags, TagsLayer},
    vary::add_vary,
    version::{Current, NoVersions, Version, Versions},
};
#[cfg(feature = "larder")]
pub use self::{
    response_cache::{BuiltFrom, LarderLease, LarderResponses},
    rows::{RowVersions, cell_tag, trail_tags},
};
