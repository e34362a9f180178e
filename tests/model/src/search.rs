//! The search: breadth first, so that the first way to a finding is a shortest one.

mod fingerprint;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use self::fingerprint::{Fingerprint, Fingerprints, Scratch};
use crate::{
    machine::Machine,
    properties::{Finding, Verdict},
    trace::Trace,
};

/// What was found in all states that a configuration can come to.
#[derive(Debug)]
pub struct Outcome {
    /// The worst that was found.
    pub verdict: Verdict,
    /// How many different states there are.
    pub n_states: usize,
    /// Whether these are all: a search may have been given up.
    pub is_complete: bool,
    /// How long it took.
    pub time: Duration,
    /// A shortest way to each finding, numbered as one would tell it.
    pub traces: Vec<(Finding, Trace)>,
}

/// How a state was come upon first: from which other, by which of its steps.
#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    step: u16,
}

/// Searches every interleaving of a configuration, or as many as it takes to come to `at_most` states.
///
/// States are told apart by 128 bits of hash.
pub(crate) fn search<M: Machine>(setup: &M, at_most: usize) -> Outcome {
    let start = Instant::now();
    let mut seen: HashSet<Fingerprint, Fingerprints> = HashSet::default();
    let mut scratch = Scratch::default();
    let first = setup.first();
    seen.insert(scratch.fingerprint(&first));
    let mut origins = vec![Origin { parent: 0, step: 0 }];
    let mut firsts: [Option<u32>; Finding::ALL.len()] = [None; Finding::ALL.len()];
    let (mut set, mut level, mut next, mut steps) = (0, vec![(first, 0)], Vec::new(), Vec::new());
    while !level.is_empty() && origins.len() < at_most {
        for (state, number) in level.drain(..) {
            setup.steps(&state, &mut steps);
            for (step, (_, state)) in steps.drain(..).enumerate() {
                if !seen.insert(scratch.fingerprint(&state)) {
                    continue;
                }
                let new = u32::try_from(origins.len())
                    .expect("a search of four thousand million states does not fit anywhere");
                origins.push(Origin { parent: number, step: u16::try_from(step).expect("steps are few") });
                let found = M::found(&state);
                if found & !set != 0 {
                    for (finding, first) in Finding::ALL.iter().zip(&mut firsts) {
                        if first.is_none() && finding.is_in(found) {
                            *first = Some(new);
                        }
                    }
                    set |= found;
                }
                next.push((state, new));
            }
        }
        std::mem::swap(&mut level, &mut next);
        if setup.is_enough(set) {
            level.clear();
            break;
        }
    }
    let is_complete = level.is_empty();
    let traces = Finding::ALL
        .iter()
        .zip(firsts)
        .filter_map(|(finding, first)| Some((*finding, way_to(first?, &origins, setup))));
    let (traces, n_states) = (traces.collect(), origins.len());
    Outcome { verdict: Verdict::of_set(set), n_states, is_complete, time: start.elapsed(), traces }
}

/// Walks from the beginning to a state once more, this time with open eyes.
fn way_to<M: Machine>(target: u32, origins: &[Origin], setup: &M) -> Trace {
    let mut choices = Vec::new();
    let mut at = target;
    while at != 0 {
        let Origin { parent, step } = origins[at as usize];
        choices.push(step);
        at = parent;
    }
    let mut state = setup.first();
    let mut trace = Trace::default();
    for choice in choices.into_iter().rev() {
        let mut steps = Vec::new();
        setup.steps(&state, &mut steps);
        let (step, to) = steps.swap_remove(usize::from(choice));
        trace.push(step, setup.tell(&to));
        state = to;
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        near::setup::{BOUNDED, Near, Promise, QUIET},
        queries::setup::{BOTH, LISTS, Queries},
        rules::Protocol,
        setup::{CALM, Faults, LARDER, Setup},
        views::setup::TREES,
    };

    /// The same search by whole states.
    fn n_states<M: Machine<State: Eq>>(setup: &M) -> usize {
        let mut seen = HashSet::from([setup.first()]);
        let (mut waiting, mut steps) = (vec![setup.first()], Vec::new());
        while let Some(state) = waiting.pop() {
            setup.steps(&state, &mut steps);
            for (_, state) in steps.drain(..) {
                if seen.insert(state.clone()) {
                    waiting.push(state);
                }
            }
        }
        seen.len()
    }

    #[test]
    fn no_two_states_are_taken_for_one() {
        let setup = Setup { n_loads: 1, faults: Faults { crashes: 1, delays: 1, ..CALM }, ..LARDER };
        let outcome = search(&setup, usize::MAX);
        assert_eq!(outcome.n_states, n_states(&setup));
        assert!(outcome.n_states > 10_000, "{}", outcome.n_states);
    }

    #[test]
    fn no_two_states_of_the_near_cache_are_taken_for_one() {
        let setup = Near {
            promise: Promise::Acknowledged,
            n_writers: 1,
            n_own: 0,
            n_readers: [1, 0],
            mishaps: QUIET,
            ..BOUNDED
        };
        let outcome = search(&setup, usize::MAX);
        assert_eq!(outcome.n_states, n_states(&setup));
        assert!(outcome.n_states > 10_000, "{}", outcome.n_states);
    }

    #[test]
    fn no_two_states_of_cached_queries_are_taken_for_one() {
        let setup = Queries { writers: &[BOTH], n_reads: 1, faults: Faults { restarts: 1, ..CALM }, ..LISTS };
        let outcome = search(&setup, usize::MAX);
        assert_eq!(outcome.n_states, n_states(&setup));
        assert!(outcome.n_states > 10_000, "{}", outcome.n_states);
    }

    #[test]
    fn no_two_states_of_view_cells_are_taken_for_one() {
        let outcome = search(&TREES, usize::MAX);
        assert_eq!(outcome.n_states, n_states(&TREES));
        assert!(outcome.n_states > 10_000, "{}", outcome.n_states);
    }

    #[test]
    fn a_search_that_is_given_up_says_so() {
        let setup = Setup { n_writers: 1, n_readers: 1, n_loads: 1, ..LARDER };
        let whole = search(&setup, usize::MAX);
        assert!(whole.is_complete);
        let part = search(&setup, whole.n_states / 2);
        assert!(!part.is_complete && part.n_states < whole.n_states, "{} of {}", part.n_states, whole.n_states);
    }

    #[test]
    fn a_trace_is_a_shortest_one() {
        let setup = Setup { protocol: Protocol::DeleteAfter, n_writers: 1, n_readers: 1, n_loads: 1, ..LARDER };
        let outcome = search(&setup, usize::MAX);
        let (_, trace) = outcome.traces.iter().find(|(finding, _)| *finding == Finding::Unbounded).unwrap();
        // Expire, miss, query; UPDATE, nothing before COMMIT, COMMIT sent, committed, deleted; fill.
        assert_eq!(trace.len(), 9, "{trace}");
        assert!(trace.to_string().lines().last().is_some_and(|line| line.contains("R1 fills")), "{trace}");
    }
}
