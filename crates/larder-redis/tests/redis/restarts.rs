use std::time::{Duration, Instant};

use larder::store::{Cell, CellKey, ManualClock, Store, StoreError};
use larder_redis::RedisStore;

use crate::{
    cells::{FOREIGN, NOTHING, begin, fill, finish, held, key, lease, put, read, stored},
    eventually::eventually,
    server::{Server, promote, replica_of, server_with_replicas, wait_for_sync},
};

const Q: Duration = Duration::from_secs(15);

fn save(server: &Server) {
    redis::cmd("SAVE").exec(&mut server.raw()).unwrap();
}

/// Restarts a server with all that it had, and waits until the store has found it.
fn restart(server: &mut Server, store: &RedisStore) {
    save(server);
    server.kill();
    server.restart();
    eventually("the store finds its server again", || read(store, &key("nothing")).is_ok());
}

#[test]
fn what_a_restarted_server_remembers_is_foreign_but_markers_count() {
    let mut server = Server::private(&[]);
    let store = server.store();
    let [value, leased, marked] = ["a", "b", "c"].map(key);
    put(&store, &value, b"old");
    let old_lease = lease(&store, &leased).unwrap().unwrap();
    begin(&store, &marked).unwrap();
    restart(&mut server, &store);

    assert_eq!(read(&store, &value).unwrap(), FOREIGN);
    assert_eq!(read(&store, &leased).unwrap(), FOREIGN);
    assert_eq!(read(&store, &marked).unwrap(), Cell::InDoubt);
    assert!(!fill(&store, &leased, old_lease, b"late").unwrap());
    assert_eq!(lease(&store, &marked).unwrap(), None);
    put(&store, &value, b"new");
    put(&store, &leased, b"new");
    assert_eq!(read(&store, &value).unwrap(), held(b"new"));
}

#[test]
fn a_write_over_a_restart_stores_nothing() {
    let mut server = Server::private(&[]);
    let store = server.store();
    let key = key("a");
    let nonce = begin(&store, &key).unwrap();
    restart(&mut server, &store);
    finish(&store, &key, nonce, stored(b"new")).unwrap();
    assert_eq!(read(&store, &key).unwrap(), NOTHING);
}

#[test]
fn a_server_that_has_just_started_gives_no_leases_until_the_quarantine_ends() {
    let mut server = Server::private(&[]);
    let clock = ManualClock::default();
    let store = server.builder().quarantine(Q).clock(clock.clone()).build().unwrap();
    let key = key("a");
    for _ in 0..2 {
        assert_eq!(lease(&store, &key).unwrap(), None);
        let nonce = begin(&store, &key).unwrap();
        finish(&store, &key, nonce, stored(b"written")).unwrap();
        assert_eq!(read(&store, &key).unwrap(), held(b"written"), "writes go on as ever");
        clock.advance(Q - Duration::from_millis(1));
        let other = CellKey::new(*b"b", key.layout());
        assert_eq!(lease(&store, &other).unwrap(), None);
        clock.advance(Duration::from_millis(1));
        put(&store, &other, b"filled");
        assert_eq!(read(&store, &other).unwrap(), held(b"filled"));
        // The new life of the server is a server that was never seen before.
        restart(&mut server, &store);
    }
}

#[test]
fn the_quarantine_lasts_for_as_long_as_the_handles_hold_markers() {
    let server = Server::private(&[]);
    let clock = ManualClock::default();
    let unset = || RedisStore::builder(server.url()).clock(clock.clone()).build().unwrap();
    let (attached, alone) = (unset(), unset());
    // The first connection was made before the handle is: what it knows of the server is not cast in stone.
    attached.attach(2 * Q);
    let (tick, key) = (Duration::from_millis(1), key("a"));
    clock.advance(Q);
    assert!(lease(&alone, &key).unwrap().is_some(), "nobody holds markers for longer");
    let other = CellKey::new(*b"b", key.layout());
    assert_eq!(lease(&attached, &other).unwrap(), None);
    clock.advance(Q - tick);
    assert_eq!(lease(&attached, &other).unwrap(), None);
    clock.advance(tick);
    assert!(lease(&attached, &other).unwrap().is_some());
}

