//! A server that is demoted and promoted, or gets its first replica, goes on running: its `run_id` stays.

use std::{
    slice,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use larder::store::{Cell, CellKey, ManualClock, Nonce, Position, Recall, Store};
use larder_redis::RedisStore;

use crate::{
    cells::{FOREIGN, LONG, begin, fill, finish, held, key, keys, lease, put, read, stored},
    eventually::eventually,
    recorder::{Recorder, Told, every_10_ms},
    server::{Server, demote, promote, replica_of, server_with_replicas, wait_for_sync},
};

const Q: Duration = Duration::from_secs(15);

fn store_on(server: &Server) -> RedisStore {
    server.builder().namespace("n:").build().unwrap()
}

fn place(store: &RedisStore, key: &CellKey) -> Position {
    store.begin(Nonce::fresh(), slice::from_ref(&key), LONG, Recall::Announced).unwrap().unwrap()
}

fn wait_for_a(replica: &Server) {
    let mut raw = replica.raw();
    eventually("the replica has the value", || {
        let bytes: Option<Vec<u8>> = redis::cmd("GET").arg("n:a").query(&mut raw).unwrap();
        bytes.is_some_and(|bytes| bytes.starts_with(b"V"))
    });
}

/// Fails over to the other server before that has `lost` reached it, and back again once the first one has what the other has.
fn fail_over_and_back(first: &Server, second: &Server, lost: impl FnOnce()) {
    promote(second);
    lost();
    demote(first, second);
    wait_for_sync(first);
    promote(first);
}

#[test]
fn a_server_that_becomes_master_again_serves_nothing_of_its_first_reign() {
    let first = server_with_replicas();
    let second = replica_of(&first);
    wait_for_sync(&second);
    // Connections that were made before the replica came would be replaced for that.
    let (store, key) = (store_on(&first), key("a"));
    put(&store, &key, b"old");
    wait_for_a(&second);
    fail_over_and_back(&first, &second, || {
        let nonce = begin(&store, &key).unwrap();
        finish(&store, &key, nonce, stored(b"new")).unwrap();
        assert_eq!(read(&store, &key).unwrap(), held(b"new"));
    });
    let bytes: Vec<u8> = redis::cmd("GET").arg("n:a").query(&mut first.raw()).unwrap();
    assert!(bytes.ends_with(b"old"), "the write was lost: {}", bytes.escape_ascii());

    assert_eq!(read(&store_on(&first), &key).unwrap(), FOREIGN, "to who comes now");
    // Who has seen it as a replica meanwhile is refused until it looks again.
    eventually("it is to who has been there all the time", || read(&store, &key).is_ok_and(|cell| cell == FOREIGN));
    put(&store, &key, b"newer");
    assert_eq!(read(&store_on(&first), &key).unwrap(), held(b"newer"), "all agree");
}

#[test]
fn connections_that_were_idle_meanwhile_serve_nothing_of_the_first_reign() {
    let first = server_with_replicas();
    let second = replica_of(&first);
    wait_for_sync(&second);
    let (store, key) = (store_on(&first), key("a"));
    put(&store, &key, b"old");
    wait_for_a(&second);
    fail_over_and_back(&first, &second, || {});
    let start = Instant::now();
    eventually("the connection has been idle for a second", || start.elapsed() > Duration::from_secs(1));
    assert_eq!(read(&store, &key).unwrap(), FOREIGN, "without an error, and at the first time");
}

#[test]
fn a_demoted_server_serves_nothing_on_connections_of_its_reign() {
    let first = server_with_replicas();
    let second = replica_of(&first);
    wait_for_sync(&second);
    let (store, key) = (store_on(&first), key("a"));
    put(&store, &key, b"old");
    promote(&second);
    demote(&first, &second);
    // A replica answers reads, with what may be long out of date.
    eventually("it is refused", || read(&store, &key).is_err_and(|error| error.is_refused()));
}

#[test]
fn a_second_reign_gives_no_leases_until_the_quarantine_ends() {
    let first = server_with_replicas();
    let second = replica_of(&first);
    wait_for_sync(&second);
    let (clock, key) = (ManualClock::default(), key("a"));
    let store = first.builder().namespace("n:").quarantine(Q).clock(clock.clone()).build().unwrap();
    assert_eq!(lease(&store, &key).unwrap(), None);
    clock.advance(Q);
    let old = lease(&store, &key).unwrap().unwrap();
    let place_then = place(&store, &CellKey::new(*b"b", key.layout()));
    fail_over_and_back(&first, &second, || {});
    redis::cmd("DEL").arg("n:a").exec(&mut first.raw()).unwrap();
    eventually("no leases are given", || {
        let granted = lease(&store, &key);
        redis::cmd("DEL").arg("n:a").exec(&mut first.raw()).unwrap();
        granted.is_ok_and(|lease| lease.is_none())
    });
    assert!(!fill(&store, &key, old, b"late").unwrap());
    assert_ne!(place(&store, &CellKey::new(*b"b", key.layout())).series, place_then.series);
    clock.advance(Q - Duration::from_millis(1));
    assert_eq!(lease(&store, &key).unwrap(), None);
    clock.advance(Duration::from_millis(1));
    put(&store, &key, b"one");
}

#[test]
fn a_listener_is_told_of_a_reign_that_began_between_two_questions() {
    let first = server_with_replicas();
    let second = replica_of(&first);
    wait_for_sync(&second);
    for is_strict in [false, true] {
        let store = store_on(&first);
        let (recorder, _subscription) = Recorder::on(&store, every_10_ms(is_strict));
        let since = recorder.told().len();
        // At once, so that hardly ever a question meets a replica.
        let mut both = redis::pipe();
        both.cmd("REPLICAOF").arg("127.0.0.1").arg(second.port()).cmd("REPLICAOF").arg("NO").arg("ONE");
        both.exec(&mut first.raw()).unwrap();
        recorder.wait_after(since, "it is lost", |told| *told == Told::Lost);
        recorder.wait_after(since, "it is back", |told| matches!(told, Told::Joined(_)));
        recorder.wait_for_proof();
        assert_eq!(recorder.n_lost(), 1, "{:?}", recorder.told());
    }
}

/// How many of the keys a store does not serve, asked by as many threads at a time as make it use several connections.
fn n_misses(store: &RedisStore, keys: &[CellKey]) -> usize {
    const N_THREADS: usize = 4;
    let barrier = Barrier::new(N_THREADS);
    thread::scope(|scope| {
        let threads = [(); N_THREADS].map(|()| {
            scope.spawn(|| {
                barrier.wait();
                let all = (0..20).flat_map(|_| keys);
                all.filter(|key| !matches!(read(store, key).unwrap(), Cell::Value(_))).count()
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn after_the_first_replica_has_come_all_connections_agree_on_what_counts() {
    let server = server_with_replicas();
    let (clock, keys) = (ManualClock::default(), keys(10));
    let process = || server.builder().namespace("n:").quarantine(Q).clock(clock.clone()).build().unwrap();
    let (one, other) = (process(), process());
    clock.advance(Q);
    keys.iter().for_each(|key| put(&one, key, b"before"));
    assert_eq!((n_misses(&one, &keys), n_misses(&other, &keys)), (0, 0));

    let replica = replica_of(&server);
    wait_for_sync(&replica);
    let late = process();
    eventually("all have found it", || {
        [&one, &other].iter().all(|store| read(store, &keys[0]).is_ok_and(|cell| cell == FOREIGN))
    });
    assert_eq!([&one, &other, &late].map(|store| lease(store, &keys[0]).unwrap()), [None; 3]);
    clock.advance(Q);
    keys.iter().for_each(|key| put(&other, key, b"after"));
    assert_eq!([&one, &other, &late].map(|store| n_misses(store, &keys)), [0; 3]);
}
