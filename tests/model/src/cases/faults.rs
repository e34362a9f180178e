//! The table of faults: what each protocol makes of each of them.

use super::{Case, GAP, LAG, NONE, TIMER, UNBOUNDED, case};
use crate::{
    properties::Verdict,
    rules::{Protocol, Rule},
    setup::{CALM, Faults, Kind, LARDER, Outsider, Setup},
};

/// One fault, and a verdict for each of [`variants`], in their order.
struct Row {
    fault: &'static str,
    /// What it means for protocols that others use.
    others: fn(Setup) -> Setup,
    /// What it means for larder: the same, or worse.
    larder: fn(Setup) -> Setup,
    expected: [Option<Verdict>; 12],
}

/// The columns: what others do, and then larder.
fn variants() -> [(&'static str, Setup); 12] {
    // Nobody else knows which life of the server wrote what.
    let others = LARDER.without(Rule::Fence).without(Rule::Quarantine);
    let of = |protocol| Setup { protocol, ..others };
    let list = Setup { kind: Kind::List, ..LARDER };
    [
        ("delete after", of(Protocol::DeleteAfter)),
        ("store after", of(Protocol::StoreAfter)),
        ("double delete", of(Protocol::DoubleDelete)),
        ("version", of(Protocol::Version)),
        ("lease, delete after", of(Protocol::LeaseDeleteAfter)),
        ("lease, delete both", of(Protocol::LeaseDeleteBoth)),
        ("one marker, row", others.without(Rule::MarkersJoin)),
        ("one marker, list", Setup { kind: Kind::List, ..others.without(Rule::MarkersJoin) }),
        ("larder, row", LARDER),
        ("larder, list", list),
        ("larder durable, row", Setup { durable: true, ..LARDER }),
        ("larder durable, list", Setup { durable: true, ..list }),
    ]
}

/// How many of them are not larder.
const N_OTHERS: usize = 8;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in rows() {
        for (n, ((variant, setup), expected)) in variants().into_iter().zip(row.expected).enumerate() {
            let Some(expected) = expected else { continue };
            let setup = if n < N_OTHERS { (row.others)(setup) } else { (row.larder)(setup) };
            cases.push(case(format!("faults: {variant}, {}", row.fault), setup, expected));
        }
    }
    cases
}

const N: Option<Verdict> = Some(NONE);
const G: Option<Verdict> = Some(GAP);
const L: Option<Verdict> = Some(LAG);
const T: Option<Verdict> = Some(TIMER);
const U: Option<Verdict> = Some(UNBOUNDED);
/// Whoever has no markers can't lose them.
const X: Option<Verdict> = None;

