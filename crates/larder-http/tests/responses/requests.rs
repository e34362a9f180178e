//! Which requests are given what is kept (RFC 9111, sections 4 and 5.2.1).

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, StatusCode,
    header::{
        AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED, PRAGMA, RANGE, TRANSFER_ENCODING, UPGRADE,
    },
};
use http_body_util::{BodyExt as _, Full};
use larder_http::{CacheStatus, ConditionalLayer, Current, Version, Versions};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::scene::{Frames, Service, calls, get, layer, request, send, served};

const WHEN: &str = "Sat, 29 Oct 1994 19:43:31 GMT";

#[tokio::test]
async fn what_a_request_says_is_kept_to() {
    for (headers, is_given) in [
        (&[][..], true),
        (&[(CACHE_CONTROL, "no-cache")], false),
        (&[(CACHE_CONTROL, "no-store")], false),
        (&[(CACHE_CONTROL, "max-age=0")], false),
        (&[(CACHE_CONTROL, "max-age=60")], true),
        (&[(CACHE_CONTROL, "max-age=39")], false),
        (&[(CACHE_CONTROL, "min-fresh=5")], true),
        (&[(CACHE_CONTROL, "min-fresh=61")], false),
        (&[(CACHE_CONTROL, "max-stale=60, only-if-cached")], true),
        (&[(PRAGMA, "no-cache")], false),
        (&[(PRAGMA, "no-cache"), (CACHE_CONTROL, "max-age=60")], true),
        (&[(AUTHORIZATION, "Bearer x")], false),
        (&[(COOKIE, "a=b")], false),
        (&[(RANGE, "bytes=0-1")], false),
        (&[(UPGRADE, "websocket")], false),
        (&[(IF_MATCH, "\"a\"")], false),
        (&[(IF_UNMODIFIED_SINCE, WHEN)], false),
        (&[(CONTENT_LENGTH, "5")], false),
        (&[(CONTENT_LENGTH, "0")], true),
        (&[(TRANSFER_ENCODING, "chunked")], false),
    ] {
        let service = Service::new(|_| served("answer", &[(AGE, "40"), (CACHE_CONTROL, "max-age=100")]));
        let layer = layer();
        service.send(&layer, get("/")).await;
        let answer = service.send(&layer, request(Method::GET, "/", headers)).await;
        assert_eq!((answer.is_hit(), service.n_calls()), (is_given, 2 - usize::from(is_given)), "{headers:?}");
        assert!(service.send(&layer, get("/")).await.is_hit(), "what is kept stays: {headers:?}");
    }
}

