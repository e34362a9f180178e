use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Request, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, VARY,
    },
    request::Parts,
};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{ConditionalLayer, Precondition};
use crate::{Current, EntityTag, Version, Versions};

const WHEN: &str = "Sat, 29 Oct 1994 19:43:31 GMT";

/// What versions are told, the last one again and again, and how often the service was called.
#[derive(Clone)]
struct Scene {
    told: Arc<Mutex<VecDeque<Current>>>,
    n_calls: Arc<AtomicUsize>,
}

impl Versions for Scene {
    async fn version(&self, _: &Parts) -> Current {
        let mut told = self.told.lock().unwrap();
        if told.len() > 1 { told.pop_front().unwrap() } else { told[0] }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// What a framework would send as `Content-Length`, if there is no such header.
    size: Option<u64>,
    n_calls: usize,
}

impl Answer {
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn tag(&self) -> &str {
        self.header(ETAG).expect("it has a tag")
    }
}

fn v(number: u128) -> Current {
    Current::Version(Version::from(number))
}

type Served = Response<UnsyncBoxBody<Bytes, Infallible>>;

fn served(body: &'static str, headers: &[(HeaderName, &str)]) -> Served {
    let mut response = Response::builder().header(CONTENT_TYPE, "text/plain").header("x-request-id", "7");
    for (name, value) in headers {
        response = response.header(name, *value);
    }
    response.body(Full::from(body).boxed_unsync()).unwrap()
}

fn request(method: Method, headers: &[(HeaderName, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri("/users/7?include=orders");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.body(()).unwrap()
}

/// Asks the service behind the layer, as `set` has made it, where versions are told so.
async fn ask_with(
    told: &[Current],
    set: impl FnOnce(ConditionalLayer<Scene>) -> ConditionalLayer<Scene>,
    request: Request<()>,
    serve: impl Fn(Request<()>) -> Served + Clone + Send + 'static,
) -> Answer {
    let n_calls = Arc::new(AtomicUsize::new(0));
    let scene = Scene { told: Arc::new(Mutex::new(told.iter().copied().collect())), n_calls: n_calls.clone() };
    let counted = scene.clone();
    let service = set(ConditionalLayer::new(scene)).layer(service_fn(move |request| {
        counted.n_calls.fetch_add(1, Ordering::Relaxed);
        let answer = serve(request);
        async move { Ok::<_, Infallible>(answer) }
    }));
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let size = http_body::Body::size_hint(&body).exact();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body, size, n_calls: n_calls.load(Ordering::Relaxed) }
}

async fn ask(told: &[Current], method: Method, headers: &[(HeaderName, &str)]) -> Answer {
    ask_with(told, |layer| layer, request(method, headers), |_| served("Ada", &[])).await
}

async fn tag_of(told: &[Current]) -> String {
    ask(told, Method::GET, &[]).await.tag().to_owned()
}

#[tokio::test]
async fn what_a_client_has_is_answered_without_the_service() {
    let tag = tag_of(&[v(1)]).await;
    for (method, sent) in [(Method::GET, tag.clone()), (Method::HEAD, tag.clone()), (Method::GET, format!("W/{tag}"))] {
        let answer = ask(&[v(1)], method, &[(IF_NONE_MATCH, &sent)]).await;
        assert_eq!((answer.status, answer.n_calls, answer.tag()), (StatusCode::NOT_MODIFIED, 0, &*tag));
        assert!(answer.body.is_empty());
    }
    let answer = ask(&[v(2)], Method::GET, &[(IF_NONE_MATCH, &tag)]).await;
    assert_eq!((answer.status, answer.n_calls, &answer.body[..]), (StatusCode::OK, 1, &b"Ada"[..]));
    assert_ne!(answer.tag(), tag);
}

#[tokio::test]
async fn an_answer_that_a_write_overtook_has_no_tag_and_is_kept_nowhere() {
    for after in [v(2), Current::Unknown, Current::Missing] {
        let for_cdn = HeaderName::from_static("cdn-cache-control");
        let serve = move |_| served("Ada", &[(CACHE_CONTROL, "public, max-age=60"), (for_cdn.clone(), "max-age=60")]);
        let answer = ask_with(&[v(1), after], |layer| layer, request(Method::GET, &[]), serve).await;
        assert_eq!((answer.status, answer.header(ETAG)), (StatusCode::OK, None), "{after:?}");
        assert_eq!(answer.header(CACHE_CONTROL), Some("no-store"));
        assert_eq!(answer.headers.get("cdn-cache-control"), None);
    }
}

#[tokio::test]
async fn get_and_head_have_the_same_tag() {
    for told in [v(1), Current::Unknown, Current::Missing] {
        let get = ask(&[told], Method::GET, &[]).await;
        // As a server answers to HEAD: nothing, where it was asked so.
        let serve = |request: Request<()>| {
            let is_head = request.method() == Method::HEAD;
            // It would be answered with a part.
            assert!(is_head || !request.headers().contains_key(RANGE));
            served(if is_head { "" } else { "Ada" }, &[])
        };
        let asked = request(Method::HEAD, &[(RANGE, "bytes=0-0")]);
        let head = ask_with(&[told], |layer| layer, asked, serve).await;
        assert_eq!((get.status, get.tag()), (head.status, head.tag()), "{told:?}");
        assert!(head.body.is_empty());
    }
    let head = ask(&[Current::Unknown], Method::HEAD, &[]).await;
    assert_eq!(head.header(CONTENT_LENGTH), Some("3"));
}

#[tokio::test]
async fn what_is_sent_without_its_content_claims_no_length_of_it() {
    let tag = tag_of(&[v(1)]).await;
    let hash = tag_of(&[Current::Unknown]).await;
    for (told, tag) in [(v(1), &tag), (Current::Unknown, &hash)] {
        let answer = ask(&[told], Method::GET, &[(IF_NONE_MATCH, tag)]).await;
        let seen = (answer.status, answer.size, answer.header(CONTENT_LENGTH));
        assert_eq!(seen, (StatusCode::NOT_MODIFIED, None, None), "{told:?}");
    }
    assert_eq!(ask(&[Current::Unknown], Method::HEAD, &[]).await.size, None);
    let refused = ask(&[v(2)], Method::PUT, &[(IF_MATCH, &tag)]).await;
    assert_eq!((refused.status, refused.size), (StatusCode::PRECONDITION_FAILED, Some(0)));
}

#[tokio::test]
async fn without_a_version_the_body_decides() {
    let tag = tag_of(&[Current::Unknown]).await;
    let answer = ask(&[Current::Unknown], Method::GET, &[(IF_NONE_MATCH, &tag)]).await;
    assert_eq!((answer.status, answer.n_calls), (StatusCode::NOT_MODIFIED, 1));
    let other = |_| served("Eve", &[]);
    let sent = request(Method::GET, &[(IF_NONE_MATCH, &tag)]);
    let answer = ask_with(&[Current::Unknown], |layer| layer, sent, other).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"Eve"[..]));
}

