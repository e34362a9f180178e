use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{sync::watch, time};

use super::ResponseKey;

/// The answers that are being made for this process's requests.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<ResponseKey, watch::Receiver<State>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    UnderWay,
    Ended(End),
}

/// How a flight has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its answer is kept.
    Kept,
    /// Its answer is not to be kept; the next one would not be either.
    NotKept,
    /// Nobody wants it any more: the next one begins anew.
    GivenUp,
}

impl Flights {
    /// Begins one. A lease that has expired may be taken again: of two for one key, the later one is waited for.
    pub(super) fn begin(self: &Arc<Self>, key: ResponseKey) -> Flight {
        let (tell, told) = watch::channel(State::UnderWay);
        self.lock().insert(key, told);
        Flight { flights: Arc::clone(self), key, tell }
    }

    /// Waits for the end of the one under way: `None` if there is none, or it takes longer.
    pub(super) async fn wait(&self, key: &ResponseKey, at_most: Duration) -> Option<End> {
        let mut told = self.lock().get(key)?.clone();
        let ended = time::timeout(at_most, told.wait_for(|state| *state != State::UnderWay)).await.ok()?;
        match ended.map(|state| *state) {
            Ok(State::Ended(end)) => Some(end),
            Ok(State::UnderWay) | Err(_) => Some(End::GivenUp),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ResponseKey, watch::Receiver<State>>> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One answer that is being made. Dropped before its end, it is given up.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: ResponseKey,
    tell: watch::Sender<State>,
}

impl Flight {
    pub(super) fn end(self, end: End) {
        self.tell(end);
    }

    fn tell(&self, end: End) {
        let mut under_way = self.flights.lock();
        if under_way.get(&self.key).is_some_and(|told| self.tell.subscribe().same_channel(told)) {
            under_way.remove(&self.key);
        }
        drop(under_way);
        self.tell.send_if_modified(|state| {
            let is_new = *state == State::UnderWay;
            if is_new {
                *state = State::Ended(end);
            }
            is_new
        });
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Who panics once may do so again, for each of those that wait: they had better not wait for one another.
        self.tell(if thread::panicking() { End::NotKept } else { End::GivenUp });
    }
}
