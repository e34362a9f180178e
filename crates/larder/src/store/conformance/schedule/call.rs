use std::{fmt, time::Duration};

use crate::store::{Bytes, CellKey, Ending, Fill, Lease, Nonce, Recall, Store, Vacancy};

/// A call to the store as it travels: it may arrive long after its sender has stopped waiting.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) who: String,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Lease { key: CellKey, vacancy: Vacancy, ttl: Duration },
    Fill { key: CellKey, lease: Lease, value: u64, ttl: Duration },
    Begin { nonce: Nonce, keys: Vec<CellKey>, hold: Duration },
    Finish { nonce: Nonce, endings: Vec<(CellKey, Ending)> },
    Settle { nonce: Option<Nonce>, key: CellKey },
}

/// What a caller learns that waited long enough.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Done,
    Leased(Option<Lease>),
    Filled(bool),
}

impl Call {
    pub(super) fn run(&self, store: &dyn Store) -> Answer {
        match &self.what {
            What::Lease { key, vacancy, ttl } => {
                let leases = store.lease(&[(key, *vacancy)], *ttl).expect("a lease is answered");
                Answer::Leased(leases[0])
            }
            What::Fill { key, lease, value, ttl } => {
                let fill = Fill { key, lease: *lease, value: encode(*value), ttl: *ttl };
                Answer::Filled(store.fill(&[fill]).expect("a fill is answered")[0])
            }
            What::Begin { nonce, keys, hold } => {
                store
                    .begin(*nonce, &keys.iter().collect::<Vec<_>>(), *hold, Recall::Announced)
                    .expect("markers are taken");
                Answer::Done
            }
            What::Finish { nonce, endings } => {
                let endings: Vec<_> = endings.iter().map(|(key, ending)| (key, ending.clone())).collect();
                store.finish(*nonce, &endings).expect("a write is finished");
                Answer::Done
            }
            What::Settle { nonce, key } => {
                store.settle(*nonce, &[key]).expect("a cell is settled");
                Answer::Done
            }
        }
    }

    /// The call in the parts that may arrive apart when it is not answered.
    pub(super) fn split(self) -> Vec<Self> {
        let who = self.who;
        let call = |what| Self { who: who.clone(), what };
        match self.what {
            What::Begin { nonce, keys, hold } => {
                keys.into_iter().map(|key| call(What::Begin { nonce, keys: vec![key], hold })).collect()
            }
            What::Finish { nonce, endings } => {
                endings.into_iter().map(|ending| call(What::Finish { nonce, endings: vec![ending] })).collect()
            }
            what => vec![call(what)],
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = &self.who;
        match &self.what {
            What::Lease { key, vacancy, .. } => write!(f, "{who}: lease {} {vacancy:?}", name(key)),
            What::Fill { key, value, .. } => write!(f, "{who}: fill {} with {value:#x}", name(key)),
            What::Begin { keys, .. } => {
                write!(f, "{who}: begin")?;
                keys.iter().try_for_each(|key| write!(f, " {}", name(key)))
            }
            What::Finish { endings, .. } => {
                write!(f, "{who}: finish")?;
                endings.iter().try_for_each(|(key, ending)| match ending {
                    Ending::Value { value, .. } => write!(f, " {}={:#x}", name(key), decode(value)),
                    other => write!(f, " {} {other:?}", name(key)),
                })
            }
            What::Settle { key, .. } => write!(f, "{who}: settle {}", name(key)),
        }
    }
}

/// A key with a word about its layout.
pub(super) fn name(key: &CellKey) -> String {
    format!("{key}/{}", char::from(key.layout().as_bytes()[0]))
}

pub(super) fn encode(value: u64) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

pub(super) fn decode(value: &Bytes) -> u64 {
    u64::from_be_bytes(value[..].try_into().expect("a value of eight bytes, as all are that were stored"))
}
