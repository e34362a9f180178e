//! What is searched: who takes part, under which rules, and what may go wrong.

use crate::{
    rules::{Protocol, Rule, Rules},
    search::{Outcome, search},
};

/// The kind of the one cell that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A row by its primary key: its writers wait for each other in the database.
    Row,
    /// A list of rows: its writers do not, and each sees only what was committed when its statement ran.
    List,
    /// A unique value that two rows come to and leave: the second writer of the value waits for the first.
    Unique,
    /// The same where the database looks at the constraint at COMMIT only.
    Deferrable,
}

/// What happens when a cell can't be marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The write is rolled back.
    Strict,
    /// The write is committed, with an outbox row.
    Available,
}

/// A writer that does not use larder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outsider {
    /// There is none.
    Nobody,
    /// Nobody hears of its write.
    Untold,
    /// A trigger writes an outbox row.
    Told,
    /// A trigger writes an outbox row that asks to settle the whole table.
    ToldOfAll,
}

/// What readers do about values that will soon expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Nothing.
    Nobody,
    /// They put what the database has in the place of the value.
    Refill,
    /// If the database has the same, the value gets more time to live; else the cell is settled.
    Extend,
    /// The same, and it is not looked whether it is still that value.
    ExtendAnything,
}

/// How often each thing may go wrong in one behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A process that writes dies, at any step.
    pub crashes: u8,
    /// A relay dies, at any step.
    pub relay_crashes: u8,
    /// A request to the store times out, and is executed later or never.
    pub delays: u8,
    /// The connection to the database is lost at COMMIT.
    pub unknown_commits: u8,
    /// The store is restarted empty.
    pub restarts: u8,
    /// A replica that lags takes over from the store.
    pub failovers: u8,
    /// The store evicts a marker.
    pub evictions: u8,
    /// A value in the store is overwritten by something that was never committed.
    pub corruptions: u8,
}

/// Nothing goes wrong but that values and leases expire or are evicted, which they may at any time.
pub const CALM: Faults = Faults {
    crashes: 0,
    relay_crashes: 0,
    delays: 0,
    unknown_commits: 0,
    restarts: 0,
    failovers: 0,
    evictions: 0,
    corruptions: 0,
};

/// One configuration.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// How the cell is kept true.
    pub protocol: Protocol,
    /// What kind of cell it is.
    pub kind: Kind,
    /// Which of the protocol's rules are followed.
    pub rules: Rules,
    /// What happens when the cell can't be marked.
    pub policy: Policy,
    /// Whether every write writes an outbox row.
    pub durable: bool,
    /// Writers that use larder, each of which writes once.
    pub n_writers: u8,
    /// Readers.
    pub n_readers: u8,
    /// How often each reader may load the value.
    pub n_loads: u8,
    /// Whether all writers and readers are in one process; else they are in two by turns.
    pub one_process: bool,
    /// Whether there is a writer besides, and who hears of it.
    pub outsider: Outsider,
    /// Relays, the first in the first process and the second in the second.
    pub n_relays: u8,
    /// Whether a verifier looks at the cell.
    pub verifier: bool,
    /// Whether the bytes of every second version of the row are the same.
    pub bytes_recur: bool,
    /// Whether a transaction may give a deferrable value from one row to another.
    pub swaps: bool,
    /// Whether values and leases may expire at any time.
    pub expiry: bool,
    /// Whether a COMMIT may take longer than markers are held.
    pub late_commits: bool,
    /// Whether a process fills cells of which it has a note that they could not be marked.
    pub fills_while_noted: bool,
    /// Whether readers refresh values that have not expired yet, and how.
    pub refresh: Refresh,
    /// What may go wrong.
    pub faults: Faults,
}

/// larder as it is: two writers and two readers of a row, nothing goes wrong.
pub const LARDER: Setup = Setup {
    protocol: Protocol::Markers,
    kind: Kind::Row,
    rules: Rules::ALL,
    policy: Policy::Strict,
    durable: false,
    n_writers: 2,
    n_readers: 2,
    n_loads: 2,
    one_process: false,
    outsider: Outsider::Nobody,
    n_relays: 1,
    verifier: false,
    bytes_recur: false,
    swaps: true,
    expiry: true,
    late_commits: false,
    fills_while_noted: false,
    refresh: Refresh::Nobody,
    faults: CALM,
};

/// The most writers, with the outsider, and the most readers.
pub(crate) const MAX_WRITERS: usize = 4;
pub(crate) const MAX_READERS: usize = 3;

impl Setup {
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

    pub(crate) fn writers(&self) -> std::ops::Range<usize> {
        0..usize::from(self.n_writers) + usize::from(self.outsider != Outsider::Nobody)
    }

    pub(crate) fn is_outsider(&self, writer: usize) -> bool {
        writer >= usize::from(self.n_writers)
    }

    /// The process of a writer, a reader or a relay.
    pub(crate) fn process(&self, member: usize) -> usize {
        if self.one_process { 0 } else { member % 2 }
    }

    /// The nonce of a writer's attempt.
    pub(crate) fn nonce(&self, writer: usize, attempt: u8) -> u8 {
        let attempt = if self.has(Rule::FreshNonce) { attempt } else { 0 };
        2 * u8::try_from(writer).expect("writers are few") + attempt
    }
}
