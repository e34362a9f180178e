//! Values that are refreshed before they expire.

use super::{Ablation, Case, GAP, LAG, NONE, TIMER, UNBOUNDED, case};
use crate::{
    properties::{Finding, Verdict},
    rules::Rule,
    setup::{CALM, Faults, Kind, LARDER, Outsider, Policy, Refresh, Setup},
};

const ROW: Setup = Setup { refresh: Refresh::Refill, n_loads: 1, ..LARDER };
const LIST: Setup = Setup { kind: Kind::List, ..ROW };
/// One reader alone, twice: what it has filled it may refresh, too.
const TWICE: Setup = Setup { n_readers: 1, n_loads: 2, ..ROW };

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (members, setup) in [("row", ROW), ("list", LIST), ("one reader, twice", TWICE)] {
        for (fault, faults, expected) in faults() {
            cases.push(case(format!("refresh: {members}, {fault}"), Setup { faults, ..setup }, expected));
        }
    }
    let told = Setup { outsider: Outsider::Told, n_readers: 1, ..ROW };
    let delay = Faults { delays: 1, ..CALM };
    cases.push(case("refresh: a write elsewhere, told of", told, LAG));
    cases.push(case(
        "refresh: available, a lost begin and a crash",
        Setup { policy: Policy::Available, n_readers: 1, faults: Faults { crashes: 1, ..delay }, ..ROW },
        TIMER,
    ));
    let ablations = [Rule::RefillComparesStamp, Rule::RefreshQueriesLast].map(|rule| Ablation {
        rule,
        fault: "no fault",
        setup: Setup { n_readers: 1, ..ROW }.into(),
        with: NONE,
        without: UNBOUNDED,
    });
    cases.extend(ablations.iter().flat_map(|ablation| ablation.cases("refresh")));
    cases.extend(extensions());
    cases
}

/// Values that get more time to live, where the database still has the same.
fn extensions() -> Vec<Case> {
    const PROLONGED: Verdict = Verdict::of(&[Finding::Unbounded, Finding::Prolonged]);
    let row = Setup { refresh: Refresh::Extend, ..ROW };
    let list = Setup { kind: Kind::List, ..row };
    let mut cases = Vec::new();
    for (members, setup) in [("row", row), ("list", list)] {
        for (fault, faults, expected) in faults() {
            cases.push(case(format!("extend: {members}, {fault}"), Setup { faults, ..setup }, expected));
        }
        // Here values may be old, and must not be kept from expiring.
        let untold = Setup { outsider: Outsider::Untold, ..setup };
        let untold = Setup { faults: Faults { delays: 1, ..CALM }, n_writers: 1, ..untold };
        let anything = Setup { refresh: Refresh::ExtendAnything, ..untold };
        cases.push(case(
            format!("extend: {members}, a write elsewhere, not told of, a delayed request"),
            untold,
            UNBOUNDED,
        ));
        cases.push(case(format!("extend: {members}, the same, and any value is extended"), anything, UNBOUNDED));
        let ablations = [Rule::ExtendComparesBytes, Rule::RefreshQueriesLast].map(|rule| Ablation {
            rule,
            fault: "a write elsewhere, not told of",
            setup: Setup { n_readers: 1, faults: CALM, ..untold }.into(),
            with: UNBOUNDED,
            without: PROLONGED,
        });
        cases.extend(ablations.iter().flat_map(|ablation| ablation.cases(&format!("extend: {members}"))));
    }
    let told = Setup { outsider: Outsider::Told, n_readers: 1, ..row };
    cases.push(case("extend: a write elsewhere, told of", told, LAG));
    let lost_begin = Faults { crashes: 1, delays: 1, ..CALM };
    let available = Setup { policy: Policy::Available, n_readers: 1, faults: lost_begin, ..row };
    cases.push(case("extend: available, a lost begin and a crash", available, TIMER));
    cases
}

fn faults() -> [(&'static str, Faults, Verdict); 7] {
    [
        ("no fault", CALM, NONE),
        ("a delayed request and a crash", Faults { delays: 1, crashes: 1, ..CALM }, NONE),
        ("two delayed or lost requests", Faults { delays: 2, ..CALM }, NONE),
        ("unknown COMMIT and a crash", Faults { unknown_commits: 1, crashes: 1, ..CALM }, NONE),
        ("restart empty and a crash", Faults { restarts: 1, crashes: 1, ..CALM }, NONE),
        ("lossy failover and a crash", Faults { failovers: 1, crashes: 1, ..CALM }, NONE),
        ("marker evicted", Faults { evictions: 1, ..CALM }, GAP),
    ]
}
