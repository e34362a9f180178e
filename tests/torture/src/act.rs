//! A schedule that is being played: who stands where, what is under way, and what was seen.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use larder::{
    failpoints::Point,
    store::{CellKey, Nonce},
};

use crate::{
    aside::Shelf,
    history::History,
    late::Call,
    ledger::Ledger,
    line::Lines,
    locks::Lock,
    mutant::Mutation,
    pipe,
    plan::{Deed, N_ACTORS, Plan, Statement},
    proxy::Held,
    rows::{Cast, Key, Value},
    tally::{Fault, Tally},
    trees::{Found, Part},
};

/// How many processes there are at most.
pub const N_PROCESSES: usize = 4;
/// Actors, and a courier for each process.
pub const N_SLOTS: usize = N_ACTORS + N_PROCESSES;
/// The turn of whoever plays the schedule: before it begins, and when all is done.
pub const LANE: usize = N_SLOTS;

/// A transaction of a schedule, by its number.
pub type Tx = usize;

/// Where an actor stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is about to begin its next deed.
    Deed,
    /// It is about to send a statement of a transaction.
    Statement(Statement),
    /// It is at the home of a value that is kept aside.
    Home,
    /// A place of larder's own.
    Point(Point),
}

/// Somebody who takes steps.
#[derive(Debug, Default)]
pub struct Slot {
    /// Whether it wants to go on.
    pub is_ready: bool,
    /// Whether it is in the middle of a read or a write.
    pub is_busy: bool,
    /// Whether its process is dead, and it is to find out at its next step.
    pub is_killed: bool,
    /// The statement that it waits for the locks of.
    pub wants: Option<Statement>,
    /// The locks of its transaction.
    pub holds: Vec<Lock>,
    /// Its transaction.
    pub tx: Option<Tx>,
    /// The step before which it stands still if others can go on.
    pub frozen_until: u64,
    /// Whether it has sent a SELECT in this deed.
    pub has_selected: bool,
    /// Where it stands.
    pub place: Option<Place>,
    /// The cells that it has asked the store for last, and all of this deed.
    pub last_read: Vec<CellKey>,
    /// As [`Slot::last_read`].
    pub asked: HashSet<Key>,
    /// What its process owed itself when the deed began.
    pub floors: HashMap<Key, usize>,
    /// When the deed began, by the clock of the near caches.
    pub began: Duration,
    /// The amounts that its transaction has given, each of which no other gives.
    pub amounts: Vec<i64>,
    /// Whether a buffer has refused what it was sent, so that it goes to the database.
    pub is_direct: bool,
    /// The state that the database was in when its COMMIT had been answered.
    pub committed_in: usize,
    /// The state that was in the view when the last refresh was committed that had returned when its deed began.
    pub refreshed: usize,
    /// The state that its COMMIT has brought about.
    pub committed_as: Option<usize>,
    /// At which step it waited for somebody else, if it does.
    pub waits_since: Option<u64>,
    /// Whether it was granted a lease in this deed.
    pub has_lease: bool,
    /// Which of the marks its last begin was.
    pub mark: Option<usize>,
    /// What it does.
    pub deed: Option<Deed>,
    /// The write whose end is now the business of its handle's repairer.
    pub expects_repair: Option<Nonce>,
}

/// The fills that a handle's courier has before it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Courier {
    /// How many were sent and are not done.
    pub n_pending: usize,
    /// Whether those that are pending are thrown away, as their process is dead.
    pub is_dismissed: bool,
    /// Whether it may still be clearing up after the last one.
    pub is_unsettled: bool,
}

/// What is under way, and arrives when it arrives.
#[derive(Debug)]
pub enum Late {
    /// A call of a store.
    Call {
        /// Whose.
        process: usize,
        /// What was asked.
        call: Call,
    },
    /// A call of a buffer.
    Buffered {
        /// Whose.
        process: usize,
        /// What was asked.
        call: pipe::Call,
    },
    /// A write of the home of a value that is kept aside.
    Home {
        /// Of which transaction, as marks have it.
        tx: Tx,
        /// Of which key.
        key: usize,
        /// The life of Redis in which the update was begun.
        life: usize,
    },
    /// A COMMIT whose sender is gone.
    Commit {
        /// Of which transaction.
        tx: Tx,
        /// Where it is held.
        held: Held,
        /// What its transaction has locked until it arrives or is lost.
        locks: Vec<Lock>,
    },
    /// What a handle does with the cells of a COMMIT of unknown outcome, once their markers have expired.
    Settle {
        /// Whose handle.
        process: usize,
        /// Of which transaction.
        tx: Tx,
        /// Its cells.
        keys: Vec<CellKey>,
    },
}

