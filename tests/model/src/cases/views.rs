//! View cells.

use super::{Ablation, Case, case};
use crate::{
    properties::{Finding, Verdict},
    rules::Rule,
    setup::{CALM, Faults, Outsider, Policy},
    views::setup::{
        Beside, Engine, Root, TREES, Views,
        Write::{Add, Close, Delete, Item, Move, MoveItem, Note, Order, Product, User},
    },
};

/// In each case a tree is served from its cell after a write in some behaviour, or the search would be idle.
const SERVED: Verdict = Verdict::of(&[Finding::Served]);
const GAP: Verdict = Verdict::of(&[Finding::Gap, Finding::Served]);
const LAG: Verdict = Verdict::of(&[Finding::Lag, Finding::Served]);
const TIMER: Verdict = Verdict::of(&[Finding::Timer, Finding::Served]);
const UNBOUNDED: Verdict = Verdict::of(&[Finding::Unbounded, Finding::Served]);
const DIRTY: Verdict = Verdict::of(&[Finding::Dirty, Finding::Served]);
const OWN: Verdict = Verdict::of(&[Finding::Timer, Finding::Own, Finding::Served]);
const DEADLOCK: Verdict = Verdict::of(&[Finding::Deadlock, Finding::Served]);

/// A note on the item, which somebody puts into another order.
const NOTE: Views = Views { writers: &[Note, MoveItem(1)], ..TREES };
/// An item in an order that somebody deletes.
const DELETED: Views = Views { writers: &[Item, Delete(0, None)], ..TREES };
/// Orders with the user whose they are: somebody changes the user, and another gives the user an order.
const ORDERS: Views = Views { root: Root::Order, writers: &[User(0), Move(1, 0)], ..TREES };
/// A product that is in too many trees to mark them all.
const VERSION: Views = Views { beside: Beside::Version, writers: &[Product, Item], loaders: &[0], n_loads: 2, ..TREES };
/// Foreign keys that nobody changes.
const FIXED: Views = Views { is_movable: false, writers: &[Item, Order(0)], ..TREES };
/// The item's row has a cell of its own, besides.
const ROW: Views = Views { beside: Beside::ItemRow, loaders: &[0], n_loads: 2, writers: &[Item, Item], ..TREES };
/// An order that is moved, and nobody but that.
const MOVE: Views = Views { writers: &[Move(0, 1)], n_loads: 2, ..TREES };
/// A tree of which two rows are changed.
const TREE: Views = Views { writers: &[Item, Order(0)], loaders: &[0], ..TREES };

const DELAY: Faults = Faults { delays: 1, ..CALM };
const DELAYS: Faults = Faults { delays: 2, ..CALM };
const CRASH: Faults = Faults { crashes: 1, ..CALM };
const RESTART: Faults = Faults { restarts: 1, crashes: 1, ..CALM };
const FAILOVER: Faults = Faults { failovers: 1, crashes: 1, ..CALM };
const EVICTION: Faults = Faults { evictions: 1, ..CALM };
const CRASH_AND_DELAY: Faults = Faults { crashes: 1, ..DELAY };
const UNKNOWN: Faults = Faults { unknown_commits: 1, ..CRASH };

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, setup, small) in worlds() {
        for (fault, faults, expected) in faults() {
            let is_large = faults.delays + faults.failovers > 0;
            let setup = with(if is_large { small } else { setup }, faults);
            cases.push(case(format!("views: {name}, {fault}"), setup, expected));
        }
    }
    for (name, setup, expected) in others() {
        cases.push(case(format!("views: {name}"), setup, expected));
    }
    cases.extend(ablations().iter().flat_map(|ablation| ablation.cases("views")));
    cases
}

const fn with(setup: Views, faults: Faults) -> Views {
    Views { faults, ..setup }
}

const fn first(setup: Views) -> Views {
    Views { locks_first: true, ..setup }
}

const fn of(engine: Engine, setup: Views) -> Views {
    Views { engine, ..setup }
}

