mod precondition;
mod service;

use std::sync::Arc;

use http::HeaderName;
use tower_layer::Layer;

pub(crate) use self::service::{keep_for_304, without_content};
pub use self::{
    precondition::{Precondition, PreconditionFailed},
    service::Conditional,
};

/// Gives answers entity tags, and keeps the preconditions of requests.
///
/// **GET and HEAD.** The version is asked for before the service is. If `If-None-Match` has its tag, the answer is 304 and the service is not
/// called. Else a 200 gets the tag if the version is still the same after it; if a write came between, it gets none, and
/// `Cache-Control: no-store`, since the purge of that write may have been sent before any edge has this answer. Without a
/// version a body whose size is known, and small enough, is hashed, and the 304 decided after. An answer that has an `ETag`
/// of the service's own keeps it.
///
/// **Other methods** with `If-Match` or `If-None-Match` are compared before the service is called, and answered with 412 if it does not hold. The
/// handler finds the [`Precondition`] in the request's extensions, to check once more under its row lock: without that, of two
/// writes at once with the same tag both may be done.
///
/// The tag is a digest of the version, the path, the query, and the request's values of the headers that the answer [varies](Self::vary) by. What
/// changes bytes (compression) belongs inside of this layer; what sets `Cache-Control` belongs outside, so that a 304 has it too.
///
/// The path is the one that the layer sees: behind a router that takes a prefix off it, as axum's `Router::nest` does, tags don't tell apart what only the prefix does. A
/// client compares a tag with none but those of the same URI; but where the prefix has a parameter (`/users/{id}`), the versions have to be those
/// of the whole path, by axum's `OriginalUri`, or the layer has to stand outside of the nest.
#[derive(Debug)]
pub struct ConditionalLayer<V> {
    versions: Arc<V>,
    options: Arc<Options>,
}

#[derive(Debug, Clone)]
struct Options {
    vary: Vec<HeaderName>,
    max_hashed_bytes: u64,
    handlers_check: bool,
}

impl<V> ConditionalLayer<V> {
    /// A layer that asks `versions`; [`NoVersions`](crate::NoVersions) if tags are to be hashes of bodies.
    #[must_use]
    pub fn new(versions: V) -> Self {
        let options = Options { vary: Vec::new(), max_hashed_bytes: 1 << 20, handlers_check: false };
        Self { versions: Arc::new(versions), options: Arc::new(options) }
    }

    /// The request's headers by which answers are negotiated. They go into the tags, and into `Vary` of each 200 and 304.
    ///
    /// An answer whose own `Vary` names others gets no tag by version. Defaults to none.
    #[must_use]
    pub fn vary(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        Arc::make_mut(&mut self.options).vary = names.into_iter().collect();
        self
    }

    /// How large a body is hashed, and so held in memory, where there is no version; 0 for none.
    ///
    /// A body that does not know its size, as a stream of events, is never held. A HEAD without a version is asked of the service as a GET, so that both
    /// have the same tag. Defaults to 1 MiB.
    #[must_use]
    pub fn max_hashed_bytes(mut self, n_bytes: u64) -> Self {
        Arc::make_mut(&mut self.options).max_hashed_bytes = n_bytes;
        self
    }

    /// Whether handlers check the [`Precondition`] themselves, so that a write goes on to them where nobody knows the version.
    ///
    /// Defaults to `false`: such a write is answered with 412.
    #[must_use]
    pub fn handlers_check(mut self, check: bool) -> Self {
        Arc::make_mut(&mut self.options).handlers_check = check;
        self
    }
}

// Versions need not be `Clone`.
impl<V> Clone for ConditionalLayer<V> {
    fn clone(&self) -> Self {
        Self { versions: self.versions.clone(), options: self.options.clone() }
    }
}

impl<S, V> Layer<S> for ConditionalLayer<V> {
    type Service = Conditional<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        Conditional::new(inner, self.clone())
    }
}

#[cfg(test)]
mod tests;
