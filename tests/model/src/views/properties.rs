//! What a read of a tree must not return.

use super::{
    load,
    rows::Writers,
    setup::{Views, has},
    state::{Phase, Relay, Repair, State},
    waits,
};
use crate::{database::Transaction, properties::Finding, rules::Rule, setup::Policy};

/// Everything that is found in one state.
pub(super) fn found(state: &State, setup: &Views) -> u16 {
    let deadlock = if setup.tells_deadlocks && waits::is_deadlock(state, setup) { Finding::Deadlock.bit() } else { 0 };
    deadlock | of_cells(state, setup) | of_joins(state, setup)
}

/// What anybody would be served at this moment.
fn of_cells(state: &State, setup: &Views) -> u16 {
    (0..2).fold(0, |set, root| match load::served(state, setup, root) {
        None => set,
        Some(tree) => {
            let missing = missing(state, setup, root, tree);
            // That a tree is served at all, and after a write, is what the search would be idle without.
            let kept = if missing == 0 && tree != 0 { Finding::Served.bit() } else { 0 };
            let is_for_ever = missing != 0 && is_quiet(state, setup);
            let for_ever = if is_for_ever { Finding::Unbounded.bit() } else { 0 };
            let own = [0, 1]
                .into_iter()
                .filter(|process| !is_noted(state, setup, *process, root))
                .fold(0, |set, process| set | own(state, setup, missing, process));
            set | kept | for_ever | own | judge(state, setup, missing, tree)
        }
    })
}

/// What a thread would be given that comes upon a load of its process.
fn of_joins(state: &State, setup: &Views) -> u16 {
    (0..setup.loaders.len()).fold(0, |set, n| match load::joined(state, setup, n) {
        None => set,
        Some(tree) => {
            let (root, process) = (load::cell(n, setup), Views::process(n));
            if is_noted(state, setup, process, root) {
                return set;
            }
            let missing = missing(state, setup, root, tree);
            set | judge(state, setup, missing, tree) | own(state, setup, missing, process)
        }
    })
}

/// The writers whose changes a tree does not show, and should. Of a row that was put into the tree, and is not shown, only who put it there.
fn missing(state: &State, setup: &Views, root: usize, tree: Writers) -> Writers {
    let missing = state.rows.tree(root, setup) & !tree;
    let here = missing & state.touched[root];
    if here == 0 { missing } else { here }
}

fn judge(state: &State, setup: &Views, missing: Writers, tree: Writers) -> u16 {
    let dirty = if tree & !state.committed != 0 { Finding::Dirty.bit() } else { 0 };
    let outsiders = setup.writers().filter(|n| setup.is_outsider(*n)).fold(0, |set, n| set | 1 << n);
    dirty
        | if missing == 0 {
            0
        } else if missing & state.acknowledged != 0 {
            Finding::Timer.bit()
        } else if missing & !outsiders == 0 {
            Finding::Lag.bit()
        } else {
            Finding::Gap.bit()
        }
}

/// Whether a process would serve what is older than what it has itself committed.
fn own(state: &State, setup: &Views, missing: Writers, process: usize) -> u16 {
    let is_missed = |n: usize| {
        let is_alive = !setup.is_outsider(n) && state.writers[n].phase != Phase::Crashed;
        is_alive && Views::process(n) == process && has(missing, n)
    };
    let is_broken = setup.policy == Policy::Available && setup.writers().any(is_missed);
    if is_broken { Finding::Own.bit() } else { 0 }
}

/// Whether a process passes by the cell of a root, since it has a note that it could not mark it, or the version.
fn is_noted(state: &State, setup: &Views, process: usize, root: usize) -> bool {
    let is_about = |n: usize| {
        let is_own = has(state.notes, n) && Views::process(n) == process;
        is_own && (setup.is_of_version(n) || has(state.marks(n, setup), root))
    };
    setup.has(Rule::BypassWhileNoted) && setup.writers().any(is_about)
}

/// Nothing is under way that would still touch a cell.
fn is_quiet(state: &State, setup: &Views) -> bool {
    let is_at_rest = |n: usize| {
        let writer = &state.writers[n];
        matches!(writer.phase, Phase::Idle | Phase::Done | Phase::Crashed)
            && !matches!(writer.transaction, Transaction::Open | Transaction::Committing)
            && writer.repair == Repair::Nothing
    };
    setup.writers().all(is_at_rest)
        && state.late.iter().all(Option::is_none)
        && state.outbox == 0
        && state.relay == Relay::Idle
}
