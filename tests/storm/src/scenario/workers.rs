//! Nothing is broken, or only workers are.

use super::{Bound, Scenario, Setting, Storm};
use crate::{Result, site::Cache};

pub(super) const CALM: Scenario = Scenario {
    name: "calm",
    breaks: "nothing",
    bound: Bound::Never,
    has_faults: false,
    setting: Setting::plain,
    disturb: |_| Ok(()),
};

pub(super) const NAIVE: Scenario = Scenario {
    name: "naive",
    breaks: "nothing; a control: the same workers delete from Redis after COMMIT, as people do by hand",
    bound: Bound::Stale,
    has_faults: false,
    setting: || Setting { cache: Cache::Naive, ..Setting::plain() },
    disturb: |_| Ok(()),
};

pub(super) const KILLED: Scenario = Scenario {
    name: "worker-killed",
    breaks: "workers are killed at random and started again",
    bound: Bound::Never,
    has_faults: true,
    setting: Setting::plain,
    disturb: kill,
};

pub(super) const FROZEN: Scenario = Scenario {
    name: "worker-frozen",
    breaks: "workers stand still for up to three seconds, longer than markers are held",
    bound: Bound::Never,
    has_faults: true,
    setting: Setting::plain,
    disturb: freeze,
};

fn kill(storm: &mut Storm) -> Result<()> {
    while storm.wait(50..400) {
        let index = storm.dice.usize(..storm.crew.len());
        storm.crew.kill(index)?;
        storm.n_faults += 1;
        storm.crew.start(index)?;
    }
    Ok(())
}

fn freeze(storm: &mut Storm) -> Result<()> {
    while storm.wait(50..300) {
        let index = storm.dice.usize(..storm.crew.len());
        storm.crew.freeze(index, true)?;
        storm.n_faults += 1;
        storm.wait(100..3_000);
        storm.crew.freeze(index, false)?;
    }
    Ok(())
}
