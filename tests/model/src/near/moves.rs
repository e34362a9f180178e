//! The steps of all who have to do with the near cache.

use super::{hit, listener, load, membership, misfortune, properties, setup::Near, state::State, trace, writer};
use crate::{
    machine::{self, Machine},
    moves::Step,
};

/// Collects the steps out of one state of the near cache.
pub(super) type Moves<'a> = machine::Moves<'a, Near>;

impl Machine for Near {
    type State = State;

    fn first(&self) -> State {
        State::new(self)
    }

    fn steps(&self, from: &State, to: &mut Vec<(Step, State)>) {
        let mut moves = Moves::new(self, from, to);
        for n in self.writers() {
            writer::steps(&mut moves, n);
        }
        for p in self.processes().filter(|p| !from.processes[*p].is_dead) {
            hit::steps(&mut moves, p);
            load::steps(&mut moves, p);
            listener::steps(&mut moves, p);
            membership::steps(&mut moves, p);
        }
        misfortune::steps(&mut moves);
    }

    fn judge(&self, state: &mut State) {
        state.found = properties::found(state, self);
    }

    fn found(state: &State) -> u16 {
        state.found
    }

    fn is_enough(&self, _: u16) -> bool {
        false
    }

    fn tell(&self, state: &State) -> String {
        trace::tell(state, self)
    }
}
