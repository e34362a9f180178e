use std::time::Duration;

use super::{
    Tally,
    call::{Answer, Call, What, decode, name},
    dice::Dice,
    reader::Reader,
    writer::Writer,
};
use crate::store::{Cell, CellKey, Clock, Ending, Layout, Store, conformance::Subject};

pub(super) const N_KEYS: usize = 3;

/// The time that a marker holds, and the time within which the database ends a transaction by itself. The first must be longer.
pub(super) const HOLD: Duration = Duration::from_secs(15);
pub(super) const COMMIT_BOUND: Duration = Duration::from_secs(5);

const LAYOUTS: [Layout; 2] = [Layout::new(0), Layout::new(1)];

/// What the database knows of one key. Its value is a set of bits, one for each write that was committed.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) committed: u64,
    /// Writers of a row wait for each other; those of a collection do not.
    pub(super) is_collection: bool,
    pub(super) is_locked: bool,
    /// Writes past the cache whose word has not arrived: until then nothing is promised.
    pub(super) n_unsettled: u32,
}

/// The database, the store, the wire between, and everybody who is at work.
pub(super) struct World<'a> {
    subject: &'a Subject,
    seed: u64,
    pub(super) dice: Dice,
    pub(super) truths: [Truth; N_KEYS],
    pub(super) writers: Vec<Writer>,
    pub(super) readers: Vec<Reader>,
    on_the_wire: Vec<Call>,
    pub(super) log: Vec<String>,
    n_readers: u32,
    n_bits: u32,
    tally: Tally,
}

impl<'a> World<'a> {
    pub(super) fn new(subject: &'a Subject, seed: u64) -> Self {
        let mut truths = [(); N_KEYS].map(|()| Truth::default());
        truths[N_KEYS - 1].is_collection = true;
        Self {
            subject,
            seed,
            dice: Dice::new(seed),
            truths,
            writers: Vec::new(),
            readers: Vec::new(),
            on_the_wire: Vec::new(),
            log: Vec::new(),
            n_readers: 0,
            n_bits: 0,
            tally: Tally::default(),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.writers.is_empty() && self.readers.is_empty() && self.on_the_wire.is_empty()
    }

    pub(super) fn store(&self) -> &'a dyn Store {
        self.subject.store()
    }

    /// The time of the store's clock; it stands still if nobody can move it.
    pub(super) fn now(&self) -> Duration {
        self.subject.clock().map_or(Duration::ZERO, Clock::now)
    }

    /// The number of a reader that comes now.
    pub(super) fn reader_number(&mut self) -> u32 {
        self.n_readers += 1;
        self.n_readers - 1
    }

    /// A bit that no write has had, until all of them have been given out.
    pub(super) fn bit(&mut self) -> Option<u64> {
        let bit = 1_u64.checked_shl(self.n_bits)?;
        self.n_bits += 1;
        Some(bit)
    }

    /// A key as one of two processes sees it, of which one still caches in the old form.
    pub(super) fn key(&mut self, n: usize) -> CellKey {
        let layout = LAYOUTS[usize::from(self.dice.one_in(8))];
        key(n, layout)
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.log.push(what.into());
    }

    /// Sends a call: `None` is a time-out, after which it may still arrive.
    pub(super) fn send(&mut self, call: Call) -> Option<Answer> {
        if self.dice.one_in(12) {
            self.note(format!("{call} (delayed)"));
            self.on_the_wire.extend(call.split());
            return None;
        }
        Some(self.arrive(&call))
    }

    fn arrive(&mut self, call: &Call) -> Answer {
        let answer = call.run(self.store());
        self.note(format!("{call} -> {answer:?}"));
        match (&call.what, answer) {
            (What::Fill { .. }, Answer::Filled(true)) => self.tally.n_fills += 1,
            (What::Finish { endings, .. }, _) => {
                for (key, ending) in endings {
                    let stored = matches!((self.read(key), ending), (Cell::Value(found), Ending::Value { value, .. }) if found == *value);
                    self.tally.n_stored += u64::from(stored);
                }
            }
            (What::Settle { nonce: None, key }, _) => self.truths[index(key)].n_unsettled -= 1,
            _ => {}
        }
        answer
    }

    /// One of the calls that nobody waits for arrives.
    pub(super) fn deliver_one(&mut self) {
        if self.on_the_wire.is_empty() {
            return;
        }
        let at = self.dice.index(self.on_the_wire.len());
        let late = self.on_the_wire.swap_remove(at);
        self.tally.n_late += 1;
        self.note("late:");
        self.arrive(&late);
    }

    /// The store throws something out, as it may do at any time with anything but markers.
    pub(super) fn evict_one(&mut self) {
        let n = self.dice.index(N_KEYS);
        let key = self.key(n);
        // From outside, an eviction is what the word of an outside write does to a value or a lease.
        if matches!(self.read(&key), Cell::Value(_) | Cell::Leased(_)) {
            self.note(format!("evict {}", name(&key)));
            self.store().settle(None, &[&key]).expect("a cell is settled");
        }
    }

    /// The store's time passes, and the database ends the transactions that have lasted too long.
    pub(super) fn let_time_pass(&mut self) {
        let Some(clock) = self.subject.clock() else {
            return;
        };
        let by = Duration::from_millis(self.dice.below(3_000));
        self.note(format!("{by:?} pass"));
        super::writer::end_those_that_last_beyond(self, clock.now() + by);
        clock.advance(by);
    }

    pub(super) fn read(&self, key: &CellKey) -> Cell {
        self.store().read(std::slice::from_ref(key)).expect("a read is answered").remove(0)
    }

    /// Reads every cell as every process sees it, and compares.
    pub(super) fn check(&mut self) {
        let keys: Vec<CellKey> = (0..N_KEYS).flat_map(|n| LAYOUTS.map(|layout| key(n, layout))).collect();
        let cells = self.store().read(&keys).expect("reads are answered");
        for (key, cell) in keys.iter().zip(cells) {
            let truth = &self.truths[index(key)];
            match cell {
                Cell::Value(value) => {
                    self.tally.n_hits += 1;
                    let (value, committed) = (decode(&value), truth.committed);
                    if value & !committed != 0 {
                        self.fail(&format!("{key} serves {value:#x}, committed is {committed:#x}: never committed"));
                    }
                    if value != committed && truth.n_unsettled == 0 {
                        self.fail(&format!("{key} serves {value:#x}, committed is {committed:#x}: stale"));
                    }
                }
                Cell::InDoubt => self.tally.n_in_doubt += 1,
                Cell::Vacant(_) | Cell::Leased(_) => {}
            }
        }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("seed {}: {what}\n{}", self.seed, self.log.join("\n"));
    }
}

fn key(n: usize, layout: Layout) -> CellKey {
    CellKey::new([b'0' + u8::try_from(n).expect("there are few keys")], layout)
}

pub(super) fn index(key: &CellKey) -> usize {
    usize::from(key.as_bytes()[0] - b'0')
}
