//! What is searched of the near cache.

use crate::{
    rules::{Rule, Rules},
    search::{Outcome, search},
    setup::Kind,
};

/// What a near read promises, and by which means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Nothing older than the last proof, a writer's own writes, and never back in time.
    Bounded,
    /// Nothing older than the write whose token is carried along.
    Tokens,
    /// The database's present value: writers wait until every member has acknowledged, or no proof can count any more.
    Acknowledged,
    /// The same: writers wait until no proof can count any more.
    Timed,
}

impl Promise {
    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Self::Acknowledged | Self::Timed)
    }
}

/// What it takes to end an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// It is removed, and looked up, in one step with the epoch of its slot.
    Removed,
    /// A counter of its slot moves on; whoever finds it compares that with its stamp, in a step of its own.
    Stamped,
}

/// How often each thing may go wrong in one behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mishaps {
    /// A listener's connection breaks; any number of the messages on it may still arrive.
    pub breaks: u8,
    /// A process other than the first dies while it writes, at any step.
    pub crashes: u8,
    /// The second process dies.
    pub deaths: u8,
    /// The store is restarted empty.
    pub restarts: u8,
    /// The store is restarted with what a snapshot had of its keys other than cells.
    pub snapshots: u8,
    /// The store evicts a marker.
    pub evictions: u8,
    /// The store evicts the registry of members, or the number of announcements.
    pub losses: u8,
    /// A writer does not get the answer to its announcement, and begins anew.
    pub lost_replies: u8,
    /// An announcement is executed twice.
    pub doubles: u8,
}

/// Nothing goes wrong.
pub const QUIET: Mishaps = Mishaps {
    breaks: 0,
    crashes: 0,
    deaths: 0,
    restarts: 0,
    snapshots: 0,
    evictions: 0,
    losses: 0,
    lost_replies: 0,
    doubles: 0,
};

/// One configuration.
#[derive(Debug, Clone, Copy)]
pub struct Near {
    /// What is promised.
    pub promise: Promise,
    /// How entries end.
    pub entries: Entries,
    /// A row or a list.
    pub kind: Kind,
    /// Which of the protocol's rules are followed.
    pub rules: Rules,
    /// Writers, each of which writes once.
    pub n_writers: u8,
    /// How many of them are in the first process; the others are in one that is not watched.
    pub n_own: u8,
    /// How many of them, the last ones, write another key, so that nothing is seen of them here but their announcements.
    pub n_strangers: u8,
    /// Processes with a near cache.
    pub n_processes: u8,
    /// Threads of each process that read past the near cache and insert. In each there is one besides that hits, as often as it likes.
    pub n_readers: [u8; 2],
    /// How often each of these threads may do so.
    pub n_loads: u8,
    /// How often a process asks for a proof.
    pub n_pings: u8,
    /// Whether the membership is renewed on a connection of its own, and how often; else it is with each proof.
    pub n_renewals: Option<u8>,
    /// Whether the last process subscribes late.
    pub is_late: bool,
    /// Whether a value from the database is handed out before it is known whether the cell takes it; stamped entries only.
    pub hands_out_early: bool,
    /// Whether a writer marks and announces before its statement, which may have to wait for others.
    pub is_early: bool,
    /// Whether the registry is read in a step of its own after the announcement.
    pub is_announced_in_parts: bool,
    /// Whether the writers' own process acknowledges as any other does.
    pub acknowledges_itself: bool,
    /// Whether a member that finds its membership lapsed ends its entries.
    pub ends_at_lapse: bool,
    /// Whether a lost connection ends the entries at once, and not only when there is another one.
    pub ends_at_loss: bool,
    /// Whether it is watched, too, that no read goes back in time, where that follows from the promise.
    pub remembers: bool,
    /// Whether the clock of a process runs.
    pub clock_runs: bool,
    /// What may go wrong.
    pub mishaps: Mishaps,
}

/// The bounded near cache as the design has it: the watched process writes, and so does another one; the connection breaks once.
pub const BOUNDED: Near = Near {
    promise: Promise::Bounded,
    entries: Entries::Removed,
    kind: Kind::Row,
    rules: Rules::ALL,
    n_writers: 2,
    n_own: 1,
    n_strangers: 0,
    n_processes: 1,
    n_readers: [2, 0],
    n_loads: 1,
    n_pings: 1,
    n_renewals: None,
    is_late: false,
    hands_out_early: false,
    is_early: false,
    is_announced_in_parts: false,
    acknowledges_itself: false,
    ends_at_lapse: false,
    ends_at_loss: true,
    remembers: true,
    clock_runs: true,
    mishaps: Mishaps { breaks: 1, ..QUIET },
};

/// The most writers, processes, and readers of a process.
pub(crate) const MAX: usize = 2;

/// What a writer asks of the store before COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// End the entries of its own process.
    End,
    /// Set the marker.
    Mark,
    /// Count the number of announcements on.
    Number,
    /// Tell all who listen.
    Publish,
    /// Read who has to acknowledge.
    Members,
}

impl Near {
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
        0..usize::from(self.n_writers)
    }

    pub(crate) fn processes(&self) -> std::ops::Range<usize> {
        0..usize::from(self.n_processes)
    }

    pub(crate) fn is_stranger(&self, writer: usize) -> bool {
        writer >= usize::from(self.n_writers - self.n_strangers)
    }

    /// Whether a process listens from the beginning.
    pub(crate) fn is_there(&self, process: usize) -> bool {
        let n = usize::from(self.n_processes);
        process < n && !(self.is_late && process + 1 == n)
    }

    pub(crate) fn is_own(&self, writer: usize) -> bool {
        writer < usize::from(self.n_own)
    }

    /// What a writer asks before COMMIT, in its order: what stands together is executed at once.
    pub(crate) fn before_commit(&self) -> &'static [&'static [Op]] {
        use Op::{End, Mark, Members, Number, Publish};
        match self.promise {
            Promise::Bounded if !self.has(Rule::AnnounceBeforeCommit) => &[&[Mark]],
            Promise::Bounded if !self.has(Rule::OwnEndsAfterReplies) => &[&[End], &[Mark], &[Publish]],
            Promise::Bounded | Promise::Timed => &[&[Mark], &[Publish]],
            Promise::Tokens if !self.has(Rule::MarkBeforeAnnounce) => &[&[Number, Publish], &[Mark]],
            Promise::Tokens if !self.has(Rule::AnnounceAtOnce) => &[&[Mark], &[Number], &[Publish]],
            Promise::Tokens => &[&[Mark], &[Number, Publish]],
            Promise::Acknowledged if !self.has(Rule::MembersAfterMark) => &[&[Members], &[Mark, Publish]],
            Promise::Acknowledged if !self.has(Rule::MembersAfterAnnounce) => &[&[Mark], &[Members], &[Publish]],
            Promise::Acknowledged if self.is_announced_in_parts => &[&[Mark], &[Publish], &[Members]],
            Promise::Acknowledged => &[&[Mark], &[Publish, Members]],
        }
    }
}
