//! The steps of all who have to do with the cells of a view.

use super::{
    faults, load, properties, settle,
    setup::{N_CELLS, Views},
    state::State,
    trace, writer,
};
use crate::{
    cell::Request,
    machine::{self, Machine},
    moves::{Actor, Step},
};

/// Collects the steps out of one state.
pub(super) type Moves<'a> = machine::Moves<'a, Views>;

impl Moves<'_> {
    /// A request for one of the cells that is executed and answered; `edit` is what the one who asked does with the answer.
    pub(super) fn ask_cell(
        &mut self,
        actor: Actor,
        what: [&'static str; N_CELLS],
        (cell, request): (usize, Request),
        edit: impl FnOnce(&mut State),
    ) {
        let setup = self.setup;
        self.step(actor, what[cell], |state| {
            state.execute(cell, request, setup);
            edit(state);
        });
    }

    /// The same request times out, which is a step only while something may still be delayed.
    pub(super) fn ask_cell_in_vain(
        &mut self,
        actor: Actor,
        what: [&'static str; N_CELLS],
        (cell, request): (usize, Request),
        edit: impl FnOnce(&mut State),
    ) {
        let number = u8::try_from(cell).expect("cells are few");
        let mut state = self.from.clone();
        if state.delay((number, request)) {
            edit(&mut state);
            self.push(actor, what[cell], state);
        }
    }
}

impl Machine for Views {
    type State = State;

    fn first(&self) -> State {
        State::new(self)
    }

    fn steps(&self, from: &State, to: &mut Vec<(Step, State)>) {
        let mut moves = Moves::new(self, from, to);
        writer::steps(&mut moves);
        settle::steps(&mut moves);
        load::steps(&mut moves);
        faults::steps(&mut moves);
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