#[tokio::test]
async fn a_body_that_is_large_or_of_unknown_size_is_sent_on_as_it_comes() {
    let small = |layer: ConditionalLayer<Scene>| layer.max_hashed_bytes(3);
    for (body, is_tagged) in [("Ada", true), ("Adam", false)] {
        let answer = ask_with(&[Current::Unknown], small, request(Method::GET, &[]), move |_| served(body, &[])).await;
        assert_eq!((answer.header(ETAG).is_some(), &answer.body[..]), (is_tagged, body.as_bytes()));
    }
    let stream = |_| {
        let frames = ["A", "da"].map(|data| Ok(http_body::Frame::data(Bytes::from_static(data.as_bytes()))));
        Response::new(StreamBody::new(Frames(frames.into_iter().collect())).boxed_unsync())
    };
    let answer = ask_with(&[Current::Unknown], |layer| layer, request(Method::GET, &[]), stream).await;
    assert_eq!((answer.header(ETAG), &answer.body[..]), (None, &b"Ada"[..]));
}

/// A stream of what is there already.
struct Frames(VecDeque<Result<http_body::Frame<Bytes>, Infallible>>);

impl futures_core::Stream for Frames {
    type Item = Result<http_body::Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

#[tokio::test]
async fn a_304_says_what_a_200_says_but_for_its_content() {
    let headers = [
        (CACHE_CONTROL, "max-age=60"),
        (HeaderName::from_static("expires"), WHEN),
        (HeaderName::from_static("content-location"), "/users/7"),
        (HeaderName::from_static("surrogate-key"), "users:7"),
        (LAST_MODIFIED, WHEN),
        (CONTENT_LENGTH, "3"),
    ];
    let sent = |tag: &str| request(Method::GET, &[(IF_NONE_MATCH, tag)]);
    let serve = move |_| served("Ada", &headers);
    let tag = tag_of(&[Current::Unknown]).await;
    let vary = |layer: ConditionalLayer<Scene>| layer;
    let answer = ask_with(&[Current::Unknown], vary, sent(&tag), serve).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    let mut names: Vec<&str> = answer.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "content-location", "etag", "expires", "surrogate-key", "x-request-id"]);
}

