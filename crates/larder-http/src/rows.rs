//! Rows as HTTP sees them: versions by the stamps of their cells, and tags by their keys.

use http::{
    Method, Uri,
    header::{IF_MATCH, IF_NONE_MATCH},
    request::Parts,
};
use larder::{Async, Backend, Dependencies, Larder, Scope, Trail, store::CellKey};

use crate::{Current, EntityTags, Precondition, PreconditionFailed, Tag, Tags, ToBeKept, Version, Versions};

/// Tells versions by the stamps of the cells that an answer is built from: without SQL, and without a round trip where they are near.
///
/// `of` says what the answer to a request for this path and query is made of: all of it, or the answer would be confirmed though it is another. It may
/// read what it needs for that through the scope's repositories, and is called once more on a thread if that is not near; `None` is for what has no
/// version, as a path that belongs to nothing. `Err` counts as that.
///
/// A request that has an `Async<Scope<DB>>` in its extensions is answered on that scope's terms. GET and HEAD may be answered by
/// [`near_version`](larder::Scope::near_version), which is as old as near reads are; writes go by what the store says.
/// Whether there is anything at all a version does not tell: a request that asks for that, `If-Match: *` or `If-None-Match: *`, is left to whoever
/// reads the rows, so a service that takes writes under these wants [`handlers_check`](crate::ConditionalLayer::handlers_check).
pub struct RowVersions<DB: Backend, F> {
    larder: Async<Larder<DB>>,
    of: F,
}

impl<DB, F> RowVersions<DB, F>
where
    DB: Backend,
    F: Fn(&Uri, &Scope<DB>) -> larder::Result<Option<Dependencies<DB>>> + Clone + Send + Sync + 'static,
{
    /// Versions of what `of` says.
    pub fn new(larder: Async<Larder<DB>>, of: F) -> Self {
        Self { larder, of }
    }
}

impl<DB: Backend, F> std::fmt::Debug for RowVersions<DB, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowVersions").field("larder", &self.larder).finish_non_exhaustive()
    }
}

impl<DB, F> Versions for RowVersions<DB, F>
where
    DB: Backend,
    F: Fn(&Uri, &Scope<DB>) -> larder::Result<Option<Dependencies<DB>>> + Clone + Send + Sync + 'static,
{
    async fn version(&self, request: &Parts) -> Current {
        let asks_for_any = [IF_MATCH, IF_NONE_MATCH]
            .map(|name| matches!(EntityTags::of(&request.headers, name), Some(EntityTags::Any)));
        if asks_for_any.contains(&true) {
            return Current::Unknown;
        }
        let scope = request.extensions.get().cloned().unwrap_or_else(|| self.larder.scope());
        let (of, uri) = (self.of.clone(), request.uri.clone());
        // An answer that is to be kept is read past what is near, and its tag has to be of just that.
        let is_near_good =
            matches!(request.method, Method::GET | Method::HEAD) && request.extensions.get::<ToBeKept>().is_none();
        let version = scope.read::<_, larder::Error>(move |scope| {
            let Some(of) = of(&uri, scope)? else { return Ok(None) };
            let near = if is_near_good { scope.near_version(&of) } else { None };
            Ok(near.or_else(|| scope.version(&of)))
        });
        match version.await {
            Ok(Some(version)) => Current::Version(Version::new(*version.as_bytes())),
            Ok(None) => Current::Unknown,
            Err(error) => {
                tracing::debug!(%error, path = request.uri.path(), "nobody knows the version");
                Current::Unknown
            }
        }
    }
}

impl Precondition {
    /// Checks it against the rows that there are now. To be called in the transaction that is to write, under the lock of the row (`SELECT .. FOR
    /// UPDATE`): then nobody can come between. Costs a round trip of the store. If the store can't tell the version, a precondition that
    /// names tags fails: nothing is lost by that but a try.
    ///
    /// `of` is what it was for the [`RowVersions`] that made the tag; `exists` whether the row is there.
    ///
    /// # Errors
    /// [`PreconditionFailed`], to be answered with 412.
    pub fn check_rows<DB: Backend>(
        &self,
        larder: &Larder<DB>,
        of: &Dependencies<DB>,
        exists: bool,
    ) -> Result<(), PreconditionFailed> {
        let current = match exists {
            false => Current::Missing,
            // Any tag would do, and nobody has this one.
            true if self.names_no_tag() => Current::Version(Version::new([0; 16])),
            true => larder
                .version(of)
                .map_or(Current::Unknown, |version| Current::Version(Version::new(*version.as_bytes()))),
        };
        self.check(current, None)
    }
}

/// The tag of what was built from a cell, and of what a write of it is to purge. Hashed: keys may be somebody's.
#[must_use]
pub fn cell_tag(cell: &CellKey) -> Tag {
    Tag::hashed(cell.as_bytes())
}

/// The tags of an answer that was built by the reads of a [scope](larder::Scope::trail): one for each cell, and one for each model, by which writes
/// purge that change more than can be told.
#[must_use]
pub fn trail_tags(trail: &Trail) -> Tags {
    let mut tags: Tags = trail.cells.iter().map(cell_tag).collect();
    let mut last: &[u8] = &[];
    // In the order of their keys, those of a model stand together.
    for model in trail.cells.iter().map(|cell| cell.model()) {
        if model != last {
            tags.add(Tag::hashed(model));
            last = model;
        }
    }
    tags
}
