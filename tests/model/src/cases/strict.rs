//! The strict near cache: a writer waits until nobody can serve what it is about to change.

use super::{Ablation, Case, NONE, case};
use crate::{
    near::setup::{BOUNDED, Entries, Mishaps, Near, Promise, QUIET},
    properties::{Finding, Verdict},
    rules::Rule,
    setup::Kind,
};

/// One process with one thread that inserts, one writer elsewhere, and nothing goes wrong.
const SMALL: Near = Near {
    promise: Promise::Acknowledged,
    n_readers: [1, 0],
    n_writers: 1,
    n_own: 0,
    remembers: false,
    mishaps: QUIET,
    ..BOUNDED
};
/// Two threads that insert.
const THREADS: Near = Near { n_readers: [2, 0], ..SMALL };
/// Two processes, of which one inserts.
const PROCESSES: Near = Near { n_processes: 2, ..SMALL };
/// A process that comes late.
const LATE: Near = Near { is_late: true, ..SMALL };
/// Two writers.
const WRITERS: Near = Near { n_writers: 2, ..SMALL };
/// No acknowledgements and no registry.
const TIMED: Near = Near { promise: Promise::Timed, ..SMALL };
/// The membership has a connection of its own.
const APART: Near = Near { n_renewals: Some(1), ..SMALL };

const BREAK: Mishaps = Mishaps { breaks: 1, ..QUIET };
const RESTART: Mishaps = Mishaps { restarts: 1, ..QUIET };
const LOSS: Mishaps = Mishaps { losses: 1, ..QUIET };
const CRASH: Mishaps = Mishaps { crashes: 1, ..QUIET };
const DOUBLE: Mishaps = Mishaps { doubles: 1, ..QUIET };

const STALE: Verdict = Verdict::of(&[Finding::Stale]);
const OLD_FOR_EVER: Verdict = Verdict::of(&[Finding::Stale, Finding::Unbounded]);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, setup) in small() {
        cases.push(case(format!("strict: {name}"), setup, NONE));
        cases.push(case(format!("strict, stamped: {name}"), Near { entries: Entries::Stamped, ..setup }, NONE));
    }
    cases.extend(large().into_iter().map(|(name, setup)| case(format!("strict: {name}"), setup, NONE)));
    cases.extend(ablations().iter().flat_map(|ablation| ablation.cases("strict")));
    cases.extend(other());
    cases
}

const fn with(setup: Near, mishaps: Mishaps) -> Near {
    Near { mishaps, ..setup }
}

fn own(setup: Near) -> Near {
    Near { n_own: 1, ..setup }
}

const fn early(setup: Near) -> Near {
    Near { is_early: true, ..setup }
}

const fn in_parts(setup: Near) -> Near {
    Near { is_announced_in_parts: true, ..setup }
}

const fn list(setup: Near) -> Near {
    Near { kind: Kind::List, ..setup }
}

/// Nobody inserts: entries are there from the beginning.
const fn hits(setup: Near) -> Near {
    Near { n_readers: [0, 0], ..setup }
}

const fn pings(n_pings: u8, setup: Near) -> Near {
    Near { n_pings, ..setup }
}

/// What is searched with entries of both kinds.
fn small() -> Vec<(&'static str, Near)> {
    vec![
        ("two threads", THREADS),
        ("two PINGs, a break", pings(2, with(SMALL, BREAK))),
        ("two PINGs, a restart", pings(2, with(SMALL, RESTART))),
        ("own writer, a break", own(with(SMALL, BREAK))),
        ("own writer, a restart", own(with(SMALL, RESTART))),
        ("a restart and a crash", with(SMALL, Mishaps { crashes: 1, ..RESTART })),
        ("registry evicted", with(SMALL, LOSS)),
        ("registry evicted, a break", with(SMALL, Mishaps { breaks: 1, ..LOSS })),
        ("a crash, and an announcement begun anew", with(SMALL, Mishaps { lost_replies: 1, ..CRASH })),
        ("marked before the statement, a break and a crash", early(with(SMALL, Mishaps { crashes: 1, ..BREAK }))),
        ("announced in parts, a break", in_parts(with(SMALL, BREAK))),
        ("a process that comes late", LATE),
        ("a process that comes late, announced in parts", in_parts(LATE)),
        ("H only, a break", with(TIMED, BREAK)),
        ("H only, a restart", with(TIMED, RESTART)),
        ("H only, two writers, a break", with(Near { n_writers: 2, ..TIMED }, BREAK)),
        ("two processes, hits only", hits(PROCESSES)),
        ("two processes, hits only, announced twice", pings(0, hits(with(PROCESSES, DOUBLE)))),
        ("two connections", APART),
    ]
}