fn rows() -> Vec<Row> {
    vec![
        Row { fault: "none", others: |s| s, larder: |s| s, expected: [U, U, U, U, G, G, N, G, N, N, N, N] },
        Row {
            fault: "crash",
            others: |s| with(s, Faults { crashes: 1, ..CALM }),
            larder: |s| with(s, Faults { crashes: 1, ..CALM }),
            expected: [U, U, U, U, U, U, N, U, N, N, N, N],
        },
        Row {
            fault: "two delayed or lost requests",
            others: |s| with(s, Faults { delays: 2, ..CALM }),
            larder: |s| Setup { n_loads: 1, ..with(s, Faults { delays: 2, ..CALM }) },
            expected: [U, U, U, U, U, U, N, U, N, N, N, N],
        },
        Row {
            fault: "a delayed request and a crash",
            others: |s| with(s, Faults { delays: 1, crashes: 1, ..CALM }),
            larder: |s| Setup { n_loads: 1, ..with(s, Faults { delays: 1, crashes: 1, ..CALM }) },
            expected: [U, U, U, U, U, U, N, U, N, N, N, N],
        },
        Row {
            fault: "unknown COMMIT (larder: and a crash)",
            others: |s| with(s, Faults { unknown_commits: 1, ..CALM }),
            larder: |s| with(s, Faults { unknown_commits: 1, crashes: 1, ..CALM }),
            expected: [U, U, U, U, U, U, N, U, N, N, N, N],
        },
        Row {
            fault: "restart empty (larder: and a crash)",
            others: |s| with(s, Faults { restarts: 1, ..CALM }),
            larder: |s| with(s, Faults { restarts: 1, crashes: 1, ..CALM }),
            expected: [U, U, U, U, G, G, G, G, N, N, N, N],
        },
        Row {
            fault: "lossy failover (larder: and a crash)",
            others: |s| with(s, Faults { failovers: 1, ..CALM }),
            larder: |s| Setup { n_loads: 1, ..with(s, Faults { failovers: 1, crashes: 1, ..CALM }) },
            expected: [U, U, U, U, U, U, U, U, N, N, N, N],
        },
        Row {
            fault: "lossy failover, a delayed request",
            others: |s| s,
            larder: |s| Setup { n_loads: 1, n_readers: 1, ..with(s, Faults { failovers: 1, delays: 1, ..CALM }) },
            expected: [X, X, X, X, X, X, X, X, N, N, N, N],
        },
        Row {
            fault: "restart, a delayed request",
            others: |s| s,
            larder: |s| Setup { n_loads: 1, ..with(s, Faults { restarts: 1, delays: 1, ..CALM }) },
            expected: [X, X, X, X, X, X, X, X, N, N, N, N],
        },
        Row {
            fault: "marker evicted",
            others: |s| with(s, Faults { evictions: 1, ..CALM }),
            larder: |s| with(s, Faults { evictions: 1, ..CALM }),
            expected: [X, X, X, X, X, X, G, G, G, G, G, G],
        },
        Row {
            fault: "marker evicted, and a crash",
            others: |s| with(s, Faults { evictions: 1, crashes: 1, ..CALM }),
            larder: |s| with(s, Faults { evictions: 1, crashes: 1, ..CALM }),
            expected: [X, X, X, X, X, X, U, U, U, U, G, G],
        },
        Row {
            fault: "marker evicted, and a delayed request",
            others: |s| Setup { n_loads: 1, ..with(s, Faults { evictions: 1, delays: 1, ..CALM }) },
            larder: |s| Setup { n_loads: 1, ..with(s, Faults { evictions: 1, delays: 1, ..CALM }) },
            expected: [X, X, X, X, X, X, U, U, U, U, T, T],
        },
        Row {
            fault: "COMMIT later than the hold",
            others: |s| Setup { late_commits: true, ..s },
            larder: |s| Setup { late_commits: true, ..s },
            expected: [X, X, X, X, X, X, G, G, G, G, G, G],
        },
        Row {
            fault: "COMMIT later than the hold, and a crash",
            others: |s| Setup { late_commits: true, ..with(s, Faults { crashes: 1, ..CALM }) },
            larder: |s| Setup { late_commits: true, ..with(s, Faults { crashes: 1, ..CALM }) },
            expected: [X, X, X, X, X, X, U, U, U, U, G, G],
        },
        Row {
            fault: "a write elsewhere, told of (larder: and a crash)",
            others: |s| Setup { outsider: Outsider::Told, ..s },
            larder: |s| Setup { outsider: Outsider::Told, n_loads: 1, ..with(s, Faults { crashes: 1, ..CALM }) },
            expected: [U, U, U, U, L, L, L, L, L, L, L, L],
        },
        Row {
            fault: "a write elsewhere, not told of",
            others: |s| Setup { outsider: Outsider::Untold, ..s },
            larder: |s| Setup { outsider: Outsider::Untold, n_loads: 1, ..s },
            expected: [U, U, U, U, U, U, U, U, U, U, U, U],
        },
    ]
}

fn with(setup: Setup, faults: Faults) -> Setup {
    Setup { faults, ..setup }
}
