//! What of a service's answers is kept (RFC 9111, section 3).

use http::{
    HeaderName, Response, StatusCode,
    header::{
        ACCEPT_LANGUAGE, AGE, CACHE_CONTROL, CONNECTION, CONTENT_RANGE, DATE, ETAG, EXPIRES, SET_COOKIE, TRAILER, VARY,
    },
};
use http_body_util::BodyExt as _;
use larder_http::{CacheStatus, LarderResponses, ResponseCacheLayer, Tag, Tags};

use crate::scene::{Frames, MINUTES_5, Service, calls, get, in_memory, layer, served};

fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

#[tokio::test]
async fn an_answer_is_made_once_and_says_where_it_came_from_and_how_old_it_is() {
    let (layer, service) = (layer(), Service::new(|n| served(format!("{n}"), &[])));
    let first = service.send(&layer, get("/top")).await;
    assert_eq!((first.cache, first.header(header("cache-status"))), (CacheStatus::Miss, Some("larder; fwd=miss")));
    let second = service.send(&layer, get("/top")).await;
    assert!(second.is_hit(), "{second:?}");
    assert_eq!((second.header(header("cache-status")), second.header(AGE)), (Some("larder; hit"), Some("0")));
    assert_eq!((&second.body[..], second.header(header("x-own")), service.n_calls()), (&b"0"[..], Some("7"), 1));
    assert_eq!((first.header(AGE), first.header(ETAG)), (None, second.header(ETAG)));
    assert_eq!(service.send(&layer, get("/other")).await.body, "1");
}

#[tokio::test]
async fn only_answers_with_200_are_kept_and_others_if_told() {
    for (status, is_kept) in [(200, true), (203, false), (204, false), (301, false), (404, false), (500, false)] {
        let serve = move || {
            let mut answer = served("answer", &[]);
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer
        };
        assert_eq!(calls(&layer(), || get("/"), serve).await == 1, is_kept, "{status}");
        let told = layer().statuses([StatusCode::from_u16(status).unwrap()]);
        assert_eq!(calls(&told, || get("/"), serve).await, 1, "{status}");
    }
    for status in [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED] {
        let serve = move || {
            let mut answer = served("", &[]);
            *answer.status_mut() = status;
            answer
        };
        assert_eq!(calls(&layer().statuses([status]), || get("/"), serve).await, 2, "{status}");
    }
}

#[tokio::test]
async fn what_an_answer_says_of_itself_is_kept_to() {
    const PAST: &str = "Sat, 29 Oct 1994 19:43:31 GMT";
    const LATER: &str = "Sat, 29 Oct 2044 19:43:31 GMT";
    for (headers, is_kept_public, is_kept_scoped) in [
        (&[][..], true, true),
        (&[(CACHE_CONTROL, "no-store")], false, false),
        (&[(CACHE_CONTROL, "no-cache")], false, false),
        (&[(CACHE_CONTROL, "no-cache=\"set-cookie\"")], false, false),
        (&[(CACHE_CONTROL, "private")], false, true),
        (&[(CACHE_CONTROL, "Private=\"x\"")], false, true),
        (&[(CACHE_CONTROL, "max-age=60")], true, true),
        (&[(CACHE_CONTROL, "max-age=0")], false, false),
        (&[(CACHE_CONTROL, "max-age=soon")], false, false),
        (&[(CACHE_CONTROL, "max-age=0, s-maxage=60")], true, false),
        (&[(CACHE_CONTROL, "max-age=60, s-maxage=0")], false, true),
        (&[(CACHE_CONTROL, "max-age=60"), (AGE, "40")], true, true),
        (&[(CACHE_CONTROL, "max-age=60"), (AGE, "60")], false, false),
        (&[(EXPIRES, "0")], false, false),
        (&[(EXPIRES, PAST)], false, false),
        (&[(EXPIRES, LATER)], true, true),
        (&[(EXPIRES, LATER), (DATE, LATER)], false, false),
        (&[(EXPIRES, PAST), (CACHE_CONTROL, "max-age=60")], true, true),
        (&[(SET_COOKIE, "a=b")], false, false),
        (&[(SET_COOKIE, "a=b"), (CACHE_CONTROL, "public, max-age=60")], false, false),
        (&[(CONTENT_RANGE, "bytes 0-5/7")], false, false),
        (&[(TRAILER, "x")], false, false),
        (&[(VARY, "*")], false, false),
        (&[(VARY, "Accept-Language")], true, true),
        (&[(VARY, "accept-language, Origin")], false, false),
    ] {
        let serve = move || served("answer", headers);
        let public = layer().vary([ACCEPT_LANGUAGE]);
        assert_eq!(calls(&public, || get("/"), serve).await == 1, is_kept_public, "{headers:?}");
        let scoped = ResponseCacheLayer::scoped(LarderResponses::new(in_memory(), "test"), MINUTES_5, |_| Some("ada"));
        let scoped = scoped.vary([ACCEPT_LANGUAGE]);
        assert_eq!(calls(&scoped, || get("/"), serve).await == 1, is_kept_scoped, "{headers:?}, scoped");
    }
}

