//! What each process keeps near of strict models: never older than the database, whatever happens to a process or its line.

use super::{Bound, Failing, Scenario, Setting, near, redis, workers};
use crate::{flawed::Flaw, site::Cache};

const STRICT: Setting = Setting { cache: Cache::Strict(Flaw::None), near_share: 10, ..Setting::PLAIN };
const PROXIED: Setting = Setting { is_proxied: true, ..STRICT };

pub(super) const CALM: Scenario = Scenario {
    name: "strict-calm",
    breaks: "nothing; rows of strict models are kept near",
    bound: Bound::Never,
    failing: Failing::Seldom,
    setting: STRICT,
    every: 50..100,
    faults: &[],
};

pub(super) const KILLED: Scenario = Scenario {
    name: "strict-killed",
    breaks: "workers are killed while writers wait for them",
    failing: Failing::Writes,
    every: 50..1_500,
    faults: &[workers::kill],
    ..CALM
};

pub(super) const STOPPED: Scenario = Scenario {
    name: "strict-stopped",
    breaks: "workers stand still for longer than what is near may be served, while writers wait for them",
    failing: Failing::Writes,
    every: 50..300,
    faults: &[near::stop],
    ..CALM
};

pub(super) const CUT: Scenario = Scenario {
    name: "strict-cut",
    breaks: "the lines on which workers are told of writes are cut or half closed, and no others",
    failing: Failing::Writes,
    setting: PROXIED,
    every: 300..1_200,
    faults: &[near::cut, near::half_close, near::kill_lines],
    ..CALM
};

pub(super) const LATE: Scenario = Scenario {
    name: "strict-late",
    breaks: "workers are told of writes late, some later than writers wait for them",
    failing: Failing::Writes,
    setting: PROXIED,
    every: 300..1_200,
    faults: &[near::delay],
    ..CALM
};

pub(super) const LOST: Scenario = Scenario {
    name: "strict-lost",
    breaks: "workers are told of no write any more, on lines that stay up",
    failing: Failing::Writes,
    setting: PROXIED,
    every: 300..1_200,
    faults: &[near::deafen],
    ..CALM
};

pub(super) const REDIS_KILLED: Scenario = Scenario {
    name: "strict-redis-killed",
    breaks: "as redis-killed, and rows of strict models are kept near",
    setting: Setting { near_share: 2, ..PROXIED },
    ..redis::KILLED
};

pub(super) const MIXED: Scenario = Scenario {
    name: "strict-mixed",
    breaks: "all of these, one after the other",
    failing: Failing::Writes,
    setting: Setting { near_share: 2, ..PROXIED },
    every: 300..1_500,
    faults: &[
        workers::kill,
        near::stop,
        near::cut,
        near::half_close,
        near::delay,
        near::deafen,
        near::kill_lines,
        redis::kill,
        redis::freeze,
    ],
    ..CALM
};

pub(super) const UNPROVEN: Scenario = Scenario {
    name: "strict-unproven",
    breaks: "as strict-lost; a control: what is near is served without proof",
    bound: Bound::Stale,
    setting: Setting { cache: Cache::Strict(Flaw::Unproven), ..PROXIED },
    ..LOST
};

pub(super) const UNRECALLED: Scenario = Scenario {
    name: "strict-unrecalled",
    breaks: "as strict-late; a control: writers wait for nobody",
    bound: Bound::Stale,
    setting: Setting { cache: Cache::Strict(Flaw::Unrecalled), ..PROXIED },
    ..LATE
};
