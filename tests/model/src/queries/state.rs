//! One moment of all who have to do with a cached query.

use super::setup::{Cells, MAX_LINES, MAX_LOADERS, MAX_WRITERS, N_CELLS, Queries, each};
use crate::{
    cell::{Cell, Request, Stamp, Value},
    database::Transaction,
    rules::Rule,
    setup::Faults,
};

/// A set of writers.
pub(super) type Writers = u8;

/// What lies in a cell that nobody but cached queries has asked for.
pub(super) const STUB: Value = Value(0xfe);

/// Tokens from here on are of leases for rows, smaller ones of leases for stubs: their layouts differ.
pub(super) const ROWS: u8 = 0x20;

/// The stamps of an entry's cells, as far as they are known.
pub(super) type Stamps = [Option<Stamp>; N_CELLS];

/// What a query answers: for each cell the writes of it that the answer shows.
pub(super) type Answer = [Writers; N_CELLS];

/// A cached query, as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The cells that it was said to depend on.
    pub(super) declared: Cells,
    pub(super) stamps: Stamps,
    pub(super) answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Phase {
    #[default]
    Idle,
    /// The statement has run.
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
    /// What it would store.
    pub(super) values: Answer,
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

/// The load of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Loader {
    pub(super) n_loads: u8,
    pub(super) stamps: Stamps,
    /// The cells whose stubs are still to be filled.
    pub(super) leased: Cells,
    /// For each cell what the database has answered.
    pub(super) answer: [Option<Writers>; N_CELLS],
    /// The entry was sent.
    pub(super) has_put: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Line {
    #[default]
    Idle,
    Leased,
    Loaded(Writers),
    Done,
}

/// A read of the entry and of its stamps, one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Parts {
    pub(super) n_reads: u8,
    pub(super) entry: Option<Entry>,
    pub(super) stamps: Stamps,
    /// What has been committed at some moment since it began: a set of sets of writers.
    pub(super) truths: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Relay {
    #[default]
    Idle,
    /// It holds the outbox row of a writer, and has still to settle these.
    Holding(u8, Cells),
}

/// A request that timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Late {
    Cell(u8, Request),
    Put(Entry),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Memory {
    pub(super) cells: [Cell; N_CELLS],
    pub(super) entry: Option<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(super) committed: Writers,
    /// What has been committed at some moment, where replicas are asked.
    pub(super) history: u16,
    pub(super) memory: Memory,
    pub(super) life: u8,
    /// What the replica has.
    pub(super) replica: Memory,
    pub(super) writers: [Writer; MAX_WRITERS],
    pub(super) loaders: [Loader; MAX_LOADERS],
    pub(super) lines: [Line; MAX_LINES],
    pub(super) parts: Parts,
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
    /// What was come upon by reads one by one: a set of findings.
    pub(super) reported: u16,
    /// What is found in this state: a function of all else.
    pub(super) found: u16,
}

impl State {
    pub(super) fn new(setup: &Queries) -> Self {
        let cells = [Cell::Value { value: Value(0), stamp: Stamp::First, life: 0 }; N_CELLS];
        let memory = Memory { cells, entry: None };
        Self {
            committed: 0,
            history: 1,
            memory,
            life: 0,
            replica: memory,
            writers: Default::default(),
            loaders: Default::default(),
            lines: Default::default(),
            parts: Parts::default(),
            late: [None; 2],
            acknowledged: 0,
            outbox: 0,
            notes: 0,
            relay: Relay::Idle,
            faults: setup.faults,
            reported: 0,
            found: 0,
        }
    }

    /// A cell as everybody sees it who is connected now.
    pub(super) fn cell(&self, cell: usize, setup: &Queries) -> Cell {
        self.memory.cells[cell].seen_in(self.life, &setup.cell())
    }

    /// The stamp of what a cell holds, in whatever layout.
    pub(super) fn stamp(&self, cell: usize, setup: &Queries) -> Option<Stamp> {
        match self.cell(cell, setup) {
            Cell::Value { stamp, .. } => Some(stamp),
            _ => None,
        }
    }

    /// The store executes a request.
    pub(super) fn execute(&mut self, cell: usize, request: Request, setup: &Queries) {
        if let Request::Begin(nonce) = request {
            self.writers[usize::from(nonce / 2)].marked_in[cell] = Some(self.life);
        }
        let mut old = self.memory.cells[cell];
        if let Request::Lease(token) = request
            && counts_as_vacant(old, token, setup)
        {
            old = Cell::Nothing;
        }
        self.memory.cells[cell] = old.after(request, self.life, &setup.cell());
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

    pub(super) fn commit(&mut self, writer: usize, setup: &Queries) {
        self.writers[writer].transaction = Transaction::Committed;
        self.committed |= 1 << writer;
        if !setup.has(Rule::QueryPrimary) {
            self.history |= 1 << self.committed;
        }
        if self.parts.truths != 0 {
            self.parts.truths |= 1 << self.committed;
        }
        if self.writers[writer].has_row {
            self.outbox |= 1 << writer;
        }
    }

    /// Of a set of committed writes those that changed each cell.
    pub(super) fn answer(committed: Writers, setup: &Queries) -> Answer {
        let mut answer = [0; N_CELLS];
        for n in setup.writers().filter(|n| committed >> n & 1 == 1) {
            for cell in each(setup.writers[n]) {
                answer[cell] |= 1 << n;
            }
        }
        answer
    }

    /// A write that is still in doubt was marked in another life of the server, which may have forgotten it.
    pub(super) fn is_quarantined(&self, setup: &Queries) -> bool {
        let is_forgotten = |writer: &Writer| writer.marked_in.iter().flatten().any(|life| *life != self.life);
        setup.has(Rule::Quarantine)
            && self.writers.iter().any(|writer| writer.transaction.is_in_doubt() && is_forgotten(writer))
    }
}

/// A reader of rows takes the place of a stub, and of a lease for one: they are of another layout.
pub(super) fn counts_as_vacant(cell: Cell, token: u8, setup: &Queries) -> bool {
    let is_for_rows = match cell {
        Cell::Value { value, .. } => value != STUB,
        Cell::Lease { token, .. } => token >= ROWS,
        Cell::Nothing => return true,
        Cell::Marker { .. } => return false,
    };
    if token >= ROWS { !is_for_rows } else { is_for_rows && setup.leases_over_rows }
}