#[tokio::test]
async fn the_age_of_an_answer_that_another_cache_had_is_told() {
    let (layer, service) = (layer(), Service::new(|_| served("answer", &[(AGE, "40"), (CACHE_CONTROL, "max-age=60")])));
    service.send(&layer, get("/")).await;
    let hit = service.send(&layer, get("/")).await;
    let age: u64 = hit.header(AGE).unwrap().parse().unwrap();
    assert!(hit.is_hit() && (40..60).contains(&age), "{hit:?}");
}

#[tokio::test]
async fn what_is_of_one_connection_is_not_kept() {
    let headers =
        [(CONNECTION, "close, X-Hop"), (header("x-hop"), "1"), (header("keep-alive"), "5"), (header("te"), "x")];
    let (layer, service) = (layer(), Service::new(move |_| served("answer", &headers)));
    service.send(&layer, get("/")).await;
    let hit = service.send(&layer, get("/")).await;
    assert!(hit.is_hit());
    for name in ["connection", "x-hop", "keep-alive", "te"] {
        assert_eq!(hit.header(header(name)), None);
    }
    assert_eq!(hit.header(header("x-own")), Some("7"));
}

#[tokio::test]
async fn a_body_that_is_large_or_of_unknown_size_is_sent_on_and_not_kept() {
    let small = layer().max_bytes(6);
    assert_eq!(calls(&small, || get("/"), || served("answer", &[])).await, 1);
    assert_eq!(calls(&small, || get("/large"), || served("answers", &[])).await, 2);
    let stream = || Response::new(Frames::new(&["answer"], None).boxed_unsync());
    assert_eq!(calls(&small, || get("/stream"), stream).await, 2);
}

#[tokio::test]
async fn a_body_that_is_larger_than_it_says_is_sent_whole_and_not_kept() {
    let service = Service::new(|_| Response::new(Frames::new(&["never", "mind", "it"], Some(4)).boxed_unsync()));
    let layer = layer().max_bytes(4);
    for _ in 0..2 {
        assert_eq!(service.send(&layer, get("/")).await.body, "nevermindit");
    }
    assert_eq!(service.n_calls(), 2);
}

#[tokio::test]
async fn a_kept_answer_has_the_tags_that_edges_purge_it_by() {
    let (layer, service) = (
        layer(),
        Service::new(|_| {
            let mut answer = served("answer", &[]);
            answer.extensions_mut().insert(Tags::from_iter([Tag::new("orders:7"), Tag::new("a b")]));
            answer
        }),
    );
    for is_hit in [false, true] {
        let answer = service.send(&layer, get("/")).await;
        let tags: Vec<&str> = answer.tags.iter().map(Tag::as_str).collect();
        assert_eq!((&tags[..], answer.is_hit()), (&["a%20b", "orders:7"][..], is_hit));
    }
}
