//! What each process keeps near itself, and the line on which it is told of writes.

use std::{collections::BTreeSet, time::Duration};

use tests::Side;

use super::{Bound, Failing, Scenario, Setting, Storm, redis, workers};
use crate::{
    Result,
    flawed::Flaw,
    site::{Cache, HOLD, HORIZON},
};

const NEAR: Setting = Setting { cache: Cache::Near(Flaw::None), near_share: 10, ..Setting::PLAIN };
const PROXIED: Setting = Setting { is_proxied: true, ..NEAR };

pub(super) const CALM: Scenario = Scenario {
    name: "near-calm",
    breaks: "nothing; rows are kept near",
    bound: Bound::Never,
    failing: Failing::Seldom,
    setting: NEAR,
    every: 50..100,
    faults: &[],
};

pub(super) const STOPPED: Scenario = Scenario {
    name: "near-stopped",
    breaks: "workers stand still for longer than what is near may be served",
    failing: Failing::Writes,
    every: 50..300,
    faults: &[stop],
    ..CALM
};

pub(super) const CUT: Scenario = Scenario {
    name: "near-cut",
    breaks: "the lines on which workers are told of writes are cut, and no others",
    setting: PROXIED,
    every: 5..300,
    faults: &[cut],
    ..CALM
};

pub(super) const HALF_CLOSED: Scenario = Scenario {
    name: "near-half-closed",
    breaks: "one direction of the lines on which workers are told of writes ends, and the other goes on",
    setting: PROXIED,
    every: 50..500,
    faults: &[half_close],
    ..CALM
};

pub(super) const LATE: Scenario = Scenario {
    name: "near-late",
    breaks: "workers are told of writes late, some later than what is near may be served",
    setting: PROXIED,
    every: 50..300,
    faults: &[delay],
    ..CALM
};

pub(super) const LOST: Scenario = Scenario {
    name: "near-lost",
    breaks: "workers are told of no write any more, on lines that stay up",
    setting: PROXIED,
    every: 300..1_200,
    faults: &[deafen],
    ..CALM
};

pub(super) const KILLED: Scenario = Scenario {
    name: "near-clients",
    breaks: "CLIENT KILL of every line on which workers are told of writes",
    // A line that is lost again at once is not made again at once.
    every: 400..1_200,
    faults: &[kill_lines],
    ..CALM
};

pub(super) const OVERFLOWN: Scenario = Scenario {
    name: "near-overflow",
    breaks: "Redis hangs up on workers that are slow to be told of writes, since it has too much to tell them",
    setting: Setting { redis: &[("client-output-buffer-limit", "pubsub 16kb 0 0")], ..PROXIED },
    every: 50..300,
    faults: &[overflow],
    ..CALM
};

pub(super) const REDIS_KILLED: Scenario = Scenario {
    name: "near-redis-killed",
    breaks: "as redis-killed, and rows are kept near",
    // For a second after each start of Redis nothing is.
    setting: Setting { near_share: 2, ..PROXIED },
    ..redis::KILLED
};

pub(super) const FLUSHED: Scenario = Scenario {
    name: "near-flushed",
    breaks: "as redis-flushed, and rows are kept near",
    bound: Bound::Within(HOLD.saturating_add(Duration::from_millis(500)).saturating_add(HORIZON)),
    setting: PROXIED,
    ..redis::FLUSHED
};

pub(super) const MIXED: Scenario = Scenario {
    name: "near-mixed",
    breaks: "all of these but FLUSHALL, one after the other; some workers are killed",
    failing: Failing::Writes,
    setting: Setting { near_share: 2, ..PROXIED },
    every: 300..1_200,
    faults: &[stop, cut, half_close, delay, deafen, kill_lines, workers::kill, redis::kill, redis::freeze],
    ..CALM
};

pub(super) const UNPROVEN: Scenario = Scenario {
    name: "near-unproven",
    breaks: "as near-lost; a control: what is near is served without proof",
    bound: Bound::Stale,
    setting: Setting { cache: Cache::Near(Flaw::Unproven), ..PROXIED },
    ..LOST
};

