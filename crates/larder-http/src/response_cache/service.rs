use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{AGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
    request::Parts,
    response,
};
use http_body_util::BodyExt as _;
use tower_service::Service;

use super::{
    CacheStatus, ResponseCacheLayer, ResponseKey, Responses, ToBeKept,
    entry::{Entry, since_epoch, without_connection},
    flights::{End, Flight},
    freshness,
    look::{Looked, look},
    request::Wanted,
};
use crate::{
    Body, EntityTag, Selected, Tags, Verdict, add_vary,
    conditional::{keep_for_304, without_content},
    evaluate,
    preconditions::date,
    representation::Representation,
};

/// A service behind a [`ResponseCacheLayer`].
#[derive(Debug)]
pub struct ResponseCache<S, R> {
    inner: S,
    layer: ResponseCacheLayer<R>,
}

impl<S, R> ResponseCache<S, R> {
    pub(super) fn new(inner: S, layer: ResponseCacheLayer<R>) -> Self {
        Self { inner, layer }
    }
}

impl<S: Clone, R> Clone for ResponseCache<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, R, I, O> Service<Request<I>> for ResponseCache<S, R>
where
    S: Service<Request<I>, Response = Response<O>> + Clone + Send + 'static,
    S::Future: Send,
    R: Responses,
    I: http_body::Body + Send + 'static,
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
        let inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            // What a request brings along without saying so in its head is no part of the key either.
            let wanted = if body.is_end_stream() { Wanted::of(&parts, &layer.options) } else { None };
            match wanted {
                Some(wanted) => answer(inner, &layer, wanted, parts, body).await,
                None => pass(inner, parts, body, CacheStatus::Bypass).await,
            }
        })
    }
}

async fn answer<S, R, I, O>(
    inner: S,
    layer: &ResponseCacheLayer<R>,
    wanted: Wanted,
    parts: Parts,
    body: I,
) -> Result<Response<Body<O>>, S::Error>
where
    S: Service<Request<I>, Response = Response<O>>,
    R: Responses,
    O: http_body::Body<Data = Bytes>,
{
    let lease = match look(layer, &wanted, &parts).await {
        Looked::Kept(entry, age) => return Ok(kept(&parts, *entry, age)),
        _ if wanted.is_only_kept => return Ok(nothing_kept()),
        Looked::Lease(lease) => lease,
        Looked::TooOld => return pass(inner, parts, body, CacheStatus::Request).await,
        Looked::Nothing => return pass(inner, parts, body, CacheStatus::Bypass).await,
    };
    let flight = layer.flights.begin(wanted.key);
    make(inner, layer, (wanted.key, lease, flight), parts, body).await
}

/// Has the service make the answer, and keeps it if it may be.
async fn make<S, R, I, O>(
    mut inner: S,
    layer: &ResponseCacheLayer<R>,
    (key, lease, flight): (ResponseKey, R::Lease, Flight),
    mut parts: Parts,
    body: I,
) -> Result<Response<Body<O>>, S::Error>
where
    S: Service<Request<I>, Response = Response<O>>,
    R: Responses,
    O: http_body::Body<Data = Bytes>,
{
    let asked = parts.clone();
    // An answer to HEAD has not all that is to be kept, and one to these may leave out for this client what others want.
    parts.method = Method::GET;
    parts.headers.remove(IF_NONE_MATCH);
    parts.headers.remove(IF_MODIFIED_SINCE);
    parts.extensions.insert(ToBeKept);
    let response = match inner.call(Request::from_parts(parts, body)).await {
        Ok(response) => response,
        Err(error) => {
            flight.end(End::NotKept);
            return Err(error);
        }
    };
    let (mut head, body) = response.into_parts();
    let options = &layer.options;
    let is_small = body.size_hint().exact().is_some_and(|n_bytes| n_bytes <= options.max_bytes);
    let lifetime = freshness::lifetime(&head, options).filter(|_| is_small);
    let Some(lifetime) = lifetime.filter(|_| layer.responses.may_keep(&lease, &head)) else {
        flight.end(End::NotKept);
        return Ok(unkept(&asked, head, Body::inner(body)));
    };
    let whole = match read(body, options.max_bytes).await {
        Ok(whole) => whole,
        Err(body) => {
            flight.end(End::NotKept);
            return Ok(unkept(&asked, head, body));
        }
    };
    add_vary(&mut head.headers, &options.vary);
    tag(&mut head, &asked, &whole, &options.vary);
    match entry(&head, &whole, lifetime).write(&key) {
        // The client need not wait for it, and it is kept though the client be gone.
        Some(bytes) => drop(tokio::spawn(keep(Arc::clone(&layer.responses), lease, bytes, lifetime, flight))),
        None => flight.end(End::NotKept),
    }
    CacheStatus::Miss.say(&mut head.headers);
    head.extensions.insert(CacheStatus::Miss);
    Ok(for_client(&asked, head, Body::of(whole)))
}

