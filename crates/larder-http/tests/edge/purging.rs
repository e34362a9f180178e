use std::time::Duration;

use http::{Method, StatusCode};
use larder_http::{Purge as _, PurgeError, Purger, PurgerOptions, Tag, TagHeader, Varnish, VarnishTags};

use crate::{eventually::eventually, scene::Scene};

/// Both ways to find answers by their tags.
const WAYS: [VarnishTags; 2] = [VarnishTags::Xkey, VarnishTags::Ban];

#[tokio::test]
async fn a_purge_takes_what_has_the_tag_and_nothing_else() {
    for way in WAYS {
        let scene = Scene::new(way).await;
        for path in ["/a", "/ab", "/b"] {
            scene.shop.put(path, "one");
            scene.shop.set_tags(path, [Tag::new("all"), Tag::new(path)]);
            scene.get(path).await;
            scene.shop.put(path, "two");
        }
        scene.purge.purge(&[Tag::new("/a"), Tag::new("elsewhere")]).await.unwrap();
        let texts = [scene.text("/a").await, scene.text("/ab").await, scene.text("/b").await];
        assert_eq!(texts, ["two", "one", "one"], "{way:?}");
        scene.purge.purge(&[Tag::new("all")]).await.unwrap();
        assert_eq!([scene.text("/ab").await, scene.text("/b").await], ["two", "two"], "{way:?}");
    }
}

#[tokio::test]
async fn a_purge_of_everything_takes_everything() {
    for way in WAYS {
        let scene = Scene::new(way).await;
        for path in ["/a", "/b"] {
            scene.shop.put(path, "one");
            scene.get(path).await;
            scene.shop.put(path, "two");
        }
        scene.purge.purge_all().await.unwrap();
        assert_eq!([scene.text("/a").await, scene.text("/b").await], ["two", "two"], "{way:?}");
    }
}

#[tokio::test]
async fn a_tag_of_hostile_characters_is_a_tag_as_any() {
    let hostile = ["a\r\nSet-Cookie: session=stolen", "a b", "a,b", "(", ".*", "a|b", "\" || obj.status == 200", "é"];
    for way in WAYS {
        let scene = Scene::new(way).await;
        scene.shop.put("/other", "one");
        scene.get("/other").await;
        scene.shop.put("/other", "two");
        for name in hostile {
            scene.shop.put("/a", "old");
            scene.shop.set_tags("/a", [Tag::new(name)]);
            scene.purge.purge(&[Tag::new("/a"), Tag::new(name)]).await.unwrap();
            let answer = scene.get("/a").await;
            assert_eq!((&*answer.text, answer.header("set-cookie")), ("old", ""));
            scene.shop.put("/a", "new");
            for part in ["a", "b", "ab"] {
                scene.purge.purge(&[Tag::new(part)]).await.unwrap();
            }
            assert_eq!(scene.text("/a").await, "old", "{way:?} {name:?}");
            scene.purge.purge(&[Tag::new(name)]).await.unwrap();
            assert_eq!(scene.text("/a").await, "new", "{way:?} {name:?}");
            scene.purge.purge(&[Tag::new(name)]).await.unwrap();
        }
        assert_eq!(scene.text("/other").await, "one", "{way:?}");
    }
}

#[tokio::test]
async fn thousands_of_tags_are_purged_and_an_answer_may_have_too_many() {
    for way in WAYS {
        let scene = Scene::new(way).await;
        let tags: Vec<Tag> = (0..2_000).map(|n| Tag::new(format!("orders:user_id:{n}"))).collect();
        for path in ["/last", "/many"] {
            scene.shop.put(path, "one");
        }
        scene.shop.set_tags("/last", [tags[1_999].clone()]);
        scene.shop.set_tags("/many", tags.iter().cloned());
        for path in ["/last", "/many"] {
            assert_eq!(scene.text(path).await, "one");
            scene.shop.put(path, "two");
        }
        scene.purge.purge(&tags).await.unwrap();
        assert_eq!([scene.text("/last").await, scene.text("/many").await], ["two", "one"], "{way:?}");
        scene.purge.purge(&[TagHeader::many()]).await.unwrap();
        assert_eq!(scene.text("/many").await, "two", "{way:?}");
    }
}

#[tokio::test]
async fn purges_come_from_those_who_may_only() {
    let scene = Scene::new(VarnishTags::Xkey).await;
    let answer = scene.ask(Method::from_bytes(b"PURGE").unwrap(), "/", &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "there is nothing to purge");
    let rules = "vcl 4.1;\nbackend default none;\nacl larder_purgers { \"192.0.2.1\"; }\n";
    for rest in [include_str!("../../varnish/xkey.vcl"), include_str!("../../varnish/ban.vcl")] {
        let options = servers::VarnishOptions { vcl: format!("{rules}{rest}"), ..Default::default() };
        let closed = servers::Varnish::start(options).unwrap();
        let purge = larder_http::Varnish::new([closed.url().parse().unwrap()], VarnishTags::Xkey);
        for outcome in [purge.purge(&[Tag::new("a")]).await, purge.purge_all().await] {
            assert!(matches!(outcome, Err(PurgeError::Refused(StatusCode::FORBIDDEN))), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn an_edge_that_was_away_is_purged_when_it_is_back() {
    let mut scene = Scene::new(VarnishTags::Xkey).await;
    let options = PurgerOptions { longest_pause: Duration::from_millis(200), again_after: None, ..Default::default() };
    let purger = Purger::start(scene.purge.clone(), options);
    scene.varnish.stop().unwrap();
    scene.shop.put("/a", "one");
    purger.purge([Tag::new("/a")]);
    eventually("a purge fails", async || purger.figures().n_failures > 0).await;
    assert_eq!(purger.figures().n_waiting, 1);
    scene.varnish.restart().unwrap();
    assert_eq!(purger.drain(Duration::from_secs(30)).await, Ok(()));
    // And with the edge there, one purge is enough.
    assert_eq!(scene.text("/a").await, "one");
    scene.shop.put("/a", "two");
    purger.purge([Tag::new("/a")]);
    assert_eq!(purger.drain(Duration::from_secs(30)).await, Ok(()));
    assert_eq!(scene.text("/a").await, "two");
}

#[tokio::test]
async fn a_purge_goes_on_to_every_edge_though_one_is_away() {
    let scene = Scene::new(VarnishTags::Xkey).await;
    scene.shop.put("/a", "one");
    assert_eq!(scene.text("/a").await, "one");
    scene.shop.put("/a", "two");
    let [nobody, edge] = ["http://127.0.0.1:1/".to_owned(), scene.varnish.url()].map(|url| url.parse().unwrap());
    // More than one request has room for, and the one that counts is in the last.
    let tags: Vec<Tag> = (0..1_000).map(|n| Tag::new(format!("other:{n}"))).chain([Tag::new("/a")]).collect();
    assert!(Varnish::new([nobody, edge], VarnishTags::Xkey).purge(&tags).await.is_err());
    assert_eq!(scene.text("/a").await, "two");
}
