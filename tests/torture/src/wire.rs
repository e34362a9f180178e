//! The way from a process to its store: where operations are lost, answered in vain, and delayed.

use std::{
    cell::Cell as Place,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use larder::{
    Event, HandleEvent,
    store::{
        self, Cell, CellKey, Ending, Fence, Fill, Lease, Listener, Listening, Nonce, Operation, Position, Recall,
        Stamped, Store, StoreError, Subscription, Vacancy,
    },
};

use crate::{
    act::{Late, Marked},
    late::{Call, Filling},
    line::Switchboard,
    mutant::{Mutation, Repeater},
    plan::{Deed, N_ACTORS},
    stage::{Show, Stage},
    tally::Fault,
    theme::Theme,
    tools::key_of,
};

/// Longer than any schedule.
const LONG: Duration = Duration::from_secs(600);

thread_local! {
    /// Which actor the thread is.
    static ME: Place<Option<usize>> = const { Place::new(None) };
}

/// This thread is an actor from now on.
pub fn enter(actor: usize) {
    ME.set(Some(actor));
}

/// Which actor this thread is, if it is one.
#[must_use]
pub fn me() -> Option<usize> {
    ME.get()
}

/// The store of a process, seen from the process.
pub struct Wire {
    process: usize,
    stage: Arc<OnceLock<Weak<Stage>>>,
    store: Arc<dyn Store>,
    switchboard: Arc<Switchboard>,
    mutation: Option<Mutation>,
    repeater: Repeater,
}

impl Wire {
    /// The way of a process to a store.
    pub fn new(
        process: usize,
        stage: Arc<OnceLock<Weak<Stage>>>,
        store: Arc<dyn Store>,
        switchboard: Arc<Switchboard>,
        mutation: Option<Mutation>,
    ) -> Self {
        Self { process, stage, store, switchboard, mutation, repeater: Repeater::default() }
    }

    fn stage(&self) -> Option<Arc<Stage>> {
        self.stage.get().and_then(Weak::upgrade)
    }

    /// An operation of an actor, which goes well or does not.
    fn pass<T>(
        &self,
        me: usize,
        call: Option<&Call>,
        keys: &[CellKey],
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let stage = self.stage().ok_or_else(|| StoreError::unavailable("the stage is gone"))?;
        let way = {
            let mut show = stage.show();
            if show.act.slots[me].is_killed {
                // What a thread does while it unwinds, a process that is killed does not.
                return Err(StoreError::unavailable("the process is dead"));
            }
            show.act.keys.extend(keys.iter().cloned());
            if call.is_none() {
                let slot = &mut show.act.slots[me];
                slot.last_read = keys.to_vec();
                slot.asked.extend(keys.iter().filter_map(key_of));
            }
            self.way(&mut show, me, call)
        };
        let outcome = match way {
            Way::Good => work(),
            Way::Answerless => {
                // What became of it, the caller never learns.
                drop(work());
                Err(StoreError::timed_out("the answer was lost"))
            }
            Way::Gone => Err(StoreError::timed_out("the operation was lost, or is late")),
        };
        if let Err(error) = &outcome {
            stage.show().act.note(me, |_| format!("  {error}: {way:?}"));
        }
        outcome
    }

    /// Draws what becomes of an operation.
    fn way(&self, show: &mut Show, me: usize, call: Option<&Call>) -> Way {
        let act = &mut show.act;
        let operation = call.map_or(Operation::Read, Call::operation);
        act.tally.operation(operation);
        // What a refresh could not settle is made up for by a thread that is on no stage.
        let is_refresh = operation == Operation::Settle && act.plan.theme == Theme::View;
        if is_refresh || act.plan.only.is_some_and(|only| only != operation) {
            return Way::Good;
        }
        if act.draws(Fault::Lost) {
            Way::Gone
        } else if act.draws(Fault::NoAnswer) {
            Way::Answerless
        } else if let Some(call) = call
            && act.draws(Fault::Delayed)
        {
            act.note(me, |_| format!("  the {operation} is delayed"));
            act.late.push(Late::Call { process: self.process, call: call.clone() });
            Way::Gone
        } else {
            Way::Good
        }
    }

    /// A fill by the process' courier.
    fn carry(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        let refused = vec![false; fills.len()];
        let Some(stage) = self.stage() else { return Ok(refused) };
        let slot = N_ACTORS + self.process;
        let mut show = stage.show();
        let is_dismissed = show.act.couriers[self.process].is_dismissed;
        let mut is_turn = false;
        if !is_dismissed {
            show.act.slots[slot].is_ready = true;
            stage.arrived(&show);
            (show, is_turn) = stage.courier_turn(slot, show);
        }
        let call = Call::Fill(Filling::all(fills));
        if !is_turn {
            // The process is dead; what it has sent before may be on its way.
            if show.act.random.bool() {
                show.act.late.push(Late::Call { process: self.process, call });
            }
            show.act.couriers[self.process].n_pending -= 1;
            stage.arrived(&show);
            return Ok(refused);
        }
        let way = self.way(&mut show, slot, Some(&call));
        drop(show);
        let outcome = match way {
            Way::Good => self.store.fill(fills),
            Way::Answerless => {
                drop(self.store.fill(fills));
                Err(StoreError::timed_out("the answer was lost"))
            }
            Way::Gone => Err(StoreError::timed_out("the operation was lost, or is late")),
        };
        let mut show = stage.show();
        show.act.note(slot, |_| format!("fills: {outcome:?}"));
        show.act.slots[slot].is_ready = false;
        show.act.couriers[self.process].n_pending -= 1;
        show.act.couriers[self.process].is_unsettled = true;
        stage.hand_on(&mut show);
        outcome
    }

    fn with_slot(&self, change: impl FnOnce(&mut Show)) {
        if let Some(stage) = self.stage() {
            change(&mut stage.show());
        }
    }
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy)]
enum Way {
    Good,
    /// It is done, and the caller gets a time-out.
    Answerless,
    /// It is not done, at least not now, and the caller gets a time-out.
    Gone,
}