#[tokio::test]
async fn what_is_negotiated_is_in_the_tag_and_in_vary_of_200_and_304() {
    let by_accept = |layer: ConditionalLayer<Scene>| layer.vary([ACCEPT]);
    let get = async |accept: &'static str, tag: Option<&str>| {
        let mut headers = vec![(ACCEPT, accept)];
        headers.extend(tag.map(|tag| (IF_NONE_MATCH, tag)));
        ask_with(&[v(1)], by_accept, request(Method::GET, &headers), |_| served("Ada", &[])).await
    };
    let (json, html) = (get("application/json", None).await, get("text/html", None).await);
    assert_ne!(json.tag(), html.tag());
    assert_eq!(get("text/html", Some(json.tag())).await.status, StatusCode::OK);
    let same = get("text/html", Some(html.tag())).await;
    assert_eq!((same.status, same.header(VARY)), (StatusCode::NOT_MODIFIED, Some("accept")));
    assert_eq!(html.header(VARY), Some("accept"));
}

#[tokio::test]
async fn an_answer_that_varies_by_what_was_not_declared_is_not_tagged_by_its_version() {
    let english = |_| served("Ada", &[(VARY, "Accept-Language")]);
    let french = |_| served("Adèle", &[(VARY, "Accept-Language")]);
    let get = |language| request(Method::GET, &[(ACCEPT_LANGUAGE, language)]);
    let one = ask_with(&[v(1)], |layer| layer, get("en"), english).await;
    let other = ask_with(&[v(1)], |layer| layer, get("fr"), french).await;
    assert_ne!(one.tag(), other.tag());
    assert_ne!(one.tag(), tag_of(&[v(1)]).await);
}

