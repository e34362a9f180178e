use std::time::Duration;

use super::super::Nonce;

/// More writers than this at once are remembered as a crowd, so that a cell has a largest size.
const MAX_RECORDS: usize = 32;

/// The writes of one key that are in doubt.
#[derive(Debug)]
pub(super) struct Marker {
    records: Vec<Record>,
    /// Whether two writes have met here, so that neither knows what the database holds.
    dirty: bool,
    /// When the whole marker goes away.
    deadline: Duration,
}

#[derive(Debug)]
struct Record {
    /// `None` is a crowd: nobody can take it back, it expires.
    owner: Option<Nonce>,
    deadline: Duration,
}

/// What is left of a marker after one writer has taken its record back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remains {
    /// It was not there: the marker belongs to others.
    Others,
    /// Others are still writing.
    Shared,
    /// Nobody is, and somebody else was.
    Dirty,
    /// Nobody is, and nobody else ever was.
    Clean,
}

impl Marker {
    pub(super) fn new(nonce: Nonce, deadline: Duration) -> Self {
        Self { records: vec![Record { owner: Some(nonce), deadline }], dirty: false, deadline }
    }

    pub(super) fn is_live(&self, now: Duration) -> bool {
        self.deadline > now
    }

    pub(super) fn expires_in(&self, now: Duration) -> Duration {
        self.deadline.saturating_sub(now)
    }

    /// Adds a record beside those that still live.
    pub(super) fn join(&mut self, nonce: Nonce, deadline: Duration, now: Duration) {
        self.dirty = true;
        self.records.retain(|record| record.deadline > now);
        let latest = self.records.iter().map(|record| record.deadline).fold(deadline, Duration::max);
        if self.records.len() >= MAX_RECORDS {
            self.records.clear();
            self.records.push(Record { owner: None, deadline: latest });
        }
        self.records.push(Record { owner: Some(nonce), deadline });
        self.deadline = latest;
    }

    /// Takes the record of `nonce` out.
    pub(super) fn leave(&mut self, nonce: Nonce) -> Remains {
        let n_before = self.records.len();
        self.records.retain(|record| record.owner != Some(nonce));
        if self.records.len() == n_before {
            Remains::Others
        } else if !self.records.is_empty() {
            self.dirty = true;
            Remains::Shared
        } else if self.dirty {
            Remains::Dirty
        } else {
            Remains::Clean
        }
    }

    pub(super) fn has(&self, nonce: Nonce) -> bool {
        self.records.iter().any(|record| record.owner == Some(nonce))
    }

    /// Makes sure that no writer of this marker stores its value.
    pub(super) fn poison(&mut self) {
        self.dirty = true;
    }
}
