//! What goes wrong, and what time does.

use super::{
    channel::Channel,
    moves::Moves,
    process::{Hit, Process, Reader, Renewal},
    setup::{MAX, Near, Promise},
    state::{Phase, Registry, State},
    writer::begin_anew,
};
use crate::{cell::Cell, database::Transaction, moves::Actor, rules::Rule};

pub(super) fn steps(moves: &mut Moves<'_>) {
    crash(moves);
    cut(moves);
    expire(moves);
    lose(moves);
    restart(moves);
}

fn crash(moves: &mut Moves<'_>) {
    let (setup, mishaps) = (moves.setup, moves.from.mishaps);
    for n in setup.writers().filter(|n| mishaps.crashes > 0 && !setup.is_own(*n)) {
        if matches!(moves.from.writers[n].phase, Phase::Idle | Phase::Returned | Phase::Crashed) {
            continue;
        }
        moves.step(Actor::Writer(n), "CRASHES", |state| {
            state.mishaps.crashes -= 1;
            let mut writer = state.writers[n].at_rest();
            writer.phase = Phase::Crashed;
            // Who holds the lock until the database has decided.
            writer.has_changed = writer.transaction == Transaction::Committing;
            if writer.transaction == Transaction::Open {
                writer.transaction = Transaction::Aborted;
            }
            state.writers[n] = writer;
        });
    }
    if mishaps.deaths > 0 && !moves.from.processes[1].is_dead {
        moves.step(Actor::Process(1), "DIES", |state| {
            state.mishaps.deaths -= 1;
            die(&mut state.processes[1]);
        });
    }
}

fn die(process: &mut Process) {
    *process = Process {
        is_dead: true,
        is_subscribed: false,
        is_listening: false,
        channel: Channel::default(),
        proof: None,
        ping: None,
        n_pings: 0,
        renewal: Renewal::default(),
        reached: None,
        asks_number: false,
        owes_end: false,
        has_inserted: false,
        entry: None,
        hit: Hit::Idle,
        readers: [Reader::default(); MAX],
        seen: 0,
        own: 0,
    };
}

/// A connection breaks, after any number of the messages that are on their way.
fn cut(moves: &mut Moves<'_>) {
    const WHATS: [&str; 2] = ["BREAKS a connection", "BREAKS a connection, and some messages are lost"];
    if moves.from.mishaps.breaks == 0 {
        return;
    }
    for p in moves.setup.processes().filter(|p| moves.from.processes[*p].is_subscribed) {
        let n_messages = moves.from.processes[p].channel.len();
        for n in 0..=n_messages {
            moves.step(Actor::Network, WHATS[usize::from(n < n_messages)], |state| {
                state.mishaps.breaks -= 1;
                disconnect(&mut state.processes[p], n);
            });
        }
    }
}

fn disconnect(process: &mut Process, n_messages: usize) {
    process.is_subscribed = false;
    process.asks_number = false;
    process.channel.cut(n_messages);
    process.ping = None;
}

/// Values and leases end at any time, markers when their write is no longer in doubt.
fn expire(moves: &mut Moves<'_>) {
    match moves.from.cell {
        Cell::Value { .. } | Cell::Lease { .. } => {
            moves.step(Actor::Store, "lets the cell expire, or evicts it", |state| state.cell = Cell::Nothing);
        }
        Cell::Marker { records, .. } => {
            for nonce in (0..8).filter(|nonce| records >> nonce & 1 == 1) {
                if !moves.from.writers[usize::from(nonce / 2)].transaction.is_in_doubt() {
                    moves.step(Actor::Store, "lets a marker expire", |state| state.cell = state.cell.expired(nonce));
                }
            }
        }
        Cell::Nothing => {}
    }
    for p in moves.setup.processes().filter(|p| moves.from.processes[*p].entry.is_some()) {
        moves.step(Actor::Process(p), "evicts the entry from its map", |state| state.processes[p].entry = None);
    }
    if moves.from.registry.is_young {
        moves.step(Actor::Store, "has had the registry for as long as proofs count", |state| {
            state.end_proofs(|tag| tag.is_registry_older);
            state.registry.is_young = false;
        });
    }
}

fn lose(moves: &mut Moves<'_>) {
    let state = moves.from;
    if state.mishaps.evictions > 0 && matches!(state.cell, Cell::Marker { .. }) {
        moves.step(Actor::Store, "EVICTS the marker", |state| {
            state.mishaps.evictions -= 1;
            state.cell = Cell::Nothing;
        });
    }
    if state.mishaps.losses > 0 && state.registry.exists {
        moves.step(Actor::Store, "EVICTS the registry", |state| {
            state.mishaps.losses -= 1;
            state.registry = Registry { exists: false, is_young: false, members: 0 };
        });
    }
    if state.mishaps.losses > 0 && state.number.is_some() {
        moves.step(Actor::Store, "EVICTS the number", |state| {
            state.mishaps.losses -= 1;
            state.number = None;
        });
    }
}

/// The store comes back without cells and registry; the number may be there as it was at first.
fn restart(moves: &mut Moves<'_>) {
    let (setup, mishaps) = (moves.setup, moves.from.mishaps);
    let number = if setup.has(Rule::NumberOfOneLife) { None } else { State::new(setup).number };
    let n_messages = [0, 1].map(|p: usize| moves.from.processes[p].channel.len());
    for (first, second) in (0..=n_messages[0]).flat_map(|first| (0..=n_messages[1]).map(move |n| (first, n))) {
        if mishaps.restarts > 0 {
            moves.step(Actor::Store, "RESTARTS empty", |state| {
                state.mishaps.restarts -= 1;
                forget(state, setup, [first, second]);
            });
        }
        if mishaps.snapshots > 0 && setup.promise == Promise::Tokens {
            moves.step(Actor::Store, "RESTARTS from a snapshot", |state| {
                state.mishaps.snapshots -= 1;
                forget(state, setup, [first, second]);
                state.number = number;
            });
        }
    }
}

fn forget(state: &mut State, setup: &Near, n_messages: [usize; 2]) {
    state.cell = Cell::Nothing;
    state.number = None;
    state.registry = Registry { exists: false, is_young: false, members: 0 };
    for n in setup.writers() {
        let writer = &mut state.writers[n];
        match writer.phase {
            Phase::Begun(step) if usize::from(step) < setup.before_commit().len() => begin_anew(writer),
            _ => writer.is_forgotten = setup.has(Rule::Quarantine) && writer.transaction.is_in_doubt(),
        }
    }
    for (process, n) in state.processes.iter_mut().zip(n_messages) {
        disconnect(process, n);
        process.renewal.request = None;
    }
}
