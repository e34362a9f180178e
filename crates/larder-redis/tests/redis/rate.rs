//! Rate limits on a real server.

mod exact;

use std::time::{Duration, Instant};

use larder_redis::{
    RedisStore,
    rate::{Decision, Limit, RateLimiter, WhenAway},
};

use crate::{
    eventually::eventually,
    server::{Server, namespace},
};

/// So slow that nothing drips in while a test runs.
const SLOW: Limit = Limit::per_hour("slow", 4).burst(3);

fn limiter(server: &Server, when_away: WhenAway) -> RateLimiter {
    server.patient().build().unwrap().rate_limiter("test", when_away)
}

fn remaining(decision: &Decision) -> Vec<u32> {
    decision.standings.iter().map(|standing| standing.remaining).collect()
}

#[test]
fn a_burst_passes_and_then_nothing_until_the_time_that_is_told() {
    let server = Server::shared();
    let limiter = limiter(&server, WhenAway::Fail);
    for left in [2, 1, 0] {
        let decision = limiter.check(&[SLOW.of("ada")]).unwrap();
        assert!(decision.is_allowed && decision.is_known());
        assert_eq!((remaining(&decision), decision.retry_after()), (vec![left], None));
    }
    let decision = limiter.check(&[SLOW.of("ada")]).unwrap();
    assert!(!decision.is_allowed);
    let quarter = Duration::from_secs(15 * 60);
    let (told, reset) = (decision.retry_after().unwrap(), decision.tightest().unwrap().reset_after);
    assert!(told <= quarter && told > quarter - Duration::from_secs(60), "{told:?}");
    assert_eq!(reset, told + 2 * quarter);
    assert!(limiter.check(&[SLOW.of("grace")]).unwrap().is_allowed, "another key is another bucket");
}

#[test]
fn where_one_refuses_nothing_is_taken_of_any() {
    let server = Server::shared();
    let limiter = limiter(&server, WhenAway::Fail);
    let wide = Limit::per_hour("wide", 100);
    limiter.check(&[SLOW.of("ada").costs(3)]).unwrap();
    for charges in [[wide.of("1"), SLOW.of("ada")], [SLOW.of("ada"), wide.of("1")]] {
        let decision = limiter.check(&charges).unwrap();
        assert!(!decision.is_allowed);
        assert_eq!(decision.tightest().unwrap().limit, SLOW);
        assert!(decision.standings.iter().all(|standing| standing.is_refused == (standing.limit == SLOW)));
    }
    assert_eq!(remaining(&limiter.check(&[wide.of("1").costs(0), SLOW.of("ada").costs(0)]).unwrap()), [100, 0]);
    let decision = limiter.check(&[wide.of("1"), SLOW.of("grace")]).unwrap();
    assert!(decision.is_allowed);
    assert_eq!(remaining(&decision), [99, 2]);
}

#[test]
fn what_is_dearer_takes_more_and_what_never_fits_never_passes() {
    let server = Server::shared();
    let limiter = limiter(&server, WhenAway::Fail);
    assert_eq!(remaining(&limiter.check(&[SLOW.of("ada").costs(2)]).unwrap()), [1]);
    let decision = limiter.check(&[SLOW.of("ada").costs(2)]).unwrap();
    assert!(!decision.is_allowed && decision.retry_after().is_some());
    for n in [4, u32::MAX] {
        let decision = limiter.check(&[SLOW.of("grace").costs(n)]).unwrap();
        assert_eq!((decision.is_allowed, decision.retry_after(), remaining(&decision)), (false, None, vec![3]));
    }
    assert!(limiter.check(&[SLOW.of("ada")]).unwrap().is_allowed, "what was refused was not taken");
}

#[test]
fn a_look_passes_always_and_takes_nothing() {
    let server = Server::shared();
    let limiter = limiter(&server, WhenAway::Fail);
    limiter.check(&[SLOW.of("ada").costs(3)]).unwrap();
    for _ in 0..3 {
        let decision = limiter.check(&[SLOW.of("ada").costs(0)]).unwrap();
        assert!(decision.is_allowed);
        assert_eq!(remaining(&decision), [0]);
    }
    // It passes also where the bucket was made smaller meanwhile than what has been taken of it.
    let smaller = SLOW.burst(1);
    assert!(limiter.check(&[smaller.of("ada").costs(0)]).unwrap().is_allowed);
    assert!(!limiter.check(&[smaller.of("ada")]).unwrap().is_allowed);
}

