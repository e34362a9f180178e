//! Near caches with a rule taken out: controls, of which the oracle has to see that they are wrong.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use larder::store::{
    self, Announcement, Cell, CellKey, Fill, Listener, Listening, Nonce, Position, Recall, Store, StoreError,
    Subscription,
};

/// What a near cache does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It does what it should.
    None,
    /// It serves copies without asking whether there is a proof that it is still told of writes.
    Unproven,
    /// It goes on serving copies after the line was lost.
    Unflushed,
    /// It keeps what the store has answered although it was told of a write meanwhile.
    Unclaimed,
    /// Its writes of strict models are announced, and wait for nobody.
    Unrecalled,
    /// It does not drop its own process's writes, and waits to be told of them as of any other.
    WritesElsewhere,
}

impl Flaw {
    /// All of them, and how the word for a cache that has them ends.
    pub(crate) const ALL: [(Self, &str); 6] = [
        (Self::None, ""),
        (Self::Unproven, "-unproven"),
        (Self::Unflushed, "-unflushed"),
        (Self::Unclaimed, "-unclaimed"),
        (Self::Unrecalled, "-unrecalled"),
        (Self::WritesElsewhere, "-writes-elsewhere"),
    ];
}

/// A store that tells its listeners other things than it should.
pub(crate) struct Flawed<S> {
    store: S,
    flaw: Flaw,
    asked: Arc<Asked>,
}

impl<S> Flawed<S> {
    pub(crate) fn new(store: S, flaw: Flaw) -> Self {
        Self { store, flaw, asked: Arc::default() }
    }
}

/// The cells of which somebody awaits an answer.
#[derive(Default)]
struct Asked(Mutex<HashMap<Vec<u8>, usize>>);

impl Asked {
    fn cells(&self) -> MutexGuard<'_, HashMap<Vec<u8>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn during<'k, T>(&self, keys: impl Iterator<Item = &'k CellKey> + Clone, work: impl FnOnce() -> T) -> T {
        keys.clone().for_each(|key| *self.cells().entry(key.as_bytes().to_vec()).or_default() += 1);
        let done = work();
        for key in keys {
            let mut cells = self.cells();
            if let Some(n) = cells.get_mut(key.as_bytes()) {
                *n -= 1;
                if *n == 0 {
                    cells.remove(key.as_bytes());
                }
            }
        }
        done
    }
}

/// A listener that hears less, or more, than is said.
struct Misled {
    listener: Arc<dyn Listener>,
    flaw: Flaw,
    asked: Arc<Asked>,
    has_joined: AtomicBool,
}

impl Listener for Misled {
    fn now(&self) -> Duration {
        self.listener.now()
    }

    fn joined(&self, place: Option<Position>) {
        if !self.has_joined.swap(true, Ordering::SeqCst) || self.flaw != Flaw::Unflushed {
            self.listener.joined(place);
        }
    }

    fn dropped(&self, announcement: &Announcement<'_>) {
        if self.flaw != Flaw::Unclaimed {
            return self.listener.dropped(announcement);
        }
        let cells = self.asked.cells();
        let keys: Vec<&[u8]> = announcement.keys.iter().copied().filter(|key| !cells.contains_key(*key)).collect();
        drop(cells);
        self.listener.dropped(&Announcement { keys: &keys, place: announcement.place });
    }

    fn proven(&self, sent: Duration, strict_for: Option<Duration>) {
        // Of any time is a proof that never ends.
        let is_endless = matches!(self.flaw, Flaw::Unproven | Flaw::Unflushed);
        self.listener.proven(if is_endless { Duration::MAX } else { sent }, strict_for);
    }

    fn lost(&self) {
        if self.flaw != Flaw::Unflushed {
            self.listener.lost();
        }
    }
}

impl<S: Store> Store for Flawed<S> {
    store::forward!(self.store, except read, fill, begin, listen);

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        self.asked.during(keys.iter(), || {
            let answer = self.store.read(keys);
            if self.flaw == Flaw::Unclaimed {
                // So that more is written meanwhile.
                (0..8).for_each(|_| drop(self.store.read(keys)));
            }
            answer
        })
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        self.asked.during(fills.iter().map(|fill| fill.key), || self.store.fill(fills))
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        let recall = if self.flaw == Flaw::Unrecalled { Recall::Announced } else { recall };
        self.store.begin(nonce, keys, hold, recall)
    }

    fn listen(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        let (flaw, asked) = (self.flaw, Arc::clone(&self.asked));
        self.store.listen(Arc::new(Misled { listener, flaw, asked, has_joined: AtomicBool::new(false) }), wanted)
    }
}
