//! The steps that lead out of a state.

use std::fmt;

use crate::{
    cell::{Cell, Request},
    properties,
    setup::Setup,
    state::{Relay, State},
};

/// Who takes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A writer that uses larder.
    Writer(usize),
    /// One that does not.
    Outsider,
    /// A reader.
    Reader(usize),
    /// A process, with all writers in it.
    Process(usize),
    /// A relay.
    Relay(usize),
    /// The verifier.
    Verifier,
    /// PostgreSQL.
    Database,
    /// Redis.
    Store,
    /// What lies between a process and Redis.
    Network,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writer(n) => write!(f, "W{}", n + 1),
            Self::Outsider => f.write_str("outsider"),
            Self::Reader(n) => write!(f, "R{}", n + 1),
            Self::Process(n) => write!(f, "process {}", n + 1),
            Self::Relay(n) => write!(f, "relay {}", n + 1),
            Self::Verifier => f.write_str("verifier"),
            Self::Database => f.write_str("database"),
            Self::Store => f.write_str("store"),
            Self::Network => f.write_str("network"),
        }
    }
}

/// One step, as a trace tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Who takes it.
    pub actor: Actor,
    /// What happens.
    pub what: &'static str,
}

/// Collects the steps out of one state, each with the state that it leads to.
pub(crate) struct Moves<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) from: &'a State,
    to: &'a mut Vec<(Step, State)>,
}

impl<'a> Moves<'a> {
    pub(crate) fn new(setup: &'a Setup, from: &'a State, to: &'a mut Vec<(Step, State)>) -> Self {
        Self { setup, from, to }
    }

    /// A step after which the state differs by `edit`.
    pub(crate) fn step(&mut self, actor: Actor, what: &'static str, edit: impl FnOnce(&mut State)) {
        let mut state = self.from.clone();
        edit(&mut state);
        self.push(actor, what, state);
    }

    /// A request that is executed and answered; `edit` is what the one who asked does with the answer.
    pub(crate) fn ask(&mut self, actor: Actor, what: &'static str, request: Request, edit: impl FnOnce(&mut State)) {
        let setup = self.setup;
        self.step(actor, what, |state| {
            state.execute(request, setup);
            edit(state);
        });
    }

    /// The same request times out, which is a step only while something may still be delayed.
    pub(crate) fn ask_in_vain(
        &mut self,
        actor: Actor,
        what: &'static str,
        request: Request,
        edit: impl FnOnce(&mut State),
    ) {
        let mut state = self.from.clone();
        if state.delay(request) {
            edit(&mut state);
            self.push(actor, what, state);
        }
    }

    fn push(&mut self, actor: Actor, what: &'static str, mut state: State) {
        if state.server.cell == Cell::Nothing {
            // What was not there all the time may be passed over by a scan.
            for relay in &mut state.relays {
                if let Relay::Scanning { must_visit, .. } = relay {
                    *must_visit = false;
                }
            }
        }
        state.found = properties::found(&state, self.setup);
        self.to.push((Step { actor, what }, state));
    }
}

/// All steps out of a state.
pub(crate) fn of(state: &State, setup: &Setup, to: &mut Vec<(Step, State)>) {
    let mut moves = Moves::new(setup, state, to);
    crate::writer::steps(&mut moves);
    crate::repair::steps(&mut moves);
    crate::reader::steps(&mut moves);
    crate::relay::steps(&mut moves);
    crate::verifier::steps(&mut moves);
    crate::faults::steps(&mut moves);
}
