use std::time::Duration;

use crate::{clock::Moment, record::Key};

/// So many mistakes are told, and the others counted.
const TOLD: usize = 20;

/// So many reads that failed are quoted: one reason is mostly that of all.
const QUOTED: usize = 3;

/// What a history comes to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) n_reads: u64,
    /// Reads that were answered without a statement.
    pub(crate) n_hits: u64,
    /// Writes that were acknowledged, and rollbacks that were asked for.
    pub(crate) n_writes: u64,
    /// Reads that were answered from the memory of their process.
    pub(crate) n_near: u64,
    /// Reads, outside of transactions, that got an error.
    pub(crate) n_failed_reads: u64,
    /// The first of them, and why they failed.
    pub(crate) why_reads_failed: Vec<String>,
    /// Transactions that got an error and have not happened.
    pub(crate) n_failed: u64,
    /// Writes of which nobody was told whether they have happened.
    pub(crate) n_unknown: u64,
    /// The longest time in which no operation of any worker was done.
    pub(crate) longest_gap: Duration,
    /// Rows that a read returned, or did not, although it should have known better.
    pub(crate) n_stale: u64,
    /// How long the oldest of them had been out of date when the read began.
    pub(crate) stalest: Duration,
    /// Rows that a read returned and that no committed row ever was, or that were where they should not be.
    pub(crate) n_uncommitted: u64,
    /// Rows of which a version is lost that somebody had written or read.
    pub(crate) n_lost: u64,
    /// Rows that were read near and were out of date, as they may be.
    pub(crate) n_old: u64,
    /// How long the oldest row that was read near had been out of date when the read began.
    pub(crate) oldest: Duration,
    /// Rows that were read near as they were before a write of the same process that had returned.
    pub(crate) n_missed: u64,
    /// Rows that were read near as they were before what the same process had read.
    pub(crate) n_backward: u64,
    /// Rows and lists that were read when nobody wrote any more, and how many of these reads a cache has answered.
    pub(crate) n_quiet: (u64, u64),
    /// The first mistakes.
    pub(crate) mistakes: Vec<String>,
}

impl Tally {
    /// Every operation that has ended, however.
    pub(crate) fn n_operations(&self) -> u64 {
        self.n_reads + self.n_writes + self.n_failed_reads + self.n_failed + self.n_unknown
    }

    pub(super) fn stale(&mut self, at: Moment, key: Key, age: Duration, text: String) {
        self.n_stale += 1;
        self.stalest = self.stalest.max(age);
        self.tell(format!("at {at}, {key:?}, stale for {age:?}: {text}"));
    }

    /// A row that was read near was out of date for that long, and might be.
    pub(super) fn old(&mut self, age: Duration) {
        self.n_old += 1;
        self.oldest = self.oldest.max(age);
    }

    pub(super) fn missed(&mut self, at: Moment, key: Key, text: String) {
        self.n_missed += 1;
        self.tell(format!("at {at}, {key:?}, own write missed: {text}"));
    }

    pub(super) fn backward(&mut self, at: Moment, key: Key, text: String) {
        self.n_backward += 1;
        self.tell(format!("at {at}, {key:?}, older than before: {text}"));
    }

    pub(super) fn uncommitted(&mut self, at: Moment, key: Key, text: String) {
        self.n_uncommitted += 1;
        self.tell(format!("at {at}, {key:?}, never committed: {text}"));
    }

    pub(super) fn lost(&mut self, at: Moment, key: Key, text: String) {
        self.n_lost += 1;
        self.tell(format!("at {at}, {key:?}, lost: {text}"));
    }

    pub(super) fn read_failed(&mut self, text: String) {
        self.n_failed_reads += 1;
        if self.why_reads_failed.len() < QUOTED {
            self.why_reads_failed.push(text);
        }
    }

    fn tell(&mut self, text: String) {
        if self.mistakes.len() < TOLD {
            self.mistakes.push(text);
        }
    }
}
