//! The load of a tree: lease and version first, then the query, then the fill.

use super::{
    moves::Moves,
    setup::{ITEM_ROW, VERSION, Views, names},
    state::{Loader, State, pack, shown},
};
use crate::{
    cell::{Cell, Request, Stamp, Value},
    moves::Actor,
    rules::Rule,
};

pub(super) fn steps(moves: &mut Moves<'_>) {
    for n in 0..moves.setup.loaders.len() {
        let (setup, loader) = (moves.setup, moves.from.loaders[n]);
        if loader.n_loads == setup.n_loads {
            continue;
        }
        let needs_version = setup.has_version() && loader.version.is_none();
        let is_early = setup.has(Rule::StampsBeforeQuery);
        if !loader.is_leased {
            lease(moves, n);
            continue;
        }
        if needs_version {
            take_version(moves, n);
        }
        if loader.answer.is_none() && !(needs_version && is_early) {
            take_item(moves, n);
            query(moves, n);
        }
        if let Some(tree) = loader.answer
            && !needs_version
        {
            fill(moves, n, pack(tree, loader.version));
        }
    }
}

pub(super) fn cell(n: usize, setup: &Views) -> usize {
    usize::from(setup.loaders[n])
}

/// The token of a loader's present load.
pub(super) fn token(n: usize, loader: Loader, setup: &Views) -> u8 {
    let load = if setup.has(Rule::FreshToken) { loader.n_loads } else { 0 };
    4 * u8::try_from(n).expect("loaders are few") + load
}

fn lease(moves: &mut Moves<'_>, n: usize) {
    let (setup, from, actor) = (moves.setup, moves.from, Actor::Reader(n));
    let cell = cell(n, setup);
    if from.cell(cell, setup) != Cell::Nothing || from.is_quarantined(setup) {
        return;
    }
    let request = (cell, Request::Lease(token(n, from.loaders[n], setup)));
    let leased = |state: &mut State| state.loaders[n].is_leased = true;
    moves.ask_cell(actor, names!("leases"), request, leased);
    let what = names!("gets no lease on", "in time");
    if setup.has(Rule::FillOnlyUnderLease) {
        moves.ask_cell_in_vain(actor, what, request, |state| next(state, n));
    } else {
        moves.ask_cell_in_vain(actor, what, request, leased);
    }
}

/// The stamp of the view's version; or a stub with a stamp of one's own, where there is none. While it is in doubt there is none to be had.
fn take_version(moves: &mut Moves<'_>, n: usize) {
    let (setup, from, actor) = (moves.setup, moves.from, Actor::Reader(n));
    if let Some(stamp) = from.version(setup) {
        moves.step(actor, "takes the stamp of the version", |state| state.loaders[n].version = Some(stamp));
    }
    if from.cell(VERSION, setup) != Cell::Nothing || from.is_quarantined(setup) {
        return;
    }
    let token = token(n, from.loaders[n], setup);
    let request = (VERSION, Request::Stub(token, Value(0), from.life));
    let put = |state: &mut State| state.loaders[n].version = Some(Stamp::Token(token));
    moves.ask_cell(actor, names!("puts a stub into"), request, put);
    moves.ask_cell_in_vain(actor, names!("gets no stamp of", "in time"), request, |state| next(state, n));
}

/// Without the rule: what the cell of the item's row has is taken from there, and only the rest from the database.
fn take_item(moves: &mut Moves<'_>, n: usize) {
    let (setup, from) = (moves.setup, moves.from);
    if setup.has(Rule::TreeFromDatabase) || from.loaders[n].item.is_some() {
        return;
    }
    if let Cell::Value { value, .. } = from.cell(ITEM_ROW, setup) {
        moves.step(Actor::Reader(n), "takes the item from the cell of its row", |state| {
            state.loaders[n].item = Some(value.0);
        });
    }
}

fn query(moves: &mut Moves<'_>, n: usize) {
    let (setup, from, actor) = (moves.setup, moves.from, Actor::Reader(n));
    let cell = cell(n, setup);
    let now = from.rows.tree(cell, setup);
    if !setup.has(Rule::QueryPrimary) {
        for tree in (0..8).filter(|tree| from.history[cell] >> tree & 1 == 1) {
            moves.step(actor, "queries a replica", |state| state.loaders[n].answer = Some(tree));
        }
        return;
    }
    let answer = match from.loaders[n].item {
        Some(item) if from.rows.shows_item(cell, setup) => now & !from.rows.item_row() | item,
        _ => now,
    };
    moves.step(actor, "queries the database", |state| state.loaders[n].answer = Some(answer));
}

fn fill(moves: &mut Moves<'_>, n: usize, value: Value) {
    let (setup, actor) = (moves.setup, Actor::Reader(n));
    let token = token(n, moves.from.loaders[n], setup);
    let request = (cell(n, setup), Request::Fill(token, value));
    moves.ask_cell(actor, names!("fills"), request, |state| next(state, n));
    moves.ask_cell_in_vain(actor, names!("fills", ", and gets no answer"), request, |state| next(state, n));
}

fn next(state: &mut State, n: usize) {
    state.loaders[n] = Loader { n_loads: state.loaders[n].n_loads + 1, ..Loader::default() };
}

/// What a thread of the loader's process would be given that has seen its lease.
pub(super) fn joined(state: &State, setup: &Views, n: usize) -> Option<u8> {
    let loader = state.loaders[n];
    let is_held = match state.cell(cell(n, setup), setup) {
        Cell::Lease { token: theirs, .. } => loader.is_leased && theirs == token(n, loader, setup),
        _ => false,
    };
    let version = state.version(setup);
    let is_of_version =
        !setup.has_version() || !setup.has(Rule::JoinComparesStamps) || version.is_some() && loader.version == version;
    loader.answer.filter(|_| is_held && is_of_version)
}

/// What anybody is served who reads a cell, and the version with it.
pub(super) fn served(state: &State, setup: &Views, cell: usize) -> Option<u8> {
    let Cell::Value { value, .. } = state.cell(cell, setup) else { return None };
    let is_compared = setup.has_version() && setup.has(Rule::CompareStamps);
    let is_good = !is_compared || super::state::is_of_version(value, state.version(setup));
    is_good.then(|| shown(value))
}