/// What a reader has found.
fn describe(show: &mut Show, cell: &Cell) -> String {
    match cell {
        Cell::Vacant(vacancy) => format!("{vacancy:?}"),
        Cell::Value(_) => "a value".to_owned(),
        Cell::Leased(token) => format!("lease {}", show.act.name_of(*token)),
        Cell::InDoubt => "a marker".to_owned(),
    }
}

fn owned(keys: &[&CellKey]) -> Vec<CellKey> {
    keys.iter().map(|key| (*key).clone()).collect()
}

impl Store for Wire {
    store::forward!(self.store, except read, read_stamped, lease, stamp, fill, begin, finish, settle, listen);

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        let Some(me) = ME.get() else { return self.store.read(keys) };
        let cells = self.pass(me, None, keys, || self.store.read(keys))?;
        self.with_slot(|show| {
            let cells: Vec<String> = cells.iter().map(|cell| describe(show, cell)).collect();
            show.act.note(me, |_| format!("  finds {}", cells.join(", ")));
        });
        Ok(cells)
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        let Some(me) = ME.get() else { return self.store.read_stamped(keys, stamped) };
        let all: Vec<CellKey> = keys.iter().chain(stamped).cloned().collect();
        let (cells, stamps) = self.pass(me, None, &all, || self.store.read_stamped(keys, stamped))?;
        self.with_slot(|show| {
            let mut found: Vec<String> = cells.iter().map(|cell| describe(show, cell)).collect();
            found.extend(
                stamps.iter().map(|stamp| stamp.map_or("no stamp".to_owned(), |stamp| show.act.name_of(stamp))),
            );
            show.act.note(me, |_| format!("  finds {}", found.join(", ")));
        });
        Ok((cells, stamps))
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        let Some(me) = ME.get() else { return self.store.stamp(keys, ttl) };
        let call = Call::Stamp { keys: owned(keys), ttl };
        let stamps = self.pass(me, Some(&call), &owned(keys), || self.store.stamp(keys, ttl))?;
        self.with_slot(|show| {
            let put: Vec<String> =
                stamps.iter().map(|stamp| stamp.map_or("none".to_owned(), |stamp| show.act.name_of(stamp))).collect();
            show.act.note(me, |_| format!("  stamps: {}", put.join(", ")));
        });
        Ok(stamps)
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        let Some(me) = ME.get() else { return self.store.lease(keys, ttl) };
        let own: Vec<CellKey> = keys.iter().map(|(key, _)| (*key).clone()).collect();
        let mut call =
            Call::Lease { keys: keys.iter().map(|(key, vacancy)| ((*key).clone(), *vacancy)).collect(), ttl };
        let mut promised = None;
        if self.mutation == Some(Mutation::FillsAfterLeaseTimedOut) {
            self.with_slot(|show| {
                let fence = show.tools.cells.fence().unwrap_or(Fence(*b"no fence"));
                let lease = Lease { token: Nonce::fresh(), fence };
                call = Call::Promised { keys: own.clone(), lease };
                promised = Some(vec![Some(lease); keys.len()]);
            });
        }
        let leases = match self.pass(me, Some(&call), &own, || self.store.lease(keys, ttl)) {
            Err(error) if error.is_timeout() && promised.is_some() => promised.unwrap_or_default(),
            outcome => outcome?,
        };
        self.with_slot(|show| {
            show.act.slots[me].has_lease |= leases.iter().any(Option::is_some);
            let taken: Vec<String> = leases
                .iter()
                .map(|lease| lease.map_or_else(|| "none".to_owned(), |lease| show.act.name_of(lease.token)))
                .collect();
            show.act.note(me, |_| format!("  leases: {}", taken.join(", ")));
        });
        Ok(leases)
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        // What gives a lease back lives for a millisecond, which goes by no clock of the lane's: it gives way without that.
        let fills: Vec<Fill<'_>> = fills.iter().map(|fill| Fill { ttl: fill.ttl.max(LONG), ..fill.clone() }).collect();
        let fills = &fills[..];
        let Some(me) = ME.get() else { return self.carry(fills) };
        let call = Call::Fill(Filling::all(fills));
        let keys = owned(&call.keys());
        // An actor who brings it himself leaves nothing to the courier.
        self.with_slot(|show| show.act.slots[me].has_lease = false);
        let filled = self.pass(me, Some(&call), &keys, || self.store.fill(fills))?;
        self.with_slot(|show| show.act.note(me, |_| format!("  filled: {filled:?}")));
        Ok(filled)
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        let Some(me) = ME.get() else { return self.store.begin(nonce, keys, hold, recall) };
        let own = owned(keys);
        self.with_slot(|show| {
            let last = show.act.slots[me].mark.map(|mark| &show.act.marked[mark]);
            if self.mutation == Some(Mutation::RepeatsNonce)
                && let Some(last) = last.filter(|last| Some(last.tx) == show.act.slots[me].tx)
            {
                self.repeater.repeat(last.nonce, nonce);
            }
        });
        let nonce = self.repeater.nonce(nonce);
        self.with_slot(|show| {
            if let Some(tx) = show.act.slots[me].tx {
                show.act.slots[me].mark = Some(show.act.marked.len());
                show.act.marked.push(Marked { nonce, keys: own.clone(), tx });
            }
        });
        let call = Call::Begin { nonce, keys: own.clone(), hold };
        self.pass(me, Some(&call), &own, || self.store.begin(nonce, keys, hold, recall))
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        let nonce = self.repeater.nonce(nonce);
        let call =
            Call::Finish { nonce, endings: endings.iter().map(|(key, end)| ((*key).clone(), end.clone())).collect() };
        let Some(me) = ME.get() else {
            // A repairer: whoever asked for him waits until he has come; what he brings arrives when it arrives.
            self.with_slot(|show| {
                if show.act.repairs.remove(&nonce) {
                    show.act.late.push(Late::Call { process: self.process, call });
                    if let Some(stage) = self.stage() {
                        stage.arrived(show);
                    }
                }
            });
            return Ok(());
        };
        let keys = owned(&call.keys());
        let finished = self.pass(me, Some(&call), &keys, || self.store.finish(nonce, endings));
        if finished.is_err() {
            let is_committed = endings.iter().any(|(_, ending)| !matches!(ending, Ending::RolledBack));
            // Counted before larder hears of it: the repairer may come at once.
            self.with_slot(|show| {
                // Nobody makes up for what is kept aside: the marker blocks it until it expires.
                let is_committed = is_committed && !matches!(show.act.slots[me].deed, Some(Deed::Aside(_)));
                show.act.slots[me].expects_repair = is_committed.then_some(nonce);
                show.act.repairs.extend(is_committed.then_some(nonce));
            });
        }
        finished
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        // A repairer comes long after the schedule with what the schedule has done in his place.
        let Some(me) = ME.get() else { return Ok(()) };
        let call = Call::Settle { nonce, keys: owned(keys) };
        let keys_of_call = owned(keys);
        self.pass(me, Some(&call), &keys_of_call, || self.store.settle(nonce, keys))
    }

    fn listen(&self, listener: Arc<dyn Listener>, _: Listening) -> Option<Subscription> {
        Some(self.switchboard.plug(self.process, listener))
    }
}

