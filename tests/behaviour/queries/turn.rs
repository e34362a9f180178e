//! Results that are looked for, computed and stored by separate calls.

use larder::{Looked, NearOptions};
use larder_redis::RedisStore;
use tests::{Branch, Meter, Namespace, OwnRedis, Proxy, eventually, redis_store};

use super::*;

fn of_ada(larder: &Larder<Pg>, ada: &User) -> Looked<Pg, i64> {
    larder.query("turn").depends_on_row::<User>(ada.id).look()
}

#[track_caller]
#[test]
fn where_nothing_is_to_be_had_of_the_store_nobody_is_told_to_wait() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let gate = shop.faults.before(Operation::Finish).nth(1).hold();
    thread::scope(|scope| {
        let writer =
            scope.spawn(|| User::repository(&shop.larder).update(ada.id, &renamed("new@example.com")).unwrap());
        gate.wait_for(1);
        assert!(matches!(of_ada(&shop.larder, &ada), Looked::PassedBy), "it is being written");
        gate.open();
        writer.join().unwrap();
    });
    for operation in [Operation::Read, Operation::Lease] {
        shop.faults.before(operation).fail(Failure::Unavailable);
        assert!(matches!(of_ada(&shop.larder, &ada), Looked::PassedBy), "{operation:?}");
        shop.faults.clear();
    }
    let from_database = shop.larder.scope().reading(Consistency::Database);
    assert!(matches!(from_database.query("turn").look::<i64>(), Looked::PassedBy));
    let alone: Larder<Pg> = Larder::builder(shop.database.pool(&shop.meter, 1)).build();
    assert!(matches!(of_ada(&alone, &ada), Looked::PassedBy));
    // A server that has just been started gives no leases, and one who waited for them would wait for nobody.
    let (redis, namespace) = (OwnRedis::new(), Namespace::new());
    let store = RedisStore::builder(&redis.url()).namespace(namespace.as_str()).build().unwrap();
    let Branch { larder, .. } = shop.branch_on(store);
    assert!(matches!(of_ada(&larder, &ada), Looked::PassedBy));
}

#[test]
fn whoever_has_a_turn_is_given_nothing_older_that_is_near() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    // What Redis tells this one comes late.
    let (proxy, meter) = (Proxy::to(&redis_url()), Meter::new());
    let store = meter.metered(redis_store(proxy.url(), &shop.namespace));
    let near = NearOptions::bytes(16 << 20).horizon(Duration::from_secs(60));
    let reader = Larder::<Pg>::builder(shop.database.pool(&meter, 2)).shared(store).near(near).build();
    let users = User::repository(&reader);
    let (mut n_old, mut n_turns) = (0, 0);
    for n in 0..20 {
        proxy.delay(Duration::ZERO);
        eventually(Duration::from_secs(30), || {
            let _ = of_ada(&reader, &ada);
            meter.reset();
            users.get(ada.id).unwrap();
            meter.counts().cost() == Cost::default()
        });
        proxy.delay(Duration::from_millis(100));
        let changed = User::repository(&shop.larder).update(ada.id, &renamed(&format!("{n}@example.com"))).unwrap();
        n_old += usize::from(users.get(ada.id).unwrap() != changed);
        // On so slow a line the store may not answer in time.
        let Looked::Turn(_turn) = of_ada(&reader, &ada) else { continue };
        n_turns += 1;
        assert_eq!(users.get(ada.id).unwrap(), changed, "{n_old} of {n} reads without a turn were old");
    }
    assert!(n_old > 0 && n_turns > 0, "without a turn, too, everything was seen at once: nothing was shown");
}
