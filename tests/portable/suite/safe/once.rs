use std::{sync::Barrier, thread, time::Duration};

use larder::{
    Error,
    once::{Key, Once},
};

use super::{archive, doc, write};
use crate::site::{COSTS, Cost, Doc};

#[test]
fn what_was_done_once_is_not_done_again_and_has_its_result() {
    let shop = archive();
    let ask = |key: Key| shop.larder.once(key, |tx| Ok(Doc::repository(tx).insert(doc(7))?.id));
    assert_eq!(ask("payment".into()).unwrap(), Once::Now(7));
    shop.meter.expect(write(COSTS.once + COSTS.insert));
    assert_eq!(ask("payment".into()).unwrap(), Once::Before(7));
    shop.meter.expect(Cost { sql: COSTS.once_before, ..Cost::default() });
    assert!(matches!(ask("another".into()), Err(Error::Database(_))), "7 is there");
    assert!(matches!(ask(Key::new("payment").of_request("x")), Err(Error::AnotherRequest)));
    let failed = shop.larder.once("fails", |tx| {
        Doc::repository(tx).insert(doc(8))?;
        Err::<i64, _>(Error::other("no"))
    });
    assert!(matches!(failed, Err(Error::Other(_))));
    assert_eq!(Doc::repository(&shop.larder).find(8).unwrap(), None);
    assert_eq!(shop.larder.once("fails", |_| Ok(1_i64)).unwrap(), Once::Now(1), "it has left nothing");
    shop.larder.once(Key::new("short").kept_for(Duration::ZERO), |_| Ok(1_i64)).unwrap();
    assert_eq!(shop.larder.once("short", |_| Ok(2_i64)).unwrap(), Once::Now(2));
    shop.larder.once(Key::new("shorter").kept_for(Duration::ZERO), |_| Ok(1_i64)).unwrap();
    assert_eq!(shop.larder.forget_expired_keys(10).unwrap(), 1);
}

#[test]
fn of_all_who_ask_at_once_one_does_it_and_all_get_its_result() {
    let shop = archive();
    let other = shop.branch();
    let n_threads = 4;
    for round in 0..5_i64 {
        let start = Barrier::new(n_threads);
        let results: Vec<Once<i64>> = thread::scope(|scope| {
            let ask = |n: usize| {
                let (larder, start) = ([&shop.larder, &other.larder][n % 2], &start);
                scope.spawn(move || {
                    start.wait();
                    larder.once(format!("{round}"), |tx| Ok(Doc::repository(tx).insert(doc(10 + round))?.id))
                })
            };
            let threads: Vec<_> = (0..n_threads).map(ask).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|done| **done == Once::Now(10 + round)).count(), 1);
        assert_eq!(results.iter().filter(|done| **done == Once::Before(10 + round)).count(), n_threads - 1);
    }
}
