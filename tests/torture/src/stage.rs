//! Lets exactly one thread go on at a time, in an order that the schedule's seed draws.
//!
//! An actor that comes to a place draws who is next, by itself or by nature, and hands on; so a step that is followed by one of the
//! same actor costs no change of threads.

use std::{
    panic,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use diesel::pg::Pg;
use larder::{Larder, failpoints::Point, store::Clock as _};

use crate::{
    act::{Act, LANE, Late, N_PROCESSES, N_SLOTS, Place},
    locks::Lock,
    plan::{Deed, N_ACTORS, Statement},
    proxy::Order,
    tally::Fault,
    tools::Tools,
};

/// What a thread panics with when its process is killed.
#[derive(Debug)]
pub struct Killed;

/// Only a schedule that is broken waits so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a call goes on after its transaction, whose end it may have left to the repairer.
const AFTER_TRANSACTIONS: [Place; 2] = [Place::Point(Point::BeforeSettle), Place::Point(Point::BeforeRemove)];

/// The stage of one lane: all schedules that it plays, one after the other.
pub struct Stage {
    show: Mutex<Show>,
    wakes: [Condvar; N_SLOTS + 1],
}

/// What is played, and what it is played with.
pub struct Show {
    /// The schedule.
    pub act: Act,
    /// Servers and ways to them.
    pub tools: Tools,
    /// The handle of each process that is in use, for its courier.
    pub handles: Vec<Larder<Pg>>,
    /// What takes the place of the first handle of a process that is killed, where that matters.
    pub spares: Vec<Option<Larder<Pg>>>,
    /// Through which each process writes: the same, unless it is to be wrong.
    pub writers: Vec<Larder<Pg>>,
}

impl Stage {
    /// A stage on which nothing is played yet.
    #[must_use]
    pub fn new(act: Act, tools: Tools) -> Self {
        Self {
            show: Mutex::new(Show { act, tools, handles: Vec::new(), spares: Vec::new(), writers: Vec::new() }),
            wakes: Default::default(),
        }
    }

    /// The show, for whoever has the turn.
    pub fn show(&self) -> MutexGuard<'_, Show> {
        self.show.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(
        &self,
        who: usize,
        show: MutexGuard<'s, Show>,
        mut is_met: impl FnMut(&Show) -> bool,
    ) -> MutexGuard<'s, Show> {
        let waited = self.wakes[who].wait_timeout_while(show, PATIENCE, |show| !is_met(show));
        let (mut show, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            // Those who wait for this one have nothing to add.
            assert!(!std::mem::replace(&mut show.act.is_broken, true), "{who} waited for one that waited in vain");
            panic!("schedule {}: {who} waited in vain: {}", show.act.seed, show.act.positions());
        }
        show
    }

    /// Tells whoever has the turn that something has come.
    pub fn arrived(&self, show: &Show) {
        self.wakes[show.act.running].notify_one();
    }

    /// Waits for the turn.
    pub fn await_turn<'s>(&'s self, who: usize, show: MutexGuard<'s, Show>) -> MutexGuard<'s, Show> {
        let show = self.wait(who, show, |show| show.act.running == who);
        self.clear_up(who, show)
    }

    /// Draws who is next, hands on, and waits until it is one's turn again.
    pub fn pass<'s>(&'s self, me: usize, mut show: MutexGuard<'s, Show>) -> MutexGuard<'s, Show> {
        self.hand_on(&mut show);
        if show.act.running == me { self.clear_up(me, show) } else { self.await_turn(me, show) }
    }

    /// Draws who is next, and hands on.
    pub fn hand_on(&self, show: &mut Show) {
        let next = show.choose();
        show.act.running = next;
        self.wakes[next].notify_one();
    }

    /// Waits until couriers that have done a fill, or were dismissed, are ready for the next: what a reader finds with them may not depend
    /// on whose thread was quicker.
    fn clear_up<'s>(&'s self, me: usize, mut show: MutexGuard<'s, Show>) -> MutexGuard<'s, Show> {
        for process in 0..N_PROCESSES {
            if !show.act.couriers[process].is_unsettled {
                continue;
            }
            let slot = N_ACTORS + process;
            show = self.wait(me, show, |show| {
                let courier = show.act.couriers[process];
                courier.n_pending == 0 || (!courier.is_dismissed && show.act.slots[slot].is_ready)
            });
            if show.act.couriers[process].n_pending == 0 {
                let larder = show.handles.get(process).cloned();
                drop(show);
                assert!(larder.is_none_or(|larder| larder.flush(PATIENCE)), "a courier does not end");
                show = self.show();
            }
            let courier = &mut show.act.couriers[process];
            courier.is_unsettled = false;
            courier.is_dismissed = false;
        }
        show
    }

    /// An actor comes to a place, and goes on when it is its turn; or never, if its process is killed there.
    pub fn step(&self, me: usize, place: Place) {
        let mut show = self.show();
        let has_sent = [Point::BeforeNear, Point::BeforeRead, Point::Waiting, Point::Polling].map(Place::Point);
        if has_sent.contains(&place) && std::mem::take(&mut show.act.slots[me].has_lease) {
            // The call reads a second time, or waits for others, so what it has loaded first is on its way.
            show = self.expect_fill(me, show);
        }
        if AFTER_TRANSACTIONS.contains(&place)
            && let Some(nonce) = show.act.slots[me].expects_repair.take()
        {
            show = self.wait(me, show, |show| !show.act.repairs.contains(&nonce));
        }
        show.come_to(me, place);
        show = self.pass(me, show);
        if show.act.slots[me].is_busy && !show.act.slots[me].is_killed && show.act.draws(Fault::Killed) {
            let process = show.act.process_of(me);
            show.kill(process);
            self.wakes[N_ACTORS + process].notify_one();
            show = self.clear_up(me, show);
        }
        if show.act.slots[me].is_killed {
            show.act.note(me, |_| "is killed".to_owned());
            drop(show);
            // Unlike `panic_any` it says nothing.
            panic::resume_unwind(Box::new(Killed));
        }
        if place == Place::Point(Point::BeforeCommit) {
            show.before_commit(me);
        }
    }

    /// An actor begins a deed: the number of the state that the database is in.
    pub fn begin(&self, me: usize, deed: &Deed) -> usize {
        let mut show = self.show();
        show.act.note(me, |_| format!("begins {deed:?}"));
        let n_txs = show.act.n_txs;
        let (floors, began) = (show.act.lines.floors(show.act.process_of(me)), show.tools.time.now());
        let refreshed = show.act.refreshed;
        let slot = &mut show.act.slots[me];
        slot.asked.clear();
        slot.amounts.clear();
        (slot.floors, slot.began, slot.committed_as, slot.refreshed) = (floors, began, None, refreshed);
        (slot.is_busy, slot.has_selected, slot.has_lease) = (true, false, false);
        (slot.deed, slot.is_direct) = (Some(deed.clone()), false);
        if deed.has_transaction() {
            slot.tx = Some(n_txs);
            show.act.n_txs += 1;
        }
        show.act.history.at()
    }

    /// An actor has done a deed: waits until what the handle does by itself has come to light.
    pub fn end<'s>(&'s self, me: usize, is_ok: bool) -> MutexGuard<'s, Show> {
        let mut show = self.show();
        show.end_transaction(me);
        let slot = &mut show.act.slots[me];
        slot.is_busy = false;
        slot.holds.clear();
        let fills = std::mem::take(&mut slot.has_lease) && is_ok;
        if let Some(nonce) = show.act.slots[me].expects_repair.take() {
            show = self.wait(me, show, |show| !show.act.repairs.contains(&nonce));
        }
        if fills { self.expect_fill(me, show) } else { show }
    }

    /// What was loaded under leases is with the courier now, if the handle has one: waits until he stands ready.
    fn expect_fill<'s>(&self, me: usize, mut show: MutexGuard<'s, Show>) -> MutexGuard<'s, Show> {
        if !show.act.plan.in_background {
            return show;
        }
        let process = show.act.process_of(me);
        show.act.couriers[process].n_pending += 1;
        self.wait(me, show, |show| show.act.slots[N_ACTORS + process].is_ready)
    }

    /// An actor's thread has unwound from the place at which it was killed.
    pub fn died(&self, me: usize) {
        let mut show = self.show();
        show.end_transaction(me);
        if let Some(nonce) = show.act.slots[me].expects_repair.take() {
            // It had no time to ask for it.
            show.act.repairs.remove(&nonce);
        }
        let slot = &mut show.act.slots[me];
        (slot.is_busy, slot.is_killed, slot.has_lease) = (false, false, false);
        slot.holds.clear();
    }

    /// An actor has nothing more to do.
    pub fn leave(&self, me: usize) {
        let mut show = self.show();
        show.act.slots[me].is_ready = false;
        self.hand_on(&mut show);
    }

    /// Plays until everybody is done.
    pub fn play(&self) -> MutexGuard<'_, Show> {
        let mut show = self.pass(LANE, self.show());
        // A courier may have come with its next fill only after the last one was done.
        while show.act.slots.iter().any(|slot| slot.is_ready) {
            show = self.pass(LANE, show);
        }
        show
    }

    /// Waits, as a courier that has something to fill, for the turn or for the end of the process: whether it is the turn.
    pub fn courier_turn<'s>(&'s self, slot: usize, show: MutexGuard<'s, Show>) -> (MutexGuard<'s, Show>, bool) {
        let process = slot - N_ACTORS;
        let show = self.wait(slot, show, |show| show.act.running == slot || show.act.couriers[process].is_dismissed);
        if show.act.running == slot { (self.clear_up(slot, show), true) } else { (show, false) }
    }
}

