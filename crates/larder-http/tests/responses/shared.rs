//! A Redis that several processes share, that is away, slow, or has something else under its keys.

use std::time::{Duration, Instant};

use larder::{Async, asynchronous::Options, store::Operation};
use larder_http::{CacheStatus, LarderResponses, ResponseCacheLayer};
use redis::Commands as _;
use tests::{Failure, Namespace, OwnRedis, Shop, redis_store, redis_url};

use crate::{
    eventually::{eventually, until},
    scene::{Service, get, kept_by, public, served},
};

#[tokio::test]
async fn what_one_process_keeps_another_one_gives_in_one_round_trip() {
    let (shop, service) = (Shop::new(), Service::new(|n| served(format!("{n}"), &[])));
    let other = shop.branch();
    assert_eq!(service.send(&public(kept_by(&shop.larder)), get("/")).await.cache, CacheStatus::Miss);
    until(|| shop.meter.counts().fills == 1).await;
    let answer = service.send(&public(kept_by(&other.larder)), get("/")).await;
    assert!(answer.is_hit() && answer.body == "0", "{answer:?}");
    let counts = other.meter.counts();
    assert_eq!((counts.reads, counts.sql, counts.cost().store_writes), (1, 0, 0));
    let another = LarderResponses::new(Async::new(other.larder.clone(), Options::default()), "another");
    assert_eq!(service.send(&public(another), get("/")).await.body, "1", "of another name");
}

#[tokio::test]
async fn answers_expire() {
    let (shop, service) = (Shop::new(), Service::new(|n| served(format!("{n}"), &[])));
    let layer = ResponseCacheLayer::public(kept_by(&shop.larder), Duration::from_secs(1));
    eventually(async || service.send(&layer, get("/")).await.is_hit()).await;
    eventually(async || !service.send(&layer, get("/")).await.is_hit()).await;
}

#[tokio::test]
async fn while_redis_fails_every_request_goes_to_the_service() {
    for operation in [Operation::Read, Operation::Lease, Operation::Fill] {
        let (shop, service) = (Shop::new(), Service::new(|n| served(format!("{n}"), &[])));
        let layer = public(kept_by(&shop.larder));
        shop.faults.before(operation).fail(Failure::Unavailable);
        for n in 0..3 {
            assert_eq!(service.send(&layer, get("/")).await.body, format!("{n}"), "{operation:?}");
        }
        shop.faults.clear();
        eventually(async || service.send(&layer, get("/")).await.is_hit()).await;
    }
}

#[tokio::test]
async fn a_redis_that_stands_still_or_is_gone_is_waited_for_no_longer_than_its_time_out() {
    let redis = OwnRedis::new();
    let namespace = Namespace::new();
    let store = redis_store(&redis.url(), &namespace);
    let (shop, service) =
        (Shop::on(namespace, store, |builder| builder), Service::new(|n| served(format!("{n}"), &[])));
    let layer = public(kept_by(&shop.larder));
    service.send(&layer, get("/")).await;
    assert!(service.send(&layer, get("/")).await.is_hit());
    redis.pause();
    let begun = Instant::now();
    assert_eq!(service.send(&layer, get("/")).await.cache, CacheStatus::Bypass);
    // Two seconds, by the store of these tests.
    assert!(begun.elapsed() < Duration::from_secs(20));
    redis.resume();
    redis.kill();
    assert_eq!(service.send(&layer, get("/")).await.cache, CacheStatus::Bypass);
    redis.restart();
    eventually(async || service.send(&layer, get("/")).await.is_hit()).await;
}

/// What a cell begins with is larder's, and tested there; behind it may be anything.
#[tokio::test]
async fn garbage_in_redis_is_a_miss() {
    let (shop, service) = (Shop::new(), Service::new(|_| served("answer", &[])));
    let layer = public(kept_by(&shop.larder));
    service.send(&layer, get("/")).await;
    assert!(service.send(&layer, get("/")).await.is_hit());
    let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
    let keys = shop.namespace.keys();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert!(key.contains(":query:response:top:"), "{key}");
    let good: Vec<u8> = redis.get(key).unwrap();
    let (mut random, mut n_made) = (fastrand::Rng::with_seed(7), service.n_calls());
    for n in 0..300 {
        let mut bytes = good.clone();
        match n % 3 {
            0 => bytes.truncate(random.usize(..bytes.len())),
            1 => (0..8).for_each(|_| bytes[random.usize(..good.len())] = random.u8(..)),
            _ => bytes = (0..random.usize(..200)).map(|_| random.u8(..)).collect(),
        }
        // The body itself is not sealed.
        let is_body_whole = bytes.ends_with(b"answer");
        let _: () = redis.pset_ex(key, bytes, 60_000).unwrap();
        let answer = service.send(&layer, get("/")).await;
        assert!(!is_body_whole || answer.body == "answer" || answer.status != 200, "{n}: {answer:?}");
        let _: () = redis.del(key).unwrap();
    }
    n_made = service.n_calls() - n_made;
    assert!(n_made > 200, "only {n_made} were misses");
    service.send(&layer, get("/")).await;
    assert!(service.send(&layer, get("/")).await.is_hit());
}
