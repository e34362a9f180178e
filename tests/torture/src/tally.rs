//! What a run has done.

use std::{collections::BTreeMap, fmt};

use larder::{failpoints::Point, store::Operation};

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A process is killed at a place between two steps.
    Killed,
    /// An operation of the store never reaches it; the caller gets a time-out.
    Lost,
    /// The store does the operation, and the caller gets a time-out.
    NoAnswer,
    /// The caller gets a time-out, and the operation is done later.
    Delayed,
    /// A value or a lease expires or is evicted.
    Evicted,
    /// A marker's record expires whose write is not in doubt any more.
    MarkerExpired,
    /// A marker is evicted whose write is in doubt: against the rules for the settings of Redis, so it is in no ordinary schedule.
    MarkerEvicted,
    /// COMMIT is held up on its way, and the client's connection is cut.
    CommitHeld,
    /// COMMIT happens, and the client's connection is cut before it hears of it.
    AnswerLost,
    /// The sessions of a process are ended by PostgreSQL.
    Terminated,
    /// Redis takes a snapshot: no fault by itself.
    Snapshot,
    /// Redis starts again and has nothing.
    RestartEmpty,
    /// Redis starts again and has everything.
    RestartAsIs,
    /// Redis starts again with an older snapshot.
    RestartOlder,
    /// The line is lost on which a process is told of writes, with all that was on its way.
    LineLost,
    /// So much time passes that nothing near may be served without new proof.
    TimePasses,
}

impl Fault {
    /// All that an ordinary schedule may have.
    pub const ALL: [Self; 15] = [
        Self::Killed,
        Self::Lost,
        Self::NoAnswer,
        Self::Delayed,
        Self::Evicted,
        Self::MarkerExpired,
        Self::CommitHeld,
        Self::AnswerLost,
        Self::Terminated,
        Self::Snapshot,
        Self::RestartEmpty,
        Self::RestartAsIs,
        Self::RestartOlder,
        Self::LineLost,
        Self::TimePasses,
    ];

    /// Whether it happens between two steps, and not to a step.
    #[must_use]
    pub fn is_of_nature(self) -> bool {
        matches!(
            self,
            Self::Evicted
                | Self::MarkerExpired
                | Self::MarkerEvicted
                | Self::Terminated
                | Self::Snapshot
                | Self::RestartEmpty
                | Self::RestartAsIs
                | Self::RestartOlder
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Killed => "killed",
            Self::Lost => "operation lost",
            Self::NoAnswer => "answer lost",
            Self::Delayed => "operation delayed",
            Self::Evicted => "cell evicted",
            Self::MarkerExpired => "marker expired",
            Self::MarkerEvicted => "marker evicted",
            Self::CommitHeld => "COMMIT held up",
            Self::AnswerLost => "answer to COMMIT lost",
            Self::Terminated => "sessions ended",
            Self::Snapshot => "snapshot",
            Self::RestartEmpty => "redis restarted, empty",
            Self::RestartAsIs => "redis restarted, with its data",
            Self::RestartOlder => "redis restarted, with older data",
            Self::LineLost => "line lost",
            Self::TimePasses => "time passed",
        })
    }
}

