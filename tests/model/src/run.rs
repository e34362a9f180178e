//! Many searches at once.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use crate::{cases::Case, search::Outcome};

/// Searches each case up to `at_most(case)` states, as many at a time as the machine has processors, and calls `done` in the order in which they end.
pub fn each(cases: &[Case], at_most: impl Fn(&Case) -> usize + Sync, mut done: impl FnMut(&Case, Outcome)) {
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..n_threads {
            let (sender, next, at_most) = (sender.clone(), &next, &at_most);
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody listens any more only if `done` has panicked.
                    let _ = sender.send((case, case.setup.search(at_most(case))));
                }
            });
        }
        drop(sender);
        outcomes.iter().for_each(|(case, outcome)| done(case, outcome));
    });
}
