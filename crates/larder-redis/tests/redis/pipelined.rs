//! Stores whose threads share connections.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use larder::store::{Store, conformance::Subject};

use crate::{
    cells::{NOTHING, begin, finish, held, key, keys, put, read, stored},
    eventually::eventually,
    server::Server,
};

fn fresh_on(server: Arc<Server>) -> impl Fn() -> Subject {
    move || Subject::new(server.builder().pipelines(1).build().unwrap())
}

larder::store_conformance_tests!(fresh_on(Server::shared()));

fn n_connections(raw: &mut redis::Connection) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(raw).unwrap();
    list.lines().filter(|line| line.contains(" name=larder ")).count()
}

#[test]
fn many_threads_share_two_connections_and_each_gets_its_own_answers() {
    const N_THREADS: usize = 64;
    let server = Server::private(&[]);
    let store = server.patient().pipelines(2).build().unwrap();
    let barrier = Barrier::new(N_THREADS);
    thread::scope(|scope| {
        for n in 0..N_THREADS {
            let (store, barrier) = (&store, &barrier);
            scope.spawn(move || {
                let (own, value) = (key(&format!("key {n}")), format!("value {n}"));
                barrier.wait();
                for round in 0..50 {
                    let value = format!("{value} of {round}");
                    let write = begin(store, &own).unwrap();
                    finish(store, &own, write, stored(value.as_bytes())).unwrap();
                    assert_eq!(read(store, &own).unwrap(), held(value.as_bytes()));
                }
            });
        }
    });
    assert_eq!(n_connections(&mut server.raw()), 2);
}

#[test]
fn a_thread_reads_what_it_wrote_before_whichever_connection_is_taken() {
    let server = Server::shared();
    let store = server.patient().pipelines(4).build().unwrap();
    let key = key("a");
    for n in 0..200_u32 {
        let write = begin(&store, &key).unwrap();
        finish(&store, &key, write, stored(&n.to_be_bytes())).unwrap();
        assert_eq!(read(&store, &key).unwrap(), held(&n.to_be_bytes()));
    }
}

#[test]
fn all_who_wait_for_a_silent_server_are_told_within_its_time_and_none_gets_a_late_answer() {
    const TIMEOUT: Duration = Duration::from_millis(200);
    const SLACK: Duration = Duration::from_millis(700);
    const N_THREADS: usize = 16;
    let server = Server::private(&[]);
    let store = server.builder().io_timeout(TIMEOUT).pipelines(1).build().unwrap();
    for n in 0..N_THREADS {
        put(&store, &key(&format!("{n}")), format!("{n}").as_bytes());
    }
    let frozen = server.freeze();
    thread::scope(|scope| {
        for n in 0..N_THREADS {
            let store = &store;
            scope.spawn(move || {
                let start = Instant::now();
                let error = read(store, &key(&format!("{n}"))).unwrap_err();
                assert!(error.is_timeout() || error.is_unavailable(), "{error:?}");
                assert!(start.elapsed() < 2 * TIMEOUT + SLACK, "{:?}", start.elapsed());
            });
        }
    });
    drop(frozen);
    eventually("the server answers again", || read(&store, &key("0")).is_ok());
    for n in 0..N_THREADS {
        assert_eq!(read(&store, &key(&format!("{n}"))).unwrap(), held(format!("{n}").as_bytes()));
    }
    assert_eq!(read(&store, &key("none")).unwrap(), NOTHING);
}

#[test]
fn what_was_under_way_fails_when_the_server_dies_and_the_next_one_is_found() {
    let mut server = Server::private(&[]);
    let store = server.builder().pipelines(2).build().unwrap();
    put(&store, &key("a"), b"one");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    let _ = read(&store, &key("a"));
                    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
                }
            });
        }
        server.kill();
        eventually("nobody is answered", || read(&store, &key("a")).is_err());
        server.restart();
        eventually("the new server answers", || read(&store, &key("a")).is_ok());
        is_over.store(true, Ordering::Relaxed);
    });
    put(&store, &key("a"), b"two");
    assert_eq!(read(&store, &key("a")).unwrap(), held(b"two"));
}

#[test]
fn more_than_a_queue_holds_waits_for_its_turn() {
    const N_THREADS: usize = 24;
    let server = Server::shared();
    let store = server.patient().pipelines(1).build().unwrap();
    let large = vec![b'x'; 300 << 10];
    thread::scope(|scope| {
        for n in 0..N_THREADS {
            let (store, large) = (&store, &large);
            scope.spawn(move || {
                let own = key(&format!("{n}"));
                put(store, &own, large);
                assert_eq!(read(store, &own).unwrap(), held(large));
                let many = keys(300);
                assert_eq!(store.read(&many).unwrap().len(), many.len());
            });
        }
    });
}
