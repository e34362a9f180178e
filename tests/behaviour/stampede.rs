//! Many readers of what is missing: each key is loaded once.

use std::{collections::HashMap, sync::Barrier, thread, time::Duration};

use larder::store::Operation;
use larder_redis::RedisStore;
use shop_core::User;
use tests::{Namespace, Shop, redis_url};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(60);

/// How often each row was asked of the database.
fn asked(statements: &[String]) -> HashMap<Uuid, usize> {
    let mut asked = HashMap::new();
    for statement in statements {
        let (_, binds) = statement.split_once("binds: ").expect("statements come with their binds");
        let ids = binds.split(|c: char| !c.is_ascii_hexdigit() && c != '-').filter_map(|id| Uuid::parse_str(id).ok());
        ids.for_each(|id| *asked.entry(id).or_default() += 1);
    }
    asked
}

/// So many threads ask for a hundred missing keys at once, twenty each: all of them are loaded, and each once.
fn rush(shop: &Shop, n_threads: usize) {
    let users: Vec<User> = (0..100).map(|n| shop.user(&format!("user-{n}"))).collect();
    let start = Barrier::new(n_threads);
    shop.meter.reset();
    thread::scope(|scope| {
        for n in 0..n_threads {
            let (users, start) = (&users, &start);
            // Each begins elsewhere, so that all overlap.
            let wanted: Vec<&User> = (0..20).map(|at| &users[(n * 7 + at * 3) % users.len()]).collect();
            let run = move || {
                let ids: Vec<Uuid> = wanted.iter().map(|user| user.id).collect();
                start.wait();
                let found = User::repository(&shop.larder).find_many(&ids).unwrap();
                assert!(found.iter().flatten().eq(wanted));
            };
            thread::Builder::new().stack_size(1 << 20).spawn_scoped(scope, run).unwrap();
        }
    });
    // Who is not answered by the store loads by himself.
    let failed = shop.events.take();
    let asked = asked(&shop.meter.statements());
    let repeated: Vec<_> = asked.iter().filter(|(_, n)| **n > 1).collect();
    assert_eq!(asked.len(), 100, "all of them are read");
    assert!(repeated.is_empty(), "loaded more than once: {repeated:?}; of the store: {failed:?}");
}

#[test]
fn threads_that_ask_redis_for_the_same_keys_load_each_of_them_once() {
    // The claim is of a store that answers: it has more connections than there are threads, and whoever waits has time.
    let namespace = Namespace::new();
    let store = RedisStore::builder(&redis_url()).namespace(format!("{}:", namespace.as_str())).pool_size(32);
    let store = store.connect_timeout(LONG).io_timeout(LONG).quarantine(Duration::ZERO).build().unwrap();
    let shop = Shop::on(namespace, store, |builder| builder.fill_in_background(true));
    // Loads take longer than anybody polls the store for what another process loads.
    shop.faults.after(Operation::Lease).delay(7, Duration::from_millis(200));
    rush(&shop, 16);
}
