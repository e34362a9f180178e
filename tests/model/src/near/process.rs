//! A process with a near cache: its listener, its one entry, and its threads.

use super::{
    channel::Channel,
    setup::{Entries, MAX, Near, Promise},
    state::{Number, Tag, Writers},
};
use crate::{cell::Value, rules::Rule};

/// What lies in the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// How often entries were ended since the moment that its stamp tells of: it is alive at 0.
    pub(super) age: u8,
}

/// What a near read must not be older than.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Owed {
    pub(super) proven: Writers,
    pub(super) own: Writers,
    pub(super) seen: Writers,
    pub(super) committed: Writers,
    pub(super) token: Writers,
}

/// The thread that reads the near cache, as often as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Hit {
    #[default]
    Idle,
    /// It has read the counter of the slot first, so many ends of entries ago.
    Counted { owed: Owed, age: u8 },
    /// The proof, or the token, is good.
    Checked { owed: Owed, age: u8 },
    /// It has found an entry with this stamp.
    Found { owed: Owed, entry: Entry },
    /// It has found an entry before it has looked at proof or token.
    Unchecked { owed: Owed, value: Value },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Load {
    #[default]
    Idle,
    /// It has looked for an entry, long before it hands anything out: whether there was one.
    Looked {
        had_entry: bool,
    },
    /// The slot's counters are noted.
    Noted,
    Leased,
    Queried(Value),
    /// The cell holds this, or has been filled with it.
    Cached(Value),
    /// The database has answered this, and the cell does not hold it.
    Passed(Value),
    /// The counters were still as noted, and have moved on; the map does not have the entry yet.
    Inserting(Value),
}

/// A thread that reads past the near cache, and inserts what it has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Reader {
    pub(super) load: Load,
    pub(super) n_loads: u8,
    /// Nothing has touched the slot since its counters were noted.
    pub(super) is_unchanged: bool,
    /// How often entries were ended since then.
    pub(super) age: u8,
    /// The entries of all slots were ended since the cell was asked; watched only of those who note the slot's counters once more.
    pub(super) is_flushed: bool,
    /// There was an entry when it looked.
    pub(super) had_entry: bool,
    /// What it has read is handed out already.
    pub(super) is_handed_out: bool,
}

/// The membership where it is renewed on a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Renewal {
    pub(super) proof: Option<Tag>,
    pub(super) request: Option<Option<Tag>>,
    pub(super) reply: Option<Option<Tag>>,
    /// The reply says that there was nothing to renew.
    pub(super) has_lapsed: bool,
    pub(super) n_renewals: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) is_dead: bool,
    /// The server sends it messages.
    pub(super) is_subscribed: bool,
    /// It takes itself for subscribed.
    pub(super) is_listening: bool,
    pub(super) channel: Channel,
    pub(super) proof: Option<Tag>,
    /// A PING on its way to the server.
    pub(super) ping: Option<Option<Tag>>,
    pub(super) n_pings: u8,
    pub(super) renewal: Renewal,
    /// The number of the last announcement that it has handled.
    pub(super) reached: Option<Number>,
    /// It is about to ask for the number.
    pub(super) asks_number: bool,
    /// A step of the listener that is still to come, of those that it takes in the wrong order.
    pub(super) owes_end: bool,
    /// Something was inserted.
    pub(super) has_inserted: bool,
    pub(super) entry: Option<Entry>,
    pub(super) hit: Hit,
    pub(super) readers: [Reader; MAX],
    /// What its reads have returned, and its writers.
    pub(super) seen: Writers,
    pub(super) own: Writers,
}

impl Process {
    /// Subscribed, with the first value in the map and a good proof.
    pub(super) fn first(setup: &Near, n: usize) -> Self {
        let is_here = setup.is_there(n);
        let tag = Tag { is_registry_older: setup.promise == Promise::Acknowledged, ..Tag::default() };
        let is_proven = is_here && setup.promise != Promise::Tokens;
        Self {
            is_dead: n >= usize::from(setup.n_processes),
            is_subscribed: is_here,
            is_listening: is_here,
            channel: Channel::default(),
            proof: is_proven.then_some(tag),
            ping: None,
            n_pings: setup.n_pings,
            renewal: Renewal {
                proof: (is_proven && setup.n_renewals.is_some()).then_some(tag),
                n_renewals: setup.n_renewals.unwrap_or(0),
                ..Renewal::default()
            },
            reached: (is_here && setup.promise == Promise::Tokens).then_some(Number { id: 0, n: 0 }),
            asks_number: false,
            owes_end: false,
            has_inserted: false,
            entry: (is_here && setup.has(Rule::MemberBeforeInsert)).then_some(Entry { value: Value(0), age: 0 }),
            hit: Hit::Idle,
            readers: [Reader::default(); MAX],
            seen: 0,
            own: 0,
        }
    }

