//! What is searched of view cells.

use crate::{
    rules::{Rule, Rules},
    search::{Outcome, search},
    setup::{CALM, Faults, Outsider, Policy, Setup},
};

/// Which row of a view is the root, by whose key the cell is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// A user: the view shows the user's orders, the item of each, and the item's notes.
    User,
    /// An order: the view shows the item and its notes, and besides the user who has the order.
    Order,
}

/// What a database does about rows that others read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL, READ COMMITTED: a key that is checked for a new child keeps its row from being deleted, and not from being moved.
    Postgres,
    /// InnoDB, READ COMMITTED: a key that is checked locks its row as `FOR SHARE` does.
    InnoDbCommitted,
    /// InnoDB, REPEATABLE READ: the same, and what is read without a lock is as it was when the transaction first read.
    InnoDb,
    /// SQLite: one writer at a time.
    Sqlite,
}

/// What a writer does. Rows go by number; there are two users, two orders and one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Changes a user.
    User(u8),
    /// Changes an order.
    Order(u8),
    /// Closes an order: views show open ones only.
    Close(u8),
    /// Gives an order to a user.
    Move(u8, u8),
    /// Deletes an order with all below it; or inserts it anew under a user as well, in the same transaction.
    Delete(u8, Option<u8>),
    /// Inserts another row into an order.
    Add(u8),
    /// Changes the item.
    Item,
    /// Puts the item into another order.
    MoveItem(u8),
    /// Inserts a note on the item.
    Note,
    /// Changes the product, which all trees show.
    Product,
}

/// What there is beside the two cells of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// A version of the view, in a cell of its own: a write of the product marks this in place of the roots.
    Version,
    /// The cell of the item's row, which its writers store.
    ItemRow,
}

/// One configuration.
#[derive(Debug, Clone, Copy)]
pub struct Views {
    /// Which of the protocol's rules are followed.
    pub rules: Rules,
    /// What happens when a cell can't be marked.
    pub policy: Policy,
    /// Which row is the root.
    pub root: Root,
    /// The database.
    pub engine: Engine,
    /// Whether the database has the foreign keys for constraints: a deleted row takes its children along, and no child is inserted below it.
    pub has_constraints: bool,
    /// Whether the rows on the way to the root are locked before the statement, from the order down to the item; else after it, upwards.
    pub locks_first: bool,
    /// Whether the orders of views may be moved; where not, foreign keys are followed without a lock.
    pub is_movable: bool,
    /// What each writer does: it writes once, and is in the first process or the second by turns.
    pub writers: &'static [Write],
    /// Whether the last of them does not use larder, and who hears of it.
    pub outsider: Outsider,
    /// For each loader the root whose tree it loads.
    pub loaders: &'static [u8],
    /// How often each may load it.
    pub n_loads: u8,
    /// What there is beside the two cells.
    pub beside: Beside,
    /// Whether a COMMIT may take longer than markers are held.
    pub late_commits: bool,
    /// Whether it is told when transactions wait for each other, each for another.
    pub tells_deadlocks: bool,
    /// What may go wrong.
    pub faults: Faults,
}

/// As larder has it: users are roots, somebody changes the item, and another gives its order to another user.
pub const TREES: Views = Views {
    rules: Rules::ALL,
    policy: Policy::Strict,
    root: Root::User,
    engine: Engine::Postgres,
    has_constraints: true,
    locks_first: false,
    is_movable: true,
    writers: &[Write::Item, Write::Move(0, 1)],
    outsider: Outsider::Nobody,
    loaders: &[0, 1],
    n_loads: 1,
    beside: Beside::Nothing,
    late_commits: false,
    tells_deadlocks: false,
    faults: CALM,
};

/// The most writers and loaders.
pub(super) const MAX_WRITERS: usize = 3;
pub(super) const MAX_LOADERS: usize = 2;

/// A set of cells: the two of the view, that of its version, and that of the item's row.
pub(super) type Cells = u8;

pub(super) const VERSION: usize = 2;
pub(super) const ITEM_ROW: usize = 3;
pub(super) const N_CELLS: usize = 4;

/// What is done to a cell, for each cell.
macro_rules! names {
    ($before:literal $(, $after:literal)?) => {
        [
            concat!($before, " A" $(, $after)?),
            concat!($before, " B" $(, $after)?),
            concat!($before, " the version" $(, $after)?),
            concat!($before, " the item's row" $(, $after)?),
        ]
    };
}
pub(super) use names;

impl Views {
    /// Searches every interleaving, or as many as it takes to come to `at_most` states.
    #[must_use]
    pub fn search(&self, at_most: usize) -> Outcome {
        search(self, at_most)
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.rules.has(rule)
    }

    /// The same without one rule.
    #[must_use]
    pub const fn without(mut self, rule: Rule) -> Self {
        self.rules = self.rules.without(rule);
        self
    }

    pub(super) fn writers(&self) -> std::ops::Range<usize> {
        0..self.writers.len()
    }

    pub(super) fn is_outsider(&self, writer: usize) -> bool {
        self.outsider != Outsider::Nobody && writer + 1 == self.writers.len()
    }

    /// The process of a writer or a loader.
    pub(super) fn process(member: usize) -> usize {
        member % 2
    }

    /// The nonce of a writer's attempt.
    pub(super) fn nonce(&self, writer: usize, attempt: u8) -> u8 {
        let attempt = if self.has(Rule::FreshNonce) { attempt } else { 0 };
        2 * u8::try_from(writer).expect("writers are few") + attempt
    }

    pub(super) fn has_version(&self) -> bool {
        self.beside == Beside::Version
    }

    /// Whether a write marks the version in place of roots.
    pub(super) fn is_of_version(&self, writer: usize) -> bool {
        self.has_version() && self.writers[writer] == Write::Product
    }

    /// Whether rows on the way to a root are locked.
    pub(super) fn locks_path(&self) -> bool {
        self.is_movable && self.has(Rule::LockPath)
    }

    /// Whether a transaction reads something before the statement: the path, to lock it, or anything at all, which fixes what it will read.
    pub(super) fn looks_ahead(&self) -> bool {
        self.locks_first || !self.has(Rule::PathFromLockedRow) || self.reads_the_past()
    }

    /// Whether a transaction has to remember what was committed when it first read.
    pub(super) fn reads_the_past(&self) -> bool {
        self.engine == Engine::InnoDb || !self.has(Rule::PathReadByLock)
    }

    /// The machine of a cell under the same rules.
    pub(super) fn cell(&self) -> Setup {
        Setup { rules: self.rules, ..crate::setup::LARDER }
    }
}

/// The cells of a set, by number.
pub(super) fn each(cells: Cells) -> impl Iterator<Item = usize> {
    (0..N_CELLS).filter(move |cell| has(cells, *cell))
}

pub(super) fn has(set: u8, member: usize) -> bool {
    set >> member & 1 == 1
}
