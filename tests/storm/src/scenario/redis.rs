//! Redis is broken.

use std::time::Duration;

use redis::Connection;

use super::{Bound, Failing, Scenario, Setting, Storm};
use crate::{Result, site::HOLD};

/// Long enough that the quarantine after it is over, or no cell would ever be filled.
const EVERY: std::ops::Range<u64> = 1_200..2_400;

pub(super) const KILLED: Scenario = Scenario {
    name: "redis-killed",
    breaks: "Redis is killed while a COMMIT is under way, and comes back empty; some workers are killed with it",
    bound: Bound::Never,
    failing: Failing::Writes,
    setting: Setting::PROXIED,
    every: EVERY,
    faults: &[kill],
};

pub(super) const KILLED_WITH_SNAPSHOT: Scenario = Scenario {
    name: "redis-snapshot",
    breaks: "as redis-killed, but Redis comes back with a snapshot of some time ago",
    faults: &[save_and_kill],
    ..KILLED
};

pub(super) const KILLED_WITH_LOG: Scenario = Scenario {
    name: "redis-log",
    breaks: "as redis-killed, but Redis comes back with all it had, from its append-only file",
    setting: Setting { appends: true, ..Setting::PROXIED },
    ..KILLED
};

pub(super) const FROZEN: Scenario = Scenario {
    name: "redis-frozen",
    breaks: "Redis stands still, some time for longer than markers are held",
    bound: Bound::Never,
    failing: Failing::Writes,
    setting: Setting::PLAIN,
    every: 100..700,
    faults: &[freeze],
};

/// With its marker a write loses what keeps readers from storing the old row. It makes up for that when it ends, or, if the answer to
/// its COMMIT was lost, when the marker would have expired.
pub(super) const FLUSHED: Scenario = Scenario {
    name: "redis-flushed",
    breaks: "FLUSHALL while a COMMIT is under way, which takes its markers along; some answers to COMMIT are lost",
    bound: Bound::Within(HOLD.saturating_add(Duration::from_millis(500))),
    failing: Failing::Writes,
    setting: Setting::PROXIED,
    every: 50..1_500,
    faults: &[flush],
};

pub(super) const SCRIPTS_FLUSHED: Scenario = Scenario {
    name: "redis-scripts",
    breaks: "SCRIPT FLUSH",
    bound: Bound::Never,
    failing: Failing::Seldom,
    setting: Setting::PLAIN,
    every: 5..60,
    faults: &[flush_scripts],
};

pub(super) const CLIENTS_KILLED: Scenario = Scenario {
    name: "redis-clients",
    breaks: "CLIENT KILL of every connection",
    bound: Bound::Never,
    failing: Failing::Writes,
    setting: Setting::PLAIN,
    every: 50..700,
    faults: &[kill_clients],
};

pub(super) const FULL: Scenario = Scenario {
    name: "redis-full",
    breaks: "Redis is full of what others write, and evicts by allkeys-lru",
    // A marker may be evicted, though it is among the keys used last.
    bound: Bound::Within(HOLD),
    failing: Failing::Writes,
    setting: Setting { redis: &[("maxmemory", "4mb"), ("maxmemory-policy", "allkeys-lru")], ..Setting::PLAIN },
    every: 1..20,
    faults: &[fill],
};

pub(super) fn kill(storm: &mut Storm) -> Result<bool> {
    storm.stretch_commit();
    storm.arena.redis.kill()?;
    if storm.dice.bool() {
        storm.wait(0..500);
    }
    storm.arena.redis.restart()?;
    // One that is started now meets no other server than this one, and may not trust it all the same.
    storm.perhaps_kill_a_worker()?;
    Ok(true)
}

pub(super) fn save_and_kill(storm: &mut Storm) -> Result<bool> {
    command(&mut storm.arena.redis_connection()?, &["SAVE"])?;
    storm.wait(0..1_000);
    kill(storm)
}

pub(super) fn freeze(storm: &mut Storm) -> Result<bool> {
    storm.arena.redis.pause()?;
    storm.wait(50..2_000);
    storm.arena.redis.resume()?;
    Ok(true)
}

fn flush(storm: &mut Storm) -> Result<bool> {
    if storm.dice.u8(..4) == 0 {
        storm.proxies()?.postgres.lose_the_answer_to_commit();
    }
    storm.stretch_commit();
    command(&mut storm.arena.redis_connection()?, &["FLUSHALL"])?;
    Ok(true)
}

pub(super) fn flush_scripts(storm: &mut Storm) -> Result<bool> {
    command(&mut storm.arena.redis_connection()?, &["SCRIPT", "FLUSH"])?;
    Ok(true)
}

pub(super) fn kill_clients(storm: &mut Storm) -> Result<bool> {
    let kill = ["KILL", "TYPE", "normal"];
    let n_killed: u64 = redis::cmd("CLIENT").arg(&kill).query(&mut storm.arena.redis_connection()?)?;
    Ok(n_killed > 0)
}

/// Writes as much as there is room for, so that about everything is evicted that is not used all the time.
fn fill(storm: &mut Storm) -> Result<bool> {
    let mut connection = storm.arena.redis_connection()?;
    let mut pipeline = redis::pipe();
    for _ in 0..256 {
        let length = storm.dice.usize(1_000..8_000);
        pipeline.set(format!("other:{}", storm.dice.u64(..)), vec![b'x'; length]).ignore();
    }
    pipeline.query::<()>(&mut connection)?;
    Ok(true)
}

pub(super) fn command(connection: &mut Connection, words: &[&str]) -> Result<()> {
    Ok(redis::cmd(words[0]).arg(&words[1..]).query(connection)?)
}
