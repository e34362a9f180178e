use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{Limiter, Quota, RateDecision, RateLimitLayer};

/// Decides as it was told, and says what it was asked.
#[derive(Clone)]
struct Told {
    decision: RateDecision,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Limiter for Told {
    type Charge = String;

    async fn check(&self, charges: Vec<String>) -> RateDecision {
        self.asked.lock().unwrap().push(charges);
        self.decision.clone()
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    asked: Vec<Vec<String>>,
    n_calls: usize,
}

impl Answer {
    /// All lines of a header.
    fn lines(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|line| line.to_str().unwrap()).collect()
    }
}

fn quota(name: &'static str, n: u64, remaining: u64) -> Quota {
    let window = Duration::from_millis(1_001);
    let more_after = Some(Duration::from_millis(1));
    Quota { name, n, window, remaining, more_after, is_refused: false, retry_after: None }
}

fn refused(name: &'static str, retry_after: Option<Duration>) -> Quota {
    Quota { is_refused: true, retry_after, ..quota(name, 10, 0) }
}

fn allowed(quotas: &[Quota]) -> RateDecision {
    RateDecision { is_allowed: true, quotas: quotas.to_vec() }
}

fn not_allowed(quotas: &[Quota]) -> RateDecision {
    RateDecision { is_allowed: false, quotas: quotas.to_vec() }
}

/// Who asks, and which route.
fn charges(request: &Parts) -> Vec<String> {
    let user = request.headers.get("user").map(|user| user.to_str().unwrap().to_owned());
    let route = request.uri.path().strip_prefix("/limited").map(|route| format!("route {route}"));
    user.into_iter().chain(route).collect()
}

async fn ask_with(
    decision: RateDecision,
    set: impl FnOnce(RateLimitLayer<Told>) -> RateLimitLayer<Told>,
    request: Request<()>,
) -> Answer {
    let told = Told { decision, asked: Arc::default() };
    let (asked, n_calls) = (Arc::clone(&told.asked), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&n_calls);
    let service = set(RateLimitLayer::new(told, charges)).layer(service_fn(move |_: Request<()>| {
        counted.fetch_add(1, Ordering::Relaxed);
        let response = Response::builder().header("ratelimit", "\"own\";r=1").header("cache-control", "public");
        async move { Ok::<_, Infallible>(response.body(Full::from("served")).unwrap()) }
    }));
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let asked = asked.lock().unwrap().clone();
    Answer { status: head.status, headers: head.headers, body, asked, n_calls: n_calls.load(Ordering::Relaxed) }
}

fn request() -> Request<()> {
    Request::builder().uri("/limited/a?b").header("user", "ada").body(()).unwrap()
}

async fn ask(decision: RateDecision) -> Answer {
    ask_with(decision, |layer| layer, request()).await
}

#[tokio::test]
async fn a_request_is_counted_once_against_all_that_it_is_of() {
    let answer = ask(allowed(&[quota("user", 10, 9), quota("route", 5, 3)])).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, Bytes::from("served")));
    assert_eq!((answer.asked, answer.n_calls), (vec![vec!["ada".to_owned(), "route /a".to_owned()]], 1));
    let free = ask_with(not_allowed(&[]), |layer| layer, Request::new(())).await;
    assert_eq!((free.status, free.asked, free.n_calls), (StatusCode::OK, vec![], 1));
    assert!(!free.headers.contains_key("ratelimit-policy"), "it was not counted: {:?}", free.headers);
}

