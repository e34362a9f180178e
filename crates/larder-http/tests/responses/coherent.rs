//! Answers that are given only while nothing that they were built from was written.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use diesel::pg::Pg;
use http::{
    Request,
    header::{AGE, IF_NONE_MATCH},
    request::Parts,
};
use http_body_util::Empty;
use larder::{Async, Consistency, Dependencies, Larder, NearOptions, Scope, asynchronous::Options};
use larder_http::{BuiltFrom, CacheStatus, LarderResponses, ResponseCacheLayer, ToBeKept};
use shop_core::{Order, OrderChanges, Status, User};
use tests::{Shop, money};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    eventually::{eventually, until},
    scene::{Answer, Kept, LONG, MINUTES_5, Served, get, request, send, served},
};

/// A service that tells what the orders of the user in the path come to, by way of the caches of rows.
#[derive(Clone)]
struct Totals {
    larder: Async<Larder<Pg>>,
    n_calls: Arc<AtomicUsize>,
    /// What is done between reading and answering.
    meanwhile: Arc<dyn Fn() -> Arc<Semaphore> + Send + Sync>,
    /// How the answer says what it was built from.
    says: fn(&Scope<Pg>) -> Option<BuiltFrom>,
    reads: fn(&Request<Empty<Bytes>>) -> Consistency,
    is_followed: bool,
}

fn shared_if_kept(request: &Request<Empty<Bytes>>) -> Consistency {
    if request.extensions().get::<ToBeKept>().is_some() { Consistency::Shared } else { Consistency::Near }
}

fn user_in(path: &str) -> Option<Uuid> {
    path.strip_prefix("/totals/")?.parse().ok()
}

fn by_orders(request: &Parts) -> Option<Dependencies<Pg>> {
    Some(Dependencies::new().key(Order::key_by_user_id(user_in(request.uri.path())?)))
}

fn layer(larder: &Larder<Pg>) -> ResponseCacheLayer<Kept> {
    let larder = Async::new(larder.clone(), Options::default());
    ResponseCacheLayer::public(LarderResponses::new(larder, "totals").depends_on(by_orders), MINUTES_5)
}

impl Totals {
    fn new(larder: &Larder<Pg>) -> Self {
        Self {
            larder: Async::new(larder.clone(), Options::default()),
            n_calls: Arc::default(),
            meanwhile: Arc::new(|| Arc::new(Semaphore::new(1))),
            says: |scope| Some(BuiltFrom::from(&scope.trail())),
            reads: shared_if_kept,
            is_followed: true,
        }
    }

    fn n_calls(&self) -> usize {
        self.n_calls.load(Ordering::SeqCst)
    }

    async fn serve(self, request: Request<Empty<Bytes>>) -> Served {
        let user = user_in(request.uri().path()).unwrap();
        self.n_calls.fetch_add(1, Ordering::SeqCst);
        let scope = self.larder.session().scope().reading((self.reads)(&request));
        let scope = if self.is_followed { scope.followed() } else { scope };
        let larder = self.larder.with(scope.clone());
        let read = larder.read(move |scope| Order::repository(scope).list_by_user_id(user).load());
        let orders = read.await.unwrap();
        let total = orders.into_iter().map(|order| order.total_amount).fold(money(0), |sum, one| sum + one);
        (self.meanwhile)().acquire().await.unwrap().forget();
        let mut answer = served(total.to_string(), &[]);
        if let Some(built) = (self.says)(&scope) {
            answer.extensions_mut().insert(built);
        }
        answer
    }

    async fn ask(&self, layer: &ResponseCacheLayer<Kept>, user: &User) -> Answer {
        self.send(layer, get(&format!("/totals/{}", user.id))).await
    }

    async fn send(&self, layer: &ResponseCacheLayer<Kept>, request: Request<Empty<Bytes>>) -> Answer {
        let service = self.clone();
        send(layer, request, move |request| service.clone().serve(request)).await
    }
}

fn costing(cents: i64) -> OrderChanges {
    OrderChanges { total_amount: Some(money(cents)), ..Default::default() }
}