#[tokio::test]
async fn a_request_that_goes_past_the_cache_has_nothing_kept() {
    for headers in [[(CACHE_CONTROL, "no-store")], [(AUTHORIZATION, "Bearer x")], [(COOKIE, "a=b")]] {
        let request = || request(Method::GET, "/", &headers);
        assert_eq!(calls(&layer(), request, || served("answer", &[])).await, 2, "{headers:?}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = || request(method.clone(), "/", &[]);
        assert_eq!(calls(&layer(), request, || served("answer", &[])).await, 2, "{method}");
    }
    let with_body = || Request::new(Full::new(Bytes::from("what the answer depends on")));
    let service = Service::new(|_| served("answer", &[]));
    let layer = layer();
    for _ in 0..2 {
        assert_eq!(service.send(&layer, with_body()).await.cache, CacheStatus::Bypass);
    }
    assert_eq!(service.n_calls(), 2);
}

#[tokio::test]
async fn what_is_for_everybody_is_given_to_clients_with_credentials_only_if_told() {
    for (header, told) in [(AUTHORIZATION, layer().share_authorized(true)), (COOKIE, layer().share_cookies(true))] {
        let request = || request(Method::GET, "/", &[(header.clone(), "x")]);
        assert_eq!(calls(&told, request, || served("answer", &[])).await, 1, "{header}");
        assert_eq!(calls(&layer(), request, || served("answer", &[])).await, 2, "{header}");
    }
}

#[tokio::test]
async fn only_if_cached_never_asks_the_service() {
    let (layer, service) = (layer(), Service::new(|_| served("answer", &[])));
    let wants_kept = || request(Method::GET, "/", &[(CACHE_CONTROL, "only-if-cached")]);
    let refused = service.send(&layer, wants_kept()).await;
    assert_eq!((refused.status, refused.cache), (StatusCode::GATEWAY_TIMEOUT, CacheStatus::NothingKept));
    assert_eq!(refused.header(HeaderName::from_static("cache-status")), Some("larder; detail=only-if-cached"));
    assert_eq!(service.n_calls(), 0);
    service.send(&layer, get("/")).await;
    assert!(service.send(&layer, wants_kept()).await.is_hit());
    assert_eq!(service.n_calls(), 1);
}

#[tokio::test]
async fn head_is_answered_from_what_get_has_kept_and_the_other_way_round() {
    for [first, second] in [[Method::GET, Method::HEAD], [Method::HEAD, Method::GET], [Method::HEAD, Method::HEAD]] {
        let (layer, service) = (layer(), Service::new(|_| served("answer", &[])));
        let mut tags = Vec::new();
        for (method, is_hit) in [(first, false), (second, true)] {
            let answer = service.send(&layer, request(method.clone(), "/", &[])).await;
            assert_eq!((answer.is_hit(), answer.status), (is_hit, StatusCode::OK));
            if method == Method::HEAD {
                assert_eq!((&answer.body[..], answer.size), (&b""[..], None));
                assert_eq!(answer.header(CONTENT_LENGTH), Some("6"));
            } else {
                assert_eq!(answer.body, "answer");
            }
            tags.push(answer.header(ETAG).map(str::to_owned));
        }
        assert!(tags[0].is_some() && tags[0] == tags[1] && service.n_calls() == 1);
    }
}

#[tokio::test]
async fn what_a_client_has_is_confirmed_by_the_cache() {
    const OWN: [(HeaderName, &str); 3] = [(ETAG, "\"own\""), (LAST_MODIFIED, WHEN), (CONTENT_TYPE, "text/plain")];
    let asked = |name: HeaderName, value: &str| request(Method::GET, "/", &[(name, value)]);
    for (sent, status) in [
        ((IF_NONE_MATCH, "\"own\""), 304),
        ((IF_NONE_MATCH, "W/\"own\", \"b\""), 304),
        ((IF_NONE_MATCH, "\"b\""), 200),
        ((IF_MODIFIED_SINCE, WHEN), 304),
        ((IF_MODIFIED_SINCE, "Sat, 29 Oct 1994 19:43:30 GMT"), 200),
    ] {
        let (layer, service) = (layer(), Service::new(|_| served("answer", &OWN)));
        // The first one has the answer made: what it has itself is no reason to keep less of it.
        for is_hit in [false, true] {
            let answer = service.send(&layer, asked(sent.0.clone(), sent.1)).await;
            assert_eq!((answer.status.as_u16(), answer.is_hit()), (status, is_hit), "{sent:?}");
            assert_eq!(answer.body.is_empty(), status == 304);
            assert_eq!(answer.header(ETAG), Some("\"own\""));
            assert_eq!(answer.header(CONTENT_TYPE).is_none(), status == 304);
        }
        let whole = service.send(&layer, get("/")).await;
        assert_eq!((&whole.body[..], service.n_calls()), (&b"answer"[..], 1));
    }
}

#[tokio::test]
async fn what_a_client_has_is_confirmed_though_the_answer_is_not_kept() {
    const OWN: [(HeaderName, &str); 3] = [(ETAG, "\"own\""), (LAST_MODIFIED, WHEN), (CACHE_CONTROL, "no-store")];
    for ((name, value), service_says, status) in [
        ((IF_NONE_MATCH, "\"own\""), 200, 304),
        ((IF_MODIFIED_SINCE, WHEN), 200, 304),
        ((IF_NONE_MATCH, "\"b\""), 200, 200),
        ((IF_NONE_MATCH, "\"own\""), 404, 404),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let serve = move |_| {
                let mut answer = served("answer", &OWN);
                *answer.status_mut() = StatusCode::from_u16(service_says).unwrap();
                answer
            };
            let (layer, service) = (layer(), Service::new(serve));
            for n_calls in 1..3 {
                let answer = service.send(&layer, request(method.clone(), "/", &[(name.clone(), value)])).await;
                assert_eq!((answer.status.as_u16(), answer.cache), (status, CacheStatus::Miss), "{method} {name}");
                assert_eq!(answer.body.is_empty(), status == 304 || method == Method::HEAD);
                assert_eq!((answer.header(CACHE_CONTROL), service.n_calls()), (Some("no-store"), n_calls));
            }
        }
    }
}

#[tokio::test]
async fn the_service_does_not_see_what_the_client_has() {
    let (layer, headers) = (layer(), [(IF_NONE_MATCH, "*"), (IF_MODIFIED_SINCE, WHEN)]);
    let answer = send(&layer, request(Method::GET, "/", &headers), |request| {
        let is_bare =
            !request.headers().contains_key(IF_NONE_MATCH) && !request.headers().contains_key(IF_MODIFIED_SINCE);
        let status = if is_bare { StatusCode::OK } else { StatusCode::IM_A_TEAPOT };
        async move {
            let mut answer = served("answer", &[]);
            *answer.status_mut() = status;
            answer
        }
    });
    assert_eq!(answer.await.status, StatusCode::NOT_MODIFIED);
}

/// The version of a state that goes on while an answer is kept.
#[derive(Clone, Default)]
struct Counted(std::sync::Arc<std::sync::atomic::AtomicU8>);

impl Versions for Counted {
    async fn version(&self, _: &http::request::Parts) -> Current {
        Current::Version(Version::from(u128::from(self.0.load(std::sync::atomic::Ordering::SeqCst))))
    }
}

#[tokio::test]
async fn an_old_answer_is_never_tagged_with_a_new_version_wherever_the_layers_stand() {
    let (layer, versions) = (layer(), Counted::default());
    let service = || {
        let service = service_fn(|_: Request<_>| async { Ok::<_, std::convert::Infallible>(served("answer", &[])) });
        ConditionalLayer::new(versions.clone()).layer(layer.layer(service))
    };
    let ask = |_| async {
        let (head, body) = service().oneshot(get("/")).await.unwrap().into_parts();
        (head.headers[ETAG].clone(), body.collect().await.unwrap().to_bytes())
    };
    let first: (HeaderValue, Bytes) = ask(()).await;
    versions.0.store(1, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(ask(()).await, first);
    let fresh = service().oneshot(request(Method::GET, "/", &[(CACHE_CONTROL, "no-cache")])).await.unwrap();
    assert_ne!(fresh.headers()[ETAG], first.0, "the service's own answer has the version's");
}

#[tokio::test]
async fn a_body_that_no_header_tells_of_takes_the_request_past_the_cache() {
    let (layer, service) = (layer(), Service::new(|_| served("answer", &[])));
    for _ in 0..2 {
        let request = Request::new(Frames::new(&["body"], None));
        assert_eq!(service.send(&layer, request).await.cache, CacheStatus::Bypass);
    }
    assert_eq!(service.n_calls(), 2);
}
