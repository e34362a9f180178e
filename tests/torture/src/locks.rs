//! Which rows a transaction holds, so that nobody is sent into a statement that would wait for somebody who stands still.

use crate::{
    books::{Entry, N_LINES, N_SHEETS},
    history::State,
    plan::Statement,
    rows::{Cast, N_ORDERS, N_USERS},
    trees::{self, edit::Edit},
};

/// What is locked: a row, or an entry of a unique index.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    User(usize),
    Order(usize),
    Email(String),
    /// The turn to send what the callers of a process have buffered.
    Sender(usize),
    /// The turn of the flushers.
    Flusher,
    /// A line, and a sheet, as far as lines refer to it.
    Line(usize),
    Sheet(usize),
    /// Whatever is maintained of the books.
    Sums,
    /// The materialized view.
    View,
    /// The turn of those who write several rows of trees.
    Several,
    /// A row of a tree: what others refer to it by.
    Key(Row),
    /// A row of a tree: what it says.
    Body(Row),
}

/// A row of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Room(usize),
    Rack(usize),
    Case(usize),
    Maker(usize),
}

/// A lock until the end of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    place: Place,
    /// As a foreign key takes it on the row that it refers to.
    is_shared: bool,
}

impl Lock {
    /// Whether it is held until the end of a call, and not of its transaction.
    #[must_use]
    pub fn is_of_call(&self) -> bool {
        matches!(self.place, Place::Sender(_))
    }
}

fn alone(place: Place) -> Lock {
    Lock { place, is_shared: false }
}

fn shared(place: Place) -> Lock {
    Lock { place, is_shared: true }
}

/// FOR SHARE.
fn looked_at(row: Row) -> [Lock; 2] {
    [shared(Place::Key(row)), shared(Place::Body(row))]
}

/// FOR NO KEY UPDATE.
fn changed(row: Row) -> [Lock; 2] {
    [shared(Place::Key(row)), alone(Place::Body(row))]
}

/// FOR UPDATE, and as one that is inserted is.
fn deleted(row: Row) -> [Lock; 2] {
    [alone(Place::Key(row)), alone(Place::Body(row))]
}

/// The locks that a statement takes at most, in a transaction that has those already. More than it really takes does no harm; fewer
/// would stop a schedule for good.
#[must_use]
pub fn needed(statement: Statement, has: &[Lock], cast: &Cast, now: &State) -> Vec<Lock> {
    let shared = |user| shared(Place::User(user));
    // Who takes an address waits for whoever is about to give it up, and the other way round.
    let email_of = |user| now.email_of(cast.user(user)).map(|email| alone(Place::Email(email.to_owned())));
    match statement {
        Statement::Amount(order)
        | Statement::Undone(order)
        | Statement::Advance(order, _)
        | Statement::DeleteOrder(order)
        | Statement::Touching(order) => {
            let mut locks = vec![alone(Place::Order(order))];
            // PostgreSQL checks the foreign key again, changed or not, where the transaction itself has made that version of the row.
            if has.contains(&locks[0]) {
                locks.extend((0..N_USERS).map(shared));
            }
            locks
        }
        Statement::Move(order, user) => vec![alone(Place::Order(order)), shared(user)],
        Statement::InsertOrder(user) => vec![alone(Place::Order(N_ORDERS - 1)), shared(user)],
        Statement::Email(user, email) => {
            let mut locks = vec![alone(Place::User(user)), alone(Place::Email(cast.email(email)))];
            locks.extend(email_of(user));
            locks
        }
        Statement::Send(process) => vec![alone(Place::Sender(process))],
        Statement::Flush => {
            let orders = (0..N_ORDERS).map(|order| alone(Place::Order(order)));
            orders.chain([alone(Place::Flusher)]).collect()
        }
        Statement::Book(entry) => {
            let sheet = |n| self::shared(Place::Sheet(n));
            let line = match entry {
                Entry::DeleteSheet(sheet) => {
                    let lines = (0..N_LINES).map(|line| alone(Place::Line(line)));
                    return lines.chain([alone(Place::Sheet(sheet))]).collect();
                }
                Entry::Insert(_) => N_LINES - 1,
                Entry::Price(line, _)
                | Entry::Undone(line, _)
                | Entry::Move(line, _)
                | Entry::Delete(line)
                | Entry::Touching(line, _) => line,
            };
            (0..N_SHEETS).map(sheet).chain([alone(Place::Line(line))]).collect()
        }
        Statement::Several => vec![alone(Place::Several)],
        Statement::Tree(edit, _) => edited(edit, has, cast, now),
        Statement::Climb => on_the_way(has, cast, now),
        Statement::Upkeep => vec![alone(Place::Sums)],
        Statement::Refresh => vec![alone(Place::View)],
        Statement::InsertUser(email) => {
            vec![alone(Place::User(N_USERS - 1)), alone(Place::Email(cast.email(email)))]
        }
        Statement::DeleteUser(user) => {
            let mut locks = vec![alone(Place::User(user))];
            locks.extend((0..N_ORDERS).map(|order| alone(Place::Order(order))));
            locks.extend(email_of(user));
            locks
        }
    }
}

