//! The protocol with one rule taken out.

use super::{Ablation, Case, GAP, LAG, NONE, UNBOUNDED, case};
use crate::{
    properties::{Finding, Verdict},
    rules::Rule,
    setup::{CALM, Faults, Kind, LARDER, Outsider, Setup},
};

const GROUP: &str = "ablations";

/// Whatever breaks, breaks with one reader.
const SMALL: Setup = Setup { n_readers: 1, ..LARDER };
const SMALLEST: Setup = Setup { n_loads: 1, ..SMALL };

pub(super) fn cases() -> Vec<Case> {
    let ablations = [markers(), readers(), lives()];
    let mut cases: Vec<Case> = ablations.iter().flatten().flat_map(|ablation| ablation.cases(GROUP)).collect();
    cases.extend(defences());
    cases
}

const fn with(setup: Setup, faults: Faults) -> Setup {
    Setup { faults, ..setup }
}

fn markers() -> Vec<Ablation> {
    use Rule::{
        DirtyIsEmptied, FailedBeginRollsBack, FreshNonce, ListsAreEmptied, LostIsEmptied, MarkersJoin, SettlePoisons,
        UnknownBeginIsLeft, UnknownCommitIsLeft,
    };
    let list = Setup { kind: Kind::List, ..SMALL };
    let delay = Faults { delays: 1, ..CALM };
    let crash = Faults { crashes: 1, ..CALM };
    let eviction = Faults { evictions: 1, ..CALM };
    let one_marker = SMALLEST.without(MarkersJoin);
    let told = Setup { outsider: Outsider::Told, ..SMALLEST };
    vec![
        ablation(FreshNonce, "a delayed request", with(SMALL, delay), NONE, UNBOUNDED),
        ablation(MarkersJoin, "a crash, list", with(list, crash), NONE, UNBOUNDED),
        ablation(DirtyIsEmptied, "no fault", SMALL, NONE, UNBOUNDED),
        ablation(LostIsEmptied, "marker evicted", with(SMALL, eviction), GAP, UNBOUNDED),
        ablation(
            UnknownBeginIsLeft,
            "two delayed requests and a crash, where markers do not join",
            with(one_marker, Faults { delays: 2, crashes: 1, ..CALM }),
            NONE,
            UNBOUNDED,
        ),
        ablation(
            UnknownCommitIsLeft,
            "unknown COMMIT",
            with(SMALL, Faults { unknown_commits: 1, ..CALM }),
            NONE,
            UNBOUNDED,
        ),
        ablation(FailedBeginRollsBack, "a delayed request", with(SMALL, delay), NONE, GAP),
        ablation(
            FailedBeginRollsBack,
            "a delayed request and a crash",
            with(SMALLEST, Faults { crashes: 1, ..delay }),
            NONE,
            UNBOUNDED,
        ),
        ablation(SettlePoisons, "a write elsewhere", told, LAG, UNBOUNDED),
        ablation(ListsAreEmptied, "no fault, list", list, NONE, UNBOUNDED),
    ]
}

fn readers() -> Vec<Ablation> {
    use Rule::{BypassInTransaction, FillOnlyUnderLease, QueryAfterLease, QueryPrimary};
    let delay = Faults { delays: 1, ..CALM };
    let dirty = Verdict::of(&[Finding::Dirty]);
    vec![
        ablation(FillOnlyUnderLease, "a delayed request", with(SMALL, delay), NONE, UNBOUNDED),
        ablation(QueryAfterLease, "no fault", SMALL, NONE, UNBOUNDED),
        ablation(QueryPrimary, "no fault", SMALL, NONE, UNBOUNDED),
        ablation(BypassInTransaction, "no fault", SMALL, NONE, dirty),
    ]
}

fn lives() -> Vec<Ablation> {
    use Rule::{Fence, Quarantine, StoreInOwnLife};
    let setup = SMALLEST;
    let restart = Faults { restarts: 1, ..CALM };
    let failover = Faults { failovers: 1, ..CALM };
    vec![
        ablation(
            StoreInOwnLife,
            "lossy failover and a delayed request",
            with(setup, Faults { delays: 1, ..failover }),
            NONE,
            UNBOUNDED,
        ),
        ablation(Fence, "lossy failover", with(setup, failover), NONE, UNBOUNDED),
        ablation(Quarantine, "restart empty", with(setup, restart), NONE, GAP),
        ablation(
            Quarantine,
            "restart empty and a crash",
            with(setup, Faults { crashes: 1, ..restart }),
            NONE,
            UNBOUNDED,
        ),
        ablation(Quarantine, "lossy failover", with(setup, failover), NONE, GAP),
        ablation(
            Quarantine,
            "lossy failover and a crash",
            with(setup, Faults { crashes: 1, ..failover }),
            NONE,
            UNBOUNDED,
        ),
    ]
}

fn ablation(rule: Rule, fault: &'static str, setup: Setup, with: Verdict, without: Verdict) -> Ablation {
    Ablation { rule, fault, setup: setup.into(), with, without }
}

/// What holds although one would think that it does not, and larger worlds than those of the table.
fn defences() -> Vec<Case> {
    let setup = Setup { n_loads: 1, ..LARDER };
    let list = Setup { kind: Kind::List, ..setup };
    let crash_and_delay = Faults { crashes: 1, delays: 1, ..CALM };
    let all_at_once = Faults { unknown_commits: 1, ..crash_and_delay };
    vec![
        case(
            "ablations: without UnknownBeginIsLeft, two delayed requests and a crash, where markers join",
            with(setup, Faults { delays: 2, crashes: 1, ..CALM }).without(Rule::UnknownBeginIsLeft),
            NONE,
        ),
        case(
            "ablations: without both Fence and Quarantine, restart empty and a crash",
            with(setup, Faults { restarts: 1, crashes: 1, ..CALM }).without(Rule::Fence).without(Rule::Quarantine),
            UNBOUNDED,
        ),
        case(
            "larger: three writers of a row, a delayed request, a crash and an unknown COMMIT",
            with(Setup { n_writers: 3, n_readers: 1, ..setup }, all_at_once),
            NONE,
        ),
        case(
            "larger: three writers of a list, a delayed request and a crash",
            with(Setup { n_writers: 3, n_readers: 1, ..list }, crash_and_delay),
            NONE,
        ),
        case(
            "larger: three readers, a delayed request and a crash",
            with(Setup { n_readers: 3, ..setup }, crash_and_delay),
            NONE,
        ),
        case(
            "larger: a failover, a restart and a crash",
            with(setup, Faults { failovers: 1, restarts: 1, crashes: 1, ..CALM }),
            NONE,
        ),
    ]
}
