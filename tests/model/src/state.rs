//! One moment of everybody who takes part.

use crate::{
    cell::{Cell, Request, Stamp, Value},
    database::{Activity, Change, Database, Transaction},
    properties::{self, Finding},
    setup::{Faults, MAX_READERS, MAX_WRITERS, Refresh, Setup},
};

/// Where a writer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Phase {
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
    /// So it has, and the second delete of a double delete is to come.
    Deleting,
    Crashed,
}

/// What a process still has to tell the store, after the caller has its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Repair {
    #[default]
    Nothing,
    Finish,
    Settle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Writer {
    pub(crate) phase: Phase,
    pub(crate) transaction: Transaction,
    pub(crate) change: Change,
    /// What it would store.
    pub(crate) value: Value,
    pub(crate) attempt: u8,
    /// Its `begin` was acknowledged.
    pub(crate) is_marked: bool,
    /// It changes the watched value, and does not know that it does.
    pub(crate) is_unaware: bool,
    /// Its transaction has written an outbox row.
    pub(crate) has_row: bool,
    /// The life of the server that has executed its `begin`.
    pub(crate) marked_in: Option<u8>,
    pub(crate) repair: Repair,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Load {
    #[default]
    Idle,
    /// A snapshot was taken before anything else, and shows this.
    Snapshot(Value),
    Leased,
    Loaded(Value),
    /// The database answered this, before anything was seen that it might refresh.
    Queried(Value),
    /// The cell held the value with this stamp, which is to be refreshed.
    Seen(Stamp),
    /// And this is what the database answered then.
    Refreshed(Stamp, Value),
    /// The cell held this value, which may get more time to live; `then` is what the database had.
    Found {
        value: Value,
        stamp: Stamp,
        then: Value,
    },
    /// Whether the database answered the same.
    Compared {
        is_same: bool,
        stamp: Stamp,
        then: Value,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Reader {
    pub(crate) load: Load,
    pub(crate) n_loads: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Relay {
    #[default]
    Idle,
    /// It holds the outbox row of a writer.
    Holding(u8),
    /// It scans for the table of that row. `must_visit`: the key has been there since the scan began, so that it will come up.
    Scanning { row: u8, must_visit: bool },
    /// The row is settled.
    Settled(u8),
    /// The row is deleted, and not settled yet.
    Deleted(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Verifier {
    #[default]
    Idle,
    /// The cell held this.
    Read {
        value: Value,
        stamp: Stamp,
    },
    /// And then the database answered this; whether the cell was wrong at that moment.
    Queried {
        value: Value,
        stamp: Stamp,
        answer: Value,
        is_wrong: bool,
    },
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) cell: Cell,
    pub(crate) life: u8,
    /// What its replica has.
    pub(crate) replica: Cell,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) database: Database,
    pub(crate) server: Server,
    pub(crate) writers: [Writer; MAX_WRITERS],
    pub(crate) readers: [Reader; MAX_READERS],
    /// Requests that timed out, and may still be executed.
    pub(crate) late: [Option<Request>; 2],
    /// The writers whose callers were told of success: a set, as the next two are.
    pub(crate) acknowledged: u8,
    /// Those whose outbox rows are there.
    pub(crate) outbox: u8,
    /// Those that could not mark the cell, as their processes have noted.
    pub(crate) notes: u8,
    pub(crate) relays: [Relay; 2],
    pub(crate) verifier: Verifier,
    /// What may still go wrong.
    pub(crate) faults: Faults,
    /// What the verifier has done: a set of findings.
    pub(crate) reported: u16,
    /// What is found in this state: a function of all else.
    pub(crate) found: u16,
}

impl State {
    pub(crate) fn new(setup: &Setup) -> Self {
        let database = Database::new(setup.kind);
        let cell = Cell::Value { value: database.value(), stamp: Stamp::First, life: 0 };
        Self {
            database,
            server: Server { cell, life: 0, replica: cell },
            writers: [Writer::default(); MAX_WRITERS],
            readers: [Reader::default(); MAX_READERS],
            late: [None; 2],
            acknowledged: 0,
            outbox: 0,
            notes: 0,
            relays: [Relay::Idle; 2],
            verifier: Verifier::Idle,
            faults: setup.faults,
            reported: 0,
            found: 0,
        }
    }

    /// The cell as everybody sees it who is connected now.
    pub(crate) fn cell(&self, setup: &Setup) -> Cell {
        self.server.cell.seen_in(self.server.life, setup)
    }

    /// The store executes a request.
    pub(crate) fn execute(&mut self, request: Request, setup: &Setup) {
        if let Request::Begin(nonce) = request {
            self.writers[usize::from(nonce / 2)].marked_in = Some(self.server.life);
        }
        if let Request::Extend(stamp, then) = request {
            self.extend(stamp, then, setup);
        }
        self.server.cell = self.server.cell.after(request, self.server.life, setup);
    }

    /// A value that gets more time to live must have been right at some moment since somebody looked whether it may.
    fn extend(&mut self, stamp: Stamp, then: Value, setup: &Setup) {
        let Cell::Value { value, stamp: theirs, .. } = self.cell(setup) else { return };
        let is_extended = theirs == stamp || setup.refresh == Refresh::ExtendAnything;
        // Values of rows and lists are sets of writes, and what was committed then has to be in it.
        if is_extended && then.0 & !value.0 != 0 {
            properties::remember(self, Finding::Prolonged);
        }
    }

    /// A request that times out may be executed later; `false` if nothing may time out any more.
    pub(crate) fn delay(&mut self, request: Request) -> bool {
        let free = self.late.iter_mut().find(|late| late.is_none());
        let (Some(free), true) = (free, self.faults.delays > 0) else { return false };
        *free = Some(request);
        self.faults.delays -= 1;
        // In which order they were sent does not matter.
        self.late.sort_unstable_by(|one, other| other.cmp(one));
        true
    }

    pub(crate) fn activity(&self) -> Activity {
        self.writers.map(|writer| (writer.transaction, writer.change))
    }

    pub(crate) fn commit(&mut self, writer: usize) {
        self.writers[writer].transaction = Transaction::Committed;
        self.database.commit(writer, self.writers[writer].change);
        if self.writers[writer].has_row {
            self.outbox |= 1 << writer;
        }
    }

    /// Whether a process has a note that it could not mark the cell.
    pub(crate) fn is_noted(&self, process: usize, setup: &Setup) -> bool {
        self.notes != 0
            && setup.writers().any(|writer| self.notes >> writer & 1 == 1 && setup.process(writer) == process)
    }
}
