//! Calls of a store as values, so that they can come later than they were made.

use std::time::Duration;

use larder::store::{Bytes, CellKey, Ending, Fill, Lease, Nonce, Operation, Recall, Store, StoreError, Vacancy};

/// A call that changes something, without its caller.
#[derive(Debug, Clone)]
pub enum Call {
    /// [`Store::lease`]. Nobody gets to know of the lease.
    Lease {
        /// What they are to be taken on.
        keys: Vec<(CellKey, Vacancy)>,
        /// For how long.
        ttl: Duration,
    },
    /// [`Store::stamp`]. Nobody gets to know of the stamps.
    Stamp {
        /// What they are to be put into.
        keys: Vec<CellKey>,
        /// For how long.
        ttl: Duration,
    },
    /// [`Store::fill`]
    Fill(Vec<Filling>),
    /// [`Store::begin`]
    Begin {
        /// The attempt's.
        nonce: Nonce,
        /// The cells to mark.
        keys: Vec<CellKey>,
        /// For how long at most.
        hold: Duration,
    },
    /// [`Store::finish`]
    Finish {
        /// That of the begin.
        nonce: Nonce,
        /// How the write has ended for each cell.
        endings: Vec<(CellKey, Ending)>,
    },
    /// [`Store::settle`]
    Settle {
        /// That of the begin, if there was one.
        nonce: Option<Nonce>,
        /// The cells.
        keys: Vec<CellKey>,
    },
    /// A lease as a mutant sends it, which has told its caller already.
    Promised {
        /// The cells.
        keys: Vec<CellKey>,
        /// What the caller was told.
        lease: Lease,
    },
}

/// A [`Fill`] that owns its key.
#[derive(Debug, Clone)]
pub struct Filling {
    /// The key.
    pub key: CellKey,
    /// The permission.
    pub lease: Lease,
    /// The bytes to hold.
    pub value: Bytes,
    /// How long the value may live.
    pub ttl: Duration,
}

impl Filling {
    /// Takes the fills of a call.
    #[must_use]
    pub fn all(fills: &[Fill<'_>]) -> Vec<Self> {
        let own = |fill: &Fill<'_>| Self {
            key: fill.key.clone(),
            lease: fill.lease,
            value: fill.value.clone(),
            ttl: fill.ttl,
        };
        fills.iter().map(own).collect()
    }
}

impl Call {
    /// The operation.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Lease { .. } | Self::Promised { .. } => Operation::Lease,
            Self::Stamp { .. } => Operation::Stamp,
            Self::Fill(_) => Operation::Fill,
            Self::Begin { .. } => Operation::Begin,
            Self::Finish { .. } => Operation::Finish,
            Self::Settle { .. } => Operation::Settle,
        }
    }

    /// The cells that it is about.
    #[must_use]
    pub fn keys(&self) -> Vec<&CellKey> {
        match self {
            Self::Lease { keys, .. } => keys.iter().map(|(key, _)| key).collect(),
            Self::Fill(fills) => fills.iter().map(|fill| &fill.key).collect(),
            Self::Stamp { keys, .. }
            | Self::Begin { keys, .. }
            | Self::Settle { keys, .. }
            | Self::Promised { keys, .. } => keys.iter().collect(),
            Self::Finish { endings, .. } => endings.iter().map(|(key, _)| key).collect(),
        }
    }

    /// Makes the call. Nobody waits for its answer.
    ///
    /// # Errors
    /// Those of the store.
    pub fn make(&self, store: &dyn Store) -> Result<(), StoreError> {
        match self {
            Self::Lease { keys, ttl } => {
                let keys: Vec<_> = keys.iter().map(|(key, vacancy)| (key, *vacancy)).collect();
                store.lease(&keys, *ttl).map(drop)
            }
            Self::Stamp { keys, ttl } => store.stamp(&keys.iter().collect::<Vec<_>>(), *ttl).map(drop),
            Self::Fill(fills) => {
                let fills: Vec<_> = fills
                    .iter()
                    .map(|Filling { key, lease, value, ttl }| Fill {
                        key,
                        lease: *lease,
                        value: value.clone(),
                        ttl: *ttl,
                    })
                    .collect();
                store.fill(&fills).map(drop)
            }
            Self::Begin { nonce, keys, hold } => {
                store.begin(*nonce, &keys.iter().collect::<Vec<_>>(), *hold, Recall::Announced).map(drop)
            }
            Self::Finish { nonce, endings } => {
                let endings: Vec<_> = endings.iter().map(|(key, ending)| (key, ending.clone())).collect();
                store.finish(*nonce, &endings)
            }
            Self::Settle { nonce, keys } => store.settle(*nonce, &keys.iter().collect::<Vec<_>>()),
            Self::Promised { .. } => Ok(()),
        }
    }
}
