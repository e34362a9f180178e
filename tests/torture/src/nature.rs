//! What happens between two steps: what goes wrong by itself, and what arrives late.

use larder::store::CellKey;

use crate::{
    act::{LANE, Late, Marked},
    late::Call,
    plan::N_ACTORS,
    stage::Show,
    tally::{Fault, name},
};

impl Show {
    /// Lets happen what is drawn.
    pub fn strike(&mut self) {
        self.tell();
        if !self.act.late.is_empty() && self.act.random.u8(..100) < self.act.plan.manner.arrives {
            let at = self.act.random.usize(..self.act.late.len());
            let is_lost = self.act.random.u8(..100) < 15;
            self.arrive(at, is_lost);
        }
        if self.act.quarantine.as_ref().is_some_and(|before| before.is_subset(&self.act.decided))
            && self.act.random.u8(..100) < 10
        {
            self.end_quarantine();
        }
        for fault in Fault::ALL.into_iter().chain([Fault::MarkerEvicted]).filter(|fault| fault.is_of_nature()) {
            if self.act.may(fault) && self.is_worth(fault) && self.happens(fault) {
                self.act.struck(fault);
                self.act.note(LANE, |_| fault.to_string());
            }
        }
    }

    /// A restart is too costly to be wasted on a server that has nothing to forget.
    fn is_worth(&self, fault: Fault) -> bool {
        let is_restart = matches!(fault, Fault::RestartEmpty | Fault::RestartAsIs | Fault::RestartOlder);
        !is_restart || self.act.marked.iter().any(|marked| !self.act.decided.contains(&marked.tx))
    }

