//! A write, from its statement to the answer that its caller gets: `transaction.rs` and `layers.rs` of larder.

use crate::{
    cell::{Cell, Request, Stamp, after_commit, before_commit},
    database::{Change, Transaction},
    moves::{Actor, Moves},
    rules::{Protocol, Rule},
    setup::{Kind, Outsider, Policy, Setup},
    state::{Phase, Repair, State, Writer},
};

pub(crate) fn steps(moves: &mut Moves<'_>) {
    for n in moves.setup.writers() {
        let writer = moves.from.writers[n];
        let actor = if moves.setup.is_outsider(n) { Actor::Outsider } else { Actor::Writer(n) };
        match writer.phase {
            Phase::Idle => change(moves, n, actor),
            Phase::Changed if moves.setup.is_outsider(n) => send_commit(moves, n, actor),
            Phase::Changed => {
                mark(moves, n, actor);
                roll_back(moves, n, actor);
            }
            Phase::Begun => {
                send_commit(moves, n, actor);
                roll_back(moves, n, actor);
            }
            Phase::CommitSent => commit(moves, n),
            Phase::Committed => finish(moves, n, actor),
            Phase::Unknown => leave(moves, n, actor),
            Phase::RolledBack => take_back(moves, n, actor),
            Phase::Deleting => moves.ask(actor, "deletes a second time", Request::Delete, |state| {
                state.writers[n].phase = Phase::Done;
            }),
            Phase::Done | Phase::Crashed => {}
        }
        resolve(moves, n);
    }
}

fn change(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let setup = moves.setup;
    for statement in moves.from.database.statements(n, setup, &moves.from.activity()) {
        let what = match statement.change {
            Change::Update => "UPDATE",
            Change::Arrive(_) => "moves a row to the value",
            Change::Leave(_) => "takes the row away from the value",
            Change::Touch(_) => "changes the row that has the value",
            Change::Swap(_) => "moves the other row to the value, then the row away from it",
        };
        moves.step(actor, what, |state| {
            let is_unaware = match statement.change {
                Change::Leave(_) => !setup.has(Rule::MarkOldKey),
                Change::Arrive(_) => !setup.has(Rule::MarkNewKey),
                _ => false,
            };
            state.writers[n] = Writer {
                phase: Phase::Changed,
                transaction: Transaction::Open,
                change: statement.change,
                value: statement.value,
                is_unaware,
                has_row: match setup.outsider {
                    Outsider::Told | Outsider::ToldOfAll => setup.is_outsider(n) || setup.durable,
                    Outsider::Nobody | Outsider::Untold => setup.durable && !setup.is_outsider(n),
                },
                ..Writer::default()
            };
        });
    }
}

/// Before COMMIT: the marker, or what another protocol has in its place.
fn mark(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    if !setup.has(Rule::BypassInTransaction) && moves.from.cell(setup) == Cell::Nothing {
        moves.step(actor, "reads its own row in the transaction, and fills", |state| {
            state.server.cell = Cell::Value { value: writer.value, stamp: Stamp::First, life: state.server.life };
        });
    }
    let request = before_commit(setup, setup.nonce(n, writer.attempt));
    let Some(request) = request.filter(|_| !writer.is_unaware) else {
        moves.step(actor, "has nothing to do before COMMIT", |state| state.writers[n].phase = Phase::Begun);
        return;
    };
    moves.ask(actor, "begins", request, |state| {
        state.writers[n].phase = Phase::Begun;
        state.writers[n].is_marked = true;
    });
    if writer.attempt == 0 {
        moves.ask_in_vain(actor, "begins, gets no answer, and will try again", request, |state| {
            state.writers[n].attempt = 1;
        });
    }
    match setup.policy {
        Policy::Strict if setup.has(Rule::FailedBeginRollsBack) => {
            moves.ask_in_vain(actor, "begins, gets no answer, and rolls back", request, |state| {
                state.writers[n].transaction = Transaction::Aborted;
                state.writers[n].phase = Phase::RolledBack;
            });
        }
        Policy::Strict => moves.ask_in_vain(actor, "begins, gets no answer, and goes on", request, |state| {
            state.writers[n].phase = Phase::Begun;
        }),
        Policy::Available => {
            moves.ask_in_vain(actor, "begins, gets no answer, and writes an outbox row", request, |state| {
                state.writers[n].phase = Phase::Begun;
                state.writers[n].has_row |= setup.has(Rule::RowInTransaction);
                if setup.has(Rule::NoteBeforeCommit) {
                    state.notes |= 1 << n;
                }
            });
        }
    }
}

