//! The cell, and what the store does to it: the scripts of `larder-redis`, each in one step.

use crate::{
    rules::{Protocol, Rule},
    setup::Setup,
};

/// A value of the watched cell, as the database module makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Value(pub(crate) u8);

/// What was never committed by anybody.
pub(crate) const GARBAGE: Value = Value(u8::MAX);

/// Who stored a value: no two of these are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stamp {
    /// It was there from the beginning.
    First,
    Nonce(u8),
    Token(u8),
}

/// What lies under the key. A life is the fence: which life of the server wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cell {
    Nothing,
    Value {
        value: Value,
        stamp: Stamp,
        life: u8,
    },
    Lease {
        token: u8,
        life: u8,
    },
    /// `records` is a set of nonces.
    Marker {
        records: u8,
        is_dirty: bool,
        life: u8,
    },
}

/// What can be asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Request {
    Begin(u8),
    /// The end of a committed write: with a value to be stored, or to empty the cell.
    Finish(u8, Option<Value>),
    RollBack(u8),
    /// With the nonce of a write that was marked, or for one that was not.
    Settle(Option<u8>),
    Lease(u8),
    Fill(u8, Value),
    /// A value where there is nothing, with the token for its stamp: one that says nothing but that. It is of the life that whoever asks for
    /// it is connected to.
    Stub(u8, Value, u8),
    /// In place of the value with this stamp another one, with the token for its stamp.
    Refill(Stamp, u8, Value),
    /// More time to live for the value with this stamp. Told besides, and for the search only: what the database had when whoever asks
    /// for it found the value.
    Extend(Stamp, Value),
    /// A DEL of the protocols that larder is compared with; and their SETs.
    Delete,
    Overwrite(Value),
    OverwriteOlder(Value),
    /// A scan that deletes what it finds and leaves markers alone.
    Sweep,
}

impl Request {
    /// What happens when it comes late.
    pub(crate) fn arrives(self) -> &'static str {
        match self {
            Self::Begin(_) => "delivers a late begin",
            Self::Finish(..) => "delivers a late finish",
            Self::RollBack(_) => "delivers a late end of a write that was rolled back",
            Self::Settle(_) => "delivers a late settlement",
            Self::Lease(_) => "delivers a late request for a lease",
            Self::Fill(..) => "delivers a late fill",
            Self::Stub(..) => "delivers a late stub",
            Self::Refill(..) => "delivers a late refill",
            Self::Extend(..) => "delivers a late extension",
            Self::Delete => "delivers a late DEL",
            Self::Overwrite(_) | Self::OverwriteOlder(_) => "delivers a late SET",
            Self::Sweep => "delivers a late DEL of a scan",
        }
    }
}

impl Cell {
    /// What the cell is to somebody whose connection leads to this life of the server.
    pub(crate) fn seen_in(self, life: u8, setup: &Setup) -> Self {
        match self {
            Self::Value { life: old, .. } | Self::Lease { life: old, .. } if setup.has(Rule::Fence) && old != life => {
                Self::Nothing
            }
            cell => cell,
        }
    }

    /// What a request leaves behind.
    pub(crate) fn after(self, request: Request, life: u8, setup: &Setup) -> Self {
        let life = if setup.has(Rule::Fence) { life } else { 0 };
        let cell = self.seen_in(life, setup);
        match request {
            Request::Begin(nonce) => cell.begun(nonce, life, setup),
            Request::Finish(nonce, value) => cell.finished(nonce, value, life, setup),
            Request::RollBack(nonce) => match cell {
                Self::Marker { records, life, .. } if has(records, nonce) => left(without(records, nonce), life),
                // Also what only seems to be nothing stays as it is.
                _ => self,
            },
            Request::Settle(nonce) => cell.settled(nonce, setup),
            Request::Lease(token) => match cell {
                Self::Nothing => Self::Lease { token, life },
                _ => self,
            },
            Request::Fill(token, value) => match cell {
                Self::Lease { token: theirs, .. } if theirs == token => {
                    Self::Value { value, stamp: Stamp::Token(token), life }
                }
                _ => self,
            },
            Request::Stub(token, value, asked_in) => {
                let life = if setup.has(Rule::StubOfAskedLife) && setup.has(Rule::Fence) { asked_in } else { life };
                match self.seen_in(life, setup) {
                    Self::Nothing => Self::Value { value, stamp: Stamp::Token(token), life },
                    _ => self,
                }
            }
            Request::Refill(stamp, token, value) => match cell {
                Self::Value { stamp: theirs, .. } if theirs == stamp || !setup.has(Rule::RefillComparesStamp) => {
                    Self::Value { value, stamp: Stamp::Token(token), life }
                }
                _ => self,
            },
            // Time to live is no part of a cell here: any value may expire at any time.
            Request::Extend(..) => self,
            Request::Delete => Self::Nothing,
            Request::Overwrite(value) => Self::Value { value, stamp: Stamp::First, life },
            Request::OverwriteOlder(value) => match cell {
                Self::Value { value: old, .. } if old.0.count_ones() >= value.0.count_ones() => self,
                _ => Self::Value { value, stamp: Stamp::First, life },
            },
            Request::Sweep => match cell {
                Self::Marker { .. } => self,
                _ => Self::Nothing,
            },
        }
    }

