//! One connection that many threads share.
//!
//! Whoever finds nobody at work on it sends all that was asked for until then in one write, and hands out the answers as they come; then
//! somebody who has asked meanwhile does the same. So one batch is under way at a time, the larger the more ask at once, and one caller
//! alone has to wait for no other thread. Commands reach the server in the order in which they were asked for.

mod call;
mod keeper;

use std::{
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use larder::store::StoreError;
use redis::Value;

use self::call::{Call, Turn};
pub(crate) use self::keeper::Pipes;
use crate::{
    error::Failure,
    request::Request,
    wire::{Wire, moment_in},
};

/// Whoever asks for more than that, together with those who wait already, waits until they have been sent.
const MOST_BYTES: usize = 1 << 20;

/// As [`MOST_BYTES`], of operations.
const MOST_CALLS: usize = 1_024;

pub(crate) struct Pipe {
    queue: Mutex<Queue>,
    /// Told when what was waiting has been taken.
    room: Condvar,
    /// Held by whoever leads.
    wire: Mutex<Wire>,
    io_timeout: Duration,
    is_dead: AtomicBool,
    n_asking: AtomicUsize,
}

/// What is to be sent next.
#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    calls: Vec<Arc<Call>>,
    /// Whether somebody is at work, or has been told to be.
    is_led: bool,
    /// Why nothing is sent any more.
    failure: Option<Failure>,
}

impl Queue {
    fn has_room(&self, request: &Request) -> bool {
        let n_bytes = self.bytes.len() + request.as_bytes().len();
        self.calls.is_empty() || !self.is_led || (n_bytes <= MOST_BYTES && self.calls.len() < MOST_CALLS)
    }
}

impl Pipe {
    pub(crate) fn new(wire: Wire, io_timeout: Duration) -> Self {
        Self {
            queue: Mutex::default(),
            room: Condvar::new(),
            wire: Mutex::new(wire),
            io_timeout,
            is_dead: AtomicBool::new(false),
            n_asking: AtomicUsize::new(0),
        }
    }

    /// How many threads are asking.
    pub(crate) fn n_asking(&self) -> usize {
        self.n_asking.load(Ordering::Relaxed)
    }

    /// Whether nobody is answered on it any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Acquire)
    }

    /// Sends commands together with those of others, and waits for their answers.
    ///
    /// A command may have taken effect whatever the error is. One that has come too late for its caller is answered all the same: nobody
    /// takes that answer for his own.
    pub(crate) fn call(&self, request: &Request) -> Result<Vec<Value>, StoreError> {
        self.n_asking.fetch_add(1, Ordering::Relaxed);
        let answers = self.ask(request);
        self.n_asking.fetch_sub(1, Ordering::Relaxed);
        answers
    }

    fn ask(&self, request: &Request) -> Result<Vec<Value>, StoreError> {
        // As long for the batch before as for our own.
        let until = moment_in(self.io_timeout.saturating_mul(2));
        let call = Arc::new(Call::of_this_thread(request.n_commands()));
        if self.join(&call, request, until)? {
            return self.lead(&call);
        }
        match call.wait(until) {
            Turn::Leads => self.lead(&call),
            Turn::Ended(ended) => ended.map_err(|failure| failure.tell()),
            Turn::TooLate => Err(StoreError::timed_out("the server did not answer in time")),
        }
    }

    /// Adds to what is sent next; tells whether that is up to us.
    fn join(&self, call: &Arc<Call>, request: &Request, until: Instant) -> Result<bool, StoreError> {
        let mut queue = self.queue();
        loop {
            if let Some(failure) = &queue.failure {
                return Err(failure.tell());
            }
            if queue.has_room(request) {
                break;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StoreError::timed_out("the queue of the connection has stayed full"));
            }
            queue = self.room.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.bytes.extend_from_slice(request.as_bytes());
        queue.calls.push(Arc::clone(call));
        Ok(!mem::replace(&mut queue.is_led, true))
    }

    /// Sends what is waiting, of which the caller's own is a part, and hands out the answers.
    fn lead(&self, own: &Call) -> Result<Vec<Value>, StoreError> {
        let leading = Leading(self);
        let (bytes, calls) = {
            let mut queue = self.queue();
            (mem::take(&mut queue.bytes), mem::take(&mut queue.calls))
        };
        self.room.notify_all();
        match self.exchange(&bytes, &calls) {
            Ok(()) => leading.hand_over(),
            Err(error) => {
                let failure = Failure::of(&error);
                self.fail(&failure);
                for call in calls {
                    call.end(Err(failure.clone()));
                }
            }
        }
        match own.wait(Instant::now()) {
            Turn::Ended(ended) => ended.map_err(|failure| failure.tell()),
            // Somebody has ended it between our being told to lead and our doing it.
            Turn::Leads | Turn::TooLate => Err(self.failure().tell()),
        }
    }

    fn exchange(&self, bytes: &[u8], calls: &[Arc<Call>]) -> Result<(), StoreError> {
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_dead() {
            return Err(self.failure().tell());
        }
        wire.send_bytes(bytes, moment_in(self.io_timeout))?;
        for call in calls {
            let mut answers = Vec::with_capacity(call.n_answers());
            while answers.len() < call.n_answers() {
                match wire.receive(moment_in(self.io_timeout))? {
                    Some(answer) => answers.push(answer),
                    None => return Err(StoreError::timed_out("the server did not answer in time")),
                }
            }
            // Whoever got an answer that makes no sense has ended it: the next ones may be those of others.
            if self.is_dead() {
                return Err(self.failure().tell());
            }
            call.end(Ok(answers));
        }
        Ok(())
    }

    /// Ends it for all: whoever waits, and whoever comes.
    pub(crate) fn kill(&self) {
        self.fail(&Failure::of(&StoreError::unavailable("the connection was given up")));
    }

    fn fail(&self, failure: &Failure) {
        let calls = {
            let mut queue = self.queue();
            queue.failure.get_or_insert_with(|| failure.clone());
            self.is_dead.store(true, Ordering::Release);
            queue.bytes = Vec::new();
            mem::take(&mut queue.calls)
        };
        self.room.notify_all();
        for call in calls {
            call.end(Err(failure.clone()));
        }
    }

    fn failure(&self) -> Failure {
        let known = self.queue().failure.clone();
        known.unwrap_or_else(|| Failure::of(&StoreError::unavailable("the connection was given up")))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic is done while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody is at work. If he is gone before he has handed over, nobody knows what the next answer belongs to.
struct Leading<'p>(&'p Pipe);

impl Leading<'_> {
    /// Lets one of those who have asked meanwhile go on.
    fn hand_over(self) {
        {
            let mut queue = self.0.queue();
            queue.is_led = queue.calls.iter().any(|call| call.appoint());
        }
        mem::forget(self);
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.kill();
    }
}
