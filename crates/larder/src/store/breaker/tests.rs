use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::*;
use crate::{
    event::{Event, NoEvents},
    store::{Bytes, Layout, ManualClock, MemoryStore, Operation, Watched, conformance::Subject},
};

fn breaker(store: impl Store, options: BreakerOptions) -> Breaker {
    Breaker::new(Arc::new(store), options, Arc::new(NoEvents))
}

fn closed() -> Subject {
    let clock = ManualClock::default();
    let store = MemoryStore::new().with_clock(clock.clone());
    Subject::new(breaker(store, BreakerOptions::default())).on_clock(clock)
}

mod when_closed {
    crate::store_conformance_tests!(super::closed);
}

/// What goes wrong with every operation, until it is told otherwise.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Slow,
    Silent,
    Refusing,
}

/// A store in a mood: its clock goes on by 200 ms with each slow call.
struct Moody {
    store: MemoryStore,
    clock: ManualClock,
    mood: Mutex<Mood>,
    calls: Mutex<Vec<Operation>>,
    is_panicking: AtomicBool,
}

impl Moody {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            store: MemoryStore::new(),
            clock: ManualClock::default(),
            mood: Mutex::new(Mood::Well),
            calls: Mutex::default(),
            is_panicking: AtomicBool::new(false),
        })
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn calls(&self) -> Vec<Operation> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn ask<T>(
        &self,
        operation: Operation,
        ask: impl FnOnce(&MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        assert!(!self.is_panicking.load(Ordering::SeqCst), "told to");
        self.calls.lock().unwrap().push(operation);
        match *self.mood.lock().unwrap() {
            Mood::Well => ask(&self.store),
            Mood::Slow => {
                self.clock.advance(Duration::from_millis(200));
                ask(&self.store)
            }
            Mood::Silent => {
                self.clock.advance(Duration::from_millis(500));
                Err(StoreError::timed_out("no answer"))
            }
            Mood::Refusing => Err(StoreError::refused("no")),
        }
    }
}

struct Shared(Arc<Moody>);

impl Store for Shared {
    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        self.0.ask(Operation::Read, |store| store.read(keys))
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        self.0.ask(Operation::Lease, |store| store.lease(keys, ttl))
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        self.0.ask(Operation::Fill, |store| store.fill(fills))
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        self.0.ask(Operation::Begin, |store| store.begin(nonce, keys, hold, recall))
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        self.0.ask(Operation::Finish, |store| store.finish(nonce, endings))
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        self.0.ask(Operation::Settle, |store| store.settle(nonce, keys))
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        self.0.ask(Operation::Read, |store| store.read_stamped(keys, stamped))
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        self.0.ask(Operation::Stamp, |store| store.stamp(keys, ttl))
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        self.0.ask(Operation::Inspect, |store| store.inspect(keys))
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        self.0.ask(Operation::Extend, |store| store.extend(values))
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        self.0.ask(Operation::Scan, |store| store.scan(prefix, from))
    }
}

const NEVER: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(30);

/// One whose probes come only after the test.
fn patient(store: &Arc<Moody>) -> Breaker {
    let options = BreakerOptions::default().clock(store.clock.clone()).probe_every(NEVER, NEVER);
    breaker(Shared(Arc::clone(store)), options)
}

fn key(n: usize) -> CellKey {
    CellKey::new(format!("users:id:{n}").into_bytes(), Layout::new(1))
}

fn vacant(key: &CellKey) -> [(&CellKey, Vacancy); 1] {
    [(key, Vacancy::Nothing)]
}

/// Does each operation once: which the store was asked, and which failed without.
fn all(breaker: &Breaker, store: &Moody) -> (Vec<Operation>, Vec<Operation>) {
    let (one, nonce) = (key(1), Nonce::fresh());
    let lease = Lease { token: nonce, fence: crate::store::Fence([b'0'; 8]) };
    let fills = [Fill { key: &one, lease, value: Bytes::new(), ttl: LONG }];
    let keys = std::slice::from_ref(&one);
    store.calls();
    let results = [
        (Operation::Read, breaker.read(keys).err()),
        (Operation::Lease, breaker.lease(&vacant(&one), LONG).err()),
        (Operation::Stamp, breaker.stamp(&[&one], LONG).err()),
        (Operation::Fill, breaker.fill(&fills).err()),
        (Operation::Begin, breaker.begin(nonce, &[&one], LONG, Recall::Announced).err()),
        (Operation::Finish, breaker.finish(nonce, &[(&one, Ending::Emptied)]).err()),
        (Operation::Settle, breaker.settle(None, &[&one]).err()),
        (Operation::Inspect, breaker.inspect(keys).err()),
        (Operation::Extend, breaker.extend(&[(&one, nonce, LONG)]).err()),
        (Operation::Scan, breaker.scan(b"users:", Cursor::START).err()),
    ];
    let is_spared = |error: &StoreError| error.is_not_asked() && error.is_unavailable();
    let spared = results.into_iter().filter(|(_, error)| error.as_ref().is_some_and(is_spared)).map(|(o, _)| o);
    (store.calls(), spared.collect())
}

