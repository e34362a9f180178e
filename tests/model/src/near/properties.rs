//! What a near read must not return.

use super::{
    hit,
    process::{Hit, Owed, Process},
    setup::{Entries, Near},
    state::{Phase, State},
};
use crate::{cell::Value, properties::Finding, rules::Rule};

/// Everything that is found in one state.
pub(super) fn found(state: &State, setup: &Near) -> u16 {
    setup.processes().fold(0, |set, p| set | of_process(&state.processes[p], state, setup))
}

fn of_process(process: &Process, state: &State, setup: &Near) -> u16 {
    let alive = process.entry.filter(|entry| entry.age == 0).map(|entry| entry.value);
    let mut set = match process.hit {
        Hit::Checked { owed, age } if setup.entries == Entries::Removed || !setup.has(Rule::CountLast) => {
            let served = process.entry.filter(|entry| entry.age == age);
            served.map_or(0, |entry| judge(entry.value, owed, state))
        }
        Hit::Found { owed, entry } if entry.age == 0 => judge(entry.value, owed, state),
        Hit::Unchecked { owed, value } if hit::may_serve(process, state, &process.hit, setup) => {
            judge(value, Owed { proven: process.proven(setup), ..owed }, state)
        }
        _ => 0,
    };
    if let Some(value) = alive
        && missing(value, state.committed)
        && is_quiet(process, state, setup)
    {
        set |= Finding::Unbounded.bit();
    }
    set
}

fn judge(value: Value, owed: Owed, state: &State) -> u16 {
    let broken = [
        (owed.proven, Finding::TooOld),
        (owed.own, Finding::Own),
        (owed.seen, Finding::Backwards),
        (owed.committed, Finding::Stale),
        (owed.token, Finding::TokenMissed),
    ];
    let is_dirty = value.0 & !state.committed != 0;
    let dirty = if is_dirty { Finding::Dirty.bit() } else { 0 };
    broken.iter().filter(|(owed, _)| missing(value, *owed)).fold(dirty, |set, (_, finding)| set | finding.bit())
}

fn missing(value: Value, owed: u8) -> bool {
    owed & !value.0 != 0
}

/// Nothing is under way that would still touch the near cache of a process.
fn is_quiet(process: &Process, state: &State, setup: &Near) -> bool {
    let is_at_rest = |n: usize| {
        let writer = &state.writers[n];
        matches!(writer.phase, Phase::Idle | Phase::Returned | Phase::Crashed) && !writer.transaction.is_in_doubt()
    };
    setup.writers().all(is_at_rest)
        && process.is_on(setup)
        && process.is_subscribed
        && process.channel.is_empty()
        && !process.owes_end
}