pub(super) const UNFLUSHED: Scenario = Scenario {
    name: "near-unflushed",
    breaks: "as near-cut; a control: what is near is kept when the line is lost",
    bound: Bound::Stale,
    setting: Setting { cache: Cache::Near(Flaw::Unflushed), ..PROXIED },
    ..CUT
};

pub(super) const UNCLAIMED: Scenario = Scenario {
    name: "near-unclaimed",
    breaks: "nothing; a control: what was read is kept near although it was written meanwhile",
    bound: Bound::Stale,
    setting: Setting { cache: Cache::Near(Flaw::Unclaimed), ..NEAR },
    ..CALM
};

pub(super) const WRITES_ELSEWHERE: Scenario = Scenario {
    name: "near-writes-elsewhere",
    breaks: "as near-late; a control: a worker is told of its own writes like anybody else",
    bound: Bound::Missed,
    setting: Setting { cache: Cache::Near(Flaw::WritesElsewhere), ..PROXIED },
    ..LATE
};

/// In the name of each channel on which a process is told of writes, and of no other channel.
const CHANGED: &str = "#changed";

pub(super) fn stop(storm: &mut Storm) -> Result<bool> {
    let worker = storm.worker();
    storm.crew.freeze(worker, true)?;
    // Longer than what is near may be served, and sometimes so long that the server has hung up.
    storm.wait(300..1_500);
    storm.crew.freeze(worker, false)?;
    Ok(true)
}

pub(super) fn cut(storm: &mut Storm) -> Result<bool> {
    let mut dice = storm.dice.fork();
    Ok(storm.proxies()?.redis.subscribers(CHANGED).cut(|| dice.bool()) > 0)
}

pub(super) fn half_close(storm: &mut Storm) -> Result<bool> {
    let mut dice = storm.dice.fork();
    let side = if dice.bool() { Side::Client } else { Side::Server };
    Ok(storm.proxies()?.redis.subscribers(CHANGED).half_close(side, || dice.bool()) > 0)
}

pub(super) fn delay(storm: &mut Storm) -> Result<bool> {
    let by = Duration::from_millis(storm.dice.u64(20..450));
    storm.proxies()?.redis.subscribers(CHANGED).delay(by);
    storm.wait(300..1_500);
    Ok(storm.proxies()?.redis.subscribers(CHANGED).hurry() > 0)
}

pub(super) fn deafen(storm: &mut Storm) -> Result<bool> {
    let mut dice = storm.dice.fork();
    Ok(storm.proxies()?.redis.subscribers(CHANGED).deafen(|| dice.bool()) > 0)
}

pub(super) fn kill_lines(storm: &mut Storm) -> Result<bool> {
    let killed =
        ::redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query::<u64>(&mut storm.arena.redis_connection()?);
    Ok(killed? > 0)
}

/// Holds the lines back, and publishes more there than Redis keeps for anybody.
fn overflow(storm: &mut Storm) -> Result<bool> {
    let mut connection = storm.arena.redis_connection()?;
    let before = listeners(&mut connection)?;
    // Longer than it takes until what waits between the server and the workers is full as well.
    storm.proxies()?.redis.subscribers(CHANGED).delay(Duration::from_millis(700));
    let channels: Vec<String> = ::redis::cmd("PUBSUB").arg(&["CHANNELS", "*#changed*"]).query(&mut connection)?;
    // A write of no cell that anybody has.
    let name = format!("others:id:{}", "x".repeat(4_000));
    let message = format!("D{:08x}{name}", name.len());
    for channel in channels {
        while before.is_subset(&listeners(&mut connection)?) && !storm.pace.is_over() {
            let mut pipeline = ::redis::pipe();
            for _ in 0..256 {
                pipeline.publish(&channel, &message).ignore();
            }
            pipeline.query::<()>(&mut connection)?;
        }
    }
    let _ = storm.proxies()?.redis.subscribers(CHANGED).hurry();
    Ok(!before.is_subset(&listeners(&mut connection)?))
}

/// The clients of the server that have subscribed to something.
fn listeners(connection: &mut ::redis::Connection) -> Result<BTreeSet<String>> {
    let list: String = ::redis::cmd("CLIENT").arg(&["LIST", "TYPE", "pubsub"]).query(connection)?;
    Ok(list.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}
