//! One moment of all who have to do with the cells of a view.

use super::{
    path::Path,
    rows::{RowSet, Rows, Writers},
    setup::{Beside, Cells, ITEM_ROW, MAX_LOADERS, MAX_WRITERS, N_CELLS, VERSION, Views, Write},
};
use crate::{
    cell::{Cell, Request, Stamp, Value},
    database::Transaction,
    rules::Rule,
    setup::Faults,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Phase {
    #[default]
    Idle,
    /// It has read something, and locks what it is told to before its statement.
    Ahead,
    /// The statement has run; the way to the roots is followed, and their cells are marked.
    Changed,
    /// All that comes before COMMIT is done.
    Begun,
    CommitSent,
    /// The database's answer is in hand.
    Committed,
    /// The connection was lost at COMMIT.
    Unknown,
    RolledBack,
    /// The caller has its answer.
    Done,
    Crashed,
}

/// What a process still has to tell the store, after the caller has its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Repair {
    #[default]
    Nothing,
    Finish(Cells),
    Settle(Cells),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Writer {
    pub(super) phase: Phase,
    pub(super) transaction: Transaction,
    pub(super) path: Path,
    /// What was committed when its transaction first read, if that is ever looked at.
    pub(super) past: Rows,
    /// The rows that it has changed; that it has locked `FOR SHARE`; and of which it needs the key.
    pub(super) exclusive: RowSet,
    pub(super) shared: RowSet,
    pub(super) keyed: RowSet,
    /// What hangs from the row that it deletes is still to be deleted.
    pub(super) is_cascading: bool,
    /// What it would store in each cell, where it does.
    pub(super) values: [Writers; N_CELLS],
    pub(super) attempt: u8,
    /// The cells whose `begin` was acknowledged, and then those that are still to be ended.
    pub(super) begun: Cells,
    /// All were acknowledged.
    pub(super) is_marked: bool,
    /// Its transaction has written an outbox row.
    pub(super) has_row: bool,
    /// For each cell the life of the server that has executed its `begin`.
    pub(super) marked_in: [Option<u8>; N_CELLS],
    pub(super) repair: Repair,
}

impl Writer {
    /// The transaction is over, and with it its locks.
    fn end(&mut self, transaction: Transaction) {
        *self = Self {
            transaction,
            past: Rows::default(),
            exclusive: 0,
            shared: 0,
            keyed: 0,
            is_cascading: false,
            marked_in: [None; N_CELLS],
            ..*self
        };
    }

    pub(super) fn abort(&mut self) {
        self.end(Transaction::Aborted);
    }
}

/// The load of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Loader {
    pub(super) n_loads: u8,
    pub(super) is_leased: bool,
    pub(super) version: Option<Stamp>,
    /// What the cell of the item's row has given.
    pub(super) item: Option<Writers>,
    /// What the database has answered.
    pub(super) answer: Option<Writers>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Relay {
    #[default]
    Idle,
    /// It holds the outbox row of a writer, and has still to settle these.
    Holding(u8, Cells),
}

/// A request that timed out, for a cell.
pub(super) type Late = (u8, Request);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(super) rows: Rows,
    pub(super) committed: Writers,
    /// For each root the writers whose COMMIT changed its tree.
    pub(super) touched: [Writers; 2],
    /// For each root the trees that were committed at some moment, where replicas are asked: a set of sets of writers.
    pub(super) history: [u8; 2],
    pub(super) cells: [Cell; N_CELLS],
    pub(super) life: u8,
    /// What the replica has.
    pub(super) replica: [Cell; N_CELLS],
    pub(super) writers: [Writer; MAX_WRITERS],
    pub(super) loaders: [Loader; MAX_LOADERS],
    /// Requests that timed out, and may still be executed.
    pub(super) late: [Option<Late>; 2],
    /// The writers whose callers were told of success.
    pub(super) acknowledged: Writers,
    /// Those whose outbox rows are there.
    pub(super) outbox: Writers,
    /// Those that could not mark their cells, as their processes have noted.
    pub(super) notes: Writers,
    pub(super) relay: Relay,
    /// What may still go wrong.
    pub(super) faults: Faults,
    /// What is found in this state: a function of all else.
    pub(super) found: u16,
}

