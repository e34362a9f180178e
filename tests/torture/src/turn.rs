//! Whose turn it is.

use crate::{
    act::{LANE, Late, N_SLOTS},
    locks,
    plan::N_ACTORS,
    stage::Show,
    trees,
};

/// No schedule has so many steps.
const TOO_MANY: u64 = 10_000;

impl Show {
    /// Draws what happens by itself, and then whose turn it is.
    pub fn choose(&mut self) -> usize {
        self.act.tally.steps += 1;
        assert!(self.act.tally.steps < TOO_MANY, "a schedule does not end");
        if let Some(slot) = (0..N_ACTORS).find(|&slot| self.act.slots[slot].is_killed && self.act.slots[slot].is_ready)
        {
            return slot;
        }
        loop {
            if self.act.violation.is_none() {
                self.strike();
            }
            self.show_cells();
            let able: Vec<usize> = (0..N_SLOTS).filter(|&slot| self.is_able(slot)).collect();
            if let Some(next) = self.pick(&able) {
                if let Some(statement) = self.act.slots[next].wants.take() {
                    let locks =
                        locks::needed(statement, &self.act.slots[next].holds, &self.act.cast, self.act.history.now());
                    self.act.slots[next].holds.extend(locks);
                }
                if self.act.slots[next].waits_since.take().is_none() {
                    self.act.last_progress = self.act.tally.steps;
                }
                return next;
            }
            if self.act.slots.iter().all(|slot| !slot.is_ready) {
                return LANE;
            }
            // Whoever is left waits for a transaction whose COMMIT is under way.
            let commit = self.act.late.iter().position(|late| matches!(late, Late::Commit { .. }));
            let commit = commit.unwrap_or_else(|| panic!("all wait for each other:\n{}", self.lines()));
            let is_lost = self.act.random.bool();
            self.arrive(commit, is_lost);
        }
    }

    fn pick(&mut self, able: &[usize]) -> Option<usize> {
        let steps = self.act.tally.steps;
        let awake: Vec<usize> =
            able.iter().copied().filter(|&slot| self.act.slots[slot].frozen_until <= steps).collect();
        let from = if awake.is_empty() { able } else { &awake };
        let (running, manner) = (self.act.running, self.act.plan.manner);
        let stays = from.contains(&running) && self.act.random.u8(..100) < manner.stays;
        let next = if stays { running } else { *from.get(self.act.random.usize(..from.len().max(1)))? };
        if self.act.random.u8(..100) < manner.freezes {
            self.act.slots[next].frozen_until = steps + self.act.random.u64(8..80);
            let others: Vec<usize> = from.iter().copied().filter(|&slot| slot != next).collect();
            if !others.is_empty() {
                return Some(others[self.act.random.usize(..others.len())]);
            }
        }
        Some(next)
    }

    /// Whether somebody can go on without waiting for others who stand still.
    fn is_able(&mut self, slot: usize) -> bool {
        let act = &self.act;
        let one = &act.slots[slot];
        if !one.is_ready {
            return false;
        }
        // Nobody else has done anything since that it could wait for.
        if one.waits_since.is_some_and(|since| act.last_progress < since) {
            return false;
        }
        let Some(statement) = one.wants else { return true };
        let needed = locks::needed(statement, &one.holds, &act.cast, act.history.now());
        let held = act.slots.iter().enumerate().filter(|(other, _)| *other != slot).map(|(_, other)| &other.holds);
        let under_way = act.late.iter().filter_map(|late| match late {
            Late::Commit { locks, .. } => Some(locks),
            _ => None,
        });
        match locks::in_the_way(held.chain(under_way), &needed) {
            None => false,
            Some(racks) => {
                let racks: Vec<_> = racks.into_iter().map(|at| trees::rack(&act.cast, at)).collect();
                racks.is_empty() || !self.tools.is_any_locked(&racks)
            }
        }
    }
}
