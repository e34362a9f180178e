//! Answers that the service keeps itself.

mod directives;
mod entry;
mod flights;
mod freshness;
mod key;
#[cfg(feature = "larder")]
mod larder;
mod look;
mod request;
mod responses;
mod service;
mod status;

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, StatusCode, request::Parts};
use tower_layer::Layer;

#[cfg(feature = "larder")]
pub use self::larder::{BuiltFrom, LarderLease, LarderResponses};
use self::{flights::Flights, key::Parameters};
pub use self::{
    key::ResponseKey,
    responses::{Found, Responses},
    service::ResponseCache,
    status::{CacheStatus, ToBeKept},
};

/// Keeps answers of a route to GET, for everybody or for each user, and gives them to GET and HEAD in place of the service.
///
/// ```
/// # use std::time::Duration;
/// # use http::{HeaderName, request::Parts};
/// # use larder_http::{ResponseCacheLayer, Responses};
/// # #[derive(Clone)] struct User { id: u64 }
/// # fn example<R: Responses>(top: R, projects: R) {
/// let top = ResponseCacheLayer::public(top, Duration::from_secs(300)).query(["limit"]);
/// let projects = ResponseCacheLayer::scoped(projects, Duration::from_secs(300), |request| {
///     Some(request.extensions.get::<User>()?.id.to_string())
/// });
/// # }
/// ```
///
/// **Whose.** An answer is kept under its *scope*, host, [path](Self::path), and the [parameters](Self::query) and [headers](Self::vary) that were declared, each with its length, in a
/// digest. A request with a parameter that was not declared goes past the cache, since the service might answer it differently; so does one whose scope
/// is not known, and one with `Authorization` or `Cookie` where the scope is everybody. What else an answer differs by, a header that
/// a proxy sets, has to be declared.
///
/// **Under a prefix.** A router that takes a prefix off the path, as axum's `Router::nest` does, shows the layer what is left. Where that prefix has
/// a parameter (`/users/{id}`), all its values have one path, and one user would be given another's answer: such a layer has to be told the
/// whole [path](Self::path), or to stand outside of the nest.
///
/// **What.** An answer with 200, no `Set-Cookie`, no `no-store` or `no-cache`, for everybody not `private`, whose `Vary` names nothing that was not declared, and whose body knows
/// that it is [small enough](Self::max_bytes). It is kept for as long as the layer says, and no longer than its own `s-maxage`, `max-age` or `Expires` do. One without an `ETag`
/// gets a strong one, the hash of its body; a request's `If-None-Match` and `If-Modified-Since` are compared here, and not seen by the service.
///
/// **Once.** While one request has the service make the answer, others for the same wait for it, in all processes, but not [for long](Self::wait). If it fails, is not to be kept
/// or is dropped, nobody waits for it any more.
///
/// What is kept is stale for up to its time to live, unless its [`Responses`] know better. While those are away, every request goes to the service.
///
/// What sets `Cache-Control` or compresses stands outside of this layer; [`ConditionalLayer`](crate::ConditionalLayer) with versions inside, so
/// that a version's tag goes with the very bytes that it is of. [`Tags`](crate::Tags) are kept with the answer. What checks who may see the answer stands outside.
///
/// # Panics
/// Outside of a runtime of tokio's, when an answer is to be kept.
pub struct ResponseCacheLayer<R> {
    responses: Arc<R>,
    options: Arc<Options>,
    flights: Arc<Flights>,
}

/// No time is longer than HTTP knows them (RFC 9111, section 1.2.2), so that each may be added to now.
const LONGEST: Duration = Duration::from_secs(1 << 31);

/// Says whose answer it is.
type Scope = dyn Fn(&Parts) -> Option<Vec<u8>> + Send + Sync;

/// Says what path an answer is kept under.
type Path = dyn for<'r> Fn(&'r Parts) -> &'r str + Send + Sync;

#[derive(Clone)]
struct Options {
    /// Of everybody where there is none.
    scope: Option<Arc<Scope>>,
    /// The one of the request's URI where there is none.
    path: Option<Arc<Path>>,
    ttl: Duration,
    parameters: Parameters,
    vary: Vec<HeaderName>,
    statuses: Vec<StatusCode>,
    max_bytes: u64,
    may_take: Duration,
    wait: Duration,
    shares_authorized: bool,
    shares_cookies: bool,
}

impl<R: Responses> ResponseCacheLayer<R> {
    /// Keeps answers that are the same for everybody, for so long.
    ///
    /// A request with `Authorization` or `Cookie` goes past the cache, unless the layer is told otherwise.
    #[must_use]
    pub fn public(responses: R, ttl: Duration) -> Self {
        Self::of(responses, ttl, None)
    }

