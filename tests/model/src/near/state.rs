//! One moment of all who have to do with the near cache of one key.

use super::{
    channel::Message,
    process::Process,
    setup::{MAX, Mishaps, Near, Promise},
};
use crate::{
    cell::{Cell, Request, Stamp, Value},
    database::Transaction,
    rules::Rule,
    setup::LARDER,
};

/// A set of writers.
pub(super) type Writers = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Phase {
    #[default]
    Idle,
    /// So many of the steps before COMMIT are executed.
    Begun(u8),
    /// All were answered.
    Ready,
    CommitSent,
    Committed,
    /// The marker is taken away.
    Finished,
    Returned,
    Crashed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Writer {
    pub(super) phase: Phase,
    pub(super) transaction: Transaction,
    /// Its statement has run.
    pub(super) has_changed: bool,
    /// What it would store.
    pub(super) value: Value,
    /// It began anew.
    pub(super) attempt: u8,
    /// The server that was told of it is gone.
    pub(super) is_forgotten: bool,
    /// Proofs that are sent from now on know of its announcement; watched under strict promises only.
    pub(super) is_announced: bool,
    /// The number of its announcement.
    pub(super) number: Option<Number>,
    /// The members that it waits for: a set.
    pub(super) waits_for: u8,
    /// Those that have acknowledged, and how many acknowledgements came.
    pub(super) acknowledged: u8,
    pub(super) n_acknowledged: u8,
    /// Acknowledgements do not count, since not every member may be in the registry yet.
    pub(super) waits_long: bool,
}

/// How many announcements there were, since the key for it was made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Number {
    pub(super) id: u8,
    pub(super) n: u8,
}

/// What a proof proves: nothing of which it is known when it was sent is unhandled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Tag {
    /// What was committed when the server answered. Watched under [`Promise::Bounded`] only.
    pub(super) committed: Writers,
    /// The announcements that were executed before it was sent; watched under strict promises only.
    pub(super) announced: Writers,
    /// It was sent after the registry was made.
    pub(super) is_registry_older: bool,
}

/// The members, as the store has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Registry {
    pub(super) exists: bool,
    /// It has not been there for as long as a proof counts.
    pub(super) is_young: bool,
    /// A set of members.
    pub(super) members: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(super) committed: Writers,
    pub(super) cell: Cell,
    pub(super) number: Option<Number>,
    /// How often the number was made anew, so that no identity comes again.
    pub(super) n_ids: u8,
    pub(super) registry: Registry,
    pub(super) writers: [Writer; MAX],
    pub(super) processes: [Process; MAX],
    pub(super) mishaps: Mishaps,
    /// A function of all else.
    pub(super) found: u16,
}

impl State {
    pub(super) fn new(setup: &Near) -> Self {
        let members = setup.processes().filter(|n| setup.is_there(*n)).map(|n| member(n, setup));
        let members = if setup.is_registered_at_start() { members.fold(0, |set, member| set | member) } else { 0 };
        Self {
            committed: 0,
            cell: Cell::Value { value: Value(0), stamp: Stamp::First, life: 0 },
            number: (setup.promise == Promise::Tokens).then_some(Number { id: 0, n: 0 }),
            n_ids: 0,
            registry: Registry { exists: setup.promise == Promise::Acknowledged, is_young: false, members },
            writers: Default::default(),
            processes: [Process::first(setup, 0), Process::first(setup, 1)],
            mishaps: setup.mishaps,
            found: 0,
        }
    }

    /// The store executes a request on the cell.
    pub(super) fn execute(&mut self, request: Request) {
        self.cell = match self.cell.after(request, 0, &LARDER) {
            // Nobody here asks who has stored a value.
            Cell::Value { value, life, .. } => Cell::Value { value, stamp: Stamp::First, life },
            cell => cell,
        };
    }

    /// Sends a message to all who are subscribed.
    pub(super) fn publish(&mut self, message: Message) {
        for process in self.processes.iter_mut().filter(|process| process.is_subscribed) {
            process.channel.push(message);
        }
    }

    /// A write may be in doubt whose marker the server has forgotten.
    pub(super) fn is_quarantined(&self) -> bool {
        self.writers.iter().any(|writer| writer.is_forgotten && writer.transaction.is_in_doubt())
    }

    /// Whether a row is locked by a transaction.
    pub(super) fn is_locked(&self) -> bool {
        self.writers.iter().any(|writer| writer.has_changed && writer.transaction.is_in_doubt())
    }

    /// What a proof would prove that is sent now.
    pub(super) fn tag(&self, setup: &Near) -> Tag {
        if setup.promise == Promise::Bounded {
            return Tag { committed: self.committed, ..Tag::default() };
        }
        let announced = setup.writers().filter(|n| self.writers[*n].is_announced).fold(0, |set, n| set | 1 << n);
        Tag { committed: 0, announced, is_registry_older: self.registry.exists }
    }

    /// Ends every proof, wherever it is, that is not as it has to be.
    pub(super) fn end_proofs(&mut self, counts: impl Fn(Tag) -> bool) {
        self.each_proof(|proof| *proof = proof.filter(|tag| counts(*tag)));
    }

    pub(super) fn each_proof(&mut self, mut edit: impl FnMut(&mut Option<Tag>)) {
        for process in &mut self.processes {
            process.channel.replies().for_each(&mut edit);
            let Process { proof, ping, renewal, .. } = process;
            for waiting in [ping, &mut renewal.request, &mut renewal.reply].into_iter().flatten() {
                edit(waiting);
            }
            edit(proof);
            edit(&mut renewal.proof);
        }
    }
}

/// The name of a member, as a set of one.
pub(super) fn member(process: usize, setup: &Near) -> u8 {
    if setup.has(Rule::MembersAreSessions) { 1 << process } else { 1 }
}
