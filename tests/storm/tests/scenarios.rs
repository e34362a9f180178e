//! Every scenario for some seconds, with servers of its own. `cargo xtask storm` runs them for as long as one likes.

use std::{
    path::PathBuf,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use storm::{
    run::{Plan, run},
    scenario,
};

/// How long workers read and write in each.
const TIME: Duration = Duration::from_secs(5);

/// Scenarios that may run at once: more would only wait for the same processors.
static FREE: Mutex<usize> = Mutex::new(2);
static FREED: Condvar = Condvar::new();

/// A place among those that run, given back on drop.
struct Turn;

impl Turn {
    fn wait() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        *FREED.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner) -= 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        FREED.notify_one();
    }
}

/// How often a scenario is played in which too little happens to show anything.
const TRIES: usize = 3;

fn stays_within_its_bound(name: &str) {
    let _turn = Turn::wait();
    let plan = || Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_storm")),
        n_workers: 3,
        n_threads: 2,
        time: Some(TIME),
        n_operations: Some(500),
        seed: fastrand::u64(..1 << 32),
        folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        tells_progress: false,
    };
    let scenario = scenario::named(name).expect("a test names a scenario");
    for n_left in (0..TRIES).rev() {
        let plan = plan();
        let report = run(scenario, &plan).unwrap_or_else(|error| panic!("{name}, seed {}: {error}", plan.seed));
        eprintln!("{report}");
        if !report.says_too_little() || n_left == 0 {
            assert!(report.is_good(), "seed {}: {report}", plan.seed);
            return;
        }
    }
}

macro_rules! tests {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                stays_within_its_bound($name);
            }
        )*

        #[test]
        fn every_scenario_has_its_test() {
            let names: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

tests! {
    calm: "calm",
    naive: "naive",
    worker_killed: "worker-killed",
    worker_frozen: "worker-frozen",
    redis_killed: "redis-killed",
    redis_snapshot: "redis-snapshot",
    redis_log: "redis-log",
    redis_frozen: "redis-frozen",
    redis_flushed: "redis-flushed",
    redis_scripts: "redis-scripts",
    redis_clients: "redis-clients",
    redis_full: "redis-full",
    redis_failover: "redis-failover",
    postgres_killed: "postgres-killed",
    postgres_sessions: "postgres-sessions",
    postgres_late_commit: "postgres-late-commit",
    network_slow: "network-slow",
    network_cut: "network-cut",
    network_half_closed: "network-half-closed",
    mixed: "mixed",
    near_calm: "near-calm",
    near_stopped: "near-stopped",
    near_cut: "near-cut",
    near_half_closed: "near-half-closed",
    near_late: "near-late",
    near_lost: "near-lost",
    near_clients: "near-clients",
    near_overflow: "near-overflow",
    near_redis_killed: "near-redis-killed",
    near_flushed: "near-flushed",
    near_mixed: "near-mixed",
    near_unproven: "near-unproven",
    near_unflushed: "near-unflushed",
    near_unclaimed: "near-unclaimed",
    near_writes_elsewhere: "near-writes-elsewhere",
    strict_calm: "strict-calm",
    strict_killed: "strict-killed",
    strict_stopped: "strict-stopped",
    strict_cut: "strict-cut",
    strict_late: "strict-late",
    strict_lost: "strict-lost",
    strict_redis_killed: "strict-redis-killed",
    strict_mixed: "strict-mixed",
    strict_unproven: "strict-unproven",
    strict_unrecalled: "strict-unrecalled",
}