    /// Whether it may serve entries.
    pub(super) fn is_on(&self, setup: &Near) -> bool {
        let is_proven = match setup.promise {
            // How old a proof is does not matter here: it tells what must be seen.
            Promise::Bounded | Promise::Tokens => true,
            Promise::Acknowledged | Promise::Timed => {
                self.proof.is_some() && (setup.n_renewals.is_none() || self.renewal.proof.is_some())
            }
        };
        self.is_listening && is_proven
    }

    /// What a read that begins now must not be older than.
    pub(super) fn owed(&self, committed: Writers, setup: &Near) -> Owed {
        Owed {
            proven: self.proven(setup),
            own: if setup.promise == Promise::Bounded { self.own } else { 0 },
            seen: self.seen,
            committed: if setup.promise.is_strict() { committed } else { 0 },
            token: 0,
        }
    }

    pub(super) fn proven(&self, setup: &Near) -> Writers {
        if setup.promise == Promise::Bounded { self.proof.unwrap_or_default().committed } else { 0 }
    }

    /// A read has returned a value.
    pub(super) fn sees(&mut self, value: Value, setup: &Near) {
        if setup.remembers {
            self.seen |= value.0;
        }
    }

    /// Ends the slot's entries, of which there is one, and what is on its way to become one.
    pub(super) fn end_entries(&mut self, setup: &Near) {
        self.end(setup);
        self.readers.iter_mut().for_each(|reader| reader.is_unchanged = false);
    }

    /// Ends the entries of all slots.
    pub(super) fn end_all(&mut self, setup: &Near) {
        match setup.entries {
            Entries::Removed => self.end_entries(setup),
            // The counter of all slots is stamped, but not compared by those who insert.
            Entries::Stamped => {
                self.end(setup);
                if setup.hands_out_early {
                    self.readers.iter_mut().filter(|reader| reader.is_on_its_way()).for_each(|r| r.is_flushed = true);
                }
            }
        }
    }

    fn end(&mut self, setup: &Near) {
        let older = |age: &mut u8| *age = setup.oldest().min(*age + 1);
        if let Some(entry) = &mut self.entry {
            older(&mut entry.age);
        }
        for reader in self.readers.iter_mut().filter(|reader| reader.is_on_its_way()) {
            older(&mut reader.age);
        }
        match &mut self.hit {
            Hit::Counted { age, .. } | Hit::Checked { age, .. } if !setup.has(Rule::CountLast) => older(age),
            Hit::Found { entry, .. } => older(&mut entry.age),
            _ => {}
        }
        self.bury(setup);
    }

    /// Whoever looks for an entry that has ended finds nothing, as if it were not in the map.
    pub(super) fn bury(&mut self, setup: &Near) {
        if setup.has(Rule::CountLast) {
            self.entry = self.entry.filter(|entry| entry.age == 0);
        }
    }

    /// An insertion moves the slot's other counter on.
    pub(super) fn count_insertion(&mut self) {
        self.readers.iter_mut().for_each(|reader| reader.is_unchanged = false);
    }
}

impl Reader {
    /// The slot's counters are noted, as they are now.
    pub(super) fn note(&mut self) {
        self.is_unchanged = true;
        self.age = u8::from(self.is_flushed);
    }

    pub(super) fn is_on_its_way(&self) -> bool {
        self.load != Load::Idle
    }
}

impl Near {
    /// As many ends of entries are told apart.
    fn oldest(&self) -> u8 {
        if self.has(Rule::CountLast) { 1 } else { 4 }
    }

    pub(super) fn is_registered_at_start(&self) -> bool {
        self.promise == Promise::Acknowledged && self.has(Rule::MemberBeforeInsert)
    }
}
