//! Settings of a server that do not go well with a cache that is to be coherent.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use larder::store::Fence;

use crate::server::Server;

/// A setting of the server with which the store breaks a promise, or refuses to work.
///
/// What is not here does not matter: persistence, since what a server had before its last start is never served; and replicas, since a
/// server that was promoted is not trusted before all markers that it may lack have expired.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// `maxmemory-policy` takes markers of writes in doubt away when the memory is full, before or as readily as anything else: a reader
    /// can then store what the write is just about to replace.
    ///
    /// `volatile-ttl` begins with what expires soonest, which is the markers; the random policies take whatever they meet. Choose
    /// `allkeys-lru` or `allkeys-lfu`, or `volatile-lru` or `volatile-lfu` on a server that keeps more than caches.
    EvictsMarkers {
        /// The policy.
        policy: String,
    },
    /// `noeviction` with a limit: when the memory is full, the server refuses every write of cells, and with that every write that larder
    /// is to keep coherent. What expires makes room again.
    ///
    /// Choose a policy that evicts.
    RefusesWhenFull {
        /// The limit.
        maxmemory_bytes: u64,
    },
}

impl Warning {
    /// Reads the section `memory` of `INFO`. Nothing is said of a server that tells nothing.
    pub(crate) fn of(maxmemory: Option<&str>, policy: Option<&str>) -> Vec<Self> {
        let maxmemory_bytes = maxmemory.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        let Some(policy) = policy.filter(|_| maxmemory_bytes > 0) else {
            return Vec::new();
        };
        if policy == "noeviction" {
            vec![Self::RefusesWhenFull { maxmemory_bytes }]
        } else if policy == "volatile-ttl" || policy.ends_with("-random") {
            vec![Self::EvictsMarkers { policy: policy.to_owned() }]
        } else {
            Vec::new()
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EvictsMarkers { policy } => {
                write!(
                    f,
                    "maxmemory-policy is {policy}, which evicts markers of writes in doubt: old values may be served"
                )
            }
            Self::RefusesWhenFull { maxmemory_bytes } => {
                write!(
                    f,
                    "maxmemory-policy is noeviction: writes will be refused when {maxmemory_bytes} bytes are full"
                )
            }
        }
    }
}

/// What was found wrong with the servers that were met.
#[derive(Default)]
pub(crate) struct Warnings(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_life: HashMap<Fence, Vec<Warning>>,
    latest: Option<Fence>,
}

impl Warnings {
    /// Takes note of a server, and tells what has not been told of this life of it.
    pub(crate) fn note(&self, server: &Server) {
        let (fence, warnings) = (server.reign().fence(), server.warnings().to_vec());
        let mut known = self.known();
        known.latest = Some(fence);
        let before = known.by_life.insert(fence, warnings.clone()).unwrap_or_default();
        drop(known);
        for warning in warnings.iter().filter(|warning| !before.contains(warning)) {
            tracing::warn!(run_id = server.run_id(), %warning, "a setting of redis does not suit a coherent cache");
        }
    }

    /// Those of the server that was met last.
    pub(crate) fn latest(&self) -> Option<Vec<Warning>> {
        let known = self.known();
        known.by_life.get(&known.latest?).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_matters_only_where_there_is_a_limit() {
        for policy in ["noeviction", "volatile-ttl", "allkeys-random", "volatile-random", "allkeys-lru"] {
            for maxmemory in [Some("0"), None, Some("much")] {
                assert_eq!(Warning::of(maxmemory, Some(policy)), []);
            }
        }
        assert_eq!(Warning::of(Some("1000"), None), []);
    }

    #[test]
    fn policies_that_take_markers_are_told_from_those_that_do_not() {
        for policy in ["volatile-ttl", "allkeys-random", "volatile-random"] {
            let expected = Warning::EvictsMarkers { policy: policy.to_owned() };
            assert_eq!(Warning::of(Some("1000"), Some(policy)), [expected]);
        }
        for policy in ["allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-lfu"] {
            assert_eq!(Warning::of(Some("1000"), Some(policy)), []);
        }
        assert_eq!(Warning::of(Some("1000"), Some("noeviction")), [Warning::RefusesWhenFull { maxmemory_bytes: 1000 }]);
    }
}