/// Cells that a transaction has marked, or tried to.
#[derive(Debug, Clone)]
pub struct Marked {
    /// The attempt's nonce.
    pub nonce: Nonce,
    /// The cells.
    pub keys: Vec<CellKey>,
    /// Whose they are.
    pub tx: Tx,
}

/// Everything about the schedule that is being played.
pub struct Act {
    /// Its seed.
    pub seed: u64,
    /// Draws whatever is not in the plan.
    pub random: fastrand::Rng,
    /// What was drawn beforehand.
    pub plan: Plan,
    /// Its rows.
    pub cast: Cast,
    /// What the database was.
    pub history: History,
    /// The actors, and behind them the couriers.
    pub slots: [Slot; N_SLOTS],
    /// Whose turn it is.
    pub running: usize,
    /// The last step of somebody who did not only look whether what he waits for is there.
    pub last_progress: u64,
    /// Of each process.
    pub couriers: [Courier; N_PROCESSES],
    /// The writes whose ends repairers still have to bring.
    pub repairs: HashSet<Nonce>,
    /// On which processes are told of writes.
    pub lines: Lines,
    /// In which state of the database the view was refreshed, at the latest, by whoever has returned.
    pub refreshed: usize,
    /// The values that are kept aside.
    pub shelf: Shelf,
    /// What is written later, and what its callers were told.
    pub ledger: Ledger,
    /// The rule that is taken out, if one is.
    pub mutation: Option<Mutation>,
    /// What is under way.
    pub late: Vec<Late>,
    /// What was ever marked.
    pub marked: Vec<Marked>,
    /// Transactions of which it is certain how they ended.
    pub decided: HashSet<Tx>,
    /// How many transactions there were.
    pub n_txs: usize,
    /// The cells that were ever asked for.
    pub keys: BTreeSet<CellKey>,
    /// How many more faults there may be.
    pub faults_left: usize,
    /// How often an amount was given.
    pub n_amounts: i64,
    /// The amounts that no committed row may ever have.
    pub never: Vec<i64>,
    /// Whether there is a snapshot of this schedule.
    pub has_snapshot: bool,
    /// The transactions that were in doubt when Redis forgot, while leases may not be granted.
    pub quarantine: Option<HashSet<Tx>>,
    /// Whether sessions were ended, so that statements may fail.
    pub has_ended_sessions: bool,
    /// What was to happen to the COMMIT of each actor.
    pub ordered: [Option<crate::proxy::Order>; N_ACTORS],
    /// Whether all is over, and nothing old may be left anywhere.
    pub is_over: bool,
    /// Whether it can't be played to its end.
    pub is_broken: bool,
    /// What is wrong, if anything is.
    pub violation: Option<String>,
    /// What was done.
    pub tally: Tally,
    /// What happened, a line a step.
    pub trace: Option<Vec<String>>,
    /// The nonces that the trace has named.
    pub nonces: Vec<Nonce>,
    /// What the cells held when that was last shown.
    pub shown: HashMap<CellKey, String>,
}

impl Act {
    /// One that is about to begin.
    #[must_use]
    pub fn new(seed: u64, plan: Plan, random: fastrand::Rng, history: History, is_traced: bool) -> Self {
        Self {
            seed,
            random,
            faults_left: plan.n_faults,
            cast: Cast::of(seed),
            history,
            slots: Default::default(),
            running: LANE,
            last_progress: 0,
            couriers: Default::default(),
            repairs: HashSet::new(),
            lines: Lines::default(),
            refreshed: 0,
            shelf: Shelf::default(),
            ledger: if plan.writes_through { Ledger::unordered() } else { Ledger::default() },
            plan,
            mutation: None,
            late: Vec::new(),
            marked: Vec::new(),
            decided: HashSet::new(),
            n_txs: 0,
            keys: BTreeSet::new(),
            n_amounts: 0,
            never: Vec::new(),
            has_snapshot: false,
            quarantine: None,
            has_ended_sessions: false,
            ordered: Default::default(),
            is_over: false,
            is_broken: false,
            violation: None,
            tally: Tally::default(),
            trace: is_traced.then(Vec::new),
            nonces: Vec::new(),
            shown: HashMap::new(),
        }
    }

    /// A nonce as the trace names it, so that two plays of one seed read alike.
    pub fn name_of(&mut self, nonce: Nonce) -> String {
        if self.trace.is_none() {
            return String::new();
        }
        let at = self.nonces.iter().position(|known| *known == nonce).unwrap_or_else(|| {
            self.nonces.push(nonce);
            self.nonces.len() - 1
        });
        format!("n{at}")
    }

    /// Writes a line of the trace; without one the line is not even made.
    pub fn note(&mut self, who: usize, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_none() {
            return;
        }
        let text = format!("{:>4}  {:<9} {}", self.tally.steps, self.name(who), line(self));
        self.trace.get_or_insert_default().push(text);
    }