/// Hears of what a process's handles do beside their results.
pub struct Ear {
    /// The process.
    pub process: usize,
    /// The stage.
    pub stage: Arc<OnceLock<Weak<Stage>>>,
    /// What is wrong with the protocol, if anything is.
    pub mutation: Option<Mutation>,
}

impl HandleEvent for Ear {
    fn handle(&self, event: Event<'_>) {
        let (Some(stage), Some(me)) = (self.stage.get().and_then(Weak::upgrade), ME.get()) else { return };
        let mut show = stage.show();
        let act = &mut show.act;
        match event {
            Event::Corrupt { key } => act.is_wrong(format!("the cell {key} holds bytes that are no row")),
            Event::CommitUnknown { .. } => {
                act.note(me, |_| "  does not know whether COMMIT happened".to_owned());
                let last = act.slots[me].mark.map(|mark| act.marked[mark].clone());
                if let Some(Marked { nonce, keys, tx }) = last {
                    act.late.push(Late::Settle { process: self.process, tx, keys: keys.clone() });
                    if self.mutation == Some(Mutation::ReleasesAfterUnknownCommit) {
                        let endings = keys.into_iter().map(|key| (key, Ending::RolledBack)).collect();
                        let call = Call::Finish { nonce, endings };
                        // Nobody hears of its outcome.
                        let _ = call.make(show.tools.stores[self.process].as_ref());
                    }
                }
            }
            _ => {}
        }
    }
}
