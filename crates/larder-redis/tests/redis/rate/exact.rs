//! How many pass, to the microsecond of the server's clock.

use std::{env, process::Command, thread, time::Duration};

use larder_redis::{
    RedisStore,
    rate::{Limit, RateLimiter, WhenAway},
};

use crate::{
    eventually::eventually,
    server::{Server, namespace},
};

/// Seven a second are no whole number of microseconds. It takes a minute to be full again, so that it never is while a test runs.
const LIMIT: Limit = Limit::per_second("exact", 7).burst(420);

const URL: &str = "LARDER_RATE_URL";
const NAMESPACE: &str = "LARDER_RATE_NAMESPACE";

const N_PROCESSES: usize = 3;
const N_THREADS: usize = 4;
const N_CHECKS: u64 = 400;

fn limiter(url: &str, namespace: &str) -> RateLimiter {
    let store = RedisStore::builder(url).namespace(namespace).pool_size(8).io_timeout(Duration::from_secs(20));
    store.build().unwrap().rate_limiter("test", WhenAway::Fail)
}

/// Takes as often as it can, with all threads: how many have passed.
fn hammer(limiter: &RateLimiter) -> u64 {
    let one = || (0..N_CHECKS).filter(|_| limiter.check(&[LIMIT.of("one")]).unwrap().is_allowed).count() as u64;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..N_THREADS).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn threads_of_several_processes_together_get_exactly_the_burst_and_what_drips() {
    if let (Ok(url), Ok(namespace)) = (env::var(URL), env::var(NAMESPACE)) {
        let n_passed = hammer(&limiter(&url, &namespace));
        let client = redis::Client::open(url).unwrap();
        let mut raw = client.get_connection().unwrap();
        redis::cmd("INCRBY").arg(format!("{namespace}passed")).arg(n_passed).exec(&mut raw).unwrap();
        return;
    }
    let (server, namespace) = (Server::shared(), namespace());
    let limiter = limiter(server.url(), &namespace);
    let before_first = server.now();
    assert!(limiter.check(&[LIMIT.of("one")]).unwrap().is_allowed);
    let after_first = server.now();
    let name = "rate::exact::threads_of_several_processes_together_get_exactly_the_burst_and_what_drips";
    let mut processes: Vec<_> = (0..N_PROCESSES)
        .map(|_| {
            let mut command = Command::new(env::current_exe().unwrap());
            command.args(["--exact", name]).env(URL, server.url()).env(NAMESPACE, &namespace).spawn().unwrap()
        })
        .collect();
    let n_here = hammer(&limiter);
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    let before_last = server.now();
    let left = limiter.check(&[LIMIT.of("one").costs(0)]).unwrap().standings[0].remaining;
    let after_last = server.now();
    let n_there: u64 = redis::cmd("GET").arg(format!("{namespace}passed")).query(&mut server.raw()).unwrap();
    let n_passed = 1 + n_here + n_there;
    let n_checked = 1 + (N_PROCESSES as u64 + 1) * N_THREADS as u64 * N_CHECKS;
    assert!(n_passed < n_checked, "nobody has found it empty");
    assert!(n_passed >= 420, "{n_passed} is less than were there");
    // What has passed and what is left are what was there and what has dripped in, in whole tokens.
    let dripped = |from: u64, to: u64| (to - from) * 7 / 1_000_000;
    let least = 420 + dripped(after_first, before_last);
    let most = 420 + dripped(before_first, after_last);
    let n_tokens = n_passed + u64::from(left);
    assert!(
        (least..=most).contains(&n_tokens),
        "{n_passed} have passed, {left} are left, not {least} to {most} in all"
    );
}

#[test]
fn a_token_passes_from_the_microsecond_on_from_which_it_is_there() {
    const PERIOD: u64 = 40_000;
    let limit = Limit::new("one", 1, Duration::from_micros(PERIOD));
    let server = Server::shared();
    let limiter = limiter(server.url(), &namespace());
    let mut taken = {
        let before = server.now();
        assert!(limiter.check(&[limit.of("one")]).unwrap().is_allowed);
        (before, server.now())
    };
    for _ in 0..5 {
        eventually("the next one is there", || {
            let before = server.now();
            let decision = limiter.check(&[limit.of("one")]).unwrap();
            let after = server.now();
            if decision.is_allowed {
                assert!(after >= taken.0 + PERIOD, "it has passed too early");
                taken = (before, after);
            } else {
                assert!(before < taken.1 + PERIOD, "it has not passed though it was there");
                let told = u64::try_from(decision.retry_after().unwrap().as_micros()).unwrap();
                // It was told at some moment between the two.
                assert!(
                    before + told <= taken.1 + PERIOD && after + told >= taken.0 + PERIOD,
                    "the wrong time was told"
                );
            }
            decision.is_allowed
        });
    }
}