#[tokio::test]
async fn what_is_left_is_told_of_each_limit_in_whole_seconds_rounded_up() {
    let answer = ask(allowed(&[quota("user", 10, 9), Quota { more_after: None, ..quota("route", 5, 5) }])).await;
    assert_eq!(answer.lines("ratelimit-policy"), [r#""user";q=10;w=2, "route";q=5;w=2"#]);
    assert_eq!(
        answer.lines("ratelimit"),
        [r#""own";r=1"#, r#""user";r=9;t=1, "route";r=5"#],
        "the handler's own stays"
    );
    assert_eq!(answer.lines("cache-control"), ["public"]);
    assert!(answer.lines("retry-after").is_empty() && answer.lines("ratelimit-limit").is_empty());
}

#[tokio::test]
async fn what_is_too_much_is_refused_without_the_service_until_the_last_limit_lets_it_through() {
    let (soon, late) = (Some(Duration::from_millis(1)), Some(Duration::from_millis(2_001)));
    let answer = ask(not_allowed(&[quota("a", 1, 1), refused("b", late), refused("c", soon)])).await;
    assert_eq!((answer.status, answer.n_calls), (StatusCode::TOO_MANY_REQUESTS, 0));
    assert_eq!(answer.lines("retry-after"), ["3"]);
    assert_eq!(answer.lines("ratelimit"), [r#""a";r=1;t=1, "b";r=0;t=3, "c";r=0;t=1"#]);
    assert_eq!(answer.lines("content-type"), ["application/problem+json"]);
    assert_eq!(answer.lines("cache-control"), ["no-store"]);
    let said = r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Too many requests","status":429}"#;
    assert_eq!(answer.body, said);
}

#[tokio::test]
async fn what_will_never_pass_has_no_time_at_which_to_try_again() {
    let answer = ask(not_allowed(&[refused("a", None), refused("b", Some(Duration::from_secs(1)))])).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.lines("retry-after").is_empty(), "{:?}", answer.headers);
}

#[tokio::test]
async fn who_can_not_count_lets_through_or_refuses_as_it_says() {
    let open = ask(allowed(&[])).await;
    assert_eq!((open.status, open.n_calls), (StatusCode::OK, 1));
    assert!(open.lines("ratelimit-policy").is_empty());
    let closed = ask(not_allowed(&[])).await;
    assert_eq!((closed.status, closed.n_calls), (StatusCode::SERVICE_UNAVAILABLE, 0));
    assert_eq!((closed.lines("retry-after"), closed.lines("ratelimit")), (vec!["1"], vec![]));
}

#[tokio::test]
async fn a_service_refuses_in_its_own_words() {
    let refuse = |decision: &RateDecision| {
        let mut response = Response::new(Bytes::from(format!("{:?}", decision.violated().count())));
        *response.status_mut() = decision.status();
        response
    };
    let answer = ask_with(not_allowed(&[refused("a", None)]), |layer| layer.refuse_with(refuse), request()).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::TOO_MANY_REQUESTS, &b"1"[..]));
    assert_eq!(answer.lines("ratelimit"), [r#""a";r=0;t=1"#]);
}

#[tokio::test]
async fn the_three_fields_are_those_of_the_limit_that_tells_the_most() {
    let three = |decision| ask_with(decision, |layer| layer.three_fields(true), request());
    let values = |answer: &Answer| -> Vec<String> {
        let names = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
        names.iter().flat_map(|name| answer.lines(name)).map(str::to_owned).collect()
    };
    let left = three(allowed(&[quota("a", 100, 60), quota("b", 10, 4), quota("c", 7, 5)])).await;
    assert_eq!(values(&left), ["10", "4", "1"]);
    let late = Some(Duration::from_secs(7));
    let over = three(not_allowed(&[quota("a", 3, 0), refused("b", late)])).await;
    assert_eq!(values(&over), ["10", "0", "7"]);
    assert!(values(&three(allowed(&[])).await).is_empty());
}

#[test]
fn nothing_in_a_name_ends_it_or_the_header() {
    let mut headers = HeaderMap::new();
    let name = "a\";q=9\\\r\nset-cookie: é\u{7f}";
    RateDecision { is_allowed: true, quotas: vec![quota(name, u64::MAX, u64::MAX)] }.write(&mut headers);
    let said = r#""a\";q=9\\%0D%0Aset-cookie: %C3%A9%7F";r=999999999999999;t=1"#;
    assert_eq!(headers["ratelimit"].to_str().unwrap(), said);
    assert_eq!(headers.len(), 2);
}
