use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
        IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, TRAILER, TRANSFER_ENCODING,
    },
    request::Parts,
};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tower_service::Service;

use super::{ConditionalLayer, Precondition};
use crate::{
    Body, Current, EntityTag, Selected, Verdict, Version, Versions, add_vary, cache_control::forget_targeted, evaluate,
    preconditions::date, representation::Representation, vary,
};

/// A service behind a [`ConditionalLayer`].
#[derive(Debug)]
pub struct Conditional<S, V> {
    inner: S,
    layer: ConditionalLayer<V>,
}

impl<S, V> Conditional<S, V> {
    pub(super) fn new(inner: S, layer: ConditionalLayer<V>) -> Self {
        Self { inner, layer }
    }
}

impl<S: Clone, V> Clone for Conditional<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, V, I, O> Service<Request<I>> for Conditional<S, V>
where
    S: Service<Request<I>, Response = Response<O>> + Clone + Send + 'static,
    S::Future: Send,
    V: Versions,
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
        let inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            match parts.method {
                Method::GET | Method::HEAD => read(inner, &layer, parts, body).await,
                Method::CONNECT | Method::OPTIONS | Method::TRACE => pass(inner, parts, body).await,
                _ => write(inner, &layer, parts, body).await,
            }
        })
    }
}

async fn pass<S, I, O>(mut inner: S, parts: Parts, body: I) -> Result<Response<Body<O>>, S::Error>
where
    S: Service<Request<I>, Response = Response<O>>,
    O: http_body::Body<Data = Bytes>,
{
    Ok(inner.call(Request::from_parts(parts, body)).await?.map(Body::inner))
}

async fn write<S, V, I, O>(
    inner: S,
    layer: &ConditionalLayer<V>,
    mut parts: Parts,
    body: I,
) -> Result<Response<Body<O>>, S::Error>
where
    S: Service<Request<I>, Response = Response<O>>,
    V: Versions,
    O: http_body::Body<Data = Bytes>,
{
    let representation = Representation::of(&parts, &layer.options.vary);
    let Some(precondition) = Precondition::of(&parts, &representation) else {
        return pass(inner, parts, body).await;
    };
    if precondition.is_of_tags() {
        let current = layer.versions.version(&parts).await;
        let is_left_to_handler = current == Current::Unknown && layer.options.handlers_check;
        if !is_left_to_handler && precondition.check(current, None).is_err() {
            return Ok(failed());
        }
    }
    parts.extensions.insert(precondition);
    pass(inner, parts, body).await
}

async fn read<S, V, I, O>(
    mut inner: S,
    layer: &ConditionalLayer<V>,
    mut parts: Parts,
    body: I,
) -> Result<Response<Body<O>>, S::Error>
where
    S: Service<Request<I>, Response = Response<O>>,
    V: Versions,
    O: http_body::Body<Data = Bytes>,
{
    let options = &layer.options;
    let representation = Representation::of(&parts, &options.vary);
    let before = layer.versions.version(&parts).await;
    if let Current::Version(version) = before
        && let Some(answer) = short_cut(&parts, &representation.tag(&version), &options.vary)
    {
        return Ok(answer);
    }
    let asked = parts.clone();
    let is_head = parts.method == Method::HEAD;
    let hashes = !matches!(before, Current::Version(_)) && options.max_hashed_bytes > 0;
    if is_head && hashes {
        parts.method = Method::GET;
        // A range counts for GET only.
        parts.headers.remove(RANGE);
    }
    let response = inner.call(Request::from_parts(parts, body)).await?;
    if response.status() != StatusCode::OK {
        let response = response.map(Body::inner);
        return Ok(if is_head && hashes { without_content(response) } else { response });
    }
    let (mut head, body) = response.into_parts();
    let covered = vary::is_within(&head.headers, &options.vary);
    add_vary(&mut head.headers, &options.vary);
    let has_own_tag = head.headers.contains_key(ETAG);
    let mut body = match before {
        _ if has_own_tag => Body::inner(body),
        Current::Version(version) if covered => {
            tag_by_version(&mut head.headers, layer, &asked, &representation, version).await;
            Body::inner(body)
        }
        // What a service answers to HEAD has nothing to be hashed.
        _ if is_head && !hashes => Body::inner(body),
        _ => tag_by_body(&mut head.headers, body, options.max_hashed_bytes, &representation).await,
    };
    let tag = EntityTag::of(&head.headers, ETAG);
    let selected =
        Selected { exists: true, entity_tag: tag.as_ref(), last_modified: date(&head.headers, LAST_MODIFIED) };
    match evaluate(&asked.method, &asked.headers, selected) {
        Verdict::Proceed => {
            if is_head && hashes {
                return Ok(without_content(Response::from_parts(head, body)));
            }
        }
        Verdict::NotModified => {
            head.status = StatusCode::NOT_MODIFIED;
            keep_for_304(&mut head.headers);
            body = Body::nothing();
        }
        Verdict::Failed => return Ok(failed()),
    }
    Ok(Response::from_parts(head, body))
}

