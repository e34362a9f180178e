use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
    request::Parts,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{Limiter, RateDecision};
use crate::Body;

/// Refuses requests of clients that ask too much, before the service is asked, and tells all of them what is left.
///
/// What a request is counted against is told by a function of it: an address, a user, a route, as many at once as there are. If there is too little
/// of one, nothing is taken of any. Who the client is has to be known by then: what finds it out puts it into the request's extensions, and
/// stands outside of this layer.
///
/// # Headers
///
/// Each answer has `RateLimit-Policy` (`"address";q=200;w=2`: so many, in so many seconds) and `RateLimit` (`"address";r=199;t=1`: so many are left, and
/// in so many seconds there is one more) as in draft-ietf-httpapi-ratelimit-headers-10, with an item for each limit. Clients of drafts up
/// to 06 look for [three others](Self::three_fields). A refusal has `Retry-After`. Seconds are rounded up.
///
/// A cache keeps these headers with an answer, and gives them to others; clients are to ignore them on an answer that has an `Age` (section 5.4 of the
/// draft). They tell how much its first client had left. Where that matters, this layer stands outside of the cache.
///
/// # Refusals
///
/// 429, or 503 where nobody can count and it was decided against the request; both are problem details (RFC 9457), unless told
/// [otherwise](Self::refuse_with), and `no-store`.
pub struct RateLimitLayer<L: Limiter> {
    shared: Arc<Shared<L>>,
}

/// What a request is counted against.
type Charges<C> = dyn Fn(&Parts) -> Vec<C> + Send + Sync;

struct Shared<L: Limiter> {
    limiter: L,
    charges: Box<Charges<L::Charge>>,
    refuse: fn(&RateDecision) -> Response<Bytes>,
    three_fields: bool,
}

impl<L: Limiter> RateLimitLayer<L> {
    /// A layer that counts against what `charges` says for a request. Where that is nothing, the request is not counted, and costs nothing.
    #[must_use]
    pub fn new(limiter: L, charges: impl Fn(&Parts) -> Vec<L::Charge> + Send + Sync + 'static) -> Self {
        let shared = Shared { limiter, charges: Box::new(charges), refuse: problem, three_fields: false };
        Self { shared: Arc::new(shared) }
    }

    /// What is answered to a request that is refused, in place of the layer's own problem details. The headers of the decision are added.
    ///
    /// # Panics
    /// If the layer is in use already.
    #[must_use]
    pub fn refuse_with(self, refuse: fn(&RateDecision) -> Response<Bytes>) -> Self {
        self.set(|shared| shared.refuse = refuse)
    }

    /// Whether to send `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` besides, as drafts up to 06 have them, of the limit that is tightest.
    ///
    /// Defaults to `false`.
    ///
    /// # Panics
    /// If the layer is in use already.
    #[must_use]
    pub fn three_fields(self, send: bool) -> Self {
        self.set(|shared| shared.three_fields = send)
    }

    fn set(mut self, set: impl FnOnce(&mut Shared<L>)) -> Self {
        set(Arc::get_mut(&mut self.shared).expect("a layer is set up before it is used"));
        self
    }
}

impl<L: Limiter> Shared<L> {
    fn write<B>(&self, decision: &RateDecision, response: &mut Response<B>) {
        decision.write(response.headers_mut());
        if self.three_fields {
            decision.write_three(response.headers_mut());
        }
    }
}

/// The types of problem are those of the draft's section 6.
fn problem(decision: &RateDecision) -> Response<Bytes> {
    let status = decision.status();
    let (kind, title) = match status {
        StatusCode::TOO_MANY_REQUESTS => ("quota-exceeded", "Too many requests"),
        _ => ("temporary-reduced-capacity", "Requests can't be counted now"),
    };
    let number = status.as_u16();
    let body = format!(
        r#"{{"type":"https://iana.org/assignments/http-problem-types#{kind}","title":"{title}","status":{number}}}"#
    );
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl<L: Limiter> Clone for RateLimitLayer<L> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<L: Limiter + fmt::Debug> fmt::Debug for RateLimitLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").field("limiter", &self.shared.limiter).finish_non_exhaustive()
    }
}

impl<S, L: Limiter> Layer<S> for RateLimitLayer<L> {
    type Service = RateLimit<S, L>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit { inner, layer: self.clone() }
    }
}

/// A service behind a [`RateLimitLayer`].
pub struct RateLimit<S, L: Limiter> {
    inner: S,
    layer: RateLimitLayer<L>,
}

impl<S: Clone, L: Limiter> Clone for RateLimit<S, L> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, L: Limiter + fmt::Debug> fmt::Debug for RateLimit<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, L, I, O> Service<Request<I>> for RateLimit<S, L>
where
    S: Service<Request<I>, Response = Response<O>> + Clone + Send + 'static,
    S::Future: Send,
    L: Limiter,
    I: Send + 'static,
    O: http_body::Body<Data = Bytes> + Send + 'static,
    O::Error: Send,
{
    type Response = Response<Body<O>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        // The one that was said to be ready is the one to be called.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let shared = Arc::clone(&self.layer.shared);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let charges = (shared.charges)(&parts);
            let request = Request::from_parts(parts, body);
            if charges.is_empty() {
                return Ok(inner.call(request).await?.map(Body::inner));
            }
            let decision = shared.limiter.check(charges).await;
            let mut response = if decision.is_allowed {
                inner.call(request).await?.map(Body::inner)
            } else {
                (shared.refuse)(&decision).map(Body::of)
            };
            shared.write(&decision, &mut response);
            Ok(response)
        })
    }
}
