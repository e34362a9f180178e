//! What HTTP knows about caches, for a service that larder stands behind: entity tags and preconditions as tower layers.
//!
//! [`ConditionalLayer`] answers `If-None-Match` with 304 before the service is asked, where a [`Versions`] can tell what the
//! answer would be built from, and by the hash of the body elsewhere. It refuses an `If-Match` that no longer holds with 412. The rules by themselves, as
//! functions of headers, are [`EntityTag`], [`EntityTags`] and [`evaluate`].

mod body;
mod conditional;
mod entity_tag;
mod preconditions;
mod representation;
mod vary;
mod version;

pub use self::{
    body::Body,
    conditional::{Conditional, ConditionalLayer, Precondition, PreconditionFailed},
    entity_tag::{EntityTag, EntityTags},
    preconditions::{Selected, Verdict, evaluate},
    vary::add_vary,
    version::{Current, NoVersions, Version, Versions},
};
