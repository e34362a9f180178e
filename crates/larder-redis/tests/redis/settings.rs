use std::thread;

use larder::store::Cell;
use larder_redis::Warning;

use crate::{
    cells::{begin, key, read},
    eventually::eventually,
    log::Log,
    server::Server,
};

fn server(policy: &str, maxmemory: &str) -> Server {
    Server::private(&[("maxmemory", maxmemory), ("maxmemory-policy", policy)])
}

fn warnings(server: &Server) -> Vec<Warning> {
    server.store().warnings().expect("the first connection was waited for")
}

#[test]
fn policies_that_evict_markers_are_warned_about() {
    for policy in ["volatile-ttl", "allkeys-random", "volatile-random"] {
        let server = server(policy, "64mb");
        assert_eq!(warnings(&server), [Warning::EvictsMarkers { policy: policy.to_owned() }]);
    }
}

#[test]
fn policies_that_leave_markers_to_the_last_are_not() {
    for policy in ["allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu"] {
        assert_eq!(warnings(&server(policy, "64mb")), []);
    }
    // Without a limit nothing is ever evicted.
    assert_eq!(warnings(&server("volatile-ttl", "0")), []);
    assert_eq!(warnings(&Server::private(&[])), []);
}

#[test]
fn a_server_that_will_refuse_when_full_is_warned_about_and_does() {
    let server = server("noeviction", "64mb");
    assert_eq!(warnings(&server), [Warning::RefusesWhenFull { maxmemory_bytes: 64 << 20 }]);
    let (store, mut raw) = (server.store(), server.raw());
    // So little that it is full already.
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec(&mut raw).unwrap();
    assert!(begin(&store, &key("a")).is_err_and(|error| error.is_refused()));
}

#[test]
fn the_policy_that_is_warned_about_takes_markers_first() {
    // Not larder's doing, but what the warning says: of a server that is full of values, the markers go.
    let server = server("volatile-ttl", "8mb");
    let (store, mut raw, marked) = (server.store(), server.raw(), key("marked"));
    begin(&store, &marked).unwrap();
    let is_marked = || read(&store, &marked).unwrap() == Cell::InDoubt;
    assert!(is_marked());
    let mut n = 0;
    eventually("the marker is evicted", || {
        for _ in 0..100 {
            n += 1;
            let value = vec![7_u8; 10_000];
            redis::cmd("SET").arg(format!("other:{n}")).arg(value).arg("EX").arg(6_000).exec(&mut raw).unwrap();
        }
        !is_marked()
    });
}

/// How a warning of the server's life as it is now begins.
fn said_of(server: &Server) -> String {
    let info: String = redis::cmd("INFO").arg("server").query(&mut server.raw()).unwrap();
    format!("run_id={:?} ", info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap())
}

#[test]
fn a_life_of_a_server_is_warned_about_once_and_the_next_life_again() {
    let mut server = server("volatile-ttl", "64mb");
    // Connections are made by threads of the pool.
    let log = Log::of_all_threads();
    let store = server.builder().pool_size(4).build().unwrap();
    let n_told = |said: &str| log.lines().iter().filter(|line| line.contains(said)).count();
    let first = said_of(&server);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| drop(read(&store, &key("a")))));
        }
    });
    let mut clients = String::new();
    eventually("there are several connections", || {
        drop(read(&store, &key("a")));
        clients = redis::cmd("CLIENT").arg("LIST").query(&mut server.raw()).unwrap();
        clients.matches("name=larder").count() > 1
    });
    assert_eq!(n_told(&first), 1, "{clients}");
    server.kill();
    server.restart();
    eventually("the store is back", || read(&store, &key("a")).is_ok());
    let second = said_of(&server);
    assert!(first != second);
    assert_eq!((n_told(&first), n_told(&second)), (1, 1));
}

#[test]
fn before_a_server_was_met_nothing_is_known_and_then_it_is() {
    let mut server = server("volatile-ttl", "64mb");
    server.kill();
    let store = server.store();
    assert_eq!(store.warnings(), None);
    server.restart();
    eventually("the server is met", || store.warnings().is_some());
    assert_eq!(store.warnings().map(|warnings| warnings.len()), Some(1));
    // What was set meanwhile is seen with the next connection.
    redis::cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg("allkeys-lru").exec(&mut server.raw()).unwrap();
    redis::cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes")
        .exec(&mut server.raw())
        .unwrap();
    eventually("a new connection sees it", || {
        drop(read(&store, &key("a")));
        store.warnings() == Some(Vec::new())
    });
}
