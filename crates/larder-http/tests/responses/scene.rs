//! A route behind the layer, and what it answers.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use larder::{Async, Larder, MemoryStore, asynchronous::Options};
use larder_http::{CacheStatus, LarderResponses, ResponseCacheLayer, Tags};
use tower::{Layer as _, ServiceExt as _, service_fn};

pub(crate) const LONG: Duration = Duration::from_secs(60);
pub(crate) const MINUTES_5: Duration = Duration::from_secs(300);

pub(crate) type Served = Response<UnsyncBoxBody<Bytes, Infallible>>;
pub(crate) type Kept = LarderResponses<Pg>;

/// What a client got.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) cache: CacheStatus,
    pub(crate) tags: Tags,
    /// What a framework would send as `Content-Length`, if there is no such header.
    pub(crate) size: Option<u64>,
}

impl Answer {
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn is_hit(&self) -> bool {
        matches!(self.cache, CacheStatus::Hit { .. })
    }
}

/// Caches in the memory of this process, before a database that nobody may ask.
pub(crate) fn in_memory() -> Async<Larder<Pg>> {
    let manager = ConnectionManager::<PgConnection>::new("postgres:///nowhere");
    let pool = Pool::builder().min_idle(Some(0)).max_size(2).build_unchecked(manager);
    Async::new(Larder::builder(pool).shared(MemoryStore::new()).build(), Options::default())
}

/// What a process keeps.
pub(crate) fn kept_by(larder: &Larder<Pg>) -> Kept {
    LarderResponses::new(Async::new(larder.clone(), Options::default()), "top")
}

pub(crate) fn public(responses: Kept) -> ResponseCacheLayer<Kept> {
    ResponseCacheLayer::public(responses, MINUTES_5)
}

/// A layer of its own, for everybody.
pub(crate) fn layer() -> ResponseCacheLayer<Kept> {
    public(LarderResponses::new(in_memory(), "test"))
}

pub(crate) fn get(uri: &str) -> Request<Empty<Bytes>> {
    request(Method::GET, uri, &[])
}

pub(crate) fn request(method: Method, uri: &str, headers: &[(HeaderName, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.body(Empty::new()).unwrap()
}

pub(crate) fn served(body: impl Into<Bytes>, headers: &[(HeaderName, &str)]) -> Served {
    let mut response = Response::builder().header("x-own", "7");
    for (name, value) in headers {
        response = response.header(name, *value);
    }
    response.body(Full::new(body.into()).boxed_unsync()).unwrap()
}

/// Sends one request through the layer to a service.
pub(crate) async fn send<R, F, B>(
    layer: &ResponseCacheLayer<R>,
    request: Request<B>,
    serve: impl Fn(Request<B>) -> F + Clone + Send + 'static,
) -> Answer
where
    R: larder_http::Responses,
    F: Future<Output = Served> + Send + 'static,
    B: http_body::Body + Send + 'static,
{
    let service = layer.layer(service_fn(move |request| {
        let answer = serve(request);
        async move { Ok::<_, Infallible>(answer.await) }
    }));
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let cache = *head.extensions.get().expect("each answer says it");
    let tags = head.extensions.get().cloned().unwrap_or_default();
    let size = http_body::Body::size_hint(&body).exact();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body, cache, tags, size }
}

/// A service that answers as it is told, and counts.
#[derive(Clone)]
pub(crate) struct Service<F> {
    serve: F,
    n_calls: Arc<AtomicUsize>,
}

impl<F> Service<F>
where
    F: Fn(usize) -> Served + Clone + Send + 'static,
{
    /// `serve` is told how often it was called before.
    pub(crate) fn new(serve: F) -> Self {
        Self { serve, n_calls: Arc::default() }
    }

    pub(crate) fn n_calls(&self) -> usize {
        self.n_calls.load(Ordering::SeqCst)
    }

    pub(crate) async fn send<R, B>(&self, layer: &ResponseCacheLayer<R>, request: Request<B>) -> Answer
    where
        R: larder_http::Responses,
        B: http_body::Body + Send + 'static,
    {
        let Self { serve, n_calls } = self.clone();
        send(layer, request, move |_| {
            let answer = serve(n_calls.fetch_add(1, Ordering::SeqCst));
            async move { answer }
        })
        .await
    }
}

/// How often a service is called that is asked twice for this, and answers so.
pub(crate) async fn calls(
    layer: &ResponseCacheLayer<Kept>,
    request: impl Fn() -> Request<Empty<Bytes>>,
    serve: impl Fn() -> Served + Clone + Send + 'static,
) -> usize {
    let service = Service::new(move |_| serve());
    for _ in 0..2 {
        service.send(layer, request()).await;
    }
    service.n_calls()
}

/// A body that comes frame by frame, and says what it likes of its size.
pub(crate) struct Frames {
    frames: VecDeque<&'static str>,
    says: Option<u64>,
}

impl Frames {
    pub(crate) fn new(frames: &[&'static str], says: Option<u64>) -> Self {
        Self { frames: frames.iter().copied().collect(), says }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(|frame| Ok(Frame::data(Bytes::from_static(frame.as_bytes())))))
    }

    fn size_hint(&self) -> SizeHint {
        self.says.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