impl State {
    pub(super) fn new(setup: &Views) -> Self {
        let first = |value| Cell::Value { value, stamp: Stamp::First, life: 0 };
        let tree = first(pack(0, setup.has_version().then_some(Stamp::First)));
        let beside = |is_there: bool| if is_there { first(Value(0)) } else { Cell::Nothing };
        let mut cells = [tree; N_CELLS];
        cells[VERSION] = beside(setup.has_version());
        cells[ITEM_ROW] = beside(setup.beside == Beside::ItemRow);
        Self {
            rows: Rows::new(),
            committed: 0,
            touched: [0; 2],
            history: [1; 2],
            cells,
            life: 0,
            replica: cells,
            writers: Default::default(),
            loaders: Default::default(),
            late: [None; 2],
            acknowledged: 0,
            outbox: 0,
            notes: 0,
            relay: Relay::Idle,
            faults: setup.faults,
            found: 0,
        }
    }

    /// A cell as everybody sees it who is connected now.
    pub(super) fn cell(&self, cell: usize, setup: &Views) -> Cell {
        self.cells[cell].seen_in(self.life, &setup.cell())
    }

    /// The stamp of the view's version.
    pub(super) fn version(&self, setup: &Views) -> Option<Stamp> {
        match self.cell(VERSION, setup) {
            Cell::Value { stamp, .. } => Some(stamp),
            _ => None,
        }
    }

    /// The store executes a request.
    pub(super) fn execute(&mut self, cell: usize, request: Request, setup: &Views) {
        if let Request::Begin(nonce) = request {
            let writer = &mut self.writers[usize::from(nonce / 2)];
            if writer.transaction.is_in_doubt() {
                writer.marked_in[cell] = Some(self.life);
            }
        }
        self.cells[cell] = self.cells[cell].after(request, self.life, &setup.cell());
    }

    /// A request that times out may be executed later; `false` if nothing may time out any more.
    pub(super) fn delay(&mut self, late: Late) -> bool {
        let free = self.late.iter_mut().find(|late| late.is_none());
        let (Some(free), true) = (free, self.faults.delays > 0) else { return false };
        *free = Some(late);
        self.faults.delays -= 1;
        // In which order they were sent does not matter.
        self.late.sort_unstable_by(|one, other| other.cmp(one));
        true
    }

    pub(super) fn commit(&mut self, n: usize, setup: &Views) {
        let before = self.rows;
        self.rows.apply(n, setup);
        self.committed |= 1 << n;
        for root in 0..2 {
            self.touched[root] |= u8::from(before.tree(root, setup) != self.rows.tree(root, setup)) << n;
        }
        if !setup.has(Rule::QueryPrimary) {
            for root in 0..2 {
                self.history[root] |= 1 << self.rows.tree(root, setup);
            }
        }
        self.writers[n].end(Transaction::Committed);
        if self.writers[n].has_row {
            self.outbox |= 1 << n;
        }
    }

    /// The cells that a writer marks, as far as its way has led it.
    pub(super) fn marks(&self, n: usize, setup: &Views) -> Cells {
        if setup.is_of_version(n) {
            return 1 << VERSION;
        }
        let is_of_row = setup.beside == Beside::ItemRow && setup.writers[n] == Write::Item;
        self.writers[n].path.roots | if is_of_row { 1 << ITEM_ROW } else { 0 }
    }

    /// A write that is still in doubt was marked in another life of the server, which may have forgotten it.
    pub(super) fn is_quarantined(&self, setup: &Views) -> bool {
        let is_forgotten = |writer: &Writer| writer.marked_in.iter().flatten().any(|life| *life != self.life);
        setup.has(Rule::Quarantine)
            && self.writers.iter().any(|writer| writer.transaction.is_in_doubt() && is_forgotten(writer))
    }
}

const NO_VERSION: u8 = 31;

/// A tree as a cell has it: what it shows, and the stamp of the view's version.
pub(super) fn pack(tree: Writers, version: Option<Stamp>) -> Value {
    let version = version.map_or(NO_VERSION, |stamp| match stamp {
        Stamp::First => 0,
        Stamp::Nonce(nonce) => 1 + nonce,
        Stamp::Token(token) => 9 + token,
    });
    assert!(tree < 8 && version <= NO_VERSION, "writers and loads are few");
    Value(version << 3 | tree)
}

/// What a tree shows.
pub(super) fn shown(value: Value) -> Writers {
    value.0 & 7
}

/// Whether a tree was stored with this stamp of the version.
pub(super) fn is_of_version(value: Value, version: Option<Stamp>) -> bool {
    version.is_some() && pack(0, version).0 >> 3 == value.0 >> 3
}
