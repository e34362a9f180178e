//! The way of a write through the store: marked before COMMIT, ended after it.

use std::time::Instant;

use super::{
    Layers,
    unsettled::{Note, Outcome},
};
use crate::{
    effect::Effects,
    event::Event,
    failpoints::{Point, reach},
    store::{CellKey, Ending, Nonce, Position, Recall, StoreError},
};

impl Layers {
    /// Marks what a transaction is about to commit.
    ///
    /// A nonce that failed is never ended; its markers expire. The next attempt takes a new one.
    pub(crate) fn begin(&self, keys: &[&CellKey], recall: Recall) -> Result<Begun, StoreError> {
        reach(Point::BeforeBegin);
        let (nonce, sent) = (Nonce::fresh(), Instant::now());
        let begun = self.store.begin(nonce, keys, self.times.hold, recall);
        reach(Point::AfterBegin);
        self.drop_near(keys);
        self.lookout.figures.sent(keys);
        match begun {
            Ok(place) => Ok(Begun { nonce, sent, place }),
            Err(error) => {
                self.failed("begin", &error);
                Err(error)
            }
        }
    }

    /// Takes down, in place of marking, that a transaction is about to commit: to be called before COMMIT is sent.
    pub(crate) fn note(&self, keys: &[&CellKey]) -> Noted {
        let noted = Noted { note: self.unsettled.note(keys), n_cells: keys.len(), since: Instant::now() };
        self.drop_near(keys);
        noted
    }

    /// A transaction that was noted has committed.
    pub(crate) fn committed_without_markers(&self, noted: Noted) {
        self.unsettled.end(noted.note, Outcome::Committed);
        self.tell(Event::WrittenWithoutMarkers { n_cells: noted.n_cells });
    }

    /// A transaction that was noted was certainly rolled back.
    pub(crate) fn rolled_back_without_markers(&self, noted: Noted) {
        self.unsettled.end(noted.note, Outcome::RolledBack);
    }

    /// A transaction that was noted may or may not have been committed.
    pub(crate) fn unknown_without_markers(&self, noted: Noted) {
        self.unsettled.end(noted.note, Outcome::Unknown { until: noted.since + self.times.hold });
        self.tell(Event::CommitUnknown { n_cells: noted.n_cells });
    }

    /// Whether so much time has passed that COMMIT must not be sent any more.
    pub(crate) fn is_late(&self, begun: &Begun) -> bool {
        begun.sent.elapsed() > self.times.commit_within
    }

    /// Whether its markers may have expired, by a clock of the store's that runs a little faster too.
    pub(crate) fn is_over(&self, begun: &Begun) -> bool {
        begun.sent.elapsed() >= self.times.hold - self.times.hold / 20
    }

    /// Ends a committed transaction. If the store can't be told now, it is told in the background for as long as it matters.
    pub(crate) fn committed(&self, begun: &Begun, effects: Effects) {
        let ttl = |own, absent| self.ttl(own, absent);
        let result = self.finish(begun, &effects.endings(ttl));
        if let Err(error) = result {
            self.failed("finish", &error);
            self.tell(Event::FinishDelayed { n_cells: effects.len() });
            self.repair.finish(begun.nonce, effects.into_endings(ttl), begun.sent + self.times.hold);
        }
    }

    /// Ends a transaction that was certainly rolled back.
    pub(crate) fn rolled_back(&self, begun: &Begun, keys: &[&CellKey]) {
        let endings: Vec<_> = keys.iter().map(|key| (*key, Ending::RolledBack)).collect();
        if let Err(error) = self.finish(begun, &endings) {
            self.failed("finish", &error);
        }
    }

    fn finish(&self, begun: &Begun, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        reach(Point::BeforeFinish);
        let finished = self.store.finish(begun.nonce, endings);
        reach(Point::AfterFinish);
        // Once more: whoever asked the store between the markers and now may have kept something in between.
        self.drop_near(&endings.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        finished
    }

    /// Drops what this handle keeps of these cells, and what depends on them.
    pub(crate) fn drop_near(&self, keys: &[&CellKey]) {
        self.slots.kill_cells(keys.iter().map(|key| key.as_bytes()));
    }

    /// Leaves the markers of a transaction that may or may not have been committed, and settles its cells when they are gone.
    pub(crate) fn unknown(&self, begun: &Begun, effects: &Effects) {
        self.tell(Event::CommitUnknown { n_cells: effects.len() });
        let keys = effects.keys().into_iter().cloned().collect();
        self.repair.settle(keys, begun.sent + self.times.hold);
    }
}

/// A transaction whose cells are marked.
#[derive(Debug)]
pub(crate) struct Begun {
    nonce: Nonce,
    sent: Instant,
    place: Option<Position>,
}

impl Begun {
    pub(crate) fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// Where the write stands among the announcements, if the store numbers them.
    pub(crate) fn place(&self) -> Option<Position> {
        self.place
    }
}

/// A transaction whose cells are noted, since they could not be marked.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(super) note: Note,
    pub(super) n_cells: usize,
    pub(super) since: Instant,
}
