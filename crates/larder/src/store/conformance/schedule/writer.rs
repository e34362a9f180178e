use std::time::Duration;

use super::{
    call::{Call, What, encode},
    world::{COMMIT_BOUND, HOLD, N_KEYS, World, index},
};
use crate::store::{CellKey, Ending, Nonce};

const VALUE_TTL: Duration = Duration::from_secs(20);
const MAX_WRITERS: usize = 3;
const MAX_ATTEMPTS: u32 = 2;

/// A transaction, from the moment when it holds all its row locks.
pub(super) struct Writer {
    name: String,
    keys: Vec<CellKey>,
    /// What each key's row is when this commits. It follows from the row lock that nobody changes it before.
    values: Vec<u64>,
    bit: u64,
    nonce: Nonce,
    stage: Stage,
    n_attempts: u32,
    /// When the database ends it at the latest; it holds for everything before [`Stage::Ended`].
    deadline: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The markers are yet to be taken.
    Locked,
    /// They are, and COMMIT is yet to be sent.
    Marked,
    /// COMMIT is on its way, and nobody will learn what became of it.
    Vanished,
    /// The database has answered.
    Ended { committed: bool },
}

/// A transaction begins on one or two keys whose rows nobody else has locked.
pub(super) fn start(world: &mut World<'_>) {
    if world.writers.len() >= MAX_WRITERS {
        return;
    }
    let first = world.dice.index(N_KEYS);
    let mut chosen = vec![first];
    if world.dice.one_in(2) {
        chosen.push((first + 1) % N_KEYS);
    }
    chosen.retain(|&n| !world.truths[n].is_locked);
    if chosen.is_empty() {
        return;
    }
    let Some((name, bit)) = name_and_bit(world) else {
        return;
    };
    let keys: Vec<_> = chosen.into_iter().map(|n| world.key(n)).collect();
    for key in &keys {
        let truth = &mut world.truths[index(key)];
        truth.is_locked = !truth.is_collection;
    }
    let deadline = world.now() + COMMIT_BOUND;
    world.note(format!("{name}: lock {keys:?}"));
    let (stage, values) = (Stage::Locked, Vec::new());
    world.writers.push(Writer { name, keys, bit, values, nonce: Nonce::fresh(), stage, n_attempts: 0, deadline });
}

/// One of the transactions takes its next step.
pub(super) fn go_on(world: &mut World<'_>) {
    if world.writers.is_empty() {
        return;
    }
    let at = world.dice.index(world.writers.len());
    match world.writers[at].stage {
        Stage::Locked => take_markers(world, at),
        Stage::Marked => match world.dice.below(10) {
            0..2 => end(world, at, false),
            2 => {
                world.writers[at].stage = Stage::Vanished;
                let note = format!("{}: send COMMIT and vanish", world.writers[at].name);
                world.note(note);
            }
            _ => end(world, at, true),
        },
        Stage::Vanished => {
            let committed = !world.dice.one_in(3);
            end(world, at, committed);
            world.writers.swap_remove(at);
        }
        Stage::Ended { committed } => finish(world, at, committed),
    }
}

/// The database rolls back what has lasted too long; a COMMIT that is on its way arrives in time or not at all.
pub(super) fn end_those_that_last_beyond(world: &mut World<'_>, moment: Duration) {
    for at in (0..world.writers.len()).rev() {
        let writer = &world.writers[at];
        let (stage, late) = (writer.stage, writer.deadline < moment);
        match stage {
            Stage::Ended { .. } => {}
            Stage::Locked if late => {
                end(world, at, false);
                // No marker of its is known to stand, so there is none to take back.
                world.writers.swap_remove(at);
            }
            Stage::Marked if late => end(world, at, false),
            Stage::Vanished if late => {
                let committed = world.dice.one_in(2);
                end(world, at, committed);
                world.writers.swap_remove(at);
            }
            Stage::Locked | Stage::Marked | Stage::Vanished => {}
        }
    }
}

/// Somebody who knows no cache writes a row, and the word of it is on its way.
pub(super) fn write_past_the_cache(world: &mut World<'_>) {
    let n = world.dice.index(N_KEYS);
    if world.truths[n].is_locked {
        return;
    }
    let Some((name, bit)) = name_and_bit(world) else {
        return;
    };
    world.truths[n].committed |= bit;
    world.truths[n].n_unsettled += 1;
    world.note(format!("{name}: write {n} past the cache: {bit:#x}"));
    let key = world.key(n);
    world.send(Call { who: name, what: What::Settle { nonce: None, key } });
}

fn take_markers(world: &mut World<'_>, at: usize) {
    let writer = &mut world.writers[at];
    // A fresh nonce for every attempt: one that may still arrive must never be taken for ours.
    writer.nonce = Nonce::fresh();
    writer.n_attempts += 1;
    let what = What::Begin { nonce: writer.nonce, keys: writer.keys.clone(), hold: HOLD };
    let call = Call { who: writer.name.clone(), what };
    if world.send(call).is_some() {
        world.writers[at].stage = Stage::Marked;
    } else if world.writers[at].n_attempts >= MAX_ATTEMPTS {
        end(world, at, false);
        // The outcome of the attempts is unknown, so their markers are left to expire.
        world.writers.swap_remove(at);
    }
}

/// The database commits or rolls back, and lets the rows go.
fn end(world: &mut World<'_>, at: usize, committed: bool) {
    let writer = &mut world.writers[at];
    writer.stage = Stage::Ended { committed };
    world.log.push(format!("{}: {}", writer.name, if committed { "commit" } else { "roll back" }));
    for key in &writer.keys {
        let truth = &mut world.truths[index(key)];
        if committed {
            truth.committed |= writer.bit;
        }
        writer.values.push(truth.committed);
        truth.is_locked = false;
    }
}

fn finish(world: &mut World<'_>, at: usize, committed: bool) {
    let Writer { name: who, keys, values, nonce, .. } = world.writers.swap_remove(at);
    let endings = keys
        .iter()
        .zip(values)
        .map(|(key, value)| {
            let ending = if !committed {
                Ending::RolledBack
            } else if world.truths[index(key)].is_collection {
                Ending::Emptied
            } else {
                Ending::Value { value: encode(value), ttl: VALUE_TTL }
            };
            (key.clone(), ending)
        })
        .collect();
    world.send(Call { who: who.clone(), what: What::Finish { nonce, endings } });
    // A relay that reads of committed writes elsewhere says it once more.
    if committed && world.dice.one_in(4) {
        for key in keys {
            world.send(Call { who: who.clone(), what: What::Settle { nonce: Some(nonce), key } });
        }
    }
}

fn name_and_bit(world: &mut World<'_>) -> Option<(String, u64)> {
    let bit = world.bit()?;
    Some((format!("w{}", bit.trailing_zeros()), bit))
}
