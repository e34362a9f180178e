//! Whose answer is whose.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Uri,
    header::{ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HOST, VARY},
};
use http_body_util::Empty;
use larder_http::{CacheStatus, LarderResponses, ResponseCacheLayer};

use crate::scene::{MINUTES_5, Service, get, in_memory, layer, request, send, served};

/// Who asks, as the check of a session would have put it.
#[derive(Clone)]
struct User(Vec<u8>);

fn of_user(user: &[u8], request: Request<Empty<Bytes>>) -> Request<Empty<Bytes>> {
    let mut request = request;
    request.extensions_mut().insert(User(user.to_vec()));
    request
}

fn by_user(request: &http::request::Parts) -> Option<Vec<u8>> {
    Some(request.extensions.get::<User>()?.0.clone())
}

#[tokio::test]
async fn a_parameter_that_was_not_declared_takes_the_request_past_the_cache() {
    let layer = layer().query(["limit", "after"]);
    let service = Service::new(|n| served(format!("{n}"), &[]));
    for (uri, answer, cache) in [
        ("/a", "0", CacheStatus::Miss),
        ("/a?limit=5", "1", CacheStatus::Miss),
        ("/a?limit=5&after=x", "2", CacheStatus::Miss),
        ("/a?limit=5&utm=1", "3", CacheStatus::Bypass),
        ("/a?Limit=5", "4", CacheStatus::Bypass),
        ("/a?%6Cimit=5", "5", CacheStatus::Bypass),
        ("/a?limit=5&limit=6", "6", CacheStatus::Miss),
        ("/a?limit=6&limit=5", "7", CacheStatus::Miss),
        ("/a?limit", "8", CacheStatus::Miss),
        ("/a?limit=", "9", CacheStatus::Miss),
    ] {
        let made = service.send(&layer, get(uri)).await;
        assert_eq!((&made.body[..], made.cache), (answer.as_bytes(), cache), "{uri}");
    }
    for (uri, answer) in [("/a?after=x&limit=5", "2"), ("/a?", "0"), ("/a?&limit=5&", "1"), ("/a?limit=5&limit=6", "6")]
    {
        let kept = service.send(&layer, get(uri)).await;
        assert_eq!((&kept.body[..], kept.is_hit()), (answer.as_bytes(), true), "{uri}");
    }
}

#[tokio::test]
async fn hosts_paths_and_declared_headers_are_told_apart() {
    let layer = layer().any_query().vary([ACCEPT_LANGUAGE, ACCEPT]);
    let service = Service::new(|n| served(format!("{n}"), &[]));
    let mut seen = HashMap::new();
    let requests = || {
        let plain = ["/a", "/a/", "/A", "/b", "/a?x", "/a?x&y", "/a?y&x", "/%61"].map(get);
        let with = [
            &[(HOST, "one")][..],
            &[(HOST, "two")],
            &[(ACCEPT_LANGUAGE, "de")],
            &[(ACCEPT_LANGUAGE, "")],
            &[(ACCEPT_LANGUAGE, "de"), (ACCEPT_LANGUAGE, "fr")],
            &[(ACCEPT_LANGUAGE, "de, fr")],
            &[(ACCEPT, "de")],
        ];
        plain.into_iter().chain(with.map(|headers| request(http::Method::GET, "/a", headers)))
    };
    for (n, request) in requests().enumerate() {
        let answer = service.send(&layer, request).await;
        assert_eq!(answer.cache, CacheStatus::Miss);
        let vary: Vec<_> = answer.header(VARY).unwrap().split(", ").map(str::to_owned).collect();
        assert_eq!(vary, ["accept-language", "accept"]);
        seen.insert(n, answer.body);
    }
    for (n, request) in requests().enumerate() {
        let answer = service.send(&layer, request).await;
        assert_eq!((answer.is_hit(), &answer.body), (true, &seen[&n]));
    }
}

/// The URI as it came, which a router keeps that takes a prefix off it.
#[derive(Clone)]
struct Original(Uri);

/// The request as a nested router hands it on.
fn nested(prefix: &str, rest: &str) -> Request<Empty<Bytes>> {
    let mut request = get(rest);
    request.extensions_mut().insert(Original(format!("{prefix}{rest}").parse().unwrap()));
    request
}

#[tokio::test]
async fn two_nests_that_take_a_parameter_off_the_path_are_told_apart_by_the_whole_of_it() {
    let layer = layer().path(|request| {
        request.extensions.get::<Original>().map_or_else(|| request.uri.path(), |Original(whole)| whole.path())
    });
    let service = Service::new(|n| served(format!("{n}"), &[]));
    for is_hit in [false, true] {
        for (n, prefix) in ["/users/1", "/users/2", "/shops/1", ""].into_iter().enumerate() {
            let answer = service.send(&layer, nested(prefix, "/orders")).await;
            assert_eq!((answer.is_hit(), &answer.body[..]), (is_hit, n.to_string().as_bytes()), "{prefix}");
        }
    }
    assert!(service.send(&layer, get("/orders")).await.is_hit(), "without a prefix it is the path itself");
}

