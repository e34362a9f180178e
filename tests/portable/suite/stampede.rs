//! Many readers of what is missing: each key is loaded once.

use std::{collections::HashMap, sync::Barrier, thread, time::Duration};

use larder::{MemoryStore, store::Operation};

use crate::site::{Counts, Id, Order, Shop, Status, User, eventually};

const LONG: Duration = Duration::from_secs(60);

fn shop() -> Shop {
    Shop::built(|builder| builder.fill_in_background(true))
}

/// How often each row was asked of the database.
fn asked(statements: &[String]) -> HashMap<Id, usize> {
    let mut asked = HashMap::new();
    for statement in statements {
        let (_, binds) = statement.split_once("binds: ").expect("statements come with their binds");
        let ids = binds.split(|c: char| !c.is_ascii_hexdigit() && c != '-').filter_map(|id| id.parse::<Id>().ok());
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
                let ids: Vec<Id> = wanted.iter().map(|user| user.id).collect();
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
fn a_thousand_threads_that_ask_for_a_hundred_keys_load_each_of_them_once() {
    // Of a store that has no connections to wait for: who gets none goes to the database by himself.
    rush(&Shop::on(MemoryStore::new(), |builder| builder.fill_in_background(true)), 1_000);
}

#[test]
fn who_asks_for_what_is_being_loaded_waits_for_it_and_not_for_the_store() {
    let shop = shop();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let (leased, filled) = (shop.faults.after(Operation::Lease).hold(), shop.faults.before(Operation::Fill).hold());
    thread::scope(|scope| {
        let read = || (User::repository(&shop.larder).get(ada.id).unwrap(), ());
        let first = scope.spawn(read);
        leased.wait_for(1);
        shop.meter.reset();
        let others: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
        // They have seen the lease, and wait.
        eventually(LONG, || shop.meter.counts().reads == 8);
        leased.open();
        for reader in others.into_iter().chain([first]) {
            assert_eq!(reader.join().unwrap().0, ada);
        }
    });
    // The store has not been given it yet.
    shop.meter.expect_counts(Counts { sql: 1, reads: 8, ..Counts::default() });
    filled.open();
    assert!(shop.larder.flush(LONG));
    assert_eq!(Order::repository(&shop.larder).get(order.id).unwrap(), order);
}

#[test]
fn a_load_that_fails_leaves_nobody_waiting() {
    let shop = shop();
    let ada = shop.user("ada");
    let gate = shop.faults.after(Operation::Lease).hold();
    thread::scope(|scope| {
        let first = scope.spawn(|| User::repository(&shop.larder).get(ada.id));
        gate.wait_for(1);
        let second = scope.spawn(|| User::repository(&shop.larder).get(ada.id));
        eventually(LONG, || shop.meter.counts().reads == 2);
        shop.past("ALTER TABLE users RENAME TO renamed");
        gate.open();
        assert!(first.join().unwrap().is_err());
        assert!(second.join().unwrap().is_err(), "it has tried itself");
    });
    shop.past("ALTER TABLE renamed RENAME TO users");
    assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap(), ada);
}
