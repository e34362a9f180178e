//! Tokens: reads that must not be older than a write of another process.

use super::{Ablation, Case, NONE, case};
use crate::{
    near::setup::{BOUNDED, Entries, Mishaps, Near, Promise, QUIET},
    properties::{Finding, Verdict},
    rules::Rule,
    setup::Kind,
};

/// Two writers elsewhere, and one thread that inserts.
const TOKENS: Near = Near {
    promise: Promise::Tokens,
    entries: Entries::Stamped,
    n_own: 0,
    n_pings: 0,
    remembers: false,
    n_readers: [1, 0],
    mishaps: QUIET,
    ..BOUNDED
};

const BREAK: Mishaps = Mishaps { breaks: 1, ..QUIET };
const LOSS: Mishaps = Mishaps { losses: 1, ..QUIET };
const SNAPSHOT: Mishaps = Mishaps { snapshots: 1, ..QUIET };

const MISSED: Verdict = Verdict::of(&[Finding::TokenMissed]);
const MISSED_FOR_EVER: Verdict = Verdict::of(&[Finding::TokenMissed, Finding::Unbounded]);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (entries, setup) in [("removed", Near { entries: Entries::Removed, ..TOKENS }), ("stamped", TOKENS)] {
        for (fault, mishaps) in faults() {
            cases.push(case(format!("tokens: {entries}, {fault}"), with(setup, mishaps), NONE));
        }
        let stranger = Near { n_strangers: 1, ..setup };
        let both = Mishaps { losses: 1, snapshots: 1, ..BREAK };
        cases.push(case(
            format!("tokens: {entries}, another key, number evicted, a snapshot, a break"),
            with(stranger, both),
            NONE,
        ));
        let list = Near { kind: Kind::List, ..setup };
        cases.push(case(format!("tokens: {entries}, list, a break"), with(list, BREAK), NONE));
        cases.push(case(
            format!("tokens: {entries}, own writer, a break"),
            with(Near { n_own: 1, ..setup }, BREAK),
            NONE,
        ));
        let readers = Near { n_readers: [2, 0], n_writers: 1, ..setup };
        cases.push(case(format!("tokens: {entries}, two readers, a break"), with(readers, BREAK), NONE));
    }
    let crash = Mishaps { crashes: 1, breaks: 1, ..SNAPSHOT };
    cases.push(case("tokens: stamped, a break, a crash and a restart from a snapshot", with(TOKENS, crash), NONE));
    cases.extend(ablations().iter().flat_map(|ablation| ablation.cases("tokens")));
    cases
}

const fn with(setup: Near, mishaps: Mishaps) -> Near {
    Near { mishaps, ..setup }
}

fn faults() -> [(&'static str, Mishaps); 6] {
    [
        ("a break", BREAK),
        ("number evicted, a break", Mishaps { losses: 1, ..BREAK }),
        ("restart empty", Mishaps { restarts: 1, ..QUIET }),
        ("restart from a snapshot", SNAPSHOT),
        ("an announcement begun anew", Mishaps { lost_replies: 1, ..QUIET }),
        ("marker held by one who crashed", Mishaps { crashes: 1, ..QUIET }),
    ]
}

fn ablations() -> Vec<Ablation> {
    let one = Near { n_writers: 1, ..TOKENS };
    let stranger = Near { n_strangers: 1, ..TOKENS };
    let ablation =
        |rule, fault, setup: Near, without| Ablation { rule, fault, setup: setup.into(), with: NONE, without };
    vec![
        ablation(Rule::MarkBeforeAnnounce, "no fault", one, MISSED_FOR_EVER),
        ablation(Rule::AnnounceAtOnce, "another key", stranger, MISSED),
        ablation(Rule::EndBeforeAnswer, "no fault", one, MISSED),
        ablation(Rule::CheckFirst, "no fault", one, MISSED),
        ablation(Rule::NumberOnSameConnection, "a break", with(one, BREAK), MISSED),
        ablation(Rule::FreshNumber, "another key, number evicted", with(stranger, LOSS), MISSED),
        ablation(Rule::NumberOfOneLife, "another key, restart from a snapshot", with(stranger, SNAPSHOT), MISSED),
    ]
}