/// What a write of trees locks. A row that refers to another one locks its key.
fn edited(edit: Edit, has: &[Lock], cast: &Cast, now: &State) -> Vec<Lock> {
    let key = |row| shared(Place::Key(row));
    let room_of = |at| now.trees().rack(trees::rack(cast, at)).map(|rack| Row::Room(trees::number(rack.room_id)));
    let rack_of = |at| now.trees().case(trees::case(cast, at)).map(|case| Row::Rack(trees::number(case.rack_id)));
    // Foreign keys are checked again where the transaction itself has made that version of the row.
    let change = |row: Row, refers_to: Option<Row>| {
        let was_made = has.contains(&alone(Place::Body(row)));
        changed(row).into_iter().chain(refers_to.filter(|_| was_made).map(key)).collect::<Vec<_>>()
    };
    let with = |mut locks: Vec<Lock>, lock: Lock| {
        locks.push(lock);
        locks
    };
    let cases_of = |at| now.trees().cases_of(trees::rack(cast, at)).map(|case| Row::Case(trees::number(case.id)));
    let rack = |at| deleted(Row::Rack(at)).into_iter().chain(cases_of(at).flat_map(deleted)).collect::<Vec<_>>();
    match edit {
        Edit::Case(at) | Edit::Stuff(at) | Edit::Remake(at, _) => change(Row::Case(at), rack_of(at)),
        Edit::MoveCase(at, on) | Edit::Touching(at, on) => with(change(Row::Case(at), rack_of(at)), key(Row::Rack(on))),
        Edit::InsertCase(on) => with(deleted(Row::Case(trees::N_CASES - 1)).into(), key(Row::Rack(on))),
        Edit::DeleteCase(at) => deleted(Row::Case(at)).into(),
        Edit::AllCases => (0..trees::N_CASES).flat_map(|at| change(Row::Case(at), rack_of(at))).collect(),
        Edit::Rack(at) => change(Row::Rack(at), room_of(at)),
        Edit::MoveRack(at, of) => with(change(Row::Rack(at), room_of(at)), key(Row::Room(of))),
        Edit::InsertRack(of) => with(deleted(Row::Rack(trees::N_RACKS - 1)).into(), key(Row::Room(of))),
        Edit::DeleteRack(at) => rack(at),
        Edit::Renew(at, of) => with(with(rack(at), key(Row::Room(of))), key(Row::Case(0))),
        Edit::AllRacks => (0..trees::N_RACKS).flat_map(|at| change(Row::Rack(at), room_of(at))).collect(),
        Edit::Room(at) => changed(Row::Room(at)).into(),
        Edit::InsertRoom => deleted(Row::Room(trees::N_ROOMS - 1)).into(),
        Edit::DeleteRoom(at) => {
            let racks = now.trees().racks_of(trees::room(cast, at)).map(|rack| trees::number(rack.id));
            deleted(Row::Room(at)).into_iter().chain(racks.flat_map(rack)).collect()
        }
        Edit::Maker(at) => changed(Row::Maker(at)).into(),
    }
}

/// What is locked on the way from the cases that a transaction has written to their roots: the racks that they were on, and are on.
fn on_the_way(has: &[Lock], cast: &Cast, now: &State) -> Vec<Lock> {
    let rack = |lock: &Lock| match lock.place {
        Place::Body(Row::Case(at)) => {
            now.trees().case(trees::case(cast, at)).map(|case| Row::Rack(trees::number(case.rack_id)))
        }
        // Referred to.
        Place::Key(row @ Row::Rack(_)) if lock.is_shared => Some(row),
        _ => None,
    };
    has.iter().filter_map(rack).flat_map(looked_at).collect()
}

/// The racks for which one who is about to change them has to wait only if they were locked on others' ways to their roots; `None` if
/// there is something else to wait for.
#[must_use]
pub fn in_the_way<'l>(held: impl Iterator<Item = &'l Vec<Lock>>, needed: &[Lock]) -> Option<Vec<usize>> {
    let mut racks = Vec::new();
    for (held, lock) in held.flatten().flat_map(|held| needed.iter().map(move |lock| (held, lock))) {
        if held.place != lock.place || (held.is_shared && lock.is_shared) {
            continue;
        }
        match lock.place {
            Place::Body(Row::Rack(at)) if held.is_shared => racks.push(at),
            _ => return None,
        }
    }
    Some(racks)
}
