//! Cached queries.

use super::{Ablation, Case, case};
use crate::{
    properties::{Finding, Verdict},
    queries::setup::{A, B, BOTH, LISTS, Queries},
    rules::Rule,
    setup::{CALM, Faults, Kind, Outsider, Policy},
};

/// In each case the query is served from its entry in some behaviour, or the search would be idle.
const SERVED: Verdict = Verdict::of(&[Finding::Served]);
const GAP: Verdict = Verdict::of(&[Finding::Gap, Finding::Served]);
const LAG: Verdict = Verdict::of(&[Finding::Lag, Finding::Served]);
const TIMER: Verdict = Verdict::of(&[Finding::Timer, Finding::Served]);
const UNBOUNDED: Verdict = Verdict::of(&[Finding::Unbounded, Finding::Served]);
const STALE: Verdict = Verdict::of(&[Finding::Stale, Finding::Served]);
const DIRTY: Verdict = Verdict::of(&[Finding::Dirty, Finding::Served]);
const OWN: Verdict = Verdict::of(&[Finding::Timer, Finding::Own, Finding::Served]);

/// One writer of two lists, a row that moves from the first to the second.
const MOVE: Queries = Queries { writers: &[BOTH], ..LISTS };
/// Two rows, which are stored by their writers.
const ROWS: Queries = Queries { kinds: [Kind::Row, Kind::Row], ..LISTS };
/// One list, and one writer of it.
const LIST: Queries = Queries { writers: &[A], reads: A, declares: &[A], n_loads: 2, ..LISTS };
/// One row, which somebody reads by itself.
const ROW: Queries = Queries { kinds: [Kind::Row, Kind::Row], writers: &[A, A], lines: &[A], n_loads: 1, ..LIST };
/// A query that depends on a table as a whole, of which each writer changes the same row.
const TABLE: Queries = Queries {
    kinds: [Kind::Row, Kind::List],
    has_table: true,
    writers: &[BOTH, BOTH],
    reads: B,
    declares: &[B],
    ..LISTS
};
/// Two processes that load the same query.
const TWO: Queries = Queries { declares: &[A, A], n_loads: 1, ..LIST };
/// A new release knows of a dependency that the old one had forgotten.
const RELEASES: Queries = Queries { writers: &[B], declares: &[A, BOTH], ..LISTS };
const TAGS: Queries = Queries { are_tags: true, writers: &[A, B], ..LISTS };

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, leases_stubs) in [("queries", false), ("queries, stubs leased", true)] {
        for (name, setup, small) in worlds() {
            for (fault, faults, expected) in faults() {
                let is_large = faults.delays + faults.failovers > 0;
                let setup = Queries { faults, leases_stubs, ..if is_large { small } else { setup } };
                cases.push(case(format!("{group}: {name}, {fault}"), setup, expected));
            }
        }
    }
    for (name, setup, expected) in others() {
        cases.push(case(format!("queries: {name}"), setup, expected));
    }
    for (name, setup) in others_leased() {
        cases.push(case(format!("queries, stubs leased: {name}"), setup, SERVED));
    }
    cases.extend(ablations().iter().flat_map(|ablation| ablation.cases("queries")));
    cases.extend(ablations_leased().iter().flat_map(|ablation| ablation.cases("queries, stubs leased")));
    cases
}

const fn with(setup: Queries, faults: Faults) -> Queries {
    Queries { faults, ..setup }
}