impl Show {
    /// Takes down where an actor is.
    fn come_to(&mut self, me: usize, place: Place) {
        let steps = self.act.tally.steps;
        let slot = &mut self.act.slots[me];
        slot.place = Some(place);
        match place {
            Place::Point(point) => {
                *self.act.tally.points.entry(point).or_default() += 1;
                match point {
                    Point::BeforeSelect => slot.has_selected = true,
                    Point::AfterCommit => self.after_commit(me),
                    Point::Waiting => {
                        slot.waits_since = Some(steps);
                        self.act.tally.waits += 1;
                    }
                    _ => {}
                }
            }
            Place::Statement(statement) => {
                slot.wants = Some(statement);
                // A flush may have several transactions, and has none before it has read something.
                if statement == Statement::Flush && slot.tx.is_none() {
                    slot.tx = Some(self.act.n_txs);
                    self.act.n_txs += 1;
                }
            }
            Place::Deed | Place::Home => {}
        }
        self.act.note(me, |_| format!("at {place:?}"));
    }

    /// What is to become of a COMMIT that is about to be sent.
    fn before_commit(&mut self, me: usize) {
        if !self.act.plan.proxied {
            return;
        }
        let order = if self.act.draws(Fault::CommitHeld) {
            Some(Order::Hold)
        } else if self.act.draws(Fault::AnswerLost) {
            Some(Order::LoseAnswer)
        } else {
            None
        };
        self.act.note(me, |_| format!("sends COMMIT ({order:?})"));
        self.act.ordered[me] = order;
        self.tools.proxies[self.act.process_of(me)].order(order);
    }

    fn after_commit(&mut self, me: usize) {
        let process = self.act.process_of(me);
        if self.act.ordered[me].take().is_some() {
            // Should the connection have been dead before, nobody has taken it.
            self.tools.proxies[process].order(None);
            if let Some(held) = self.tools.proxies[process].take() {
                let slot = &mut self.act.slots[me];
                let locks = slot.holds.extract_if(.., |lock| !lock.is_of_call()).collect();
                let tx = slot.tx.take();
                self.act.late.push(Late::Commit { tx: tx.expect("who commits has a transaction"), held, locks });
            }
        }
        self.end_transaction(me);
        let before = self.act.history.at();
        self.look();
        let now = self.act.history.at();
        let slot = &mut self.act.slots[me];
        (slot.committed_in, slot.committed_as) = (now, (now > before).then_some(now));
    }

    /// The transaction of an actor has ended, unless its COMMIT is under way.
    fn end_transaction(&mut self, me: usize) {
        let slot = &mut self.act.slots[me];
        slot.holds.retain(Lock::is_of_call);
        slot.wants = None;
        if let Some(tx) = slot.tx.take() {
            self.act.decide(tx);
        }
    }
}
