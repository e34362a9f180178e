//! The load of a query: stamps first, then the query, then the entry.

use super::{
    moves::Moves,
    setup::{Queries, each, has},
    state::{Entry, Late, Loader, ROWS, STUB, State},
};
use crate::{
    cell::{Cell, Request, Stamp},
    moves::Actor,
    rules::Rule,
};

pub(super) fn steps(moves: &mut Moves<'_>) {
    for n in 0..moves.setup.declares.len() {
        let (setup, loader) = (moves.setup, moves.from.loaders[n]);
        if loader.n_loads == setup.n_loads {
            continue;
        }
        let knows_stamps = each(setup.declares[n]).all(|cell| loader.stamps[cell].is_some());
        let has_answer = each(setup.reads).all(|cell| loader.answer[cell].is_some());
        let is_ordered = setup.has(Rule::StampsBeforeQuery);
        if !knows_stamps && (has_answer || is_ordered) {
            each(setup.declares[n]).filter(|cell| loader.stamps[*cell].is_none()).for_each(|cell| take(moves, n, cell));
        }
        if !has_answer && (knows_stamps || !is_ordered) {
            query(moves, n);
        }
        if knows_stamps && has_answer {
            each(loader.leased).for_each(|cell| fill(moves, n, cell));
            if !loader.has_put && (loader.leased == 0 || setup.puts_at_once) {
                put(moves, n);
            }
        }
    }
}

/// The token of a loader's present load.
fn token(n: usize, loader: Loader, setup: &Queries) -> u8 {
    let load = if setup.has(Rule::FreshToken) { loader.n_loads } else { 0 };
    let token = 4 * u8::try_from(n).expect("loaders are few") + load;
    assert!(token < ROWS, "loads are few");
    token
}

/// Takes the stamp of what is there, or puts a stub, or takes a lease for one, where nothing is. Of what is leased or in doubt there is none to be had.
fn take(moves: &mut Moves<'_>, n: usize, cell: usize) {
    let (setup, actor) = (moves.setup, Actor::Querier(n));
    let token = token(n, moves.from.loaders[n], setup);
    let now = moves.from.cell(cell, setup);
    if let Cell::Value { stamp, .. } = now {
        moves.step(actor, ["takes the stamp of A", "takes the stamp of B"][cell], |state| {
            state.loaders[n].stamps[cell] = Some(stamp);
        });
    }
    let is_vacant = now == Cell::Nothing || super::state::counts_as_vacant(now, token, setup);
    if !is_vacant || moves.from.is_quarantined(setup) {
        return;
    }
    let (request, what, in_vain) = if setup.leases_stubs {
        let in_vain = ["gets no lease on A in time", "gets no lease on B in time"];
        (Request::Lease(token), ["leases A for a stub", "leases B for a stub"], in_vain)
    } else {
        let in_vain = ["gets no stamp of A in time", "gets no stamp of B in time"];
        (Request::Stub(token, STUB, moves.from.life), ["puts a stub into A", "puts a stub into B"], in_vain)
    };
    let request = (cell, request);
    let leased = |state: &mut State| {
        state.loaders[n].stamps[cell] = Some(Stamp::Token(token));
        state.loaders[n].leased |= if setup.leases_stubs { 1 << cell } else { 0 };
    };
    moves.ask_cell(actor, what, request, leased);
    if setup.has(Rule::FillOnlyUnderLease) {
        moves.ask_cell_in_vain(actor, in_vain, request, |state| next(state, n));
    } else {
        moves.ask_cell_in_vain(actor, in_vain, request, leased);
    }
}

fn query(moves: &mut Moves<'_>, n: usize) {
    let (setup, from, actor) = (moves.setup, moves.from, Actor::Querier(n));
    let is_of_replica = !setup.has(Rule::QueryPrimary);
    let sets = (0..16).filter(|set| if is_of_replica { from.history >> set & 1 == 1 } else { *set == from.committed });
    for set in sets {
        let answer = State::answer(set, setup);
        if setup.is_two_statements {
            for cell in each(setup.reads).filter(|cell| from.loaders[n].answer[*cell].is_none()) {
                moves.step(actor, ["queries what A is of", "queries what B is of"][cell], |state| {
                    state.loaders[n].answer[cell] = Some(answer[cell]);
                });
            }
        } else {
            let what = if is_of_replica { "queries a replica" } else { "queries the database" };
            moves.step(actor, what, |state| {
                each(setup.reads).for_each(|cell| state.loaders[n].answer[cell] = Some(answer[cell]));
            });
        }
    }
}

fn fill(moves: &mut Moves<'_>, n: usize, cell: usize) {
    let (setup, actor) = (moves.setup, Actor::Querier(n));
    let token = token(n, moves.from.loaders[n], setup);
    let request = (cell, Request::Fill(token, STUB));
    let is_stored = matches!(moves.from.cell(cell, setup), Cell::Lease { token: theirs, .. } if theirs == token);
    let what =
        if is_stored { ["puts a stub into A", "puts a stub into B"] } else { ["may not fill A", "may not fill B"] };
    let answered = |is_stored: bool| {
        move |state: &mut State| {
            if is_stored || setup.puts_at_once {
                state.loaders[n].leased &= !(1 << cell);
                end(state, n);
            } else {
                next(state, n);
            }
        }
    };
    moves.ask_cell(actor, what, request, answered(is_stored));
    moves.ask_cell_in_vain(
        actor,
        ["fills A, and gets no answer", "fills B, and gets no answer"],
        request,
        answered(false),
    );
}

/// Wherever it comes to lie, and however late: what it is worth the stamps say.
fn put(moves: &mut Moves<'_>, n: usize) {
    let (loader, actor) = (moves.from.loaders[n], Actor::Querier(n));
    let declared = moves.setup.declares[n];
    let answer = loader.answer.map(Option::unwrap_or_default);
    let entry = Entry { declared, stamps: loader.stamps, answer };
    let sent = |state: &mut State| {
        state.loaders[n].has_put = true;
        end(state, n);
    };
    moves.step(actor, "puts the entry", |state| {
        state.memory.entry = Some(entry);
        sent(state);
    });
    moves.late(actor, "puts the entry, and gets no answer", Late::Put(entry), sent);
}

fn end(state: &mut State, n: usize) {
    if state.loaders[n].has_put && state.loaders[n].leased == 0 {
        next(state, n);
    }
}

fn next(state: &mut State, n: usize) {
    state.loaders[n] = Loader { n_loads: state.loaders[n].n_loads + 1, ..Loader::default() };
}

/// Whether the result of a load may be given to who comes upon it while it goes on.
pub(super) fn may_join(state: &State, setup: &Queries, n: usize) -> bool {
    let loader = state.loaders[n];
    let is_held = |cell: usize| match state.cell(cell, setup) {
        Cell::Value { stamp, .. } => loader.stamps[cell] == Some(stamp),
        Cell::Lease { token, .. } => has(loader.leased, cell) && loader.stamps[cell] == Some(Stamp::Token(token)),
        _ => false,
    };
    each(setup.reads).all(|cell| loader.answer[cell].is_some())
        && (!setup.has(Rule::JoinComparesStamps) || each(setup.declares[n]).all(is_held))
}