    fn name(&self, who: usize) -> String {
        match who {
            LANE => "nature".to_owned(),
            N_ACTORS.. => format!("courier {}", who - N_ACTORS),
            _ => format!("actor {who}"),
        }
    }

    /// Whether a fault of that kind is to be now. It is counted against the schedule's number of faults.
    pub fn draws(&mut self, fault: Fault) -> bool {
        let is_drawn = self.may(fault);
        if is_drawn {
            self.struck(fault);
        }
        is_drawn
    }

    /// As [`Act::draws`], before it is known whether there is anything to strike.
    pub fn may(&mut self, fault: Fault) -> bool {
        let share = self.plan.faults.iter().find(|(one, _)| *one == fault).map(|(_, share)| *share);
        self.faults_left > 0 && share.is_some_and(|share| self.random.u16(..1000) < share)
    }

    /// Counts a fault.
    pub fn struck(&mut self, fault: Fault) {
        self.faults_left = self.faults_left.saturating_sub(1);
        *self.tally.faults.entry(fault).or_default() += 1;
    }

    /// The first thing that is wrong is kept.
    pub fn is_wrong(&mut self, what: String) {
        let steps = self.tally.steps;
        self.violation.get_or_insert_with(|| format!("step {steps}: {what}"));
    }

    /// Compares what was read since a moment with everything that the database was since; and what was served near, with what it was
    /// since as long before that as the horizon, and with what the process has written and read. The state in which it was so, if in one.
    pub fn compare(&mut self, who: usize, since: usize, key: &Key, value: &Value, may_be_near: bool) -> Option<usize> {
        self.tally.reads += 1;
        if let (Key::Part(Part::Tree(root)), Value::Part(Found::Tree(tree))) = (key, value) {
            return self.compare_tree(who, since, *root, tree.as_ref());
        }
        let slot = &self.slots[who];
        // A view may lag behind its tables, but not behind a refresh that has returned.
        let since = if matches!(key, Key::Stats(_)) { slot.refreshed } else { since };
        // Whoever asks the store is not served near.
        let is_near = may_be_near && !slot.asked.contains(key);
        let floor = slot.floors.get(key).copied().unwrap_or(0);
        let oldest = if is_near { self.history.at_time(slot.began.saturating_sub(self.plan.horizon)) } else { since };
        self.tally.near += u64::from(is_near);
        if self.plan.is_judged_at_the_end {
            return None;
        }
        if let Some(state) = self.history.first_since(oldest.max(floor), |state| state.value(key) == *value) {
            self.tally.old += u64::from(!self.history.any_since(since, |state| state.value(key) == *value));
            return Some(state);
        }
        if is_near && self.history.any_since(oldest, |state| state.value(key) == *value) {
            self.is_wrong(format!(
                "actor {who} read of {key}: {value}, older than what its process had written or read: state {floor}"
            ));
            return None;
        }
        let age = match self.history.when(key, value) {
            Some(at) => {
                format!(
                    "which it was no more when the read began: state {at}, and the read began in state {since}, and might see from state {oldest} on"
                )
            }
            None => "which it never was".to_owned(),
        };
        let now = self.history.now().value(key);
        self.is_wrong(format!("actor {who} read of {key}: {value}, {age}; the database has {now}"));
        None
    }

    /// From now on the process of an actor must not be served a key as it was before a state.
    pub fn raise(&mut self, who: usize, key: Key, state: usize) {
        self.lines.raise(self.process_of(who), key, state);
    }

    /// From now on the process of an actor must not be served what it has just written as it was before.
    pub fn raise_committed(&mut self, who: usize) {
        if let Some(state) = self.slots[who].committed_as {
            let process = self.process_of(who);
            for key in self.history.changed_in(state, self.cast.keys()) {
                self.lines.raise(process, key, state);
            }
        }
    }

    /// A transaction ended for certain.
    pub fn decide(&mut self, tx: Tx) {
        self.decided.insert(tx);
    }

    /// Transactions of which it is not known how they end.
    #[must_use]
    pub fn undecided(&self) -> HashSet<Tx> {
        (0..self.n_txs).filter(|tx| !self.decided.contains(tx)).collect()
    }

    /// Who stands where, for a schedule that can't be played to its end.
    #[must_use]
    pub fn positions(&self) -> String {
        let slots: Vec<String> = self.slots.iter().map(|slot| format!("{slot:?}")).collect();
        let (running, lines) = (self.running, self.trace.as_deref().unwrap_or_default().join("\n"));
        format!("{running} has the turn\n{}\n{:?}\n{:?}\n{lines}", slots.join("\n"), self.couriers, self.plan)
    }

    /// The process of a slot.
    #[must_use]
    pub fn process_of(&self, slot: usize) -> usize {
        if slot < N_ACTORS { self.plan.processes[slot] } else { slot - N_ACTORS }
    }
}
