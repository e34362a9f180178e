mod gate;
mod rule;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use larder::store::{
    Cell, CellKey, Cursor, Ending, Fill, Inspected, Lease, Listener, Listening, Nonce, Position, Recall, Scanned,
    Stamped, Store, StoreError, Subscription, Vacancy,
};

pub use self::gate::Gate;
use self::rule::{Moment, Rule};
use crate::Operation;

/// A store that fails, waits, or runs a piece of the test before or after any of its operations.
#[derive(Debug)]
pub struct Faulty<S> {
    store: Arc<S>,
    faults: Faults,
}

impl<S: Store> Faulty<S> {
    /// A store that does nothing wrong until its [`Faulty::faults`] say so.
    pub fn new(store: S) -> Self {
        Self::sharing(Arc::new(store))
    }

    /// The same on a store that others use, too, undisturbed.
    pub fn sharing(store: Arc<S>) -> Self {
        Self { store, faults: Faults::default() }
    }

    /// The handle by which a test disturbs the store, also after the store was given away.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    fn disturb<T>(
        &self,
        operation: Operation,
        execute: impl FnOnce(&S) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.faults.strike(operation, Moment::Before)?;
        let result = execute(&self.store);
        self.faults.strike(operation, Moment::After)?;
        result
    }
}

/// How a disturbed operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// [`StoreError::timed_out`]
    TimedOut,
    /// [`StoreError::unavailable`]
    Unavailable,
    /// [`StoreError::refused`]
    Refused,
}

impl Failure {
    fn error(self) -> StoreError {
        let source = "injected by the test";
        match self {
            Self::TimedOut => StoreError::timed_out(source),
            Self::Unavailable => StoreError::unavailable(source),
            Self::Refused => StoreError::refused(source),
        }
    }
}

/// What goes wrong in a [`Faulty`] store; clones are handles of the same faults.
///
/// ```
/// # use std::time::Duration;
/// # use larder::store::MemoryStore;
/// # use tests::{Failure, Faulty, Operation};
/// let store = Faulty::new(MemoryStore::new());
/// let faults = store.faults();
/// faults.before(Operation::Begin).fail(Failure::Unavailable); // never executed
/// faults.after(Operation::Finish).fail(Failure::TimedOut); // executed, and nobody knows
/// faults.before(Operation::Fill).nth(2).run(|| println!("the second fill from now on comes"));
/// faults.everywhere().delay(42, Duration::from_millis(3)); // up to 3 ms, by a generator with that seed
/// let gate = faults.after(Operation::Lease).hold(); // waits there until the test says so
/// faults.clear();
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Rule>>>,
}

impl Faults {
    /// Disturbs an operation before it is executed: when it fails there, it is not executed.
    pub fn before(&self, operation: Operation) -> Place<'_> {
        Place { faults: self, operation: Some(operation), moment: Some(Moment::Before), only: None }
    }

    /// Disturbs an operation that has been executed: when it fails there, the caller can't know its outcome.
    pub fn after(&self, operation: Operation) -> Place<'_> {
        Place { moment: Some(Moment::After), ..self.before(operation) }
    }

    /// Disturbs every operation, before and after it is executed.
    pub fn everywhere(&self) -> Place<'_> {
        Place { faults: self, operation: None, moment: None, only: None }
    }

    /// Disturbs nothing any more. What waits at a gate goes on waiting until the gate opens.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the rules say for this step, in the order in which they were given, until one fails.
    fn strike(&self, operation: Operation, moment: Moment) -> Result<(), StoreError> {
        let acts: Vec<_> = self.lock().iter_mut().filter_map(|rule| rule.strike(operation, moment)).collect();
        // With no lock held: an act may well use the store.
        acts.iter().try_for_each(|act| act())
    }
}

/// Where a fault strikes: the end of `faults.before(..)` and its like says what it does there.
#[derive(Debug)]
#[must_use = "a place alone disturbs nothing"]
pub struct Place<'f> {
    faults: &'f Faults,
    operation: Option<Operation>,
    moment: Option<Moment>,
    only: Option<usize>,
}

impl Place<'_> {
    /// Strikes only the `n`th time from now on, where 1 is the next. Defaults to every time.
    pub fn nth(self, n: usize) -> Self {
        Self { only: Some(n), ..self }
    }

    /// Fails.
    pub fn fail(self, failure: Failure) {
        self.act(move || Err(failure.error()));
    }

    /// Waits for a time between nothing and `at_most`, from a generator of random numbers with this seed.
    pub fn delay(self, seed: u64, at_most: Duration) {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        self.act(move || {
            let share = random.lock().unwrap_or_else(PoisonError::into_inner).f64();
            thread::sleep(at_most.mul_f64(share));
            Ok(())
        });
    }

    /// Runs a piece of the test, on the thread that uses the store.
    pub fn run(self, act: impl Fn() + Send + Sync + 'static) {
        self.act(move || {
            act();
            Ok(())
        });
    }

    /// Waits at a gate until it is opened.
    #[must_use = "a gate that is dropped is open"]
    pub fn hold(self) -> Gate {
        let gate = Gate::default();
        let post = gate.post();
        self.act(move || post.pass());
        gate
    }

    fn act(self, act: impl Fn() -> Result<(), StoreError> + Send + Sync + 'static) {
        self.faults.lock().push(Rule::new(self.operation, self.moment, self.only, Arc::new(act)));
    }
}

impl<S: Store> Store for Faulty<S> {
    fn attach(&self, hold: Duration) {
        self.store.attach(hold);
    }

    fn at_once(&self) -> Option<usize> {
        self.store.at_once()
    }

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        self.disturb(Operation::Read, |store| store.read(keys))
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        self.disturb(Operation::Lease, |store| store.lease(keys, ttl))
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        self.disturb(Operation::Fill, |store| store.fill(fills))
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        self.disturb(Operation::Begin, |store| store.begin(nonce, keys, hold, recall))
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        self.disturb(Operation::Finish, |store| store.finish(nonce, endings))
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        self.disturb(Operation::Settle, |store| store.settle(nonce, keys))
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        self.disturb(Operation::Read, |store| store.read_stamped(keys, stamped))
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        self.disturb(Operation::Stamp, |store| store.stamp(keys, ttl))
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        self.disturb(Operation::Inspect, |store| store.inspect(keys))
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        self.disturb(Operation::Extend, |store| store.extend(values))
    }

    fn listen(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        self.store.listen(listener, wanted)
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        self.disturb(Operation::Scan, |store| store.scan(prefix, from))
    }
}

#[cfg(test)]
mod tests;