#[tokio::test]
async fn a_kept_answer_is_given_until_something_that_it_was_built_from_is_written_and_has_no_age() {
    let shop = Shop::new();
    let other = shop.branch();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let [order, of_bob] = [&ada, &bob].map(|user| shop.order(user, Status::Paid, 0, 1));
    let here = (layer(&shop.larder), Totals::new(&shop.larder));
    let there = (layer(&other.larder), Totals::new(&other.larder));
    for cents in 1..10 {
        Order::repository(&other.larder).update(order.id, &costing(cents)).unwrap();
        let wanted = format!("{}", money(cents));
        for (layer, totals) in [&here, &there] {
            assert_eq!(totals.ask(layer, &ada).await.body, wanted);
            eventually(async || totals.ask(layer, &ada).await.is_hit()).await;
            let n_calls = totals.n_calls();
            Order::repository(&shop.larder).update(of_bob.id, &costing(cents)).unwrap();
            let hit = totals.ask(layer, &ada).await;
            assert_eq!((hit.is_hit(), hit.header(AGE), &hit.body[..]), (true, None, wanted.as_bytes()));
            assert_eq!(totals.n_calls(), n_calls, "what others buy is nothing to her");
        }
    }
    let (layer, totals) = &here;
    let hit = totals.ask(layer, &ada).await;
    shop.meter.reset();
    let tag = hit.header(http::header::ETAG).unwrap();
    let has_it = request(http::Method::GET, &format!("/totals/{}", ada.id), &[(IF_NONE_MATCH, tag)]);
    assert_eq!(totals.send(layer, has_it).await.status, 304);
    let counts = shop.meter.counts();
    assert_eq!((counts.sql, counts.reads, counts.cost().store_writes), (0, 1, 0), "one round trip, and no SQL");
}

#[tokio::test]
async fn an_answer_that_a_write_overtook_is_given_to_nobody_else() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let (layer, mut totals) = (layer(&shop.larder), Totals::new(&shop.larder));
    eventually(async || totals.ask(&layer, &ada).await.is_hit()).await;
    Order::repository(&shop.larder).update(order.id, &costing(200)).unwrap();
    let (gate, has_read) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    totals.meanwhile = {
        let (gate, has_read) = (gate.clone(), has_read.clone());
        Arc::new(move || {
            has_read.store(true, Ordering::SeqCst);
            gate.clone()
        })
    };
    let overtaken = {
        let (layer, totals, ada) = (layer.clone(), totals.clone(), ada.clone());
        tokio::spawn(async move { totals.ask(&layer, &ada).await })
    };
    until(|| has_read.load(Ordering::SeqCst)).await;
    Order::repository(&shop.larder).update(order.id, &costing(300)).unwrap();
    gate.add_permits(100);
    assert_eq!(overtaken.await.unwrap().body, "2.00", "it had begun before the write");
    for _ in 0..3 {
        assert_eq!(totals.ask(&layer, &ada).await.body, "3.00");
    }
}

#[tokio::test]
async fn an_answer_of_which_nobody_can_say_what_it_is_built_from_is_not_kept() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let totals = Totals::new(&shop.larder);
    let larder = Async::new(shop.larder.clone(), Options::default());
    let nothing_known = LarderResponses::new(larder, "totals").depends_on(|_: &Parts| None);
    let layer = ResponseCacheLayer::public(nothing_known, MINUTES_5);
    for _ in 0..3 {
        assert_eq!(totals.ask(&layer, &ada).await.cache, CacheStatus::Bypass);
    }
}

/// How often the service is called for four requests, in a process with a near cache, once everything is near.
async fn calls(depends_on: fn(&Parts) -> Option<Dependencies<Pg>>, set: impl FnOnce(&mut Totals)) -> usize {
    let shop = Shop::built(|builder| builder.near(NearOptions::bytes(1 << 20)));
    let ada = shop.user("ada");
    let _ = shop.order(&ada, Status::Paid, 100, 1);
    let orders = Order::repository(&shop.larder);
    let everything_is_near = || {
        tests::eventually(LONG, || {
            shop.meter.reset();
            let _ = orders.list_by_user_id(ada.id).load().unwrap();
            shop.meter.counts().reads == 0
        });
    };
    let larder = Async::new(shop.larder.clone(), Options::default());
    let named = |name| {
        let responses = LarderResponses::new(larder.clone(), name).depends_on(depends_on);
        ResponseCacheLayer::public(responses, MINUTES_5)
    };
    // Who is the first to ask in which state all of it is has dropped what may be older.
    everything_is_near();
    Totals::new(&shop.larder).ask(&named("first"), &ada).await;
    everything_is_near();
    let mut totals = Totals::new(&shop.larder);
    set(&mut totals);
    let layer = named("totals");
    for _ in 0..4 {
        assert_eq!(totals.ask(&layer, &ada).await.body, "1.00");
    }
    totals.n_calls()
}

