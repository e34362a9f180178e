//! Values that are good for as long as the cells that they depend on have the stamps that they had.

use std::{slice, time::Duration};

use bytes::Bytes;

use super::{Crew, Found, Layers, flights::Known};
use crate::{
    error::Result,
    failpoints::{Point, reach},
    figures::Bypass,
    inline::may_wait,
    store::{Cell, CellKey, Ending, Fill, Lease, Nonce, Recall, StoreError, Vacancy},
};

/// How long a stamp is kept that was put where there was no value: longer than nearly all that depends on it.
const STAMP_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// What the store knows of such a value.
#[derive(Debug)]
pub(crate) enum Dependent {
    /// It is good.
    Good(Bytes),
    /// It is to be computed: in place of what is there, and after the stamps that are lacking have been put.
    Lacking(Vacancy, Vec<Option<Nonce>>),
    /// This process computes it under that lease.
    UnderWay(Nonce),
    /// Another process does.
    Elsewhere,
    /// It is to be computed, and left alone.
    PassedBy(Bypass),
}

impl Layers {
    /// Looks a value up, and what it depends on. One round trip.
    pub(crate) fn dependent(&self, key: &CellKey, depends_on: &[CellKey]) -> Dependent {
        if self.unsettled.hidden(depends_on).is_some() {
            return Dependent::PassedBy(Bypass::Unsettled);
        }
        // Its own stamp comes with theirs, to make room by it.
        let stamped: Vec<CellKey> = [key].into_iter().chain(depends_on).cloned().collect();
        reach(Point::BeforeRead);
        let read = self.store.read_stamped(std::slice::from_ref(key), &stamped);
        reach(Point::AfterRead);
        let (mut cells, mut stamps) = match read {
            Ok((cells, stamps)) if cells.len() == 1 && stamps.len() == stamped.len() => (cells, stamps),
            Ok(_) => {
                self.failed("read", &StoreError::refused("the store gave another number of stamps than was asked for"));
                return Dependent::PassedBy(Bypass::Failed);
            }
            Err(error) => {
                self.failed("read", &error);
                return Dependent::PassedBy(Bypass::Failed);
            }
        };
        let own = stamps.remove(0);
        match cells.remove(0) {
            Cell::Value(value) => match value_under(&value, &stamps) {
                Some(value) => Dependent::Good(value),
                // Where it has gone in the meantime, there is nothing to make room.
                None => Dependent::Lacking(own.map_or(Vacancy::Nothing, Vacancy::Outdated), stamps),
            },
            Cell::Vacant(vacancy) => Dependent::Lacking(vacancy, stamps),
            Cell::Leased(token) => match self.flights.known(key, token) {
                Known::Nothing => Dependent::Elsewhere,
                Known::UnderWay | Known::Loaded(_) => Dependent::UnderWay(token),
            },
            Cell::InDoubt => Dependent::PassedBy(Bypass::InDoubt),
        }
    }

    /// Looks up values that are good under the stamp which the version has now, and that stamp. One round trip, and another where values have
    /// outlived their version.
    ///
    /// What is hit comes without the stamp. What was loaded, and is in no cell yet, comes with the one that it was loaded under.
    pub(crate) fn read_versioned(&self, keys: &[CellKey], version: &CellKey) -> (Vec<Found>, Option<Nonce>) {
        let all = |why| (keys.iter().map(|_| Found::Bypass(why)).collect(), None);
        if self.unsettled.hidden(slice::from_ref(version)).is_some() {
            return all(Bypass::Unsettled);
        }
        let hidden = self.unsettled.hidden(keys);
        reach(Point::BeforeRead);
        let read = self.store.read_stamped(keys, slice::from_ref(version));
        reach(Point::AfterRead);
        let (cells, current) = match read {
            Ok((cells, stamps)) if cells.len() == keys.len() && stamps.len() == 1 => (cells, stamps[0]),
            Ok(_) => {
                self.failed("read", &StoreError::refused("the store gave another number of stamps than was asked for"));
                return all(Bypass::Failed);
            }
            Err(error) => {
                self.failed("read", &error);
                return all(Bypass::Failed);
            }
        };
        let mut outdated = Vec::new();
        let found = keys.iter().zip(cells).enumerate().map(|(at, (key, cell))| match cell {
            _ if hidden.as_ref().is_some_and(|hidden| hidden[at]) => Found::Bypass(Bypass::Unsettled),
            Cell::Value(value) => value_under(&value, &[current]).map_or_else(
                || {
                    outdated.push(at);
                    Found::Miss(Vacancy::Nothing)
                },
                Found::Hit,
            ),
            cell => self.found(key, cell),
        });
        let mut found: Vec<Found> = found.collect();
        if !outdated.is_empty() {
            // Their own stamps, to make room by them. Where one has gone in the meantime, there is nothing to make room.
            let keys: Vec<CellKey> = outdated.iter().map(|at| keys[*at].clone()).collect();
            let stamps = self.found_stamps(&keys).unwrap_or_else(|| vec![None; keys.len()]);
            for (at, stamp) in outdated.into_iter().zip(stamps) {
                found[at] = Found::Miss(stamp.map_or(Vacancy::Nothing, Vacancy::Outdated));
            }
        }
        (found, current)
    }

    /// The stamps that cells have now: `None` if the store can't tell. One round trip.
    pub(crate) fn found_stamps(&self, of: &[CellKey]) -> Option<Vec<Option<Nonce>>> {
        if self.unsettled.hidden(of).is_some() {
            return None;
        }
        match self.store.read_stamped(&[], of) {
            Ok((_, stamps)) if stamps.len() == of.len() => Some(stamps),
            Ok(_) => None,
            Err(error) => {
                self.failed("read", &error);
                None
            }
        }
    }

