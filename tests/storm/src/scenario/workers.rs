//! Nothing is broken, or only workers are.

use super::{Bound, Failing, Scenario, Setting, Storm};
use crate::{Result, site::Cache};

pub(super) const CALM: Scenario = Scenario {
    name: "calm",
    breaks: "nothing",
    bound: Bound::Never,
    failing: Failing::Seldom,
    setting: Setting::PLAIN,
    every: 50..100,
    faults: &[],
};

pub(super) const NAIVE: Scenario = Scenario {
    name: "naive",
    breaks: "nothing; a control: the same workers delete from Redis after COMMIT, as people do by hand",
    bound: Bound::Stale,
    setting: Setting { cache: Cache::Naive, ..Setting::PLAIN },
    ..CALM
};

pub(super) const KILLED: Scenario = Scenario {
    name: "worker-killed",
    breaks: "workers are killed at random and started again",
    bound: Bound::Never,
    failing: Failing::Seldom,
    setting: Setting::PLAIN,
    every: 50..400,
    faults: &[kill],
};

pub(super) const FROZEN: Scenario = Scenario {
    name: "worker-frozen",
    breaks: "workers stand still, some for longer than markers are held",
    bound: Bound::Never,
    failing: Failing::Writes,
    setting: Setting::PLAIN,
    every: 50..300,
    faults: &[freeze],
};

pub(super) fn kill(storm: &mut Storm) -> Result<bool> {
    let worker = storm.worker();
    storm.crew.kill(worker)?;
    storm.crew.start(worker)?;
    Ok(true)
}

pub(super) fn kill_all(storm: &mut Storm) -> Result<bool> {
    (0..storm.crew.len()).try_for_each(|worker| storm.crew.kill(worker))?;
    storm.crew.start_all()?;
    Ok(true)
}

pub(super) fn freeze(storm: &mut Storm) -> Result<bool> {
    let worker = storm.worker();
    storm.crew.freeze(worker, true)?;
    storm.wait(100..2_000);
    storm.crew.freeze(worker, false)?;
    Ok(true)
}
