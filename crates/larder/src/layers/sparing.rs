//! When a store is not asked.

use super::Layers;
use crate::store::BreakerStats;

impl Layers {
    /// Whether a read must not ask the store. To be asked once a read.
    pub(crate) fn is_store_spared(&self) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| breaker.is_sparing())
    }

    /// Whether the store is not there, as far as is known from asking it just before.
    pub(crate) fn is_store_silent(&self) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| breaker.is_silent())
    }

    pub(crate) fn breaker(&self) -> Option<BreakerStats> {
        self.breaker.as_ref().map(|breaker| breaker.stats())
    }
}
