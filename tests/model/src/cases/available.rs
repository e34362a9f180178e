//! The policy *available*: a write that could not be marked is committed with an outbox row.

use super::{Ablation, Case, NONE, TIMER, UNBOUNDED, case};
use crate::{
    properties::{Finding, Verdict},
    rules::Rule,
    setup::{CALM, Faults, Kind, LARDER, Outsider, Policy, Setup},
};

const ROW: Setup = Setup { policy: Policy::Available, n_loads: 1, ..LARDER };
const LIST: Setup = Setup { kind: Kind::List, n_readers: 1, ..ROW };
const UNIQUE: Setup = Setup { kind: Kind::Unique, n_readers: 1, ..ROW };
const ONE_PROCESS: Setup = Setup { one_process: true, ..ROW };
const TWO_RELAYS: Setup = Setup { n_relays: 2, n_readers: 1, ..ROW };

const OWN: Verdict = Verdict::of(&[Finding::Timer, Finding::Own]);
const UNBOUNDED_AND_OWN: Verdict = Verdict::of(&[Finding::Unbounded, Finding::Own]);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (members, setup) in
        [("row", ROW), ("list", LIST), ("unique", UNIQUE), ("one process", ONE_PROCESS), ("two relays", TWO_RELAYS)]
    {
        for (fault, faults, expected) in faults() {
            cases.push(case(format!("available: {members}, {fault}"), Setup { faults, ..setup }, expected));
        }
    }
    cases.extend(ablations().iter().flat_map(|ablation| ablation.cases("available")));
    cases.extend(harmless());
    cases
}

fn faults() -> [(&'static str, Faults, Verdict); 8] {
    let delay = Faults { delays: 1, ..CALM };
    [
        ("no fault", CALM, NONE),
        ("a lost begin", delay, TIMER),
        ("two lost requests", Faults { delays: 2, ..CALM }, TIMER),
        ("a lost begin and a crash", Faults { crashes: 1, ..delay }, TIMER),
        ("a lost begin and a crash of a relay", Faults { relay_crashes: 1, ..delay }, TIMER),
        ("a lost begin and a restart", Faults { restarts: 1, ..delay }, TIMER),
        ("a lost begin and a lossy failover", Faults { failovers: 1, ..delay }, TIMER),
        ("a lost begin and an unknown COMMIT", Faults { unknown_commits: 1, ..delay }, TIMER),
    ]
}

fn ablations() -> Vec<Ablation> {
    let ablation =
        |rule, fault, setup: Setup, without| Ablation { rule, fault, setup: setup.into(), with: TIMER, without };
    let with = |setup, faults| Setup { n_readers: 1, faults, ..setup };
    let delay = Faults { delays: 1, ..CALM };
    vec![
        ablation(Rule::NoteBeforeCommit, "a lost begin", with(ROW, delay), OWN),
        ablation(Rule::NoteUntilSettled, "two lost requests", with(ROW, Faults { delays: 2, ..CALM }), OWN),
        ablation(
            Rule::NotePerWrite,
            "two lost requests, one process",
            with(ONE_PROCESS, Faults { delays: 2, ..CALM }),
            OWN,
        ),
        ablation(Rule::BypassWhileNoted, "a lost begin", with(ROW, delay), OWN),
        ablation(
            Rule::NoteOutlivesDoubt,
            "a lost begin and an unknown COMMIT",
            with(ROW, Faults { unknown_commits: 1, ..delay }),
            OWN,
        ),
        ablation(
            Rule::RowInTransaction,
            "a lost begin and a crash",
            with(ROW, Faults { crashes: 1, ..delay }),
            UNBOUNDED,
        ),
        ablation(
            Rule::SettleBeforeDelete,
            "a lost begin, a crash and a crash of the relay",
            with(ROW, Faults { crashes: 1, relay_crashes: 1, ..delay }),
            UNBOUNDED,
        ),
        ablation(Rule::SettlePoisons, "a lost begin", with(ROW, delay), UNBOUNDED_AND_OWN),
    ]
}

/// What one would forbid, and need not.
fn harmless() -> Vec<Case> {
    let fills = Setup { fills_while_noted: true, ..ROW };
    let delays = Faults { delays: 2, crashes: 1, ..CALM };
    let told = Setup { outsider: Outsider::Told, n_readers: 1, ..ROW };
    vec![
        case("available: filling while noted, two lost requests and a crash", Setup { faults: delays, ..fills }, TIMER),
        case(
            "available: filling while noted, one process, two lost requests",
            Setup { one_process: true, faults: Faults { delays: 2, ..CALM }, ..fills },
            TIMER,
        ),
        case(
            "available: a write elsewhere, a lost begin and a crash",
            Setup { faults: Faults { delays: 1, crashes: 1, ..CALM }, ..told },
            TIMER,
        ),
    ]
}
