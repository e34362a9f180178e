//! A write of one row, from what its transaction reads first to the answer that its caller gets.

use super::{
    moves::Moves,
    path::{self, Path},
    rows::ITEM,
    setup::{Cells, ITEM_ROW, Views, Write, each, has, names},
    state::{Phase, Repair, State, Writer, pack},
    waits::{self, Lock},
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
        let actor = actor(n, moves.setup);
        match writer.phase {
            Phase::Idle => open(moves, n),
            Phase::Ahead => {
                lock_ahead(moves, n);
                change(moves, n);
                roll_back(moves, n);
            }
            Phase::Changed if moves.setup.is_outsider(n) => send_commit(moves, n, actor),
            Phase::Changed => {
                cascade(moves, n);
                walk(moves, n);
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

fn actor(n: usize, setup: &Views) -> Actor {
    if setup.is_outsider(n) { Actor::Outsider } else { Actor::Writer(n) }
}

/// The first statement of a transaction: that of the write, or one that reads what it is about.
fn open(moves: &mut Moves<'_>, n: usize) {
    let (setup, from) = (moves.setup, moves.from);
    if !setup.looks_ahead() || setup.is_outsider(n) {
        change(moves, n);
        return;
    }
    if !from.rows.has_target(setup.writers[n], setup) || !waits::may_begin(n, from, setup) {
        return;
    }
    let seen = if setup.is_of_version(n) {
        Path::default()
    } else {
        path::whole(path::start(n, &from.rows, setup), n, &from.rows, setup)
    };
    let is_to_lock = |row: &usize| waits::on_the_way(*row, n, from, setup).is_some();
    let rows = (0..super::rows::N_ROWS).filter(|row| has(seen.rows, *row) && is_to_lock(row));
    let is_final = !setup.has(Rule::PathFromLockedRow);
    let path = Path {
        roots: if is_final { seen.roots } else { 0 },
        rows: if is_final || setup.locks_first { rows.fold(0, |set, row| set | 1 << row) } else { 0 },
    };
    moves.step(Actor::Writer(n), "reads what it will change, and the way to its root", |state| {
        let past = if setup.reads_the_past() { state.rows } else { Default::default() };
        state.writers[n] =
            Writer { phase: Phase::Ahead, transaction: Transaction::Open, path, past, ..Writer::default() };
    });
}

const LOCKS: [&str; super::rows::N_ROWS] = [
    "locks user A FOR SHARE",
    "locks user B FOR SHARE",
    "locks order 1 FOR SHARE",
    "locks order 2 FOR SHARE",
    "locks the item FOR SHARE",
    "locks the product FOR SHARE",
];

/// The rows of which something is to be learned now: before the statement from the top down, after it any.
pub(super) fn on_the_way(n: usize, state: &State, setup: &Views) -> impl Iterator<Item = usize> {
    let writer = state.writers[n];
    let at_once = if writer.phase == Phase::Ahead { 1 } else { super::rows::N_ROWS };
    let is_left = !setup.is_outsider(n);
    (0..super::rows::N_ROWS).filter(move |row| is_left && has(writer.path.rows, *row)).take(at_once)
}

/// A lock on a row above the one that will be written.
fn lock_ahead(moves: &mut Moves<'_>, n: usize) {
    let (setup, from) = (moves.setup, moves.from);
    for row in on_the_way(n, from, setup) {
        let lock = waits::on_the_way(row, n, from, setup);
        if lock.is_some_and(|lock| !waits::is_free(n, lock, from, setup)) {
            continue;
        }
        let found = path::follow(row, n, &from.rows, setup);
        moves.step(Actor::Writer(n), LOCKS[row], |state| {
            let writer = &mut state.writers[n];
            hold(writer, row, setup);
            writer.path.rows &= !(1 << row);
            if !setup.has(Rule::PathFromLockedRow) {
                let is_new = found.rows & !writer.shared;
                writer.path = writer.path.and(Path { rows: is_new, ..found });
            }
        });
    }
}

fn hold(writer: &mut Writer, row: usize, setup: &Views) {
    if setup.has(Rule::HoldPath) {
        writer.shared |= 1 << row;
    }
}

fn what(write: Write) -> &'static str {
    match write {
        Write::User(0) => "changes user A",
        Write::User(_) => "changes user B",
        Write::Order(0) => "changes order 1",
        Write::Order(_) => "changes order 2",
        Write::Close(0) => "closes order 1",
        Write::Close(_) => "closes order 2",
        Write::Move(0, 0) => "gives order 1 to A",
        Write::Move(0, _) => "gives order 1 to B",
        Write::Move(_, 0) => "gives order 2 to A",
        Write::Move(..) => "gives order 2 to B",
        Write::Delete(_, None) => "deletes an order",
        Write::Delete(_, Some(_)) => "deletes order 1, and inserts it anew under B",
        Write::Add(_) => "inserts another item into order 1",
        Write::Item => "changes the item",
        Write::MoveItem(_) => "puts the item into order 2",
        Write::Note => "inserts a note on the item",
        Write::Product => "changes the product",
    }
}

/// The statement of the write, which waits for the locks that it needs.
fn change(moves: &mut Moves<'_>, n: usize) {
    let (setup, from) = (moves.setup, moves.from);
    let (write, writer) = (setup.writers[n], from.writers[n]);
    let locks = waits::of_statement(n, from, setup);
    let is_free = locks.iter().all(|lock| waits::is_free(n, *lock, from, setup));
    let is_its_turn =
        if writer.phase == Phase::Ahead { writer.path.rows == 0 } else { waits::may_begin(n, from, setup) };
    if !is_free || !is_its_turn || !from.rows.has_target(write, setup) {
        return;
    }
    let path = way(n, from, setup);
    let of = |wanted: &[Lock]| {
        locks.iter().filter(|(_, lock)| wanted.contains(lock)).fold(0, |set, (row, _)| set | 1 << row)
    };
    let is_cascading =
        setup.has_constraints && matches!(write, Write::Delete(order, _) if from.rows.item == Some(order));
    moves.step(actor(n, setup), what(write), |state| {
        let values = values(n, state, setup);
        let writer = &mut state.writers[n];
        *writer = Writer {
            phase: Phase::Changed,
            transaction: Transaction::Open,
            path,
            exclusive: of(&[Lock::Update, Lock::Delete]),
            shared: writer.shared | of(&[Lock::Share]),
            keyed: of(&[Lock::Key]),
            is_cascading: is_cascading && !setup.is_outsider(n),
            values,
            has_row: setup.is_outsider(n) && setup.outsider == Outsider::Told,
            past: writer.past,
            ..Writer::default()
        };
        if is_cascading && setup.is_outsider(n) {
            writer.exclusive |= 1 << ITEM;
        }
    });
}

/// What a statement says of the way to its roots.
fn way(n: usize, state: &State, setup: &Views) -> Path {
    let start = path::start(n, &state.rows, setup);
    if setup.is_outsider(n) {
        // The row of the outbox says what the trigger has seen, and where to go on from there.
        return if setup.has(Rule::PathWhenSettled) { start } else { path::whole(start, n, &state.rows, setup) };
    }
    if setup.is_of_version(n) {
        Path::default()
    } else if setup.has(Rule::PathFromLockedRow) {
        start
    } else {
        state.writers[n].path
    }
}

/// What a writer would store: the row of the item, and, without the rule, trees as its transaction has them.
fn values(n: usize, state: &State, setup: &Views) -> [u8; super::setup::N_CELLS] {
    let mut rows = state.rows;
    rows.apply(n, setup);
    let mut values = [0; super::setup::N_CELLS];
    if setup.beside == super::setup::Beside::ItemRow {
        values[ITEM_ROW] = rows.item_row();
    }
    if !setup.has(Rule::ListsAreEmptied) {
        values[0] = rows.tree(0, setup);
        values[1] = rows.tree(1, setup);
    }
    values
}

/// What hangs from a deleted row is deleted by the same statement, as soon as nobody has it locked.
fn cascade(moves: &mut Moves<'_>, n: usize) {
    let (setup, from) = (moves.setup, moves.from);
    if from.writers[n].is_cascading && waits::is_free(n, (ITEM, Lock::Delete), from, setup) {
        moves.step(Actor::Writer(n), "deletes the item with its order", |state| {
            let is_below = matches!(setup.writers[n], Write::Delete(order, _) if state.rows.item == Some(order));
            state.writers[n].is_cascading = false;
            state.writers[n].exclusive |= if is_below { 1 << ITEM } else { 0 };
        });
    }
}

/// A step towards the roots: a row is read that is above the last one, or above what was written.
fn walk(moves: &mut Moves<'_>, n: usize) {
    let (setup, from) = (moves.setup, moves.from);
    let writer = from.writers[n];
    if writer.is_cascading {
        return;
    }
    for row in on_the_way(n, from, setup) {
        let lock = waits::on_the_way(row, n, from, setup);
        if lock.is_some_and(|lock| !waits::is_free(n, lock, from, setup)) {
            continue;
        }
        let is_locking = lock.is_some() || path::is_downward(n, setup) && setup.has(Rule::LockPath);
        let is_of_now = is_locking && setup.has(Rule::PathReadByLock) || !setup.reads_the_past();
        let found = path::follow(row, n, if is_of_now { &from.rows } else { &writer.past }, setup);
        moves.step(Actor::Writer(n), told(row, lock.is_some(), n, setup), |state| {
            let writer = &mut state.writers[n];
            if lock.is_some() {
                hold(writer, row, setup);
            }
            writer.path.rows &= !(1 << row);
            writer.path = writer.path.and(found);
        });
    }
}

fn told(row: usize, is_locked: bool, n: usize, setup: &Views) -> &'static str {
    const READS: [&str; 3] = ["reads whose order 1 is", "reads whose order 2 is", "reads which order has the item"];
    const READS_LOCKED: [&str; 3] = [
        "reads whose order 1 is, FOR SHARE",
        "reads whose order 2 is, FOR SHARE",
        "reads which order has the item, FOR SHARE",
    ];
    match row.checked_sub(2) {
        None if path::is_downward(n, setup) => "reads which orders the user has",
        None => LOCKS[row],
        Some(row) if is_locked => READS_LOCKED[row],
        Some(row) => READS[row],
    }
}

/// The way has led to all roots.
fn is_resolved(writer: Writer) -> bool {
    writer.path.rows == 0 && !writer.is_cascading
}

/// Without the rule: a tree is loaded in the transaction, with the transaction's own rows, and stored.
fn query_inside(moves: &mut Moves<'_>, n: usize) {
    if moves.setup.has(Rule::BypassInTransaction) {
        return;
    }
    let (setup, from) = (moves.setup, moves.from);
    let mut rows = from.rows;
    rows.apply(n, setup);
    for (number, root) in setup.loaders.iter().enumerate() {
        let (loader, cell) = (from.loaders[number], usize::from(*root));
        if loader.is_leased && loader.answer.is_none() {
            let tree = rows.tree(cell, setup);
            moves.step(Actor::Reader(number), "queries in a transaction that has changed rows", |state| {
                state.loaders[number].answer = Some(tree);
            });
        }
    }
}

/// Before COMMIT: a marker in the cell of each root.
fn mark(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer, actor) = (moves.setup, moves.from.writers[n], Actor::Writer(n));
    if !is_resolved(writer) {
        return;
    }
    let is_unmarked = setup.is_of_version(n) && !setup.has(Rule::MarkVersion);
    let marks = if is_unmarked { 0 } else { moves.from.marks(n, setup) };
    if marks == 0 {
        moves.step(actor, "has nothing to mark", |state| {
            state.writers[n].is_marked = true;
            state.writers[n].phase = Phase::Begun;
        });
    }
    for cell in each(marks & !writer.begun) {
        let request = (cell, Request::Begin(setup.nonce(n, writer.attempt)));
        moves.ask_cell(actor, names!("begins"), request, |state| {
            let writer = &mut state.writers[n];
            writer.begun |= 1 << cell;
            if writer.begun == marks {
                writer.is_marked = true;
                writer.phase = Phase::Begun;
            }
        });
        if writer.attempt == 0 {
            let what = names!("gets no answer on", ", and will begin anew");
            moves.ask_cell_in_vain(actor, what, request, |state| {
                state.writers[n].attempt = 1;
                state.writers[n].begun = 0;
            });
        }
        match setup.policy {
            Policy::Strict => {
                let what = names!("gets no answer on", ", and rolls back");
                moves.ask_cell_in_vain(actor, what, request, |state| {
                    state.writers[n].abort();
                    state.writers[n].phase = Phase::RolledBack;
                });
            }
            Policy::Available => {
                let what = names!("gets no answer on", ": an outbox row");
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
        state.writers[n].abort();
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
        let marks = state.marks(n, setup);
        let writer = &mut state.writers[n];
        if is_outsider {
            writer.phase = Phase::Done;
            return;
        }
        writer.phase = Phase::Committed;
        writer.begun = marks;
        if writer.is_marked && marks == 0 {
            writer.phase = Phase::Done;
            state.acknowledged |= 1 << n;
        }
    });
    if moves.from.faults.unknown_commits > 0 && !is_outsider {
        moves.step(Actor::Writer(n), "loses the connection during COMMIT", |state| {
            state.faults.unknown_commits -= 1;
            state.writers[n].phase = Phase::Unknown;
        });
    }
}

/// After COMMIT: each cell is emptied, and then the caller gets its answer.
fn finish(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer, actor) = (moves.setup, moves.from.writers[n], Actor::Writer(n));
    if !writer.is_marked {
        let cells = moves.from.marks(n, setup);
        moves.step(actor, "returns, and will settle", |state| {
            state.writers[n].phase = Phase::Done;
            state.writers[n].repair = Repair::Settle(cells);
            state.acknowledged |= 1 << n;
        });
        return;
    }
    for cell in each(writer.begun) {
        let request = (cell, ending(setup, n, writer, cell));
        moves.ask_cell(actor, names!("finishes"), request, |state| ended(state, n, cell));
        moves.ask_cell_in_vain(actor, names!("finishes", ", and gets no answer"), request, |state| {
            let repair = &mut state.writers[n].repair;
            *repair = Repair::Finish(1 << cell | if let Repair::Finish(cells) = *repair { cells } else { 0 });
            ended(state, n, cell);
        });
    }
}

