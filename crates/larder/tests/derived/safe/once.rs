use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use diesel::connection::SimpleConnection as _;
use larder::{
    Error,
    once::{Database, Key, Once, down, up},
};

use super::{Author, Library, author};

fn library() -> Library {
    let library = Library::open();
    library.pool.get().unwrap().batch_execute(up(Database::SQLite)).unwrap();
    library
}

#[test]
fn what_was_done_is_not_done_again_and_has_its_result() {
    let library = library();
    let ask = |key: Key| library.larder.once(key, |tx| Ok(Author::repository(tx).insert(author(4, "dan"))?.name));
    assert_eq!(ask("4".into()).unwrap(), Once::Now("dan".to_owned()));
    assert_eq!(ask("4".into()).unwrap(), Once::Before("dan".to_owned()));
    assert!(matches!(ask("5".into()), Err(Error::Database(_))), "another key is another write, and 4 is there");
    let other: Result<Once<i64>, _> = library.larder.once("4", |_| panic!("it was done"));
    assert!(matches!(other, Err(Error::UnreadableResult)), "{other:?}");
}

#[test]
fn a_key_is_of_one_request() {
    let library = library();
    let ask = |request: &str| library.larder.once(Key::new("k").of_request(request), |_| Ok(7_i64));
    assert_eq!(ask("a").unwrap(), Once::Now(7));
    assert_eq!(ask("a").unwrap(), Once::Before(7));
    assert!(matches!(ask("b"), Err(Error::AnotherRequest)));
    assert!(matches!(library.larder.once("k", |_| Ok(7_i64)), Err(Error::AnotherRequest)));
}

#[test]
fn a_key_of_a_tenant_is_no_other_tenants() {
    let library = library();
    let ask = |tenant: &str, name: &str, result: i64| {
        library.larder.tenant(tenant.to_owned()).once(name, |_| Ok(result)).unwrap()
    };
    assert_eq!(ask("a", "k", 1), Once::Now(1));
    assert_eq!(ask("b", "k", 2), Once::Now(2));
    assert_eq!(ask("a", "k", 3), Once::Before(1));
    assert_eq!(ask("b", "k", 4), Once::Before(2));
    assert_eq!(ask("a:k", "k", 5), Once::Now(5));
    assert_eq!(ask("a", "k:k", 6), Once::Now(6));
}

#[test]
fn what_has_failed_leaves_nothing() {
    let library = library();
    let failed: larder::Result<Once<i64>> = library.larder.once("k", |tx| {
        Author::repository(tx).insert(author(4, "dan"))?;
        Err(Error::other("no"))
    });
    assert!(matches!(failed, Err(Error::Other(_))));
    assert_eq!(Author::repository(&library.larder).find(4).unwrap(), None);
    assert_eq!(library.larder.once("k", |_| Ok(1_i64)).unwrap(), Once::Now(1));
}

#[test]
fn a_key_whose_time_is_over_may_be_used_again_and_is_cleared_away() {
    let library = library();
    let larder = &library.larder;
    for name in ["a", "b", "c"] {
        larder.once(Key::new(name).kept_for(Duration::ZERO), |_| Ok(1_i64)).unwrap();
    }
    larder.once(Key::new("kept").kept_for(Duration::MAX), |_| Ok(1_i64)).unwrap();
    assert_eq!(larder.once(Key::new("a").of_request("another"), |_| Ok(2_i64)).unwrap(), Once::Now(2));
    assert_eq!(larder.forget_expired_keys(1).unwrap(), 1);
    assert_eq!(larder.forget_expired_keys(10).unwrap(), 1);
    assert_eq!(larder.forget_expired_keys(10).unwrap(), 0);
    assert_eq!(larder.once("kept", |_| Ok(2_i64)).unwrap(), Once::Before(1));
    library.pool.get().unwrap().batch_execute(down()).unwrap();
    assert!(matches!(larder.once("kept", |_| Ok(2_i64)), Err(Error::Database(_))));
}

#[test]
fn of_all_who_ask_at_once_one_does_it_and_all_get_its_result() {
    let library = library();
    let (n_threads, n_done) = (6, AtomicUsize::new(0));
    let start = Barrier::new(n_threads);
    let results: Vec<i64> = thread::scope(|scope| {
        let ask = |n: usize| {
            let (library, start, n_done) = (&library, &start, &n_done);
            scope.spawn(move || {
                start.wait();
                let result = library.larder.once("k", |_| {
                    n_done.fetch_add(1, Ordering::SeqCst);
                    Ok(n as i64)
                });
                result.unwrap().into_inner()
            })
        };
        let threads: Vec<_> = (0..n_threads).map(ask).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(n_done.into_inner(), 1);
    assert!(results.iter().all(|result| *result == results[0]), "{results:?}");
}