#[test]
fn a_quarantine_that_was_set_by_hand_stays() {
    let server = Server::private(&[]);
    let clock = ManualClock::default();
    let store = server.builder().quarantine(Q).clock(clock.clone()).build().unwrap();
    store.attach(2 * Q);
    assert_eq!(lease(&store, &key("a")).unwrap(), None);
    clock.advance(Q);
    assert!(lease(&store, &key("a")).unwrap().is_some());
}

#[test]
fn a_server_that_was_long_up_when_the_process_came_gives_leases_at_once() {
    let server = Server::private(&[]);
    let mut raw = server.raw();
    eventually("the server is two seconds old", || {
        let info: String = redis::cmd("INFO").arg("server").query(&mut raw).unwrap();
        let uptime = info.lines().find_map(|line| line.strip_prefix("uptime_in_seconds:")).unwrap();
        uptime.trim().parse::<u64>().unwrap() >= 2
    });
    let short = server.builder().quarantine(Duration::from_secs(1)).clock(ManualClock::default()).build().unwrap();
    assert!(lease(&short, &key("a")).unwrap().is_some());
    let long = server.builder().quarantine(Q).clock(ManualClock::default()).build().unwrap();
    assert_eq!(lease(&long, &key("a")).unwrap(), None);
}

#[test]
fn a_store_is_made_while_its_server_is_away_and_takes_to_it_when_it_comes() {
    let mut server = Server::private(&[]);
    server.kill();
    let start = Instant::now();
    let store = server.store();
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());

    let is_away = |error: StoreError| assert!(error.is_unavailable(), "{error:?}");
    let key = key("a");
    is_away(read(&store, &key).unwrap_err());
    is_away(lease(&store, &key).unwrap_err());
    is_away(begin(&store, &key).unwrap_err());
    // As long as it is away, nobody waits for it.
    let start = Instant::now();
    (0..1_000).for_each(|_| is_away(read(&store, &key).unwrap_err()));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());

    server.restart();
    eventually("the store finds its server", || read(&store, &key).is_ok());
    put(&store, &key, b"one");
}

#[test]
fn a_replica_is_refused_until_it_is_master() {
    let master = server_with_replicas();
    let replica = replica_of(&master);
    let (store, key) = (replica.store(), key("a"));
    eventually("the replica is refused", || read(&store, &key).is_err_and(|error| error.is_refused()));
    promote(&replica);
    eventually("the promoted replica is taken", || read(&store, &key).is_ok());
    put(&store, &key, b"one");
}

#[test]
fn a_promoted_replica_gives_no_leases_until_the_quarantine_ends() {
    let master = server_with_replicas();
    let replica = replica_of(&master);
    wait_for_sync(&replica);
    promote(&replica);
    let mut raw = replica.raw();
    let info: String = redis::cmd("INFO").arg("replication").query(&mut raw).unwrap();
    assert!(!info.contains("second_repl_offset:-1"), "a promoted replica tells so");
    // With a quarantine of no time at all but for the promotion, the uptime would do.
    eventually("the server is old enough", || {
        let info: String = redis::cmd("INFO").arg("server").query(&mut raw).unwrap();
        info.lines().any(|line| line.strip_prefix("uptime_in_seconds:").is_some_and(|up| up.trim() != "0"))
    });
    let (clock, quarantine) = (ManualClock::default(), Duration::from_millis(500));
    let store = replica.builder().quarantine(quarantine).clock(clock.clone()).build().unwrap();
    assert_eq!(lease(&store, &key("a")).unwrap(), None);
    clock.advance(quarantine);
    put(&store, &key("a"), b"one");
}