#[tokio::test]
async fn a_tag_and_a_date_of_the_services_own_are_kept_and_compared() {
    let serve = |_| served("Ada", &[(ETAG, "\"own\""), (LAST_MODIFIED, WHEN)]);
    for (name, value, expected) in [
        (IF_NONE_MATCH, "\"own\"", StatusCode::NOT_MODIFIED),
        (IF_MATCH, "\"own\"", StatusCode::OK),
        (IF_MATCH, "\"other\"", StatusCode::PRECONDITION_FAILED),
        (IF_MODIFIED_SINCE, WHEN, StatusCode::NOT_MODIFIED),
        (IF_UNMODIFIED_SINCE, "Sat, 29 Oct 1994 19:43:30 GMT", StatusCode::PRECONDITION_FAILED),
    ] {
        let answer = ask_with(&[v(1)], |layer| layer, request(Method::GET, &[(name.clone(), value)]), serve).await;
        assert_eq!(answer.status, expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_date_goes_before_a_tag_that_a_client_has() {
    let tag = tag_of(&[v(1)]).await;
    let serve = |_| served("Ada", &[(LAST_MODIFIED, WHEN)]);
    let headers = [(IF_NONE_MATCH, &*tag), (IF_UNMODIFIED_SINCE, "Sat, 29 Oct 1994 19:43:30 GMT")];
    let answer = ask_with(&[v(1)], |layer| layer, request(Method::GET, &headers), serve).await;
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn what_is_no_success_has_neither_tag_nor_preconditions() {
    for status in [StatusCode::NOT_FOUND, StatusCode::PARTIAL_CONTENT, StatusCode::INTERNAL_SERVER_ERROR] {
        for told in [v(1), Current::Unknown, Current::Missing] {
            let serve = move |_| {
                let mut response = served("no", &[]);
                *response.status_mut() = status;
                response
            };
            let sent = request(Method::GET, &[(IF_MATCH, "\"a\"")]);
            let answer = ask_with(&[told], |layer| layer, sent, serve).await;
            assert_eq!((answer.status, answer.header(ETAG)), (status, None), "{told:?}");
        }
    }
}

#[tokio::test]
async fn a_write_whose_tag_is_old_is_refused_without_the_service() {
    let tag = tag_of(&[v(1)]).await;
    for method in [Method::PUT, Method::PATCH, Method::POST, Method::DELETE] {
        let kept = ask(&[v(1)], method.clone(), &[(IF_MATCH, &tag)]).await;
        assert_eq!((kept.status, kept.n_calls), (StatusCode::OK, 1), "{method}");
        for (told, sent) in [
            (v(2), tag.clone()),
            (Current::Missing, tag.clone()),
            (Current::Missing, "*".to_owned()),
            (Current::Unknown, tag.clone()),
            (v(1), format!("W/{tag}")),
            (v(1), "nonsense".to_owned()),
        ] {
            let refused = ask(&[told], method.clone(), &[(IF_MATCH, &sent)]).await;
            let seen = (refused.status, refused.n_calls);
            assert_eq!(seen, (StatusCode::PRECONDITION_FAILED, 0), "{method} {told:?} {sent}");
        }
    }
}

#[tokio::test]
async fn what_is_there_is_not_created_again() {
    let seen = async |told| ask(&[told], Method::PUT, &[(IF_NONE_MATCH, "*")]).await.status;
    assert_eq!(seen(v(1)).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(seen(Current::Unknown).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(seen(Current::Missing).await, StatusCode::OK);
    // Nor where nobody knows whether it is what the client must not find.
    let seen = ask(&[Current::Unknown], Method::PUT, &[(IF_NONE_MATCH, "\"a\"")]).await;
    assert_eq!((seen.status, seen.n_calls), (StatusCode::PRECONDITION_FAILED, 0));
}

#[tokio::test]
async fn the_tag_of_any_form_of_a_state_will_do_for_a_write() {
    let by_accept = |layer: ConditionalLayer<Scene>| layer.vary([ACCEPT]);
    let get = request(Method::GET, &[(ACCEPT, "text/html")]);
    let html = ask_with(&[v(1)], by_accept, get, |_| served("Ada", &[])).await;
    let put = request(Method::PUT, &[(ACCEPT, "application/json"), (IF_MATCH, html.tag())]);
    let answer = ask_with(&[v(1)], by_accept, put, |_| served("", &[])).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_handler_can_check_once_more_under_its_lock() {
    let tag = tag_of(&[v(1)]).await;
    let serve = |request: Request<()>| {
        let precondition = request.extensions().get::<Precondition>().expect("the layer has put it there");
        assert_eq!(precondition.check(v(1), None), Ok(()));
        for current in [v(2), Current::Missing, Current::Unknown] {
            assert!(precondition.check(current, None).is_err(), "{current:?}");
        }
        served("", &[])
    };
    let put = || request(Method::PUT, &[(IF_MATCH, &tag)]);
    assert_eq!(ask_with(&[v(1)], |layer| layer, put(), serve).await.n_calls, 1);
    let checked = |layer: ConditionalLayer<Scene>| layer.handlers_check(true);
    assert_eq!(ask_with(&[Current::Unknown], checked, put(), serve).await.n_calls, 1);
    // What is known to be old is refused all the same.
    assert_eq!(ask_with(&[v(2)], checked, put(), serve).await.n_calls, 0);
}

#[tokio::test]
async fn a_date_is_left_to_the_handler() {
    let serve = |request: Request<()>| {
        let precondition = request.extensions().get::<Precondition>().expect("the layer has put it there");
        let modified = httpdate::parse_http_date(WHEN).unwrap();
        assert_eq!(precondition.check(Current::Unknown, Some(modified)), Ok(()));
        assert!(precondition.check(v(1), Some(modified + std::time::Duration::from_secs(1))).is_err());
        served("", &[])
    };
    let put = request(Method::PUT, &[(IF_UNMODIFIED_SINCE, WHEN)]);
    assert_eq!(ask_with(&[v(1)], |layer| layer, put, serve).await.n_calls, 1);
}

#[tokio::test]
async fn a_write_without_preconditions_is_not_looked_at() {
    let serve = |request: Request<()>| {
        assert!(request.extensions().get::<Precondition>().is_none());
        served("", &[])
    };
    let answer = ask_with(&[v(1)], |layer| layer, request(Method::PUT, &[]), serve).await;
    assert_eq!((answer.status, answer.header(ETAG)), (StatusCode::OK, None));
}

#[test]
fn the_tags_of_versions_are_strong() {
    let scene = Scene { told: Arc::new(Mutex::new([v(1)].into())), n_calls: Arc::default() };
    let layer = ConditionalLayer::new(scene);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let service = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(served("Ada", &[])) }));
    let answer = runtime.block_on(service.oneshot(request(Method::GET, &[]))).unwrap();
    assert!(!EntityTag::of(answer.headers(), ETAG).unwrap().is_weak());
}