#[test]
fn one_key_twice_in_a_check_is_charged_twice() {
    let server = Server::shared();
    let limiter = limiter(&server, WhenAway::Fail);
    let twice = || limiter.check(&[SLOW.of("ada"), SLOW.of("ada")]).unwrap();
    let first = twice();
    assert_eq!((first.is_allowed, remaining(&first)), (true, vec![1, 1]));
    let second = twice();
    assert_eq!((second.is_allowed, remaining(&second)), (false, vec![1, 1]));
    assert!(limiter.check(&[SLOW.of("ada")]).unwrap().is_allowed);
}

#[test]
fn nothing_to_charge_is_allowed_without_asking() {
    let mut server = Server::private(&[]);
    let limiter = limiter(&server, WhenAway::Fail);
    server.kill();
    assert!(limiter.check(&[]).unwrap().is_allowed);
}

#[test]
fn what_was_forgiven_was_never_taken() {
    let server = Server::shared();
    let limiter = limiter(&server, WhenAway::Fail);
    limiter.check(&[SLOW.of("ada").costs(3)]).unwrap();
    limiter.forgive(&[SLOW.of("ada"), SLOW.of("nobody")]).unwrap();
    assert_eq!(remaining(&limiter.check(&[SLOW.of("ada").costs(0)]).unwrap()), [3]);
    limiter.forgive(&[]).unwrap();
}

#[test]
fn a_key_is_kept_until_it_has_all_of_its_tokens_again_and_tells_nobody_whose_it_is() {
    let (server, namespace) = (Server::shared(), namespace());
    let store = server.patient().namespace(&namespace).build().unwrap();
    let limiter = store.rate_limiter("test", WhenAway::Fail);
    limiter.check(&[SLOW.of("ada@example.org")]).unwrap();
    let keys = server.keys(&namespace);
    assert_eq!(keys.len(), 1);
    assert!(keys[0].starts_with(&format!("{namespace}#rate:{{:test}}:")) && !keys[0].contains("ada"), "{keys:?}");
    let left: u64 = redis::cmd("PTTL").arg(&keys[0]).query(&mut server.raw()).unwrap();
    let reset = limiter.check(&[SLOW.of("ada@example.org").costs(0)]).unwrap().standings[0].reset_after;
    assert!(Duration::from_millis(left + 1) >= reset && left <= 15 * 60 * 1_000 + 1, "{left} ms, {reset:?}");
    limiter.forgive(&[SLOW.of("ada@example.org")]).unwrap();
    let quick = Limit::new("quick", 1, Duration::from_millis(20));
    for n in 0..100 {
        limiter.check(&[quick.of(n.to_string())]).unwrap();
    }
    eventually("no key is left", || server.keys(&namespace).is_empty());
}

#[test]
fn counts_are_those_of_a_name_and_a_namespace() {
    let (server, namespace) = (Server::shared(), namespace());
    let limiter = |namespace: &str, name: &str| {
        server.patient().namespace(namespace).build().unwrap().rate_limiter(name, WhenAway::Fail)
    };
    let (one, same) = (limiter(&namespace, "a"), limiter(&namespace, "a"));
    let others = [limiter(&namespace, "b"), limiter(&(namespace.clone() + "x:"), "a"), limiter(&namespace, "a}:")];
    one.check(&[SLOW.of("ada").costs(3)]).unwrap();
    assert!(!same.check(&[SLOW.of("ada")]).unwrap().is_allowed);
    assert!(others.iter().all(|other| other.check(&[SLOW.of("ada")]).unwrap().is_allowed));
}

#[test]
fn a_clock_that_was_set_back_gives_nothing_and_takes_nothing() {
    let (server, namespace) = (Server::shared(), namespace());
    let store = server.patient().namespace(&namespace).build().unwrap();
    let limiter = store.rate_limiter("test", WhenAway::Fail);
    limiter.check(&[SLOW.of("ada")]).unwrap();
    let key = server.keys(&namespace).remove(0);
    // As it would lie there if it had been put an hour later by the clock.
    let held: String = redis::cmd("GET").arg(&key).query(&mut server.raw()).unwrap();
    let (debt, at) = held.split_once(' ').unwrap();
    let later = at.parse::<u64>().unwrap() + 3_600_000_000;
    redis::cmd("SET").arg(&key).arg(format!("{debt} {later}")).exec(&mut server.raw()).unwrap();
    let looked = limiter.check(&[SLOW.of("ada").costs(0)]).unwrap();
    assert_eq!(looked.standings[0].reset_after, Duration::from_secs(15 * 60));
    assert_eq!(remaining(&limiter.check(&[SLOW.of("ada")]).unwrap()), [1]);
}

