use std::time::Duration;

use http::{
    Method, StatusCode,
    header::{ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, COOKIE, ETAG, IF_MATCH, IF_NONE_MATCH, SET_COOKIE, VARY},
};
use larder_http::{CacheControl, Purge as _, Tag, VarnishTags};

use crate::scene::Scene;

#[tokio::test]
async fn what_everybody_may_keep_is_asked_for_once() {
    let scene = Scene::new(VarnishTags::Xkey).await;
    scene.shop.put("/a", "one");
    for _ in 0..3 {
        assert_eq!(scene.text("/a").await, "one");
    }
    assert_eq!(scene.shop.n_calls(), 1);
    // Nobody tells what an answer was built from.
    assert_eq!(scene.get("/a").await.header("xkey"), "");
}

#[tokio::test]
async fn who_has_it_is_told_so_by_the_edge() {
    let scene = Scene::new(VarnishTags::Xkey).await;
    scene.shop.put("/a", "one");
    let tag = scene.get("/a").await.header(ETAG).to_owned();
    let answer = scene.ask(Method::GET, "/a", &[(IF_NONE_MATCH, &tag)]).await;
    assert_eq!((answer.status, answer.header(ETAG), &*answer.text), (StatusCode::NOT_MODIFIED, &*tag, ""));
    assert_eq!(scene.shop.n_calls(), 1);
    let head = scene.ask(Method::HEAD, "/a", &[]).await;
    assert_eq!((head.status, head.header(ETAG)), (StatusCode::OK, &*tag));
    assert_eq!(scene.shop.n_calls(), 1);
}

#[tokio::test]
async fn a_stale_answer_is_confirmed_without_the_handler() {
    let scene = Scene::new(VarnishTags::SoftXkey).await;
    scene.shop.put("/a", "one");
    assert_eq!(scene.text("/a").await, "one");
    let n_asked = scene.shop.shelf().n_asked;
    scene.purge.purge(&[Tag::new("/a")]).await.unwrap();
    // The edge asks with `If-None-Match`, and the version answers.
    assert_eq!(scene.text("/a").await, "one");
    assert_eq!((scene.shop.n_calls(), scene.shop.shelf().n_asked), (1, n_asked + 1));
    // The 304 had no tags, and what it confirmed has them still.
    scene.purge.purge(&[Tag::new("/a")]).await.unwrap();
    scene.shop.put("/a", "two");
    assert_eq!(scene.text("/a").await, "two");
    assert_eq!(scene.shop.n_calls(), 2);
}

#[tokio::test]
async fn each_language_is_kept_by_itself() {
    let scene = Scene::new(VarnishTags::Xkey).await;
    scene.shop.put("/a", "one ");
    for _ in 0..2 {
        for language in ["en", "fr"] {
            let answer = scene.ask(Method::GET, "/a", &[(ACCEPT_LANGUAGE, language)]).await;
            assert_eq!((&*answer.text, answer.header(VARY)), (&*format!("one {language}"), "accept-language"));
        }
    }
    assert_eq!(scene.shop.n_calls(), 2);
    // One purge is for all of them.
    scene.purge.purge(&[Tag::new("/a")]).await.unwrap();
    for language in ["en", "fr"] {
        scene.ask(Method::GET, "/a", &[(ACCEPT_LANGUAGE, language)]).await;
    }
    assert_eq!(scene.shop.n_calls(), 4);
}

#[tokio::test]
async fn what_is_for_one_client_is_never_kept_for_others() {
    let scene = Scene::new(VarnishTags::Xkey).await;
    scene.shop.put("/private", "one");
    scene.shop.set_header("/private", CACHE_CONTROL, "private, max-age=60");
    scene.shop.put("/cookie", "one");
    scene.shop.set_header("/cookie", SET_COOKIE, "session=1");
    scene.shop.put("/open", "one");
    let token = [(AUTHORIZATION, "Bearer 1")];
    let cookie = [(COOKIE, "session=1")];
    for (path, headers) in [("/private", &[][..]), ("/cookie", &[]), ("/open", &token), ("/open", &cookie)] {
        let before = scene.shop.n_calls();
        for _ in 0..2 {
            scene.ask(Method::GET, path, headers).await;
        }
        assert_eq!(scene.shop.n_calls(), before + 2, "{path} {headers:?}");
    }
    assert_eq!(scene.ask(Method::GET, "/cookie", &[]).await.header(CACHE_CONTROL), "private");
    assert_eq!(scene.ask(Method::GET, "/open", &token).await.header(CACHE_CONTROL), "private");
}

#[tokio::test]
async fn an_error_is_not_kept() {
    let scene = Scene::new(VarnishTags::Xkey).await;
    for _ in 0..2 {
        assert_eq!(scene.get("/a").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(scene.shop.n_calls(), 2);
    scene.shop.put("/a", "one");
    assert_eq!(scene.text("/a").await, "one");
}

#[tokio::test]
async fn a_write_with_an_old_tag_is_refused_through_the_edge() {
    let scene = Scene::new(VarnishTags::Xkey).await;
    scene.shop.put("/a", "one");
    let tag = scene.get("/a").await.header(ETAG).to_owned();
    assert_eq!(scene.ask(Method::PUT, "/a", &[(IF_MATCH, &tag)]).await.status, StatusCode::OK);
    scene.shop.put("/a", "two");
    let n_calls = scene.shop.n_calls();
    assert_eq!(scene.ask(Method::PUT, "/a", &[(IF_MATCH, &tag)]).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(scene.shop.n_calls(), n_calls);
}

#[tokio::test]
async fn without_a_purge_an_answer_is_served_for_as_long_as_it_says() {
    let second = CacheControl::public().s_maxage(Duration::from_secs(1));
    let scene = Scene::with(VarnishTags::Xkey, second).await;
    scene.shop.put("/a", "one");
    assert_eq!(scene.text("/a").await, "one");
    let start = std::time::Instant::now();
    scene.shop.put("/a", "two");
    crate::eventually::eventually("the edge asks anew", async || scene.text("/a").await == "two").await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