    /// The stamps of all cells that a value will depend on, put where there were none: `None` if some are not to be had now. To be in
    /// hand before the query is sent whose result it is. One round trip, unless all are there.
    pub(crate) fn stamps(&self, depends_on: &[CellKey], found: Vec<Option<Nonce>>) -> Option<Vec<Nonce>> {
        let mut stamps = found;
        let lacking: Vec<usize> = (0..stamps.len()).filter(|at| stamps[*at].is_none()).collect();
        if !lacking.is_empty() {
            let keys: Vec<&CellKey> = lacking.iter().map(|at| &depends_on[*at]).collect();
            match self.store.stamp(&keys, STAMP_TTL) {
                Ok(put) => lacking.iter().zip(put).for_each(|(at, stamp)| stamps[*at] = stamp),
                Err(error) => self.failed("stamp", &error),
            }
        }
        stamps.into_iter().collect()
    }

    /// Takes the lease on such a value, for the sake of those who would compute it too: its truth hangs on the stamps.
    pub(crate) fn lease_dependent(
        &self,
        key: &CellKey,
        vacancy: Vacancy,
        ttl: Duration,
    ) -> Result<Option<(Lease, Crew<'_>)>, ()> {
        let asking = self.flights.ask([key]);
        let leases = self.store.lease(&[(key, vacancy)], ttl).map_err(|error| self.failed("lease", &error))?;
        let lease = leases.into_iter().next().flatten();
        let crew = asking.answered([lease.map(|lease| lease.token)]);
        Ok(lease.map(|lease| (lease, crew)))
    }

    /// Stores a value with the stamps that it depends on: whether it was stored.
    pub(crate) fn fill_dependent(
        &self,
        key: &CellKey,
        lease: Lease,
        stamps: &[Nonce],
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, ()> {
        let mut bytes = Vec::with_capacity(stamps.len() * 16 + value.len());
        stamps.iter().for_each(|stamp| bytes.extend_from_slice(stamp.as_bytes()));
        bytes.extend_from_slice(value);
        let ttl = self.ttl(ttl, false);
        self.put(Fill { key, lease, value: bytes.into(), ttl })
    }

    /// Gives a lease back, so that nobody waits for what won't come.
    pub(crate) fn give_back(&self, key: &CellKey, lease: Lease) {
        // A value of no bytes is good for nobody, and gives way. The caller may be unwinding: no place to stop at.
        let nothing = Fill { key, lease, value: Bytes::new(), ttl: Duration::from_millis(1) };
        let _ = self.store.fill(&[nothing]).map_err(|error| self.failed("fill", &error));
    }

    /// Marks a value, has it written where it has its home, and stores what was written.
    pub(crate) fn write_aside<T>(
        &self,
        key: &CellKey,
        ttl: Option<Duration>,
        write: impl FnOnce() -> Result<(T, Option<Vec<u8>>)>,
    ) -> Result<T> {
        may_wait()?;
        let nonce = Nonce::fresh();
        let begun = self.store.begin(nonce, &[key], self.times.hold, Recall::Announced);
        begun.inspect_err(|error| self.failed("begin", error))?;
        // What fails or panics may have been written, or may yet be: the marker goes on until it expires.
        let (value, bytes) = write()?;
        let ending = match bytes {
            Some(bytes) => Ending::Value { value: bytes.into(), ttl: self.ttl(ttl, false) },
            None => Ending::Emptied,
        };
        if let Err(error) = self.store.finish(nonce, &[(key, ending)]) {
            self.failed("finish", &error);
        }
        Ok(value)
    }

    fn put(&self, fill: Fill<'_>) -> Result<bool, ()> {
        let key = fill.key;
        reach(Point::BeforeFill);
        let filled = self.store.fill(&[fill]);
        reach(Point::AfterFill);
        match filled {
            Ok(filled) => Ok(filled.first() == Some(&true)),
            Err(error) => {
                self.failed("fill", &error);
                // The lease would keep others waiting. To empty the place is right whatever has become of the value.
                if !error.is_not_asked() {
                    let _ = self.store.settle(None, &[key]);
                }
                Err(())
            }
        }
    }
}

/// The value behind the stamps that it depends on, if they are these.
fn value_under(bytes: &Bytes, stamps: &[Option<Nonce>]) -> Option<Bytes> {
    // What was given back.
    if bytes.is_empty() {
        return None;
    }
    let (recorded, _) = bytes.split_at_checked(stamps.len() * 16)?;
    let is_same = |(recorded, stamp): (&[u8], &Option<Nonce>)| {
        stamp.as_ref().is_some_and(|stamp| stamp.as_bytes()[..] == *recorded)
    };
    recorded.chunks_exact(16).zip(stamps).all(is_same).then(|| bytes.slice(recorded.len()..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_good_under_the_very_stamps_that_it_was_put_under() {
        let [one, two] = [Nonce::fresh(), Nonce::fresh()];
        let bytes = Bytes::from([&one.as_bytes()[..], two.as_bytes(), b"value"].concat());
        assert_eq!(value_under(&bytes, &[Some(one), Some(two)]), Some(Bytes::from_static(b"value")));
        for stamps in [[Some(two), Some(one)], [Some(one), None], [Some(one), Some(Nonce::fresh())]] {
            assert_eq!(value_under(&bytes, &stamps), None);
        }
        assert_eq!(value_under(&bytes.slice(..31), &[Some(one), Some(two)]), None);
        assert_eq!((value_under(&Bytes::new(), &[Some(one)]), value_under(&Bytes::new(), &[])), (None, None));
        assert_eq!(value_under(&Bytes::from_static(b"of nothing"), &[]), Some(Bytes::from_static(b"of nothing")));
    }
}