    fn begun(self, nonce: u8, life: u8, setup: &Setup) -> Self {
        match self {
            Self::Marker { records, .. } if setup.has(Rule::MarkersJoin) => {
                Self::Marker { records: records | 1 << nonce, is_dirty: true, life }
            }
            _ => Self::Marker { records: 1 << nonce, is_dirty: false, life },
        }
    }

    fn finished(self, nonce: u8, value: Option<Value>, now: u8, setup: &Setup) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Marker { records, is_dirty, life } if has(records, nonce) => {
                let others = without(records, nonce);
                if others != 0 {
                    return left(others, life);
                }
                let is_of_now = life == now || !setup.has(Rule::StoreInOwnLife);
                let is_alone = !is_dirty || !setup.has(Rule::DirtyIsEmptied);
                match value {
                    Some(value) if is_of_now && is_alone => {
                        Self::Value { value, stamp: Stamp::Nonce(nonce), life: now }
                    }
                    _ => Self::Nothing,
                }
            }
            Self::Marker { records, life, .. } if setup.has(Rule::MarkersJoin) => left(records, life),
            Self::Marker { .. } => self,
            Self::Value { .. } | Self::Lease { .. } if setup.has(Rule::LostIsEmptied) => Self::Nothing,
            Self::Value { .. } | Self::Lease { .. } => self,
        }
    }

    fn settled(self, nonce: Option<u8>, setup: &Setup) -> Self {
        match self {
            Self::Marker { records, is_dirty, life } => {
                let is_own = nonce.is_some_and(|nonce| has(records, nonce));
                let is_dirty = is_dirty || (!is_own && setup.has(Rule::SettlePoisons));
                Self::Marker { records, is_dirty, life }
            }
            Self::Value { stamp: Stamp::Nonce(theirs), .. } if nonce == Some(theirs) => self,
            _ => Self::Nothing,
        }
    }

    /// The marker after one of its records has expired.
    pub(crate) fn expired(self, nonce: u8) -> Self {
        match self {
            Self::Marker { records, life, .. } => left(without(records, nonce), life),
            cell => cell,
        }
    }
}

/// What the writer of a protocol asks for before COMMIT.
pub(crate) fn before_commit(setup: &Setup, nonce: u8) -> Option<Request> {
    match setup.protocol {
        Protocol::DeleteAfter | Protocol::StoreAfter | Protocol::Version | Protocol::LeaseDeleteAfter => None,
        Protocol::DoubleDelete | Protocol::LeaseDeleteBoth => Some(Request::Delete),
        Protocol::Markers => Some(Request::Begin(nonce)),
    }
}

/// What it asks for after COMMIT; `value` is what may be stored.
pub(crate) fn after_commit(setup: &Setup, nonce: u8, value: Option<Value>) -> Request {
    match (setup.protocol, value) {
        (Protocol::Markers, value) => Request::Finish(nonce, value),
        (Protocol::StoreAfter, Some(value)) => Request::Overwrite(value),
        (Protocol::Version, Some(value)) => Request::OverwriteOlder(value),
        _ => Request::Delete,
    }
}

/// What a reader asks for who has loaded a value.
pub(crate) fn after_load(setup: &Setup, token: u8, value: Value) -> Request {
    match setup.protocol {
        Protocol::Version => Request::OverwriteOlder(value),
        protocol if protocol.has_leases() => Request::Fill(token, value),
        _ => Request::Overwrite(value),
    }
}

fn has(records: u8, nonce: u8) -> bool {
    records >> nonce & 1 == 1
}

fn without(records: u8, nonce: u8) -> u8 {
    records & !(1 << nonce)
}

/// A marker without one of its records: the others have met somebody, if there are any.
fn left(records: u8, life: u8) -> Cell {
    if records == 0 { Cell::Nothing } else { Cell::Marker { records, is_dirty: true, life } }
}