async fn keep<R: Responses>(responses: Arc<R>, lease: R::Lease, bytes: Bytes, lifetime: Duration, flight: Flight) {
    let is_kept = responses.keep(lease, bytes, lifetime).await;
    flight.end(if is_kept { End::Kept } else { End::NotKept });
}

async fn pass<S, I, O>(mut inner: S, parts: Parts, body: I, status: CacheStatus) -> Result<Response<Body<O>>, S::Error>
where
    S: Service<Request<I>, Response = Response<O>>,
    O: http_body::Body<Data = Bytes>,
{
    let mut response = inner.call(Request::from_parts(parts, body)).await?.map(Body::inner);
    status.say(response.headers_mut());
    response.extensions_mut().insert(status);
    Ok(response)
}

/// The whole body, unless it fails or is larger than it has said: then what is left of it, after what was read.
async fn read<O>(body: O, max_bytes: u64) -> Result<Bytes, Body<O>>
where
    O: http_body::Body<Data = Bytes>,
{
    let mut body = Box::pin(body);
    let (mut frames, mut n_bytes) = (VecDeque::new(), 0);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                n_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                // What comes after the body is not kept, nor then is the body.
                let is_data = frame.is_data();
                frames.push_back(frame);
                if n_bytes > max_bytes || !is_data {
                    return Err(Body::begun(frames, body));
                }
            }
            Err(error) => return Err(Body::broken(frames, error)),
        }
    }
    let mut chunks: Vec<Bytes> = frames.into_iter().filter_map(|frame| frame.into_data().ok()).collect();
    if chunks.len() <= 1 {
        return Ok(chunks.pop().unwrap_or_default());
    }
    let mut whole = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
    Ok(whole.freeze())
}

/// Gives an answer that has no tag that of its body: one by version is of the state, which may be another one when it is given from the cache.
fn tag(head: &mut response::Parts, asked: &Parts, body: &Bytes, vary: &[HeaderName]) {
    if head.status == StatusCode::OK && !head.headers.contains_key(ETAG) {
        let content_type = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let tag = Representation::of(asked, vary).body_tag(content_type, [&body[..]]);
        head.headers.insert(ETAG, tag.to_header_value());
    }
}

fn entry(head: &response::Parts, body: &Bytes, lifetime: Duration) -> Entry {
    let secs = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    Entry {
        made: since_epoch(SystemTime::now()),
        was: secs(freshness::age(&head.headers)),
        lifetime: secs(lifetime),
        status: head.status,
        headers: without_connection(&head.headers),
        tags: head.extensions.get::<Tags>().cloned().unwrap_or_default(),
        body: body.clone(),
    }
}

/// An answer from the cache.
fn kept<O>(asked: &Parts, entry: Entry, age: Option<Duration>) -> Response<Body<O>>
where
    O: http_body::Body<Data = Bytes>,
{
    let (mut head, ()) = Response::new(()).into_parts();
    (head.status, head.headers) = (entry.status, entry.headers);
    // What is known to be current is as good as new (RFC 9111, section 5.1).
    head.headers.remove(AGE);
    if let Some(age) = age {
        head.headers.insert(AGE, HeaderValue::from(age.as_secs()));
    }
    if !entry.tags.is_empty() {
        head.extensions.insert(entry.tags);
    }
    let status = CacheStatus::Hit { age: age.unwrap_or_default() };
    status.say(&mut head.headers);
    head.extensions.insert(status);
    for_client(asked, head, Body::of(entry.body))
}

/// The service's answer, of which nothing is kept.
fn unkept<O>(asked: &Parts, mut head: response::Parts, body: Body<O>) -> Response<Body<O>>
where
    O: http_body::Body<Data = Bytes>,
{
    CacheStatus::Miss.say(&mut head.headers);
    head.extensions.insert(CacheStatus::Miss);
    for_client(asked, head, body)
}

/// The answer as the client wants it, which may have it already (the service has not heard of that), or not want its content.
fn for_client<O>(asked: &Parts, mut head: response::Parts, body: Body<O>) -> Response<Body<O>>
where
    O: http_body::Body<Data = Bytes>,
{
    let tag = EntityTag::of(&head.headers, ETAG);
    let selected =
        Selected { exists: true, entity_tag: tag.as_ref(), last_modified: date(&head.headers, LAST_MODIFIED) };
    let is_read = head.status == StatusCode::OK;
    if is_read && evaluate(&asked.method, &asked.headers, selected) == Verdict::NotModified {
        head.status = StatusCode::NOT_MODIFIED;
        keep_for_304(&mut head.headers);
        return Response::from_parts(head, Body::nothing());
    }
    let response = Response::from_parts(head, body);
    if asked.method == Method::HEAD { without_content(response) } else { response }
}

/// What a client gets that wanted only what is kept (RFC 9111, section 5.2.1.7).
fn nothing_kept<O: http_body::Body>() -> Response<Body<O>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    CacheStatus::NothingKept.say(response.headers_mut());
    response.extensions_mut().insert(CacheStatus::NothingKept);
    response
}