#[test]
fn what_is_no_bucket_is_refused_by_the_server_or_replaced() {
    let (server, namespace) = (Server::shared(), namespace());
    let store = server.patient().namespace(&namespace).build().unwrap();
    let limiter = store.rate_limiter("test", WhenAway::Fail);
    limiter.check(&[SLOW.of("ada")]).unwrap();
    let key = server.keys(&namespace).remove(0);
    redis::cmd("SET").arg(&key).arg("garbage").exec(&mut server.raw()).unwrap();
    assert_eq!(remaining(&limiter.check(&[SLOW.of("ada")]).unwrap()), [2]);
    redis::cmd("DEL").arg(&key).exec(&mut server.raw()).unwrap();
    redis::cmd("LPUSH").arg(&key).arg("garbage").exec(&mut server.raw()).unwrap();
    assert!(limiter.check(&[SLOW.of("ada")]).unwrap_err().is_refused());
}

#[test]
fn a_bucket_is_no_cell() {
    use larder::store::{Cursor, Store as _};
    let server = Server::private(&[]);
    let store = server.store();
    store.rate_limiter("test", WhenAway::Fail).check(&[SLOW.of("ada")]).unwrap();
    assert_eq!(store.scan(b"", Cursor::START).unwrap().keys, []);
}

#[test]
fn while_the_server_is_away_a_limiter_fails_as_it_was_told_and_counts_again_when_it_is_back() {
    let mut server = Server::private(&[]);
    let store = server.store();
    let limiter = |when_away| store.rate_limiter("test", when_away);
    let [open, closed, failing] = [WhenAway::Allow, WhenAway::Refuse, WhenAway::Fail].map(limiter);
    let charge = [SLOW.of("ada").costs(3)];
    assert!(failing.check(&charge).unwrap().is_allowed);
    server.kill();
    for _ in 0..3 {
        let (one, other) = (open.check(&charge).unwrap(), closed.check(&charge).unwrap());
        assert_eq!((one.is_allowed, one.is_known()), (true, false));
        assert_eq!((other.is_allowed, other.is_known()), (false, false));
        assert!(failing.check(&charge).unwrap_err().is_unavailable());
    }
    server.restart();
    eventually("the server is back", || failing.check(&[SLOW.of("grace").costs(3)]).is_ok());
    assert!(open.check(&charge).unwrap().is_known(), "it had been kept nowhere, and begins anew");
    assert!(!open.check(&charge).unwrap().is_allowed);
}

#[test]
fn a_server_that_stands_still_is_waited_for_no_longer_than_the_time_out() {
    const TIMEOUT: Duration = Duration::from_millis(100);
    const SLACK: Duration = Duration::from_millis(700);
    let server = Server::private(&[]);
    let store = server.builder().io_timeout(TIMEOUT).pool_size(1).build().unwrap();
    let limiter = store.rate_limiter("test", WhenAway::Allow);
    assert!(limiter.check(&[SLOW.of("ada")]).unwrap().is_known());
    let frozen = server.freeze();
    for _ in 0..5 {
        let start = Instant::now();
        let decision = limiter.check(&[SLOW.of("ada")]).unwrap();
        assert!(decision.is_allowed && !decision.is_known());
        assert!(start.elapsed() < TIMEOUT + SLACK, "{:?}", start.elapsed());
    }
    drop(frozen);
    eventually("the server answers again", || limiter.check(&[SLOW.of("ada").costs(0)]).unwrap().is_known());
    // The first one may have been taken after all, and none was taken twice.
    let left = remaining(&limiter.check(&[SLOW.of("ada").costs(0)]).unwrap());
    assert!(left == [1] || left == [2], "{left:?}");
}

#[test]
fn a_limiter_outlives_its_connections_and_its_script() {
    let server = Server::private(&[]);
    let limiter = limiter(&server, WhenAway::Fail);
    limiter.check(&[SLOW.of("ada")]).unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.raw()).unwrap();
    assert_eq!(remaining(&limiter.check(&[SLOW.of("ada")]).unwrap()), [1]);
    server.end_connections();
    let look = [SLOW.of("ada").costs(0)];
    eventually("there are connections again", || limiter.check(&look).is_ok());
    assert_eq!(remaining(&limiter.check(&look).unwrap()), [1]);
}

#[test]
fn the_permissions_that_are_documented_are_enough() {
    let server = Server::private(&[]);
    let rules = "~shop:* +hello +select +info +ping +client|setname +evalsha +script|load +get +set +del +time";
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("ada").arg("reset").arg("on").arg(">secret").arg(rules.split(' ').collect::<Vec<_>>());
    command.exec(&mut server.raw()).unwrap();
    let url = format!("redis://ada:secret@127.0.0.1:{}", server.port());
    let store = RedisStore::builder(&url).namespace("shop:").build().unwrap();
    let limiter = store.rate_limiter("test", WhenAway::Fail);
    limiter.check(&[SLOW.of("ada")]).unwrap();
    limiter.forgive(&[SLOW.of("ada")]).unwrap();
    let denied: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut server.raw()).unwrap();
    assert_eq!(denied, []);
}
