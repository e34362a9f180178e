//! Rate limits behind larder-http's layer, on a real server.

use std::{collections::BTreeSet, convert::Infallible};

use http::{HeaderMap, Request, Response, StatusCode};
use larder::asynchronous::Options;
use larder_http::RateLimitLayer;
use larder_redis::rate::{Charge, HttpLimiter, Limit, WhenAway};
use tokio::task::JoinSet;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::server::{Server, namespace};

type Body = http_body_util::Full<bytes::Bytes>;

/// So slow that nothing drips in while a test runs.
const ALL: Limit = Limit::per_hour("all", 50);
const ONE: Limit = Limit::per_hour("one", 3);

fn charges(request: &http::request::Parts) -> Vec<Charge> {
    let user = request.headers.get("user").map(|user| ONE.of(user));
    [ALL.of("everybody")].into_iter().chain(user).collect()
}

/// Asks a service behind the layer.
async fn ask(limiter: &HttpLimiter, user: Option<&'static str>) -> (StatusCode, HeaderMap) {
    let served = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Body::default())));
    let mut request = Request::new(());
    if let Some(user) = user {
        request.headers_mut().insert("user", http::HeaderValue::from_static(user));
    }
    let service = RateLimitLayer::new(limiter.clone(), charges).three_fields(true).layer(served);
    let (head, _) = service.oneshot(request).await.unwrap().into_parts();
    (head.status, head.headers)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_requests_at_once_through_two_processes_exactly_so_many_pass() {
    let server = Server::shared();
    let namespace = namespace();
    let limiters = [0, 1].map(|_| {
        let store = server.patient().namespace(&namespace).build().unwrap();
        HttpLimiter::new(store.rate_limiter("test", WhenAway::Fail), Options::default())
    });
    let mut all = JoinSet::new();
    for n in 0..200 {
        let limiter = limiters[n % 2].clone();
        all.spawn(async move { ask(&limiter, None).await });
    }
    let answers = all.join_all().await;
    let passed = answers.iter().filter(|(status, _)| *status == StatusCode::OK);
    let left: BTreeSet<u32> =
        passed.clone().map(|(_, headers)| header(headers, "ratelimit-remaining").parse().unwrap()).collect();
    assert_eq!((passed.count(), left), (50, (0..50).collect()));
    let refused = answers.iter().filter(|(status, _)| *status == StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.clone().count(), 150);
    for (_, headers) in refused {
        assert_eq!(header(headers, "ratelimit-policy"), r#""all";q=50;w=3600"#);
        let after: u64 = header(headers, "retry-after").parse().unwrap();
        assert!((1..=72).contains(&after), "one comes in each 72 s: {headers:?}");
    }
}

#[tokio::test]
async fn what_one_limit_refuses_is_taken_of_no_other() {
    let server = Server::shared();
    let limiter = server.patient().build().unwrap().rate_limiter("test", WhenAway::Fail);
    let limiter = HttpLimiter::new(limiter, Options::default());
    let mut left = Vec::new();
    for status in [200, 200, 200, 429, 429] {
        let (answered, headers) = ask(&limiter, Some("ada")).await;
        assert_eq!(answered, status, "{headers:?}");
        let items = header(&headers, "ratelimit").split(", ").map(|item| item.split(';').nth(1).unwrap().to_owned());
        left.push(items.collect::<Vec<_>>().join(" "));
    }
    assert_eq!(left, ["r=49 r=2", "r=48 r=1", "r=47 r=0", "r=47 r=0", "r=47 r=0"]);
    assert_eq!(ask(&limiter, Some("grace\"%, other")).await.0, StatusCode::OK, "another key is another bucket");
    limiter.forgive(vec![ONE.of("ada")]).await.unwrap();
    assert_eq!(ask(&limiter, Some("ada")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn no_worker_waits_for_a_server_that_stands_still_and_no_more_threads_do_than_were_told() {
    let server = Server::private(&[]);
    let store = server.patient().build().unwrap();
    let few = || Options::default().threads(1).queue(0);
    for (when_away, answered) in [(WhenAway::Allow, 200), (WhenAway::Refuse, 503), (WhenAway::Fail, 503)] {
        let limiter = HttpLimiter::new(store.rate_limiter("test", when_away), few());
        let frozen = server.freeze();
        let asking = tokio::spawn({
            let limiter = limiter.clone();
            async move { ask(&limiter, None).await.0 }
        });
        tokio::task::yield_now().await;
        assert!(!asking.is_finished() && limiter.load().under_way == 1, "it waits, and this goes on");
        let (status, headers) = ask(&limiter, None).await;
        assert_eq!(status, answered, "there is no thread for another");
        assert_eq!(header(&headers, "retry-after"), if status == StatusCode::OK { "" } else { "1" });
        assert_eq!(header(&headers, "ratelimit"), "");
        drop(frozen);
        assert_eq!(asking.await.unwrap(), StatusCode::OK);
    }
}