#[test]
fn an_open_breaker_spares_reads_the_store_and_lets_writes_through() {
    use Operation::{Begin, Extend, Fill, Finish, Inspect, Lease, Read, Scan, Settle, Stamp};
    for mood in [Mood::Slow, Mood::Silent] {
        let store = Moody::new();
        let breaker = patient(&store);
        assert_eq!(all(&breaker, &store), (Operation::ALL.to_vec(), vec![]));
        store.set(mood);
        (0..5).for_each(|_| drop(breaker.read(&[key(1)])));
        assert_eq!(breaker.stats().state, BreakerState::Open);
        store.set(Mood::Well);
        let (asked, spared) = all(&breaker, &store);
        assert_eq!(asked, [Begin, Finish, Settle, Scan]);
        assert_eq!(spared, [Read, Lease, Stamp, Fill, Inspect, Extend]);
        assert_eq!(breaker.stats().n_spared, 6);
        assert_eq!(breaker.stats().state, BreakerState::Open, "only probes close it");
    }
}

/// Whether so many of one operation open the breaker.
fn opens(mood: Mood, n_calls: usize, call: impl Fn(&Breaker)) -> bool {
    let store = Moody::new();
    let breaker = patient(&store);
    store.set(mood);
    (0..n_calls).for_each(|_| call(&breaker));
    breaker.stats().state == BreakerState::Open
}

#[test]
fn calls_of_every_kind_count_when_they_fail_and_those_of_users_when_they_are_slow() {
    let one = key(1);
    type Made<'c> = (&'c str, bool, &'c dyn Fn(&Breaker));
    let calls: [Made<'_>; 5] = [
        ("begin", true, &|b| drop(b.begin(Nonce::fresh(), &[&one], LONG, Recall::Announced))),
        ("begin that waits for others", false, &|b| drop(b.begin(Nonce::fresh(), &[&one], LONG, Recall::Outwaited))),
        ("finish", true, &|b| drop(b.finish(Nonce::fresh(), &[(&one, Ending::Emptied)]))),
        ("settle", true, &|b| drop(b.settle(None, &[&one]))),
        ("scan", false, &|b| drop(b.scan(b"", Cursor::START))),
    ];
    for (name, counts_slow, call) in calls {
        assert!(opens(Mood::Silent, 5, call) && !opens(Mood::Silent, 4, call), "{name} fails");
        assert_eq!(opens(Mood::Slow, 5, call), counts_slow, "{name} is slow");
        assert!(!opens(Mood::Well, 100, call), "{name}");
    }
}

/// Whether it opens although, just before each slow read, something else was answered.
fn opens_beside(other: impl Fn(&Breaker, &Moody)) -> bool {
    let (store, one) = (Moody::new(), key(1));
    let options = BreakerOptions::default().clock(store.clock.clone()).probe_every(NEVER, NEVER);
    let breaker = breaker(Shared(Arc::clone(&store)), options.slow(Duration::from_millis(150)));
    (0..6).for_each(|_| {
        store.set(Mood::Slow);
        drop(breaker.read(std::slice::from_ref(&one)));
        other(&breaker, &store);
    });
    breaker.stats().state == BreakerState::Open
}

#[test]
fn what_says_nothing_of_the_stores_pace_does_not_hide_that_it_is_slow() {
    let one = key(1);
    assert!(opens_beside(|_, _| ()));
    assert!(opens_beside(|b, _| drop(b.scan(b"", Cursor::START))));
    assert!(opens_beside(|b, _| drop(b.begin(Nonce::fresh(), &[&one], LONG, Recall::Acknowledged))));
    // A lease that is refused may be refused without asking, as in a quarantine: here somebody holds it.
    assert!(opens_beside(|b, store| {
        store.store.lease(&vacant(&one), NEVER).unwrap();
        store.set(Mood::Well);
        assert!(b.lease(&vacant(&one), LONG).is_ok_and(|leases| leases == [None]) || b.stats().n_opened == 1);
    }));
    assert!(!opens_beside(|b, store| {
        store.set(Mood::Well);
        drop(b.read(std::slice::from_ref(&one)));
    }));
}

#[test]
fn a_store_that_reads_and_refuses_the_rest_goes_on_being_read() {
    let one = key(1);
    assert!(opens(Mood::Refusing, 5, |b| drop(b.read(std::slice::from_ref(&one)))));
    assert!(!opens(Mood::Refusing, 100, |b| drop(b.lease(&vacant(&one), LONG))));
    assert!(!opens(Mood::Refusing, 100, |b| drop(b.begin(Nonce::fresh(), &[&one], LONG, Recall::Announced))));
}