    /// Lets a fault happen: whether there was anything that it could happen to.
    fn happens(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Evicted => {
                let Some(key) = self.any_key() else { return false };
                self.act.note(LANE, |_| format!("looks at {key}"));
                self.tools.cells.evict(&key).expect("redis takes orders")
            }
            Fault::MarkerExpired => {
                let decided: Vec<usize> =
                    (0..self.act.marked.len()).filter(|&n| self.act.decided.contains(&self.act.marked[n].tx)).collect();
                if decided.is_empty() {
                    return false;
                }
                // All records of one begin have one deadline.
                let marked = self.act.marked[decided[self.act.random.usize(..decided.len())]].clone();
                self.act.note(LANE, |_| format!("looks at the marks of transaction {}", marked.tx));
                self.expire(&marked)
            }
            Fault::MarkerEvicted => {
                let n = self.act.marked.len();
                let Some(at) = (n > 0).then(|| self.act.random.usize(..n)) else { return false };
                let keys = self.act.marked[at].keys.clone();
                self.act.note(LANE, |_| format!("looks at {} cells", keys.len()));
                self.tools.cells.delete(keys.iter()).expect("redis takes orders");
                true
            }
            Fault::Terminated => {
                let process = self.act.plan.processes[self.act.random.usize(..N_ACTORS)];
                let has_ended = self.tools.end_sessions(process);
                self.act.has_ended_sessions |= has_ended;
                has_ended
            }
            Fault::Snapshot => {
                self.tools.cells.order(&["SAVE"]).expect("redis takes orders");
                self.act.has_snapshot = true;
                true
            }
            Fault::RestartEmpty => {
                self.tools.cells.order(&["FLUSHALL"]).expect("redis takes orders");
                self.act.shelf.forgets();
                self.tools.cells.order(&["SAVE"]).expect("redis takes orders");
                self.restart();
                true
            }
            Fault::RestartAsIs => {
                self.tools.cells.order(&["SAVE"]).expect("redis takes orders");
                self.restart();
                true
            }
            Fault::RestartOlder => {
                let has_snapshot = self.act.has_snapshot;
                if has_snapshot {
                    self.restart();
                }
                has_snapshot
            }
            _ => false,
        }
    }

    /// Lets the records of a begin expire: whether any was left.
    pub(crate) fn expire(&mut self, marked: &Marked) -> bool {
        let expired = |key| self.tools.cells.expire(key, marked.nonce).expect("redis takes orders");
        marked.keys.iter().map(expired).fold(false, |any, one| any | one)
    }

    fn restart(&mut self) {
        self.tools.restart_redis();
        self.lose_lines();
        // What was on its way was on connections that are no more.
        self.act.late.retain(|late| !matches!(late, Late::Call { .. } | Late::Buffered { .. }));
        let undecided = self.act.undecided();
        self.act.quarantine.get_or_insert_default().extend(undecided);
    }

    /// So much time passes that no marker that was lost could still stand.
    pub fn end_quarantine(&mut self) {
        self.tools.pass_quarantine();
        self.act.quarantine = None;
        self.act.note(LANE, |_| "the quarantine's time passes".to_owned());
    }

    fn any_key(&mut self) -> Option<CellKey> {
        let n = self.act.keys.len();
        (n > 0).then(|| self.act.random.usize(..n)).and_then(|at| self.act.keys.iter().nth(at).cloned())
    }

    /// Something that is under way arrives, or is lost.
    pub fn arrive(&mut self, at: usize, is_lost: bool) {
        if let Late::Settle { tx, .. } = &self.act.late[at]
            && !self.act.decided.contains(tx)
        {
            return;
        }
        match self.act.late.swap_remove(at) {
            Late::Call { process, call } => {
                self.act.note(LANE, |_| {
                    let verb = if is_lost { "is lost" } else { "arrives" };
                    let keys: Vec<String> = call.keys().iter().map(ToString::to_string).collect();
                    format!("late {} of process {process} {verb}: {}", call.operation(), keys.join(", "))
                });
                if !is_lost {
                    self.act.tally.late(name(call.operation()));
                    self.make(process, &call);
                }
            }
            Late::Buffered { process, call } => {
                let verb = if is_lost { "is lost" } else { "arrives" };
                self.act.note(LANE, |_| format!("late {} of process {process} {verb}", call.name()));
                if !is_lost {
                    self.act.tally.late(call.name());
                    let outcome = call.make(self.tools.buffers[process].as_ref());
                    self.act.note(LANE, |_| outcome);
                }
            }
            Late::Home { tx, key, life } => self.write_home(tx, (key, life), is_lost),
            Late::Commit { tx, held, .. } => {
                let has_arrived = if is_lost {
                    held.lose();
                    false
                } else {
                    self.act.tally.late("COMMIT");
                    held.deliver()
                };
                self.act.note(LANE, |_| format!("late COMMIT of transaction {tx}: arrived {has_arrived}"));
                self.act.decide(tx);
                self.look();
            }
            Late::Settle { process, tx, keys } => {
                self.act.note(LANE, |_| format!("the cells of transaction {tx} are settled"));
                self.act.tally.late("settle after an unknown COMMIT");
                let marked: Vec<Marked> = self.act.marked.iter().filter(|marked| marked.tx == tx).cloned().collect();
                for marked in &marked {
                    self.expire(marked);
                }
                // Refused while Redis is away: it would be tried again.
                self.make(process, &Call::Settle { nonce: None, keys });
            }
        }
    }

    fn make(&mut self, process: usize, call: &Call) {
        if let Call::Promised { keys, lease } = call {
            for key in keys {
                let bytes = [b"L", &lease.fence.0[..], key.layout().as_bytes(), lease.token.as_bytes()].concat();
                self.tools.cells.put(key, &bytes, true).expect("redis takes orders");
            }
            return;
        }
        // Nobody hears of its outcome.
        let outcome = call.make(self.tools.stores[process].as_ref());
        self.act.note(LANE, |_| format!("{outcome:?}"));
    }

    /// A process is killed, with all that is in it. What its courier has not brought yet may still be on its way.
    pub fn kill(&mut self, process: usize) {
        for slot in 0..N_ACTORS {
            if self.act.process_of(slot) == process && self.act.slots[slot].is_busy {
                self.act.slots[slot].is_killed = true;
            }
        }
        self.act.lines.killed(process);
        if let Some(spare) = self.spares.get_mut(process).and_then(Option::take) {
            self.writers[process] = spare.clone();
            self.handles[process] = spare;
        }
        let courier = &mut self.act.couriers[process];
        if courier.n_pending > 0 {
            (courier.is_dismissed, courier.is_unsettled) = (true, true);
            self.act.slots[N_ACTORS + process].is_ready = false;
        }
    }
}