#[tokio::test]
async fn what_a_handler_says_to_have_read_and_its_route_does_not_name_is_not_kept() {
    fn of_all(_: &Parts) -> Option<Dependencies<Pg>> {
        Some(Dependencies::new().table::<Order>())
    }
    fn of_users(_: &Parts) -> Option<Dependencies<Pg>> {
        Some(Dependencies::new().table::<User>().tag("orders"))
    }
    fn by_time_alone(_: &Parts) -> Option<Dependencies<Pg>> {
        Some(Dependencies::new())
    }
    assert!(calls(by_orders, |_| {}).await <= 2);
    assert!(calls(of_all, |_| {}).await <= 2);
    assert_eq!(calls(of_users, |_| {}).await, 4);
    assert_eq!(calls(by_time_alone, |_| {}).await, 4);
    // Copies near are dropped of what is named itself, and may be old of what only its table stands for.
    let near = |totals: &mut Totals| totals.reads = |_| Consistency::Near;
    assert!(calls(by_orders, near).await <= 2);
    // Where the proof of what is near is late, it is read from Redis, and that may be kept.
    eventually(async || calls(of_all, near).await == 4).await;
    // It is as good as what the handler says.
    let says_nothing = |totals: &mut Totals| totals.says = |_| None;
    assert!(calls(of_users, says_nothing).await <= 2);
    let says = |totals: &mut Totals| {
        totals.says = |_| Some(BuiltFrom::from(&Dependencies::<Pg>::new().key(Order::key_by_user_id(Uuid::nil()))));
    };
    assert_eq!(calls(by_orders, says).await, 4);
    assert_eq!(calls(by_orders, |totals| totals.is_followed = false).await, 4, "it says nothing of what it has read");
}

/// Amounts only grow: an answer that is less than what was certainly written when it was asked for is stale. One that has gone past the cache is as
/// fresh as what its service reads near, and nothing of it is kept.
#[tokio::test(flavor = "current_thread")]
async fn no_answer_that_is_kept_or_to_be_kept_is_older_than_a_write_that_had_returned() {
    const ENOUGH: i64 = 100;
    let shop = Shop::built(|builder| builder.near(NearOptions::bytes(1 << 20)));
    let other = shop.branch_built(|builder| builder.near(NearOptions::bytes(1 << 20)));
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 0, 1);
    let (floor, n_hits) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let writer = {
        let (larder, floor, n_hits) = (shop.larder.clone(), floor.clone(), n_hits.clone());
        Arc::new(std::thread::spawn(move || {
            let mut cents = 0;
            while cents <= ENOUGH || n_hits.load(Ordering::SeqCst) <= ENOUGH {
                cents += 1;
                Order::repository(&larder).update(order.id, &costing(cents)).unwrap();
                floor.store(cents, Ordering::SeqCst);
                (0..cents % 7).for_each(|_| std::thread::yield_now());
                if cents % 7 == 0 {
                    // Without hits nothing is shown: now and then it lets readers find something kept.
                    let before = n_hits.load(Ordering::SeqCst);
                    tests::eventually(LONG, || n_hits.load(Ordering::SeqCst) > before);
                }
            }
        }))
    };
    let mut readers = Vec::new();
    for larder in [&shop.larder, &other.larder, &shop.larder, &other.larder] {
        let (layer, totals, ada) = (layer(larder), Totals::new(larder), ada.clone());
        let (writer, floor, n_hits) = (writer.clone(), floor.clone(), n_hits.clone());
        readers.push(tokio::spawn(async move {
            while !writer.is_finished() {
                let least = floor.load(Ordering::SeqCst);
                let answer = totals.ask(&layer, &ada).await;
                let text = String::from_utf8(answer.body.to_vec()).unwrap();
                let cents: i64 = text.replace('.', "").parse().unwrap();
                let is_current = cents >= least || answer.cache == CacheStatus::Bypass;
                assert!(is_current, "{cents} where {least} was written: {:?}", answer.cache);
                n_hits.fetch_add(i64::from(answer.is_hit()), Ordering::SeqCst);
            }
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    Arc::into_inner(writer).expect("no reader has it any more").join().unwrap();
}
