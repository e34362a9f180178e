//! The cell as a machine: the steps that lead out of a state, and who takes them.

use std::fmt;

use crate::{
    cell::{Cell, Request},
    machine::{self, Machine},
    properties::{self, Finding},
    rules::Protocol,
    setup::Setup,
    state::{Relay, State},
    trace,
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
    /// A read of the near cache of a process.
    Hit(usize),
    /// The thread of a process that listens to the store.
    Listener(usize),
    /// Who loads a cached query.
    Querier(usize),
    /// Who reads one, piece by piece.
    Read(usize),
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
            Self::Hit(n) => write!(f, "near read {}", n + 1),
            Self::Listener(n) => write!(f, "listener {}", n + 1),
            Self::Querier(n) => write!(f, "Q{}", n + 1),
            Self::Read(n) => write!(f, "read {}", n + 1),
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

/// Collects the steps out of one state of the cell.
pub(crate) type Moves<'a> = machine::Moves<'a, Setup>;

impl Moves<'_> {
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
}

impl Machine for Setup {
    type State = State;

    fn first(&self) -> State {
        State::new(self)
    }

    fn steps(&self, from: &State, to: &mut Vec<(Step, State)>) {
        let mut moves = Moves::new(self, from, to);
        crate::writer::steps(&mut moves);
        crate::repair::steps(&mut moves);
        crate::reader::steps(&mut moves);
        crate::relay::steps(&mut moves);
        crate::verifier::steps(&mut moves);
        crate::faults::steps(&mut moves);
    }

    fn judge(&self, state: &mut State) {
        if state.server.cell == Cell::Nothing {
            // What was not there all the time may be passed over by a scan.
            for relay in &mut state.relays {
                if let Relay::Scanning { must_visit, .. } = relay {
                    *must_visit = false;
                }
            }
        }
        state.found = properties::found(state, self);
    }

    fn found(state: &State) -> u16 {
        state.found
    }

    /// The protocols that larder is only compared with are not searched beyond the first state that nothing would ever mend.
    fn is_enough(&self, found: u16) -> bool {
        self.protocol != Protocol::Markers && Finding::Unbounded.is_in(found)
    }

    fn tell(&self, state: &State) -> String {
        trace::tell(state, self)
    }
}
