use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use diesel::{ExpressionMethods as _, RunQueryDsl as _, connection::SimpleConnection as _};
use larder::{
    Error, Larder,
    once::{Database, Key, Once, up},
};
use tests::{Proxy, eventually};

use super::scene::{Job, Scene, jobs};

fn scene() -> Scene {
    let scene = Scene::new();
    scene.database.connect().batch_execute(up(Database::PostgreSql)).unwrap();
    scene
}

fn add_job(larder: &Larder<diesel::pg::Pg>) -> larder::Result<Once<i64>> {
    larder.once(Key::new("order 1").of_request(b"a job"), |tx| {
        Ok(Job::repository(tx).insert((jobs::id.eq(1), jobs::note.eq("paid")))?.id)
    })
}

#[test]
fn a_commit_whose_answer_is_lost_is_not_done_again() {
    let scene = scene();
    let proxy = Proxy::to(scene.database.url());
    let through = scene.handle(proxy.url());
    proxy.lose_the_answer_to_commit();
    let lost = add_job(&through);
    assert!(matches!(lost, Err(Error::CommitUnknown(_))), "{lost:?}");
    assert_eq!(add_job(&through).unwrap(), Once::Before(1), "it has happened");
    assert_eq!(Job::repository(&scene.larder).query(|jobs| jobs).unwrap().len(), 1);
}

#[test]
fn a_commit_that_never_arrived_is_done_by_who_asks_again() {
    let scene = scene();
    let proxy = Proxy::to(scene.database.url());
    let through = scene.handle(proxy.url());
    let cut = through.once(Key::new("order 1").of_request(b"a job"), |tx| {
        let job = Job::repository(tx).insert((jobs::id.eq(1), jobs::note.eq("paid")))?;
        assert!(proxy.cut(|| true) > 0);
        Ok(job.id)
    });
    cut.unwrap_err();
    let again = add_job(&through).or_else(|_| add_job(&through));
    assert_eq!(again.unwrap(), Once::Now(1));
    assert_eq!(add_job(&through).unwrap(), Once::Before(1));
}

#[test]
fn who_comes_second_waits_for_the_first_and_takes_over_if_that_fails() {
    let scene = scene();
    for fails in [false, true] {
        let key = if fails { "fails" } else { "works" };
        let (begun, go_on) = (mpsc::channel(), mpsc::channel::<()>());
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                scene.larder.once(key, |_| {
                    begun.0.send(()).unwrap();
                    go_on.1.into_iter().next();
                    if fails { Err(Error::other("no")) } else { Ok(1_i64) }
                })
            });
            begun.1.recv().unwrap();
            let second = scope.spawn(|| scene.larder.once(key, |_| Ok(2_i64)));
            let mut watching = scene.database.connect();
            eventually(Duration::from_secs(20), || {
                diesel::sql_query("SELECT 1 FROM pg_locks WHERE NOT granted").execute(&mut watching).unwrap() > 0
            });
            drop(go_on.0);
            let (first, second) = (first.join().unwrap(), second.join().unwrap().unwrap());
            assert_eq!(first.is_err(), fails);
            assert_eq!(second, if fails { Once::Now(2) } else { Once::Before(1) });
        });
    }
}

#[test]
fn of_all_who_ask_at_once_one_does_it() {
    let scene = scene();
    let (n_threads, n_done) = (10, AtomicUsize::new(0));
    for round in 0..10 {
        let start = Barrier::new(n_threads);
        thread::scope(|scope| {
            for _ in 0..n_threads {
                scope.spawn(|| {
                    start.wait();
                    let done = scene.larder.once(format!("{round}"), |_| {
                        n_done.fetch_add(1, Ordering::SeqCst);
                        Ok(round)
                    });
                    assert_eq!(done.unwrap().into_inner(), round);
                });
            }
        });
    }
    assert_eq!(n_done.into_inner(), 10);
}
