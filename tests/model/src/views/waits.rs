//! Who has to wait for whom in the database.

use super::{
    path,
    rows::{ITEM, PRODUCT, RowSet, order, user},
    setup::{Engine, Views, Write, has},
    state::{Phase, State},
};
use crate::rules::Rule;

/// How a row is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// It is inserted below: its key must stay.
    Key,
    /// `FOR SHARE`: it must stay as it is.
    Share,
    /// It is changed.
    Update,
    /// It is deleted, with its key.
    Delete,
}

/// The locks that a statement takes at once.
pub(super) fn of_statement(writer: usize, state: &State, setup: &Views) -> Vec<(usize, Lock)> {
    let key = |row| {
        let is_shared = matches!(setup.engine, Engine::InnoDb | Engine::InnoDbCommitted);
        setup.has_constraints.then_some((row, if is_shared { Lock::Share } else { Lock::Key }))
    };
    let (row, parent) = match setup.writers[writer] {
        Write::User(number) => (Some((user(number), Lock::Update)), None),
        Write::Order(number) | Write::Close(number) => (Some((order(number), Lock::Update)), None),
        Write::Move(number, to) => (Some((order(number), Lock::Update)), key(user(to))),
        Write::Delete(number, _) => (Some((order(number), Lock::Delete)), None),
        Write::Add(number) => (None, key(order(number))),
        Write::Item => (Some((ITEM, Lock::Update)), None),
        Write::MoveItem(to) if state.rows.item == Some(to) => (Some((ITEM, Lock::Update)), None),
        Write::MoveItem(to) => (Some((ITEM, Lock::Update)), key(order(to))),
        Write::Note => (None, key(ITEM)),
        Write::Product => (Some((PRODUCT, Lock::Update)), None),
    };
    row.into_iter().chain(parent).collect()
}

/// The lock that a writer needs to read a row on the way; none if it has it, or reads without.
pub(super) fn on_the_way(row: usize, writer: usize, state: &State, setup: &Views) -> Option<(usize, Lock)> {
    let is_own = has(state.writers[writer].exclusive, row) || path::is_downward(writer, setup);
    // A user on the way of an order is what the order is tied to.
    let is_tie = row < order(0);
    let is_locked = if is_tie { setup.has(Rule::LockTies) } else { setup.locks_path() };
    (is_locked && !is_own).then_some((row, Lock::Share))
}

/// The writers who have a lock that this one has to wait for.
pub(super) fn blockers(writer: usize, (row, lock): (usize, Lock), state: &State, setup: &Views) -> u8 {
    let others = setup.writers().filter(|other| *other != writer);
    others.fold(0, |set, n| {
        let other = &state.writers[n];
        let deleted = if matches!(setup.writers[n], Write::Delete(..)) { other.exclusive } else { 0 };
        let held: RowSet = match lock {
            Lock::Key => deleted,
            Lock::Share => other.exclusive,
            Lock::Update => other.exclusive | other.shared,
            Lock::Delete => other.exclusive | other.shared | other.keyed,
        };
        set | u8::from(has(held, row)) << n
    })
}

pub(super) fn is_free(writer: usize, lock: (usize, Lock), state: &State, setup: &Views) -> bool {
    blockers(writer, lock, state, setup) == 0
}

/// SQLite has one writer at a time.
pub(super) fn may_begin(writer: usize, state: &State, setup: &Views) -> bool {
    let is_in_doubt = |other: usize| other != writer && state.writers[other].transaction.is_in_doubt();
    setup.engine != Engine::Sqlite || !setup.writers().any(is_in_doubt)
}

/// Whether transactions wait for each other, each for another, so that the database has to end one of them.
pub(super) fn is_deadlock(state: &State, setup: &Views) -> bool {
    let waits: Vec<u8> = setup.writers().map(|n| waits_for(n, state, setup)).collect();
    let reach = |mut set: u8| {
        for _ in setup.writers() {
            set = setup.writers().filter(|n| has(set, *n)).fold(set, |set, n| set | waits[n]);
        }
        set
    };
    setup.writers().any(|n| has(reach(waits[n]), n))
}

/// The writers for whom this one waits, if there is nothing else that it can do.
fn waits_for(n: usize, state: &State, setup: &Views) -> u8 {
    let writer = &state.writers[n];
    let wanted: Vec<_> = match writer.phase {
        Phase::Ahead if writer.path.rows == 0 => of_statement(n, state, setup),
        Phase::Changed if writer.is_cascading => vec![(ITEM, Lock::Delete)],
        Phase::Ahead | Phase::Changed => {
            super::writer::on_the_way(n, state, setup).filter_map(|row| on_the_way(row, n, state, setup)).collect()
        }
        _ => Vec::new(),
    };
    wanted.into_iter().fold(0, |set, lock| set | blockers(n, lock, state, setup))
}
