//! The bounded near cache, with entries that are removed, and with entries that are stamped and left in the map.

use super::{Ablation, Case, NONE, case};
use crate::{
    near::setup::{BOUNDED, Entries, Mishaps, Near, QUIET},
    properties::{Finding, Verdict},
    rules::Rule,
    setup::Kind,
};

/// One thread that inserts, and nothing goes wrong.
const SMALL: Near = Near { n_readers: [1, 0], n_writers: 1, n_own: 0, mishaps: QUIET, ..BOUNDED };

/// One writer in the watched process, and one elsewhere.
const BOTH: Near = Near { n_writers: 2, n_own: 1, ..SMALL };

const BREAK: Mishaps = Mishaps { breaks: 1, ..QUIET };
const EVICTION: Mishaps = Mishaps { evictions: 1, ..QUIET };
const CRASH: Mishaps = Mishaps { crashes: 1, ..QUIET };

const TOO_OLD: Verdict = Verdict::of(&[Finding::TooOld]);
const BACKWARDS: Verdict = Verdict::of(&[Finding::Backwards]);
const OWN: Verdict = Verdict::of(&[Finding::Own]);
const OLD_FOR_EVER: Verdict = Verdict::of(&[Finding::TooOld, Finding::Unbounded]);
const BACKWARDS_FOR_EVER: Verdict = Verdict::of(&[Finding::Backwards, Finding::Unbounded]);
const TOO_OLD_AND_OWN: Verdict = Verdict::of(&[Finding::TooOld, Finding::Own]);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, entries) in [("near", Entries::Removed), ("near, stamped", Entries::Stamped)] {
        for (name, setup, expected) in recommended() {
            cases.push(case(format!("{group}: {name}"), Near { entries, ..setup }, expected));
        }
        cases.extend(ablations(entries).iter().flat_map(|ablation| ablation.cases(group)));
    }
    let both = Near { entries: Entries::Stamped, n_readers: [2, 0], ..BOTH };
    cases.push(case("near, stamped: two writers, two readers", both, NONE));
    let early = Near { entries: Entries::Stamped, hands_out_early: true, ..SMALL };
    let early_two = Near { n_readers: [2, 0], ..early };
    for (name, setup) in [
        ("a writer elsewhere, two readers, a break", with(early_two, BREAK)),
        ("an own writer, two readers", Near { n_own: 1, ..early_two }),
        ("an own writer, two reads, a break", Near { n_own: 1, n_loads: 2, ..with(early, BREAK) }),
        ("two writers, a break", Near { n_writers: 2, n_own: 1, ..with(early, BREAK) }),
        ("two writers of a list", Near { n_writers: 2, kind: Kind::List, ..early }),
    ] {
        cases.push(case(format!("near, handed out early: {name}"), setup, NONE));
    }
    cases.extend(of_stamps().iter().flat_map(|ablation| ablation.cases("near, stamped")));
    cases
}

const fn with(setup: Near, mishaps: Mishaps) -> Near {
    Near { mishaps, ..setup }
}

/// What holds of the bounded near cache, however its entries end.
fn recommended() -> Vec<(&'static str, Near, Verdict)> {
    let two = Near { n_readers: [2, 0], ..SMALL };
    let own = Near { n_own: 1, ..two };
    let twice = |setup| Near { n_loads: 2, n_readers: [1, 0], ..setup };
    let elsewhere = Near { n_own: 0, ..BOTH };
    vec![
        ("a writer elsewhere, two readers, a break", with(two, BREAK), NONE),
        ("a writer elsewhere, two readers, a break and a crash", with(two, Mishaps { crashes: 1, ..BREAK }), NONE),
        ("an own writer, two readers, a break", with(own, BREAK), NONE),
        ("an own writer, two reads, a break", twice(with(own, BREAK)), NONE),
        ("a writer elsewhere, two reads, two proofs, a break", Near { n_pings: 2, ..twice(with(SMALL, BREAK)) }, NONE),
        ("two writers, a break and a crash", with(BOTH, Mishaps { crashes: 1, ..BREAK }), NONE),
        ("two writers elsewhere, a break", with(elsewhere, BREAK), NONE),
        ("two writers of a list, a break", Near { kind: Kind::List, ..with(BOTH, BREAK) }, NONE),
        ("marker evicted", with(BOTH, EVICTION), TOO_OLD),
        ("marker evicted, one writer, a break", with(SMALL, Mishaps { evictions: 1, ..BREAK }), TOO_OLD),
        ("entries end at a new connection only, a break", Near { ends_at_loss: false, ..with(two, BREAK) }, NONE),
    ]
}

