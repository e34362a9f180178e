//! A whole table is written elsewhere, and the relay settles all of its cells by a scan.

use super::{Ablation, Case, LAG, UNBOUNDED, case};
use crate::{
    rules::Rule,
    setup::{CALM, Faults, Kind, LARDER, Outsider, Setup},
};

const ROW: Setup = Setup { outsider: Outsider::ToldOfAll, n_loads: 1, ..LARDER };
const LIST: Setup = Setup { kind: Kind::List, n_readers: 1, ..ROW };

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, setup) in [("row", ROW), ("list", LIST)] {
        for (fault, faults) in faults() {
            cases.push(case(format!("settle all: {kind}, {fault}"), Setup { faults, ..setup }, LAG));
        }
    }
    let ablation = |rule| Ablation { rule, fault: "no fault", setup: ROW.into(), with: LAG, without: UNBOUNDED };
    let ablations = [ablation(Rule::ScanAfterCommit), ablation(Rule::ScanPoisons)];
    cases.extend(ablations.iter().flat_map(|ablation| ablation.cases("settle all")));
    cases
}

fn faults() -> [(&'static str, Faults); 6] {
    [
        ("no fault", CALM),
        ("a crash", Faults { crashes: 1, ..CALM }),
        ("a delayed or lost request", Faults { delays: 1, ..CALM }),
        ("a crash of the relay", Faults { relay_crashes: 1, ..CALM }),
        ("restart empty and a crash", Faults { restarts: 1, crashes: 1, ..CALM }),
        ("lossy failover", Faults { failovers: 1, ..CALM }),
    ]
}
