//! What a handle counts while things go wrong.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use larder::{
    failpoints::{Point, on_this_thread},
    stats::ModelStats,
};

use crate::site::{Failure, Operation, Shop, User, UserChanges, eventually};

const LONG: Duration = Duration::from_secs(60);

fn users(larder: &larder::Larder<crate::site::Db>) -> ModelStats {
    larder.stats().model("users").cloned().unwrap_or_default()
}

#[test]
fn a_store_that_fails_is_counted_by_operation_and_by_what_became_of_the_keys() {
    let shop = Shop::new();
    let (ada, repository) = (shop.user("ada"), User::repository(&shop.larder));
    let calls = |operation| {
        let stats = shop.larder.stats();
        let of = stats.store.iter().find(|of| of.operation == operation).expect("all are there");
        (of.calls.n, of.failed)
    };
    shop.faults.before(Operation::Read).nth(1).fail(Failure::TimedOut);
    repository.get(ada.id).unwrap();
    assert_eq!((users(&shop.larder).keys.bypassed.failed, calls(Operation::Read)), (1, (1, 1)));
    shop.faults.before(Operation::Lease).nth(1).fail(Failure::Unavailable);
    repository.get(ada.id).unwrap();
    assert_eq!((users(&shop.larder).keys.missed, calls(Operation::Lease)), (1, (1, 1)));
    shop.faults.before(Operation::Fill).nth(1).fail(Failure::Unavailable);
    repository.get(ada.id).unwrap();
    let model = users(&shop.larder);
    assert_eq!([model.fills_stored, model.fills_refused, model.fills_failed], [0, 0, 1]);
    assert_eq!((model.keys.asked(), calls(Operation::Read), calls(Operation::Fill)), (3, (3, 1), (1, 1)));
}

#[test]
fn a_key_that_is_written_is_passed_by_and_a_fill_that_a_write_overtakes_is_refused() {
    let shop = Shop::new();
    let (ada, repository) = (shop.user("ada"), User::repository(&shop.larder));
    let renamed = |email: &str| UserChanges { email: Some(email.to_owned()), ..Default::default() };
    let gate = shop.faults.after(Operation::Begin).nth(1).hold();
    thread::scope(|scope| {
        let writer =
            scope.spawn(|| User::repository(&shop.larder).update(ada.id, &renamed("new@example.com")).unwrap());
        gate.wait_for(1);
        repository.get(ada.id).unwrap();
        gate.open();
        writer.join().unwrap();
    });
    assert_eq!(users(&shop.larder).keys.bypassed.in_doubt, 1);

    let bob = shop.user("bob");
    let gate = shop.faults.before(Operation::Fill).nth(1).hold();
    thread::scope(|scope| {
        let reader = scope.spawn(|| User::repository(&shop.larder).get(bob.id).unwrap());
        gate.wait_for(1);
        repository.update(bob.id, &renamed("bobby@example.com")).unwrap();
        gate.open();
        reader.join().unwrap();
    });
    let model = users(&shop.larder);
    assert_eq!([model.fills_stored, model.fills_refused, model.fills_failed], [0, 1, 0]);
    assert_eq!((model.keys.asked(), model.keys.bypassed.in_doubt, model.keys.missed), (2, 1, 1));
}

#[test]
fn who_waits_for_another_load_is_counted_with_the_time_that_it_took() {
    let shop = Shop::built(|builder| builder.fill_in_background(true));
    let ada = shop.user("ada");
    let leased = shop.faults.after(Operation::Lease).nth(1).hold();
    let waiting = Arc::new(Mutex::new(HashSet::new()));
    thread::scope(|scope| {
        let first = scope.spawn(|| User::repository(&shop.larder).get(ada.id).unwrap());
        leased.wait_for(1);
        let wait = || {
            let waiting = Arc::clone(&waiting);
            let _hook = on_this_thread(move |point| {
                if point == Point::Waiting {
                    waiting.lock().unwrap().insert(thread::current().id());
                }
            });
            User::repository(&shop.larder).get(ada.id).unwrap()
        };
        let others: Vec<_> = (0..3).map(|_| scope.spawn(wait)).collect();
        eventually(LONG, || waiting.lock().unwrap().len() == 3);
        leased.open();
        others.into_iter().chain([first]).for_each(|reader| assert_eq!(reader.join().unwrap(), ada));
    });
    let model = users(&shop.larder);
    // A store that answers at once has it when they are told, so that they ask that.
    assert_eq!([model.keys.flight + model.keys.shared, model.keys.missed, model.keys.asked()], [3, 1, 4]);
    assert_eq!((model.lease_waits.n, model.statements.n), (3, 1));
    assert!(model.lease_waits.longest > Duration::ZERO && model.loads.n == 4);
}

#[test]
fn a_statement_that_fails_is_counted() {
    let shop = Shop::new();
    let (ada, repository) = (shop.user("ada"), User::repository(&shop.larder));
    repository.get(ada.id).unwrap();
    shop.past("ALTER TABLE users RENAME TO renamed");
    assert!(repository.query(|query| query).is_err());
    assert_eq!(users(&shop.larder).statements_failed, 1);
}