fn roll_back(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    moves.step(actor, "rolls back", |state| {
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

fn commit(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    let what = if setup.is_outsider(n) { "commits the outsider" } else { COMMITS[n] };
    if moves.from.database.may_commit(writer.change) {
        moves.step(Actor::Database, what, |state| {
            state.commit(n);
            state.writers[n].phase = if setup.is_outsider(n) { Phase::Done } else { Phase::Committed };
        });
    } else {
        moves.step(Actor::Database, "refuses COMMIT", |state| {
            state.writers[n].transaction = Transaction::Aborted;
            state.writers[n].phase = if setup.is_outsider(n) { Phase::Done } else { Phase::RolledBack };
        });
    }
    if moves.from.faults.unknown_commits > 0 && !setup.is_outsider(n) {
        moves.step(Actor::Writer(n), "loses the connection during COMMIT", |state| {
            state.faults.unknown_commits -= 1;
            state.writers[n].phase = Phase::Unknown;
        });
    }
}

const COMMITS: [&str; 4] = ["commits W1", "commits W2", "commits W3", "commits W4"];

/// After COMMIT: the cell gets the new value, or is emptied, and the caller its answer.
fn finish(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    let returned = move |state: &mut State, repair| {
        state.acknowledged |= 1 << n;
        state.writers[n].repair = repair;
        let is_double = setup.protocol == Protocol::DoubleDelete;
        state.writers[n].phase = if is_double { Phase::Deleting } else { Phase::Done };
    };
    if writer.is_unaware {
        moves.step(actor, "returns", |state| returned(state, Repair::Nothing));
        return;
    }
    if setup.protocol == Protocol::Markers && !writer.is_marked {
        if setup.policy == Policy::Available {
            moves.step(actor, "returns, and will settle", |state| {
                if !setup.has(Rule::NoteBeforeCommit) {
                    state.notes |= 1 << n;
                }
                if !setup.has(Rule::RowInTransaction) {
                    state.outbox |= 1 << n;
                }
                returned(state, Repair::Settle);
            });
        } else {
            moves.ask(actor, "settles and returns", Request::Settle(None), |state| returned(state, Repair::Nothing));
            moves.ask_in_vain(actor, "settles, gets no answer, and returns", Request::Settle(None), |state| {
                returned(state, Repair::Nothing);
            });
        }
        return;
    }
    let request = ending(setup, n, writer);
    moves.ask(actor, "finishes and returns", request, |state| returned(state, Repair::Nothing));
    let repair = if setup.protocol == Protocol::Markers { Repair::Finish } else { Repair::Nothing };
    moves.ask_in_vain(actor, "finishes, gets no answer, and returns", request, |state| returned(state, repair));
}

/// How a committed write ends in the store.
pub(crate) fn ending(setup: &Setup, n: usize, writer: Writer) -> Request {
    let is_stored = match setup.kind {
        Kind::Row | Kind::Unique => true,
        Kind::List => !setup.has(Rule::ListsAreEmptied),
        Kind::Deferrable => !setup.has(Rule::DeferrableIsEmptied),
    };
    after_commit(setup, setup.nonce(n, writer.attempt), is_stored.then_some(writer.value))
}

/// After a COMMIT of unknown outcome.
fn leave(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let setup = moves.setup;
    let has_markers = setup.protocol == Protocol::Markers;
    let repair = if has_markers { Repair::Settle } else { Repair::Nothing };
    if has_markers && !setup.has(Rule::UnknownCommitIsLeft) {
        let request = Request::RollBack(setup.nonce(n, moves.from.writers[n].attempt));
        moves.ask(actor, "takes its marker back, and returns an error", request, |state| {
            state.writers[n].phase = Phase::Done;
        });
    } else {
        moves.step(actor, "returns that the outcome is unknown", |state| {
            state.writers[n].phase = Phase::Done;
            state.writers[n].repair = repair;
        });
    }
}

/// After a rollback.
fn take_back(moves: &mut Moves<'_>, n: usize, actor: Actor) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    let returned = |state: &mut State| {
        state.notes &= !(1 << n);
        state.writers[n].phase = Phase::Done;
    };
    let is_taken_back = writer.is_marked || !setup.has(Rule::UnknownBeginIsLeft);
    if setup.protocol == Protocol::Markers && is_taken_back && !writer.is_unaware {
        let request = Request::RollBack(setup.nonce(n, writer.attempt));
        moves.ask(actor, "takes its marker back, and returns an error", request, returned);
        moves.ask_in_vain(actor, "takes its marker back, and gets no answer", request, returned);
    } else {
        moves.step(actor, "returns an error", returned);
    }
}

/// The database decides over a COMMIT of which nobody waits for the outcome.
fn resolve(moves: &mut Moves<'_>, n: usize) {
    let writer = moves.from.writers[n];
    let is_left = matches!(writer.phase, Phase::Unknown | Phase::Done | Phase::Crashed);
    if writer.transaction != Transaction::Committing || !is_left {
        return;
    }
    if moves.from.database.may_commit(writer.change) {
        moves.step(Actor::Database, COMMITS[n], |state| state.commit(n));
    }
    moves.step(Actor::Database, ABORTS[n], |state| state.writers[n].transaction = Transaction::Aborted);
}

const ABORTS: [&str; 4] = ["aborts W1", "aborts W2", "aborts W3", "aborts W4"];
