//! The way from a row that is written to the roots that show it.

use super::{
    rows::{ITEM, RowSet, Rows, order, user},
    setup::{Cells, Root, Views, Write, has},
};
use crate::rules::Rule;

/// The roots that are known, and the rows from which the way goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Path {
    pub(super) roots: Cells,
    pub(super) rows: RowSet,
}

impl Path {
    const NOWHERE: Self = Self { roots: 0, rows: 0 };

    fn root(number: u8) -> Self {
        Self { roots: 1 << number, rows: 0 }
    }

    fn row(row: usize) -> Self {
        Self { roots: 0, rows: 1 << row }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { roots: self.roots | other.roots, rows: self.rows | other.rows }
    }
}

/// Where the way begins: what the row that is written says itself, as it was and as it will be.
pub(super) fn start(writer: usize, rows: &Rows, setup: &Views) -> Path {
    let (write, is_below) = (setup.writers[writer], setup.root == Root::User);
    let either = |old: Path, new: Path| {
        let old = if setup.has(Rule::MarkOldKey) { old } else { Path::NOWHERE };
        old.and(if setup.has(Rule::MarkNewKey) { new } else { Path::NOWHERE })
    };
    let in_order = |number: u8| if is_below { Path::row(order(number)) } else { Path::root(number) };
    let item = || rows.item.map_or(Path::NOWHERE, in_order);
    match write {
        Write::User(number) if is_below => Path::root(number),
        Write::User(number) => Path::row(user(number)),
        Write::Order(number) => above(number, rows, setup),
        Write::Close(_) if !setup.has(Rule::MarkHidden) => Path::NOWHERE,
        Write::Close(number) => above(number, rows, setup),
        Write::Move(number, to) if is_below => either(above(number, rows, setup), Path::root(to)),
        Write::Move(number, to) => {
            Path::root(number).and(if setup.has(Rule::LockTies) { Path::row(user(to)) } else { Path::NOWHERE })
        }
        Write::Delete(number, to) => above(number, rows, setup)
            .and(to.map_or(Path::NOWHERE, |to| Path::root(if is_below { to } else { number }))),
        Write::Add(number) => in_order(number),
        Write::Item => item(),
        Write::MoveItem(to) => either(item(), in_order(to)),
        Write::Note => Path::row(ITEM),
        Write::Product => Path { roots: 0b11, rows: 0 },
    }
}

/// What a row on the way says of what is above it; or, of a user who is written, which orders show it.
pub(super) fn follow(row: usize, writer: usize, rows: &Rows, setup: &Views) -> Path {
    let is_below = setup.root == Root::User;
    match row {
        ITEM => rows.item.map_or(
            Path::NOWHERE,
            |number| {
                if is_below { Path::row(order(number)) } else { Path::root(number) }
            },
        ),
        _ if row == order(0) => above(0, rows, setup),
        _ if row == order(1) => above(1, rows, setup),
        _ if !is_downward(writer, setup) => Path::NOWHERE,
        _ => (0..2).fold(Path::NOWHERE, |path, number| {
            let is_theirs = rows.orders[usize::from(number)].user.map(user) == Some(row);
            path.and(if is_theirs { Path::root(number) } else { Path::NOWHERE })
        }),
    }
}

/// The root that shows an order.
fn above(number: u8, rows: &Rows, setup: &Views) -> Path {
    if rows.is_closed(number) && !setup.has(Rule::MarkHidden) {
        return Path::NOWHERE;
    }
    let user = rows.orders[usize::from(number)].user;
    user.map_or(Path::NOWHERE, |user| Path::root(if setup.root == Root::User { user } else { number }))
}

/// Whether the way goes down: to the orders that show a user who is written.
pub(super) fn is_downward(writer: usize, setup: &Views) -> bool {
    setup.root == Root::Order && matches!(setup.writers[writer], Write::User(_))
}

/// The whole way at once, as these rows have it: the roots, and all rows on it.
pub(super) fn whole(start: Path, writer: usize, rows: &Rows, setup: &Views) -> Path {
    let next = (0..super::rows::N_ROWS)
        .filter(|row| has(start.rows, *row))
        .fold(start, |path, row| path.and(follow(row, writer, rows, setup)));
    if next == start { start } else { whole(next, writer, rows, setup) }
}
