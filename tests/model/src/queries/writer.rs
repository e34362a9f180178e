//! A write of one cell or of both, from its statement to the answer that its caller gets.

use super::{
    moves::Moves,
    properties::is_written_through,
    setup::{Queries, each},
    state::{Entry, Phase, Repair, STUB, State, Writer},
};
use crate::{
    cell::{Request, Value},
    database::Transaction,
    moves::Actor,
    rules::Rule,
    setup::{Outsider, Policy},
};

pub(super) fn steps(moves: &mut Moves<'_>) {
    for n in moves.setup.writers() {
        let writer = moves.from.writers[n];
        let actor = if moves.setup.is_outsider(n) { Actor::Outsider } else { Actor::Writer(n) };
        match writer.phase {
            Phase::Idle => change(moves, n, actor),
            Phase::Changed if moves.setup.is_outsider(n) || moves.setup.are_tags => send_commit(moves, n, actor),
            Phase::Changed => {
                query_inside(moves, n);
                mark(moves, n);
                roll_back(moves, n);
            }
            Phase::Begun => {
                send_commit(moves, n, actor);
                roll_back(moves, n);
            }
            Phase::CommitSent => commit(moves, n),
            Phase::Committed => finish(moves, n),
            Phase::Unknown => leave(moves, n),
            Phase::RolledBack => take_back(moves, n),
            Phase::Done | Phase::Crashed => {}
        }
        resolve(moves, n);
    }
}

/// Writers of a row wait for each other; those of a list do not.
fn change(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let (setup, from) = (moves.setup, moves.from);
    let is_in_doubt = |other: usize| other != n && from.writers[other].transaction.is_in_doubt();
    let is_locked =
        |other: usize| each(setup.writers[n] & setup.writers[other]).any(|cell| is_written_through(cell, setup));
    if setup.writers().any(|other| is_in_doubt(other) && is_locked(other)) {
        return;
    }
    let values = State::answer(from.committed | 1 << n, setup);
    moves.step(actor, "changes rows", |state| {
        state.writers[n] = Writer {
            phase: Phase::Changed,
            transaction: Transaction::Open,
            values: [0, 1].map(|cell| if is_written_through(cell, setup) { values[cell] } else { 0 }),
            has_row: setup.is_outsider(n) && setup.outsider == Outsider::Told,
            ..Writer::default()
        };
    });
}

/// Without the rule: the transaction's own rows are what a query in it finds, and what it puts into the entry.
fn query_inside(moves: &mut Moves<'_>, n: usize) {
    let (setup, from) = (moves.setup, moves.from);
    let stamps = super::parts::stamps(from, setup);
    let declared = setup.declares[0];
    if !setup.has(Rule::BypassInTransaction) && each(declared).all(|cell| stamps[cell].is_some()) {
        let answer = State::answer(from.committed | 1 << n, setup);
        moves.step(Actor::Writer(n), "queries in its transaction, and puts the entry", |state| {
            state.memory.entry = Some(Entry { declared, stamps, answer });
        });
    }
}

/// Before COMMIT: a marker in each cell that it knows of.
fn mark(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer, actor) = (moves.setup, moves.from.writers[n], Actor::Writer(n));
    let marks = setup.marks(n);
    if marks == 0 {
        moves.step(actor, "has nothing to mark", |state| {
            state.writers[n].is_marked = true;
            state.writers[n].phase = Phase::Begun;
        });
    }
    for cell in each(marks & !writer.begun) {
        let request = (cell, Request::Begin(setup.nonce(n, writer.attempt)));
        moves.ask_cell(actor, ["begins A", "begins B"], request, |state| {
            let writer = &mut state.writers[n];
            writer.begun |= 1 << cell;
            if writer.begun == marks {
                writer.is_marked = true;
                writer.phase = Phase::Begun;
            }
        });
        if writer.attempt == 0 {
            let what = ["gets no answer on A, and will begin anew", "gets no answer on B, and will begin anew"];
            moves.ask_cell_in_vain(actor, what, request, |state| {
                state.writers[n].attempt = 1;
                state.writers[n].begun = 0;
            });
        }
        match setup.policy {
            Policy::Strict => {
                let what = ["gets no answer on A, and rolls back", "gets no answer on B, and rolls back"];
                moves.ask_cell_in_vain(actor, what, request, |state| {
                    state.writers[n].transaction = Transaction::Aborted;
                    state.writers[n].phase = Phase::RolledBack;
                });
            }
            Policy::Available => {
                let what = ["gets no answer on A: an outbox row", "gets no answer on B: an outbox row"];
                moves.ask_cell_in_vain(actor, what, request, |state| {
                    state.writers[n].phase = Phase::Begun;
                    state.writers[n].has_row = true;
                    state.notes |= 1 << n;
                });
            }
        }
    }
}

fn roll_back(moves: &mut Moves<'_>, n: usize) {
    moves.step(Actor::Writer(n), "rolls back", |state| {
        state.writers[n].transaction = Transaction::Aborted;
        state.writers[n].phase = Phase::RolledBack;
    });
}

