//! Which rows a transaction holds, so that nobody is sent into a statement that would wait for somebody who stands still.

use crate::{
    books::{Entry, N_LINES, N_SHEETS},
    history::State,
    plan::Statement,
    rows::{Cast, N_ORDERS, N_USERS},
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

/// The locks that a statement takes at most, in a transaction that has those already. More than it really takes does no harm; fewer
/// would stop a schedule for good.
#[must_use]
pub fn needed(statement: Statement, has: &[Lock], cast: &Cast, now: &State) -> Vec<Lock> {
    let shared = |user| Lock { place: Place::User(user), is_shared: true };
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
            let sheet = |sheet| Lock { place: Place::Sheet(sheet), is_shared: true };
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

/// Whether one who holds `these` keeps another from taking `those`.
#[must_use]
pub fn clash(these: &[Lock], those: &[Lock]) -> bool {
    these.iter().any(|a| those.iter().any(|b| a.place == b.place && !(a.is_shared && b.is_shared)))
}
