//! Many schedules, on several lanes at once.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    lane::{Lane, Subject},
    schedule::{self, Played},
    tally::Tally,
};

/// How many lanes there are: servers and clients of one keep a core busy.
pub const N_LANES: usize = 2;

/// What many schedules came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What they did.
    pub tally: Tally,
    /// Those in which something was wrong, with their traces.
    pub wrong: Vec<Played>,
    /// How many those are, also where only the first was kept.
    pub n_wrong: u64,
}

/// When to stop before all seeds are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Something is wrong.
    Wrong,
    /// All seeds are played.
    Done,
}

/// Plays schedules, and plays again what went wrong, for its trace.
///
/// `seed_of` gives the seed of each schedule, by its number, or `None` when there are no more. `tell` hears of each on its lane.
pub fn run(
    subject: Subject,
    until: Until,
    seed_of: impl Fn(u64) -> Option<u64> + Sync,
    tell: impl Fn(&Played) + Sync,
) -> Outcome {
    let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let outcome = Mutex::new(Outcome::default());
    let lane = || {
        let lane = Lane::new(subject);
        let mut tally = Tally::default();
        while !is_over.load(Ordering::Relaxed) {
            let Some(seed) = seed_of(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let played = schedule::play(&lane, seed, false);
            tally.add(&played.tally);
            tell(&played);
            if played.violation.is_none() {
                continue;
            }
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            outcome.n_wrong += 1;
            if outcome.wrong.is_empty() {
                let again = schedule::play(&lane, seed, true);
                // Should it go well now, it was not a matter of the seed alone; then at least the verdict is told.
                let violation = played.violation.clone();
                outcome.wrong.push(if again.violation.is_some() { again } else { Played { violation, ..again } });
            }
            is_over.fetch_or(until == Until::Wrong, Ordering::Relaxed);
        }
        outcome.lock().unwrap_or_else(PoisonError::into_inner).tally.add(&tally);
    };
    thread::scope(|scope| {
        for _ in 0..N_LANES {
            scope.spawn(lane);
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}
