//! The verifier, while the protocol runs.

use super::{Ablation, Case, NONE, case};
use crate::{
    properties::{Finding, Verdict},
    rules::Rule,
    setup::{CALM, Faults, Kind, LARDER, Outsider, Setup},
};

const ROW: Setup = Setup { verifier: true, n_loads: 1, ..LARDER };
/// The second version of the row has the bytes of the first one again.
const RECURRING: Setup = Setup { bytes_recur: true, ..ROW };
const LIST: Setup = Setup { kind: Kind::List, ..ROW };

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, setup) in [("row", ROW), ("row of recurring bytes", RECURRING), ("list", LIST)] {
        for (fault, faults) in faults() {
            cases.push(case(format!("verify: {kind}, {fault}"), Setup { faults, ..setup }, NONE));
        }
        let corrupted = Setup { faults: Faults { corruptions: 1, ..CALM }, ..setup };
        cases.push(case(format!("verify: {kind}, a corrupted cell"), corrupted, Verdict::of(&[Finding::Reported])));
    }
    let told = Setup { outsider: Outsider::Told, n_readers: 1, ..ROW };
    let untold = Setup { outsider: Outsider::Untold, n_readers: 1, ..ROW };
    cases.push(case("verify: a write elsewhere that the relay has not settled yet", told, LAG_REPORTED));
    cases.push(case("verify: a write elsewhere, not told of", untold, UNBOUNDED_REPORTED));
    let false_alarm = Verdict::of(&[Finding::FalseAlarm]);
    let ablation = |rule, setup: Setup| Ablation {
        rule,
        fault: "no fault",
        setup: setup.into(),
        with: NONE,
        without: false_alarm,
    };
    let ablations = [ablation(Rule::VerifyReadsTwice, ROW), ablation(Rule::VerifyComparesStamps, RECURRING)];
    cases.extend(ablations.iter().flat_map(|ablation| ablation.cases("verify")));
    cases
}

const LAG_REPORTED: Verdict = Verdict::of(&[Finding::Lag, Finding::Reported]);
const UNBOUNDED_REPORTED: Verdict = Verdict::of(&[Finding::Unbounded, Finding::Reported]);

fn faults() -> [(&'static str, Faults); 5] {
    [
        ("no fault", CALM),
        ("a delayed or lost request and a crash", Faults { delays: 1, crashes: 1, ..CALM }),
        ("unknown COMMIT and a crash", Faults { unknown_commits: 1, crashes: 1, ..CALM }),
        ("restart empty and a crash", Faults { restarts: 1, crashes: 1, ..CALM }),
        ("lossy failover and a crash", Faults { failovers: 1, crashes: 1, ..CALM }),
    ]
}