/// Each as large as can be searched, and smaller for late requests and failovers, which multiply the states.
fn worlds() -> [(&'static str, Views, Views); 6] {
    let one = |setup| Views { loaders: &[1], ..setup };
    [
        ("a row above that is moved", TREES, one(TREES)),
        ("two rows above", NOTE, one(NOTE)),
        ("a row above that is deleted", Views { loaders: &[0, 0], ..DELETED }, Views { loaders: &[0], ..DELETED }),
        ("locks first", first(Views { writers: &[Item, MoveItem(1)], ..TREES }), one(first(TREES))),
        ("what is above the root", ORDERS, one(ORDERS)),
        ("a version", Views { loaders: &[0, 0], ..VERSION }, VERSION),
    ]
}

fn faults() -> [(&'static str, Faults, Verdict); 8] {
    [
        ("no fault", CALM, SERVED),
        ("a delayed request and a crash", CRASH_AND_DELAY, SERVED),
        ("two delayed or lost requests", DELAYS, SERVED),
        ("unknown COMMIT and a crash", UNKNOWN, SERVED),
        ("restart empty and a crash", RESTART, SERVED),
        ("lossy failover and a crash", FAILOVER, SERVED),
        ("lossy failover and a delayed request", Faults { failovers: 1, ..DELAY }, SERVED),
        ("marker evicted", EVICTION, GAP),
    ]
}

/// Other databases, other views, and other ways to write.
fn others() -> Vec<(&'static str, Views, Verdict)> {
    use Engine::{InnoDb, InnoDbCommitted, Sqlite};
    let unlocked = TREES.without(Rule::LockPath);
    let below_root = Views { writers: &[Order(0), Move(0, 1)], ..unlocked };
    let anew = Views { writers: &[Item, Delete(0, Some(1))], ..FIXED };
    let anew_unkept = Views { has_constraints: false, ..anew };
    let inserted = Views { writers: &[Add(0), Move(0, 1)], ..TREES };
    let inserted_unlocked = inserted.without(Rule::LockPath);
    let told = Views { writers: &[Move(0, 1), Item], outsider: Outsider::Told, ..TREES };
    let moved_elsewhere = Views { writers: &[Item, Move(0, 1)], ..told };
    let relay_crash = Faults { relay_crashes: 1, ..DELAY };
    let available = Views { policy: Policy::Available, loaders: &[1], ..TREES };
    let late = Views { late_commits: true, loaders: &[0], writers: &[Item], n_loads: 2, ..TREES };
    let deadlocks = Views { tells_deadlocks: true, ..DELETED };
    let assembled = ROW.without(Rule::TreeFromDatabase);
    let both_moved = Views { writers: &[Note, MoveItem(1), Move(0, 1)], ..TREES };
    vec![
        ("two rows above that are both moved", both_moved, SERVED),
        ("a row that is moved there and back", Views { writers: &[Item, Move(0, 1), Move(0, 0)], ..TREES }, SERVED),
        ("two rows that are moved crosswise", Views { writers: &[Move(0, 1), Move(1, 0), Item], ..TREES }, SERVED),
        ("the root itself, and a row that is moved", Views { writers: &[User(1), Move(0, 1)], ..TREES }, SERVED),
        ("rows that are inserted", inserted, SERVED),
        ("rows that are inserted, a delayed request and a crash", with(inserted, CRASH_AND_DELAY), SERVED),
        ("rows that are closed", Views { writers: &[Close(0), Item, Move(0, 1)], ..TREES }, SERVED),
        ("a row one below the root, no lock", below_root, SERVED),
        ("a row one below the root, no lock, a delayed request and a crash", with(below_root, CRASH_AND_DELAY), SERVED),
        ("fixed foreign keys, no lock", FIXED, SERVED),
        ("fixed foreign keys, no lock, a delayed request and a crash", with(FIXED, CRASH_AND_DELAY), SERVED),
        ("fixed foreign keys, deleted and inserted anew", anew, SERVED),
        (
            "fixed foreign keys, inserted into what is inserted anew",
            Views { writers: &[Add(0), Delete(0, Some(1))], ..anew },
            SERVED,
        ),
        ("fixed foreign keys, no constraint, deleted and inserted anew", anew_unkept, UNBOUNDED),
        ("no constraint, deleted and inserted anew", Views { is_movable: true, ..anew_unkept }, SERVED),
        ("SQLite, no lock", of(Sqlite, Views { writers: &[Item, Move(0, 1), MoveItem(1)], ..unlocked }), SERVED),
        ("SQLite, no lock, a delayed request and a crash", with(of(Sqlite, unlocked), CRASH_AND_DELAY), SERVED),
        ("InnoDB, READ COMMITTED", of(InnoDbCommitted, TREES), SERVED),
        ("InnoDB, READ COMMITTED, rows that are inserted, no lock", of(InnoDbCommitted, inserted_unlocked), SERVED),
        ("InnoDB, REPEATABLE READ", of(InnoDb, TREES), SERVED),
        ("InnoDB, REPEATABLE READ, locks first", of(InnoDb, first(TREES)), SERVED),
        ("InnoDB, REPEATABLE READ, rows that are inserted, no lock", of(InnoDb, inserted_unlocked), UNBOUNDED),
        ("InnoDB, REPEATABLE READ, what is above the root", of(InnoDb, ORDERS), SERVED),
        ("what is above the root, three writers", Views { writers: &[User(0), Move(1, 0), Item], ..ORDERS }, SERVED),
        ("a write elsewhere, told of", told, LAG),
        ("a write elsewhere, told of, a delayed request and a crash of the relay", with(told, relay_crash), LAG),
        ("a row that is moved elsewhere, told of", moved_elsewhere, LAG),
        ("a write elsewhere, not told of", Views { outsider: Outsider::Untold, ..told }, UNBOUNDED),
        ("available, a lost begin", with(available, DELAY), TIMER),
        ("available, two lost requests and a crash", with(available, Faults { crashes: 1, ..DELAYS }), TIMER),
        (
            "available, a lost begin and an unknown COMMIT",
            with(available, Faults { unknown_commits: 1, ..DELAY }),
            TIMER,
        ),
        ("a version, available, a lost begin", with(Views { policy: Policy::Available, ..VERSION }, DELAY), TIMER),
        ("a version, two who mark it", Views { writers: &[Product, Product], ..VERSION }, SERVED),
        (
            "a version, its stub of any life, lossy failover, a delayed request and a crash",
            with(Views { writers: &[Product], ..VERSION }, Faults { failovers: 1, ..CRASH_AND_DELAY })
                .without(Rule::StubOfAskedLife),
            SERVED,
        ),
        (
            "a version, and a row that is moved",
            Views { writers: &[Product, Item, Move(0, 1)], loaders: &[0, 1], n_loads: 1, ..VERSION },
            SERVED,
        ),
        ("COMMIT later than the hold", late, GAP),
        ("COMMIT later than the hold, and a crash", with(late, CRASH), UNBOUNDED),
        ("a part from its row's cell", assembled, SERVED),
        ("a part from its row's cell, a delayed request and a crash", with(assembled, CRASH_AND_DELAY), SERVED),
        ("deadlocks of a deletion", deadlocks, DEADLOCK),
        ("deadlocks of a deletion, locks first", first(deadlocks), SERVED),
        ("deadlocks of a deletion and a note", Views { writers: &[Note, Delete(0, None)], ..deadlocks }, DEADLOCK),
        (
            "deadlocks of a deletion and a note, locks first",
            first(Views { writers: &[Note, Delete(0, None)], ..deadlocks }),
            SERVED,
        ),
        ("deadlocks of a move", Views { tells_deadlocks: true, ..TREES }, SERVED),
    ]
}

fn ablations() -> Vec<Ablation> {
    use Engine::{InnoDb, InnoDbCommitted};
    use Rule::{
        BypassInTransaction, BypassWhileNoted, CompareStamps, Fence, FillOnlyUnderLease, FreshToken, HoldPath,
        JoinComparesStamps, ListsAreEmptied, LockPath, LockTies, LostIsEmptied, MarkHidden, MarkNewKey, MarkOldKey,
        MarkVersion, MarkersJoin, PathFromLockedRow, PathReadByLock, PathWhenSettled, Quarantine, QueryPrimary,
        StampsBeforeQuery, TreeFromDatabase, UnknownCommitIsLeft,
    };
    let ablation =
        |rule, fault, setup: Views, with, without| Ablation { rule, fault, setup: setup.into(), with, without };
    let item_moved = Views { writers: &[Item, MoveItem(1)], ..TREES };
    let closed = Views { writers: &[Close(0)], loaders: &[0], n_loads: 2, ..TREES };
    let told = Views { writers: &[Move(0, 1), Item], outsider: Outsider::Told, ..TREES };
    let told_of_row = Views { outsider: Outsider::Told, ..ROW };
    let available = Views { policy: Policy::Available, loaders: &[1], ..TREES };
    let failover = Faults { failovers: 1, ..CALM };
    let one_write = Views { writers: &[Item], loaders: &[0], n_loads: 2, ..TREES };
    let of_version = Views { writers: &[Product], ..VERSION };
    vec![
        ablation(LockPath, "no fault", TREES, SERVED, UNBOUNDED),
        ablation(LockPath, "two rows above", NOTE, SERVED, UNBOUNDED),
        ablation(LockPath, "inserted", Views { writers: &[Add(0), Move(0, 1)], ..TREES }, SERVED, UNBOUNDED),
        ablation(LockPath, "InnoDB, READ COMMITTED", of(InnoDbCommitted, TREES), SERVED, UNBOUNDED),
        ablation(LockPath, "InnoDB, REPEATABLE READ", of(InnoDb, TREES), SERVED, UNBOUNDED),
        ablation(LockPath, "what is above the root, InnoDB, REPEATABLE READ", of(InnoDb, ORDERS), SERVED, UNBOUNDED),
        ablation(HoldPath, "no fault", TREES, SERVED, UNBOUNDED),
        ablation(HoldPath, "locks first", first(TREES), SERVED, UNBOUNDED),
        ablation(PathReadByLock, "no fault", TREES, SERVED, UNBOUNDED),
        ablation(PathReadByLock, "InnoDB, REPEATABLE READ", of(InnoDb, TREES), SERVED, UNBOUNDED),
        ablation(PathFromLockedRow, "no fault", item_moved, SERVED, UNBOUNDED),
        ablation(PathFromLockedRow, "locks first", first(item_moved), SERVED, UNBOUNDED),
        ablation(PathFromLockedRow, "what is above the root", ORDERS, SERVED, UNBOUNDED),
        ablation(LockTies, "what is above the root", ORDERS, SERVED, UNBOUNDED),
        ablation(MarkHidden, "no fault", closed, SERVED, UNBOUNDED),
        ablation(TreeFromDatabase, "a write elsewhere", told_of_row, LAG, UNBOUNDED),
        ablation(PathWhenSettled, "a write elsewhere", told, LAG, UNBOUNDED),
        ablation(MarkVersion, "no fault", of_version, SERVED, GAP),
        ablation(MarkVersion, "a crash", with(of_version, CRASH), SERVED, UNBOUNDED),
        ablation(StampsBeforeQuery, "a version", of_version, SERVED, UNBOUNDED),
        ablation(CompareStamps, "a version", of_version, SERVED, UNBOUNDED),
        ablation(JoinComparesStamps, "a version", of_version, SERVED, TIMER),
        ablation(MarkOldKey, "no fault", MOVE, SERVED, UNBOUNDED),
        ablation(MarkNewKey, "no fault", MOVE, SERVED, UNBOUNDED),
        ablation(ListsAreEmptied, "no fault", TREE, SERVED, UNBOUNDED),
        ablation(QueryPrimary, "no fault", one_write, SERVED, UNBOUNDED),
        ablation(BypassInTransaction, "no fault", one_write, SERVED, DIRTY),
        ablation(FillOnlyUnderLease, "a delayed request", with(one_write, DELAY), SERVED, UNBOUNDED),
        ablation(FreshToken, "two delayed requests", with(one_write, DELAYS), SERVED, UNBOUNDED),
        ablation(
            UnknownCommitIsLeft,
            "unknown COMMIT",
            with(one_write, Faults { unknown_commits: 1, ..CALM }),
            SERVED,
            UNBOUNDED,
        ),
        ablation(MarkersJoin, "a crash", with(Views { writers: &[Item, User(0)], ..TREE }, CRASH), SERVED, UNBOUNDED),
        ablation(LostIsEmptied, "marker evicted", with(one_write, EVICTION), GAP, UNBOUNDED),
        ablation(Fence, "lossy failover", with(one_write, failover), SERVED, UNBOUNDED),
        ablation(Quarantine, "lossy failover and a crash", with(one_write, FAILOVER), SERVED, UNBOUNDED),
        ablation(BypassWhileNoted, "a lost begin", with(available, DELAY), TIMER, OWN),
    ]
}