#[tokio::test]
async fn nothing_passes_for_the_end_of_one_part_and_the_start_of_the_next() {
    let (layer, service) = (layer().query(["a"]).vary([ACCEPT]), Service::new(|n| served(format!("{n}"), &[])));
    let requests = || {
        let lines = [["a", "b"], ["ab", ""], ["", "ab"]];
        let lines = lines.map(|lines| request(http::Method::GET, "/", &lines.map(|line| (ACCEPT, line))));
        ["/?a=&a=a=1", "/?a=a=&a=1", "/?a=a=a=1"].map(get).into_iter().chain(lines)
    };
    for is_hit in [false, true] {
        for (n, request) in requests().enumerate() {
            let answer = service.send(&layer, request).await;
            assert_eq!((answer.is_hit(), &answer.body[..]), (is_hit, n.to_string().as_bytes()));
        }
    }
}

#[tokio::test]
async fn whose_scope_is_not_known_goes_past_the_cache() {
    let layer = ResponseCacheLayer::scoped(LarderResponses::new(in_memory(), "test"), MINUTES_5, by_user);
    let service = Service::new(|n| served(format!("{n}"), &[]));
    for _ in 0..2 {
        assert_eq!(service.send(&layer, get("/")).await.cache, CacheStatus::Bypass);
    }
    let credentials = [(AUTHORIZATION, "Bearer x"), (COOKIE, "id=x")];
    for is_hit in [false, true] {
        let request = of_user(b"ada", request(http::Method::GET, "/", &credentials));
        assert_eq!(service.send(&layer, request).await.is_hit(), is_hit);
    }
    let public = ResponseCacheLayer::public(LarderResponses::new(in_memory(), "test"), MINUTES_5);
    assert_eq!(service.send(&public, of_user(b"", get("/"))).await.cache, CacheStatus::Miss);
}

#[tokio::test]
async fn a_scope_without_a_name_is_not_everybodys() {
    let larder = in_memory();
    let service = Service::new(|n| served(format!("{n}"), &[]));
    let layers = [
        ResponseCacheLayer::public(LarderResponses::new(larder.clone(), "test"), MINUTES_5),
        ResponseCacheLayer::scoped(LarderResponses::new(larder, "test"), MINUTES_5, by_user),
    ];
    for layer in &layers {
        assert_eq!(service.send(layer, of_user(b"", get("/"))).await.cache, CacheStatus::Miss);
    }
}

/// Users, paths, parameters and headers are drawn of pieces that could run into each other, and each answer says whole what it was made for:
/// whatever comes back has to say just what was asked. All are asked twice, the second time with everybody else's answers kept.
#[tokio::test]
async fn nobody_is_given_what_is_another_users_or_paths_or_headers() {
    let layer = ResponseCacheLayer::scoped(LarderResponses::new(in_memory(), "test"), MINUTES_5, by_user)
        .query(["a", "b"])
        .vary([ACCEPT, ACCEPT_LANGUAGE]);
    let seed = fastrand::u64(..);
    let drawn: BTreeSet<Drawn> = {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..2_000).map(|_| Drawn::new(&mut random)).collect()
    };
    for is_hit in [false, true] {
        for drawn in &drawn {
            let made = format!("{drawn:?}");
            let wanted = made.clone();
            let answer = send(&layer, drawn.request(), move |_| {
                let made = made.clone();
                async move { served(made, &[]) }
            });
            let answer = answer.await;
            assert_eq!(
                (answer.is_hit(), String::from_utf8_lossy(&answer.body)),
                (is_hit, wanted.into()),
                "seed {seed}"
            );
        }
    }
}

/// A request, of which no two that differ are the same.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Drawn {
    user: String,
    path: String,
    a: Option<&'static str>,
    b: Option<&'static str>,
    accept: Option<&'static str>,
    language: Option<&'static str>,
}

impl Drawn {
    fn new(random: &mut fastrand::Rng) -> Self {
        const PIECES: [&str; 10] = ["", "a", "aa", "a:b", "/", "a/", "%00", ":", "1", "a=1"];
        let mut piece = || PIECES[random.usize(..PIECES.len())];
        let (user, path) = (format!("{}{}", piece(), piece()), format!("/{}{}", piece(), piece()));
        let mut maybe = || random.bool().then(|| PIECES[random.usize(..PIECES.len())]);
        Self { user, path, a: maybe(), b: maybe(), accept: maybe(), language: maybe() }
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let pairs = [("a", self.a), ("b", self.b)].map(|(name, value)| value.map(|value| format!("{name}={value}")));
        let query: Vec<String> = pairs.into_iter().flatten().collect();
        // Some paths begin with two slashes, which stand before a host elsewhere.
        let uri = Uri::builder().path_and_query(format!("{}?{}", self.path, query.join("&"))).build().unwrap();
        let mut request = of_user(self.user.as_bytes(), get("/"));
        *request.uri_mut() = uri;
        for (name, value) in [(ACCEPT, self.accept), (ACCEPT_LANGUAGE, self.language)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        request
    }
}

#[tokio::test]
async fn a_header_that_is_no_text_is_a_part_of_the_key_as_any() {
    let layer = layer().vary([ACCEPT]);
    let service = Service::new(|n| served(format!("{n}"), &[]));
    for (bytes, answer) in [(&b"a\xff"[..], "0"), (b"a\xfe", "1"), (b"a\xff", "0")] {
        let mut request = get("/");
        request.headers_mut().insert(ACCEPT, HeaderValue::from_bytes(bytes).unwrap());
        assert_eq!(service.send(&layer, request).await.body, answer);
    }
}
