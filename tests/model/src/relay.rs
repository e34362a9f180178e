//! The relay: it takes an outbox row, settles what it names, and deletes it.

use crate::{
    cell::{Cell, Request},
    database::Transaction,
    moves::{Actor, Moves},
    repair::take_note_back,
    rules::Rule,
    setup::Outsider,
    state::{Relay, State},
};

pub(crate) fn steps(moves: &mut Moves<'_>) {
    for n in 0..usize::from(moves.setup.n_relays) {
        match moves.from.relays[n] {
            Relay::Idle => take(moves, n),
            Relay::Holding(row) => work(moves, n, row),
            Relay::Scanning { row, must_visit } => scan(moves, n, row, must_visit),
            Relay::Settled(row) => moves.step(Actor::Relay(n), "deletes the row", |state| {
                state.outbox &= !(1 << row);
                state.relays[n] = Relay::Idle;
            }),
            Relay::Deleted(row) => settle(moves, n, row, Relay::Idle),
        }
        if moves.from.faults.relay_crashes > 0 && moves.from.relays[n] != Relay::Idle {
            moves.step(Actor::Relay(n), "CRASHES", |state| {
                state.faults.relay_crashes -= 1;
                state.relays[n] = Relay::Idle;
            });
        }
    }
}

/// Takes a row that no other relay holds (SKIP LOCKED).
fn take(moves: &mut Moves<'_>, n: usize) {
    for row in moves.setup.writers() {
        let number = u8::try_from(row).expect("writers are few");
        let is_held = moves.from.relays.iter().any(|relay| relay.row() == Some(number));
        // Without the rule, whoever asks for a scan may ask before it has committed.
        let is_early = !moves.setup.has(Rule::ScanAfterCommit)
            && moves.setup.outsider == Outsider::ToldOfAll
            && moves.setup.is_outsider(row)
            && moves.from.writers[row].transaction == Transaction::Committing;
        let is_there = moves.from.outbox >> row & 1 == 1 || is_early;
        if is_there && !is_held {
            moves.step(Actor::Relay(n), "takes a row of the outbox", |state| state.relays[n] = Relay::Holding(number));
        }
    }
}

fn work(moves: &mut Moves<'_>, n: usize, row: u8) {
    let setup = moves.setup;
    if setup.outsider == Outsider::ToldOfAll && setup.is_outsider(usize::from(row)) {
        let must_visit = moves.from.server.cell != Cell::Nothing;
        moves.step(Actor::Relay(n), "begins to scan the table's keys", |state| {
            state.relays[n] = Relay::Scanning { row, must_visit };
        });
    } else if setup.has(Rule::SettleBeforeDelete) {
        settle(moves, n, row, Relay::Settled(row));
    } else {
        moves.step(Actor::Relay(n), "deletes the row", |state| {
            state.outbox &= !(1 << row);
            state.relays[n] = Relay::Deleted(row);
        });
    }
}

fn settle(moves: &mut Moves<'_>, n: usize, row: u8, then: Relay) {
    let (setup, number) = (moves.setup, usize::from(row));
    let writer = moves.from.writers[number];
    let request = Request::Settle(writer.is_marked.then(|| setup.nonce(number, writer.attempt)));
    moves.ask(Actor::Relay(n), "settles the cell", request, |state| {
        state.relays[n] = then;
        if setup.process(n) == setup.process(number) && state.writers[number].transaction == Transaction::Committed {
            take_note_back(state, number, setup);
        }
    });
    moves.ask_in_vain(Actor::Relay(n), "settles the cell, and gets no answer", request, |_| {});
}

/// SCAN hands out every key that is there from its beginning to its end, and may hand out others.
fn scan(moves: &mut Moves<'_>, n: usize, row: u8, must_visit: bool) {
    let request = if moves.setup.has(Rule::ScanPoisons) { Request::Settle(None) } else { Request::Sweep };
    if moves.from.server.cell != Cell::Nothing {
        let visited = |state: &mut State| state.relays[n] = Relay::Settled(row);
        moves.ask(Actor::Relay(n), "comes to the key, and settles it", request, visited);
        moves.ask_in_vain(Actor::Relay(n), "comes to the key, settles it, and gets no answer", request, |state| {
            // It begins anew.
            state.relays[n] = Relay::Holding(row);
        });
    }
    if !must_visit {
        moves.step(Actor::Relay(n), "ends its scan without the key", |state| state.relays[n] = Relay::Settled(row));
    }
}

impl Relay {
    fn row(self) -> Option<u8> {
        match self {
            Self::Idle => None,
            Self::Holding(row) | Self::Scanning { row, .. } | Self::Settled(row) | Self::Deleted(row) => Some(row),
        }
    }
}