fn ablations(entries: Entries) -> Vec<Ablation> {
    use Rule::{
        AnnounceBeforeCommit, CheckFirst, CompareCounters, EndAtSubscription, FinishTellsOfLoss, InsertOnlyCached,
        InsertionsCount, OwnEnds, OwnEndsAfterReplies, OwnEndsAgain, PassingEndsEntries,
    };
    let one = Near { entries, ..SMALL };
    let own = Near { n_own: 1, ..one };
    let two = Near { n_pings: 0, n_readers: [2, 0], ..one };
    let ablation =
        |rule, fault, setup: Near, with, without| Ablation { rule, fault, setup: setup.into(), with, without };
    // The stamp alone keeps what is old from being served; the comparison keeps insertions in order.
    let (unordered, own_unordered) = match entries {
        Entries::Removed => (OLD_FOR_EVER, Verdict::of(&[Finding::TooOld, Finding::Own, Finding::Unbounded])),
        Entries::Stamped => (NONE, NONE),
    };
    let unordered_by_two = match entries {
        Entries::Removed => BACKWARDS_FOR_EVER,
        Entries::Stamped => BACKWARDS,
    };
    vec![
        ablation(CompareCounters, "no fault", one, NONE, unordered),
        ablation(CompareCounters, "own writer", own, NONE, own_unordered),
        ablation(CompareCounters, "two readers, no PING", two, NONE, unordered_by_two),
        ablation(InsertionsCount, "two readers, no PING", two, NONE, BACKWARDS),
        ablation(PassingEndsEntries, "no fault", one, NONE, BACKWARDS),
        ablation(InsertOnlyCached, "no fault", one, NONE, OLD_FOR_EVER),
        ablation(AnnounceBeforeCommit, "no fault", one, NONE, TOO_OLD),
        ablation(AnnounceBeforeCommit, "a crash", with(one, CRASH), NONE, OLD_FOR_EVER),
        ablation(OwnEnds, "own writer", own, NONE, OWN),
        ablation(OwnEndsAfterReplies, "own writer", own.without(OwnEndsAgain), NONE, OWN),
        ablation(OwnEndsAgain, "own writer, marker evicted", with(own, EVICTION), TOO_OLD, TOO_OLD_AND_OWN),
        ablation(EndAtSubscription, "a break", with(one, BREAK), NONE, OLD_FOR_EVER),
        ablation(FinishTellsOfLoss, "marker evicted", with(one, EVICTION), TOO_OLD, OLD_FOR_EVER),
        ablation(CheckFirst, "no fault", one, NONE, TOO_OLD),
    ]
}

/// What only stamped entries need.
fn of_stamps() -> Vec<Ablation> {
    let one = Near { entries: Entries::Stamped, ..SMALL };
    let two = Near { n_pings: 0, n_readers: [2, 0], ..one };
    let ablation =
        |rule, fault, setup: Near, without| Ablation { rule, fault, setup: setup.into(), with: NONE, without };
    vec![
        ablation(Rule::InsertOneByOne, "two readers, no PING", two, BACKWARDS),
        ablation(Rule::StampIsNoted, "no fault", one, OLD_FOR_EVER),
        ablation(Rule::CountLast, "no fault", one, TOO_OLD),
        ablation(
            Rule::LookInTurn,
            "handed out early, two readers, no PING",
            Near { hands_out_early: true, ..two },
            BACKWARDS,
        ),
    ]
}
