//! A read of the entry, and then of each stamp, at a moment of its own.

use super::{
    moves::Moves,
    properties::serves,
    setup::{Queries, each},
    state::{Entry, Parts, Stamps, State},
};
use crate::{moves::Actor, properties::Finding, rules::Rule};

pub(super) fn steps(moves: &mut Moves<'_>) {
    let (setup, from) = (moves.setup, moves.from);
    let parts = from.parts;
    if parts.n_reads == setup.n_reads {
        return;
    }
    if parts.entry.is_none()
        && let Some(entry) = from.memory.entry
    {
        part(moves, "reads the entry", Parts { entry: Some(entry), ..parts });
    }
    if parts.entry.is_none() && setup.has(Rule::EntryBeforeStamps) {
        return;
    }
    for cell in each(setup.declares[0]).filter(|cell| parts.stamps[*cell].is_none()) {
        let mut with = parts;
        with.stamps[cell] = from.stamp(cell, setup);
        if with.stamps[cell].is_some() {
            part(moves, ["reads the stamp of A", "reads the stamp of B"][cell], with);
        }
    }
}

fn part(moves: &mut Moves<'_>, what: &'static str, mut with: Parts) {
    let setup = moves.setup;
    with.truths |= 1 << moves.from.committed;
    let is_whole = each(setup.declares[0]).all(|cell| with.stamps[cell].is_some());
    let Some(entry) = with.entry.filter(|_| is_whole) else {
        moves.step(Actor::Read(0), what, |state| state.parts = with);
        return;
    };
    // Who finds another stamp has missed, and is of no more interest.
    if serves(&entry, setup.declares[0], with.stamps, setup) {
        let is_true = (0..16).any(|set| with.truths >> set & 1 == 1 && is_answer(&entry, set, setup));
        moves.step(Actor::Read(0), if is_true { "hits" } else { "hits WRONGLY" }, |state| {
            state.parts = Parts { n_reads: with.n_reads + 1, ..Parts::default() };
            if !is_true {
                state.reported |= Finding::Stale.bit();
            }
        });
    }
}

fn is_answer(entry: &Entry, committed: u8, setup: &Queries) -> bool {
    let truth = State::answer(committed, setup);
    each(setup.reads).all(|cell| entry.answer[cell] == truth[cell])
}

/// The stamps of all cells at this moment.
pub(super) fn stamps(state: &State, setup: &Queries) -> Stamps {
    [0, 1].map(|cell| state.stamp(cell, setup))
}