fn large() -> Vec<(&'static str, Near)> {
    let renewed_twice = Near { n_renewals: Some(2), ..APART };
    vec![
        ("two threads, two PINGs", pings(2, THREADS)),
        ("two threads, a break", with(THREADS, BREAK)),
        ("two threads, a restart", with(THREADS, RESTART)),
        ("two threads, marked before the statement", early(THREADS)),
        ("two processes", PROCESSES),
        ("two processes, own writer, hits only", own(hits(PROCESSES))),
        ("two processes, hits only, one dies", hits(with(PROCESSES, Mishaps { deaths: 1, ..QUIET }))),
        ("two processes, hits only, a break", hits(with(PROCESSES, BREAK))),
        ("two processes, hits only, a restart", hits(with(PROCESSES, RESTART))),
        ("two writers", WRITERS),
        ("two writers, one of them own", own(WRITERS)),
        ("two writers, hits only, a break", hits(with(WRITERS, BREAK))),
        ("two writers, hits only, a restart", hits(with(WRITERS, RESTART))),
        ("two writers, a crash, no PING", pings(0, with(WRITERS, CRASH))),
        ("two writers, marked before the statement", early(WRITERS)),
        ("two writers, two reads, no PING", pings(0, Near { n_loads: 2, ..WRITERS })),
        ("two writers of a list", list(WRITERS)),
        ("two writers of a list, hits only, a break", hits(list(with(WRITERS, BREAK)))),
        ("two writers of a list, a crash, no PING", pings(0, list(with(WRITERS, CRASH)))),
        ("two connections, two PINGs and renewals", pings(2, renewed_twice)),
        ("two connections, a break", with(renewed_twice, BREAK)),
        ("two connections, registry evicted", with(renewed_twice, LOSS)),
        ("two connections, hits only, a restart", hits(with(renewed_twice, RESTART))),
    ]
}

fn ablations() -> Vec<Ablation> {
    use Rule::*;
    let one = Near { remembers: true, ..SMALL };
    let two_pings = pings(2, one);
    let two = pings(0, hits(PROCESSES));
    let ablation =
        |rule, fault, setup: Near, without| Ablation { rule, fault, setup: setup.into(), with: NONE, without };
    vec![
        ablation(WaitBeforeCommit, "no fault", one, STALE),
        ablation(MembershipRenewed, "no fault", one, STALE),
        ablation(EndBeforeAnswer, "no fault", one, STALE),
        ablation(MemberBeforeInsert, "no fault", one, STALE),
        ablation(WaitWhileYoung, "a restart", with(one, RESTART), STALE),
        ablation(WaitWhileYoung, "registry evicted", with(one, LOSS), STALE),
        ablation(MembersAfterAnnounce, "no fault", one, STALE),
        ablation(MembersAfterMark, "a process that comes late", LATE, STALE),
        ablation(CheckFirst, "no fault", one, STALE),
        ablation(ProofFromSending, "no fault", two_pings, STALE),
        ablation(WaitFromReply, "no fault", one, STALE),
        ablation(AcknowledgementsAreNamed, "announced twice", with(two, DOUBLE), STALE),
        ablation(MembersAreSessions, "no fault", two, STALE),
        ablation(LapseIsNoticed, "two connections", APART, STALE),
        ablation(OwnEnds, "no fault", own(one), STALE),
        ablation(CompareCounters, "no fault", one, OLD_FOR_EVER),
        ablation(EndAtSubscription, "a break", with(two_pings, BREAK), OLD_FOR_EVER),
        ablation(InsertOnlyCached, "no fault", one, OLD_FOR_EVER),
        ablation(Quarantine, "a restart and a crash", with(one, Mishaps { crashes: 1, ..RESTART }), OLD_FOR_EVER),
    ]
}

/// What one would forbid, and need not; and what can't be helped.
fn other() -> Vec<Case> {
    use Rule::{EndAtSubscription, InsertOneByOne, InsertionsCount, MembersAfterAnnounce, OwnEnds, PassingEndsEntries};
    let at_a_new_connection = pings(2, Near { ends_at_loss: false, ..with(SMALL, BREAK) });
    let acknowledges = Near { acknowledges_itself: true, ..own(SMALL) };
    let lapse = |setup| Near { ends_at_lapse: true, ..setup };
    let writers = pings(0, Near { n_readers: [2, 0], ..WRITERS });
    let stamped = Near { entries: Entries::Stamped, ..THREADS };
    let cases = [
        ("entries end at a new connection only, a break", at_a_new_connection, NONE),
        ("entries end at a loss never, a break", at_a_new_connection.without(EndAtSubscription), OLD_FOR_EVER),
        ("own process acknowledges, and does not end entries itself", acknowledges.without(OwnEnds), NONE),
        ("without InsertionsCount", THREADS.without(InsertionsCount), NONE),
        ("without InsertionsCount, two writers, no PING", writers.without(InsertionsCount), NONE),
        ("without PassingEndsEntries", THREADS.without(PassingEndsEntries), NONE),
        ("without PassingEndsEntries, two writers, no PING", writers.without(PassingEndsEntries), NONE),
        ("without InsertOneByOne, stamped", stamped.without(InsertOneByOne), NONE),
        (
            "without MembersAfterAnnounce, a lapse ends entries, a break",
            lapse(with(SMALL, BREAK)).without(MembersAfterAnnounce),
            NONE,
        ),
        (
            "without MembersAfterMark, a lapse ends entries, a process that comes late",
            lapse(LATE).without(Rule::MembersAfterMark),
            STALE,
        ),
        ("a clock stands still", Near { clock_runs: false, ..SMALL }, STALE),
        ("H only, a clock stands still", Near { clock_runs: false, ..TIMED }, STALE),
        ("marker evicted", with(SMALL, Mishaps { evictions: 1, ..QUIET }), STALE),
    ];
    cases.into_iter().map(|(name, setup, expected)| case(format!("strict: {name}"), setup, expected)).collect()
}