fn ended(state: &mut State, n: usize, cell: usize) {
    let writer = &mut state.writers[n];
    writer.begun &= !(1 << cell);
    if writer.begun == 0 {
        writer.phase = Phase::Done;
        state.acknowledged |= 1 << n;
        forget(state, n);
    }
}

/// Who has told the store all that there was to tell need not know the way any more.
pub(super) fn forget(state: &mut State, n: usize) {
    let writer = &mut state.writers[n];
    if writer.phase == Phase::Done && writer.repair == Repair::Nothing && !writer.has_row {
        writer.path = Path::default();
        writer.values = Default::default();
    }
}

/// How a committed write ends in a cell.
pub(super) fn ending(setup: &Views, n: usize, writer: Writer, cell: usize) -> Request {
    if setup.is_of_version(n) && !setup.has(Rule::MarkVersion) {
        return Request::Settle(None);
    }
    let value = match cell {
        ITEM_ROW => Some(Value(writer.values[cell])),
        0 | 1 if !setup.has(Rule::ListsAreEmptied) => Some(pack(writer.values[cell], None)),
        _ => None,
    };
    Request::Finish(setup.nonce(n, writer.attempt), value)
}

/// After a COMMIT of unknown outcome the markers stay until they expire.
fn leave(moves: &mut Moves<'_>, n: usize) {
    let (setup, from) = (moves.setup, moves.from);
    let cells: Cells = from.marks(n, setup);
    let writer = from.writers[n];
    let mut returned = |what, repair| {
        moves.step(Actor::Writer(n), what, |state| {
            state.writers[n].phase = Phase::Done;
            state.writers[n].repair = repair;
        });
    };
    if setup.has(Rule::UnknownCommitIsLeft) {
        returned("returns an error, and will settle after the hold", Repair::Settle(cells));
    } else if writer.is_marked {
        returned("returns an error, and takes its markers back", Repair::Finish(cells));
    }
}

/// After a roll-back: of what was answered the markers are taken back.
fn take_back(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer, actor) = (moves.setup, moves.from.writers[n], Actor::Writer(n));
    let nonce = setup.nonce(n, writer.attempt);
    for cell in each(writer.begun) {
        let request = (cell, Request::RollBack(nonce));
        let done = |state: &mut State| state.writers[n].begun &= !(1 << cell);
        moves.ask_cell(actor, names!("takes its marker back in"), request, done);
        moves.ask_cell_in_vain(actor, names!("takes its marker back in", ", and gets no answer"), request, done);
    }
    if writer.begun == 0 {
        moves.step(actor, "returns an error", |state| {
            state.notes &= !(1 << n);
            state.writers[n] = Writer { phase: Phase::Done, transaction: Transaction::Aborted, ..Writer::default() };
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
    moves.step(Actor::Database, COMMITS[n], |state| {
        state.commit(n, setup);
        forget(state, n);
    });
    moves.step(Actor::Database, ["aborts W1", "aborts W2", "aborts W3"][n], |state| {
        state.writers[n].abort();
        forget(state, n);
    });
}
