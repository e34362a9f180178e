//! The cell of a unique value, which two rows come to and leave.

use super::{Ablation, Case, NONE, UNBOUNDED, case};
use crate::{
    rules::Rule,
    setup::{CALM, Faults, Kind, LARDER, Setup},
};

const UNIQUE: Setup = Setup { kind: Kind::Unique, n_readers: 1, ..LARDER };
const DEFERRABLE: Setup = Setup { kind: Kind::Deferrable, ..UNIQUE };

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, setup) in [("immediate", UNIQUE), ("deferrable", DEFERRABLE)] {
        for (fault, faults) in faults() {
            cases.push(case(format!("unique: {kind}, {fault}"), Setup { faults, ..setup }, NONE));
        }
        let three = Setup { n_writers: 3, n_loads: 1, ..setup };
        cases.push(case(format!("unique: {kind}, three writers"), three, NONE));
        let crash = Setup { faults: Faults { crashes: 1, ..CALM }, ..three };
        cases.push(case(format!("unique: {kind}, three writers, a crash"), crash, NONE));
    }
    // Two writers of one value are in doubt at once, and after a restart the second does not find the first one's marker.
    let stored = Setup { swaps: false, n_loads: 1, ..DEFERRABLE }.without(Rule::DeferrableIsEmptied);
    let expected = [NONE, NONE, NONE, NONE, UNBOUNDED, UNBOUNDED];
    for ((fault, faults), expected) in faults().into_iter().zip(expected) {
        let name = format!("unique: deferrable but stored, no transaction exchanges rows, {fault}");
        cases.push(case(name, Setup { faults, ..stored }, expected));
    }
    cases.extend(ablations().iter().flat_map(|ablation| ablation.cases("unique")));
    cases
}

fn faults() -> [(&'static str, Faults); 6] {
    [
        ("no fault", CALM),
        ("a crash", Faults { crashes: 1, ..CALM }),
        ("two delayed or lost requests", Faults { delays: 2, ..CALM }),
        ("unknown COMMIT and a crash", Faults { unknown_commits: 1, crashes: 1, ..CALM }),
        ("restart empty and a crash", Faults { restarts: 1, crashes: 1, ..CALM }),
        ("lossy failover and a crash", Faults { failovers: 1, crashes: 1, ..CALM }),
    ]
}

fn ablations() -> Vec<Ablation> {
    let ablation =
        |rule, fault, setup: Setup, without| Ablation { rule, fault, setup: setup.into(), with: NONE, without };
    vec![
        ablation(Rule::MarkOldKey, "no fault", UNIQUE, UNBOUNDED),
        ablation(Rule::MarkNewKey, "no fault", UNIQUE, UNBOUNDED),
        ablation(Rule::DeferrableIsEmptied, "no fault", DEFERRABLE, UNBOUNDED),
    ]
}
