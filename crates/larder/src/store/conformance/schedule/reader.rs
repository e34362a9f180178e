use std::time::Duration;

use super::{
    call::{Answer, Call, What},
    world::{N_KEYS, World, index},
};
use crate::store::{Cell, CellKey, Lease};

const LEASE_TTL: Duration = Duration::from_secs(4);
const VALUE_TTL: Duration = Duration::from_secs(20);
const MAX_READERS: usize = 3;

/// Somebody who has missed and holds a lease.
pub(super) struct Reader {
    name: String,
    key: CellKey,
    lease: Lease,
    /// What it has loaded from the database, once it has.
    loaded: Option<u64>,
}

pub(super) fn step(world: &mut World<'_>) {
    if world.readers.len() < MAX_READERS && world.dice.one_in(2) {
        start(world);
    } else {
        go_on(world);
    }
}

/// Reads a cell and, if it is vacant, asks for the lease. Without an answer it never fills.
fn start(world: &mut World<'_>) {
    let n = world.dice.index(N_KEYS);
    let key = world.key(n);
    let Cell::Vacant(vacancy) = world.read(&key) else {
        return;
    };
    let name = format!("r{}", world.reader_number());
    let what = What::Lease { key: key.clone(), vacancy, ttl: LEASE_TTL };
    if let Some(Answer::Leased(Some(lease))) = world.send(Call { who: name.clone(), what }) {
        world.readers.push(Reader { name, key, lease, loaded: None });
    }
}

/// Loads, or fills with what was loaded: at any time later, and perhaps never.
pub(super) fn go_on(world: &mut World<'_>) {
    if world.readers.is_empty() {
        return;
    }
    let at = world.dice.index(world.readers.len());
    let reader = &mut world.readers[at];
    let Some(value) = reader.loaded else {
        let committed = world.truths[index(&reader.key)].committed;
        reader.loaded = Some(committed);
        let note = format!("{}: load {} -> {committed:#x}", reader.name, reader.key);
        world.note(note);
        return;
    };
    let Reader { name, key, lease, .. } = world.readers.swap_remove(at);
    if world.dice.one_in(20) {
        world.note(format!("{name}: vanish"));
        return;
    }
    world.send(Call { who: name, what: What::Fill { key, lease, value, ttl: VALUE_TTL } });
}
