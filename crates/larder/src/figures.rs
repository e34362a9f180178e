//! What a handle counts of itself: relaxed atomics, a set of them for each model, found without a lock.
//!
//! A near hit counts one thing, in a line of memory that is its thread's own. All else happens beside a round trip or a statement.

mod counter;
mod histogram;
mod model;
mod models;
mod store;

use std::any::TypeId;

use smallvec::SmallVec;

#[cfg(feature = "metrics")]
pub(crate) use self::histogram::Level;
pub(crate) use self::{
    counter::Counter,
    histogram::Histogram,
    model::{Bypass, ModelFigures},
    store::Timed,
};
use self::{models::Models, store::Operations};
use crate::{
    entity::Entity,
    store::{CellKey, prefix_of},
    view_cells::CachedView,
};

/// Finds the figures of some model.
pub(crate) type OfModel = fn(&Figures) -> &ModelFigures;

/// All that is counted.
pub(crate) struct Figures {
    models: Models,
    pub(crate) operations: Operations,
    pub(crate) transactions: Transactions,
    pub(crate) memos: MemoFigures,
    pub(crate) queries: ModelFigures,
    pub(crate) asides: ModelFigures,
    /// Copies that made room for others.
    pub(crate) near_evictions: Counter,
    /// How often the near cache was emptied, since announcements might have been missed.
    pub(crate) near_flushes: Counter,
    /// From a question to the store until its answer, which comes behind all announcements that were made before: how long those take.
    pub(crate) line: Histogram,
    /// Cells of models that this handle has not read or written.
    pub(crate) received_of_others: Counter,
    pub(crate) relay_lag: Histogram,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            models: Models::default(),
            operations: Operations::default(),
            transactions: Transactions::default(),
            memos: MemoFigures::default(),
            queries: ModelFigures::new("queries"),
            asides: ModelFigures::new("asides"),
            near_evictions: Counter::default(),
            near_flushes: Counter::default(),
            line: Histogram::default(),
            received_of_others: Counter::default(),
            relay_lag: Histogram::default(),
        }
    }
}

/// What became of transactions.
#[derive(Default)]
pub(crate) struct Transactions {
    /// From BEGIN to the end, of those that were committed.
    pub(crate) committed: Histogram,
    pub(crate) failed: Counter,
}

#[derive(Default)]
pub(crate) struct MemoFigures {
    pub(crate) hits: Counter,
    pub(crate) computed: Counter,
    pub(crate) failed: Counter,
    pub(crate) stale: Counter,
}

impl Figures {
    /// Those of a model. Costs some loads from memory, and at the first time an allocation.
    #[inline]
    pub(crate) fn of<E: Entity>(&self) -> &ModelFigures {
        self.models.of::<E>()
    }

    /// Those of a view that is stored whole.
    pub(crate) fn of_view<V: CachedView>(&self) -> &ModelFigures {
        self.models.of_type(TypeId::of::<V>(), V::NAME)
    }

    /// Those of the models that have any, in no order.
    pub(crate) fn models(&self) -> impl Iterator<Item = &ModelFigures> {
        self.models.iter()
    }

    /// Cells whose copies a write of this handle makes others drop.
    pub(crate) fn sent(&self, keys: &[&CellKey]) {
        self.each_model(keys.iter().map(|key| key.as_bytes()), |model, n| {
            if let Some(model) = model {
                model.invalidations_sent.add(n);
            }
        });
    }

    /// Cells whose copies were dropped by an announcement.
    pub(crate) fn received<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        self.each_model(keys, |model, n| {
            model.map_or(&self.received_of_others, |model| &model.invalidations_received).add(n);
        });
    }

    /// Tells of each model how many of the keys are its own. The model is unknown if the handle has not come upon it yet.
    fn each_model<'k>(&self, keys: impl Iterator<Item = &'k [u8]>, tell: impl Fn(Option<&ModelFigures>, u64)) {
        // They come in any order, and are of few models.
        let mut models: SmallVec<[(&[u8], u64); 4]> = SmallVec::new();
        for key in keys {
            let prefix = prefix_of(key);
            match models.iter_mut().find(|(model, _)| *model == prefix) {
                Some((_, n)) => *n += 1,
                None => models.push((prefix, 1)),
            }
        }
        for (prefix, n) in models {
            let name = prefix.strip_suffix(b":").unwrap_or(prefix);
            tell(self.models.iter().find(|model| model.name().as_bytes() == name), n);
        }
    }
}