/// Each as large as can be searched, and smaller for late requests and failovers, which multiply the states.
fn worlds() -> [(&'static str, Queries, Queries); 6] {
    let twice = Queries { n_loads: 2, ..LISTS };
    let two = Queries { writers: &[A, A], lines: &[A], ..TWO };
    [
        ("lists", twice, MOVE),
        ("rows", Queries { lines: &[A], ..ROWS }, Queries { writers: &[BOTH], ..ROWS }),
        ("a row", ROW, ROW),
        ("a list", Queries { lines: &[A], writers: &[A, A], ..LIST }, LIST),
        ("a table", Queries { n_loads: 2, ..TABLE }, Queries { writers: &[BOTH], n_loads: 2, ..TABLE }),
        ("two loaders of a list", two, TWO),
    ]
}

const DELAY: Faults = Faults { delays: 1, ..CALM };
const DELAYS: Faults = Faults { delays: 2, ..CALM };
const CRASH: Faults = Faults { crashes: 1, ..CALM };
const RESTART: Faults = Faults { restarts: 1, crashes: 1, ..CALM };
const FAILOVER: Faults = Faults { failovers: 1, crashes: 1, ..CALM };
const EVICTION: Faults = Faults { evictions: 1, ..CALM };

fn faults() -> [(&'static str, Faults, Verdict); 8] {
    [
        ("no fault", CALM, SERVED),
        ("a delayed request and a crash", Faults { crashes: 1, ..DELAY }, SERVED),
        ("two delayed or lost requests", DELAYS, SERVED),
        ("unknown COMMIT and a crash", Faults { unknown_commits: 1, ..CRASH }, SERVED),
        ("restart empty and a crash", RESTART, SERVED),
        ("lossy failover and a crash", FAILOVER, SERVED),
        ("lossy failover and a delayed request", Faults { failovers: 1, ..DELAY }, SERVED),
        ("marker evicted", EVICTION, GAP),
    ]
}

/// Other ways to read, to load and to write.
fn others() -> Vec<(&'static str, Queries, Verdict)> {
    let parts = Queries { n_reads: 1, ..LISTS };
    let in_any_order = parts.without(Rule::EntryBeforeStamps);
    let told = Queries { writers: &[A, BOTH], outsider: Outsider::Told, ..LISTS };
    let relay_crash = Faults { relay_crashes: 1, ..DELAY };
    let available = Queries { policy: Policy::Available, ..MOVE };
    let both_available = Queries { writers: &[BOTH, A], ..available };
    let two_statements = Queries { is_two_statements: true, ..parts };
    vec![
        ("three writers", Queries { writers: &[BOTH, A, B], ..LISTS }, SERVED),
        ("read one by one", parts, SERVED),
        ("read one by one, a delayed request", with(parts, DELAY), SERVED),
        ("read one by one in any order", in_any_order, SERVED),
        ("read one by one in any order, a delayed request", with(in_any_order, DELAY), SERVED),
        ("two statements, read one by one", two_statements, SERVED),
        ("two statements, a delayed request and a crash", with(two_statements, Faults { crashes: 1, ..DELAY }), SERVED),
        ("two releases", Queries { writers: &[BOTH, B], ..RELEASES }, SERVED),
        (
            "lists that are not emptied, a delayed request and a crash",
            with(LISTS, Faults { crashes: 1, ..DELAY }).without(Rule::ListsAreEmptied),
            SERVED,
        ),
        ("tags", TAGS, GAP),
        ("tags, two delayed requests", with(TAGS, DELAYS), GAP),
        ("a write elsewhere, told of", told, LAG),
        ("a write elsewhere, told of, a delayed request and a crash of the relay", with(told, relay_crash), LAG),
        ("a write elsewhere, not told of", Queries { outsider: Outsider::Untold, ..told }, UNBOUNDED),
        ("available, a lost begin", with(both_available, DELAY), TIMER),
        ("available, two lost requests and a crash", with(available, Faults { crashes: 1, ..DELAYS }), TIMER),
        (
            "available, a lost begin and an unknown COMMIT",
            with(available, Faults { unknown_commits: 1, ..DELAY }),
            TIMER,
        ),
    ]
}

/// What is possible only where stubs are leased before the query and filled after it.
fn others_leased() -> [(&'static str, Queries); 6] {
    let leased = Queries { leases_stubs: true, ..LISTS };
    let at_once = Queries { puts_at_once: true, ..leased };
    let over_rows = Queries { leases_stubs: true, leases_over_rows: true, ..ROW };
    let crash_and_delay = Faults { crashes: 1, ..DELAY };
    [
        ("the entry sent with the stubs", Queries { n_reads: 1, ..at_once }),
        ("the entry sent with the stubs, a delayed request and a crash", with(at_once, crash_and_delay)),
        ("the entry sent with the stubs, two delayed requests", Queries { writers: &[BOTH], ..with(at_once, DELAYS) }),
        ("the entry sent with the stubs, lossy failover and a crash", with(at_once, FAILOVER)),
        ("over rows", over_rows),
        ("over rows, a delayed request and a crash", with(over_rows, crash_and_delay)),
    ]
}

fn ablations() -> Vec<Ablation> {
    use Rule::{
        BypassInTransaction, BypassWhileNoted, CompareDependencies, CompareStamps, EntryBeforeStamps, Fence,
        FillOnlyUnderLease, FreshNonce, FreshToken, JoinComparesStamps, ListsAreEmptied, LostIsEmptied, MarkNewKey,
        MarkOldKey, MarkTable, MarkersJoin, Quarantine, QueryPrimary, SettlePoisons, SettleTable, StampsBeforeQuery,
        StubOfAskedLife,
    };
    let ablation =
        |rule, fault, setup: Queries, with, without| Ablation { rule, fault, setup: setup.into(), with, without };
    let two_statements = Queries { n_reads: 1, is_two_statements: true, ..MOVE };
    let two_writers = Queries { writers: &[A, A], n_loads: 1, ..LIST };
    let told_of_table = Queries { writers: &[BOTH], outsider: Outsider::Told, ..TABLE };
    let told_of_row = Queries { outsider: Outsider::Told, ..ROW };
    let available = Queries { policy: Policy::Available, ..MOVE };
    let failover = Faults { failovers: 1, ..CALM };
    let late_stub = Faults { delays: 1, ..failover };
    let restart = Faults { restarts: 1, ..CALM };
    vec![
        ablation(StampsBeforeQuery, "no fault", MOVE, SERVED, UNBOUNDED),
        ablation(CompareStamps, "two loads", LIST, SERVED, UNBOUNDED),
        ablation(CompareDependencies, "two releases", RELEASES, SERVED, UNBOUNDED),
        ablation(EntryBeforeStamps, "two statements", two_statements, SERVED, STALE),
        ablation(FreshToken, "two loads", Queries { n_loads: 2, ..MOVE }, SERVED, UNBOUNDED),
        ablation(JoinComparesStamps, "no fault", MOVE, SERVED, TIMER),
        ablation(MarkOldKey, "no fault", MOVE, SERVED, UNBOUNDED),
        ablation(MarkNewKey, "no fault", MOVE, SERVED, UNBOUNDED),
        ablation(MarkTable, "no fault", TABLE, SERVED, UNBOUNDED),
        ablation(SettleTable, "a write elsewhere", told_of_table, LAG, UNBOUNDED),
        ablation(FillOnlyUnderLease, "a delayed request", with(LIST, DELAY), SERVED, UNBOUNDED),
        ablation(QueryPrimary, "no fault", MOVE, SERVED, UNBOUNDED),
        ablation(BypassInTransaction, "no fault", MOVE, SERVED, DIRTY),
        ablation(BypassWhileNoted, "a lost begin", with(available, DELAY), TIMER, OWN),
        ablation(Fence, "lossy failover", with(MOVE, failover), SERVED, UNBOUNDED),
        ablation(StubOfAskedLife, "lossy failover and a delayed request", with(LIST, late_stub), SERVED, GAP),
        ablation(
            StubOfAskedLife,
            "lossy failover, a delayed request and a crash",
            with(LIST, Faults { crashes: 1, ..late_stub }),
            SERVED,
            UNBOUNDED,
        ),
        ablation(Quarantine, "restart empty", with(MOVE, restart), SERVED, GAP),
        ablation(Quarantine, "restart empty and a crash", with(MOVE, RESTART), SERVED, UNBOUNDED),
        ablation(Quarantine, "lossy failover and a crash", with(MOVE, FAILOVER), SERVED, UNBOUNDED),
        ablation(ListsAreEmptied, "restart empty and a crash", with(two_writers, RESTART), SERVED, UNBOUNDED),
        ablation(LostIsEmptied, "marker evicted", with(LIST, EVICTION), GAP, UNBOUNDED),
        ablation(MarkersJoin, "a crash", with(two_writers, CRASH), SERVED, UNBOUNDED),
        ablation(FreshNonce, "a delayed request", with(Queries { lines: &[], ..ROW }, DELAY), SERVED, UNBOUNDED),
        ablation(SettlePoisons, "a write elsewhere", told_of_row, LAG, UNBOUNDED),
    ]
}

fn ablations_leased() -> [Ablation; 3] {
    let ablation = |rule, fault, setup: Queries| Ablation {
        rule,
        fault,
        setup: Queries { leases_stubs: true, ..setup }.into(),
        with: SERVED,
        without: UNBOUNDED,
    };
    let at_once = Queries { puts_at_once: true, lines: &[A], ..TWO };
    [
        ablation(Rule::CompareStamps, "the entry sent with the stubs", at_once),
        ablation(Rule::FillOnlyUnderLease, "a delayed request", with(LIST, DELAY)),
        ablation(Rule::FreshToken, "two loads", Queries { n_loads: 2, ..MOVE }),
    ]
}
