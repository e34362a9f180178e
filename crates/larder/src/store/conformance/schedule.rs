//! Random schedules of readers and writers on a few keys, against an oracle that knows what is committed.
//!
//! Calls are delayed beyond their time-out and arrive later, writers roll back, give up or vanish, cells are evicted, others
//! write past the cache, old and new layouts meet, and where the store's clock can be moved, leases, markers and values expire.
//! After every step each cell is read: a value must be the committed one. Every choice follows from the seed.

mod call;
mod dice;
mod reader;
mod world;
mod writer;

use self::world::World;
use super::Subject;

/// How many seeds [`run_all`] goes through.
pub const N_SEEDS: u64 = 200;

const N_STEPS: usize = 150;

/// What happened in a schedule: a claim about values that were never served would be empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Reads that were answered with a value.
    pub n_hits: u64,
    /// Reads that met a write in doubt.
    pub n_in_doubt: u64,
    /// Fills that were kept.
    pub n_fills: u64,
    /// Writes that stored their value.
    pub n_stored: u64,
    /// Calls that arrived after their caller had stopped waiting.
    pub n_late: u64,
}

/// Runs the schedules of the seeds `0..N_SEEDS`, each on a store that `fresh` makes.
///
/// # Panics
/// As [`run`], and if no schedule had any hit, fill, stored write, late call or write in doubt.
pub fn run_all(fresh: &dyn Fn() -> Subject) {
    let mut all = Tally::default();
    for seed in 0..N_SEEDS {
        let one = run(&fresh(), seed);
        all.n_hits += one.n_hits;
        all.n_in_doubt += one.n_in_doubt;
        all.n_fills += one.n_fills;
        all.n_stored += one.n_stored;
        all.n_late += one.n_late;
    }
    let least = [all.n_hits, all.n_in_doubt, all.n_fills, all.n_stored, all.n_late].into_iter().min();
    assert!(least >= Some(N_SEEDS), "too little happened: {all:?}");
}

/// Runs the schedule of one seed.
///
/// # Panics
/// If a read gives a value that is older than the committed one or was never committed, or if the store returns an error. The
/// message holds the seed and the whole schedule up to there.
pub fn run(subject: &Subject, seed: u64) -> Tally {
    let mut world = World::new(subject, seed);
    for _ in 0..N_STEPS {
        step(&mut world);
        world.check();
    }
    while !world.is_quiet() {
        wind_down(&mut world);
        world.check();
    }
    world.tally()
}

fn step(world: &mut World<'_>) {
    match world.dice.below(100) {
        0..8 => writer::start(world),
        8..45 => writer::go_on(world),
        45..78 => reader::step(world),
        78..88 => world.deliver_one(),
        88..91 => world.evict_one(),
        91..94 => writer::write_past_the_cache(world),
        _ => world.let_time_pass(),
    }
}

/// Ends what has begun, in any order.
fn wind_down(world: &mut World<'_>) {
    match world.dice.below(3) {
        0 => writer::go_on(world),
        1 => reader::go_on(world),
        _ => world.deliver_one(),
    }
}