/// The answer that needs nothing but the tag.
fn short_cut<O>(parts: &Parts, tag: &EntityTag, vary: &[http::HeaderName]) -> Option<Response<Body<O>>>
where
    O: http_body::Body<Data = Bytes>,
{
    // A date goes before `If-None-Match`, and only the answer itself has one.
    if parts.headers.contains_key(IF_UNMODIFIED_SINCE) && !parts.headers.contains_key(IF_MATCH) {
        return None;
    }
    let selected = Selected { exists: true, entity_tag: Some(tag), last_modified: None };
    match evaluate(&parts.method, &parts.headers, selected) {
        Verdict::NotModified => {
            let mut answer = Response::new(Body::nothing());
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer.headers_mut().insert(ETAG, tag.to_header_value());
            add_vary(answer.headers_mut(), vary);
            Some(answer)
        }
        // Only the service knows whether it has a tag of its own, by which `If-Match` would hold.
        Verdict::Proceed | Verdict::Failed => None,
    }
}

async fn tag_by_version<V: Versions>(
    headers: &mut HeaderMap,
    layer: &ConditionalLayer<V>,
    asked: &Parts,
    representation: &Representation,
    before: Version,
) {
    if layer.versions.version(asked).await == Current::Version(before) {
        headers.insert(ETAG, representation.tag(&before).to_header_value());
    } else {
        tracing::debug!(path = asked.uri.path(), "a write came between: the answer gets no tag");
        forget_targeted(headers);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Reads the body and tags it, if it knows that it is small enough. It is held to its word by nobody but whoever wrote it.
async fn tag_by_body<O>(headers: &mut HeaderMap, body: O, max_bytes: u64, representation: &Representation) -> Body<O>
where
    O: http_body::Body<Data = Bytes>,
{
    if !body.size_hint().exact().is_some_and(|n_bytes| n_bytes <= max_bytes && max_bytes > 0) {
        return Body::inner(body);
    }
    let mut body = pin!(body);
    let mut frames = VecDeque::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => frames.push_back(frame),
            Err(error) => return Body::failed(error),
        }
    }
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let chunks = frames.iter().filter_map(Frame::data_ref).map(|data| &data[..]);
    headers.insert(ETAG, representation.body_tag(content_type, chunks).to_header_value());
    Body::whole(frames)
}

fn failed<O: http_body::Body>() -> Response<Body<O>> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PRECONDITION_FAILED;
    response
}

/// The answer to HEAD that goes with this answer to GET.
pub(crate) fn without_content<O: http_body::Body<Data = Bytes>>(response: Response<Body<O>>) -> Response<Body<O>> {
    let (mut head, body) = response.into_parts();
    if let Some(n_bytes) = http_body::Body::size_hint(&body).exact() {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(n_bytes));
    }
    Response::from_parts(head, Body::nothing())
}

/// Takes out what describes the content that a 304 does not have (RFC 9110, section 15.4.5).
pub(crate) fn keep_for_304(headers: &mut HeaderMap) {
    let content =
        [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING];
    for name in content {
        headers.remove(name);
    }
    if headers.contains_key(ETAG) {
        headers.remove(LAST_MODIFIED);
    }
}
