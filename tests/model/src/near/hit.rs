//! A near read: a hit, or nothing that is followed here.

use super::{
    moves::Moves,
    process::{Entry, Hit, Owed, Process},
    setup::{Entries, Near, Promise},
    state::State,
};
use crate::{moves::Actor, rules::Rule};

pub(super) fn steps(moves: &mut Moves<'_>, p: usize) {
    let (setup, process) = (moves.setup, &moves.from.processes[p]);
    match process.hit {
        Hit::Idle => begin(moves, p),
        Hit::Counted { owed, age } if process.is_on(setup) => {
            let owed = Owed { proven: process.proven(setup), ..owed };
            go(moves, p, "looks at the proof", Hit::Checked { owed, age });
        }
        Hit::Counted { .. } => go(moves, p, "looks at the proof, which is too old", Hit::Idle),
        Hit::Checked { age, owed } => match (process.entry, setup.entries) {
            (None, _) => go(moves, p, "misses", Hit::Idle),
            (Some(entry), Entries::Stamped) if setup.has(Rule::CountLast) => {
                go(moves, p, "finds an entry", Hit::Found { owed, entry });
            }
            (Some(entry), _) if entry.age == age => serve(moves, p, "hits", entry),
            (Some(_), _) => go(moves, p, "finds an entry that has ended", Hit::Idle),
        },
        Hit::Found { entry, .. } if entry.age == 0 => serve(moves, p, "finds it alive, and returns it", entry),
        Hit::Found { .. } => go(moves, p, "finds that it has ended", Hit::Idle),
        Hit::Unchecked { value, .. } if may_serve(process, moves.from, &process.hit, setup) => {
            serve(moves, p, "finds the proof, or the number, good, and returns it", Entry { value, age: 0 });
        }
        Hit::Unchecked { .. } => go(moves, p, "finds that it may not serve it", Hit::Idle),
    }
}

fn begin(moves: &mut Moves<'_>, p: usize) {
    let (setup, state) = (moves.setup, moves.from);
    let process = &state.processes[p];
    let owed = process.owed(state.committed, setup);
    if setup.promise == Promise::Tokens {
        for n in setup.writers().filter(|n| state.writers[*n].has_returned() && !setup.is_stranger(*n)) {
            with_token(moves, p, Owed { token: 1 << n, ..Owed::default() }, n);
        }
    } else if !setup.has(Rule::CheckFirst) {
        if let Some(Entry { value, .. }) = process.entry {
            go(moves, p, "finds an entry", Hit::Unchecked { owed, value });
        }
    } else if !setup.has(Rule::CountLast) {
        go(moves, p, "reads the counter", Hit::Counted { owed, age: 0 });
    } else if process.is_on(setup) {
        go(moves, p, "looks at the proof", Hit::Checked { owed, age: 0 });
    }
}

fn with_token(moves: &mut Moves<'_>, p: usize, owed: Owed, writer: usize) {
    const WHATS: [&str; 2] =
        ["has the token of W1, and looks at the number", "has the token of W2, and looks at the number"];
    const EARLY: [&str; 2] = ["has the token of W1, and finds an entry", "has the token of W2, and finds an entry"];
    let (setup, state) = (moves.setup, moves.from);
    let process = &state.processes[p];
    if !setup.has(Rule::CheckFirst) {
        if let Some(Entry { value, .. }) = process.entry {
            go(moves, p, EARLY[writer], Hit::Unchecked { owed, value });
        }
    } else if process.is_on(setup) && has_reached(process, state, writer) {
        go(moves, p, WHATS[writer], Hit::Checked { owed, age: 0 });
    }
}

/// Whether the listener has handled the announcement of a write that has returned.
fn has_reached(process: &Process, state: &State, writer: usize) -> bool {
    let (Some(reached), Some(token)) = (process.reached, state.writers[writer].number) else { return false };
    reached.id == token.id && reached.n >= token.n
}

/// Whether what was looked up first may be served now.
pub(super) fn may_serve(process: &Process, state: &State, hit: &Hit, setup: &Near) -> bool {
    let Hit::Unchecked { owed, .. } = hit else { return false };
    let mut tokens = setup.writers().filter(|n| owed.token >> n & 1 == 1);
    process.is_on(setup) && tokens.all(|n| has_reached(process, state, n))
}

fn serve(moves: &mut Moves<'_>, p: usize, what: &'static str, entry: Entry) {
    let setup = moves.setup;
    moves.step(Actor::Hit(p), what, |state| {
        state.processes[p].hit = Hit::Idle;
        state.processes[p].sees(entry.value, setup);
    });
}

fn go(moves: &mut Moves<'_>, p: usize, what: &'static str, hit: Hit) {
    moves.step(Actor::Hit(p), what, |state| state.processes[p].hit = hit);
}
