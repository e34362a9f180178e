//! What is broken, and what is promised all the same.

mod failover;
mod near;
mod network;
mod postgres;
mod redis;
mod strict;
mod workers;

use std::{ops::Range, time::Duration};

use self::failover::Replica;
use crate::{
    Result,
    arena::{Arena, Proxies},
    crew::Crew,
    pace::Pace,
    site::Cache,
};

/// Something that is broken again and again while workers read and write.
#[derive(Debug)]
pub struct Scenario {
    /// How it is called.
    pub name: &'static str,
    /// What is broken, in a sentence.
    pub breaks: &'static str,
    /// What may be stale all the same.
    pub bound: Bound,
    /// What may fail.
    pub(crate) failing: Failing,
    pub(crate) setting: Setting,
    /// How long all is well between two faults, in milliseconds.
    pub(crate) every: Range<u64>,
    /// What is done then, one or another.
    pub(crate) faults: &'static [Fault],
}

/// Breaks something, and mends it: whether anybody was hit.
pub(crate) type Fault = fn(&mut Storm) -> Result<bool>;

/// Which operations may fail, because what they need is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// One in a hundred, and no read that caches may answer: whoever is cut off in the middle of a write.
    Seldom,
    /// Writes, and transactions. No read fails because a cache does.
    Writes,
    /// All of them.
    Any,
}

/// What of a read may be stale; what is served near may be as old as its horizon besides. Whatever it is, nothing uncommitted is ever
/// read, no acknowledged write is lost, and nothing is stale when all is quiet; and what is served near is never older than what the
/// process has written itself, or has read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Nothing.
    Never,
    /// What has been out of date for no longer than this.
    Within(Duration),
    /// A control: there has to be something.
    Stale,
    /// A control: a process has to miss its own writes.
    Missed,
}

/// The servers that a scenario needs.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) cache: Cache,
    /// Whether workers reach the servers through proxies.
    pub(crate) is_proxied: bool,
    /// Whether Redis keeps an append-only file.
    pub(crate) appends: bool,
    /// Of a hundred reads, so many must be answered near at least.
    pub(crate) near_share: u64,
    /// Further settings of Redis.
    pub(crate) redis: &'static [(&'static str, &'static str)],
}

impl Setting {
    /// Nothing between workers and servers, and a Redis that forgets what it had when it is killed.
    const PLAIN: Self = Self { cache: Cache::Larder, is_proxied: false, appends: false, near_share: 0, redis: &[] };
    const PROXIED: Self = Self { is_proxied: true, ..Self::PLAIN };
}

/// Every scenario, in the order in which they are run.
///
/// All writes are strict: without Redis there are none. Scenarios of another policy belong into a module of their own, with a
/// `Setting` that says so.
pub static ALL: &[Scenario] = &[
    workers::CALM,
    workers::NAIVE,
    workers::KILLED,
    workers::FROZEN,
    redis::KILLED,
    redis::KILLED_WITH_SNAPSHOT,
    redis::KILLED_WITH_LOG,
    redis::FROZEN,
    redis::FLUSHED,
    redis::SCRIPTS_FLUSHED,
    redis::CLIENTS_KILLED,
    redis::FULL,
    failover::FAILOVER,
    postgres::KILLED,
    postgres::SESSIONS_ENDED,
    postgres::LATE_COMMIT,
    network::SLOW,
    network::CUT,
    network::HALF_CLOSED,
    MIXED,
    near::CALM,
    near::STOPPED,
    near::CUT,
    near::HALF_CLOSED,
    near::LATE,
    near::LOST,
    near::KILLED,
    near::OVERFLOWN,
    near::REDIS_KILLED,
    near::FLUSHED,
    near::MIXED,
    near::UNPROVEN,
    near::UNFLUSHED,
    near::UNCLAIMED,
    near::WRITES_ELSEWHERE,
    strict::CALM,
    strict::KILLED,
    strict::STOPPED,
    strict::CUT,
    strict::LATE,
    strict::LOST,
    strict::REDIS_KILLED,
    strict::MIXED,
    strict::UNPROVEN,
    strict::UNRECALLED,
];

/// Whatever takes no marker away that Redis does not know it has lost: a marker that is evicted, together with a writer that is killed,
/// leaves something stale for the whole time to live, as docs/guarantees.md says.
const MIXED: Scenario = Scenario {
    name: "mixed",
    breaks: "all of these, one after the other, but for what takes markers out of a Redis that goes on",
    bound: Bound::Never,
    failing: Failing::Any,
    setting: Setting::PROXIED,
    every: 20..300,
    faults: &[
        workers::kill,
        workers::kill,
        workers::freeze,
        redis::kill,
        redis::save_and_kill,
        redis::freeze,
        redis::flush_scripts,
        redis::kill_clients,
        failover::fail_over,
        postgres::kill,
        postgres::end_sessions,
        postgres::hold_commit,
        network::slow_down,
        network::cut,
        network::half_close,
    ],
};

/// The scenario of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

/// A run under way, as its faults see it.
#[derive(Debug)]
pub(crate) struct Storm {
    pub(crate) arena: Arena,
    pub(crate) crew: Crew,
    pub(crate) pace: Pace,
    pub(crate) dice: fastrand::Rng,
    pub(crate) n_faults: u64,
    /// Those that have hit somebody.
    pub(crate) n_struck: u64,
    /// A second Redis, once there has been a failover.
    pub(crate) replica: Option<Replica>,
}

impl Storm {
    /// Breaks one thing after the other until the run is over; then everything is mended.
    pub(crate) fn rage(&mut self, scenario: &Scenario) -> Result<()> {
        while self.wait(scenario.every.clone()) {
            if let Some(fault) = self.dice.choice(scenario.faults) {
                self.n_struck += u64::from(fault(self)?);
                self.n_faults += 1;
            }
        }
        Ok(())
    }

    /// Lets some time pass, in milliseconds: whether the run goes on.
    fn wait(&mut self, range: Range<u64>) -> bool {
        let time = Duration::from_millis(self.dice.u64(range));
        self.pace.wait(time)
    }

    fn worker(&mut self) -> usize {
        self.dice.usize(..self.crew.len())
    }

    fn proxies(&self) -> Result<&Proxies> {
        Ok(self.arena.proxies.as_ref().ok_or("this fault needs proxies")?)
    }

    /// Lets the next COMMIT be under way for a while, as long as is allowed, and returns when it is: what happens next happens meanwhile.
    fn stretch_commit(&mut self) {
        let time = Duration::from_millis(self.dice.u64(100..280));
        if let Some(proxies) = &self.arena.proxies {
            proxies.postgres.hold_the_next_commit(time);
            self.pace.wait_while(time, || proxies.postgres.awaits_a_commit());
        }
    }

    /// Kills a worker and starts it again, one time in two.
    fn perhaps_kill_a_worker(&mut self) -> Result<()> {
        if self.dice.bool() { workers::kill(self).map(drop) } else { Ok(()) }
    }
}