/// Counts of one schedule or many.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Schedules that came to their end.
    pub schedules: u64,
    /// Steps that somebody took.
    pub steps: u64,
    /// Keys that were read, and compared with the history.
    pub reads: u64,
    /// Of those, reads of a call that needed no SELECT.
    pub hits: u64,
    /// Of those, such as the store was not asked for.
    pub near: u64,
    /// Of those, such as the database did not have any more when the read began.
    pub old: u64,
    /// Announcements that processes have heard.
    pub told: u64,
    /// Times that a reader waited for somebody else's load.
    pub waits: u64,
    /// Transactions that came to their end.
    pub writes: u64,
    /// Of those, such as were committed.
    pub commits: u64,
    /// Transactions that gave amounts and were said not to have happened.
    pub denied: u64,
    /// Changes that were asked for and are written later.
    pub changes: u64,
    /// Of those, such as were acknowledged.
    pub acknowledged: u64,
    /// Calls that were acknowledged after their buffer had not taken them, or not said so.
    pub written_through: u64,
    /// Changes that were said not to have happened.
    pub refused: u64,
    /// Rows that were read with what waited.
    pub found: u64,
    /// Values that were read aside.
    pub asides: u64,
    /// States of the books, each compared with what the lines come to.
    pub books: u64,
    /// Trees that were read.
    pub trees: u64,
    /// Of those, such as were made of the rows of several states.
    pub mixed: u64,
    /// Refreshes of the view that have returned.
    pub refreshes: u64,
    /// Values that the cells held when somebody looked, each compared with the database.
    pub cells: u64,
    /// How often each place was reached.
    pub points: BTreeMap<Point, u64>,
    /// How often the store was asked for each operation.
    pub operations: BTreeMap<&'static str, u64>,
    /// How often each fault was there.
    pub faults: BTreeMap<Fault, u64>,
    /// Operations and COMMITs that came late after all.
    pub late: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.reads += other.reads;
        self.hits += other.hits;
        self.near += other.near;
        self.old += other.old;
        self.told += other.told;
        self.waits += other.waits;
        self.writes += other.writes;
        self.commits += other.commits;
        self.denied += other.denied;
        self.changes += other.changes;
        self.acknowledged += other.acknowledged;
        self.written_through += other.written_through;
        self.refused += other.refused;
        self.found += other.found;
        self.asides += other.asides;
        self.books += other.books;
        self.trees += other.trees;
        self.mixed += other.mixed;
        self.refreshes += other.refreshes;
        self.cells += other.cells;
        add(&mut self.points, &other.points);
        add(&mut self.operations, &other.operations);
        add(&mut self.faults, &other.faults);
        add(&mut self.late, &other.late);
    }

    /// Counts an operation of the store.
    pub fn operation(&mut self, operation: Operation) {
        *self.operations.entry(name(operation)).or_default() += 1;
    }

    /// Counts something that came late.
    pub fn late(&mut self, what: &'static str) {
        *self.late.entry(what).or_default() += 1;
    }

    /// How many faults there were.
    #[must_use]
    pub fn n_faults(&self) -> u64 {
        self.faults.values().sum()
    }
}

fn add<K: Ord + Copy>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, n) in from {
        *to.entry(*key).or_default() += n;
    }
}

/// The name of an operation.
#[must_use]
pub fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "read",
        Operation::Lease => "lease",
        Operation::Stamp => "stamp",
        Operation::Fill => "fill",
        Operation::Begin => "begin",
        Operation::Finish => "finish",
        Operation::Settle => "settle",
        Operation::Inspect => "inspect",
        Operation::Extend => "extend",
        Operation::Scan => "scan",
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedules, steps, reads, hits, near, old, told, waits, writes, commits, denied, cells, .. } = self;
        writeln!(
            f,
            "{schedules} schedules, {steps} steps, {reads} reads ({hits} hits, {near} near, {old} of them old), {told} announcements heard, {waits} waits, {writes} transactions ({commits} committed, {denied} denied), {cells} cells compared"
        )?;
        let Self {
            changes, acknowledged, written_through, refused, found, asides, books, refreshes, trees, mixed, ..
        } = self;
        writeln!(
            f,
            "{changes} changes behind ({acknowledged} acknowledged, {refused} refused, {written_through} calls written through), {found} rows found with what waited, {asides} values read aside, {books} states of books, {refreshes} refreshes, {trees} trees ({mixed} of several states)"
        )?;
        let list = |f: &mut fmt::Formatter<'_>, title, items: Vec<String>| writeln!(f, "{title}: {}", items.join(", "));
        list(f, "faults", self.faults.iter().map(|(fault, n)| format!("{fault} {n}")).collect())?;
        list(f, "late", self.late.iter().map(|(what, n)| format!("{what} {n}")).collect())?;
        list(f, "places", self.points.iter().map(|(point, n)| format!("{point:?} {n}")).collect())?;
        list(f, "operations", self.operations.iter().map(|(name, n)| format!("{name} {n}")).collect())
    }
}
