//! Results that are looked for, computed and stored by separate calls.

use larder::{Dependencies, Looked, NearOptions, Turn};
use larder_redis::RedisStore;
use tests::{Branch, Meter, Namespace, OwnRedis, Proxy, eventually, redis_store};

use super::*;

fn of_ada(larder: &Larder<Pg>, ada: &User) -> Looked<Pg, i64> {
    larder.query("turn").depends_on_row::<User>(ada.id).look()
}

#[track_caller]
fn turn(looked: Looked<Pg, i64>) -> Turn<Pg, i64> {
    match looked {
        Looked::Turn(turn) => turn,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_is_looked_for_once_and_stored_for_every_handle_and_for_load() {
    let shop = Shop::new();
    let (other, ada) = (shop.branch(), shop.user("ada"));
    let own = turn(of_ada(&shop.larder, &ada));
    shop.meter.expect_counts(Counts { reads: 1, stamps: 1, leases: 1, ..Counts::default() });
    for larder in [&shop.larder, &other.larder] {
        assert!(matches!(of_ada(larder, &ada), Looked::Elsewhere));
    }
    shop.meter.reset();
    assert!(own.ttl(Duration::from_secs(60)).store(&7));
    shop.meter.expect_counts(Counts { fills: 1, ..Counts::default() });
    other.meter.reset();
    assert!(matches!(of_ada(&other.larder, &ada), Looked::Stored(7)));
    other.meter.expect(WARM);
    let loaded = other.larder.query("turn").depends_on_row::<User>(ada.id).load(|_| Ok(8_i64)).unwrap();
    assert_eq!(loaded, 7);
    let figures = other.larder.stats().queries;
    assert_eq!((figures.keys.shared, figures.keys.missed), (2, 0));
}

#[test]
fn a_turn_that_is_dropped_is_the_next_ones_and_one_that_took_too_long_stores_nothing() {
    let shop = Shop::new();
    let (other, ada) = (shop.branch(), shop.user("ada"));
    drop(turn(of_ada(&shop.larder, &ada)));
    let next = turn(of_ada(&other.larder, &ada));
    other.larder.query("turn").depends_on_row::<User>(ada.id).forget::<i64>();
    assert!(!next.store(&7), "it was told that it is over");
    assert!(matches!(of_ada(&shop.larder, &ada), Looked::Turn(_)));
}

#[test]
fn what_is_stored_after_a_write_is_given_to_nobody() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let overtaken = turn(of_ada(&shop.larder, &ada));
    User::repository(&shop.larder).update(ada.id, &renamed("new@example.com")).unwrap();
    let _ = overtaken.store(&7);
    assert!(turn(of_ada(&shop.larder, &ada)).store(&8));
    assert!(matches!(of_ada(&shop.larder, &ada), Looked::Stored(8)));
}

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

#[test]
fn cells_are_covered_by_themselves_and_by_their_tables_and_by_nothing_else() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let scope = shop.larder.scope().followed();
    User::repository(&scope).get(ada.id).unwrap();
    Order::repository(&scope).list_by_user_id(ada.id).load().unwrap();
    let cells = scope.trail().cells;
    assert_eq!(cells.len(), 2, "{cells:?}");
    let of = Dependencies::<Pg>::new;
    for (dependencies, n_covered) in [
        (of(), 0),
        (of().row::<User>(ada.id), 1),
        (of().row::<User>(Uuid::nil()), 0),
        (of().key(Order::key_by_user_id(ada.id)), 1),
        (of().key(Order::key_by_user_id(Uuid::nil())), 0),
        (of().table::<User>(), 1),
        (of().table::<Order>().table::<User>(), 2),
        (of().tag("users").tag("*").tag("users:*"), 0),
    ] {
        let covered = cells.iter().filter(|cell| dependencies.cover(cell)).count();
        assert_eq!(covered, n_covered, "{:?}", dependencies.cells());
    }
}
