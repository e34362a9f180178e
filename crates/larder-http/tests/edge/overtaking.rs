use std::{sync::Arc, time::Duration};

use http::header::{CACHE_CONTROL, ETAG};
use larder_http::{Purge as _, Purger, PurgerOptions, Tag, VarnishTags};

use crate::{eventually::eventually, scene::Scene};

#[tokio::test]
async fn an_answer_that_a_write_overtook_is_not_kept_by_the_edge() {
    let scene = Arc::new(Scene::new(VarnishTags::Xkey).await);
    scene.shop.put("/a", "one");
    let held = scene.shop.handler.clone().lock_owned().await;
    let asking = tokio::spawn({
        let scene = scene.clone();
        async move { scene.get("/a").await }
    });
    eventually("the handler has read", async || scene.shop.n_calls() == 1).await;
    scene.shop.put("/a", "two");
    scene.purge.purge(&[Tag::new("/a")]).await.unwrap();
    drop(held);
    let overtaken = asking.await.unwrap();
    let seen = (&*overtaken.text, overtaken.header(ETAG), overtaken.header(CACHE_CONTROL));
    assert_eq!(seen, ("one", "", "no-store"));
    assert_eq!(scene.text("/a").await, "two");
}

#[tokio::test]
async fn an_answer_that_arrives_after_its_purge_goes_with_the_second() {
    let scene = Arc::new(Scene::new(VarnishTags::Xkey).await);
    let options = PurgerOptions { again_after: Some(Duration::from_secs(3)), ..PurgerOptions::default() };
    let purger = Purger::start(scene.purge.clone(), options);
    scene.shop.put("/a", "one");
    let held = scene.shop.wire.clone().lock_owned().await;
    let asking = tokio::spawn({
        let scene = scene.clone();
        async move { scene.text("/a").await }
    });
    // Before the handler and after it: the write comes too late to be noticed.
    eventually("the version was asked for twice", async || scene.shop.shelf().n_asked == 2).await;
    scene.shop.put("/a", "two");
    purger.purge([Tag::new("/a")]);
    eventually("it is purged", async || purger.figures().n_purges == 1).await;
    drop(held);
    assert_eq!(asking.await.unwrap(), "one");
    eventually("the edge has what is new", async || scene.text("/a").await == "two").await;
    assert_eq!(purger.figures().n_purges, 2);
}