#[test]
fn many_keys_may_take_longer() {
    let keys: Vec<CellKey> = (0..=4 * BATCH).map(key).collect();
    assert!(opens(Mood::Slow, 5, |b| drop(b.read(&keys[..3 * BATCH]))), "200 ms for three batches");
    assert!(!opens(Mood::Slow, 100, |b| drop(b.read(&keys[..4 * BATCH]))), "200 ms for four");
}

type Changes = Vec<(BreakerState, Option<String>)>;

/// What a breaker tells of itself.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Changes>>);

impl HandleEvent for Told {
    fn handle(&self, event: Event<'_>) {
        if let Event::Breaker { state, cause } = event {
            self.0.lock().unwrap().push((state, cause.map(str::to_owned)));
        }
    }
}

fn wait_until(reached: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !reached() {
        assert!(Instant::now() < deadline, "not within {LONG:?}");
        std::thread::yield_now();
    }
}

#[test]
fn it_tries_the_store_by_itself_recovers_and_tells_of_each_step() {
    let (store, told) = (Moody::new(), Told::default());
    let options = BreakerOptions::default().clock(store.clock.clone()).probe_every(SOON, SOON).failures(1);
    let breaker = Breaker::new(Arc::new(Shared(Arc::clone(&store))), options, Arc::new(told.clone()));
    let state = || breaker.stats().state;
    for n_opened in 1..=2 {
        store.set(Mood::Silent);
        assert!(breaker.read(&[key(1)]).is_err());
        assert!(state() == BreakerState::Open && breaker.is_silent());
        store.set(Mood::Slow);
        wait_until(|| !breaker.is_silent());
        store.set(Mood::Well);
        wait_until(|| state() == BreakerState::Recovering);
        store.calls();
        let keys: Vec<CellKey> = (0..100).map(|n| key(100 * n_opened + n)).collect();
        let vacant: Vec<_> = keys.iter().map(|key| (key, Vacancy::Nothing)).collect();
        let is_leased = |key: usize| match breaker.lease(&vacant[key..=key], LONG) {
            Ok(leases) => leases[0].is_some(),
            Err(error) => !error.is_not_asked(),
        };
        assert_eq!([is_leased(0), is_leased(1)], [true, false]);
        assert_eq!(store.calls(), [Operation::Lease], "what is not let through is no call");
        store.clock.advance(Duration::from_millis(2_500));
        let n_granted = (2..100).filter(|key| is_leased(*key)).count();
        assert!((48..=51).contains(&n_granted), "{n_granted} of 98, half of the ramp later");
        assert_eq!(breaker.read(&keys).unwrap().len(), 100);
        store.clock.advance(Duration::from_millis(2_500));
        breaker.desk.circuit.look_again();
        wait_until(|| state() == BreakerState::Closed && told.0.lock().unwrap().len() == 3 * n_opened);
        assert_eq!(breaker.stats().n_opened, n_opened as u64);
    }
    let once = [
        (BreakerState::Open, Some("the store did not answer in time: no answer".to_owned())),
        (BreakerState::Recovering, None),
        (BreakerState::Closed, None),
    ];
    assert_eq!(*told.0.lock().unwrap(), [once.clone(), once].concat());
}

#[test]
fn it_asks_for_one_key_of_its_own() {
    let n_probes = Arc::new(AtomicUsize::new(0));
    let (store, counted) = (Moody::new(), Arc::clone(&n_probes));
    let watched = Watched::new(Shared(Arc::clone(&store)), move |operation, keys| {
        if keys.iter().any(|key| key.as_bytes() == b"larder-breaker:probe") {
            assert_eq!((operation, keys.len()), (Operation::Read, 1));
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let breaker = breaker(watched, BreakerOptions::default().probe_every(SOON, SOON).failures(1));
    store.set(Mood::Silent);
    assert!(breaker.read(&[key(1)]).is_err());
    wait_until(|| n_probes.load(Ordering::SeqCst) > 3);
    drop(breaker);
    let weak = Arc::downgrade(&store);
    drop(store);
    wait_until(|| weak.strong_count() == 0);
}

#[test]
fn a_watch_that_panics_leaves_the_breaker_closed() {
    let store = Moody::new();
    let breaker = breaker(Shared(Arc::clone(&store)), BreakerOptions::default().probe_every(SOON, SOON).failures(1));
    store.set(Mood::Silent);
    assert!(breaker.read(&[key(1)]).is_err());
    store.is_panicking.store(true, Ordering::SeqCst);
    wait_until(|| breaker.stats().state == BreakerState::Closed);
    store.is_panicking.store(false, Ordering::SeqCst);
    assert!(breaker.read(&[key(1)]).is_err_and(|error| error.is_timeout()), "and opens again");
    store.set(Mood::Well);
    wait_until(|| breaker.stats().state == BreakerState::Recovering);
}
