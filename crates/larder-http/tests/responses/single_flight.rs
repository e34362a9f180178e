//! One request has the service make an answer, and the others wait for it, but not for nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use larder::{Async, asynchronous::Options};
use larder_http::{CacheStatus, Found, LarderResponses, ResponseCacheLayer, ResponseKey, Responses};
use tests::Shop;
use tokio::{
    sync::{Barrier, Semaphore},
    task::JoinHandle,
};

use crate::{
    eventually::{eventually, until},
    scene::{Answer, Kept, LONG, Served, Service, get, kept_by, public, send, served},
};

/// A service that answers when it is let, by its number of calls.
#[derive(Clone)]
struct Gated {
    gate: Arc<Semaphore>,
    n_calls: Arc<AtomicUsize>,
    serve: fn(usize) -> Served,
}

impl Gated {
    fn new(serve: fn(usize) -> Served) -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), n_calls: Arc::default(), serve }
    }

    fn n_calls(&self) -> usize {
        self.n_calls.load(Ordering::SeqCst)
    }

    fn open(&self) {
        self.gate.add_permits(1_000);
    }

    fn send<R: Responses>(&self, layer: &ResponseCacheLayer<R>) -> JoinHandle<Answer> {
        let (service, layer) = (self.clone(), layer.clone());
        tokio::spawn(async move {
            send(&layer, get("/top"), move |_: Request<Empty<Bytes>>| {
                let service = service.clone();
                async move {
                    let n = service.n_calls.fetch_add(1, Ordering::SeqCst);
                    service.gate.acquire().await.unwrap().forget();
                    (service.serve)(n)
                }
            })
            .await
        })
    }
}

#[tokio::test]
async fn a_hundred_requests_to_two_processes_are_one_call() {
    let (shop, service) = (Shop::new(), Gated::new(|n| served(format!("{n}"), &[])));
    let other = shop.branch();
    let layers = [&shop.larder, &other.larder].map(|larder| public(kept_by(larder)).wait(LONG));
    let mut sent = vec![service.send(&layers[0])];
    until(|| service.n_calls() == 1).await;
    let before = shop.meter.counts().reads;
    sent.extend((0..95).map(|_| service.send(&layers[0])));
    // Each has looked, and has found that somebody has it made.
    until(|| shop.meter.counts().reads >= before + 95).await;
    // Last, and few: another process's answer is not waited for for long.
    sent.extend((0..4).map(|_| service.send(&layers[1])));
    until(|| other.meter.counts().reads >= 4).await;
    service.open();
    for answer in sent {
        assert_eq!(answer.await.unwrap().body, "0");
    }
    assert_eq!(service.n_calls(), 1);
}

#[tokio::test]
async fn where_the_one_who_has_it_made_has_gone_the_next_one_does() {
    let (shop, service) = (Shop::new(), Gated::new(|n| served(format!("{n}"), &[])));
    let other = shop.branch();
    let layers = [public(kept_by(&shop.larder)), public(kept_by(&other.larder))];
    let first = service.send(&layers[0]);
    until(|| service.n_calls() == 1).await;
    let (before, before_other) = (shop.meter.counts().reads, other.meter.counts().reads);
    let sent: Vec<_> = (0..20).map(|n| service.send(&layers[n % 2])).collect();
    until(|| shop.meter.counts().reads >= before + 10 && other.meter.counts().reads >= before_other + 10).await;
    first.abort();
    until(|| service.n_calls() == 2).await;
    service.open();
    for answer in sent {
        assert_eq!(answer.await.unwrap().body, "1");
    }
    assert_eq!(service.n_calls(), 2);
}

#[tokio::test]
async fn an_answer_that_is_not_kept_holds_nobody_up_one_after_the_other() {
    for serve in [refused as fn() -> Served, panicking] {
        let (shop, n_calls) = (Shop::new(), Arc::new(AtomicUsize::new(0)));
        let larder = Async::new(shop.larder.clone(), Options::default());
        // They would wait for longer than the test does.
        let layer = public(LarderResponses::new(larder.clone(), "top")).wait(LONG * 2);
        let (gate, together) = (Arc::new(Semaphore::new(0)), Arc::new(Barrier::new(9)));
        let ask = || {
            let (layer, n_calls, gate, together) = (layer.clone(), n_calls.clone(), gate.clone(), together.clone());
            tokio::spawn(async move {
                send(&layer, get("/"), move |_| {
                    let (n_calls, gate, together) = (n_calls.clone(), gate.clone(), together.clone());
                    async move {
                        if n_calls.fetch_add(1, Ordering::SeqCst) > 0 {
                            // Nobody gets any further unless all are here.
                            together.wait().await;
                            return served("late", &[]);
                        }
                        gate.acquire().await.unwrap().forget();
                        serve()
                    }
                })
                .await
            })
        };
        let first = ask();
        until(|| n_calls.load(Ordering::SeqCst) == 1).await;
        let before = shop.meter.counts().reads;
        let others: Vec<_> = (0..9).map(|_| ask()).collect();
        until(|| shop.meter.counts().reads >= before + 9).await;
        // What they have found has come to them when nobody looks any more, time after time.
        let mut n_rests = 0;
        until(|| {
            n_rests = if larder.load().under_way == 0 { n_rests + 1 } else { 0 };
            n_rests == 10
        })
        .await;
        assert_eq!(n_calls.load(Ordering::SeqCst), 1, "they wait");
        gate.add_permits(1);
        let _ = first.await;
        for answer in others {
            let answer = tokio::time::timeout(LONG, answer).await.expect("they wait for one another").unwrap();
            assert_eq!(answer.body, "late");
        }
    }
}

fn refused() -> Served {
    let mut answer = served("no", &[]);
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer
}

fn panicking() -> Served {
    panic!("on purpose")
}

#[tokio::test]
async fn a_process_that_has_died_is_not_waited_for_for_long_and_no_longer_than_it_might_have_taken() {
    let shop = Shop::new();
    let service = Service::new(|n| served(format!("{n}"), &[]));
    let layer = public(kept_by(&shop.larder)).wait(Duration::from_millis(100)).may_take(Duration::from_secs(2));
    // Whose lease is neither used nor given back.
    let dying = Dying(kept_by(&shop.larder));
    let gone = ResponseCacheLayer::public(dying, Duration::from_secs(300)).may_take(Duration::from_secs(2));
    service.send(&gone, get("/")).await;
    let begun = Instant::now();
    assert_eq!(service.send(&layer, get("/")).await.cache, CacheStatus::Bypass);
    assert!(begun.elapsed() < Duration::from_secs(30));
    eventually(async || service.send(&layer, get("/")).await.is_hit()).await;
}

/// Takes leases and never gives them back, as a process that was killed.
struct Dying(Kept);

impl Responses for Dying {
    type Lease = ();

    async fn look(&self, request: &http::request::Parts, key: &ResponseKey, may_take: Duration) -> Found<()> {
        match self.0.look(request, key, may_take).await {
            Found::Lease(lease) => {
                std::mem::forget(lease);
                Found::Lease(())
            }
            _ => Found::Unknown,
        }
    }

    async fn keep(&self, (): (), _: Bytes, _: Duration) -> bool {
        false
    }
}