fn send_commit(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    moves.step(actor, "sends COMMIT", |state| {
        state.writers[n].phase = Phase::CommitSent;
        state.writers[n].transaction = Transaction::Committing;
    });
}

const COMMITS: [&str; 3] = ["commits W1", "commits W2", "commits W3"];

fn commit(moves: &mut Moves<'_>, n: usize) {
    let setup = moves.setup;
    let is_outsider = setup.is_outsider(n);
    moves.step(Actor::Database, if is_outsider { "commits the outsider" } else { COMMITS[n] }, |state| {
        state.commit(n, setup);
        let writer = &mut state.writers[n];
        writer.phase = if is_outsider { Phase::Done } else { Phase::Committed };
        writer.begun = if writer.is_marked { setup.marks(n) } else { setup.settles(n) };
        if writer.is_marked && writer.begun == 0 {
            writer.phase = Phase::Done;
            state.acknowledged |= 1 << n;
        }
    });
    if moves.from.faults.unknown_commits > 0 && !is_outsider && !setup.are_tags {
        moves.step(Actor::Writer(n), "loses the connection during COMMIT", |state| {
            state.faults.unknown_commits -= 1;
            state.writers[n].phase = Phase::Unknown;
        });
    }
}

/// After COMMIT: each cell gets its new value, or is emptied, and then the caller its answer.
fn finish(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer, actor) = (moves.setup, moves.from.writers[n], Actor::Writer(n));
    if !writer.is_marked && !setup.are_tags {
        moves.step(actor, "returns, and will settle", |state| {
            state.writers[n].phase = Phase::Done;
            state.writers[n].repair = Repair::Settle(setup.settles(n));
            state.acknowledged |= 1 << n;
        });
        return;
    }
    for cell in each(writer.begun) {
        let (request, what, in_vain) = if setup.are_tags {
            let in_vain = ["settles A, and gets no answer", "settles B, and gets no answer"];
            (Request::Settle(None), ["settles A", "settles B"], in_vain)
        } else {
            let in_vain = ["finishes A, and gets no answer", "finishes B, and gets no answer"];
            (ending(setup, n, writer, cell), ["finishes A", "finishes B"], in_vain)
        };
        moves.ask_cell(actor, what, (cell, request), |state| ended(state, n, cell));
        moves.ask_cell_in_vain(actor, in_vain, (cell, request), |state| {
            // Whoever settles a tag returns only when that was answered.
            if !setup.are_tags {
                let repair = &mut state.writers[n].repair;
                *repair = Repair::Finish(1 << cell | if let Repair::Finish(cells) = *repair { cells } else { 0 });
                ended(state, n, cell);
            }
        });
    }
}

fn ended(state: &mut State, n: usize, cell: usize) {
    let writer = &mut state.writers[n];
    writer.begun &= !(1 << cell);
    if writer.begun == 0 {
        writer.phase = Phase::Done;
        state.acknowledged |= 1 << n;
    }
}

/// How a committed write ends in a cell.
pub(super) fn ending(setup: &Queries, n: usize, writer: Writer, cell: usize) -> Request {
    let value = if is_written_through(cell, setup) {
        Some(Value(writer.values[cell]))
    } else {
        (!setup.has(Rule::ListsAreEmptied)).then_some(STUB)
    };
    Request::Finish(setup.nonce(n, writer.attempt), value)
}

/// After a COMMIT of unknown outcome the markers stay until they expire.
fn leave(moves: &mut Moves<'_>, n: usize) {
    let cells = moves.setup.settles(n);
    moves.step(Actor::Writer(n), "returns an error, and will settle after the hold", |state| {
        state.writers[n].phase = Phase::Done;
        state.writers[n].repair = Repair::Settle(cells);
    });
}

/// After a roll-back: of what was answered the markers are taken back.
fn take_back(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer, actor) = (moves.setup, moves.from.writers[n], Actor::Writer(n));
    let nonce = setup.nonce(n, writer.attempt);
    for cell in each(writer.begun) {
        let request = (cell, Request::RollBack(nonce));
        let done = |state: &mut State| state.writers[n].begun &= !(1 << cell);
        moves.ask_cell(actor, ["takes its marker in A back", "takes its marker in B back"], request, done);
        let what = ["takes its marker in A back, and gets no answer", "takes its marker in B back, and gets no answer"];
        moves.ask_cell_in_vain(actor, what, request, done);
    }
    if writer.begun == 0 {
        moves.step(actor, "returns an error", |state| {
            state.notes &= !(1 << n);
            state.writers[n].phase = Phase::Done;
        });
    }
}

/// The database decides over a COMMIT of which nobody waits for the outcome.
fn resolve(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    let is_left = matches!(writer.phase, Phase::Unknown | Phase::Done | Phase::Crashed);
    if writer.transaction != Transaction::Committing || !is_left {
        return;
    }
    moves.step(Actor::Database, COMMITS[n], |state| state.commit(n, setup));
    moves.step(Actor::Database, ["aborts W1", "aborts W2", "aborts W3"][n], |state| {
        state.writers[n].transaction = Transaction::Aborted;
    });
}
