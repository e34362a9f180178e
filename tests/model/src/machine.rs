//! What a search asks of a state machine, and how the steps out of a state are written down.

use std::hash::Hash;

use crate::moves::{Actor, Step};

/// A configuration of one of the four machines: the cell, the near cache, cached queries, and view cells.
pub(crate) trait Machine: Sized {
    type State: Clone + Hash;

    /// Where every behaviour begins.
    fn first(&self) -> Self::State;

    /// Collects all steps out of a state.
    fn steps(&self, from: &Self::State, to: &mut Vec<(Step, Self::State)>);

    /// Looks over a state that a step has just led to, and takes down what is found in it.
    fn judge(&self, state: &mut Self::State);

    /// What was found in a state: a set of findings.
    fn found(state: &Self::State) -> u16;

    /// Whether a search that has found this much need not go on.
    fn is_enough(&self, found: u16) -> bool;

    /// What stands where, as a trace tells it.
    fn tell(&self, state: &Self::State) -> String;
}

/// Collects the steps out of one state, each with the state that it leads to.
pub(crate) struct Moves<'a, M: Machine> {
    pub(crate) setup: &'a M,
    pub(crate) from: &'a M::State,
    to: &'a mut Vec<(Step, M::State)>,
}

impl<'a, M: Machine> Moves<'a, M> {
    pub(crate) fn new(setup: &'a M, from: &'a M::State, to: &'a mut Vec<(Step, M::State)>) -> Self {
        Self { setup, from, to }
    }

    /// A step after which the state differs by `edit`.
    pub(crate) fn step(&mut self, actor: Actor, what: &'static str, edit: impl FnOnce(&mut M::State)) {
        let mut state = self.from.clone();
        edit(&mut state);
        self.push(actor, what, state);
    }

    pub(crate) fn push(&mut self, actor: Actor, what: &'static str, mut state: M::State) {
        self.setup.judge(&mut state);
        self.to.push((Step { actor, what }, state));
    }
}