    /// Keeps answers for those whom `scope` tells apart, a user's id say, for so long. A request of which it knows nothing goes past the cache.
    ///
    /// It is asked for each GET and HEAD, and should go by what was proved (an extension that the check of the session has put), never by what a client may write
    /// as it likes.
    #[must_use]
    pub fn scoped<S: AsRef<[u8]>>(
        responses: R,
        ttl: Duration,
        scope: impl Fn(&Parts) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let scope = move |request: &Parts| scope(request).map(|scope| scope.as_ref().to_vec());
        Self::of(responses, ttl, Some(Arc::new(scope)))
    }

    fn of(responses: R, ttl: Duration, scope: Option<Arc<Scope>>) -> Self {
        let options = Options {
            scope,
            path: None,
            ttl: ttl.min(LONGEST),
            parameters: Parameters::default(),
            vary: Vec::new(),
            statuses: vec![StatusCode::OK],
            max_bytes: 1 << 20,
            may_take: Duration::from_secs(10),
            wait: Duration::from_secs(5),
            shares_authorized: false,
            shares_cookies: false,
        };
        Self { responses: Arc::new(responses), options: Arc::new(options), flights: Arc::default() }
    }
}

impl<R> ResponseCacheLayer<R> {
    fn with(mut self, set: impl FnOnce(&mut Options)) -> Self {
        set(Arc::make_mut(&mut self.options));
        self
    }

    /// The path that an answer is kept under, for a layer that sees only the end of it. Defaults to that of the request's URI.
    ///
    /// Behind a nested router of axum's:
    ///
    /// ```
    /// # use larder_http::ResponseCacheLayer;
    /// # #[derive(Clone)] struct OriginalUri(http::Uri);
    /// # fn example<R>(layer: ResponseCacheLayer<R>) -> ResponseCacheLayer<R> {
    /// layer.path(|request| request.extensions.get::<OriginalUri>().map_or(request.uri.path(), |whole| whole.0.path()))
    /// # }
    /// ```
    #[must_use]
    pub fn path(self, of: impl for<'r> Fn(&'r Parts) -> &'r str + Send + Sync + 'static) -> Self {
        self.with(|options| options.path = Some(Arc::new(of)))
    }

    /// The parameters of the query that the answer differs by, as they are written, without percent-decoding. A request with any other goes past the
    /// cache. Defaults to none.
    #[must_use]
    pub fn query<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.with(|options| options.parameters = Parameters::These(names))
    }

    /// The answer differs by the whole query, as it is written: whoever asks may have as many answers kept as there are queries.
    #[must_use]
    pub fn any_query(self) -> Self {
        self.with(|options| options.parameters = Parameters::All)
    }

    /// The request's headers by which answers are negotiated. They go into the key, and into `Vary` of each answer that is kept.
    ///
    /// An answer whose own `Vary` names others is not kept. Defaults to none.
    #[must_use]
    pub fn vary(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.with(|options| options.vary = names.into_iter().collect())
    }

    /// Answers with these are kept, and no others. Defaults to 200.
    ///
    /// Only those that say the same for as long as they are kept: 404, 301, 410. 206 and 304 are never kept.
    #[must_use]
    pub fn statuses(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.with(|options| options.statuses = statuses.into_iter().collect())
    }

    /// How large a body is kept, and held in memory for that. One that is larger, or does not know its size, is sent on as it comes. Defaults to 1 MiB.
    #[must_use]
    pub fn max_bytes(self, n_bytes: u64) -> Self {
        self.with(|options| options.max_bytes = n_bytes)
    }

    /// How long the service may take for its answer to be kept. If its process dies, for as long nobody else has an answer kept. Defaults to 10 s.
    #[must_use]
    pub fn may_take(self, time: Duration) -> Self {
        self.with(|options| options.may_take = time.min(LONGEST))
    }

    /// How long a request waits for an answer that another one has made, before it goes to the service too; for another process at most
    /// 2 s of that. Defaults to 5 s.
    #[must_use]
    pub fn wait(self, at_most: Duration) -> Self {
        self.with(|options| options.wait = at_most.min(LONGEST))
    }

    /// Whether requests with `Authorization` are given what is kept for everybody, and their answers kept: for routes that answer everybody
    /// alike. Defaults to `false`.
    #[must_use]
    pub fn share_authorized(self, share: bool) -> Self {
        self.with(|options| options.shares_authorized = share)
    }

    /// The same for requests with `Cookie`. Defaults to `false`.
    #[must_use]
    pub fn share_cookies(self, share: bool) -> Self {
        self.with(|options| options.shares_cookies = share)
    }
}

// Neither responses nor scopes need be `Clone` or `Debug`.
impl<R> Clone for ResponseCacheLayer<R> {
    fn clone(&self) -> Self {
        Self { responses: self.responses.clone(), options: self.options.clone(), flights: self.flights.clone() }
    }
}

impl<R> fmt::Debug for ResponseCacheLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCacheLayer").field("ttl", &self.options.ttl).finish_non_exhaustive()
    }
}

impl<S, R> Layer<S> for ResponseCacheLayer<R> {
    type Service = ResponseCache<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        ResponseCache::new(inner, self.clone())
    }
}
